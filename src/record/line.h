/* Inside the room: one entry as a line of JSON. */
#ifndef RECORD_LINE_H
#define RECORD_LINE_H

#include "record/record.h"

/* Append one line, LF included, of at most RECORD_MAX_LINE bytes. Long texts are cut. */
int record_line(struct buf *out, const struct record_entry *e, struct err *err);

/* RFC 3339 in UTC with milliseconds: "2026-11-23T01:55:29.123Z". */
void record_time(uint64_t unix_ms, char out[32]);

#endif
