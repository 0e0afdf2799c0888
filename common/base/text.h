/* text: bytes that grow, and the few questions asked of text everywhere.
 *
 * The builder's error is sticky: after memory ran out every further call does nothing and text_failed says so
 * once, at the end. A zeroed struct is an empty text. `v` is always NUL-terminated once anything was added;
 * text_c never answers NULL. */
#ifndef SUMU_BASE_TEXT_H
#define SUMU_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
        char *v;
        size_t n, cap;
        bool failed;
};

void text_close(struct text *t);
void text_clear(struct text *t); /* keeps the memory */
bool text_failed(const struct text *t);
const char *text_c(const struct text *t);
void text_bytes(struct text *t, const void *p, size_t n);
void text_add(struct text *t, const char *s);
void text_char(struct text *t, char c);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD. NULL prints null. */
void text_json(struct text *t, const char *s);
void text_json_n(struct text *t, const char *s, size_t n);

/* One CSV field, quoted where RFC 4180 asks. With `guard`, text that a spreadsheet would run (= + - @ tab CR
 * LF) gets a leading apostrophe (OWASP ASVS 1.2.10). */
void text_csv(struct text *t, const char *s, bool guard);

/* An integer of `decimals` places as a plain decimal: 1234 with 1 is "123.4"; trailing zeros are cut. */
void text_scaled(struct text *t, int64_t value, unsigned decimals);

/* Lower-case hexadecimal of n bytes; hex_read answers false unless text is exactly 2n hex digits. */
void text_hex(struct text *t, const void *p, size_t n);
bool text_hex_read(const char *s, void *p, size_t n);

/* Valid UTF-8 without NUL, surrogates or overlong forms? text_utf8_end: the place where that ends. */
bool text_is_utf8(const void *p, size_t n);
const char *text_utf8_end(const char *p, const char *end);

/* Decodes one code point at p < end into *cp; answers the bytes used, 0 if invalid. */
size_t text_utf8_next(const char *p, const char *end, uint32_t *cp);

/* Edit distance in code points (insert, delete, replace, swap of neighbours), at most `limit` + 1. */
unsigned text_distance(const char *a, const char *b, unsigned limit);

/* 64-bit FNV-1a, for maps and traces, never for security. */
uint64_t text_hash(const void *p, size_t n);

/* Nearest of a list to `want`: feed candidates, then read `best` (NULL: none close enough). */
struct text_nearest {
        const char *want;
        const char *best;
        unsigned distance;
};
void text_nearest_try(struct text_nearest *n, const char *candidate);

#endif
