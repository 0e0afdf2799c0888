/* How figures add: over time first, then over place; and what a sum says about its parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/cell.h"
#include "lib/toy_catalog.h"

static struct cell of(int64_t v)
{
        return cell_of(v, EXACT);
}

static struct cell time_of(enum kind k, struct cell a, struct cell b)
{
        struct cell c = {0};
        cell_over_time(k, &c, &a);
        cell_over_time(k, &c, &b);
        return c;
}

static struct cell place_of(enum kind k, struct cell a, struct cell b)
{
        struct cell c = {0};
        cell_over_place(k, &c, &a);
        cell_over_place(k, &c, &b);
        return c;
}

static void expect(struct cell c, int64_t value, uint64_t facts)
{
        int64_t v;
        assert_true(cell_value(&c, &v));
        assert_int_equal(v, value);
        assert_int_equal(c.facts, facts);
}

static void over_time(void **state)
{
        (void)state;
        expect(time_of(FLOW, of(10), of(12)), 22, 2);
        expect(time_of(STOCK, of(10), of(12)), 12, 1);
        expect(time_of(STOCK, of(10), (struct cell){0}), 10, 1);
        expect(time_of(PEAK, of(500), of(300)), 500, 2);
        expect(time_of(PEAK, of(-5), of(-3)), -3, 2);
}

static void over_place(void **state)
{
        (void)state;
        expect(place_of(FLOW, of(10), of(12)), 22, 2);
        expect(place_of(STOCK, of(10), of(12)), 22, 2);
        expect(place_of(PEAK, of(10), of(12)), 12, 2);
        expect(place_of(PEAK, (struct cell){0}, of(-1)), -1, 1);
}

static void up_the_tree(void **state)
{
        (void)state;
        struct catalog *c = toy_new();
        toy_region(c, "all", NONE, "region");
        toy_region(c, "a", 0, "league");
        toy_region(c, "b", 0, "league");
        toy_region(c, "a1", 1, "banner");
        toy_region(c, "a2", 1, "banner");
        struct cell cells[5] = {[0] = of(1), [3] = of(30), [4] = of(400)};
        cell_up_the_tree(FLOW, c, cells, 5);
        expect(cells[0], 431, 3);
        expect(cells[1], 430, 2);
        assert_int_equal(cells[2].facts, 0);
        struct cell peaks[5] = {[0] = of(1), [3] = of(30), [4] = of(400)};
        cell_up_the_tree(PEAK, c, peaks, 5);
        expect(peaks[0], 400, 3);
        toy_free(c);
}

/* A total with any `about` part is about, else with any `at_least` part is at least. */
static void qualifiers(void **state)
{
        (void)state;
        struct cell at_least = place_of(FLOW, of(1), cell_of(1, AT_LEAST));
        struct cell about = place_of(FLOW, at_least, cell_of(1, ABOUT)), none = {0};
        assert_int_equal(cell_qualifier(&none), EXACT);
        assert_int_equal(cell_qualifier(&at_least), AT_LEAST);
        assert_int_equal(cell_qualifier(&about), ABOUT);
        struct cell latest = time_of(STOCK, cell_of(1, ABOUT), of(2));
        assert_int_equal(cell_qualifier(&latest), EXACT); /* only of the fact that counts */
        struct cell peak = time_of(PEAK, cell_of(1, ABOUT), of(2));
        assert_int_equal(cell_qualifier(&peak), ABOUT); /* of all */
}

static void overflow_shows_and_comes_back(void **state)
{
        (void)state;
        struct cell c = of(INT64_MAX), one = of(1), minus = of(-1);
        int64_t v;
        cell_add(&c, &one);
        assert_false(cell_value(&c, &v));
        assert_int_equal(c.facts, 2);
        cell_add(&c, &minus);
        expect(c, INT64_MAX, 3);
        cell_subtract(&c, &minus);
        cell_subtract(&c, &one);
        expect(c, INT64_MAX, 1);
        struct cell none = {0}, least = of(INT64_MIN);
        assert_false(cell_value(&none, &v));
        expect(least, INT64_MIN, 1);
}

static void sameness(void **state)
{
        (void)state;
        struct cell a = of(5), b = of(5), about = cell_of(5, ABOUT), none = {0}, nothing = {.sum = 7};
        assert_true(cell_same(&a, &b));
        assert_false(cell_same(&a, &about));
        assert_false(cell_same(&a, &none));
        assert_true(cell_same(&none, &nothing));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(over_time),
            cmocka_unit_test(over_place),
            cmocka_unit_test(up_the_tree),
            cmocka_unit_test(qualifiers),
            cmocka_unit_test(overflow_shows_and_comes_back),
            cmocka_unit_test(sameness),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
