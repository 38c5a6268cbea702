/* What of a module a program may have: the name, the kind of value, where it comes from. Runs in
 * the zygote for what is preloaded and in the worker for the rest; the modules are the library's,
 * not the program's. */
#include <string.h>

#include "python/compat.h"
#include "python/facade_impl.h"

static facade_verdict_fn *verdict_of;
static PyObject *never; /* set of addresses of objects that no facade hands out */

static bool is_same_top(const char *a, const char *b)
{
    size_t n = strcspn(a, ".");
    return strcspn(b, ".") == n && memcmp(a, b, n) == 0;
}

/* The name under which @module is loaded, if it is a submodule in the package of @f: either where
 * it hangs ("os.path") or what it calls itself. New reference; NULL without exception: it is not.
 */
static PyObject *submodule_name(const struct facade *f, PyObject *name, PyObject *module)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *dotted = PyUnicode_FromFormat("%U.%U", f->dotted, name);
    if (dotted && PyDict_GetItem(modules, dotted) == module)
        return dotted;
    Py_XDECREF(dotted);
    PyErr_Clear();
    PyObject *own = PyDict_GetItemString(PyModule_GetDict(module), "__name__");
    if (!own || !PyUnicode_CheckExact(own) || PyDict_GetItem(modules, own) != module)
        return NULL;
    const char *a = PyUnicode_AsUTF8(own), *b = PyUnicode_AsUTF8(f->dotted);
    PyErr_Clear();
    return a && b && is_same_top(a, b) ? Py_NewRef(own) : NULL;
}

static enum facade_find judge_module(const struct facade *f, PyObject *name, PyObject *module,
                                     bool eager, PyObject **ret)
{
    if (facade_state(module)) { /* attached earlier */
        *ret = Py_NewRef(module);
        return FACADE_FOUND;
    }
    auto_py PyObject *dotted = submodule_name(f, name, module);
    const char *text = dotted ? PyUnicode_AsUTF8(dotted) : NULL;
    enum module_verdict verdict = text ? verdict_of(text) : MODULE_NO;
    PyErr_Clear();
    if (verdict == MODULE_NO)
        return FACADE_WITHHELD;
    *ret = verdict == MODULE_YES ? facade_of(module, text, eager) : facade_path(module, text);
    return *ret ? FACADE_FOUND : FACADE_ERROR;
}

/* Does @value, a class or function, say that it is from the package of @f? What does not say
 * counts as its own. */
static bool is_own(const struct facade *f, PyObject *value)
{
    if (!PyType_Check(value) && !PyFunction_Check(value) && !PyCFunction_Check(value))
        return true;
    auto_py PyObject *module = PyObject_GetAttrString(value, "__module__");
    const char *text = module && PyUnicode_Check(module) ? PyUnicode_AsUTF8(module) : NULL;
    const char *mine = PyUnicode_AsUTF8(f->dotted);
    PyErr_Clear();
    if (!text || !mine)
        return false;
    return is_same_top(text + strspn(text, "_"), mine);
}

static bool is_never(PyObject *value)
{
    if (PyCapsule_CheckExact(value) || PyCode_Check(value) || PyFrame_Check(value) ||
        PyTraceBack_Check(value))
        return true;
    auto_py PyObject *address = PyLong_FromVoidPtr(value);
    int there = address ? PySet_Contains(never, address) : -1;
    PyErr_Clear();
    return there != 0;
}

/* The real module's __all__ (new reference), NULL without exception: it has none. */
PyObject *facade_real_all(const struct facade *f)
{
    PyObject *all = PyDict_GetItemString(PyModule_GetDict(f->real), "__all__");
    return all && (PyList_Check(all) || PyTuple_Check(all)) ? PySequence_Tuple(all) : NULL;
}

enum facade_find facade_judge(const struct facade *f, PyObject *name, PyObject *value, bool listed,
                              bool eager, PyObject **ret)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (!text) {
        PyErr_Clear();
        return FACADE_WITHHELD;
    }
    if (*text == '_' || !facade_rule_permits(f->rule, text))
        return FACADE_WITHHELD;
    if (PyModule_Check(value))
        return judge_module(f, name, value, eager, ret);
    if (f->path_only)
        return FACADE_WITHHELD;
    if (!f->foreign && (is_never(value) || (!listed && !is_own(f, value))))
        return FACADE_WITHHELD;
    *ret = Py_NewRef(value);
    return FACADE_FOUND;
}

/* ---- set-up ---- */

static int never_add(PyObject *object)
{
    auto_py PyObject *address = object ? PyLong_FromVoidPtr(object) : NULL;
    return address ? PySet_Add(never, address) : -1;
}

/* Functions and types that libraries import into their own names and that lead out of the language.
 * Those of the interpreter live as long as it does, so their addresses can stand for them. */
int facade_judge_init(facade_verdict_fn *verdict, unsigned on)
{
    static const char *const functions[] = {"eval",  "exec",       "compile", "__import__",
                                            "input", "breakpoint", "globals", "locals",
                                            "vars",  "open"};
    PyTypeObject *const made[] = {&PyFunction_Type, &PyCode_Type, &PyCell_Type, &PyModule_Type,
                                  &PyFrame_Type};
    verdict_of = verdict;
    never = PySet_New(NULL);
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    if (!never || !builtins)
        return -1;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(functions); i++) {
        if (strcmp(functions[i], "open") == 0 && (on & PROFILE_FILESYSTEM))
            continue;
        if (never_add(PyDict_GetItemString(builtins, functions[i])) < 0)
            return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(made); i++)
        if (never_add((PyObject *)made[i]) < 0)
            return -1;
    return never_add(PySys_GetObject("_getframe"));
}
