#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/seed.h"
#include "loop/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void civil_time_of_a_zone(void **state)
{
        (void)state;
        /* 2023-09-18T16:00:00Z is midnight of the 19th in Hohhot */
        assert_int_equal(clock_civil_s(1695052800000000, "Asia/Shanghai"), INT64_C(1695081600));
        assert_int_equal(clock_civil_s(1695052800000000 - 1, "Asia/Shanghai"), INT64_C(1695081599));
        assert_int_equal(clock_civil_s(0, "UTC"), 0);
        assert_int_equal(clock_civil_s(-1, "UTC"), -1);
        assert_true(clock_zone_known("Asia/Urumqi"));
}

static void unknown_zones(void **state)
{
        (void)state;
        static const char *const unknown[] = {
            "", "Asia/Nowhere", "../../../etc/passwd", "/etc/localtime", "Asia", "zone.tab", "A B"};
        for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
                assert_false(clock_zone_known(unknown[i]));
        assert_int_equal(clock_civil_s(5000000, "Asia/Nowhere"), 5);
}

/* The C library's own answer, at random instants and on both sides of every change it sees. */
static void agrees_with_the_c_library(void **state)
{
        (void)state;
        static const char *const zones[] = {
            "Asia/Shanghai",    "Asia/Hong_Kong",    "Asia/Kolkata",      "Asia/Ulaanbaatar",
            "Europe/Berlin",    "Europe/Dublin",     "America/New_York",  "America/St_Johns",
            "America/Nuuk",     "America/Sao_Paulo", "Australia/Sydney",  "Australia/Lord_Howe",
            "Pacific/Chatham",  "Pacific/Apia",      "Africa/Casablanca", "Asia/Jerusalem",
            "Antarctica/Troll", "Etc/GMT+7",         "America/Asuncion",  "Europe/Moscow",
        };
        uint64_t run = seed_of_run();
        struct seed s = seed_from(run);
        for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
                setenv("TZ", zones[i], 1);
                tzset();
                assert_true(clock_zone_known(zones[i]));
                for (int k = 0; k < 3000; k++) {
                        time_t t = seed_between(&s, -2208988800, 7258118400); /* 1900 to 2200 */
                        struct tm tm;
                        localtime_r(&t, &tm);
                        int64_t got = clock_civil_s((int64_t)t * 1000000, zones[i]) - t;
                        if (got != tm.tm_gmtoff)
                                fail_msg("%s at %" PRId64 ": %" PRId64 ", want %ld (SUMU_SEED=%" PRIu64 ")",
                                         zones[i], (int64_t)t, got, tm.tm_gmtoff, run);
                }
                for (time_t t = 0, step = 20 * 86400; t < 7258118400; t += step) {
                        struct tm a, b;
                        time_t low = t, high = t + step;
                        localtime_r(&low, &a);
                        localtime_r(&high, &b);
                        if (a.tm_gmtoff == b.tm_gmtoff)
                                continue;
                        while (high - low > 1) {
                                time_t middle = low + (high - low) / 2;
                                struct tm m;
                                localtime_r(&middle, &m);
                                *(m.tm_gmtoff == a.tm_gmtoff ? &low : &high) = middle;
                        }
                        localtime_r(&high, &b);
                        assert_int_equal(clock_civil_s((int64_t)low * 1000000, zones[i]) - low, a.tm_gmtoff);
                        assert_int_equal(clock_civil_s((int64_t)high * 1000000, zones[i]) - high,
                                         b.tm_gmtoff);
                }
        }
        unsetenv("TZ");
        tzset();
}

static void *ask_many(void *arg)
{
        static const char *const zones[] = {"Asia/Tokyo", "Asia/Seoul", "Asia/Pyongyang"};
        intptr_t wrong = 0;
        for (int i = 0; i < 2000; i++)
                wrong += clock_civil_s(1695052800000000, zones[i % 3]) != 1695052800 + 9 * 3600;
        (void)arg;
        return (void *)wrong;
}

static void is_shared_by_threads(void **state)
{
        (void)state;
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
                pthread_create(&t[i], NULL, ask_many, NULL);
        for (int i = 0; i < 4; i++) {
                void *wrong;
                pthread_join(t[i], &wrong);
                assert_null(wrong);
        }
}

static void writes_and_reads_times(void **state)
{
        (void)state;
        char text[CLOCK_TEXT];
        int64_t us;
        clock_rfc3339(1695110400123999, text);
        assert_string_equal(text, "2023-09-19T08:00:00.123Z");
        clock_rfc3339(-1, text);
        assert_string_equal(text, "1969-12-31T23:59:59.999Z");
        clock_rfc3339(INT64_MIN, text);
        assert_string_equal(text, "0001-01-01T00:00:00.224Z");
        static const struct {
                const char *text;
                int64_t us;
        } good[] = {{"2023-09-19T08:00:00Z", 1695110400000000},
                    {"2023-09-19T08:00:00.5Z", 1695110400500000},
                    {"2023-09-19T16:00:00.000+08:00", 1695110400000000},
                    {"2023-09-19T03:30:00.123456789-04:30", 1695110400123456},
                    {"1970-01-01t00:00:00z", 0},
                    {"2016-12-31T23:59:60Z", 1483228800000000}};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                assert_true(clock_parse(good[i].text, &us));
                assert_int_equal(us, good[i].us);
        }
        static const char *const bad[] = {"",
                                          "2023-09-19",
                                          "2023-09-19T08:00:00",
                                          "2023-09-19 08:00:00Z",
                                          "2023-02-29T08:00:00Z",
                                          "2023-09-19T24:00:00Z",
                                          "2023-09-19T08:60:00Z",
                                          "2023-09-19T08:00:00.Z",
                                          "2023-09-19T08:00:00.1234567890Z",
                                          "2023-09-19T08:00:00+0800",
                                          "2023-09-19T08:00:00Zx",
                                          "2023-09-19T08:00:00+08:"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_false(clock_parse(bad[i], &us));
        int64_t now = clock_us();
        clock_rfc3339(now, text);
        assert_true(clock_parse(text, &us));
        assert_int_equal(us, now / 1000 * 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(civil_time_of_a_zone),      cmocka_unit_test(unknown_zones),
            cmocka_unit_test(agrees_with_the_c_library), cmocka_unit_test(is_shared_by_threads),
            cmocka_unit_test(writes_and_reads_times),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
