/* The language policy: judges a program by its syntax tree before anything runs. Pure: no side
 * effects but the report; the same verdict for validate_code and execute_code because both call
 * policy_check(). Runs in the worker, on hostile text already parsed by CPython. The rules are
 * tables in policy_rules.c; docs/POLICY.md is printed from them. */
#ifndef PYTHON_POLICY_H
#define PYTHON_POLICY_H

#include <Python.h>

#include "base/err.h"
#include "base/str.h"
#include "python/policy_rules.h"
#include "wire/msg.h"

struct policy_rules {
    const struct strv *permitted; /* what the server permits: profiles or override */
    const struct strv *narrowed;  /* allowed_imports of this call, NULL = not given */
    unsigned profiles;            /* PROFILE_* bits that are on */
    bool imports_overridden;      /* SANDBOX_ALLOWED_IMPORTS */
    bool generated; /* a library made this text out of what the program gave it: the names that such
                       text is known to use (generated_names) are fine as plain names */
    /* Would `from @module import @name` be refused while the program runs, because the permitted
     * module withholds the name? NULL = no, else what to do instead (static). NULL where nothing is
     * known of what modules hold. */
    const char *(*withheld)(const char *module, PyObject *name);
    /* The text that was parsed (UTF-8), so that columns count characters. NULL: they count bytes.
     */
    const uint8_t *code;
    size_t code_len;
};

struct policy_report {
    struct violation *items; /* owned; the first MSG_MAX_VIOLATIONS in source order */
    size_t len;
    bool more; /* there were more than that */
    /* Analysis. functions: def and async def, methods too, not lambdas. cyclomatic_complexity is
     * McCabe's for the whole program as one unit: 1, and 1 more for each if, elif, conditional
     * expression, for, while, except, assert, comprehension `for` and `if`, `and`/`or` operand
     * after the first, and for each case that can fail to match, and for its guard. */
    uint32_t functions, classes, cyclomatic_complexity;
    struct strv imports; /* dotted names, in order of first appearance, each once */
    bool too_complex;    /* more than POLICY_MAX_NODES or deeper than POLICY_MAX_DEPTH: refuse as
                            OUTCOME_RESOURCE; the walk stopped there */
};

/* Walk @module (an ast.Module or ast.Expression made with PyCF_ONLY_AST). 0 = judged (see
 * ret->len), -1 = a Python exception is set (memory; or something that is no syntax tree). A kind
 * of node that the tables do not know is a violation of rule "syntax". *ret must be zeroed; release
 * with policy_report_done, whatever was returned. */
int policy_check(PyObject *module, const struct policy_rules *rules, struct policy_report *ret);
void policy_report_done(struct policy_report *r);

/* One-off set-up in the zygote, before any fork: interns names, caches the ast types. Calling it
 * again does nothing. -1 = Python exception. */
int policy_init(void);

/* Is one identifier acceptable as an attribute name (dynamic getattr, format fields, dataclass
 * fields …)? Identifiers outside ASCII are judged as they would be read after NFKC, too. NULL =
 * yes, else the message of the violation, which stays valid until the next call. Needs
 * policy_init() and the GIL. */
const char *policy_name_verdict(const char *utf8_name);
/* The same for setattr and delattr, and for a name in the namespace of a class made by type(). */
const char *policy_name_verdict_assign(const char *utf8_name);
const char *policy_name_verdict_define(const char *utf8_name);
/* What to do instead, for a name that one of these has refused. Static. */
const char *policy_name_remedy(const char *utf8_name);

#endif
