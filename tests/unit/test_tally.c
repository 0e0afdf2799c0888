/* A tally: feed what stands in order of time, settle, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/tally.h"
#include "lib/toy_catalog.h"

/* all ─ league ─ banner */
enum { ALL, LEAGUE, BANNER };
enum { SEIZED, STOCKED, PEOPLE, RATE };

static int setup(void **state)
{
        struct catalog *c = toy_new();
        toy_region(c, "all", NONE, "region");
        toy_region(c, "league", ALL, "league");
        toy_region(c, "banner", LEAGUE, "banner");
        uint32_t d = toy_dataset(c, "day", PERIOD_DAY);
        toy_indicator(c, d, "seized", FLOW);
        toy_indicator(c, d, "stocked", STOCK);
        toy_indicator(c, d, "people", PEAK);
        toy_derived(c, d, "rate", "seized / people");
        *state = c;
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

#define FACTS(...) (struct fact[]){__VA_ARGS__}, sizeof((struct fact[]){__VA_ARGS__}) / sizeof(struct fact)

static struct period day(int32_t d)
{
        return period_of(PERIOD_DAY, d);
}

static void expect(struct cell c, int64_t value, uint64_t facts)
{
        int64_t v;
        assert_true(cell_value(&c, &v));
        assert_int_equal(v, value);
        assert_int_equal(c.facts, facts);
}

static void time_first_then_place(void **state)
{
        struct tally *t = tally_new(*state, 0, NULL, 0);
        assert_true(tally_add(t, day(1),
                              FACTS(fact(SEIZED, BANNER, 5), fact(STOCKED, LEAGUE, 100),
                                    fact(STOCKED, BANNER, 10), fact(PEOPLE, BANNER, 500))));
        assert_true(tally_add(t, day(1), FACTS(fact(SEIZED, ALL, 1)))); /* another office */
        assert_true(tally_add(
            t, day(2), FACTS(fact(SEIZED, BANNER, 7), fact(STOCKED, BANNER, 12), fact(PEOPLE, LEAGUE, 300))));
        tally_settle(t);
        expect(tally_own(t, SEIZED, BANNER), 12, 2);
        expect(tally_total(t, SEIZED, ALL), 13, 3);
        expect(tally_total(t, STOCKED, ALL), 112, 2); /* the latest own + each child's latest */
        expect(tally_total(t, PEOPLE, ALL), 500, 2);
        assert_int_equal(tally_own(t, SEIZED, LEAGUE).facts, 0);
        tally_free(t);
}

static void only_what_was_asked(void **state)
{
        const uint32_t only[] = {STOCKED, RATE};
        struct tally *t = tally_new(*state, 0, only, 2);
        assert_true(tally_add(
            t, day(1), FACTS(fact(SEIZED, BANNER, 5), fact(STOCKED, BANNER, 1), fact(PEOPLE, ALL, 9))));
        tally_settle(t);
        expect(tally_total(t, STOCKED, ALL), 1, 1);
        tally_free(t);
}

static void used_again(void **state)
{
        struct tally *t = tally_new(*state, 0, NULL, 0);
        assert_true(tally_add(t, day(9), FACTS(fact(SEIZED, BANNER, 5), fact(STOCKED, BANNER, 5))));
        tally_settle(t);
        tally_reset(t);
        assert_true(tally_add(t, day(9), FACTS(fact(STOCKED, BANNER, 2)))); /* the same day, once more */
        tally_settle(t);
        expect(tally_total(t, STOCKED, ALL), 2, 1);
        assert_int_equal(tally_total(t, SEIZED, ALL).facts, 0);
        tally_free(t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(time_first_then_place),
            cmocka_unit_test(only_what_was_asked),
            cmocka_unit_test(used_again),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
