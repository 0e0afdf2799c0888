#include "core/tally.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* One indicator: arrays over the regions up to the highest used. */
struct column {
        uint32_t indicator;
        enum kind kind;
        uint32_t n;
        struct cell *own, *total;
        int32_t *since; /* of a stock: the first day of the period that counts */
};

struct tally {
        const struct catalog *c;
        struct column *columns; /* by indicator */
        size_t n;
        int32_t now; /* the first day of the period fed last */
        bool settled;
};

static int by_indicator(const void *a, const void *b)
{
        const struct column *x = a, *y = b;
        return (x->indicator > y->indicator) - (x->indicator < y->indicator);
}

struct tally *tally_new(const struct catalog *c, uint32_t dataset, const uint32_t *indicators, size_t n)
{
        const struct dataset *d = &c->datasets[dataset];
        if (!n) {
                indicators = d->indicators;
                n = d->n_indicators;
        }
        struct tally *t = calloc(1, sizeof *t);
        struct column *columns = calloc(n ? n : 1, sizeof *columns);
        if (!t || !columns) {
                free(t);
                free(columns);
                return NULL;
        }
        *t = (struct tally){.c = c, .columns = columns, .now = INT32_MIN};
        for (size_t i = 0; i < n; i++) {
                const struct indicator *in = &c->indicators[indicators[i]];
                PRE(in->dataset == dataset);
                if (in->kind != DERIVED)
                        columns[t->n++] = (struct column){.indicator = indicators[i], .kind = in->kind};
        }
        qsort(columns, t->n, sizeof *columns, by_indicator);
        return t;
}

void tally_free(struct tally *t)
{
        for (size_t i = 0; t && i < t->n; i++) {
                free(t->columns[i].own);
                free(t->columns[i].total);
                free(t->columns[i].since);
        }
        if (t)
                free(t->columns);
        free(t);
}

void tally_reset(struct tally *t)
{
        for (size_t i = 0; i < t->n; i++)
                if (t->columns[i].n)
                        memset(t->columns[i].own, 0, t->columns[i].n * sizeof *t->columns[i].own);
        t->now = INT32_MIN;
        t->settled = false;
}

static void *widen(void *array, size_t from, size_t to, size_t size)
{
        char *wider = realloc(array, to * size);
        if (wider)
                memset(wider + from * size, 0, (to - from) * size);
        return wider;
}

static bool column_reserve(const struct tally *t, struct column *k, uint32_t n)
{
        if (n <= k->n)
                return true;
        if (n < k->n * 2)
                n = k->n * 2;
        if (n > t->c->n_regions)
                n = t->c->n_regions;
        struct cell *own = widen(k->own, k->n, n, sizeof *own);
        k->own = own ? own : k->own;
        struct cell *total = widen(k->total, k->n, n, sizeof *total);
        k->total = total ? total : k->total;
        int32_t *since = widen(k->since, k->n, n, sizeof *since);
        k->since = since ? since : k->since;
        if (!own || !total || !since)
                return false;
        k->n = n;
        return true;
}

static void column_add(struct column *k, int32_t day, const struct fact *f)
{
        struct cell one = cell_of(f->value, (enum qualifier)f->q), *own = &k->own[f->region];
        if (k->kind == STOCK && k->since[f->region] != day) { /* a later period: only the latest counts */
                k->since[f->region] = day;
                *own = one;
        } else {
                cell_over_place(k->kind, own, &one);
        }
}

bool tally_add(struct tally *t, struct period base, const struct fact *facts, size_t n)
{
        PRE(base.first >= t->now);
        t->now = base.first;
        t->settled = false;
        size_t at = 0;
        for (struct column *k = t->columns; k < t->columns + t->n && at < n; k++) {
                at = facts_seek(facts, n, at, fact_key(k->indicator, 0));
                size_t end = facts_seek(facts, n, at, fact_key(k->indicator + 1, 0));
                if (at < end && !column_reserve(t, k, facts[end - 1].region + 1))
                        return false;
                for (; at < end; at++)
                        column_add(k, base.first, &facts[at]);
        }
        return true;
}

static const struct column *find(const struct tally *t, uint32_t indicator)
{
        struct column key = {.indicator = indicator};
        const struct column *k = bsearch(&key, t->columns, t->n, sizeof key, by_indicator);
        PRE(k);
        return k;
}

struct cell tally_own(const struct tally *t, uint32_t indicator, uint32_t region)
{
        const struct column *k = find(t, indicator);
        return region < k->n ? k->own[region] : (struct cell){0};
}

void tally_settle(struct tally *t)
{
        for (struct column *k = t->columns; k < t->columns + t->n; k++) {
                if (!k->n)
                        continue;
                memcpy(k->total, k->own, k->n * sizeof *k->own);
                cell_up_the_tree(k->kind, t->c, k->total, k->n);
        }
        t->settled = true;
}

struct cell tally_total(const struct tally *t, uint32_t indicator, uint32_t region)
{
        PRE(t->settled);
        const struct column *k = find(t, indicator);
        return region < k->n ? k->total[region] : (struct cell){0};
}
