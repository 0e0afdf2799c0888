/* figures: the cells one question needs, fetched together.
 *
 * Say what is wanted, load once, then ask. A cell is stored (a region that has children, in a base period,
 * month, quarter, half or year), or made of stored ones (flow and peak over a week or a span: the largest
 * stored periods inside), or recomputed from what stands by core/tally.h (everything else: a region without
 * children, own figures, the stock of a span, any past moment). What is recomputed is read once per dataset
 * and stretch of time, however many periods are cut from it, and only from offices that may have a part in
 * it.
 *
 * Periods are those asked for: each indicator's dataset has its own way to hold them (`2020` is the ISO year
 * of weekly data), so one formula may use several. A period that a dataset does not hold is a missing figure
 * here; to refuse it is the caller's business. */
#ifndef SUMU_SINK_FIGURES_H
#define SUMU_SINK_FIGURES_H

#include "sink/reader.h"

#include "core/cell.h"

enum { FIGURES_MOST = 200000 }; /* cells of one question */

struct figures;

/* What is shown of a figure. */
struct amount {
        bool known, overflow; /* not known: null */
        bool counted;         /* has a number of facts: is not derived */
        int64_t value;        /* in the indicator's smallest unit */
        uint64_t facts;
        bool qualified; /* there are facts, or a derived value */
        enum qualifier q;
};

struct figures *figures_new(struct reader *r); /* the reader is between begin and end; NULL: memory */
void figures_free(struct figures *f);

/* `own`: of the region's own facts alone. A derived indicator wants its operands. E_FULL: more than
 * FIGURES_MOST. */
int figures_want(struct figures *f, uint32_t indicator, uint32_t region, bool own, struct period asked,
                 struct err *e);
int figures_load(struct figures *f, struct err *e);
struct amount figures_get(const struct figures *f, uint32_t indicator, uint32_t region, bool own,
                          struct period asked);

/* The reported figures behind one, in the order of reading, each once: the figure itself, or the operands of
 * a derived one; in the periods as held. What `each` answers other than 0 ends it and is the answer. */
struct operand {
        uint32_t indicator;
        struct period held;
};
int figures_operands(const struct catalog *c, uint32_t indicator, struct period asked,
                     int (*each)(void *ctx, const struct operand *o), void *ctx);

#endif
