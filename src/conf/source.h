/* Inside the room: where values come from. */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "conf/conf.h"
#include "conf/vars.h"

/* What has been chosen for each variable so far; a later source replaces an earlier one. */
struct choice {
    char *value;      /* owned; NULL = built-in default */
    char from[48];    /* "environment", ".env, line 3" */
    const char *flag; /* as it was typed, "--timeout"; borrowed; NULL = not from a flag */
    bool by_alias;    /* set under the alias: the proper name of the same source goes before it */
    unsigned layer;
};
struct choices {
    struct choice of[CONF_VARS];
    unsigned layer; /* of the source being read */
};
void choices_done(struct choices *c);
#define auto_choices _cleanup_(choices_done)

/* Read one source into @c; unknown names and ignored values become @warnings. */
int source_env_file(const char *path, struct choices *c, struct strv *warnings, struct err *err);
int source_implicit(const char *dir, struct choices *c, struct strv *warnings, struct err *err);
int source_environ(char *const *environ, struct choices *c, struct strv *warnings, struct err *err);
/* @words: what was typed for each of @flags, or NULL; must outlive @c. */
int source_flags(const struct strv *flags, const struct strv *words, struct choices *c,
                 struct strv *warnings, struct err *err);

/* printf into @warnings. */
int warn(struct strv *warnings, struct err *err, const char *fmt, ...) _printf_(3, 4);

/* A copy of @text of at most 60 characters that is safe to print; valid until the next call. */
const char *shown(const char *text);

#endif
