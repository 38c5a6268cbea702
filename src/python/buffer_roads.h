/* Buffered and text streams over objects of a program: CPython hands such an object a view of the
 * buffer's own memory, which the object can keep until after the buffer is gone. */
#ifndef PYTHON_BUFFER_ROADS_H
#define PYTHON_BUFFER_ROADS_H

/* -1 = Python exception. */
int buffer_roads_init(void);

#endif
