/* What may be imported: the profiles, their modules, and the variables that switch them on. One
 * table, read by the server (configuration, get_sandbox_info) and by the worker (import rule,
 * remedies). */
#ifndef CATALOG_PROFILES_H
#define CATALOG_PROFILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum profile_bit {
    PROFILE_BASIC = 1 << 0,
    PROFILE_DATA_SCIENCE = 1 << 1,
    PROFILE_NETWORK = 1 << 2,
    PROFILE_FILESYSTEM = 1 << 3,
};
#define PROFILE_COUNT 4
/* No profile, but modules that SANDBOX_ALLOWED_IMPORTS permits and that are in none: in what a
 * caller may use, never in the configuration. */
#define PROFILE_OTHER (1u << PROFILE_COUNT)
#define PROFILE_ALL   ((PROFILE_OTHER << 1) - 1)

struct profile {
    enum profile_bit bit;
    const char *name;     /* "data_science", as in get_sandbox_info */
    const char *variable; /* "SANDBOX_ENABLE_DATA_SCIENCE"; NULL for basic */
    const char *const
        *modules; /* dotted names, NULL-terminated, in the order of the documentation */
};
extern const struct profile profiles[PROFILE_COUNT];

/* The profile that lists @dotted or a parent package of it, or NULL: "numpy.linalg" → data_science.
 */
const struct profile *profile_of_module(const char *dotted);

/* The bit of that profile, PROFILE_OTHER for a module that is in none. */
unsigned profile_bit_of_module(const char *dotted);

/* Append those of @modules to @list that somebody may use who is limited to @bits (basic is always
 * in). */
int profile_limit(const struct strv *modules, unsigned bits, struct strv *list, struct err *err);

/* Append the modules of all profiles in @bits to @list. */
int profile_modules(unsigned bits, struct strv *list, struct err *err);

/* May @dotted be imported, given the permitted names? A permitted module permits its submodules:
 * "json" permits "json.decoder". A parent that merely leads to a listed submodule ("xml" when
 * "xml.etree.ElementTree" is listed) is MODULE_PATH: it may be walked through, and shows nothing
 * else. */
enum module_verdict { MODULE_NO, MODULE_PATH, MODULE_YES };
enum module_verdict module_permitted(const struct strv *permitted, const char *dotted);

#endif
