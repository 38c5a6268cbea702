/* Between the files that make up facades: the objects (facade.c) and what they may hold
 * (facade_judge.c). */
#ifndef PYTHON_FACADE_IMPL_H
#define PYTHON_FACADE_IMPL_H

#include <Python.h>
#include <stdbool.h>

#include "python/facade.h"

struct facade {
    PyObject *real;   /* owned */
    PyObject *dotted; /* owned str: the name by which programs know it */
    const struct facade_rule *rule;
    bool path_only, sys;
    bool foreign; /* no profile lists it: the operator named it, and gets what it holds */
};

/* NULL when @module is no facade. */
struct facade *facade_state(PyObject *module);
/* The facade that has been made of the real module @module (new reference); NULL without exception:
 * none. */
PyObject *facade_known(PyObject *module);

/* Raise for a @name that @facade does not hold, and report it if it is @withheld. Always NULL. */
PyObject *facade_miss(PyObject *facade, PyObject *name, bool withheld);

/* ---- facade_judge.c ---- */
int facade_judge_init(facade_verdict_fn *verdict, unsigned on);
/* May a program have @value of the real module under @name? @listed: the name is in __all__, or
 * there is no __all__. *ret (with FOUND) is a new reference to what it gets. */
enum facade_find facade_judge(const struct facade *f, PyObject *name, PyObject *value, bool listed,
                              bool eager, PyObject **ret);
/* The real module's __all__ as a tuple (new reference), NULL: it has none, or an exception. */
PyObject *facade_real_all(const struct facade *f);

#endif
