#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/csv.h"

#include <stdlib.h>
#include <string.h>

/* Prints a record as "line:field|field;". */
static bool print(void *ctx, const struct csv_record *r)
{
        struct text *out = ctx;
        text_printf(out, "%u:", r->line);
        for (size_t i = 0; i < r->n; i++)
                text_printf(out, "%s%s", i ? "|" : "", r->fields[i]);
        text_char(out, ';');
        return strcmp(r->fields[0], "stop") != 0;
}

static void expect(const char *input, enum csv_end want, const char *records, uint32_t line)
{
        struct text out = {0};
        uint32_t at = 0;
        assert_int_equal(csv_read(input, strlen(input), print, &out, &at), want);
        assert_string_equal(text_c(&out), records);
        if (line)
                assert_int_equal(at, line);
        text_close(&out);
}

static void records(void **state)
{
        (void)state;
        expect("", CSV_FINE, "", 0);
        expect("a,b\n1,2\n", CSV_FINE, "1:a|b;2:1|2;", 0);
        expect("a,b\r\n1,2\r\n", CSV_FINE, "1:a|b;2:1|2;", 0);
        expect("a,b\r1,2", CSV_FINE, "1:a|b;2:1|2;", 0);
        expect("\xef\xbb\xbf地区,数值\n包头市,5万余\n", CSV_FINE, "1:地区|数值;2:包头市|5万余;", 0);
        expect("a,,\n,\n", CSV_FINE, "1:a||;2:|;", 0);
        expect(" a , \" b \" ,c d\n", CSV_FINE, "1:a| b |c d;", 0);
        expect("\"x \"\"y\"\", z\"\n", CSV_FINE, "1:x \"y\", z;", 0);
}

static void lines(void **state)
{
        (void)state;
        expect("a\n\n  \nb\n", CSV_FINE, "1:a;4:b;", 0);
        expect("a\r\n\r\nb\r\n", CSV_FINE, "1:a;3:b;", 0);
        expect("a\n\"two\nlines\",x\nb\n", CSV_FINE, "1:a;2:two\nlines|x;4:b;", 0);
        expect("\"q\r\nr\"\r\nb", CSV_FINE, "1:q\r\nr;3:b;", 0);
}

static void faults(void **state)
{
        (void)state;
        expect("a\nb\"c\nd\n", CSV_BAD_QUOTE, "1:a;", 2);
        expect("a\n\"b\"c\nd\n", CSV_BAD_QUOTE, "1:a;", 2);
        expect("a\nb\n\"never\nclosed\n", CSV_BAD_QUOTE, "1:a;2:b;", 3);
        expect("a\nstop\nb\n", CSV_STOPPED, "1:a;2:stop;", 2);
        assert_string_equal(csv_sentence(CSV_BAD_COLUMNS, LANG_EN), "more than 1,000 columns");

        struct text out = {0};
        assert_int_equal(csv_read("a\nb\0c\n", 6, print, &out, NULL), CSV_BAD_NUL);
        text_close(&out);
}

/* n times `unit`, read whole. */
static enum csv_end read_many(const char *before, const char *unit, size_t n)
{
        struct text input = {0}, out = {0};
        text_add(&input, before);
        for (size_t i = 0; i < n; i++)
                text_add(&input, unit);
        enum csv_end end = csv_read(text_c(&input), input.n, print, &out, NULL);
        text_close(&input);
        text_close(&out);
        return end;
}

static void limits(void **state)
{
        (void)state;
        assert_int_equal(read_many("", ",", CSV_COLUMNS - 1), CSV_FINE);
        assert_int_equal(read_many("", ",", CSV_COLUMNS), CSV_BAD_COLUMNS);
        assert_int_equal(read_many("", "x", CSV_FIELD), CSV_FINE);
        assert_int_equal(read_many("", "x", CSV_FIELD + 1), CSV_BAD_FIELD);
        assert_int_equal(read_many("\"", "x", 4 * CSV_FIELD), CSV_BAD_FIELD);

        struct text field = {0};
        for (int i = 0; i < CSV_FIELD; i++)
                text_char(&field, 'x');
        text_char(&field, ',');
        assert_int_equal(read_many("", text_c(&field), CSV_RECORD / CSV_FIELD), CSV_FINE);
        assert_int_equal(read_many("", text_c(&field), CSV_RECORD / CSV_FIELD + 1), CSV_BAD_RECORD);
        text_close(&field);
}

/* However the bytes are cut, the records are the same. */
static void pieces(void **state)
{
        (void)state;
        static const char input[] = "\xef\xbb\xbf"
                                    "a,b\r\n\r\n\"x\r\ny\",包头\rlast,1";
        static const char want[] = "1:a|b;3:x\r\ny|包头;5:last|1;";
        for (size_t size = 1; size < sizeof input; size++) {
                struct text out = {0};
                struct csv_reader *r = csv_reader_new(print, &out);
                for (size_t at = 0; at < sizeof input - 1; at += size) {
                        size_t left = sizeof input - 1 - at;
                        assert_int_equal(csv_reader_feed(r, input + at, left < size ? left : size), CSV_FINE);
                }
                assert_int_equal(csv_reader_end(r), CSV_FINE);
                assert_string_equal(text_c(&out), want);
                csv_reader_free(r);
                text_close(&out);
        }
}

/* The first two bytes of a byte order mark, then something else: ordinary text. */
static void half_a_mark(void **state)
{
        (void)state;
        struct text out = {0};
        struct csv_reader *r = csv_reader_new(print, &out);
        assert_int_equal(csv_reader_feed(r, "\xef", 1), CSV_FINE);
        assert_int_equal(csv_reader_feed(r, "\xbc\x91,b", 4), CSV_FINE);
        assert_int_equal(csv_reader_end(r), CSV_FINE);
        assert_string_equal(text_c(&out), "1:１|b;");
        csv_reader_free(r);
        text_close(&out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(lines),
                                           cmocka_unit_test(faults),  cmocka_unit_test(limits),
                                           cmocka_unit_test(pieces),  cmocka_unit_test(half_a_mark)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
