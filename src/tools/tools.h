/* The tools a client can call, as a table. Below: the engine, which runs programs. Above: the
 * protocol, which knows how a call arrives and how its answer travels. */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "json/json.h"

/* What a client can be asked for while it waits for an answer: bits. */
enum client_ability {
    CLIENT_SAMPLING = 1 << 0,    /* sampling/createMessage: a completion by its model */
    CLIENT_ELICITATION = 1 << 1, /* elicitation/create: a question to its user */
    CLIENT_ROOTS = 1 << 2,       /* roots/list */
};

/* What the client has said about a call besides the arguments; see struct tool_questions. */
struct tool_input {
    unsigned can; /* CLIENT_ bits; all of them while it has not said */
    const json_t
        *answers;      /* object: its answers, each an object, by the questions' names; or NULL */
    const char *state; /* what the tool gave along with its questions, unchanged; or NULL */
};

/* For whom a call is made. Borrowed during tools_call(). */
struct tool_caller {
    const char *name;  /* for the record, for fairness, and as the owner of artifacts; never NULL */
    unsigned profiles; /* PROFILE_ bits it may use: narrows what the server permits, never widens */
    /* May one more program be started now? Asked once for each call that would take a worker, after
     * its arguments have been found good. False: after @ret_retry_after_s (at least 1). NULL:
     * always. */
    bool (*admit)(void *ctx, unsigned *ret_retry_after_s);
    void *admit_ctx;
    const struct tool_input *input; /* never NULL */
};

/* A call that was answered without an execution: the arguments were bad, or the caller must wait.
 */
struct tool_refused {
    const char *tool, *client;
    const char *execution_id; /* that an answer of execute_code carries */
    const char *category;     /* "invalid_request", "overloaded", "internal_error" */
    const char *error;        /* the sentence the client was given */
};

/* What tools work with. Everything is borrowed and outlives them. */
struct tools_env {
    const struct conf *conf;
    struct engine *engine;
    const char *server_name, *server_version;
    const char *const *protocol_versions; /* NULL-terminated, for get_sandbox_info */
    /* For the record: what the engine's on_finished never sees. Called before the answer goes out.
     * May be NULL. */
    void (*on_refused)(void *ctx, const struct tool_refused *why);
    void *on_refused_ctx;
    struct info_cache *info_cache; /* made by tools_new() */
};

/* A tool that needs something from the client's user or model ends its call with questions. The
 * client is asked in its era's way, and the call is made again from the start, with the same
 * arguments and the answers: a tool needs no memory between the two but `state`. It should ask only
 * what the client can answer (tool_input.can), look at answers as at any other input, and ask again
 * for what is missing. */
struct tool_questions {
    const char *requests; /* a JSON object: name → {"method": …, "params": {…}} */
    size_t requests_len;
    const char *state; /* text without NUL; comes back as it is, or the call is refused; or NULL */
};

/* The beginning of an object, made in advance: as JSON text, and the same escaped, as it stands
 * inside of a JSON string. */
struct tool_prepared {
    const char *json, *escaped;
    size_t json_len, escaped_len;
};

/* The outcome of a call. Borrowed, valid during the callback. */
struct tool_reply {
    const char *object; /* the result as one JSON object: structuredContent and its text block;
                           NULL: there are only blocks */
    size_t object_len;
    const struct tool_prepared *prepared;   /* not NULL: `object` is what follows this */
    const struct tool_questions *questions; /* not NULL: no result yet, and nothing else counts */
    const char *blocks; /* further content blocks, comma-separated JSON objects; NULL = none */
    size_t blocks_len;
    bool is_error;
    unsigned retry_after_s; /* not 0: the caller has used up its share; good again after so long */
};

struct tool_listener {
    /* Newest piece of standard output, well-formed UTF-8. NULL when nobody wants it. */
    void (*on_output)(void *ctx, const char *text, size_t n);
    /* How far the work is, for tools without output: rising, in units of their own; @total 0:
     * unknown. NULL when nobody wants it. */
    void (*on_progress)(void *ctx, uint64_t progress, uint64_t total);
    /* A message for the client's log. @level as in syslog ("info"), @data JSON text. NULL when
     * nobody wants any. */
    void (*on_log)(void *ctx, const char *level, const char *data);
    /* Exactly once, possibly before tools_call() returns; the call is gone afterwards. */
    void (*on_done)(void *ctx, const struct tool_reply *reply);
};

struct tool_call;

struct tool {
    const char *name;
    bool may_ask; /* its calls may end with questions */
    /* Write the tool as tools/list shows it: one object. */
    void (*describe)(const struct tools_env *env, struct json_out *out);
    /* Start. @args is what the client sent (NULL: nothing), of any JSON type, borrowed. NULL when
     * on_done has been called already. Bad arguments are answered through on_done. */
    struct tool_call *(*start)(const struct tools_env *env, const json_t *args,
                               const struct tool_caller *caller,
                               const struct tool_listener *listener, void *ctx);
};

/* What every call under way begins with. */
struct tool_call {
    void (*cancel)(struct tool_call *call);
    void (*stop)(struct tool_call *call); /* likewise: the server is ending. NULL: cancel */
};

/* Vivarium's own: execute_code, validate_code, get_sandbox_info. */
extern const struct tool *const tools_builtin[];
extern const size_t tools_builtin_len;

struct tools;

/* A set of tools, in the order given. @env is copied, the table borrowed. */
struct tools *tools_new(const struct tools_env *env, const struct tool *const *table, size_t n,
                        struct err *err);
void tools_free(struct tools *t); /* after its calls have ended; NULL is fine */

/* The whole list as a JSON array, made once. Borrowed. */
const char *tools_list(const struct tools *t, size_t *ret_len);

const struct tool *tools_find(const struct tools *t, const char *name);
struct tool_call *tools_call(const struct tools *t, const struct tool *tool, const json_t *args,
                             const struct tool_caller *caller, const struct tool_listener *listener,
                             void *ctx);
/* Stop it. on_done follows, not from inside this call. */
void tool_cancel(struct tool_call *call);
/* Likewise, because the server is ending: the answer says so. */
void tool_stop(struct tool_call *call);

#endif
