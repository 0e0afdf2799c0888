#include "lib/toy_store.h"

#include "base/check.h"
#include "core/cube.h"
#include "loop/clock.h"
#include "session/payload.h"
#include "sink/schema.h"
#include "sink/verdict_text.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        STREAM_ADD,
        STREAM_MOVE,
        REPORT_CLOSE,
        REVISION,
        REPORT_ADD,
        SIGNATURE_ADD,
        TOTAL_SET,
        PERIOD_ADD,
        META,
        COUNT
};

static const char *const statements[COUNT] = {
    [STREAM_ADD] =
        "INSERT INTO stream_(office, stream, turn, seq, hash, opened) VALUES(?1, ?2, ?3, 0, ?4, ?5)",
    [STREAM_MOVE] = "UPDATE stream_ SET seq = ?2, hash = ?3 WHERE id = ?1",
    [REPORT_CLOSE] =
        "UPDATE report_ SET closed = ?6 WHERE office = ?1 AND dataset = ?2 AND first = ?3 AND verdict = 0 "
        "AND closed = 0 AND (turn, seq) < (?4, ?5)",
    [REVISION] = "SELECT coalesce(max(revision), 0) + 1 FROM report_ WHERE office = ?1 AND dataset = ?2 AND "
                 "first = ?3",
    [REPORT_ADD] =
        "INSERT INTO report_(stream, seq, hash, office, turn, dataset, period, first, last, revision, "
        "action, "
        "submitted_at, received_at, version, verdict, reasons, closed, rows, catalog, payload) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, 0, ?16, ?17, ?18)",
    [SIGNATURE_ADD] = "INSERT INTO signature_(stream, seq, hash, signature, key) VALUES(?1, ?2, ?3, ?4, "
                      "x'0102030405060708')",
    [TOTAL_SET] = "INSERT OR REPLACE INTO total_(indicator, period, region, high, low, facts, about, "
                  "at_least, version) "
                  "VALUES((SELECT id FROM indicator_ WHERE name = ?1), ?2, (SELECT id FROM region_ WHERE "
                  "code = ?3), ?4, ?5, "
                  "?6, ?7, ?8, ?9)",
    [PERIOD_ADD] = "INSERT OR IGNORE INTO period_(id, label) VALUES(?1, ?2)",
    [META] = "INSERT OR REPLACE INTO meta_(key, value) VALUES('version', ?1)",
};

static void must(int rc, const struct err *e)
{
        if (rc < 0) {
                fprintf(stderr, "toy_store: %s\n", e->text);
                abort();
        }
}

static void run(struct toy_store *s, sqlite3_stmt *q)
{
        struct err e;
        must(db_run(&s->db, q, &e), &e);
}

int64_t toy_time(const char *rfc3339)
{
        int64_t us;
        PRE(clock_parse(rfc3339, &us));
        return us;
}

void toy_store_sql(struct toy_store *s, const char *sql)
{
        char *why = NULL;
        if (sqlite3_exec(s->db.handle, sql, NULL, NULL, &why) != SQLITE_OK) {
                fprintf(stderr, "toy_store: %s: %s\n", sql, why);
                abort();
        }
}

static void names(struct toy_store *s)
{
        struct text sql = {0};
        for (uint32_t i = 0; i < s->c->n_indicators; i++)
                text_printf(&sql, "INSERT INTO indicator_(name, decimals) VALUES('%s', %u);",
                            s->c->indicators[i].name, s->c->indicators[i].decimals);
        for (uint32_t i = s->c->n_regions; i-- > 0;) /* so that ids and numbers differ */
                text_printf(&sql, "INSERT INTO region_(code) VALUES('%s');", s->c->regions[i].code);
        toy_store_sql(s, text_c(&sql));
        text_close(&sql);
}

void toy_store_open(struct toy_store *s, const struct catalog *c)
{
        static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
        struct err e;
        *s = (struct toy_store){.c = c, .oracle = {.c = c}};
        scratch_open(s->dir);
        snprintf(s->path, sizeof s->path, "%s/sumu.db", s->dir);
        must(db_open_writer(&s->db, s->path, schema_migrations, schema_version, statements, COUNT, &e), &e);
        PRE(crypto_sign_seed_keypair(s->sign_public, s->sign_secret, seed) == 0);
        names(s);
}

void toy_store_close(struct toy_store *s)
{
        db_close(&s->db);
        oracle_close(&s->oracle);
        scratch_close(s->dir);
        free(s->streams);
        *s = (struct toy_store){0};
}

static struct toy_stream *stream_of(struct toy_store *s, uint32_t office, uint32_t turn, int64_t opened)
{
        for (size_t i = 0; i < s->n_streams; i++)
                if (s->streams[i].office == office && s->streams[i].turn == turn)
                        return &s->streams[i];
        s->streams = realloc(s->streams, (s->n_streams + 1) * sizeof *s->streams);
        PRE(s->streams);
        struct toy_stream *t = &s->streams[s->n_streams++];
        *t = (struct toy_stream){
            .office = office, .turn = turn, .id = {{(uint8_t)office, (uint8_t)turn, 0xab}}};
        t->hash = chain_start(s->c->offices[office].code, t->id);
        sqlite3_stmt *q = db_statement(&s->db, STREAM_ADD);
        db_text(q, 1, s->c->offices[office].code);
        db_blob(q, 2, t->id.b, STREAM_ID);
        db_int(q, 3, turn);
        db_blob(q, 4, t->hash.b, HASH);
        db_int(q, 5, opened);
        run(s, q);
        t->row = sqlite3_last_insert_rowid(s->db.handle);
        return t;
}

struct put { /* one report on its way into the store */
        uint32_t office;
        const struct report *report;
        struct place at;
        int64_t submitted_at, received_at;
        const char *reason;
};

static int64_t next_revision(struct toy_store *s, const struct put *p)
{
        struct err e;
        sqlite3_stmt *q = db_statement(&s->db, REVISION);
        db_text(q, 1, s->c->offices[p->office].code);
        db_text(q, 2, s->c->datasets[p->report->dataset].code);
        db_int(q, 3, p->report->period.first);
        must(db_step(&s->db, q, &e), &e);
        int64_t n = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
        return n;
}

static void close_earlier(struct toy_store *s, const struct put *p)
{
        sqlite3_stmt *q = db_statement(&s->db, REPORT_CLOSE);
        db_text(q, 1, s->c->offices[p->office].code);
        db_text(q, 2, s->c->datasets[p->report->dataset].code);
        db_int(q, 3, p->report->period.first);
        db_int(q, 4, p->at.turn);
        db_int(q, 5, (int64_t)p->at.seq);
        db_int(q, 6, s->version);
        run(s, q);
}

static enum verdict judge(struct toy_store *s, const struct put *p)
{
        if (p->reason)
                return REJECTED;
        if (oracle_is_superseded(&s->oracle, p->office, p->report, p->at))
                return SUPERSEDED;
        oracle_accept(&s->oracle, p->office, p->report, p->at);
        if (p->report->action == REPLACE || p->report->action == WITHDRAW)
                close_earlier(s, p);
        return ACCEPTED;
}

static void sign(struct toy_store *s, const struct toy_stream *t)
{
        uint8_t signature[SIGNATURE];
        chain_sign(s->c->offices[t->office].code, t->id, t->seq, t->hash, s->sign_secret, signature);
        sqlite3_stmt *q = db_statement(&s->db, SIGNATURE_ADD);
        db_int(q, 1, t->row);
        db_int(q, 2, (int64_t)t->seq);
        db_blob(q, 3, t->hash.b, HASH);
        db_blob(q, 4, signature, sizeof signature);
        run(s, q);
}

static void add(struct toy_store *s, struct put *p)
{
        static const char none = '\0';
        struct toy_stream *t = stream_of(s, p->office, p->at.turn, p->received_at);
        struct text payload = {0}, why = {0};
        char label[PERIOD_TEXT];
        s->version = p->received_at > s->version ? p->received_at : s->version + 1;
        p->at.seq = ++t->seq;
        period_print(p->report->period, label);
        if (p->report->n)
                payload_write(s->c, p->report, &payload);
        struct envelope r = {.submitted_at = p->submitted_at,
                             .dataset = s->c->datasets[p->report->dataset].code,
                             .period = label,
                             .action = p->report->action,
                             .payload = (const uint8_t *)(payload.v ? payload.v : &none),
                             .payload_n = payload.n};
        memcpy(r.catalog, s->c->digest, sizeof r.catalog);
        t->hash = chain_next(s->c->offices[p->office].code, t->id, t->seq, t->hash, &r);
        int64_t revision = next_revision(s, p);
        enum verdict verdict = judge(s, p);
        struct reason reason = {
            .code = REASON_UNKNOWN_REGION, .row = 2, .column = "region", .arg = {p->reason}};
        if (p->reason)
                verdict_text_write(&reason, 1, &why);
        sqlite3_stmt *q = db_statement(&s->db, REPORT_ADD);
        db_int(q, 1, t->row);
        db_int(q, 2, (int64_t)t->seq);
        db_blob(q, 3, t->hash.b, HASH);
        db_text(q, 4, s->c->offices[p->office].code);
        db_int(q, 5, t->turn);
        db_text(q, 6, r.dataset);
        db_text(q, 7, label);
        db_int(q, 8, p->report->period.first);
        db_int(q, 9, p->report->period.last);
        db_int(q, 10, verdict == REJECTED ? 0 : revision);
        db_int(q, 11, p->report->action);
        db_int(q, 12, p->submitted_at);
        db_int(q, 13, s->version);
        db_int(q, 14, verdict);
        db_text(q, 15, why.v);
        db_int(q, 16, (int64_t)p->report->n);
        db_blob(q, 17, r.catalog, sizeof r.catalog);
        db_blob(q, 18, r.payload, r.payload_n);
        run(s, q);
        q = db_statement(&s->db, STREAM_MOVE);
        db_int(q, 1, t->row);
        db_int(q, 2, (int64_t)t->seq);
        db_blob(q, 3, t->hash.b, HASH);
        run(s, q);
        q = db_statement(&s->db, META);
        db_int(q, 1, s->version);
        run(s, q);
        sign(s, t);
        text_close(&payload);
        text_close(&why);
}

void toy_store_facts(struct toy_store *s, uint32_t office, const struct report *r, struct place at,
                     int64_t when)
{
        add(s, &(struct put){office, r, at, when, when, NULL});
}

static struct fact read_row(const struct catalog *c, uint32_t dataset, char *row)
{
        char *rest, *region = strtok_r(row, " ", &rest), *name = strtok_r(NULL, " ", &rest),
                    *value = strtok_r(NULL, " ", &rest);
        bool own;
        int32_t r = region ? catalog_region(c, region, NONE, &own) : NONE,
                i = name ? catalog_indicator(c, (int32_t)dataset, name) : NONE;
        if (r < 0 || i < 0 || !value) {
                fprintf(stderr, "toy_store: no row: %s\n", row);
                abort();
        }
        struct number n =
            number_read(value, strlen(value), (struct number_form){.decimals = c->indicators[i].decimals});
        PRE(n.kind == NUMBER_GIVEN);
        return (struct fact){
            .value = n.value, .region = (uint32_t)r, .indicator = (uint16_t)i, .q = (uint8_t)n.q, .own = own};
}

void toy_store_report(struct toy_store *s, const struct toy_report *r)
{
        struct fact facts[64];
        struct report report = {.action = r->action, .facts = facts};
        int32_t office = catalog_office(s->c, r->office), dataset = catalog_dataset(s->c, r->dataset);
        PRE(office >= 0 && dataset >= 0 && period_parse(r->period, &report.period));
        PRE(period_held(s->c->datasets[dataset].every, report.period, &report.period));
        report.dataset = (uint32_t)dataset;
        char *rows = strdup(r->rows ? r->rows : ""), *rest;
        for (char *row = strtok_r(rows, ";", &rest); row; row = strtok_r(NULL, ";", &rest)) {
                PRE(report.n < 64);
                facts[report.n++] = read_row(s->c, report.dataset, row);
        }
        facts_sort(facts, report.n);
        add(s, &(struct put){(uint32_t)office,
                             &report,
                             {r->turn ? r->turn : 1, 0},
                             r->submitted_at,
                             r->received_at,
                             r->reason});
        free(rows);
}

/* ---- totals */

static void set_total(struct toy_store *s, uint32_t indicator, uint32_t region, struct period p)
{
        struct cell cell = oracle_total(&s->oracle, indicator, region, p);
        char label[PERIOD_TEXT];
        period_print(p, label);
        sqlite3_stmt *q = db_statement(&s->db, PERIOD_ADD);
        db_int(q, 1, period_id(p));
        db_text(q, 2, label);
        run(s, q);
        q = db_statement(&s->db, TOTAL_SET);
        db_text(q, 1, s->c->indicators[indicator].name);
        db_int(q, 2, period_id(p));
        db_text(q, 3, s->c->regions[region].code);
        db_int(q, 4, (int64_t)(cell.sum >> 64));
        db_int(q, 5, (int64_t)(uint64_t)cell.sum);
        db_int(q, 6, (int64_t)cell.facts);
        db_int(q, 7, (int64_t)cell.about);
        db_int(q, 8, (int64_t)cell.at_least);
        db_int(q, 9, s->version);
        run(s, q);
}

static void set_totals(struct toy_store *s, uint32_t dataset, struct period p)
{
        const struct dataset *d = &s->c->datasets[dataset];
        for (uint32_t i = 0; i < d->n_indicators; i++)
                for (uint32_t r = 0; r < s->c->n_regions; r++)
                        if (s->c->indicators[d->indicators[i]].kind != DERIVED && s->c->regions[r].children)
                                set_total(s, d->indicators[i], r, p);
}

static bool settled_before(const struct toy_store *s, size_t i, struct period p, enum period_kind kind)
{
        for (size_t k = 0; k < i; k++) {
                const struct report *r = &s->oracle.revisions[k].report;
                if (r->dataset == s->oracle.revisions[i].report.dataset &&
                    period_same(kind == r->period.kind ? r->period : period_upper(r->period, kind), p))
                        return true;
        }
        return false;
}

void toy_store_settle(struct toy_store *s)
{
        oracle_settle(&s->oracle);
        toy_store_sql(s, "BEGIN");
        for (size_t i = 0; i < s->oracle.n; i++) {
                const struct report *r = &s->oracle.revisions[i].report;
                enum period_kind every = r->period.kind;
                for (int kind = PERIOD_DAY; kind <= PERIOD_YEAR; kind++) {
                        bool base = kind == (int)every;
                        if (!base && (kind <= PERIOD_WEEK || !period_rolls_up(every, (enum period_kind)kind)))
                                continue;
                        struct period p = base ? r->period : period_upper(r->period, (enum period_kind)kind);
                        if (!settled_before(s, i, p, (enum period_kind)kind))
                                set_totals(s, r->dataset, p);
                }
        }
        toy_store_sql(s, "COMMIT");
}
