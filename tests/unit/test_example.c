/* The example reports of the catalogue that ships: every office's files are taken as they are, and every
 * figure of example/published.csv comes back from them, qualifier included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/csv.h"
#include "core/intake.h"
#include "lib/folder.h"
#include "lib/oracle.h"
#include "loop/encoding.h"
#include "loop/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLE "catalog/neimenggu/example"

static struct catalog *catalog;
static struct oracle oracle;

static struct text read_whole(const char *path)
{
        struct text bytes = {0};
        assert_int_equal(file_read(path, INTAKE_BYTES, &bytes, NULL), 0);
        return bytes;
}

static void take_file(const char *office, const char *name, uint64_t *seq)
{
        char path[1024], room[256];
        snprintf(path, sizeof path, EXAMPLE "/%s/%s", office, name);
        struct text raw = read_whole(path), file = {0}, lines = {0};
        const char *encoding;
        assert_int_equal(encoding_to_utf8(raw.v, raw.n, &file, &encoding, NULL), 0);
        int32_t today = day_of(2024, 1, 1);
        struct judge judge = {.catalog = catalog,
                              .office = (uint32_t)catalog_office(catalog, office),
                              .today = today,
                              .submitted_civil_s = (int64_t)today * 86400};
        struct intake_hints hints = {0};
        struct intake in = {0};
        struct reasons flags = {0};
        intake_name(name, &hints, room);
        assert_true(intake_csv(&in, file.v, file.n, hints, &judge));
        for (size_t i = 0; i < in.n; i++) {
                struct standing after = {0};
                assert_true(
                    standing_fold(&after, REPLACE, in.reports[i].report.facts, in.reports[i].report.n));
                assert_true(intake_judge(&in, i, &after, &judge, &flags));
                oracle_accept(&oracle, judge.office, &in.reports[i].report, (struct place){1, ++*seq});
                standing_close(&after);
        }
        reasons_lines(&in.reasons, path, LANG_EN, &lines);
        reasons_lines(&flags, path, LANG_EN, &lines);
        assert_string_equal(text_c(&lines), "");
        reasons_close(&flags);
        intake_close(&in);
        text_close(&lines);
        text_close(&file);
        text_close(&raw);
}

static void take_folder(const char *office)
{
        char path[512];
        uint64_t seq = 0;
        snprintf(path, sizeof path, EXAMPLE "/%s", office);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));)
                if (e->d_name[0] != '.')
                        take_file(office, e->d_name, &seq);
        closedir(dir);
        assert_true(seq > 0);
}

/* A figure as the sink would answer it: a total, or a formula over totals. */
struct asked {
        uint32_t region;
};

static bool figure(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        const struct indicator *one = &catalog->indicators[indicator];
        const struct asked *asked = ctx;
        struct formula_source again = {.get = figure, .ctx = ctx};
        if (one->kind == DERIVED)
                return formula_value(one->formula, p, again, value, q);
        struct cell cell = oracle_total(&oracle, indicator, asked->region, p);
        int64_t total;
        if (!cell_value(&cell, &total))
                return false;
        *value = fraction_of(total, one->decimals);
        *q = cell_qualifier(&cell);
        return true;
}

enum {
        DATASET = 1,
        INDICATOR = 2,
        REGION = 8,
        PERIOD = 9,
        VALUE = 10,
        QUALIFIER = 11,
        PUBLISHED_COLUMNS = 13
};

static bool compare_row(void *ctx, const struct csv_record *r)
{
        unsigned *rows = ctx;
        if (r->fields[0][0] == '#' || strcmp(r->fields[0], "article") == 0)
                return true;
        assert_int_equal(r->n, PUBLISHED_COLUMNS);
        int32_t dataset = catalog_dataset(catalog, r->fields[DATASET]);
        int32_t indicator = catalog_indicator(catalog, dataset, r->fields[INDICATOR]);
        int32_t region = catalog_region_code(catalog, r->fields[REGION]);
        struct period p = {0};
        assert_true(dataset >= 0 && indicator >= 0 && region >= 0 && period_parse(r->fields[PERIOD], &p));

        struct asked asked = {.region = (uint32_t)region};
        struct fraction value;
        enum qualifier q;
        int64_t scaled = 0;
        unsigned decimals = catalog->indicators[indicator].decimals;
        assert_true(figure(&asked, (uint32_t)indicator, p, &value, &q) &&
                    fraction_round(value, decimals, &scaled));
        struct text found = {0}, want = {0};
        text_printf(&want, "%s of %s in %s: %s %s", r->fields[INDICATOR], r->fields[REGION],
                    r->fields[PERIOD], r->fields[VALUE], r->fields[QUALIFIER]);
        text_printf(&found, "%s of %s in %s: ", r->fields[INDICATOR], r->fields[REGION], r->fields[PERIOD]);
        text_scaled(&found, scaled, decimals);
        text_printf(&found, " %s", qualifier_word(q));
        assert_string_equal(text_c(&found), text_c(&want));
        text_close(&found);
        text_close(&want);
        ++*rows;
        return true;
}

static void every_published_figure(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < catalog->n_offices; i++)
                take_folder(catalog->offices[i].code);
        oracle_settle(&oracle);
        struct text published = read_whole(EXAMPLE "/published.csv");
        unsigned rows = 0;
        uint32_t line = 0;
        assert_int_equal(csv_read(published.v, published.n, compare_row, &rows, &line), CSV_FINE);
        assert_int_equal(rows, 35);
        text_close(&published);
}

static int load(void **state)
{
        (void)state;
        catalog = folder_catalog("catalog/neimenggu");
        oracle.c = catalog;
        return 0;
}

static int unload(void **state)
{
        (void)state;
        oracle_close(&oracle);
        catalog_free(catalog);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_published_figure)};
        return cmocka_run_group_tests(tests, load, unload);
}
