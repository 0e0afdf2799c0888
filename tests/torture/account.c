#include "torture/account.h"

#include "torture/torture.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 20 * 1000, TURN = 1 };

void account_init(struct account *a, const struct pipeline *p)
{
        *a = (struct account){.oracle = {.c = p->catalog}, .offices = p->offices};
}

void account_close(struct account *a)
{
        oracle_close(&a->oracle);
}

static int by_office_seq(const void *a, const void *b)
{
        const struct receipt *x = a, *y = b;
        if (x->office != y->office)
                return x->office < y->office ? -1 : 1;
        return (x->seq > y->seq) - (x->seq < y->seq);
}

static unsigned office_of(const struct account *a, uint32_t office)
{
        for (unsigned i = 0; i < PIPELINE_OFFICES; i++)
                if (strcmp(a->offices[i].name, a->oracle.c->offices[office].code) == 0)
                        return i;
        fail("a receipt of nobody");
}

/* What stands takes the place of all that led to it: the oracle goes over every pair of revisions. */
static void settle(struct account *a)
{
        struct oracle shorter = {.c = a->oracle.c};
        oracle_settle(&a->oracle);
        for (size_t i = 0; i < a->oracle.n_stands; i++) {
                const struct oracle_stand *s = &a->oracle.stands[i];
                struct report r = {.dataset = s->dataset,
                                   .period = s->period,
                                   .action = REPLACE,
                                   .facts = s->facts,
                                   .n = s->n};
                oracle_accept(&shorter, s->office, &r, (struct place){TURN, a->seq[office_of(a, s->office)]});
        }
        oracle_close(&a->oracle);
        a->oracle = shorter;
        oracle_settle(&a->oracle);
}

void account_take(struct account *a, struct receipt *r, size_t n)
{
        qsort(r, n, sizeof *r, by_office_seq);
        for (size_t i = 0; i < n; i++) {
                unsigned office = office_of(a, r[i].office);
                if (r[i].seq != ++a->seq[office])
                        fail("%s: after report %" PRIu64 " there is a receipt for %" PRIu64,
                             a->offices[office].name, a->seq[office] - 1, r[i].seq);
                oracle_accept(&a->oracle, r[i].office, &r[i].report, (struct place){TURN, r[i].seq});
        }
        a->reports += n;
        settle(a);
        receipts_free(r, n);
}

/* ---- comparing */

static bool same(const struct account *a, uint32_t indicator, const struct cell *c, const json_t *total)
{
        int64_t value;
        const json_t *v = json_object_get(total, "value");
        const char *qualifier = json_string_value(json_object_get(total, "qualifier"));
        if ((uint64_t)json_integer_value(json_object_get(total, "facts")) != c->facts)
                return false;
        if (!cell_value(c, &value))
                return json_is_null(v);
        return json_is_number(v) &&
               llround(json_number_value(v) * pow(10, a->oracle.c->indicators[indicator].decimals)) ==
                   value &&
               qualifier && strcmp(qualifier, qualifier_word(cell_qualifier(c))) == 0;
}

/* All figures of a dataset in one region and period, in one request. */
static unsigned compare_one(const struct account *a, const struct node *sink, uint32_t dataset,
                            uint32_t region, const char *period)
{
        const struct catalog *c = a->oracle.c;
        const struct dataset *d = &c->datasets[dataset];
        struct text path = {0}, answer = {0};
        struct period p;
        unsigned n = 0;
        text_add(&path, "/api/v1/totals?indicator=");
        for (uint32_t i = 0; i < d->n_indicators; i++)
                if (c->indicators[d->indicators[i]].kind != DERIVED)
                        text_printf(&path, "%s%s", n++ ? "," : "", c->indicators[d->indicators[i]].name);
        text_printf(&path, "&region=%s&period=%s", c->regions[region].code, period);
        int status = node_call(sink, "GET", text_c(&path), NULL, NULL, PATIENCE_MS, &answer);
        json_t *json = status == 200 ? json_loads(text_c(&answer), 0, NULL) : NULL;
        const json_t *totals = json_object_get(json, "totals");
        if (json_array_size(totals) != n || !period_parse(period, &p))
                fail("the sink answers %d %s to %s", status, text_c(&answer), text_c(&path));
        n = 0;
        for (uint32_t i = 0; i < d->n_indicators; i++) {
                uint32_t indicator = d->indicators[i];
                if (c->indicators[indicator].kind == DERIVED)
                        continue;
                struct cell cell = oracle_total(&a->oracle, indicator, region, p);
                const json_t *total = json_array_get(totals, n++);
                if (!same(a, indicator, &cell, total))
                        fail("the receipts make %s of %s in %s %" PRId64 " of %" PRIu64
                             " facts, the sink says %s",
                             c->indicators[indicator].name, c->regions[region].code, period,
                             (int64_t)cell.sum, cell.facts, json_dumps(total, JSON_ENCODE_ANY));
        }
        json_decref(json);
        text_close(&path);
        text_close(&answer);
        return n;
}

static unsigned compare_periods(const struct account *a, const struct node *sink, const char *dataset,
                                const char *list)
{
        unsigned n = 0;
        for (const char *at = list; *at; at += strspn(at, " ")) {
                char period[PERIOD_TEXT] = {0};
                size_t length = strcspn(at, " ");
                memcpy(period, at, length < sizeof period ? length : sizeof period - 1);
                at += length;
                for (uint32_t region = 0; region < a->oracle.c->n_regions; region++)
                        n += compare_one(a, sink, (uint32_t)catalog_dataset(a->oracle.c, dataset), region,
                                         period);
        }
        return n;
}

unsigned account_compare(const struct account *a, const struct node *sink)
{
        unsigned n = 0;
#define FORM(office, dataset, indicator, regions)
#define PERIODS(dataset, reported, above)                 \
        n += compare_periods(a, sink, dataset, reported); \
        n += compare_periods(a, sink, dataset, above);
#include "torture/forms.def"
#undef FORM
#undef PERIODS
        return n;
}
