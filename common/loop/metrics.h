/* metrics: counters and gauges of one daemon, as Prometheus reads them.
 *
 * A .def list (METRIC rows: name, type, help) gives the table and the enum that numbers it; the values are
 * atomic. A name may carry labels, `sumu_link_up{peer="sink"}`; rows of one family stand together and share
 * the first one's help. */
#ifndef SUMU_LOOP_METRICS_H
#define SUMU_LOOP_METRICS_H

#include "base/text.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8" /* Content-Type */

struct metric {
        const char *name, *type, *help; /* "sumu_reports_total", "counter" */
};

void metrics_print(const struct metric *table, const _Atomic int64_t *values, size_t n, struct text *out);

/* What runs (sumu_build_info) and what it takes: process_cpu_seconds_total, process_resident_memory_bytes,
 * process_start_time_seconds. */
void metrics_process(struct text *out);

#endif
