/* Batches, an array of messages in one (protocol version 2025-03-26 only). Runs in the server. */
#include "mcp/internal.h"

struct batch {
    struct exchange *exchange; /* NULL: its peer has gone */
    size_t open;               /* members without an answer yet */
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

static void add(struct batch *b, const char *text, size_t n)
{
    b->lost = b->lost || buf_add(&b->answers, text, n, NULL) < 0;
}

void batch_close(struct batch *b, const struct exchange_piece *pieces, size_t n)
{
    if (n > 0)
        add(b, b->answers.len ? "," : "[", 1);
    for (size_t i = 0; i < n; i++)
        add(b, pieces[i].data, pieces[i].n);
    if (--b->open > 0)
        return;
    if (b->answers.len > 0)
        add(b, "]", 1);
    bool any = b->answers.len > 0 && !b->lost;
    const struct exchange_piece piece = {(const char *)b->answers.data, b->answers.len};
    if (b->exchange)
        b->exchange->ops->end(b->exchange, any ? EXCHANGE_ANSWER : EXCHANGE_NOTHING, &piece, any);
    buf_done(&b->answers);
    free(b);
}

bool batch_note(struct batch *b, const char *json, size_t n)
{
    return b->exchange && b->exchange->ops->note(b->exchange, json, n);
}

void batch_gone(struct batch *b)
{
    b->exchange = NULL;
}
