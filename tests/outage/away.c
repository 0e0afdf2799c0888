/* away: the outbox of an office as days without a line leave it, and what has to come of it.
 *
 *     outage_away CATALOG STATE OFFICE SEED DAYS REPORTS ROWS STANDS
 *
 * Machines count: REPORTS a day, at even intervals up to the last midnight, each an `add` of ROWS counters
 * that moved to the day it is made in. Now and then a clerk hands a whole day of the two months before in
 * once more
 * (`replace`), or completes a month or a quarter (`merge`). Every report goes through the collector's own
 * door, as CSV: parcel_read with ledger and rules, parcel_put. Only the commits are fewer: one for many
 * reports.
 *
 * STANDS takes one row for each figure that stands in the end, as tests/flow/plain.awk reads them. They come
 * from a plain table that is written beside, of which the outbox knows nothing. Prints: reports, facts, bytes
 * of payload. */
#include "base/check.h"
#include "collector/parcel.h"
#include "lib/folder.h"
#include "lib/seed.h"
#include "loop/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        COMMIT_REPORTS = 500,
        CLERK_EVERY = 240, /* reports of machines between two of a clerk */
        CLERK_ROWS = 700,
        PAST_DAYS = 60,
};
static const int64_t day_us = INT64_C(86400) * 1000 * 1000;

struct place_of { /* where a figure can stand */
        uint32_t region, indicator;
};

struct figure { /* what stands there */
        int64_t value;
        enum qualifier q; /* in the order of their rank */
        bool given;
};

struct form {
        char period[PERIOD_TEXT];
        struct figure *figures; /* one a place of its dataset */
        struct form *next;
};

struct field { /* a dataset as this office fills it in */
        const struct dataset *dataset;
        struct place_of *places;
        uint32_t *order; /* of drawing: some places of a report, each once */
        size_t n;
        struct form *forms;
};

struct away {
        struct catalog *catalog;
        struct outbox outbox;
        struct ledger ledger;
        struct parcel_book book;
        struct seed seed;
        struct field *fields; /* by dataset */
        struct text csv;
        uint64_t reports, facts, bytes;
};

static void must(int code, const struct err *e)
{
        if (code >= 0)
                return;
        fprintf(stderr, "away: %s\n", e->text);
        exit(1);
}

/* ---- places */

/* Figures that no rule and no bound can refuse or flag, whatever the others are. */
static bool is_free(const struct indicator *i)
{
        static const char *const bound[] = {"incidents", "exam_passed", "hazards_rectified"};
        for (size_t k = 0; k < sizeof bound / sizeof *bound; k++)
                if (strcmp(i->code, bound[k]) == 0)
                        return false;
        return i->kind != DERIVED && !i->has_max;
}

/* Places without figures below them; a stock belongs to its level alone. */
static bool is_place(const struct catalog *c, uint32_t region, const struct indicator *i)
{
        const struct region *r = &c->regions[region];
        return is_free(i) && (i->level ? strcmp(i->level, r->level) == 0 : r->children == 0);
}

static void find_places(struct field *f, const struct catalog *c, const struct dataset *d, uint32_t office)
{
        f->dataset = d;
        f->places = calloc((size_t)c->n_regions * d->n_indicators + 1, sizeof *f->places);
        POST(f->places);
        for (uint32_t r = 0; r < c->n_regions; r++)
                for (uint32_t i = 0; catalog_in_scope(c, office, r) && i < d->n_indicators; i++)
                        if (is_place(c, r, &c->indicators[d->indicators[i]]))
                                f->places[f->n++] = (struct place_of){r, d->indicators[i]};
        f->order = calloc(f->n + 1, sizeof *f->order);
        POST(f->order);
        for (size_t i = 0; i < f->n; i++)
                f->order[i] = (uint32_t)i;
}

/* Moves n places, drawn by lot, to the front of f->order. */
static size_t draw(struct field *f, size_t n, struct seed *s)
{
        if (n > f->n)
                n = f->n;
        for (size_t i = 0; i < n; i++) {
                size_t k = i + seed_below(s, f->n - i);
                uint32_t other = f->order[i];
                f->order[i] = f->order[k];
                f->order[k] = other;
        }
        return n;
}

/* ---- the plain table */

static struct form *form_of(struct field *f, const char *period)
{
        for (struct form *m = f->forms; m; m = m->next)
                if (strcmp(m->period, period) == 0)
                        return m;
        struct form *m = calloc(1, sizeof *m);
        POST(m && (m->figures = calloc(f->n + 1, sizeof *m->figures)));
        snprintf(m->period, sizeof m->period, "%s", period);
        m->next = f->forms;
        return f->forms = m;
}

static void stand(struct figure *f, enum action action, struct figure came)
{
        if (action == ADD && f->given) {
                f->value += came.value;
                if (came.q > f->q)
                        f->q = came.q;
        } else {
                *f = came;
        }
}

static void write_value(struct text *t, const struct figure *f, unsigned decimals)
{
        text_add(t, f->q == ABOUT ? "约" : "");
        text_scaled(t, f->value, decimals);
        text_add(t, f->q == AT_LEAST ? "余" : "");
}

static void print_stands(const struct away *w, const struct field *f, FILE *out)
{
        struct text value = {0};
        for (const struct form *m = f->forms; m; m = m->next)
                for (size_t i = 0; i < f->n; i++) {
                        const struct indicator *k = &w->catalog->indicators[f->places[i].indicator];
                        if (!m->figures[i].given)
                                continue;
                        text_clear(&value);
                        write_value(&value, &m->figures[i], k->decimals);
                        fprintf(out, "%s:%s:%s|%s|%s|replace|%s|%s|%s\n", w->outbox.office, f->dataset->code,
                                m->period, f->dataset->code, m->period,
                                w->catalog->regions[f->places[i].region].code, k->code, text_c(&value));
                }
        text_close(&value);
}

/* ---- reports */

static struct figure draw_figure(struct seed *s, enum action action)
{
        struct figure f = {.given = true, .value = (int64_t)(1 + seed_below(s, 9))};
        if (action != ADD)
                f.value = seed_below(s, 7) == 0 ? 0 : (int64_t)seed_below(s, 5000);
        if (seed_below(s, 100) == 0)
                f.q = seed_below(s, 2) ? AT_LEAST : ABOUT;
        return f;
}

/* Draws a report: as CSV, and into the plain table. */
static void write_report(struct away *w, struct field *f, const char *period, enum action action, size_t rows)
{
        struct form *m = form_of(f, period);
        if (action == REPLACE)
                memset(m->figures, 0, f->n * sizeof *m->figures);
        text_clear(&w->csv);
        text_add(&w->csv, "region,indicator,value\n");
        size_t n = draw(f, rows, &w->seed);
        for (size_t i = 0; i < n; i++) {
                const struct place_of *at = &f->places[f->order[i]];
                const struct indicator *k = &w->catalog->indicators[at->indicator];
                struct figure came = draw_figure(&w->seed, action);
                stand(&m->figures[f->order[i]], action, came);
                text_printf(&w->csv, "%s,%s,", w->catalog->regions[at->region].code, k->code);
                write_value(&w->csv, &came, k->decimals);
                text_char(&w->csv, '\n');
        }
        POST(!text_failed(&w->csv));
}

static void refuse(const struct parcel *t)
{
        struct text why = {0};
        reasons_json(&t->in.reasons, LANG_EN, &why);
        fprintf(stderr, "away: a report is refused: %.2000s\n", text_c(&why));
        exit(1);
}

static void hand_in(struct away *w, struct field *f, struct period p, enum action action, size_t rows,
                    int64_t at_us)
{
        char period[PERIOD_TEXT];
        struct parcel t = {0};
        struct err e;
        period_print(p, period);
        write_report(w, f, period, action, rows);
        struct parcel_input input = {.kind = PARCEL_CSV,
                                     .bytes = w->csv.v,
                                     .n = w->csv.n,
                                     .hints = {f->dataset->code, period, action_word(action)},
                                     .now_us = at_us};
        must(parcel_read(&t, &w->book, &input, &e), &e);
        if (!parcel_fine(&t))
                refuse(&t);
        must(parcel_put(&t, &w->book, 0, &e), &e);
        w->reports += t.in.n;
        w->facts += parcel_rows(&t);
        for (size_t i = 0; i < t.in.n; i++)
                w->bytes += t.drafts[i].payload.n;
        parcel_close(&t);
}

static struct field *field_of(struct away *w, const char *dataset)
{
        int32_t d = catalog_dataset(w->catalog, dataset);
        POST(d >= 0);
        return &w->fields[d];
}

static void clerk(struct away *w, int32_t first_day, int64_t at_us)
{
        static const char *const others[] = {"scipop", "enfsup", "lawinsp"};
        int32_t day = first_day - 1 - (int32_t)seed_below(&w->seed, PAST_DAYS);
        if (seed_below(&w->seed, 2)) {
                hand_in(w, field_of(w, "gunexp"), period_of(PERIOD_DAY, day), REPLACE, CLERK_ROWS, at_us);
        } else {
                struct field *f = field_of(w, others[seed_below(&w->seed, sizeof others / sizeof *others)]);
                hand_in(w, f, period_of(f->dataset->every, day), MERGE, CLERK_ROWS, at_us);
        }
}

static int32_t day_at(const struct away *w, int64_t us)
{
        return (int32_t)(clock_civil_s(us, w->catalog->timezone) / 86400);
}

/* The last one, where the office is. */
static int64_t midnight_us(const struct away *w)
{
        int64_t now_us = clock_us(), civil_s = clock_civil_s(now_us, w->catalog->timezone);
        return now_us - now_us % 1000000 - civil_s % 86400 * 1000000;
}

static void commit(struct away *w)
{
        struct err e;
        must(outbox_commit(&w->outbox, &e), &e);
        must(outbox_tend(&w->outbox, false, &e), &e);
}

static void fill(struct away *w, uint64_t days, uint64_t a_day, size_t rows)
{
        struct err e;
        int64_t begin_us = midnight_us(w) - (int64_t)days * day_us;
        struct field *counters = field_of(w, "gunexp");
        uint64_t n = days * a_day;
        for (uint64_t i = 0; i < n; i++) {
                if (i % COMMIT_REPORTS == 0)
                        must(outbox_begin(&w->outbox, &e), &e);
                int64_t at_us = begin_us + (int64_t)((double)i * (double)days * (double)day_us / (double)n);
                if (i % CLERK_EVERY == 0)
                        clerk(w, day_at(w, begin_us), at_us);
                hand_in(w, counters, period_of(PERIOD_DAY, day_at(w, at_us)), ADD, rows, at_us);
                if (i % COMMIT_REPORTS == COMMIT_REPORTS - 1 || i + 1 == n)
                        commit(w);
        }
}

/* ---- life */

static void open_office(struct away *w, const char *catalog, const char *state, const char *office)
{
        char path[4096];
        struct err e;
        w->catalog = folder_catalog(catalog);
        int32_t number = catalog_office(w->catalog, office);
        POST(number >= 0);
        snprintf(path, sizeof path, "%s/outbox.db", state);
        must(outbox_open(&w->outbox, path, office, clock_us(), &e), &e);
        w->book = (struct parcel_book){.outbox = &w->outbox,
                                       .ledger = &w->ledger,
                                       .catalog = w->catalog,
                                       .office = (uint32_t)number,
                                       .max_bytes = UINT64_MAX};
        w->fields = calloc(w->catalog->n_datasets, sizeof *w->fields);
        POST(w->fields);
        for (uint32_t d = 0; d < w->catalog->n_datasets; d++)
                find_places(&w->fields[d], w->catalog, &w->catalog->datasets[d], (uint32_t)number);
}

static void close_field(struct field *f)
{
        while (f->forms) {
                struct form *m = f->forms;
                f->forms = m->next;
                free(m->figures);
                free(m);
        }
        free(f->places);
        free(f->order);
}

static void close_office(struct away *w)
{
        for (uint32_t d = 0; d < w->catalog->n_datasets; d++)
                close_field(&w->fields[d]);
        free(w->fields);
        ledger_close(&w->ledger);
        outbox_close(&w->outbox);
        catalog_free(w->catalog);
        text_close(&w->csv);
}

static void write_stands(const struct away *w, const char *path)
{
        FILE *out = fopen(path, "w");
        POST(out);
        for (uint32_t d = 0; d < w->catalog->n_datasets; d++)
                print_stands(w, &w->fields[d], out);
        int rc = fclose(out);
        POST(rc == 0);
}

int main(int argc, char **argv)
{
        if (argc != 9) {
                fprintf(stderr, "usage: outage_away CATALOG STATE OFFICE SEED DAYS REPORTS ROWS STANDS\n");
                return 2;
        }
        struct away w = {.seed = seed_from(strtoull(argv[4], NULL, 10))};
        open_office(&w, argv[1], argv[2], argv[3]);
        fill(&w, strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10), strtoull(argv[7], NULL, 10));
        write_stands(&w, argv[8]);
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", w.reports, w.facts, w.bytes);
        close_office(&w);
        return 0;
}
