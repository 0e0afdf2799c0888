/* office: one of the twelve, in a process of its own: a real outbox, the real conversation
 * (collector/courier.h) over a real line, and reports that were drawn before.
 *
 * It takes the place of sumu-collector without files, forms and HTTP, so that what is measured is the
 * pipeline. Reports are put into the outbox in groups, each one commit with full sync, and only so many at a
 * time as the window allows. A report counts as acknowledged when the office has kept the mark that covers it
 * and the verdict `accepted`. */
#ifndef SUMU_TESTS_BENCH_OFFICE_H
#define SUMU_TESTS_BENCH_OFFICE_H

#include "bench/plan.h"
#include "bench/sums.h"

struct office_done {          /* what it tells in the end */
        int64_t end_ns;       /* all reports acknowledged and accepted */
        double draw_s, cpu_s; /* of the processor: before the start, and from then on */
        uint64_t drawn_bytes; /* of memory, that a real office would not need */
        uint64_t outbox_bytes;
        uint64_t rss_bytes; /* at most, from then on, what was drawn included */
        uint64_t late;      /* wake-ups */
};

/* Says 'r' over the line when it stands ready; waits for the time of the start, an int64_t; says struct
 * office_done and how long each report took to be acknowledged, int64_t nanoseconds. Answers the exit status.
 */
int office_run(const struct plan *p, const struct catalog *c, uint32_t office, struct sums *sums, int line);

#endif
