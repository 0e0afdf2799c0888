/* How reports fold, and the table of DESIGN.md section 3 as far as one report shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/report.h"
#include "lib/seed.h"
#include "lib/toy_catalog.h"

#include <stdlib.h>
#include <string.h>

/* all ─ league ─ (banner1, banner2); all ─ other */
enum { ALL, LEAGUE, OTHER, BANNER1, BANNER2 };
enum { SEIZED, FOUND, FIXED, STOCKED, PEOPLE, RATE };

static const struct catalog *cat;

static int setup(void **state)
{
        struct catalog *c = toy_new();
        toy_region(c, "all", NONE, "region");
        toy_region(c, "league", ALL, "league");
        toy_region(c, "other", ALL, "league");
        toy_region(c, "banner1", LEAGUE, "banner");
        toy_region(c, "banner2", LEAGUE, "banner");
        uint32_t d = toy_dataset(c, "day", PERIOD_DAY);
        toy_indicator(c, d, "seized", FLOW);
        toy_indicator(c, d, "found", FLOW);
        toy_indicator(c, d, "fixed", FLOW);
        toy_indicator(c, d, "stocked", STOCK);
        toy_indicator(c, d, "people", PEAK);
        toy_derived(c, d, "rate", "100 * fixed / found");
        c->indicators[SEIZED].has_min = c->indicators[SEIZED].has_max = true;
        c->indicators[SEIZED].max = 1000;
        c->indicators[STOCKED].level = "banner";
        c->indicators[FIXED].decimals = 1;
        toy_dataset(c, "month", PERIOD_MONTH);
        toy_indicator(c, 1, "visits", FLOW);
        toy_rule(c, d, "fixed_le_found", REJECT, "fixed <= found");
        toy_rule(c, d, "rate_high", EXPLAIN, "rate >= 50");
        toy_office(c, "O1", LEAGUE, false);
        toy_office(c, "O2", ALL, true);
        c->offices[0].datasets = 1;
        cat = *state = c;
        return 0;
}

static int teardown(void **state)
{
        toy_free(*state);
        return 0;
}

static struct fact fact(uint32_t indicator, uint32_t region, int64_t value)
{
        return (struct fact){.indicator = (uint16_t)indicator, .region = region, .value = value};
}

static struct fact about(struct fact f)
{
        f.q = ABOUT;
        return f;
}

#define FACTS(...) (struct fact[]){__VA_ARGS__}, sizeof((struct fact[]){__VA_ARGS__}) / sizeof(struct fact)

static struct report report(enum action action, struct fact *facts, size_t n)
{
        facts_sort(facts, n);
        struct report r = {.action = action, .facts = facts, .n = n};
        assert_true(period_parse("2023-09-19", &r.period));
        return r;
}

static struct judge judge(void)
{
        int32_t today;
        assert_true(day_parse("2023-09-19", &today));
        return (struct judge){.catalog = cat, .today = today, .submitted_civil_s = (int64_t)today * 86400};
}

static void expect_codes(struct reasons *got, const enum reason_code *want, size_t n)
{
        assert_int_equal(got->total, n);
        for (size_t i = 0; i < n; i++)
                assert_string_equal(reason_name(got->v[i].code), reason_name(want[i]));
        reasons_close(got);
}

#define CODES(...)                               \
        (const enum reason_code[]){__VA_ARGS__}, \
            sizeof((const enum reason_code[]){__VA_ARGS__}) / sizeof(enum reason_code)

static void check(struct report r, struct judge j, const enum reason_code *want, size_t n)
{
        struct reasons out = {0};
        report_check(&r, &j, NULL, &out);
        expect_codes(&out, want, n);
}

static void check_is_fine(struct report r, struct judge j)
{
        check(r, j, NULL, 0);
}

static void expect_sentence(const struct reason *r, enum lang lang, const char *want)
{
        struct text t = {0};
        reason_sentence(r, lang, &t);
        assert_string_equal(text_c(&t), want);
        text_close(&t);
}

/* Folding */

static void expect_facts(const struct standing *s, const struct fact *want, size_t n)
{
        assert_int_equal(s->n, n);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(s->facts[i].indicator, want[i].indicator);
                assert_int_equal(s->facts[i].region, want[i].region);
                assert_int_equal(s->facts[i].value, want[i].value);
                assert_int_equal(s->facts[i].q, want[i].q);
        }
}

static void folds(void **state)
{
        (void)state;
        struct standing s = {0};
        assert_true(standing_fold(&s, MERGE, FACTS(fact(1, 3, 13), fact(2, 1, 21))));
        assert_true(
            standing_fold(&s, MERGE, FACTS(fact(0, 9, 9), fact(1, 2, 12), fact(2, 1, 22), fact(2, 5, 25))));
        expect_facts(&s,
                     FACTS(fact(0, 9, 9), fact(1, 2, 12), fact(1, 3, 13), fact(2, 1, 22), fact(2, 5, 25)));
        assert_int_equal(standing_find(&s, 2, 1)->value, 22);
        assert_null(standing_find(&s, 2, 2));
        assert_null(standing_find(&s, 7, 0));

        assert_true(standing_fold(&s, ADD, FACTS(about(fact(1, 3, -3)), fact(3, 0, 5))));
        expect_facts(&s, FACTS(fact(0, 9, 9), fact(1, 2, 12), about(fact(1, 3, 10)), fact(2, 1, 22),
                               fact(2, 5, 25), fact(3, 0, 5)));
        assert_true(standing_fold(&s, ADD, FACTS(fact(1, 3, 1)))); /* as exact as its less exact part */
        assert_int_equal(standing_find(&s, 1, 3)->q, ABOUT);

        assert_true(standing_fold(&s, REPLACE, FACTS(fact(4, 4, 44))));
        expect_facts(&s, FACTS(fact(4, 4, 44)));
        assert_true(standing_fold(&s, WITHDRAW, NULL, 0));
        assert_int_equal(s.n, 0);
        standing_close(&s);
}

static void changes_are_taken_back(void **state)
{
        (void)state;
        struct seed dice = seed_from(20261124);
        for (int round = 0; round < 500; round++) {
                struct fact before[60], given[40];
                size_t n = 0, m = 0;
                for (uint32_t i = 0; i < 60; i++) { /* some of 60 figures stand, some are given */
                        if (seed_below(&dice, 3))
                                before[n++] = fact(i / 10, i % 10, (int64_t)seed_below(&dice, 100));
                        if (m < 40 && seed_below(&dice, 2))
                                given[m++] = about(fact(i / 10, i % 10, (int64_t)seed_below(&dice, 100)));
                }
                enum action action = seed_below(&dice, 2) ? ADD : MERGE;
                struct change changes[40];
                struct standing s = {0}, plain = {0};
                assert_true(standing_fold(&s, REPLACE, before, n));
                assert_true(standing_fold(&plain, REPLACE, before, n));
                assert_true(standing_fold(&plain, action, given, m));
                assert_true(standing_change(&s, action, given, m, changes));
                expect_facts(&s, plain.facts, plain.n);
                for (size_t i = 0; i < m; i++) {
                        struct standing was = {before, n, n};
                        const struct fact *f = standing_find(&was, given[i].indicator, given[i].region);
                        assert_int_equal(changes[i].fresh, !f);
                        assert_true(!f || (changes[i].was.value == f->value && changes[i].was.q == f->q));
                        f = standing_find(&s, given[i].indicator, given[i].region);
                        assert_true(changes[i].now.value == f->value && changes[i].now.q == f->q);
                }
                standing_restore(&s, changes, m);
                expect_facts(&s, before, n);
                standing_close(&s);
                standing_close(&plain);
        }
}

static void adding_saturates(void **state)
{
        (void)state;
        struct standing s = {0};
        assert_true(standing_fold(&s, ADD, FACTS(fact(0, 0, INT64_MAX), fact(0, 1, INT64_MIN))));
        assert_true(standing_fold(&s, ADD, FACTS(fact(0, 0, 1), fact(0, 1, -1))));
        expect_facts(&s, FACTS(fact(0, 0, INT64_MAX), fact(0, 1, INT64_MIN)));
        standing_close(&s);
}

static void seeks_and_runs(void **state)
{
        (void)state;
        struct fact facts[100];
        for (uint32_t i = 0; i < 100; i++)
                facts[i] = fact(i / 10, i % 10 * 2, i);
        for (size_t from = 0; from <= 100; from++)
                for (uint32_t i = 0; i < 100; i++) {
                        size_t at = facts_seek(facts, 100, from, fact_key(i / 10, i % 10 * 2));
                        assert_int_equal(at, from > i ? from : i);
                }
        const struct fact *run;
        assert_int_equal(facts_run(facts, 100, 3, &run), 10);
        assert_int_equal(run->value, 30);
        assert_int_equal(facts_run(facts, 100, 10, &run), 0);
        assert_int_equal(facts_run(NULL, 0, 0, &run), 0);
}

static void places_go_by_turn_then_seq(void **state)
{
        (void)state;
        assert_true(place_compare((struct place){1, 900}, (struct place){2, 1}) < 0);
        assert_true(place_compare((struct place){2, 2}, (struct place){2, 1}) > 0);
        assert_int_equal(place_compare((struct place){2, 2}, (struct place){2, 2}), 0);
}

static void action_words(void **state)
{
        (void)state;
        enum action a;
        for (int i = REPLACE; i <= ADD; i++) {
                assert_true(action_find(action_word((enum action)i), &a));
                assert_int_equal(a, i);
        }
        assert_true(action_find("撤回", &a));
        assert_int_equal(a, WITHDRAW);
        assert_false(action_find("delete", &a));
}

/* The report by itself */

static void dataset_period_office(void **state)
{
        (void)state;
        struct report r = report(REPLACE, FACTS(fact(SEIZED, BANNER1, 1)));
        check_is_fine(r, judge());
        struct report foreign = r;
        foreign.dataset = 1;
        foreign.period = period_of(PERIOD_MONTH, r.period.first);
        check(foreign, judge(), CODES(REASON_FOREIGN_DATASET, REASON_UNKNOWN_INDICATOR));
        struct report month = r;
        month.period = period_of(PERIOD_MONTH, r.period.first);
        check(month, judge(), CODES(REASON_WRONG_PERIOD));
        struct catalog changed = *cat;
        struct office offices[2] = {cat->offices[0], cat->offices[1]};
        struct judge j = judge();
        changed.offices = offices;
        offices[0].valid_to = j.today - 1;
        j.catalog = &changed;
        check(r, j, CODES(REASON_NOT_VALID_THEN));
}

static void future_and_lock(void **state)
{
        (void)state;
        struct report r = report(REPLACE, FACTS(fact(SEIZED, BANNER1, 1)));
        struct judge j = judge();
        j.today -= 1;
        check(r, j, CODES(REASON_FUTURE_PERIOD));
        j.future_days = 2; /* HQ allows for the clocks */
        check_is_fine(r, j);
        j.today -= 2;
        check(r, j, CODES(REASON_FUTURE_PERIOD));

        struct dataset *d = &cat->datasets[0];
        d->lock_s = 36 * 3600;
        j = judge();
        j.submitted_civil_s = ((int64_t)r.period.last + 1) * 86400 + 36 * 3600 - 1;
        check_is_fine(r, j);
        j.submitted_civil_s++;
        check(r, j, CODES(REASON_LOCKED));
        d->lock_s = NONE;
}

static void regions_of_rows(void **state)
{
        (void)state;
        struct judge j = judge(), department = judge();
        department.office = 1;
        check(report(REPLACE, FACTS(fact(SEIZED, OTHER, 1))), j, CODES(REASON_FOREIGN_REGION));
        check(report(REPLACE, FACTS(fact(SEIZED, ALL, 1))), j, CODES(REASON_FOREIGN_REGION));
        check_is_fine(report(REPLACE, FACTS(fact(SEIZED, ALL, 1))), department);
        check(report(REPLACE, FACTS(fact(SEIZED, LEAGUE, 1))), department, CODES(REASON_FOREIGN_REGION));
        check(report(REPLACE, FACTS(fact(STOCKED, LEAGUE, 1))), j, CODES(REASON_WRONG_LEVEL));
        cat->regions[BANNER2].valid_to = j.today - 1;
        check(report(REPLACE, FACTS(fact(SEIZED, BANNER2, 1))), j, CODES(REASON_NOT_VALID_THEN));
        cat->regions[BANNER2].valid_to = INT32_MAX;
}

static void kinds_and_bounds(void **state)
{
        (void)state;
        struct judge j = judge();
        check(report(REPLACE, FACTS(fact(RATE, BANNER1, 1))), j, CODES(REASON_DERIVED_GIVEN));
        check(report(ADD, FACTS(fact(STOCKED, BANNER1, 1))), j, CODES(REASON_ADD_NOT_FLOW));
        check(report(ADD, FACTS(fact(PEOPLE, BANNER1, 1))), j, CODES(REASON_ADD_NOT_FLOW));
        check_is_fine(report(ADD, FACTS(fact(SEIZED, BANNER1, -1))),
                      j); /* bounds of an add: of what stands then */
        check(report(MERGE, FACTS(fact(SEIZED, BANNER1, -1))), j, CODES(REASON_BELOW_MIN));
        check(report(MERGE, FACTS(fact(SEIZED, BANNER1, 1001))), j, CODES(REASON_ABOVE_MAX));
        check_is_fine(report(REPLACE, FACTS(fact(FOUND, BANNER1, -VALUE_MAX))), j);
        check(report(REPLACE, FACTS(fact(FOUND, BANNER1, VALUE_MAX + 1))), j, CODES(REASON_TOO_LARGE));
        check(report(ADD, FACTS(fact(FOUND, BANNER1, INT64_MIN))), j, CODES(REASON_TOO_LARGE));
}

static void rows_and_actions(void **state)
{
        (void)state;
        check(report(REPLACE, NULL, 0), judge(), CODES(REASON_NO_ROWS));
        check(report(ADD, NULL, 0), judge(), CODES(REASON_NO_ROWS));
        check_is_fine(report(WITHDRAW, NULL, 0), judge());
        check(report(WITHDRAW, FACTS(fact(SEIZED, BANNER1, 1))), judge(), CODES(REASON_ROWS_WITH_WITHDRAW));
}

static void says_where_and_what(void **state)
{
        (void)state;
        struct report r = report(REPLACE, FACTS(fact(SEIZED, BANNER1, 1), fact(SEIZED, BANNER2, -3)));
        struct judge j = judge();
        struct reasons out = {0};
        const uint32_t rows[] = {7, 8};
        report_check(&r, &j, rows, &out);
        assert_int_equal(out.total, 1);
        assert_int_equal(out.v[0].row, 8);
        assert_string_equal(out.v[0].column, "value");
        expect_sentence(&out.v[0], LANG_EN, "-3 is below the least allowed, 0 (seized, banner2)");
        reasons_clear(&out);
        r.period = period_of(PERIOD_MONTH, r.period.first);
        r.n = 1;
        report_check(&r, &j, rows, &out);
        expect_sentence(&out.v[0], LANG_EN,
                        "\"2023-09\" is not a period of this dataset: it is reported by day");
        expect_sentence(&out.v[0], LANG_ZH, "“2023-09”不是该数据集的时期（按日填报）");
        reasons_close(&out);
}

/* What would stand */

/* Judges `r` after `before`; answers the reasons. */
static struct reasons judged(struct fact *before, size_t n, struct report r, struct reasons *flags)
{
        struct standing s = {0};
        struct judge j = judge();
        struct reasons out = {0};
        assert_true(standing_fold(&s, REPLACE, before, n));
        assert_true(standing_fold(&s, r.action, r.facts, r.n));
        static const uint32_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8};
        assert_true(report_judge(&r, &s, NULL, &j, r.n <= 8 ? rows : NULL, &out, flags));
        standing_close(&s);
        return out;
}

static void overlap(void **state)
{
        (void)state;
        struct report both = report(REPLACE, FACTS(fact(SEIZED, LEAGUE, 5), fact(SEIZED, BANNER1, 1)));
        struct reasons out = judged(NULL, 0, both, NULL);
        expect_sentence(
            &out.v[0], LANG_EN,
            "seized is given for banner1 and also for league above it; write league/own for its own figures");
        expect_codes(&out, CODES(REASON_OVERLAP));

        both.facts[0].own = 1; /* 包头市本级 */
        out = judged(NULL, 0, both, NULL);
        expect_codes(&out, NULL, 0);

        struct report other = report(REPLACE, FACTS(fact(SEIZED, LEAGUE, 5), fact(PEOPLE, BANNER1, 1)));
        out = judged(NULL, 0, other, NULL);
        expect_codes(&out, NULL, 0);

        struct report later = report(MERGE, FACTS(fact(SEIZED, LEAGUE, 5)));
        out = judged(FACTS(fact(SEIZED, BANNER1, 1), fact(SEIZED, BANNER2, 1)), later, NULL);
        expect_codes(&out, CODES(REASON_OVERLAP, REASON_OVERLAP));
        later.action = REPLACE;
        out = judged(FACTS(fact(SEIZED, BANNER1, 1)), later, NULL);
        expect_codes(&out, NULL, 0);
}

static void bounds_of_an_add(void **state)
{
        (void)state;
        struct report r = report(ADD, FACTS(fact(SEIZED, BANNER1, -3)));
        struct reasons out = judged(FACTS(fact(SEIZED, BANNER1, 3)), r, NULL);
        expect_codes(&out, NULL, 0);
        out = judged(FACTS(fact(SEIZED, BANNER1, 2)), r, NULL);
        expect_codes(&out, CODES(REASON_BELOW_MIN));
        r.facts[0] = fact(FOUND, BANNER1, 1);
        out = judged(FACTS(fact(FOUND, BANNER1, VALUE_MAX)), r, NULL);
        expect_codes(&out, CODES(REASON_TOO_LARGE));
}

static void rules(void **state)
{
        (void)state;
        struct reasons flags = {0}, out;
        /* fixed has one decimal: 30 is 3.0 */
        struct report fine = report(REPLACE, FACTS(fact(FOUND, BANNER1, 3), fact(FIXED, BANNER1, 30)));
        out = judged(NULL, 0, fine, &flags);
        expect_codes(&out, NULL, 0);
        expect_codes(&flags, NULL, 0);

        struct report bad = report(REPLACE, FACTS(fact(FOUND, BANNER1, 3), fact(FIXED, BANNER1, 31)));
        out = judged(NULL, 0, bad, &flags);
        expect_sentence(&out.v[0], LANG_EN, "it does not hold (fixed_le_found, region league)");
        expect_sentence(&out.v[1], LANG_ZH, "不成立（fixed_le_found，地区 banner1）");
        assert_int_equal(out.v[0].row, 0);                   /* the league stands in no row */
        assert_int_equal(out.v[1].row, 1);                   /* of FIXED and FOUND the first */
        expect_codes(&out, CODES(REASON_RULE, REASON_RULE)); /* the banner, and the league above it */
        expect_codes(&flags, NULL, 0);

        bad.facts[0].q = ABOUT; /* reject becomes explain */
        out = judged(NULL, 0, bad, &flags);
        expect_codes(&out, NULL, 0);
        expect_codes(&flags, CODES(REASON_RULE, REASON_RULE));

        struct report half = report(REPLACE, FACTS(fact(FOUND, BANNER1, 10), fact(FIXED, BANNER1, 49)));
        out = judged(NULL, 0, half, &flags); /* rate_high is of grade explain */
        expect_codes(&out, NULL, 0);
        assert_string_equal(flags.v[0].arg[0], "rate_high");
        expect_codes(&flags, CODES(REASON_RULE, REASON_RULE));
        out = judged(NULL, 0, half, NULL);
        expect_codes(&out, NULL, 0);
}

static void rules_go_by_what_stands(void **state)
{
        (void)state;
        struct reasons flags = {0}, out;
        /* An operand is missing for the banner: skipped there; the league has both. */
        struct report r = report(MERGE, FACTS(fact(FIXED, BANNER2, 40)));
        out = judged(FACTS(fact(FOUND, BANNER1, 3)), r, &flags);
        assert_string_equal(out.v[0].arg[2], "league");
        expect_codes(&out, CODES(REASON_RULE));
        out = judged(FACTS(fact(FOUND, BANNER1, 4)), r, &flags);
        expect_codes(&out, NULL, 0);
        /* Regions the report does not name are not judged again. */
        struct report elsewhere = report(MERGE, FACTS(fact(SEIZED, BANNER2, 1)));
        out = judged(FACTS(fact(FOUND, BANNER1, 1), fact(FOUND, BANNER2, 9), fact(FIXED, BANNER1, 20)),
                     elsewhere, &flags);
        expect_codes(&out, NULL, 0);
        struct report withdrawal = report(WITHDRAW, NULL, 0);
        out = judged(FACTS(fact(FOUND, BANNER1, 1), fact(FIXED, BANNER1, 20)), withdrawal, &flags);
        expect_codes(&out, NULL, 0);
        reasons_close(&flags);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(folds),
            cmocka_unit_test(changes_are_taken_back),
            cmocka_unit_test(adding_saturates),
            cmocka_unit_test(seeks_and_runs),
            cmocka_unit_test(places_go_by_turn_then_seq),
            cmocka_unit_test(action_words),
            cmocka_unit_test(dataset_period_office),
            cmocka_unit_test(future_and_lock),
            cmocka_unit_test(regions_of_rows),
            cmocka_unit_test(kinds_and_bounds),
            cmocka_unit_test(rows_and_actions),
            cmocka_unit_test(says_where_and_what),
            cmocka_unit_test(overlap),
            cmocka_unit_test(bounds_of_an_add),
            cmocka_unit_test(rules),
            cmocka_unit_test(rules_go_by_what_stands),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
