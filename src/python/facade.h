/* Facades: what a program gets for a permitted module. A facade is a plain module object (so that
 * attribute access is as fast as ever) holding the real module's public names; other modules are
 * not in it, submodules that are permitted are facades again. What a facade does not hold is looked
 * up in the real module on a miss, through the same rules, so lazily loaded names (PEP 562) and
 * submodules imported later are found.
 *
 * The rules: names that begin with an underscore are withheld; where the module has an __all__,
 * other functions and classes must be its own; functions and types that lead out of the language
 * (facade_judge.c) are withheld wherever they turn up, but for modules that no profile lists and
 * the operator has named in SANDBOX_ALLOWED_IMPORTS. facade_rules.c says more for single modules,
 * with or without that variable: sys, io, types … show no more when the operator names them. */
#ifndef PYTHON_FACADE_H
#define PYTHON_FACADE_H

#include <Python.h>
#include <stdbool.h>

#include "catalog/profiles.h"

/* May a program import @dotted? Answers for the program at hand, if any. */
typedef enum module_verdict facade_verdict_fn(const char *dotted);

/* One-off, in the zygote, before any facade is made. @on: PROFILE_* bits. -1 = Python exception. */
int facade_init(facade_verdict_fn *verdict, unsigned on);

/* The facade of the real module @module, known to programs as @dotted; made if there is none yet,
 * with its submodules too if @eager (else they are made when asked for). New reference. */
PyObject *facade_of(PyObject *module, const char *dotted, bool eager);
/* A facade that shows nothing of @module but what is attached, and submodules that may be
 * imported: for a package that only leads to a permitted one. Not remembered. New reference. */
PyObject *facade_path(PyObject *module, const char *dotted);
/* Put @child into @facade as @name. -1 = Python exception. */
int facade_attach(PyObject *facade, const char *name, PyObject *child);

/* Take up what the real module has gained, for `from module import *`. -1 = Python exception. */
int facade_refresh(PyObject *facade);

enum facade_find { FACADE_ABSENT, FACADE_WITHHELD, FACADE_FOUND, FACADE_ERROR };
/* What a program gets for facade.name, without raising AttributeError. *ret (with FOUND) is a new
 * reference. */
enum facade_find facade_find(PyObject *facade, PyObject *name, PyObject **ret);

/* Would `from @dotted import @name` be refused, because the module has the name and withholds it?
 * Answers from what is loaded, without side effects. For the program at hand. */
bool facade_withholds(const char *dotted, PyObject *name);

/* ---- facade_miss.c ---- */
#define FACADE_GUESS 64
/* ". Did you mean: 'sqrt'?" for a name that there is not, or "". */
void facade_closest(PyObject *facade, const char *name, char out[FACADE_GUESS]);
/* What to do instead of using a withheld name. Static. */
const char *facade_remedy(const char *dotted, const char *name);

/* ---- facade_rules.c ---- */
enum facade_mode {
    FACADE_WITHOUT, /* everything but these names */
    FACADE_ONLY,    /* these names and nothing else */
};
struct facade_rule {
    const char *module;
    enum facade_mode mode;
    const char *const *names; /* ends with NULL */
};
/* The rule for @dotted, or NULL. */
const struct facade_rule *facade_rule_of(const char *dotted);
bool facade_rule_permits(const struct facade_rule *rule, const char *name);
/* What there is instead of a withheld name that programs often ask for; NULL: nothing particular.
 */
const char *facade_rule_remedy(const char *dotted, const char *name);
/* Is @dotted a submodule that its package's rule withholds ("logging.config")? */
bool facade_submodule_withheld(const char *dotted);

/* ---- facade_sys.c ---- */
/* Fill @dict with what programs see of sys. -1 = Python exception. */
int facade_sys_fill(PyObject *dict);
/* stdin, stdout and stderr are those of the real sys at every moment, so that assigning them works.
 */
bool facade_sys_is_live(PyObject *name);
PyObject *facade_sys_get(PyObject *name); /* new reference; AttributeError */
int facade_sys_set(PyObject *name, PyObject *value);

/* ---- facade_hide.c ---- */
/* Objects that carry real modules in attributes of their own (warnings.catch_warnings()): hide
 * them from everybody but their class. -1 = Python exception. */
int facade_hide_holders(void);

#endif
