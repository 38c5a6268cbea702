/* `vivarium info`: what this installation permits, limits and has proven; `--env` prints the
 * documentation of every variable. Runs in the command line. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/settle.h"
#include "app/show.h"
#include "catalog/profiles.h"
#include "mcp/mcp.h"
#include "tools/args.h"
#include "tools/results.h"

struct info {
    const struct conf *conf;
    bool json;
    unsigned pool_size, max_concurrency; /* as configured: looking needs only one worker */
};

static int print_json(const struct info *i, struct runtime *r)
{
    auto_buf struct buf text = BUF_INIT(0);
    struct json_out out = json_out_init(&text);
    struct conf conf = *i->conf; /* borrowed fields, two of them as they were */
    conf.pool_size = i->pool_size;
    conf.max_concurrency = i->max_concurrency;
    struct tools_env env = {.conf = &conf,
                            .engine = r->engine,
                            .server_name = mcp_vivarium.name,
                            .server_version = mcp_vivarium.version,
                            .protocol_versions = mcp_protocol_versions};
    sandbox_info_write(&env, &out, NULL);
    if (out.bad) {
        log_line(LOG_ERROR, "out of memory");
        return -1;
    }
    fwrite(text.data, 1, text.len, stdout);
    putchar('\n');
    return 0;
}

static void print_list(const char *label, const char *const *names, const struct strv *only)
{
    size_t n = 0;
    for (; *names; names++) {
        if (only && !strv_has(only, *names))
            continue;
        printf("%s%s", n++ ? " " : label, *names);
    }
    if (n)
        putchar('\n');
}

static void print_profiles(const struct conf *conf, const struct msg_ready *ready)
{
    show_tinted(stdout, TINT_BOLD, "Modules");
    putchar('\n');
    if (conf->imports_overridden) {
        printf("  SANDBOX_ALLOWED_IMPORTS replaces the profiles:");
        for (size_t i = 0; i < conf->modules.len; i++)
            printf(" %s", conf->modules.items[i]);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < PROFILE_COUNT; i++) {
        const struct profile *p = &profiles[i];
        bool on = conf->profiles & p->bit;
        printf("  %-13s", p->name);
        show_tinted(stdout, on ? TINT_GOOD : TINT_FAINT, on ? "on" : "off");
        if (!on)
            printf(" (%s=true)", p->variable);
        putchar('\n');
        print_list("    ", p->modules, NULL);
        if (on && ready)
            print_list("    not installed: ", p->modules, &ready->missing);
    }
}

static void print_limits(const struct info *i)
{
    char size[24];
    const struct conf *c = i->conf;
    show_tinted(stdout, TINT_BOLD, "Limits");
    printf("\n  time          %g s, at most %g s\n", (double)c->timeout_ns / 1e9,
           (double)c->max_timeout_ns / 1e9);
    printf("  memory        %s", args_size_text(size, c->memory_bytes));
    printf(", at most %s\n", args_size_text(size, c->max_memory_bytes));
    printf("  output        %" PRIu64 " bytes each of stdout, stderr and result\n",
           c->max_output_bytes);
    printf("  program       %" PRIu64 " bytes\n", c->max_code_bytes);
    printf("  threads       %u\n", c->max_threads);
    printf("  at once       %u running, %u waiting, %u warm workers\n", i->max_concurrency,
           c->queue_size, i->pool_size);
}

static void print_walls(const struct engine_info *info)
{
    size_t held = 0;
    size_t broken = 0;
    size_t absent = 0;
    const struct msg_proof *proof = info->proof_items;
    for (size_t i = 0; proof && i < proof->len; i++) {
        held += proof->items[i].state == PROOF_HELD;
        broken += proof->items[i].state == PROOF_BROKEN;
        absent += proof->items[i].state == PROOF_ABSENT;
    }
    show_tinted(stdout, TINT_BOLD, "Walls");
    putchar('\n');
    if (info->hello)
        printf("  isolation     %s%s%s\n",
               info->hello->isolation == ISOLATION_LANDLOCK ? "landlock" : "jail",
               str_empty(info->hello->isolation_note) ? "" : ": ", info->hello->isolation_note);
    fputs("  self-test     ", stdout);
    if (info->failure) {
        show_line(stdout, TINT_BAD, info->failure);
    } else {
        show_tinted(stdout, info->proof == PROOF_PASSED ? TINT_GOOD : TINT_WARN,
                    info->proof == PROOF_PASSED ? "passed" : "not through yet");
        printf(": %zu attempts stopped, %zu not, %zu walls absent (`vivarium doctor` lists them)\n",
               held, broken, absent);
    }
}

static int look(void *ctx, struct runtime *r, const struct engine_info *info)
{
    struct info *i = ctx;
    if (i->json) {
        if (print_json(i, r) < 0)
            return EXIT_REFUSED;
    } else {
        printf("vivarium %s", VIVARIUM_VERSION);
        if (info->hello)
            printf(", Python %s (%s)", info->hello->python_version, i->conf->python);
        putchar('\n');
        print_walls(info);
        print_limits(i);
        print_profiles(i->conf, info->ready);
    }
    return info->failure ? EXIT_REFUSED : EXIT_OK;
}

static int print_documentation(int (*write)(struct buf *out, struct err *err))
{
    auto_buf struct buf text = BUF_INIT(0);
    if (write(&text, NULL) < 0)
        return EXIT_REFUSED;
    fwrite(text.data, 1, text.len, stdout);
    return EXIT_OK;
}

int command_info(const struct cli_command *command _unused_, struct cli *cli)
{
    if (cli_option(cli, "--env"))
        return print_documentation(conf_example);
    if (cli_option(cli, "--man"))
        return print_documentation(conf_manual);
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    struct info i = {.conf = conf,
                     .json = cli_option(cli, "--json") != NULL,
                     .pool_size = conf->pool_size,
                     .max_concurrency = conf->max_concurrency};
    int status = settle(conf, look, &i, NULL);
    conf_free(conf);
    return status;
}
