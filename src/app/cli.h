/* The command line: subcommands, options, help. Every variable of the configuration is an option,
 * too: SANDBOX_MAX_TIMEOUT is --max-timeout. */
#ifndef APP_CLI_H
#define APP_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

struct cli;

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,  /* the program failed; doctor: a wall is missing */
    EXIT_USAGE = 2,   /* wrong command line or configuration */
    EXIT_REFUSED = 3, /* policy or limits said no, or the server may not serve */
    EXIT_CANCELLED = 130,
};

/* An option of one subcommand, besides those of the configuration. */
struct cli_option {
    const char *name;     /* "--json" */
    const char *argument; /* "FILE" for help; NULL: takes none */
    const char *variable; /* stands for this variable; else ends up in struct cli.options */
    const char *help;
};
struct cli_command {
    const char *name;
    const char *argument; /* "FILE|-": exactly one is required; "[ID]": at most one; NULL: none */
    const char *summary;  /* one line */
    const char *details;  /* for --help */
    const struct cli_option *options;
    size_t options_len;
    bool configured; /* takes the options of the configuration */
    int (*run)(const struct cli_command *command, struct cli *cli);
};
extern const struct cli_command cli_commands[];
extern const size_t cli_commands_len;

/* A parsed command line. */
struct cli {
    const char *argument; /* borrowed from argv, or NULL */
    const char *env_file;
    bool help, version;
    struct strv options;    /* "--json", "--only-imports=a,b": those without a variable */
    struct strv flags;      /* NAME=value, for conf_load() */
    struct strv flag_words; /* what was typed for each of them: "--timeout" */
};
void cli_done(struct cli *cli);

/* Parse what follows the subcommand. ERR_INVALID with a sentence, and a suggestion for a typo. */
int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli *ret,
              struct err *err);

/* The value of an option given ("" when it takes none), or NULL. */
const char *cli_option(const struct cli *cli, const char *name);

/* Load the configuration as the command line says, show its warnings, set the log level. On a
 * mistake the message has been shown and NULL is returned: exit with EXIT_USAGE. */
struct conf *cli_configure(const struct cli *cli);

void cli_print_help(const struct cli_command *command); /* NULL: the overview */
void cli_print_version(void);
/* Show a usage error with a hint; returns EXIT_USAGE. */
int cli_usage(const struct cli_command *command, const char *text);

#endif
