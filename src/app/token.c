/* `vivarium token`: a fresh bearer token, and the line for the tokens file that lets it in. Runs in
 * the command line; touches no file, so that it needs nobody's rights. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access/tokens.h"
#include "app/commands.h"
#include "app/log.h"
#include "catalog/profiles.h"
#include "sys/clock.h"

static int read_options(const struct cli *cli, struct token_entry *e, struct err *err)
{
    static const struct {
        const char *option;
        int (*set)(struct token_entry *e, const char *value, struct err *err);
    } options[] = {
        {"--rate", token_set_rate},
        {"--profiles", token_set_profiles},
        {"--expires", token_set_expires},
    };
    if (token_set_name(e, cli->argument, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const char *value = cli_option(cli, options[i].option);
        if (value && options[i].set(e, value, err) < 0)
            return -1;
    }
    if (e->expires_s != 0 && e->expires_s <= clock_unix_ms() / 1000)
        return err_set(err, ERR_INVALID,
                       "--expires is in the past: nobody could ever use the token");
    return 0;
}

/* The two lines go to stdout, where a script finds them; what they are, to stderr. */
static void show(const char *token, const struct buf *line)
{
    bool explain = isatty(STDERR_FILENO);
    if (explain)
        fprintf(stderr, "The token, for the client; it is shown this once:\n");
    printf("%s\n", token);
    fflush(stdout);
    if (explain)
        fprintf(stderr, "The line for the file that SANDBOX_TOKENS_FILE names:\n");
    printf("%.*s", (int)line->len, (const char *)line->data);
}

int command_token(const struct cli_command *command, struct cli *cli)
{
    struct err err = ERR_INIT;
    struct token_entry e = {.profiles = PROFILE_ALL};
    auto_buf struct buf line = BUF_INIT(0);
    char token[TOKEN_TEXT_LEN + 1];
    if (read_options(cli, &e, &err) < 0)
        return cli_usage(command, err.text);
    token_make(token);
    if (token_hash(token, TOKEN_TEXT_LEN, e.hash) < 0 || token_write_line(&e, &line, &err) < 0) {
        log_line(LOG_ERROR, "%s", err.code ? err.text : "the digest could not be made");
        return EXIT_REFUSED;
    }
    show(token, &line);
    explicit_bzero(token, sizeof(token));
    return EXIT_OK;
}
