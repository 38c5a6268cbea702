/* Roads through objects at work: C code that calls a program back relies on what its object was
 * when it began. A program that makes the object anew meanwhile, gives it another state or asks it
 * for the next thing, would make CPython use memory that it has freed. */
#ifndef PYTHON_STATE_ROADS_H
#define PYTHON_STATE_ROADS_H

/* Zygote, once, when the modules are loaded. -1 = Python exception. */
int state_roads_learn(void);

#endif
