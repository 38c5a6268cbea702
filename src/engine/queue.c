/* Who is next: see struct queue in internal.h. Runs in the server. A client that sends a thousand
 * programs delays its own, not those of others. */
#include "engine/internal.h"

#include <string.h>

void queue_init(struct queue *q)
{
    TAILQ_INIT(&q->turn);
    q->len = 0;
}

static struct client *client_find(const struct queue *q, const char *name)
{
    struct client *c;
    TAILQ_FOREACH(c, &q->turn, link) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static struct client *client_new(struct queue *q, const char *name)
{
    struct client *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->name = strdup(name);
    if (!c->name) {
        free(c);
        return NULL;
    }
    TAILQ_INIT(&c->waiting);
    TAILQ_INSERT_TAIL(&q->turn, c, link);
    return c;
}

int queue_push(struct queue *q, struct execution *x, struct err *err)
{
    struct client *c = client_find(q, x->req.client);
    if (!c)
        c = client_new(q, x->req.client);
    if (!c)
        return err_nomem(err);
    TAILQ_INSERT_TAIL(&c->waiting, x, link);
    c->waiting_len++;
    x->client = c;
    x->waits = true;
    q->len++;
    return 0;
}

static void stop_waiting(struct queue *q, struct execution *x)
{
    TAILQ_REMOVE(&x->client->waiting, x, link);
    x->client->waiting_len--;
    x->waits = false;
    q->len--;
}

void queue_leave(struct queue *q, struct execution *x)
{
    struct client *c = x->client;
    if (!c)
        return;
    if (x->waits)
        stop_waiting(q, x);
    else
        c->running--;
    x->client = NULL;
    if (c->waiting_len == 0 && c->running == 0) {
        TAILQ_REMOVE(&q->turn, c, link);
        free(c->name);
        free(c);
    }
}

struct execution *queue_pop(struct queue *q, unsigned each)
{
    struct client *next = NULL;
    struct client *c;
    TAILQ_FOREACH(c, &q->turn, link) {
        if (c->waiting_len > 0 && c->running < each && (!next || c->running < next->running))
            next = c;
    }
    if (!next)
        return NULL;
    TAILQ_REMOVE(&q->turn, next, link);
    TAILQ_INSERT_TAIL(&q->turn, next, link);
    struct execution *x = TAILQ_FIRST(&next->waiting);
    stop_waiting(q, x);
    next->running++;
    return x;
}

void queue_put_back(struct queue *q, struct execution *x)
{
    struct client *c = x->client;
    c->running--;
    TAILQ_INSERT_HEAD(&c->waiting, x, link);
    c->waiting_len++;
    x->waits = true;
    q->len++;
    TAILQ_REMOVE(&q->turn, c, link);
    TAILQ_INSERT_HEAD(&q->turn, c, link);
}

unsigned queue_waiting(const struct queue *q, const char *client)
{
    const struct client *c = client_find(q, client);
    return c ? c->waiting_len : 0;
}

struct execution *queue_most_crowded(const struct queue *q, unsigned than)
{
    const struct client *most = NULL;
    const struct client *c;
    TAILQ_FOREACH(c, &q->turn, link) {
        if (c->waiting_len > (most ? most->waiting_len : than))
            most = c;
    }
    return most ? TAILQ_LAST(&most->waiting, execution_list) : NULL;
}
