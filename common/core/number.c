/* The text is first folded: full-width forms to ASCII, every run of spaces to one, so that what follows
 * compares code points only. A figure is kept as its significant digits and a power of ten, both exact; 万,
 * 亿 and the indicator's decimals only change the power, and what a negative power would cut off is what
 * makes it too precise. */
#include "core/number.h"

#include "base/text.h"

#include <string.h>

enum {
        LETTERS = 96,      /* more is no figure; a long unit and all qualifiers fit */
        DIGITS_KEPT = 18,  /* beyond, a figure is too large or too precise for certain */
        VALUE_DIGITS = 16, /* of VALUE_MAX */
        GROUP = 3,
};

enum advice {
#define ADVICE(name, en, zh) ADVICE_##name,
#include "core/number.def"
#undef ADVICE
};

static const struct {
        const char *en, *zh;
} advices[] = {
#define ADVICE(name, en, zh) {en, zh},
#include "core/number.def"
#undef ADVICE
};

struct hint {
        const char *word;
        enum advice advice;
};

static const struct hint front_hints[] = {
#define FRONT(word, advice) {word, ADVICE_##advice},
#include "core/number.def"
#undef FRONT
    {NULL, ADVICE_PLAIN},
};

static const struct hint behind_hints[] = {
#define BEHIND(word, advice) {word, ADVICE_##advice},
#include "core/number.def"
#undef BEHIND
    {NULL, ADVICE_UNIT},
};

static const char *const qualifier_words[] = {
#define QUALIFIER(name, word) word,
    QUALIFIERS(QUALIFIER)
#undef QUALIFIER
};

const char *qualifier_word(enum qualifier q)
{
        return qualifier_words[q];
}

/* ---- folding ---- */

struct letters {
        uint32_t v[LETTERS];
        size_t n;
};

static uint32_t letter_fold(uint32_t cp)
{
        if (cp >= 0xff01 && cp <= 0xff5e) /* full-width ASCII */
                return cp - 0xfee0;
        if (cp == 0x2212) /* minus sign */
                return '-';
        bool space = (cp >= 0x09 && cp <= 0x0d) || cp == 0xa0 || cp == 0x1680 ||
                     (cp >= 0x2000 && cp <= 0x200b) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
                     cp == 0x205f || cp == 0x3000 || cp == 0xfeff;
        return space ? ' ' : cp;
}

/* false, with advice: not UTF-8, or too long. */
static bool letters_fold(struct letters *l, const char *text, size_t n, enum advice *advice)
{
        bool gap = false; /* spaces since the last letter; they count once another follows */
        l->n = 0;
        for (const char *end = text + n; text < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(text, end, &cp);
                if (used == 0) {
                        *advice = ADVICE_ENCODED;
                        return false;
                }
                text += used;
                cp = letter_fold(cp);
                if (cp == ' ') {
                        gap = l->n > 0;
                        continue;
                }
                if (l->n + gap >= LETTERS) {
                        *advice = ADVICE_LONG;
                        return false;
                }
                if (gap)
                        l->v[l->n++] = ' ';
                l->v[l->n++] = cp;
                gap = false;
        }
        return true;
}

/* ---- reading ---- */

/* What has been read of a text so far. */
struct reader {
        struct letters text;
        size_t at;
        struct number_form form;
        bool negative, at_least, about_front, about_behind, unit;

        uint64_t digits; /* the figure is digits * 10^power, its last digit not 0 */
        unsigned significant;
        int power;

        enum advice advice; /* why it failed */
};

static bool fail(struct reader *r, enum advice advice)
{
        r->advice = advice;
        return false;
}

static uint32_t peek(const struct reader *r)
{
        return r->at < r->text.n ? r->text.v[r->at] : 0;
}

/* The letters of `word` if it stands at this place, else 0. */
static size_t word_here(const struct reader *r, const char *word)
{
        size_t at = r->at;
        for (const char *end = word + strlen(word); word < end; at++) {
                uint32_t cp;
                word += text_utf8_next(word, end, &cp);
                if (at == r->text.n || r->text.v[at] != cp)
                        return 0;
        }
        return at - r->at;
}

static bool take(struct reader *r, const char *word)
{
        size_t n = word_here(r, word);
        r->at += n;
        return n > 0;
}

static void skip_space(struct reader *r)
{
        r->at += peek(r) == ' ';
}

static bool fail_by_hint(struct reader *r, const struct hint *hints)
{
        while (hints->word && !word_here(r, hints->word))
                hints++;
        return fail(r, hints->advice);
}

static size_t unit_here(const struct reader *r, const char *unit)
{
        struct letters u;
        enum advice unused;
        if (!unit || !letters_fold(&u, unit, strlen(unit), &unused) || u.n > r->text.n - r->at)
                return 0;
        return memcmp(u.v, r->text.v + r->at, u.n * sizeof *u.v) == 0 ? u.n : 0;
}

static bool take_unit(struct reader *r)
{
        size_t zh = unit_here(r, r->form.unit_zh), en = unit_here(r, r->form.unit_en);
        size_t n = zh > en ? zh : en;
        if (n == 0 || r->unit)
                return false;
        r->at += n;
        return r->unit = true;
}

static bool take_once(struct reader *r, const char *word, bool *said)
{
        return !*said && take(r, word) && (*said = true);
}

/* Appends one digit: zeros wait in `power` until a digit after them makes them significant. */
static void digit_add(struct reader *r, unsigned digit)
{
        if (digit == 0) {
                r->power++;
                return;
        }
        if (r->digits == 0)
                r->power = 0; /* leading zeros say nothing */
        r->significant += (unsigned)r->power + 1;
        if (r->significant <= DIGITS_KEPT)
                for (; r->power > 0; r->power--)
                        r->digits *= 10;
        r->power = 0;
        r->digits = r->significant <= DIGITS_KEPT ? r->digits * 10 + digit : r->digits;
}

static unsigned take_digits(struct reader *r)
{
        unsigned n = 0;
        for (uint32_t c; (c = peek(r)) >= '0' && c <= '9'; n++, r->at++)
                digit_add(r, c - '0');
        return n;
}

static bool take_figure(struct reader *r)
{
        unsigned first = take_digits(r), decimals = 0;
        if (first == 0)
                return fail_by_hint(r, front_hints);
        if (peek(r) == ',' && first > GROUP)
                return fail(r, ADVICE_GROUPS);
        while (take(r, ","))
                if (take_digits(r) != GROUP)
                        return fail(r, ADVICE_GROUPS);
        if (take(r, ".")) {
                decimals = take_digits(r);
                if (decimals == 0)
                        return fail(r, ADVICE_POINT);
        }
        r->power -= (int)decimals;
        return true;
}

static void take_front(struct reader *r)
{
        if (take_once(r, "约", &r->about_front) || take_once(r, "~", &r->about_front) ||
            take_once(r, ">=", &r->at_least) || take_once(r, "≥", &r->at_least))
                skip_space(r);
}

static void take_multiplier(struct reader *r)
{
        skip_space(r);
        if (take_unit(r))
                return;
        if (take_once(r, "余", &r->at_least) || take_once(r, "多", &r->at_least))
                skip_space(r);
        if (take(r, "万"))
                r->power += 4;
        else if (take(r, "亿"))
                r->power += 8;
}

static bool take_behind(struct reader *r)
{
        for (skip_space(r); r->at < r->text.n; skip_space(r)) {
                bool known = take_unit(r) || take_once(r, "余", &r->at_least) ||
                             take_once(r, "多", &r->at_least) || take_once(r, "以上", &r->at_least) ||
                             take_once(r, "左右", &r->about_behind);
                if (!known && peek(r) >= '0' && peek(r) <= '9')
                        return fail(r, ADVICE_APART);
                if (!known)
                        return fail_by_hint(r, behind_hints);
        }
        return true;
}

static bool take_all(struct reader *r)
{
        take_front(r);
        r->negative = take(r, "-");
        if (!take_figure(r))
                return false;
        take_multiplier(r);
        if (!take_behind(r))
                return false;
        bool exact = !r->at_least && !r->about_front && !r->about_behind;
        return !r->negative || exact || fail(r, ADVICE_NEGATIVE);
}

/* ---- the result ---- */

static bool is_blank(const struct letters *l)
{
        const uint32_t dash = 0x2014;
        switch (l->n) {
        case 0: return true;
        case 1: return l->v[0] == '-' || l->v[0] == dash;
        case 2: return l->v[0] == dash && l->v[1] == dash;
        default: return false;
        }
}

static struct number refused(enum advice advice)
{
        return (struct number){.kind = NUMBER_REFUSED,
                               .reason = REASON_NOT_A_NUMBER,
                               .advice_en = advices[advice].en,
                               .advice_zh = advices[advice].zh};
}

static struct number out_of_bounds(enum reason_code reason)
{
        return (struct number){.kind = NUMBER_REFUSED, .reason = reason};
}

/* The figure in the smallest unit: digits * 10^(power + decimals), if that is whole and not too large. */
static struct number scaled(const struct reader *r)
{
        int64_t value = 0;
        if (r->digits) {
                int power = r->power + (int)r->form.decimals;
                if (power < 0)
                        return out_of_bounds(REASON_TOO_PRECISE);
                if (r->significant + (unsigned)power > VALUE_DIGITS)
                        return out_of_bounds(REASON_TOO_LARGE);
                value = (int64_t)r->digits;
                while (power-- > 0)
                        value *= 10;
                if (value > VALUE_MAX)
                        return out_of_bounds(REASON_TOO_LARGE);
        }
        bool about = r->about_front || r->about_behind;
        return (struct number){.kind = NUMBER_GIVEN,
                               .value = r->negative ? -value : value,
                               .q = about         ? ABOUT
                                    : r->at_least ? AT_LEAST
                                                  : EXACT};
}

struct number number_read(const char *text, size_t n, struct number_form form)
{
        struct reader r = {.form = form};
        if (!letters_fold(&r.text, text, n, &r.advice))
                return refused(r.advice);
        if (is_blank(&r.text))
                return (struct number){.kind = NUMBER_BLANK};
        return take_all(&r) ? scaled(&r) : refused(r.advice);
}
