/* The sweep goes through a dataset once. For each kind of stored period there is a tally of the one that time
 * is in; when time leaves it, it is settled, compared and reset. */
#include "sink/verify.h"

#include "base/check.h"
#include "core/tally.h"
#include "sink/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct level {
        enum period_kind kind;
        struct period p;
        bool open;
        struct tally *tally;
};

enum { LEVELS = 6 };

struct checking {
        struct verify *v;
        const struct verify_ask *ask;
        const struct catalog *c;
        struct reader r;
        struct err *e;

        int32_t *region_of; /* by the store's id: number in the catalogue, NONE */
        size_t n_region_of;
        int64_t *indicator_id; /* by number in the catalogue; 0: the store has none */

        uint32_t dataset;
        struct level level[LEVELS];
        size_t n_levels;
        struct cell *stored; /* by region */
        int64_t *visited;    /* ids of the periods compared */
        size_t n_visited, cap_visited;
        uint64_t rows_seen; /* stored totals met while comparing */
};

static int out_of_memory(struct checking *k)
{
        return err_set(k->e, E_MEM, "out of memory");
}

static bool stopped(const struct checking *k)
{
        return atomic_load(&k->v->stop);
}

/* ---- what is found */

static void differ(struct checking *k, const char *indicator, unsigned decimals, const char *region,
                   const char *period, const struct cell *stored, const struct cell *computed)
{
        struct verify *v = k->v;
        v->differing++;
        if (v->n_differ == VERIFY_KEPT)
                return;
        struct verify_difference *d = &v->differ[v->n_differ++];
        snprintf(d->indicator, sizeof d->indicator, "%s", indicator);
        snprintf(d->region, sizeof d->region, "%s", region);
        snprintf(d->period, sizeof d->period, "%s", period);
        d->decimals = decimals;
        d->stored = *stored;
        d->computed = *computed;
}

static void compare(struct checking *k, uint32_t indicator, struct period p, uint32_t region,
                    const struct cell *stored, const struct cell *computed)
{
        const struct indicator *in = &k->c->indicators[indicator];
        char label[PERIOD_TEXT];
        if (!stored->facts && !computed->facts)
                return;
        k->v->totals++;
        if (cell_same(stored, computed)) {
                k->v->agree++;
                return;
        }
        period_print(p, label);
        differ(k, in->name, in->decimals, k->c->regions[region].code, label, stored, computed);
}

/* ---- stored totals */

enum { /* columns of READ_TOTALS_OF */
       PERIOD,
       REGION,
       HIGH,
       LOW,
       FACTS,
       ABOUT_FACTS,
       AT_LEAST_FACTS,
};

static struct cell stored_cell(sqlite3_stmt *q)
{
        unsigned __int128 high = (uint64_t)sqlite3_column_int64(q, HIGH),
                          low = (uint64_t)sqlite3_column_int64(q, LOW);
        return (struct cell){.sum = (__int128)(high << 64 | low),
                             .facts = (uint64_t)sqlite3_column_int64(q, FACTS),
                             .about = (uint64_t)sqlite3_column_int64(q, ABOUT_FACTS),
                             .at_least = (uint64_t)sqlite3_column_int64(q, AT_LEAST_FACTS)};
}

static sqlite3_stmt *totals_of(struct checking *k, int64_t indicator, int64_t first, int64_t last)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_TOTALS_OF);
        db_int(q, 1, indicator);
        db_int(q, 2, first);
        db_int(q, 3, last);
        return q;
}

static int32_t region_of(const struct checking *k, int64_t id)
{
        return id > 0 && (uint64_t)id < k->n_region_of ? k->region_of[id] : NONE;
}

/* A row that no rule of what is stored explains. */
static void one_too_many(struct checking *k, const char *indicator, unsigned decimals, sqlite3_stmt *q)
{
        struct cell stored = stored_cell(q), none = {0};
        int32_t region = region_of(k, sqlite3_column_int64(q, REGION));
        char period[PERIOD_TEXT], unknown[32];
        struct period p;
        snprintf(unknown, sizeof unknown, "#%lld", (long long)sqlite3_column_int64(q, REGION));
        if (period_id_read(sqlite3_column_int64(q, PERIOD), k->c->datasets[k->dataset].every, &p))
                period_print(p, period);
        else
                snprintf(period, sizeof period, "?");
        k->v->totals++;
        differ(k, indicator, decimals, region == NONE ? unknown : k->c->regions[region].code, period, &stored,
               &none);
}

static int read_stored(struct checking *k, uint32_t indicator, struct period p)
{
        const struct indicator *in = &k->c->indicators[indicator];
        int64_t id = period_id(p);
        int rc;
        memset(k->stored, 0, k->c->n_regions * sizeof *k->stored);
        if (!k->indicator_id[indicator])
                return 0;
        sqlite3_stmt *q = totals_of(k, k->indicator_id[indicator], id, id);
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                int32_t region = region_of(k, sqlite3_column_int64(q, REGION));
                k->rows_seen++;
                if (region == NONE || !k->c->regions[region].children)
                        one_too_many(k, in->name, in->decimals, q);
                else
                        k->stored[region] = stored_cell(q);
        }
        sqlite3_reset(q);
        return rc;
}

/* ---- the sweep through a dataset */

static int visit(struct checking *k, struct period p)
{
        if (k->n_visited == k->cap_visited) {
                size_t cap = k->cap_visited ? k->cap_visited * 2 : 256;
                int64_t *more = realloc(k->visited, cap * sizeof *more);
                if (!more)
                        return out_of_memory(k);
                k->visited = more;
                k->cap_visited = cap;
        }
        k->visited[k->n_visited++] = period_id(p);
        return 0;
}

static int level_close(struct checking *k, struct level *l)
{
        const struct dataset *d = &k->c->datasets[k->dataset];
        int rc = visit(k, l->p);
        tally_settle(l->tally);
        for (uint32_t i = 0; rc == 0 && i < d->n_indicators; i++) {
                uint32_t indicator = d->indicators[i];
                if (k->c->indicators[indicator].kind == DERIVED ||
                    (rc = read_stored(k, indicator, l->p)) != 0)
                        continue;
                for (uint32_t r = 0; r < k->c->n_regions; r++) {
                        if (!k->c->regions[r].children)
                                continue;
                        struct cell computed = tally_total(l->tally, indicator, r);
                        compare(k, indicator, l->p, r, &k->stored[r], &computed);
                }
        }
        tally_reset(l->tally);
        l->open = false;
        return rc;
}

static int on_stood(void *ctx, const struct stood *s)
{
        struct checking *k = ctx;
        if (stopped(k))
                return err_set(k->e, E_BUSY, "stopped");
        for (size_t i = 0; i < k->n_levels; i++) {
                struct level *l = &k->level[i];
                struct period p = l->kind == s->base.kind ? s->base : period_upper(s->base, l->kind);
                int rc = l->open && !period_same(l->p, p) ? level_close(k, l) : 0;
                if (rc != 0)
                        return rc;
                l->p = p;
                l->open = true;
                if (!tally_add(l->tally, s->base, s->facts, s->n))
                        return out_of_memory(k);
        }
        return 0;
}

static int levels_open(struct checking *k)
{
        enum period_kind every = k->c->datasets[k->dataset].every;
        k->n_levels = 0;
        for (int kind = PERIOD_DAY; kind <= PERIOD_YEAR; kind++) {
                bool stored = kind == (int)every ||
                              (kind > PERIOD_WEEK && period_rolls_up(every, (enum period_kind)kind));
                if (!stored)
                        continue;
                struct level *l = &k->level[k->n_levels];
                *l = (struct level){.kind = (enum period_kind)kind,
                                    .tally = tally_new(k->c, k->dataset, NULL, 0)};
                if (!l->tally)
                        return out_of_memory(k);
                k->n_levels++;
        }
        return 0;
}

static int by_number(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

/* Stored totals of periods in which nothing stands. */
static int unvisited(struct checking *k)
{
        const struct dataset *d = &k->c->datasets[k->dataset];
        int rc = 0;
        if (k->n_visited)
                qsort(k->visited, k->n_visited, sizeof *k->visited, by_number);
        for (uint32_t i = 0; rc == 0 && i < d->n_indicators; i++) {
                const struct indicator *in = &k->c->indicators[d->indicators[i]];
                int64_t id = k->indicator_id[d->indicators[i]];
                if (!id || in->kind == DERIVED)
                        continue;
                sqlite3_stmt *q = totals_of(k, id, INT64_MIN, INT64_MAX);
                while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                        int64_t period = sqlite3_column_int64(q, PERIOD);
                        if (k->n_visited &&
                            bsearch(&period, k->visited, k->n_visited, sizeof period, by_number))
                                continue;
                        one_too_many(k, in->name, in->decimals, q);
                }
                sqlite3_reset(q);
        }
        return rc;
}

static int check_dataset(struct checking *k, uint32_t dataset)
{
        k->dataset = dataset;
        k->n_visited = 0;
        struct scan scan = {
            .dataset = dataset, .first = DAY_MIN, .last = DAY_MAX, .stood = on_stood, .ctx = k};
        int rc = levels_open(k);
        if (rc == 0)
                rc = reader_scan(&k->r, &scan, k->e);
        for (size_t i = 0; i < k->n_levels; i++) {
                if (rc == 0 && k->level[i].open)
                        rc = level_close(k, &k->level[i]);
                tally_free(k->level[i].tally);
        }
        k->n_levels = 0;
        return rc == 0 ? unvisited(k) : rc;
}

/* Stored totals of what the catalogue does not know, or computes when it is read. */
static int strangers(struct checking *k)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_INDICATORS);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                const char *name = (const char *)sqlite3_column_text(q, 1);
                int32_t i = name ? catalog_indicator(k->c, NONE, name) : NONE;
                if (i >= 0 && k->c->indicators[i].kind != DERIVED)
                        continue;
                sqlite3_stmt *t = totals_of(k, sqlite3_column_int64(q, 0), INT64_MIN, INT64_MAX);
                while ((rc = db_step(&k->r.db, t, k->e)) == 1)
                        one_too_many(k, name ? name : "?", 0, t);
                sqlite3_reset(t);
                if (rc < 0)
                        break;
        }
        sqlite3_reset(q);
        return rc;
}

static int read_regions(struct checking *k)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_REGIONS);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                size_t id = (size_t)sqlite3_column_int64(q, 0);
                if (id >= k->n_region_of) {
                        size_t n = (id + 1) * 2;
                        int32_t *more = realloc(k->region_of, n * sizeof *more);
                        if (!more) {
                                rc = out_of_memory(k);
                                break;
                        }
                        k->region_of = more;
                        for (; k->n_region_of < n; k->n_region_of++)
                                k->region_of[k->n_region_of] = NONE;
                }
                const char *code = (const char *)sqlite3_column_text(q, 1);
                k->region_of[id] = code ? catalog_region_code(k->c, code) : NONE;
        }
        sqlite3_reset(q);
        return rc;
}

static int read_indicators(struct checking *k)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_INDICATORS);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                const char *name = (const char *)sqlite3_column_text(q, 1);
                int32_t i = name ? catalog_indicator(k->c, NONE, name) : NONE;
                if (i >= 0)
                        k->indicator_id[i] = sqlite3_column_int64(q, 0);
        }
        sqlite3_reset(q);
        return rc;
}

static int check_totals(struct checking *k)
{
        int rc = read_regions(k);
        if (rc == 0)
                rc = read_indicators(k);
        for (uint32_t d = 0; rc == 0 && d < k->c->n_datasets; d++)
                rc = check_dataset(k, d);
        return rc == 0 ? strangers(k) : rc;
}

/* ---- chains */

struct skipped {
        uint64_t from, to;
        struct hash hash; /* the chain's at `to`, as the office named it */
};

struct chain {
        struct checking *k;
        char office[CODE_MAX + 1];
        struct stream_id stream;
        int64_t id;
        uint64_t mark; /* what the stream's row says */
        struct hash mark_hash;
        uint64_t seq; /* how far the walk has come */
        struct hash hash;
        bool faulty;
        struct skipped *skips;
        size_t n_skips;
        sqlite3_stmt *signatures; /* in order; on a row while `signature` */
        bool signature;
};

static void fault(struct chain *ch, uint64_t seq, enum verify_fault_code code)
{
        struct verify *v = ch->k->v;
        ch->faulty = true;
        v->faulty++;
        if (v->n_faults == VERIFY_KEPT)
                return;
        struct verify_fault *f = &v->faults[v->n_faults++];
        snprintf(f->office, sizeof f->office, "%s", ch->office);
        stream_text(ch->stream, f->stream);
        f->seq = seq;
        f->code = code;
}

static bool column_bytes(sqlite3_stmt *q, int at, void *out, size_t n)
{
        if ((size_t)sqlite3_column_bytes(q, at) != n)
                return false;
        memcpy(out, sqlite3_column_blob(q, at), n);
        return true;
}

/* Did an operator let the stream go on over all of from..to? */
static bool is_skipped(const struct chain *ch, uint64_t from, uint64_t to)
{
        for (size_t i = 0; i < ch->n_skips && from <= to; i++)
                if (ch->skips[i].from <= from && from <= ch->skips[i].to)
                        from = ch->skips[i].to + 1;
        return from > to;
}

/* The hash that a report behind a skipped gap has to follow; NULL: no gap ends there. */
static const struct hash *skipped_hash(const struct chain *ch, uint64_t to)
{
        for (size_t i = 0; i < ch->n_skips; i++)
                if (ch->skips[i].to == to)
                        return &ch->skips[i].hash;
        return NULL;
}

static int next_signature(struct chain *ch)
{
        int rc = db_step(&ch->k->r.db, ch->signatures, ch->k->e);
        ch->signature = rc == 1;
        return rc < 0 ? rc : 0;
}

static void check_signature(struct chain *ch, uint64_t seq, struct hash hash)
{
        struct checking *k = ch->k;
        struct hash signed_hash = {0};
        uint8_t signature[SIGNATURE], id[8], key[32];
        k->v->signatures++;
        if (!column_bytes(ch->signatures, 1, signed_hash.b, HASH) ||
            !column_bytes(ch->signatures, 2, signature, SIGNATURE) ||
            !column_bytes(ch->signatures, 3, id, sizeof id)) {
                fault(ch, seq, VERIFY_NO_SIGNATURE);
        } else if (!hash_same(signed_hash, hash)) {
                fault(ch, seq, VERIFY_OTHER_HASH);
        } else if (!k->ask->sign_key || !k->ask->sign_key(k->ask->ctx, ch->office, id, key)) {
                k->v->unknown_keys++;
        } else if (!chain_verify(ch->office, ch->stream, seq, hash, key, signature)) {
                fault(ch, seq, VERIFY_FORGED);
        } else {
                k->v->signed_well++;
        }
}

/* Signatures up to the report that the walk is at. */
static int check_signatures(struct chain *ch, uint64_t seq, struct hash hash)
{
        int rc = 0;
        while (rc == 0 && ch->signature && (uint64_t)sqlite3_column_int64(ch->signatures, 0) <= seq) {
                uint64_t at = (uint64_t)sqlite3_column_int64(ch->signatures, 0);
                if (at == seq)
                        check_signature(ch, seq, hash);
                else
                        fault(ch, at, VERIFY_UNSIGNED_REPORT);
                rc = next_signature(ch);
        }
        return rc;
}

enum { /* columns of READ_CHAIN */
       SEQ,
       HASH_BYTES,
       SUBMITTED_AT,
       CATALOG,
       DATASET,
       LABEL,
       ACTION,
       PAYLOAD,
};

static int check_report(struct chain *ch, sqlite3_stmt *q)
{
        uint64_t seq = (uint64_t)sqlite3_column_int64(q, SEQ);
        struct envelope r = {.submitted_at = sqlite3_column_int64(q, SUBMITTED_AT),
                             .dataset = (const char *)sqlite3_column_text(q, DATASET),
                             .period = (const char *)sqlite3_column_text(q, LABEL),
                             .action = (enum action)sqlite3_column_int64(q, ACTION),
                             .payload = sqlite3_column_blob(q, PAYLOAD),
                             .payload_n = (size_t)sqlite3_column_bytes(q, PAYLOAD)};
        struct hash stored;
        ch->k->v->reports++;
        if (!r.dataset || !r.period)
                return out_of_memory(ch->k);
        r.payload = r.payload ? r.payload : (const uint8_t *)"";
        if (!column_bytes(q, HASH_BYTES, stored.b, HASH) ||
            !column_bytes(q, CATALOG, r.catalog, sizeof r.catalog)) {
                fault(ch, seq, VERIFY_NO_HASH);
                return 0;
        }
        const struct hash *before = seq == ch->seq + 1 ? &ch->hash : skipped_hash(ch, seq - 1);
        if (seq != ch->seq + 1 && !is_skipped(ch, ch->seq + 1, seq - 1))
                fault(ch, ch->seq + 1, VERIFY_MISSING);
        else if (!before || !hash_same(chain_next(ch->office, ch->stream, seq, *before, &r), stored))
                fault(ch, seq, VERIFY_CHANGED);
        ch->seq = seq;
        ch->hash = stored;
        return check_signatures(ch, seq, stored);
}

static int walk_chain(struct chain *ch)
{
        struct checking *k = ch->k;
        int rc;
        ch->hash = chain_start(ch->office, ch->stream);
        ch->signatures = reader_sql(&k->r, READ_SIGNATURES);
        db_int(ch->signatures, 1, ch->id);
        sqlite3_stmt *q = reader_sql(&k->r, READ_CHAIN);
        db_int(q, 1, ch->id);
        rc = next_signature(ch);
        while (rc == 0 && (rc = db_step(&k->r.db, q, k->e)) == 1)
                rc = stopped(k) ? err_set(k->e, E_BUSY, "stopped") : check_report(ch, q);
        sqlite3_reset(q);
        if (rc == 0)
                rc = check_signatures(ch, UINT64_MAX, ch->hash);
        sqlite3_reset(ch->signatures);
        if (rc != 0)
                return rc;
        if (ch->seq == ch->mark && !hash_same(ch->hash, ch->mark_hash))
                fault(ch, ch->mark, VERIFY_OTHER_MARK);
        else if (ch->seq > ch->mark || (ch->seq < ch->mark && !is_skipped(ch, ch->seq + 1, ch->mark)))
                fault(ch, ch->mark, VERIFY_WRONG_MARK);
        return 0;
}

static int read_skips(struct chain *ch)
{
        struct checking *k = ch->k;
        sqlite3_stmt *q = reader_sql(&k->r, READ_SKIPS);
        db_text(q, 1, ch->office);
        db_blob(q, 2, ch->stream.b, STREAM_ID);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                struct skipped *more = realloc(ch->skips, (ch->n_skips + 1) * sizeof *more);
                if (!more) {
                        rc = out_of_memory(k);
                        break;
                }
                ch->skips = more;
                struct skipped *s = &ch->skips[ch->n_skips++];
                *s = (struct skipped){
                    (uint64_t)sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1), {{0}}};
                column_bytes(q, 2, s->hash.b, HASH);
        }
        sqlite3_reset(q);
        return rc;
}

static int check_chains(struct checking *k)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_STREAMS);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                struct chain ch = {
                    .k = k, .id = sqlite3_column_int64(q, 0), .mark = (uint64_t)sqlite3_column_int64(q, 3)};
                const char *office = (const char *)sqlite3_column_text(q, 1);
                snprintf(ch.office, sizeof ch.office, "%s", office ? office : "");
                if (!column_bytes(q, 2, ch.stream.b, STREAM_ID) || !column_bytes(q, 4, ch.mark_hash.b, HASH))
                        fault(&ch, ch.mark, VERIFY_NO_STREAM);
                else if ((rc = read_skips(&ch)) == 0)
                        rc = walk_chain(&ch);
                free(ch.skips);
                if (rc < 0)
                        break;
                k->v->streams++;
                k->v->intact += !ch.faulty;
        }
        sqlite3_reset(q);
        return rc;
}

/* ---- the file */

/* What is read below comes partly from indexes; here they are compared with their tables, and the pages with
 * each other. */
static int check_file(struct checking *k)
{
        sqlite3_stmt *q = reader_sql(&k->r, READ_SOUND);
        int rc;
        while ((rc = db_step(&k->r.db, q, k->e)) == 1) {
                const char *found = (const char *)sqlite3_column_text(q, 0);
                if (stopped(k))
                        rc = err_set(k->e, E_BUSY, "stopped");
                else if (!found || strcmp(found, "ok") != 0)
                        rc = err_set(k->e, E_IO, "%s is damaged: %s", k->ask->path, found ? found : "?");
                if (rc < 0)
                        break;
        }
        sqlite3_reset(q);
        return rc;
}

/* ---- all of it */

static int look(struct checking *k)
{
        int rc = reader_open(&k->r, k->ask->path, k->e);
        if (rc != 0)
                return rc;
        db_patience(&k->r.db, 0);
        rc = reader_begin(&k->r, UINT64_MAX, k->ask->now_us, k->e);
        if (rc == 0) {
                k->r.catalog = k->c;
                k->v->version = k->r.version;
                rc = check_file(k);
                if (rc == 0)
                        rc = check_totals(k);
                if (rc == 0)
                        rc = check_chains(k);
                reader_end(&k->r);
        }
        reader_close(&k->r);
        return rc;
}

int verify_run(struct verify *v, const struct verify_ask *ask, struct err *e)
{
        struct checking k = {.v = v, .ask = ask, .c = ask->catalog, .e = e};
        v->differ = calloc(VERIFY_KEPT, sizeof *v->differ);
        v->faults = calloc(VERIFY_KEPT, sizeof *v->faults);
        k.stored = calloc(k.c->n_regions, sizeof *k.stored);
        k.indicator_id = calloc(k.c->n_indicators + 1, sizeof *k.indicator_id);
        int rc = v->differ && v->faults && k.stored && k.indicator_id ? look(&k) : out_of_memory(&k);
        free(k.stored);
        free(k.indicator_id);
        free(k.region_of);
        free(k.visited);
        return rc;
}

void verify_close(struct verify *v)
{
        free(v->differ);
        free(v->faults);
        v->differ = NULL;
        v->faults = NULL;
}

/* ---- printing */

static void print_cell(struct text *t, const char *name, const struct cell *c, unsigned decimals)
{
        int64_t value;
        text_printf(t, ",\"%s\":", name);
        if (!c->facts) {
                text_add(t, "null");
                return;
        }
        text_add(t, "{\"value\":");
        if (cell_value(c, &value))
                text_scaled(t, value, decimals);
        else
                text_add(t, "null,\"overflow\":true");
        text_printf(t, ",\"facts\":%llu,\"about\":%llu,\"at_least\":%llu}", (unsigned long long)c->facts,
                    (unsigned long long)c->about, (unsigned long long)c->at_least);
}

static void print_difference(struct text *t, const struct verify_difference *d)
{
        text_add(t, "{\"indicator\":");
        text_json(t, d->indicator);
        text_add(t, ",\"region\":");
        text_json(t, d->region);
        text_add(t, ",\"period\":");
        text_json(t, d->period);
        print_cell(t, "stored", &d->stored, d->decimals);
        print_cell(t, "computed", &d->computed, d->decimals);
        text_add(t, "}");
}

static void print_fault(struct text *t, const struct verify_fault *f, enum lang lang)
{
        static const struct {
                const char *code, *en, *zh;
        } sentences[VERIFY_FAULTS] = {
#define FAULT(name, code, en, zh) [VERIFY_##name] = {#code, en, zh},
#include "sink/verify_faults.def"
#undef FAULT
        };
        text_add(t, "{\"office\":");
        text_json(t, f->office);
        text_printf(t, ",\"stream\":\"%s\",\"seq\":%llu,\"code\":\"%s\",\"what\":", f->stream,
                    (unsigned long long)f->seq, sentences[f->code].code);
        text_json(t, lang == LANG_ZH ? sentences[f->code].zh : sentences[f->code].en);
        text_add(t, "}");
}

void verify_print(const struct verify *v, enum lang lang, struct text *t)
{
        text_printf(t, "\"version\":%llu,\"totals\":%llu,\"agree\":%llu,\"differing\":%llu,\"differ\":[",
                    (unsigned long long)v->version, (unsigned long long)v->totals,
                    (unsigned long long)v->agree, (unsigned long long)v->differing);
        for (size_t i = 0; i < v->n_differ; i++) {
                text_add(t, i ? "," : "");
                print_difference(t, &v->differ[i]);
        }
        text_printf(t, "],\"reports\":%llu,\"streams\":%llu,\"intact\":%llu,\"faulty\":%llu,\"faults\":[",
                    (unsigned long long)v->reports, (unsigned long long)v->streams,
                    (unsigned long long)v->intact, (unsigned long long)v->faulty);
        for (size_t i = 0; i < v->n_faults; i++) {
                text_add(t, i ? "," : "");
                print_fault(t, &v->faults[i], lang);
        }
        text_printf(t, "],\"signatures\":{\"checked\":%llu,\"good\":%llu,\"unknown_key\":%llu}",
                    (unsigned long long)v->signatures, (unsigned long long)v->signed_well,
                    (unsigned long long)v->unknown_keys);
}
