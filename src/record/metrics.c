/* Counters: see record.h. Runs in the server; pure arithmetic over one entry at a time. */
#include "record/record.h"

#include "record/metrics.h"

const double record_bucket_seconds[RECORD_BUCKETS] = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};

void metrics_add(struct metrics *m, const struct record_entry *e)
{
    unsigned category = MIN(e->category, (unsigned)RECORD_CATEGORIES - 1);
    for (size_t i = 0; i < e->events_len; i++)
        if (e->events[i].layer < LAYERS)
            m->security_events[e->events[i].layer]++;
    if (str_eq(e->mode, "validate")) {
        m->validations[category]++;
        return;
    }
    m->executions[category]++;
    m->wall_ns += e->wall_ns;
    m->cpu_ns += e->cpu_ns;
    m->output_bytes += e->out_len[0] + e->out_len[1];
    m->truncated += e->truncated;
    m->peak_memory_bytes = MAX(m->peak_memory_bytes, e->peak_memory_bytes);
    if (e->wall_ns == 0)
        return; /* refused: it never ran */
    size_t bucket = 0;
    while (bucket < RECORD_BUCKETS && (double)e->wall_ns > record_bucket_seconds[bucket] * 1e9)
        bucket++;
    m->wall_buckets[bucket]++;
}
