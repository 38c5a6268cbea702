/* Messages for the operator, on stderr: one line each, "vivarium: warning: …". The only place of
 * the server that prints there. */
#ifndef APP_LOG_H
#define APP_LOG_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

void log_set_level(enum log_level least);
void log_silence(void);

/* Never blocks: when stderr is full, the line is dropped. Line breaks and control characters in the
 * text are made harmless. */
void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

/* Is @fd a terminal on which colour is wanted (NO_COLOR, TERM=dumb)? */
bool log_colour(int fd);

#endif
