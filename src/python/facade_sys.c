/* The sys that programs see: the names of the contract and a few harmless constants more, functions
 * of our own (a built-in function knows its module, and the real sys leads everywhere), and the
 * three streams, which are forwarded so that assigning sys.stdout redirects print(). */
#include "python/facade.h"

#include <string.h>

#include "python/compat.h"
#include "python/events.h"

#define MAX_RECURSION  200000
#define MAX_INT_DIGITS 100000 /* 0.1 s for a conversion; the time grows with the square */

static PyObject *sys_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    (void)self;
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "exit expected at most 1 argument, got %zd", n);
        return NULL;
    }
    PyErr_SetObject(PyExc_SystemExit, n ? args[0] : Py_None);
    return NULL;
}

/* Call a function of the real sys. */
static PyObject *sys_forward(const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *f = PySys_GetObject(name); /* borrowed */
    if (!f) {
        PyErr_SetString(PyExc_AttributeError, name);
        return NULL;
    }
    return PyObject_Call(f, args, kwargs);
}

static PyObject *sys_getsizeof(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)self;
    return sys_forward("getsizeof", args, kwargs);
}

static PyObject *sys_intern(PyObject *self, PyObject *args)
{
    (void)self;
    return sys_forward("intern", args, NULL);
}

static PyObject *sys_getrecursionlimit(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return PyLong_FromLong(Py_GetRecursionLimit());
}

static PyObject *sys_getdefaultencoding(PyObject *self, PyObject *args)
{
    (void)self;
    return sys_forward("getdefaultencoding", args, NULL);
}

static PyObject *sys_setrecursionlimit(PyObject *self, PyObject *args)
{
    (void)self;
    /* An endless recursion is to end in a RecursionError within a second, not in a memory limit
     * after many. */
    long limit = PyTuple_GET_SIZE(args) == 1 && PyLong_CheckExact(PyTuple_GET_ITEM(args, 0))
                     ? PyLong_AsLong(PyTuple_GET_ITEM(args, 0))
                     : 0;
    PyErr_Clear();
    if (limit <= MAX_RECURSION)
        return sys_forward("setrecursionlimit", args, NULL);
    auto_py PyObject *most = Py_BuildValue("(i)", MAX_RECURSION);
    return most ? sys_forward("setrecursionlimit", most, NULL) : NULL;
}

static PyObject *sys_get_int_max_str_digits(PyObject *self, PyObject *args)
{
    (void)self;
    return sys_forward("get_int_max_str_digits", args, NULL);
}

static PyObject *sys_set_int_max_str_digits(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)self;
    static char name[] = "maxdigits";
    static char *names[] = {name, NULL};
    int digits;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i", names, &digits))
        return NULL;
    if (digits == 0 || digits > MAX_INT_DIGITS) {
        static const char detail[] =
            "'sys.set_int_max_str_digits' beyond 100000 digits, or without "
            "a limit, is not available in the sandbox";
        events_report(LAYER_GUARD, 0, "facade", detail, "Set a limit of 100000 or less");
        PyErr_SetString(events_violation_type, detail);
        return NULL;
    }
    auto_py PyObject *exact = Py_BuildValue("(i)", digits);
    return exact ? sys_forward("set_int_max_str_digits", exact, NULL) : NULL;
}

static PyMethodDef functions[] = {
    {"exit", (PyCFunction)(void (*)(void))sys_exit, METH_FASTCALL,
     "End the program: no argument or 0 is success, anything else a failure."},
    {"getsizeof", (PyCFunction)(void (*)(void))sys_getsizeof, METH_VARARGS | METH_KEYWORDS,
     "getsizeof(object [, default]) -> int: the size of object in bytes."},
    {"intern", sys_intern, METH_VARARGS, "The one copy of a string that is kept in a table."},
    {"getrecursionlimit", sys_getrecursionlimit, METH_NOARGS, "How deep calls may nest."},
    {"getdefaultencoding", sys_getdefaultencoding, METH_VARARGS, "The encoding of str.encode()."},
    {"setrecursionlimit", sys_setrecursionlimit, METH_VARARGS,
     "Set how deep calls may nest: 200000 at most."},
    {"get_int_max_str_digits", sys_get_int_max_str_digits, METH_VARARGS,
     "The most digits of an int that become text or are read from text; 0 is no limit."},
    {"set_int_max_str_digits", (PyCFunction)(void (*)(void))sys_set_int_max_str_digits,
     METH_VARARGS | METH_KEYWORDS, "Set the most digits of an int that become text, and back."},
};

/* Constants that are immutable all the way down. */
static const char *const constants[] = {"version",  "version_info", "maxsize",   "float_info",
                                        "int_info", "byteorder",    "hash_info", "hexversion",
                                        "platform", "maxunicode",   "copyright", "flags"};

static const char *const live[] = {"stdin", "stdout", "stderr"};

/* argv, as for a script without arguments. */
static int add_argv(PyObject *dict)
{
    auto_py PyObject *argv = Py_BuildValue("[s]", "<sandbox>");
    return argv ? PyDict_SetItemString(dict, "argv", argv) : -1;
}

/* Copies of what a program could change in the interpreter's own. */
static int add_copies(PyObject *dict)
{
    PyObject *implementation = PySys_GetObject("implementation"); /* borrowed */
    PyObject *options = PySys_GetObject("warnoptions");
    auto_py PyObject *names = implementation ? PyObject_GenericGetDict(implementation, NULL) : NULL;
    auto_py PyObject *none = PyTuple_New(0);
    auto_py PyObject *copy =
        names && none ? PyObject_Call((PyObject *)Py_TYPE(implementation), none, names) : NULL;
    auto_py PyObject *list = options ? PySequence_List(options) : PyList_New(0);
    return copy && list && PyDict_SetItemString(dict, "implementation", copy) == 0
               ? PyDict_SetItemString(dict, "warnoptions", list)
               : -1;
}

int facade_sys_fill(PyObject *dict)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(constants); i++) {
        PyObject *value = PySys_GetObject(constants[i]); /* borrowed */
        if (value && PyDict_SetItemString(dict, constants[i], value) < 0)
            return -1;
    }
    auto_py PyObject *module = PyUnicode_InternFromString("sys");
    for (size_t i = 0; module && i < Py_ARRAY_LENGTH(functions); i++) {
        auto_py PyObject *f = PyCFunction_NewEx(&functions[i], NULL, module);
        if (!f || PyDict_SetItemString(dict, functions[i].ml_name, f) < 0)
            return -1;
    }
    return module && add_copies(dict) == 0 ? add_argv(dict) : -1;
}

bool facade_sys_is_live(PyObject *name)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(live); i++)
        if (PyUnicode_CompareWithASCIIString(name, live[i]) == 0)
            return true;
    return false;
}

PyObject *facade_sys_get(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    PyObject *value = text ? PySys_GetObject(text) : NULL; /* borrowed */
    if (!value && !PyErr_Occurred())
        PyErr_Format(PyExc_AttributeError, "module 'sys' has no attribute '%U'", name);
    return Py_XNewRef(value);
}

int facade_sys_set(PyObject *name, PyObject *value)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return -1;
    if (!value) {
        PyErr_Format(PyExc_AttributeError, "'%U' of module 'sys' cannot be deleted in the sandbox",
                     name);
        return -1;
    }
    return PySys_SetObject(text, value);
}
