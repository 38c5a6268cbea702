/* Library functions that act on names and texts which a program has chosen, with the library's own
 * rights: what they call to do it is replaced in their modules.
 *
 *   eval, exec          typing, dataclasses, inspect: text annotations and generated methods are
 *                       evaluated in the names of whatever module a class or function says that it
 *                       is from, which a program can forge. They get the names that a facade shows
 *                       and a program's builtins instead.
 *   getattr, setattr    functools, dataclasses, enum, contextlib: the rule about names, and no
 *                       attributes of a real module
 *   _is_type            dataclasses: a facade of typing counts as typing
 *   Enum._convert_      only for a module that is being imported: it copies any module's contents
 *   AttributeError.obj  not when it is a real module */
#ifndef PYTHON_LIBRARY_ROADS_H
#define PYTHON_LIBRARY_ROADS_H

/* Zygote, after preload and roads_init(); the types can be changed once only. -1 = Python
 * exception. */
int library_roads_learn(void);

#endif
