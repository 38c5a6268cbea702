/* Python text on its way out of the worker: bounded, well-formed, and without the machine's
 * folders. */
#ifndef PYTHON_TEXT_H
#define PYTHON_TEXT_H

#include <Python.h>
#include <stdbool.h>

#define TEXT_MAX_NAME     255         /* bytes: what the wire takes for names, */
#define TEXT_MAX_SENTENCE 1000        /* sentences */
#define TEXT_MAX_LONG     (64 * 1024) /* and tracebacks */

/* One-off set-up in the zygote, when sys.path is complete. -1 = Python exception. */
int text_init(void);

/* @str (a str) as at most @max_bytes of UTF-8 without NULs: lone surrogates are escaped, folders of
 * sys.path read <python>, what is too long loses its middle. The caller's to free; NULL: no memory.
 * Never leaves an exception set. */
char *text_from_str(PyObject *str, size_t max_bytes);

/* The same of any C string. */
char *text_from_utf8(const char *s, size_t n, size_t max_bytes);

/* Is @path inside a folder of the interpreter's library, as sys.path was at text_init()? */
bool text_in_library(const char *path);

#endif
