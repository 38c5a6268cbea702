/* "Did you mean?": which of the names there are is closest to one that there is not. Pure;
 * CPython's own measure: an insertion, deletion or substitution costs 2, another case of the same
 * letter 1, and what costs more than a third of both lengths is no misspelling. */
#ifndef PYTHON_CLOSEST_H
#define PYTHON_CLOSEST_H

#include <stddef.h>

#define CLOSEST_MAX 40 /* bytes: longer names are neither corrected nor proposed */

struct closest {
    const char *wanted; /* borrowed */
    size_t cost;        /* of best; more than any name's at first */
    char best[CLOSEST_MAX + 1];
};

void closest_init(struct closest *c, const char *wanted);
/* One more name that there is. */
void closest_offer(struct closest *c, const char *name);
/* The best of those that are close enough, the first of equals; NULL = none. Points into @c. */
const char *closest_best(const struct closest *c);

#endif
