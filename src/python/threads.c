/* Threads of a program: see threads.h. Runs in the worker. Only threads started through Python
 * count here; the kernel's walls bound the rest by memory. */
#include "python/threads.h"

#include <Python.h>
#include <stdio.h>
#include <unistd.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guards.h"

static const struct msg_launch *launched;

int threads_count(const char *event)
{
    if (!guards_armed)
        return 0;
    unsigned n = 0;
    for (PyThreadState *t = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); t;
         t = PyThreadState_Next(t))
        n++;
    if (n < launched->max_threads)
        return 0;
    char detail[128];
    snprintf(detail, sizeof(detail), "The program tried to run more than %u threads",
             (unsigned)launched->max_threads);
    events_report(LAYER_AUDIT, 0, event, detail, "SANDBOX_MAX_THREADS sets the limit");
    PyErr_SetString(PyExc_RuntimeError, detail);
    return -1;
}

#if PY_VERSION_HEX < 0x030c0000

static PyObject *real_start; /* owned: _thread.start_new_thread */

static PyObject *start(PyObject *self _unused_, PyObject *args, PyObject *kwargs)
{
    if (threads_count("_thread.start_new_thread") < 0)
        return NULL;
    return PyObject_Call(real_start, args, kwargs);
}

static PyMethodDef start_def = {"start_new_thread", (PyCFunction)(void (*)(void))start,
                                METH_VARARGS | METH_KEYWORDS, NULL};

static int replace_start(void)
{
    static const char *const places[][2] = {{"_thread", "start_new_thread"},
                                            {"_thread", "start_new"},
                                            {"threading", "_start_new_thread"}};
    auto_py PyObject *module = PyImport_ImportModule("_thread");
    auto_py PyObject *ours = PyCFunction_New(&start_def, NULL);
    if (!real_start)
        real_start = module ? PyObject_GetAttrString(module, "start_new_thread") : NULL;
    if (!real_start || !ours)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        auto_py PyObject *place = PyImport_ImportModule(places[i][0]);
        if (!place || PyObject_SetAttrString(place, places[i][1], ours) < 0)
            return -1;
    }
    return 0;
}

#else

static int replace_start(void)
{
    return 0;
}

#endif

/* ---- thread pools ---- */

/* As many processors as leave a pool of the default size (4 more) within the limit, beside the main
 * thread and the one in which asyncio.run() waits for the pool at the end. */
static PyObject *cpu_count(PyObject *self _unused_, PyObject *args _unused_)
{
    long most = MAX((long)launched->max_threads - 6, 1);
    long there = sysconf(_SC_NPROCESSORS_ONLN);
    return PyLong_FromLong(MAX(MIN(there, most), 1));
}

static PyMethodDef count_defs[] = {{"cpu_count", cpu_count, METH_NOARGS, NULL},
                                   {"process_cpu_count", cpu_count, METH_NOARGS, NULL}};

/* ThreadPoolExecutor, which asyncio.to_thread() uses, asks os how many threads to start: on a large
 * machine more than a program may have. */
static int fit_pools(void)
{
    auto_py PyObject *os = PyImport_ImportModule("os");
    for (size_t i = 0; os && i < ARRAY_LEN(count_defs); i++) {
        if (!PyDict_GetItemString(PyModule_GetDict(os), count_defs[i].ml_name))
            continue;
        auto_py PyObject *f = PyCFunction_New(&count_defs[i], NULL);
        if (!f || PyObject_SetAttrString(os, count_defs[i].ml_name, f) < 0)
            return -1;
    }
    return os ? 0 : -1;
}

int threads_init(const struct msg_launch *launch)
{
    launched = launch;
    return replace_start() < 0 ? -1 : fit_pools();
}
