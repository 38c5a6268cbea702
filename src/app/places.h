/* Where the parts of Vivarium are: found from the executable's own place, never through PATH, a
 * variable or the working folder. */
#ifndef APP_PLACES_H
#define APP_PLACES_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

struct places {
    char *zygote;        /* absolute path of vivarium-zygote */
    char *extension_dir; /* absolute path of the folder that holds _vivarium*.so */
};
void places_done(struct places *p);

/* ERR_UNSUPPORTED says what was looked for and where. */
int places_find(struct places *ret, struct err *err);

/* Is @name that of an extension module of ours: _vivarium.SUFFIX.so? */
bool places_is_module(const char *name);

/* Was the extension module built for the interpreter of @conf, as far as its name tells?
 * ERR_INVALID names the versions there are. */
int places_check_python(const struct places *p, const struct conf *conf, struct err *err);

#endif
