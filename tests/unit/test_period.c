#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/period.h"

static struct period read(const char *label)
{
        struct period p;
        if (!period_parse(label, &p))
                fail_msg("not read: %s", label);
        return p;
}

static void is(struct period p, const char *label)
{
        char text[PERIOD_TEXT];
        period_print(p, text);
        assert_string_equal(text, label);
}

static void days(void **state)
{
        (void)state;
        assert_int_equal(day_of(1970, 1, 1), 0);
        assert_int_equal(day_of(1900, 1, 1), DAY_MIN);
        assert_int_equal(day_of(2199, 12, 31), DAY_MAX);
        assert_int_equal(day_of(2023, 9, 19), 19619);
        assert_int_equal(day_weekday(day_of(2023, 9, 19)), 1);
        assert_int_equal(day_weekday(DAY_MIN), 0);
        int year, month, mday;
        day_parts(day_of(2024, 2, 29), &year, &month, &mday);
        assert_int_equal(year * 10000 + month * 100 + mday, 20240229);
        int32_t day;
        assert_true(day_parse("2000-02-29", &day));
        assert_int_equal(day, 11016);
}

static void labels(void **state)
{
        (void)state;
        static const struct {
                const char *label;
                enum period_kind kind;
                const char *first, *last;
        } cases[] = {
            {"2023-09-19", PERIOD_DAY, "2023-09-19", "2023-09-19"},
            {"2023-W38", PERIOD_WEEK, "2023-09-18", "2023-09-24"},
            {"2020-W53", PERIOD_WEEK, "2020-12-28", "2021-01-03"},
            {"2020-W01", PERIOD_WEEK, "2019-12-30", "2020-01-05"},
            {"2024-02", PERIOD_MONTH, "2024-02-01", "2024-02-29"},
            {"2023-12", PERIOD_MONTH, "2023-12-01", "2023-12-31"},
            {"2023-Q3", PERIOD_QUARTER, "2023-07-01", "2023-09-30"},
            {"2023-H2", PERIOD_HALF, "2023-07-01", "2023-12-31"},
            {"2023", PERIOD_YEAR, "2023-01-01", "2023-12-31"},
            {"2021-01-01/2023-09-19", PERIOD_SPAN, "2021-01-01", "2023-09-19"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct period p = read(cases[i].label);
                assert_int_equal(p.kind, cases[i].kind);
                is((struct period){PERIOD_DAY, p.first, p.first}, cases[i].first);
                is((struct period){PERIOD_DAY, p.last, p.last}, cases[i].last);
                is(p, cases[i].label);
        }
}

static void not_labels(void **state)
{
        (void)state;
        static const char *const cases[] = {
            "",
            "x",
            "23",
            "20233",
            "2023-",
            "2023-9",
            "2023-13",
            "2023-00",
            "2023-02-29",
            "2023-2-9",
            "2023-09-19 ",
            " 2023",
            "2023-09-31",
            "2023-9-19",
            "2023-Q0",
            "2023-Q5",
            "2023-Q",
            "2023-Q12",
            "2023-H3",
            "2023-H0",
            "2023-w38",
            "2023-W00",
            "2023-W53",
            "2023-W5",
            "2023-W381",
            "1899",
            "2200",
            "1899-12-31",
            "2200-W01",
            "2023-01-01/",
            "/2023-01-01",
            "2023-01-02/2023-01-01",
            "2023-01/2023-02",
            "2023-01-01/2023-01-02/",
            "1900-01-01/2000-01-02",
            "2023-09-19T00:00",
            "+023",
            "２０２３",
        };
        struct period p;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (period_parse(cases[i], &p))
                        fail_msg("was read: \"%s\"", cases[i]);
        assert_true(period_parse("1900-01-01/1999-12-31", &p)); /* exactly 100 years of days */
}

static void of_a_day(void **state)
{
        (void)state;
        int32_t day = day_of(2021, 1, 1);
        is(period_of(PERIOD_DAY, day), "2021-01-01");
        is(period_of(PERIOD_WEEK, day), "2020-W53");
        is(period_of(PERIOD_MONTH, day), "2021-01");
        is(period_of(PERIOD_QUARTER, day), "2021-Q1");
        is(period_of(PERIOD_HALF, day), "2021-H1");
        is(period_of(PERIOD_YEAR, day), "2021");
        is(period_iso_year(day), "2020");
        assert_int_equal(period_iso_year(day).last, day_of(2021, 1, 3));
}

static void shifts(void **state)
{
        (void)state;
        static const struct {
                const char *from;
                int n;
                const char *to; /* NULL: cannot be */
        } cases[] = {
            {"2023-01-01", -1, "2022-12-31"},
            {"2020-W53", 1, "2021-W01"},
            {"2023-12", 1, "2024-01"},
            {"2023-01", -13, "2021-12"},
            {"2023-Q1", -1, "2022-Q4"},
            {"2023-H2", 3, "2025-H1"},
            {"2023", -3, "2020"},
            {"2023", -124, NULL},
            {"2199-12-31", 1, NULL},
            {"1900-W01", -1, NULL},
            {"2199-W52", 1, NULL},
            {"2023-01", INT32_MAX, NULL},
            {"2023-01", INT32_MIN, NULL},
            {"2023-01-01/2023-01-02", 0, NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct period p;
                assert_int_equal(period_shift(read(cases[i].from), cases[i].n, &p), cases[i].to != NULL);
                if (cases[i].to)
                        is(p, cases[i].to);
        }
        struct period iso = period_iso_year(day_of(2020, 6, 1)), next;
        assert_true(period_shift(iso, 1, &next));
        assert_int_equal(next.first, iso.last + 1);
        assert_int_equal(next.last - next.first + 1, 52 * 7);
}

static void a_year_ago(void **state)
{
        (void)state;
        static const struct {
                const char *now, *then;
        } cases[] = {
            {"2023-09-19", "2022-09-19"},
            {"2024-02-29", NULL},
            {"2023-W38", "2022-W38"},
            {"2020-W53", NULL},
            {"2021-W52", "2020-W52"},
            {"2024-02", "2023-02"},
            {"2023-Q3", "2022-Q3"},
            {"2023-H1", "2022-H1"},
            {"2023", "2022"},
            {"1900", NULL},
            {"1900-W01", NULL},
            {"1900-06-01", NULL},
            {"2023-01-01/2023-09-19", "2022-01-01/2022-09-19"},
            {"2024-01-01/2024-02-29", NULL},
            {"2024-02-29/2024-03-31", NULL},
            {"2024-02-28/2024-03-01", "2023-02-28/2023-03-01"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct period p;
                assert_int_equal(period_year_ago(read(cases[i].now), &p), cases[i].then != NULL);
                if (cases[i].then)
                        is(p, cases[i].then);
        }
}

/* DESIGN.md section 3.1: rows `every`, columns the kind asked for. */
static void rolls_up(void **state)
{
        (void)state;
        static const char *const table[] = {
            /*          d w m q h y span */
            /* day */ "1111111",
            /* week */ "0100011",
            /* month */ "0011111",
            /* quarter */ "0001111",
            /* half */ "0000111",
            /* year */ "0000011",
        };
        for (int every = PERIOD_DAY; every <= PERIOD_YEAR; every++)
                for (int kind = PERIOD_DAY; kind <= PERIOD_SPAN; kind++)
                        assert_int_equal(period_rolls_up((enum period_kind)every, (enum period_kind)kind),
                                         table[every][kind] == '1');
}

static void held(void **state)
{
        (void)state;
        struct period p;
        assert_true(period_held(PERIOD_WEEK, read("2020"), &p));
        assert_true(period_same(p, period_iso_year(day_of(2021, 1, 1))));
        is(p, "2020");
        assert_true(period_held(PERIOD_WEEK, p, &p));
        assert_int_equal(p.first, day_of(2019, 12, 30));
        assert_true(period_held(PERIOD_DAY, p, &p)); /* the same label asked of daily data */
        assert_true(period_same(p, read("2020")));
        assert_false(period_held(PERIOD_WEEK, read("2020-06"), &p));
        assert_false(period_held(PERIOD_MONTH, read("2020-W10"), &p));
        assert_false(period_held(PERIOD_QUARTER, read("2020-06-01"), &p));
}

static void inside(void **state)
{
        (void)state;
        static const struct {
                enum period_kind every;
                const char *period, *first;
                bool partial;
        } cases[] = {
            {PERIOD_DAY, "2023-01-01/2023-09-19", "2023-01-01", false},
            {PERIOD_MONTH, "2023-01-01/2023-09-19", "2023-01", true},
            {PERIOD_MONTH, "2023-01-02/2023-09-30", "2023-02", true},
            {PERIOD_MONTH, "2023-01-02/2023-02-27", NULL, true},
            {PERIOD_QUARTER, "2023-04-01/2023-09-30", "2023-Q2", false},
            {PERIOD_WEEK, "2023-09-18/2023-10-01", "2023-W38", false},
            {PERIOD_WEEK, "2023-09-17/2023-10-01", "2023-W38", true},
            {PERIOD_WEEK, "2023-09-19/2023-09-22", NULL, true},
            {PERIOD_YEAR, "2199-06-01/2199-12-31", NULL, true},
            {PERIOD_MONTH, "2023-Q3", "2023-07", false},
            {PERIOD_MONTH, "2023-07", "2023-07", false},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct period first;
                bool partial,
                    some = period_first_inside(cases[i].every, read(cases[i].period), &first, &partial);
                assert_int_equal(some, cases[i].first != NULL);
                assert_int_equal(partial, cases[i].partial);
                if (cases[i].first)
                        is(first, cases[i].first);
        }
}

static void upper(void **state)
{
        (void)state;
        is(period_upper(read("2023-09-19"), PERIOD_HALF), "2023-H2");
        is(period_upper(read("2023-09"), PERIOD_QUARTER), "2023-Q3");
        is(period_upper(read("2021-01-01"), PERIOD_YEAR), "2021");
        struct period iso = period_upper(read("2020-W53"), PERIOD_YEAR);
        assert_true(period_same(iso, period_iso_year(day_of(2020, 6, 1))));
        assert_true(period_same(period_upper(iso, PERIOD_YEAR), iso));
}

static void ids(void **state)
{
        (void)state;
        static const char *const labels[] = {"1900-01-01", "1969-12-31", "2023-W38", "2023-09",
                                             "2023-Q3",    "2023-H2",    "2023"};
        for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
                is(period_from_id(period_id(read(labels[i])), PERIOD_DAY), labels[i]);
        struct period iso = period_iso_year(day_of(2020, 6, 1)), back;
        assert_true(period_same(period_from_id(period_id(iso), PERIOD_WEEK), iso));
        assert_false(
            period_id_read(period_id(iso), PERIOD_DAY, &back)); /* no calendar year begins on that Monday */
        assert_false(period_id_read(period_id(read("2023-09")) + 8, PERIOD_DAY, &back));
        assert_false(period_id_read(INT64_MAX, PERIOD_DAY, &back));
        assert_false(period_id_read(INT64_MIN, PERIOD_DAY, &back));
        assert_true(period_id(read("2023-01-01")) < period_id(read("2023-01")));
        assert_true(period_id(read("2023")) < period_id(read("2023-01-02")));
}

static void words(void **state)
{
        (void)state;
        enum period_kind k;
        assert_true(period_kind_find("quarter", &k));
        assert_int_equal(k, PERIOD_QUARTER);
        assert_false(period_kind_find("Quarter", &k));
        assert_string_equal(period_kind_word(PERIOD_HALF), "half");
        assert_string_equal(period_kind_zh(PERIOD_HALF), "半年");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(days),     cmocka_unit_test(labels), cmocka_unit_test(not_labels),
            cmocka_unit_test(of_a_day), cmocka_unit_test(shifts), cmocka_unit_test(a_year_ago),
            cmocka_unit_test(rolls_up), cmocka_unit_test(held),   cmocka_unit_test(inside),
            cmocka_unit_test(upper),    cmocka_unit_test(ids),    cmocka_unit_test(words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
