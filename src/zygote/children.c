/* Table of living workers: see children.h. Runs in the zygote. A few dozen at most: a plain array.
 */
#include "zygote/children.h"

#include <stdlib.h>

int children_add(struct children *c, uint64_t id, pid_t pid, struct err *err)
{
    if (c->len == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 32;
        struct child *items = reallocarray(c->items, cap, sizeof(*items));
        if (!items)
            return err_nomem(err);
        c->items = items;
        c->cap = cap;
    }
    c->items[c->len++] = (struct child){.id = id, .pid = pid};
    return 0;
}

pid_t children_pid(const struct children *c, uint64_t id)
{
    for (size_t i = 0; i < c->len; i++)
        if (c->items[i].id == id)
            return c->items[i].pid;
    return 0;
}

int children_remove(struct children *c, pid_t pid, uint64_t *ret_id)
{
    for (size_t i = 0; i < c->len; i++) {
        if (c->items[i].pid != pid)
            continue;
        *ret_id = c->items[i].id;
        c->items[i] = c->items[--c->len];
        return 1;
    }
    return 0;
}
