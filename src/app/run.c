/* `vivarium run`: one program, its output as it comes, its outcome on stderr. Runs in the command
 * line. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/once.h"
#include "app/show.h"
#include "app/source.h"
#include "catalog/profiles.h"
#include "tools/results.h"

static int write_json(const struct exec_result *r)
{
    auto_buf struct buf text = BUF_INIT(0);
    struct json_out out = json_out_init(&text);
    execute_result_write(&out, r);
    if (out.bad) {
        log_line(LOG_ERROR, "out of memory");
        return EXIT_REFUSED;
    }
    fwrite(text.data, 1, text.len, stdout);
    putchar('\n');
    return once_status(r->category);
}

static int finish_json(struct once *once, const struct exec_result *r)
{
    (void)once;
    return write_json(r);
}

static int finish_plain(struct once *once, const struct exec_result *r)
{
    if (r->out_len[0] > once->shown)
        show_program_text(stdout, r->out[0] + once->shown, r->out_len[0] - once->shown);
    fflush(stdout);
    show_program_text(stderr, r->out[1], r->out_len[1]);
    if (r->out_len[1] && r->out[1][r->out_len[1] - 1] != '\n')
        putc('\n', stderr);
    show_outcome(stderr, r);
    return once_status(r->category);
}

int command_run(const struct cli_command *command, struct cli *cli)
{
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    auto_buf struct buf code = BUF_INIT(0);
    auto_strv struct strv imports = STRV_INIT;
    struct err err = ERR_INIT;
    const char *only = cli_option(cli, "--only-imports");
    int status;
    if (source_read(cli->argument, conf->max_code_bytes, &code, &err) < 0 ||
        (only && strv_split(&imports, only, ',', &err) < 0)) {
        status = cli_usage(command, err.text);
    } else {
        bool json = cli_option(cli, "--json");
        struct exec_request req = {.mode = RUN_EXECUTE,
                                   .code = (const char *)code.data,
                                   .code_len = code.len,
                                   .timeout_ns = conf->timeout_ns,
                                   .mem_bytes = conf->memory_bytes,
                                   .capture_output = true,
                                   .narrowed = only != NULL,
                                   .imports = &imports,
                                   .use_container = cli_option(cli, "--use-container") != NULL,
                                   .live_output = !json,
                                   .client = "command line",
                                   .profiles = PROFILE_ALL};
        struct once once = {.finish = json ? finish_json : finish_plain};
        status = once_run(&once, conf, &req);
    }
    conf_free(conf);
    return status;
}
