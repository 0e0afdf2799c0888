/* coverage: who has reported a dataset in a period, who was late, who is missing (CONTRACT.md,
 * /api/v1/coverage).
 *
 * Of one office in one base period:
 *
 *     on_time       something stands, and its first report (since the last withdrawal) was submitted by the
 * due time late          something stands, first submitted after it imported      something stands, and the
 * period had ended before the office first met HQ (补录) rejected      nothing stands, and the last report
 * was rejected not_expected  nothing stands; the office is not valid then, or the period begins before the
 * dataset's `since` waiting       nothing stands, the due time has not come missing       nothing stands, the
 * due time has passed
 *
 * The office's own time of submission counts: a line that was down is not its fault, a later correction no
 * delay. Due times are civil times of the catalogue's zone. A withdrawal leaves nothing standing.
 *
 * A base period is judged whether it has ended or not. Of a longer period the base periods inside that have
 * ended are counted, each for itself; its office is in the first state of this order that it is in anywhere:
 * missing, rejected, waiting, late, on_time, imported, not_expected. */
#ifndef SUMU_SINK_COVERAGE_H
#define SUMU_SINK_COVERAGE_H

#include "sink/reader.h"

/* STATE(name, word): the first that applies is the state over several periods. */
#define COVERAGE_STATES(STATE)      \
        STATE(MISSING, "missing")   \
        STATE(REJECTED, "rejected") \
        STATE(WAITING, "waiting")   \
        STATE(LATE, "late")         \
        STATE(ON_TIME, "on_time")   \
        STATE(IMPORTED, "imported") \
        STATE(NOT_EXPECTED, "not_expected")

enum coverage_state {
#define STATE(name, word) COVERAGE_##name,
        COVERAGE_STATES(STATE)
#undef STATE
            COVERAGE_STATE_COUNT
};
const char *coverage_word(enum coverage_state s);

struct coverage_count {
        uint64_t expected, received;
        uint64_t in[COVERAGE_STATE_COUNT];
};

struct coverage_office {
        uint32_t office;
        enum coverage_state state;
        struct coverage_count count;
        uint32_t revision;                 /* of a base period: the last that stands; 0: none */
        int64_t submitted_at, received_at; /* of the last report; 0: none */
};

struct coverage {
        struct coverage_count count;
        struct coverage_office *offices; /* those that answer for the dataset, in the catalogue's order */
        size_t n;
};

int coverage_read(struct coverage *v, struct reader *r, uint32_t dataset, struct period held, struct err *e);
void coverage_close(struct coverage *v);

#endif
