/* One program: see once.h. Runs in the command line, with the same engine, jail, limits and record
 * as the server. */
#include "app/once.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/log.h"
#include "app/show.h"

int once_status(enum exec_category category)
{
    switch (category) {
    case CATEGORY_NONE:
        return EXIT_OK;
    case CATEGORY_SYNTAX_ERROR:
    case CATEGORY_RUNTIME_ERROR:
    case CATEGORY_TIMEOUT:
    case CATEGORY_MEMORY_LIMIT:
    case CATEGORY_RESOURCE_LIMIT:
        return EXIT_FAILED;
    case CATEGORY_CANCELLED:
        return EXIT_CANCELLED;
    case CATEGORY_SECURITY_VIOLATION:
    case CATEGORY_INVALID_REQUEST:
    case CATEGORY_OVERLOADED:
    case CATEGORY_CONTAINER_ERROR:
    case CATEGORY_INTERNAL_ERROR:
        break;
    }
    return EXIT_REFUSED;
}

static void on_output(void *ctx, const char *text, size_t n)
{
    struct once *once = ctx;
    show_program_text(stdout, text, n);
    once->shown += n;
    /* Nobody reads any more: there is no point in going on. */
    if (fflush(stdout) != 0 && once->execution) {
        once->unread = true;
        engine_cancel(once->execution);
    }
}

/* The engine knows of a client that cancelled; here that was a key or a signal. */
static struct exec_result stopped(const struct once *once, const struct exec_result *result,
                                  char text[80])
{
    struct exec_result r = *result;
    int signo = once->runtime.stopped_by;
    if (r.category == CATEGORY_CANCELLED && signo) {
        snprintf(text, 80, "The program was stopped by %s",
                 signo == SIGINT ? "Ctrl-C" : sigdescr_np(signo));
        r.error = text;
    }
    return r;
}

static void on_done(void *ctx, const struct exec_result *result)
{
    struct once *once = ctx;
    char text[80];
    struct exec_result told = stopped(once, result, text);
    once->execution = NULL;
    once->done = true;
    once->status = once->unread ? EXIT_CANCELLED : once->finish(once, &told);
    if (once->runtime.loop)
        runtime_stop(&once->runtime);
}

static void on_stop(void *ctx, int signo)
{
    struct once *once = ctx;
    (void)signo;
    if (once->execution)
        engine_cancel(once->execution);
    else
        runtime_stop(&once->runtime);
}

int once_run(struct once *once, struct conf *conf, const struct exec_request *req)
{
    struct err err = ERR_INIT;
    struct runtime_hooks hooks = {.on_stop = on_stop, .ctx = once};
    conf->pool_size = conf->max_concurrency = 1;
    once->status = EXIT_CANCELLED;
    if (runtime_start(&once->runtime, conf, true, &hooks, &err) < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        return runtime_exit_status(&err);
    }
    struct exec_callbacks callbacks = {.on_output = req->live_output ? on_output : NULL,
                                       .on_done = on_done};
    if (runtime_seal(&once->runtime, &err) < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        runtime_end(&once->runtime);
        return EXIT_REFUSED;
    }
    struct execution *x = engine_submit(once->runtime.engine, req, &callbacks, once);
    if (!once->done) {
        once->execution = x;
        if (runtime_run(&once->runtime, &err) < 0)
            log_line(LOG_ERROR, "%s", err.text);
    }
    runtime_end(&once->runtime);
    return once->status;
}
