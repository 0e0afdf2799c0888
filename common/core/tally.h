/* tally: figures of one period, recomputed from what stands: the plain way that everything else must agree
 * with.
 *
 * Feed what stands period by period, in order of time; it adds over time per region, then over place. Used
 * when a figure is asked for that is not stored (a region without children, a week, a span) and by `sumu
 * verify`. */
#ifndef SUMU_CORE_TALLY_H
#define SUMU_CORE_TALLY_H

#include "core/cell.h"
#include "core/report.h"

struct tally;

/* For these indicators only (n = 0: all of the dataset that are reported); derived ones are no business of a
 * tally. The catalogue is borrowed. NULL: memory. */
struct tally *tally_new(const struct catalog *c, uint32_t dataset, const uint32_t *indicators, size_t n);
void tally_free(struct tally *t);
void tally_reset(struct tally *t); /* keeps the memory */

/* What stands of one office in one base period. Calls come in order of time; offices of one period in any
 * order. false: memory; the tally is then good for tally_reset only. */
bool tally_add(struct tally *t, struct period base, const struct fact *facts, size_t n);

/* The region's own cell over the time fed. */
struct cell tally_own(const struct tally *t, uint32_t indicator, uint32_t region);

/* Adds up the tree; tally_total then is the region's total, until the next tally_add. */
void tally_settle(struct tally *t);
struct cell tally_total(const struct tally *t, uint32_t indicator, uint32_t region);

#endif
