/* cell: the counts behind a figure, and how figures add over time and over place (DESIGN.md
 * section 3.1, 3.2).
 *
 * A cell of no facts is "nothing reported": its other members are 0 and its sum means nothing. A sum of 128
 * bits cannot overflow from fewer than 2^64 facts. */
#ifndef SUMU_CORE_CELL_H
#define SUMU_CORE_CELL_H

#include "base/planted.h"
#include "core/catalog.h"

struct cell {
        __int128 sum;             /* or the largest, of a peak */
        uint64_t facts;           /* all that count */
        uint64_t about, at_least; /* how many of them */
};

static inline struct cell cell_of(int64_t value, enum qualifier q)
{
        return (struct cell){.sum = value, .facts = 1, .about = q == ABOUT, .at_least = q == AT_LEAST};
}

/* A flow over time; flow and stock over place. */
static inline void cell_add(struct cell *into, const struct cell *part)
{
        into->sum += part->sum;
        into->facts += part->facts;
        into->about += part->about;
        into->at_least += part->at_least;
}

/* Takes back what was added. */
static inline void cell_subtract(struct cell *from, const struct cell *part)
{
        from->sum -= part->sum;
        from->facts -= part->facts;
        from->about -= PLANTED(QUALIFIER_STAYS) ? 0 : part->about;
        from->at_least -= part->at_least;
}

static inline void cell_peak(struct cell *into, const struct cell *part)
{
        if (part->facts && (!into->facts || part->sum > into->sum))
                into->sum = part->sum;
        into->facts += part->facts;
        into->about += part->about;
        into->at_least += part->at_least;
}

/* Over place, in any order. Kind is not DERIVED: such a figure is computed from totals, never added. */
static inline void cell_over_place(enum kind k, struct cell *into, const struct cell *part)
{
        if (k == PEAK)
                cell_peak(into, part);
        else
                cell_add(into, part);
}

/* Over time: `part` is later than everything in `into`. */
static inline void cell_over_time(enum kind k, struct cell *into, const struct cell *part)
{
        if (k != STOCK)
                cell_over_place(k, into, part);
        else if (part->facts)
                *into = *part;
}

/* Adds up the tree: cells[i] is region i's own, and afterwards its own and those of all regions below it, as
 * far as they are among the first n. */
void cell_up_the_tree(enum kind k, const struct catalog *c, struct cell *cells, size_t n);

bool cell_same(const struct cell *a, const struct cell *b);
enum qualifier cell_qualifier(const struct cell *c);   /* EXACT if there are no facts */
bool cell_value(const struct cell *c, int64_t *value); /* false: no facts, or outside 64 bits (overflow) */

#endif
