/* Inside the room: counting one execution. */
#ifndef RECORD_METRICS_H
#define RECORD_METRICS_H

#include "record/record.h"

void metrics_add(struct metrics *m, const struct record_entry *e);

#endif
