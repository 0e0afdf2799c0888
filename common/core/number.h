/* number: figures as people write them (CONTRACT.md, "A value").
 *
 * 452  3,739  １２３  10.2万  1.5亿  5万余  5余万  10多万  500余  6000以上  >=6000  ≥6000  约500  ~500  500左右, a
 * unit may follow. The result is an integer in the indicator's smallest unit and a qualifier; nothing is ever
 * rounded. Pure; no locale, no floating point. */
#ifndef SUMU_CORE_NUMBER_H
#define SUMU_CORE_NUMBER_H

#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How exact a figure is. The order is that of "less exact": a sum is as exact as its least exact part. */
enum qualifier { EXACT, AT_LEAST, ABOUT };

const char *qualifier_word(enum qualifier q); /* "exact", "at_least", "about" */

#define VALUE_MAX INT64_C(1000000000000000) /* 10^15, size of a fact (DESIGN.md section 3) */

enum number_kind { NUMBER_BLANK, NUMBER_GIVEN, NUMBER_REFUSED };

struct number_form { /* what the indicator allows */
        unsigned decimals;
        const char *unit_zh, *unit_en; /* a unit that may follow; "%" allows percentages */
};

struct number {
        enum number_kind kind;
        int64_t value;
        enum qualifier q;
        enum reason_code reason;     /* of NUMBER_REFUSED: NOT_A_NUMBER, TOO_PRECISE or TOO_LARGE */
        const char *advice_en, *advice_zh; /* static text, may be NULL */
};

struct number number_read(const char *text, size_t n, struct number_form form);

#endif
