#include "loop/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PIECE = 16 * 1024 };

/* Appends what is UTF-8 from p on and answers the place where that ends. */
static const char *take_utf8(const char *p, const char *end, struct text *out)
{
        const char *until = text_utf8_end(p, end);
        text_bytes(out, p, (size_t)(until - p));
        return until;
}

static void add_code_point(struct text *out, uint32_t cp)
{
        if (cp < 0x80) {
                text_char(out, (char)cp);
                return;
        }
        if (cp < 0x800) {
                text_char(out, (char)(0xc0 | cp >> 6));
        } else {
                if (cp < 0x10000) {
                        text_char(out, (char)(0xe0 | cp >> 12));
                } else {
                        text_char(out, (char)(0xf0 | cp >> 18));
                        text_char(out, (char)(0x80 | (cp >> 12 & 0x3f)));
                }
                text_char(out, (char)(0x80 | (cp >> 6 & 0x3f)));
        }
        text_char(out, (char)(0x80 | (cp & 0x3f)));
}

static uint32_t unit_at(const char *p, bool big)
{
        const unsigned char *b = (const unsigned char *)p;
        return big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

/* Decoded here rather than by iconv: two lines of arithmetic do not need a file at run time. */
static const char *take_utf16(const char *p, const char *end, bool big, struct text *out)
{
        while (end - p >= 2) {
                uint32_t cp = unit_at(p, big);
                int size = 2;
                if (cp >= 0xd800 && cp < 0xdc00 && end - p >= 4) {
                        uint32_t low = unit_at(p + 2, big);
                        if (low < 0xdc00 || low > 0xdfff)
                                break;
                        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                        size = 4;
                }
                if (cp == 0 || (cp >= 0xd800 && cp <= 0xdfff))
                        break;
                add_code_point(out, cp);
                p += size;
        }
        return p;
}

/* iconv stops at a byte it cannot read, or at the end of our piece. NUL is a character to it, not to us. */
static const char *take_gb18030(iconv_t cd, const char *p, const char *end, struct text *out)
{
        const char *nul = memchr(p, '\0', (size_t)(end - p));
        char *from = (char *)p, piece[PIECE];
        size_t left = (size_t)((nul ? nul : end) - p);
        for (size_t rc = 0; left && rc != (size_t)-1;) {
                char *to = piece;
                size_t room = sizeof piece;
                rc = iconv(cd, &from, &left, &to, &room);
                text_bytes(out, piece, sizeof piece - room);
                if (rc == (size_t)-1 && errno == E2BIG)
                        rc = 0;
        }
        return from;
}

static int missing_converter(struct err *e)
{
        return err_set(
            e, E_MISSING,
            "this system cannot read GB18030: the C library's converter is not installed (gconv-modules and "
            "GB18030.so in its gconv folder); save the file as UTF-8, or add the converter");
}

static int read_gb18030(const char **p, const char *end, struct text *out, struct err *e)
{
        iconv_t cd = iconv_open("UTF-8", "GB18030");
        if (cd == (iconv_t)-1)
                return missing_converter(e);
        *p = take_gb18030(cd, *p, end, out);
        iconv_close(cd);
        return 0;
}

static size_t line_after(const struct text *out)
{
        size_t line = 1;
        for (const char *p = text_c(out); (p = strchr(p, '\n')); p++)
                line++;
        return line;
}

static bool is_workbook(const char *p, size_t n)
{
        return n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "\xd0\xcf\x11\xe0", 4) == 0);
}

int encoding_to_utf8(const void *bytes, size_t n, struct text *out, const char **name, struct err *e)
{
        static const struct {
                const char *name, *mark;
                size_t n;
        } marks[] = {{"UTF-8", "\xef\xbb\xbf", 3}, {"UTF-16LE", "\xff\xfe", 2}, {"UTF-16BE", "\xfe\xff", 2}};
        const char *p = n ? bytes : "", *begin = p, *end = p + n, *found = NULL;
        int code = 0;
        text_clear(out);
        if (is_workbook(p, n)) {
                if (name)
                        *name =
                            "text: it is a workbook, save the sheet as CSV\n文本：这是工作簿，请另存为 CSV";
                return err_set(e, E_SYNTAX, "a workbook cannot be read: save the sheet as CSV");
        }
        for (size_t i = 0; i < sizeof marks / sizeof *marks && !found; i++)
                if (n >= marks[i].n && memcmp(p, marks[i].mark, marks[i].n) == 0) {
                        found = marks[i].name;
                        p += marks[i].n;
                }
        if (!found)
                found = text_is_utf8(p, n) ? "UTF-8" : "GB18030";
        if (strcmp(found, "UTF-8") == 0)
                p = take_utf8(p, end, out);
        else if (strcmp(found, "GB18030") == 0)
                code = read_gb18030(&p, end, out, e);
        else
                p = take_utf16(p, end, strcmp(found, "UTF-16BE") == 0, out);
        if (name)
                *name = found;
        if (code < 0)
                return code;
        if (text_failed(out))
                return err_set(e, E_MEM, "out of memory");
        if (p < end)
                return err_set(e, E_SYNTAX,
                               "not readable as %s: byte 0x%02x at line %zu (byte %zu of the file)", found,
                               (unsigned char)*p, line_after(out), (size_t)(p - begin) + 1);
        return 0;
}
