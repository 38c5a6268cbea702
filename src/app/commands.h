/* The subcommands, one per file. Each returns the exit status. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include "app/cli.h"

int command_serve(const struct cli_command *command, struct cli *cli);
int command_run(const struct cli_command *command, struct cli *cli);
int command_validate(const struct cli_command *command, struct cli *cli);
int command_info(const struct cli_command *command, struct cli *cli);
int command_history(const struct cli_command *command, struct cli *cli);
int command_doctor(const struct cli_command *command, struct cli *cli);
int command_token(const struct cli_command *command, struct cli *cli);

#endif
