/* The spec: what init writes into a memory file and the zygote reads from JAIL_FD_SPEC. Written by
 * init before anything hostile exists and sealed, so it is trusted; the decoder is strict all the
 * same, because a half-understood spec would mean a half-built jail. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail/internal.h"
#include "sys/fd.h"

#define MAX_SPEC     (1024 * 1024)
#define MAX_READABLE 2048
#define MAX_PROGRAM  (BPF_MAXINSNS * sizeof(struct sock_filter))

void jail_handover_done(struct jail_handover *h)
{
    if (!h)
        return;
    strv_done(&h->readable);
    free(h->report.insns);
    free(h->worker.insns);
    free(h->worker_quiet.insns);
    *h = (struct jail_handover){0};
}

static void put_filter(struct wire_out *out, const struct jail_filter *f)
{
    wire_put_bytes(out, f->insns, f->len * sizeof(struct sock_filter));
}

static void get_filter(struct wire_in *in, struct jail_filter *ret)
{
    size_t n;
    const uint8_t *p = wire_get_bytes(in, MAX_PROGRAM, &n);
    if (in->bad || n == 0)
        return;
    ret->insns = malloc(n);
    if (!ret->insns || n % sizeof(struct sock_filter) != 0) {
        in->bad = true;
        return;
    }
    memcpy(ret->insns, p, n);
    ret->len = n / sizeof(struct sock_filter);
}

int spec_write(const struct msg_launch *launch, const struct jail_handover *handover, int *ret_fd,
               struct err *err)
{
    auto_wire_out struct wire_out body = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MAX_SPEC);
    msg_put_launch(&body, launch);
    wire_put_bytes(&out, body.buf.data, body.buf.len);
    wire_put_u32(&out, handover->isolation);
    wire_put_str(&out, handover->note);
    wire_put_strv(&out, &handover->readable);
    put_filter(&out, &handover->report);
    put_filter(&out, &handover->worker);
    put_filter(&out, &handover->worker_quiet);
    if (body.bad || out.bad)
        return err_set(err, ERR_LIMIT, "the launch specification is too large");
    return memfd_new("vivarium-spec", out.buf.data, out.buf.len, true, ret_fd, err);
}

static int decode(const uint8_t *data, size_t n, struct msg_launch *ret_launch,
                  struct jail_handover *ret, struct err *err)
{
    struct wire_in in = wire_in_init(data, n);
    size_t body_len;
    const uint8_t *body = wire_get_bytes(&in, MSG_MAX_DATAGRAM, &body_len);
    ret->isolation = wire_get_u32(&in);
    char *note = wire_get_str(&in, sizeof(ret->note) - 1);
    if (note)
        memcpy(ret->note, note, strlen(note) + 1);
    free(note);
    wire_get_strv(&in, MAX_READABLE, 4096, &ret->readable);
    get_filter(&in, &ret->report);
    get_filter(&in, &ret->worker);
    get_filter(&in, &ret->worker_quiet);
    if (wire_end(&in, "launch specification", err) < 0)
        return -1;
    if (ret->isolation != ISOLATION_NAMESPACES && ret->isolation != ISOLATION_LANDLOCK)
        return err_set(err, ERR_PROTO, "launch specification with isolation %u", ret->isolation);
    if (!ret->worker_quiet.len || (ret->report.len && !ret->worker.len))
        return err_set(err, ERR_PROTO, "launch specification without seccomp programs");
    return msg_get_launch(body, body_len, ret_launch, err);
}

int spec_read(int fd, struct msg_launch *ret_launch, struct jail_handover *ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "launch specification");
    if (st.st_size <= 0 || st.st_size > MAX_SPEC)
        return err_set(err, ERR_PROTO, "launch specification of %lld bytes", (long long)st.st_size);
    size_t n = (size_t)st.st_size;
    auto_free uint8_t *data = malloc(n);
    if (!data)
        return err_nomem(err);
    ssize_t got = pread(fd, data, n, 0);
    if (got < 0 || (size_t)got != n)
        return err_set(err, ERR_SYS, "read the launch specification");
    struct jail_handover h = {0};
    if (decode(data, n, ret_launch, &h, err) < 0) {
        jail_handover_done(&h);
        return -1;
    }
    *ret = h;
    return 0;
}

int jail_read_spec(struct msg_launch *ret_launch, struct jail_handover *ret, struct err *err)
{
    return spec_read(JAIL_FD_SPEC, ret_launch, ret, err);
}
