/* Memory roads: operations of CPython that call back into a program while they hold a pointer into
 * memory which the callback can move (a[i] = obj, where obj.__index__ shrinks a). Values and
 * indices are made exact before the real operation starts, so that it calls nothing back. */
#ifndef PYTHON_MEMORY_ROADS_H
#define PYTHON_MEMORY_ROADS_H

/* Wrap bytearray, and array.array where it is loaded. Can be called again. -1 = Python exception.
 */
int memory_roads_learn(void);

#endif
