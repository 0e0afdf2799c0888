/* visible: when totals can be read. Marks and totals are written in one transaction, so the totals of a
 * report are there when the mark that covers it is (docs/store.md, view `mark`). */
#ifndef SUMU_TESTS_BENCH_VISIBLE_H
#define SUMU_TESTS_BENCH_VISIBLE_H

#include "bench/plan.h"
#include "core/catalog.h"

#include <sqlite3.h>

struct visible {
        const struct plan *plan;
        const struct catalog *catalog;
        int64_t start_ns;
        sqlite3 *db;
        sqlite3_stmt *marks;
        uint64_t *seen;      /* an office: reports up to here */
        int64_t *latency_ns; /* of all that were seen, from when they were due */
        size_t n;
};

/* false: the store cannot be read. */
bool visible_open(struct visible *v, const struct plan *p, const struct catalog *c, int64_t start_ns);
bool visible_look(struct visible *v);
void visible_close(struct visible *v);

#endif
