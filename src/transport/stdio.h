/* MCP over standard input and output: one JSON message a line.
 *
 * Input: lines end in LF (CR LF will do); blank lines are nothing; a line longer than the limit is
 * skipped to its end and reported once; a last line without an end counts.
 *
 * Output: each message is one line and, as long as the client keeps up, one write(2). What cannot
 * be written at once waits in a queue. While that holds more than STDIO_HIGH_BYTES, no input is
 * read and notes are dropped, so that a client that does not read cannot make the server grow; past
 * STDIO_MAX_BYTES (answers to requests that were under way already) the client is given up.
 *
 * End of input: what has been asked is still answered, so that `printf '…' | vivarium serve` works,
 * but for at most STDIO_GRACE_NS (again, while lines wait for a slow reader); then on_stop stops
 * what is left, which is answered as cancelled. After that, output may take as long as the client
 * keeps reading. A closed output ends at once.
 *
 * The descriptors are borrowed. Where possible (pipes, terminals) they are opened anew, so that
 * O_NONBLOCK does not leak to whoever shares them; else the flag is set and put back by
 * stdio_free(). Regular files and /dev/null work too. SIGPIPE is set to be ignored. */
#ifndef TRANSPORT_STDIO_H
#define TRANSPORT_STDIO_H

#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "transport/exchange.h"

#define STDIO_HIGH_BYTES (1024 * 1024)
#define STDIO_MAX_BYTES  (256 * 1024 * 1024)
#define STDIO_MIN_LINE   (4 * 1024 * 1024)
#define STDIO_GRACE_NS   2000000000u
#define STDIO_STALL_NS   2000000000u

struct stdio;

/* Everything is over: all messages are answered and written, or cannot be. Called once, from the
 * loop; the right place for loop_stop(). @err is NULL after a clean end. */
typedef void stdio_end_fn(void *ctx, const struct err *err);

/* Start to serve. Lines may have at most @max_line bytes (at least STDIO_MIN_LINE is used). */
struct stdio *stdio_new(struct loop *loop, int in_fd, int out_fd, size_t max_line,
                        const struct exchange_handler *handler, void *handler_ctx,
                        stdio_end_fn *on_end, void *on_end_ctx, struct err *err);

/* Behave as if input had ended here (SIGTERM). */
void stdio_stop(struct stdio *s);

/* Not from inside a callback of its own. Free it after everything that may still end an exchange:
 * the engine and the protocol. NULL is fine. */
void stdio_free(struct stdio *s);

#endif
