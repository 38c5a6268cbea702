/* Clocks and randomness. Nothing here can fail on a kernel we support; a failure aborts. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: the same in all processes of the machine */
uint64_t clock_unix_ms(void); /* wall clock, milliseconds since 1970 */

/* CPU time that the process @pid (all its threads) has used so far, in ns. Needs no permission.
 * Returns -1 when there is no such process. */
int clock_process_cpu_ns(pid_t pid, uint64_t *ret_ns);

/* Fill with random bytes from the kernel (getrandom). */
void random_bytes(void *out, size_t n);

#endif
