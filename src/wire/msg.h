/* Every message that crosses a process border, as a struct with an encoder and a decoder.
 *
 *   server ⇄ keeper   launch channel, SOCK_SEQPACKET: start and end zygotes
 *   server ⇄ zygote   control channel, SOCK_SEQPACKET: proof, ready, workers come and go
 *   server ⇄ worker   worker channel, SOCK_STREAM, each message framed as u32 length + body
 *
 * A body is one type byte and the fields in order of the struct. msg_rules[] lists for each type
 * the largest body, how many descriptors it carries and who may send it; anything else ends that
 * peer.
 *
 * Decoded structs own their strings and lists: release with the matching _done (which accepts a
 * zeroed or half-filled struct). Encoders borrow. */
#ifndef WIRE_MSG_H
#define WIRE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "wire/codec.h"

enum msg_type {
    /* server → keeper */
    MSG_LAUNCH = 1, /* struct msg_launch; 1 descriptor: the zygote's end of its control channel */
    MSG_END,        /* struct msg_id: kill that zygote and everything in it */
    /* keeper → server */
    MSG_LAUNCHED,      /* struct msg_launched */
    MSG_LAUNCH_FAILED, /* struct msg_text */
    MSG_GONE,          /* struct msg_gone: a zygote has ended and nothing of it is left */
    /* zygote → server */
    MSG_HELLO,        /* struct msg_hello */
    MSG_LISTENER,     /* no fields; 1 descriptor: the seccomp user-notification listener */
    MSG_PROOF,        /* struct msg_proof: result of the start-up self-test */
    MSG_READY,        /* struct msg_ready: SPAWN is welcome from here on */
    MSG_SPAWNED,      /* struct msg_id */
    MSG_SPAWN_FAILED, /* struct msg_text */
    MSG_EXITED,       /* struct msg_exited */
    MSG_FATAL,        /* struct msg_text: the zygote is about to end, and why */
    /* server → zygote */
    MSG_SPAWN, /* struct msg_spawn; 4 descriptors: worker channel, stdout, stderr, status page */
    MSG_KILL,  /* struct msg_id */
    /* worker → server */
    MSG_WARM,    /* struct msg_warm: ready for RUN */
    MSG_EVENT,   /* struct msg_event: something was stopped, reported as it happens */
    MSG_RESULT,  /* struct msg_result: the last message of an execution */
    MSG_VERDICT, /* struct msg_verdict: the last message of a validation */
    /* server → worker */
    MSG_RUN, /* struct msg_run: the only message a worker ever gets */
    MSG_TYPES
};

enum msg_peer { PEER_SERVER = 1, PEER_KEEPER, PEER_ZYGOTE, PEER_WORKER };

struct msg_rule {
    const char *name;
    enum msg_peer from, to;
    uint32_t
        max_body; /* bytes; for RUN, RESULT, VERDICT the receiver's configured limits come on top */
    uint8_t fds;  /* exactly so many */
};
extern const struct msg_rule msg_rules[MSG_TYPES];

#define MSG_MAX_DATAGRAM (128 * 1024) /* largest body on the two SEQPACKET channels */
#define MSG_MAX_LIST     1024         /* names in one list of any message */
#define MSG_MAX_NAME     256          /* bytes of one name */

/* Check a received datagram or frame body against msg_rules: known type, sent by @from to @to, not
 * too large (an upper bound of @max_body bytes replaces the table's when not 0), right number of
 * descriptors. The body's type, or -1 and ERR_PROTO. */
int msg_check(const void *body, size_t n, size_t nfds, enum msg_peer from, enum msg_peer to,
              uint32_t max_body, struct err *err);

/* ---- shared small ones ---- */
struct msg_id {
    uint64_t id;
};
struct msg_text {
    uint64_t id; /* of the zygote or worker it is about, 0 = none */
    char *text;
};

/* ---- launch ---- */
enum isolation { ISOLATION_AUTO, ISOLATION_NAMESPACES, ISOLATION_LANDLOCK, ISOLATION_CONTAINER };

/* Everything the keeper and the zygote need to know. Sent by the server, so trusted. */
struct msg_launch {
    uint64_t id;
    uint8_t isolation;       /* enum isolation; AUTO: namespaces if they work, else landlock */
    uint8_t profiles;        /* bits PROFILE_* of catalog/profiles.h that are switched on */
    bool imports_overridden; /* SANDBOX_ALLOWED_IMPORTS is set: `modules` is its list */
    uint32_t max_threads;    /* of one program */
    uint64_t work_bytes;     /* size of the private work folder when the filesystem profile is on */
    uint32_t work_files;
    char *python;            /* absolute path of the stock interpreter */
    char *extension_dir;     /* absolute path of the folder that holds _vivarium*.so */
    struct strv python_path; /* extra read-only site-packages folders */
    struct strv modules;     /* every module a program may import, dotted names */
    struct strv preload;     /* modules to import before forking; missing ones are reported */
    char *cgroup;            /* delegated cgroup v2 folder to make its leaf in, "" = none */
};
struct msg_launched {
    uint64_t id;
    uint32_t pid; /* as the keeper sees it */
};
struct msg_gone {
    uint64_t id;
    uint32_t wait_status;
};

/* ---- zygote ---- */
struct msg_hello {
    uint8_t isolation;    /* what is really in force, never AUTO */
    char *isolation_note; /* why not namespaces, or "" */
    char *python_version; /* "3.11.2" */
    char *python_build;   /* sys.version, whole */
};
struct msg_proof_item {
    char *layer;   /* "seccomp", "namespaces", "landlock", "limits" … */
    char *name;    /* "read /etc/passwd of the host" */
    uint8_t state; /* enum proof_state */
    char *detail;  /* what happened: "open: No such file or directory"; why it is absent */
};
enum proof_state { PROOF_HELD, PROOF_BROKEN, PROOF_ABSENT };
#define MSG_MAX_PROOF 256
struct msg_proof {
    struct msg_proof_item *items; /* owned array */
    size_t len;
};
struct msg_ready {
    uint64_t preload_ns;   /* how long the start took */
    struct strv installed; /* modules of `modules` that can be imported */
    struct strv missing;   /* and those that cannot */
    struct strv safe_builtins;
};
struct msg_spawn {
    uint64_t id; /* never reused within one zygote */
};
struct msg_exited {
    uint64_t id;
    uint32_t wait_status;
    uint64_t cpu_ns;        /* user + system of the worker and its descendants, from wait4 */
    uint64_t max_rss_bytes; /* ru_maxrss */
};

/* ---- worker ---- */

/* The first page of the status memory file that server and worker share; the server reads it with
 * pread() and believes nothing in it. The rest of the file (STATUS_OUT_BYTES for stdout, then the
 * same for stderr) holds output written but not yet flushed to the pipe, so that a kill loses
 * nothing. */
#define STATUS_OUT_BYTES (16 * 1024)
#define STATUS_HEADER    4096
#define STATUS_BYTES     (STATUS_HEADER + 2 * STATUS_OUT_BYTES)
struct status_page {
    uint64_t started_ns;   /* CLOCK_MONOTONIC when the program's first line began, 0 = not yet */
    uint32_t pending[2];   /* bytes of stdout, stderr in the file that are not in the pipe */
    uint32_t alloc_failed; /* an allocation was refused for lack of memory */
    uint32_t out_truncated[2]; /* the writer dropped output past the limit */
    /* Bytes that have left the area through the pipe. After a kill, with R bytes received from the
     * pipe in all, the first R - flushed of the `pending` ones have been received already. */
    uint64_t flushed[2];
};

struct msg_warm {
    uint64_t max_rss_bytes; /* own ru_maxrss before any user code */
};

enum run_mode { RUN_EXECUTE, RUN_VALIDATE };
struct msg_run {
    uint8_t mode; /* enum run_mode */
    bool capture_output;
    bool live_output;    /* flush at every line, somebody is watching */
    bool narrowed;       /* allowed_imports was given: `imports` is the whole list */
    struct strv imports; /* permitted by the server and by the caller; empty + narrowed = none */
    uint8_t profiles;    /* bits PROFILE_* that the caller may use of the server's; basic always */
    uint64_t mem_bytes;  /* what the code may add to the warm interpreter */
    uint64_t cpu_ms;     /* CPU time of the run, 0 = no limit */
    uint64_t max_output; /* bytes, for each of stdout, stderr, result */
    uint8_t *code;       /* UTF-8, not NUL-terminated */
    size_t code_len;
};

enum run_outcome {
    OUTCOME_OK,
    OUTCOME_SYNTAX_ERROR, /* also a parser out of memory or depth */
    OUTCOME_REFUSED,      /* the policy: nothing ran */
    OUTCOME_BLOCKED,      /* an uncaught refusal while running (guard, audit hook) */
    OUTCOME_EXCEPTION,
    OUTCOME_MEMORY,   /* uncaught MemoryError */
    OUTCOME_RESOURCE, /* source too large to compile within its own caps, nesting too deep … */
    OUTCOMES
};

struct violation {
    uint32_t line, column; /* 1-based; 0 = unknown */
    char *rule;            /* "import", "name", "attribute" … ; docs/POLICY.md */
    char *message;         /* "Import 'os' is not allowed" */
    char *remedy;
};
#define MSG_MAX_VIOLATIONS 100

enum event_layer {
    LAYER_POLICY,
    LAYER_GUARD,
    LAYER_AUDIT,
    LAYER_SECCOMP,
    LAYER_KERNEL,
    LAYER_EGRESS,
    LAYERS
};
struct msg_event {
    uint8_t layer;
    uint32_t line; /* 0 = unknown */
    char *rule, *detail, *remedy;
};
#define MSG_MAX_EVENTS 64

#define MSG_MAX_VARIABLES 1000

struct msg_result {
    uint8_t outcome;
    uint64_t started_ns; /* CLOCK_MONOTONIC; 0 = nothing ran */
    uint64_t ended_ns;
    char *result_json; /* one JSON value, serialised by the worker; "null" */
    char *result_type; /* "" when there is no result */
    bool result_truncated;
    bool out_truncated[2];
    struct strv variables;
    char *error;                  /* one sentence; "" on success */
    char *error_type;             /* "ZeroDivisionError" */
    uint32_t line;                /* 0 = unknown */
    char *traceback;              /* text, "" = none */
    struct violation *violations; /* owned array: with OUTCOME_REFUSED and OUTCOME_SYNTAX_ERROR */
    size_t violations_len;
};

struct msg_verdict {
    uint8_t outcome; /* OK, SYNTAX_ERROR, REFUSED, MEMORY or RESOURCE */
    struct violation *violations;
    size_t violations_len;
    uint32_t line_count, functions, classes, cyclomatic_complexity;
    uint64_t character_count;
    struct strv imports;
    struct strv recommendations;
};

/* Encoders append type byte and fields to @out (check out->bad once, at the end). Decoders take a
 * body that msg_check() has accepted, type byte included; -1 and ERR_PROTO when malformed, *ret
 * then released. */
#define MSG_DECLARE(name, type)                                                                    \
    void msg_put_##name(struct wire_out *out, const struct type *m);                               \
    int msg_get_##name(const void *body, size_t n, struct type *ret, struct err *err);             \
    void type##_done(struct type *m)
MSG_DECLARE(launch, msg_launch);
MSG_DECLARE(launched, msg_launched);
MSG_DECLARE(gone, msg_gone);
MSG_DECLARE(hello, msg_hello);
MSG_DECLARE(proof, msg_proof);
MSG_DECLARE(ready, msg_ready);
MSG_DECLARE(exited, msg_exited);
MSG_DECLARE(warm, msg_warm);
MSG_DECLARE(event, msg_event);
MSG_DECLARE(result, msg_result);
MSG_DECLARE(verdict, msg_verdict);
MSG_DECLARE(run, msg_run);

/* END, SPAWN, SPAWNED, KILL and LISTENER carry an id; LAUNCH_FAILED, SPAWN_FAILED and FATAL an id
 * and a text. */
void msg_put_id(struct wire_out *out, enum msg_type type, uint64_t id);
int msg_get_id(const void *body, size_t n, uint64_t *ret_id, struct err *err);
void msg_put_text(struct wire_out *out, enum msg_type type, uint64_t id, const char *text);
int msg_get_text(const void *body, size_t n, struct msg_text *ret, struct err *err);
void msg_text_done(struct msg_text *m);

/* Worker channel framing. msg_frame() turns an encoded body into length + body in place of @out's
 * buffer. msg_unframe() looks for one whole frame at the start of @in (of at most @max_body bytes):
 * 1 and *ret_body (borrowed from @in, valid until consumed) and *ret_n; 0 = not all there yet; -1
 * and ERR_PROTO: hostile length. The caller then consumes MSG_FRAME_HEADER + n bytes. */
#define MSG_FRAME_HEADER 4
int msg_frame(struct wire_out *out, struct err *err);
int msg_unframe(const struct buf *in, uint32_t max_body, const uint8_t **ret_body, size_t *ret_n,
                struct err *err);

#endif
