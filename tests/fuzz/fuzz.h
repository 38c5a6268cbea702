/* What the fuzz targets share. A target is one file, fuzz_NAME.c, that is built twice: with
 * libFuzzer (`make fuzz`), and with replay.c for the ordinary tests, which feeds it the inputs in
 * corpus/NAME. It must digest every input: whatever is wrong shows as a crash, a report of a
 * sanitizer or a failed FUZZ_CHECK. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What libFuzzer calls; the second is optional. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define FUZZ_MUTATES 1
/* Optional: change @data of @n bytes in place, to at most @max bytes; the new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned int seed);
/* libFuzzer's own way of doing that. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
#endif

#define FUZZ_CHECK(expr)                                                                           \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #expr);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A cursor over the input, for targets that take decisions from it. Past the end it yields zeros.
 */
struct fuzz_in {
    const uint8_t *p;
    size_t left;
};
static inline uint8_t fuzz_byte(struct fuzz_in *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

#endif
