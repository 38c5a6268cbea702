/* Roads through the event loop: see loop_roads.h. Runs in the worker, called by asyncio on behalf
 * of a hostile program. */
#include "python/loop_roads.h"

#include <Python.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/imports_impl.h"

/* Every replaced method is this one; what the program tried is its self. */
static PyObject *refuse(PyObject *self, PyObject *args _unused_, PyObject *kwargs _unused_)
{
    const char *what = PyUnicode_AsUTF8(self);
    if (!what)
        return NULL;
    char detail[200];
    snprintf(detail, sizeof(detail), "%s of an event loop are not available in the sandbox", what);
    events_report(LAYER_GUARD, 0, "descriptor", detail,
                  "Pass data between tasks with asyncio.Queue; nothing permits this to a program");
    PyErr_SetString(events_violation_type, detail);
    return NULL;
}

static PyMethodDef refuse_def = {"refused", (PyCFunction)(void (*)(void))refuse,
                                 METH_VARARGS | METH_KEYWORDS, NULL};

static const struct {
    const char *class, *method, *what;
} refused[] = {
    {"_UnixSelectorEventLoop", "_make_read_pipe_transport", "Pipes"},
    {"_UnixSelectorEventLoop", "_make_write_pipe_transport", "Pipes"},
    {"_UnixSelectorEventLoop", "_make_subprocess_transport", "Subprocesses"},
    {"_UnixSelectorEventLoop", "_sock_sendfile_native", "Files"},
};

/* A file over a socket is a buffer over an object whose methods a program could replace: CPython
 * would hand them its memory (buffer_roads.h). */
static int refuse_makefile(PyObject *events)
{
    if (import_rule_verdict("socket") != MODULE_NO)
        return 0;
    auto_py PyObject *module = PyObject_GetAttrString(events, "socket");
    auto_py PyObject *class = module ? PyObject_GetAttrString(module, "socket") : NULL;
    auto_py PyObject *what = PyUnicode_FromString("Sockets");
    auto_py PyObject *f = what ? PyCFunction_New(&refuse_def, what) : NULL;
    return class && f ? PyObject_SetAttrString(class, "makefile", f) : -1;
}

int loop_roads_learn(void)
{
    PyObject *module =
        PyDict_GetItemString(PyImport_GetModuleDict(), "asyncio.unix_events"); /* borrowed */
    if (!module || import_rule_overridden())
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        auto_py PyObject *class = PyObject_GetAttrString(module, refused[i].class);
        auto_py PyObject *what = PyUnicode_FromString(refused[i].what);
        auto_py PyObject *f = what ? PyCFunction_New(&refuse_def, what) : NULL;
        if (!class || !f || PyObject_SetAttrString(class, refused[i].method, f) < 0)
            return -1;
    }
    return refuse_makefile(module);
}
