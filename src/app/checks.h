/* What `vivarium doctor` finds out about the machine by looking, without starting anything that
 * lasts. Each finding says what is there, or what is missing and how to get it. */
#ifndef APP_CHECKS_H
#define APP_CHECKS_H

#include "app/privilege.h"

enum finding_state { FINDING_OK, FINDING_NOTE, FINDING_MISSING };
struct finding {
    enum finding_state state;
    char what[64];    /* "user namespaces" */
    char detail[300]; /* what is there or what happened */
    char remedy[500]; /* how to get it, "" = nothing to do */
};

void check_kernel(struct finding *f);
void check_user_namespaces(const struct identities *ids, struct finding *f);
void check_seccomp(struct finding *f);
void check_landlock(struct finding *f);

#endif
