/* Reading the arguments of a call. Every function sets an error that a person or a model can act
 * on: which argument, what is wrong with it, what is allowed. The texts are shown as they stand. */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include "conf/conf.h"
#include "engine/engine.h"
#include "json/json.h"

/* Is @args an object (or nothing at all) with no other keys than @known? */
int args_check(const json_t *args, const char *const *known, size_t n, struct err *err);

/* A readable, bounded, well-formed rendering of a foreign string for a message: at most 60 bytes,
 * no control characters. */
#define SHOWN_BYTES 72
const char *args_shown(char out[SHOWN_BYTES], const char *s, size_t n);

/* `code`: required, UTF-8, not blank, within the limit. Borrowed from @args. */
int args_code(const json_t *args, const struct conf *conf, const char **ret, size_t *ret_len,
              struct err *err);
/* An optional boolean; *ret keeps its default when it is not there. */
int args_bool(const json_t *args, const char *name, bool *ret, struct err *err);
/* `timeout` in seconds, `memory_limit` as a size: default and ceiling from @conf. */
#define MIN_TIMEOUT_NS 1000000u /* what timers tell apart; as SANDBOX_TIMEOUT */
int args_timeout(const json_t *args, const struct conf *conf, uint64_t *ret_ns, struct err *err);
int args_memory(const json_t *args, const struct conf *conf, uint64_t *ret_bytes, struct err *err);
#define MIN_MEMORY_LIMIT (1024 * 1024)
/* `allowed_imports`: *ret_given tells whether it is there; the names go into @list (empty before).
 * A name that merely leads to permitted modules ("xml") is replaced by these. */
int args_imports(const json_t *args, const struct conf *conf, unsigned profiles_of_caller,
                 bool *ret_given, struct strv *list, struct err *err);
#define MAX_ALLOWED_IMPORTS 1000

/* 134217728 → "128m"; what is no whole unit stays bytes. */
const char *args_size_text(char out[24], uint64_t bytes);
/* 1500000000 → "1.5" */
const char *args_seconds_text(char out[32], uint64_t ns);

#endif
