/* How base periods fill a year: every one has one place, and its place names it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/rhythm.h"

static void places(void **state)
{
        (void)state;
        static const struct {
                const char *base;
                unsigned chapter, page, slot;
        } cases[] = {
            {"2024-02-29", 1, 28, 1}, {"2023-12-31", 11, 30, 11}, {"2020-W53", 0, 52, 0},
            {"2021-W01", 0, 0, 0},    {"2023-09", 0, 8, 2},       {"2023-Q3", 0, 2, 1},
            {"2023-H2", 0, 1, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct period p;
                assert_true(period_parse(cases[i].base, &p));
                struct rhythm r = rhythm_of(p.kind);
                assert_int_equal(rhythm_chapter(&r, p), cases[i].chapter);
                assert_int_equal(rhythm_page(&r, p), cases[i].page);
                assert_int_equal(rhythm_slot(&r, cases[i].chapter, cases[i].page), cases[i].slot);
        }
        assert_int_equal(rhythm_of(PERIOD_YEAR).slots, 0);
}

/* Walks a year page by page: periods follow one another, from the year's first day to its last. */
static void walk(enum period_kind every, struct period year)
{
        struct rhythm r = rhythm_of(every);
        int32_t next = year.first;
        for (unsigned c = 0; c < r.chapters; c++) {
                unsigned pages = rhythm_pages(&r, year, c);
                assert_in_range(pages, 1, RHYTHM_PAGES);
                for (unsigned i = 0; i < pages; i++) {
                        struct period p = rhythm_page_period(&r, year, c, i);
                        assert_int_equal(p.kind, every);
                        assert_int_equal(p.first, next);
                        assert_int_equal(rhythm_chapter(&r, p), c);
                        assert_int_equal(rhythm_page(&r, p), i);
                        next = p.last + 1;
                }
                assert_int_equal(next, rhythm_chapter_period(&r, year, c).last + 1);
        }
        assert_int_equal(next, year.last + 1);
}

static void every_year_is_filled(void **state)
{
        (void)state;
        for (int y = 1999; y <= 2033; y++)
                for (int k = PERIOD_DAY; k <= PERIOD_YEAR; k++) {
                        struct period base = period_of((enum period_kind)k, day_of(y, 7, 1));
                        walk((enum period_kind)k, period_upper(base, PERIOD_YEAR));
                }
}

/* A page's slots are those of the upper periods it rolls up to. */
static void uppers_are_runs_of_slots(void **state)
{
        (void)state;
        for (int every = PERIOD_DAY; every < PERIOD_YEAR; every++) {
                struct rhythm r = rhythm_of((enum period_kind)every);
                struct period base = period_of((enum period_kind)every, day_of(2024, 1, 17));
                struct period year = period_upper(base, PERIOD_YEAR);
                for (int k = (int)r.slot_kind; k <= PERIOD_YEAR; k++)
                        for (base = rhythm_page_period(&r, year, 0, 0); base.last <= year.last;
                             assert_true(period_shift(base, 1, &base))) {
                                unsigned n = rhythm_uppers(&r, (enum period_kind)k);
                                unsigned slot =
                                    rhythm_slot(&r, rhythm_chapter(&r, base), rhythm_page(&r, base));
                                struct period up =
                                    rhythm_upper(&r, year, (enum period_kind)k, slot / (r.slots / n));
                                assert_true(period_same(up, period_upper(base, (enum period_kind)k)));
                        }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(places),
            cmocka_unit_test(every_year_is_filled),
            cmocka_unit_test(uppers_are_runs_of_slots),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
