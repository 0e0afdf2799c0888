/* formula: derived indicators and rules, evaluated exactly (DESIGN.md section 3.4).
 *
 *     check    = formula OP formula              OP: < <= = != >= >
 *     formula  = term { (+ | -) term }
 *     term     = factor { (* | /) factor }
 *     factor   = number | indicator | ( formula ) | yoy(formula) | lag(formula, n) | mean(formula, n)
 *
 * lag looks n periods back (0 … 1000), yoy a year, mean is the mean over this and the n-1 periods before (1 …
 * 1000). Of a span lag and mean are null, yoy are the same days a year earlier. A name before a bracket is a
 * function.
 *
 * Values are exact fractions of 128-bit integers, reduced after every step; overflow, division by zero or a
 * missing operand gives null. One rounding, half to even, at the end. A derived operand enters unrounded.
 * Length, nesting and the operands read in one evaluation are bounded when a formula is parsed. No clock, no
 * floating point. */
#ifndef SUMU_CORE_FORMULA_H
#define SUMU_CORE_FORMULA_H

#include "base/err.h"
#include "core/fraction.h"
#include "core/number.h"
#include "core/period.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct formula;

enum {
        FORMULA_TEXT = 4096,   /* bytes */
        FORMULA_DEPTH = 64,    /* brackets within brackets */
        FORMULA_BACK = 1000,   /* periods of one lag or mean */
        FORMULA_READS = 10000, /* numbers and indicators read in one evaluation: nested means multiply */
};

/* Names to indicator numbers while parsing: the number, or negative with *near set to the nearest name or
 * NULL. */
struct formula_names {
        int (*find)(void *ctx, const char *name, const char **near);
        void *ctx;
};

/* Parses `f` (check = false) or `f OP f` (check = true). NULL with a sentence in e. Ours to free. */
struct formula *formula_parse(const char *text, bool check, struct formula_names names, struct err *e);
void formula_free(struct formula *f);

/* Indicators used, in order of first use; whether lag, yoy or mean is used at all; how many numbers and
 * indicators one evaluation reads (a derived operand counts as one: who nests formulas multiplies). */
size_t formula_operands(const struct formula *f, const uint32_t **out);
bool formula_looks_back(const struct formula *f);
size_t formula_reads(const struct formula *f);

/* Names every indicator and period that the value in period p may be made of, in the order of reading, some
 * more than once: what to have at hand before evaluating. Periods outside the calendar are left out. false:
 * `name` said so, and that ended it. */
bool formula_walk(const struct formula *f, struct period p,
                  bool (*name)(void *ctx, uint32_t indicator, struct period p), void *ctx);

/* Gives the value of an indicator in a period in the catalogue's unit; false: missing or overflow. For a
 * derived indicator the callback calls formula_value itself with that indicator's formula; that formulas go
 * in no circle is the catalogue's care. */
struct formula_source {
        bool (*get)(void *ctx, uint32_t indicator, struct period p, struct fraction *value,
                    enum qualifier *q);
        void *ctx;
};

/* The value in period p; false: null. *q, set with it: exact if all operands were, else about. */
bool formula_value(const struct formula *f, struct period p, struct formula_source src,
                   struct fraction *value, enum qualifier *q);

/* A check: 1 holds, 0 does not, -1 a side is null (*q is not set then). */
int formula_check(const struct formula *f, struct period p, struct formula_source src, enum qualifier *q);

#endif
