#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"

#include <string.h>

static void builds(void **state)
{
        (void)state;
        struct text t = {0};
        text_add(&t, "a");
        text_printf(&t, "%d", 12);
        text_json(&t, "x\"\n");
        assert_string_equal(text_c(&t), "a12\"x\\\"\\n\"");
        text_close(&t);
        assert_string_equal(text_c(&t), "");
}

static void scaled(void **state)
{
        (void)state;
        static const struct {
                int64_t value;
                unsigned decimals;
                const char *want;
        } cases[] = {{1234, 1, "123.4"},   {-437, 1, "-43.7"}, {5, 2, "0.05"},
                     {500000, 1, "50000"}, {0, 3, "0"},        {INT64_MIN, 0, "-9223372036854775808"}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct text t = {0};
                text_scaled(&t, cases[i].value, cases[i].decimals);
                assert_string_equal(text_c(&t), cases[i].want);
                text_close(&t);
        }
}

static void csv_fields(void **state)
{
        (void)state;
        struct text t = {0};
        text_csv(&t, "plain", true);
        text_char(&t, ',');
        text_csv(&t, "a,\"b\"", true);
        text_char(&t, ',');
        text_csv(&t, "=1+1", true);
        assert_string_equal(text_c(&t), "plain,\"a,\"\"b\"\"\",\"'=1+1\"");
        text_close(&t);
}

static void utf8(void **state)
{
        (void)state;
        assert_true(text_is_utf8("包头市", 9));
        assert_false(text_is_utf8("a\0b", 3));
        assert_false(text_is_utf8("\xc0\xaf", 2));
        assert_false(text_is_utf8("\xed\xa0\x80", 3));
        assert_false(text_is_utf8("\xe5\x8c", 2));
}

/* Eight plain bytes are passed over at once: what is none of them is found at every place. */
static void utf8_at_every_place(void **state)
{
        (void)state;
        static const char *const ends[] = {"\xff", "\xe5\x8c", "\xc0\xaf", ""}; /* the last one: a NUL */
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
                for (size_t place = 0; place < 40; place++) {
                        char bytes[48];
                        memset(bytes, 'a', sizeof bytes);
                        assert_true(text_is_utf8(bytes, place));
                        memcpy(bytes + place, "\xe5\x8c\x85", 3);
                        assert_ptr_equal(text_utf8_end(bytes, bytes + sizeof bytes), bytes + sizeof bytes);
                        memset(bytes + place, '\x7f', 3);
                        assert_true(text_is_utf8(bytes, sizeof bytes));
                        memcpy(bytes + place, ends[i], strlen(ends[i]) + 1);
                        assert_ptr_equal(text_utf8_end(bytes, bytes + sizeof bytes), bytes + place);
                }
}

static void nearest(void **state)
{
        (void)state;
        assert_int_equal(text_distance("firearms", "fireamrs", 4), 1);
        assert_int_equal(text_distance("包头", "包头市", 4), 1);
        struct text_nearest n = {.want = "firearms_siezed"};
        text_nearest_try(&n, "knives_seized");
        text_nearest_try(&n, "firearms_seized");
        assert_string_equal(n.best, "firearms_seized");
        n = (struct text_nearest){.want = "xyz"};
        text_nearest_try(&n, "visitors");
        assert_null(n.best);
        n = (struct text_nearest){.want = "火星市"}; /* a third of three characters, not of nine bytes */
        text_nearest_try(&n, "包头市");
        assert_null(n.best);
}

static void a_limit_only_caps(void **state)
{
        (void)state;
        static const char *const words[] = {"",         "a",        "firearms", "fireamrs",
                                            "fierarms", "reamsfir", "包头市",   "市包头",
                                            "abcdef",   "badcfe",   "fedcba",   "xfirearmsx"};
        enum { N = sizeof words / sizeof *words, FAR = 64 };
        for (int i = 0; i < N; i++)
                for (int k = 0; k < N; k++)
                        for (unsigned limit = 0; limit < 10; limit++) {
                                unsigned far = text_distance(words[i], words[k], FAR);
                                assert_int_equal(text_distance(words[i], words[k], limit),
                                                 far > limit ? limit + 1 : far);
                        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(builds),
                                           cmocka_unit_test(scaled),
                                           cmocka_unit_test(csv_fields),
                                           cmocka_unit_test(utf8),
                                           cmocka_unit_test(utf8_at_every_place),
                                           cmocka_unit_test(nearest),
                                           cmocka_unit_test(a_limit_only_caps)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
