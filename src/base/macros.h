/* Ownership and small helpers used everywhere. A value is acquired into an auto_* local and
 * moved out with the matching take_*, so that every early return releases what it holds. */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define _cleanup_(f)       __attribute__((cleanup(f)))
#define _unused_           __attribute__((unused))
#define _noreturn_         __attribute__((noreturn))
#define _printf_(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* Release with free() at the end of the scope. */
static inline void auto_free_fn(void *p)
{
    free(*(void **)p);
}
#define auto_free _cleanup_(auto_free_fn)

/* Move the pointer out of an auto_* local: yields its value and leaves NULL behind. */
#define take_ptr(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) *take_p_ = &(p);                                                             \
        __typeof__(p) take_v_ = *take_p_;                                                          \
        *take_p_ = NULL;                                                                           \
        take_v_;                                                                                   \
    })

/* Declare auto_NAME for a type with a destructor that takes a pointer and accepts NULL. */
#define DEFINE_AUTO(type, name, destroy)                                                           \
    static inline void auto_##name##_fn(type **p)                                                  \
    {                                                                                              \
        destroy(*p);                                                                               \
    }                                                                                              \
    _Static_assert(1, "")

#endif
