/* What the files of this room share. Nothing here is for callers: they include engine/engine.h.
 *
 *   engine.c     construction, end, state, information, the deferred work
 *   keeper.c     launch channel to the keeper
 *   launch.c     zygotes start, restart, are replaced
 *   zygote.c     control channel to one zygote
 *   pool.c       workers are made ahead of need, and ended
 *   worker.c     worker channel: hand-over, messages, measuring, time-out
 *   output.c     the pipes and the status page
 *   execution.c  submit, cancel, dispatch, answer
 *   queue.c      who is next
 *   category.c   what an ending means
 *   notify.c     system calls the kernel reports
 *
 * Who may be ended from where: a worker's callback may end that worker and answer its execution. A
 * zygote is never torn down from inside a callback, only marked by zygote_break() and torn down by
 * the deferred work, so that no code finds the zygote under its feet gone. Answering an execution
 * calls out of the room, and the callee may submit and cancel: nobody holds an iterator across it.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <sys/queue.h>

#include "engine/engine.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* Times and counts that are not configuration. The tests shorten them. */
struct tuning {
    uint64_t start_ns;       /* a zygote must be ready by then */
    uint64_t start_grace_ns; /* its channel closed while starting: wait so long for the reason */
    uint64_t warm_ns;        /* a worker must be warm by then */
    uint64_t retire_ns;      /* one that has answered lives on for so long when nobody waits */
    uint64_t kill_ns;        /* a killed worker must have exited by then */
    uint64_t compile_ns;     /* a program must have begun by then */
    uint64_t validate_ns;
    uint64_t backoff_ns, backoff_max_ns; /* between restarts: first, and most */
    uint64_t retry_ns;                   /* between restarts once given up */
    unsigned max_failures;               /* in a row, then given up */
    unsigned max_spawn_failures;         /* in a row, then that zygote is broken */
    uint64_t recycle_runs, recycle_ns;   /* a zygote is replaced after so many runs, so long */
    uint64_t trusted_ns;                 /* a zygote that lived so long was not born broken */
};
extern const struct tuning tuning_default;

TAILQ_HEAD(worker_list, worker);
TAILQ_HEAD(zygote_list, zygote);
TAILQ_HEAD(execution_list, execution);
TAILQ_HEAD(client_list, client);

/* Taken from outside the program. */
struct measures {
    uint64_t cpu_ns, peak_bytes;
};

/* ---- executions ---- */

enum stop_reason {
    STOP_NONE,
    STOP_TIMEOUT,  /* the deadline fired */
    STOP_COMPILE,  /* so long, and the program had not begun */
    STOP_CANCEL,   /* engine_cancel */
    STOP_SECURITY, /* too many reported system calls */
    STOP_BREACH,   /* the worker broke the protocol */
    STOP_SILENT,   /* the worker's channel ended without a result */
    STOP_LOST,     /* the zygote ended */
    STOP_SHUTDOWN, /* engine_free */
};

/* What one stream of a program printed. */
struct output {
    struct buf bytes; /* as written, at most the limit */
    bool truncated;
    size_t told; /* bytes already given to on_output */
};

#define MAX_NOTIFIED       256 /* reported system calls of one program, then it is ended */
#define MAX_NOTIFIED_KINDS 16  /* different ones that are recorded */

struct execution {
    TAILQ_ENTRY(execution) link; /* in its client's queue, or in engine.cancelled */
    struct engine *e;
    char id[UUID_TEXT_LEN + 1];
    struct exec_request req; /* owned copies: release with request_done */
    struct strv imports;     /* behind req.imports */
    struct exec_callbacks cb;
    void *ctx;
    bool *gone;            /* set to true when the execution is freed; NULL = nobody asks */
    struct client *client; /* while it waits or runs */
    bool waits;            /* in the queue */
    bool crowded_out;      /* in engine.cancelled, to make room for another client's */
    struct worker *worker; /* while running */
    enum stop_reason stop; /* why it was stopped, the first reason counts */
    char breach[160];      /* with STOP_BREACH: what the worker did */
    uint64_t handover_ns;
    uint64_t started_ns; /* the first line began, as far as we can believe it; 0 = not yet */
    uint64_t ended_ns;   /* when it was over, or stopped */
    uint64_t cpu_before_ns;
    uint64_t memory_kills_before;
    struct output out[2];
    bool has_result, has_verdict;
    struct msg_result result;
    struct msg_verdict verdict;
    struct msg_event *events; /* owned array */
    size_t events_len;
    unsigned worker_events, notified;
    int notified_kinds[MAX_NOTIFIED_KINDS];
    size_t notified_kinds_len;
};

struct client {
    TAILQ_ENTRY(client) link; /* in queue.turn */
    char *name;
    struct execution_list waiting;
    unsigned waiting_len, running;
};

/* First come, first served within a client; between clients, whoever has fewest running, and of
 * those whose turn it is. A client that is alone may use everything. */
struct queue {
    struct client_list turn; /* clients with something waiting or running, next one first */
    unsigned len;            /* executions that wait */
};

/* ---- workers ---- */

enum worker_state {
    WORKER_SPAWNING, /* SPAWN sent */
    WORKER_WARM,     /* waits for a program */
    WORKER_RUNNING,  /* has one */
    WORKER_SPENT,    /* has answered, and is no longer listened to; killed in a moment */
    WORKER_DYING,    /* KILL sent, or wanted; until EXITED */
    WORKER_STATES
};

struct worker {
    TAILQ_ENTRY(worker) link; /* in zygote.workers[state] */
    struct zygote *zygote;
    uint64_t id;
    enum worker_state state;
    uint64_t since_ns; /* in this state */
    bool kill_unsent;  /* the control channel was full */
    pid_t pid;         /* in our pid namespace, from the kernel; 0 until warm */
    uint64_t warm_rss_bytes;
    bool rehearsed; /* it has said WARM a second time */
    int fd;         /* worker channel, -1 once closed; likewise below */
    struct loop_io *io;
    int out_fd[2];
    struct loop_io *out_io[2];
    uint64_t out_received[2]; /* bytes that came through the pipe */
    struct out_ctx {
        struct worker *worker;
        int stream;
    } out_ctx[2];
    int status_fd; /* status page */
    int proc_fd;   /* /proc/PID/status */
    struct loop_timer *deadline;
    struct buf in;       /* received, not yet parsed */
    struct wire_out run; /* RUN, while not all of it is sent */
    size_t run_sent;
    struct execution *x; /* NULL unless running (or dying with its execution unanswered) */
    char said[160];      /* to stderr while it was made: why it could not */
};

/* ---- zygotes ---- */

enum zygote_state {
    ZYGOTE_STARTING, /* LAUNCH sent */
    ZYGOTE_READY,    /* proven: workers come from here */
    ZYGOTE_DRAINING, /* replaced: its last programs run to their end */
    ZYGOTE_ENDING,   /* END sent: only GONE is awaited */
};

/* What a zygote said of itself. */
struct facts {
    bool has_hello, has_proof, has_ready;
    struct msg_hello hello;
    struct msg_proof proof;
    struct msg_ready ready;
    uint32_t version; /* of what it said, from engine.versions; 0 = nothing yet */
};
void facts_done(struct facts *f);

struct zygote {
    TAILQ_ENTRY(zygote) link; /* in engine.zygotes */
    struct engine *e;
    uint64_t id;
    enum zygote_state state;
    int fd; /* control channel */
    struct loop_io *io;
    bool waits_writable;
    int listener_fd;
    struct loop_io *listener_io;
    struct facts facts; /* moved to the engine when it takes over */
    uint64_t ready_ns;
    uint64_t next_worker, runs;
    struct worker_list workers[WORKER_STATES];
    unsigned count[WORKER_STATES];
    unsigned spawn_failures;
    uint64_t spawn_failed_ns;
    /* a program was handed over, or has answered: see to its worker, but not just now */
    struct loop_timer *refill;
    bool refill_armed;
    struct loop_timer *spawn_retry;
    bool spawn_paused;        /* until spawn_retry fires */
    struct loop_timer *watch; /* starting: the start deadline; later: looks after late workers */
    bool watch_armed;
    bool broken; /* to be torn down by the deferred work */
    char *why;   /* with broken */
    bool proof_broken;
    bool worked;     /* a program ran to its end here */
    bool gone;       /* the keeper has nothing of it any more */
    bool end_unsent; /* the launch channel was full */
};

/* ---- the engine ---- */

struct engine {
    struct loop *loop;
    const struct conf *conf;
    struct engine_hooks hooks;
    struct tuning tuning;
    char *extension_dir;
    bool closing;

    int keeper_fd;
    struct loop_io *keeper_io;
    bool keeper_gone;
    uint64_t next_zygote;
    struct zygote_list zygotes; /* all, until GONE */
    struct zygote *active;      /* programs go here */
    struct zygote *next;        /* starting, or ready and warming its first worker */
    struct loop_timer *relaunch;
    bool relaunch_armed;
    struct loop_timer *recycle;
    unsigned failures; /* in a row */

    enum proof_overall proof;
    char *failure; /* why nothing can be run, NULL = it can, or may soon */
    bool final;    /* no further attempt */
    struct facts facts;
    uint32_t versions;      /* given out so far */
    uint32_t state_version; /* of proof and failure */

    struct queue queue;
    struct execution_list cancelled; /* left the queue, to be answered by the deferred work */
    unsigned running;
    uint64_t finished;
    struct loop_timer *later;
};

/* engine.c */
void engine_log(struct engine *e, enum log_level level, const char *fmt, ...) _printf_(3, 4);
void engine_later(struct engine *e); /* have the deferred work done from the loop */
/* Nothing can be run: answers everything that waits. @final: no further attempt is made. */
void engine_fail(struct engine *e, bool final, const char *why);
void engine_state_changed(struct engine *e);
const char *engine_isolation(const struct engine *e);

/* keeper.c */
int keeper_open(struct engine *e, struct err *err);
void keeper_close(struct engine *e);
void keeper_end(struct zygote *z); /* send END unless it is gone */

/* launch.c */
int launch_init(struct engine *e, struct err *err);
void launch_done(struct engine *e);
void zygote_launch(struct engine *e);
void zygote_relaunch(struct engine *e, const char *why); /* after a failure: with back-off */
void zygote_promote(struct zygote *z);                   /* programs go here from now on */
void zygote_recycle_if_due(struct zygote *z);            /* after a run */
void zygote_lose(struct zygote *z); /* tear a broken one down; from the deferred work only */
void zygote_drained(struct zygote *z);
void zygote_free(struct zygote *z); /* with its workers, which must hold no execution */

/* zygote.c */
int zygote_open(struct zygote *z, int fd, struct err *err); /* takes @fd */
void zygote_close(struct zygote *z);                        /* channels and watchers */
void zygote_break(struct zygote *z, const char *fmt, ...) _printf_(2, 3);
/* 0, or -1 when it could not be sent now: full (retried when there is room) or broken. */
int zygote_send(struct zygote *z, enum msg_type type, uint64_t worker_id, const int *fds,
                size_t nfds);
struct worker *zygote_find(struct zygote *z, uint64_t worker_id);

/* pool.c */
void pool_fill(struct zygote *z);
void pool_refill(struct zygote *z);    /* end the spent ones, then fill */
void pool_fill_soon(struct zygote *z); /* when the program just handed over has had its chance */
void pool_watch(struct zygote *z);     /* arm the timer that looks after late workers */
void pool_tick(struct zygote *z);      /* it fired */
void pool_spawn_failed(struct zygote *z, const char *why);
void worker_set_state(struct worker *w, enum worker_state state);
void worker_kill(struct worker *w); /* send KILL; EXITED ends it */
void worker_stop(struct worker *w, enum stop_reason why, const char *breach);
/* Its execution is answered: kill it and make another; at once when programs wait or warm workers
 * are few, else in a moment, when the answer has reached whoever waits for it. */
void worker_retire(struct worker *w);
void worker_free(struct worker *w);
void worker_exited(struct worker *w, const struct msg_exited *how);

/* worker.c */
int worker_open(struct worker *w, int fd, struct err *err); /* takes @fd */
void worker_receive(struct worker *w);                      /* may end the worker */
/* Give it the program, whose framed RUN is moved out of @run. -1: it has died before; @x and @run
 * are untouched, the worker is being replaced. */
int worker_run(struct worker *w, struct execution *x, struct wire_out *run);
/* Answer its execution, which @w then no longer has. @how: NULL before it has exited. */
void worker_answer(struct worker *w, const struct msg_exited *how, const struct measures *m);
void worker_close(struct worker *w);   /* everything */
void worker_hang_up(struct worker *w); /* the channel only */

/* output.c */
int output_open(struct worker *w, const int fds[2], struct err *err); /* takes both */
void output_drain(struct worker *w); /* everything written before now is taken in */
void output_close(struct worker *w, int stream);
bool status_read(const struct worker *w, struct status_page *ret); /* believe nothing in it */
void status_take_pending(struct worker *w, const struct status_page *page);
void status_note_start(struct worker *w, uint64_t started_ns, uint64_t now_ns);
/* The text for the caller: well-formed, within the limit. *ret is the caller's. -1: no memory. */
int output_text(const struct execution *x, int stream, char **ret, size_t *ret_len,
                bool *ret_truncated);

/* queue.c */
void queue_init(struct queue *q);
int queue_push(struct queue *q, struct execution *x, struct err *err);
/* The next one of a client with fewer than @each running, which counts as running from here on.
 * NULL = there is none. */
struct execution *queue_pop(struct queue *q, unsigned each);
/* It has been popped, and could not be handed out after all: it is the next one again. */
void queue_put_back(struct queue *q, struct execution *x);
/* It neither waits nor runs any more. Nothing happens if it never did. */
void queue_leave(struct queue *q, struct execution *x);
/* How many of @client wait. */
unsigned queue_waiting(const struct queue *q, const char *client);
/* The newest one of the client with the most waiting, if that is more than @than. */
struct execution *queue_most_crowded(const struct queue *q, unsigned than);

/* category.c: what an ending means, decided from what the engine itself recorded. */
struct ending {
    enum stop_reason stop;
    const char *breach;                /* with STOP_BREACH */
    const struct msg_result *result;   /* NULL = none came */
    const struct msg_verdict *verdict; /* likewise */
    bool exited;                       /* the next two are known */
    uint32_t wait_status;
    uint64_t cpu_ns;
    bool alloc_failed; /* from the status page */
    bool memory_kill;  /* the kernel has killed for memory while it ran */
};
struct decision {
    enum exec_category category;
    const char *error;      /* into `text` or the result; NULL on success */
    const char *error_type; /* static or into the result; NULL on success */
    char text[640];
};
void category_decide(const struct ending *end, const struct exec_request *req,
                     const struct conf *conf, struct decision *ret);
/* The same for what never ran. */
void category_refuse(enum exec_category c, const char *text, struct decision *ret);
uint64_t exec_cpu_ms(const struct exec_request *req, const struct conf *conf);

/* execution.c */
void exec_dispatch(struct engine *e); /* hand out what can be handed out */
/* Answer and free @x. Its worker, if any, is left without execution. */
void exec_answer(struct execution *x, const struct decision *d, const struct measures *m);
void exec_refuse(struct execution *x, enum exec_category c, const char *text);
void exec_answer_cancelled(struct engine *e);
void exec_refuse_all(struct engine *e, enum exec_category c, const char *text); /* the queue */
/* Take ownership of @ev's strings; dropped when there are too many. */
void exec_add_event(struct execution *x, struct msg_event *ev);
int request_check(const struct conf *conf, const struct exec_request *req, struct err *err);

/* notify.c */
int listener_open(struct zygote *z, int fd, struct err *err); /* takes @fd */
void listener_close(struct zygote *z);

#endif
