/* sums: what all offices say they have sent, figure by figure, and the totals a plain sum makes of it.
 *
 * One array in memory that the offices' processes share; no two of them touch the same figure. */
#ifndef SUMU_TESTS_BENCH_SUMS_H
#define SUMU_TESTS_BENCH_SUMS_H

#include "core/report.h"

#include <stdio.h>

struct sums {
        uint32_t regions, indicators, days;
        int32_t first_day;
        int64_t *value;  /* by day, indicator, region */
        uint8_t *stands; /* 0: nothing; else 1 + the qualifier */
};

void sums_open(struct sums *s, const struct catalog *c, int32_t first_day, uint32_t days);
void sums_close(struct sums *s);

/* What an office has said of the day is no longer said. */
void sums_withdraw(struct sums *s, const struct catalog *c, uint32_t office, uint32_t day);
void sums_add(struct sums *s, uint32_t day, const struct fact *facts, size_t n);

/* The totals that follow: "indicator,region,period,value,qualifier,facts", of all regions for months, of
 * regions with children for every tenth day of a month. Nothing over nothing. */
void sums_print(const struct sums *s, const struct catalog *c, FILE *out);

#endif
