/* Sizes are worked on as unsigned numbers, so that nothing signed can overflow and no compiler needs a helper
 * for checked 128-bit products (clang's is not in libgcc). Factors common to both sides are taken out before
 * a product is made (Knuth, TAOCP 4.5.1): a product overflows only if its reduced form does not fit. */
#include "core/fraction.h"

#include "base/check.h"

typedef unsigned __int128 wide; /* the one shorthand: two words are unreadable in arithmetic */

static const wide most = (wide)FRACTION_MAX;

static wide size_of(__int128 v)
{
        return v < 0 ? -(wide)v : (wide)v;
}

static __int128 signed_of(bool negative, wide size)
{
        return negative ? -(__int128)size : (__int128)size;
}

static wide common_factor(wide a, wide b)
{
        while (b > UINT64_MAX) {
                wide rest = a % b;
                a = b;
                b = rest;
        }
        if (b == 0)
                return a;
        uint64_t x = (uint64_t)b, y = (uint64_t)(a % b); /* the rest in one machine word */
        while (y) {
                uint64_t rest = x % y;
                x = y;
                y = rest;
        }
        return x;
}

static bool product(wide a, wide b, wide *out)
{
        if (a && b > most / a)
                return false;
        *out = a * b;
        return true;
}

static void require(struct fraction f)
{
        PRE(f.den > 0 && f.num >= -FRACTION_MAX);
}

struct fraction fraction_of(__int128 scaled, unsigned decimals)
{
        PRE(scaled >= -FRACTION_MAX && decimals <= FRACTION_DECIMALS);
        wide den = 1;
        for (unsigned i = 0; i < decimals; i++)
                den *= 10;
        wide common = common_factor(size_of(scaled), den);
        return (struct fraction){signed_of(scaled < 0, size_of(scaled) / common), (__int128)(den / common)};
}

bool fraction_add(struct fraction a, struct fraction b, struct fraction *out)
{
        require(a);
        require(b);
        wide common = common_factor((wide)a.den, (wide)b.den), x, y, den;
        if (!product(size_of(a.num), (wide)b.den / common, &x) ||
            !product(size_of(b.num), (wide)a.den / common, &y))
                return false;
        bool minus_x = a.num < 0, minus_y = b.num < 0, negative = minus_x;
        wide sum;
        if (minus_x == minus_y) {
                sum = x + y; /* each below 2^127 */
        } else {
                sum = x > y ? x - y : y - x;
                negative = x > y ? minus_x : minus_y;
        }
        wide rest = common_factor(sum, common); /* the sum shares no other factor with the denominators */
        if (sum / rest > most || !product((wide)a.den / common, (wide)b.den / rest, &den))
                return false;
        *out = (struct fraction){signed_of(negative, sum / rest), (__int128)den};
        return true;
}

bool fraction_subtract(struct fraction a, struct fraction b, struct fraction *out)
{
        return fraction_add(a, (struct fraction){-b.num, b.den}, out);
}

bool fraction_multiply(struct fraction a, struct fraction b, struct fraction *out)
{
        require(a);
        require(b);
        wide p = common_factor(size_of(a.num), (wide)b.den), q = common_factor(size_of(b.num), (wide)a.den),
             num, den;
        if (!product(size_of(a.num) / p, size_of(b.num) / q, &num) ||
            !product((wide)a.den / q, (wide)b.den / p, &den))
                return false;
        *out = (struct fraction){signed_of((a.num < 0) != (b.num < 0), num), (__int128)den};
        return true;
}

bool fraction_divide(struct fraction a, struct fraction b, struct fraction *out)
{
        require(b);
        if (b.num == 0)
                return false;
        struct fraction inverse = {signed_of(b.num < 0, (wide)b.den), (__int128)size_of(b.num)};
        return fraction_multiply(a, inverse, out);
}

/* a/b against c/d by their continued fractions: the first part that differs decides; every second level turns
 * round. */
static int compare_sizes(wide a, wide b, wide c, wide d)
{
        for (int sign = 1;; sign = -sign) {
                wide p = a / b, q = c / d;
                if (p != q)
                        return p < q ? -sign : sign;
                a %= b;
                c %= d;
                if (a == 0 || c == 0)
                        return a ? sign : c ? -sign : 0;
                wide spare = a;
                a = b;
                b = spare;
                spare = c;
                c = d;
                d = spare;
        }
}

int fraction_compare(struct fraction a, struct fraction b)
{
        require(a);
        require(b);
        if ((a.num < 0) != (b.num < 0))
                return a.num < 0 ? -1 : 1;
        int sizes = compare_sizes(size_of(a.num), (wide)a.den, size_of(b.num), (wide)b.den);
        return a.num < 0 ? -sizes : sizes;
}

/* The next decimal digit of rest/den. Ten times the rest may not fit, the rest ten times does. */
static unsigned next_digit(wide *rest, wide den)
{
        wide left = 0;
        unsigned digit = 0;
        for (int i = 0; i < 10; i++) {
                left += *rest;
                if (left >= den) {
                        left -= den;
                        digit++;
                }
        }
        *rest = left;
        return digit;
}

bool fraction_round(struct fraction v, unsigned decimals, int64_t *scaled)
{
        require(v);
        PRE(decimals <= FRACTION_DECIMALS);
        const wide limit = v.num < 0 ? (wide)1 << 63 : (wide)INT64_MAX;
        wide den = (wide)v.den, size = size_of(v.num) / den, rest = size_of(v.num) % den;
        for (unsigned i = 0; i < decimals && size <= limit; i++)
                size = size * 10 + next_digit(&rest, den);
        wide to_next = den - rest;
        if (rest > to_next || (rest == to_next && size % 2 == 1))
                size++;
        if (size > limit)
                return false;
        *scaled = (int64_t)signed_of(v.num < 0, size);
        return true;
}
