/* The store of artifacts: see artifacts.h. Runs in the server. Names, types and bytes come from
 * programs, URIs and owners' names from clients.
 *
 * Each owner has a list of its own, oldest first, and an owner without artifacts is forgotten; so a
 * search walks through one caller's things only. All artifacts live equally long, so the oldest of
 * an owner is also the next to end; one timer ends them. */
#include "artifacts/artifacts.h"

#include <string.h>
#include <sys/queue.h>

#include "artifacts/internal.h"
#include "base/str.h"
#include "sys/clock.h"

#define OVERHEAD_BYTES 512 /* what keeping the smallest one costs, about */

TAILQ_HEAD(item_list, item);
LIST_HEAD(owner_list, owner);

struct item {
    TAILQ_ENTRY(item) link; /* in owner.items */
    char id[UUID_TEXT_LEN + 1];
    char *name, *mime;
    uint8_t *bytes;
    size_t len;
    uint64_t seq, ends_ns;
};

struct owner {
    LIST_ENTRY(owner) link; /* in artifacts.owners */
    char *name;
    struct item_list items; /* oldest first; never empty between calls */
    uint64_t bytes;
};

struct artifacts {
    struct artifacts_limits limits;
    struct owner_list owners;
    uint64_t bytes;
    size_t count;
    uint64_t next_seq;
    struct loop_timer *timer;
    bool armed;
};

static uint64_t cost(const struct item *i)
{
    return OVERHEAD_BYTES + i->len;
}

/* ---- taking away ---- */

static void item_free(struct item *i)
{
    if (!i)
        return;
    free(i->name);
    free(i->mime);
    free(i->bytes);
    free(i);
}

static void drop(struct artifacts *a, struct owner *o, struct item *i)
{
    TAILQ_REMOVE(&o->items, i, link);
    o->bytes -= cost(i);
    a->bytes -= cost(i);
    a->count--;
    item_free(i);
}

static void forget_if_empty(struct owner *o)
{
    if (!TAILQ_EMPTY(&o->items))
        return;
    LIST_REMOVE(o, link);
    free(o->name);
    free(o);
}

static void arm(struct artifacts *a)
{
    uint64_t first = UINT64_MAX;
    struct owner *o;
    LIST_FOREACH(o, &a->owners, link)
        first = MIN(first, TAILQ_FIRST(&o->items)->ends_ns);
    a->armed = first != UINT64_MAX;
    if (!a->armed)
        return;
    uint64_t now = clock_mono_ns();
    loop_timer_arm(a->timer, first > now ? first - now : 0);
}

static void on_timer(void *ctx)
{
    struct artifacts *a = ctx;
    uint64_t now = clock_mono_ns();
    struct owner *next;
    for (struct owner *o = LIST_FIRST(&a->owners); o; o = next) {
        next = LIST_NEXT(o, link);
        struct item *i;
        while ((i = TAILQ_FIRST(&o->items)) && i->ends_ns <= now)
            drop(a, o, i);
        forget_if_empty(o);
    }
    arm(a);
}

/* Make room for @bytes of @for_whom, at the cost of whoever takes most, itself included. */
static void make_room(struct artifacts *a, const struct owner *for_whom, uint64_t bytes)
{
    while (a->bytes + bytes > a->limits.max_bytes || a->count >= ARTIFACTS_MAX) {
        struct owner *most = NULL;
        uint64_t most_bytes = 0;
        struct owner *o;
        LIST_FOREACH(o, &a->owners, link) {
            uint64_t has = o->bytes + (o == for_whom ? bytes : 0);
            if (TAILQ_EMPTY(&o->items) || has <= most_bytes)
                continue;
            most = o;
            most_bytes = has;
        }
        if (!most)
            return;
        drop(a, most, TAILQ_FIRST(&most->items));
        if (most != for_whom)
            forget_if_empty(most);
    }
}

/* ---- looking ---- */

static struct owner *find_owner(const struct artifacts *a, const char *name)
{
    struct owner *o;
    LIST_FOREACH(o, &a->owners, link) {
        if (strcmp(o->name, name) == 0)
            return o;
    }
    return NULL;
}

static struct item *find_item(struct owner *o, const char *id, const char *name)
{
    struct item *i;
    TAILQ_FOREACH(i, &o->items, link) {
        if (strcmp(i->id, id) == 0 && strcmp(i->name, name) == 0)
            return i;
    }
    return NULL;
}

/* -1: its time is over, though the timer has not come to it. */
static int show(const struct item *i, struct artifact *ret)
{
    uint64_t now = clock_mono_ns();
    if (!i || i->ends_ns <= now)
        return -1;
    *ret = (struct artifact){.execution_id = i->id,
                             .name = i->name,
                             .mime = i->mime,
                             .bytes = i->bytes,
                             .len = i->len,
                             .seq = i->seq,
                             .left_ns = i->ends_ns - now};
    return 0;
}

int artifacts_find(struct artifacts *a, const char *owner, const char *uri, struct artifact *ret)
{
    char id[UUID_TEXT_LEN + 1];
    char name[ARTIFACT_MAX_NAME + 1];
    struct owner *o = find_owner(a, owner);
    if (!o || !uri_split(uri, id, name))
        return -1;
    return show(find_item(o, id, name), ret);
}

int artifacts_next(struct artifacts *a, const char *owner, uint64_t seq, struct artifact *ret)
{
    struct owner *o = find_owner(a, owner);
    struct item *i = o ? TAILQ_FIRST(&o->items) : NULL;
    while (i && (i->seq <= seq || show(i, ret) < 0))
        i = TAILQ_NEXT(i, link);
    return i ? 0 : -1;
}

/* ---- putting ---- */

static bool is_uuid(const char *s)
{
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !s[i] || !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return s[UUID_TEXT_LEN] == '\0';
}

/* A relative path without tricks: what a client may use as a file name when it saves it. */
static bool is_path(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > ARTIFACT_MAX_NAME || !utf8_valid(s, n))
        return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
            return false;
    for (const char *p = s; p; p = strchr(p, '/'), p = p ? p + 1 : NULL) {
        size_t part = strcspn(p, "/");
        if (part == 0 || (part == 1 && p[0] == '.') || (part == 2 && p[0] == '.' && p[1] == '.'))
            return false;
    }
    return true;
}

/* type/subtype, without parameters (RFC 6838, section 4.2) */
static bool is_mime(const char *s)
{
    size_t slashes = 0;
    size_t n = strlen(s);
    for (const char *p = s; *p; p++) {
        bool alnum =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        slashes += *p == '/';
        if (!alnum && !strchr("!#$&-^_.+/", *p))
            return false;
    }
    return slashes == 1 && n <= 127 && s[0] != '/' && s[n - 1] != '/';
}

static int check(const struct artifacts *a, struct owner *o, const char *id, const char *name,
                 const char *mime, size_t len, struct err *err)
{
    unsigned of_execution = 0;
    struct item *i;
    if (!is_uuid(id))
        return err_set(err, ERR_INVALID, "an execution id must be a UUID");
    if (!is_path(name))
        return err_set(err, ERR_INVALID,
                       "an artifact's name must be a relative path of at most %d bytes, without "
                       "control characters, backslashes and ..",
                       ARTIFACT_MAX_NAME);
    if (!is_mime(mime))
        return err_set(err, ERR_INVALID, "an artifact's media type must be like image/png");
    if (len > SIZE_MAX - OVERHEAD_BYTES || len + OVERHEAD_BYTES > a->limits.max_bytes)
        return err_set(err, ERR_LIMIT, "larger than all room for artifacts");
    if (o && find_item(o, id, name))
        return err_set(err, ERR_INVALID, "the execution has an artifact of this name already");
    if (o)
        TAILQ_FOREACH(i, &o->items, link)
            of_execution += strcmp(i->id, id) == 0;
    if (of_execution >= a->limits.per_execution)
        return err_set(err, ERR_LIMIT, "more than %u artifacts of one execution",
                       a->limits.per_execution);
    return 0;
}

static struct owner *owner_new(struct artifacts *a, const char *name)
{
    struct owner *o = calloc(1, sizeof(*o));
    if (!o || !(o->name = strdup(name))) {
        free(o);
        return NULL;
    }
    TAILQ_INIT(&o->items);
    LIST_INSERT_HEAD(&a->owners, o, link);
    return o;
}

static struct item *item_new(const char *id, const char *name, const char *mime, const void *bytes,
                             size_t len)
{
    struct item *i = calloc(1, sizeof(*i));
    if (!i)
        return NULL;
    memcpy(i->id, id, UUID_TEXT_LEN);
    i->name = strdup(name);
    i->mime = strdup(mime);
    i->bytes = malloc(len > 0 ? len : 1);
    i->len = len;
    if (!i->name || !i->mime || !i->bytes) {
        item_free(i);
        return NULL;
    }
    if (len > 0)
        memcpy(i->bytes, bytes, len);
    return i;
}

int artifacts_put(struct artifacts *a, const char *owner, const char *execution_id,
                  const char *name, const char *mime, const void *bytes, size_t len,
                  struct err *err)
{
    struct owner *o = find_owner(a, owner);
    if (check(a, o, execution_id, name, mime, len, err) < 0)
        return -1;
    struct item *i = item_new(execution_id, name, mime, bytes, len);
    if (!o && i)
        o = owner_new(a, owner);
    if (!i || !o) {
        item_free(i);
        return err_nomem(err);
    }
    make_room(a, o, cost(i));
    i->seq = ++a->next_seq;
    i->ends_ns = clock_mono_ns() + a->limits.ttl_ns;
    TAILQ_INSERT_TAIL(&o->items, i, link);
    o->bytes += cost(i);
    a->bytes += cost(i);
    a->count++;
    if (!a->armed)
        arm(a);
    return 0;
}

/* ---- life ---- */

struct artifacts *artifacts_new(struct loop *loop, const struct artifacts_limits *limits,
                                struct err *err)
{
    struct artifacts *a = calloc(1, sizeof(*a));
    if (!a) {
        err_nomem(err);
        return NULL;
    }
    *a = (struct artifacts){.limits = *limits};
    LIST_INIT(&a->owners);
    a->timer = loop_timer_new(loop, on_timer, a, err);
    if (!a->timer) {
        free(a);
        return NULL;
    }
    return a;
}

void artifacts_free(struct artifacts *a)
{
    if (!a)
        return;
    while (!LIST_EMPTY(&a->owners)) {
        struct owner *o = LIST_FIRST(&a->owners);
        while (!TAILQ_EMPTY(&o->items))
            drop(a, o, TAILQ_FIRST(&o->items));
        forget_if_empty(o);
    }
    loop_timer_free(a->timer);
    free(a);
}
