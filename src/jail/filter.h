/* The table of what a worker may ask of the kernel (rules.c). Everything else is refused. */
#ifndef JAIL_FILTER_H
#define JAIL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_MAX_ARGS 3

/* A condition on one argument; 64 bits are compared, so garbage in the upper half never matches an
 * ARG_IS and never helps against an ARG_BITS. */
struct filter_arg {
    enum { ARG_NONE, ARG_IS, ARG_BITS } test;
    unsigned index; /* 0 = first */
    uint64_t mask;  /* ARG_BITS: argument & mask == value */
    uint64_t value; /* FILTER_SELF_PID: the worker's own pid */
};

struct filter_rule {
    const char *name;
    int error; /* 0 = permitted, else refused with this instead of EPERM */
    bool namespaces_only;
    struct filter_arg args[FILTER_MAX_ARGS]; /* all must hold; several rules for a call: any */
};
extern const struct filter_rule filter_rules[];
extern const size_t filter_rules_len;

#endif
