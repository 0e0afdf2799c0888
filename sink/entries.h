/* entries: figures as /totals, /series and /lineage answer them: one JSON object for each indicator, region
 * and period asked, in that order (part of sink/api.h). */
#ifndef SUMU_SINK_ENTRIES_H
#define SUMU_SINK_ENTRIES_H

#include "sink/call.h"
#include "sink/figures.h"
#include "sink/presence.h"

struct entry_indicator {
        const char *text; /* as asked */
        uint32_t indicator;
};

struct entry_region {
        uint32_t region;
        bool own;
};

struct entries {
        struct call *k;
        struct entry_indicator *indicators;
        struct entry_region *regions;
        struct period *periods;
        size_t n_indicators, n_regions, n_periods;
        struct figures *figures;
        struct presence **presence; /* by dataset */
};

/* Reads `indicator`, `region`, `children` and `own`. After call_look. */
bool entries_ask(struct entries *n, struct call *k);

/* Fetches everything; refuses what a dataset does not hold. */
bool entries_load(struct entries *n);
void entries_print(struct entries *n, struct text *out);     /* [{…},…] */
void entries_print_one(struct entries *n, struct text *out); /* the first of them */
void entries_close(struct entries *n);

#endif
