/* number: figures as people write them (CONTRACT.md, "A value").
 *
 * 452  3,739  １２３  10.2万  1.5亿  5万余  5余万  10多万  500余  6000以上  >=6000  ≥6000  约500  ~500
 * 500左右; the indicator's unit may follow, before or behind the qualifier. The result is an integer in the
 * indicator's smallest unit and a qualifier; nothing is ever rounded. Pure; no locale, no floating point.
 *
 *     text   = [约 | ~ | >= | ≥] [-] figure [余 | 多] [万 | 亿] { 余 | 多 | 以上 | 左右 | unit }
 *     figure = digits, or groups of three with commas; [. digits]
 *
 * Full-width forms count as their ASCII ones, U+2212 as a minus, spaces of every kind may stand around and
 * between the parts but not inside a figure. "At least" is said once, "about" at most once in front and once
 * behind; with both, about wins. A unit that itself begins with 万 or 亿 is read as the unit. Only what is
 * lost makes a figure too precise: 10.25万 and 1.0 are whole numbers. Empty, - and — (or ——) are blank. All
 * else is refused with advice. */
#ifndef SUMU_CORE_NUMBER_H
#define SUMU_CORE_NUMBER_H

#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* QUALIFIER(name, word): how exact a figure is. The order is that of "less exact": a sum is as exact as its
 * least exact part. */
#define QUALIFIERS(QUALIFIER)           \
        QUALIFIER(EXACT, "exact")       \
        QUALIFIER(AT_LEAST, "at_least") \
        QUALIFIER(ABOUT, "about")

enum qualifier {
#define QUALIFIER(name, word) name,
        QUALIFIERS(QUALIFIER)
#undef QUALIFIER
};

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
        enum reason_code reason;           /* of NUMBER_REFUSED: NOT_A_NUMBER, TOO_PRECISE or TOO_LARGE */
        const char *advice_en, *advice_zh; /* of NOT_A_NUMBER: what to do; static text */
};

struct number number_read(const char *text, size_t n, struct number_form form);

#endif
