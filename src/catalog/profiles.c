/* The table of profiles: see profiles.h. The lists are those of docs (contract): keep their order.
 */
#include "catalog/profiles.h"

#include <string.h>

static const char *const basic[] = {
    "math",         "cmath",
    "random",       "statistics",
    "decimal",      "fractions",
    "numbers",      "datetime",
    "time",         "calendar",
    "ipaddress",    "logging",
    "warnings",     "traceback",
    "zoneinfo",     "collections",
    "itertools",    "functools",
    "operator",     "heapq",
    "bisect",       "array",
    "copy",         "string",
    "textwrap",     "re",
    "difflib",      "unicodedata",
    "base64",       "binascii",
    "hashlib",      "hmac",
    "secrets",      "json",
    "csv",          "html",
    "html.parser",  "xml.etree.ElementTree",
    "urllib.parse", "configparser",
    "uuid",         "dataclasses",
    "enum",         "typing",
    "types",        "abc",
    "asyncio",      "sys",
    "contextlib",   "graphlib",
    "pprint",       "reprlib",
    "io",           "struct",
    "zlib",         NULL,
};

static const char *const data_science[] = {
    "numpy",   "pandas",      "scipy",  "matplotlib", "seaborn",
    "sklearn", "statsmodels", "plotly", "sympy",      NULL,
};

static const char *const network[] = {
    "httpx", "requests", "urllib.request", "aiohttp", "websocket",
    "email", "smtplib",  "ftplib",         "ssl",     NULL,
};

static const char *const filesystem[] = {
    "pathlib", "os.path", "tempfile", "shutil", "glob", "zipfile", "tarfile", NULL,
};

const struct profile profiles[PROFILE_COUNT] = {
    {PROFILE_BASIC, "basic", NULL, basic},
    {PROFILE_DATA_SCIENCE, "data_science", "SANDBOX_ENABLE_DATA_SCIENCE", data_science},
    {PROFILE_NETWORK, "network", "SANDBOX_ENABLE_NETWORK", network},
    {PROFILE_FILESYSTEM, "filesystem", "SANDBOX_ENABLE_FILESYSTEM", filesystem},
};

/* Is @name the module @top or inside it? */
static bool inside(const char *name, const char *top)
{
    size_t n = strlen(top);
    return strncmp(name, top, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

const struct profile *profile_of_module(const char *dotted)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        for (const char *const *m = profiles[i].modules; *m; m++)
            if (inside(dotted, *m))
                return &profiles[i];
    return NULL;
}

unsigned profile_bit_of_module(const char *dotted)
{
    const struct profile *p = profile_of_module(dotted);
    return p ? p->bit : PROFILE_OTHER;
}

int profile_limit(const struct strv *modules, unsigned bits, struct strv *list, struct err *err)
{
    for (size_t i = 0; i < modules->len; i++)
        if ((bits | PROFILE_BASIC) & profile_bit_of_module(modules->items[i]) &&
            strv_add(list, modules->items[i], err) < 0)
            return -1;
    return 0;
}

int profile_modules(unsigned bits, struct strv *list, struct err *err)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++) {
        if (!(bits & profiles[i].bit))
            continue;
        for (const char *const *m = profiles[i].modules; *m; m++)
            if (strv_add(list, *m, err) < 0)
                return -1;
    }
    return 0;
}

enum module_verdict module_permitted(const struct strv *permitted, const char *dotted)
{
    enum module_verdict verdict = MODULE_NO;
    for (size_t i = 0; i < permitted->len; i++) {
        if (inside(dotted, permitted->items[i]))
            return MODULE_YES;
        if (inside(permitted->items[i], dotted))
            verdict = MODULE_PATH;
    }
    return verdict;
}
