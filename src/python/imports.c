/* The guarded __import__: what the import statement calls in a program. Runs in the worker on
 * behalf of the program, so the names are hostile; the modules are the library's and trusted to be
 * what they are.
 *
 * A program gets facades only. Names of a `from` list are resolved here, because the interpreter
 * itself would fall back on sys.modules. Code written in C imports lazily through the __import__ of
 * whoever called it (strptime, array.__reduce_ex__ …): it is told by a fromlist that is a list,
 * which the import statement never passes. It does not use the return value, so none is given. */
#include <stdio.h>
#include <string.h>

#include "python/compat.h"
#include "python/events.h"
#include "python/facade.h"
#include "python/imports_impl.h"

#define MAX_NAME 1000

/* For the program at hand, so that an import in a loop costs little: dotted name → facade. */
static PyObject *tops;   /* what `import a.b.c` binds: the facade of a */
static PyObject *leaves; /* the facade of a.b.c itself */

PyObject *imports_real(const char *dotted)
{
    auto_py PyObject *name = PyUnicode_FromString(dotted);
    auto_py PyObject *top =
        name ? PyImport_ImportModuleLevelObject(name, NULL, NULL, NULL, 0) : NULL;
    if (!top)
        return NULL;
    PyObject *module = PyImport_GetModule(name);
    if (!module && !PyErr_Occurred())
        PyErr_Format(PyExc_ModuleNotFoundError, "No module named '%s'", dotted);
    if (module && !PyModule_Check(module)) {
        PyErr_Format(PyExc_ImportError, "'%s' is not a module", dotted);
        Py_CLEAR(module);
    }
    return module;
}

/* Is the pending exception about a module whose whole package is not there? */
static bool package_missing(PyObject *exc)
{
    if (!PyErr_GivenExceptionMatches(exc, PyExc_ModuleNotFoundError))
        return false;
    auto_py PyObject *name = PyObject_GetAttrString(exc, "name");
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    auto_py PyObject *top =
        text ? PyUnicode_FromStringAndSize(text, (Py_ssize_t)strcspn(text, ".")) : NULL;
    auto_py PyObject *loaded = top ? PyImport_GetModule(top) : NULL;
    PyErr_Clear();
    return top && !loaded;
}

/* @dotted is permitted and cannot be imported: when something is not installed, say who can mend
 * that. */
static void explain_missing(const char *dotted)
{
    auto_py PyObject *exc = exc_take();
    if (package_missing(exc)) {
        auto_py PyObject *note = PyUnicode_FromFormat(
            "'%s' is permitted, but the server's Python lacks it: whoever runs the server can "
            "install it there",
            dotted);
        Py_XDECREF(note ? PyObject_CallMethod(exc, "add_note", "O", note) : NULL);
        PyErr_Clear();
    }
    exc_put(Py_NewRef(exc));
}

/* Facades of a, a.b, a.b.c, each hung into the one before. The last is returned (new reference),
 * the first is *ret_top (new reference). */
static PyObject *facade_chain(const char *dotted, PyObject **ret_top)
{
    char prefix[MAX_NAME + 1];
    auto_py PyObject *parent = NULL, *top = NULL;
    for (const char *p = dotted; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL) {
        size_t n = (size_t)(p - dotted) + strcspn(p, ".");
        memcpy(prefix, dotted, n);
        prefix[n] = '\0';
        auto_py PyObject *key = PyUnicode_FromString(prefix);
        PyObject *known = key ? PyDict_GetItemWithError(leaves, key) : NULL;
        auto_py PyObject *facade = Py_XNewRef(known);
        if (!facade) {
            auto_py PyObject *real = key && !PyErr_Occurred() ? PyImport_GetModule(key) : NULL;
            facade = !real                                       ? NULL
                     : import_rule_verdict(prefix) == MODULE_YES ? facade_of(real, prefix, false)
                                                                 : facade_path(real, prefix);
        }
        if (!facade) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_ImportError, "module '%s' has gone", prefix);
            return NULL;
        }
        if (PyDict_SetItem(leaves, key, facade) < 0 ||
            (parent && facade_attach(parent, strrchr(prefix, '.') + 1, facade) < 0))
            return NULL;
        if (!top)
            top = Py_NewRef(facade);
        Py_XSETREF(parent, Py_NewRef(facade));
    }
    *ret_top = Py_XNewRef(top);
    return Py_XNewRef(parent);
}

/* Import @dotted, if that is permitted, and make it known to the program. Borrowed from the caches.
 */
static PyObject *import_facade(PyObject *name, const char *dotted, bool want_top)
{
    PyObject *known = PyDict_GetItemWithError(want_top ? tops : leaves, name);
    if (known || PyErr_Occurred())
        return known;
    if (import_rule_verdict(dotted) == MODULE_NO)
        return import_rule_refuse(dotted);
    auto_py PyObject *real = imports_real(dotted);
    if (!real) {
        explain_missing(dotted);
        return NULL;
    }
    PyObject *top = NULL;
    auto_py PyObject *leaf = facade_chain(dotted, &top);
    auto_py PyObject *held = top;
    if (!leaf || PyDict_SetItem(tops, name, held) < 0)
        return NULL;
    return PyDict_GetItemWithError(want_top ? tops : leaves, name);
}

/* ---- from a import b ---- */

static int refuse_name(const char *module, const char *name)
{
    char detail[2 * MAX_NAME];
    snprintf(detail, sizeof(detail), "'%s.%s' is not available in the sandbox", module, name);
    events_report(LAYER_GUARD, 0, "facade", detail, facade_remedy(module, name));
    auto_py PyObject *text = PyUnicode_FromFormat(
        "cannot import name '%s' from '%s': it is not available in the sandbox", name, module);
    auto_py PyObject *from = PyUnicode_FromString(module);
    if (text && from)
        PyErr_SetImportErrorSubclass(events_import_violation_type, text, from, NULL);
    return -1;
}

/* Could @dotted be a submodule that has not been loaded? 1 = it is and is attached now, 0 = it is
 * not, -1 = Python exception, a refusal among them. */
static int from_submodule(const char *package, const char *dotted)
{
    auto_py PyObject *key = PyUnicode_FromString(package);
    auto_py PyObject *real = key ? PyImport_GetModule(key) : NULL;
    if (!real)
        return PyErr_Occurred() ? -1 : 0;
    if (!PyDict_GetItemString(PyModule_GetDict(real), "__path__"))
        return 0;
    if (import_rule_verdict(dotted) == MODULE_NO)
        return import_rule_refuse(dotted) ? 0 : -1;
    auto_py PyObject *module = imports_real(dotted);
    if (!module) {
        auto_py PyObject *exc = exc_take();
        auto_py PyObject *name = exc ? PyObject_GetAttrString(exc, "name") : NULL;
        bool itself = exc && PyErr_GivenExceptionMatches(exc, PyExc_ModuleNotFoundError) && name &&
                      PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, dotted) == 0;
        PyErr_Clear();
        if (itself)
            return 0;
        exc_put(Py_XNewRef(exc));
        return -1;
    }
    PyObject *top = NULL;
    auto_py PyObject *leaf = facade_chain(dotted, &top);
    Py_XDECREF(top);
    return leaf ? 1 : -1;
}

/* "module.name" into @out; false when that is longer than any module's name. */
static bool join(char out[MAX_NAME + 1], const char *module, const char *name)
{
    size_t a = strlen(module), b = strlen(name);
    if (a + 1 + b > MAX_NAME)
        return false;
    memcpy(out, module, a);
    out[a] = '.';
    memcpy(out + a + 1, name, b + 1);
    return true;
}

/* Make sure that facade.name is there for the interpreter to take. */
static int from_name(PyObject *facade, const char *module, PyObject *name)
{
    const char *text = PyUnicode_CheckExact(name) ? PyUnicode_AsUTF8(name) : NULL;
    char dotted[MAX_NAME + 1];
    if (!text || !join(dotted, module, text)) {
        PyErr_Format(PyExc_ImportError, "cannot import that name from '%s'", module);
        return -1;
    }
    PyObject *value = NULL;
    enum facade_find found = facade_find(facade, name, &value);
    auto_py PyObject *held = value;
    switch (found) {
    case FACADE_FOUND:
        /* A submodule that this call's allowed_imports leaves out is refused like any other. */
        if (PyModule_Check(held) && import_rule_verdict(dotted) == MODULE_NO &&
            import_rule_verdict(module) != MODULE_YES)
            return import_rule_refuse(dotted) ? 0 : -1;
        return 0;
    case FACADE_ERROR:
        return -1;
    case FACADE_WITHHELD:
        if (import_rule_verdict(module) == MODULE_PATH)
            return import_rule_refuse(dotted) ? 0 : -1;
        return refuse_name(module, text);
    case FACADE_ABSENT:
        break;
    }
    int rc = from_submodule(module, dotted);
    if (rc == 0) {
        char guess[FACADE_GUESS];
        facade_closest(facade, text, guess);
        PyErr_Format(PyExc_ImportError, "cannot import name '%s' from '%s'%s", text, module, guess);
    }
    return rc > 0 ? 0 : -1;
}

/* `from a import *`: a package's __all__ may name submodules that are to be loaded for it. */
static int from_star(PyObject *facade, PyObject *module)
{
    auto_py PyObject *star = Py_BuildValue("(s)", "*");
    auto_py PyObject *real =
        star ? PyImport_ImportModuleLevelObject(module, NULL, NULL, star, 0) : NULL;
    return real ? facade_refresh(facade) : -1;
}

static PyObject *import_from(PyObject *module, const char *dotted, PyObject *names)
{
    auto_py PyObject *facade = Py_XNewRef(import_facade(module, dotted, false));
    for (Py_ssize_t i = 0; facade && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        bool star = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "*") == 0;
        if (star ? from_star(facade, module) < 0 : from_name(facade, dotted, name) < 0)
            return NULL;
    }
    return Py_XNewRef(facade);
}

/* ---- __import__ ---- */

/* The call of C code: for the side effect only. */
static PyObject *import_for_library(PyObject *name)
{
    auto_py PyObject *top = PyImport_ImportModuleLevelObject(name, NULL, NULL, NULL, 0);
    return top ? Py_NewRef(Py_None) : NULL;
}

/* The name as C text, or NULL with ImportError: nothing that long, empty or odd is a module's. */
static const char *module_name(PyObject *name)
{
    Py_ssize_t n = 0;
    const char *text = PyUnicode_CheckExact(name) ? PyUnicode_AsUTF8AndSize(name, &n) : NULL;
    if (text && n > 0 && n <= MAX_NAME && (size_t)n == strlen(text) && *text != '.' &&
        text[n - 1] != '.' && !strstr(text, ".."))
        return text;
    PyErr_Clear();
    PyErr_SetString(PyExc_ImportError, "that is not a module's name");
    return NULL;
}

/* __import__(name, globals=None, locals=None, fromlist=(), level=0), by position only. */
static PyObject *guarded_import(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    (void)self;
    if (n < 1 || n > 5)
        return PyErr_Format(PyExc_TypeError, "__import__ takes 1 to 5 arguments, got %zd", n);
    PyObject *fromlist = n > 3 ? args[3] : Py_None;
    long level = n > 4 ? PyLong_AsLong(args[4]) : 0;
    if (level == -1 && PyErr_Occurred())
        return NULL;
    if (level != 0) {
        PyErr_SetString(PyExc_ImportError,
                        "attempted relative import with no known parent package");
        return NULL;
    }
    const char *dotted = module_name(args[0]);
    if (!dotted)
        return NULL;
    if (PyList_Check(fromlist))
        return import_for_library(args[0]);
    if (PyTuple_Check(fromlist) && PyTuple_GET_SIZE(fromlist) > 0)
        return import_from(args[0], dotted, fromlist);
    return Py_XNewRef(import_facade(args[0], dotted, true));
}

static PyMethodDef guarded_import_def = {"__import__", (PyCFunction)(void (*)(void))guarded_import,
                                         METH_FASTCALL, "What the import statement calls."};

PyObject *imports_new_function(void)
{
    Py_XSETREF(tops, PyDict_New());
    Py_XSETREF(leaves, PyDict_New());
    return tops && leaves ? PyCFunction_NewEx(&guarded_import_def, NULL, NULL) : NULL;
}

int imports_narrow(const struct msg_run *run)
{
    if (import_rule_narrow(run, NULL) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    /* what was found under another rule */
    PyDict_Clear(tops);
    PyDict_Clear(leaves);
    return 0;
}
