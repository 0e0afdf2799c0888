#include "sink/entries.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MOST = 100000, SERIES_MOST = 10000 };

/* ---- asking */

static bool out_of_memory(struct call *k)
{
        return call_refuse_store(k, err_set(&k->e, E_MEM, "out of memory"));
}

static size_t list_length(const char *list)
{
        size_t n = 1;
        for (; *list; list++)
                n += *list == ',';
        return n;
}

static bool ask_indicators(struct entries *n)
{
        struct call *k = n->k;
        const char *list = call_needed(k, "indicator");
        if (!list)
                return false;
        n->indicators = arena_alloc(&k->arena, list_length(list) * sizeof *n->indicators);
        if (!n->indicators)
                return out_of_memory(k);
        while (list) {
                struct entry_indicator *one = &n->indicators[n->n_indicators++];
                one->text = call_next(k, &list);
                if (!one->text)
                        return out_of_memory(k);
                if (!call_indicator(k, one->text, &one->indicator))
                        return false;
        }
        return true;
}

static bool ask_regions(struct entries *n)
{
        struct call *k = n->k;
        const char *list = http_query(k->q, "region");
        bool children = call_flag(k, "children"), own = call_flag(k, "own");
        if (!list || !*list)
                list = k->c->regions[0].code;
        size_t most = list_length(list);
        for (const char *rest = list; children && rest;) {
                uint32_t region;
                bool written;
                const char *text = call_next(k, &rest);
                if (!text)
                        return out_of_memory(k);
                if (!call_region(k, text, &region, &written))
                        return false;
                most += k->c->regions[region].children;
        }
        n->regions = arena_alloc(&k->arena, most * sizeof *n->regions);
        if (!n->regions)
                return out_of_memory(k);
        while (list) {
                struct entry_region *one = &n->regions[n->n_regions++];
                const char *text = call_next(k, &list);
                if (!text)
                        return out_of_memory(k);
                if (!call_region(k, text, &one->region, &one->own))
                        return false;
                one->own = one->own || own;
                const struct region *r = &k->c->regions[one->region];
                for (uint32_t i = 0; children && i < r->children; i++)
                        n->regions[n->n_regions++] = (struct entry_region){r->first_child + i, own};
        }
        return true;
}

bool entries_ask(struct entries *n, struct call *k)
{
        *n = (struct entries){.k = k};
        return ask_indicators(n) && ask_regions(n);
}

/* ---- fetching */

static bool want_all(struct entries *n)
{
        struct call *k = n->k;
        for (size_t i = 0; i < n->n_indicators; i++)
                for (size_t r = 0; r < n->n_regions; r++)
                        for (size_t p = 0; p < n->n_periods; p++) {
                                int rc =
                                    figures_want(n->figures, n->indicators[i].indicator, n->regions[r].region,
                                                 n->regions[r].own, n->periods[p], &k->e);
                                if (rc != 0)
                                        return call_refuse_store(k, rc);
                        }
        return true;
}

/* The days a dataset is asked about, from first to last. */
static bool stretch_of(struct entries *n, uint32_t dataset, int32_t *first, int32_t *last)
{
        *first = INT32_MAX;
        *last = INT32_MIN;
        for (size_t p = 0; p < n->n_periods; p++) {
                struct period held;
                if (!call_held(n->k, dataset, n->periods[p], &held))
                        return false;
                *first = held.first < *first ? held.first : *first;
                *last = held.last > *last ? held.last : *last;
        }
        return true;
}

static bool load_presence(struct entries *n)
{
        struct call *k = n->k;
        n->presence = calloc(k->c->n_datasets, sizeof *n->presence);
        if (!n->presence)
                return out_of_memory(k);
        for (size_t i = 0; i < n->n_indicators; i++) {
                uint32_t dataset = k->c->indicators[n->indicators[i].indicator].dataset;
                int32_t first, last;
                if (n->presence[dataset])
                        continue;
                if (!stretch_of(n, dataset, &first, &last))
                        return false;
                int rc = presence_new(&n->presence[dataset], k->r, dataset, first, last, &k->e);
                if (rc != 0)
                        return call_refuse_store(k, rc);
        }
        return true;
}

bool entries_load(struct entries *n)
{
        struct call *k = n->k;
        if ((uint64_t)n->n_indicators * n->n_regions * n->n_periods > ENTRIES_MOST)
                return CALL_REFUSE(k, TOO_MANY, "100,000");
        if (!load_presence(n))
                return false;
        n->figures = figures_new(k->r);
        if (!n->figures)
                return out_of_memory(k);
        if (!want_all(n))
                return false;
        int rc = figures_load(n->figures, &k->e);
        return rc == 0 || call_refuse_store(k, rc);
}

void entries_close(struct entries *n)
{
        figures_free(n->figures);
        for (uint32_t d = 0; n->presence && d < n->k->c->n_datasets; d++)
                presence_free(n->presence[d]);
        free(n->presence);
        n->figures = NULL;
        n->presence = NULL;
}

/* ---- printing */

static void print_amount(struct text *t, const struct amount *a, unsigned decimals)
{
        text_add(t, ",\"value\":");
        if (a->known)
                text_scaled(t, a->value, decimals);
        else
                text_add(t, "null");
        if (a->overflow)
                text_add(t, ",\"overflow\":true");
        text_add(t, ",\"qualifier\":");
        text_json(t, a->qualified ? qualifier_word(a->q) : NULL);
        if (a->counted)
                text_printf(t, ",\"facts\":%llu", (unsigned long long)a->facts);
        else
                text_add(t, ",\"facts\":null");
}

static void print_entry(struct entries *n, const struct entry_indicator *i, const struct entry_region *r,
                        struct period p, struct text *t)
{
        const struct catalog *c = n->k->c;
        const struct indicator *in = &c->indicators[i->indicator];
        enum period_kind every = c->datasets[in->dataset].every;
        struct amount amount = figures_get(n->figures, i->indicator, r->region, r->own, p);
        struct period held, base;
        bool partial = false;
        text_add(t, "{\"indicator\":");
        text_json(t, i->text);
        text_add(t, ",\"region\":");
        text_json(t, c->regions[r->region].code);
        if (r->own)
                text_add(t, ",\"own\":true");
        text_add(t, ",\"period\":");
        print_period(t, p);
        print_amount(t, &amount, in->decimals);
        if (period_held(every, p, &held))
                period_first_inside(every, held, &base, &partial);
        struct head_count offices = presence_of(n->presence[in->dataset], r->region, r->own, held);
        text_printf(t, ",\"partial\":%s,\"offices\":{\"expected\":%u,\"received\":%u,\"complete\":%u}}",
                    partial ? "true" : "false", offices.expected, offices.received, offices.complete);
}

void entries_print(struct entries *n, struct text *out)
{
        const char *before = "[";
        for (size_t i = 0; i < n->n_indicators; i++)
                for (size_t r = 0; r < n->n_regions; r++)
                        for (size_t p = 0; p < n->n_periods; p++) {
                                text_add(out, before);
                                print_entry(n, &n->indicators[i], &n->regions[r], n->periods[p], out);
                                before = ",";
                        }
        text_add(out, "]");
}

void entries_print_one(struct entries *n, struct text *out)
{
        print_entry(n, &n->indicators[0], &n->regions[0], n->periods[0], out);
}

static bool answer(struct entries *n)
{
        struct call *k = n->k;
        if (!entries_load(n))
                return false;
        text_add(&k->a->body, "{\"as_of\":");
        print_time(&k->a->body, k->as_of_us);
        text_printf(&k->a->body, ",\"version\":%llu,\"totals\":", (unsigned long long)k->r->version);
        entries_print(n, &k->a->body);
        text_add(&k->a->body, "}");
        return true;
}

/* ---- totals */

static bool ask_periods(struct entries *n)
{
        struct call *k = n->k;
        const char *list = call_needed(k, "period");
        if (!list)
                return false;
        n->periods = arena_alloc(&k->arena, list_length(list) * sizeof *n->periods);
        if (!n->periods)
                return out_of_memory(k);
        while (list) {
                const char *text = call_next(k, &list);
                if (!text)
                        return out_of_memory(k);
                if (!call_period(k, text, &n->periods[n->n_periods++]))
                        return false;
        }
        return true;
}

bool answer_totals(struct call *k)
{
        struct entries n = {0};
        bool ok = call_look(k, UINT64_MAX) && entries_ask(&n, k) && ask_periods(&n) && answer(&n);
        entries_close(&n);
        return ok;
}

/* ---- series */

static bool ask_every(struct entries *n, enum period_kind *every)
{
        struct call *k = n->k;
        const char *text = http_query(k->q, "every");
        *every = k->c->datasets[k->c->indicators[n->indicators[0].indicator].dataset].every;
        if (!text || !*text || (period_kind_find(text, every) && *every != PERIOD_SPAN))
                return true;
        return CALL_REFUSE(k, NO_CHOICE, "every", text, "day week month quarter half year");
}

static bool ask_end(struct call *k, const char *key, enum period_kind every, struct period *p)
{
        const char *text = call_needed(k, key);
        if (!text || !call_period(k, text, p))
                return false;
        return p->kind == every ||
               CALL_REFUSE(k, WRONG_EVERY, text, period_kind_word(every), period_kind_zh(every));
}

static bool ask_stretch(struct entries *n)
{
        struct call *k = n->k;
        enum period_kind every;
        struct period from, to;
        if (!ask_every(n, &every) || !ask_end(k, "from", every, &from) || !ask_end(k, "to", every, &to))
                return false;
        if (to.first < from.first)
                return CALL_REFUSE(k, BACKWARDS, NULL);
        size_t most = SERIES_MOST / (n->n_indicators * n->n_regions);
        n->periods = arena_alloc(&k->arena, (most + 1) * sizeof *n->periods);
        if (!n->periods)
                return out_of_memory(k);
        bool more = true;
        for (struct period p = from; more && p.first <= to.first; more = period_shift(p, 1, &p)) {
                if (n->n_periods == most)
                        return CALL_REFUSE(k, TOO_MANY, "10,000");
                n->periods[n->n_periods++] = p;
        }
        return true;
}

bool answer_series(struct call *k)
{
        struct entries n = {0};
        bool ok = call_look(k, UINT64_MAX) && entries_ask(&n, k) && ask_stretch(&n) && answer(&n);
        entries_close(&n);
        return ok;
}
