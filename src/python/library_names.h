/* The names in which typing and (from 3.14 on) annotationlib look up what text annotations mean.
 * They go to sys.modules for the module that a class says it is from, which a program can forge,
 * and to builtins; some of what they find there they hand out without an eval() that could be
 * confined. So in these two modules, sys.modules answers with the program's own __main__ and with
 * facades, and builtins holds what a program's does. */
#ifndef PYTHON_LIBRARY_NAMES_H
#define PYTHON_LIBRARY_NAMES_H

/* Zygote, after the facades have been made; can be called again. -1 = Python exception. */
int library_names_learn(void);

#endif
