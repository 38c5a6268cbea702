/* The text of the program as Python's own tools see it: its file name, its lines in linecache (so
 * that tracebacks, warnings and logging can quote them), its size as a person counts. */
#ifndef PYTHON_SOURCE_H
#define PYTHON_SOURCE_H

#include <Python.h>
#include <stdbool.h>

#define SOURCE_NAME "<sandbox>"

/* One-off set-up in the zygote. -1 = Python exception. */
int source_init(void);

PyObject *source_name(void); /* the str "<sandbox>"; borrowed */

/* Was @code compiled from the program's text? */
bool source_owns(PyCodeObject *code);

/* Put the lines of @text into linecache, replacing those of an earlier program. -1 = Python
 * exception. source_forget() takes them out again. */
int source_register(const char *text, size_t n);
void source_forget(void);

/* Line @line (1-based) without its end, as a new str; NULL without an exception when there is no
 * such line. */
PyObject *source_line(uint32_t line);

/* The line of the program that is being executed now by this thread, 0 = none. Never raises, keeps
 * a pending exception. */
uint32_t source_current_line(void);

/* Lines as a person counts them (an end of line at the very end opens no further one) and code
 * points of well-formed UTF-8. */
uint32_t source_count_lines(const char *text, size_t n);
uint64_t source_count_characters(const char *text, size_t n);

#endif
