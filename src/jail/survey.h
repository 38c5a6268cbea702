/* What the configured interpreter consists of: asked of itself and of the dynamic loader. */
#ifndef JAIL_SURVEY_H
#define JAIL_SURVEY_H

#include "base/str.h"
#include "wire/msg.h"

struct survey {
    char *python;          /* the interpreter's real path, an ELF file */
    char *version;         /* "3.11.2" */
    char *extension;       /* our extension module: a file in launch->extension_dir */
    char *extension_name;  /* its name in there */
    struct strv stdlib;    /* folders and archives of sys.path that exist, parents first */
    struct strv libraries; /* shared libraries and the loader, outside all those folders */
};
void survey_done(struct survey *s);

/* ERR_INVALID with a text for the operator when the interpreter cannot be run or read by us, is not
 * a CPython, or has no extension module for its version. */
int survey_take(const struct msg_launch *launch, struct survey *ret, struct err *err);

#endif
