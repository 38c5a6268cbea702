/* Init: the keeper's child, parent of one zygote; pid 1 where the zygote has its own pid namespace.
 */
#ifndef KEEPER_INIT_H
#define KEEPER_INIT_H

#include <stdint.h>

#include "jail/build.h"

/* What init tells the keeper, once, on its report pipe; end of file without it: init died. */
struct init_report {
    uint32_t code; /* enum err_code; ERR_NONE: the interpreter has been executed */
    char text[508];
};

/* Runs in the new process. @control_fd and @report_fd are its own. Ends with the zygote's exit
 * status, signals as 128 + n, or with INIT_FAILED after reporting an error. */
#define INIT_FAILED 125
_noreturn_ void init_run(const struct jail_request *req, int control_fd, int report_fd);

#endif
