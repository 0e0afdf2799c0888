#include "torture/clients.h"

#include "base/check.h"
#include "lib/seed.h"
#include "torture/torture.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        CLIENTS_EACH = 2,   /* of an office */
        THINK_MS = 60,      /* at most, between two reports */
        AGAIN_MS = 20,      /* at most, before handing in again */
        PATIENCE_MS = 2000, /* at most, for an answer */
        ROWS_MOST = 16,
        NOTE_BYTES = 20000, /* of the longest note: it makes messages and transactions of many pages */
        STREAM_TEXT = 17,
};

struct client {
        pthread_t thread;
        struct clients *all;
        const struct node *node;
        unsigned number;
        uint32_t office;
        struct seed seed;
        uint64_t n_reports;
        char stream[STREAM_TEXT]; /* the one its receipts name; it never changes */
        struct receipt *receipts;
        size_t n_receipts;
        atomic_uint_fast64_t unanswered, refused;
        atomic_bool busy;
        atomic_int status; /* of the last answer */
};

struct clients {
        const struct catalog *catalog;
        atomic_bool go, end;
        struct client each[PIPELINE_OFFICES * CLIENTS_EACH];
};

/* ---- what is reported */

struct form {
        const char *office, *dataset, *indicator, *regions;
};
static const struct form forms[] = {
#define FORM(office, dataset, indicator, regions) {office, dataset, indicator, regions},
#define PERIODS(dataset, reported, above)
#include "torture/forms.def"
#undef FORM
#undef PERIODS
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static const char *periods_of(const char *dataset)
{
#define FORM(office, dataset, indicator, regions)
#define PERIODS(code, reported, above)  \
        if (strcmp(dataset, code) == 0) \
                return reported;
#include "torture/forms.def"
#undef FORM
#undef PERIODS
        fail("nothing is known of %s", dataset);
}

/* The i-th word of a list, or how many there are. */
static unsigned words(const char *list, unsigned i, char word[64])
{
        unsigned n = 0;
        for (const char *at = list; *at; n++) {
                size_t length = strcspn(at, " ");
                if (n == i && word)
                        snprintf(word, 64, "%.*s", (int)length, at);
                at += length;
                at += strspn(at, " ");
        }
        return n;
}

static void word_of(struct seed *s, const char *list, char word[64])
{
        words(list, (unsigned)seed_below(s, words(list, 0, NULL)), word);
}

static struct fact some_figure(struct seed *s, const struct catalog *c, uint32_t office, uint32_t indicator,
                               const char *region)
{
        const struct indicator *i = &c->indicators[indicator];
        struct fact f = {.indicator = (uint16_t)indicator};
        bool own = false;
        int32_t r = catalog_region(c, region, (int32_t)office, &own);
        PRE(r >= 0);
        f.region = (uint32_t)r;
        f.own = own;
        f.value = seed_below(s, 8) == 0 ? 0 : seed_between(s, 0, i->has_max ? i->max : 1000 * 1000);
        uint64_t q = seed_below(s, 12);
        f.q = q == 0 ? AT_LEAST : q == 1 ? ABOUT : EXACT;
        return f;
}

/* The rows of a report, as facts and as text: about half of what the office may say of the dataset. */
static void some_rows(struct seed *s, const struct catalog *c, const char *office, struct report *r,
                      struct text *json)
{
        char region[64];
        uint32_t code = (uint32_t)catalog_office(c, office);
        for (const struct form *f = forms; f < forms + N_FORMS; f++) {
                uint32_t indicator = (uint32_t)catalog_indicator(c, (int32_t)r->dataset, f->indicator);
                if (strcmp(f->office, office) != 0 || strcmp(f->dataset, c->datasets[r->dataset].code) != 0 ||
                    (r->action == ADD && c->indicators[indicator].kind != FLOW))
                        continue;
                for (unsigned i = 0; i < words(f->regions, 0, NULL); i++) {
                        if (seed_below(s, 2))
                                continue;
                        words(f->regions, i, region);
                        struct fact fact = some_figure(s, c, code, indicator, region);
                        PRE(r->n < ROWS_MOST);
                        text_printf(json, "%s{\"region\":\"%s\",\"indicator\":\"%s\",\"value\":\"%s",
                                    r->n ? "," : "", region, f->indicator, fact.q == ABOUT ? "约" : "");
                        text_scaled(json, fact.value, c->indicators[indicator].decimals);
                        text_printf(json, "%s\"}", fact.q == AT_LEAST ? "余" : "");
                        r->facts[r->n++] = fact;
                }
        }
}

static enum action some_action(struct seed *s)
{
        static const enum action actions[10] = {REPLACE, REPLACE, REPLACE, MERGE, MERGE,
                                                MERGE,   ADD,     ADD,     ADD,   WITHDRAW};
        return actions[seed_below(s, 10)];
}

/* A report and the JSON that says it. */
static struct report some_report(struct seed *s, const struct catalog *c, const char *office,
                                 struct text *json)
{
        struct report r = {.facts = calloc(ROWS_MOST, sizeof *r.facts)};
        char period[64];
        struct text rows = {0};
        PRE(r.facts);
        do { /* until there is something to say */
                const char *dataset;
                do {
                        const struct form *f = &forms[seed_below(s, N_FORMS)];
                        dataset = strcmp(f->office, office) == 0 ? f->dataset : NULL;
                } while (!dataset);
                r.dataset = (uint32_t)catalog_dataset(c, dataset);
                r.action = some_action(s);
                r.n = 0;
                text_clear(&rows);
                word_of(s, periods_of(dataset), period);
                if (r.action != WITHDRAW)
                        some_rows(s, c, office, &r, &rows);
        } while (r.n == 0 && r.action != WITHDRAW);
        PRE(period_parse(period, &r.period));
        text_clear(json);
        text_printf(json, "{\"dataset\":\"%s\",\"period\":\"%s\",\"action\":\"%s\"",
                    c->datasets[r.dataset].code, period, action_word(r.action));
        if (seed_below(s, 30) == 0) {
                text_add(json, ",\"note\":\"");
                for (uint64_t n = seed_below(s, NOTE_BYTES); n > 0; n--)
                        text_char(json, (char)('a' + n % 26));
                text_add(json, "\"");
        }
        text_printf(json, ",\"rows\":[%s]}", text_c(&rows));
        text_close(&rows);
        facts_sort(r.facts, r.n);
        return r;
}

/* ---- handing in */

static void keep_receipt(struct client *c, const struct report *r, const char *answer)
{
        const char *stream;
        json_int_t seq;
        json_t *json = json_loads(answer, 0, NULL);
        if (!json || json_unpack(json, "{s:[{s:s,s:I}]}", "receipts", "stream", &stream, "seq", &seq) != 0)
                fail("%s gives a strange receipt: %s", c->node->name, answer);
        if (!*c->stream)
                snprintf(c->stream, sizeof c->stream, "%s", stream);
        if (strcmp(c->stream, stream) != 0)
                fail("%s has left its stream %s for %s", c->node->name, c->stream, stream);
        if ((c->n_receipts & (c->n_receipts + 1)) == 0) /* 0, 1, 3, 7 …: doubled */
                c->receipts = realloc(c->receipts, (2 * c->n_receipts + 1) * sizeof *c->receipts);
        PRE(c->receipts);
        c->receipts[c->n_receipts++] =
            (struct receipt){.office = c->office, .seq = (uint64_t)seq, .report = *r};
        json_decref(json);
}

/* Until it is answered, however long that takes; false: the run ends. */
static bool hand_in(struct client *c, const struct report *r, const char *json, struct text *answer)
{
        char key[48];
        snprintf(key, sizeof key, "client-%u-%" PRIu64, c->number, c->n_reports++);
        while (!c->all->end) {
                int status = node_call(c->node, "POST", "/api/v1/reports", key, json,
                                       100 + (long)seed_below(&c->seed, PATIENCE_MS), answer);
                c->status = status;
                if (status == 202) {
                        keep_receipt(c, r, text_c(answer));
                        return true;
                }
                if (status != 0 && status != 503)
                        fail("%s answers %d %s to %s", c->node->name, status, text_c(answer), json);
                atomic_fetch_add(status ? &c->refused : &c->unanswered, 1);
                pause_ms((int64_t)seed_below(&c->seed, AGAIN_MS));
        }
        return false;
}

static void *client_run(void *arg)
{
        struct client *c = arg;
        struct text json = {0}, answer = {0};
        while (!c->all->end) {
                c->busy = true;
                if (c->all->go) { /* looked at after `busy` is shown, so that idle means idle */
                        struct report r = some_report(&c->seed, c->all->catalog, c->node->name, &json);
                        if (!hand_in(c, &r, text_c(&json), &answer))
                                free(r.facts);
                }
                c->busy = false;
                pause_ms(1 + (int64_t)seed_below(&c->seed, THINK_MS));
        }
        text_close(&json);
        text_close(&answer);
        return NULL;
}

struct clients *clients_new(const struct pipeline *r, uint64_t seed)
{
        struct clients *all = calloc(1, sizeof *all);
        PRE(all);
        all->catalog = r->catalog;
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++) {
                struct client *c = &all->each[i];
                c->all = all;
                c->node = &r->offices[i % PIPELINE_OFFICES];
                c->number = i;
                c->office = (uint32_t)catalog_office(r->catalog, c->node->name);
                c->seed = seed_from(seed + i);
        }
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++)
                if (pthread_create(&all->each[i].thread, NULL, client_run, &all->each[i]) != 0)
                        fail("no thread for a client");
        return all;
}

void clients_free(struct clients *all)
{
        all->end = true;
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++) {
                struct client *c = &all->each[i];
                pthread_join(c->thread, NULL);
                receipts_free(c->receipts, c->n_receipts);
        }
        free(all);
}

void clients_go(struct clients *all)
{
        all->go = true;
}

void clients_hold(struct clients *all)
{
        all->go = false;
}

bool clients_idle(const struct clients *all)
{
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++)
                if (all->each[i].busy)
                        return false;
        return !all->go;
}

void clients_waiting(const struct clients *all, struct text *out)
{
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++)
                if (all->each[i].busy)
                        text_printf(out, " client %u is answered %d by %s;", i, (int)all->each[i].status,
                                    all->each[i].node->name);
}

size_t clients_receipts(struct clients *all, struct receipt **out)
{
        size_t n = 0;
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++)
                n += all->each[i].n_receipts;
        struct receipt *to = *out = calloc(n + 1, sizeof **out);
        PRE(to);
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++) {
                struct client *c = &all->each[i];
                for (size_t k = 0; k < c->n_receipts; k++)
                        *to++ = c->receipts[k];
                free(c->receipts);
                c->receipts = NULL;
                c->n_receipts = 0;
        }
        return n;
}

void receipts_free(struct receipt *r, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(r[i].report.facts);
        free(r);
}

struct patience clients_patience(const struct clients *all)
{
        struct patience p = {0};
        for (unsigned i = 0; i < PIPELINE_OFFICES * CLIENTS_EACH; i++) {
                p.unanswered += all->each[i].unanswered;
                p.refused += all->each[i].refused;
        }
        return p;
}
