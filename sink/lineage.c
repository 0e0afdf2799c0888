#include "sink/lineage.h"

#include "base/check.h"
#include "sink/entries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
        struct lineage_fact *v;
        size_t n, cap;
};

struct tracing {
        struct reader *r;
        const struct catalog *c;
        uint32_t region;
        bool own;
        bool *offices;
        int64_t *origin; /* by region: the report of this office and period that set it last */
        size_t *slot;    /* of a stock, by region: where its latest fact is in `stock`, + 1 */
        struct list stock, taken;
        uint64_t skip, limit;
        struct operand operand;
        struct err *e;
};

enum { ENOUGH = 1 };

static int list_add(struct list *l, const struct lineage_fact *f, struct err *e)
{
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 64;
                struct lineage_fact *more = realloc(l->v, cap * sizeof *more);
                if (!more)
                        return err_set(e, E_MEM, "out of memory");
                l->v = more;
                l->cap = cap;
        }
        l->v[l->n++] = *f;
        return 0;
}

/* One more than is asked for is taken, to know that there is more. */
static int take(struct tracing *t, const struct lineage_fact *f)
{
        if (t->skip) {
                t->skip--;
                return 0;
        }
        int rc = list_add(&t->taken, f, t->e);
        return rc != 0 ? rc : t->taken.n > t->limit ? ENOUGH : 0;
}

/* A later fact takes the place of the region's earlier one; one of the same period, from another office,
 * stands beside it (take_stock drops what was left behind). */
static int keep_stock(struct tracing *t, const struct lineage_fact *f)
{
        size_t *slot = &t->slot[f->region];
        if (*slot && t->stock.v[*slot - 1].first < f->first) {
                t->stock.v[*slot - 1] = *f;
                return 0;
        }
        if (!*slot)
                *slot = t->stock.n + 1;
        return list_add(&t->stock, f, t->e);
}

static int by_region(const void *a, const void *b)
{
        const struct lineage_fact *x = a, *y = b;
        if (x->region != y->region)
                return x->region < y->region ? -1 : 1;
        return (x->report > y->report) - (x->report < y->report);
}

static int take_stock(struct tracing *t)
{
        int rc = 0;
        size_t n = 0;
        for (size_t i = 0; i < t->stock.n; i++) {
                struct lineage_fact f = t->stock.v[i];
                if (f.first == t->stock.v[t->slot[f.region] - 1].first)
                        t->stock.v[n++] = f;
        }
        for (size_t i = 0; i < n; i++)
                t->slot[t->stock.v[i].region] = 0;
        if (n)
                qsort(t->stock.v, n, sizeof *t->stock.v, by_region);
        for (size_t i = 0; rc == 0 && i < n; i++)
                rc = take(t, &t->stock.v[i]);
        t->stock.n = 0;
        return rc;
}

/* ---- the scan */

static bool counts(const struct tracing *t, uint32_t region)
{
        return t->own ? region == t->region : catalog_is_under(t->c, region, t->region);
}

static int on_report(void *ctx, const struct scan_report *report)
{
        struct tracing *t = ctx;
        const struct fact *run;
        size_t n = facts_run(report->facts, report->n, t->operand.indicator, &run);
        for (size_t i = 0; i < n; i++)
                t->origin[run[i].region] = report->id;
        return 0;
}

static int on_stood(void *ctx, const struct stood *s)
{
        struct tracing *t = ctx;
        const struct fact *run;
        if (s->base.last > t->operand.held.last)
                return 0;
        size_t n = facts_run(s->facts, s->n, t->operand.indicator, &run);
        bool stock = t->c->indicators[t->operand.indicator].kind == STOCK;
        for (size_t i = 0; i < n; i++) {
                struct lineage_fact f = {
                    t->operand.indicator,     run[i].region, run[i].value, (enum qualifier)run[i].q,
                    t->origin[run[i].region], s->base.first};
                int rc = !counts(t, f.region) ? 0 : stock ? keep_stock(t, &f) : take(t, &f);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int trace_operand(void *ctx, const struct operand *o)
{
        struct tracing *t = ctx;
        t->operand = *o;
        struct scan scan = {.dataset = t->c->indicators[o->indicator].dataset,
                            .first = o->held.first,
                            .last = o->held.last,
                            .offices = t->offices,
                            .report = on_report,
                            .stood = on_stood,
                            .ctx = t};
        int rc = reader_scan(t->r, &scan, t->e);
        return rc == 0 ? take_stock(t) : rc;
}

int lineage_read(struct lineage *l, struct reader *r, uint32_t indicator, uint32_t region, bool own,
                 struct period asked, uint64_t skip, uint64_t limit, struct err *e)
{
        const struct catalog *c = r->catalog;
        struct tracing t = {
            .r = r, .c = c, .region = region, .own = own, .skip = skip, .limit = limit, .e = e};
        *l = (struct lineage){0};
        t.offices = calloc(c->n_offices + 1, sizeof *t.offices);
        t.origin = calloc(c->n_regions, sizeof *t.origin);
        t.slot = calloc(c->n_regions, sizeof *t.slot);
        int rc = t.offices && t.origin && t.slot ? 0 : err_set(e, E_MEM, "out of memory");
        for (uint32_t o = 0; rc == 0 && o < c->n_offices; o++)
                t.offices[o] = office_meets(c, o, region, own);
        if (rc == 0)
                rc = figures_operands(c, indicator, asked, trace_operand, &t);
        free(t.offices);
        free(t.origin);
        free(t.slot);
        free(t.stock.v);
        if (rc < 0) {
                free(t.taken.v);
                return rc;
        }
        *l = (struct lineage){t.taken.v, t.taken.n, t.taken.n > limit};
        l->n -= l->more;
        return 0;
}

void lineage_close(struct lineage *l)
{
        free(l->facts);
        *l = (struct lineage){0};
}

/* ---- the route */

enum { /* columns of READ_ORIGIN */
       OFFICE,
       PERIOD,
       STREAM,
       SEQ,
       REVISION,
       SUBMITTED_AT,
       RECEIVED_AT,
};

static int print_fact(struct call *k, const struct lineage_fact *f, bool name, struct text *t)
{
        const struct indicator *in = &k->c->indicators[f->indicator];
        sqlite3_stmt *q = reader_sql(k->r, READ_ORIGIN);
        db_int(q, 1, f->report);
        int rc = db_step(&k->r->db, q, &k->e);
        if (rc < 0)
                return rc;
        POST(rc == 1); /* its id was read in this same transaction */
        text_add(t, "{\"office\":");
        text_json(t, (const char *)sqlite3_column_text(q, OFFICE));
        if (name) {
                text_add(t, ",\"indicator\":");
                text_json(t, in->name);
        }
        text_add(t, ",\"region\":");
        text_json(t, k->c->regions[f->region].code);
        text_add(t, ",\"period\":");
        text_json(t, (const char *)sqlite3_column_text(q, PERIOD));
        text_add(t, ",\"value\":");
        text_scaled(t, f->value, in->decimals);
        text_printf(
            t, ",\"qualifier\":\"%s\",\"stream\":\"%s\",\"seq\":%lld,\"revision\":%lld,\"submitted_at\":",
            qualifier_word(f->q), (const char *)sqlite3_column_text(q, STREAM),
            (long long)sqlite3_column_int64(q, SEQ), (long long)sqlite3_column_int64(q, REVISION));
        print_time(t, sqlite3_column_int64(q, SUBMITTED_AT));
        text_add(t, ",\"received_at\":");
        print_time(t, sqlite3_column_int64(q, RECEIVED_AT));
        text_add(t, "}");
        sqlite3_reset(q);
        return 0;
}

static bool print_facts(struct entries *n, uint64_t skip, uint64_t limit)
{
        struct call *k = n->k;
        struct text *t = &k->a->body;
        struct lineage l;
        const uint32_t indicator = n->indicators[0].indicator;
        int rc = lineage_read(&l, k->r, indicator, n->regions[0].region, n->regions[0].own, n->periods[0],
                              skip, limit, &k->e);
        if (rc != 0)
                return call_refuse_store(k, rc);
        text_add(t, ",\"facts\":[");
        for (size_t i = 0; rc == 0 && i < l.n; i++) {
                text_add(t, i ? "," : "");
                rc = print_fact(k, &l.facts[i], k->c->indicators[indicator].kind == DERIVED, t);
        }
        if (l.more)
                text_printf(t, "],\"next\":\"%" PRIu64 ".%" PRIu64 "\"}", k->r->version, skip + l.n);
        else
                text_add(t, "],\"next\":null}");
        lineage_close(&l);
        return rc == 0 || call_refuse_store(k, rc);
}

/* `after` is VERSION.SKIP, as `next` says it. */
static bool ask_page(struct call *k, uint64_t *version, uint64_t *skip)
{
        const char *text = http_query(k->q, "after");
        unsigned long long v, n;
        int used = 0;
        *version = UINT64_MAX;
        *skip = 0;
        if (!text || !*text)
                return true;
        if (strspn(text, "0123456789.") != strlen(text) || strlen(text) > 36 ||
            sscanf(text, "%18llu.%16llu%n", &v, &n, &used) != 2 || text[used])
                return CALL_REFUSE(k, NO_CURSOR, text);
        *version = v;
        *skip = n;
        return true;
}

bool answer_lineage(struct call *k)
{
        struct entries n = {.k = k};
        uint64_t version, skip, limit;
        if (!ask_page(k, &version, &skip) || !call_look(k, version) ||
            !call_number(k, "limit", 1, LINEAGE_MOST, LINEAGE_USUAL, &limit))
                return false;
        bool ok = entries_ask(&n, k);
        const char *period = ok ? call_needed(k, "period") : NULL;
        struct period asked;
        ok = period && call_period(k, period, &asked);
        if (ok && (n.n_indicators != 1 || n.n_regions != 1))
                ok = CALL_REFUSE(k, ONE_FIGURE, NULL);
        if (ok) {
                n.periods = &asked;
                n.n_periods = 1;
                ok = entries_load(&n);
        }
        if (ok) {
                text_add(&k->a->body, "{\"total\":");
                entries_print_one(&n, &k->a->body);
                ok = print_facts(&n, skip, limit);
        }
        entries_close(&n);
        return ok;
}
