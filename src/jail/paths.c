/* Paths: see paths.h. Used by init, on paths the operator or the interpreter gave. */
#include "jail/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"

bool path_within(const char *path, const char *folder)
{
    auto_free char *p = realpath(path, NULL);
    auto_free char *f = realpath(folder, NULL);
    if (!p || !f)
        return false;
    size_t n = strlen(f);
    return strncmp(p, f, n) == 0 && (p[n] == '\0' || p[n] == '/' || f[n - 1] == '/');
}

int path_descriptor(const char *path)
{
    static const char prefix[] = "/proc/self/fd/";
    if (!str_starts(path, prefix))
        return -1;
    char *end;
    const char *digits = path + sizeof(prefix) - 1;
    unsigned long n = strtoul(digits, &end, 10);
    return end > digits && *end == '\0' && n < 1024 ? (int)n : -1;
}
