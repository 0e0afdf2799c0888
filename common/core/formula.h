/* formula: derived indicators and rules, evaluated exactly (DESIGN.md section 3.4).
 *
 * Grammar: numbers, indicators, + - * / ( ), lag(f, n), yoy(f), mean(f, n); a check is `f OP f` with < <= = != >= >.
 * Values are exact fractions of 128-bit integers, reduced after every step; overflow, division by zero or a missing
 * operand gives null. One rounding, half to even, at the end. A derived operand enters unrounded. No clock, no
 * floating point. */
#ifndef SUMU_CORE_FORMULA_H
#define SUMU_CORE_FORMULA_H

#include "base/err.h"
#include "core/number.h"
#include "core/period.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct formula;

struct fraction { /* den > 0, reduced */
        __int128 num, den;
};

/* Names to indicator numbers while parsing: the number, or negative with *near set to the nearest name or NULL. */
struct formula_names {
        int (*find)(void *ctx, const char *name, const char **near);
        void *ctx;
};

/* Parses `f` (check = false) or `f OP f` (check = true). NULL with a sentence in e. Ours to free. */
struct formula *formula_parse(const char *text, bool check, struct formula_names names, struct err *e);
void formula_free(struct formula *f);

/* Indicators used, in order of first use; what the functions lag, yoy, mean were used at all. */
size_t formula_operands(const struct formula *f, const uint32_t **out);
bool formula_looks_back(const struct formula *f);

/* Gives the value of an indicator in a period in the catalogue's unit; false: missing or overflow. For a derived
 * indicator the callback calls formula_value itself with that indicator's formula. */
struct formula_source {
        bool (*get)(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q);
        void *ctx;
};

/* The value in period p; false: null. *q: exact if all operands were, else about. */
bool formula_value(const struct formula *f, struct period p, struct formula_source src, struct fraction *value,
                   enum qualifier *q);

/* A check: 1 holds, 0 does not, -1 an operand is missing. */
int formula_check(const struct formula *f, struct period p, struct formula_source src, enum qualifier *q);

/* An integer of `decimals` places as a fraction, and back with one rounding half to even (false: outside 64 bits). */
struct fraction fraction_of(__int128 scaled, unsigned decimals);
bool fraction_round(struct fraction v, unsigned decimals, int64_t *scaled);

#endif
