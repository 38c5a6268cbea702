/* Between the files of the serialiser: the walk (serialise.c), numbers and keys (serialise_text.c),
 * the types of the library and of numpy and pandas (serialise_library.c). */
#ifndef PYTHON_SERIALISE_IMPL_H
#define PYTHON_SERIALISE_IMPL_H

#include <Python.h>
#include <stdbool.h>

#include "python/json_out.h"

/* Containers inside containers; deeper ones are written as "[...]" or "{...}". */
#define SERIALISE_MAX_DEPTH 64

struct serialise {
    struct json_out out;
    PyObject
        *path[SERIALISE_MAX_DEPTH]; /* borrowed: the containers being written, outermost first */
    int depth;
};

/* Write one value. Whether anything was written (else out.full is set). No Python exception is
 * pending before or after. */
bool serialise_any(struct serialise *s, PyObject *value);
/* Enter a container about to be opened: false when it is a cycle or too deep, and then its
 * placeholder has been written, or not, as *ret_written says. */
bool serialise_enter(struct serialise *s, PyObject *container, const char *placeholder,
                     bool *ret_written);
void serialise_leave(struct serialise *s);
/* The next element of an open array: its comma, if it is not the @first, and itself. */
bool serialise_element(struct serialise *s, PyObject *value, bool first);
/* Its repr; a description when that fails. */
bool serialise_repr(struct serialise *s, PyObject *value);

/* ---- serialise_text.c; NULL = Python exception ---- */
bool serialise_int(struct serialise *s, PyObject *value);
bool serialise_float(struct serialise *s, PyObject *value);
/* repr of bytes or bytearray, of no more than the first @max bytes. */
PyObject *serialise_bytes_text(PyObject *value, size_t max, bool *ret_cut);
/* The text of a dict's key: an exact str, new reference. Never fails for want of a good repr. */
PyObject *serialise_key_text(PyObject *key, bool *ret_cut);
/* "<Point object>" or "<Point object (repr raised ValueError)>"; clears the pending exception. */
PyObject *serialise_description(PyObject *value, const char *method);

/* ---- serialise_library.c ---- */
/* Look for types whose modules have been loaded since. Never fails. */
void serialise_library_refresh(void);
/* Write @value if it is of such a type: 1 = written, 0 = did not fit, -1 = not such a type (or what
 * it takes raised something, which is cleared). */
int serialise_library(struct serialise *s, PyObject *value);
/* The text of a Decimal, UUID, date …; NULL without exception when it is none of these. */
PyObject *serialise_library_text(PyObject *value);

#endif
