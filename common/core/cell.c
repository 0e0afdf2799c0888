#include "core/cell.h"

#include "base/check.h"

void cell_up_the_tree(enum kind k, const struct catalog *c, struct cell *cells, size_t n)
{
        PRE(n <= c->n_regions && k != DERIVED);
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
