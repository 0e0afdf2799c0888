/* A figure written in any of the ways people write it reads back as what it was. */
#include "lib/law.h"

#include <string.h>

#include "base/text.h"
#include "core/number.h"

enum { ROUNDS = 20000 };

static const char *pick(struct seed *s, const char *const *list, size_t n)
{
        return list[seed_below(s, n)];
}
#define PICK(s, ...) \
        pick(s, (const char *const[]){__VA_ARGS__}, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *))

static const char *some_space(struct seed *s)
{
        return PICK(s, "", "", "", " ", "  ", "\t", "\u3000", "\u00a0", " \u2009 ");
}

/* A size of any magnitude, often round. */
static int64_t some_size(struct seed *s)
{
        int64_t size = (int64_t)seed_below(s, (uint64_t)VALUE_MAX + 1), ten = 1;
        for (uint64_t n = seed_below(s, 16); n > 0; n--)
                ten *= 10;
        return seed_below(s, 2) ? size % ten : size / ten * ten;
}

/* One digit or sign, now and then in full width. */
static void put(struct text *t, char c, bool wide)
{
        if (!wide) {
                text_char(t, c);
                return;
        }
        unsigned cp = 0xff01u + (unsigned)(c - '!');
        const char bytes[] = {(char)(0xe0 | cp >> 12), (char)(0x80 | (cp >> 6 & 0x3f)),
                              (char)(0x80 | (cp & 0x3f))};
        text_bytes(t, bytes, sizeof bytes);
}

/* size / 10^places in decimal, with leading zeros, commas, and zeros behind the point as the seed likes. */
static void write_figure(struct text *t, struct seed *s, int64_t size, unsigned places)
{
        struct text plain = {0};
        for (uint64_t zeros = seed_below(s, 4) ? 0 : seed_below(s, 4); zeros > 0; zeros--)
                text_char(&plain, '0');
        text_scaled(&plain, size, places);
        const char *digits = text_c(&plain), *point = strchr(digits, '.');
        size_t whole = point ? (size_t)(point - digits) : strlen(digits);
        bool commas = seed_below(s, 2), wide = seed_below(s, 4) == 0;
        for (size_t i = 0; i < whole; i++) {
                if (commas && i > 0 && (whole - i) % 3 == 0)
                        put(t, ',', wide);
                put(t, digits[i], wide);
        }
        uint64_t zeros = seed_below(s, 4) ? 0 : seed_below(s, 5);
        if (point || zeros)
                put(t, '.', wide);
        for (const char *p = point ? point + 1 : ""; *p; p++)
                put(t, *p, wide);
        for (; zeros > 0; zeros--)
                put(t, '0', wide);
        text_close(&plain);
}

static void every_style_reads_back(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct number_form form = {(unsigned)seed_below(&s, 5), "公斤", "kg"};
                int64_t size = some_size(&s);
                enum qualifier q = (enum qualifier)seed_below(&s, 3);
                bool negative = q == EXACT && seed_below(&s, 4) == 0;
                unsigned power = (unsigned)seed_below(&s, 3) * 4; /* none, 万, 亿 */
                const char *multiplier = power == 4 ? "万" : power == 8 ? "亿" : "";
                bool front = q != EXACT && seed_below(&s, 2), both = q == ABOUT && front && seed_below(&s, 2);
                const char *behind = q == EXACT ? "" : q == ABOUT ? "左右" : PICK(&s, "余", "多", "以上");
                bool inner = q == AT_LEAST && !front && seed_below(&s, 2);
                const char *unit = PICK(&s, "", "公斤", "kg");

                struct text t = {0};
                text_add(&t, some_space(&s));
                if (front)
                        text_add(&t, q == ABOUT ? PICK(&s, "约", "~", "～") : PICK(&s, ">=", "≥", "＞＝"));
                if (front)
                        text_add(&t, some_space(&s));
                if (negative)
                        text_add(&t, PICK(&s, "-", "−", "－"));
                write_figure(&t, &s, size, form.decimals + power);
                text_add(&t, some_space(&s));
                if (inner)
                        text_add(&t, PICK(&s, "余", "多"));
                text_add(&t, multiplier);
                bool unit_first = seed_below(&s, 2);
                text_add(&t, unit_first ? unit : "");
                text_add(&t, some_space(&s));
                if (q != EXACT && !inner && (!front || both))
                        text_add(&t, behind);
                text_add(&t, some_space(&s));
                text_add(&t, unit_first ? "" : unit);
                text_add(&t, some_space(&s));

                struct number got = number_read(t.v, t.n, form);
                if (got.kind != NUMBER_GIVEN || got.value != (negative ? -size : size) || got.q != q)
                        fail_msg("SUMU_SEED=%" PRIu64 ": \"%s\" reads as %d %" PRId64 " %s", seed_of_run(),
                                 text_c(&t), (int)got.kind, got.value, qualifier_word(got.q));
                text_close(&t);
        }
}

/* One digit more than is allowed, and not zero: too precise, whatever the multiplier. */
static void never_rounds(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct number_form form = {(unsigned)seed_below(&s, 5), NULL, NULL};
                unsigned power = (unsigned)seed_below(&s, 3) * 4, more = 1 + (unsigned)seed_below(&s, 6);
                int64_t size = some_size(&s) / 10 * 10 + seed_between(&s, 1, 9);
                struct text t = {0};
                text_scaled(&t, size, form.decimals + power + more);
                text_add(&t, power == 4 ? "万" : power == 8 ? "亿" : "");
                struct number got = number_read(t.v, t.n, form);
                HOLDS(got.kind == NUMBER_REFUSED && got.reason == REASON_TOO_PRECISE);
                text_close(&t);
        }
}

/* Letters thrown together: never anything outside the promise. */
static void any_text_is_judged(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct text t = {0};
                for (uint64_t n = seed_below(&s, 8); n > 0; n--)
                        text_add(&t, PICK(&s, "0", "1", "9", ",", ".", "万", "亿", "余", "多", "以上", "约",
                                          "左右", "≥", ">=", "~", "-", "支", " ", "５", "，", "<", "\xff"));
                struct number got = number_read(text_c(&t), t.n, (struct number_form){1, "支", "%"});
                if (got.kind == NUMBER_GIVEN)
                        HOLDS(got.value <= VALUE_MAX && got.value >= -VALUE_MAX &&
                              (got.q == EXACT || got.value >= 0));
                if (got.kind == NUMBER_REFUSED)
                        HOLDS(got.reason == REASON_TOO_LARGE || got.reason == REASON_TOO_PRECISE ||
                              (got.reason == REASON_NOT_A_NUMBER && *got.advice_en && *got.advice_zh));
                text_close(&t);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_style_reads_back),
            cmocka_unit_test(never_rounds),
            cmocka_unit_test(any_text_is_judged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
