#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/number.h"

static const struct number_form firearms = {0, "支", "firearms"}, kg = {1, "公斤", "kg"},
                                percent = {1, "%", "%"}, wan_yuan = {2, "万元", "10,000 yuan"},
                                people = {0, "人", "leagues and cities"};

static struct number read(const char *text, struct number_form form)
{
        return number_read(text, strlen(text), form);
}

struct given {
        const char *text;
        int64_t value;
        enum qualifier q;
};

static void are_given(const struct given *g, size_t n, struct number_form form)
{
        for (; n > 0; n--, g++) {
                struct number got = read(g->text, form);
                if (got.kind != NUMBER_GIVEN)
                        fail_msg("\"%s\" is not given but %d, reason %d: %s", g->text, got.kind, got.reason,
                                 got.advice_en ? got.advice_en : "");
                if (got.value != g->value || got.q != g->q)
                        fail_msg("\"%s\" is %lld %s", g->text, (long long)got.value, qualifier_word(got.q));
        }
}
#define ARE_GIVEN(form, ...)                                       \
        do {                                                       \
                static const struct given list[] = {__VA_ARGS__};  \
                are_given(list, sizeof list / sizeof *list, form); \
        } while (0)

/* The table of CONTRACT.md, "A value". */
static void as_people_write(void **state)
{
        (void)state;
        ARE_GIVEN(firearms, {"452", 452, EXACT}, {"3,739", 3739, EXACT}, {"１２３", 123, EXACT},
                  {"10.2万", 102000, EXACT}, {"1.5亿", 150000000, EXACT}, {"5万余", 50000, AT_LEAST},
                  {"5余万", 50000, AT_LEAST}, {"10多万", 100000, AT_LEAST}, {"500余", 500, AT_LEAST},
                  {"500多", 500, AT_LEAST}, {"6000以上", 6000, AT_LEAST}, {">=6000", 6000, AT_LEAST},
                  {"≥6000", 6000, AT_LEAST}, {"约500", 500, ABOUT}, {"~500", 500, ABOUT},
                  {"500左右", 500, ABOUT}, {"约500余", 500, ABOUT}, {"500多左右", 500, ABOUT},
                  {"约500左右", 500, ABOUT}, {"452支", 452, EXACT}, {"0", 0, EXACT});
}

static void full_width_and_spaces(void **state)
{
        (void)state;
        ARE_GIVEN(firearms, {"３，７３９", 3739, EXACT}, {"１０．２万", 102000, EXACT},
                  {"＞＝６０００", 6000, AT_LEAST}, {"～５００", 500, ABOUT}, {"－５", -5, EXACT},
                  {"−5", -5, EXACT}, {"-5", -5, EXACT}, {" \t452\r\n", 452, EXACT},
                  {"\u3000452\u00a0", 452, EXACT}, {"\ufeff452", 452, EXACT}, {"约 500 余 支", 500, ABOUT},
                  {">= 5 万 支", 50000, AT_LEAST}, {"452　支", 452, EXACT});
        ARE_GIVEN(percent, {"97.5%", 975, EXACT}, {"97.5％", 975, EXACT}, {"97.5", 975, EXACT},
                  {"-43.7 %", -437, EXACT});
}

static void units(void **state)
{
        (void)state;
        ARE_GIVEN(firearms, {"452 支", 452, EXACT}, {"452firearms", 452, EXACT}, {"452 firearms", 452, EXACT},
                  {"1.8万支", 18000, EXACT}, {"16万余支", 160000, AT_LEAST},
                  {"16万支以上", 160000, AT_LEAST});
        ARE_GIVEN(kg, {"5万余公斤", 500000, AT_LEAST}, {"5余万公斤", 500000, AT_LEAST},
                  {"5公斤余", 50, AT_LEAST}, {"1.5kg", 15, EXACT}, {"1.5ｋｇ", 15, EXACT});
        ARE_GIVEN(people, {"500余人", 500, AT_LEAST}, {"约500人左右", 500, ABOUT},
                  {"7 leagues  and cities", 7, EXACT});
        ARE_GIVEN(wan_yuan, {"5万元", 500, EXACT}, {"5.25万元", 525, EXACT}, {"5万", 5000000, EXACT},
                  {"1.5亿万元", 15000000000, EXACT}, {"5 10,000 yuan", 500, EXACT});
}

static void nothing_is_lost(void **state)
{
        (void)state;
        ARE_GIVEN(firearms, {"10.25万", 102500, EXACT}, {"1.0", 1, EXACT},
                  {"1.000000000000000000000000000000", 1, EXACT}, {"0.0001万", 1, EXACT}, {"007", 7, EXACT},
                  {"0,000,452", 452, EXACT}, {"000000000000000000000000000452", 452, EXACT}, {"-0", 0, EXACT},
                  {"0.00", 0, EXACT}, {"1000000000000000", VALUE_MAX, EXACT},
                  {"-1,000,000,000,000,000.0", -VALUE_MAX, EXACT}, {"10000000亿", VALUE_MAX, EXACT},
                  {"999999999999999", VALUE_MAX - 1, EXACT});
        ARE_GIVEN(kg, {"0.1", 1, EXACT}, {"1.50", 15, EXACT}, {"12345678.9", 123456789, EXACT});
}

static void blanks(void **state)
{
        (void)state;
        static const char *const list[] = {"", "  ", "\u3000\u00a0", "-", "—", "－", "——", " — ", "−"};
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
                assert_int_equal(read(list[i], firearms).kind, NUMBER_BLANK);
}

static void bounds(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                enum reason_code reason;
        } list[] = {
            {"1.5", REASON_TOO_PRECISE},
            {"1.00001万", REASON_TOO_PRECISE},
            {"0.1", REASON_TOO_PRECISE},
            {"0.00000000000000000000000000000000000001", REASON_TOO_PRECISE},
            {"1234567890123456789012345678901234567890.5", REASON_TOO_PRECISE},
            {"1000000000000001", REASON_TOO_LARGE},
            {"-1000000000000001", REASON_TOO_LARGE},
            {"10000000.00000001亿", REASON_TOO_LARGE},
            {"18446744073709551616", REASON_TOO_LARGE},
            {"1234567890123456789012345678901234567890", REASON_TOO_LARGE},
            {"99999999亿", REASON_TOO_LARGE},
        };
        for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
                struct number got = read(list[i].text, firearms);
                if (got.kind != NUMBER_REFUSED || got.reason != list[i].reason)
                        fail_msg("\"%s\": kind %d, reason %s", list[i].text, got.kind,
                                 reason_name(got.reason));
        }
        assert_int_equal(read("1.55", kg).reason, REASON_TOO_PRECISE);
        assert_int_equal(read("1000000000000000", kg).reason, REASON_TOO_LARGE);
}

/* Refused, with advice that holds the given words in English and something in Chinese. */
static void refusals(void **state)
{
        (void)state;
        static const struct {
                const char *text, *advice;
        } list[] = {
            {"无", "write 0"},
            {"没有", "write 0"},
            {"暂无", "write 0"},
            {"/", "write 0"},
            {"N/A", "write 0"},
            {"近500", "bound from below"},
            {"不足500", "bound from below"},
            {"<500", "bound from below"},
            {"≤500", "bound from below"},
            {"＜500", "bound from below"},
            {"不到5万", "bound from below"},
            {"500以下", "bound from below"},
            {">500", "behind; the figure"},
            {"超过500", "behind; the figure"},
            {"不少于500", "behind; the figure"},
            {"500+", "behind; the figure"},
            {"大约500", "approximate figure"},
            {"500上下", "approximate figure"},
            {"5-8", "a range"},
            {"5~8", "a range"},
            {"5至8", "a range"},
            {"+5", "plus sign"},
            {"--5", "plus sign"},
            {"- 5", "plus sign"},
            {"-5余", "must be exact"},
            {"约-5", "must be exact"},
            {"≥-5", "must be exact"},
            {"-5左右", "must be exact"},
            {"1,23", "groups of three"},
            {"1234,567", "groups of three"},
            {"1,2345", "groups of three"},
            {"1,,234", "groups of three"},
            {"1,234,", "groups of three"},
            {",123", "groups of three"},
            {"1.234,567", "groups of three"},
            {".5", "decimal point"},
            {"5.", "decimal point"},
            {"1.2.3", "decimal point"},
            {"5.万", "decimal point"},
            {"3 739", "two places"},
            {"5万3千", "two places"},
            {"452支3", "two places"},
            {"5千", "in digits"},
            {"5百", "in digits"},
            {"三十", "in digits"},
            {"两", "in digits"},
            {"十", "in digits"},
            {"万", "in digits"},
            {"万万", "in digits"},
            {"5万万", "one 万"},
            {"5万亿", "one 万"},
            {"5支万", "one 万"},
            {"5余万余", "say once"},
            {"≥5余", "say once"},
            {"约约5", "say once"},
            {"5左右左右", "say once"},
            {"1.2E+05", "spreadsheet"},
            {"97.5%", "percentages"},
            {"452把", "own unit"},
            {"452支支", "own unit"},
            {"452x", "own unit"},
            {"452Firearms", "own unit"},
            {"abc", "in digits"},
            {"约", "in digits"},
            {"0x10", "own unit"},
            {"inf", "in digits"},
            {"(5)", "in digits"},
            {"'5", "in digits"},
            {"4\xff"
             "5",
             "not UTF-8"},
        };
        for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
                struct number got = read(list[i].text, firearms);
                if (got.kind != NUMBER_REFUSED || got.reason != REASON_NOT_A_NUMBER)
                        fail_msg("\"%s\": kind %d, reason %s", list[i].text, got.kind,
                                 reason_name(got.reason));
                if (!strstr(got.advice_en, list[i].advice) || !*got.advice_zh)
                        fail_msg("\"%s\": advice is \"%s\"", list[i].text, got.advice_en);
        }
        assert_int_equal(number_read("45\0"
                                     "2",
                                     4, firearms)
                             .kind,
                         NUMBER_REFUSED);
        char endless[300];
        memset(endless, '0', sizeof endless);
        assert_string_equal(number_read(endless, sizeof endless, firearms).advice_en,
                            "it is too long for a figure");
        memset(endless + 96, ' ',
               sizeof endless - 96); /* the longest there can be; spaces behind it do not count */
        assert_int_equal(number_read(endless, sizeof endless, firearms).kind, NUMBER_GIVEN);
        memset(endless, ' ', sizeof endless);
        assert_int_equal(number_read(endless, sizeof endless, firearms).kind, NUMBER_BLANK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(as_people_write), cmocka_unit_test(full_width_and_spaces),
            cmocka_unit_test(units),           cmocka_unit_test(nothing_is_lost),
            cmocka_unit_test(blanks),          cmocka_unit_test(bounds),
            cmocka_unit_test(refusals),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
