/* plan: what a run of bench_offices is told (plan.def), and what follows from it for each report. */
#ifndef SUMU_TESTS_BENCH_PLAN_H
#define SUMU_TESTS_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct plan {
#define TEXT(name, help) const char *name;
#define NUMBER(name, otherwise, help) uint64_t name;
#include "bench/plan.def"
#undef TEXT
#undef NUMBER
        int32_t first_day;
};

/* false: something is wrong with the words, which was said on stderr with what may be written. */
bool plan_read(struct plan *p, int argc, char **argv);

/* The day of a report, counted from the first one. */
uint32_t plan_day(const struct plan *p, uint64_t report);

/* With a rate: when a report is due, nanoseconds after the start. Offices take turns. */
int64_t plan_due_ns(const struct plan *p, uint32_t office, uint64_t report);

#endif
