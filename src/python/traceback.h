/* An exception in words: the sentence, the type, the line, and the text of the traceback with the
 * frames of the program only, as CPython itself would print it. No path of the machine gets out. */
#ifndef PYTHON_TRACEBACK_H
#define PYTHON_TRACEBACK_H

#include <Python.h>

#include "base/err.h"

struct traceback {
    char *type;    /* "ZeroDivisionError", "json.decoder.JSONDecodeError" */
    char *message; /* first line of what the exception says of itself; may be "" */
    char *text;    /* "Traceback (most recent call last): …"; "" when it cannot be made */
    uint32_t line; /* of the program, 0 = unknown */
};
void traceback_done(struct traceback *t);

/* One-off set-up in the zygote, after everything sys.path will ever hold is in it. Also makes
 * threads report their uncaught exceptions in this form. -1 = Python exception. */
int traceback_init(void);

/* Describe @exc. What its own methods do (__str__ that raises, or returns a gigabyte) costs no more
 * than the description. ERR_NOMEM only. Never leaves an exception set. */
int traceback_describe(PyObject *exc, struct traceback *ret, struct err *err);

#endif
