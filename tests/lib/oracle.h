/* oracle: totals recomputed from the list of accepted reports, slowly and obviously.
 *
 * Plain loops over everything, straight from DESIGN.md section 3, sharing no code with the folding, adding
 * and settling of core (only the calendar and the plain structs). What the cube and the tally say must be
 * this. */
#ifndef SUMU_TESTS_ORACLE_H
#define SUMU_TESTS_ORACLE_H

#include "core/cell.h"
#include "core/report.h"

struct oracle_revision {
        uint32_t office;
        struct place at;
        struct report report; /* facts are ours */
};

struct oracle_stand { /* what stands of one office in one base period */
        uint32_t office, dataset;
        struct period period;
        struct fact *facts; /* in no order */
        size_t n;
};

struct oracle {
        const struct catalog *c;
        struct oracle_revision *revisions; /* as accepted */
        size_t n;
        struct oracle_stand *stands; /* after oracle_settle: in order of time */
        size_t n_stands;
};

void oracle_close(struct oracle *o);
void oracle_accept(struct oracle *o, uint32_t office, const struct report *r, struct place at);

/* Is the place before the last replace or withdraw of the same report? */
bool oracle_is_superseded(const struct oracle *o, uint32_t office, const struct report *r, struct place at);

/* The revisions of a dataset within first..last that stand, in order of (period, office, place). Free the
 * array. */
size_t oracle_standing(const struct oracle *o, uint32_t dataset, int32_t first, int32_t last,
                       const struct oracle_revision ***out);

void oracle_settle(struct oracle *o);
struct cell oracle_own(const struct oracle *o, uint32_t indicator, uint32_t region, struct period p);
struct cell oracle_total(const struct oracle *o, uint32_t indicator, uint32_t region, struct period p);

#endif
