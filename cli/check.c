/* check: what the collector would say, without it. Files are judged one after the other as if each that is
 * fine were handed in: a merge in the second is laid upon the replace in the first. What stands in the
 * office's outbox is not known here. */
#include "cli/catalog.h"
#include "cli/input.h"
#include "cli/table.h"
#include "loop/clock.h"
#include "loop/encoding.h"
#include "session/payload.h"

#include <stdlib.h>

struct place_of { /* what stands of one dataset and period */
        uint32_t dataset;
        struct period period;
        struct standing standing;
};

struct checking {
        const struct cli *c;
        const struct catalog *catalog;
        struct judge judge;
        struct place_of *places;
        size_t n, cap;
        struct table table;
        bool wrong, failed; /* failed: memory */
};

static struct judge judge_now(const struct catalog *catalog, uint32_t office)
{
        static const int64_t day_s = 86400;
        int64_t civil_s = clock_civil_s(clock_us(), catalog->timezone);
        return (struct judge){.catalog = catalog,
                              .office = office,
                              .today = (int32_t)(civil_s / day_s),
                              .submitted_civil_s = civil_s};
}

/* NULL: memory. */
static struct standing *stands(struct checking *k, const struct report *r)
{
        for (size_t i = 0; i < k->n; i++)
                if (k->places[i].dataset == r->dataset && period_same(k->places[i].period, r->period))
                        return &k->places[i].standing;
        if (k->n == k->cap) {
                size_t cap = k->cap ? k->cap * 2 : 16;
                struct place_of *places = realloc(k->places, cap * sizeof *places);
                if (!places)
                        return NULL;
                k->places = places;
                k->cap = cap;
        }
        k->places[k->n] = (struct place_of){.dataset = r->dataset, .period = r->period};
        return &k->places[k->n++].standing;
}

static void refuse(struct intake *in, enum reason_code code, uint32_t row, const char *a0, const char *a1)
{
        reasons_add(&in->reasons, code, row, NULL, a0, a1, NULL);
}

static void check_size(struct checking *k, struct intake *in, size_t i)
{
        struct text payload = {0};
        payload_write(k->catalog, &in->reports[i].report, &payload);
        if (payload.n > REPORT_BYTES) {
                char is[32], may[32];
                snprintf(is, sizeof is, "%zu KiB", (payload.n + 1023) / 1024);
                snprintf(may, sizeof may, "%d KiB", REPORT_BYTES / 1024);
                refuse(in, REASON_REPORT_TOO_LARGE, in->reports[i].row, is, may);
        }
        k->failed |= text_failed(&payload);
        text_close(&payload);
}

/* ---- reading */

static uint32_t line_after(const struct text *read)
{
        uint32_t line = 1;
        for (size_t i = 0; i < read->n; i++)
                line += read->v[i] == '\n';
        return line;
}

/* false: no use going on, which was said. */
static bool read_reports(struct checking *k, const struct input *input, struct intake *in)
{
        struct text utf8 = {0};
        const char *name;
        struct err e;
        bool done = true;
        int code = encoding_to_utf8(input->bytes.v, input->bytes.n, &utf8, &name, &e);
        if (code == E_SYNTAX)
                refuse(in, REASON_ENCODING, line_after(&utf8), name, NULL);
        else if (code == 0)
                done = input->json ? intake_json(in, text_c(&utf8), utf8.n, &k->judge)
                                   : intake_csv(in, text_c(&utf8), utf8.n, input->hints, &k->judge);
        else
                cli_fail(k->c, "%s: %s", "%s：%s", input->path, e.text);
        text_close(&utf8);
        k->failed |= !done;
        if (in->malformed.code)
                cli_line(k->c, input->path, 0, NULL, in->malformed.text, "malformed");
        return done && (code == 0 || code == E_SYNTAX) && !in->malformed.code;
}

/* ---- judging */

/* Judges report i upon what stands; *after is what would stand then. */
static void judge_one(struct checking *k, struct intake *in, size_t i, struct standing *after,
                      struct reasons *flags)
{
        const struct report *r = &in->reports[i].report;
        struct standing *before = stands(k, r);
        k->failed |= !before || !standing_copy(after, before) ||
                     !standing_fold(after, r->action, r->facts, r->n) ||
                     !intake_judge(in, i, after, &k->judge, flags);
        if (!k->failed && in->reasons.total == 0)
                check_size(k, in, i);
}

/* Every report of the file stands, or none. */
static void keep(struct checking *k, const struct intake *in, struct standing *after)
{
        for (size_t i = 0; i < in->n; i++) {
                struct standing *place = stands(k, &in->reports[i].report);
                standing_close(place);
                *place = after[i];
                after[i] = (struct standing){0};
        }
}

static void name_reports(struct checking *k, const struct input *input, const struct intake *in)
{
        for (size_t i = 0; i < in->n; i++) {
                const struct report *r = &in->reports[i].report;
                char period[PERIOD_TEXT];
                period_print(r->period, period);
                table_cell(&k->table, input->path);
                table_cell(&k->table, k->catalog->datasets[r->dataset].code);
                table_cell(&k->table, period);
                table_cell(&k->table, action_word(r->action));
                table_cell_number(&k->table, (int64_t)r->n);
        }
}

static void print_reasons(const struct checking *k, const char *file, const struct reasons *r)
{
        struct text lines = {0};
        reasons_lines(r, file, k->c->lang, &lines);
        fputs(text_c(&lines), k->c->err);
        text_close(&lines);
}

static void judge_file(struct checking *k, const struct input *input, struct intake *in)
{
        struct reasons flags = {0};
        struct standing *after = calloc(in->n + 1, sizeof *after);
        k->failed |= !after;
        for (size_t i = 0; i < in->n && !k->failed; i++)
                judge_one(k, in, i, &after[i], &flags);
        k->wrong |= in->reasons.total > 0;
        print_reasons(k, input->path, &in->reasons);
        if (!k->failed && in->reasons.total == 0) {
                if (flags.n)
                        fputs(cli_say(k->c, "taken, but to be explained:\n", "可以接收，但须说明：\n"),
                              k->c->err);
                print_reasons(k, input->path, &flags);
                keep(k, in, after);
                name_reports(k, input, in);
        }
        for (size_t i = 0; after && i < in->n; i++)
                standing_close(&after[i]);
        free(after);
        reasons_close(&flags);
}

static void check_file(struct checking *k, const char *path)
{
        struct input input;
        struct intake in = {0};
        if (input_read(k->c, path, &input)) {
                k->wrong = true;
                return;
        }
        if (read_reports(k, &input, &in))
                judge_file(k, &input, &in);
        else
                k->wrong = true;
        intake_close(&in);
        input_close(&input);
}

static int find_office(const struct cli *c, const struct catalog *catalog, uint32_t *office)
{
        const char *code = c->option[OPTION_OFFICE];
        int32_t found = catalog_office(catalog, code);
        if (found >= 0) {
                *office = (uint32_t)found;
                return 0;
        }
        struct text_nearest near = {.want = code};
        for (uint32_t i = 0; i < catalog->n_offices; i++)
                text_nearest_try(&near, catalog->offices[i].code);
        if (near.best)
                return cli_fail(c, "no office is called \"%s\"; did you mean \"%s\"?",
                                "没有代码为“%s”的填报单位；是否为“%s”？", code, near.best);
        return cli_fail(c, "no office is called \"%s\"", "没有代码为“%s”的填报单位", code);
}

int command_check(struct cli *c)
{
        static const struct table_column columns[] = {
            {"file", {"FILE", "文件"}, CELL_TEXT},     {"dataset", {"DATASET", "数据集"}, CELL_TEXT},
            {"period", {"PERIOD", "时期"}, CELL_TEXT}, {"action", {"ACTION", "操作"}, CELL_TEXT},
            {"rows", {"ROWS", "行数"}, CELL_NUMBER},
        };
        struct checking k = {.c = c,
                             .table = {.columns = columns, .n_columns = sizeof columns / sizeof *columns}};
        enum table_format f;
        uint32_t office = 0;
        if (!table_format_read(c, &f) || !input_usage(c) || !cli_needs(c, OPTION_CATALOG) ||
            !cli_needs(c, OPTION_OFFICE))
                return CLI_USAGE;
        struct catalog *catalog = catalog_open(c, c->option[OPTION_CATALOG]);
        int status = catalog ? find_office(c, catalog, &office) : CLI_FAILED;
        if (status == 0) {
                k.catalog = catalog;
                k.judge = judge_now(catalog, office);
                for (int i = 0; i < c->n_operands && !k.failed; i++)
                        check_file(&k, c->operands[i]);
                if (k.failed)
                        status = cli_fail(c, "out of memory", "内存不足");
                else if (k.table.n)
                        status = table_print(&k.table, c, f);
                if (k.wrong)
                        status = CLI_FAILED;
        }
        for (size_t i = 0; i < k.n; i++)
                standing_close(&k.places[i].standing);
        free(k.places);
        table_close(&k.table);
        catalog_free(catalog);
        return status;
}
