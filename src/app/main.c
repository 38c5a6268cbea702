/* main() of vivarium: which subcommand, and nothing else. Runs as whoever started it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/commands.h"
#include "app/log.h"
#include "conf/suggest.h"

static const struct cli_option serve_options[] = {
    {"--http", NULL, NULL, "Serve HTTP instead of standard input and output."},
    {"--host", "ADDRESS", "SANDBOX_HOST",
     "With --http: listen on this address, 127.0.0.1 by default. Others than this machine's own "
     "need a token."},
    {"--port", "N", "SANDBOX_PORT", "With --http: listen on this port, 9000 by default."},
};
static const struct cli_option run_options[] = {
    {"--json", NULL, NULL, "Print the whole result as JSON, as execute_code returns it."},
    {"--only-imports", "A,B,...", NULL,
     "Permit only these of the modules the configuration permits."},
    {"--memory-limit", "SIZE", "SANDBOX_DEFAULT_MEMORY_LIMIT", "Memory the program may use."},
    {"--use-container", NULL, NULL, "Run in the container tier."},
};
static const struct cli_option validate_options[] = {
    {"--json", NULL, NULL, "Print the whole verdict as JSON, as validate_code returns it."},
};
static const struct cli_option token_options[] = {
    {"--rate", "N", NULL, "Executions a minute, 0 = no limit; else SANDBOX_RATE_LIMIT."},
    {"--profiles", "A,B,...", NULL,
     "Permit only these of the profiles the server permits: basic, data_science, network, "
     "filesystem."},
    {"--expires", "WHEN", NULL, "2030-12-31 (its last day, UTC) or 2030-12-31T18:00:00Z."},
};
static const struct cli_option info_options[] = {
    {"--json", NULL, NULL, "Print everything as JSON, as get_sandbox_info returns it."},
    {"--env", NULL, NULL, "Print the documentation of every variable, in the form of .env."},
    {"--man", NULL, NULL, "Print the same as a section of a man page."},
};

static const struct cli_option history_options[] = {
    {"--json", NULL, NULL, "Print JSON: an array, or the one execution with ID as an object."},
    {"-n", "N", NULL, "Show the newest N executions, 20 by default."},
    {"--failed", NULL, NULL, "Show only what did not succeed."},
};

const struct cli_command cli_commands[] = {
    {"serve", NULL, "Serve MCP on standard input and output, or over HTTP.",
     "Serves the Model Context Protocol on standard input and output, one JSON message a line, "
     "until\n"
     "input ends. This is what MCP clients start.\n\n"
     "With --http it listens instead: Streamable HTTP at http://127.0.0.1:9000/mcp, legacy "
     "HTTP+SSE\n"
     "at /sse, and /health, /ready and /metrics for operators. SIGTERM and Ctrl-C let programs "
     "under\n"
     "way go on for SANDBOX_GRACE, a second one ends at once.",
     serve_options, ARRAY_LEN(serve_options), true, command_serve},
    {"run", "FILE|-", "Run one program, with the same walls and limits.",
     "Runs one Python program (- is standard input) as execute_code would. Its output goes to "
     "stdout\n"
     "and stderr as it comes; what became of it is told on stderr. Exit status: 0 success, 1 the\n"
     "program failed, 2 wrong usage or configuration, 3 refused by policy or limits, 130 "
     "interrupted.",
     run_options, ARRAY_LEN(run_options), true, command_run},
    {"validate", "FILE|-", "Judge one program by the policy, without running it.",
     "Tells whether the policy would let a Python program (- is standard input) run. Exit status:\n"
     "0 valid, 1 not Python, 2 wrong usage or configuration, 3 refused.",
     validate_options, ARRAY_LEN(validate_options), true, command_validate},
    {"info", NULL, "Show what is permitted, limited and proven here.",
     "Shows modules, limits and walls as they are in force with this configuration.", info_options,
     ARRAY_LEN(info_options), true, command_info},
    {"history", "[ID]", "Show what ran, or one execution by its id.",
     "Shows the executions of all servers that share this state folder, and those of `vivarium "
     "run`,\n"
     "newest first, from its history.db; with an execution_id, or a part of one, all that is "
     "known\n"
     "of that one. A server writes them within a second or two. Exit status: 0 done, 1 no such "
     "execution.",
     history_options, ARRAY_LEN(history_options), true, command_history},
    {"doctor", NULL, "Examine each wall: present, proven, or how to get it.",
     "Looks at the machine, starts the sandbox once and shows what became of each attack of its\n"
     "self-test. Exit status: 0 all is well, 1 something needed is missing.",
     NULL, 0, true, command_doctor},
    {"token", "NAME", "Make a bearer token for HTTP, and the line that lets it in.",
     "Makes a random token for the client called NAME. The token is shown this once and kept "
     "nowhere; give\n"
     "it to the client (header Authorization: Bearer TOKEN). Put the other line, which holds its "
     "digest\n"
     "only, into the file that SANDBOX_TOKENS_FILE names (chmod 600), and restart the server.",
     token_options, ARRAY_LEN(token_options), false, command_token},
};
const size_t cli_commands_len = ARRAY_LEN(cli_commands);

/* Descriptors 0, 1 and 2 must be something, or the next file opened takes their place. */
static int open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return -1;
    return 0;
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < cli_commands_len; i++)
        if (str_eq(cli_commands[i].name, name))
            return &cli_commands[i];
    return NULL;
}

static int unknown_command(const char *word)
{
    const char *names[ARRAY_LEN(cli_commands)];
    for (size_t i = 0; i < cli_commands_len; i++)
        names[i] = cli_commands[i].name;
    const char *near = suggest(word, names, cli_commands_len);
    char text[200];
    snprintf(text, sizeof(text), "unknown command '%.60s'%s%s%s", word,
             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return cli_usage(NULL, text);
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    if (cli_parse(command, argc, argv, &cli, &err) < 0)
        return cli_usage(command, err.text);
    int status = EXIT_OK;
    if (cli.help)
        cli_print_help(command);
    else if (cli.version)
        cli_print_version();
    else
        status = command->run(command, &cli);
    cli_done(&cli);
    return status;
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        cli_print_help(NULL);
        return EXIT_USAGE;
    }
    if (str_eq(word, "--version") || str_eq(word, "-V")) {
        cli_print_version();
        return EXIT_OK;
    }
    if (str_eq(word, "--help") || str_eq(word, "-h") || str_eq(word, "help")) {
        cli_print_help(argc > 2 ? find_command(argv[2]) : NULL);
        return EXIT_OK;
    }
    if (word[0] == '-') {
        char text[200];
        snprintf(text, sizeof(text), "a command comes first, then options such as %.60s", word);
        return cli_usage(NULL, text);
    }
    const struct cli_command *command = find_command(word);
    return command ? run_command(command, argc - 2, argv + 2) : unknown_command(word);
}

int main(int argc, char **argv)
{
    if (open_standard_descriptors() < 0)
        return EXIT_REFUSED;
    int status = dispatch(argc, argv);
    if (fflush(stdout) != 0 && status == EXIT_OK)
        status = EXIT_FAILED;
    return status;
}
