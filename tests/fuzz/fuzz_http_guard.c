/* The framing guard, given any bytes. Three things must hold: the pieces in which the bytes come
 * change nothing; what it passes on means the same to a second, simple-minded reader of the same
 * bytes; and, written down anew in the plainest form, it is passed on again as the same. */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/guard.h"

static const struct guard_limits limits = {.max_head_bytes = 2048, .max_body_bytes = 4096};
/* a blank after each colon makes a head longer */
static const struct guard_limits wider = {.max_head_bytes = 4096, .max_body_bytes = 4096};

/* What a guard made of its input, as text: equal texts, equal verdicts. */
struct account {
    struct guard_limits limits;
    struct buf events;
    struct buf plain; /* the whole requests, written down anew */
    struct buf draft; /* likewise, the head of the one under way */
    struct buf body;
    size_t ends[64]; /* where in the input the first requests end */
    size_t requests;
};

static void add(struct buf *b, const void *data, size_t n)
{
    FUZZ_CHECK(buf_add(b, data, n, NULL) == 0);
}

static void add_text(struct buf *b, const char *text)
{
    add(b, text, strlen(text));
}

static bool is_text(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static void note_head(const struct guard *g, struct account *a)
{
    FUZZ_CHECK(g->len <= g->cap && g->cap <= 8192 && g->head_bytes <= g->limits.max_head_bytes);
    FUZZ_CHECK(g->chunked == (g->content_length == SIZE_MAX));
    FUZZ_CHECK(g->chunked || g->content_length <= limits.max_body_bytes);
    FUZZ_CHECK(guard_target(g)[0] == '/' && guard_target(g)[1] != '/' && is_text(guard_target(g)));
    FUZZ_CHECK(buf_addf(&a->events, NULL, "HEAD %s %s %u %zu %d%d\n", g->head, guard_target(g),
                        g->minor, g->content_length, g->keep_alive, g->expect) == 0);
    FUZZ_CHECK(
        buf_addf(&a->draft, NULL, "%s %s HTTP/1.%u\r\n", g->head, guard_target(g), g->minor) == 0);
    for (size_t i = 0; i < g->n_fields; i++) {
        const char *name = guard_field_name(g, i), *value = guard_field_value(g, i);
        FUZZ_CHECK(*name && is_text(name) && is_text(value));
        FUZZ_CHECK(buf_addf(&a->events, NULL, "%s=%s\n", name, value) == 0);
        if (strcasecmp(name, "Content-Length") != 0 && strcasecmp(name, "Transfer-Encoding") != 0)
            FUZZ_CHECK(buf_addf(&a->draft, NULL, "%s: %s\r\n", name, value) == 0);
    }
}

static void note_end(struct account *a, size_t at)
{
    add_text(&a->events, "BODY ");
    add(&a->events, a->body.data, a->body.len);
    add_text(&a->events, " END\n");
    FUZZ_CHECK(a->body.len <= limits.max_body_bytes);
    add(&a->plain, a->draft.data, a->draft.len);
    buf_clear(&a->draft);
    if (a->body.len > 0)
        FUZZ_CHECK(buf_addf(&a->plain, NULL, "Content-Length: %zu\r\n", a->body.len) == 0);
    add_text(&a->plain, "\r\n");
    add(&a->plain, a->body.data, a->body.len);
    buf_clear(&a->body);
    if (a->requests < sizeof(a->ends) / sizeof(a->ends[0]))
        a->ends[a->requests] = at;
    a->requests++;
}

/* Give one piece, which lies at @at in the input; false when it is refused. */
static bool give(struct guard *g, const uint8_t *p, size_t n, size_t at, struct account *a)
{
    for (size_t done = 0;;) {
        struct guard_step step;
        size_t took = guard_feed(g, p + done, n - done, &step);
        FUZZ_CHECK(took <= n - done);
        done += took;
        switch (step.event) {
        case GUARD_MORE:
            FUZZ_CHECK(done == n);
            return true;
        case GUARD_HEAD:
            note_head(g, a);
            break;
        case GUARD_DATA:
            FUZZ_CHECK(step.n > 0 && step.data + step.n == p + done && step.n <= took);
            add(&a->body, step.data, step.n);
            break;
        case GUARD_END:
            note_end(a, at + done);
            guard_next(g);
            FUZZ_CHECK(guard_is_idle(g));
            break;
        case GUARD_REFUSED:
            FUZZ_CHECK(g->status >= 400 && g->status <= 505 && strlen(g->reason) < 100);
            FUZZ_CHECK(buf_addf(&a->events, NULL, "REFUSED %u %s\n", g->status, g->reason) == 0);
            return false;
        }
    }
}

/* Pieces of at most @most bytes, of random sizes when @seed is not 0. */
static void take(const uint8_t *data, size_t n, size_t most, uint32_t seed, struct account *a)
{
    struct guard g;
    guard_init(&g, &a->limits);
    bool fine = true;
    for (size_t at = 0; at < n && fine;) {
        size_t piece = most;
        if (seed) {
            seed = seed * 1664525u + 1013904223u;
            piece = 1 + (seed >> 16) % most;
        }
        piece = piece < n - at ? piece : n - at;
        fine = give(&g, data + at, piece, at, a);
        at += piece;
    }
    /* What is not whole, or was refused, has been told but is not a request. */
    FUZZ_CHECK(buf_addf(&a->events, NULL, "LEFT %d %d\n", fine, guard_is_idle(&g)) == 0);
    buf_clear(&a->body);
    guard_done(&g);
}

static void account_done(struct account *a)
{
    buf_done(&a->events);
    buf_done(&a->plain);
    buf_done(&a->body);
    buf_done(&a->draft);
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* ---- the simple-minded reader ---- */

static const uint8_t *find(const uint8_t *p, const uint8_t *end, const char *what)
{
    const uint8_t *found = memmem(p, (size_t)(end - p), what, strlen(what));
    return found ? found : end;
}

/* Joins chunks as the laxest reader would: strtoul for sizes. Returns where it stops. */
static const uint8_t *read_chunks(const uint8_t *p, const uint8_t *end, size_t *ret_body)
{
    for (*ret_body = 0;;) {
        const uint8_t *eol = find(p, end, "\n");
        char line[64] = "";
        FUZZ_CHECK(eol < end && (size_t)(eol - p) < sizeof(line));
        memcpy(line, p, (size_t)(eol - p));
        size_t size = strtoul(line, NULL, 16);
        p = eol + 1;
        FUZZ_CHECK(size <= (size_t)(end - p));
        *ret_body += size;
        p = find(p + size, end, "\n");
        FUZZ_CHECK(p < end);
        p++;
        if (size == 0)
            return p;
    }
}

/* Never looks past @end, which libFuzzer's own strncasecmp() would. */
static bool starts(const uint8_t *p, const uint8_t *end, const char *name)
{
    size_t n = strlen(name);
    return (size_t)(end - p) >= n && strncasecmp((const char *)p, name, n) == 0;
}

/* One request that was passed on: all of [p, end), and nothing more, by a reader that takes lines
 * at LF, the first or the last of equal fields, and numbers by strtoul. */
static void read_simply(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *body = find(p, end, "\n\r\n") + 3, *lax = find(p, end, "\n\n");
    size_t first = SIZE_MAX, last = SIZE_MAX, hosts = 0, length;
    bool chunked = false;
    bool old = find(p, end, " HTTP/1.0\r\n") < find(p, end, "\n");
    FUZZ_CHECK(body <= end && lax >= body - 1);
    FUZZ_CHECK(!memchr(p, 0, (size_t)(body - p)));
    for (const uint8_t *eol; (eol = find(p, body, "\n")) < body; p = eol + 1) {
        const char *line = (const char *)p;
        FUZZ_CHECK(eol > p && eol[-1] == '\r' && !memchr(p, '\r', (size_t)(eol - p) - 1));
        FUZZ_CHECK(*line != ' ' && *line != '\t');
        if (starts(p, body, "content-length:")) {
            last = strtoul(line + 15, NULL, 0); /* any base: a leading zero would show */
            first = first == SIZE_MAX ? last : first;
        }
        chunked |= starts(p, body, "transfer-encoding:");
        hosts += starts(p, body, "host:");
    }
    FUZZ_CHECK(hosts == 1 || (hosts == 0 && old));
    FUZZ_CHECK(first == last && !(chunked && first != SIZE_MAX));
    if (chunked)
        FUZZ_CHECK(read_chunks(body, end, &length) == end);
    else
        FUZZ_CHECK((size_t)(end - body) == (first == SIZE_MAX ? 0 : first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct account whole = {.limits = limits}, pieces = {.limits = limits};
    struct account bytes = {.limits = limits}, again = {.limits = wider};
    if (n > 1 << 16)
        return 0;
    take(data, n, n ? n : 1, 0, &whole);
    take(data, n, 1, 0, &bytes);
    take(data, n, 40, (uint32_t)n * 2654435761u | 1, &pieces);
    FUZZ_CHECK(same(&whole.events, &bytes.events) && same(&whole.events, &pieces.events));
    for (size_t i = 0; i < whole.requests && i < 64; i++)
        read_simply(data + (i ? whole.ends[i - 1] : 0), data + whole.ends[i]);

    take(whole.plain.data, whole.plain.len, whole.plain.len + 1, 0, &again);
    FUZZ_CHECK(again.requests == whole.requests && same(&again.plain, &whole.plain));
    account_done(&whole);
    account_done(&pieces);
    account_done(&bytes);
    account_done(&again);
    return 0;
}
