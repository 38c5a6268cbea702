/* The text that Prometheus reads: see exposition.h. Runs in the server, for each scrape. Trusts
 * nothing but its own process's /proc. */
#include "record/exposition.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct label none;

static void put(struct exposition *e, const char *text)
{
    if (!e->bad && buf_add_str(e->buf, text, NULL) < 0)
        e->bad = true;
}

static void put_value(struct exposition *e, double value)
{
    char text[40];
    /* Prometheus spells it as strtod() reads it; whole numbers need no fraction. */
    if (isinf(value))
        snprintf(text, sizeof(text), "+Inf");
    else
        snprintf(text, sizeof(text), "%.15g", value);
    put(e, text);
}

static void put_label(struct exposition *e, struct label l, bool first)
{
    put(e, first ? "{" : ",");
    put(e, l.name);
    put(e, "=\"");
    for (const char *p = l.value ? l.value : ""; *p && !e->bad; p++) {
        const char *escaped = *p == '\\' ? "\\\\" : *p == '"' ? "\\\"" : *p == '\n' ? "\\n" : NULL;
        if (escaped)
            put(e, escaped);
        else if (buf_add(e->buf, p, 1, NULL) < 0)
            e->bad = true;
    }
    put(e, "\"");
}

static void put_head(struct exposition *e, const char *name, struct label a, struct label b)
{
    put(e, name);
    if (a.name)
        put_label(e, a, true);
    if (b.name)
        put_label(e, b, !a.name);
    if (a.name || b.name)
        put(e, "}");
    put(e, " ");
}

void exposition_family(struct exposition *e, const char *name, const char *type, const char *help)
{
    if (!e->bad &&
        buf_addf(e->buf, NULL, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type) < 0)
        e->bad = true;
}

void exposition_count(struct exposition *e, const char *name, struct label a, struct label b,
                      uint64_t value)
{
    put_head(e, name, a, b);
    if (!e->bad && buf_addf(e->buf, NULL, "%" PRIu64 "\n", value) < 0)
        e->bad = true;
}

void exposition_real(struct exposition *e, const char *name, struct label a, struct label b,
                     double value)
{
    put_head(e, name, a, b);
    put_value(e, value);
    put(e, "\n");
}

void exposition_single(struct exposition *e, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    exposition_family(e, name, type, help);
    exposition_count(e, name, none, none, value);
}

/* ---- executions ---- */

static const char *const layers[LAYERS] = {
    [LAYER_POLICY] = "policy",   [LAYER_GUARD] = "guard",   [LAYER_AUDIT] = "audit",
    [LAYER_SECCOMP] = "seccomp", [LAYER_KERNEL] = "kernel", [LAYER_EGRESS] = "egress",
};

static void put_categories(struct exposition *e, const char *name, const uint64_t *counts,
                           const char *(*category_name)(unsigned))
{
    for (unsigned i = 0; i < RECORD_CATEGORIES; i++) {
        const char *category = i == 0 ? "success" : category_name(i);
        if (category)
            exposition_count(e, name, (struct label){"category", category}, none, counts[i]);
    }
}

static void put_durations(struct exposition *e, const struct metrics *m)
{
    static const char name[] = "vivarium_execution_duration_seconds";
    uint64_t below = 0;
    exposition_family(e, name, "histogram",
                      "Wall-clock time of executions, from the start of the program.");
    for (size_t i = 0; i <= RECORD_BUCKETS; i++) {
        char bound[32];
        snprintf(bound, sizeof(bound), "%.15g",
                 i < RECORD_BUCKETS ? record_bucket_seconds[i] : INFINITY);
        below += m->wall_buckets[i];
        exposition_count(e, "vivarium_execution_duration_seconds_bucket",
                         (struct label){"le", i < RECORD_BUCKETS ? bound : "+Inf"}, none, below);
    }
    exposition_real(e, "vivarium_execution_duration_seconds_sum", none, none,
                    (double)m->wall_ns / 1e9);
    exposition_count(e, "vivarium_execution_duration_seconds_count", none, none, below);
}

void exposition_executions(struct exposition *e, const struct metrics *m,
                           const char *(*category_name)(unsigned category))
{
    exposition_family(e, "vivarium_executions_total", "counter",
                      "Programs run, or refused, by what came of them.");
    put_categories(e, "vivarium_executions_total", m->executions, category_name);
    exposition_family(e, "vivarium_validations_total", "counter",
                      "Programs judged without being run, by verdict.");
    put_categories(e, "vivarium_validations_total", m->validations, category_name);
    put_durations(e, m);
    exposition_family(e, "vivarium_execution_cpu_seconds_total", "counter",
                      "CPU time of executions.");
    exposition_real(e, "vivarium_execution_cpu_seconds_total", none, none, (double)m->cpu_ns / 1e9);
    exposition_family(e, "vivarium_security_events_total", "counter",
                      "What was stopped, by the wall that did.");
    for (size_t i = 0; i < LAYERS; i++)
        exposition_count(e, "vivarium_security_events_total", (struct label){"layer", layers[i]},
                         none, m->security_events[i]);
    exposition_single(e, "vivarium_output_bytes_total", "counter",
                      "What programs wrote to standard output and error.", m->output_bytes);
    exposition_single(e, "vivarium_truncated_total", "counter",
                      "Executions with an output or result that was cut.", m->truncated);
    exposition_single(e, "vivarium_execution_peak_memory_bytes", "gauge",
                      "The most memory that one execution has used.", m->peak_memory_bytes);
    exposition_single(e, "vivarium_audit_lines_total", "counter", "Lines of the audit log.",
                      m->audit_lines);
    exposition_single(e, "vivarium_audit_failures_total", "counter",
                      "Lines that could not be written at once.", m->audit_failures);
}

/* ---- this process ---- */

static ssize_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    if (n >= 0)
        out[n] = '\0';
    return n;
}

static long open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    long n = -1; /* but for the one of @dir */
    for (struct dirent *d; (d = readdir(dir));)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Field 22 of /proc/self/stat: ticks from boot to the start of the process. */
static bool started_at(double *ret_unix)
{
    char text[1024];
    if (read_file("/proc/self/stat", text, sizeof(text)) <= 0)
        return false;
    char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    struct timespec now;
    struct timespec up;
    if (!p || clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
        return false;
    double ago = (double)up.tv_sec - strtod(p + 1, NULL) / (double)sysconf(_SC_CLK_TCK);
    *ret_unix = (double)now.tv_sec - ago;
    return true;
}

void exposition_process(struct exposition *e)
{
    char text[256];
    unsigned long pages[2];
    double started;
    if (read_file("/proc/self/statm", text, sizeof(text)) > 0) {
        char *end;
        pages[0] = strtoul(text, &end, 10);
        pages[1] = strtoul(end, NULL, 10);
        uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
        exposition_single(e, "process_virtual_memory_bytes", "gauge",
                          "Address space of the server.", pages[0] * size);
        exposition_single(e, "process_resident_memory_bytes", "gauge",
                          "Resident memory of the server (not of the programs).", pages[1] * size);
    }
    struct mallinfo2 heap = mallinfo2();
    exposition_single(
        e, "vivarium_heap_bytes", "gauge",
        "Memory that the server has allocated and uses. Goes up with what is under way, "
        "and back.",
        heap.uordblks + heap.hblkhd);
    long fds = open_descriptors();
    if (fds >= 0)
        exposition_single(e, "process_open_fds", "gauge", "Open descriptors of the server.",
                          (uint64_t)fds);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        exposition_single(e, "process_max_fds", "gauge", "How many descriptors it may have.",
                          limit.rlim_cur);
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        exposition_family(e, "process_cpu_seconds_total", "counter", "CPU time of the server.");
        exposition_real(e, "process_cpu_seconds_total", none, none,
                        (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    }
    if (started_at(&started)) {
        exposition_family(e, "process_start_time_seconds", "gauge",
                          "When the server started, in seconds since 1970.");
        exposition_real(e, "process_start_time_seconds", none, none, started);
    }
}
