#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/period_read.h"

static void understood(void **state)
{
        (void)state;
        static const char *const cases[][2] = {
            {"2023年9月19日", "2023-09-19"},
            {"2023 年 9 月 9 号", "2023-09-09"},
            {"2023/9/19", "2023-09-19"},
            {"2023-9-19", "2023-09-19"},
            {"2023.9.19", "2023-09-19"},
            {"２０２３－０９", "2023-09"},
            {"2023年9月", "2023-09"},
            {"2023年十二月", "2023-12"},
            {"2023/9", "2023-09"},
            {"2023年第三季度", "2023-Q3"},
            {"2023年3季度", "2023-Q3"},
            {"2023年下半年", "2023-H2"},
            {"2023年", "2023"},
            {"2023年第38周", "2023-W38"},
            {" 2023-Q3　", "2023-Q3"},
        };
        struct period p;
        char label[PERIOD_TEXT];
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_true(period_read(cases[i][0], &p));
                period_print(p, label);
                assert_string_equal(label, cases[i][1]);
        }
}

static void refused(void **state)
{
        (void)state;
        static const char *const cases[] = {"",         "2023年2月30日",  "23年9月",        "9月19日",
                                            "2023.9",   "2023/9-19",      "2023年第五季度", "2023年第9月",
                                            "20230919", "2023/9/19 0:00", "2023年13月",     "本月",
                                            "2023年9",  "2023年9月19"};
        struct period p;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_false(period_read(cases[i], &p));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(understood), cmocka_unit_test(refused)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
