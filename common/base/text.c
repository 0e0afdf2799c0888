#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_close(struct text *t)
{
        free(t->v);
        *t = (struct text){0};
}

void text_clear(struct text *t)
{
        t->n = 0;
        t->failed = false;
        if (t->v)
                t->v[0] = '\0';
}

bool text_failed(const struct text *t)
{
        return t->failed;
}

const char *text_c(const struct text *t)
{
        return t->v ? t->v : "";
}

/* Room for n more bytes and the NUL. */
static bool room(struct text *t, size_t n)
{
        if (t->failed || n > SIZE_MAX / 2 - t->n) {
                t->failed = true;
                return false;
        }
        if (t->n + n + 1 <= t->cap)
                return true;
        size_t cap = t->cap ? t->cap : 64;
        while (cap < t->n + n + 1)
                cap *= 2;
        char *v = realloc(t->v, cap);
        if (!v) {
                t->failed = true;
                return false;
        }
        t->v = v;
        t->cap = cap;
        return true;
}

void text_bytes(struct text *t, const void *p, size_t n)
{
        if (!room(t, n))
                return;
        if (n)
                memcpy(t->v + t->n, p, n);
        t->n += n;
        t->v[t->n] = '\0';
}

void text_add(struct text *t, const char *s)
{
        text_bytes(t, s, strlen(s));
}

void text_char(struct text *t, char c)
{
        text_bytes(t, &c, 1);
}

void text_printf(struct text *t, const char *fmt, ...)
{
        va_list ap, again;
        va_start(ap, fmt);
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n >= 0 && room(t, (size_t)n)) {
                vsnprintf(t->v + t->n, (size_t)n + 1, fmt, again);
                t->n += (size_t)n;
        }
        va_end(again);
}

void text_json_n(struct text *t, const char *s, size_t n)
{
        text_char(t, '"');
        for (const char *p = s, *end = s + n; p < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(p, end, &cp);
                if (used == 0) {
                        text_add(t, "\xef\xbf\xbd");
                        p++;
                        continue;
                }
                switch (cp) {
                case '"': text_add(t, "\\\""); break;
                case '\\': text_add(t, "\\\\"); break;
                case '\n': text_add(t, "\\n"); break;
                case '\r': text_add(t, "\\r"); break;
                case '\t': text_add(t, "\\t"); break;
                default:
                        if (cp < 0x20)
                                text_printf(t, "\\u%04x", (unsigned)cp);
                        else
                                text_bytes(t, p, used);
                }
                p += used;
        }
        text_char(t, '"');
}

void text_json(struct text *t, const char *s)
{
        if (s)
                text_json_n(t, s, strlen(s));
        else
                text_add(t, "null");
}

void text_csv(struct text *t, const char *s, bool guard)
{
        guard = guard && *s && strchr("=+-@\t\r\n", *s);
        if (!guard && !strpbrk(s, ",\"\r\n")) {
                text_add(t, s);
                return;
        }
        text_char(t, '"');
        if (guard)
                text_char(t, '\'');
        for (; *s; s++) {
                if (*s == '"')
                        text_char(t, '"');
                text_char(t, *s);
        }
        text_char(t, '"');
}

void text_scaled(struct text *t, int64_t value, unsigned decimals)
{
        uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
        char digits[48];
        int n = snprintf(digits, sizeof digits, "%0*llu", (int)decimals + 1, (unsigned long long)size);
        int whole = n - (int)decimals, end = n;
        while (end > whole && digits[end - 1] == '0')
                end--;
        if (value < 0)
                text_char(t, '-');
        text_bytes(t, digits, (size_t)whole);
        if (end > whole) {
                text_char(t, '.');
                text_bytes(t, digits + whole, (size_t)(end - whole));
        }
}

void text_hex(struct text *t, const void *p, size_t n)
{
        const unsigned char *b = p;
        for (size_t i = 0; i < n; i++) {
                text_char(t, "0123456789abcdef"[b[i] >> 4]);
                text_char(t, "0123456789abcdef"[b[i] & 15]);
        }
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool text_hex_read(const char *s, void *p, size_t n)
{
        unsigned char *b = p;
        for (size_t i = 0; i < n; i++) {
                int hi = hex_digit(s[2 * i]);
                int lo = hi < 0 ? -1 : hex_digit(s[2 * i + 1]);
                if (lo < 0)
                        return false;
                b[i] = (unsigned char)(hi << 4 | lo);
        }
        return s[2 * n] == '\0';
}

size_t text_utf8_next(const char *s, const char *end, uint32_t *cp)
{
        const unsigned char *p = (const unsigned char *)s;
        size_t left = (size_t)(end - s);
        if (left == 0)
                return 0;
        if (p[0] < 0x80) {
                *cp = p[0];
                return 1;
        }
        size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
        if (n == 0 || n > left || p[0] > 0xf4)
                return 0;
        uint32_t v = p[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                v = v << 6 | (p[i] & 0x3fu);
        }
        static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
        if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
                return 0;
        *cp = v;
        return n;
}

/* Most of what is read is plain ASCII: eight bytes at a time are passed over in which no highest bit is set,
 * nor by taking 1 from each, as it is by a NUL. */
static const char *skip_plain(const char *p, const char *end)
{
        for (uint64_t eight; end - p >= 8; p += 8) {
                memcpy(&eight, p, 8);
                if (((eight - UINT64_C(0x0101010101010101)) | eight) & UINT64_C(0x8080808080808080))
                        break;
        }
        return p;
}

const char *text_utf8_end(const char *p, const char *end)
{
        uint32_t cp;
        size_t used;
        while ((p = skip_plain(p, end)) < end && (used = text_utf8_next(p, end, &cp)) > 0 && cp != 0)
                p += used;
        return p;
}

bool text_is_utf8(const void *bytes, size_t n)
{
        const char *p = bytes;
        return text_utf8_end(p, p + n) == p + n;
}

enum { DISTANCE_MAX = 64 };

static size_t code_points(const char *s, uint32_t out[DISTANCE_MAX])
{
        size_t n = 0;
        for (const char *end = s + strlen(s); s < end && n < DISTANCE_MAX; n++) {
                size_t used = text_utf8_next(s, end, &out[n]);
                if (used == 0) {
                        out[n] = 0xfffd;
                        used = 1;
                }
                s += used;
        }
        return n;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
        unsigned m = a < b ? a : b;
        return m < c ? m : c;
}

unsigned text_distance(const char *a, const char *b, unsigned limit)
{
        uint32_t x[DISTANCE_MAX], y[DISTANCE_MAX];
        size_t nx = code_points(a, x), ny = code_points(b, y);
        if ((nx > ny ? nx - ny : ny - nx) > limit)
                return limit + 1;
        unsigned rows[3][DISTANCE_MAX + 1];
        unsigned *before = rows[0], *above = rows[1], *row = rows[2];
        unsigned least_above = 0;
        for (size_t j = 0; j <= ny; j++)
                above[j] = before[j] = (unsigned)j;
        for (size_t i = 1; i <= nx; i++) {
                unsigned least = row[0] = (unsigned)i;
                for (size_t j = 1; j <= ny; j++) {
                        row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x[i - 1] != y[j - 1]));
                        if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1] &&
                            before[j - 2] + 1 < row[j])
                                row[j] = before[j - 2] + 1;
                        least = row[j] < least ? row[j] : least;
                }
                if (least > limit && least_above >= limit)
                        return limit + 1; /* every later cell comes from these two rows */
                least_above = least;
                unsigned *spare = before;
                before = above;
                above = row;
                row = spare;
        }
        return above[ny] > limit ? limit + 1 : above[ny];
}

uint64_t text_hash(const void *p, size_t n)
{
        const unsigned char *b = p;
        uint64_t h = 0xcbf29ce484222325u;
        for (size_t i = 0; i < n; i++)
                h = (h ^ b[i]) * 0x100000001b3u;
        return h;
}

static unsigned characters(const char *s)
{
        unsigned n = 0;
        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

/* Does one hold the other, which is at least half of it: 收缴炸药 and 收缴炸药（吨）? */
static bool holds(const char *a, const char *b)
{
        unsigned x = characters(a), y = characters(b);
        return x >= y ? 2 * y >= x && strstr(a, b) : 2 * x >= y && strstr(b, a);
}

/* A candidate counts as near when at most a third of the wanted text differs, or one holds the other. */
void text_nearest_try(struct text_nearest *n, const char *candidate)
{
        unsigned most = characters(n->want) / 3;
        unsigned limit = n->best ? n->distance : (most > 4 ? 4 : most < 1 ? 1 : most) + 1;
        unsigned d = holds(n->want, candidate) ? 1 : text_distance(n->want, candidate, limit);
        if (d < limit) {
                n->best = candidate;
                n->distance = d;
        }
}
