/* The numbers of the newest stream (head, floor, mark …) live in memory as `now`; a transaction works on them
 * and outbox_commit writes their row last, so file and memory change together. `safe` is what goes back on a
 * refusal.
 *
 * A report's row is small and is rewritten when its state changes; its payload lies in a table of its own and
 * is written once. `upto` counts the stream's bytes up to a report, so what waits is a subtraction and no sum
 * over the backlog. */
#include "collector/outbox.h"

#include "base/check.h"
#include "base/planted.h"

#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        TRIM_SLICE = 200,           /* rows of a kind in one transaction */
        WAL_GOOD = 4 * 1024 * 1024, /* above this a checkpoint is due */
};
static const int64_t hour_us = INT64_C(3600) * 1000 * 1000;

/* Columns of report_of, in its order; the payload or NULL follows. */
#define REPORT                                                                                             \
        "SELECT r.stream, s.stream, r.seq, CASE WHEN r.state <> 0 THEN r.state WHEN r.stream = ?4 AND "    \
        "r.seq > ?5"                                                                                       \
        " THEN 0 ELSE 1 END AS shown, r.submitted, r.catalog, f.dataset, f.period, r.action, r.revision, " \
        "r.rows,"                                                                                          \
        " r.withdrawn, r.file, r.first_stream, r.first_seq, r.verdict"
#define FROM_REPORTS " FROM report r JOIN stream s ON s.number = r.stream JOIN form f ON f.id = r.form"
#define FROM_FORMS " FROM form f CROSS JOIN report r ON r.form = f.id JOIN stream s ON s.number = r.stream"
#define SHOWN                                                                                         \
        " AND (?3 IS NULL OR f.dataset = ?3) AND (?8 IS NULL OR f.period = ?8) AND (1 << shown) & ?6" \
        " ORDER BY r.stream DESC, r.seq DESC LIMIT ?7"

enum sql {
#define SQL(name, text) SQL_##name,
#include "collector/outbox_sql.def"
#undef SQL
        SQL_COUNT
};

static const char *const sql_texts[] = {
#define SQL(name, text) text,
#include "collector/outbox_sql.def"
#undef SQL
};

static const char *const migrations[] = {
#define MIGRATION(text) text,
#include "collector/outbox_schema.def"
#undef MIGRATION
};

static const char *const state_words[] = {"queued", "sent", "accepted", "superseded", "rejected"};

const char *outbox_state_word(enum outbox_state s)
{
        return state_words[s];
}

bool outbox_state_find(const char *word, enum outbox_state *s)
{
        for (int i = 0; i < OUTBOX_STATES; i++)
                if (strcmp(word, state_words[i]) == 0) {
                        *s = (enum outbox_state)i;
                        return true;
                }
        return false;
}

/* ---- columns */

static struct hash column_hash(sqlite3_stmt *s, int at)
{
        struct hash h = {{0}};
        if (sqlite3_column_bytes(s, at) == HASH)
                memcpy(h.b, sqlite3_column_blob(s, at), HASH);
        return h;
}

static struct stream_id column_stream(sqlite3_stmt *s, int at)
{
        struct stream_id id = {{0}};
        if (sqlite3_column_bytes(s, at) == STREAM_ID)
                memcpy(id.b, sqlite3_column_blob(s, at), STREAM_ID);
        return id;
}

static const char *column_text(sqlite3_stmt *s, int at)
{
        const char *t = (const char *)sqlite3_column_text(s, at);
        return t ? t : "";
}

static void column_digest(sqlite3_stmt *s, int at, uint8_t out[OUTBOX_DIGEST])
{
        memset(out, 0, OUTBOX_DIGEST);
        if (sqlite3_column_bytes(s, at) == OUTBOX_DIGEST)
                memcpy(out, sqlite3_column_blob(s, at), OUTBOX_DIGEST);
}

static sqlite3_stmt *statement(struct outbox *o, enum sql which)
{
        return db_statement(&o->db, which);
}

/* One row at most: 1 with the statement on it (the caller resets it), 0, or trouble. */
static int one_row(struct outbox *o, sqlite3_stmt *s, struct err *e)
{
        int code = db_step(&o->db, s, e);
        if (code == 0)
                sqlite3_reset(s);
        return code;
}

/* ---- opening */

static struct stream_id random_stream(void)
{
        struct stream_id id;
        randombytes_buf(id.b, sizeof id.b);
        return id;
}

static int new_stream(struct outbox *o, struct stream_id id, int64_t now_us, struct err *e)
{
        struct hash start = chain_start(o->office, id);
        sqlite3_stmt *s = statement(o, SQL_STREAM_NEW);
        db_blob(s, 1, id.b, STREAM_ID);
        db_int(s, 2, now_us);
        db_blob(s, 3, start.b, HASH);
        int code = db_run(&o->db, s, e);
        if (code < 0)
                return code;
        struct point zero = {0, start};
        o->now = (struct outbox_now){.number = sqlite3_last_insert_rowid(o->db.handle),
                                     .stream = id,
                                     .head = zero,
                                     .floor = zero,
                                     .mark = zero,
                                     .version = o->now.version,
                                     .clock_us = o->now.clock_us};
        return 0;
}

/* The row a statement stands on, into *n. */
static int read_stream(struct outbox *o, sqlite3_stmt *s, struct outbox_now *n, struct err *e)
{
        int code = one_row(o, s, e);
        if (code <= 0)
                return code < 0 ? code : err_set(e, E_IO, "the outbox holds no stream");
        n->number = sqlite3_column_int64(s, 0);
        n->stream = column_stream(s, 1);
        n->turn = (uint32_t)sqlite3_column_int64(s, 2);
        n->passed = sqlite3_column_int64(s, 3) != 0;
        n->sent = (uint64_t)sqlite3_column_int64(s, 4);
        n->head = (struct point){(uint64_t)sqlite3_column_int64(s, 5), column_hash(s, 6)};
        n->head_bytes = (uint64_t)sqlite3_column_int64(s, 7);
        n->floor = (struct point){(uint64_t)sqlite3_column_int64(s, 8), column_hash(s, 9)};
        n->floor_bytes = (uint64_t)sqlite3_column_int64(s, 10);
        n->mark = (struct point){(uint64_t)sqlite3_column_int64(s, 11), column_hash(s, 12)};
        n->mark_bytes = (uint64_t)sqlite3_column_int64(s, 13);
        sqlite3_reset(s);
        return 0;
}

/* 1: there is a life already, of this office. */
static int read_life(struct outbox *o, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_LIFE);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        o->now.version = (uint64_t)sqlite3_column_int64(s, 1);
        o->now.clock_us = sqlite3_column_int64(s, 2);
        if (strcmp(column_text(s, 0), o->office) != 0)
                code = err_set(e, E_DENIED, "the outbox is that of office %s, not of %s", column_text(s, 0),
                               o->office);
        sqlite3_reset(s);
        return code;
}

static int begin_life(struct outbox *o, int64_t now_us, struct err *e)
{
        int code = outbox_begin(o, e);
        if (code < 0)
                return code;
        sqlite3_stmt *s = statement(o, SQL_LIFE_NEW);
        db_text(s, 1, o->office);
        code = db_run(&o->db, s, e);
        if (code == 0)
                code = new_stream(o, random_stream(), now_us, e);
        if (code == 0)
                return outbox_commit(o, e);
        outbox_abandon(o);
        return code;
}

int outbox_open(struct outbox *o, const char *path, const char *office, int64_t now_us, struct err *e)
{
        PRE(strlen(office) <= CODE_MAX);
        *o = (struct outbox){0};
        snprintf(o->office, sizeof o->office, "%s", office);
        int code = db_open_writer(&o->db, path, migrations, sizeof migrations / sizeof *migrations, sql_texts,
                                  SQL_COUNT, e);
        if (code < 0)
                return code;
        code = read_life(o, e);
        if (code == 0)
                code = begin_life(o, now_us, e);
        else if (code == 1)
                code = read_stream(o, statement(o, SQL_STREAM_NEWEST), &o->now, e);
        if (code < 0) {
                err_wrap(e, "%s", path);
                outbox_close(o);
        }
        return code;
}

void outbox_close(struct outbox *o)
{
        if (o->writing)
                outbox_abandon(o);
        db_close(&o->db);
        *o = (struct outbox){0};
}

/* ---- transactions */

int outbox_begin(struct outbox *o, struct err *e)
{
        PRE(!o->writing);
        int code = db_begin(&o->db, e);
        if (code < 0)
                return code;
        o->safe = o->now;
        o->safe_older = o->older;
        o->writing = true;
        return 0;
}

static int write_stream(struct outbox *o, const struct outbox_now *n, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_STREAM_SET);
        db_int(s, 1, n->number);
        db_int(s, 2, n->turn);
        db_int(s, 3, n->passed);
        db_int(s, 4, (int64_t)n->sent);
        db_int(s, 5, (int64_t)n->head.seq);
        db_blob(s, 6, n->head.hash.b, HASH);
        db_int(s, 7, (int64_t)n->head_bytes);
        db_int(s, 8, (int64_t)n->floor.seq);
        db_blob(s, 9, n->floor.hash.b, HASH);
        db_int(s, 10, (int64_t)n->floor_bytes);
        db_int(s, 11, (int64_t)n->mark.seq);
        db_blob(s, 12, n->mark.hash.b, HASH);
        db_int(s, 13, (int64_t)n->mark_bytes);
        return db_run(&o->db, s, e);
}

static int write_now(struct outbox *o, struct err *e)
{
        const struct outbox_now *n = &o->now;
        int code = write_stream(o, n, e);
        if (code == 0 && o->older.number)
                code = write_stream(o, &o->older, e);
        if (code < 0 || (n->version == o->safe.version && n->clock_us == o->safe.clock_us))
                return code;
        sqlite3_stmt *s = statement(o, SQL_LIFE_SET);
        db_int(s, 1, (int64_t)n->version);
        db_int(s, 2, n->clock_us);
        return db_run(&o->db, s, e);
}

int outbox_commit(struct outbox *o, struct err *e)
{
        PRE(o->writing);
        int code = write_now(o, e);
        if (code == 0)
                code = db_commit(&o->db, e);
        if (code < 0)
                outbox_abandon(o);
        o->writing = false;
        return code;
}

void outbox_abandon(struct outbox *o)
{
        PRE(o->writing);
        db_rollback(&o->db);
        o->now = PLANTED(MEMORY_AHEAD_OF_DISK) ? o->now : o->safe;
        o->older = o->safe_older;
        o->writing = false;
}

bool outbox_broken(const struct outbox *o)
{
        return db_broken(&o->db);
}

int outbox_tend(struct outbox *o, bool idle, struct err *e)
{
        int64_t wal = db_wal_bytes(&o->db);
        if (wal > WAL_GOOD || (idle && wal > 0)) {
                int code = db_checkpoint(&o->db, idle, e);
                return code == E_BUSY ? 0 : code; /* a reader is at it: next time */
        }
        return 0;
}

int outbox_try(struct outbox *o, struct err *e)
{
        int code = outbox_begin(o, e);
        if (code < 0)
                return code;
        code = db_run(&o->db, statement(o, SQL_TRY), e);
        if (code == 0)
                code = db_run(&o->db, statement(o, SQL_TRIED), e);
        if (code == 0)
                return outbox_commit(o, e);
        outbox_abandon(o);
        return code;
}

uint64_t outbox_waiting(const struct outbox *o)
{
        return o->now.head_bytes > o->now.mark_bytes ? o->now.head_bytes - o->now.mark_bytes : 0;
}

/* ---- of which stream is spoken */

static const struct outbox_now *spoken(const struct outbox *o)
{
        return o->older.number ? &o->older : &o->now;
}

static struct outbox_now *speaking(struct outbox *o)
{
        return o->older.number ? &o->older : &o->now;
}

int outbox_older(struct outbox *o, int64_t number, int64_t *next, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_STREAM_OLDER);
        db_int(s, 1, number);
        db_int(s, 2, o->now.number);
        int code = one_row(o, s, e);
        if (code == 1)
                *next = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return code;
}

int outbox_speak_of(struct outbox *o, int64_t number, struct err *e)
{
        PRE(!o->writing);
        o->older = (struct outbox_now){0};
        if (number == 0 || number == o->now.number)
                return 0;
        sqlite3_stmt *s = statement(o, SQL_STREAM_NUMBERED);
        db_int(s, 1, number);
        return read_stream(o, s, &o->older, e);
}

void outbox_start(const struct outbox *o, struct uplink_start *s)
{
        const struct outbox_now *n = spoken(o);
        s->office = o->office;
        s->stream = n->stream;
        s->turn = n->turn;
        s->head = n->head;
        s->floor = n->floor;
        s->mark = n->mark;
        s->version = o->now.version;
        s->closed = o->older.number != 0;
}

/* ---- reports in */

static int find_form(struct outbox *o, const char *dataset, const char *period, int64_t *form,
                     uint32_t *revision, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_FORM_FIND);
        db_text(s, 1, dataset);
        db_text(s, 2, period);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        *form = sqlite3_column_int64(s, 0);
        *revision = (uint32_t)sqlite3_column_int64(s, 1);
        sqlite3_reset(s);
        return 1;
}

static int take_form(struct outbox *o, const char *dataset, const char *period, int64_t *form, struct err *e)
{
        uint32_t revision;
        int code = find_form(o, dataset, period, form, &revision, e);
        if (code != 0)
                return code < 0 ? code : 0;
        sqlite3_stmt *s = statement(o, SQL_FORM_NEW);
        db_text(s, 1, dataset);
        db_text(s, 2, period);
        code = db_run(&o->db, s, e);
        *form = sqlite3_last_insert_rowid(o->db.handle);
        return code;
}

static int insert_report(struct outbox *o, int64_t form, const struct envelope *r,
                         const struct outbox_extra *x, struct err *e)
{
        const struct outbox_now *n = &o->now;
        sqlite3_stmt *s = statement(o, SQL_REPORT_NEW);
        db_int(s, 1, n->number);
        db_int(s, 2, (int64_t)n->head.seq);
        db_blob(s, 3, n->head.hash.b, HASH);
        db_int(s, 4, r->submitted_at);
        db_blob(s, 5, r->catalog, sizeof r->catalog);
        db_int(s, 6, form);
        db_int(s, 7, r->action);
        db_int(s, 8, x->revision);
        db_int(s, 9, x->rows);
        db_int(s, 10, x->withdrawn);
        db_int(s, 11, (int64_t)r->payload_n);
        db_int(s, 12, (int64_t)n->head_bytes);
        if (x->file)
                db_int(s, 13, x->file);
        db_blob(s, 14, n->stream.b, STREAM_ID);
        int code = db_run(&o->db, s, e);
        if (code < 0)
                return code;
        s = statement(o, SQL_PAYLOAD_NEW);
        db_int(s, 1, sqlite3_last_insert_rowid(o->db.handle));
        db_blob(s, 2, r->payload ? r->payload : (const uint8_t *)"", r->payload_n);
        return db_run(&o->db, s, e);
}

/* The newest stream's head moves on by one report. */
static void grow(struct outbox *o, const struct envelope *r)
{
        struct outbox_now *n = &o->now;
        n->head.hash = chain_next(o->office, n->stream, n->head.seq + 1, n->head.hash, r);
        n->head.seq++;
        n->head_bytes += r->payload_n + OUTBOX_OVERHEAD;
}

int outbox_add(struct outbox *o, const struct envelope *r, const struct outbox_extra *x, struct err *e)
{
        PRE(o->writing);
        int64_t form;
        int code = take_form(o, r->dataset, r->period, &form, e);
        if (code < 0)
                return code;
        grow(o, r);
        return insert_report(o, form, r, x, e);
}

int outbox_request_find(struct outbox *o, const char *key, uint8_t digest[OUTBOX_DIGEST], struct text *answer,
                        struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_REQUEST_FIND);
        db_text(s, 1, key);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        column_digest(s, 0, digest);
        text_add(answer, column_text(s, 1));
        sqlite3_reset(s);
        return 1;
}

int outbox_request_keep(struct outbox *o, const struct outbox_request *r, const struct text *answer,
                        struct err *e)
{
        PRE(o->writing);
        sqlite3_stmt *s = statement(o, SQL_REQUEST_NEW);
        db_text(s, 1, r->key);
        db_blob(s, 2, r->digest, OUTBOX_DIGEST);
        db_text(s, 3, text_c(answer));
        db_int(s, 4, r->at_us);
        return db_run(&o->db, s, e);
}

int outbox_file_known(struct outbox *o, const struct outbox_file *f, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_FILE_FIND);
        db_int(s, 1, (int64_t)f->inode);
        db_int(s, 2, (int64_t)f->size);
        db_int(s, 3, f->mtime_ns);
        db_blob(s, 4, f->digest, OUTBOX_DIGEST);
        int code = one_row(o, s, e);
        sqlite3_reset(s);
        return code;
}

int outbox_file_take(struct outbox *o, const struct outbox_file *f, int64_t *id, struct err *e)
{
        PRE(o->writing);
        sqlite3_stmt *s = statement(o, SQL_FILE_NEW);
        db_text(s, 1, f->name);
        db_int(s, 2, (int64_t)f->inode);
        db_int(s, 3, (int64_t)f->size);
        db_int(s, 4, f->mtime_ns);
        db_blob(s, 5, f->digest, OUTBOX_DIGEST);
        db_int(s, 6, f->at_us);
        int code = db_run(&o->db, s, e);
        *id = sqlite3_last_insert_rowid(o->db.handle);
        return code;
}

/* ---- reading reports */

static void report_of(sqlite3_stmt *s, struct outbox_report *r)
{
        *r = (struct outbox_report){
            .number = sqlite3_column_int64(s, 0),
            .stream = column_stream(s, 1),
            .seq = (uint64_t)sqlite3_column_int64(s, 2),
            .state = (enum outbox_state)sqlite3_column_int(s, 3),
            .envelope = {.submitted_at = sqlite3_column_int64(s, 4),
                         .dataset = column_text(s, 6),
                         .period = column_text(s, 7),
                         .action = (enum action)sqlite3_column_int(s, 8),
                         .payload = sqlite3_column_blob(s, 16),
                         .payload_n = (size_t)sqlite3_column_bytes(s, 16)},
            .extra = {.revision = (uint32_t)sqlite3_column_int64(s, 9),
                      .rows = (uint32_t)sqlite3_column_int64(s, 10),
                      .withdrawn = (uint32_t)sqlite3_column_int64(s, 11),
                      .file = sqlite3_column_int64(s, 12)},
            .first_stream = column_stream(s, 13),
            .first_seq = (uint64_t)sqlite3_column_int64(s, 14),
        };
        column_digest(s, 5, r->envelope.catalog);
}

/* A verdict is kept as the message it came in. NULL: it cannot be read (then the reasons are lost, not the
 * state). */
static const struct wire_verdict *verdict_of(sqlite3_stmt *s, int at, struct arena *a, struct wire_message *m)
{
        const void *bytes = sqlite3_column_blob(s, at);
        if (!bytes || wire_read(bytes, (size_t)sqlite3_column_bytes(s, at), a, m, NULL) < 0 ||
            m->kind != WIRE_VERDICTS || m->verdicts.n != 1)
                return NULL;
        return &m->verdicts.v[0];
}

static int each_report(struct outbox *o, sqlite3_stmt *s, outbox_fn *fn, void *ctx, struct err *e)
{
        struct arena a;
        struct wire_message m;
        struct outbox_report r;
        int code = 1;
        bool more = true;
        arena_init(&a, WIRE_ARENA);
        while (more && (code = db_step(&o->db, s, e)) == 1) {
                report_of(s, &r);
                r.verdict = verdict_of(s, 15, &a, &m);
                more = fn(ctx, &r);
                arena_reset(&a);
        }
        sqlite3_reset(s);
        arena_close(&a);
        return code < 0 ? code : 0;
}

static int stream_number(struct outbox *o, struct stream_id stream, int64_t *number, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_STREAM_FIND);
        db_blob(s, 1, stream.b, STREAM_ID);
        int code = one_row(o, s, e);
        if (code > 0)
                *number = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return code;
}

/* The statement whose index fits what is asked. */
static enum sql list_of(const struct outbox_filter *f)
{
        const unsigned pending = 1u << OUTBOX_QUEUED | 1u << OUTBOX_SENT;
        const unsigned refused = 1u << OUTBOX_SUPERSEDED | 1u << OUTBOX_REJECTED;
        if (f->period)
                return SQL_LIST_PERIOD;
        if ((f->states & ~pending) == 0)
                return SQL_LIST_PENDING;
        return (f->states & ~refused) == 0 ? SQL_LIST_REFUSED : SQL_LIST;
}

int outbox_list(struct outbox *o, const struct outbox_filter *f, outbox_fn *fn, void *ctx, struct err *e)
{
        int64_t number = INT64_MAX;
        if (f->has_before && f->before_any_stream)
                number = o->now.number;
        else if (f->has_before) {
                int code = stream_number(o, f->before_stream, &number, e);
                if (code <= 0)
                        return code; /* nothing is older than what was never there */
        }
        sqlite3_stmt *s = statement(o, list_of(f));
        db_int(s, 1, number);
        db_int(s, 2, f->has_before && f->before_seq < INT64_MAX ? (int64_t)f->before_seq : INT64_MAX);
        db_text(s, 3, f->dataset);
        db_int(s, 4, o->now.number);
        db_int(s, 5, (int64_t)o->now.sent);
        db_int(s, 6, f->states);
        db_int(s, 7, (int64_t)f->limit);
        db_text(s, 8, f->period);
        return each_report(o, s, fn, ctx, e);
}

static bool copy_envelope(sqlite3_stmt *s, struct arena *a, struct envelope *r)
{
        *r = (struct envelope){.submitted_at = sqlite3_column_int64(s, 2),
                               .dataset = arena_strdup(a, column_text(s, 4)),
                               .period = arena_strdup(a, column_text(s, 5)),
                               .action = (enum action)sqlite3_column_int(s, 6),
                               .payload_n = (size_t)sqlite3_column_bytes(s, 8)};
        column_digest(s, 3, r->catalog);
        uint8_t *payload = arena_alloc(a, r->payload_n ? r->payload_n : 1);
        if (payload && r->payload_n)
                memcpy(payload, sqlite3_column_blob(s, 8), r->payload_n);
        r->payload = payload;
        return payload && r->dataset && r->period;
}

/* Copies envelopes into *v, which has room for what so many bytes can hold. */
static int fill_batch(struct outbox *o, sqlite3_stmt *s, size_t bytes, struct arena *a, struct envelope *v,
                      size_t cap, size_t *n, struct point *head, struct err *e)
{
        size_t used = 0;
        int code = 0;
        while (*n < cap && (code = db_step(&o->db, s, e)) == 1) {
                size_t payload = (size_t)sqlite3_column_int64(s, 7);
                if (*n > 0 && (payload > bytes || used > bytes - payload))
                        return 0;
                struct envelope *r = &v[*n];
                if (!copy_envelope(s, a, r))
                        return err_set(e, E_MEM, "out of memory");
                used += wire_envelope_size(r);
                if (*n > 0 && used > bytes)
                        return 0;
                ++*n;
                *head = (struct point){(uint64_t)sqlite3_column_int64(s, 0), column_hash(s, 1)};
        }
        return code < 0 ? code : 0;
}

int outbox_batch(struct outbox *o, uint64_t after, size_t bytes, struct arena *a, struct wire_batch *b,
                 struct point *head, struct err *e)
{
        enum { LEAST = 40, MOST = 4096 }; /* an envelope's digest alone is 32 bytes */
        uint64_t held = spoken(o)->head.seq > after ? spoken(o)->head.seq - after : 0;
        size_t cap = bytes / LEAST + 1 < MOST ? bytes / LEAST + 1 : MOST;
        if (held < cap)
                cap = held ? (size_t)held : 1; /* room is zeroed before it is given */
        struct envelope *v = arena_alloc(a, cap * sizeof *v);
        *b = (struct wire_batch){.stream = spoken(o)->stream, .first = after + 1, .reports = v};
        if (!v)
                return err_set(e, E_MEM, "out of memory");
        int code = outbox_hash(o, after, &b->previous, e);
        if (code <= 0)
                return code;
        sqlite3_stmt *s = statement(o, SQL_BATCH);
        db_int(s, 1, spoken(o)->number);
        db_int(s, 2, (int64_t)after);
        code = fill_batch(o, s, bytes, a, v, cap, &b->n, head, e);
        sqlite3_reset(s);
        return code;
}

/* A report's hash and the stream's bytes up to it: 1; 0 not held. */
static int place(struct outbox *o, uint64_t seq, struct hash *h, uint64_t *upto, struct err *e)
{
        const struct outbox_now *n = spoken(o);
        if (seq == n->floor.seq) {
                *h = n->floor.hash;
                *upto = n->floor_bytes;
                return 1;
        }
        if (seq < n->floor.seq || seq > n->head.seq)
                return 0;
        sqlite3_stmt *s = statement(o, SQL_HASH);
        db_int(s, 1, n->number);
        db_int(s, 2, (int64_t)seq);
        int code = one_row(o, s, e);
        if (code > 0) {
                *h = column_hash(s, 0);
                *upto = (uint64_t)sqlite3_column_int64(s, 1);
        }
        sqlite3_reset(s);
        return code;
}

int outbox_hash(struct outbox *o, uint64_t seq, struct hash *h, struct err *e)
{
        uint64_t upto;
        return place(o, seq, h, &upto, e);
}

int outbox_wanted(struct outbox *o, struct arena *a, const struct wire_wanted **wanted, size_t *n,
                  struct err *e)
{
        enum { MOST = 16 }; /* streams that still wait for verdicts; the newest come first */
        struct wire_wanted *v = arena_alloc(a, MOST * sizeof *v);
        if (!v)
                return err_set(e, E_MEM, "out of memory");
        sqlite3_stmt *s = statement(o, SQL_WANTED);
        db_int(s, 1, o->now.number);
        int code = 0;
        *n = 0;
        while (*n < MOST && (code = db_step(&o->db, s, e)) == 1) {
                v[*n].stream = column_stream(s, 0);
                v[*n].from = (uint64_t)sqlite3_column_int64(s, 1);
                ++*n;
        }
        sqlite3_reset(s);
        *wanted = v;
        return code < 0 ? code : 0;
}

/* ---- what HQ says */

void outbox_keep_turn(struct outbox *o, uint32_t turn)
{
        PRE(o->writing);
        speaking(o)->turn = turn;
}

void outbox_keep_passed(struct outbox *o, bool passed)
{
        PRE(o->writing);
        o->now.passed = passed;
}

void outbox_note_sent(struct outbox *o, uint64_t seq)
{
        struct outbox_now *n = speaking(o);
        if (seq > n->sent)
                n->sent = seq;
}

static int note_ack(struct outbox *o, int64_t stream, uint64_t seq, int64_t now_us, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_ACK);
        db_int(s, 1, stream);
        db_int(s, 2, now_us / hour_us);
        db_int(s, 3, (int64_t)seq);
        db_int(s, 4, now_us);
        db_int(s, 5, o->now.clock_us);
        return db_run(&o->db, s, e);
}

/* HQ came back from a backup: what lies after its mark is not acknowledged any more. */
static int undo_acks(struct outbox *o, int64_t stream, uint64_t mark, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_ACK_UNDO);
        db_int(s, 1, stream);
        db_int(s, 2, (int64_t)mark);
        return db_run(&o->db, s, e);
}

/* Nor has HQ a verdict on it. The next one may be another: HQ's catalogue may be newer than the first was. */
static int undo_verdicts(struct outbox *o, int64_t stream, uint64_t mark, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_VERDICT_UNDO);
        db_int(s, 1, stream);
        db_int(s, 2, (int64_t)mark);
        o->rewritten++;
        return db_run(&o->db, s, e);
}

int outbox_keep_mark(struct outbox *o, struct point mark, uint64_t version, int64_t hq_us, int64_t now_us,
                     struct err *e)
{
        PRE(o->writing);
        struct outbox_now *n = speaking(o);
        struct hash h;
        int code = place(o, mark.seq, &h, &n->mark_bytes, e);
        if (code < 0)
                return code;
        PRE(code == 1 && hash_same(h, mark.hash)); /* the uplink compared it before it said so */
        if (version > o->now.version)
                o->now.version = version;
        if (hq_us > o->now.clock_us)
                o->now.clock_us = hq_us;
        code = 0;
        if (mark.seq < n->mark.seq)
                code = undo_acks(o, n->number, mark.seq, e);
        if (code == 0 && mark.seq < n->mark.seq)
                code = undo_verdicts(o, n->number, mark.seq, e);
        n->mark = mark;
        if (mark.seq > n->sent)
                n->sent = mark.seq;
        return code < 0 || mark.seq <= n->floor.seq ? code : note_ack(o, n->number, mark.seq, now_us, e);
}

static int verdict_text(const struct outbox *o, struct stream_id stream, const struct wire_verdict *v,
                        struct text *out, struct err *e)
{
        struct wire_message m = {.kind = WIRE_VERDICTS,
                                 .verdicts = {.office = o->office, .stream = stream, .v = v, .n = 1}};
        if (v->n_reasons > 0)
                wire_write(&m, out);
        return text_failed(out) ? err_set(e, E_MEM, "out of memory") : 0;
}

static int set_verdict(struct outbox *o, int64_t report, struct stream_id stream,
                       const struct wire_verdict *v, int64_t now_us, struct err *e)
{
        static const enum outbox_state states[] = {
            [ACCEPTED] = OUTBOX_ACCEPTED, [SUPERSEDED] = OUTBOX_SUPERSEDED, [REJECTED] = OUTBOX_REJECTED};
        struct text message = {0};
        int code = verdict_text(o, stream, v, &message, e);
        if (code == 0) {
                sqlite3_stmt *s = statement(o, SQL_VERDICT_SET);
                db_int(s, 1, report);
                db_int(s, 2, states[v->verdict]);
                db_int(s, 3, v->verdict != ACCEPTED);
                db_blob(s, 4, message.n ? message.v : NULL, message.n);
                db_int(s, 5, now_us);
                db_int(s, 6, v->revision);
                code = db_run(&o->db, s, e);
        }
        text_close(&message);
        return code;
}

static int run_on(struct outbox *o, enum sql which, int64_t a, int64_t b, struct err *e)
{
        sqlite3_stmt *s = statement(o, which);
        db_int(s, 1, a);
        if (sqlite3_bind_parameter_count(s) > 1)
                db_int(s, 2, b);
        return db_run(&o->db, s, e);
}

int outbox_keep_verdict(struct outbox *o, struct stream_id stream, const struct wire_verdict *v,
                        int64_t now_us, int64_t *form, struct err *e)
{
        PRE(o->writing);
        o->rewritten++;
        int64_t number;
        int code = stream_number(o, stream, &number, e);
        if (code <= 0 || v->seq > INT64_MAX)
                return code < 0 ? code : 0;
        sqlite3_stmt *s = statement(o, SQL_VERDICT_FIND);
        db_int(s, 1, number);
        db_int(s, 2, (int64_t)v->seq);
        code = one_row(o, s, e);
        if (code <= 0)
                return code;
        int64_t report = sqlite3_column_int64(s, 0), file = sqlite3_column_int64(s, 2);
        *form = sqlite3_column_int64(s, 1);
        sqlite3_reset(s);
        code = set_verdict(o, report, stream, v, now_us, e);
        if (code == 0)
                code = run_on(o, SQL_FORM_REVISION, *form, v->revision, e);
        if (code == 0 && v->verdict == REJECTED && file)
                code = run_on(o, SQL_FILE_UNTOLD, file, 0, e);
        return code < 0 ? code : 1;
}

static int move_report(struct outbox *o, int64_t from, uint64_t seq, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_MOVE_EACH);
        db_int(s, 1, from);
        db_int(s, 2, (int64_t)seq);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code < 0 ? code : err_set(e, E_IO, "report %llu is missing", (unsigned long long)seq);
        struct envelope r = {.submitted_at = sqlite3_column_int64(s, 1),
                             .dataset = column_text(s, 3),
                             .period = column_text(s, 4),
                             .action = (enum action)sqlite3_column_int(s, 5),
                             .payload = sqlite3_column_blob(s, 6),
                             .payload_n = (size_t)sqlite3_column_bytes(s, 6)};
        column_digest(s, 2, r.catalog);
        int64_t id = sqlite3_column_int64(s, 0);
        grow(o, &r);
        sqlite3_reset(s);
        s = statement(o, SQL_MOVE);
        db_int(s, 1, id);
        db_int(s, 2, o->now.number);
        db_int(s, 3, (int64_t)o->now.head.seq);
        db_blob(s, 4, o->now.head.hash.b, HASH);
        db_int(s, 5, (int64_t)o->now.head_bytes);
        return db_run(&o->db, s, e);
}

/* What the old stream keeps ends at `after`, and HQ has all of it. */
static int close_stream(struct outbox *o, uint64_t after, int64_t now_us, struct err *e)
{
        struct outbox_now *n = &o->now;
        struct point end = {.seq = after};
        uint64_t bytes;
        int code = place(o, after, &end.hash, &bytes, e);
        if (code <= 0)
                return code < 0 ? code
                                : err_set(e, E_MISSING, "the outbox does not hold report %llu",
                                          (unsigned long long)after);
        n->head = n->mark = end;
        n->head_bytes = n->mark_bytes = bytes;
        code = undo_acks(o, n->number, after, e);
        if (code == 0)
                code = note_ack(o, n->number, after, now_us, e);
        return code < 0 ? code : write_now(o, e);
}

/* Where the reports after `after` go on; nothing follows it: anywhere. */
static int forked_stream(struct outbox *o, uint64_t after, struct stream_id *id, struct err *e)
{
        struct hash first;
        *id = random_stream();
        if (after == o->now.head.seq)
                return 0;
        int code = outbox_hash(o, after + 1, &first, e);
        if (code == 1)
                *id = chain_fork(o->office, o->now.stream, after, first);
        return code < 0 ? code : 0;
}

int outbox_fork(struct outbox *o, uint64_t after, int64_t now_us, struct err *e)
{
        PRE(o->writing && !o->older.number && after >= o->now.floor.seq && after <= o->now.head.seq);
        o->rewritten++;
        int64_t from = o->now.number;
        uint64_t last = o->now.head.seq;
        struct stream_id next;
        int code = forked_stream(o, after, &next, e);
        if (code == 0)
                code = close_stream(o, after, now_us, e);
        if (code == 0)
                code = new_stream(o, next, now_us, e);
        for (uint64_t seq = after + 1; code == 0 && seq + PLANTED(FORK_LOSES_THE_LAST) <= last; seq++)
                code = move_report(o, from, seq, e);
        return code;
}

int outbox_catalog_keep(struct outbox *o, const uint8_t digest[OUTBOX_DIGEST], const void *pack, size_t n,
                        struct err *e)
{
        PRE(o->writing);
        sqlite3_stmt *s = statement(o, SQL_PACK_NEW);
        db_blob(s, 1, digest, OUTBOX_DIGEST);
        db_blob(s, 2, pack, n);
        int code = db_run(&o->db, s, e);
        if (code < 0)
                return code;
        s = statement(o, SQL_PACK_OTHERS);
        db_blob(s, 1, digest, OUTBOX_DIGEST);
        return db_run(&o->db, s, e);
}

int outbox_catalog(struct outbox *o, uint8_t digest[OUTBOX_DIGEST], struct text *pack, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_PACK);
        int code = one_row(o, s, e);
        if (code == 1) {
                column_digest(s, 0, digest);
                text_bytes(pack, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
        }
        sqlite3_reset(s);
        return code;
}

/* ---- what stands */

int outbox_form(struct outbox *o, const char *dataset, const char *period, int64_t *form, uint32_t *revision,
                struct err *e)
{
        *form = 0;
        *revision = 0;
        int code = find_form(o, dataset, period, form, revision, e);
        return code < 0 ? code : 0;
}

int outbox_settled(struct outbox *o, int64_t form, outbox_part_fn *fn, void *ctx, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_SETTLED);
        db_int(s, 1, form);
        int code = 1;
        bool more = true;
        while (more && (code = db_step(&o->db, s, e)) == 1)
                more = fn(ctx, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        sqlite3_reset(s);
        return code < 0 ? code : 0;
}

int outbox_unsettled(struct outbox *o, int64_t form, int64_t number, uint64_t seq, outbox_fn *fn, void *ctx,
                     struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_UNSETTLED);
        db_int(s, 1, form);
        db_int(s, 2, number);
        db_int(s, 3, (int64_t)seq);
        db_int(s, 4, o->now.number);
        db_int(s, 5, (int64_t)o->now.sent);
        return each_report(o, s, fn, ctx, e);
}

int outbox_settle(struct outbox *o, int64_t form, int64_t number, uint64_t seq,
                  const struct outbox_part *parts, size_t n, struct err *e)
{
        PRE(o->writing);
        o->rewritten++;
        int code = run_on(o, SQL_SETTLED_CLEAR, form, 0, e);
        for (size_t i = 0; code == 0 && i < n; i++) {
                sqlite3_stmt *s = statement(o, SQL_SETTLED_NEW);
                db_int(s, 1, form);
                db_int(s, 2, (int64_t)i);
                db_blob(s, 3, parts[i].bytes, parts[i].n);
                code = db_run(&o->db, s, e);
        }
        if (code < 0)
                return code;
        sqlite3_stmt *s = statement(o, SQL_SETTLE);
        db_int(s, 1, form);
        db_int(s, 2, number);
        db_int(s, 3, seq < INT64_MAX ? (int64_t)seq : INT64_MAX);
        return db_run(&o->db, s, e);
}

int outbox_form_names(struct outbox *o, int64_t form, char *dataset, char *period, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_FORM_NAMES);
        db_int(s, 1, form);
        int code = one_row(o, s, e);
        if (code == 1) {
                snprintf(dataset, CODE_MAX + 1, "%s", column_text(s, 0));
                snprintf(period, PERIOD_TEXT, "%s", column_text(s, 1));
        }
        sqlite3_reset(s);
        return code;
}

int outbox_unfolded(struct outbox *o, int64_t *form, char *dataset, char *period, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_UNFOLDED);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        *form = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return outbox_form_names(o, *form, dataset, period, e);
}

/* ---- letting go */

struct due { /* a stream's reports up to seq have had their days */
        int64_t stream;
        uint64_t seq;
};

static int next_due(struct outbox *o, int64_t now_us, int64_t keep_us, size_t skip, struct due *d,
                    struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_ACK_DUE);
        db_int(s, 1, now_us - keep_us);
        db_int(s, 2, PLANTED(TRIMMED_BY_ONE_CLOCK) ? INT64_MAX : o->now.clock_us - keep_us);
        int code = db_step(&o->db, s, e);
        while (code == 1 && skip-- > 0)
                code = db_step(&o->db, s, e);
        if (code == 1)
                *d = (struct due){sqlite3_column_int64(s, 0), (uint64_t)sqlite3_column_int64(s, 1)};
        sqlite3_reset(s);
        return code;
}

struct floor {
        struct point at;
        uint64_t bytes;
};

/* Lets the first report of a stream go: 1; 0 it has to stay, because its verdict is not here or not settled.
 */
static int trim_one(struct outbox *o, int64_t stream, struct floor *floor, struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_TRIM_EACH);
        db_int(s, 1, stream);
        db_int(s, 2, (int64_t)floor->at.seq + 1);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        bool done =
            PLANTED(TRIMMED_UNDECIDED) || (sqlite3_column_int(s, 5) != 0 && sqlite3_column_int(s, 6) != 0);
        int64_t id = sqlite3_column_int64(s, 0);
        struct floor next = {{(uint64_t)sqlite3_column_int64(s, 1), column_hash(s, 2)},
                             (uint64_t)sqlite3_column_int64(s, 3)};
        sqlite3_reset(s);
        if (!done)
                return 0;
        code = run_on(o, SQL_TRIM_REPORT, id, 0, e);
        if (code == 0)
                code = run_on(o, SQL_TRIM_PAYLOAD, id, 0, e);
        *floor = next;
        return code < 0 ? code : 1;
}

static int read_floor(struct outbox *o, int64_t stream, struct floor *floor, struct err *e)
{
        if (stream == o->now.number || stream == o->older.number) {
                const struct outbox_now *n = stream == o->now.number ? &o->now : &o->older;
                *floor = (struct floor){n->floor, n->floor_bytes};
                return 0;
        }
        sqlite3_stmt *s = statement(o, SQL_STREAM_FLOOR);
        db_int(s, 1, stream);
        int code = one_row(o, s, e);
        if (code == 1)
                floor->at.seq = (uint64_t)sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return code < 0 ? code : 0;
}

static int write_floor(struct outbox *o, int64_t stream, const struct floor *floor, struct err *e)
{
        if (stream == o->now.number || stream == o->older.number) {
                struct outbox_now *n = stream == o->now.number ? &o->now : &o->older;
                n->floor = floor->at;
                n->floor_bytes = floor->bytes;
                return 0;
        }
        sqlite3_stmt *s = statement(o, SQL_STREAM_FLOOR_SET);
        db_int(s, 1, stream);
        db_int(s, 2, (int64_t)floor->at.seq);
        db_blob(s, 3, floor->at.hash.b, HASH);
        db_int(s, 4, (int64_t)floor->bytes);
        return db_run(&o->db, s, e);
}

/* 1: the slice was used up, more may be due; 0: all that may go is gone. */
static int trim_stream(struct outbox *o, const struct due *d, struct err *e)
{
        struct floor floor = {0};
        int code = read_floor(o, d->stream, &floor, e);
        uint64_t from = floor.at.seq;
        if (code < 0)
                return code;
        size_t gone = 0;
        code = 1;
        while (gone < TRIM_SLICE && floor.at.seq < d->seq && (code = trim_one(o, d->stream, &floor, e)) == 1)
                gone++;
        if (code < 0 || (floor.at.seq != from && (code = write_floor(o, d->stream, &floor, e)) < 0))
                return code;
        code = run_on(o, SQL_ACK_DONE, d->stream, (int64_t)floor.at.seq, e);
        return code < 0 ? code : gone == TRIM_SLICE;
}

static int trim_rows(struct outbox *o, enum sql which, int64_t before_us, struct err *e)
{
        int code = run_on(o, which, before_us, TRIM_SLICE, e);
        return code < 0 ? code : sqlite3_changes(o->db.handle) == TRIM_SLICE;
}

int outbox_trim(struct outbox *o, int64_t now_us, int64_t keep_us, struct err *e)
{
        PRE(o->writing);
        struct due d;
        int code, more = 0;
        for (size_t skip = 0; (code = next_due(o, now_us, keep_us, skip, &d, e)) == 1;) {
                code = trim_stream(o, &d, e);
                if (code != 0)
                        return code;
                /* A stream whose due reports are all gone has lost its row; one that has to wait is passed
                 * over. */
                struct due same;
                if (next_due(o, now_us, keep_us, skip, &same, e) == 1 && same.stream == d.stream)
                        skip++;
        }
        if (code < 0)
                return code;
        static const enum sql rows[] = {SQL_TRIM_REQUESTS, SQL_TRIM_FILES};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if ((code = trim_rows(o, rows[i], now_us - keep_us, e)) < 0)
                        return code;
                more |= code;
        }
        return more;
}

/* ---- files whose reports HQ rejected later */

static int collect_reasons(struct outbox *o, int64_t file, struct reasons *reasons, struct err *e)
{
        struct arena a;
        struct wire_message m;
        int code;
        arena_init(&a, WIRE_ARENA);
        sqlite3_stmt *s = statement(o, SQL_UNTOLD_REASONS);
        db_int(s, 1, file);
        while ((code = db_step(&o->db, s, e)) == 1) {
                const struct wire_verdict *v = verdict_of(s, 0, &a, &m);
                for (size_t i = 0; v && i < v->n_reasons; i++)
                        reasons_copy(reasons, &v->reasons[i]);
                arena_reset(&a);
        }
        sqlite3_reset(s);
        arena_close(&a);
        return code == 0 && reasons->failed ? err_set(e, E_MEM, "out of memory") : code;
}

int outbox_untold(struct outbox *o, int64_t *id, struct text *name, uint64_t *inode, struct reasons *reasons,
                  struct err *e)
{
        sqlite3_stmt *s = statement(o, SQL_UNTOLD);
        int code = one_row(o, s, e);
        if (code <= 0)
                return code;
        *id = sqlite3_column_int64(s, 0);
        text_add(name, column_text(s, 1));
        *inode = (uint64_t)sqlite3_column_int64(s, 2);
        sqlite3_reset(s);
        code = collect_reasons(o, *id, reasons, e);
        return code < 0 ? code : 1;
}

int outbox_told(struct outbox *o, int64_t id, struct err *e)
{
        PRE(o->writing);
        return run_on(o, SQL_TOLD, id, 0, e);
}
