#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/formula.h"

enum { INCIDENTS, CRIMINAL_CASES, OFFICERS, HUGE_ONE };

static int find(void *ctx, const char *name, const char **near)
{
        (void)ctx;
        static const char *const names[] = {"incidents", "gunexp.criminal_cases", "officers", "huge_one"};
        for (int i = 0; i < 4; i++)
                if (strcmp(name, names[i]) == 0)
                        return i;
        *near = name[0] == 'i' ? "incidents" : NULL;
        return -1;
}
static const struct formula_names names = {find, NULL};

/* The regional totals of the example catalogue, years 2018 to 2023; officers by day: the day of the year,
 * about in June; a huge one that no sum survives. */
static bool get(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        static const int incidents[] = {26, 24, 21, 22, 18, 0},
                         criminal_cases[] = {82000, 80000, 78000, 72000, 66600, 51000};
        (void)ctx;
        int year, month, mday;
        day_parts(p.first, &year, &month, &mday);
        *q = indicator == OFFICERS && month == 6 ? ABOUT : EXACT;
        switch (indicator) {
        case OFFICERS: *value = fraction_of(p.last - day_of(year, 1, 1) + 1, 0); return true;
        case HUGE_ONE: *value = (struct fraction){FRACTION_MAX, 1}; return true;
        default: break;
        }
        if (p.kind != PERIOD_YEAR || year < 2018 || year > 2023)
                return false;
        *value =
            fraction_of(indicator == INCIDENTS ? incidents[year - 2018] : criminal_cases[year - 2018], 0);
        return true;
}
static const struct formula_source source = {get, NULL};

static struct formula *parse(const char *text, bool check)
{
        struct err e = {0};
        struct formula *f = formula_parse(text, check, names, &e);
        if (!f)
                fail_msg("%s: %s", text, e.text);
        return f;
}

static struct period period(const char *label)
{
        struct period p = {0};
        assert_true(period_parse(label, &p));
        return p;
}

/* The value with `decimals` places, or "null", and "~" if it is about. */
static const char *value(const char *text, const char *label, unsigned decimals)
{
        static char out[64];
        struct formula *f = parse(text, false);
        struct fraction v;
        enum qualifier q;
        int64_t scaled;
        struct text t = {0};
        if (!formula_value(f, period(label), source, &v, &q) || !fraction_round(v, decimals, &scaled)) {
                text_add(&t, "null");
        } else {
                text_add(&t, q == EXACT ? "" : "~");
                text_scaled(&t, scaled, decimals);
        }
        snprintf(out, sizeof out, "%s", text_c(&t));
        text_close(&t);
        formula_free(f);
        return out;
}

/* What the article prints: down 43.7 % and 28.7 % on the three years before. */
static void the_articles(void **state)
{
        (void)state;
        assert_string_equal(value("100 * (mean(incidents, 3) / lag(mean(incidents, 3), 3) - 1)", "2023", 1),
                            "-43.7");
        assert_string_equal(
            value("100 * (mean(incidents, 3) / mean(gunexp.criminal_cases, 3) / lag(mean(incidents, 3) / "
                  "mean(gunexp.criminal_cases, 3), 3) - 1)",
                  "2023", 1),
            "-28.7");
        assert_string_equal(value("mean(incidents, 3)", "2023", 3), "13.333");
        assert_string_equal(value("mean(incidents, 3) * 3", "2023", 3), "40"); /* exact: not 3 * 13.333 */
        assert_string_equal(value("mean(incidents, 6)", "2023", 1), "18.5");
        assert_string_equal(value("mean(incidents, 7)", "2023", 1), "null"); /* 2017 is missing */
}

static void arithmetic(void **state)
{
        (void)state;
        static const struct {
                const char *text, *want;
        } cases[] = {
            {"1 + 2 * 3", "7"},
            {"(1 + 2) * 3", "9"},
            {"10 - 4 - 3", "3"},
            {"100 / 10 / 5", "2"},
            {"2*(3+4)*5", "70"},
            {"0.1 + 0.2", "0.3"},
            {"1/3 + 1/3 + 1/3", "1"},
            {" 7 ", "7"},
            {"1 - 2", "-1"},
            {"1/0", "null"},
            {"1/(2-2)", "null"},
            {"0/5", "0"},
            {"huge_one + 1", "null"},
            {"huge_one - huge_one", "0"},
            {"huge_one * huge_one", "null"},
            {"huge_one / huge_one", "1"},
            {"huge_one", "null"},
            {"100 * (incidents)", "1800"},
            {"999999999999999999 - 999999999999999998", "1"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (strcmp(value(cases[i].text, "2022", 2), cases[i].want) != 0)
                        fail_msg("%s is %s", cases[i].text, value(cases[i].text, "2022", 2));
}

static void looking_back(void **state)
{
        (void)state;
        static const struct {
                const char *text, *label, *want;
        } cases[] = {
            {"lag(officers, 2)", "2023-09-19", "260"},
            {"lag(officers, 0)", "2023-09-19", "262"},
            {"yoy(officers)", "2024-12-31", "365"},
            {"yoy(officers)", "2024-02-29", "null"},
            {"yoy(officers)", "2020-W53", "null"},
            {"mean(officers, 3)", "2023-01-03", "2"},
            {"mean(officers, 1)", "2023-01-03", "3"},
            {"lag(yoy(officers), 1)", "2023-03-01", "59"},
            {"mean(lag(officers, 1), 2)", "2023-03-03", "60.5"},
            {"mean(mean(officers, 2), 2)", "2023-01-03", "2"},
            {"yoy(officers + lag(officers, 1))", "2023-01-02", "3"},
            {"officers", "2023-01-01/2023-09-19", "262"},
            {"yoy(officers)", "2023-01-01/2023-02-01", "32"},
            {"yoy(officers)", "2024-01-01/2024-02-29", "null"},
            {"lag(officers, 0)", "2023-01-01/2023-09-19", "null"},
            {"mean(officers, 1)", "2023-01-01/2023-09-19", "null"},
            {"lag(officers, 1000)", "1900-01-01", "null"},
            {"yoy(incidents)", "2018", "null"},
            {"officers", "2023-06-01", "~152"},
            {"lag(officers, 1)", "2023-07-01", "~181"},
            {"mean(officers, 2) + 1", "2023-07-01", "~182.5"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *got = value(cases[i].text, cases[i].label, 2);
                if (strcmp(got, cases[i].want) != 0)
                        fail_msg("%s of %s is %s", cases[i].text, cases[i].label, got);
        }
}

static void checks(void **state)
{
        (void)state;
        static const struct {
                const char *text, *label;
                int want;
                enum qualifier q;
        } cases[] = {
            {"incidents <= gunexp.criminal_cases", "2023", 1, EXACT},
            {"incidents >= 1", "2023", 0, EXACT},
            {"incidents = 0", "2023", 1, EXACT},
            {"incidents != 0", "2023", 0, EXACT},
            {"incidents < 0", "2023", 0, EXACT},
            {"incidents > 0", "2022", 1, EXACT},
            {"1/3 = 2/6", "2022", 1, EXACT},
            {"1/3 < 0.33333333333333333", "2022", 0, EXACT},
            {"officers >= 100", "2023-06-01", 1, ABOUT},
            {"100>=officers", "2023-06-01", 0, ABOUT},
            {"incidents <= gunexp.criminal_cases", "2017", -1, EXACT},
            {"1 = incidents / 0", "2022", -1, EXACT},
            {"huge_one - 1 < huge_one", "2022", 1, EXACT},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct formula *f = parse(cases[i].text, true);
                enum qualifier q = EXACT;
                assert_int_equal(formula_check(f, period(cases[i].label), source, &q), cases[i].want);
                assert_int_equal(q, cases[i].q);
                formula_free(f);
        }
}

static void what_it_uses(void **state)
{
        (void)state;
        struct formula *f = parse("officers / gunexp.criminal_cases + officers", false);
        const uint32_t *operands;
        assert_int_equal(formula_operands(f, &operands), 2);
        assert_int_equal(operands[0], OFFICERS);
        assert_int_equal(operands[1], CRIMINAL_CASES);
        assert_false(formula_looks_back(f));
        assert_int_equal(formula_reads(f), 3);
        formula_free(f);
        f = parse("mean(lag(incidents, 3) + 1, 12) - yoy(incidents)", false);
        assert_true(formula_looks_back(f));
        assert_int_equal(formula_reads(f), 25);
        formula_free(f);
}

struct walked {
        char text[256];
        int left; /* names to take before it says no */
};

static bool walked(void *ctx, uint32_t indicator, struct period p)
{
        struct walked *w = ctx;
        char label[PERIOD_TEXT];
        period_print(p, label);
        size_t n = strlen(w->text);
        snprintf(w->text + n, sizeof w->text - n, "%s%u:%s", n ? " " : "", indicator, label);
        return w->left-- > 0;
}

static const char *walk(const char *text, const char *label, int most)
{
        static struct walked w;
        w = (struct walked){.left = most};
        struct formula *f = parse(text, strchr(text, '<'));
        bool all = formula_walk(f, period(label), walked, &w);
        assert_int_equal(all, w.left >= 0);
        formula_free(f);
        return w.text;
}

static void what_to_have_at_hand(void **state)
{
        (void)state;
        assert_string_equal(walk("2 * incidents / (officers - officers) + incidents", "2023", 9),
                            "0:2023 2:2023 2:2023 0:2023"); /* null or not: all of it */
        assert_string_equal(walk("mean(incidents, 2) / lag(mean(incidents, 2), 3) + officers", "2023", 9),
                            "0:2023 0:2022 0:2020 0:2019 2:2023");
        assert_string_equal(walk("yoy(incidents) < lag(officers, 0)", "2024-02-29", 9), "2:2024-02-29");
        assert_string_equal(walk("yoy(incidents) + officers", "2024-01-01/2024-01-07", 9),
                            "0:2023-01-01/2023-01-07 2:2024-01-01/2024-01-07");
        assert_string_equal(walk("mean(incidents, 100)", "1900-Q2", 9), "0:1900-Q2 0:1900-Q1");
        assert_string_equal(walk("mean(incidents, 100)", "2023", 1), "0:2023 0:2022"); /* told to stop */
}

static void refusals(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool check;
                const char *says;
        } cases[] = {
            {"", false, "character 1: a number, an indicator"},
            {"1 +", false, "character 4: a number"},
            {"(1", false, "character 3: \")\" is expected"},
            {"1)", false, "character 2: an operator or the end"},
            {"1 2", false, "character 3: an operator"},
            {"-1", false, "character 1: a number"},
            {"2x", false, "character 2: an operator"},
            {"1.2.3", false, "character 4: an operator"},
            {"1.", false, "behind the decimal point"},
            {"incidnts + 1", false,
             "character 1: no indicator is called \"incidnts\"; did you mean \"incidents\"?"},
            {"1 + nothing", false, "character 5: no indicator is called \"nothing\""},
            {"max(incidents)", false, "no function is called \"max\""},
            {"lag(incidents)", false, "character 14: \",\" is expected"},
            {"lag(incidents, 1.5)", false, "whole number from 0 to 1000"},
            {"lag(incidents, 1001)", false, "whole number from 0"},
            {"lag(incidents, -1)", false, "whole number from 0"},
            {"mean(incidents, 0)", false, "whole number from 1 to 1000"},
            {"mean(incidents, 99999999999)", false, "whole number from 1"},
            {"yoy(incidents, 1)", false, "\")\" is expected"},
            {"incidents < 1", false, "an operator or the end"},
            {"1", true, "a comparison"},
            {"1 < 2 < 3", true, "an operator or the end"},
            {"1 == 1", true, "a number"},
            {"1 <", true, "a number"},
            {"1＋2", false, "character 2: an operator"},
            {"1234567890123456789", false, "at most 18 digits"},
            {"mean(mean(incidents, 101), 100)", false, "more than 10000 figures"},
            {"mean(mean(mean(1, 1000), 1000), 1000)", false, "more than 10000 figures"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct err e = {0};
                assert_null(formula_parse(cases[i].text, cases[i].check, names, &e));
                if (e.code >= 0 || !strstr(e.text, cases[i].says))
                        fail_msg("%s: %s", cases[i].text, e.text);
        }
        formula_free(parse("mean(mean(incidents, 100), 100)", false));
}

static void limits(void **state)
{
        (void)state;
        char text[FORMULA_TEXT + 2];
        struct err e;
        for (int depth = FORMULA_DEPTH - 1; depth <= FORMULA_DEPTH; depth++) {
                memset(text, '(', (size_t)depth);
                text[depth] = '1';
                memset(text + depth + 1, ')', (size_t)depth);
                text[2 * depth + 1] = '\0';
                if (depth < FORMULA_DEPTH)
                        assert_string_equal(value(text, "2022", 0), "1");
                else
                        assert_null(formula_parse(text, false, names, &e));
        }
        /* the deepest stack: a sum and a product wait at every level */
        size_t n = 0;
        for (int i = 0; i < FORMULA_DEPTH - 1; i++)
                n += (size_t)snprintf(text + n, sizeof text - n, "1+2*(");
        n += (size_t)snprintf(text + n, sizeof text - n, "1+2*3");
        memset(text + n, ')', FORMULA_DEPTH - 1);
        text[n + FORMULA_DEPTH - 1] = '\0';
        assert_string_equal(value(text, "2022", 0),
                            "null"); /* 2^66 and more: outside 64 bits, but not a crash */

        memset(text, '1', sizeof text);
        for (size_t i = 1; i < FORMULA_TEXT; i += 2)
                text[i] = '+';
        text[FORMULA_TEXT - 1] = ' ';
        text[FORMULA_TEXT] = '\0';
        assert_string_equal(value(text, "2022", 0), "2048");
        text[FORMULA_TEXT] = ' ';
        text[FORMULA_TEXT + 1] = '\0';
        assert_null(formula_parse(text, false, names, &e));
        assert_int_equal(e.code, E_LIMIT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_articles), cmocka_unit_test(arithmetic),
            cmocka_unit_test(looking_back), cmocka_unit_test(checks),
            cmocka_unit_test(what_it_uses), cmocka_unit_test(what_to_have_at_hand),
            cmocka_unit_test(refusals),     cmocka_unit_test(limits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
