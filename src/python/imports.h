/* Imports: what a program may import, and what it gets. A permitted module is handed out as a
 * facade: a module object with the real one's public names, without other modules in it. Library
 * code imports freely; a program's imports go through a guarded __import__ in its own builtins. */
#ifndef PYTHON_IMPORTS_H
#define PYTHON_IMPORTS_H

#include <Python.h>

#include "catalog/profiles.h"
#include "wire/msg.h"

/* ---- zygote, once ---- */

/* Import every name of launch->preload for real, fill @installed and @missing (between them every
 * name of launch->modules) and build the facades. -1 = Python exception (a module that is not there
 * or fails to import is "missing", not an error). Needs events_init(). */
int imports_init(const struct msg_launch *launch, struct strv *installed, struct strv *missing);

/* The names a program finds in its builtins and may use, sorted, for get_sandbox_info. -1 = no
 * memory. */
int imports_safe_builtins(struct strv *ret);

/* ---- worker, for each program ---- */

/* A fresh builtins dict for a program (new reference): the real builtins, the refused ones replaced
 * by functions that raise SecurityViolation and say what to use instead, and the guarded
 * __import__. @run narrows what may be imported from here on. NULL = Python exception. */
PyObject *imports_new_builtins(const struct msg_run *run);

/* Narrow the imports of the dict that imports_new_builtins() made last to those of another @run.
 * For a process in which only trusted programs have seen that dict. -1 = Python exception. */
int imports_narrow(const struct msg_run *run);

/* The caller of @run may not use all profiles of the server: narrow run->imports to what he may.
 * Before anything is done with @run, and once in a worker. */
int imports_limit(const struct msg_launch *launch, struct msg_run *run, struct err *err);

/* ---- the rule, shared with the policy: pure but for imports_limit() ---- */

/* module_permitted() of the catalogue, narrowed by the caller's list (NULL = not given), and
 * without the submodules that facade_rules.c withholds ("logging.config") unless @permitted names
 * them. */
enum module_verdict imports_verdict(const struct strv *permitted, const struct strv *narrowed,
                                    const char *dotted);

/* The exact text of a refused import, "Import 'os' is not allowed", and what would permit it: the
 * profile's variable, the allowed_imports argument, or that nothing does. Both are the caller's. */
int imports_refusal(const struct strv *permitted, const struct strv *narrowed, const char *dotted,
                    char **ret_message, char **ret_remedy, struct err *err);

#endif
