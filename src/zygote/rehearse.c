/* The throw-away program: see zygote.h. It goes the same way as a real one, so that in the zygote
 * everything that is imported or cached on first use is, and in a worker the pages that a run
 * writes to are already private. */
#include <Python.h>
#include <string.h>

#include "catalog/profiles.h"
#include "python/memory.h"
#include "python/run.h"
#include "zygote/zygote.h"

/* What nearly every program does: in each worker. Each page it makes private costs 3 µs of CPU,
 * which a program that does not need it pays for nothing. */
static const char brief[] = "def f(x):\n"
                            "    return x + 1\n"
                            "result = [f(i) for i in range(10)]\n"
                            "print(f'{result}')\n";

/* What programs usually do: in the zygote. No import, here or above: a server may permit none. */
static const char ordinary[] =
    "class Point:\n"
    "    def __init__(self, x, y):\n"
    "        self.x = x\n"
    "        self.y = y\n"
    "def norm(p, *rest, scale=1.0):\n"
    "    return (p.x ** 2 + p.y ** 2) ** 0.5 * scale\n"
    "points = [Point(i, i * 2) for i in range(20)]\n"
    "table = {str(i): norm(p) for i, p in enumerate(points)}\n"
    "try:\n"
    "    table['missing']\n"
    "except KeyError as e:\n"
    "    text = f'{e!r:>10}'\n"
    "for k, v in sorted(table.items()):\n"
    "    print(k, 'is', v)\n"
    "result = {'rows': [list(map(str, range(10))), sum(table.values())]}\n";

/* Ways to fail, for the sake of what describes them. */
static const char failing[] = "def f(x):\n"
                              "    return 1 / x\n"
                              "try:\n"
                              "    f(0)\n"
                              "except ZeroDivisionError as e:\n"
                              "    raise ValueError('chained') from e\n";
static const char misspelt[] = "answer = 1\nanwser\n";
static const char malformed[] = "x = = 1\n";

static int rehearse_one(const struct msg_launch *launch, const char *code, enum run_outcome outcome,
                        struct err *err)
{
    /* its own page: nothing of this may show in the one shared with the server */
    static struct status_page scratch;
    struct run_env env = {.launch = launch, .status = &scratch, .rehearsal = true};
    struct msg_run run = {.mode = RUN_EXECUTE,
                          .capture_output = true,
                          .profiles = PROFILE_ALL,
                          .max_output = 1 << 20,
                          .code = (uint8_t *)(uintptr_t)code,
                          .code_len = strlen(code)};
    struct msg_result result = {0};
    int rc = run_program(&env, &run, &result, err);
    if (rc == 0 && result.outcome != outcome)
        rc = err_set(err, ERR_INTERNAL, "the rehearsal ended in outcome %u: %s", result.outcome,
                     result.error ? result.error : "");
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(1 << 20);
    if (rc == 0)
        msg_put_result(&out, &result);
    msg_result_done(&result);
    return rc;
}

int rehearse_briefly(const struct msg_launch *launch, struct err *err)
{
    return rehearse_one(launch, brief, OUTCOME_OK, err);
}

int rehearse_fully(const struct msg_launch *launch, struct err *err)
{
    static const struct {
        const char *code;
        enum run_outcome outcome;
    } all[] = {
        {brief, OUTCOME_OK},
        {ordinary, OUTCOME_OK},
        {failing, OUTCOME_EXCEPTION},
        {misspelt, OUTCOME_EXCEPTION},
        {malformed, OUTCOME_SYNTAX_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (rehearse_one(launch, all[i].code, all[i].outcome, err) < 0)
            return -1;
    return 0;
}
