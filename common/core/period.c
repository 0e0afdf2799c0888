/* Everything goes by day numbers. A calendar date is computed from the era of 400 years it lies in, with the
 * year beginning in March, so that the leap day is the last of its year (H. Hinnant, "chrono-compatible
 * low-level date algorithms"). Months, quarters and halves are one idea, a number of months that divides the
 * year; weeks and ISO years hang on their Thursday, whose calendar year is the ISO year. */
#include "core/period.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum {
        YEAR_MIN = 1900,
        YEAR_MAX = 2199,
        ERA_DAYS = 146097,     /* 400 years */
        ERA_TO_EPOCH = 719468, /* days from 0000-03-01 to 1970-01-01 */
        THURSDAY = 3,
};

static int floor_div(int a, int b)
{
        return a / b - (a % b < 0);
}

static bool year_is_leap(int year)
{
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        return days[month - 1] + (month == 2 && year_is_leap(year));
}

static bool date_exists(int year, int month, int mday)
{
        return month >= 1 && month <= 12 && mday >= 1 && mday <= month_days(year, month);
}

int32_t day_of(int year, int month, int mday)
{
        PRE(date_exists(year, month, mday));
        int march_year = year - (month <= 2);
        int era = floor_div(march_year, 400);
        int year_of_era = march_year - era * 400;
        int day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + mday - 1;
        int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        return era * ERA_DAYS + day_of_era - ERA_TO_EPOCH;
}

void day_parts(int32_t day, int *year, int *month, int *mday)
{
        int shifted = day + ERA_TO_EPOCH;
        int era = floor_div(shifted, ERA_DAYS);
        int day_of_era = shifted - era * ERA_DAYS;
        int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int march_month = (5 * day_of_year + 2) / 153;
        *mday = day_of_year - (153 * march_month + 2) / 5 + 1;
        *month = march_month < 10 ? march_month + 3 : march_month - 9;
        *year = year_of_era + era * 400 + (*month <= 2);
}

unsigned day_weekday(int32_t day)
{
        return (unsigned)(((day + THURSDAY) % 7 + 7) % 7); /* day 0 was a Thursday */
}

static int day_year(int32_t day)
{
        int year, month, mday;
        day_parts(day, &year, &month, &mday);
        return year;
}

/* ---- words ---- */

static const struct {
        const char *word, *zh;
} kinds[] = {
#define KIND(name, word, zh) {word, zh},
    PERIOD_KINDS(KIND)
#undef KIND
};

const char *period_kind_word(enum period_kind k)
{
        return kinds[k].word;
}

const char *period_kind_zh(enum period_kind k)
{
        return kinds[k].zh;
}

bool period_kind_find(const char *word, enum period_kind *k)
{
        for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++) {
                if (strcmp(word, kinds[i].word) == 0) {
                        *k = (enum period_kind)i;
                        return true;
                }
        }
        return false;
}

/* ---- making ---- */

/* Months of a kind that is made of months, else 0. */
static int kind_months(enum period_kind k)
{
        switch (k) {
        case PERIOD_MONTH: return 1;
        case PERIOD_QUARTER: return 3;
        case PERIOD_HALF: return 6;
        case PERIOD_YEAR: return 12;
        default: UNREACHABLE();
        }
}

/* The n-th stretch of `months` months since the year 0. */
static struct period months_nth(enum period_kind kind, int n)
{
        int months = kind_months(kind), month = n * months, end = month + months;
        return (struct period){kind, day_of(month / 12, month % 12 + 1, 1),
                               day_of(end / 12, end % 12 + 1, 1) - 1};
}

static struct period day_period(int32_t day)
{
        return (struct period){PERIOD_DAY, day, day};
}

static struct period week_of(int32_t day)
{
        int32_t monday = day - (int32_t)day_weekday(day);
        return (struct period){PERIOD_WEEK, monday, monday + 6};
}

static struct period week_first(int iso_year)
{
        return week_of(day_of(iso_year, 1, 4)); /* the week with 4 January has the year's first Thursday */
}

static struct period iso_year_nth(int iso_year)
{
        return (struct period){PERIOD_YEAR, week_first(iso_year).first, week_first(iso_year + 1).first - 1};
}

static bool is_iso_year(struct period p)
{
        return p.kind == PERIOD_YEAR && (p.last - p.first + 1) % 7 == 0; /* no calendar year is whole weeks */
}

/* The year a label names: of a week or an ISO year that of its first Thursday; the same holds for calendar
 * years, whose fourth day lies in them. */
static int label_year(struct period p)
{
        return day_year(p.first + THURSDAY);
}

static int week_number(struct period week)
{
        return (week.first - week_first(label_year(week)).first) / 7 + 1;
}

static bool in_range(struct period p)
{
        return p.first >= DAY_MIN && p.last <= DAY_MAX;
}

struct period period_of(enum period_kind kind, int32_t day)
{
        PRE(kind != PERIOD_SPAN);
        if (kind == PERIOD_DAY)
                return day_period(day);
        if (kind == PERIOD_WEEK)
                return week_of(day);
        int year, month, mday;
        day_parts(day, &year, &month, &mday);
        return months_nth(kind, (year * 12 + month - 1) / kind_months(kind));
}

struct period period_iso_year(int32_t day)
{
        return iso_year_nth(label_year(week_of(day)));
}

bool period_same(struct period a, struct period b)
{
        return a.kind == b.kind && a.first == b.first && a.last == b.last;
}

/* ---- labels ---- */

/* Exactly n digits; *text then stands behind them. */
static bool digits_take(const char **text, int n, int *value)
{
        const char *p = *text;
        *value = 0;
        for (; n > 0; n--, p++) {
                if (*p < '0' || *p > '9')
                        return false;
                *value = *value * 10 + (*p - '0');
        }
        *text = p;
        return true;
}

static bool char_take(const char **text, char c)
{
        if (**text != c)
                return false;
        ++*text;
        return true;
}

static bool year_take(const char **text, int *year)
{
        return digits_take(text, 4, year) && *year >= YEAR_MIN && *year <= YEAR_MAX;
}

static bool day_take(const char **text, int32_t *day)
{
        int year, month, mday;
        if (!year_take(text, &year) || !char_take(text, '-') || !digits_take(text, 2, &month) ||
            !char_take(text, '-') || !digits_take(text, 2, &mday) || !date_exists(year, month, mday))
                return false;
        *day = day_of(year, month, mday);
        return true;
}

bool day_parse(const char *text, int32_t *day)
{
        return day_take(&text, day) && *text == '\0';
}

static bool day_period_parse(const char *text, struct period *p)
{
        int32_t day;
        if (!day_parse(text, &day))
                return false;
        *p = day_period(day);
        return true;
}

static bool span_parse(const char *text, struct period *p)
{
        p->kind = PERIOD_SPAN;
        return day_take(&text, &p->first) && char_take(&text, '/') && day_take(&text, &p->last) &&
               *text == '\0' && p->first <= p->last && p->last - p->first < PERIOD_SPAN_DAYS;
}

static bool week_parse(int year, const char *text, struct period *p)
{
        int number;
        if (!digits_take(&text, 2, &number) || *text || number < 1)
                return false;
        int32_t first = week_first(year).first + 7 * (number - 1);
        *p = (struct period){PERIOD_WEEK, first, first + 6};
        return label_year(*p) == year; /* not W53 of a year of 52, nor beyond */
}

/* The n-th part of a year made of `kind`, counted from 1. */
static bool part_parse(enum period_kind kind, int year, int digits, const char *text, struct period *p)
{
        int part, parts = 12 / kind_months(kind);
        if (!digits_take(&text, digits, &part) || *text || part < 1 || part > parts)
                return false;
        *p = months_nth(kind, year * parts + part - 1);
        return true;
}

bool period_parse(const char *text, struct period *p)
{
        const char *rest = text;
        int year;
        if (!year_take(&rest, &year))
                return false;
        if (*rest == '\0') {
                *p = months_nth(PERIOD_YEAR, year);
                return true;
        }
        if (!char_take(&rest, '-'))
                return false;
        switch (*rest) {
        case 'W': return week_parse(year, rest + 1, p);
        case 'Q': return part_parse(PERIOD_QUARTER, year, 1, rest + 1, p);
        case 'H': return part_parse(PERIOD_HALF, year, 1, rest + 1, p);
        default: break;
        }
        if (strchr(rest, '/'))
                return span_parse(text, p);
        if (strchr(rest, '-'))
                return day_period_parse(text, p);
        return part_parse(PERIOD_MONTH, year, 2, rest, p);
}

static void day_print(int32_t day, char *out, size_t n)
{
        int year, month, mday;
        day_parts(day, &year, &month, &mday);
        snprintf(out, n, "%04d-%02d-%02d", year, month, mday);
}

void period_print(struct period p, char out[PERIOD_TEXT])
{
        int year, month, mday;
        day_parts(p.first, &year, &month, &mday);
        switch (p.kind) {
        case PERIOD_DAY: day_print(p.first, out, PERIOD_TEXT); return;
        case PERIOD_WEEK: snprintf(out, PERIOD_TEXT, "%04d-W%02d", label_year(p), week_number(p)); return;
        case PERIOD_MONTH: snprintf(out, PERIOD_TEXT, "%04d-%02d", year, month); return;
        case PERIOD_QUARTER: snprintf(out, PERIOD_TEXT, "%04d-Q%d", year, (month + 2) / 3); return;
        case PERIOD_HALF: snprintf(out, PERIOD_TEXT, "%04d-H%d", year, (month + 5) / 6); return;
        case PERIOD_YEAR: snprintf(out, PERIOD_TEXT, "%04d", label_year(p)); return;
        case PERIOD_SPAN:
                day_print(p.first, out, PERIOD_TEXT);
                out[10] = '/';
                day_print(p.last, out + 11, PERIOD_TEXT - 11);
                return;
        }
        UNREACHABLE();
}

/* ---- moving ---- */

bool period_shift(struct period p, int n, struct period *out)
{
        /* No kind has more periods than there are days: a longer way leaves the range whatever the kind. */
        if (p.kind == PERIOD_SPAN || n > DAY_MAX - DAY_MIN || n < DAY_MIN - DAY_MAX)
                return false;
        if (p.kind == PERIOD_DAY) {
                *out = day_period(p.first + n);
        } else if (p.kind == PERIOD_WEEK) {
                *out = week_of(p.first + 7 * n);
        } else {
                int parts = 12 / kind_months(p.kind), year, month, mday;
                day_parts(p.first + THURSDAY, &year, &month, &mday);
                int nth = year * parts + (month - 1) / kind_months(p.kind) + n;
                if (nth < YEAR_MIN * parts || nth >= (YEAR_MAX + 1) * parts)
                        return false;
                *out = is_iso_year(p) ? iso_year_nth(nth) : months_nth(p.kind, nth);
        }
        return in_range(*out);
}

static bool day_year_ago(int32_t day, int32_t *out)
{
        int year, month, mday;
        day_parts(day, &year, &month, &mday);
        if (!date_exists(year - 1, month, mday))
                return false;
        *out = day_of(year - 1, month, mday);
        return *out >= DAY_MIN;
}

static bool week_year_ago(struct period week, struct period *out)
{
        int year = label_year(week) - 1;
        *out = week_of(week_first(year).first + 7 * (week_number(week) - 1));
        return label_year(*out) == year && in_range(*out);
}

bool period_year_ago(struct period p, struct period *out)
{
        switch (p.kind) {
        case PERIOD_DAY:
        case PERIOD_SPAN:
                out->kind = p.kind;
                return day_year_ago(p.first, &out->first) && day_year_ago(p.last, &out->last);
        case PERIOD_WEEK: return week_year_ago(p, out);
        default: return period_shift(p, -12 / kind_months(p.kind), out);
        }
}

/* ---- rolling up ---- */

bool period_rolls_up(enum period_kind every, enum period_kind kind)
{
        if (every == PERIOD_SPAN)
                return false;
        if (kind == every || kind == PERIOD_SPAN)
                return true;
        if (every == PERIOD_WEEK)
                return kind == PERIOD_YEAR;
        return kind > every; /* finest first; weeks are made of days only */
}

bool period_held(enum period_kind every, struct period asked, struct period *out)
{
        if (!period_rolls_up(every, asked.kind))
                return false;
        *out = asked;
        if (asked.kind == PERIOD_YEAR)
                *out = every == PERIOD_WEEK ? iso_year_nth(label_year(asked))
                                            : months_nth(PERIOD_YEAR, label_year(asked));
        return true;
}

bool period_first_inside(enum period_kind every, struct period p, struct period *first, bool *partial)
{
        *first = period_of(every, p.first);
        bool cut_before = first->first != p.first;
        bool cut_after = period_of(every, p.last).last != p.last;
        if (partial)
                *partial = cut_before || cut_after;
        if (cut_before)
                *first = period_of(every, first->last + 1);
        return first->last <= p.last;
}

struct period period_upper(struct period base, enum period_kind kind)
{
        PRE(kind != PERIOD_SPAN && period_rolls_up(base.kind, kind));
        if (kind == PERIOD_YEAR && (base.kind == PERIOD_WEEK || is_iso_year(base)))
                return period_iso_year(base.first);
        return period_of(kind, base.first);
}

/* ---- names for storage ---- */

enum { ID_KINDS = 8 };

int64_t period_id(struct period p)
{
        PRE(p.kind != PERIOD_SPAN);
        return (int64_t)p.first * ID_KINDS + p.kind;
}

bool period_id_read(int64_t id, enum period_kind every, struct period *p)
{
        int64_t kind = (id % ID_KINDS + ID_KINDS) % ID_KINDS, first = (id - kind) / ID_KINDS;
        if (kind >= PERIOD_SPAN || first < DAY_MIN || first > DAY_MAX)
                return false;
        bool iso = kind == PERIOD_YEAR && every == PERIOD_WEEK;
        *p = iso ? period_iso_year((int32_t)first) : period_of((enum period_kind)kind, (int32_t)first);
        return p->first == first;
}

struct period period_from_id(int64_t id, enum period_kind every)
{
        struct period p;
        PRE(period_id_read(id, every, &p));
        return p;
}
