#include "session/gather.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void gather_clear(struct gather *g)
{
        for (size_t i = 0; i < g->n_columns; i++)
                free((void *)g->columns[i].totals);
        arena_reset(&g->arena);
        g->n_steps = g->n_signatures = g->n_reports = g->n_columns = 0;
        g->column_room = 0;
}

void gather_close(struct gather *g)
{
        gather_clear(g);
        arena_close(&g->arena);
        free(g->steps);
        free(g->signatures);
        free(g->reports);
        free(g->columns);
        *g = (struct gather){0};
}

bool gather_empty(const struct gather *g)
{
        return g->n_steps == 0;
}

bool gather_full(const struct gather *g)
{
        return g->arena.used + g->n_reports * sizeof *g->reports >= GATHER_BYTES ||
               g->n_signatures >= GATHER_SIGNATURES;
}

/* Makes room for one more in an array that grows by doubling. */
static void *more(void *v, size_t n, size_t *cap, size_t size)
{
        if (n < *cap)
                return v;
        *cap = *cap ? *cap * 2 : 16;
        v = realloc(v, *cap * size);
        POST(v);
        return v;
}

static void *keep(struct gather *g, const void *p, size_t n)
{
        void *copy = arena_alloc(&g->arena, n ? n : 1);
        POST(copy);
        if (n)
                memcpy(copy, p, n);
        return copy;
}

static const char *keep_text(struct gather *g, const char *s)
{
        return s ? keep(g, s, strlen(s) + 1) : NULL;
}

uint32_t gather_step(struct gather *g, struct downlink_stream *s)
{
        for (size_t i = 0; i < g->n_steps; i++)
                if (g->steps[i].stream == s)
                        return (uint32_t)i;
        g->steps = more(g->steps, g->n_steps, &g->cap_steps, sizeof *g->steps);
        g->steps[g->n_steps] = (struct gather_step){.stream = s, .from = s->taken, .to = s->taken};
        return (uint32_t)g->n_steps++;
}

static const struct reason *keep_reasons(struct gather *g, const struct reason *v, size_t n)
{
        if (n == 0)
                return NULL;
        struct reason *copy = keep(g, v, n * sizeof *v);
        for (size_t i = 0; i < n; i++) {
                copy[i].column = keep_text(g, v[i].column);
                for (size_t k = 0; k < REASON_ARGS; k++)
                        copy[i].arg[k] = keep_text(g, v[i].arg[k]);
        }
        return copy;
}

void gather_report(struct gather *g, const struct wire_taken *t)
{
        PRE(t->step < g->n_steps);
        g->reports = more(g->reports, g->n_reports, &g->cap_reports, sizeof *g->reports);
        struct wire_taken *r = &g->reports[g->n_reports++];
        *r = *t;
        r->report.dataset = keep_text(g, t->report.dataset);
        r->report.period = keep_text(g, t->report.period);
        r->report.payload = keep(g, t->report.payload, t->report.payload_n);
        r->reasons = keep_reasons(g, t->reasons, t->n_reasons);
        r->flags = keep_reasons(g, t->flags, t->n_flags);
        struct gather_step *step = &g->steps[t->step];
        PRE(t->seq == step->to.seq + 1);
        step->to = (struct point){t->seq, t->hash};
}

void gather_signature(struct gather *g, const struct wire_signature *s)
{
        g->signatures = more(g->signatures, g->n_signatures, &g->cap_signatures, sizeof *g->signatures);
        g->signatures[g->n_signatures++] = *s;
}

void gather_total(struct gather *g, const char *indicator, struct period period, const char *region,
                  const struct cell *cell)
{
        struct wire_column *c = g->n_columns ? &g->columns[g->n_columns - 1] : NULL;
        if (!c || c->indicator != indicator || !period_same(g->column_period, period)) {
                char label[PERIOD_TEXT];
                period_print(period, label);
                g->columns = more(g->columns, g->n_columns, &g->cap_columns, sizeof *g->columns);
                c = &g->columns[g->n_columns++];
                *c = (struct wire_column){.indicator = indicator, .period = keep_text(g, label)};
                g->column_period = period;
                g->column_room = 0;
        }
        struct wire_total *v = more((void *)c->totals, c->n, &g->column_room, sizeof *v);
        v[c->n++] = (struct wire_total){.region = region, .cell = *cell};
        c->totals = v;
}

static struct text *frame(struct gather_frames *f)
{
        f->v = more(f->v, f->n, &f->cap, sizeof *f->v);
        f->v[f->n] = (struct text){0};
        return &f->v[f->n++];
}

static void write_frame(struct gather_frames *f, const struct wire_message *m)
{
        struct text *t = frame(f);
        wire_write(m, t);
        POST(!text_failed(t) && t->n <= WIRE_FRAME);
}

/* Reports first, as many as fit a frame each time; then the totals. Sizes are counted from above. */
static uint32_t write_reports(const struct gather *g, struct gather_frames *out)
{
        uint32_t parts = 0;
        for (size_t i = 0; i < g->n_reports; parts++) {
                size_t first = i, bytes = 64;
                for (; i < g->n_reports; i++) {
                        const struct wire_taken *t = &g->reports[i];
                        size_t one = wire_taken_size(t);
                        if (i > first && bytes + one > WIRE_MESSAGE)
                                break;
                        bytes += one;
                }
                struct wire_message m = {
                    .kind = WIRE_FLUSH_PART,
                    .flush_part = {.reports = g->reports + first, .n_reports = i - first}};
                write_frame(out, &m);
        }
        return parts;
}

enum { COLUMN_BYTES = 256 }; /* of a column around its entries, at most */

static uint32_t write_totals(const struct gather *g, struct gather_frames *out)
{
        struct wire_column *columns = calloc(g->n_columns + 1, sizeof *columns);
        POST(columns);
        uint32_t parts = 0;
        size_t n = 0, bytes = 0;
        for (size_t i = 0, at = 0; i < g->n_columns;) {
                const struct wire_column *c = &g->columns[i];
                size_t first = at;
                for (bytes += COLUMN_BYTES; at < c->n && bytes < WIRE_MESSAGE; at++)
                        bytes += wire_total_size(&c->totals[at]);
                columns[n++] = (struct wire_column){c->indicator, c->period, c->totals + first, at - first};
                if (at == c->n) {
                        i++;
                        at = 0;
                }
                if (bytes < WIRE_MESSAGE && i < g->n_columns)
                        continue;
                struct wire_message m = {.kind = WIRE_FLUSH_PART,
                                         .flush_part = {.columns = columns, .n_columns = n}};
                write_frame(out, &m);
                parts++;
                n = bytes = 0;
        }
        free(columns);
        return parts;
}

void gather_write(const struct gather *g, uint64_t term, uint64_t number, struct gather_frames *out)
{
        struct wire_step *steps = calloc(g->n_steps + 1, sizeof *steps);
        POST(steps);
        for (size_t i = 0; i < g->n_steps; i++)
                steps[i] = (struct wire_step){.office = g->steps[i].stream->office,
                                              .stream = g->steps[i].stream->id,
                                              .from_seq = g->steps[i].from.seq,
                                              .from_hash = g->steps[i].from.hash,
                                              .to_seq = g->steps[i].to.seq,
                                              .to_hash = g->steps[i].to.hash};
        frame(out); /* the head's place: it tells how many parts follow */
        uint32_t parts = write_reports(g, out);
        parts += write_totals(g, out);
        struct wire_message m = {.kind = WIRE_FLUSH,
                                 .flush = {.term = term,
                                           .number = number,
                                           .steps = steps,
                                           .n_steps = g->n_steps,
                                           .signatures = g->signatures,
                                           .n_signatures = g->n_signatures,
                                           .parts = parts,
                                           .heard = g->heard}};
        wire_write(&m, &out->v[0]);
        POST(!text_failed(&out->v[0]));
        free(steps);
}

void gather_frames_close(struct gather_frames *f)
{
        for (size_t i = 0; i < f->n; i++)
                text_close(&f->v[i]);
        free(f->v);
        *f = (struct gather_frames){0};
}
