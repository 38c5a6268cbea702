/* Shared by the files of this room only. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "http/carrier.h"
#include "http/guard.h"
#include "http/http.h"
#include "http/tally.h"

#define HTTP_MS           1000000ull       /* in ns */
#define HTTP_POLL_NS      (1000 * HTTP_MS) /* to ask whether a peer whose input is not read has gone */
#define HTTP_LINGER_MS    2000             /* to read the answer, after it was written */
#define HTTP_LINGER_BYTES (16 * 1024 * 1024) /* of input thrown away meanwhile */
#define HTTP_HELD_BYTES   (64 * 1024)        /* read ahead, while a request is under way */
#define HTTP_UNSENT_HIGH  (64 * 1024)        /* no next request while more than this is unsent */
#define HTTP_BURST        32   /* requests of one connection in one turn of the loop */
#define HTTP_MIN_PROGRESS 4096 /* bytes a peer must take in write_ms, unless all */

/* Where a connection is. */
enum conn_phase {
    CONN_READING, /* idle, or a request is coming */
    CONN_JUDGED,  /* inside on_head */
    CONN_BUSY,    /* a request is handed out, not answered, no stream begun */
    CONN_STREAM,  /* likewise, and its stream has begun */
    CONN_LINGER,  /* the last answer is on its way; input is thrown away */
    CONN_DEAD,    /* waits to be freed */
};

/* One connection. It has at most one request at a time, and so is the request too. */
struct http_request {
    struct http_server *server; /* NULL: freed; the request is still somebody's to answer */
    TAILQ_ENTRY(http_request) link;
    TAILQ_ENTRY(http_request) turn_link;
    struct carrier *carrier;
    struct guard guard;
    enum conn_phase phase;
    bool waits_turn; /* is in server->turns */
    bool processing; /* process() is on the stack */
    bool closes;     /* the connection ends after this answer */
    bool no_more;    /* end of input has been seen */
    bool open;       /* handed out and not ended */
    bool busy;       /* likewise, and counted as such */
    bool in_chunks;  /* of the stream */
    bool over_tls;
    bool known;   /* it has proven who it is */
    bool counted; /* in the tally and among the connections */
    struct buf body;
    size_t buffered; /* of both, counted in the server's statistics */
    struct buf held; /* input that came while a request was under way */
    size_t unsent;   /* counted in server->unsent */
    struct event timer;
    uint64_t timer_at; /* when the timer goes off; 0 = unarmed */
    uint64_t started;  /* when the first byte of the request came; 0: none yet */
    uint64_t deadline; /* of the phase; 0 = none */
    uint64_t write_deadline;
    uint64_t written_before;
    size_t discarded;
    char *query; /* inside the guard's head; NULL: none */
    http_gone_fn *on_gone;
    http_half_close_fn *on_half_close;
    void *on_gone_ctx;
    struct tally_key key;
    char peer[INET6_ADDRSTRLEN];
    bool loopback;
};
TAILQ_HEAD(conn_list, http_request);

struct listener {
    int fd;
    struct event ev;
    struct http_server *server;
};

#define HTTP_MAX_LISTENERS 2

struct http_server {
    struct event_base *base;
    struct http_limits limits;
    http_request_fn *on_request;
    http_head_fn *on_head;
    void *ctx;
    struct ssl_ctx_st *tls;
    struct listener listeners[HTTP_MAX_LISTENERS];
    size_t n_listeners;
    struct event accept_again; /* after descriptors ran out */
    unsigned port;
    char urls[160];
    bool draining;
    struct conn_list conns;   /* with a socket, in the order of their last answer or accept */
    struct conn_list orphans; /* without, waiting for whoever still has to answer */
    struct conn_list turns;   /* dead ones to free, others to go on with */
    struct event turn;
    struct tally tally;
    struct http_stats stats;
    size_t unsent;
    struct buf head; /* of the answer being made */
    uint64_t date_s; /* what `date` says */
    char date[32];
    uint8_t *scratch;
};

/* listen.c */
int http_listen(struct http_server *s, const char *address, uint16_t port, struct err *err);
void http_unlisten(struct http_server *s);

/* tls.c. NULL: @err tells what is wrong with which file. */
struct ssl_ctx_st *http_tls_new(const char *cert_file, const char *key_file, struct err *err);
void http_tls_free(struct ssl_ctx_st *tls);
/* What clients will not like about the certificate; NULL: nothing, or no TLS. Static. */
const char *http_tls_problem(struct ssl_ctx_st *tls);

/* conn.c. Takes @fd over. */
void conn_accept(struct http_server *s, int fd, const struct sockaddr *addr);
/* Refuse what has come of a request, and end the connection. */
void conn_refuse(struct http_request *r, unsigned status, const char *reason);
/* Look at what is held. */
void conn_go_on(struct http_request *r);

/* conn_life.c */
void conn_set_deadline(struct http_request *r, uint64_t now, uint64_t after_ns);
void conn_on_timer(evutil_socket_t fd, short what, void *arg);
/* Be looked at in this turn of the loop, but not from here. */
void conn_take_turn(struct http_request *r);
/* Go on with those that wait for a turn, and free the dead. */
void conn_turns(struct http_server *s);
void conn_count_unsent(struct http_request *r);
/* Hold @more bytes of input; false: all connections together hold too much. */
bool conn_count_buffered(struct http_request *r, size_t more);
void conn_uncount_buffered(struct http_request *r);
/* Too much is unsent for another request to be looked at. */
bool conn_is_stalled(const struct http_request *r);
/* End the connection; the next turn frees it, and tells on_gone if a request is open. */
void conn_drop(struct http_request *r);
/* on_gone was set on a request whose connection had gone already: tell it at the next turn. */
void conn_tell_gone(struct http_request *r);
/* Nothing more is to be said: let the peer read the last answer, then close. */
void conn_linger(struct http_request *r, uint64_t now);
/* The peer has sent all it will send, or is gone. */
void conn_input_ended(struct http_request *r);
/* Close the connection that can be spared most, of @key only unless NULL. False: there is none. */
bool conn_displace(struct http_server *s, const struct tally_key *key);
/* It takes no place any more. */
void conn_uncount(struct http_request *r);
/* End it if nothing is under way. */
void conn_drain(struct http_request *r);
/* The request has been answered to its last byte, as far as this room is concerned. May free it. */
void conn_answered(struct http_request *r);
/* After something was given to the carrier: watch that the peer takes it. */
void conn_sent(struct http_request *r);

/* answer.c: one sentence, then the end of the connection. */
void answer_refusal(struct http_request *r, unsigned status, const char *reason);
void answer_continue(struct http_request *r);
extern const char answer_too_many[]; /* all of a 503, for a peer that gets no connection */

#endif
