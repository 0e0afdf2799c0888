/* The laws of the cube and the tally, on random catalogues and random histories.
 *
 * A small world: offices report in several streams, earlier ones late, some reports twice; the cube recalls
 * and forgets at random (budgets from nothing to plenty); totals are settled, flushed and committed at
 * random. The store is the oracle's list of accepted reports. At the end every stored total must be what the
 * oracle says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/map.h"
#include "core/cube.h"
#include "core/tally.h"
#include "lib/oracle.h"
#include "lib/scarce.h"
#include "lib/seed.h"
#include "lib/toy_catalog.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 32, STEPS = 120, TURNS = 3, PERIODS = 10, ROWS = 24, MESSAGE = 4 };

struct key {
        uint32_t indicator, region;
        int32_t first, last;
        uint32_t kind;
};

struct told { /* totals as last emitted */
        struct map map;
        struct cell *cells;
        size_t n;
};

/* What the world knows of a report sent, whatever became of it. */
struct sent {
        uint32_t office;
        struct report report;
        struct place at;
        uint64_t flush; /* 0: rejected */
};

struct world {
        struct seed seed;
        struct catalog *c;
        struct cube *u;
        struct oracle oracle;
        struct told told;
        uint64_t *seq; /* per office and turn */
        struct sent *sent;
        size_t n_sent;
        struct period (*periods)[PERIODS]; /* per dataset */
        uint64_t flush, committed;
        bool large; /* figures that may become too large when they are added */
};

static void hear(void *ctx, const struct total *t)
{
        struct world *w = ctx;
        const struct indicator *in = &w->c->indicators[t->indicator];
        enum period_kind every = w->c->datasets[in->dataset].every;
        assert_true(w->c->regions[t->region].children > 0);
        assert_true(t->period.kind == every || (t->period.kind >= PERIOD_MONTH && t->period.kind > every &&
                                                period_rolls_up(every, t->period.kind)));
        struct key key = {t->indicator, t->region, t->period.first, t->period.last, t->period.kind};
        int64_t at = map_get(&w->told.map, &key, sizeof key);
        if (at == MAP_NONE) {
                at = (int64_t)w->told.n++;
                assert_true(map_set(&w->told.map, &key, sizeof key, at));
                w->told.cells = realloc(w->told.cells, w->told.n * sizeof *w->told.cells);
                assert_non_null(w->told.cells);
        }
        w->told.cells[at] = t->cell;
}

static struct cell told(const struct world *w, uint32_t indicator, uint32_t region, struct period p)
{
        struct key key = {indicator, region, p.first, p.last, p.kind};
        int64_t at = map_get(&w->told.map, &key, sizeof key);
        if (at == MAP_NONE)
                return (struct cell){0};
        return w->told.cells[at];
}

static void world_open(struct world *w, struct seed seed, struct catalog *c)
{
        static const size_t budgets[] = {0, 4096, 40000, 400000, SIZE_MAX};
        *w = (struct world){.seed = seed, .c = c, .oracle = {.c = c}, .large = true};
        w->u = cube_new(c, budgets[seed_below(&w->seed, sizeof budgets / sizeof *budgets)]);
        w->seq = calloc((size_t)c->n_offices * TURNS, sizeof *w->seq);
        w->periods = calloc(c->n_datasets, sizeof *w->periods);
        assert_true(w->u && w->seq && w->periods);
        /* Around a turn of the year that is none of the ISO year, and a leap day. */
        int32_t middle = day_of(2020, 12, 31);
        for (uint32_t d = 0; d < c->n_datasets; d++)
                for (int i = 0; i < PERIODS; i++) {
                        int32_t reach = i < PERIODS / 2 ? 5 : 330;
                        int32_t day = middle + (int32_t)seed_between(&w->seed, -reach, reach);
                        w->periods[d][i] = period_of(c->datasets[d].every, day);
                }
}

static void world_close(struct world *w)
{
        for (size_t i = 0; i < w->n_sent; i++)
                free(w->sent[i].report.facts);
        free(w->sent);
        free(w->seq);
        free(w->periods);
        free(w->told.cells);
        map_close(&w->told.map);
        oracle_close(&w->oracle);
        cube_free(w->u);
}

/* The store's side */

static void flush(struct world *w)
{
        cube_settle(w->u, hear, w);
        cube_flushed(w->u, ++w->flush);
}

static void commit(struct world *w, uint64_t up_to)
{
        w->committed = up_to;
        cube_committed(w->u, up_to);
}

/* The number HQ gave last, among what is committed or not. */
static uint32_t numbered(const struct world *w, uint32_t office, uint32_t dataset, struct period p)
{
        uint32_t n = 0;
        for (size_t i = 0; i < w->n_sent; i++)
                n += w->sent[i].flush && w->sent[i].office == office &&
                     w->sent[i].report.dataset == dataset && period_same(w->sent[i].report.period, p);
        return n;
}

/* What is recalled is committed: the cube lets nothing go before. */
static void assert_committed(const struct world *w, const struct recall *r)
{
        for (size_t i = 0; i < w->n_sent; i++) {
                const struct sent *s = &w->sent[i];
                if (s->report.dataset == r->dataset && s->report.period.first >= r->first &&
                    s->report.period.last <= r->last)
                        assert_true(s->flush <= w->committed);
        }
}

/* From now on memory may run out; `scarce_end` says whether it did. */
static void maybe_scarce(struct world *w)
{
        scarce_after(seed_below(&w->seed, 6) ? UINT64_MAX : seed_below(&w->seed, 12));
}

static bool try_recall(struct world *w, const struct recall *r, struct period wanted,
                       const struct oracle_revision **v, size_t n)
{
        maybe_scarce(w);
        bool fine = cube_recall_begin(w->u, r, wanted);
        for (size_t i = 0; i < n && fine; i++) {
                uint32_t number = numbered(w, v[i]->office, r->dataset, v[i]->report.period);
                fine = cube_recalled(w->u, v[i]->office, &v[i]->report, v[i]->at, number);
        }
        bool ended = cube_recall_end(w->u);
        assert_true(!ended || fine);
        assert_true(scarce_end() || ended);
        return ended;
}

/* Which office and period comes first does not matter: starts in the middle, where the next of them begins.
 */
static void turn_around(struct world *w, const struct oracle_revision **v, size_t n)
{
        size_t cut = n ? seed_below(&w->seed, n) : 0;
        while (cut > 0 && cut < n && v[cut]->office == v[cut - 1]->office &&
               period_same(v[cut]->report.period, v[cut - 1]->report.period))
                cut++;
        const struct oracle_revision **turned = malloc((n + 1) * sizeof *turned);
        assert_non_null(turned);
        for (size_t i = 0; i < n; i++)
                turned[i] = v[(cut + i) % n];
        memcpy(v, turned, n * sizeof *v);
        free(turned);
}

static void recall(struct world *w, const struct recall *r, struct period wanted)
{
        const struct oracle_revision **v;
        size_t n = oracle_standing(&w->oracle, r->dataset, r->first, r->last, &v);
        turn_around(w, v, n);
        assert_committed(w, r);
        while (!try_recall(w, r, wanted, v, n))
                ;
        free(v);
}

/* Whatever one report needs. */
static bool make_ready_one(struct world *w, const struct sent *s)
{
        struct recall what;
        const struct report *r = &s->report;
        enum need need = cube_need(w->u, r->dataset, r->period, s->office, s->at, &what);
        if (need == NEED_NOTHING)
                return false;
        if (need == NEED_REFOLD) {
                flush(w);
                commit(w, w->flush);
                cube_close(w->u, r->dataset, r->period, s->office);
                assert_int_equal(cube_need(w->u, r->dataset, r->period, s->office, s->at, &what),
                                 NEED_RECALL);
        }
        recall(w, &what, r->period);
        return true;
}

/* A message is taken whole: nothing may be needed for any of its reports, and that must come about. */
static void make_ready(struct world *w, const struct sent *v, size_t n)
{
        bool waiting = true;
        for (int tries = 0; waiting; tries++) {
                assert_true(tries < 200);
                waiting = false;
                for (size_t i = 0; i < n && !waiting; i++)
                        waiting = make_ready_one(w, &v[i]);
        }
}

/* The offices' side */

static struct report random_report(struct world *w, uint32_t office)
{
        static const enum action actions[] = {REPLACE, REPLACE, MERGE, MERGE, MERGE, ADD, ADD, WITHDRAW};
        struct seed *s = &w->seed;
        uint32_t d = (uint32_t)seed_below(s, w->c->n_datasets);
        struct report r = {.dataset = d, .action = actions[seed_below(s, sizeof actions / sizeof *actions)]};
        r.period = w->periods[d][seed_below(s, PERIODS)];
        r.facts = calloc(ROWS, sizeof *r.facts);
        assert_non_null(r.facts);
        struct standing rows = {0};
        for (size_t n = 1 + seed_below(s, ROWS); n-- && r.action != WITHDRAW;) {
                const struct dataset *set = &w->c->datasets[d];
                struct fact f = {.indicator = (uint16_t)set->indicators[seed_below(s, set->n_indicators)],
                                 .region = (uint32_t)seed_below(s, w->c->n_regions),
                                 .value = w->large && !seed_below(s, 20) ? VALUE_MAX / 2
                                                                         : seed_between(s, -20, 20),
                                 .q = (uint8_t)seed_below(s, 3),
                                 .own = 1};
                if (!catalog_in_scope(w->c, office, f.region))
                        f.region = w->c->offices[office].region;
                if (r.action != ADD || w->c->indicators[f.indicator].kind == FLOW)
                        assert_true(standing_fold(&rows, MERGE, &f, 1));
        }
        if (rows.n)
                memcpy(r.facts, rows.facts, rows.n * sizeof *r.facts);
        r.n = rows.n;
        standing_close(&rows);
        return r;
}

/* Does an earlier revision stand that a replace or withdraw at this place would end? */
static bool ends_one(const struct world *w, uint32_t office, const struct report *r, struct place at)
{
        const struct oracle_revision **v;
        size_t n = oracle_standing(&w->oracle, r->dataset, r->period.first, r->period.last, &v);
        bool ends = false;
        for (size_t i = 0; i < n; i++)
                ends |= v[i]->office == office && place_compare(v[i]->at, at) < 0;
        free(v);
        return ends && (r->action == REPLACE || r->action == WITHDRAW);
}

struct answer {
        enum verdict verdict;
        uint32_t revision;
        bool closes;
};

static struct answer ask(struct world *w, const struct sent *s)
{
        struct judge j = {.catalog = w->c, .office = s->office, .today = day_of(2100, 1, 1)};
        struct reasons reasons = {0};
        struct answer a;
        bool fine, scarce;
        do {
                reasons_clear(&reasons);
                maybe_scarce(w);
                fine = cube_take(w->u, &s->report, &j, s->at, &a.verdict, &a.revision, &a.closes, &reasons,
                                 NULL);
                scarce = scarce_end();
                assert_true(fine || scarce);
        } while (!fine);
        assert_int_equal(a.verdict == REJECTED, reasons.total > 0);
        reasons_close(&reasons);
        return a;
}

static void take(struct world *w, struct sent *s)
{
        struct answer a = ask(w, s);
        if (a.verdict == REJECTED) {
                assert_int_equal(a.revision, 0);
        } else {
                bool superseded = oracle_is_superseded(&w->oracle, s->office, &s->report, s->at);
                assert_int_equal(a.revision, 1 + numbered(w, s->office, s->report.dataset, s->report.period));
                assert_int_equal(a.verdict == SUPERSEDED, superseded);
                assert_int_equal(a.closes, !superseded && ends_one(w, s->office, &s->report, s->at));
                s->flush = w->flush + 1;
        }
        if (a.verdict == ACCEPTED)
                oracle_accept(&w->oracle, s->office, &s->report, s->at);
}

/* A message: reports of one stream, in order. */
static void send_new(struct world *w)
{
        struct seed *s = &w->seed;
        size_t n = 1 + seed_below(s, MESSAGE);
        w->sent = realloc(w->sent, (w->n_sent + n) * sizeof *w->sent);
        assert_non_null(w->sent);
        struct sent *message = &w->sent[w->n_sent];
        uint32_t office = (uint32_t)seed_below(s, w->c->n_offices), turn = (uint32_t)seed_below(s, TURNS);
        for (size_t i = 0; i < n; i++) {
                struct place at = {turn + 1, ++w->seq[office * TURNS + turn]};
                message[i] = (struct sent){.office = office, .at = at, .report = random_report(w, office)};
        }
        make_ready(w, message, n);
        for (size_t i = 0; i < n; i++) {
                take(w, &message[i]);
                w->n_sent++;
        }
}

/* A report that was taken comes once more: it changes nothing. */
static void send_again(struct world *w)
{
        const struct sent *s = w->n_sent ? &w->sent[seed_below(&w->seed, w->n_sent)] : NULL;
        if (!s || !s->flush || oracle_is_superseded(&w->oracle, s->office, &s->report, s->at))
                return;
        make_ready(w, s, 1);
        struct answer a = ask(w, s);
        assert_int_equal(a.verdict, SUPERSEDED);
        assert_int_equal(a.revision, numbered(w, s->office, s->report.dataset, s->report.period));
        assert_false(a.closes);
}

static void step(struct world *w)
{
        switch (seed_below(&w->seed, 12)) {
        case 0: send_again(w); break;
        case 1: flush(w); break;
        case 2: commit(w, w->committed + seed_below(&w->seed, w->flush - w->committed + 1)); break;
        case 3: cube_trim(w->u); break;
        default: send_new(w);
        }
}

/* The law */

static void compare(const struct world *w, uint32_t indicator, struct period p)
{
        for (uint32_t r = 0; r < w->c->n_regions; r++) {
                if (!w->c->regions[r].children)
                        continue;
                struct cell is = told(w, indicator, r, p), must = oracle_total(&w->oracle, indicator, r, p);
                if (!cell_same(&is, &must))
                        fail_msg("indicator %u region %u period %d..%d: %lld of %llu facts, should be %lld "
                                 "of %llu",
                                 indicator, r, p.first, p.last, (long long)is.sum,
                                 (unsigned long long)is.facts, (long long)must.sum,
                                 (unsigned long long)must.facts);
        }
}

static void compare_all(struct world *w)
{
        oracle_settle(&w->oracle);
        for (uint32_t i = 0; i < w->c->n_indicators; i++) {
                uint32_t d = w->c->indicators[i].dataset;
                enum period_kind every = w->c->datasets[d].every;
                for (int k = 0; k < PERIODS; k++) {
                        compare(w, i, w->periods[d][k]);
                        for (int up = PERIOD_MONTH; up <= PERIOD_YEAR; up++)
                                if (up > (int)every && period_rolls_up(every, (enum period_kind)up))
                                        compare(w, i, period_upper(w->periods[d][k], (enum period_kind)up));
                }
        }
}

static struct seed seed_of_test(uint64_t run)
{
        uint64_t n = seed_of_run() + run;
        print_message("SUMU_SEED=%llu\n", (unsigned long long)n);
        return seed_from(n);
}

static void totals_are_those_of_a_plain_loop(void **state)
{
        (void)state;
        for (uint64_t run = 0; run < RUNS; run++) {
                struct seed seed = seed_of_test(run);
                struct catalog *c = toy_random(&seed, 1 + (uint32_t)seed_below(&seed, 150));
                struct world w;
                world_open(&w, seed, c);
                for (int i = 0; i < STEPS; i++)
                        step(&w);
                flush(&w);
                compare_all(&w);
                commit(&w, w.flush);
                world_close(&w);
                toy_free(c);
        }
}

static void budget_holds_when_all_is_committed(void **state)
{
        (void)state;
        struct seed seed = seed_of_test(1000);
        struct catalog *c = toy_random(&seed, 60);
        struct world w;
        world_open(&w, seed, c);
        cube_free(w.u);
        w.u = cube_new(c, 20000);
        for (int i = 0; i < STEPS; i++) {
                send_new(&w);
                if (seed_below(&w.seed, 4))
                        continue;
                flush(&w);
                commit(&w, w.flush);
                cube_trim(w.u);
                assert_true(cube_bytes(w.u) <= 20000);
        }
        world_close(&w);
        toy_free(c);
}

static void budget_of_nothing_leaves_nothing(void **state)
{
        (void)state;
        struct seed seed = seed_of_test(2000);
        struct catalog *c = toy_random(&seed, 60);
        struct world w;
        world_open(&w, seed, c);
        cube_free(w.u);
        w.u = cube_new(c, 0);
        for (int i = 0; i < STEPS; i++)
                send_new(&w);
        assert_true(cube_bytes(w.u) > 0);
        flush(&w);
        commit(&w, w.flush);
        cube_trim(w.u);
        assert_int_equal(cube_bytes(w.u), 0);
        world_close(&w);
        toy_free(c);
}

/* The same reports at the same places, arriving in any order, end in the same totals (unless one is refused
 * for what stands when it comes, which is the one thing that depends on order; so here are no large figures).
 */
static void order_of_arrival_does_not_matter(void **state)
{
        (void)state;
        for (uint64_t run = 0; run < RUNS / 4; run++) {
                struct seed seed = seed_of_test(3000 + run);
                struct catalog *c = toy_random(&seed, 40);
                struct world first, again;
                world_open(&first, seed, c);
                first.large = false;
                for (int i = 0; i < STEPS; i++)
                        send_new(&first);
                flush(&first);
                world_open(&again, seed, c);
                again.seed = seed_from(seed.state + 1);
                for (size_t i = 0; i < first.n_sent; i++) {
                        size_t k = i + seed_below(&again.seed, first.n_sent - i);
                        struct sent s = first.sent[k];
                        first.sent[k] = first.sent[i];
                        first.sent[i] = s;
                }
                again.sent = calloc(first.n_sent, sizeof *again.sent);
                for (size_t i = 0; i < first.n_sent; i++) {
                        struct sent s = first.sent[i];
                        s.flush = 0;
                        s.report.facts = calloc(ROWS, sizeof *s.report.facts);
                        memcpy(s.report.facts, first.sent[i].report.facts, ROWS * sizeof *s.report.facts);
                        make_ready(&again, &s, 1);
                        take(&again, &s);
                        assert_int_equal(s.flush > 0, first.sent[i].flush > 0);
                        again.sent[again.n_sent++] = s;
                }
                flush(&again);
                oracle_settle(&first.oracle);
                struct oracle mine = again.oracle;
                again.oracle = first.oracle; /* what the first order made */
                compare_all(&again);
                first.oracle = again.oracle;
                again.oracle = mine;
                world_close(&first);
                world_close(&again);
                toy_free(c);
        }
}

/* Spans, weeks of daily data and regions without children: what is not stored is tallied. */
static void tally_is_a_plain_loop_too(void **state)
{
        (void)state;
        for (uint64_t run = 0; run < RUNS; run++) {
                struct seed seed = seed_of_test(4000 + run);
                struct catalog *c = toy_random(&seed, 40);
                struct world w;
                world_open(&w, seed, c);
                for (int i = 0; i < STEPS / 2; i++)
                        send_new(&w);
                oracle_settle(&w.oracle);
                uint32_t d = (uint32_t)seed_below(&w.seed, c->n_datasets);
                const struct dataset *set = &c->datasets[d];
                uint32_t only = set->indicators[seed_below(&w.seed, set->n_indicators)];
                bool all = seed_below(&w.seed, 2);
                struct tally *t = tally_new(c, d, all ? NULL : &only, all ? 0 : 1);
                for (int span = 0; span < 4; span++) {
                        int32_t a = w.periods[d][seed_below(&w.seed, PERIODS)].first;
                        struct period p = {PERIOD_SPAN, a, a + (int32_t)seed_below(&w.seed, 400)};
                        tally_reset(t);
                        for (size_t i = 0; i < w.oracle.n_stands; i++) {
                                struct oracle_stand *s = &w.oracle.stands[i];
                                facts_sort(s->facts, s->n);
                                if (s->dataset == d && s->period.first >= p.first && s->period.last <= p.last)
                                        assert_true(tally_add(t, s->period, s->facts, s->n));
                        }
                        tally_settle(t);
                        for (uint32_t i = 0; i < set->n_indicators; i++)
                                for (uint32_t r = 0; r < c->n_regions && (all || set->indicators[i] == only);
                                     r++) {
                                        uint32_t in = set->indicators[i];
                                        struct cell own = tally_own(t, in, r), total = tally_total(t, in, r);
                                        struct cell own_must = oracle_own(&w.oracle, in, r, p);
                                        struct cell must = oracle_total(&w.oracle, in, r, p);
                                        assert_true(cell_same(&own, &own_must));
                                        assert_true(cell_same(&total, &must));
                                }
                }
                tally_free(t);
                world_close(&w);
                toy_free(c);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(totals_are_those_of_a_plain_loop),
            cmocka_unit_test(budget_holds_when_all_is_committed),
            cmocka_unit_test(budget_of_nothing_leaves_nothing),
            cmocka_unit_test(order_of_arrival_does_not_matter),
            cmocka_unit_test(tally_is_a_plain_loop_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
