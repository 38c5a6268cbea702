/* Security events inside the worker: whoever stops something reports it here; the worker's main
 * loop has given a function that sends it to the server at once. At most MSG_MAX_EVENTS, further
 * ones are dropped. */
#ifndef PYTHON_EVENTS_H
#define PYTHON_EVENTS_H

#include <Python.h>
#include <stdbool.h>

#include "wire/msg.h"

typedef void events_sink_fn(void *ctx, const struct msg_event *event);
void events_set_sink(events_sink_fn *fn, void *ctx); /* NULL: drop (warm-up) */

/* @line 0: the line of the program being executed now is looked up, if any. Strings are borrowed.
 * Never raises, keeps a pending exception. */
void events_report(enum event_layer layer, uint32_t line, const char *rule, const char *detail,
                   const char *remedy);

/* Drop what is reported between on and off: CPython's own work before and after the program (its
 * parser looks for a file called <sandbox> to quote from) is not the program's doing. */
void events_mute(bool on);

/* The exception class that guards raise (vivarium's SecurityViolation, a subclass of
 * PermissionError named "SecurityViolation"); the run maps an uncaught one to OUTCOME_BLOCKED. A
 * refused import raises a subclass of ImportError as well, so that `try: import x except
 * ImportError` works. */
extern PyObject *events_violation_type;
extern PyObject *events_import_violation_type;
int events_init(void); /* creates the types; -1 = Python exception */

#endif
