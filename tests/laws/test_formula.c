/* Formulas grown at random, written down with brackets here and there, evaluate to what their tree says. */
#include "lib/law.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/formula.h"

enum { ROUNDS = 4000, NODES = 64, INDICATORS = 4 };

struct node {
        char what; /* 1 a number, i an indicator, + - * /, l lag, y yoy, m mean */
        int n;     /* the number in hundredths, the indicator, or how far back */
        int left, right;
};

struct tree {
        struct node v[NODES];
        int n;
};

/* ---- what an indicator is worth in a period: by hash, now and then missing or not exact ---- */

static bool get(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        struct seed s = seed_from(*(const uint64_t *)ctx ^ (uint64_t)period_id(p) * 8 ^ indicator);
        seed_next(&s);
        *value = fraction_of(seed_between(&s, -20, 1000), (unsigned)seed_below(&s, 3));
        *q = seed_below(&s, 6) ? EXACT : (enum qualifier)seed_below(&s, 3);
        return seed_below(&s, 200) != 0;
}

static int find(void *ctx, const char *name, const char **near)
{
        (void)ctx;
        *near = NULL;
        return name[0] >= 'a' && name[0] < 'a' + INDICATORS && name[1] == '\0' ? name[0] - 'a' : -1;
}

/* ---- the slow and obvious evaluation ---- */

static bool worth(const struct tree *t, int at, struct period p, const uint64_t *data, struct fraction *v,
                  bool *about)
{
        const struct node *n = &t->v[at];
        struct fraction a, b;
        struct period then;
        enum qualifier q;
        switch (n->what) {
        case '1': *v = fraction_of(n->n, 2); return true;
        case 'i':
                if (!get((void *)(uintptr_t)data, (uint32_t)n->n, p, v, &q))
                        return false;
                *about |= q != EXACT;
                return true;
        case 'l': return period_shift(p, -n->n, &then) && worth(t, n->left, then, data, v, about);
        case 'y': return period_year_ago(p, &then) && worth(t, n->left, then, data, v, about);
        case 'm':
                *v = (struct fraction){0, 1};
                for (int i = 0; i < n->n; i++)
                        if (!period_shift(p, -i, &then) || !worth(t, n->left, then, data, &a, about) ||
                            !fraction_add(*v, a, v))
                                return false;
                return fraction_divide(*v, fraction_of(n->n, 0), v);
        default: break;
        }
        if (!worth(t, n->left, p, data, &a, about) || !worth(t, n->right, p, data, &b, about))
                return false;
        return n->what == '+'   ? fraction_add(a, b, v)
               : n->what == '-' ? fraction_subtract(a, b, v)
               : n->what == '*' ? fraction_multiply(a, b, v)
                                : fraction_divide(a, b, v);
}

/* ---- growing and writing ---- */

static int grow(struct tree *t, struct seed *s, int depth)
{
        int at = t->n++;
        struct node n = {.what = "1i"[seed_below(s, 4) != 0]};
        if (depth > 0 && t->n < NODES - 2 * depth - 2)
                n.what = "1iii+++---***///lym"[seed_below(s, 19)];
        switch (n.what) {
        case '1': n.n = (int)seed_below(s, 1000); break;
        case 'i': n.n = (int)seed_below(s, INDICATORS); break;
        case 'l': n.n = (int)seed_below(s, 13); break;
        case 'm': n.n = 1 + (int)seed_below(s, 4); break;
        default: break;
        }
        if (!strchr("1i", n.what))
                n.left = grow(t, s, depth - 1);
        if (strchr("+-*/", n.what))
                n.right = grow(t, s, depth - 1);
        t->v[at] = n;
        return at;
}

static int binding(char what)
{
        return what == '+' || what == '-' ? 1 : what == '*' || what == '/' ? 2 : 3;
}

static void blank(struct text *out, struct seed *s)
{
        text_add(out, seed_below(s, 3) ? "" : " ");
}

/* In brackets where it must be: it binds less than `least`; and sometimes where it need not. */
static void write(const struct tree *t, int at, int least, struct seed *s, struct text *out)
{
        const struct node *n = &t->v[at];
        bool brackets = binding(n->what) < least || seed_below(s, 8) == 0;
        blank(out, s);
        text_add(out, brackets ? "(" : "");
        switch (n->what) {
        case '1': text_printf(out, "%d.%02d", n->n / 100, n->n % 100); break;
        case 'i': text_char(out, (char)('a' + n->n)); break;
        case 'l':
        case 'y':
        case 'm':
                text_add(out, n->what == 'l' ? "lag" : n->what == 'y' ? "yoy" : "mean");
                blank(out, s);
                text_char(out, '(');
                write(t, n->left, 0, s, out);
                if (n->what != 'y')
                        text_printf(out, ",%d", n->n);
                text_char(out, ')');
                break;
        default:
                write(t, n->left, binding(n->what), s, out);
                text_char(out, n->what);
                write(t, n->right, binding(n->what) + 1, s, out);
        }
        text_add(out, brackets ? ")" : "");
        blank(out, s);
}

static struct period some_period(struct seed *s)
{
        int32_t day = (int32_t)seed_between(s, day_of(1990, 1, 1), day_of(2050, 1, 1));
        return period_of((enum period_kind)seed_below(s, PERIOD_SPAN), day);
}

static const struct formula_names names = {find, NULL};

static void value_is_the_trees(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        int values = 0;
        for (int i = 0; i < ROUNDS; i++) {
                struct tree t = {.n = 0};
                struct text text = {0};
                struct err e = {0};
                grow(&t, &s, 5);
                write(&t, 0, 0, &s, &text);
                struct formula *f = formula_parse(text_c(&text), false, names, &e);
                if (!f)
                        fail_msg("SUMU_SEED=%" PRIu64 ": %s: %s", seed_of_run(), text_c(&text), e.text);
                uint64_t data = seed_next(&s);
                struct period p = some_period(&s);
                struct fraction want, got;
                enum qualifier q;
                bool about = false, some = worth(&t, 0, p, &data, &want, &about);
                bool same = formula_value(f, p, (struct formula_source){get, &data}, &got, &q) == some;
                if (same && some)
                        same = got.num == want.num && got.den == want.den && q == (about ? ABOUT : EXACT);
                if (!same)
                        fail_msg("SUMU_SEED=%" PRIu64 ": %s", seed_of_run(), text_c(&text));
                values += some;
                formula_free(f);
                text_close(&text);
        }
        HOLDS(values > ROUNDS / 3); /* else the law says little */
}

/* A check holds exactly when its sides compare so. */
static void check_compares_the_sides(void **state)
{
        (void)state;
        static const char *const signs[] = {"<", "<=", "=", "!=", ">=", ">"};
        struct seed s = seed_from(seed_of_run());
        for (int i = 0; i < ROUNDS; i++) {
                struct tree left = {.n = 0}, right = {.n = 0};
                struct text text = {0};
                grow(&left, &s, 2);
                grow(&right, &s, 2);
                if (seed_below(&s, 4) == 0)
                        right = left;
                uint64_t sign = seed_below(&s, 6), data = seed_next(&s);
                write(&left, 0, 0, &s, &text);
                text_add(&text, signs[sign]);
                write(&right, 0, 0, &s, &text);
                struct formula *f = formula_parse(text_c(&text), true, names, NULL);
                HOLDS(f);
                struct period p = some_period(&s);
                struct fraction a, b;
                bool about = false;
                int want = -1;
                if (worth(&left, 0, p, &data, &a, &about) && worth(&right, 0, p, &data, &b, &about)) {
                        int order = fraction_compare(a, b);
                        const bool holds[] = {
                            order<0, order <= 0, order == 0, order != 0, order >= 0, order> 0};
                        want = holds[sign];
                }
                enum qualifier q = EXACT;
                int got = formula_check(f, p, (struct formula_source){get, &data}, &q);
                if (got != want || (got >= 0 && q != (about ? ABOUT : EXACT)))
                        fail_msg("SUMU_SEED=%" PRIu64 ": %s", seed_of_run(), text_c(&text));
                formula_free(f);
                text_close(&text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(value_is_the_trees),
            cmocka_unit_test(check_compares_the_sides),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
