/* Listening sockets: opened before the server seals itself, accepted from ever after. Runs in the
 * server.
 *
 * Options that connections shall have are set on the listening socket, from which Linux copies
 * them: so an accepted connection costs one system call. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "http/internal.h"
#include "sys/fd.h"

#define BACKLOG       1024
#define ACCEPT_BURST  64  /* connections in one turn of the loop */
#define BACK_OFF_MS   100 /* when descriptors or memory have run out */
#define PORT_ATTEMPTS 16  /* to find one that is free in both families */

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* ---- opening ---- */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

/* A vanished peer of an idle stream is found out after two minutes. */
static int set_options(int fd, int family)
{
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
        (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0))
        return -1;
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
    return 0;
}

static void describe(const union address *a, unsigned port, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool v6 = a->sa.sa_family == AF_INET6;
    inet_ntop(a->sa.sa_family, v6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr, text,
              sizeof(text));
    snprintf(out, size, v6 ? "[%s]:%u" : "%s:%u", text, port);
}

static const char *remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; another program listens there: choose another port";
    case EACCES:
    case EPERM:
        return "; ports below 1024 need a privilege: choose a higher one";
    case EADDRNOTAVAIL:
        return "; this machine does not have that address";
    default:
        return "";
    }
}

static int open_one(const union address *a, int *ret_fd, unsigned *ret_port, struct err *err)
{
    char name[80];
    union address bound = *a;
    socklen_t len = a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
    describe(a, ntohs(a->sa.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port), name,
             sizeof(name));
    auto_close int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || set_options(fd, a->sa.sa_family) < 0 || bind(fd, &a->sa, len) < 0 ||
        listen(fd, BACKLOG) < 0 || getsockname(fd, &bound.sa, &len) < 0) {
        int error = errno;
        err_set(err, ERR_SYS, "cannot listen on %s", name);
        size_t used = err ? strlen(err->text) : 0;
        if (err)
            snprintf(err->text + used, sizeof(err->text) - used, "%s", remedy(error));
        errno = error;
        return -1;
    }
    *ret_port = ntohs(a->sa.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    *ret_fd = take_fd(&fd);
    return 0;
}

struct wanted {
    union address addresses[HTTP_MAX_LISTENERS];
    size_t n;
    bool second_is_optional; /* where the machine has no IPv6 */
};

static void want(struct wanted *w, int family, const void *address)
{
    union address *a = &w->addresses[w->n++];
    *a = (union address){.sa.sa_family = (sa_family_t)family};
    if (family == AF_INET)
        memcpy(&a->v4.sin_addr, address, sizeof(a->v4.sin_addr));
    else
        memcpy(&a->v6.sin6_addr, address, sizeof(a->v6.sin6_addr));
}

static int parse(const char *text, struct wanted *ret, struct err *err)
{
    static const struct in_addr any4;
    struct in_addr loop4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    char plain[64];
    size_t n = strlen(text);
    bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
    snprintf(plain, sizeof(plain), "%.*s", (int)(bracketed ? n - 2 : n), text + bracketed);
    struct in_addr v4;
    struct in6_addr v6;
    if (str_eq(text, "localhost") || str_eq(plain, "*") || str_eq(plain, "::")) {
        bool local = str_eq(text, "localhost");
        want(ret, AF_INET, local ? &loop4 : &any4);
        want(ret, AF_INET6, local ? &in6addr_loopback : &in6addr_any);
        ret->second_is_optional = true;
    } else if (!bracketed && inet_pton(AF_INET, plain, &v4) == 1) {
        want(ret, AF_INET, &v4);
    } else if (inet_pton(AF_INET6, plain, &v6) == 1) {
        want(ret, AF_INET6, &v6);
    } else {
        return err_set(
            err, ERR_INVALID,
            "cannot listen on \"%s\": give a numeric address such as 127.0.0.1 or ::1, or "
            "localhost, or * for all addresses",
            text);
    }
    return 0;
}

static bool lacks_family(const struct err *err)
{
    return err->sys_errno == EAFNOSUPPORT || err->sys_errno == EADDRNOTAVAIL;
}

/* Open all that is wanted on one port; *retry: the port that the kernel chose for the first is
 * taken in the other family. */
static int open_all(const struct wanted *w, uint16_t port, int fds[HTTP_MAX_LISTENERS],
                    size_t *ret_n, unsigned *ret_port, bool *retry, struct err *err)
{
    unsigned chosen = port;
    size_t n = 0;
    *retry = false;
    for (size_t i = 0; i < w->n; i++) {
        union address a = w->addresses[i];
        struct err why = ERR_INIT;
        /* at the same place in both structures */
        a.v4.sin_port = htons((uint16_t)chosen);
        if (open_one(&a, &fds[n], &chosen, &why) == 0) {
            n++;
            continue;
        }
        if (i == 1 && w->second_is_optional && lacks_family(&why))
            continue;
        *retry = i == 1 && port == 0 && why.sys_errno == EADDRINUSE;
        while (n > 0)
            fd_close(&fds[--n]);
        *err = why;
        return -1;
    }
    *ret_n = n;
    *ret_port = chosen;
    return 0;
}

/* ---- accepting ---- */

static void pause_accepting(struct http_server *s)
{
    struct timeval tv = {.tv_usec = BACK_OFF_MS * 1000};
    for (size_t i = 0; i < s->n_listeners; i++)
        event_del(&s->listeners[i].ev);
    event_add(&s->accept_again, &tv);
}

static void on_accept_again(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct http_server *s = arg;
    for (size_t i = 0; i < s->n_listeners; i++)
        event_add(&s->listeners[i].ev, NULL);
}

static void on_acceptable(evutil_socket_t fd, short what _unused_, void *arg)
{
    struct listener *l = arg;
    struct http_server *s = l->server;
    for (int i = 0; i < ACCEPT_BURST && s->n_listeners > 0; i++) {
        union address peer = {0};
        socklen_t len = sizeof(peer);
        int conn = accept4(fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn >= 0) {
            conn_accept(s, conn, &peer.sa);
            continue;
        }
        /* The queue stays full, and so the socket readable: without a pause this would spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(s);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static int watch(struct http_server *s, int fd, struct err *err)
{
    struct listener *l = &s->listeners[s->n_listeners++];
    *l = (struct listener){.fd = fd, .server = s};
    event_assign(&l->ev, s->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
    return event_add(&l->ev, NULL) < 0 ? err_nomem(err) : 0;
}

static void add_url(struct http_server *s, const union address *a)
{
    char name[80];
    size_t used = strlen(s->urls);
    describe(a, s->port, name, sizeof(name));
    snprintf(s->urls + used, sizeof(s->urls) - used, "%s%s://%s", used ? " " : "",
             s->tls ? "https" : "http", name);
}

int http_listen(struct http_server *s, const char *address, uint16_t port, struct err *err)
{
    struct wanted w = {0};
    int fds[HTTP_MAX_LISTENERS] = {-1, -1};
    size_t n = 0;
    bool retry = true;
    struct err why = ERR_INIT;
    if (parse(address, &w, err) < 0)
        return -1;
    evtimer_assign(&s->accept_again, s->base, on_accept_again, s);
    for (int i = 0; i < PORT_ATTEMPTS && retry; i++)
        open_all(&w, port, fds, &n, &s->port, &retry, &why);
    if (n == 0) {
        if (err)
            *err = why;
        return -1;
    }
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        r |= watch(s, fds[i], err);
        add_url(s, &w.addresses[i]);
    }
    return r;
}

void http_unlisten(struct http_server *s)
{
    if (s->n_listeners == 0)
        return;
    event_del(&s->accept_again);
    while (s->n_listeners > 0) {
        struct listener *l = &s->listeners[--s->n_listeners];
        event_del(&l->ev);
        fd_close(&l->fd);
    }
}
