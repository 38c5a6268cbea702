/* Names and scopes: judges what is bound and read as a plain name, and resolves the few builtin
 * functions that a program cannot have. Only those are resolved: where a program binds `input` or
 * `open` itself, in the scope of the use or in one around it, the use means its own. Runs in the
 * worker over a hostile program; where this is more lenient than CPython's own resolution (a name
 * deleted again, bound later or never), the program gets the builtin's stand-in, which refuses. */
#include "python/policy_walk.h"

int scope_new(struct walk *w, uint32_t parent, enum scope_kind kind, PyObject *node, uint32_t *ret)
{
    if (WALK_GROW(w->scopes, w->scopes_len, w->scopes_cap) < 0)
        return -1;
    *ret = (uint32_t)w->scopes_len;
    w->scopes[w->scopes_len++] =
        (struct scope){.node = node, .parent = parent, .kind = (uint8_t)kind};
    return 0;
}

/* A name bound in the body of a class is an attribute of it: fields of a dataclass, say. */
static int bind_judge(struct walk *w, const struct scope *scope, PyObject *name,
                      const struct name_entry *entry, PyObject *node)
{
    bool attribute = scope->kind == SCOPE_CLASS;
    if (names_permit(name, entry, USE_DEFINE, attribute))
        return 0;
    if (w->rules->generated && !attribute && name_is_generated(name))
        return 0;
    if (name_eq(name, ast_str.__match_args__))
        return report_name(w, RULE_MATCH_ARGS, node, AT_START, name, "Defining",
                           "in this way is not allowed", names_remedy(entry));
    bool readable = entry && entry->row->uses & (USE_READ | USE_GET);
    return report_name(w, attribute ? RULE_ATTRIBUTE : RULE_NAME, node, AT_START, name, "Name",
                       readable ? "may be read but not defined" : "is not allowed",
                       names_remedy(entry));
}

int scope_bind(struct walk *w, uint32_t scope, PyObject *name, PyObject *node)
{
    const struct name_entry *entry = names_find(name);
    struct scope *s = &w->scopes[scope];
    if (entry && entry->builtin)
        s->bound = (uint16_t)(s->bound | entry->builtin);
    if (s->kind == SCOPE_CLASS &&
        (name_eq(name, ast_str.__getattr__) || name_eq(name, ast_str.__setattr__))) {
        if (WALK_GROW(w->hooked, w->hooked_len, w->hooked_cap) < 0)
            return -1;
        w->hooked[w->hooked_len++] = s->node;
    }
    if (name_eq(name, ast_str.__prepare__))
        w->tainted = true;
    return bind_judge(w, s, name, entry, node);
}

int scope_load(struct walk *w, uint32_t scope, PyObject *name, PyObject *node)
{
    const struct name_entry *entry = names_find(name);
    if (!names_permit(name, entry, USE_READ, false) &&
        !(w->rules->generated && name_is_generated(name)))
        return report_name(w, RULE_NAME, node, AT_START, name, "Name", "is not allowed",
                           names_remedy(entry));
    if (!entry || !entry->builtin)
        return 0;
    if (WALK_GROW(w->loads, w->loads_len, w->loads_cap) < 0)
        return -1;
    w->loads[w->loads_len++] = (struct builtin_load){node, scope, entry};
    return 0;
}

int scope_global(struct walk *w, uint32_t scope, PyObject *name, PyObject *node)
{
    const struct name_entry *entry = names_find(name);
    struct scope *s = &w->scopes[scope];
    if (entry && entry->builtin)
        s->global = (uint16_t)(s->global | entry->builtin);
    return bind_judge(w, &w->scopes[0], name, entry, node);
}

/* Does a use in @at mean a binding of the program's own? */
static bool load_is_own(const struct walk *w, uint32_t at, unsigned bit)
{
    bool near = true; /* a class body is seen from itself and its comprehensions only */
    for (;;) {
        const struct scope *s = &w->scopes[at];
        if (s->kind == SCOPE_MODULE || s->global & bit)
            return w->scopes[0].bound & bit;
        if (s->bound & bit && (s->kind != SCOPE_CLASS || near))
            return true;
        near = near && s->kind == SCOPE_COMPREHENSION;
        at = s->parent;
    }
}

int scope_resolve(struct walk *w)
{
    for (size_t i = 1; i < w->scopes_len; i++)
        w->scopes[0].bound =
            (uint16_t)(w->scopes[0].bound | (w->scopes[i].bound & w->scopes[i].global));
    for (size_t i = 0; i < w->loads_len; i++) {
        const struct builtin_load *load = &w->loads[i];
        if (load_is_own(w, load->scope, load->entry->builtin))
            continue;
        if (load->entry->builtin & w->builtins_on)
            continue;
        PyObject *name = ast_field(load->node, ast_str.id);
        if (!name || report_name(w, RULE_BUILTIN, load->node, AT_START, name, "Function",
                                 "is not allowed", names_remedy(load->entry)) < 0)
            return -1;
    }
    return 0;
}
