/* What a program is told when a facade does not hold a name: that the name is hidden and what there
 * is instead, or that there is none, and which one it may have meant. Runs in the worker, asked by
 * programs; the names are hostile, their lengths are not bounded. */
#include <opcode.h>
#include <string.h>

#include "python/closest.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/facade_impl.h"

static const char default_remedy[] =
    "Modules show their public names; import other modules by their own name, where they are "
    "permitted";

const char *facade_remedy(const char *dotted, const char *name)
{
    const char *remedy = facade_rule_remedy(dotted, name);
    return remedy ? remedy : default_remedy;
}

/* Is the instruction being executed IMPORT_FROM? */
static bool importing_from(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (!frame)
        return false;
    int at = PyFrame_GetLasti(frame);
    PyCodeObject *code = PyFrame_GetCode(frame);
    auto_py PyObject *bytes = PyCode_GetCode(code);
    Py_DECREF(code);
    PyErr_Clear();
    return bytes && at >= 0 && at < PyBytes_GET_SIZE(bytes) &&
           (unsigned char)PyBytes_AS_STRING(bytes)[at] == IMPORT_FROM;
}

void facade_closest(PyObject *facade, const char *name, char out[FACADE_GUESS])
{
    PyObject *dict = PyModule_GetDict(facade), *key, *value;
    Py_ssize_t pos = 0;
    struct closest c;
    closest_init(&c, name);
    while (PyDict_Next(dict, &pos, &key, &value)) {
        const char *text = PyUnicode_Check(key) ? PyUnicode_AsUTF8(key) : NULL;
        if (text && *text != '_')
            closest_offer(&c, text);
    }
    PyErr_Clear();
    const char *best = closest_best(&c);
    out[0] = '\0';
    if (best)
        snprintf(out, FACADE_GUESS, ". Did you mean: '%s'?", best);
}

static void report(const struct facade *f, PyObject *name, const char *remedy)
{
    auto_py PyObject *detail =
        PyUnicode_FromFormat("'%U.%U' is not available in the sandbox", f->dotted, name);
    const char *text = detail ? PyUnicode_AsUTF8(detail) : NULL;
    if (text)
        events_report(LAYER_GUARD, 0, "facade", text, remedy);
    PyErr_Clear();
}

/* An AttributeError that names its object and no name: CPython proposes a similar name only where
 * it knows both, and for something that is there and hidden another name is no help. */
static void raise_hidden(PyObject *facade, PyObject *text)
{
    auto_py PyObject *args = PyTuple_Pack(1, text);
    auto_py PyObject *kwargs = Py_BuildValue("{sO}", "obj", facade);
    auto_py PyObject *exc =
        args && kwargs ? PyObject_Call(PyExc_AttributeError, args, kwargs) : NULL;
    if (exc)
        PyErr_SetObject(PyExc_AttributeError, exc);
}

static void miss_withheld(PyObject *facade, const struct facade *f, PyObject *name, bool import)
{
    const char *dotted = PyUnicode_AsUTF8(f->dotted), *key = dotted ? PyUnicode_AsUTF8(name) : NULL;
    PyErr_Clear();
    const char *special = key ? facade_rule_remedy(dotted, key) : NULL;
    report(f, name, special ? special : default_remedy);
    auto_py PyObject *text =
        import ? PyUnicode_FromFormat("cannot import name '%U' from '%U' in the sandbox: it is "
                                      "hidden%s%s",
                                      name, f->dotted, special ? ". " : "", special ? special : "")
               : PyUnicode_FromFormat("module '%U' has no attribute '%U' in the sandbox: it is "
                                      "hidden%s%s",
                                      f->dotted, name, special ? ". " : "", special ? special : "");
    if (!text)
        return;
    if (import)
        PyErr_SetObject(PyExc_ImportError, text);
    else
        raise_hidden(facade, text);
}

PyObject *facade_miss(PyObject *facade, PyObject *name, bool withheld)
{
    const struct facade *f = facade_state(facade);
    bool import = importing_from();
    if (withheld)
        miss_withheld(facade, f, name, import);
    else if (import)
        PyErr_Format(PyExc_ImportError, "cannot import name '%U' from '%U'", name, f->dotted);
    else
        PyErr_Format(PyExc_AttributeError, "module '%U' has no attribute '%U'", f->dotted, name);
    return NULL;
}
