/* Configuration: built-in default < .env < environment < command-line flag, read once into one
 * immutable struct. Every value is checked; an error names the variable, the value and what is
 * allowed. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "wire/msg.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum audit_mode { AUDIT_OFF, AUDIT_ON, AUDIT_REQUIRED };
enum history_mode { HISTORY_OFF, HISTORY_ON, HISTORY_CODE /* with the programs' text */ };

struct conf {
    uint64_t timeout_ns, max_timeout_ns;
    uint64_t max_output_bytes, max_code_bytes;
    unsigned profiles;       /* bits PROFILE_*; basic is always set */
    bool imports_overridden; /* SANDBOX_ALLOWED_IMPORTS was given */
    struct strv modules;     /* what may be imported: the profiles' modules or the override */
    uint64_t memory_bytes, max_memory_bytes; /* default and largest memory_limit */
    bool container_enabled;
    char *container_image, *container_runtime;
    enum isolation isolation;
    unsigned max_concurrency, queue_size, pool_size, container_pool_size;
    unsigned client_concurrency; /* programs of one client at a time; 0 = as max_concurrency */
    char *host;
    unsigned port;
    char *api_token, *tokens_file;
    char *oauth_issuer, *oauth_resource, *oauth_jwks; /* all or none */
    struct strv allowed_hosts, allowed_origins;       /* as written; "*" = any */
    char *tls_cert, *tls_key;                         /* both or none */
    uint64_t grace_ns;     /* for programs under way when the HTTP server is stopped */
    uint64_t cpu_limit_ms; /* of one run; 0 = the run's time-out */
    unsigned max_threads;
    uint64_t work_bytes;
    unsigned work_files, max_artifacts;
    uint64_t artifact_ttl_ns, artifact_bytes;
    unsigned rate_limit; /* executions a minute for one client, 0 = off */
    bool rate_limit_set; /* false: the transport's own default */
    struct strv network_allow, network_deny;
    char *python; /* absolute path */
    struct strv python_path;
    char *state_dir; /* absolute path; NULL when neither given nor derivable (no home) */
    enum audit_mode audit;
    enum history_mode history;
    unsigned history_rows, history_days; /* what is kept */
    enum log_level log_level;
    struct strv warnings; /* things the operator should read once, in order found */
};

/* One source of a value above the built-in default, for conf_load(). */
struct conf_input {
    const char *env_file;    /* --env-file: trusted, must exist; NULL = the implicit ./.env, if any,
                                not trusted */
    const char *working_dir; /* where the implicit .env is looked for */
    char *const *environ;    /* NAME=value list */
    const struct strv *flags; /* NAME=value, from the command line */
    /* What was typed for each of them ("--timeout"), so that an error can name it; may be NULL. */
    const struct strv *flag_words;
};

/* ERR_INVALID with a text for the user. *ret is the caller's: conf_free(). Reads at most one small
 * file; does not look at the interpreter or any other path. */
int conf_load(const struct conf_input *input, struct conf **ret, struct err *err);
void conf_free(struct conf *c); /* secrets in it are wiped */

/* Overwrite the values of secret variables in @environ, so that /proc/PID/environ, a core file or a
 * child does not show them. After conf_load(), which has copied what it needs. */
void conf_wipe_environ(char *const *environ);

/* One row of documentation for each variable, in the order of .env.example. */
struct conf_doc {
    const char *name, *default_text, *allowed, *meaning;
    const char *example; /* a value that could stand behind NAME= */
    bool guarded;        /* not taken from an implicit .env */
    bool is_switch;      /* true or false */
};
const struct conf_doc *conf_docs(size_t *ret_n);

/* Append the text of .env.example, or the section on variables of the man page, made from the table
 * above. */
int conf_example(struct buf *out, struct err *err);
int conf_manual(struct buf *out, struct err *err);

const char *log_level_name(enum log_level level); /* "warning" */

#endif
