/* period: days of the civil calendar, and the stretches of them that are reported and asked for.
 *
 * A day is a number, 0 = 1970-01-01, proleptic Gregorian. A period is a kind and its first and last day, both
 * included; that is all there is to know about it, so two are the same if these three are. Years 1900 to 2199
 * are understood, others refused. `2020` is the calendar year; period_held turns it into the ISO year for
 * weekly data (DESIGN.md section 3, "week"): the kind stays PERIOD_YEAR and the label is the year of the
 * Thursday in its first week. The week of the last two days, 2199-12-30 and 31, reaches into 2200: it can be
 * made and printed, but is not read back. No clock is read here. */
#ifndef SUMU_CORE_PERIOD_H
#define SUMU_CORE_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

/* KIND(name, word, zh): finest first; words are those of datasets.yaml `every`. */
#define PERIOD_KINDS(KIND)             \
        KIND(DAY, "day", "日")         \
        KIND(WEEK, "week", "周")       \
        KIND(MONTH, "month", "月")     \
        KIND(QUARTER, "quarter", "季") \
        KIND(HALF, "half", "半年")     \
        KIND(YEAR, "year", "年")       \
        KIND(SPAN, "span", "区间")

enum period_kind {
#define KIND(name, word, zh) PERIOD_##name,
        PERIOD_KINDS(KIND)
#undef KIND
};

enum {
        PERIOD_TEXT = 24,         /* longest label and NUL: "2023-01-01/2023-09-19" */
        PERIOD_SPAN_DAYS = 36525, /* a span is at most 100 years */
        DAY_MIN = -25567,         /* 1900-01-01 */
        DAY_MAX = 84005,          /* 2199-12-31 */
};

struct period {
        enum period_kind kind;
        int32_t first, last;
};

int32_t day_of(int year, int month, int day); /* the date must exist */
void day_parts(int32_t day, int *year, int *month, int *mday);
bool day_parse(const char *text, int32_t *day); /* YYYY-MM-DD, strictly */
unsigned day_weekday(int32_t day);              /* 0 = Monday */

const char *period_kind_word(enum period_kind k);
const char *period_kind_zh(enum period_kind k);
bool period_kind_find(const char *word, enum period_kind *k);

/* Reads a label (DESIGN.md section 2): 2023-09-19, 2023-W38, 2023-09, 2023-Q3, 2023-H2, 2023, DAY/DAY. */
bool period_parse(const char *text, struct period *p);
void period_print(struct period p, char out[PERIOD_TEXT]);

bool period_same(struct period a, struct period b);
struct period period_of(enum period_kind kind, int32_t day); /* the one that holds the day; not SPAN */
struct period period_iso_year(int32_t day);                  /* kind YEAR, of the day's ISO week */

/* n periods later (earlier if negative). Spans cannot be moved: false; nor can anything out of the range of
 * years. ISO years move as ISO years. */
bool period_shift(struct period p, int n, struct period *out);

/* The same period one year earlier; false for 02-29, for W53 where that year has none, and outside the range.
 * A span goes by its days; 02-29 at either end: false. */
bool period_year_ago(struct period p, struct period *out);

/* Does data reported `every` roll up to periods of `kind` (DESIGN.md section 3.1)? Its own kind and SPAN
 * included. */
bool period_rolls_up(enum period_kind every, enum period_kind kind);

/* Turns a period as asked into the one held for a dataset reported `every`: the same, but a year of weekly
 * data is the ISO year. false: not held (422 period_not_held). */
bool period_held(enum period_kind every, struct period asked, struct period *out);

/* The base periods wholly inside p: period_first_inside, then period_shift(…, 1) while .last <= p.last.
 * false: none.
 * `*partial` (may be NULL) says that a boundary of p cuts a base period. */
bool period_first_inside(enum period_kind every, struct period p, struct period *first, bool *partial);

/* The stored upper period of `kind` that a base period rolls up to (calendar, or ISO year for weeks). */
struct period period_upper(struct period base, enum period_kind kind);

/* A number that orders and names periods for storage: first day, then kind; not SPAN. It does not tell a
 * calendar year from an ISO year, the dataset does: with `every` WEEK years are read as ISO years. Of a
 * number that may be anything (from a file, from the other side) period_id_read says false where it names no
 * period. */
int64_t period_id(struct period p);
bool period_id_read(int64_t id, enum period_kind every, struct period *p);
struct period period_from_id(int64_t id, enum period_kind every); /* of one that period_id made */

#endif
