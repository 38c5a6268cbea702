/* A copy of the extension module where the worker user can read it. */
#ifndef APP_STAGE_H
#define APP_STAGE_H

#include "base/err.h"

/* Started as root from a folder that only root can enter (a build tree in root's home), the worker
 * user cannot read the extension module: copy it to @stage_dir/KEY/, once for each build (KEY tells
 * builds apart), and remove the copies that no server uses any more. *ret_dir is the caller's, and
 * so is *ret_lock_fd: the copy stays as long as that is open. May wait for another server that is
 * doing the same. */
#define STAGE_DIR "/run/vivarium"
int stage_extension(const char *extension_dir, const char *stage_dir, char **ret_dir,
                    int *ret_lock_fd, struct err *err);

#endif
