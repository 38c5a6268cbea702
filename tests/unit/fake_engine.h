/* A stand-in for the engine in tests of what is above it: it takes requests as engine.h says and
 * ends them when and as the test says. Include it in one file of a test that does not link the
 * engine. */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

struct execution {
    struct exec_request req;
    char *code;
    struct strv imports;
    const struct exec_callbacks *cb;
    void *ctx;
    bool cancelled;
    bool stopped; /* because the server is ending */
    struct execution *next;
};

struct engine {
    struct engine_info info;
    struct execution *first; /* oldest */
    size_t submitted;
    const struct exec_result *at_once; /* answer from inside engine_submit() */
};

static struct engine fake;

const char *exec_category_name(enum exec_category c)
{
    static const char *const names[] = {NULL,
                                        "syntax_error",
                                        "security_violation",
                                        "runtime_error",
                                        "timeout",
                                        "memory_limit",
                                        "resource_limit",
                                        "cancelled",
                                        "invalid_request",
                                        "overloaded",
                                        "container_error",
                                        "internal_error"};
    return names[c];
}

struct execution *engine_submit(struct engine *e, const struct exec_request *req,
                                const struct exec_callbacks *cb, void *ctx)
{
    e->submitted++;
    if (e->at_once) {
        cb->on_done(ctx, e->at_once);
        return NULL;
    }
    struct execution *x = calloc(1, sizeof(*x));
    if (!x)
        abort();
    *x = (struct execution){.req = *req, .cb = cb, .ctx = ctx};
    x->code = strndup(req->code, req->code_len);
    x->req.code = x->code;
    if (req->imports && strv_copy(&x->imports, req->imports, NULL) < 0)
        abort();
    x->req.imports = &x->imports;
    struct execution **end = &e->first;
    while (*end)
        end = &(*end)->next;
    *end = x;
    return x;
}

void engine_cancel(struct execution *x)
{
    x->cancelled = true;
}

void engine_stop(struct execution *x)
{
    x->cancelled = x->stopped = true;
}

void engine_info(struct engine *e, struct engine_info *ret)
{
    *ret = e->info;
}

/* What a plain success looks like: `result = 4`. */
static _unused_ struct exec_result fake_result(struct msg_result *worker)
{
    static char value[] = "4";
    static char type[] = "int";
    *worker = (struct msg_result){.result_json = value, .result_type = type};
    struct exec_result r = {
        .isolation = "jail",
        .out = {"hello\n", ""},
        .out_len = {6, 0},
        .wall_ns = 1500000,
        .cpu_ns = 1000000,
        .peak_memory_bytes = 4096,
        .worker = worker,
    };
    strcpy(r.execution_id, "0190a5f0-0000-7000-8000-000000000000");
    return r;
}

static _unused_ void fake_end(struct execution *x, const struct exec_result *r)
{
    struct execution **p = &fake.first;
    while (*p != x)
        p = &(*p)->next;
    *p = x->next;
    x->cb->on_done(x->ctx, r);
    strv_done(&x->imports);
    free(x->code);
    free(x);
}

/* End what was cancelled, as the engine does on the next turn of the loop. How many there were. */
static _unused_ size_t fake_settle(void)
{
    size_t n = 0;
    for (struct execution *x = fake.first, *next; x; x = next) {
        next = x->next;
        if (!x->cancelled)
            continue;
        struct exec_result r = {
            .category = CATEGORY_CANCELLED,
            .isolation = "jail",
            .error = "The execution was cancelled",
            .error_type = "CancelledError",
        };
        fake_end(x, &r);
        n++;
    }
    return n;
}

#endif
