/* Whatever is asked of a store, and as of whenever, the answer is that of the plain loop over the reports: of
 * stored totals, of what is recomputed, and of the facts that a total is made of. */
#include "lib/law.h"

#include "lib/folder.h"
#include "lib/office_catalog.h"
#include "lib/toy_store.h"
#include "sink/figures.h"
#include "sink/lineage.h"
#include "sink/presence.h"
#include "sink/verify.h"

#include <stdlib.h>
#include <string.h>

enum { REPORTS = 60, ROUNDS = 6, QUESTIONS = 120 };

static struct seed seed;

/* A base period in the years 2022 and 2023. */
static struct period some_base(enum period_kind every)
{
        return period_of(every, (int32_t)seed_between(&seed, day_of(2022, 1, 1), day_of(2023, 12, 31)));
}

static size_t some_facts(const struct catalog *c, uint32_t office, uint32_t dataset, enum action action,
                         struct fact *facts)
{
        const struct dataset *d = &c->datasets[dataset];
        size_t n = 0;
        for (uint32_t r = 0; r < c->n_regions && action != WITHDRAW; r++)
                for (uint32_t i = 0; i < d->n_indicators; i++) {
                        enum kind kind = c->indicators[d->indicators[i]].kind;
                        if (!catalog_in_scope(c, office, r) || kind == DERIVED ||
                            (action == ADD && kind != FLOW) || seed_below(&seed, 3))
                                continue;
                        facts[n++] = (struct fact){
                            .value = seed_between(&seed, -50, 1000),
                            .region = r,
                            .indicator = (uint16_t)d->indicators[i],
                            .q = (uint8_t)(seed_below(&seed, 4) ? EXACT : seed_below(&seed, 3))};
                }
        facts_sort(facts, n);
        return n;
}

static void some_report(struct toy_store *s)
{
        static const enum action actions[] = {REPLACE, REPLACE, MERGE, MERGE, ADD, WITHDRAW};
        const struct catalog *c = s->c;
        struct fact facts[512];
        uint32_t office = (uint32_t)seed_below(&seed, c->n_offices),
                 dataset = (uint32_t)seed_below(&seed, c->n_datasets);
        struct report r = {.dataset = dataset, .facts = facts, .action = actions[seed_below(&seed, 6)]};
        if (!catalog_answers(c, office, dataset))
                return;
        /* often the same few periods again, so that revisions meet */
        r.period = seed_below(&seed, 2)
                       ? period_of(c->datasets[dataset].every, day_of(2023, 1, 2 + (int)seed_below(&seed, 9)))
                       : some_base(c->datasets[dataset].every);
        r.n = some_facts(c, office, dataset, r.action, facts);
        if (r.n || r.action == WITHDRAW)
                toy_store_facts(s, office, &r, (struct place){1 + (uint32_t)seed_below(&seed, 2), 0},
                                s->version + 1000000);
}

static struct period some_period(enum period_kind every)
{
        struct period p = some_base((enum period_kind)seed_below(&seed, PERIOD_SPAN)), held;
        if (seed_below(&seed, 3) == 0) {
                p = (struct period){PERIOD_SPAN, some_base(PERIOD_DAY).first, some_base(PERIOD_DAY).first};
                if (p.last < p.first)
                        p = (struct period){PERIOD_SPAN, p.last, p.first};
        }
        return period_held(every, p, &held) ? p : some_base(every);
}

static void begin(struct reader *r, const struct toy_store *s, uint64_t as_of)
{
        struct err e;
        HOLDS(reader_open(r, s->path, &e) == 0);
        HOLDS(reader_begin(r, as_of, s->version, &e) == 0);
        r->catalog = s->c;
}

struct question {
        uint32_t indicator, region;
        bool own;
        struct period asked, held;
};

static struct question some_question(const struct catalog *c)
{
        struct question q = {.region = (uint32_t)seed_below(&seed, c->n_regions),
                             .own = seed_below(&seed, 4) == 0};
        do
                q.indicator = (uint32_t)seed_below(&seed, c->n_indicators);
        while (c->indicators[q.indicator].kind == DERIVED);
        enum period_kind every = c->datasets[c->indicators[q.indicator].dataset].every;
        q.asked = some_period(every);
        HOLDS(period_held(every, q.asked, &q.held));
        return q;
}

static struct cell truth(const struct oracle *o, const struct question *q)
{
        return (q->own ? oracle_own : oracle_total)(o, q->indicator, q->region, q->held);
}

static void same_figure(struct amount got, const struct cell *want)
{
        HOLDS(got.counted && got.facts == want->facts && !got.overflow);
        HOLDS(got.known == (want->facts > 0) && got.qualified == got.known);
        HOLDS(!got.known || (got.value == want->sum && got.q == cell_qualifier(want)));
}

/* All questions at once, so that cuts of one scan overlap. */
static void ask_figures(struct reader *r, const struct oracle *o)
{
        struct question q[QUESTIONS];
        struct err e;
        struct figures *f = figures_new(r);
        for (int i = 0; i < QUESTIONS; i++) {
                q[i] = some_question(r->catalog);
                HOLDS(figures_want(f, q[i].indicator, q[i].region, q[i].own, q[i].asked, &e) == 0);
        }
        HOLDS(figures_load(f, &e) == 0);
        for (int i = 0; i < QUESTIONS; i++) {
                struct cell want = truth(o, &q[i]);
                same_figure(figures_get(f, q[i].indicator, q[i].region, q[i].own, q[i].asked), &want);
        }
        figures_free(f);
}

/* Added up, the facts are the total; in pages they are the same facts. */
static void ask_lineage(struct reader *r, const struct oracle *o)
{
        struct question q = some_question(r->catalog);
        struct cell want = truth(o, &q), got = {0};
        struct err e;
        struct lineage all, page;
        HOLDS(lineage_read(&all, r, q.indicator, q.region, q.own, q.asked, 0, 100000, &e) == 0 && !all.more);
        for (size_t i = 0; i < all.n; i++) {
                struct cell one = cell_of(all.facts[i].value, all.facts[i].q);
                cell_over_place(r->catalog->indicators[q.indicator].kind, &got, &one);
        }
        HOLDS(cell_same(&got, &want));
        uint64_t size = 1 + seed_below(&seed, 5);
        for (uint64_t at = 0; at < all.n; at += page.n, lineage_close(&page)) {
                HOLDS(lineage_read(&page, r, q.indicator, q.region, q.own, q.asked, at, size, &e) == 0);
                HOLDS(page.n == (all.n - at < size ? all.n - at : size) &&
                      page.more == (at + page.n < all.n));
                for (size_t i = 0; i < page.n; i++)
                        HOLDS(page.facts[i].report == all.facts[at + i].report &&
                              page.facts[i].region == all.facts[at + i].region);
        }
        lineage_close(&all);
}

/* Offices with something standing, counted by hand. */
static void ask_presence(struct reader *r, const struct oracle *o)
{
        const struct catalog *c = r->catalog;
        struct question q = some_question(c);
        uint32_t dataset = c->indicators[q.indicator].dataset, received = 0;
        const struct oracle_revision **v;
        struct presence *p;
        struct err e;
        size_t n = oracle_standing(o, dataset, q.held.first, q.held.last, &v);
        for (uint32_t office = 0; office < c->n_offices; office++) {
                bool any = false;
                for (size_t i = 0; i < n; i++)
                        any = any || (v[i]->office == office && v[i]->report.action != WITHDRAW &&
                                      v[i]->report.period.last <= q.held.last);
                received += any && office_meets(c, office, q.region, q.own);
        }
        free(v);
        HOLDS(presence_new(&p, r, dataset, q.held.first, q.held.last, &e) == 0);
        HOLDS(presence_of(p, q.region, q.own, q.held).received == received);
        presence_free(p);
}

static void ask_everything(const struct toy_store *s, uint64_t as_of, const struct oracle *o)
{
        struct reader r;
        begin(&r, s, as_of);
        ask_figures(&r, o);
        for (int i = 0; i < 10; i++) {
                ask_lineage(&r, o);
                ask_presence(&r, o);
        }
        reader_end(&r);
        reader_close(&r);
}

static void verify_holds(struct toy_store *s)
{
        struct verify v = {0};
        struct err e;
        struct verify_ask ask = {.path = s->path, .catalog = s->c, .now_us = s->version};
        HOLDS(verify_run(&v, &ask, &e) == 0);
        HOLDS(v.totals == v.agree && !v.differing && !v.faulty && v.intact == v.streams);
        verify_close(&v);
        toy_store_sql(s, "UPDATE total_ SET facts = facts + 1 WHERE (indicator, period, region) = (SELECT "
                         "indicator, period, "
                         "region FROM total_ WHERE facts > 0 ORDER BY low LIMIT 1)");
        memset(&v, 0, sizeof v);
        HOLDS(verify_run(&v, &ask, &e) == 0 && v.differing == 1 && v.agree + 1 == v.totals);
        verify_close(&v);
}

/* A store that grows; now and then it is asked, also about the past. */
static void a_store(struct catalog *(*make)(void))
{
        seed = seed_from(seed_of_run());
        for (int round = 0; round < ROUNDS; round++) {
                struct catalog *c = make();
                struct toy_store s;
                struct oracle then = {.c = c};
                toy_store_open(&s, c);
                s.version = 1700000000000000;
                for (int i = 0; i < REPORTS / 2; i++)
                        some_report(&s);
                for (size_t i = 0; i < s.oracle.n; i++)
                        oracle_accept(&then, s.oracle.revisions[i].office, &s.oracle.revisions[i].report,
                                      s.oracle.revisions[i].at);
                oracle_settle(&then);
                uint64_t version = (uint64_t)s.version;
                for (int i = 0; i < REPORTS / 2; i++)
                        some_report(&s);
                toy_store_settle(&s);
                ask_everything(&s, UINT64_MAX, &s.oracle);
                ask_everything(&s, version, &then);
                verify_holds(&s);
                oracle_close(&then);
                toy_store_close(&s);
                catalog_free(c);
        }
}

static struct catalog *atoll_catalog(void)
{
        return folder_catalog("tests/catalogs/atoll");
}

static void of_weeks_months_halves_and_years(void **state)
{
        (void)state;
        a_store(atoll_catalog);
}

static void of_days_and_quarters(void **state)
{
        (void)state;
        a_store(office_catalog);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(of_weeks_months_halves_and_years),
            cmocka_unit_test(of_days_and_quarters),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
