/* The reasons of a verdict as they stand in the store: any text is refused or read; what was read and is
 * written again reads the same. */
#include "fuzz/fuzz.h"

#include "sink/verdict_text.h"

#include <string.h>

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static void same_again(const struct reasons *r)
{
        struct text json = {0};
        struct reasons again = {0};
        verdict_text_write(r->v, r->n, &json);
        MUST(!text_failed(&json) && verdict_text_read(text_c(&json), &again) && again.n == r->n);
        for (size_t i = 0; i < r->n; i++) {
                MUST(again.v[i].code == r->v[i].code && again.v[i].row == r->v[i].row);
                MUST(same(again.v[i].column, r->v[i].column));
                for (size_t k = 0; k < REASON_ARGS; k++)
                        MUST(same(again.v[i].arg[k], r->v[i].arg[k]));
        }
        reasons_close(&again);
        text_close(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *json = strndup((const char *)data, size);
        struct reasons r = {0};
        MUST(json);
        if (verdict_text_read(json, &r))
                same_again(&r);
        reasons_close(&r);
        free(json);
        return 0;
}
