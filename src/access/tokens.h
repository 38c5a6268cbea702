/* The tokens file: who may come in with a bearer token. Text, one token a line:
 *
 *   NAME sha256:HEX [rate=N] [profiles=LIST] [expires=WHEN]
 *
 *   NAME      1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit; each once.
 *             "stdio", "token" and "anonymous" are the server's own
 *   HEX       the SHA-256 digest of the token, 64 lower-case hexadecimal digits; each once
 *   rate      executions a minute, 0 to 1000000, 0 = no limit; else SANDBOX_RATE_LIMIT
 *   profiles  what of the server's profiles the token may use: basic, data_science, network,
 *             filesystem, separated by commas (basic is always in); or all, which is the default
 *             and includes modules that SANDBOX_ALLOWED_IMPORTS permits outside of profiles
 *   expires   2030-12-31 (its last day, UTC) or 2030-12-31T18:00:00Z (no longer good from then on)
 *
 * Fields are separated by blanks or tabs, each is there once. Empty lines and lines that begin with
 * '#' are skipped. Anything else is an error, and with it the whole file: a mistake must not open
 * the door, and must not close it for one client in silence.
 *
 * A digest without salt is enough, because the tokens are random: nobody guesses 256 bits. */
#ifndef ACCESS_TOKENS_H
#define ACCESS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define TOKENS_MAX_BYTES (256 * 1024)
#define TOKENS_MAX       1000 /* entries */
#define TOKEN_HASH       32
#define TOKEN_NAME_MAX   64
#define TOKEN_TEXT_LEN   47 /* of a token made here */

struct token_entry {
    char name[TOKEN_NAME_MAX + 1];
    uint8_t hash[TOKEN_HASH];
    bool has_rate;
    unsigned rate;      /* executions a minute, with has_rate */
    unsigned profiles;  /* PROFILE_ bits, PROFILE_ALL = no limit */
    uint64_t expires_s; /* Unix time from which it is refused; 0 = never */
};

struct token_list {
    struct token_entry *items; /* owned */
    size_t len;
};

/* Parse @n bytes from anybody. ERR_INVALID or ERR_LIMIT name the line and the field. @ret must be
 * zeroed. */
int tokens_parse(const char *text, size_t n, struct token_list *ret, struct err *err);
void token_list_done(struct token_list *list);
#define auto_token_list _cleanup_(token_list_done)

/* The values of fields, for the command line, which takes the same. ERR_INVALID says what is
 * allowed. */
int token_set_name(struct token_entry *e, const char *value, struct err *err);
int token_set_rate(struct token_entry *e, const char *value, struct err *err);
int token_set_profiles(struct token_entry *e, const char *value, struct err *err);
int token_set_expires(struct token_entry *e, const char *value, struct err *err);

/* ---- making one (tokens_write.c) ---- */

/* The digest under which a token is known. -1: none could be made (no memory); @ret is untouched.
 */
int token_hash(const char *token, size_t n, uint8_t ret[TOKEN_HASH]);
/* A fresh token: "viv_" and 32 random bytes in base64url. */
void token_make(char ret[TOKEN_TEXT_LEN + 1]);
/* Append the line for @e, with its line break. */
int token_write_line(const struct token_entry *e, struct buf *out, struct err *err);

#endif
