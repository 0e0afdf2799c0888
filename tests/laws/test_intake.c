#include "lib/law.h"

#include "core/intake.h"
#include "lib/intake_promise.h"
#include "lib/office_catalog.h"

#include <stdlib.h>
#include <string.h>

/* A random report of office 150200 is written down the ways people do, read back, and must be the same
 * report. */

enum { ROUNDS = 400, REGIONS = 5, MUTATIONS = 40 };

static struct catalog *catalog;
static struct judge judge;

static int set_up(void **state)
{
        (void)state;
        catalog = office_catalog();
        judge = office_judge(catalog, "150200");
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        catalog_free(catalog);
        return 0;
}

static const char *const regions[REGIONS] = {"150203", "150221", "150222", "150291", "150292"};

/* The report of one dataset and period: for each region and indicator a fact or none. */
struct sheet_of_facts {
        uint32_t dataset, indicators[8];
        size_t n;
        const char *period;
        bool given[REGIONS][8];
        struct fact facts[REGIONS][8];
};

static struct fact fact_random(struct seed *s, uint32_t region, uint32_t indicator)
{
        const struct indicator *of = &catalog->indicators[indicator];
        static const int64_t sizes[] = {2, 100, 10000, 1000000, 1000000000};
        int64_t value = seed_between(s, 0, sizes[seed_below(s, 5)]);
        if (seed_below(s, 3) == 0)
                value *= 10000;
        if (!of->has_min && seed_below(s, 2))
                value = -value;
        uint8_t q = value > 0 ? (uint8_t)seed_below(s, 3) : EXACT;
        return (struct fact){.value = value, .region = region, .indicator = (uint16_t)indicator, .q = q};
}

static struct sheet_of_facts sheet_random(struct seed *s)
{
        static const struct {
                const char *dataset, *period;
        } forms[] = {{"gunexp", "2023-09-19"}, {"scipop", "2023-09"}};
        size_t form = seed_below(s, 2);
        struct sheet_of_facts f = {.period = forms[form].period,
                                   .dataset = (uint32_t)catalog_dataset(catalog, forms[form].dataset)};
        const struct dataset *d = &catalog->datasets[f.dataset];
        for (uint32_t i = 0; i < d->n_indicators; i++)
                if (catalog->indicators[d->indicators[i]].kind != DERIVED)
                        f.indicators[f.n++] = d->indicators[i];
        for (size_t r = 0; r < REGIONS; r++)
                for (size_t i = 0; i < f.n; i++) {
                        f.given[r][i] = seed_below(s, 4) != 0;
                        f.facts[r][i] = fact_random(s, (uint32_t)catalog_region_code(catalog, regions[r]),
                                                    f.indicators[i]);
                }
        f.given[0][0] = true;
        return f;
}

/* How people write a figure */

static void add_grouped(struct text *out, const char *plain)
{
        size_t whole = strcspn(plain, ".");
        for (size_t i = 0; plain[i]; i++) {
                if (i && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
                        text_char(out, ',');
                text_char(out, plain[i]);
        }
}

static void add_full_width(struct text *out, const char *plain)
{
        for (; *plain; plain++)
                text_printf(out, "\xef\xbc%c",
                            0x80 | (*plain - 0x20)); /* U+FF01 stands for U+0021, and so on */
}

static void add_figure(struct seed *s, struct text *out, const struct fact *f)
{
        const struct indicator *of = &catalog->indicators[f->indicator];
        static const char *const before[3][2] = {{"", ""}, {">=", "≥"}, {"约", "~"}};
        static const char *const behind[3][2] = {{"", ""}, {"以上", "以上"}, {"左右", "左右"}};
        struct text plain = {0};
        bool myriads = seed_below(s, 3) == 0;
        text_scaled(&plain, f->value, of->decimals + (myriads ? 4 : 0));
        bool front = seed_below(s, 2);
        size_t which = seed_below(s, 2);
        text_add(out, front ? before[f->q][which] : "");
        switch (seed_below(s, 3)) {
        case 0: add_grouped(out, text_c(&plain)); break;
        case 1: add_full_width(out, text_c(&plain)); break;
        default: text_add(out, text_c(&plain)); break;
        }
        text_add(out, myriads ? "万" : "");
        text_add(out, !front ? behind[f->q][which] : "");
        if (front && seed_below(s, 3) == 0)
                text_add(out, of->unit_zh);
        text_close(&plain);
}

static void add_cell(struct seed *s, struct text *out, const struct sheet_of_facts *f, size_t r, size_t i)
{
        static const char *const blanks[] = {"", "-", "—", "  "};
        struct text figure = {0};
        if (f->given[r][i])
                add_figure(s, &figure, &f->facts[r][i]);
        else
                text_add(&figure, blanks[seed_below(s, 4)]);
        text_csv(out, text_c(&figure), false);
        text_close(&figure);
}

/* How people name things */

static const char *region_name(struct seed *s, size_t r)
{
        const struct region *of = &catalog->regions[catalog_region_code(catalog, regions[r])];
        bool unique = strcmp(of->name_zh, "新区") != 0;
        return seed_below(s, 2) || !unique ? of->code : seed_below(s, 2) ? of->name_zh : of->name_en;
}

static void add_heading(struct seed *s, struct text *out, const struct indicator *of)
{
        const char *name = of->code;
        switch (seed_below(s, 4)) {
        case 0: name = of->name; break;
        case 1: name = of->name_zh; break;
        case 2: name = of->name_en; break;
        }
        struct text heading = {0};
        const char *unit = seed_below(s, 2) ? of->unit_zh : of->unit_en;
        switch (seed_below(s, 4)) {
        case 0: text_printf(&heading, "%s(%s)", name, unit); break;
        case 1: text_printf(&heading, "%s（%s）", name, unit); break;
        case 2: text_printf(&heading, "%s [%s]", name, unit); break;
        default: text_add(&heading, name); break;
        }
        text_csv(out, text_c(&heading), false);
        text_close(&heading);
}

/* The order in which rows and columns are written. */
static void shuffle(struct seed *s, size_t *order, size_t n)
{
        for (size_t i = 0; i < n; i++)
                order[i] = i;
        for (size_t i = n; i > 1; i--) {
                size_t k = seed_below(s, i), was = order[i - 1];
                order[i - 1] = order[k];
                order[k] = was;
        }
}

static void write_long(struct seed *s, const struct sheet_of_facts *f, struct text *out)
{
        enum { COLUMNS_WRITTEN = 5 };
        static const char *const names[COLUMNS_WRITTEN][3] = {{"dataset", "DATASET", "数据集"},
                                                              {"period", "Period", "时期"},
                                                              {"region", "REGION", "地区"},
                                                              {"indicator", "Indicator", "指标"},
                                                              {"value", "VALUE", "数 值"}};
        size_t columns[COLUMNS_WRITTEN], rows[REGIONS * 8];
        shuffle(s, columns, COLUMNS_WRITTEN);
        shuffle(s, rows, REGIONS * f->n);
        for (size_t k = 0; k < COLUMNS_WRITTEN; k++)
                text_printf(out, "%s%s", k ? "," : "", names[columns[k]][seed_below(s, 3)]);
        for (size_t at = 0; at < REGIONS * f->n; at++) {
                size_t r = rows[at] / f->n, i = rows[at] % f->n;
                if (!f->given[r][i] && seed_below(s, 2))
                        continue;
                const struct indicator *of = &catalog->indicators[f->indicators[i]];
                text_add(out, seed_below(s, 2) ? "\r\n" : "\n");
                for (size_t k = 0; k < COLUMNS_WRITTEN; k++) {
                        text_add(out, k ? "," : "");
                        switch (columns[k]) {
                        case 0: text_add(out, catalog->datasets[f->dataset].code); break;
                        case 1: text_add(out, f->period); break;
                        case 2: text_csv(out, region_name(s, r), false); break;
                        case 3: text_csv(out, seed_below(s, 2) ? of->code : of->name_zh, false); break;
                        default: add_cell(s, out, f, r, i); break;
                        }
                }
        }
}

/* The total of a column, if all of it is exact. */
static bool column_total(const struct sheet_of_facts *f, size_t i, int64_t *total)
{
        bool peak = catalog->indicators[f->indicators[i]].kind == PEAK, any = false;
        *total = 0;
        for (size_t r = 0; r < REGIONS; r++) {
                if (!f->given[r][i])
                        continue;
                if (f->facts[r][i].q != EXACT)
                        return false;
                any = true;
                int64_t value = f->facts[r][i].value;
                *total = !peak ? *total + value : *total > value ? *total : value;
        }
        return any;
}

/* `wrong`: one total is off by this. Answers whether any total was written at all. */
static bool write_wide(struct seed *s, const struct sheet_of_facts *f, int64_t wrong, struct text *out)
{
        size_t columns[8], rows[REGIONS];
        bool written = false;
        shuffle(s, columns, f->n);
        shuffle(s, rows, REGIONS);
        for (size_t title = seed_below(s, 3); title > 0; title--)
                text_add(out, "包头市统计表,,单位：见表头\n");
        text_add(out, "地区");
        for (size_t k = 0; k < f->n; k++) {
                text_char(out, ',');
                add_heading(s, out, &catalog->indicators[f->indicators[columns[k]]]);
        }
        for (size_t at = 0; at < REGIONS; at++) {
                text_add(out, "\n");
                text_csv(out, region_name(s, rows[at]), false);
                for (size_t k = 0; k < f->n; k++) {
                        text_char(out, ',');
                        add_cell(s, out, f, rows[at], columns[k]);
                }
        }
        text_add(out, "\n合　计");
        for (size_t k = 0; k < f->n; k++) {
                int64_t total;
                text_char(out, ',');
                if (!column_total(f, columns[k], &total))
                        continue;
                text_scaled(out, written ? total : total + wrong,
                            catalog->indicators[f->indicators[columns[k]]].decimals);
                written = true;
        }
        return written;
}

static void write_json(struct seed *s, const struct sheet_of_facts *f, struct text *out)
{
        size_t rows[REGIONS * 8];
        shuffle(s, rows, REGIONS * f->n);
        text_printf(out, "{\"rows\": [");
        for (size_t at = 0; at < REGIONS * f->n; at++) {
                size_t r = rows[at] / f->n, i = rows[at] % f->n;
                struct text figure = {0};
                text_printf(out, "%s{\"indicator\":\"%s\",\"region\":\"%s\",\"value\": ", at ? ",\n" : "",
                            catalog->indicators[f->indicators[i]].code, regions[r]);
                if (!f->given[r][i]) {
                        text_add(out, "null");
                } else if (f->facts[r][i].q == EXACT && seed_below(s, 2)) {
                        text_scaled(out, f->facts[r][i].value,
                                    catalog->indicators[f->indicators[i]].decimals);
                } else {
                        add_figure(s, &figure, &f->facts[r][i]);
                        text_json(out, text_c(&figure));
                }
                text_char(out, '}');
                text_close(&figure);
        }
        text_printf(out, "],\"dataset\":\"%s\",\"period\":\"%s\"}", catalog->datasets[f->dataset].code,
                    f->period);
}

/* Reading back */

static bool same_report(const struct intake *in, const struct sheet_of_facts *f)
{
        if (in->reasons.total || in->malformed.code || in->n != 1 ||
            in->reports[0].report.dataset != f->dataset)
                return false;
        const struct report *r = &in->reports[0].report;
        const struct standing got = {.facts = r->facts, .n = r->n};
        size_t given = 0;
        for (size_t k = 0; k < REGIONS; k++)
                for (size_t i = 0; i < f->n; i++) {
                        const struct fact *want = &f->facts[k][i],
                                          *is = standing_find(&got, want->indicator, want->region);
                        if (f->given[k][i] != (is != NULL) ||
                            (is && (is->value != want->value || is->q != want->q)))
                                return false;
                        given += f->given[k][i];
                }
        return r->n == given;
}

static struct intake_hints hints_of(const struct sheet_of_facts *f)
{
        return (struct intake_hints){catalog->datasets[f->dataset].code, f->period, NULL};
}

enum form { FORM_LONG, FORM_WIDE, FORM_JSON, FORMS };

static void write_form(struct seed *s, enum form form, const struct sheet_of_facts *f, struct text *out)
{
        if (form == FORM_LONG)
                write_long(s, f, out);
        else if (form == FORM_WIDE)
                write_wide(s, f, 0, out);
        else
                write_json(s, f, out);
}

static bool read_form(enum form form, const struct sheet_of_facts *f, const char *bytes, size_t n,
                      struct intake *in)
{
        return form == FORM_JSON ? intake_json(in, bytes, n, &judge)
                                 : intake_csv(in, bytes, n, hints_of(f), &judge);
}

static void what_is_written_is_read(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int round = 0; round < ROUNDS; round++) {
                struct sheet_of_facts f = sheet_random(&s);
                enum form form = (enum form)seed_below(&s, FORMS);
                struct text file = {0};
                struct intake in = {0};
                write_form(&s, form, &f, &file);
                HOLDS(read_form(form, &f, text_c(&file), file.n, &in));
                if (!same_report(&in, &f)) {
                        struct text why = {0};
                        reasons_lines(&in.reasons, "it", LANG_EN, &why);
                        print_error("%s\n%s", text_c(&file), text_c(&why));
                        text_close(&why);
                        HOLDS(same_report(&in, &f));
                }
                HOLDS(!intake_broken(&in, &judge));
                intake_close(&in);
                text_close(&file);
        }
}

static void a_wrong_total_is_found(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int round = 0; round < ROUNDS; round++) {
                struct sheet_of_facts f = sheet_random(&s);
                struct text file = {0};
                struct intake in = {0};
                bool written = write_wide(&s, &f, seed_below(&s, 2) ? 1 : 10, &file);
                HOLDS(intake_csv(&in, text_c(&file), file.n, hints_of(&f), &judge));
                HOLDS(in.reasons.total == (written ? 1 : 0));
                HOLDS(!written || in.reasons.v[0].code == REASON_SUM_DIFFERS);
                intake_close(&in);
                text_close(&file);
        }
}

static void mutate(struct seed *s, struct text *file)
{
        static const char likely[] = ",\"\n\r-{}[]:0\t ";
        size_t at = seed_below(s, file->n);
        char c = seed_below(s, 2) ? likely[seed_below(s, sizeof likely - 1)] : (char)seed_below(s, 256);
        switch (seed_below(s, 3)) {
        case 0: file->v[at] = c; break;
        case 1: /* one byte less */
                memmove(file->v + at, file->v + at + 1, file->n - at);
                file->n--;
                break;
        default: /* cut short, as a file still being written */ file->n = at; file->v[at] = '\0';
        }
}

/* Whatever happened to a file, it is refused with reasons or taken as it reads; never neither. */
static void a_changed_file_is_told_of(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        for (int round = 0; round < ROUNDS / 4; round++) {
                struct sheet_of_facts f = sheet_random(&s);
                enum form form = (enum form)seed_below(&s, FORMS);
                for (int i = 0; i < MUTATIONS; i++) {
                        struct text file = {0};
                        struct intake in = {0};
                        write_form(&s, form, &f, &file);
                        mutate(&s, &file);
                        HOLDS(read_form(form, &f, text_c(&file), file.n, &in));
                        const char *broken = intake_broken(&in, &judge);
                        if (broken)
                                print_error("%s\n%s\n", broken, text_c(&file));
                        HOLDS(!broken);
                        intake_close(&in);
                        text_close(&file);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_written_is_read),
            cmocka_unit_test(a_wrong_total_is_found),
            cmocka_unit_test(a_changed_file_is_told_of),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
