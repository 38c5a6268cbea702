/* The worker with the walls of the language taken out: every program is valid, everything can be
 * imported, no guard, facade or audit hook is there. What is left is the kernel's. Linked instead
 * of the files that hold those walls (meson.build here) into an extension module that only the
 * tests use: what is installed has no switch for this. */
#include <Python.h>
#include <stdlib.h>

#include "python/audit.h"
#include "python/compat.h"
#include "python/facade.h"
#include "python/guards.h"
#include "python/imports_impl.h"
#include "python/policy.h"
#include "python/roads.h"

/* ---- policy ---- */

int policy_init(void)
{
    return 0;
}

int policy_check(PyObject *module, const struct policy_rules *rules, struct policy_report *ret)
{
    (void)module;
    (void)rules;
    ret->cyclomatic_complexity = 1;
    return 0;
}

void policy_report_done(struct policy_report *r)
{
    if (r)
        *r = (struct policy_report){0};
}

/* ---- guards, roads, audit ---- */

bool guards_armed;

int guards_init(void)
{
    return 0;
}

int guards_learn(void)
{
    return 0;
}

void guards_arm(void)
{
}

int roads_init(void)
{
    return 0;
}

int roads_learn(void)
{
    return 0;
}

int audit_init(const struct msg_launch *launch)
{
    (void)launch;
    return 0;
}

void audit_set_run(const struct msg_run *run)
{
    (void)run;
}

void audit_compiling(bool on)
{
    (void)on;
}

/* ---- imports ---- */

int import_rule_init(const struct msg_launch *launch, struct err *err)
{
    (void)launch;
    (void)err;
    return 0;
}

int import_rule_narrow(const struct msg_run *run, struct err *err)
{
    (void)run;
    (void)err;
    return 0;
}

enum module_verdict import_rule_verdict(const char *dotted)
{
    (void)dotted;
    return MODULE_YES;
}

PyObject *imports_real(const char *dotted)
{
    PyObject *module = PyImport_ImportModule(dotted);
    if (module && !PyModule_Check(module)) {
        Py_DECREF(module);
        PyErr_SetString(PyExc_ImportError, dotted);
        return NULL;
    }
    return module;
}

int builtins_init(void)
{
    return 0;
}

/* All of Python's own, `open`, `eval` and `__import__` among them. */
PyObject *imports_new_builtins(const struct msg_run *run)
{
    (void)run;
    return PyDict_Copy(PyEval_GetBuiltins());
}

int imports_narrow(const struct msg_run *run)
{
    (void)run;
    return 0;
}

int imports_limit(const struct msg_launch *launch, struct msg_run *run, struct err *err)
{
    (void)launch;
    (void)run;
    (void)err;
    return 0;
}

int imports_safe_builtins(struct strv *ret)
{
    (void)ret;
    return 0;
}

/* ---- facades ---- */

int facade_init(facade_verdict_fn *verdict, unsigned on)
{
    (void)verdict;
    (void)on;
    return 0;
}

PyObject *facade_of(PyObject *module, const char *dotted, bool eager)
{
    (void)dotted;
    (void)eager;
    return Py_NewRef(module);
}

bool facade_withholds(const char *dotted, PyObject *name)
{
    (void)dotted;
    (void)name;
    return false;
}

const char *facade_remedy(const char *dotted, const char *name)
{
    (void)dotted;
    (void)name;
    return "";
}
