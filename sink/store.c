#include "sink/store.h"

#include "base/check.h"
#include "base/planted.h"
#include "session/gather.h"
#include "session/payload.h"
#include "sink/schema.h"
#include "sink/verdict_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
#define SQL(name, text) SQL_##name,
#include "sink/store.def"
#undef SQL
        SQL_COUNT
};

static const char *const statements[SQL_COUNT] = {
#define SQL(name, text) [SQL_##name] = text,
#include "sink/store.def"
#undef SQL
};

enum {
        RECALL_BYTES = 4 * WIRE_MESSAGE, /* of one answer */
        CACHE_KIB = 16 * 1024,           /* about what a full flush changes (GATHER_BYTES, and its totals) */
        EXPAND_ROWS = 2000,              /* some milliseconds */
        BLOCKS_NAMED = 10,
        VERDICTS_AT_ONCE = 200,
};

static sqlite3_stmt *sql(struct store *s, int which)
{
        return db_statement(&s->db, (size_t)which);
}

/* ---- opening */

static int meta_get(struct store *s, const char *key, uint64_t *v, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_META_GET);
        db_text(q, 1, key);
        int rc = db_step(&s->db, q, e);
        *v = rc == 1 ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

static int meta_set(struct store *s, const char *key, uint64_t v, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_META_SET);
        db_text(q, 1, key);
        db_int(q, 2, (int64_t)v);
        return db_run(&s->db, q, e);
}

int store_open(struct store *s, const char *path, struct err *e)
{
        *s = (struct store){0};
        int rc = db_open_writer(&s->db, path, schema_migrations, schema_version, statements, SQL_COUNT, e);
        if (rc != 0)
                return rc;
        db_cache(&s->db, CACHE_KIB);
        arena_init(&s->arena, 4 * WIRE_ARENA);
        if ((rc = meta_get(s, "version", &s->version, e)) != 0 ||
            (rc = meta_get(s, "term", &s->term, e)) != 0 ||
            (rc = meta_get(s, "expanded", &s->expanded, e)) != 0)
                store_close(s);
        return rc;
}

void store_close(struct store *s)
{
        db_close(&s->db);
        map_close(&s->regions);
        map_close(&s->indicators);
        standing_close(&s->expand.facts);
        arena_close(&s->arena);
        *s = (struct store){0};
}

/* Begins a transaction that will end as version *v. */
static int begin(struct store *s, int64_t clock_us, uint64_t *v, struct err *e)
{
        *v = s->version + 1;
        if (clock_us > 0 && (uint64_t)clock_us > *v)
                *v = (uint64_t)clock_us;
        return db_begin(&s->db, e);
}

/* Ends it: with rc 0 by a commit, else by a rollback that forgets what was cached meanwhile. */
static int end(struct store *s, int rc, uint64_t version, struct err *e)
{
        if (rc == 0)
                rc = meta_set(s, "version", version, e);
        if (rc == 0)
                rc = db_commit(&s->db, e);
        if (rc != 0) {
                db_rollback(&s->db);
                PLANTED(NAMES_OUTLIVE_ROLLBACK) ? (void)0 : map_close(&s->regions);
                map_close(&s->indicators);
                return rc;
        }
        s->version = version;
        return 0;
}

/* ---- names */

static int name_id(struct store *s, struct map *cache, int get, int add, const char *name, int64_t decimals,
                   int64_t *id, struct err *e)
{
        *id = map_get_str(cache, name);
        if (*id != MAP_NONE)
                return 0;
        sqlite3_stmt *q = sql(s, get);
        db_text(q, 1, name);
        int rc = db_step(&s->db, q, e);
        if (rc == 1) {
                *id = sqlite3_column_int64(q, 0);
        } else if (rc == 0) {
                q = sql(s, add);
                db_text(q, 1, name);
                if (add == SQL_INDICATOR_ADD)
                        db_int(q, 2, decimals);
                rc = db_run(&s->db, q, e);
                *id = sqlite3_last_insert_rowid(s->db.handle);
        }
        sqlite3_reset(q);
        if (rc < 0)
                return rc;
        return map_set_str(cache, name, *id) ? 0 : err_set(e, E_MEM, "out of memory");
}

static int region_id(struct store *s, const char *code, int64_t *id, struct err *e)
{
        return name_id(s, &s->regions, SQL_REGION_ID, SQL_REGION_ADD, code, 0, id, e);
}

static int indicator_id(struct store *s, const struct catalog *c, const char *name, int64_t *id,
                        struct err *e)
{
        int32_t i = catalog_indicator(c, NONE, name);
        if (i < 0)
                return err_set(e, E_PEER, "a flush names an indicator that the catalogue lacks: %s", name);
        return name_id(s, &s->indicators, SQL_INDICATOR_ID, SQL_INDICATOR_ADD, name,
                       c->indicators[i].decimals, id, e);
}

static int period_add(struct store *s, struct period p, const char *label, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_PERIOD_ADD);
        db_int(q, 1, period_id(p));
        db_text(q, 2, label);
        return db_run(&s->db, q, e);
}

/* ---- catalogue */

struct catalog *store_catalog(struct store *s, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_CATALOG_LAST);
        int rc = db_step(&s->db, q, e);
        struct catalog *c = NULL;
        if (rc == 1) {
                struct faults faults = {0};
                c = catalog_unpack(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0), &faults);
                if (!c)
                        err_set(e, E_SYNTAX, "the catalogue in the store cannot be read by this program");
                faults_close(&faults);
        } else if (rc == 0) {
                err_set(e, E_MISSING, "no catalogue is recorded");
        }
        sqlite3_reset(q);
        return c;
}

static int blocks_of_dataset(struct store *s, const struct catalog *now, const struct catalog *next,
                             uint32_t dataset, size_t *found, struct text *blocks, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_STANDING_ALL);
        db_text(q, 1, now->datasets[dataset].code);
        int rc;
        while ((rc = db_step(&s->db, q, e)) == 1 && *found < BLOCKS_NAMED) {
                const char *office = (const char *)sqlite3_column_text(q, 0);
                const char *label = (const char *)sqlite3_column_text(q, 2);
                struct report r = {0};
                struct reasons why = {0};
                struct period p;
                int32_t o = catalog_office(now, office);
                arena_reset(&s->arena);
                enum payload_state state =
                    payload_read(sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3), now, dataset,
                                 &s->arena, &r, &why);
                POST(state == PAYLOAD_READ && o >= 0 && period_parse(label, &p));
                for (size_t i = 0; i < r.n && *found < BLOCKS_NAMED; i++) {
                        char room[256];
                        const char *what = catalog_blocks(now, next, (uint32_t)o, r.facts[i].region,
                                                          r.facts[i].indicator, p, room, sizeof room);
                        if (!what)
                                continue;
                        text_printf(blocks, "office %s, %s, region %s, indicator %s: %s\n", office, label,
                                    now->regions[r.facts[i].region].code,
                                    now->indicators[r.facts[i].indicator].name, what);
                        (*found)++;
                        break; /* one a report says enough */
                }
                reasons_close(&why);
        }
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

int store_take_catalog(struct store *s, const struct catalog *now, const struct catalog *next,
                       int64_t clock_us, struct text *blocks, struct err *e)
{
        size_t found = 0;
        int rc = 0;
        for (uint32_t d = 0; now && rc == 0 && d < now->n_datasets; d++)
                rc = blocks_of_dataset(s, now, next, d, &found, blocks, e);
        if (rc == 0 && found)
                return err_set(e, E_DENIED, "standing figures would be lost by the new catalogue");
        uint64_t version;
        if (rc != 0 || (rc = begin(s, clock_us, &version, e)) != 0)
                return rc;
        sqlite3_stmt *q = sql(s, SQL_CATALOG_ADD);
        db_blob(q, 1, next->digest, sizeof next->digest);
        db_int(q, 2, (int64_t)version);
        db_blob(q, 3, next->pack.v, next->pack.n);
        return end(s, db_run(&s->db, q, e), version, e);
}

/* ---- terms and streams */

int store_open_term(struct store *s, uint64_t heard, int64_t clock_us, struct err *e)
{
        uint64_t version, term;
        if (heard > s->version && !PLANTED(VERSION_GOES_BACK))
                s->version = heard;
        int rc = begin(s, clock_us, &version, e);
        if (rc != 0)
                return rc;
        rc = meta_get(s, "term", &term, e);
        if (rc == 0)
                rc = meta_set(s, "term", term + 1, e);
        rc = end(s, rc, version, e);
        if (rc == 0)
                s->term = term + 1;
        return rc;
}

static void hash_column(sqlite3_stmt *q, int at, void *out, size_t n)
{
        POST((size_t)sqlite3_column_bytes(q, at) == n);
        memcpy(out, sqlite3_column_blob(q, at), n);
}

int store_streams(struct store *s, struct arena *a, struct wire_stream **v, size_t *n, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_STREAMS);
        size_t cap = 0;
        int rc;
        *v = NULL;
        *n = 0;
        while ((rc = db_step(&s->db, q, e)) == 1) {
                if (*n == cap) {
                        cap = cap ? cap * 2 : 16;
                        struct wire_stream *more = arena_alloc(a, cap * sizeof *more);
                        POST(more);
                        if (*n)
                                memcpy(more, *v, *n * sizeof *more);
                        *v = more;
                }
                struct wire_stream *w = &(*v)[(*n)++];
                w->office = arena_strdup(a, (const char *)sqlite3_column_text(q, 0));
                hash_column(q, 1, w->stream.b, STREAM_ID);
                w->turn = (uint32_t)sqlite3_column_int64(q, 2);
                w->seq = (uint64_t)sqlite3_column_int64(q, 3);
                hash_column(q, 4, w->hash.b, HASH);
                POST(w->office);
        }
        return rc;
}

/* 1: known, 0: not, negative: refused. */
static int stream_get(struct store *s, const char *office, struct stream_id id, int64_t *rowid,
                      struct wire_stream *w, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_STREAM_GET);
        db_text(q, 1, office);
        db_blob(q, 2, id.b, STREAM_ID);
        int rc = db_step(&s->db, q, e);
        if (rc == 1) {
                *w = (struct wire_stream){.office = office, .stream = id};
                *rowid = sqlite3_column_int64(q, 0);
                w->turn = (uint32_t)sqlite3_column_int64(q, 1);
                w->seq = (uint64_t)sqlite3_column_int64(q, 2);
                hash_column(q, 3, w->hash.b, HASH);
        }
        sqlite3_reset(q);
        return rc;
}

int store_stream(struct store *s, const char *office, struct stream_id id, int64_t clock_us,
                 struct wire_stream *out, struct err *e)
{
        int64_t rowid;
        uint64_t version;
        uint32_t turn = out->turn;
        int rc = stream_get(s, office, id, &rowid, out, e);
        if (rc != 0)
                return rc < 0 ? rc : 0;
        if ((rc = begin(s, clock_us, &version, e)) != 0)
                return rc;
        struct hash start = chain_start(office, id);
        sqlite3_stmt *q = sql(s, SQL_STREAM_ADD);
        db_text(q, 1, office);
        db_blob(q, 2, id.b, STREAM_ID);
        db_blob(q, 3, start.b, HASH);
        db_int(q, 4, (int64_t)version);
        db_int(q, 5, turn);
        rc = end(s, db_run(&s->db, q, e), version, e);
        if (rc != 0)
                return rc;
        rc = stream_get(s, office, id, &rowid, out, e);
        return rc < 0 ? rc : 0;
}

/* ---- committing a flush */

struct committing {
        struct store *s;
        const struct catalog *catalog;
        const struct wire_flush *flush;
        int64_t *stream_ids;
        uint32_t *turns;
        struct point *at; /* how far each step has come */
        uint64_t version;
        int read; /* 0, or why a mark could not be read: that is no word about the flush */
        struct err *e;
};

static bool stored_mark(void *ctx, const struct wire_step *step, uint64_t *seq, struct hash *hash)
{
        struct committing *c = ctx;
        struct wire_stream w;
        size_t i = (size_t)(step - c->flush->steps);
        int rc = stream_get(c->s, step->office, step->stream, &c->stream_ids[i], &w, c->e);
        if (rc != 1) {
                c->read = rc;
                return false;
        }
        c->turns[i] = w.turn;
        c->at[i] = (struct point){w.seq, w.hash};
        *seq = w.seq;
        *hash = w.hash;
        return true;
}

static void bind_reasons(sqlite3_stmt *q, int at, const struct reason *v, size_t n)
{
        if (n == 0)
                return;
        struct text t = {0};
        verdict_text_write(v, n, &t);
        POST(!text_failed(&t));
        db_copy_text(q, at, text_c(&t));
        text_close(&t);
}

static int commit_report(struct committing *c, const struct wire_taken *t)
{
        struct store *s = c->s;
        struct period p = {0};
        if (t->step >= c->flush->n_steps || t->seq != c->at[t->step].seq + 1)
                return err_set(c->e, E_PEER, "a flush whose reports are not in order");
        bool known = period_parse(t->report.period, &p);
        int32_t dataset = catalog_dataset(c->catalog, t->report.dataset);
        if (t->verdict != REJECTED && (!known || dataset < 0))
                return err_set(c->e, E_PEER, "a flush accepts a report that the catalogue cannot place");
        const struct wire_step *step = &c->flush->steps[t->step];
        int rc = 0;
        if (t->closes) {
                sqlite3_stmt *q = sql(s, SQL_REPORT_CLOSE);
                db_text(q, 1, step->office);
                db_text(q, 2, t->report.dataset);
                db_int(q, 3, p.first);
                db_int(q, 4, c->turns[t->step]);
                db_int(q, 5, (int64_t)t->seq);
                db_int(q, 6, (int64_t)c->version);
                if ((rc = db_run(&s->db, q, c->e)) != 0)
                        return rc;
        }
        sqlite3_stmt *q = sql(s, SQL_REPORT_ADD);
        db_int(q, 1, c->stream_ids[t->step]);
        db_int(q, 2, (int64_t)t->seq);
        db_blob(q, 3, t->hash.b, HASH);
        db_text(q, 4, step->office);
        db_int(q, 5, c->turns[t->step]);
        db_text(q, 6, t->report.dataset);
        db_text(q, 7, t->report.period);
        db_int(q, 8, p.first);
        db_int(q, 9, p.last);
        db_int(q, 10, t->revision);
        db_int(q, 11, t->report.action);
        db_int(q, 12, t->report.submitted_at);
        db_int(q, 13, t->received_at);
        db_int(q, 14, (int64_t)c->version);
        db_int(q, 15, t->verdict);
        bind_reasons(q, 16, t->reasons, t->n_reasons);
        bind_reasons(q, 17, t->flags, t->n_flags);
        db_int(q, 18, t->rows);
        db_blob(q, 19, t->report.catalog, sizeof t->report.catalog);
        db_blob(q, 20, t->report.payload_n ? t->report.payload : (const uint8_t *)"", t->report.payload_n);
        c->at[t->step] = (struct point){t->seq, t->hash};
        return db_run(&s->db, q, c->e);
}

static int run_total(struct committing *c, int which, int64_t indicator, int64_t period, int64_t region,
                     const struct cell *cell)
{
        sqlite3_stmt *q = sql(c->s, which);
        db_int(q, 1, indicator);
        db_int(q, 2, period);
        db_int(q, 3, region);
        db_int(q, 4, (int64_t)(cell->sum >> 64));
        db_int(q, 5, (int64_t)(uint64_t)cell->sum);
        db_int(q, 6, (int64_t)cell->facts);
        db_int(q, 7, (int64_t)cell->about);
        db_int(q, 8, (int64_t)cell->at_least);
        db_int(q, 9, (int64_t)c->version);
        return db_run(&c->s->db, q, c->e);
}

/* Most totals are there already, and an UPDATE costs half of what INSERT ... ON CONFLICT does. */
static int commit_total(struct committing *c, int64_t indicator, int64_t period, const struct wire_total *t)
{
        int64_t region;
        int rc = region_id(c->s, t->region, &region, c->e);
        if (rc == 0)
                rc = run_total(c, SQL_TOTAL_SET, indicator, period, region, &t->cell);
        if (rc == 0 && sqlite3_changes(c->s->db.handle) == 0)
                rc = run_total(c, SQL_TOTAL_ADD, indicator, period, region, &t->cell);
        return rc;
}

static int commit_column(struct committing *c, const struct wire_column *column)
{
        struct store *s = c->s;
        struct period p;
        int64_t indicator = MAP_NONE;
        int rc = indicator_id(s, c->catalog, column->indicator, &indicator, c->e);
        if (rc != 0)
                return rc;
        int32_t i = catalog_indicator(c->catalog, NONE, column->indicator);
        enum period_kind every = c->catalog->datasets[c->catalog->indicators[i].dataset].every;
        if (!period_parse(column->period, &p) || p.kind == PERIOD_SPAN || !period_held(every, p, &p))
                return err_set(c->e, E_PEER, "a flush with totals of a period that is not held: %s",
                               column->period);
        rc = period_add(s, p, column->period, c->e);
        for (size_t k = 0; rc == 0 && k < column->n; k++)
                rc = commit_total(c, indicator, period_id(p), &column->totals[k]);
        return rc;
}

static int commit_part(struct committing *c, const struct wire_bytes *part)
{
        struct wire_message m;
        arena_reset(&c->s->arena);
        if (wire_read(part->p, part->n, &c->s->arena, &m, c->e) != 0 || m.kind != WIRE_FLUSH_PART)
                return err_set(c->e, E_PEER, "a flush with a part that cannot be read");
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < m.flush_part.n_reports; i++)
                rc = commit_report(c, &m.flush_part.reports[i]);
        for (size_t i = 0; rc == 0 && i < m.flush_part.n_columns; i++)
                rc = commit_column(c, &m.flush_part.columns[i]);
        return rc;
}

static int commit_steps(struct committing *c)
{
        struct store *s = c->s;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < c->flush->n_steps; i++) {
                const struct wire_step *step = &c->flush->steps[i];
                if (c->at[i].seq != step->to_seq || !hash_same(c->at[i].hash, step->to_hash))
                        return err_set(c->e, E_PEER, "a flush whose reports do not end where it says");
                sqlite3_stmt *q = sql(s, SQL_STREAM_MOVE);
                db_int(q, 1, c->stream_ids[i]);
                db_int(q, 2, (int64_t)step->to_seq);
                db_blob(q, 3, step->to_hash.b, HASH);
                rc = db_run(&s->db, q, c->e);
        }
        for (size_t i = 0; rc == 0 && i < c->flush->n_signatures; i++) {
                const struct wire_signature *g = &c->flush->signatures[i];
                if (g->step >= c->flush->n_steps)
                        return err_set(c->e, E_PEER, "a flush with a signature of no stream");
                sqlite3_stmt *q = sql(s, SQL_SIGNATURE_ADD);
                db_int(q, 1, c->stream_ids[g->step]);
                db_int(q, 2, (int64_t)g->seq);
                db_blob(q, 3, g->hash.b, HASH);
                db_blob(q, 4, g->signature, SIGNATURE);
                db_blob(q, 5, g->key, WIRE_KEY_ID);
                rc = db_run(&s->db, q, c->e);
        }
        return rc;
}

static int commit_all(struct committing *c, const struct wire_bytes *parts, size_t n,
                      struct wire_committed *answer)
{
        uint64_t term;
        int rc = meta_get(c->s, "term", &term, c->e);
        if (rc != 0)
                return rc;
        const char *why = feed_judge(c->flush, term, stored_mark, c, &answer->fenced);
        if (c->read < 0)
                return c->read;
        if (!why && c->flush->parts != n)
                why = "a flush with parts missing";
        if (why)
                return err_set(c->e, E_PEER, "%s", why);
        for (size_t i = 0; rc == 0 && i < n; i++)
                rc = commit_part(c, &parts[i]);
        if (rc == 0 && PLANTED(MARKS_APART))
                rc = sqlite3_exec(c->s->db.handle, "COMMIT; BEGIN", NULL, NULL, NULL);
        return rc == 0 ? commit_steps(c) : rc;
}

int store_commit(struct store *s, const struct catalog *c, const struct wire_flush *flush,
                 const struct wire_bytes *parts, size_t n, int64_t clock_us, struct wire_committed *answer,
                 struct err *e)
{
        struct committing work = {.s = s, .catalog = c, .flush = flush, .e = e};
        *answer = (struct wire_committed){.number = flush->number};
        work.stream_ids = calloc(flush->n_steps + 1, sizeof *work.stream_ids);
        work.turns = calloc(flush->n_steps + 1, sizeof *work.turns);
        work.at = calloc(flush->n_steps + 1, sizeof *work.at);
        POST(work.stream_ids && work.turns && work.at);
        s->expand.active = false; /* what it had read may stand no longer */
        int rc = begin(s, clock_us, &work.version, e);
        if (rc == 0)
                rc = end(s, commit_all(&work, parts, n, answer), work.version, e);
        free(work.stream_ids);
        free(work.turns);
        free(work.at);
        answer->version = s->version;
        answer->refused = rc == E_PEER;
        answer->text = rc == E_PEER && e ? e->text : NULL;
        return rc;
}

/* ---- questions */

struct cursor { /* the place in report_standing_ where a recall's answer ended */
        int64_t first, turn, seq;
        char office[CODE_MAX + 1];
};

/* Where the answer to a recall begins: after the last answer's end, or before everything on its first day. */
static bool cursor_read(const struct wire_recall *ask, struct cursor *c)
{
        struct wire_bytes b = ask->after;
        *c = (struct cursor){.first = ask->first};
        if (b.n == 0)
                return true;
        if (b.n != sizeof *c)
                return false;
        memcpy(c, b.p, sizeof *c);
        return c->office[CODE_MAX] == '\0';
}

static void part_write(struct gather_frames *out, const struct wire_standing *v, size_t n)
{
        struct text *grown = realloc(out->v, (out->n + 1) * sizeof *grown);
        POST(grown);
        out->v = grown;
        out->v[out->n] = (struct text){0};
        struct wire_message m = {.kind = WIRE_RECALLED_PART, .recalled_part = {v, n}};
        wire_write(&m, &out->v[out->n++]);
}

static const uint8_t *keep_blob(struct arena *a, sqlite3_stmt *q, int at, size_t *n)
{
        *n = (size_t)sqlite3_column_bytes(q, at);
        uint8_t *p = arena_alloc(a, *n + 1);
        POST(p);
        if (*n)
                memcpy(p, sqlite3_column_blob(q, at), *n);
        return p;
}

static void standing_row(struct arena *a, sqlite3_stmt *q, struct wire_standing *w)
{
        size_t n;
        *w = (struct wire_standing){
            .office = arena_strdup(a, (const char *)sqlite3_column_text(q, 1)),
            .at = {(uint32_t)sqlite3_column_int64(q, 2), (uint64_t)sqlite3_column_int64(q, 3)},
            .revision = (uint32_t)sqlite3_column_int64(q, 10)};
        w->report.dataset = arena_strdup(a, (const char *)sqlite3_column_text(q, 4));
        w->report.period = arena_strdup(a, (const char *)sqlite3_column_text(q, 5));
        w->report.action = (enum action)sqlite3_column_int64(q, 6);
        w->report.submitted_at = sqlite3_column_int64(q, 7);
        memcpy(w->report.catalog, keep_blob(a, q, 8, &n), sizeof w->report.catalog);
        POST(n == sizeof w->report.catalog && w->office && w->report.dataset && w->report.period);
        w->report.payload = keep_blob(a, q, 9, &w->report.payload_n);
}

int store_recall(struct store *s, const struct wire_recall *ask, struct gather_frames *out, struct err *e)
{
        struct cursor at;
        if (!cursor_read(ask, &at))
                return err_set(e, E_PEER, "a recall that goes on from a place that is none");
        enum { ROWS = 4096 };
        struct wire_standing *v = calloc(ROWS, sizeof *v);
        POST(v);
        out->v = calloc(1, sizeof *out->v); /* the head's place */
        POST(out->v);
        out->n = 1;
        sqlite3_stmt *q = sql(s, SQL_RECALL);
        db_text(q, 1, ask->dataset);
        db_int(q, 2, ask->last);
        db_int(q, 3, at.first);
        db_text(q, 4, at.office);
        db_int(q, 5, at.turn);
        db_int(q, 6, at.seq);
        struct cursor next = at;
        size_t n = 0, bytes = 0, all = 0;
        int rc;
        bool more = false;
        arena_reset(&s->arena);
        while ((rc = db_step(&s->db, q, e)) == 1) {
                standing_row(&s->arena, q, &v[n]);
                size_t one = wire_standing_size(&v[n]);
                if (n && (bytes + one > WIRE_MESSAGE || n + 1 == ROWS)) {
                        part_write(out, v, n);
                        v[0] = v[n];
                        n = bytes = 0;
                }
                next.first = sqlite3_column_int64(q, 0);
                snprintf(next.office, sizeof next.office, "%s", v[n].office);
                next.turn = v[n].at.turn;
                next.seq = (int64_t)v[n].at.seq;
                n++;
                bytes += one;
                all += one;
                more = all >= RECALL_BYTES;
                if (more)
                        break;
        }
        sqlite3_reset(q);
        if (rc >= 0) {
                if (n)
                        part_write(out, v, n);
                struct wire_message m = {.kind = WIRE_RECALLED,
                                         .recalled = {.id = ask->id, .parts = (uint32_t)out->n - 1}};
                if (more && !PLANTED(RECALL_CUT_SHORT))
                        m.recalled.next = (struct wire_bytes){(const uint8_t *)&next, sizeof next};
                wire_write(&m, &out->v[0]);
        }
        free(v);
        return rc < 0 ? rc : 0;
}

int store_hash(struct store *s, const struct wire_hash *ask, struct wire_hash *answer, struct err *e)
{
        *answer = *ask;
        answer->known = false;
        if (ask->seq == 0) {
                answer->known = true;
                answer->hash = chain_start(ask->office, ask->stream);
                return 0;
        }
        sqlite3_stmt *q = sql(s, SQL_HASH_OF);
        db_text(q, 1, ask->office);
        db_blob(q, 2, ask->stream.b, STREAM_ID);
        db_int(q, 3, (int64_t)ask->seq);
        int rc = db_step(&s->db, q, e);
        if (rc == 1) {
                answer->known = true;
                hash_column(q, 0, answer->hash.b, HASH);
        }
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

int store_verdicts(struct store *s, const struct wire_verdicts_ask *ask, struct arena *a,
                   struct wire_verdicts *answer, struct err *e)
{
        struct wire_verdict *v = arena_alloc(a, VERDICTS_AT_ONCE * sizeof *v);
        POST(v);
        *answer = (struct wire_verdicts){.office = ask->office, .stream = ask->stream, .v = v};
        sqlite3_stmt *q = sql(s, SQL_VERDICTS);
        db_text(q, 1, ask->office);
        db_blob(q, 2, ask->stream.b, STREAM_ID);
        db_int(q, 3, (int64_t)ask->from);
        db_int(q, 4, VERDICTS_AT_ONCE);
        size_t bytes = 0;
        int rc;
        while ((rc = db_step(&s->db, q, e)) == 1) {
                struct wire_verdict *w = &v[answer->n++];
                w->seq = (uint64_t)sqlite3_column_int64(q, 0);
                w->verdict = (enum verdict)sqlite3_column_int64(q, 1);
                w->revision = (uint32_t)sqlite3_column_int64(q, 2);
                const char *json = (const char *)sqlite3_column_text(q, 3);
                struct reasons why = {0};
                bool told = json && verdict_text_read(json, &why) && why.n;
                POST(!why.failed);
                if (told) {
                        struct reason *copy = arena_alloc(a, why.n * sizeof *copy);
                        POST(copy);
                        for (size_t i = 0; i < why.n; i++) {
                                copy[i] = why.v[i];
                                copy[i].column = why.v[i].column ? arena_strdup(a, why.v[i].column) : NULL;
                                for (size_t k = 0; k < REASON_ARGS; k++)
                                        copy[i].arg[k] =
                                            why.v[i].arg[k] ? arena_strdup(a, why.v[i].arg[k]) : NULL;
                        }
                        w->reasons = copy;
                        w->n_reasons = why.n;
                        bytes += strlen(json);
                }
                reasons_close(&why);
                if (bytes > WIRE_MESSAGE / 2)
                        break;
        }
        answer->more = rc == 1 || answer->n == VERDICTS_AT_ONCE;
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

/* ---- gaps */

int store_gap(struct store *s, const struct wire_gap *g, int64_t clock_us, struct err *e)
{
        uint64_t version;
        int rc = begin(s, clock_us, &version, e);
        if (rc != 0)
                return rc;
        sqlite3_stmt *q = sql(s, SQL_GAP_SET);
        db_text(q, 1, g->office);
        db_blob(q, 2, g->stream.b, STREAM_ID);
        db_int(q, 3, (int64_t)g->mark);
        db_int(q, 4, (int64_t)g->floor);
        db_blob(q, 5, g->floor_hash.b, HASH);
        db_int(q, 6, clock_us);
        return end(s, db_run(&s->db, q, e), version, e);
}

struct gap_row {
        struct stream_id stream;
        struct hash hash;
        int64_t stream_id;
        uint64_t mark, floor;
};

static int gap_get(struct store *s, const char *office, struct gap_row *g, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_GAP_GET);
        db_text(q, 1, office);
        int rc = db_step(&s->db, q, e);
        if (rc == 1) {
                hash_column(q, 0, g->stream.b, STREAM_ID);
                hash_column(q, 3, g->hash.b, HASH);
                g->floor = (uint64_t)sqlite3_column_int64(q, 2);
                g->stream_id = sqlite3_column_int64(q, 4);
                g->mark = (uint64_t)sqlite3_column_int64(q, 5);
        }
        sqlite3_reset(q);
        if (rc == 1 && g->floor > g->mark)
                return 0;
        return rc < 0 ? rc : err_set(e, E_MISSING, "office %s has no gap to skip", office);
}

static int skip_rows(struct store *s, const char *office, const struct gap_row *g, int64_t clock_us,
                     uint64_t version, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_STREAM_MOVE);
        db_int(q, 1, g->stream_id);
        db_int(q, 2, (int64_t)g->floor);
        db_blob(q, 3, g->hash.b, HASH);
        int rc = db_run(&s->db, q, e);
        if (rc != 0)
                return rc;
        q = sql(s, SQL_SKIP_ADD);
        db_text(q, 1, office);
        db_blob(q, 2, g->stream.b, STREAM_ID);
        db_int(q, 3, (int64_t)g->mark + 1);
        db_int(q, 4, (int64_t)g->floor);
        db_int(q, 5, clock_us);
        db_int(q, 6, (int64_t)version);
        db_blob(q, 7, g->hash.b, HASH);
        if ((rc = db_run(&s->db, q, e)) != 0)
                return rc;
        q = sql(s, SQL_GAP_DROP);
        db_text(q, 1, office);
        db_blob(q, 2, g->stream.b, STREAM_ID);
        return db_run(&s->db, q, e);
}

int store_skip(struct store *s, const char *office, int64_t clock_us, uint64_t *from, uint64_t *to,
               struct err *e)
{
        struct gap_row g;
        uint64_t version;
        int rc = gap_get(s, office, &g, e);
        if (rc != 0 || (rc = begin(s, clock_us, &version, e)) != 0)
                return rc;
        *from = g.mark + 1;
        *to = g.floor;
        return end(s, skip_rows(s, office, &g, clock_us, version, e), version, e);
}

/* ---- facts for SQL */

/* Folds what stands of a report's office, dataset and period into expand.facts. */
static int expand_fold(struct store *s, const struct catalog *c, struct err *e)
{
        int32_t dataset = catalog_dataset(c, s->expand.dataset);
        s->expand.facts.n = 0;
        s->expand.revision = 0;
        if (dataset < 0)
                return 0; /* a catalogue may drop it only while no fact of it stands */
        sqlite3_stmt *q = sql(s, SQL_EXPAND_STANDING);
        db_text(q, 1, s->expand.office);
        db_text(q, 2, s->expand.dataset);
        db_int(q, 3, s->expand.period.first);
        int rc;
        while ((rc = db_step(&s->db, q, e)) == 1) {
                struct report r = {0};
                struct reasons why = {0};
                arena_reset(&s->arena);
                enum payload_state state =
                    payload_read(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), c,
                                 (uint32_t)dataset, &s->arena, &r, &why);
                reasons_close(&why);
                if (state != PAYLOAD_READ) {
                        rc =
                            err_set(e, E_SYNTAX, "a report of %s that stands cannot be read by the catalogue",
                                    s->expand.office);
                        break;
                }
                bool folded =
                    standing_fold(&s->expand.facts, (enum action)sqlite3_column_int64(q, 0), r.facts, r.n);
                POST(folded);
                if (sqlite3_column_int64(q, 2) > s->expand.revision)
                        s->expand.revision = sqlite3_column_int64(q, 2);
        }
        sqlite3_reset(q);
        return rc;
}

/* Is there a later accepted report of the same? Then that one will bring its facts. */
static int expand_later(struct store *s, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_EXPAND_LATER);
        db_text(q, 1, s->expand.office);
        db_text(q, 2, s->expand.dataset);
        db_int(q, 3, s->expand.period.first);
        db_int(q, 4, s->expand.id);
        int rc = db_step(&s->db, q, e);
        sqlite3_reset(q);
        return rc;
}

/* 1: a report is at hand, 0: none waits. *stands: it was accepted; any other changes no facts, and may name a
 * period that is none of its dataset's. */
static int expand_next(struct store *s, bool *stands, struct err *e)
{
        sqlite3_stmt *q = sql(s, SQL_EXPAND_NEXT);
        db_int(q, 1, (int64_t)s->expanded);
        int rc = db_step(&s->db, q, e);
        if (rc == 1) {
                s->expand.id = sqlite3_column_int64(q, 0);
                snprintf(s->expand.office, sizeof s->expand.office, "%s",
                         (const char *)sqlite3_column_text(q, 1));
                snprintf(s->expand.dataset, sizeof s->expand.dataset, "%s",
                         (const char *)sqlite3_column_text(q, 2));
                s->expand.period = (struct period){0};
                period_parse((const char *)sqlite3_column_text(q, 3), &s->expand.period);
                *stands = sqlite3_column_int64(q, 4) == ACCEPTED;
        }
        sqlite3_reset(q);
        return rc;
}

static int expand_rows(struct store *s, const struct catalog *c, struct err *e)
{
        sqlite3_stmt *q;
        int rc = 0;
        if (s->expand.at == 0) {
                q = sql(s, SQL_EXPAND_CLEAR);
                db_text(q, 1, s->expand.office);
                db_text(q, 2, s->expand.dataset);
                db_int(q, 3, period_id(s->expand.period));
                rc = db_run(&s->db, q, e);
        }
        size_t until =
            s->expand.at + EXPAND_ROWS < s->expand.facts.n ? s->expand.at + EXPAND_ROWS : s->expand.facts.n;
        char label[PERIOD_TEXT];
        period_print(s->expand.period, label);
        if (rc == 0 && s->expand.facts.n)
                rc = period_add(s, s->expand.period, label, e);
        for (; rc == 0 && s->expand.at < until; s->expand.at++) {
                const struct fact *f = &s->expand.facts.facts[s->expand.at];
                int64_t region, indicator;
                if ((rc = region_id(s, c->regions[f->region].code, &region, e)) != 0 ||
                    (rc = indicator_id(s, c, c->indicators[f->indicator].name, &indicator, e)) != 0)
                        break;
                q = sql(s, SQL_EXPAND_ADD);
                db_text(q, 1, s->expand.office);
                db_text(q, 2, s->expand.dataset);
                db_int(q, 3, period_id(s->expand.period));
                db_int(q, 4, region);
                db_int(q, 5, indicator);
                db_int(q, 6, f->value);
                db_int(q, 7, f->q);
                db_int(q, 8, s->expand.revision);
                rc = db_run(&s->db, q, e);
        }
        if (rc == 0 && s->expand.at == s->expand.facts.n)
                rc = meta_set(s, "expanded", (uint64_t)s->expand.id, e);
        return rc;
}

int store_expand(struct store *s, const struct catalog *c, bool *more, struct err *e)
{
        int rc = 0;
        *more = false;
        if (!s->expand.active) {
                bool stands;
                if ((rc = expand_next(s, &stands, e)) != 1)
                        return rc;
                if (stands && (rc = expand_later(s, e)) < 0)
                        return rc;
                *more = true;
                if (!stands || rc == 1) {
                        s->expanded = (uint64_t)s->expand.id;
                        return 0;
                }
                if ((rc = expand_fold(s, c, e)) < 0)
                        return rc;
                s->expand.active = true;
                s->expand.at = 0;
        }
        *more = true;
        if ((rc = db_begin(&s->db, e)) != 0)
                return rc;
        rc = end(s, expand_rows(s, c, e), s->version, e);
        if (rc != 0 || s->expand.at == s->expand.facts.n) {
                s->expand.active = false;
                s->expanded = rc == 0 ? (uint64_t)s->expand.id : s->expanded;
        }
        return rc;
}
