/* Roads through the making and changing of classes: names that a program computes and puts into a
 * class. Judged like the ones it writes:
 *
 *   type(name, bases, namespace)   when the program calls it, itself or through a function of the
 *                                  library that passes its namespace on (ABCMeta, types.new_class)
 *   type.__setattr__               and what else sets an attribute of a class
 *
 * And one method that may not be overridden: BaseExceptionGroup.split. `except*` takes the pair
 * that it returns unchecked (CPython before 3.12.9 and 3.13.2), and a program that could put
 * something else there would have the interpreter read memory of its choice as objects. */
#ifndef PYTHON_CLASS_ROADS_H
#define PYTHON_CLASS_ROADS_H

/* Zygote, before anything is preloaded. -1 = Python exception. */
int class_roads_init(void);

/* Remember every class that is there now: programs may not change them. After preload. -1 = Python
 * exception. */
int class_roads_learn(void);

#endif
