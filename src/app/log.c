/* Logging to stderr: see log.h. Runs in the server. Texts may hold pieces of what a program or a
 * worker said, so nothing but printable text goes out. */
#include "app/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum log_level least_level = LOG_INFO;
static bool silent;

void log_set_level(enum log_level least)
{
    least_level = least;
}

void log_silence(void)
{
    silent = true;
}

bool log_colour(int fd)
{
    const char *term = getenv("TERM");
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* A client may hold our stderr as a pipe and never read it: the server must not wait for that. At
 * POLLOUT a pipe takes at least PIPE_BUF bytes, and no line is longer. */
static void put(const char *line, size_t n)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT)) {
        ssize_t ignored = write(STDERR_FILENO, line, n);
        (void)ignored;
    }
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const colours[] = {"2", "0", "33", "31"};
    if (level < least_level || silent)
        return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    bool colour = level != LOG_INFO && log_colour(STDERR_FILENO);
    char line[2300];
    n = snprintf(line, sizeof(line), "vivarium: %s%s%s%s%s%s: %s\n", colour ? "\033[" : "",
                 colour ? colours[level] : "", colour ? "m" : "", log_level_name(level),
                 colour ? "\033[0m" : "", "", text);
    if (n > 0)
        put(line, MIN((size_t)n, sizeof(line) - 1));
}
