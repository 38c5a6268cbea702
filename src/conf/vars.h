/* Inside the room: the table of variables and the setters that check their values. */
#ifndef CONF_VARS_H
#define CONF_VARS_H

#include "conf/conf.h"

struct conf_var;

enum set_verdict { SET_OK, SET_BAD, SET_NOMEM };
/* Put @text (never empty) into @c if it is acceptable for @v. */
typedef enum set_verdict conf_set_fn(struct conf *c, const struct conf_var *v, const char *text);

struct conf_var {
    struct conf_doc doc;
    const char *alias; /* another name with the same meaning, or NULL */
    bool secret;       /* its value is never shown */
    conf_set_fn *set;
    size_t offset;     /* of the field in struct conf */
    uint64_t min, max; /* what they bound depends on the setter */
};

enum { CONF_VARS = 49 };
extern const struct conf_var conf_vars[CONF_VARS];
/* The index in conf_vars of the variable or alias called @name, or -1. */
int conf_var_find(const char *name);

/* Setters. */
conf_set_fn set_seconds;      /* uint64_t ns; min and max in ns */
conf_set_fn set_milliseconds; /* uint64_t ms from seconds; min and max in ms */
conf_set_fn set_size;         /* uint64_t bytes */
conf_set_fn set_unsigned;     /* unsigned */
conf_set_fn set_rate;         /* rate_limit and rate_limit_set */
conf_set_fn set_profile;      /* bit `min` of profiles */
conf_set_fn set_container;    /* container_enabled */
conf_set_fn set_modules;      /* modules and imports_overridden */
conf_set_fn set_path;         /* char *, absolute */
conf_set_fn set_paths;        /* struct strv of absolute paths, separated by ':' */
conf_set_fn set_program;      /* char *, absolute or a plain name */
conf_set_fn set_image;        /* char *, an OCI reference */
conf_set_fn set_host;         /* char *, an address or "localhost" */
conf_set_fn set_token;        /* char *, min = shortest */
conf_set_fn set_url;          /* char *, https, or http to a loopback host */
conf_set_fn set_hosts;        /* struct strv of names, addresses, with ports; or "*" */
conf_set_fn set_origins;      /* struct strv of scheme://host[:port]; or "*" */
conf_set_fn set_targets;      /* struct strv of hosts, address ranges, ports */
conf_set_fn set_isolation;    /* enum isolation */
conf_set_fn set_audit;        /* enum audit_mode */
conf_set_fn set_history;      /* enum history_mode */
conf_set_fn set_log_level;    /* enum log_level */

/* Is it a name that import would accept: dotted identifiers? */
bool module_name_ok(const char *name);

#endif
