/* The header decides what a file is. Lines are looked at until one is a header; the line that came nearest to
 * being one is remembered, so that a file without a header is told what its header lacks. A heading of the
 * wide form can mean another indicator in each dataset, so its meanings are worked out when a dataset is
 * first met. */
#include "core/csv.h"
#include "core/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        HEADER_LINES = 100, /* looked at before the header is given up */
        NO_COLUMN = -1,
};

enum form { FORM_SEEKING, FORM_LONG, FORM_WIDE };

struct heading {
        const char *text; /* as written, tidy; NULL: empty */
        int column;       /* enum column, or NO_COLUMN */
};

/* A line as a header. */
struct header {
        uint32_t line;
        size_t n;
        struct heading *v;
        size_t score;     /* headings understood */
        unsigned columns; /* set of enum column */
        size_t indicators;
};

struct grid {
        struct desk desk;
        enum form form;
        struct header header; /* or, while seeking, the nearest to one */
        unsigned lines;       /* looked at */
        uint32_t first_line;  /* that is not blank, 0: none */
        size_t at[COLUMN_COUNT];
        int32_t dataset;                         /* of the whole file, NONE: of each row, or not known */
        int32_t *meanings[CATALOG_DATASETS + 1]; /* of each heading; the last: in any dataset */
        bool rows;                               /* there was one that is not blank */
};

static bool has(unsigned columns, enum column k)
{
        return columns >> k & 1;
}

/* Headings of indicators */

static const char *const brackets[][2] = {{"(", ")"}, {"（", "）"}, {"[", "]"}, {"［", "］"}, {"【", "】"}};

static bool ends_with(const char *text, size_t n, const char *end)
{
        size_t m = strlen(end);
        return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* Splits "name (unit)": answers the bytes of the name, 0 if there is no unit. */
static size_t unit_split(const char *text, const char **unit, size_t *unit_n)
{
        size_t n = strlen(text);
        for (size_t i = 0; i < sizeof brackets / sizeof *brackets; i++) {
                size_t open = strlen(brackets[i][0]), close = strlen(brackets[i][1]);
                if (!ends_with(text, n, brackets[i][1]))
                        continue;
                for (size_t at = n - close; at-- > 0;)
                        if (strncmp(text + at, brackets[i][0], open) == 0) {
                                *unit = text + at + open;
                                *unit_n = n - close - at - open;
                                return at;
                        }
        }
        return 0;
}

static bool is_unit(const char *unit, const char *text, size_t n)
{
        while (n && *text == ' ') {
                text++;
                n--;
        }
        while (n && text[n - 1] == ' ')
                n--;
        return unit && strlen(unit) == n && memcmp(unit, text, n) == 0;
}

/* Chinese headings are broken over lines and spaced out to fill their cells. */
static const char *without_spaces(struct desk *d, const char *text, size_t n)
{
        char *out = arena_alloc(&d->room, n + 1);
        if (!out) {
                d->failed = true;
                return "";
        }
        size_t used = 0;
        for (size_t i = 0; i < n;) {
                if (strchr(" \t\r\n", text[i]))
                        i++;
                else if (n - i >= 3 && memcmp(text + i, "　", 3) == 0)
                        i += 3;
                else
                        out[used++] = text[i++];
        }
        return out;
}

static int32_t indicator_called(struct desk *d, int32_t dataset, const char *text, size_t n)
{
        const char *name = arena_strndup(&d->room, text, n);
        d->failed |= !name;
        name = desk_tidy(d, name);
        int32_t found = name ? catalog_indicator(d->j->catalog, dataset, name) : NONE;
        return found != NONE ? found : catalog_indicator(d->j->catalog, dataset, without_spaces(d, text, n));
}

/* The indicator a heading means in a dataset (NONE: anywhere), NONE or AMBIGUOUS. A wrong unit is a wrong
 * heading. */
static int32_t heading_meaning(struct desk *d, int32_t dataset, const char *text)
{
        int32_t found = indicator_called(d, dataset, text, strlen(text));
        const char *unit;
        size_t unit_n, name_n = found == NONE ? unit_split(text, &unit, &unit_n) : 0;
        if (!name_n)
                return found;
        found = indicator_called(d, dataset, text, name_n);
        if (found < 0)
                return found;
        const struct indicator *of = &d->j->catalog->indicators[found];
        return is_unit(of->unit_zh, unit, unit_n) || is_unit(of->unit_en, unit, unit_n) ? found : NONE;
}

static bool means_something(struct desk *d, const char *text)
{
        bool known = heading_meaning(d, NONE, text) != NONE;
        for (uint32_t i = 0; i < d->j->catalog->n_datasets && !known; i++)
                known = heading_meaning(d, (int32_t)i, text) != NONE;
        return known;
}

/* The header */

/* Reads a line as a header into the row's room. */
static struct header header_read(struct desk *d, const struct csv_record *r)
{
        struct header h = {.line = r->line, .n = r->n};
        h.v = arena_alloc(&d->room, r->n * sizeof *h.v);
        d->failed |= !h.v;
        for (size_t i = 0; h.v && i < r->n; i++) {
                const char *text = desk_tidy(d, r->fields[i]);
                enum column k;
                h.v[i] = (struct heading){text, NO_COLUMN};
                if (!text)
                        continue;
                if (column_find(text, &k)) {
                        if (!has(h.columns, k))
                                h.v[i].column = (int)k;
                        h.columns |= 1u << k;
                        h.score++;
                } else if (means_something(d, text)) {
                        h.indicators++;
                        h.score++;
                }
        }
        return h;
}

/* It keeps what it names beyond the row's room. */
static void header_keep(struct grid *g, const struct header *h)
{
        struct arena *a = &g->desk.in->arena;
        struct heading *v = arena_alloc(a, h->n * sizeof *v);
        for (size_t i = 0; v && i < h->n; i++) {
                v[i] = h->v[i];
                if (v[i].text)
                        v[i].text = arena_strdup(a, v[i].text);
        }
        g->desk.failed |= !v || a->ran_out;
        g->header = *h;
        g->header.v = v;
}

/* What the header makes of the file; FORM_SEEKING: it is none. */
static enum form form_of(const struct grid *g, const struct header *h)
{
        const struct intake_hints *hints = &g->desk.hints;
        bool region = has(h->columns, COLUMN_REGION), indicator = has(h->columns, COLUMN_INDICATOR),
             value = has(h->columns, COLUMN_VALUE);
        if (region && indicator && value)
                return FORM_LONG;
        if (region && h->indicators && !indicator && !value)
                return FORM_WIDE;
        bool scope = (has(h->columns, COLUMN_DATASET) || hints->dataset) &&
                     (has(h->columns, COLUMN_PERIOD) || hints->period);
        return scope && has(h->columns, COLUMN_ACTION) && !region && !indicator && !value ? FORM_LONG
                                                                                          : FORM_SEEKING;
}

static void refuse_missing(struct grid *g, uint32_t line, enum column k)
{
        bool hinted = k == COLUMN_DATASET || k == COLUMN_PERIOD;
        desk_missing(&g->desk, line, k,
                     hinted
                         ? desk_say(&g->desk, "or give it with the file, or in its name: DATASET_PERIOD.csv",
                                    "或随文件给出，或写入文件名：数据集_时期.csv")
                         : NULL);
}

static void check_scope(struct grid *g)
{
        const struct header *h = &g->header;
        if (!has(h->columns, COLUMN_DATASET) && !g->desk.hints.dataset)
                refuse_missing(g, h->line, COLUMN_DATASET);
        if (!has(h->columns, COLUMN_PERIOD) && !g->desk.hints.period)
                refuse_missing(g, h->line, COLUMN_PERIOD);
}

/* In the long form only columns mean something; in the wide form indicators of the file's dataset too, or of
 * any if each row names its own (their numbers are then nobody's). */
static int32_t heading_judge(struct grid *g, bool wide, const char *text)
{
        if (!wide)
                return NONE;
        if (g->dataset != NONE)
                return heading_meaning(&g->desk, g->dataset, text);
        return means_something(&g->desk, text) ? 0 : NONE;
}

static void check_headings(struct grid *g, bool wide)
{
        struct desk *d = &g->desk;
        for (size_t i = 0; i < g->header.n; i++) {
                const struct heading *h = &g->header.v[i];
                int32_t meaning = h->text && h->column == NO_COLUMN ? heading_judge(g, wide, h->text) : 0;
                if (meaning == AMBIGUOUS)
                        desk_refuse(d, REASON_AMBIGUOUS_NAME, g->header.line, h->text, h->text, NULL, NULL);
                else if (meaning == NONE)
                        desk_refuse(d, REASON_UNKNOWN_COLUMN, g->header.line, h->text, h->text,
                                    desk_near_heading(d, wide, g->dataset, h->text), NULL);
        }
}

static void headings_publish(struct grid *g)
{
        const char **texts = arena_alloc(&g->desk.in->arena, g->header.n * sizeof *texts);
        if (!texts) {
                g->desk.failed = true;
                return;
        }
        for (size_t i = 0; i < g->header.n; i++)
                texts[i] = g->header.v[i].text ? g->header.v[i].text : "";
        g->desk.in->headings = texts;
}

static void header_take(struct grid *g, const struct header *h, enum form form)
{
        header_keep(g, h);
        if (g->desk.failed)
                return;
        g->form = form;
        for (size_t i = 0; i < h->n; i++)
                if (h->v[i].column != NO_COLUMN) {
                        g->at[h->v[i].column] = i;
                        g->desk.columns[h->v[i].column] = g->header.v[i].text;
                }
        check_scope(g);
        g->dataset = has(h->columns, COLUMN_DATASET) ? NONE : desk_hinted_dataset(&g->desk);
        check_headings(g, form == FORM_WIDE);
        if (form == FORM_WIDE)
                headings_publish(g);
}

/* There was no header: what does the line lack that is most like one? */
static void header_missing(struct grid *g)
{
        const struct header *h = &g->header;
        if (!h->score) {
                refuse_missing(g, g->first_line, COLUMN_REGION);
                return;
        }
        bool region = has(h->columns, COLUMN_REGION), indicator = has(h->columns, COLUMN_INDICATOR),
             value = has(h->columns, COLUMN_VALUE), strange = false;
        for (size_t i = 0; i < h->n; i++)
                strange |= h->v[i].text && h->v[i].column == NO_COLUMN;
        bool wide = !indicator && !value && (h->indicators || strange);
        g->dataset = has(h->columns, COLUMN_DATASET) ? NONE : desk_hinted_dataset(&g->desk);
        if (!region)
                refuse_missing(g, h->line, COLUMN_REGION);
        if (!indicator && !wide)
                refuse_missing(g, h->line, COLUMN_INDICATOR);
        if (!value && !wide)
                refuse_missing(g, h->line, COLUMN_VALUE);
        check_scope(g);
        check_headings(g, wide);
}

/* Rows */

static bool is_blank(struct desk *d, const struct csv_record *r)
{
        for (size_t i = 0; i < r->n; i++)
                if (desk_tidy(d, r->fields[i]))
                        return false;
        return true;
}

/* Where there is no heading there must be nothing: else a figure was cut in two by its own comma. */
static void check_strays(struct grid *g, const struct csv_record *r)
{
        for (size_t i = 0; i < r->n; i++) {
                if ((i < g->header.n && g->header.v[i].text) || !desk_tidy(&g->desk, r->fields[i]))
                        continue;
                char name[24];
                snprintf(name, sizeof name, "#%zu", i + 1);
                desk_refuse(&g->desk, REASON_UNKNOWN_COLUMN, r->line, name, name, NULL, NULL);
        }
}

static void row_begin(struct grid *g, const struct csv_record *r, struct desk_row *row,
                      const char *text[COLUMN_COUNT])
{
        struct desk *d = &g->desk;
        for (int k = 0; k < COLUMN_COUNT; k++)
                text[k] = d->columns[k] && g->at[k] < r->n ? desk_tidy(d, r->fields[g->at[k]]) : NULL;
        enum mark mark = mark_of(text[COLUMN_REGION]);
        if (mark == MARK_FIGURES) {
                mark = mark_of(desk_tidy(d, r->fields[0]));
                for (int k = 0; k < COLUMN_COUNT && mark != MARK_FIGURES; k++)
                        if (d->columns[k] && g->at[k] == 0)
                                text[k] = NULL;
        }
        desk_row(d, row, r->line, mark, text);
}

static void row_long(struct grid *g, const struct csv_record *r)
{
        const char *text[COLUMN_COUNT];
        struct desk_row row;
        row_begin(g, r, &row, text);
        const char *indicator = text[COLUMN_INDICATOR], *value = text[COLUMN_VALUE];
        if (!indicator && !value)
                return;
        int32_t found = desk_indicator(&g->desk, &row, indicator ? indicator : "");
        if (found >= 0)
                desk_figure(&g->desk, &row, found, 0, value);
}

/* What each heading means in a dataset; NULL: memory. */
static const int32_t *meanings_of(struct grid *g, int32_t dataset)
{
        int32_t **slot = &g->meanings[dataset == NONE ? CATALOG_DATASETS : dataset];
        int32_t *v = *slot;
        if (v)
                return v;
        v = malloc((g->header.n + 1) * sizeof *v);
        for (size_t i = 0; v && i < g->header.n; i++) {
                const struct heading *h = &g->header.v[i];
                v[i] = h->text && h->column == NO_COLUMN ? heading_meaning(&g->desk, dataset, h->text) : NONE;
        }
        g->desk.failed |= !v;
        *slot = v;
        return v;
}

static void row_wide(struct grid *g, const struct csv_record *r)
{
        const char *text[COLUMN_COUNT];
        struct desk_row row;
        row_begin(g, r, &row, text);
        const int32_t *meanings = meanings_of(g, row.dataset);
        for (size_t i = 0; meanings && i < r->n && i < g->header.n; i++) {
                const struct heading *h = &g->header.v[i];
                const char *value = h->column == NO_COLUMN ? desk_tidy(&g->desk, r->fields[i]) : NULL;
                if (!value || !h->text)
                        continue;
                if (meanings[i] >= 0)
                        desk_figure(&g->desk, &row, meanings[i], (uint16_t)i, value);
                else if (g->dataset == NONE && row.dataset != NONE && means_something(&g->desk, h->text))
                        desk_refuse(&g->desk, REASON_UNKNOWN_INDICATOR, row.row, h->text, h->text,
                                    desk_near(&g->desk, COLUMN_INDICATOR, row.dataset, h->text), NULL);
        }
}

static bool take(void *ctx, const struct csv_record *r)
{
        struct grid *g = ctx;
        struct desk *d = &g->desk;
        arena_reset(&d->room);
        if (is_blank(d, r))
                return !d->failed;
        if (!g->first_line)
                g->first_line = r->line;
        if (g->form != FORM_SEEKING) {
                g->rows = true;
                check_strays(g, r);
                (g->form == FORM_LONG ? row_long : row_wide)(g, r);
                return !d->failed && !d->full;
        }
        struct header h = header_read(d, r);
        if (d->failed)
                return false;
        enum form form = form_of(g, &h);
        if (form != FORM_SEEKING)
                header_take(g, &h, form);
        else if (h.score > g->header.score)
                header_keep(g, &h);
        return !d->failed && (g->form != FORM_SEEKING || ++g->lines < HEADER_LINES);
}

/* A withdrawal may come without rows: the hints say it all. */
static bool withdraws(const struct desk *d)
{
        enum action a;
        return d->hints.action && action_find(d->hints.action, &a) && a == WITHDRAW && d->hints.dataset &&
               d->hints.period;
}

static void finish(struct grid *g, enum csv_end end, uint32_t line)
{
        struct desk *d = &g->desk;
        d->failed |= end == CSV_BAD_MEMORY;
        if (d->failed)
                return;
        if (end != CSV_FINE && end != CSV_STOPPED) {
                struct text en = {0}, zh = {0};
                text_printf(&en, "CSV: %s", csv_sentence(end, LANG_EN));
                text_printf(&zh, "CSV：%s", csv_sentence(end, LANG_ZH));
                d->failed |= text_failed(&en) || text_failed(&zh);
                desk_refuse(d, REASON_ENCODING, line, NULL, desk_say(d, text_c(&en), text_c(&zh)), NULL,
                            NULL);
                text_close(&en);
                text_close(&zh);
        } else if (!g->rows && withdraws(d) && (g->form != FORM_SEEKING || !g->first_line)) {
                const char *none[COLUMN_COUNT] = {0};
                struct desk_row row;
                memset(d->columns, 0, sizeof d->columns);
                desk_row(d, &row, 0, MARK_FIGURES, none);
        } else if (!g->first_line) {
                desk_refuse(d, REASON_EMPTY_FILE, 0, NULL, NULL, NULL, NULL);
        } else if (g->form == FORM_SEEKING) {
                header_missing(g);
        }
}

bool intake_csv(struct intake *in, const char *bytes, size_t n, struct intake_hints hints,
                const struct judge *j)
{
        struct grid *g = calloc(1, sizeof *g);
        if (!g)
                return false;
        desk_open(&g->desk, in, j);
        g->dataset = NONE;
        desk_hints(&g->desk, hints);
        if (desk_readable(&g->desk, bytes, n)) {
                uint32_t line = 0;
                enum csv_end end = csv_read(bytes, n, take, g, &line);
                finish(g, end, line);
        }
        bool fine = desk_close(&g->desk);
        for (size_t i = 0; i < sizeof g->meanings / sizeof *g->meanings; i++)
                free(g->meanings[i]);
        free(g);
        return fine;
}
