/* Who is trusted to read what: see guards.h. Runs in the zygote (set-up) and in the worker, asked
 * on every guarded access. What is trusted: the identity of the innermost frame's code object,
 * never a name or a file name, which a program can forge; and of an attribute, that this code's own
 * instruction is what reads it. */
#include "python/guard_trust.h"

#include <opcode.h>
#include <string.h>

#include "python/compat.h"
#include "python/guard_readers.h"
#include "python/guards.h"

static PyObject *own_builtins; /* the interpreter's; borrowed, never released */

static PyObject *harness; /* the globals of the code that started us; borrowed, likewise */

void guards_trust_init(void)
{
    own_builtins = PyEval_GetBuiltins();
    harness = PyEval_GetGlobals();
}

bool guards_is_library(PyObject *function)
{
    return PyFunction_Check(function) &&
           ((PyFunctionObject *)function)->func_builtins == own_builtins;
}

bool guards_is_library_frame(PyFrameObject *frame)
{
    auto_py PyObject *builtins = PyFrame_GetBuiltins(frame);
    return builtins == own_builtins;
}

bool guards_is_harness(PyFrameObject *frame)
{
    auto_py PyObject *globals = PyFrame_GetGlobals(frame);
    return harness && globals == harness;
}

bool guards_caller_is_program(void)
{
    /* library code runs with the interpreter's own builtins, a program with a dict made for it;
     * where there is no frame nothing vouches for the caller */
    return !PyEval_GetFrame() || PyEval_GetBuiltins() != own_builtins;
}

bool guards_called_by_library(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    auto_py PyObject *caller = frame ? (PyObject *)PyFrame_GetBack(frame) : NULL;
    auto_py PyObject *builtins = caller ? PyFrame_GetBuiltins((PyFrameObject *)caller) : NULL;
    return builtins == own_builtins;
}

/* ---- code object → bits of the attributes it may read ---- */

#define READERS_SIZE 256 /* a power of two, at least twice the number of rows */
static struct {
    PyCodeObject *code; /* strong reference, never released: the address must not be reused */
    unsigned bits;
} readers[READERS_SIZE];
static size_t readers_len;

static size_t reader_slot(const PyCodeObject *code)
{
    size_t i = ((uintptr_t)code >> 5) & (READERS_SIZE - 1);
    while (readers[i].code && readers[i].code != code)
        i = (i + 1) & (READERS_SIZE - 1);
    return i;
}

/* Without room for one more, the function is not trusted. */
static void reader_add(PyCodeObject *code, unsigned bits)
{
    size_t i = reader_slot(code);
    if (!readers[i].code) {
        if (readers_len == READERS_SIZE / 2)
            return;
        readers[i].code = (PyCodeObject *)Py_NewRef((PyObject *)code);
        readers_len++;
    }
    readers[i].bits |= bits;
}

unsigned guards_code_bits(const PyCodeObject *code)
{
    return readers[reader_slot(code)].bits;
}

static unsigned frame_bits(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    unsigned bits = readers[reader_slot(code)].bits;
    Py_DECREF(code);
    return bits;
}

bool guards_passed_on_by_program(unsigned bit)
{
    auto_py PyObject *at = Py_XNewRef((PyObject *)PyEval_GetFrame());
    while (at && (frame_bits((PyFrameObject *)at) & bit))
        Py_XSETREF(at, (PyObject *)PyFrame_GetBack((PyFrameObject *)at));
    auto_py PyObject *builtins = at ? PyFrame_GetBuiltins((PyFrameObject *)at) : NULL;
    return builtins != own_builtins;
}

unsigned guards_reader_bits(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    return frame ? frame_bits(frame) : 0;
}

/* ---- the instruction ---- */

static bool is_name(PyObject *tuple, size_t i, PyObject *name)
{
    PyObject *item =
        i < (size_t)PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, (Py_ssize_t)i) : NULL;
    return item && PyUnicode_CheckExact(item) && PyUnicode_Compare(item, name) == 0;
}

/* `hasattr(f, "__globals__")`: a call, in a function that has the name among its constants. */
static bool has_constant(const PyCodeObject *code, PyObject *name)
{
    for (size_t i = 0; i < (size_t)PyTuple_GET_SIZE(code->co_consts); i++)
        if (is_name(code->co_consts, i, name))
            return true;
    return false;
}

/* The argument of the instruction at @at, with the prefixes that extend it. */
static size_t argument(const unsigned char *bytes, int at)
{
    size_t arg = bytes[at + 1];
    for (int shift = 8; at >= 2 && bytes[at - 2] == EXTENDED_ARG && shift < 32; shift += 8) {
        at -= 2;
        arg |= (size_t)bytes[at + 1] << shift;
    }
    return arg;
}

/* Does the instruction at @at read or set the attribute @name? */
static bool instruction_names(const PyCodeObject *code, const unsigned char *bytes, int at,
                              PyObject *name)
{
    size_t arg = argument(bytes, at);
    switch (bytes[at]) {
    case LOAD_ATTR:
#if PY_VERSION_HEX >= 0x030c0000
        return is_name(code->co_names, arg >> 1, name); /* the lowest bit asks for a method */
#else
    case LOAD_METHOD:
#endif
    case STORE_ATTR:
    case DELETE_ATTR:
        return is_name(code->co_names, arg, name);
    default:
        return has_constant(code, name);
    }
}

bool guards_reader_names(PyObject *name)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (!frame)
        return false;
    int at = PyFrame_GetLasti(frame);
    PyCodeObject *code = PyFrame_GetCode(frame);
    auto_py PyObject *bytes = PyCode_GetCode(code); /* made once for each code object */
    bool yes = bytes && at >= 0 && at + 1 < PyBytes_GET_SIZE(bytes) &&
               instruction_names(code, (const unsigned char *)PyBytes_AS_STRING(bytes), at, name);
    PyErr_Clear();
    Py_DECREF(code);
    return yes;
}

/* ---- the table, resolved ---- */

/* Follow "Class.method" from @module; a new reference or NULL without an exception. */
static PyObject *resolve(PyObject *module, const char *path)
{
    PyObject *at = Py_NewRef(module);
    char part[128];
    while (at && *path) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof(part)) {
            Py_CLEAR(at);
            break;
        }
        memcpy(part, path, n);
        part[n] = '\0';
        PyObject *next = PyObject_GetAttrString(at, part);
        Py_SETREF(at, next);
        path += n + (path[n] == '.');
    }
    PyErr_Clear();
    return at;
}

/* The code of a function under decorators that keep __wrapped__, properties, class and static
 * methods. */
static PyCodeObject *code_of(PyObject *object)
{
    PyObject *at = Py_NewRef(object);
    for (int hops = 0; at && hops < 8; hops++) {
        if (PyFunction_Check(at)) {
            PyObject *wrapped = PyObject_GetAttrString(at, "__wrapped__");
            if (!wrapped) {
                PyErr_Clear();
                PyCodeObject *code = (PyCodeObject *)Py_NewRef(PyFunction_GET_CODE(at));
                Py_DECREF(at);
                return code;
            }
            Py_SETREF(at, wrapped);
            continue;
        }
        const char *inner = PyMethod_Check(at)                 ? "__func__"
                            : Py_IS_TYPE(at, &PyProperty_Type) ? "fget"
                                                               : "__wrapped__";
        PyObject *next = PyObject_GetAttrString(at, inner);
        Py_SETREF(at, next);
    }
    Py_XDECREF(at);
    PyErr_Clear();
    return NULL;
}

/* Add @code and the functions nested in it. */
static void learn_code(PyCodeObject *code, unsigned bits)
{
    reader_add(code, bits);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item))
            learn_code((PyCodeObject *)item, bits);
    }
}

int guards_learn(void)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    for (const struct guard_reader *r = guard_readers; r->module; r++) {
        PyObject *module = PyDict_GetItemString(modules, r->module); /* borrowed */
        PyObject *function = module ? resolve(module, r->function) : NULL;
        PyCodeObject *code = function ? code_of(function) : NULL;
        if (code)
            learn_code(code, r->bits);
        Py_XDECREF(code);
        Py_XDECREF(function);
    }
    return PyErr_Occurred() ? -1 : 0;
}
