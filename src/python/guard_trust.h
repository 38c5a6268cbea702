/* Between the files that make up guards.h: the descriptors (guards.c) and whom they answer
 * (guard_trust.c). */
#ifndef PYTHON_GUARD_TRUST_H
#define PYTHON_GUARD_TRUST_H

#include <Python.h>
#include <stdbool.h>

/* Zygote, first: remember the interpreter's own builtins. */
void guards_trust_init(void);

/* Is it a function of the library's (one that runs with the interpreter's own builtins)? */
bool guards_is_library(PyObject *function);

/* Was the function that runs now, the innermost frame, called by one of the library's? */
bool guards_called_by_library(void);

/* Does a program's own frame come first behind those, from the innermost on, whose functions have
 * @bit? */
bool guards_passed_on_by_program(unsigned bit);

/* Is the innermost frame's present instruction one that reads or sets the attribute @name, or a
 * call in a function that has @name among its constants? Otherwise something written in C reads it
 * on that frame's behalf: a descriptor or a callback that a program has slipped to a trusted
 * function. */
bool guards_reader_names(PyObject *name);

/* Is it a frame of library code? */
bool guards_is_library_frame(PyFrameObject *frame);

/* Is it the frame that serves programs, below all of theirs? */
bool guards_is_harness(PyFrameObject *frame);

#endif
