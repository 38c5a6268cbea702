/* Vivarium's own tools, each in a file of its name. */
#ifndef TOOLS_BUILTIN_H
#define TOOLS_BUILTIN_H

#include "tools/tools.h"

extern const struct tool tool_execute_code;
extern const struct tool tool_validate_code;
extern const struct tool tool_get_sandbox_info;

#endif
