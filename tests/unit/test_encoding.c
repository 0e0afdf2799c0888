#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/encoding.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct err e;

#define BYTES(s) (s), sizeof(s) - 1

static void reads_all_four(void **state)
{
        (void)state;
        static const struct {
                const char *bytes;
                size_t n;
                const char *name, *text;
        } cases[] = {
            {BYTES(""), "UTF-8", ""},
            {BYTES("plain\r\n"), "UTF-8", "plain\r\n"},
            {BYTES("包头\n"), "UTF-8", "包头\n"},
            {BYTES("\xef\xbb\xbf包头"), "UTF-8", "包头"},
            {BYTES("\xef\xbb\xbf"), "UTF-8", ""},
            {BYTES("\xff\xfe\x05\x53\x34\x59\n\0"), "UTF-16LE", "包头\n"},
            {BYTES("\xfe\xff\x53\x05\x59\x34\0\n"), "UTF-16BE", "包头\n"},
            {BYTES("\xff\xfe\x40\xd8\x00\xdc"), "UTF-16LE", "𠀀"},
            {BYTES("\xfe\xff\x00\xe9\x00\x41"), "UTF-16BE", "éA"},
            {BYTES("\xb0\xfc\xcd\xb7,12\n"), "GB18030", "包头,12\n"}, /* GB2312 */
            {BYTES("\x96\x7c\x81\x40"), "GB18030", "東丂"},           /* GBK */
            {BYTES("\xa3\xb1\xa3\xb2"), "GB18030", "１２"},           /* full width */
            {BYTES("\x81\x39\xee\x39\x8a\x6e"), "GB18030", "㐀妌"},   /* four bytes: Extension A */
            {BYTES("\x95\x32\x82\x36\xb0\xfc"), "GB18030", "𠀀包"},   /* Extension B */
            {BYTES("\x81\x34\xd6\x30"), "GB18030", "ᠠ"},              /* Mongolian */
        };
        struct text out = {0};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *name = NULL;
                if (encoding_to_utf8(cases[i].bytes, cases[i].n, &out, &name, &e) < 0)
                        fail_msg("case %zu: %s", i, e.text);
                assert_string_equal(name, cases[i].name);
                assert_string_equal(text_c(&out), cases[i].text);
        }
        text_close(&out);
}

/* An image into which nobody copied the converters. It comes first, before the library has read any; only
 * root can play it. */
static void says_what_is_missing(void **state)
{
        (void)state;
        char nothing[] = "/tmp/sumu-nothing-XXXXXX";
        int status = 0;
        if (geteuid() != 0)
                skip();
        assert_non_null(mkdtemp(nothing));
        pid_t child = fork();
        if (child == 0) {
                struct text out = {0};
                if (chroot(nothing) != 0)
                        _exit(2);
                int code = encoding_to_utf8(BYTES("\xb0\xfc"), &out, NULL, &e);
                _exit(code == E_MISSING && strstr(e.text, "cannot read GB18030") ? 0 : 1);
        }
        waitpid(child, &status, 0);
        rmdir(nothing);
        assert_int_equal(status, 0);
}

static void names_the_first_bad_byte(void **state)
{
        (void)state;
        static const struct {
                const char *bytes;
                size_t n;
                const char *name, *before, *sentence;
        } cases[] = {
            {BYTES("\xef\xbb\xbf"
                   "a\nb\xff"),
             "UTF-8", "a\nb", "byte 0xff at line 2 (byte 7 of the file)"},
            {BYTES("\xb0\xfc\n\xff\n"), "GB18030", "包\n", "byte 0xff at line 2 (byte 4 of the file)"},
            {BYTES("\xb0\xfc\n\xb0"), "GB18030", "包\n", "byte 0xb0 at line 2 (byte 4 of the file)"},
            {BYTES("a\0b"), "GB18030", "a", "byte 0x00 at line 1 (byte 2 of the file)"},
            {BYTES("\xff\xfe\x41\0\x00\xd8"), "UTF-16LE", "A", "byte 0x00 at line 1 (byte 5 of the file)"},
            {BYTES("\xff\xfe\x00\xdc\x41\0"), "UTF-16LE", "", "(byte 3 of the file)"},
            {BYTES("\xff\xfe\x41\0\x42"), "UTF-16LE", "A", "byte 0x42 at line 1 (byte 5 of the file)"},
            {BYTES("\xfe\xff\0\0"), "UTF-16BE", "", "byte 0x00 at line 1 (byte 3 of the file)"},
        };
        struct text out = {0};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *name = NULL;
                assert_int_equal(encoding_to_utf8(cases[i].bytes, cases[i].n, &out, &name, &e), E_SYNTAX);
                assert_string_equal(name, cases[i].name);
                assert_string_equal(text_c(&out), cases[i].before);
                if (!strstr(e.text, cases[i].sentence))
                        fail_msg("case %zu: %s", i, e.text);
        }
        text_close(&out);
}

/* One conversion of the C library's, of a whole text. */
static struct text converted(const char *to, const char *from, const void *bytes, size_t n)
{
        struct text out = {.v = malloc(4 * n), .cap = 4 * n};
        char *at = (char *)bytes, *end = out.v;
        size_t room = 4 * n;
        iconv_t cd = iconv_open(to, from);
        assert_true(iconv(cd, &at, &n, &end, &room) != (size_t)-1);
        iconv_close(cd);
        out.n = (size_t)(end - out.v);
        return out;
}

/* Every code point there and back, in one text that is longer than a piece of the conversion. Left out are
 * the private area, which standards of different years map differently, and most of the planes nobody writes
 * in. */
static void loses_nothing(void **state)
{
        (void)state;
        static uint32_t every[0x31000];
        size_t n = 0;
        for (uint32_t cp = 1; cp < 0x110000; cp += cp < 0x30000 ? 1 : 977)
                if (cp < 0xd800 || cp >= 0xf900)
                        every[n++] = cp;
        struct text want = converted("UTF-8", "UTF-32LE", every, 4 * n), back = {0};
        struct text gb = converted("GB18030", "UTF-8", want.v, want.n);
        const char *name;
        if (encoding_to_utf8(gb.v, gb.n, &back, &name, &e) < 0)
                fail_msg("%s", e.text);
        assert_string_equal(name, "GB18030");
        assert_int_equal(back.n, want.n);
        assert_memory_equal(back.v, want.v, want.n);
        text_close(&gb);
        text_close(&want);
        text_close(&back);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(says_what_is_missing),
            cmocka_unit_test(reads_all_four),
            cmocka_unit_test(names_the_first_bad_byte),
            cmocka_unit_test(loses_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
