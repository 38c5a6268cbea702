/* Batches, an array of messages in one (protocol version 2025-03-26 only). Runs in the server. */
#include "base/macros.h"
#include "mcp/internal.h"

/* Together the answers of a batch may be longer than any one of them: one request must not make the
 * server hold gigabytes until the last member is done. */
#define ANSWERS_MAX ((size_t)64 << 20) /* bytes */

static const char too_long[] =
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":"
    "\"Answers of this batch are missing: together they are longer than 64 MiB, or memory ran out. "
    "Send such requests one by one\"}}";

struct batch {
    struct exchange *exchange; /* NULL: its peer has gone */
    size_t open;               /* members without an answer yet */
    struct buf answers;
    bool lost; /* there was no room for an answer */
};

struct batch *batch_new(struct exchange *x)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b)
        *b = (struct batch){
            .exchange = x, .open = 1, .answers = BUF_INIT(ANSWERS_MAX + sizeof(too_long) + 2)};
    return b;
}

void batch_open(struct batch *b)
{
    b->open++;
}

/* The whole answer or nothing of it. */
static void add(struct batch *b, const struct exchange_piece *pieces, size_t n)
{
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++)
        bytes += pieces[i].n;
    if (bytes > ANSWERS_MAX - MIN(b->answers.len, ANSWERS_MAX) ||
        buf_reserve(&b->answers, bytes, NULL) < 0) {
        b->lost = true;
        return;
    }
    buf_add(&b->answers, b->answers.len ? "," : "[", 1, NULL);
    for (size_t i = 0; i < n; i++)
        buf_add(&b->answers, pieces[i].data, pieces[i].n, NULL);
}

static void end(struct batch *b)
{
    struct exchange_piece pieces[] = {
        {(const char *)b->answers.data, b->answers.len},
        {b->answers.len ? "," : "[", b->lost},
        {too_long, b->lost ? sizeof(too_long) - 1 : 0},
        {"]", 1},
    };
    bool any = b->answers.len > 0 || b->lost;
    b->exchange->ops->end(b->exchange, any ? EXCHANGE_ANSWER : EXCHANGE_NOTHING, pieces,
                          any ? ARRAY_LEN(pieces) : 0);
}

void batch_close(struct batch *b, const struct exchange_piece *pieces, size_t n)
{
    if (n > 0)
        add(b, pieces, n);
    if (--b->open > 0)
        return;
    if (b->exchange)
        end(b);
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
