/* Validation: the verdict of execution, in words, and an analysis. See run.h. Runs in the worker;
 * nothing of the program is executed. */
#include <string.h>

#include "python/audit.h"
#include "python/capture.h"
#include "python/program.h"
#include "python/run.h"
#include "python/source.h"
#include "python/text.h"

#define MAX_ADVICE 10

static int add_advice(struct strv *list, const char *text, struct err *err)
{
    if (str_empty(text) || list->len >= MAX_ADVICE || strv_has(list, text))
        return 0;
    return strv_add(list, text, err);
}

static int advise(const struct program *p, struct strv *ret, struct err *err)
{
    if (p->outcome == OUTCOME_SYNTAX_ERROR)
        return add_advice(ret, "Fix the syntax error, then validate again", err);
    if (p->outcome == OUTCOME_OK)
        return 0;
    if (p->outcome == OUTCOME_REFUSED &&
        add_advice(ret, "Some operations may be restricted in sandbox environment", err) < 0)
        return -1;
    for (size_t i = 0; i < p->report.len; i++)
        if (add_advice(ret, p->report.items[i].remedy, err) < 0)
            return -1;
    return 0;
}

/* Names the wire can carry; others cannot be imported anyway. */
static int copy_imports(const struct strv *from, struct strv *ret, struct err *err)
{
    for (size_t i = 0; i < from->len && ret->len < MSG_MAX_VARIABLES; i++)
        if (strlen(from->items[i]) <= TEXT_MAX_NAME && strv_add(ret, from->items[i], err) < 0)
            return -1;
    return 0;
}

static int fill_verdict(struct program *p, const struct msg_run *run, struct msg_verdict *ret,
                        struct err *err)
{
    struct policy_report *r = &p->report;
    const char *code = (const char *)run->code;
    ret->outcome = (uint8_t)p->outcome;
    ret->line_count = source_count_lines(code, run->code_len);
    ret->character_count = source_count_characters(code, run->code_len);
    ret->functions = r->functions;
    ret->classes = r->classes;
    ret->cyclomatic_complexity = r->cyclomatic_complexity;
    if (copy_imports(&r->imports, &ret->imports, err) < 0 ||
        advise(p, &ret->recommendations, err) < 0)
        return -1;
    ret->violations = take_ptr(r->items);
    ret->violations_len = r->len;
    r->len = 0;
    return 0;
}

int run_validation(const struct run_env *env, const struct msg_run *run, struct msg_verdict *ret,
                   struct err *err)
{
    struct program p = {0};
    bool ignored[2];
    audit_set_run(run);
    /* the compiler's warnings have nowhere to go */
    capture_begin(false, false, 0);
    int rc = env->limits.compile ? env->limits.compile(env->limits.ctx, err) : 0;
    if (rc == 0)
        rc = program_prepare(env->launch, run, &p, err);
    if (rc == 0)
        rc = fill_verdict(&p, run, ret, err);
    capture_end(ignored);
    program_done(&p);
    return rc;
}
