/* --help and --version, made from the tables of commands and variables. Runs in the command line.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "app/cli.h"

#define COLUMN 30
#define WIDTH  100

/* "  --name VALUE   text", the text wrapped and indented. */
static void print_row(const char *left, const char *text)
{
    int used = printf("  %s", left);
    if (used >= COLUMN) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", COLUMN - used, "");
    while (*text) {
        size_t n = strlen(text);
        if (n > WIDTH - COLUMN) {
            n = WIDTH - COLUMN;
            while (n > 0 && text[n] != ' ')
                n--;
            n = n ? n : strlen(text);
        }
        printf("%.*s\n", (int)n, text);
        text += n;
        text += strspn(text, " ");
        if (*text)
            printf("%*s", COLUMN, "");
    }
}

static void print_option(const struct cli_option *o)
{
    char left[80];
    snprintf(left, sizeof(left), "%s%s%s", o->name, o->argument ? " " : "",
             o->argument ? o->argument : "");
    print_row(left, o->help);
}

static void print_variables(void)
{
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    printf(
        "\nConfiguration (each option stands for a variable; `vivarium info --env` explains them "
        "all):\n");
    print_row("--env-file FILE", "Read variables from FILE instead of ./.env; it is trusted.");
    for (size_t i = 0; i < n; i++) {
        if (str_eq(docs[i].name, "SANDBOX_API_TOKEN"))
            continue;
        char left[80] = "--";
        size_t len = 2;
        for (const char *p = docs[i].name + strlen("SANDBOX_"); *p && len < 60; p++)
            left[len++] = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
        snprintf(left + len, sizeof(left) - len, "%s", docs[i].is_switch ? "" : " VALUE");
        print_row(left, docs[i].meaning);
    }
}

static void print_overview(void)
{
    printf("Usage: vivarium COMMAND [OPTION ...]\n\n"
           "Runs untrusted Python programs, each in a fresh process behind the kernel's walls, for "
           "MCP clients\nand from the command line.\n\nCommands:\n");
    for (size_t i = 0; i < cli_commands_len; i++) {
        char left[80];
        snprintf(left, sizeof(left), "%s%s%s", cli_commands[i].name,
                 cli_commands[i].argument ? " " : "",
                 cli_commands[i].argument ? cli_commands[i].argument : "");
        print_row(left, cli_commands[i].summary);
    }
    printf("\n`vivarium COMMAND --help` tells more. Exit status: 0 done, 1 the program failed, 2 "
           "wrong "
           "usage\nor configuration, 3 refused.\n");
}

void cli_print_help(const struct cli_command *command)
{
    if (!command) {
        print_overview();
        return;
    }
    printf("Usage: vivarium %s [OPTION ...]%s%s\n\n%s\n\nOptions:\n", command->name,
           command->argument ? " " : "", command->argument ? command->argument : "",
           command->details);
    for (size_t i = 0; i < command->options_len; i++)
        print_option(&command->options[i]);
    print_row("-h, --help", "Show this help.");
    print_row("-V, --version", "Show the version.");
    if (command->configured)
        print_variables();
}

void cli_print_version(void)
{
    printf("vivarium %s\n", VIVARIUM_VERSION);
}
