/* `vivarium validate`: the verdict of the policy on one program, without running it. Runs in the
 * command line. */
#include <stdio.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/once.h"
#include "app/show.h"
#include "app/source.h"
#include "catalog/profiles.h"
#include "tools/results.h"

/* 0 valid, 1 no Python, 3 refused. */
static int verdict_status(const struct exec_result *r)
{
    if (!r->verdict)
        return once_status(r->category);
    switch (r->verdict->outcome) {
    case OUTCOME_OK:
        return EXIT_OK;
    case OUTCOME_SYNTAX_ERROR:
        return EXIT_FAILED;
    default:
        return EXIT_REFUSED;
    }
}

static int finish_json(struct once *once, const struct exec_result *r)
{
    (void)once;
    auto_buf struct buf text = BUF_INIT(0);
    struct json_out out = json_out_init(&text);
    validate_result_write(&out, r);
    if (out.bad) {
        log_line(LOG_ERROR, "out of memory");
        return EXIT_REFUSED;
    }
    fwrite(text.data, 1, text.len, stdout);
    putchar('\n');
    return verdict_status(r);
}

static int finish_plain(struct once *once, const struct exec_result *r)
{
    (void)once;
    const struct msg_verdict *v = r->verdict;
    if (!v) {
        show_outcome(stderr, r);
        return verdict_status(r);
    }
    int status = verdict_status(r);
    if (status == EXIT_OK)
        show_tinted(stdout, TINT_GOOD, "Code passed validation");
    else
        show_tinted(stdout, TINT_BAD,
                    status == EXIT_FAILED ? "Syntax error" : "Code contains restricted operations");
    putchar('\n');
    show_violations(stdout, v->violations, v->violations_len);
    printf("%u line%s, %u function%s, %u class%s, cyclomatic complexity %u\n", v->line_count,
           v->line_count == 1 ? "" : "s", v->functions, v->functions == 1 ? "" : "s", v->classes,
           v->classes == 1 ? "" : "es", v->cyclomatic_complexity);
    for (size_t i = 0; i < v->recommendations.len; i++) {
        fputs("* ", stdout);
        show_line(stdout, TINT_PLAIN, v->recommendations.items[i]);
    }
    return status;
}

int command_validate(const struct cli_command *command, struct cli *cli)
{
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    auto_buf struct buf code = BUF_INIT(0);
    struct err err = ERR_INIT;
    int status;
    if (source_read(cli->argument, conf->max_code_bytes, &code, &err) < 0) {
        status = cli_usage(command, err.text);
    } else {
        struct exec_request req = {.mode = RUN_VALIDATE,
                                   .code = (const char *)code.data,
                                   .code_len = code.len,
                                   .timeout_ns = conf->timeout_ns,
                                   .mem_bytes = conf->memory_bytes,
                                   .client = "command line",
                                   .profiles = PROFILE_ALL};
        struct once once = {.finish = cli_option(cli, "--json") ? finish_json : finish_plain};
        status = once_run(&once, conf, &req);
    }
    conf_free(conf);
    return status;
}
