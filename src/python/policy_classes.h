/* Which classes of a program are known well enough for positional class patterns: policy_patterns.c
 * says why that matters. */
#ifndef PYTHON_POLICY_CLASSES_H
#define PYTHON_POLICY_CLASSES_H

#include "python/policy_walk.h"

struct bindings {
    PyObject *of;    /* dict: name → list of what binds it: a node, or None for anything else */
    PyObject *known; /* dict: name → bool, classes judged so far; False while being judged */
    PyObject *plain; /* the same for: is it certainly no metaclass? */
    PyObject *ordinary;   /* … is it certainly a class whose metaclass is the library's? */
    PyObject *identities; /* … is it a function that gives back its argument? */
    PyObject *makers;     /* … or one that gives such a function? */
    unsigned depth;       /* of classes derived from classes, while judging */
};

/* Nodes still to be looked at. */
struct node_stack {
    PyObject **items; /* borrowed nodes; free(items) at the end */
    size_t len, cap;
};
/* A node, or those of a list; None and what is no node are passed over. -1 = exception. */
int node_stack_push(struct node_stack *s, PyObject *value);

/* Fill @b->of from the whole tree. -1 = exception. (policy_bindings.c) */
int bindings_collect(struct bindings *b, PyObject *module);

/* Are all bindings of @name accepted by @accept? Judged once: @verdicts remembers. False while it
 * is being judged, and for what no binding is known of. */
bool bindings_judge(struct bindings *b, PyObject *verdicts, PyObject *name,
                    bool (*accept)(struct bindings *, PyObject *));

/* Is @node one of the names in @list, imported from somewhere, and not the program's own? */
bool classes_library_name(struct bindings *b, PyObject *node, const char *const *list);
/* Is @node `dataclass`, `dataclass(…)` or such, or the program's own name for one? */
bool classes_dataclass_maker(struct bindings *b, PyObject *node);

/* Does every decorator of the class @node give the class back? (policy_decorators.c) */
bool decorators_harmless(struct bindings *b, PyObject *node);

/* Can the program invent a __match_args__? */
bool classes_tainted(const struct walk *w, struct bindings *b);

/* May the class expression @cls of a pattern have positional patterns? False with an exception set
 * when memory ran out. */
bool classes_know(struct bindings *b, PyObject *cls, bool tainted);

/* The last name of `Name` or `pkg.mod.Name`, of `Name[T]` too. NULL: something else, or exception.
 */
PyObject *class_last_name(PyObject *node);

#endif
