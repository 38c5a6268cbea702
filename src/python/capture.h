/* The program's sys.stdout, sys.stderr and sys.stdin.
 *
 * Both outputs are real io.TextIOWrapper objects (UTF-8, lone surrogates escaped, write-through)
 * over a sink in C that appends to the memory shared with the server and writes to a pipe when that
 * area is full, at the end, and in live mode at every end of line. So a print costs no system call
 * and a kill loses nothing. Standard input is at its end. */
#ifndef PYTHON_CAPTURE_H
#define PYTHON_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/msg.h"

/* Zygote, once: make the streams and put them into sys. What is written before capture_attach()
 * goes nowhere. -1 = Python exception. */
int capture_init(void);

/* Worker: @shared is the mapped status file (STATUS_BYTES); the descriptors (borrowed) are
 * the write ends of the pipes. */
void capture_attach(struct status_page *shared, int stdout_fd, int stderr_fd);

/* Worker: what is written from here on goes nowhere again, until the next capture_attach(). */
void capture_detach(void);

/* Accept up to @max_output bytes for each stream from here on; with @capture false everything is
 * dropped. */
void capture_begin(bool capture, bool live, uint64_t max_output);

/* Write out what is pending, flush whatever the program has put in place of the streams (errors
 * ignored), and accept nothing more. */
void capture_end(bool ret_truncated[2]);

#endif
