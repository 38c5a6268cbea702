/* A file that decides who may come in. */
#ifndef ACCESS_TRUSTED_FILE_H
#define ACCESS_TRUSTED_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Read all of @path into @ret (emptied first; at most its `max` bytes), if it is a regular file of
 * root or of the present user that nobody else can write, and with @secret nobody outside its group
 * can read. ERR_INVALID says what is wrong and what to do; ERR_LIMIT when it is too large. */
int trusted_file_read(const char *path, bool secret, struct buf *ret, struct err *err);

#endif
