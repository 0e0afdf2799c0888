/* work: what one office of work W reports, drawn from a seed.
 *
 * Places are townships times indicators. Both are skewed, the k-th township as 1/k and the k-th indicator as
 * 1/k^0.8, values run from 0 to 1000, one figure in twenty is "at least". A report names each of its places
 * once, which is all that sets this work apart from that of the bare pipeline it is held against. */
#ifndef SUMU_TESTS_BENCH_WORK_H
#define SUMU_TESTS_BENCH_WORK_H

#include "core/report.h"
#include "lib/seed.h"

struct work {
        struct seed seed;
        uint32_t *towns; /* regions */
        uint32_t n_towns, n_indicators;
        double *town_odds, *indicator_odds; /* running sums, the last is 1 */
        uint64_t *taken;                    /* a place: the last draw that took it */
        uint64_t draws;
};

void work_open(struct work *w, const struct catalog *c, uint32_t office);
void work_close(struct work *w);

/* n facts in different places, sorted; at most seven places of eight may be asked for. */
void work_draw(struct work *w, struct fact *facts, size_t n);

/* Other figures in the same places. */
void work_correct(struct work *w, struct fact *facts, size_t n);

#endif
