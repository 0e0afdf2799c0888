/* formula_parse over anything, as a formula and as a check; what parses is evaluated and must come to an end.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "core/formula.h"

enum { INDICATORS = 6 };

static int find(void *ctx, const char *name, const char **near)
{
        (void)ctx;
        *near = name[0] == 'a' ? "a" : NULL;
        return name[0] >= 'a' && name[0] < 'a' + INDICATORS && name[1] == '\0' ? name[0] - 'a' : -1;
}

/* Small ones, large ones, quotients, zero, and now and then none. */
static bool get(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        (void)ctx;
        *q = indicator == 1 ? AT_LEAST : EXACT;
        switch (indicator) {
        case 0: *value = fraction_of(p.first, 0); break;
        case 1: *value = fraction_of(VALUE_MAX - p.last, 3); break;
        case 2: *value = (struct fraction){FRACTION_MAX, 2}; break;
        case 3: *value = (struct fraction){-1, FRACTION_MAX}; break;
        case 4: *value = fraction_of(0, 0); break;
        default: *value = fraction_of(1, 1); return p.first % 7 != 0;
        }
        return true;
}

static void evaluate(const char *text, bool check)
{
        static const struct formula_names names = {find, NULL};
        static const struct formula_source source = {get, NULL};
        static const struct period periods[] = {{PERIOD_DAY, 19619, 19619},
                                                {PERIOD_MONTH, 19601, 19630},
                                                {PERIOD_YEAR, 19358, 19722},
                                                {PERIOD_SPAN, 19358, 19619}};
        struct err e = {0};
        struct formula *f = formula_parse(text, check, names, &e);
        if (!f) {
                MUST(e.code < 0 && e.text[0]);
                return;
        }
        const uint32_t *operands;
        MUST(formula_operands(f, &operands) <= INDICATORS);
        MUST(formula_reads(f) >= 1 && formula_reads(f) <= FORMULA_READS);
        for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
                struct fraction v;
                enum qualifier q;
                int64_t rounded;
                if (check)
                        MUST(formula_check(f, periods[i], source, &q) <= 1);
                else if (formula_value(f, periods[i], source, &v, &q))
                        MUST(v.den > 0 && v.num >= -FRACTION_MAX &&
                             (fraction_round(v, 1, &rounded) || v.num));
        }
        formula_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        if (!text)
                return 0;
        if (size)
                memcpy(text, data, size);
        text[size] = '\0';
        evaluate(text, false);
        evaluate(text, true);
        free(text);
        return 0;
}
