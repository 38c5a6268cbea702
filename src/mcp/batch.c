/* Batches, an array of messages in one (protocol version 2025-03-26 only). Runs in the server. */
#include "mcp/internal.h"

struct batch {
    struct exchange *exchange;
    size_t open; /* members without an answer yet */
    struct buf answers;
    bool lost; /* no memory for an answer */
};

struct batch *batch_new(struct exchange *x)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b)
        *b = (struct batch){.exchange = x, .open = 1};
    return b;
}

void batch_open(struct batch *b)
{
    b->open++;
}

static void add(struct batch *b, const char *json, size_t n)
{
    if (buf_add_str(&b->answers, b->answers.len ? "," : "[", NULL) < 0 ||
        buf_add(&b->answers, json, n, NULL) < 0)
        b->lost = true;
}

void batch_close(struct batch *b, const char *json, size_t n)
{
    if (json && !b->lost)
        add(b, json, n);
    if (--b->open > 0)
        return;
    bool any = b->answers.len > 0 && !b->lost && buf_add(&b->answers, "]", 1, NULL) == 0;
    b->exchange->ops->end(b->exchange, any ? EXCHANGE_ANSWER : EXCHANGE_NOTHING,
                          (const char *)b->answers.data, any ? b->answers.len : 0);
    buf_done(&b->answers);
    free(b);
}

bool batch_note(struct batch *b, const char *json, size_t n)
{
    return b->exchange->ops->note(b->exchange, json, n);
}
