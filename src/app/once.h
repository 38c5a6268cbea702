/* One program through the engine, for `run` and `validate`. */
#ifndef APP_ONCE_H
#define APP_ONCE_H

#include "app/cli.h"
#include "app/runtime.h"

struct once {
    struct runtime runtime;
    struct execution *execution; /* NULL: not started, or done */
    bool done;
    int status;   /* exit status */
    size_t shown; /* bytes of stdout already shown */
    bool unread;  /* our stdout was closed: be quiet */
    /* Show the outcome; returns the exit status. */
    int (*finish)(struct once *once, const struct exec_result *result);
};

/* Run @req to its end and have @once->finish show it. The exit status. Ctrl-C cancels. */
int once_run(struct once *once, struct conf *conf, const struct exec_request *req);

/* The exit status for an outcome. */
int once_status(enum exec_category category);

#endif
