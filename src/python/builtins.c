/* A program's builtins: those of Python without the ones that lead out of the language. Made once
 * in the zygote, copied for each program. */
#include <string.h>

#include "python/compat.h"
#include "python/events.h"
#include "python/imports_impl.h"
#include "python/policy_rules.h"
#include "python/roads.h"

static PyObject *template; /* owned dict, never changed after builtins_init() */

/* ---- refused ones ---- */

/* "eval() is not available in the sandbox": @row is one of the policy's own table, so that the
 * remedy is the same before and while a program runs. */
static PyObject *refuse(const char *name, const char *remedy)
{
    char detail[200];
    snprintf(detail, sizeof(detail), "%s() is not available in the sandbox", name);
    events_report(LAYER_GUARD, 0, "builtin", detail, remedy);
    return PyErr_Format(events_violation_type, "%s. %s", detail, remedy);
}

static const struct name_row *refused_row(const char *name)
{
    for (size_t i = 0; i < name_sections_len; i++)
        for (size_t k = 0; name_sections[i].kind == NAME_BUILTIN && k < name_sections[i].len; k++)
            if (strcmp(name_sections[i].rows[k].name, name) == 0)
                return &name_sections[i].rows[k];
    return NULL;
}

/* Every refused function is this one; what it is called is its self. */
static PyObject *refused(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    const char *name = PyUnicode_AsUTF8(self);
    const struct name_row *row = name ? refused_row(name) : NULL;
    return row ? refuse(row->name, row->remedy) : PyErr_Format(PyExc_TypeError, "not callable");
}

static PyMethodDef refused_def = {"refused", (PyCFunction)(void (*)(void))refused,
                                  METH_VARARGS | METH_KEYWORDS, "Not available in the sandbox."};

static int put_refused(const struct name_row *row)
{
    auto_py PyObject *name = PyUnicode_FromString(row->name);
    auto_py PyObject *f = name ? PyCFunction_NewEx(&refused_def, name, NULL) : NULL;
    return f ? PyDict_SetItem(template, name, f) : -1;
}

/* ---- replaced ones ---- */

/* Does @type say that the program defined it? (A class can lie about its module; it then shows
 * the attributes of its own instances and nothing more.) */
static bool is_programs_own(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return strcmp(type->tp_name, "types.SimpleNamespace") == 0;
    if (PyType_IsSubtype(type, &PyType_Type) || PyType_IsSubtype(type, &PyModule_Type))
        return false;
    auto_py PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    PyErr_Clear();
    return module && PyUnicode_Check(module) &&
           PyUnicode_CompareWithASCIIString(module, "__main__") == 0;
}

static PyObject *own_vars(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    (void)self;
    if (n != 1 || !is_programs_own(Py_TYPE(args[0])))
        return refuse("vars", "Call it with one object of a class of your own: vars(obj)");
    PyObject *dict = PyObject_GenericGetDict(args[0], NULL);
    if (dict)
        return dict;
    return PyErr_Format(PyExc_TypeError, "vars() argument must have __dict__ attribute");
}

/* site.py, which is not loaded, would have made these. */
static PyObject *own_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    (void)self;
    if (n > 1)
        return PyErr_Format(PyExc_TypeError, "exit expected at most 1 argument, got %zd", n);
    PyErr_SetObject(PyExc_SystemExit, n ? args[0] : Py_None);
    return NULL;
}

static PyMethodDef own[] = {
    {"vars", (PyCFunction)(void (*)(void))own_vars, METH_FASTCALL,
     "vars(object) -> dict: the attributes of an object of the program's own classes."},
    {"exit", (PyCFunction)(void (*)(void))own_exit, METH_FASTCALL,
     "End the program: no argument or 0 is success, anything else a failure."},
    {"quit", (PyCFunction)(void (*)(void))own_exit, METH_FASTCALL, "The same as exit()."},
};

static int put_own(PyMethodDef *def, PyObject *module)
{
    auto_py PyObject *f = PyCFunction_NewEx(def, NULL, module);
    return f ? PyDict_SetItemString(template, def->ml_name, f) : -1;
}

/* ---- the dict ---- */

/* What the interpreter keeps in builtins for itself. */
static int drop_internals(void)
{
    static const char *const names[] = {"__loader__", "__spec__", "__package__", "__doc__", "_"};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++)
        if (PyDict_DelItemString(template, names[i]) < 0)
            PyErr_Clear();
    return 0;
}

static int put_all_refused(void)
{
    for (size_t i = 0; i < name_sections_len; i++)
        for (size_t k = 0; name_sections[i].kind == NAME_BUILTIN && k < name_sections[i].len; k++) {
            const struct name_row *row = &name_sections[i].rows[k];
            if (strcmp(row->name, "open") == 0 && import_rule_files())
                continue;
            if (put_refused(row) < 0)
                return -1;
        }
    return 0;
}

int builtins_init(void)
{
    auto_py PyObject *module = PyUnicode_InternFromString("builtins");
    Py_XSETREF(template, PyDict_Copy(PyEval_GetBuiltins()));
    if (!module || !template || drop_internals() < 0 || put_all_refused() < 0 ||
        roads_fill(template) < 0)
        return -1;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(own); i++)
        if (put_own(&own[i], module) < 0)
            return -1;
    return 0;
}

PyObject *builtins_visible(void)
{
    PyObject *dict = PyDict_Copy(template);
    if (dict && PyDict_DelItemString(dict, "__import__") < 0)
        Py_CLEAR(dict);
    return dict;
}

PyObject *imports_new_builtins(const struct msg_run *run)
{
    if (import_rule_narrow(run, NULL) < 0)
        return PyErr_NoMemory();
    auto_py PyObject *import = imports_new_function();
    auto_py PyObject *dict = import ? PyDict_Copy(template) : NULL;
    if (!dict || PyDict_SetItemString(dict, "__import__", import) < 0)
        return NULL;
    return Py_NewRef(dict);
}

/* vars is on the policy's list but works when called with one object. */
static bool usable(const char *name)
{
    const struct name_row *row = refused_row(name);
    return *name != '_' && (!row || strcmp(name, "vars") == 0 ||
                            (strcmp(name, "open") == 0 && import_rule_files()));
}

int imports_safe_builtins(struct strv *ret)
{
    auto_py PyObject *names = PyDict_Keys(template);
    if (!names || PyList_Sort(names) < 0) {
        PyErr_Clear();
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        const char *name = PyUnicode_AsUTF8(PyList_GET_ITEM(names, i));
        if (!name)
            PyErr_Clear();
        else if (usable(name) && strv_add(ret, name, NULL) < 0)
            return -1;
    }
    return 0;
}
