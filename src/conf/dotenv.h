/* The .env format, as Vivarium reads it. Dialects of .env disagree on expansion, escapes and
 * comments, so whatever two readers could understand differently is refused here:
 *
 *   - at most DOTENV_MAX_BYTES of UTF-8 without NULs; lines end in LF or CRLF; a byte order mark at
 *     the start is skipped
 *   - blank lines and lines whose first non-blank is '#' are skipped
 *   - [export ]NAME=VALUE, blanks around '=' allowed; NAME is a letter or '_', then letters, digits
 *     and '_'
 *   - bare values are trimmed and end at " #"; they hold no quotes, backslash, '$' or backtick
 *   - 'single quotes': everything up to the next single quote, as it stands
 *   - "double quotes": \\ \" \$ \n \t are escapes, any other backslash, '$' or backtick is an error
 *   - a value ends on its line; after a closing quote only a comment may follow
 *   - of two lines with the same name the last one counts
 *
 * Only names that begin with SANDBOX_ are kept; the values of others are not looked at. */
#ifndef CONF_DOTENV_H
#define CONF_DOTENV_H

#include <stddef.h>

#include "base/err.h"

#define DOTENV_MAX_BYTES   (64 * 1024)
#define DOTENV_MAX_ENTRIES 256
#define DOTENV_MAX_NAME    64

struct dotenv_entry {
    char *name, *value; /* owned */
    unsigned line;
};

struct dotenv {
    struct dotenv_entry *items; /* owned; each name once */
    size_t len;
    unsigned odd_lines; /* lines that are no assignment at all */
    unsigned first_odd; /* the first of them, 0 = none */
};

/* Parse @n bytes of hostile text. ERR_INVALID names the line and what is wrong with it; the value
 * itself is never repeated, since it may be a secret. @ret must be zeroed. */
int dotenv_parse(const char *text, size_t n, struct dotenv *ret, struct err *err);
void dotenv_done(struct dotenv *d);
#define auto_dotenv _cleanup_(dotenv_done)

#endif
