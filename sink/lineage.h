/* lineage: the facts that make a total (CONTRACT.md, /api/v1/lineage).
 *
 * Flow and peak: all facts inside; stock: the one fact of each region that counts. Of a derived figure they
 * are the facts of its operands, operand by operand, each naming its indicator. A fact is given with the
 * report that set it last, which of an `add` is the last of those that made it.
 *
 * Facts come by time, office and region; those of a stock by region. Pages belong to one version of the
 * store: `next` carries it, so that what is committed between two pages does not shift them. */
#ifndef SUMU_SINK_LINEAGE_H
#define SUMU_SINK_LINEAGE_H

#include "sink/figures.h"

enum { LINEAGE_USUAL = 1000, LINEAGE_MOST = 10000 };

struct lineage_fact {
        uint32_t indicator, region;
        int64_t value;
        enum qualifier q;
        int64_t report; /* its id */
        int32_t first;  /* of the base period */
};

struct lineage {
        struct lineage_fact *facts;
        size_t n;
        bool more;
};

/* Passes over `skip` facts and takes at most `limit`. */
int lineage_read(struct lineage *l, struct reader *r, uint32_t indicator, uint32_t region, bool own,
                 struct period asked, uint64_t skip, uint64_t limit, struct err *e);
void lineage_close(struct lineage *l);

#endif
