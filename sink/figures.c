#include "sink/figures.h"

#include "base/check.h"
#include "base/map.h"
#include "core/tally.h"

#include <stdlib.h>
#include <string.h>

/* Without padding, so that its bytes are its identity. */
struct key {
        uint32_t indicator, region, own, kind;
        int32_t first, last;
};
_Static_assert(sizeof(struct key) == 24, "a key is compared by its bytes");

struct want {
        struct key key;
        struct cell cell;
};

struct figures {
        struct reader *r;
        const struct catalog *c;
        struct map index; /* keys to wants */
        struct want *wants;
        size_t n, cap;
        int64_t *indicator_ids, *region_ids; /* of the store, 0: not looked up, NONE: it has none */
        bool loaded;
};

struct figures *figures_new(struct reader *r)
{
        struct figures *f = calloc(1, sizeof *f);
        if (!f)
                return NULL;
        f->r = r;
        f->c = r->catalog;
        f->indicator_ids = calloc(f->c->n_indicators + 1, sizeof *f->indicator_ids);
        f->region_ids = calloc(f->c->n_regions, sizeof *f->region_ids);
        if (f->indicator_ids && f->region_ids)
                return f;
        figures_free(f);
        return NULL;
}

void figures_free(struct figures *f)
{
        if (!f)
                return;
        map_close(&f->index);
        free(f->wants);
        free(f->indicator_ids);
        free(f->region_ids);
        free(f);
}

/* ---- what is wanted */

static enum period_kind every_of(const struct catalog *c, uint32_t indicator)
{
        return c->datasets[c->indicators[indicator].dataset].every;
}

static struct key key_of(uint32_t indicator, uint32_t region, bool own, struct period held)
{
        return (struct key){indicator, region, own, held.kind, held.first, held.last};
}

static struct period period_of_key(const struct key *k)
{
        return (struct period){(enum period_kind)k->kind, k->first, k->last};
}

static int want(struct figures *f, struct key key, struct err *e)
{
        if (map_get(&f->index, &key, sizeof key) != MAP_NONE)
                return 0;
        if (f->n == FIGURES_MOST)
                return err_set(e, E_FULL, "the question needs more than %d figures", FIGURES_MOST);
        if (f->n == f->cap) {
                size_t cap = f->cap ? f->cap * 2 : 64;
                struct want *more = realloc(f->wants, cap * sizeof *more);
                if (!more)
                        return err_set(e, E_MEM, "out of memory");
                f->wants = more;
                f->cap = cap;
        }
        if (!map_set(&f->index, &key, sizeof key, (int64_t)f->n))
                return err_set(e, E_MEM, "out of memory");
        f->wants[f->n++] = (struct want){.key = key};
        return 0;
}

/* A formula's operands may be derived themselves; that they go in no circle is the catalogue's care. */
struct walking {
        const struct catalog *c;
        int (*each)(void *ctx, const struct operand *o);
        void *ctx;
        int rc;
};

static bool walk(void *ctx, uint32_t indicator, struct period asked)
{
        struct walking *w = ctx;
        const struct indicator *in = &w->c->indicators[indicator];
        struct operand o = {.indicator = indicator};
        if (in->kind == DERIVED)
                formula_walk(in->formula, asked, walk, w);
        else if (period_held(every_of(w->c, indicator), asked, &o.held))
                w->rc = w->each(w->ctx, &o);
        return w->rc == 0;
}

struct asking {
        struct figures *f;
        uint32_t region;
        bool own;
        struct err *e;
};

static int want_operand(void *ctx, const struct operand *o)
{
        struct asking *a = ctx;
        return want(a->f, key_of(o->indicator, a->region, a->own, o->held), a->e);
}

int figures_want(struct figures *f, uint32_t indicator, uint32_t region, bool own, struct period asked,
                 struct err *e)
{
        PRE(!f->loaded);
        struct asking a = {f, region, own, e};
        struct walking w = {.c = f->c, .each = want_operand, .ctx = &a};
        walk(&w, indicator, asked);
        return w.rc;
}

struct once {
        struct map seen;
        int (*each)(void *ctx, const struct operand *o);
        void *ctx;
};

static int operand_once(void *ctx, const struct operand *o)
{
        struct once *once = ctx;
        struct key key = key_of(o->indicator, 0, false, o->held);
        if (map_get(&once->seen, &key, sizeof key) != MAP_NONE)
                return 0;
        return map_set(&once->seen, &key, sizeof key, 0) ? once->each(once->ctx, o) : E_MEM;
}

int figures_operands(const struct catalog *c, uint32_t indicator, struct period asked,
                     int (*each)(void *ctx, const struct operand *o), void *ctx)
{
        struct once once = {.each = each, .ctx = ctx};
        struct walking w = {.c = c, .each = operand_once, .ctx = &once};
        walk(&w, indicator, asked);
        map_close(&once.seen);
        return w.rc;
}

/* ---- from stored totals */

static int store_id(struct figures *f, int64_t *id, enum reader_sql which, const char *name, struct err *e)
{
        if (*id != 0)
                return 0;
        sqlite3_stmt *q = reader_sql(f->r, which);
        db_text(q, 1, name);
        int rc = db_step(&f->r->db, q, e);
        if (rc >= 0)
                *id = rc == 1 ? sqlite3_column_int64(q, 0) : NONE;
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

static int stored_total(struct figures *f, const struct key *k, struct period p, struct cell *out,
                        struct err *e)
{
        int64_t *indicator = &f->indicator_ids[k->indicator], *region = &f->region_ids[k->region];
        int rc = store_id(f, indicator, READ_INDICATOR, f->c->indicators[k->indicator].name, e);
        if (rc == 0)
                rc = store_id(f, region, READ_REGION, f->c->regions[k->region].code, e);
        *out = (struct cell){0};
        if (rc != 0 || *indicator == NONE || *region == NONE)
                return rc;
        sqlite3_stmt *q = reader_sql(f->r, READ_TOTAL);
        db_int(q, 1, *indicator);
        db_int(q, 2, period_id(p));
        db_int(q, 3, *region);
        rc = db_step(&f->r->db, q, e);
        if (rc == 1 && sqlite3_column_int64(q, 2) > 0) {
                out->sum = (__int128)((unsigned __int128)(uint64_t)sqlite3_column_int64(q, 0) << 64 |
                                      (uint64_t)sqlite3_column_int64(q, 1));
                out->facts = (uint64_t)sqlite3_column_int64(q, 2);
                out->about = (uint64_t)sqlite3_column_int64(q, 3);
                out->at_least = (uint64_t)sqlite3_column_int64(q, 4);
        }
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

/* The largest stored period that begins with `base` and ends within `last`. */
static struct period largest_stored(enum period_kind every, struct period base, int32_t last)
{
        for (int kind = PERIOD_YEAR; kind > PERIOD_WEEK; kind--) {
                struct period up;
                if (kind == (int)every || !period_rolls_up(every, (enum period_kind)kind))
                        continue;
                up = period_upper(base, (enum period_kind)kind);
                if (up.first == base.first && up.last <= last)
                        return up;
        }
        return base;
}

/* Takes the next stored period inside p, from *base on; false: that was all. */
static bool next_piece(enum period_kind every, struct period p, struct period *base, struct period *piece)
{
        if (base->first > p.last || base->last > p.last)
                return false;
        *piece = largest_stored(every, *base, p.last);
        *base = period_of(every, piece->last + 1);
        return true;
}

static bool first_piece(enum period_kind every, struct period p, struct period *base)
{
        return period_first_inside(every, p, base, NULL);
}

/* May the cell be made of stored totals? The stock of a span that is no stored period may not: each region
 * counts with its latest, wherever in the span that is. */
static bool is_stored(const struct figures *f, const struct key *k)
{
        enum period_kind every = every_of(f->c, k->indicator);
        struct period p = period_of_key(k), base, piece;
        if (k->own || f->r->past || !f->c->regions[k->region].children)
                return false;
        if (f->c->indicators[k->indicator].kind != STOCK || !first_piece(every, p, &base))
                return true;
        return next_piece(every, p, &base, &piece) && !next_piece(every, p, &base, &piece);
}

static int load_stored(struct figures *f, struct want *w, struct err *e)
{
        enum period_kind every = every_of(f->c, w->key.indicator);
        struct period p = period_of_key(&w->key), base, piece;
        int rc = 0;
        if (!first_piece(every, p, &base))
                return 0;
        while (rc == 0 && next_piece(every, p, &base, &piece)) {
                struct cell part;
                rc = stored_total(f, &w->key, piece, &part, e);
                if (rc == 0)
                        cell_over_time(f->c->indicators[w->key.indicator].kind, &w->cell, &part);
        }
        return rc;
}

/* ---- from what stood: one dataset at a time. A cut is a period that is wanted; those the scan is inside of
 * are open and have a tally each. */

struct cut {
        struct period p;
        size_t from, to; /* of the sorted wants */
        struct tally *tally;
};

struct sweep {
        struct figures *f;
        uint32_t dataset;
        struct want **wants; /* sorted by period */
        size_t n;
        struct cut *cuts;              /* in order of first, last */
        size_t n_cuts, opened, oldest; /* oldest: none before it is open */
        uint32_t *indicators;
        size_t n_indicators;
        bool *offices;
        struct tally *spare;
        struct err *e;
};

static int compare_days(int32_t a, int32_t b)
{
        return (a > b) - (a < b);
}

static int by_period(const void *a, const void *b)
{
        const struct key *x = &(*(struct want *const *)a)->key, *y = &(*(struct want *const *)b)->key;
        int order = compare_days(x->first, y->first);
        return order ? order : compare_days(x->last, y->last);
}

static int out_of_memory(struct err *e)
{
        return err_set(e, E_MEM, "out of memory");
}

static int cut_open(struct sweep *s, struct cut *k)
{
        k->tally = s->spare ? s->spare : tally_new(s->f->c, s->dataset, s->indicators, s->n_indicators);
        s->spare = NULL;
        return k->tally ? 0 : out_of_memory(s->e);
}

/* Only a region that has children needs the tree added up. */
static void cut_close(struct sweep *s, struct cut *k)
{
        bool settled = false;
        for (size_t i = k->from; i < k->to; i++) {
                struct want *w = s->wants[i];
                bool own = w->key.own || !s->f->c->regions[w->key.region].children;
                if (!own && !settled)
                        tally_settle(k->tally);
                settled = settled || !own;
                w->cell = own ? tally_own(k->tally, w->key.indicator, w->key.region)
                              : tally_total(k->tally, w->key.indicator, w->key.region);
        }
        tally_reset(k->tally);
        if (s->spare)
                tally_free(k->tally);
        else
                s->spare = k->tally;
        k->tally = NULL;
}

static void close_before(struct sweep *s, int32_t day)
{
        for (size_t i = s->oldest; i < s->opened; i++) {
                if (s->cuts[i].tally && s->cuts[i].p.last < day)
                        cut_close(s, &s->cuts[i]);
                if (i == s->oldest && !s->cuts[i].tally)
                        s->oldest++;
        }
}

static int sweep_stood(void *ctx, const struct stood *stood)
{
        struct sweep *s = ctx;
        int rc;
        close_before(s, stood->base.first);
        for (; s->opened < s->n_cuts && s->cuts[s->opened].p.first <= stood->base.first; s->opened++) {
                if (s->cuts[s->opened].p.last >= stood->base.last &&
                    (rc = cut_open(s, &s->cuts[s->opened])) != 0)
                        return rc;
        }
        for (size_t i = s->oldest; i < s->opened; i++) {
                struct cut *k = &s->cuts[i];
                if (k->tally && stood->base.last <= k->p.last &&
                    !tally_add(k->tally, stood->base, stood->facts, stood->n))
                        return out_of_memory(s->e);
        }
        return 0;
}

/* Cuts that touch or overlap are one stretch and one scan. */
static int sweep_stretches(struct sweep *s)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < s->n_cuts;) {
                int32_t first = s->cuts[i].p.first, last = s->cuts[i].p.last;
                for (i++; i < s->n_cuts && s->cuts[i].p.first <= last + 1; i++)
                        if (s->cuts[i].p.last > last)
                                last = s->cuts[i].p.last;
                struct scan scan = {.dataset = s->dataset,
                                    .first = first,
                                    .last = last,
                                    .offices = s->offices,
                                    .stood = sweep_stood,
                                    .ctx = s};
                rc = reader_scan(s->f->r, &scan, s->e);
        }
        if (rc == 0)
                close_before(s, INT32_MAX);
        return rc;
}

/* The offices that may have a part in it: asked once for each region. Wants of one region mostly stand
 * together. */
static void sweep_offices(struct sweep *s)
{
        const struct catalog *c = s->f->c;
        const struct key *before = NULL;
        for (size_t i = 0; i < s->n; i++) {
                const struct key *k = &s->wants[i]->key;
                if (before && before->region == k->region && before->own == k->own)
                        continue;
                before = k;
                for (uint32_t o = 0; o < c->n_offices; o++)
                        if (!s->offices[o] && office_meets(c, o, k->region, k->own))
                                s->offices[o] = true;
        }
}

static void sweep_indicators(struct sweep *s, bool *seen)
{
        for (size_t i = 0; i < s->n; i++) {
                uint32_t indicator = s->wants[i]->key.indicator;
                if (!seen[indicator])
                        s->indicators[s->n_indicators++] = indicator;
                seen[indicator] = true;
        }
}

static bool same_days(struct period a, struct period b)
{
        return a.first == b.first && a.last == b.last;
}

static void sweep_cuts(struct sweep *s)
{
        for (size_t i = 0; i < s->n; i++) {
                struct period p = period_of_key(&s->wants[i]->key);
                if (s->n_cuts == 0 || !same_days(s->cuts[s->n_cuts - 1].p, p))
                        s->cuts[s->n_cuts++] = (struct cut){.p = p, .from = i};
                s->cuts[s->n_cuts - 1].to = i + 1;
        }
}

static int sweep_run(struct sweep *s)
{
        const struct catalog *c = s->f->c;
        bool *seen = calloc(c->n_indicators, sizeof *seen);
        s->offices = calloc(c->n_offices + 1, sizeof *s->offices);
        s->indicators = calloc(c->n_indicators, sizeof *s->indicators);
        s->cuts = calloc(s->n, sizeof *s->cuts);
        int rc = seen && s->offices && s->indicators && s->cuts ? 0 : out_of_memory(s->e);
        if (rc == 0) {
                sweep_offices(s);
                sweep_indicators(s, seen);
                qsort(s->wants, s->n, sizeof *s->wants, by_period);
                sweep_cuts(s);
                rc = sweep_stretches(s);
        }
        for (size_t i = 0; s->cuts && i < s->n_cuts; i++)
                tally_free(s->cuts[i].tally);
        tally_free(s->spare);
        free(s->cuts);
        free(s->offices);
        free(s->indicators);
        free(seen);
        return rc;
}

/* The wants that are not stored, dataset by dataset. */
static int load_recomputed(struct figures *f, struct want **rest, size_t n, struct err *e)
{
        struct want **some = calloc(n, sizeof *some);
        int rc = some ? 0 : out_of_memory(e);
        for (uint32_t d = 0; rc == 0 && d < f->c->n_datasets; d++) {
                struct sweep s = {.f = f, .dataset = d, .wants = some, .e = e};
                for (size_t i = 0; i < n; i++)
                        if (f->c->indicators[rest[i]->key.indicator].dataset == d)
                                some[s.n++] = rest[i];
                if (s.n)
                        rc = sweep_run(&s);
        }
        free(some);
        return rc;
}

int figures_load(struct figures *f, struct err *e)
{
        PRE(!f->loaded);
        f->loaded = true;
        struct want **rest = calloc(f->n + 1, sizeof *rest);
        size_t n = 0;
        int rc = rest ? 0 : out_of_memory(e);
        for (size_t i = 0; rc == 0 && i < f->n; i++) {
                if (is_stored(f, &f->wants[i].key))
                        rc = load_stored(f, &f->wants[i], e);
                else
                        rest[n++] = &f->wants[i];
        }
        if (rc == 0 && n)
                rc = load_recomputed(f, rest, n, e);
        free(rest);
        return rc;
}

/* ---- answering */

struct place_of { /* the region a formula is evaluated for */
        const struct figures *f;
        uint32_t region;
        bool own;
};

static const struct cell *find(const struct figures *f, uint32_t indicator, uint32_t region, bool own,
                               struct period asked)
{
        struct period held;
        if (!period_held(every_of(f->c, indicator), asked, &held))
                return NULL;
        struct key key = key_of(indicator, region, own, held);
        int64_t i = map_get(&f->index, &key, sizeof key);
        return i == MAP_NONE ? NULL : &f->wants[i].cell;
}

static bool operand(void *ctx, uint32_t indicator, struct period asked, struct fraction *value,
                    enum qualifier *q)
{
        struct place_of *at = ctx;
        const struct indicator *in = &at->f->c->indicators[indicator];
        if (in->kind == DERIVED)
                return formula_value(in->formula, asked, (struct formula_source){operand, at}, value, q);
        const struct cell *cell = find(at->f, indicator, at->region, at->own, asked);
        int64_t scaled;
        if (!cell || !cell_value(cell, &scaled))
                return false;
        *value = fraction_of(scaled, in->decimals);
        *q = cell_qualifier(cell);
        return true;
}

static struct amount derived(const struct figures *f, uint32_t indicator, uint32_t region, bool own,
                             struct period asked)
{
        struct place_of at = {f, region, own};
        struct amount a = {0};
        struct fraction value;
        a.known = operand(&at, indicator, asked, &value, &a.q) &&
                  fraction_round(value, f->c->indicators[indicator].decimals, &a.value);
        a.qualified = a.known;
        return a;
}

struct amount figures_get(const struct figures *f, uint32_t indicator, uint32_t region, bool own,
                          struct period asked)
{
        PRE(f->loaded);
        if (f->c->indicators[indicator].kind == DERIVED)
                return derived(f, indicator, region, own, asked);
        struct amount a = {.counted = true};
        const struct cell *cell = find(f, indicator, region, own, asked);
        if (!cell || !cell->facts)
                return a;
        a.known = cell_value(cell, &a.value);
        a.overflow = !a.known;
        a.facts = cell->facts;
        a.qualified = true;
        a.q = cell_qualifier(cell);
        return a;
}
