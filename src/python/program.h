/* From text to code: decode, parse, judge, compile. Shared by execution and validation, so that
 * both give the same verdict. Nothing of the program runs here. */
#ifndef PYTHON_PROGRAM_H
#define PYTHON_PROGRAM_H

#include <Python.h>

#include "python/policy.h"
#include "wire/msg.h"

struct program {
    enum run_outcome outcome; /* OK, SYNTAX_ERROR, REFUSED or RESOURCE */
    /* With OK: the statements, and the expression the program ends in; either may be NULL. */
    PyObject *body, *last;
    /* What the policy found; with SYNTAX_ERROR the one error, as a violation of rule "syntax". */
    struct policy_report report;
    /* With SYNTAX_ERROR: as struct traceback. Owned. */
    char *error_type, *traceback;
};

/* One-off set-up in the zygote. -1 = Python exception. */
int program_init(void);

/* Fills *ret (zeroed by the caller; release with program_done, whatever was returned). -1: cannot
 * even say what is wrong (memory). Never leaves an exception set. */
int program_prepare(const struct msg_launch *launch, const struct msg_run *run, struct program *ret,
                    struct err *err);
void program_done(struct program *p);

#endif
