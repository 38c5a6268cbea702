/* Reading the program that `run` and `validate` were given. */
#ifndef APP_SOURCE_H
#define APP_SOURCE_H

#include "base/buf.h"

/* Read FILE, or standard input for "-", up to @max bytes and one more (so that the engine sees that
 * it is too large). A blank program comes out empty, which the engine refuses. ERR_INVALID. */
int source_read(const char *name, size_t max, struct buf *ret, struct err *err);

#endif
