/* Executions: admission, queue, pool of warm workers, deadlines, results. The engine talks to the
 * keeper and to the zygotes; it believes nothing a worker says beyond that worker's own result.
 * Runs in the server, on the loop's thread; nothing blocks. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "wire/msg.h"

struct engine;
struct execution;

enum exec_category {
    CATEGORY_NONE, /* success */
    CATEGORY_SYNTAX_ERROR,
    CATEGORY_SECURITY_VIOLATION,
    CATEGORY_RUNTIME_ERROR,
    CATEGORY_TIMEOUT,
    CATEGORY_MEMORY_LIMIT,
    CATEGORY_RESOURCE_LIMIT,
    CATEGORY_CANCELLED,
    CATEGORY_INVALID_REQUEST,
    CATEGORY_OVERLOADED,
    CATEGORY_CONTAINER_ERROR,
    CATEGORY_INTERNAL_ERROR,
};
const char *exec_category_name(enum exec_category c); /* "syntax_error"; NULL for success */

/* What to run. Borrowed by engine_submit(), which copies what it needs. Values must already be
 * within the configured limits (tools checks them); the engine checks again and answers
 * invalid_request. */
struct exec_request {
    enum run_mode mode;
    const char *code; /* UTF-8 */
    size_t code_len;
    uint64_t timeout_ns;
    uint64_t mem_bytes;
    bool capture_output;
    bool narrowed;              /* `imports` was given */
    const struct strv *imports; /* may be NULL when not narrowed */
    bool use_container;
    bool live_output;   /* call on_output while the program runs */
    const char *client; /* name for the record and for fairness; "stdio" */
    /* PROFILE_ bits the client may use, PROFILE_ALL for no limit; basic is always in. Narrows what
     * the server permits, never widens. */
    unsigned profiles;
};

/* The whole outcome. Valid during the callback only. */
struct exec_result {
    char execution_id[UUID_TEXT_LEN + 1];
    /* Of a validation: that of the same code executed, as far as judging it goes (NONE = it is
     * valid); whenever `verdict` is there it was judged. */
    enum exec_category category;
    const char *isolation; /* "jail", "landlock", "container" */
    const char *out[2];    /* stdout, stderr: well-formed UTF-8, may hold NULs */
    size_t out_len[2];
    bool out_truncated[2];
    uint64_t wall_ns;                   /* from the moment the code starts; 0 when it never did */
    uint64_t cpu_ns, peak_memory_bytes; /* measured by the parent */
    /* What the worker said, checked for shape: NULL when it died without a word or was stopped. For
     * RUN_VALIDATE see `verdict`. */
    const struct msg_result *worker;
    const struct msg_verdict *verdict;
    const char *error;              /* one sentence; NULL on success */
    const char *error_type;         /* NULL on success */
    const struct msg_event *events; /* security events, from worker and listener */
    size_t events_len;
};

struct exec_callbacks {
    /* Newest piece of stdout, well-formed UTF-8 (only with live_output). */
    void (*on_output)(void *ctx, const char *text, size_t n);
    /* Exactly once, possibly before engine_submit() returns; the execution is gone afterwards. */
    void (*on_done)(void *ctx, const struct exec_result *result);
};

/* Never fails: what cannot be run is answered through on_done (overloaded, invalid_request …), then
 * NULL is returned. The result is borrowed and valid until on_done: good for engine_cancel. */
struct execution *engine_submit(struct engine *e, const struct exec_request *req,
                                const struct exec_callbacks *cb, void *ctx);
/* Stop it. on_done follows with CATEGORY_CANCELLED (not from inside this call). */
void engine_cancel(struct execution *x);
/* Likewise, because the server is ending: the answer says so. */
void engine_stop(struct execution *x);

enum proof_overall { PROOF_PENDING, PROOF_PASSED, PROOF_FAILED };
/* What get_sandbox_info and doctor show. Borrowed, valid until the loop runs on. */
struct engine_info {
    enum proof_overall proof;
    const char *failure;           /* why nothing can be run, or NULL */
    bool final;                    /* and this will not change any more: only a restart helps */
    const struct msg_hello *hello; /* NULL until the zygote has said it */
    const struct msg_proof *proof_items;
    const struct msg_ready *ready;  /* NULL until then */
    const char *cgroup, *no_cgroup; /* as in struct engine_hooks */
    unsigned idle_workers, running, queued;
    uint64_t executions; /* finished since start */
    /* Differs whenever anything above the counts differs: while it stays the same, what was made of
     * them may be used again. */
    uint64_t version;
};
void engine_info(struct engine *e, struct engine_info *ret);

/* Called whenever `proof` or `failure` changes. */
typedef void engine_state_fn(void *ctx, struct engine *e);

/* What app wires up; each may be NULL. */
struct engine_hooks {
    /* Folder of a delegated cgroup v2 subtree in which each zygote gets a leaf; without, why there
     * is none. Both borrowed. */
    const char *cgroup, *no_cgroup;
    engine_state_fn *on_state;
    /* How many processes the kernel has killed so far because all programs together had used up the
     * memory of `cgroup`. */
    uint64_t (*memory_kills)(void *ctx);
    /* Before an execution starts: false = refuse to run unrecorded (*err says why). */
    bool (*may_start)(void *ctx, struct err *err);
    /* After every execution, whatever came of it; called when on_done has returned, so that the
     * answer is on its way first. */
    void (*on_finished)(void *ctx, const struct exec_request *req,
                        const struct exec_result *result);
    /* Something the operator should read (a zygote died, a listener broke). */
    void (*on_log)(void *ctx, enum log_level level, const char *text);
    void *ctx;
};
/* Starts the first zygote at once. @loop and @conf are borrowed and must outlive the engine;
 * @keeper_fd is the server's end of the launch channel (SOCK_SEQPACKET), owned by the engine from
 * here on, on failure too; @extension_dir is the folder that holds _vivarium*.so, an absolute path
 * (copied); @hooks is copied and may be NULL. A zygote that does not start is no failure here: see
 * engine_info. */
struct engine *engine_new(struct loop *loop, const struct conf *conf, int keeper_fd,
                          const char *extension_dir, const struct engine_hooks *hooks,
                          struct err *err);
/* Ends every zygote and worker and answers what was waiting with `cancelled`. NULL is fine. Not
 * from inside a callback of the engine. Closing the launch channel ends the keeper, too. */
void engine_free(struct engine *e);

#endif
