/* presence: which offices have a report standing in which base periods of one dataset, and what that makes of
 * a period.
 *
 * An office is expected in a period if it answers for the dataset, is valid in it, and the period does not
 * end before the dataset's `since`. It is received if at least one report stands in a base period inside, and
 * complete if one stands in every base period inside that has ended and in which it was expected (a base
 * period that begins before `since` is not). A withdrawal leaves nothing standing. */
#ifndef SUMU_SINK_PRESENCE_H
#define SUMU_SINK_PRESENCE_H

#include "sink/reader.h"

struct presence;

struct head_count {
        uint32_t expected, received, complete;
};

/* Looks at base periods beginning in first..last. Later questions stay inside. */
int presence_new(struct presence **p, struct reader *r, uint32_t dataset, int32_t first, int32_t last,
                 struct err *e);
void presence_free(struct presence *p);

/* Of the offices whose scope meets the region (own: who report its own facts). Asking about one period after
 * the other, and of each about all regions, is fastest. */
struct head_count presence_of(struct presence *p, uint32_t region, bool own, struct period held);

/* Seconds of civil time at the reader's moment; a period has ended if its last day has. */
int64_t reader_civil_s(const struct reader *r);
bool period_has_ended(struct period p, int64_t civil_s);

#endif
