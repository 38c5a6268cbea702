/* Parsing the command line: see cli.h. Runs in the server, before anything else; trusts whoever
 * typed it. */
#include "app/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/log.h"
#include "conf/suggest.h"

#define MAX_NAMES 96

extern char **environ;

void cli_done(struct cli *cli)
{
    strv_done(&cli->options);
    strv_done(&cli->flags);
    strv_done(&cli->flag_words);
}

/* SANDBOX_MAX_TIMEOUT → --max-timeout */
static void option_of_variable(const char *variable, char out[64])
{
    size_t n = 0;
    out[n++] = '-';
    out[n++] = '-';
    for (const char *p = variable + strlen("SANDBOX_"); *p && n < 63; p++)
        out[n++] = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
    out[n] = '\0';
}

/* A token on the command line can be read by every user of the machine. */
static bool is_option(const struct conf_doc *doc)
{
    return !str_eq(doc->name, "SANDBOX_API_TOKEN");
}

/* One word of the form --name or --name=value, and what may follow it. */
struct word {
    char name[64];
    const char *value; /* behind '=', or NULL */
    char **next;       /* the next word, if it may serve as the value */
    bool used_next;
};

static int take_value(struct word *w, const char *argument, const char **ret, struct err *err)
{
    if (!argument) {
        if (w->value)
            return err_set(err, ERR_INVALID, "%s takes no value", w->name);
        *ret = "";
        return 0;
    }
    if (w->value) {
        *ret = w->value;
        return 0;
    }
    if (!*w->next)
        return err_set(err, ERR_INVALID, "%s needs a value: %s %s", w->name, w->name, argument);
    *ret = *w->next;
    w->used_next = true;
    return 0;
}

static int add_pair(struct strv *list, const char *name, const char *value, struct err *err)
{
    auto_free char *pair = NULL;
    if (asprintf(&pair, "%s=%s", name, value) < 0) {
        pair = NULL;
        return err_nomem(err);
    }
    return strv_add(list, pair, err);
}

static int add_flag(struct cli *cli, const struct word *w, const char *variable, const char *value,
                    struct err *err)
{
    if (add_pair(&cli->flags, variable, value, err) < 0)
        return -1;
    return strv_add(&cli->flag_words, w->name, err);
}

/* 1 = it was one of the configuration's, 0 = it was not. */
static int parse_variable(struct word *w, struct cli *cli, struct err *err)
{
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    for (size_t i = 0; i < n; i++) {
        char option[64];
        option_of_variable(docs[i].name, option);
        if (!is_option(&docs[i]) || !str_eq(option, w->name))
            continue;
        const char *value = w->value;
        if (!value && docs[i].is_switch)
            value = "true";
        else if (!value && take_value(w, "VALUE", &value, err) < 0)
            return -1;
        if (str_empty(value))
            return err_set(err, ERR_INVALID, "%s needs a value; allowed: %s", option,
                           docs[i].allowed);
        return add_flag(cli, w, docs[i].name, value, err) < 0 ? -1 : 1;
    }
    return 0;
}

static int unknown_option(const struct cli_command *command, const char *name, struct err *err)
{
    static char options[MAX_NAMES][64];
    const char *names[MAX_NAMES] = {"--help", "--version"};
    size_t len = 2;
    for (size_t i = 0; i < command->options_len && len < MAX_NAMES; i++)
        names[len++] = command->options[i].name;
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    if (command->configured) {
        names[len++] = "--env-file";
        for (size_t i = 0; i < n && len < MAX_NAMES; i++) {
            option_of_variable(docs[i].name, options[len]);
            names[len] = options[len];
            len += is_option(&docs[i]);
        }
    }
    const char *near = suggest(name, names, len);
    return err_set(err, ERR_INVALID, "unknown option %.60s%s%s%s", name,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int parse_option(const struct cli_command *command, struct word *w, struct cli *cli,
                        struct err *err)
{
    for (size_t i = 0; i < command->options_len; i++) {
        const struct cli_option *o = &command->options[i];
        const char *value = NULL;
        if (!str_eq(o->name, w->name))
            continue;
        if (take_value(w, o->argument, &value, err) < 0)
            return -1;
        if (o->variable)
            return add_flag(cli, w, o->variable, value, err);
        return add_pair(&cli->options, o->name, value, err);
    }
    if (str_eq(w->name, "--help") || str_eq(w->name, "-h")) {
        cli->help = true;
        return 0;
    }
    if (str_eq(w->name, "--version") || str_eq(w->name, "-V")) {
        cli->version = true;
        return 0;
    }
    if (command->configured && str_eq(w->name, "--env-file"))
        return take_value(w, "FILE", &cli->env_file, err);
    int r = command->configured ? parse_variable(w, cli, err) : 0;
    if (r != 0)
        return r < 0 ? -1 : 0;
    return unknown_option(command, w->name, err);
}

static int parse_argument(const struct cli_command *command, const char *text, struct cli *cli,
                          struct err *err)
{
    if (!command->argument)
        return err_set(err, ERR_INVALID, "`vivarium %s` takes no argument, but got '%.60s'",
                       command->name, text);
    if (cli->argument)
        return err_set(err, ERR_INVALID, "only one %s can be given; '%.60s' is one too many",
                       command->argument, text);
    cli->argument = text;
    return 0;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli *ret,
              struct err *err)
{
    struct cli cli = {0};
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (!only_arguments && str_eq(text, "--")) {
            only_arguments = true;
            continue;
        }
        int r;
        if (only_arguments || text[0] != '-' || !text[1]) {
            r = parse_argument(command, text, &cli, err);
        } else {
            struct word w = {.next = &argv[i + 1]};
            const char *eq = strchr(text, '=');
            w.value = eq ? eq + 1 : NULL;
            snprintf(w.name, sizeof(w.name), "%.*s", (int)(eq ? eq - text : 63), text);
            r = parse_option(command, &w, &cli, err);
            i += w.used_next;
        }
        if (r < 0) {
            cli_done(&cli);
            return -1;
        }
    }
    if (command->argument && command->argument[0] != '[' && !cli.argument && !cli.help &&
        !cli.version) {
        cli_done(&cli);
        return err_set(err, ERR_INVALID, "%s is missing", command->argument);
    }
    *ret = cli;
    return 0;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = cli->options.len; i-- > 0;)
        if (strncmp(cli->options.items[i], name, n) == 0 && cli->options.items[i][n] == '=')
            return cli->options.items[i] + n + 1;
    return NULL;
}

struct conf *cli_configure(const struct cli *cli)
{
    struct conf *conf = NULL;
    struct err err = ERR_INIT;
    struct conf_input input = {.env_file = cli->env_file,
                               .working_dir = ".",
                               .environ = environ,
                               .flags = &cli->flags,
                               .flag_words = &cli->flag_words};
    int r = conf_load(&input, &conf, &err);
    conf_wipe_environ(environ);
    if (r < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        return NULL;
    }
    log_set_level(conf->log_level);
    for (size_t i = 0; i < conf->warnings.len; i++)
        log_line(LOG_WARNING, "%s", conf->warnings.items[i]);
    return conf;
}

int cli_usage(const struct cli_command *command, const char *text)
{
    log_line(LOG_ERROR, "%s (see `vivarium %s%s--help`)", text, command ? command->name : "",
             command ? " " : "");
    return EXIT_USAGE;
}
