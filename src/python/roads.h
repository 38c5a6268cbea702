/* Guards on the roads: functions that take the name of an attribute as text. Whatever they lead to
 * is guarded by itself (guards.h); here the rule about names that the policy applies to a program's
 * text is applied to the texts that it makes while it runs, so that the refusal names the line and
 * the rule.
 *
 *   getattr setattr delattr hasattr              in the program's own builtins
 *   str.format str.format_map                    in the type, for everybody
 *   operator.attrgetter operator.methodcaller    where the name is given
 *   string.Formatter                             its module gets the guarded getattr
 *
 * Classes: class_roads.h. Functions of the library that do such things with names a program has
 * given: library_roads.h. */
#ifndef PYTHON_ROADS_H
#define PYTHON_ROADS_H

#include <Python.h>

#include "python/policy_rules.h"

/* Zygote, before anything is preloaded: the types. -1 = Python exception. */
int roads_init(void);
/* Zygote, after preload: the modules. -1 = Python exception. */
int roads_learn(void);
/* Raise for a name, an exact str, that may not be used so by a program. */
int roads_judge_name(PyObject *name, enum name_use use);
/* Put the guarded functions into a program's builtins. -1 = Python exception. */
int roads_fill(PyObject *builtins);

#endif
