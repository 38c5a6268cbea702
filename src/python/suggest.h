/* "Did you mean: 'name'?" for a misspelt name or attribute. CPython 3.12 and later say it
 * themselves. */
#ifndef PYTHON_SUGGEST_H
#define PYTHON_SUGGEST_H

#include <Python.h>

/* Append the suggestion, if there is one, to the message of @te (the TracebackException of @exc).
 * -1 = Python exception. */
int suggest_correction(PyObject *exc, PyObject *te);

#endif
