/* Guards: the dynamic ways round the policy, closed at their destinations.
 *
 * CPython leads from almost any object to code, frames, globals and the class graph through a few
 * dozen descriptors (function.__globals__, type.__subclasses__, generator.gi_frame …). Each of them
 * is replaced, in C, by one that asks who is reading: library functions that need it (a table,
 * resolved to code objects before any program runs) get the answer, everybody else gets
 * SecurityViolation. It does not matter by what road a program came there (getattr, str.format,
 * operator.attrgetter, a class pattern, a callback handed to a library), for the road is not what
 * is guarded.
 *
 * Order: guards_init() in the zygote before anything is preloaded; guards_learn() after preload;
 * guards_arm() in the worker, before the first program. Until armed every reader is answered. */
#ifndef PYTHON_GUARDS_H
#define PYTHON_GUARDS_H

#include <Python.h>
#include <stdbool.h>

/* Replace the descriptors. -1 = Python exception. */
int guards_init(void);

/* Resolve the table of trusted readers to code objects. Modules that are not loaded are skipped;
 * call again when one has been loaded later. -1 = Python exception. */
int guards_learn(void);

void guards_arm(void);

/* The groups (enum guard_group) that the function running now, the innermost Python frame, may
 * read. */
unsigned guards_reader_bits(void);
/* The same for one function's code. */
unsigned guards_code_bits(const PyCodeObject *code);

/* Is the innermost Python frame one of the program's own? */
bool guards_caller_is_program(void);

/* PyType_Ready() for a type of descriptors that judge who reads: without methods by which a program
 * could have them read by somebody else (a library function that calls what it is given). -1 =
 * Python exception. */
int guards_type_ready(PyTypeObject *type);

/* The namespace of a type, to be changed in place (new reference). */
PyObject *guards_type_dict(PyTypeObject *type);
/* Methods such as __setitem__ and __init__ call a slot's function directly: have the one called
 * @name in the namespace @dict call @to, if it calls @from. False: it does not, or is not there. */
bool guards_put_wrapper(PyObject *dict, const char *name, void *from, void *to);
/* Take @name out of the type's namespace, if it is there. -1 = Python exception. */
int guards_remove_name(PyTypeObject *type, const char *name);

extern bool guards_armed;

#endif
