/* The audit hook: CPython's own security events (PEP 578), judged whoever causes them. It cannot be
 * removed from Python. Events that no permitted program causes are refused and reported; those that
 * are ordinary work of the standard library pass because the function that causes them is in the
 * table of trusted readers. */
#ifndef PYTHON_AUDIT_H
#define PYTHON_AUDIT_H

#include <Python.h>
#include <stdbool.h>

#include "wire/msg.h"

/* Zygote, once: add the hook. It lets everything pass until guards_arm(). @launch (borrowed,
 * outlives the process's programs) tells which walls the operator has opened: profiles and
 * SANDBOX_ALLOWED_IMPORTS. -1 = Python exception. */
int audit_init(const struct msg_launch *launch);

/* Worker, before each program: what it was allowed to import, for judging the texts that libraries
 * compile for it. Borrowed. */
void audit_set_run(const struct msg_run *run);

/* While @on, what is compiled is the program itself, which the policy judges by its tree. Nothing
 * of the program runs meanwhile. */
void audit_compiling(bool on);

#endif
