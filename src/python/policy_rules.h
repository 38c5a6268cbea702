/* The tables of the language policy. Plain C without Python.h, so that the tool that prints
 * docs/POLICY.md links nothing else. */
#ifndef PYTHON_POLICY_RULES_H
#define PYTHON_POLICY_RULES_H

#include <stddef.h>
#include <stdint.h>

/* ---- names ---- */

/* What a program may do with a special name. */
enum name_use {
    USE_GET = 1 << 0,    /* read it as an attribute: obj.__name__; a keyword of a class pattern */
    USE_SET = 1 << 1,    /* assign it as an attribute: obj.__name__ = "f" */
    USE_READ = 1 << 2,   /* read it as a plain name: __name__ */
    USE_DEFINE = 1 << 3, /* bind it as a plain name: def __len__, __slots__ = … */
};
/* Methods and class variables: everything. */
#define USE_METHOD (USE_GET | USE_SET | USE_READ | USE_DEFINE)

struct name_row {
    const char *name;
    uint8_t uses;       /* enum name_use bits; 0 = refused */
    const char *remedy; /* what to do instead, where something is refused; NULL = the section's */
};

enum name_kind {
    NAME_SPECIAL,    /* __x__: whatever is not listed is refused */
    NAME_REFLECTIVE, /* refused wherever it is, or becomes, an attribute; free as a plain variable */
    NAME_BUILTIN,    /* a function of Python's own that a program cannot reach; free to be bound */
};
struct name_section {
    enum name_kind kind;
    const char *title;
    const char *text;   /* for the documentation */
    const char *remedy; /* default for its rows */
    const struct name_row *rows;
    size_t len;
};
extern const struct name_section name_sections[];
extern const size_t name_sections_len;
/* The remedy for special names that no row lists. */
extern const char special_name_remedy[];

/* The refused builtin functions are few, so that a set of them is a bit mask. */
#define POLICY_MAX_BUILTINS 16

/* ---- syntax ---- */

/* How the walk treats a kind of node. */
enum node_kind {
    NODE_UNKNOWN,
    NODE_PLAIN, /* its parts are walked; its identifiers, if any, bind names */
    NODE_MODULE,
    NODE_FUNCTION,
    NODE_LAMBDA,
    NODE_CLASS,
    NODE_COMPREHENSION,
    NODE_ASSIGN,
    NODE_NAMED_EXPR,
    NODE_IMPORT,
    NODE_IMPORT_FROM,
    NODE_GLOBAL,
    NODE_CALL,
    NODE_ATTRIBUTE,
    NODE_NAME,
    NODE_KEYWORD,
    NODE_MATCH_CLASS,
    NODE_BOOL_OP,
    NODE_GENERATOR, /* the `for … if …` of a comprehension */
    NODE_MATCH_CASE,
    NODE_NOT_VISITED, /* handled with its parent */
};

struct node_rule {
    const char *type;
    /* Every field of that type in any supported CPython. A type with a field that is not listed is
     * unknown. "name" = parts to walk, "=name" = identifiers to judge, "-name" = nothing to judge
     * (constants, operators, load or store). */
    const char *fields;
    enum node_kind kind;
    uint8_t decisions; /* added to the cyclomatic complexity */
};
extern const struct node_rule node_rules[];
extern const size_t node_rules_len;

/* ---- rules ---- */

enum rule_id {
    RULE_IMPORT,
    RULE_BUILTIN,
    RULE_NAME,
    RULE_ATTRIBUTE,
    RULE_KEYWORD,
    RULE_PATTERN,
    RULE_MATCH_ARGS,
    RULE_SYNTAX,
    RULES
};
struct rule_row {
    const char *id; /* as in struct violation */
    const char *text;
    const char *example; /* refused */
    const char *instead; /* passes */
};
extern const struct rule_row rule_rows[RULES];

#endif
