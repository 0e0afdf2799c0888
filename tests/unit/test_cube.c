/* The cube by example: the cases of DESIGN.md section 3, and the life of chapters and books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/cube.h"
#include "lib/toy_catalog.h"

#include <stdio.h>
#include <string.h>

/* all ─ league ─ (banner1, banner2); all ─ other. The league's office answers for its subtree, the department
 * for the region itself. */
enum { ALL, LEAGUE, OTHER, BANNER1, BANNER2 };
enum { DAILY, WEEKLY, MONTHLY };
enum { SEIZED, STOCKED, PEOPLE, CASES, VISITS };
enum { OFFICE, DEPARTMENT };

struct hq {
        struct catalog *c;
        struct cube *u;
        struct text told; /* "indicator region period value facts\n" */
        uint64_t seq;
        enum verdict verdict;
        uint32_t revision;
        bool closes;
        enum reason_code reason;
};

static int setup(void **state)
{
        static struct hq hq;
        struct catalog *c = toy_new();
        toy_region(c, "all", NONE, "region");
        toy_region(c, "league", ALL, "league");
        toy_region(c, "other", ALL, "league");
        toy_region(c, "banner1", LEAGUE, "banner");
        toy_region(c, "banner2", LEAGUE, "banner");
        toy_dataset(c, "daily", PERIOD_DAY);
        toy_dataset(c, "weekly", PERIOD_WEEK);
        toy_dataset(c, "monthly", PERIOD_MONTH);
        toy_indicator(c, DAILY, "seized", FLOW);
        toy_indicator(c, DAILY, "stocked", STOCK);
        toy_indicator(c, DAILY, "people", PEAK);
        toy_indicator(c, WEEKLY, "cases", FLOW);
        toy_indicator(c, MONTHLY, "visits", FLOW);
        toy_office(c, "O1", LEAGUE, false);
        toy_office(c, "O2", ALL, true);
        hq = (struct hq){.c = c, .u = cube_new(c, SIZE_MAX)};
        *state = &hq;
        return hq.u ? 0 : -1;
}

static int teardown(void **state)
{
        struct hq *hq = *state;
        text_close(&hq->told);
        cube_free(hq->u);
        toy_free(hq->c);
        return 0;
}

static void hear(void *ctx, const struct total *t)
{
        struct hq *hq = ctx;
        char period[PERIOD_TEXT];
        period_print(t->period, period);
        text_printf(&hq->told, "%s %s %s ", hq->c->indicators[t->indicator].code,
                    hq->c->regions[t->region].code, period);
        int64_t v;
        if (cell_value(&t->cell, &v))
                text_printf(&hq->told, "%lld", (long long)v);
        else
                text_add(&hq->told, t->cell.facts ? "overflow" : "null");
        text_printf(&hq->told, " of %llu", (unsigned long long)t->cell.facts);
        if (cell_qualifier(&t->cell) != EXACT)
                text_printf(&hq->told, " %s", qualifier_word(cell_qualifier(&t->cell)));
        text_add(&hq->told, "\n");
}

static const char *settle(struct hq *hq)
{
        text_clear(&hq->told);
        cube_settle(hq->u, hear, hq);
        return text_c(&hq->told);
}

/* Does what was told last have this line? */
static void expect(struct hq *hq, const char *line)
{
        char whole[128];
        snprintf(whole, sizeof whole, "%s\n", line);
        const char *at = strstr(text_c(&hq->told), whole);
        if (!at || (at != text_c(&hq->told) && at[-1] != '\n'))
                fail_msg("not told: %s\ntold:\n%s", line, text_c(&hq->told));
}

static struct period period(const char *text)
{
        struct period p;
        assert_true(period_parse(text, &p));
        return p;
}

static struct fact fact(uint32_t indicator, uint32_t region, int64_t value)
{
        return (struct fact){.indicator = (uint16_t)indicator, .region = region, .value = value, .own = 1};
}

static struct fact with(struct fact f, enum qualifier q)
{
        f.q = (uint8_t)q;
        return f;
}

#define FACTS(...) (struct fact[]){__VA_ARGS__}, sizeof((struct fact[]){__VA_ARGS__}) / sizeof(struct fact)
#define NO_FACTS NULL, 0

static void open_what_is_needed(struct hq *hq, uint32_t dataset, struct period p, uint32_t office,
                                struct place at)
{
        struct recall r;
        enum need need = cube_need(hq->u, dataset, p, office, at, &r);
        if (need == NEED_NOTHING)
                return;
        assert_int_equal(need, NEED_RECALL);
        assert_true(cube_recall_begin(hq->u, &r, p));
        assert_true(cube_recall_end(hq->u));
}

static void take(struct hq *hq, uint32_t office, struct place at, enum action action, const char *when,
                 struct fact *facts, size_t n)
{
        struct report r = {.period = period(when), .action = action, .facts = facts, .n = n};
        r.dataset = r.period.kind == PERIOD_DAY ? DAILY : r.period.kind == PERIOD_WEEK ? WEEKLY : MONTHLY;
        struct judge j = {.catalog = hq->c, .office = office, .today = day_of(2030, 1, 1)};
        struct reasons reasons = {0};
        open_what_is_needed(hq, r.dataset, r.period, office, at);
        assert_true(cube_take(hq->u, &r, &j, at, &hq->verdict, &hq->revision, &hq->closes, &reasons, NULL));
        hq->reason = reasons.n ? reasons.v[0].code : REASON_NONE;
        reasons_close(&reasons);
}

static void send(struct hq *hq, enum action action, const char *when, struct fact *facts, size_t n)
{
        take(hq, OFFICE, (struct place){1, ++hq->seq}, action, when, facts, n);
        assert_string_equal(verdict_word(hq->verdict), "accepted");
}

/* Arithmetic */

static void a_row_becomes_a_total(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-09-19", FACTS(fact(SEIZED, BANNER1, 12)));
        assert_string_equal(settle(hq), "seized all 2023-09-19 12 of 1\n"
                                        "seized league 2023-09-19 12 of 1\n"
                                        "seized all 2023-09 12 of 1\n"
                                        "seized league 2023-09 12 of 1\n"
                                        "seized all 2023-Q3 12 of 1\n"
                                        "seized league 2023-Q3 12 of 1\n"
                                        "seized all 2023-H2 12 of 1\n"
                                        "seized league 2023-H2 12 of 1\n"
                                        "seized all 2023 12 of 1\n"
                                        "seized league 2023 12 of 1\n");
        assert_string_equal(settle(hq), ""); /* each change is told once */
}

static void only_what_changed(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-09-19", FACTS(fact(SEIZED, BANNER1, 12), fact(PEOPLE, BANNER1, 3)));
        settle(hq);
        send(hq, MERGE, "2023-09-19", FACTS(fact(SEIZED, LEAGUE, 1), fact(SEIZED, BANNER1, 12)));
        settle(hq);
        assert_null(strstr(text_c(&hq->told), "people"));
        expect(hq, "seized league 2023-09-19 13 of 2");
        take(hq, DEPARTMENT, (struct place){1, 1}, REPLACE, "2023-09-20", FACTS(fact(SEIZED, ALL, 100)));
        settle(hq);
        expect(hq, "seized all 2023-09 113 of 3");
        assert_null(strstr(text_c(&hq->told), "league"));
}

static void stock_keeps_the_latest(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-09-01", FACTS(fact(STOCKED, BANNER1, 10)));
        send(hq, REPLACE, "2023-09-02", FACTS(fact(STOCKED, BANNER1, 12)));
        settle(hq);
        expect(hq, "stocked all 2023-09 12 of 1");
        send(hq, WITHDRAW, "2023-09-02", NO_FACTS);
        settle(hq);
        expect(hq, "stocked all 2023-09-02 null of 0");
        expect(hq, "stocked all 2023-09 10 of 1");
        send(hq, WITHDRAW, "2023-09-01", NO_FACTS);
        settle(hq);
        expect(hq, "stocked all 2023-09 null of 0");
        expect(hq, "stocked all 2023 null of 0");
}

static void stock_of_own_and_children(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-03-01", FACTS(fact(STOCKED, LEAGUE, 5), fact(STOCKED, BANNER1, 10)));
        send(hq, REPLACE, "2023-09-02", FACTS(fact(STOCKED, BANNER1, 12), fact(STOCKED, BANNER2, 20)));
        settle(hq);
        expect(hq, "stocked league 2023-09 32 of 2");
        expect(hq, "stocked league 2023 37 of 3"); /* latest own + each child's latest */
}

static void peak_falls_back(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-09-01", FACTS(fact(PEOPLE, BANNER1, 500)));
        send(hq, REPLACE, "2023-09-02", FACTS(fact(PEOPLE, BANNER1, 300)));
        settle(hq);
        expect(hq, "people all 2023-Q3 500 of 2");
        send(hq, REPLACE, "2023-09-01", FACTS(fact(PEOPLE, BANNER1, 200)));
        settle(hq);
        expect(hq, "people all 2023-09 300 of 2");
        expect(hq, "people all 2023 300 of 2");
}

static void qualifiers_are_counted(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-09-01",
             FACTS(with(fact(SEIZED, BANNER1, 500), AT_LEAST), with(fact(SEIZED, BANNER2, 5), ABOUT)));
        settle(hq);
        expect(hq, "seized league 2023-09 505 of 2 about");
        send(hq, MERGE, "2023-09-01", FACTS(fact(SEIZED, BANNER2, 5)));
        settle(hq);
        expect(hq, "seized league 2023-09 505 of 2 at_least");
        send(hq, ADD, "2023-09-01", FACTS(fact(SEIZED, BANNER1, 1))); /* as exact as its less exact part */
        settle(hq);
        expect(hq, "seized league 2023-09 506 of 2 at_least");
}

static void weeks_roll_up_to_the_iso_year(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2020-W53", FACTS(fact(CASES, BANNER1, 7))); /* 2020-12-28 to 2021-01-03 */
        send(hq, REPLACE, "2021-W01", FACTS(fact(CASES, BANNER1, 1)));
        assert_string_equal(settle(hq), "cases all 2020-W53 7 of 1\n"
                                        "cases league 2020-W53 7 of 1\n"
                                        "cases all 2020 7 of 1\n"
                                        "cases league 2020 7 of 1\n"
                                        "cases all 2021-W01 1 of 1\n"
                                        "cases league 2021-W01 1 of 1\n"
                                        "cases all 2021 1 of 1\n"
                                        "cases league 2021 1 of 1\n");
}

static void months_are_base_periods_of_monthly_data(void **state)
{
        struct hq *hq = *state;
        send(hq, REPLACE, "2023-04", FACTS(fact(VISITS, BANNER1, 4)));
        send(hq, REPLACE, "2023-12", FACTS(fact(VISITS, BANNER1, 12)));
        settle(hq);
        expect(hq, "visits all 2023-04 4 of 1");
        expect(hq, "visits all 2023-Q2 4 of 1");
        expect(hq, "visits all 2023-Q4 12 of 1");
        expect(hq, "visits all 2023-H1 4 of 1");
        expect(hq, "visits all 2023 16 of 2");
}

static void overflow_shows_and_goes(void **state)
{
        struct hq *hq = *state;
        struct catalog *c = toy_new();
        enum { MANY = 10000 };
        static struct fact facts[MANY];
        toy_region(c, "all", NONE, "region");
        toy_dataset(c, "daily", PERIOD_DAY);
        toy_indicator(c, 0, "seized", FLOW);
        toy_office(c, "O1", 0, false);
        for (uint32_t i = 0; i < MANY; i++) {
                toy_region(c, "x", 0, "banner");
                facts[i] = fact(0, i + 1, VALUE_MAX);
        }
        struct catalog *was = hq->c;
        struct cube *old = hq->u;
        hq->c = c;
        hq->u = cube_new(c, SIZE_MAX);
        send(hq, REPLACE, "2023-09-01", facts, MANY); /* 10^19 */
        settle(hq);
        expect(hq, "seized all 2023-09-01 overflow of 10000");
        expect(hq, "seized all 2023 overflow of 10000");
        facts[0].value = facts[1].value = -VALUE_MAX;
        send(hq, MERGE, "2023-09-01", facts, 2);
        send(hq, REPLACE, "2023-09-02", facts, MANY / 2);
        settle(hq);
        expect(hq, "seized all 2023-09-01 overflow of 10000");
        send(hq, REPLACE, "2023-09-01", facts, 9);
        settle(hq);
        expect(hq, "seized all 2023-09-01 5000000000000000 of 9");
        expect(hq, "seized all 2023 5001000000000000000 of 5009");
        cube_free(hq->u);
        toy_free(c);
        hq->c = was;
        hq->u = old;
}

/* Verdicts */

static void order_of_revisions(void **state)
{
        struct hq *hq = *state;
        const char *day = "2023-09-01";
        take(hq, OFFICE, (struct place){1, 1}, REPLACE, day, FACTS(fact(SEIZED, BANNER1, 1)));
        assert_int_equal(hq->revision, 1);
        assert_false(hq->closes);
        take(hq, OFFICE, (struct place){2, 1}, MERGE, day, FACTS(fact(SEIZED, BANNER2, 2)));
        assert_int_equal(hq->revision, 2);
        assert_false(hq->closes);
        take(hq, OFFICE, (struct place){2, 2}, REPLACE, day, FACTS(fact(SEIZED, BANNER1, 3)));
        assert_int_equal(hq->revision, 3);
        assert_true(hq->closes);
        take(hq, OFFICE, (struct place){1, 9}, REPLACE, day, FACTS(fact(SEIZED, BANNER1, 100)));
        assert_string_equal(verdict_word(hq->verdict), "superseded"); /* an older stream */
        assert_int_equal(hq->revision, 4);
        assert_false(hq->closes);
        take(hq, OFFICE, (struct place){2, 2}, REPLACE, day, FACTS(fact(SEIZED, BANNER1, 3)));
        assert_string_equal(verdict_word(hq->verdict), "superseded"); /* the same once more */
        assert_int_equal(hq->revision, 4);
        settle(hq);
        expect(hq, "seized all 2023-09 3 of 1");
}

static void refused_reports_change_nothing(void **state)
{
        struct hq *hq = *state;
        take(hq, OFFICE, (struct place){1, 1}, REPLACE, "2023-09-01", FACTS(fact(SEIZED, OTHER, 1)));
        assert_string_equal(verdict_word(hq->verdict), "rejected");
        assert_int_equal(hq->reason, REASON_FOREIGN_REGION);
        assert_int_equal(hq->revision, 0);
        struct fact league = fact(SEIZED, LEAGUE, 1);
        league.own = 0;
        take(hq, OFFICE, (struct place){1, 2}, REPLACE, "2023-09-01",
             FACTS(league, fact(SEIZED, BANNER1, 1)));
        assert_int_equal(hq->reason, REASON_OVERLAP);
        assert_string_equal(settle(hq), "");
}

static void a_period_of_another_rhythm_is_refused_unopened(void **state)
{
        struct hq *hq = *state;
        struct report r = {.dataset = MONTHLY, .period = period("2023-09-01"), .action = WITHDRAW};
        struct judge j = {.catalog = hq->c, .today = day_of(2030, 1, 1)};
        struct reasons reasons = {0};
        struct recall recall;
        struct place at = {1, 1};
        size_t before = cube_bytes(hq->u);
        assert_int_equal(cube_need(hq->u, MONTHLY, r.period, OFFICE, at, &recall), NEED_NOTHING);
        assert_true(cube_take(hq->u, &r, &j, at, &hq->verdict, &hq->revision, &hq->closes, &reasons, NULL));
        assert_int_equal(hq->verdict, REJECTED);
        assert_int_equal(reasons.v[0].code, REASON_WRONG_PERIOD);
        assert_int_equal(cube_bytes(hq->u), before);
        reasons_close(&reasons);
}

/* Chapters and books */

static void expect_recall(const struct hq *hq, uint32_t dataset, const char *when, const char *range)
{
        struct recall r;
        assert_int_equal(cube_need(hq->u, dataset, period(when), OFFICE, (struct place){1, 99}, &r),
                         NEED_RECALL);
        assert_int_equal(r.dataset, dataset);
        assert_int_equal(r.first, period(range).first);
        assert_int_equal(r.last, period(range).last);
}

static void a_year_is_recalled_then_its_months(void **state)
{
        struct hq *hq = *state;
        expect_recall(hq, DAILY, "2023-09-19", "2023");
        expect_recall(hq, MONTHLY, "2023-09", "2023");
        expect_recall(hq, WEEKLY, "2020-W53", "2019-12-30/2021-01-03");

        struct recall r = {DAILY, period("2023").first, period("2023").last};
        struct report march = {.period = period("2023-03-05"), .action = REPLACE};
        struct report september = {.period = period("2023-09-01"), .action = REPLACE};
        struct fact facts[] = {fact(SEIZED, BANNER1, 30), fact(STOCKED, BANNER1, 3)};
        march.facts = september.facts = facts;
        march.n = september.n = 2;
        assert_true(cube_recall_begin(hq->u, &r, period("2023-09-19")));
        assert_true(cube_recalled(hq->u, OFFICE, &march, (struct place){1, 1}, 1));
        facts[0].value = 90;
        facts[1].value = 9;
        assert_true(cube_recalled(hq->u, OFFICE, &september, (struct place){1, 2}, 4));
        assert_true(cube_recall_end(hq->u));

        assert_string_equal(settle(hq), "");               /* nothing changed by being recalled */
        expect_recall(hq, DAILY, "2023-03-05", "2023-03"); /* only the wanted month is kept, */
        take(hq, OFFICE, (struct place){1, 3}, REPLACE, "2023-09-01", FACTS(fact(SEIZED, BANNER1, 91)));
        assert_int_equal(hq->revision, 5);
        settle(hq);
        expect(hq, "seized all 2023-09 91 of 1");
        expect(hq, "seized all 2023 121 of 2"); /* but the year knows all of them. */
        expect(hq, "stocked all 2023 3 of 1");
}

static void what_is_not_committed_stays(void **state)
{
        struct hq *hq = *state;
        struct recall r;
        cube_free(hq->u);
        hq->u = cube_new(hq->c, 0);
        send(hq, REPLACE, "2023-09-01", FACTS(fact(SEIZED, BANNER1, 1)));
        settle(hq);
        cube_flushed(hq->u, 1);
        send(hq, REPLACE, "2023-10-01", FACTS(fact(SEIZED, BANNER1, 1)));
        settle(hq);
        cube_flushed(hq->u, 2);
        cube_trim(hq->u);
        struct place at = {1, 99};
        assert_int_equal(cube_need(hq->u, DAILY, period("2023-09-01"), OFFICE, at, &r), NEED_NOTHING);
        cube_committed(hq->u, 1);
        cube_trim(hq->u);
        expect_recall(hq, DAILY, "2023-09-01", "2023-09");
        assert_int_equal(cube_need(hq->u, DAILY, period("2023-10-01"), OFFICE, at, &r), NEED_NOTHING);
        cube_committed(hq->u, 2);
        cube_trim(hq->u);
        expect_recall(hq, DAILY, "2023-10-01", "2023");
        assert_int_equal(cube_bytes(hq->u), 0);
}

static void the_longest_untouched_goes_first(void **state)
{
        struct hq *hq = *state;
        struct recall r;
        struct place at = {1, 99};
        send(hq, REPLACE, "2023-09-01", FACTS(fact(SEIZED, BANNER1, 1)));
        size_t one = cube_bytes(hq->u);
        cube_free(hq->u);
        hq->u = cube_new(hq->c, one * 5 / 2);
        for (int i = 1; i <= 5; i++) {
                const char *const days[] = {"2021-09-01", "2022-09-01", "2023-09-01", "2024-09-01",
                                            "2025-09-01"};
                send(hq, REPLACE, days[i - 1], FACTS(fact(SEIZED, BANNER1, 1)));
                send(hq, MERGE, "2021-09-01", FACTS(fact(SEIZED, BANNER1, i + 1)));
                settle(hq);
                cube_flushed(hq->u, (uint64_t)i);
                cube_committed(hq->u, (uint64_t)i);
                cube_trim(hq->u);
                assert_true(cube_bytes(hq->u) <= one * 5 / 2);
        }
        assert_int_equal(cube_need(hq->u, DAILY, period("2021-09-01"), OFFICE, at, &r), NEED_NOTHING);
        assert_int_equal(cube_need(hq->u, DAILY, period("2025-09-01"), OFFICE, at, &r), NEED_NOTHING);
        expect_recall(hq, DAILY, "2022-09-01", "2022");
}

/* An add that comes late, between a replace and a merge: what stands is recalled, then it is folded at its
 * place. */
static void a_late_report_is_folded_at_its_place(void **state)
{
        struct hq *hq = *state;
        const char *day = "2023-09-01";
        struct fact base[] = {fact(SEIZED, BANNER1, 10)}, top[] = {fact(SEIZED, BANNER2, 1)};
        struct report replace = {.period = period(day), .action = REPLACE, .facts = base, .n = 1};
        struct report merge = {.period = period(day), .action = MERGE, .facts = top, .n = 1};
        struct recall r;
        take(hq, OFFICE, (struct place){1, 1}, REPLACE, day, base, 1);
        take(hq, OFFICE, (struct place){2, 1}, MERGE, day, top, 1);
        struct place late = {1, 2};
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, late, &r), NEED_REFOLD);
        settle(hq);
        cube_flushed(hq->u, 1);
        cube_committed(hq->u, 1);
        cube_close(hq->u, DAILY, period(day), OFFICE);
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, late, &r), NEED_RECALL);
        assert_int_equal(r.first, period("2023-09").first);
        assert_true(cube_recall_begin(hq->u, &r, period(day)));
        assert_true(cube_recalled(hq->u, OFFICE, &replace, (struct place){1, 1}, 2));
        assert_true(cube_recalled(hq->u, OFFICE, &merge, (struct place){2, 1}, 2));
        assert_true(cube_recall_end(hq->u));

        take(hq, OFFICE, late, ADD, day, FACTS(fact(SEIZED, BANNER1, 5), fact(SEIZED, BANNER2, 70)));
        assert_string_equal(verdict_word(hq->verdict), "accepted");
        assert_int_equal(hq->revision, 3);
        settle(hq);
        expect(hq, "seized all 2023-09-01 16 of 2"); /* 10 + 5, and the merge after it sets 1 */

        take(hq, OFFICE, (struct place){1, 3}, REPLACE, day, FACTS(fact(SEIZED, LEAGUE, 1000)));
        assert_true(hq->closes); /* late as well: it ends the replace and the add, the merge stands on it */
        settle(hq);
        expect(hq, "seized all 2023-09-01 1001 of 2");
}

/* Recalls a day of two offices in which each added the same counter so many times. */
static void recall_counters(struct hq *hq, const char *day, uint64_t times)
{
        struct recall r;
        struct fact one[] = {fact(SEIZED, BANNER1, 1)};
        struct report add = {.dataset = DAILY, .period = period(day), .action = ADD, .facts = one, .n = 1};
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, (struct place){1, times + 1}, &r),
                         NEED_RECALL);
        assert_true(cube_recall_begin(hq->u, &r, period(day)));
        for (uint32_t office = OFFICE; office < OFFICE + 2; office++)
                for (uint64_t i = 1; i <= times; i++)
                        assert_true(cube_recalled(hq->u, office, &add, (struct place){1, i}, (uint32_t)i));
        assert_true(cube_recall_end(hq->u));
}

/* However often machines counted, a recalled day weighs what stands in it; the revisions behind it are kept
 * of an office that comes late, and of no other. */
static void a_day_of_counters_weighs_what_stands(void **state)
{
        enum { TIMES = 5000 };
        struct hq *hq = *state;
        const char *day = "2023-09-01";
        struct recall r;
        recall_counters(hq, day, 2);
        size_t stands = cube_bytes(hq->u);
        cube_free(hq->u);
        assert_non_null(hq->u = cube_new(hq->c, SIZE_MAX));
        recall_counters(hq, day, TIMES);
        assert_int_equal(cube_bytes(hq->u), stands);

        struct place late = {0, 1};
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, late, &r), NEED_REFOLD);
        cube_close(hq->u, DAILY, period(day), OFFICE);
        recall_counters(hq, day, TIMES);
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, late, &r), NEED_NOTHING);
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE + 1, late, &r), NEED_REFOLD);
        assert_true(cube_bytes(hq->u) > stands + TIMES * sizeof(struct fact));

        cube_close(hq->u, DAILY, period(day), OFFICE + 1); /* a second one: neither may undo the other's */
        recall_counters(hq, day, TIMES);
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE, late, &r), NEED_NOTHING);
        assert_int_equal(cube_need(hq->u, DAILY, period(day), OFFICE + 1, late, &r), NEED_NOTHING);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
            TEST(a_row_becomes_a_total),
            TEST(only_what_changed),
            TEST(stock_keeps_the_latest),
            TEST(stock_of_own_and_children),
            TEST(peak_falls_back),
            TEST(qualifiers_are_counted),
            TEST(weeks_roll_up_to_the_iso_year),
            TEST(months_are_base_periods_of_monthly_data),
            TEST(overflow_shows_and_goes),
            TEST(order_of_revisions),
            TEST(refused_reports_change_nothing),
            TEST(a_period_of_another_rhythm_is_refused_unopened),
            TEST(a_year_is_recalled_then_its_months),
            TEST(what_is_not_committed_stays),
            TEST(the_longest_untouched_goes_first),
            TEST(a_late_report_is_folded_at_its_place),
            TEST(a_day_of_counters_weighs_what_stands),
#undef TEST
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
