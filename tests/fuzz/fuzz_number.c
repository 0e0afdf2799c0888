/* number_read over anything: first byte the form, then the text. What is given stays within bounds, written
 * plainly it reads back the same, and spaces around it change nothing. */
#include "fuzz/fuzz.h"

#include "base/text.h"
#include "core/number.h"

static const struct number_form forms[] = {{0, "支", "firearms"}, {1, "公斤", "kg"},
                                           {1, "%", "%"},         {2, "万元", NULL},
                                           {0, NULL, NULL},       {18, "leagues and cities", ""}};

static void same(struct number a, struct number b)
{
        MUST(a.kind == b.kind && a.value == b.value && a.q == b.q && a.reason == b.reason);
}

static struct number read_with(const char *before, const uint8_t *text, size_t n, const char *behind,
                               struct number_form form)
{
        struct text t = {0};
        text_add(&t, before);
        text_bytes(&t, text, n);
        text_add(&t, behind);
        struct number got = number_read(text_c(&t), t.n, form);
        text_close(&t);
        return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        struct number_form form = forms[data[0] % (sizeof forms / sizeof *forms)];
        data++, size--;
        struct number got = number_read((const char *)data, size, form);
        same(got, read_with(" \xe3\x80\x80", data, size, "\t\n", form));
        switch (got.kind) {
        case NUMBER_BLANK: break;
        case NUMBER_REFUSED:
                MUST(got.reason == REASON_TOO_PRECISE || got.reason == REASON_TOO_LARGE ||
                     (got.reason == REASON_NOT_A_NUMBER && *got.advice_en && *got.advice_zh));
                break;
        case NUMBER_GIVEN:
                MUST(got.value >= -VALUE_MAX && got.value <= VALUE_MAX && (got.q == EXACT || got.value >= 0));
                struct text plain = {0};
                text_add(&plain, got.q == ABOUT ? "约" : got.q == AT_LEAST ? ">=" : "");
                text_scaled(&plain, got.value, form.decimals);
                same(got, number_read(text_c(&plain), plain.n, form));
                text_close(&plain);
                break;
        }
        return 0;
}
