/* Messages between processes: the server decodes what zygotes and workers send, and those may have
 * been taken over. Whatever a decoder accepts must be what the encoder writes, byte for byte. */
#include <string.h>

#include "fuzz.h"
#include "wire/msg.h"

/* One decoder and its encoder: 1 and what was understood, encoded again, in @out. */
#define TRY(name)                                                                                  \
    {                                                                                              \
        struct msg_##name m = {0};                                                                 \
        if (msg_get_##name(body, n, &m, err) < 0)                                                  \
            return 0;                                                                              \
        msg_put_##name(out, &m);                                                                   \
        msg_##name##_done(&m);                                                                     \
        msg_##name##_done(&m); /* and once more: a released one is empty */                        \
        return 1;                                                                                  \
    }

static int again_id(enum msg_type type, const void *body, size_t n, struct wire_out *out,
                    struct err *err)
{
    uint64_t id;
    if (msg_get_id(body, n, &id, err) < 0)
        return 0;
    msg_put_id(out, type, id);
    return 1;
}

/* The encoder shortens and repairs texts, so that only what it wrote itself comes back the same. */
static int again_text(enum msg_type type, const void *body, size_t n, struct err *err)
{
    struct msg_text m = {0};
    struct msg_text m2 = {0};
    if (msg_get_text(body, n, &m, err) < 0)
        return 0;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_text(&out, type, m.id, m.text);
    FUZZ_CHECK(!out.bad && msg_get_text(out.buf.data, out.buf.len, &m2, err) == 0);
    FUZZ_CHECK(m.id == m2.id && utf8_valid(m2.text, strlen(m2.text)));
    msg_text_done(&m);
    msg_text_done(&m2);
    return 0;
}

static int again(enum msg_type type, const void *body, size_t n, struct wire_out *out,
                 struct err *err)
{
    switch (type) {
    case MSG_LAUNCH:
        TRY(launch)
    case MSG_LAUNCHED:
        TRY(launched)
    case MSG_GONE:
        TRY(gone)
    case MSG_HELLO:
        TRY(hello)
    case MSG_PROOF:
        TRY(proof)
    case MSG_READY:
        TRY(ready)
    case MSG_EXITED:
        TRY(exited)
    case MSG_WARM:
        TRY(warm)
    case MSG_EVENT:
        TRY(event)
    case MSG_RESULT:
        TRY(result)
    case MSG_VERDICT:
        TRY(verdict)
    case MSG_RUN:
        TRY(run)
    case MSG_LAUNCH_FAILED:
    case MSG_SPAWN_FAILED:
    case MSG_FATAL:
        return again_text(type, body, n, err);
    default:
        return again_id(type, body, n, out, err);
    }
}

/* Only the one channel of its table row lets a message in. */
static void check_channels(const void *body, size_t n, const struct msg_rule *rule)
{
    int let_in = 0;
    for (int from = PEER_SERVER; from <= PEER_WORKER; from++)
        for (int to = PEER_SERVER; to <= PEER_WORKER; to++)
            let_in +=
                msg_check(body, n, rule->fds, (enum msg_peer)from, (enum msg_peer)to, 0, NULL) >= 0;
    FUZZ_CHECK(let_in <= 1);
    FUZZ_CHECK(msg_check(body, n, rule->fds + 1u, rule->from, rule->to, 0, NULL) < 0);
}

static void check_body(const uint8_t *body, size_t n)
{
    struct err err = ERR_INIT;
    const struct msg_rule *rule = n > 0 && body[0] < MSG_TYPES ? &msg_rules[body[0]] : NULL;
    if (!rule || !rule->name) {
        FUZZ_CHECK(msg_check(body, n, 0, PEER_WORKER, PEER_SERVER, 0, &err) < 0);
        return;
    }
    check_channels(body, n, rule);
    int type = msg_check(body, n, rule->fds, rule->from, rule->to, 0, &err);
    FUZZ_CHECK((type < 0) == (n > rule->max_body));
    if (type < 0)
        return;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    int understood = again((enum msg_type)type, body, n, &out, &err);
    FUZZ_CHECK(err.code == ERR_NONE || err.code == ERR_PROTO);
    if (understood)
        FUZZ_CHECK(!out.bad && out.buf.len == n && memcmp(out.buf.data, body, n) == 0);
}

/* A worker's stream: frames until there is no whole one. */
static void check_stream(const uint8_t *data, size_t n)
{
    auto_buf struct buf in = BUF_INIT(0);
    FUZZ_CHECK(buf_add(&in, data, n, NULL) == 0);
    const uint8_t *body;
    size_t len;
    struct err err = ERR_INIT;
    while (msg_unframe(&in, 4096, &body, &len, &err) == 1) {
        FUZZ_CHECK(len > 0 && len <= 4096 && body >= in.data && body + len <= in.data + in.len);
        check_body(body, len);
        buf_consume(&in, MSG_FRAME_HEADER + len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t nothing[1];
    data = n ? data : nothing;
    check_body(data, n);
    check_stream(data, n);
    return 0;
}
