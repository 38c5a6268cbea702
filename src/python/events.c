/* Security events: see events.h. Runs in the worker, on behalf of whatever wall has just stopped
 * something; the details may quote hostile text, so every string is cut to what the wire takes. */
#include "python/events.h"

#include <Python.h>
#include <string.h>

#include "python/compat.h"
#include "python/source.h"

#define MAX_RULE   200 /* bytes */
#define MAX_DETAIL 2000

PyObject *events_violation_type;
PyObject *events_import_violation_type;

static events_sink_fn *sink;
static void *sink_ctx;
static unsigned reported;
static bool muted;

PyDoc_STRVAR(violation_doc,
             "Something the sandbox does not allow. The text says what and, where there is a "
             "way, what to use instead.");

int events_init(void)
{
    /* CPython's layouts forbid a class that is both a PermissionError and an ImportError, so there
     * are two of the same name: a refused import must be caught by `except ImportError`. */
    events_violation_type = PyErr_NewExceptionWithDoc("builtins.SecurityViolation", violation_doc,
                                                      PyExc_PermissionError, NULL);
    events_import_violation_type = PyErr_NewExceptionWithDoc(
        "builtins.SecurityViolation", violation_doc, PyExc_ImportError, NULL);
    return events_violation_type && events_import_violation_type ? 0 : -1;
}

void events_set_sink(events_sink_fn *fn, void *ctx)
{
    sink = fn;
    sink_ctx = ctx;
    reported = 0;
}

void events_mute(bool on)
{
    muted = on;
}

/* A copy that msg_put_event can carry: no more than @max bytes of well-formed UTF-8. */
static char *bounded(const char *s, size_t max)
{
    if (!s)
        return NULL;
    size_t n = strnlen(s, max);
    size_t len;
    return utf8_repair(s, n == max ? utf8_floor(s, n) : n, &len);
}

void events_report(enum event_layer layer, uint32_t line, const char *rule, const char *detail,
                   const char *remedy)
{
    if (!sink || muted || reported >= MSG_MAX_EVENTS)
        return;
    reported++;
    struct msg_event event = {.layer = (uint8_t)layer,
                              .line = line ? line : source_current_line(),
                              .rule = bounded(rule, MAX_RULE),
                              .detail = bounded(detail, MAX_DETAIL),
                              .remedy = bounded(remedy, MAX_DETAIL)};
    sink(sink_ctx, &event);
    msg_event_done(&event);
}
