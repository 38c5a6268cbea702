/* What is done once, in the zygote, so that no worker has to: see zygote.h. Runs inside the
 * namespaces, before any program is near; executes library code only. */
#include <Python.h>
#include <malloc.h>
#include <stdbool.h>

#include "python/audit.h"
#include "python/capture.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guards.h"
#include "python/imports.h"
#include "python/memory.h"
#include "python/policy.h"
#include "python/program.h"
#include "python/roads.h"
#include "python/run.h"
#include "python/serialise.h"
#include "python/source.h"
#include "python/text.h"
#include "python/traceback.h"
#include "zygote/compact.h"
#include "zygote/zygote.h"

#define THREAD_STACK (512 * 1024) /* bytes; counts against the program's address space */

/* Called without arguments in every worker; NULL when the module is not there. */
static PyObject *reseed_random; /* of random's global generator, the C half */
static PyObject *reseed_numpy;  /* numpy.random.seed */

/* The pending Python exception as an error of ours. */
static int python_error(struct err *err, const char *what)
{
    auto_py PyObject *exc = exc_take();
    auto_py PyObject *text =
        exc ? PyUnicode_FromFormat("%s: %S", Py_TYPE(exc)->tp_name, exc) : NULL;
    const char *s = text ? PyUnicode_AsUTF8(text) : NULL;
    err_set(err, ERR_INTERNAL, "%s: %s", what, s ? s : "unknown error");
    PyErr_Clear();
    return -1;
}

/* ---- the process ---- */

static int tune_process(struct err *err)
{
    /* One malloc arena for all threads, and no memory handed back: what the warm-up has touched
     * stays touched, and the address space measured at hand-over stays what it was. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    /* no fast bins: the first large block of a worker would merge what the zygote left in them, and
     * make a private page of each they lie in */
    mallopt(M_MXFAST, 0);
    mallopt(M_TOP_PAD, 128 << 10);
    /* glibc would raise it by itself after the first large free, and keep such blocks for good */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    if (PyThread_set_stacksize(THREAD_STACK) != 0)
        return err_set(err, ERR_INTERNAL, "set the size of thread stacks");
    /* Numeric libraries start their threads when they are loaded, and a fork keeps none of them. */
    static const char *const one[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                      "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"};
    for (size_t i = 0; i < ARRAY_LEN(one); i++)
        if (setenv(one[i], "1", 1) < 0)
            return err_nomem(err);
    return 0;
}

/* sys.path without our own folder, with the configured ones; sys.argv without a trace of how this
 * was started. */
static int tidy_sys(const struct msg_launch *launch)
{
    PyObject *path = PySys_GetObject("path");
    auto_py PyObject *own = PyUnicode_DecodeFSDefault(launch->extension_dir);
    auto_py PyObject *argv = Py_BuildValue("[s]", "");
    auto_py PyObject *orig_argv = Py_BuildValue("[s]", "");
    if (!path || !own || !argv || !orig_argv)
        return -1;
    for (Py_ssize_t i = PyList_Size(path) - 1; i >= 0; i--) {
        int same = PyObject_RichCompareBool(PyList_GET_ITEM(path, i), own, Py_EQ);
        if (same < 0 || (same && PyList_SetSlice(path, i, i + 1, NULL) < 0))
            return -1;
    }
    for (size_t i = 0; i < launch->python_path.len; i++) {
        auto_py PyObject *dir = PyUnicode_DecodeFSDefault(launch->python_path.items[i]);
        if (!dir || PyList_Append(path, dir) < 0)
            return -1;
    }
    if (PySys_SetObject("argv", argv) < 0 || PySys_SetObject("orig_argv", orig_argv) < 0)
        return -1;
    /* There is nowhere to write to, and the attempt would be a security event of the program's. */
    if (PySys_SetObject("dont_write_bytecode", Py_True) < 0)
        return -1;
    /* a program that may import anything must not find the way back in */
    PyObject *modules = PyImport_GetModuleDict();
    if (PyDict_DelItemString(modules, "_vivarium") < 0)
        PyErr_Clear();
    return 0;
}

/* ---- forking ---- */

static PyObject *register_at_fork; /* os.register_at_fork */

/* Is @hook of a module whose at-fork hooks only repair what a second thread might have been doing,
 * which the zygote never has, or (random) do what worker_reseed() does for less? Run in every
 * worker, they would cost it more page faults than everything else before the program. */
static bool hook_is_idle(PyObject *hook)
{
    static const char *const modules[] = {"threading", "logging", "random"};
    auto_py PyObject *module = PyObject_GetAttrString(hook, "__module__");
    PyErr_Clear();
    if (!module || !PyUnicode_Check(module))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(modules); i++)
        if (PyUnicode_CompareWithASCIIString(module, modules[i]) == 0)
            return true;
    return false;
}

static PyObject *sift_hooks(PyObject *Py_UNUSED(self), PyObject *args, PyObject *kwargs)
{
    PyObject *key, *hook;
    Py_ssize_t pos = 0;
    while (kwargs && PyDict_Next(kwargs, &pos, &key, &hook))
        if (hook_is_idle(hook))
            Py_RETURN_NONE;
    return PyObject_Call(register_at_fork, args, kwargs);
}

static PyMethodDef sift_hooks_def = {"register_at_fork", (PyCFunction)(void (*)(void))sift_hooks,
                                     METH_VARARGS | METH_KEYWORDS, NULL};

/* Put our filter in front of os.register_at_fork, or take it away again. */
static int filter_hooks(bool on)
{
    auto_py PyObject *os = PyImport_ImportModule("os");
    if (!os)
        return -1;
    if (!on)
        return PyObject_SetAttrString(os, "register_at_fork", register_at_fork);
    register_at_fork = PyObject_GetAttrString(os, "register_at_fork");
    auto_py PyObject *filter = PyCFunction_New(&sift_hooks_def, NULL);
    if (!register_at_fork || !filter)
        return -1;
    return PyObject_SetAttrString(os, "register_at_fork", filter);
}

static int find_reseeders(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *random = PyDict_GetItemString(modules, "random");
    PyObject *core = PyDict_GetItemString(modules, "_random");
    if (random && core) {
        auto_py PyObject *generator = PyObject_GetAttrString(random, "_inst");
        auto_py PyObject *type = PyObject_GetAttrString(core, "Random");
        auto_py PyObject *seed = type ? PyObject_GetAttrString(type, "seed") : NULL;
        reseed_random =
            generator && seed ? PyObject_CallMethod(seed, "__get__", "O", generator) : NULL;
        if (!reseed_random)
            return -1;
    }
    PyObject *numpy = PyDict_GetItemString(modules, "numpy.random");
    reseed_numpy = numpy ? PyObject_GetAttrString(numpy, "seed") : NULL;
    return numpy && !reseed_numpy ? -1 : 0;
}

int worker_reseed(struct err *err)
{
    PyObject *const all[] = {reseed_random, reseed_numpy};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (!all[i])
            continue;
        auto_py PyObject *done = PyObject_CallNoArgs(all[i]);
        if (!done)
            return python_error(err, "reseed a generator");
    }
    return 0;
}

/* ---- what libraries leave lying about ---- */

/* Functions that preloaded modules want called at exit are the zygote's, not the programs'. (run.c
 * calls logging's when a program has added handlers.) */
static int tidy_atexit(void)
{
    auto_py PyObject *atexit = PyImport_ImportModule("atexit");
    auto_py PyObject *cleared = atexit ? PyObject_CallMethod(atexit, "_clear", NULL) : NULL;
    if (!cleared)
        return -1;
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *weakref = PyDict_GetItemString(modules, "weakref");
    auto_py PyObject *finalize = weakref ? PyObject_GetAttrString(weakref, "finalize") : NULL;
    /* so that the first finalizer of a program registers itself again */
    if (finalize && PyObject_SetAttrString(finalize, "_registered_with_atexit", Py_False) < 0)
        return -1;
    PyErr_Clear();
    return 0;
}

/* OpenBLAS allocates its working memory at the first product, which must not happen under a
 * program's memory limit. */
static int warm_numpy(void)
{
    PyObject *numpy = PyDict_GetItemString(PyImport_GetModuleDict(), "numpy");
    if (!numpy)
        return 0;
    auto_py PyObject *matrix = PyObject_CallMethod(numpy, "ones", "((ii))", 64, 64);
    auto_py PyObject *product =
        matrix ? PyObject_CallMethod(numpy, "dot", "OO", matrix, matrix) : NULL;
    auto_py PyObject *linalg = PyObject_GetAttrString(numpy, "linalg");
    auto_py PyObject *eye = PyObject_CallMethod(numpy, "eye", "i", 8);
    auto_py PyObject *inverse = linalg && eye ? PyObject_CallMethod(linalg, "inv", "O", eye) : NULL;
    return product && inverse ? 0 : -1;
}

/* ---- all of it ---- */

int zygote_prepare(const struct msg_launch *launch, struct msg_ready *ret, struct err *err)
{
    if (tune_process(err) < 0)
        return -1;
    compact_begin();
    memory_init();
    if (tidy_sys(launch) < 0 || filter_hooks(true) < 0)
        return python_error(err, "tidy sys");
    if (events_init() < 0 || source_init() < 0 || text_init() < 0 || policy_init() < 0 ||
        guards_init() < 0 || roads_init() < 0)
        return python_error(err, "set up");
    if (imports_init(launch, &ret->installed, &ret->missing) < 0)
        return python_error(err, "preload");
    if (imports_safe_builtins(&ret->safe_builtins) < 0)
        return python_error(err, "builtins");
    if (capture_init() < 0 || serialise_init() < 0 || traceback_init() < 0 || program_init() < 0 ||
        run_init() < 0)
        return python_error(err, "set up the run");
    if (guards_learn() < 0 || roads_learn() < 0 || audit_init(launch) < 0)
        return python_error(err, "raise the guards");
    if (warm_numpy() < 0)
        return python_error(err, "warm numpy");
    if (tidy_atexit() < 0 || filter_hooks(false) < 0 || find_reseeders() < 0)
        return python_error(err, "prepare for forking");
    return 0;
}

/* Use up the free blocks that preloading left between others, and never give them back: what a
 * worker allocates then comes from one place at the end of the heap, instead of making a private
 * page of each page that has a hole. */
static void plug_heap(void)
{
    const size_t largest = 128 * 1024;
    void *probe = malloc(largest);
    const uintptr_t top = (uintptr_t)probe;
    free(probe);
    for (size_t size = largest; size >= 16; size -= size > 4096 ? size / 16 & ~(size_t)15 : 16) {
        void *p;
        while ((p = malloc(size)) && (uintptr_t)p < top)
            ;
        free(p);
    }
}

/* The same for the interpreter's own allocator: use up the free blocks of each size class, up to
 * the first block of a fresh pool. What a worker allocates then lies side by side, and in the page
 * of its pool's head, which every allocation writes to. Sizes as in CPython's obmalloc.c, 3.10 and
 * later; were they wrong, some megabytes would be lost and nothing else. */
static void plug_pools(void)
{
    const size_t pool = 16 * 1024, head = 48, largest = 512, step = 16, most = 1 << 20;
    for (size_t size = step; size <= largest; size += step) {
        for (size_t used = 0; used < most; used += size) {
            void *p = PyObject_Malloc(size);
            if (!p || ((uintptr_t)p & (pool - 1)) == head)
                break;
        }
    }
}

int zygote_freeze(struct err *err)
{
    auto_py PyObject *gc = PyImport_ImportModule("gc");
    PyGC_Collect();
    auto_py PyObject *done = gc ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    if (!done)
        return python_error(err, "freeze");
    plug_heap();
    plug_pools();
    compact_finish();
    return 0;
}
