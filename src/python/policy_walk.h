/* What the files of the policy share: see policy.h for the whole, policy.c for the walk. */
#ifndef PYTHON_POLICY_WALK_H
#define PYTHON_POLICY_WALK_H

#include <Python.h>

#include "python/policy.h"

/* ---- syntax trees (policy_ast.c) ---- */

/* Names of fields and a few identifiers, interned once. */
#define AST_NAMES(X)                                                                               \
    X(arg)                                                                                         \
    X(annotation)                                                                                  \
    X(args)                                                                                        \
    X(asname)                                                                                      \
    X(attr)                                                                                        \
    X(bases)                                                                                       \
    X(body)                                                                                        \
    X(cls)                                                                                         \
    X(col_offset)                                                                                  \
    X(ctx)                                                                                         \
    X(decorator_list)                                                                              \
    X(defaults)                                                                                    \
    X(elt)                                                                                         \
    X(elts)                                                                                        \
    X(end_col_offset)                                                                              \
    X(end_lineno)                                                                                  \
    X(func)                                                                                        \
    X(generators)                                                                                  \
    X(guard)                                                                                       \
    X(id)                                                                                          \
    X(ifs)                                                                                         \
    X(keywords)                                                                                    \
    X(kw_defaults)                                                                                 \
    X(kwarg)                                                                                       \
    X(kwd_attrs)                                                                                   \
    X(kwd_patterns)                                                                                \
    X(kwonlyargs)                                                                                  \
    X(level)                                                                                       \
    X(lineno)                                                                                      \
    X(module)                                                                                      \
    X(name)                                                                                        \
    X(names)                                                                                       \
    X(open)                                                                                        \
    X(pattern)                                                                                     \
    X(patterns)                                                                                    \
    X(posonlyargs)                                                                                 \
    X(returns)                                                                                     \
    X(target)                                                                                      \
    X(targets)                                                                                     \
    X(type_params)                                                                                 \
    X(value)                                                                                       \
    X(values)                                                                                      \
    X(vararg)                                                                                      \
    X(vars)                                                                                        \
    X(__getattr__)                                                                                 \
    X(__match_args__)                                                                              \
    X(__prepare__)                                                                                 \
    X(__setattr__)

struct ast_names {
#define X(name) PyObject *name;
    AST_NAMES(X)
#undef X
};
extern struct ast_names ast_str;

enum field_kind { FIELD_PARTS, FIELD_IDENTIFIER, FIELD_IGNORED };
#define NODE_MAX_FIELDS 8

/* One kind of node as this interpreter has it. */
struct node_plan {
    PyTypeObject *type;
    const struct node_rule *rule;
    size_t len;
    struct {
        PyObject *name;
        enum field_kind kind;
    } fields[NODE_MAX_FIELDS];
};

int ast_init(void);
/* NULL: no kind of node that we know. */
const struct node_plan *ast_plan(PyObject *node);
bool ast_is(PyObject *node, const char *type); /* for rare questions */
/* The value of a field, borrowed from the node. NULL and a Python exception when it has none. */
PyObject *ast_field(PyObject *node, PyObject *name);
/* The same for a list, whose length is given too. */
PyObject *ast_list(PyObject *node, PyObject *name, Py_ssize_t *ret_len);
/* Is the context of this Name or Attribute Load? (else Store or Del) -1 = exception. */
int ast_is_load(PyObject *node);

/* ---- names (policy_names.c) ---- */

struct name_entry {
    const struct name_section *section;
    const struct name_row *row;
    unsigned builtin; /* bit of a refused builtin function, else 0 */
};
int names_init(void);
/* Is it this interned name? The parser interns identifiers, so that pointers nearly always tell. */
static inline bool name_eq(PyObject *name, PyObject *interned)
{
    return name == interned ||
           (!PyUnicode_CHECK_INTERNED(name) && PyUnicode_Compare(name, interned) == 0);
}
/* The table's entry for a name: NULL = not in any table. */
const struct name_entry *names_find(PyObject *name);
/* May @name be used so? @attribute: it is, or becomes, an attribute. True = yes. */
bool names_permit(PyObject *name, const struct name_entry *entry, enum name_use use,
                  bool attribute);
const char *names_remedy(const struct name_entry *entry);
bool name_is_special(PyObject *name);   /* __x__ */
bool name_is_generated(PyObject *name); /* see generated_names */

/* ---- one walk ---- */

enum scope_kind { SCOPE_MODULE, SCOPE_FUNCTION, SCOPE_CLASS, SCOPE_COMPREHENSION };

/* Only refused builtin functions are resolved; the sets hold their bits. */
struct scope {
    PyObject *node; /* the ClassDef of a class scope, borrowed */
    uint32_t parent;
    uint8_t kind;
    uint16_t bound, global;
};

struct builtin_load {
    PyObject *node; /* the Name, borrowed */
    uint32_t scope;
    const struct name_entry *entry;
};

struct pending_node {
    PyObject *node; /* borrowed: the tree outlives the walk */
    uint32_t scope;
    uint32_t depth;
};

struct walk {
    const struct policy_rules *rules;
    struct policy_report *report;
    size_t nodes;
    unsigned builtins_on; /* refused builtin functions that are permitted after all: open */
    struct pending_node *stack;
    size_t stack_len, stack_cap;
    struct scope *scopes;
    size_t scopes_len, scopes_cap;
    struct builtin_load *loads;
    size_t loads_len, loads_cap;
    PyObject **patterns; /* MatchClass nodes with positional patterns, borrowed */
    size_t patterns_len, patterns_cap;
    PyObject **hooked; /* ClassDef nodes that define __getattr__ or __setattr__ */
    size_t hooked_len, hooked_cap;
    bool tainted;        /* something in the program can invent a __match_args__ */
    size_t *line_starts; /* offsets into rules->code; empty without a source text */
    size_t lines, lines_cap;
    PyObject *imports_seen; /* owned set of module names */
};

/* Make room for one more item in a growing array. -1 = MemoryError. */
int walk_grow(void **items, size_t len, size_t *cap, size_t item_size);
#define WALK_GROW(items, len, cap) walk_grow((void **)&(items), len, &(cap), sizeof(*(items)))

/* ---- pending nodes (policy.c): None is passed over ---- */
int walk_push(struct walk *w, PyObject *node, uint32_t scope, uint32_t depth);
/* A field's value: a node, a list of nodes, or None. NULL: -1, for ast_field() has failed. */
int walk_push_value(struct walk *w, PyObject *value, uint32_t scope, uint32_t depth);
int walk_push_field(struct walk *w, const struct pending_node *at, PyObject *field, uint32_t scope);

/* ---- definitions (policy_defs.c) ---- */
int walk_function(struct walk *w, const struct node_plan *plan, const struct pending_node *at);
int walk_lambda(struct walk *w, const struct pending_node *at);
int walk_class(struct walk *w, const struct node_plan *plan, const struct pending_node *at);

/* ---- scopes (policy_scope.c) ---- */
int scope_new(struct walk *w, uint32_t parent, enum scope_kind kind, PyObject *node, uint32_t *ret);
/* @name is bound in @scope: judge it and remember it. */
int scope_bind(struct walk *w, uint32_t scope, PyObject *name, PyObject *node);
int scope_load(struct walk *w, uint32_t scope, PyObject *name, PyObject *node);
int scope_global(struct walk *w, uint32_t scope, PyObject *name, PyObject *node);
/* After the walk: refuse builtin functions that no binding hides. */
int scope_resolve(struct walk *w);

/* ---- imports (policy_imports.c) ---- */
int import_statement(struct walk *w, uint32_t scope, PyObject *node);
int import_from_statement(struct walk *w, uint32_t scope, PyObject *node);

/* ---- patterns (policy_patterns.c) ---- */
int pattern_class(struct walk *w, PyObject *node); /* a MatchClass */
/* Is @value a literal tuple of names that may be read as attributes? -1 = exception. */
int pattern_literal_args(PyObject *value);
int pattern_resolve(struct walk *w, PyObject *module);

/* ---- analysis (policy_analysis.c) ---- */
int analysis_node(struct walk *w, const struct node_plan *plan, PyObject *node);
int analysis_import(struct walk *w, PyObject *name);

/* ---- report (policy_report.c) ---- */

/* Where a violation is shown: at the start of the node, or at the name that ends it (an attribute).
 */
enum place { AT_START, AT_NAME };
/* Record a violation whose message is "BEFORE 'name' AFTER". */
int report_name(struct walk *w, enum rule_id rule, PyObject *node, enum place place, PyObject *name,
                const char *before_name, const char *after_name, const char *remedy);
/* Would a violation at @node be kept? If not, it is counted here, and its texts need not be made.
 */
bool report_wants(struct walk *w, PyObject *node);
/* Record one with texts of its own, both owned by the report from here on (freed on failure). */
int report_texts(struct walk *w, enum rule_id rule, PyObject *node, char *message, char *remedy);
/* Judge an attribute name and record the violation if it is refused. */
int report_attribute(struct walk *w, enum rule_id rule, PyObject *node, enum place place,
                     PyObject *name, enum name_use use);
/* At the end: byte columns become character columns. */
void report_finish(struct walk *w);

#endif
