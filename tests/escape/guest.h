/* What the test server and the test guest say to each other over the control channel: one request,
 * one reply, datagrams. */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <stdint.h>

enum guest_op {
    GUEST_ENTER = 1, /* jail_zygote_enter(); the reply carries the listener. number 1: without the
                        reporting filter */
    GUEST_PROBE,     /* the self-test in a worker; text = "layer|name|state|detail\n" … */
    GUEST_TRY,       /* one harm (text = its name) in a worker behind `walls` */
    GUEST_PYTHON,    /* a Python program (text) in a worker behind `walls` */
    GUEST_COST,      /* fork and end `number` workers; value = CPU ns for each, of both */
    GUEST_ABANDON,   /* end at once, leaving a worker behind; value = its pid inside */
};

/* Which walls the worker puts up, in their order. */
#define WALL_LANDLOCK     1u
#define WALL_TIES         2u
#define WALL_LIMITS       4u
#define WALL_CAPABILITIES 8u
#define WALL_SECCOMP      16u
#define WALLS_ALL         31u

struct guest_request {
    uint32_t op;
    uint32_t walls;
    uint64_t number;
    char text[4000];
};

struct guest_reply {
    int64_t value;  /* TRY: what the harm returned; PYTHON: 0 = no exception; others: 0 or -1 */
    int32_t error;  /* TRY: errno */
    int32_t status; /* wait status of the worker */
    char text[24000];
};

#endif
