/* A copy of the extension module where the worker user can read it. */
#ifndef APP_STAGE_H
#define APP_STAGE_H

#include "base/err.h"

/* Started as root from a folder that only root can enter (a build tree in root's home), the worker
 * user cannot read the extension module: copy it to STAGE_DIR/KEY/, once for each build (KEY tells
 * builds apart). *ret_dir is the caller's. */
#define STAGE_DIR "/run/vivarium"
int stage_extension(const char *extension_dir, char **ret_dir, struct err *err);

#endif
