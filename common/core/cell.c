#include "core/cell.h"

#include "base/check.h"

struct cell cell_of(int64_t value, enum qualifier q)
{
        return (struct cell){.sum = value, .facts = 1, .about = q == ABOUT, .at_least = q == AT_LEAST};
}

static void add_counts(struct cell *into, const struct cell *part)
{
        into->facts += part->facts;
        into->about += part->about;
        into->at_least += part->at_least;
}

void cell_add(struct cell *into, const struct cell *part)
{
        into->sum += part->sum;
        add_counts(into, part);
}

void cell_peak(struct cell *into, const struct cell *part)
{
        if (part->facts && (!into->facts || part->sum > into->sum))
                into->sum = part->sum;
        add_counts(into, part);
}

void cell_over_time(enum kind k, struct cell *into, const struct cell *part)
{
        switch (k) {
        case FLOW: cell_add(into, part); return;
        case PEAK: cell_peak(into, part); return;
        case STOCK:
                if (part->facts)
                        *into = *part;
                return;
        case DERIVED: break;
        }
        UNREACHABLE(); /* a derived figure is computed from totals, never added */
}

void cell_over_place(enum kind k, struct cell *into, const struct cell *part)
{
        PRE(k != DERIVED);
        if (k == PEAK)
                cell_peak(into, part);
        else
                cell_add(into, part);
}

void cell_up_the_tree(enum kind k, const struct catalog *c, struct cell *cells, size_t n)
{
        PRE(n <= c->n_regions);
        for (size_t i = n; i-- > 1;)
                if (cells[i].facts)
                        cell_over_place(k, &cells[c->regions[i].parent], &cells[i]);
}

bool cell_same(const struct cell *a, const struct cell *b)
{
        if (!a->facts && !b->facts)
                return true;
        return a->sum == b->sum && a->facts == b->facts && a->about == b->about && a->at_least == b->at_least;
}

enum qualifier cell_qualifier(const struct cell *c)
{
        if (c->about)
                return ABOUT;
        return c->at_least ? AT_LEAST : EXACT;
}

bool cell_value(const struct cell *c, int64_t *value)
{
        if (!c->facts || c->sum > INT64_MAX || c->sum < INT64_MIN)
                return false;
        *value = (int64_t)c->sum;
        return true;
}
