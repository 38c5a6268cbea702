/* Roads through the library: see library_roads.h. Runs in the worker, called by library functions
 * that a hostile program has called. Before guards_arm() everything is passed on as it is. */
#include "python/library_roads.h"

#include <Python.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/facade_impl.h"
#include "python/guards.h"
#include "python/library_names.h"
#include "python/loop_roads.h"
#include "python/memory_roads.h"
#include "python/namespace.h"
#include "python/patches.h"
#include "python/roads.h"
#include "python/state_roads.h"

/* The interpreter's own, strong references. */
static PyObject *real_eval, *real_exec, *real_getattr, *real_setattr, *real_convert, *real_obj;

static int refuse(const char *detail)
{
    events_report(LAYER_GUARD, 0, "facade", detail,
                  "Modules show their public names only; nothing permits more");
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

static bool is_real_module(PyObject *object)
{
    return PyModule_Check(object) && !facade_state(object);
}

/* ---- eval and exec ---- */

static bool is_programs_own(PyObject *dict)
{
    PyObject *builtins = PyDict_GetItemString(dict, "__builtins__");
    return builtins && builtins == namespace_builtins();
}

/* The real module, other than the program's own, whose namespace @dict is; borrowed. NULL: none. */
static PyObject *module_of_dict(PyObject *dict)
{
    PyObject *name, *module;
    if (is_programs_own(dict))
        return NULL;
    Py_ssize_t pos = 0;
    while (PyDict_Next(PyImport_GetModuleDict(), &pos, &name, &module))
        if (is_real_module(module) && PyModule_GetDict(module) == dict)
            return module;
    return NULL;
}

/* A copy of what a program may see of a namespace (new reference). */
static PyObject *visible_names(PyObject *dict)
{
    PyObject *module = module_of_dict(dict);
    if (!module && !PyDict_GetItemString(dict, "__builtins__"))
        return PyDict_Copy(dict); /* one that the program or typing has made */
    auto_py PyObject *facade = module ? facade_known(module) : NULL;
    if (facade)
        return PyDict_Copy(PyModule_GetDict(facade));
    PyObject *names = PyDict_New();
    PyObject *name = PyDict_GetItemString(dict, "__name__"); /* that of functions defined by exec */
    if (names && name && PyDict_SetItemString(names, "__name__", name) < 0)
        Py_CLEAR(names);
    return names;
}

/* The globals to evaluate in: the program's own as they are, anything else without what a program
 * does not see, and with its builtins (eval() would put the interpreter's there). New reference. */
static PyObject *confined_globals(PyObject *globals)
{
    if (globals && !PyDict_Check(globals))
        return Py_NewRef(globals); /* eval() refuses it */
    PyObject *builtins = namespace_builtins();
    if (globals && is_programs_own(globals))
        return Py_NewRef(globals);
    PyObject *copy = globals ? visible_names(globals) : PyDict_New();
    auto_py PyObject *none = builtins ? NULL : PyDict_New();
    if (copy && PyDict_SetItemString(copy, "__builtins__", builtins ? builtins : none) < 0)
        Py_CLEAR(copy);
    return copy;
}

/* typing passes a module's names as the locals of a class. */
static PyObject *confined_locals(PyObject *locals)
{
    return PyDict_Check(locals) && module_of_dict(locals) ? visible_names(locals)
                                                          : Py_NewRef(locals);
}

static PyObject *evaluate(PyObject *real, PyObject *args, PyObject *kwargs)
{
    static char source_name[] = "", globals_name[] = "globals", locals_name[] = "locals";
    static char *names[] = {source_name, globals_name, locals_name, NULL};
    PyObject *source, *globals = NULL, *locals = NULL;
    if (!guards_armed)
        return PyObject_Call(real, args, kwargs);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO", names, &source, &globals, &locals))
        return NULL;
    auto_py PyObject *own_globals = confined_globals(globals == Py_None ? NULL : globals);
    if (!own_globals)
        return NULL;
    if (!locals || locals == Py_None)
        return PyObject_CallFunctionObjArgs(real, source, own_globals, NULL);
    auto_py PyObject *own_locals = confined_locals(locals);
    return own_locals ? PyObject_CallFunctionObjArgs(real, source, own_globals, own_locals, NULL)
                      : NULL;
}

static PyObject *confined_eval(PyObject *self _unused_, PyObject *args, PyObject *kwargs)
{
    return evaluate(real_eval, args, kwargs);
}

static PyObject *confined_exec(PyObject *self _unused_, PyObject *args, PyObject *kwargs)
{
    return evaluate(real_exec, args, kwargs);
}

/* ---- dataclasses: text annotations ---- */

static PyObject *real_is_type; /* dataclasses._is_type */

static PyObject *is_self(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return PyBool_FromLong(nargs > 0 && args[0] == self);
}
static PyMethodDef is_self_def = {"is_self", (PyCFunction)(void (*)(void))is_self, METH_FASTCALL,
                                  NULL};

/* _is_type(annotation, cls, a_module, a_type, predicate): does the text "typing.ClassVar[int]" mean
 * what it says? It looks whether the program's `typing` is the real module; a facade is meant too.
 */
static PyObject *is_type(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *answer = PyObject_Vectorcall(real_is_type, args, (size_t)nargs, NULL);
    if (answer != Py_False || nargs != 5)
        return answer;
    auto_py PyObject *facade = facade_known(args[2]);
    auto_py PyObject *predicate = facade ? PyCFunction_New(&is_self_def, args[3]) : NULL;
    if (!predicate && !PyErr_Occurred())
        return answer;
    Py_DECREF(answer);
    if (!predicate)
        return NULL;
    PyObject *call[] = {args[0], args[1], facade, args[3], predicate};
    return PyObject_Vectorcall(real_is_type, call, 5, NULL);
}

/* ---- getattr and setattr ---- */

/* contextlib.redirect_stdout takes the name of the stream from an attribute of its own. */
static int judge_module_attribute(PyObject *object, PyObject *name)
{
    if (!is_real_module(object) || facade_sys_is_live(name))
        return 0;
    return refuse("Attributes of the real module are not available in the sandbox");
}

/* Call @real with the name judged, and as an exact str: see roads.c. */
static PyObject *call_judged(PyObject *real, PyObject *const *args, Py_ssize_t nargs)
{
    if (!guards_armed || nargs < 2 || nargs > 3 || !PyUnicode_Check(args[1]))
        return PyObject_Vectorcall(real, args, (size_t)nargs, NULL);
    auto_py PyObject *name = PyUnicode_FromObject(args[1]);
    if (!name || judge_module_attribute(args[0], name) < 0)
        return NULL;
    /* the libraries themselves ask for special names that a program may not; these would be a
     * program's getattr() without a rule, or lead up and down between classes */
    static const char *const never[] = {"__getattribute__", "__bases__", "__base__", "__mro__",
                                        "mro"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (PyUnicode_CompareWithASCIIString(name, never[i]) == 0 &&
            roads_judge_name(name, USE_GET) < 0)
            return NULL;
    /* update_wrapper() copies it from functions; that of a class leads to everything in it */
    if (PyType_Check(args[0]) && PyUnicode_CompareWithASCIIString(name, "__dict__") == 0)
        return PyDict_New();
    PyObject *call[] = {args[0], name, nargs == 3 ? args[2] : NULL};
    return PyObject_Vectorcall(real, call, (size_t)nargs, NULL);
}

static PyObject *library_getattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return call_judged(real_getattr, args, nargs);
}

static PyObject *library_setattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return call_judged(real_setattr, args, nargs);
}

/* setattr() of functools: update_wrapper() sets these by itself, any other name is the program's.
 * In copy all names come from an object's state. */
static PyObject *wrapper_setattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    static const char *const usual[] = {"__module__",     "__name__",        "__qualname__",
                                        "__doc__",        "__annotations__", "__annotate__",
                                        "__type_params__"};
    bool ours = !guards_armed || nargs != 3 || !PyUnicode_Check(args[1]);
    for (size_t i = 0; !ours && i < ARRAY_LEN(usual); i++)
        ours = PyUnicode_CheckExact(args[1]) &&
               PyUnicode_CompareWithASCIIString(args[1], usual[i]) == 0;
    if (ours)
        return call_judged(real_setattr, args, nargs);
    auto_py PyObject *name = PyUnicode_FromObject(args[1]);
    if (!name || roads_judge_name(name, USE_SET) < 0)
        return NULL;
    PyObject *call[] = {args[0], name, args[2]};
    return call_judged(real_setattr, call, 3);
}

/* ---- Enum._convert_ ---- */

static bool is_being_imported(PyObject *name)
{
    PyObject *module = PyUnicode_Check(name)
                           ? PyDict_GetItemWithError(PyImport_GetModuleDict(), name) /* borrowed */
                           : NULL;
    PyObject *spec = module && PyModule_Check(module)
                         ? PyDict_GetItemString(PyModule_GetDict(module), "__spec__")
                         : NULL;
    auto_py PyObject *initializing = spec ? PyObject_GetAttrString(spec, "_initializing") : NULL;
    PyErr_Clear();
    return initializing == Py_True;
}

/* cls._convert_(name, module, filter, source=None, …) */
static PyObject *confined_convert(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1)
                       : kwargs                   ? PyDict_GetItemString(kwargs, "module")
                                                  : NULL;
    if (guards_armed && (!module || !is_being_imported(module))) {
        refuse("'_convert_' of an Enum is not available in the sandbox");
        return NULL;
    }
    auto_py PyObject *bound = PyMethod_New(real_convert, self);
    return bound ? PyObject_Call(bound, args, kwargs) : NULL;
}

/* ---- AttributeError.obj ---- */

static PyObject *get_obj(PyObject *self, void *closure _unused_)
{
    PyObject *obj = Py_TYPE(real_obj)->tp_descr_get(real_obj, self, (PyObject *)Py_TYPE(self));
    if (obj && guards_armed && is_real_module(obj))
        Py_SETREF(obj, Py_NewRef(Py_None));
    return obj;
}

static int set_obj(PyObject *self, PyObject *value, void *closure _unused_)
{
    return Py_TYPE(real_obj)->tp_descr_set(real_obj, self, value);
}

static PyGetSetDef obj_def = {"obj", get_obj, set_obj, "object", NULL};

static int hide_obj(void)
{
    PyTypeObject *type = (PyTypeObject *)PyExc_AttributeError;
    auto_py PyObject *dict = guards_type_dict(type);
    if (real_obj)
        return 0;
    real_obj = Py_XNewRef(PyDict_GetItemString(dict, "obj"));
    auto_py PyObject *ours = real_obj ? PyDescr_NewGetSet(type, &obj_def) : NULL;
    if (!ours || PyDict_SetItemString(dict, "obj", ours) < 0)
        return -1;
    PyType_Modified(type);
    return 0;
}

/* ---- copy ---- */

/* In the module copy, have objects of @type stand for their copies: in the table @dispatch by the
 * function @atomic, or (3.14) in the set @types. */
static int make_atomic(PyObject *copy, PyTypeObject *type, const char *dispatch, const char *atomic,
                       const char *types)
{
    auto_py PyObject *table = PyObject_GetAttrString(copy, dispatch);
    auto_py PyObject *function = table ? PyObject_GetAttrString(copy, atomic) : NULL;
    if (function && PyDict_Check(table))
        return PyDict_SetItem(table, (PyObject *)type, function);
    PyErr_Clear();
    auto_py PyObject *set = PyObject_GetAttrString(copy, types);
    return set ? PySet_Add(set, (PyObject *)type) : -1;
}

/* copy() of a method asks it for __reduce__, which is guarded: it would give it a getattr() of the
 * library's and a name of the program's choice. A method cannot be changed, so it is its own copy.
 */
static int keep_methods(void)
{
    PyObject *copy = PyDict_GetItemString(PyImport_GetModuleDict(), "copy"); /* borrowed */
    auto_py PyObject *slot = PyObject_GetAttrString(Py_None, "__str__");
    if (!copy || !slot)
        return slot ? 0 : -1;
    if (make_atomic(copy, &PyMethod_Type, "_copy_dispatch", "_copy_immutable",
                    "_copy_atomic_types") < 0 ||
        make_atomic(copy, Py_TYPE(slot), "_copy_dispatch", "_copy_immutable",
                    "_copy_atomic_types") < 0)
        return -1;
    return make_atomic(copy, Py_TYPE(slot), "_deepcopy_dispatch", "_deepcopy_atomic",
                       "_atomic_types");
}

/* ---- set-up ---- */

#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef eval_def = {"eval", FUNCTION(confined_eval), METH_VARARGS | METH_KEYWORDS, NULL};
static PyMethodDef exec_def = {"exec", FUNCTION(confined_exec), METH_VARARGS | METH_KEYWORDS, NULL};
static PyMethodDef is_type_def = {"_is_type", FUNCTION(is_type), METH_FASTCALL, NULL};
static PyMethodDef getattr_def = {"getattr", FUNCTION(library_getattr), METH_FASTCALL, NULL};
static PyMethodDef setattr_def = {"setattr", FUNCTION(library_setattr), METH_FASTCALL, NULL};
static PyMethodDef wrapper_def = {"setattr", FUNCTION(wrapper_setattr), METH_FASTCALL, NULL};
static PyMethodDef convert_def = {"_convert_", FUNCTION(confined_convert),
                                  METH_VARARGS | METH_KEYWORDS, NULL};

static const struct {
    const char *module;
    PyMethodDef *def;
} replaced[] = {
    {"typing", &eval_def},         {"annotationlib", &eval_def}, /* 3.14 */
    {"inspect", &eval_def},        {"dataclasses", &exec_def},    {"functools", &getattr_def},
    {"dataclasses", &getattr_def}, {"enum", &getattr_def},        {"contextlib", &getattr_def},
    {"contextlib", &setattr_def},  {"dataclasses", &is_type_def}, {"functools", &wrapper_def},
    {"copy", &wrapper_def},
};

static int replace(PyObject *module, PyMethodDef *def)
{
    auto_py PyObject *f = PyCFunction_New(def, NULL);
    return f ? PyObject_SetAttrString(module, def->ml_name, f) : -1;
}

static int replace_convert(PyObject *enumeration)
{
    auto_py PyObject *type = PyObject_GetAttrString(enumeration, "EnumMeta");
    if (!type || !PyType_Check(type))
        return -1;
    auto_py PyObject *dict = guards_type_dict((PyTypeObject *)type);
    PyObject *found = PyDict_GetItemString(dict, "_convert_"); /* borrowed */
    if (!found || real_convert)
        return 0;
    real_convert = Py_NewRef(found);
    auto_py PyObject *ours = PyDescr_NewMethod(&PyType_Type, &convert_def);
    return ours ? PyObject_SetAttrString(type, "_convert_", ours) : -1;
}

int library_roads_learn(void)
{
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *modules = PyImport_GetModuleDict();
    real_eval = PyDict_GetItemString(builtins, "eval");
    real_exec = PyDict_GetItemString(builtins, "exec");
    real_getattr = PyDict_GetItemString(builtins, "getattr");
    real_setattr = PyDict_GetItemString(builtins, "setattr");
    if (!real_eval || !real_exec || !real_getattr || !real_setattr) {
        PyErr_SetString(PyExc_SystemError, "builtins are incomplete");
        return -1;
    }
    PyObject *dataclasses = PyDict_GetItemString(modules, "dataclasses");
    if (dataclasses && !real_is_type &&
        !(real_is_type = PyObject_GetAttrString(dataclasses, "_is_type")))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(replaced); i++) {
        PyObject *module = PyDict_GetItemString(modules, replaced[i].module); /* borrowed */
        if (module && replace(module, replaced[i].def) < 0)
            return -1;
    }
    PyObject *enumeration = PyDict_GetItemString(modules, "enum");
    if (enumeration && replace_convert(enumeration) < 0)
        return -1;
    return library_names_learn() < 0 || loop_roads_learn() < 0 || memory_roads_learn() < 0 ||
                   state_roads_learn() < 0 || keep_methods() < 0 || patches_learn() < 0
               ? -1
               : hide_obj();
}
