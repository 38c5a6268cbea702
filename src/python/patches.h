/* Texts that change functions of the library's, executed in the zygote in the module they change:
 * where a function trusts an object that a program can make up, or relies on what the guards have
 * replaced. */
#ifndef PYTHON_PATCHES_H
#define PYTHON_PATCHES_H

/* Change @module, if it is loaded and there is a text for it. -1 = Python exception. */
int patches_apply(const char *module);
/* All of them, but that of inspect, which has to come before the guards. */
int patches_learn(void);

#endif
