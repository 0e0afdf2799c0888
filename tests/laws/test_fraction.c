/* Fractions against what 128 bits can say the slow way, and the laws of arithmetic where they cannot. */
#include "lib/law.h"

#include "core/fraction.h"

enum { ROUNDS = 20000 };

/* Signed products through unsigned ones; callers keep them within 127 bits. */
static __int128 times(__int128 a, __int128 b)
{
        unsigned __int128 size = (unsigned __int128)(a < 0 ? -a : a) * (unsigned __int128)(b < 0 ? -b : b);
        return (a < 0) != (b < 0) ? -(__int128)size : (__int128)size;
}

static __int128 divisor(__int128 a, __int128 b)
{
        while (b) {
                __int128 rest = a % b;
                a = b;
                b = rest;
        }
        return a < 0 ? -a : a;
}

static struct fraction slow(__int128 num, __int128 den)
{
        if (den < 0) {
                num = -num;
                den = -den;
        }
        __int128 common = divisor(num, den);
        return (struct fraction){num / common, den / common};
}

/* A whole number of up to `bits` bits, small ones as likely as large ones. */
static __int128 some_size(struct seed *s, unsigned bits)
{
        unsigned __int128 v = (unsigned __int128)seed_next(s) << 64 | seed_next(s);
        return (__int128)(v >> (128 - bits + seed_below(s, bits)));
}

static struct fraction some(struct seed *s, unsigned bits)
{
        __int128 num = some_size(s, bits), den = some_size(s, bits);
        return slow(seed_below(s, 2) ? num : -num, den ? den : 1);
}

static bool same(struct fraction a, struct fraction b)
{
        return a.num == b.num && a.den == b.den;
}

static bool is_reduced(struct fraction f)
{
        return f.den > 0 && divisor(f.num, f.den) == 1;
}

static void as_by_hand(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct fraction a = some(&s, 60), b = some(&s, 60), v;
                HOLDS(fraction_add(a, b, &v));
                HOLDS(same(v, slow(times(a.num, b.den) + times(b.num, a.den), times(a.den, b.den))));
                HOLDS(fraction_subtract(a, b, &v));
                HOLDS(same(v, slow(times(a.num, b.den) - times(b.num, a.den), times(a.den, b.den))));
                HOLDS(fraction_multiply(a, b, &v));
                HOLDS(same(v, slow(times(a.num, b.num), times(a.den, b.den))));
                HOLDS(fraction_divide(a, b, &v) == (b.num != 0));
                if (b.num)
                        HOLDS(same(v, slow(times(a.num, b.den), times(a.den, b.num))));
                __int128 left = times(a.num, b.den), right = times(b.num, a.den);
                int order = fraction_compare(a, b);
                HOLDS((order < 0) == (left < right) && (order > 0) == (left > right));
        }
}

/* Of any size: what did not overflow can be undone, in either order, and is reduced. */
static void laws_of_arithmetic(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct fraction a = some(&s, 127), b = some(&s, 127), v, w, back;
                bool fits = fraction_add(a, b, &v);
                HOLDS(fits == fraction_add(b, a, &w));
                if (fits) {
                        HOLDS(is_reduced(v) && same(v, w));
                        if (fraction_subtract(v, b, &back))
                                HOLDS(same(back, a));
                }
                fits = fraction_multiply(a, b, &v);
                HOLDS(fits == fraction_multiply(b, a, &w));
                if (fits) {
                        HOLDS(is_reduced(v) && same(v, w));
                        if (b.num)
                                HOLDS(fraction_divide(v, b, &back) && same(back, a));
                }
                int order = fraction_compare(a, b), turned = fraction_compare(b, a);
                HOLDS((order > 0) == (turned < 0) && (order == 0) == same(a, b));
                if (fraction_subtract(a, b, &v))
                        HOLDS((order > 0) == (v.num > 0) && (order < 0) == (v.num < 0));
        }
}

static __int128 power_of_ten(unsigned n)
{
        __int128 p = 1;
        while (n-- > 0)
                p = times(p, 10);
        return p;
}

/* The nearest; of two as near, the even one. */
static void rounds_half_to_even(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                unsigned decimals = (unsigned)seed_below(&s, 7);
                struct fraction v = some(&s, 60);
                if (i % 2) /* exactly half way */
                        v = slow(times(seed_between(&s, -1000000, 1000000), 2) + 1,
                                 times(2, power_of_ten(decimals)));
                __int128 num = times(v.num, power_of_ten(decimals)), down = num / v.den - (num % v.den < 0);
                __int128 twice = times(num - times(down, v.den), 2); /* of the rest above `down` */
                __int128 want = twice > v.den || (twice == v.den && down % 2 != 0) ? down + 1 : down;
                int64_t got;
                bool fits = want >= INT64_MIN && want <= INT64_MAX;
                HOLDS(fraction_round(v, decimals, &got) == fits);
                if (fits)
                        HOLDS(got == want);
        }
}

static void of_and_round_are_inverse(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                int64_t value = (int64_t)seed_next(&s), back;
                unsigned decimals = (unsigned)seed_below(&s, FRACTION_DECIMALS + 1);
                struct fraction f = fraction_of(value, decimals);
                HOLDS(is_reduced(f));
                HOLDS(fraction_round(f, decimals, &back) && back == value);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(as_by_hand),
            cmocka_unit_test(laws_of_arithmetic),
            cmocka_unit_test(rounds_half_to_even),
            cmocka_unit_test(of_and_round_are_inverse),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
