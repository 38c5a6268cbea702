/* What the zygote does once about modules: loads them, finds out which are there, and builds the
 * facades of what is loaded, so that every worker is forked with them. Trusts the launch message
 * and the library. */
#include <string.h>

#include "python/compat.h"
#include "python/facade.h"
#include "python/imports_impl.h"

/* Import @dotted; whatever is wrong with it is its own affair. */
static bool loads(const char *dotted)
{
    auto_py PyObject *module = imports_real(dotted);
    PyErr_Clear();
    return module;
}

static PyObject *loaded(const char *dotted)
{
    auto_py PyObject *name = PyUnicode_FromString(dotted);
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    PyErr_Clear();
    return module && PyModule_Check(module) ? module : NULL;
}

/* Could it be imported? Looks for it without loading more than its parent packages. */
static bool findable(const char *dotted)
{
    auto_py PyObject *module = loaded(dotted);
    if (module)
        return true;
    auto_py PyObject *util = PyImport_ImportModule("importlib.util");
    auto_py PyObject *spec = util ? PyObject_CallMethod(util, "find_spec", "s", dotted) : NULL;
    PyErr_Clear();
    return spec && spec != Py_None;
}

static int sort_out(const struct msg_launch *launch, struct strv *installed, struct strv *missing)
{
    for (size_t i = 0; i < launch->modules.len; i++) {
        const char *dotted = launch->modules.items[i];
        if (strv_add(findable(dotted) ? installed : missing, dotted, NULL) < 0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

/* uuid.getnode() runs programs (ip, ifconfig) to learn the hardware address, and libuuid looks for
 * a daemon. In the jail both come to nothing after a detour that would be reported as an attempt to
 * open a socket: let it draw a random one at once, in every worker another. */
static int calm_uuid(void)
{
    auto_py PyObject *uuid = loaded("uuid");
    auto_py PyObject *empty = PyList_New(0);
    if (!uuid)
        return 0;
    if (!empty || PyObject_SetAttrString(uuid, "_GETTERS", empty) < 0)
        return -1;
    return PyObject_SetAttrString(uuid, "_generate_time_safe", Py_None);
}

static int build_facades(const struct msg_launch *launch)
{
    for (size_t i = 0; i < launch->modules.len; i++) {
        auto_py PyObject *module = loaded(launch->modules.items[i]);
        if (!module)
            continue;
        auto_py PyObject *facade = facade_of(module, launch->modules.items[i], true);
        if (!facade)
            return -1;
    }
    return 0;
}

static bool permitted(const struct msg_launch *launch, const char *name)
{
    for (size_t i = 0; i < launch->modules.len; i++)
        if (strcmp(launch->modules.items[i], name) == 0)
            return true;
    return false;
}

/* What others load when they are first used: numpy by code that reads what the guards keep, expat
 * so that state_roads.c finds it. */
static int preload_parts(void)
{
    static const struct {
        const char *of, *name;
    } parts[] = {
        {"numpy", "numpy.fft"},
        {"numpy", "numpy.polynomial"},
        {"numpy", "numpy.ma"},
        {"numpy", "numpy.strings"},
        {"numpy", "numpy.char"},
        {"numpy", "numpy.rec"},
        {"xml.etree.ElementTree", "xml.parsers.expat"},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        auto_py PyObject *there = loaded(parts[i].of);
        if (there)
            (void)loads(parts[i].name);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Modules that others do without when they are not there. asyncio would load ssl, and with it a
 * library and a megabyte of objects that each fork would copy: hidden where no program may use it.
 * The C code of ElementTree loses objects under its feet when a program's __eq__ or __index__
 * changes the tree: what is written in Python does the same, safely. */
static int preload(const struct msg_launch *launch)
{
    static const char *const optional[] = {"ssl", "_elementtree"};
    PyObject *modules = PyImport_GetModuleDict();
    for (size_t i = 0; i < ARRAY_LEN(optional); i++)
        if (!permitted(launch, optional[i]) &&
            PyDict_SetItemString(modules, optional[i], Py_None) < 0)
            return -1;
    for (size_t i = 0; i < launch->preload.len; i++)
        (void)loads(launch->preload.items[i]);
    if (preload_parts() < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(optional); i++)
        if (!permitted(launch, optional[i]) && PyDict_DelItemString(modules, optional[i]) < 0)
            return -1;
    return 0;
}

int imports_init(const struct msg_launch *launch, struct strv *installed, struct strv *missing)
{
    if (import_rule_init(launch, NULL) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (preload(launch) < 0 || sort_out(launch, installed, missing) < 0 || calm_uuid() < 0)
        return -1;
    if (facade_init(import_rule_verdict, launch->profiles) < 0 || build_facades(launch) < 0)
        return -1;
    return builtins_init();
}
