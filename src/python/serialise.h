/* A Python value as one bounded JSON text: contract "Serialisation". Calls the value's own methods
 * (repr) as a last resort only, so a hostile one costs its own run; whatever it raises is swallowed
 * and a fallback text written. */
#ifndef PYTHON_SERIALISE_H
#define PYTHON_SERIALISE_H

#include <Python.h>
#include <stdbool.h>

#include "base/err.h"

/* At most @max_bytes of JSON, always well-formed; *ret_truncated when something was left out (size,
 * depth, cycle). *ret_json and *ret_type ("int", "numpy.ndarray") are the caller's to free. -1 only
 * when memory ran out; BaseException from user code (KeyboardInterrupt, SystemExit …) is swallowed
 * too. */
int serialise_value(PyObject *value, size_t max_bytes, char **ret_json, char **ret_type,
                    bool *ret_truncated, struct err *err);
/* One-off set-up in the zygote after preload: caches the types of decimal, fractions, uuid,
 * datetime and, when loaded, numpy and pandas. -1 = Python exception. */
int serialise_init(void);

#endif
