/* The calendar against a plain count of days, and what holds for all periods. */
#include "lib/law.h"

#include <stdio.h>
#include <string.h>

#include "core/period.h"

enum { ROUNDS = 20000 };

static struct period some_period(struct seed *s)
{
        int32_t day =
            (int32_t)seed_between(s, DAY_MIN, DAY_MAX - 2); /* the last two have no week in the range */
        switch (seed_below(s, 8)) {
        case 6: return period_iso_year(day);
        case 7: {
                int32_t most = DAY_MAX - day < PERIOD_SPAN_DAYS ? DAY_MAX - day : PERIOD_SPAN_DAYS - 1;
                return (struct period){PERIOD_SPAN, day, day + (int32_t)seed_between(s, 0, most)};
        }
        default: return period_of((enum period_kind)seed_below(s, 6), day);
        }
}

/* Every day of three hundred years, counted one by one: date, weekday, ISO week. */
static void calendar(void **state)
{
        (void)state;
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int32_t day = DAY_MIN;
        unsigned weekday = 0; /* 1900-01-01 was a Monday, of week 1 */
        int iso_year = 1900, iso_week = 1;
        for (int year = 1900; year < 2200; year++) {
                bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                for (int month = 1; month <= 12; month++) {
                        int length = lengths[month - 1] + (leap && month == 2);
                        for (int mday = 1; mday <= length; mday++, day++, weekday = (weekday + 1) % 7) {
                                int y, m, d;
                                day_parts(day, &y, &m, &d);
                                HOLDS(y == year && m == month && d == mday);
                                HOLDS(day_of(year, month, mday) == day);
                                HOLDS(day_weekday(day) == weekday);
                                if (weekday == 0 && day != DAY_MIN) {
                                        /* a Monday begins week 1 if its Thursday is among the first seven
                                         * days */
                                        int thursday = month == 12  ? mday + 3 - 31
                                                       : month == 1 ? mday + 3
                                                                    : 0;
                                        bool first = thursday >= 1 && thursday <= 7;
                                        iso_week = first ? 1 : iso_week + 1;
                                        iso_year += first;
                                }
                                char want[64], got[PERIOD_TEXT];
                                snprintf(want, sizeof want, "%04d-W%02d", iso_year, iso_week);
                                period_print(period_of(PERIOD_WEEK, day), got);
                                HOLDS(strcmp(want, got) == 0);
                        }
                }
        }
        HOLDS(day == DAY_MAX + 1);
}

static void print_then_parse(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s), back, held;
                char text[PERIOD_TEXT];
                period_print(p, text);
                HOLDS(period_parse(text, &back));
                bool iso = p.kind == PERIOD_YEAR && (p.last - p.first + 1) % 7 == 0;
                HOLDS(period_held(iso ? PERIOD_WEEK : PERIOD_DAY, back, &held));
                HOLDS(period_same(p, held));
        }
}

static void id_and_back(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s), other = some_period(&s);
                if (p.kind == PERIOD_SPAN || other.kind == PERIOD_SPAN)
                        continue;
                bool iso = p.kind == PERIOD_YEAR && (p.last - p.first + 1) % 7 == 0;
                HOLDS(period_same(period_from_id(period_id(p), iso ? PERIOD_WEEK : PERIOD_DAY), p));
                if (p.first != other.first)
                        HOLDS((p.first < other.first) == (period_id(p) < period_id(other)));
        }
}

static void shift_has_an_inverse(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s), a, b, c;
                int n = (int)seed_between(&s, -500, 500), m = (int)seed_between(&s, -500, 500);
                if (!period_shift(p, n, &a))
                        continue;
                HOLDS(a.first >= DAY_MIN && a.last <= DAY_MAX && a.kind == p.kind);
                HOLDS(period_shift(a, -n, &b) && period_same(b, p));
                if (period_shift(a, m, &b))
                        HOLDS(period_shift(p, n + m, &c) && period_same(b, c));
        }
}

static void neighbours_touch(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s), next;
                if (period_shift(p, 1, &next))
                        HOLDS(next.first == p.last + 1 && next.last >= next.first);
        }
}

/* Of the periods of a kind exactly one holds a day; that is what period_of names. */
static void of_holds_the_day(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                int32_t day = (int32_t)seed_between(&s, DAY_MIN, DAY_MAX);
                for (int k = PERIOD_DAY; k < PERIOD_SPAN; k++) {
                        struct period p = period_of((enum period_kind)k, day);
                        HOLDS(p.first <= day && day <= p.last);
                        HOLDS(period_same(p, period_of((enum period_kind)k, p.first)));
                        HOLDS(period_same(p, period_of((enum period_kind)k, p.last)));
                }
                struct period iso = period_iso_year(day);
                HOLDS(iso.first <= day && day <= iso.last);
                HOLDS(day_weekday(iso.first) == 0 && day_weekday(iso.last) == 6);
        }
}

/* A year ago: the label with another year, if there is such a period. */
static void year_ago_is_the_label(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s), ago, want;
                if (p.kind == PERIOD_SPAN)
                        continue;
                char text[PERIOD_TEXT], year[8];
                period_print(p, text);
                snprintf(year, sizeof year, "%04d",
                         (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 +
                             (text[3] - '0') - 1);
                memcpy(text, year, 4);
                bool exists = period_parse(text, &want);
                HOLDS(period_year_ago(p, &ago) == exists);
                if (!exists)
                        continue;
                char got[PERIOD_TEXT];
                period_print(ago, got);
                HOLDS(strcmp(got, text) == 0);
        }
}

/* The base periods inside, one by one, are those a scan over the days finds. */
static void inside_is_all_and_only(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < 1000; i++) {
                int32_t day = (int32_t)seed_between(&s, DAY_MIN, DAY_MAX - 1200);
                struct period p = {PERIOD_SPAN, day, day + (int32_t)seed_between(&s, 0, 1000)};
                enum period_kind every = (enum period_kind)seed_below(&s, 6);
                struct period base, next;
                bool partial, some = period_first_inside(every, p, &base, &partial);
                bool cut =
                    period_of(every, p.first).first < p.first || period_of(every, p.last).last > p.last;
                HOLDS(partial == cut);
                int32_t at = p.first;
                while (at <= p.last) {
                        struct period here = period_of(every, at);
                        at = here.last + 1;
                        if (here.first < p.first || here.last > p.last)
                                continue;
                        HOLDS(some && period_same(base, here));
                        some = period_shift(base, 1, &next) && next.last <= p.last;
                        base = next;
                }
                HOLDS(!some);
        }
}

/* What rolls up lies wholly inside, and upper periods of upper periods agree. */
static void upper_contains(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct period p = some_period(&s);
                enum period_kind kind = (enum period_kind)seed_below(&s, 6);
                if (p.kind == PERIOD_SPAN || !period_rolls_up(p.kind, kind) ||
                    (p.kind == PERIOD_DAY && kind == PERIOD_WEEK))
                        continue;
                struct period up = period_upper(p, kind);
                HOLDS(up.kind == kind && up.first <= p.first && p.last <= up.last);
                HOLDS(period_same(period_upper(up, PERIOD_YEAR), period_upper(p, PERIOD_YEAR)));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(calendar),
            cmocka_unit_test(print_then_parse),
            cmocka_unit_test(id_and_back),
            cmocka_unit_test(shift_has_an_inverse),
            cmocka_unit_test(neighbours_touch),
            cmocka_unit_test(of_holds_the_day),
            cmocka_unit_test(year_ago_is_the_label),
            cmocka_unit_test(inside_is_all_and_only),
            cmocka_unit_test(upper_contains),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
