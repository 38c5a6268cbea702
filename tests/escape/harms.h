/* Harms tried by the tests from inside a worker, beside those of the self-test. */
#ifndef TESTS_HARMS_H
#define TESTS_HARMS_H

#include "jail/internal.h"

struct harm {
    const char *name;
    /* 0 or more: the harm was done; -1 and errno: it was not. */
    long (*try)(const struct jail *j);
};
extern const struct harm harms[];
extern const unsigned long harms_len;

/* A process that exists for the harms to aim at: its pid as the worker would have to name it. */
extern pid_t harm_victim;

#endif
