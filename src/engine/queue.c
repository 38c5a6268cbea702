/* Who is next: see struct queue in internal.h. Runs in the server. A client that sends a thousand
 * programs delays its own, not those of others. */
#include "engine/internal.h"

#include <string.h>

void queue_init(struct queue *q)
{
    TAILQ_INIT(&q->turn);
    q->len = 0;
}

static struct client *client_find(struct queue *q, const char *name)
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

int queue_push(struct queue *q, struct execution *x, bool first, struct err *err)
{
    struct client *c = client_find(q, x->req.client);
    if (!c)
        c = client_new(q, x->req.client);
    if (!c)
        return err_nomem(err);
    if (first) {
        TAILQ_INSERT_HEAD(&c->waiting, x, link);
        TAILQ_REMOVE(&q->turn, c, link);
        TAILQ_INSERT_HEAD(&q->turn, c, link);
    } else {
        TAILQ_INSERT_TAIL(&c->waiting, x, link);
    }
    x->client = c;
    q->len++;
    return 0;
}

void queue_remove(struct queue *q, struct execution *x)
{
    struct client *c = x->client;
    TAILQ_REMOVE(&c->waiting, x, link);
    x->client = NULL;
    q->len--;
    if (TAILQ_EMPTY(&c->waiting)) {
        TAILQ_REMOVE(&q->turn, c, link);
        free(c->name);
        free(c);
    }
}

struct execution *queue_pop(struct queue *q)
{
    struct client *c = TAILQ_FIRST(&q->turn);
    if (!c)
        return NULL;
    TAILQ_REMOVE(&q->turn, c, link);
    TAILQ_INSERT_TAIL(&q->turn, c, link);
    struct execution *x = TAILQ_FIRST(&c->waiting);
    queue_remove(q, x);
    return x;
}
