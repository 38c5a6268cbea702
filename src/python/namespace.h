/* The program's __main__: a real module, so that dataclasses, typing and enum find it in
 * sys.modules. */
#ifndef PYTHON_NAMESPACE_H
#define PYTHON_NAMESPACE_H

#include <Python.h>

#include "base/str.h"
#include "wire/msg.h"

/* Make the module and register it in place of the present __main__. Returns its dict (new
 * reference); NULL = Python exception. */
PyObject *namespace_new(const struct msg_run *run);

/* The builtins of every program (borrowed); NULL before the first. */
PyObject *namespace_builtins(void);

/* Take the module out again, put back what was there, release @globals. */
void namespace_free(PyObject *globals);

/* The public names bound at top level, in order, without modules: at most MSG_MAX_VARIABLES. -1: no
 * memory. */
int namespace_public_names(PyObject *globals, struct strv *ret);

#endif
