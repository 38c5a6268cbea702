/* Between the files that make up imports.h: the rule (import_rule.c), the guarded __import__
 * (imports.c), what happens in the zygote (preload.c) and a program's builtins (builtins.c). */
#ifndef PYTHON_IMPORTS_IMPL_H
#define PYTHON_IMPORTS_IMPL_H

#include <Python.h>
#include <stdbool.h>

#include "python/imports.h"

/* Remember what the server permits (copied). -1 = no memory. */
int import_rule_init(const struct msg_launch *launch, struct err *err);
/* Narrow it for the program that comes next. */
int import_rule_narrow(const struct msg_run *run, struct err *err);
/* The verdict for the program at hand. */
enum module_verdict import_rule_verdict(const char *dotted);
/* Report the refusal of @dotted and raise it. Always NULL. */
PyObject *import_rule_refuse(const char *dotted);
/* Has the operator replaced the profiles' modules (SANDBOX_ALLOWED_IMPORTS)? */
bool import_rule_overridden(void);
/* Does an open() belong into the builtins? */
bool import_rule_files(void);

/* The guarded __import__ (new reference), with empty caches. */
PyObject *imports_new_function(void);
/* Import a dotted name for real, with the library's own rights. New reference to the module it
 * names (not to its top package). NULL = Python exception. */
PyObject *imports_real(const char *dotted);

/* builtins.c, in the zygote: prepare what every program's builtins are copied from. */
int builtins_init(void);
/* A new dict of what every program finds in its builtins, but for __import__. NULL = Python
 * exception. */
PyObject *builtins_visible(void);

#endif
