/* What people write is turned into the label it means; period_parse then knows which dates exist. */
#include "core/period_read.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { LETTERS = 64 }; /* bytes; the longest form takes half of it */

static bool is_space(uint32_t cp)
{
        return cp == ' ' || cp == '\t' || cp == 0xa0 || cp == 0x3000;
}

/* Full-width ASCII becomes ASCII, a run of spaces one, none at the ends. */
static bool fold(const char *text, char out[LETTERS])
{
        size_t n = 0;
        for (const char *end = text + strlen(text); text < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(text, end, &cp);
                if (!used || n + used >= LETTERS)
                        return false;
                if (is_space(cp)) {
                        if (n && out[n - 1] != ' ')
                                out[n++] = ' ';
                } else if (cp >= 0xff01 && cp <= 0xff5e) {
                        out[n++] = (char)(cp - 0xfee0);
                } else {
                        memcpy(out + n, text, used);
                        n += used;
                }
                text += used;
        }
        if (n && out[n - 1] == ' ')
                n--;
        out[n] = '\0';
        return n > 0;
}

static void skip_space(const char **at)
{
        *at += **at == ' ';
}

static bool take(const char **at, const char *word)
{
        size_t n = strlen(word);
        if (strncmp(*at, word, n) != 0)
                return false;
        *at += n;
        skip_space(at);
        return true;
}

/* A number of one to `most` digits. */
static bool take_number(const char **at, size_t most, int *number)
{
        size_t n = 0;
        for (*number = 0; **at >= '0' && **at <= '9'; ++*at)
                if (++n <= most)
                        *number = *number * 10 + (**at - '0');
        skip_space(at);
        return n >= 1 && n <= most;
}

/* A number in digits or characters, up to 十二. */
static bool take_ordinal(const char **at, int *number)
{
        static const char *const words[] = {"十二", "十一", "十", "九", "八", "七",
                                            "六",   "五",   "四", "三", "二", "一"};
        for (int i = 0; i < 12; i++)
                if (take(at, words[i])) {
                        *number = 12 - i;
                        return true;
                }
        return take_number(at, 2, number);
}

/* What follows 年, up to the end. */
static bool label_of_chinese(const char *at, int year, char label[LETTERS])
{
        int part, day;
        if (!*at)
                return snprintf(label, LETTERS, "%04d", year) > 0;
        for (int half = 1; half <= 2; half++)
                if (take(&at, half == 1 ? "上半年" : "下半年"))
                        return snprintf(label, LETTERS, "%04d-H%d", year, half) > 0 && !*at;
        bool counted = take(&at, "第");
        if (!take_ordinal(&at, &part))
                return false;
        if (take(&at, "季度"))
                return snprintf(label, LETTERS, "%04d-Q%d", year, part) > 0 && !*at;
        if (take(&at, "周"))
                return snprintf(label, LETTERS, "%04d-W%02d", year, part) > 0 && !*at;
        if (counted || !take(&at, "月"))
                return false;
        if (!*at)
                return snprintf(label, LETTERS, "%04d-%02d", year, part) > 0;
        if (!take_number(&at, 2, &day) || !(take(&at, "日") || take(&at, "号")))
                return false;
        return snprintf(label, LETTERS, "%04d-%02d-%02d", year, part, day) > 0 && !*at;
}

/* What follows the first separator: month, or month and day. `2023.9` is left to be a number. */
static bool label_of_parts(const char *at, int year, const char *separator, char label[LETTERS])
{
        int month, day;
        if (!take_number(&at, 2, &month))
                return false;
        if (!*at)
                return *separator != '.' && snprintf(label, LETTERS, "%04d-%02d", year, month) > 0;
        if (!take(&at, separator) || !take_number(&at, 2, &day))
                return false;
        return snprintf(label, LETTERS, "%04d-%02d-%02d", year, month, day) > 0 && !*at;
}

static bool label_of(const char *text, char label[LETTERS])
{
        static const char *const separators[] = {"/", "-", "."};
        const char *at = text;
        int year;
        if (!take_number(&at, 4, &year) || year < 1000)
                return false;
        if (take(&at, "年"))
                return label_of_chinese(at, year, label);
        for (size_t i = 0; i < sizeof separators / sizeof *separators; i++)
                if (take(&at, separators[i]))
                        return label_of_parts(at, year, separators[i], label);
        return false;
}

bool period_read(const char *text, struct period *p)
{
        char folded[LETTERS], label[LETTERS];
        return fold(text, folded) &&
               (period_parse(folded, p) || (label_of(folded, label) && period_parse(label, p)));
}
