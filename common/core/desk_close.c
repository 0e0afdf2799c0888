/* What happens once all rows are there. Each pile is sorted at most twice: by (indicator, row), so that a
 * total row meets the figures it speaks of in the order of the file, and by (indicator, region), the order of
 * facts, so that what is given twice lies together. */
#include "core/desk.h"

#include "core/cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Total rows */

static int by_row(const struct figure *a, const struct figure *b)
{
        if (a->row != b->row)
                return a->row < b->row ? -1 : 1;
        return (a->cell > b->cell) - (a->cell < b->cell);
}

static int by_indicator_row(const void *x, const void *y)
{
        const struct figure *a = x, *b = y;
        if (a->fact.indicator != b->fact.indicator)
                return a->fact.indicator < b->fact.indicator ? -1 : 1;
        return by_row(a, b);
}

static int by_place(const void *x, const void *y)
{
        const struct figure *a = x, *b = y;
        uint64_t i = fact_key(a->fact.indicator, a->fact.region),
                 k = fact_key(b->fact.indicator, b->fact.region);
        return i != k ? (i < k ? -1 : 1) : by_row(a, b);
}

/* May a total row say this of that sum? Of two figures that are both not exact nothing can be said. */
static bool total_fits(const struct fact *total, const struct cell *sum)
{
        enum qualifier q = cell_qualifier(sum);
        if (total->value == sum->sum)
                return true;
        if (total->q == EXACT && q == AT_LEAST)
                return total->value > sum->sum;
        if (total->q == AT_LEAST && q == EXACT)
                return total->value < sum->sum;
        return total->q != EXACT || q != EXACT;
}

static void total_compare(struct desk *d, const struct figure *total, const struct cell *sum)
{
        if (total_fits(&total->fact, sum))
                return;
        const struct indicator *of = &d->j->catalog->indicators[total->fact.indicator];
        struct text says = {0}, is = {0};
        text_scaled(&says, total->fact.value, of->decimals);
        /* beyond 64 bits the end of the range is shown: it differs from any total in any case */
        __int128 shown = sum->sum > INT64_MAX ? INT64_MAX : sum->sum < INT64_MIN ? INT64_MIN : sum->sum;
        text_scaled(&is, (int64_t)shown, of->decimals);
        d->failed |= text_failed(&says) || text_failed(&is);
        desk_refuse(d, REASON_SUM_DIFFERS, total->row,
                    desk_cell(d->in, total->cell, desk_heading(d, COLUMN_VALUE)), text_c(&says), text_c(&is),
                    NULL);
        text_close(&says);
        text_close(&is);
}

/* The figures of one indicator in the order of the file. A subtotal that stands before the first figure is
 * the head of its group: it and those after it speak of what follows them. */
static void totals_of_indicator(struct desk *d, const struct figure *v, size_t n)
{
        enum kind kind = d->j->catalog->indicators[v->fact.indicator].kind;
        struct cell whole = {0}, above = {0}, part = {0};
        for (size_t i = 0; i < n; i++)
                if (v[i].mark == MARK_FIGURES) {
                        struct cell one = cell_of(v[i].fact.value, v[i].fact.q);
                        cell_over_place(kind, &whole, &one);
                }
        const struct figure *head = NULL;
        for (size_t i = 0; i < n; i++) {
                struct cell one = cell_of(v[i].fact.value, v[i].fact.q);
                if (v[i].mark == MARK_FIGURES) {
                        cell_over_place(kind, &above, &one);
                        cell_over_place(kind, &part, &one);
                } else if (v[i].mark == MARK_TOTAL) {
                        total_compare(d, &v[i], above.facts ? &above : &whole);
                } else {
                        bool heads = head || !above.facts;
                        if (heads && head)
                                total_compare(d, head, &part);
                        else if (!heads)
                                total_compare(d, &v[i], &part);
                        head = heads ? &v[i] : NULL;
                        part = (struct cell){0};
                }
        }
        if (head)
                total_compare(d, head, &part);
}

static void totals_check(struct desk *d, struct figures *f)
{
        qsort(f->v, f->n, sizeof *f->v, by_indicator_row);
        for (size_t i = 0, end; i < f->n; i = end) {
                for (end = i + 1; end < f->n && f->v[end].fact.indicator == f->v[i].fact.indicator;)
                        end++;
                if (d->j->catalog->indicators[f->v[i].fact.indicator].kind != DERIVED)
                        totals_of_indicator(d, f->v + i, end - i);
        }
}

/* Totals that name no period speak of all of them. */
static void loose_check(struct desk *d)
{
        if (!d->loose.n || d->full)
                return;
        for (size_t p = 0; p < d->n; p++)
                for (size_t i = 0; i < d->piles[p].figures.n; i++)
                        if (d->piles[p].figures.v[i].mark == MARK_FIGURES)
                                figures_add(d, &d->loose, d->piles[p].figures.v[i]);
        totals_check(d, &d->loose);
}

/* Closing */

static void totals_drop(struct figures *f)
{
        size_t n = 0;
        for (size_t i = 0; i < f->n; i++)
                if (f->v[i].mark == MARK_FIGURES)
                        f->v[n++] = f->v[i];
        f->n = n;
}

static void refuse_twice(struct desk *d, const struct figure *first, const struct figure *again)
{
        const struct catalog *c = d->j->catalog;
        char row[16];
        snprintf(row, sizeof row, "%u", first->row);
        desk_refuse(d, REASON_DUPLICATE_ROW, again->row,
                    desk_cell(d->in, again->cell, desk_heading(d, COLUMN_REGION)),
                    c->indicators[again->fact.indicator].code, c->regions[again->fact.region].code, row);
}

/* Sorts, refuses what is given twice, keeps the first. */
static void figures_settle(struct desk *d, struct figures *f)
{
        qsort(f->v, f->n, sizeof *f->v, by_place);
        size_t n = 0;
        for (size_t i = 0; i < f->n; i++) {
                const struct fact *now = &f->v[i].fact, *was = n ? &f->v[n - 1].fact : NULL;
                if (was && was->indicator == now->indicator && was->region == now->region)
                        refuse_twice(d, &f->v[n - 1], &f->v[i]);
                else
                        f->v[n++] = f->v[i];
        }
        f->n = n;
}

static bool report_room(struct intake_report *r, size_t n, size_t notes)
{
        r->report.facts = calloc(n + 1, sizeof *r->report.facts);
        r->report.notes = calloc(notes + 1, sizeof *r->report.notes);
        r->rows = calloc(n + 1, sizeof *r->rows);
        r->cells = calloc(n + 1, sizeof *r->cells);
        return r->report.facts && r->report.notes && r->rows && r->cells;
}

static bool report_fill(struct intake_report *r, const struct pile *p)
{
        const struct figures *f = &p->figures;
        size_t notes = 0;
        for (size_t i = 0; i < f->n; i++)
                notes += f->v[i].note != NULL;
        *r = (struct intake_report){
            .report = {.dataset = p->dataset, .period = p->period, .action = p->action, .note = p->note},
            .action_written = p->action_known,
            .row = p->row,
        };
        if (!report_room(r, f->n, notes))
                return false;
        for (size_t i = 0; i < f->n; i++) {
                const struct figure *one = &f->v[i];
                r->report.facts[r->report.n++] = one->fact;
                r->rows[i] = one->row;
                r->cells[i] = one->cell;
                if (one->note)
                        r->report.notes[r->report.n_notes++] =
                            (struct note){one->fact.region, one->fact.indicator, one->note};
        }
        return true;
}

static bool is_column(const char *key, enum column *k)
{
        for (int i = 0; i < COLUMN_COUNT; i++)
                if (strcmp(key, column_word((enum column)i)) == 0) {
                        *k = (enum column)i;
                        return true;
                }
        return false;
}

/* The heading for a key of report.c; of the wide form the cell's for what stands in the cell or above it. */
static const char *heading_for(const struct intake *in, const struct intake_report *r, size_t fact,
                               const char *key)
{
        enum column k;
        if (!key || !is_column(key, &k))
                return key;
        if (k == COLUMN_VALUE || k == COLUMN_INDICATOR)
                return desk_cell(in, r->cells[fact], in->columns[k] ? in->columns[k] : key);
        return in->columns[k] ? in->columns[k] : key;
}

void desk_place(const struct intake *in, const struct intake_report *r, const struct reasons *found,
                struct reasons *out)
{
        for (size_t i = 0; i < found->n; i++) {
                struct reason one = found->v[i];
                enum column k;
                if (one.row) {
                        size_t fact = one.row - 1;
                        one.row = r->rows[fact];
                        one.column = heading_for(in, r, fact, one.column);
                } else if (one.column && is_column(one.column, &k)) {
                        one.row = in->columns[k] ? r->row : 0;
                        one.column = in->columns[k] ? in->columns[k] : one.column;
                }
                reasons_copy(out, &one);
        }
        out->total += found->total - found->n;
}

static void refuse_size(struct desk *d, size_t rows)
{
        char en[2][32], zh[2][32];
        snprintf(en[0], sizeof en[0], "%zu rows", rows);
        snprintf(zh[0], sizeof zh[0], "%zu 行", rows);
        snprintf(en[1], sizeof en[1], "%d rows", REPORT_ROWS);
        snprintf(zh[1], sizeof zh[1], "%d 行", REPORT_ROWS);
        desk_refuse(d, REASON_REPORT_TOO_LARGE, 0, NULL, desk_say(d, en[0], zh[0]), desk_say(d, en[1], zh[1]),
                    NULL);
}

uint32_t *desk_numbers(size_t n)
{
        uint32_t *numbers = malloc((n + 1) * sizeof *numbers);
        for (size_t i = 0; numbers && i < n; i++)
                numbers[i] = (uint32_t)i + 1;
        return numbers;
}

static void check(struct desk *d, struct intake_report *r)
{
        struct reasons found = {0};
        uint32_t *numbers = desk_numbers(r->report.n);
        if (!numbers) {
                d->failed = true;
                return;
        }
        report_check(&r->report, d->j, numbers, &found);
        r->checked = found.total == 0 && r->report.n <= REPORT_ROWS;
        desk_place(d->in, r, &found, &d->in->reasons);
        d->failed |= found.failed;
        if (r->report.n > REPORT_ROWS && !d->full)
                refuse_size(d, r->report.n);
        reasons_close(&found);
        free(numbers);
}

static struct intake_report *report_new(struct desk *d)
{
        struct intake *in = d->in;
        if (in->n == in->cap) {
                size_t cap = in->cap ? in->cap * 2 : 4;
                struct intake_report *reports = realloc(in->reports, cap * sizeof *reports);
                if (!reports) {
                        d->failed = true;
                        return NULL;
                }
                in->reports = reports;
                in->cap = cap;
        }
        in->reports[in->n] = (struct intake_report){0};
        return &in->reports[in->n++];
}

/* A pile without figures is a report only if it withdraws, or was sent as one and nothing else is wrong with
 * it. */
static bool pile_counts(const struct desk *d, const struct pile *p)
{
        return p->figures.n || p->action == WITHDRAW || (p->wanted && d->in->reasons.total == 0);
}

static void pile_close(struct desk *d, struct pile *p)
{
        if (p->has_totals) {
                if (!d->full)
                        totals_check(d, &p->figures);
                totals_drop(&p->figures);
        }
        if (p->figures.n)
                figures_settle(d, &p->figures);
        if (!pile_counts(d, p))
                return;
        struct intake_report *r = report_new(d);
        if (!r)
                return;
        if (report_fill(r, p))
                check(d, r);
        else
                d->failed = true;
}

static int by_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_reason(const void *x, const void *y)
{
        const struct reason *a = x, *b = y;
        if (a->row != b->row)
                return a->row < b->row ? -1 : 1;
        if (a->code != b->code)
                return a->code < b->code ? -1 : 1;
        int order = by_text(a->column, b->column);
        for (size_t i = 0; i < REASON_ARGS && !order; i++)
                order = by_text(a->arg[i], b->arg[i]);
        return order;
}

void desk_sort_reasons(struct reasons *r)
{
        size_t n = 0;
        if (r->n)
                qsort(r->v, r->n, sizeof *r->v, by_reason);
        for (size_t i = 0; i < r->n; i++)
                if (!n || by_reason(&r->v[n - 1], &r->v[i]) != 0)
                        r->v[n++] = r->v[i];
        r->total -= r->n - n;
        r->n = n;
}

bool desk_close(struct desk *d)
{
        struct intake *in = d->in;
        memcpy(in->columns, d->columns, sizeof in->columns);
        if (!d->failed && !in->malformed.code) {
                loose_check(d);
                for (size_t i = 0; i < d->n && !d->failed; i++)
                        pile_close(d, &d->piles[i]);
                if (!in->n && !in->reasons.total)
                        desk_refuse(d, REASON_NO_ROWS, 0, NULL, NULL, NULL, NULL);
                desk_sort_reasons(&in->reasons);
        }
        d->failed |= in->reasons.failed;
        for (size_t i = 0; i < d->n; i++)
                free(d->piles[i].figures.v);
        free(d->piles);
        free(d->loose.v);
        map_close(&d->places);
        map_close(&d->near_names);
        arena_close(&d->room);
        return !d->failed;
}
