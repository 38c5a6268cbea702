/* Guards at the destinations: see guards.h. Runs in the zygote (set-up) and in the worker, where
 * every reader is hostile until proven otherwise (guard_trust.c). */
#include "python/guards.h"
#include "python/patches.h"

#include <stdbool.h>

#include "python/compat.h"
#include "python/events.h"
#include "python/guard_readers.h"
#include "python/guard_trust.h"

/* A data descriptor that stands in for `original`. */
struct guard {
    PyObject_HEAD PyObject *original; /* owned: the descriptor that CPython put there */
    PyObject *name;                   /* owned str */
    const char *type_name;            /* static */
    unsigned reader_bit;              /* readers with this bit are answered; 0: see below */
};

/* Without a reader's bit the attribute is everybody's, but for functions of the library: those show
 * copies and keep what they have. A program that could change the defaults or the attributes of a
 * library function would have it act for the program with the library's rights. */
#define LIBRARY_KEEPS 0u

bool guards_armed;

/* ---- the descriptor ---- */

static int guard_refuse(const struct guard *g, const char *verb)
{
    char detail[256];
    const char *name = PyUnicode_AsUTF8(g->name);
    snprintf(detail, sizeof(detail), "%s '%s' of a %s is not allowed", verb, name ? name : "?",
             g->type_name);
    events_report(
        LAYER_GUARD, 0, "reflection", detail,
        "Programs cannot reach code, frames, globals or the class graph; nothing permits it");
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

/* Both conditions: who reads, and that it is its own instruction that does. abc asks for subclasses
 * in C. */
static bool guard_answers(const struct guard *g)
{
    return (guards_reader_bits() & g->reader_bit) &&
           (g->reader_bit == READS_CLASS_GRAPH || guards_reader_names(g->name));
}

/* Is it update_wrapper(), called by a function of the library, say contextmanager(), for a wrapper
 * that this one has made? */
static bool library_wraps(void)
{
    return (guards_reader_bits() & WRAPS_FOR_LIBRARY) && guards_called_by_library();
}

/* A dict would be the function's own. */
static PyObject *copy_of(PyObject *value)
{
    if (!value || !PyDict_Check(value))
        return value;
    PyObject *copy = PyDict_Copy(value);
    Py_DECREF(value);
    return copy;
}

/* typing evaluates the annotations of a function in its globals; those of a function of the library
 * are no program's business, whoever reads them for it. */
static bool is_library_namespace(const struct guard *g, PyObject *object)
{
    return guards_is_library(object) &&
           (PyUnicode_CompareWithASCIIString(g->name, "__globals__") == 0 ||
            PyUnicode_CompareWithASCIIString(g->name, "__builtins__") == 0);
}

/* @value (stolen) of a @frame: a program's frames end where those of the server's own start, and a
 * frame of the library keeps what its names stand for. */
static PyObject *of_frame(const struct guard *g, PyFrameObject *frame, PyObject *value)
{
    if (value && PyFrame_Check(value) && guards_is_harness((PyFrameObject *)value))
        Py_SETREF(value, Py_NewRef(Py_None));
    if (value && PyUnicode_CompareWithASCIIString(g->name, "f_locals") == 0 &&
        guards_is_library_frame(frame))
        Py_SETREF(value, PyDict_New());
    return value;
}

static PyObject *guard_get(PyObject *self, PyObject *object, PyObject *type)
{
    struct guard *g = (struct guard *)self;
    if (!object)
        return Py_NewRef(self);
    descrgetfunc get = Py_TYPE(g->original)->tp_descr_get;
    if (!guards_armed)
        return get(g->original, object, type);
    if (g->reader_bit == LIBRARY_KEEPS) {
        PyObject *value = get(g->original, object, type);
        return guards_is_library(object) && !library_wraps() ? copy_of(value) : value;
    }
    if (!guard_answers(g)) {
        guard_refuse(g, "Reading");
        return NULL;
    }
    if (is_library_namespace(g, object)) {
        PyErr_SetObject(PyExc_AttributeError, g->name);
        return NULL;
    }
    return PyFrame_Check(object)
               ? of_frame(g, (PyFrameObject *)object, get(g->original, object, type))
               : get(g->original, object, type);
}

static int guard_set(PyObject *self, PyObject *object, PyObject *value)
{
    struct guard *g = (struct guard *)self;
    bool kept = g->reader_bit == LIBRARY_KEEPS ? guards_is_library(object) : !guard_answers(g);
    if (guards_armed && kept)
        return guard_refuse(g, value ? "Setting" : "Deleting");
    descrsetfunc set = Py_TYPE(g->original)->tp_descr_set;
    if (!set) {
        PyErr_Format(PyExc_AttributeError, "attribute '%U' is read-only", g->name);
        return -1;
    }
    return set(g->original, object, value);
}

static PyTypeObject guard_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "guarded_attribute",
    .tp_basicsize = sizeof(struct guard),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_descr_get = guard_get,
    .tp_descr_set = guard_set,
};

PyObject *guards_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_NewRef(type->tp_dict);
#endif
}

bool guards_put_wrapper(PyObject *dict, const char *name, void *from, void *to)
{
    PyObject *found = PyDict_GetItemString(dict, name); /* borrowed */
    if (!found || !Py_IS_TYPE(found, &PyWrapperDescr_Type) ||
        ((PyWrapperDescrObject *)found)->d_wrapped != from)
        return false;
    ((PyWrapperDescrObject *)found)->d_wrapped = to;
    return true;
}

int guards_remove_name(PyTypeObject *type, const char *name)
{
    auto_py PyObject *dict = guards_type_dict(type);
    if (PyDict_GetItemString(dict, name) && PyDict_DelItemString(dict, name) < 0)
        return -1;
    PyType_Modified(type);
    return 0;
}

int guards_type_ready(PyTypeObject *type)
{
    static const char *const names[] = {"__get__", "__set__", "__delete__"};
    if (PyType_Ready(type) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (guards_remove_name(type, names[i]) < 0)
            return -1;
    return 0;
}

static int guard_install(PyTypeObject *type, const char *type_name, const char *name,
                         unsigned reader_bit)
{
    PyObject *dict = guards_type_dict(type);
    PyObject *key = PyUnicode_InternFromString(name);
    PyObject *original = key ? PyDict_GetItemWithError(dict, key) : NULL; /* borrowed */
    int rc = -1;
    if (!original) {
        rc = PyErr_Occurred() ? -1 : 0; /* this version of CPython does not have it */
        goto out;
    }
    if (!Py_TYPE(original)->tp_descr_get) {
        PyErr_Format(PyExc_SystemError, "%s.%s is no descriptor", type_name, name);
        goto out;
    }
    struct guard *g = PyObject_New(struct guard, &guard_type);
    if (!g)
        goto out;
    g->original = Py_NewRef(original);
    g->name = Py_NewRef(key);
    g->type_name = type_name;
    g->reader_bit = reader_bit;
    rc = PyDict_SetItem(dict, key, (PyObject *)g);
    Py_DECREF(g);
    PyType_Modified(type);
out:
    Py_XDECREF(key);
    Py_DECREF(dict);
    return rc;
}

/* ---- what is guarded ---- */

struct guard_row {
    PyTypeObject *type;
    const char *type_name;
    unsigned reader_bit;
    const char *names[24]; /* ends at the first NULL */
};

static int install_rows(const struct guard_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (const char *const *name = rows[i].names; *name; name++)
            if (guard_install(rows[i].type, rows[i].type_name, *name, rows[i].reader_bit) < 0)
                return -1;
    return 0;
}

/* The type of bound slots such as object().__str__, which C does not export by name. */
static PyTypeObject *method_wrapper_type(void)
{
    PyObject *wrapper = PyObject_GetAttrString(Py_None, "__str__");
    PyTypeObject *type = wrapper ? Py_TYPE(wrapper) : NULL; /* static, outlives the object */
    Py_XDECREF(wrapper);
    return type;
}

/* Dataclasses, asyncio and others import inspect, which takes what it needs of `type` for itself.
 */
static int prepare_inspect(void)
{
    auto_py PyObject *inspect = PyImport_ImportModule("inspect");
    return inspect ? patches_apply("inspect") : -1;
}

int guards_init(void)
{
    PyTypeObject *method_wrapper = method_wrapper_type();
    guards_trust_init();
    if (!method_wrapper || prepare_inspect() < 0 || guards_type_ready(&guard_type) < 0)
        return -1;
    /* Only the way down the class graph is closed here. The way up ends at `object`, which
     * everybody has, and C reads __bases__ on a program's behalf (dir, isinstance); the policy
     * refuses the names. */
    const struct guard_row rows[] = {
        {&PyFunction_Type,
         "function",
         READS_FUNCTION,
         {"__globals__", "__code__", "__closure__", "__builtins__", "__reduce__", NULL}},
        {&PyFunction_Type,
         "function",
         LIBRARY_KEEPS,
         {"__defaults__", "__kwdefaults__", "__dict__", NULL}},
        {&PyMethod_Type, "method", READS_BOUND, {"__func__", "__self__", "__reduce__", NULL}},
        {&PyCFunction_Type, "builtin function", READS_BOUND, {"__self__", "__reduce__", NULL}},
        {method_wrapper, "method wrapper", READS_BOUND, {"__self__", "__reduce__", NULL}},
        {&PyClassMethod_Type, "classmethod", READS_BOUND, {"__func__", "__wrapped__", NULL}},
        {&PyStaticMethod_Type, "staticmethod", READS_BOUND, {"__func__", "__wrapped__", NULL}},
        {&PyType_Type, "class", READS_CLASS_GRAPH, {"__subclasses__", NULL}},
        /* answered to all; what is found in type.__dict__ can be neither called nor bound */
        {&PyType_Type,
         "class",
         LIBRARY_KEEPS,
         {"__base__", "__bases__", "__mro__", "mro", "__dict__", NULL}},
        {&PyGen_Type, "generator", READS_FRAME, {"gi_frame", "gi_code", "gi_yieldfrom", NULL}},
        {&PyCoro_Type,
         "coroutine",
         READS_FRAME,
         {"cr_frame", "cr_code", "cr_await", "cr_origin", NULL}},
        {&PyAsyncGen_Type,
         "asynchronous generator",
         READS_FRAME,
         {"ag_frame", "ag_code", "ag_await", NULL}},
        {&PyTraceBack_Type, "traceback", READS_FRAME, {"tb_frame", NULL}},
        {&PyFrame_Type,
         "frame",
         READS_FRAME,
         {"f_back", "f_globals", "f_locals", "f_builtins", "f_code", "f_trace", "clear", "f_lineno",
          NULL}},
        {&PyCell_Type, "cell", READS_FUNCTION, {"cell_contents", NULL}},
        {&PyCode_Type,
         "code object",
         READS_CODE,
         {"replace", "__replace__", "co_code", "co_consts", "co_names", "_co_code_adaptive",
          "co_positions", "co_lines", NULL}},
    };
    return install_rows(rows, ARRAY_LEN(rows));
}

void guards_arm(void)
{
    guards_armed = true;
}
