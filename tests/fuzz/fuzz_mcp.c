/* The protocol: a stream of messages in both eras, with headers and without, while executions end
 * in any order and peers go away. Below it the fake engine of the unit tests, above it exchanges
 * that are counted: each is ended exactly once, and everything that is said is one line of JSON.
 *
 * Input: lines. One that begins with a control character is no message but says what happens:
 *   0x01 the oldest execution ends      0x02 what was cancelled ends   0x03 it prints the rest
 *   0x04 headers for what follows: VERSION|METHOD|NAME                 0x05 no headers any more
 *   0x06 the peer of the latest exchange goes away                     0x07 a line was too long
 *   0x08 the stream ends                0x0e nobody reads notes        0x0f a rate limit
 * The first byte of all chooses the caller's profiles, whether its ids are shared, and how it ends.
 */
#include "tap.h"

#include "fuzz.h"

/* The harness speaks TAP; here whatever it finds is the end. */
#undef CHECK
#undef REQUIRE
#define CHECK   FUZZ_CHECK
#define REQUIRE FUZZ_CHECK
/* it has more than is needed here */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "mcp_harness.h"

#define MAX_MESSAGES 48
#define MAX_BYTES    16384

static struct slot {
    struct exchange x;
    bool open;
} slots[MAX_MESSAGES + 1];
static size_t slots_len;
static bool limited;

static void check_message(const char *text, size_t n, bool may_be_batch)
{
    FUZZ_CHECK(n > 0 && utf8_valid(text, n) && !memchr(text, '\n', n));
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(v && (json_is_object(v) || (may_be_batch && json_array_size(v) > 0)));
    size_t parts = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < parts; i++) {
        json_t *part = json_is_array(v) ? json_array_get(v, i) : v;
        FUZZ_CHECK(str_eq(json_string_value(json_object_get(part, "jsonrpc")), "2.0"));
        bool says = json_object_get(part, "result") || json_object_get(part, "error");
        FUZZ_CHECK(says != !!json_object_get(part, "method"));
        FUZZ_CHECK(!says || json_object_get(part, "id"));
    }
    json_decref(v);
}

static bool on_note(struct exchange *x, const char *text, size_t n)
{
    FUZZ_CHECK(((struct slot *)x)->open);
    check_message(text, n, false);
    return !deaf;
}

static void on_end(struct exchange *x, enum exchange_outcome outcome,
                   const struct exchange_piece *pieces, size_t n)
{
    struct slot *slot = (struct slot *)x;
    auto_buf struct buf whole = BUF_INIT(0);
    FUZZ_CHECK(slot->open);
    slot->open = false;
    FUZZ_CHECK(n <= EXCHANGE_MAX_PIECES && (n == 0) == (outcome == EXCHANGE_NOTHING));
    FUZZ_CHECK((outcome == EXCHANGE_RATE_LIMITED) <= (x->retry_after_s > 0));
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(buf_add(&whole, pieces[i].data, pieces[i].n, NULL) == 0);
    if (n > 0)
        check_message((const char *)whole.data, whole.len, outcome == EXCHANGE_ANSWER);
}

static const struct exchange_ops ops = {on_note, on_end};

static struct exchange *open_slot(void)
{
    struct slot *slot = &slots[slots_len++];
    *slot = (struct slot){.x = {.ops = &ops}, .open = true};
    return &slot->x;
}

static bool admit(void *ctx, unsigned *ret_retry_after_s)
{
    (void)ctx;
    *ret_retry_after_s = 7;
    return !limited;
}

/* ---- what happens ---- */

static void end_oldest(void)
{
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    static char rule[] = "import";
    static char text[] = "Import 'os' is not allowed";
    struct violation odd = {.line = 1, .column = 2, .rule = rule, .message = text, .remedy = text};
    struct msg_verdict verdict = {
        .outcome = OUTCOME_REFUSED, .violations = &odd, .violations_len = 1};
    if (!fake.first)
        return;
    if (fake.first->req.mode == RUN_VALIDATE) {
        r.worker = NULL;
        r.verdict = &verdict;
        r.category = CATEGORY_SECURITY_VIOLATION;
    }
    fake_end(fake.first, &r);
}

static void print_live(char *text, size_t n)
{
    struct execution *x = fake.first;
    size_t len;
    auto_free char *good = utf8_repair(text, n, &len);
    FUZZ_CHECK(good);
    if (x && x->req.live_output && x->cb->on_output)
        x->cb->on_output(x->ctx, good, len);
}

static void peer_goes(void)
{
    for (size_t i = slots_len; i-- > 0;) {
        if (!slots[i].open)
            continue;
        mcp_exchange_handler.on_gone(client, &slots[i].x);
        slots[i].open = false;
        return;
    }
}

/* VERSION|METHOD|NAME, each of which may be missing. */
static void set_headers(struct message_head *head, char *text)
{
    char *version = strsep(&text, "|");
    char *method = strsep(&text, "|");
    *head = (struct message_head){.has_headers = true};
    head->protocol_version = str_empty(version) ? NULL : version;
    head->method = str_empty(method) ? NULL : method;
    head->name = str_empty(text) ? NULL : text;
}

/* @line is followed by a NUL. */
static void happen(char *line, size_t n, struct message_head *head)
{
    switch (line[0]) {
    case 0x01:
        end_oldest();
        break;
    case 0x02:
        fake_settle();
        break;
    case 0x03:
        print_live(line + 1, n - 1);
        break;
    case 0x04:
        set_headers(head, line + 1);
        break;
    case 0x05:
        *head = (struct message_head){0};
        break;
    case 0x06:
        peer_goes();
        break;
    case 0x07:
        mcp_exchange_handler.on_oversize(client, open_slot(), 4096);
        break;
    case 0x08:
        mcp_exchange_handler.on_stop(client);
        break;
    case 0x0e:
        deaf = !deaf;
        break;
    case 0x0f:
        limited = !limited;
        break;
    default:
        mcp_exchange_handler.on_message(client, open_slot(), head, line, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char text[MAX_BYTES + 1];
    struct message_head head = {0};
    if (n < 1 || n > MAX_BYTES)
        return 0;
    memcpy(text, data + 1, n - 1);
    text[n - 1] = '\0';
    deaf = limited = false;
    slots_len = 0;
    caller = (struct mcp_caller){.name = "fuzz",
                                 .profiles = data[0] & 1 ? PROFILE_ALL : PROFILE_BASIC,
                                 .shared_ids = data[0] & 2,
                                 .admit = data[0] & 4 ? admit : NULL};
    configure(data[0] & 8 ? PROFILE_BASIC | PROFILE_FILESYSTEM : PROFILE_BASIC);
    start_configured();
    char *end = text + n - 1;
    for (char *line = text; line < end && slots_len < MAX_MESSAGES;) {
        char *lf = memchr(line, '\n', (size_t)(end - line));
        char *stop = lf ? lf : end;
        *stop = '\0';
        if (stop > line)
            happen(line, (size_t)(stop - line), &head);
        line = stop + 1;
    }
    /* what is under way is answered by its execution, or silenced with its client */
    if (data[0] & 16) {
        mcp_client_free(client);
        client = NULL;
    }
    finish();
    for (size_t i = 0; i < slots_len; i++)
        FUZZ_CHECK(!slots[i].open);
    return 0;
}
