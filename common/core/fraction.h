/* fraction: exact quotients of 128-bit integers, always reduced, and the one rounding at the end.
 *
 * A size (num without its sign, den) is at most FRACTION_MAX; what would be larger is an overflow, which
 * every function answers with false, leaving *out alone. Division by zero is the same kind of no. */
#ifndef SUMU_CORE_FRACTION_H
#define SUMU_CORE_FRACTION_H

#include <stdbool.h>
#include <stdint.h>

#define FRACTION_MAX ((__int128)(((unsigned __int128)1 << 127) - 1))

enum {
        FRACTION_DECIMALS = 18
}; /* most decimal places asked for: 10^18 is the last power of ten in 64 bits */

struct fraction { /* den > 0, reduced */
        __int128 num, den;
};

/* An integer of `decimals` places. */
struct fraction fraction_of(__int128 scaled, unsigned decimals);

bool fraction_add(struct fraction a, struct fraction b, struct fraction *out);
bool fraction_subtract(struct fraction a, struct fraction b, struct fraction *out);
bool fraction_multiply(struct fraction a, struct fraction b, struct fraction *out);
bool fraction_divide(struct fraction a, struct fraction b, struct fraction *out);

/* Negative, 0 or positive as a is less than, equal to or more than b; never overflows. */
int fraction_compare(struct fraction a, struct fraction b);

/* Back to an integer of `decimals` places with one rounding, half to even; false: outside 64 bits. */
bool fraction_round(struct fraction v, unsigned decimals, int64_t *scaled);

#endif
