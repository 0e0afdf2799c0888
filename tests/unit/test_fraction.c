#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/fraction.h"

static void is(struct fraction f, int64_t num, int64_t den)
{
        if (f.num != num || f.den != den)
                fail_msg("%lld/%lld is not %lld/%lld", (long long)f.num, (long long)f.den, (long long)num,
                         (long long)den);
}

static void arithmetic(void **state)
{
        (void)state;
        struct fraction a = fraction_of(15, 1), b = fraction_of(-25, 2), v;
        is(a, 3, 2);
        is(b, -1, 4);
        assert_true(fraction_add(a, b, &v));
        is(v, 5, 4);
        assert_true(fraction_subtract(a, b, &v));
        is(v, 7, 4);
        assert_true(fraction_subtract(a, a, &v));
        is(v, 0, 1);
        assert_true(fraction_multiply(a, b, &v));
        is(v, -3, 8);
        assert_true(fraction_divide(a, b, &v));
        is(v, -6, 1);
        assert_false(fraction_divide(a, fraction_of(0, 3), &v));
        assert_true(fraction_compare(a, b) > 0 && fraction_compare(b, a) < 0 && fraction_compare(a, a) == 0);
}

static void at_the_edge(void **state)
{
        (void)state;
        struct fraction most = {FRACTION_MAX, 1}, least = {-FRACTION_MAX, 1}, one = {1, 1},
                        tiny = {1, FRACTION_MAX}, v;
        assert_false(fraction_add(most, one, &v));
        assert_false(fraction_subtract(least, one, &v));
        assert_false(fraction_multiply(most, (struct fraction){2, 1}, &v));
        assert_false(fraction_divide(tiny, most, &v));
        assert_true(fraction_add(most, least, &v));
        is(v, 0, 1);
        assert_true(fraction_multiply(most, tiny, &v)); /* the factors cancel before they are multiplied */
        is(v, 1, 1);
        struct fraction nearly = {FRACTION_MAX - 1, FRACTION_MAX};
        assert_true(fraction_compare(nearly, one) < 0);
        assert_true(fraction_compare(least, most) < 0);
        int64_t rounded;
        assert_true(fraction_round(nearly, 18, &rounded));
        assert_int_equal(rounded, 1000000000000000000);
}

static void rounding(void **state)
{
        (void)state;
        static const struct {
                int64_t num, den;
                unsigned decimals;
                int64_t want;
        } cases[] = {
            {1, 2, 0, 0},
            {3, 2, 0, 2},
            {5, 2, 0, 2},
            {-1, 2, 0, 0},
            {-3, 2, 0, -2},
            {-5, 2, 0, -2},
            {1, 4, 1, 2},
            {3, 4, 1, 8},
            {1, 3, 3, 333},
            {2, 3, 3, 667},
            {349 * 100, 358, 1, 975},
            {-3100, 71, 1, -437},
            {999, 1000, 2, 100},
            {INT64_MAX, 1, 0, INT64_MAX},
            {INT64_MIN, 1, 0, INT64_MIN},
            {7, 1, 18, 7000000000000000000},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int64_t got;
                assert_true(
                    fraction_round((struct fraction){cases[i].num, cases[i].den}, cases[i].decimals, &got));
                assert_int_equal(got, cases[i].want);
        }
        int64_t got;
        assert_false(fraction_round((struct fraction){10, 1}, 18, &got));
        assert_false(fraction_round((struct fraction){(__int128)INT64_MAX + 1, 1}, 0, &got));
        assert_false(fraction_round((struct fraction){(__int128)INT64_MIN - 1, 1}, 0, &got));
        assert_false(fraction_round((struct fraction){((__int128)INT64_MAX << 1) + 1, 2}, 0,
                                    &got)); /* …7.5 is even above */
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(arithmetic), cmocka_unit_test(at_the_edge),
                                           cmocka_unit_test(rounding)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
