/* A mappingproxy, which is what the namespace of a class is shown as, hands the dict itself to
 * whatever it is compared or joined with. Here it hands out copies. */
#ifndef PYTHON_DICT_ROADS_H
#define PYTHON_DICT_ROADS_H

/* -1 = Python exception. */
int dict_roads_init(void);

#endif
