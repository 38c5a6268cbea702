/* Which classes of a program are known well enough for positional class patterns: policy_patterns.c
 * says why that matters. */
#ifndef PYTHON_POLICY_CLASSES_H
#define PYTHON_POLICY_CLASSES_H

#include "python/policy_walk.h"

struct bindings {
    PyObject *of;    /* dict: name → list of what binds it: a node, or None for anything else */
    PyObject *known; /* dict: name → bool, classes judged so far; False while being judged */
    PyObject *plain; /* the same for: is it certainly no metaclass? */
    unsigned depth;  /* of classes derived from classes, while judging */
};

/* Fill @b->of from the whole tree. -1 = exception. (policy_bindings.c) */
int bindings_collect(struct bindings *b, PyObject *module);

/* Can the program invent a __match_args__? */
bool classes_tainted(const struct walk *w, struct bindings *b);

/* May the class expression @cls of a pattern have positional patterns? False with an exception set
 * when memory ran out. */
bool classes_know(struct bindings *b, PyObject *cls, bool tainted);

/* The last name of `Name` or `pkg.mod.Name`, of `Name[T]` too. NULL: something else, or exception.
 */
PyObject *class_last_name(PyObject *node);

#endif
