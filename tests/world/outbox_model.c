/* collector/outbox.h in memory, on a disk of disk.h: the same answers as collector/outbox.c, some hundred
 * times faster. tests/world/outbox_same.sh compares the two verb by verb.
 *
 * A file is a handful of tables of plain rows; what varies in length lies in blobs beside them. A transaction
 * changes the rows where they lie. Before it first changes one, it puts the old row into a journal; rows let
 * go are marked and stay until the end. So undoing is copying back, and keeping is forgetting the journal.
 * Blobs are never changed, only held and dropped; a backup holds the same ones.
 *
 * Reports lie in the order of their places (stream, seq). It keeps itself: new ones come at the end, and what
 * a fork moves to a new stream is the end of the last one. */
#include "collector/outbox.h"

#include "base/check.h"
#include "world/disk.h"

#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIM_SLICE = 200 }; /* as in outbox.c */
static const int64_t hour_us = INT64_C(3600) * 1000 * 1000;

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

/* ---- files, tables, rows */

struct blob {
        size_t holders, n;
        uint8_t bytes[];
};

enum table_name { LIFE, STREAMS, FORMS, REPORTS, FILES, REQUESTS, ACKS, TABLES };

/* A row begins with whether it was let go. The number of a stream or form is its row's, counted from 1. */
struct life {
        bool gone;
        char office[CODE_MAX + 1];
        uint64_t version;
        int64_t clock_us;
        uint8_t digest[OUTBOX_DIGEST];
        struct blob *pack; /* NULL: none */
};

struct stream {
        bool gone;
        struct outbox_now now; /* but version and clock: those of the life count */
};

struct form {
        bool gone;
        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        uint32_t revision;
        struct blob *settled; /* parts, each after its length; NULL: none */
};

struct report_row {
        bool gone, settled;
        uint8_t state; /* 0: no verdict yet */
        enum action action;
        int64_t number, form;
        uint64_t seq, upto;
        struct hash hash;
        int64_t submitted_us;
        uint8_t catalog[32];
        struct outbox_extra extra;
        struct stream_id first_stream;
        uint64_t first_seq;
        struct blob *payload, *verdict;
};

struct file_row {
        bool gone, untold;
        int64_t id;
        struct outbox_file is; /* but its name */
        struct blob *name;
};

struct request {
        bool gone;
        uint8_t digest[OUTBOX_DIGEST];
        int64_t at_us;
        struct blob *key, *answer;
};

struct ack {
        bool gone;
        int64_t number, hour;
        uint64_t seq;
        int64_t at_us, clock_us;
};

static const size_t row_bytes[TABLES] = {
    [LIFE] = sizeof(struct life),      [STREAMS] = sizeof(struct stream),
    [FORMS] = sizeof(struct form),     [REPORTS] = sizeof(struct report_row),
    [FILES] = sizeof(struct file_row), [REQUESTS] = sizeof(struct request),
    [ACKS] = sizeof(struct ack),
};

struct table {
        uint8_t *v;
        size_t n, cap;
        size_t n_before; /* the transaction */
        size_t n_gone;
};

struct saved { /* in the journal, after the row's bytes */
        enum table_name table;
        size_t row;
};

struct blobs {
        struct blob **v;
        size_t n, cap;
};

struct file {
        struct table tables[TABLES];
        bool opened;
        uint8_t *journal;
        size_t journal_n, journal_cap;
        struct blobs born, left; /* in this transaction */
};

/* Room for n more; memory that runs out ends the test. */
static void *room(void *v, size_t size, size_t n, size_t more, size_t *cap)
{
        if (n + more <= *cap)
                return v;
        while (*cap < n + more)
                *cap = *cap ? 2 * *cap : 8;
        v = realloc(v, *cap * size);
        POST(v);
        return v;
}

static void *row_at(const struct file *f, enum table_name t, size_t i)
{
        PRE(i < f->tables[t].n);
        return f->tables[t].v + i * row_bytes[t];
}

static bool is_gone(const struct file *f, enum table_name t, size_t i)
{
        return *(const bool *)row_at(f, t, i);
}

/* The row, to be changed. */
static void *change(struct file *f, enum table_name t, size_t i)
{
        void *row = row_at(f, t, i);
        if (i >= f->tables[t].n_before)
                return row;
        struct saved s = {t, i};
        size_t n = row_bytes[t];
        f->journal = room(f->journal, 1, f->journal_n, n + sizeof s, &f->journal_cap);
        memcpy(f->journal + f->journal_n, row, n);
        memcpy(f->journal + f->journal_n + n, &s, sizeof s);
        f->journal_n += n + sizeof s;
        return row;
}

static void *append(struct file *f, enum table_name t)
{
        struct table *to = &f->tables[t];
        to->v = room(to->v, row_bytes[t], to->n, 1, &to->cap);
        return memset(to->v + to->n++ * row_bytes[t], 0, row_bytes[t]);
}

static void let_go(struct file *f, enum table_name t, size_t i)
{
        *(bool *)change(f, t, i) = true;
        f->tables[t].n_gone++;
}

static void blob_drop(struct blob *b)
{
        if (b && --b->holders == 0)
                free(b);
}

static void note_blob(struct blobs *to, struct blob *b)
{
        to->v = room(to->v, sizeof *to->v, to->n, 1, &to->cap);
        to->v[to->n++] = b;
}

static void drop_noted(struct blobs *of)
{
        for (size_t i = 0; i < of->n; i++)
                blob_drop(of->v[i]);
        of->n = 0;
}

static struct blob *blob_room(struct file *f, size_t n)
{
        struct blob *b = malloc(sizeof *b + n + 1);
        POST(b);
        b->holders = 1;
        b->n = n;
        b->bytes[n] = '\0';
        note_blob(&f->born, b);
        return b;
}

static struct blob *blob_new(struct file *f, const void *bytes, size_t n)
{
        struct blob *b = blob_room(f, n);
        if (n)
                memcpy(b->bytes, bytes, n);
        return b;
}

static void blob_leave(struct file *f, struct blob *b)
{
        if (b)
                note_blob(&f->left, b);
}

/* NULL for none and, as SQLite has it, for an empty one. */
static const uint8_t *blob_bytes(const struct blob *b)
{
        return b && b->n ? b->bytes : NULL;
}

static size_t blob_n(const struct blob *b)
{
        return b ? b->n : 0;
}

/* ---- the end of a transaction */

static bool journal_pop(struct file *f, struct saved *s, const uint8_t **row)
{
        if (f->journal_n == 0)
                return false;
        memcpy(s, f->journal + f->journal_n - sizeof *s, sizeof *s);
        f->journal_n -= sizeof *s + row_bytes[s->table];
        *row = f->journal + f->journal_n;
        return true;
}

static void undo(struct file *f)
{
        struct saved s;
        const uint8_t *row;
        while (journal_pop(f, &s, &row))
                memcpy(row_at(f, s.table, s.row), row, row_bytes[s.table]);
        for (int t = 0; t < TABLES; t++) {
                f->tables[t].n = f->tables[t].n_before;
                f->tables[t].n_gone = 0;
        }
        drop_noted(&f->born);
        f->left.n = 0;
}

static void close_gaps(struct table *t, size_t size)
{
        size_t to = 0;
        for (size_t i = 0; i < t->n; i++)
                if (!*(const bool *)(t->v + i * size)) {
                        if (to != i)
                                memcpy(t->v + to * size, t->v + i * size, size);
                        to++;
                }
        t->n = to;
        t->n_gone = 0;
}

static void keep(struct file *f)
{
        f->journal_n = 0;
        for (int t = 0; t < TABLES; t++) {
                if (f->tables[t].n_gone)
                        close_gaps(&f->tables[t], row_bytes[t]);
                f->tables[t].n_before = f->tables[t].n;
        }
        drop_noted(&f->left);
        f->born.n = 0;
}

/* SQLite writes nothing, and syncs nothing, for a transaction that changed nothing. */
static bool is_changed(const struct file *f)
{
        struct saved s;
        for (int t = 0; t < TABLES; t++)
                if (f->tables[t].n != f->tables[t].n_before)
                        return true;
        for (size_t at = f->journal_n; at > 0; at -= sizeof s + row_bytes[s.table]) {
                memcpy(&s, f->journal + at - sizeof s, sizeof s);
                const uint8_t *row = f->journal + at - sizeof s - row_bytes[s.table];
                if (memcmp(row, row_at(f, s.table, s.row), row_bytes[s.table]) != 0)
                        return true;
        }
        return false;
}

/* ---- images */

static void each_blob(const struct file *f, void (*fn)(struct blob *b))
{
        for (size_t i = 0; i < f->tables[LIFE].n; i++)
                fn(((struct life *)row_at(f, LIFE, i))->pack);
        for (size_t i = 0; i < f->tables[FORMS].n; i++)
                fn(((struct form *)row_at(f, FORMS, i))->settled);
        for (size_t i = 0; i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = row_at(f, REPORTS, i);
                fn(r->payload);
                fn(r->verdict);
        }
        for (size_t i = 0; i < f->tables[FILES].n; i++)
                fn(((struct file_row *)row_at(f, FILES, i))->name);
        for (size_t i = 0; i < f->tables[REQUESTS].n; i++) {
                const struct request *r = row_at(f, REQUESTS, i);
                fn(r->key);
                fn(r->answer);
        }
}

static void blob_hold(struct blob *b)
{
        if (b)
                b->holders++;
}

static void *image_copy(const void *image)
{
        const struct file *from = image;
        struct file *f = calloc(1, sizeof *f);
        POST(f);
        for (int t = 0; t < TABLES; t++) {
                const struct table *a = &from->tables[t];
                struct table *b = &f->tables[t];
                if (a->n == 0)
                        continue;
                *b = (struct table){malloc(a->n * row_bytes[t]), a->n, a->n, a->n, 0};
                POST(b->v);
                memcpy(b->v, a->v, a->n * row_bytes[t]);
        }
        each_blob(f, blob_hold);
        return f;
}

static void image_release(void *image)
{
        struct file *f = image;
        each_blob(f, blob_drop);
        for (int t = 0; t < TABLES; t++)
                free(f->tables[t].v);
        free(f->journal);
        free(f->born.v);
        free(f->left.v);
        free(f);
}

static const struct disk_image outbox_image = {image_copy, image_release};

/* ---- the outbox and its file */

/* Of the database only the handle is used, for the disk, and `broken`. */
static struct disk *disk_of(const struct outbox *o)
{
        return (struct disk *)o->db.handle;
}

static struct file *file_of(const struct outbox *o)
{
        return disk_of(o)->image;
}

static int refused_broken(const struct outbox *o, struct err *e)
{
        return err_set(e, E_IO, "%s: an earlier failure may have lost data", disk_of(o)->path);
}

static const struct life *life_of(const struct file *f)
{
        return row_at(f, LIFE, 0);
}

static const struct stream *stream_row(const struct file *f, int64_t number)
{
        return row_at(f, STREAMS, (size_t)number - 1);
}

static const struct form *form_row(const struct file *f, int64_t form)
{
        return row_at(f, FORMS, (size_t)form - 1);
}

static const struct report_row *report_row(const struct file *f, size_t i)
{
        return row_at(f, REPORTS, i);
}

static bool is_before(const struct report_row *r, int64_t number, uint64_t seq)
{
        return r->number < number || (r->number == number && r->seq < seq);
}

/* The first report at a place or after it. */
static size_t reports_from(const struct file *f, int64_t number, uint64_t seq)
{
        size_t low = 0, high = f->tables[REPORTS].n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (is_before(report_row(f, mid), number, seq))
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static bool report_find(const struct file *f, int64_t number, uint64_t seq, size_t *at)
{
        *at = reports_from(f, number, seq);
        if (*at == f->tables[REPORTS].n)
                return false;
        const struct report_row *r = report_row(f, *at);
        return !r->gone && r->number == number && r->seq == seq;
}

/* ---- opening */

static struct stream_id random_stream(void)
{
        struct stream_id id;
        randombytes_buf(id.b, sizeof id.b);
        return id;
}

static void new_stream(struct outbox *o, struct stream_id id)
{
        struct file *f = file_of(o);
        struct point zero = {0, chain_start(o->office, id)};
        struct stream *s = append(f, STREAMS);
        s->now = (struct outbox_now){
            .number = (int64_t)f->tables[STREAMS].n, .stream = id, .head = zero, .floor = zero, .mark = zero};
        uint64_t version = o->now.version;
        int64_t clock_us = o->now.clock_us;
        o->now = s->now;
        o->now.version = version;
        o->now.clock_us = clock_us;
}

static int begin_life(struct outbox *o, struct err *e)
{
        int code = outbox_begin(o, e);
        if (code < 0)
                return code;
        struct life *l = append(file_of(o), LIFE);
        memcpy(l->office, o->office, sizeof l->office);
        new_stream(o, random_stream());
        return outbox_commit(o, e);
}

static int read_life(struct outbox *o, struct err *e)
{
        const struct file *f = file_of(o);
        const struct life *l = life_of(f);
        o->now = stream_row(f, (int64_t)f->tables[STREAMS].n)->now;
        o->now.version = l->version;
        o->now.clock_us = l->clock_us;
        if (strcmp(l->office, o->office) != 0)
                return err_set(e, E_DENIED, "the outbox is that of office %s, not of %s", l->office,
                               o->office);
        return 0;
}

static int attach(struct disk *d, struct err *e)
{
        if (!d->image) {
                POST(d->image = calloc(1, sizeof(struct file)));
                d->kind = &outbox_image;
        }
        struct file *f = d->image;
        if (f->opened)
                return err_set(e, E_BUSY, "%s is in use", d->path);
        f->opened = true;
        return 0;
}

int outbox_open(struct outbox *o, const char *path, const char *office, int64_t now_us, struct err *e)
{
        PRE(strlen(office) <= CODE_MAX);
        (void)now_us; /* kept by the real one for people to see */
        struct disk *d = disk_at(path);
        *o = (struct outbox){0};
        int code = attach(d, e);
        if (code < 0)
                return code;
        o->db.handle = (sqlite3 *)d;
        memcpy(o->office, office, strlen(office) + 1);
        code = file_of(o)->tables[LIFE].n ? read_life(o, e) : begin_life(o, e);
        if (code < 0)
                outbox_close(o);
        return code;
}

void outbox_close(struct outbox *o)
{
        if (o->writing)
                outbox_abandon(o);
        if (o->db.handle && file_of(o))
                file_of(o)->opened = false;
        *o = (struct outbox){0};
}

/* ---- transactions */

int outbox_begin(struct outbox *o, struct err *e)
{
        PRE(!o->writing);
        if (o->db.broken)
                return refused_broken(o, e);
        o->safe = o->now;
        o->safe_older = o->older;
        o->writing = true;
        return 0;
}

static bool point_same(const struct point *a, const struct point *b)
{
        return a->seq == b->seq && hash_same(a->hash, b->hash);
}

/* As the row of a stream has it. */
static bool now_same(const struct outbox_now *a, const struct outbox_now *b)
{
        return a->turn == b->turn && a->passed == b->passed && a->sent == b->sent &&
               point_same(&a->head, &b->head) && point_same(&a->floor, &b->floor) &&
               point_same(&a->mark, &b->mark) && a->head_bytes == b->head_bytes &&
               a->floor_bytes == b->floor_bytes && a->mark_bytes == b->mark_bytes;
}

static void write_stream(struct file *f, const struct outbox_now *n)
{
        if (!now_same(n, &stream_row(f, n->number)->now))
                ((struct stream *)change(f, STREAMS, (size_t)n->number - 1))->now = *n;
}

static void write_now(struct outbox *o)
{
        struct file *f = file_of(o);
        write_stream(f, &o->now);
        if (o->older.number)
                write_stream(f, &o->older);
        if (o->now.version == life_of(f)->version && o->now.clock_us == life_of(f)->clock_us)
                return;
        struct life *l = change(f, LIFE, 0);
        l->version = o->now.version;
        l->clock_us = o->now.clock_us;
}

int outbox_commit(struct outbox *o, struct err *e)
{
        PRE(o->writing);
        struct file *f = file_of(o);
        write_now(o);
        struct disk_answer a = {.kept = true};
        if (is_changed(f))
                a = disk_commit(disk_of(o));
        if (a.kept)
                keep(f);
        if (a.code == E_IO)
                o->db.broken = true;
        if (a.code < 0) {
                err_set(e, a.code, "%s: %s", disk_of(o)->path, err_sentence(a.code));
                outbox_abandon(o);
        }
        o->writing = false;
        return a.code;
}

void outbox_abandon(struct outbox *o)
{
        PRE(o->writing);
        undo(file_of(o));
        o->now = o->safe;
        o->older = o->safe_older;
        o->writing = false;
}

bool outbox_broken(const struct outbox *o)
{
        return o->db.broken;
}

int outbox_tend(struct outbox *o, bool idle, struct err *e)
{
        return idle && o->db.broken ? refused_broken(o, e) : 0;
}

int outbox_try(struct outbox *o, struct err *e)
{
        int code = outbox_begin(o, e);
        if (code < 0)
                return code;
        append(file_of(o), ACKS);
        let_go(file_of(o), ACKS, file_of(o)->tables[ACKS].n - 1);
        return outbox_commit(o, e);
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

static bool holds_reports(const struct file *f, int64_t number)
{
        for (size_t i = reports_from(f, number, 0); i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (r->number != number)
                        return false;
                if (!r->gone)
                        return true;
        }
        return false;
}

int outbox_older(struct outbox *o, int64_t number, int64_t *next, struct err *e)
{
        const struct file *f = file_of(o);
        if (o->db.broken)
                return refused_broken(o, e);
        for (int64_t i = number + 1; i < o->now.number; i++) {
                const struct outbox_now *n = &stream_row(f, i)->now;
                if (n->head.seq == 0 || (n->head.seq != n->floor.seq && !holds_reports(f, i)))
                        continue;
                *next = i;
                return 1;
        }
        return 0;
}

int outbox_speak_of(struct outbox *o, int64_t number, struct err *e)
{
        PRE(!o->writing);
        o->older = (struct outbox_now){0};
        if (number == 0 || number == o->now.number)
                return 0;
        if (o->db.broken)
                return refused_broken(o, e);
        o->older = stream_row(file_of(o), number)->now;
        o->older.version = 0;
        o->older.clock_us = 0;
        return 0;
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

/* 0: there is none. */
static int64_t find_form(const struct file *f, const char *dataset, const char *period)
{
        for (size_t i = 0; i < f->tables[FORMS].n; i++) {
                const struct form *form = row_at(f, FORMS, i);
                if (strcmp(form->period, period) == 0 && strcmp(form->dataset, dataset) == 0)
                        return (int64_t)i + 1;
        }
        return 0;
}

static int64_t take_form(struct file *f, const char *dataset, const char *period)
{
        int64_t found = find_form(f, dataset, period);
        if (found)
                return found;
        PRE(strlen(dataset) <= CODE_MAX && strlen(period) < PERIOD_TEXT);
        struct form *form = append(f, FORMS);
        memcpy(form->dataset, dataset, strlen(dataset) + 1);
        memcpy(form->period, period, strlen(period) + 1);
        return (int64_t)f->tables[FORMS].n;
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
        (void)e;
        struct file *f = file_of(o);
        int64_t form = take_form(f, r->dataset, r->period);
        grow(o, r);
        struct report_row *to = append(f, REPORTS);
        to->action = r->action;
        to->number = o->now.number;
        to->form = form;
        to->seq = to->first_seq = o->now.head.seq;
        to->upto = o->now.head_bytes;
        to->hash = o->now.head.hash;
        to->submitted_us = r->submitted_at;
        memcpy(to->catalog, r->catalog, sizeof to->catalog);
        to->extra = *x;
        to->first_stream = o->now.stream;
        to->payload = blob_new(f, r->payload, r->payload_n);
        return 0;
}

static const struct request *request_find(const struct file *f, const char *key)
{
        for (size_t i = 0; i < f->tables[REQUESTS].n; i++) {
                const struct request *r = row_at(f, REQUESTS, i);
                if (!r->gone && strcmp((const char *)r->key->bytes, key) == 0)
                        return r;
        }
        return NULL;
}

int outbox_request_find(struct outbox *o, const char *key, uint8_t digest[OUTBOX_DIGEST], struct text *answer,
                        struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct request *r = request_find(file_of(o), key);
        if (!r)
                return 0;
        memcpy(digest, r->digest, OUTBOX_DIGEST);
        text_add(answer, (const char *)r->answer->bytes);
        return 1;
}

int outbox_request_keep(struct outbox *o, const struct outbox_request *r, const struct text *answer,
                        struct err *e)
{
        PRE(o->writing);
        struct file *f = file_of(o);
        if (request_find(f, r->key))
                return err_set(e, E_EXISTS, "%s: the key is taken", disk_of(o)->path);
        struct request *to = append(f, REQUESTS);
        memcpy(to->digest, r->digest, OUTBOX_DIGEST);
        to->at_us = r->at_us;
        to->key = blob_new(f, r->key, strlen(r->key));
        to->answer = blob_new(f, text_c(answer), strlen(text_c(answer)));
        return 0;
}

int outbox_file_known(struct outbox *o, const struct outbox_file *file, struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct file *f = file_of(o);
        for (size_t i = 0; i < f->tables[FILES].n; i++) {
                const struct file_row *r = row_at(f, FILES, i);
                if (!r->gone && r->is.inode == file->inode && r->is.size == file->size &&
                    r->is.mtime_ns == file->mtime_ns &&
                    memcmp(r->is.digest, file->digest, OUTBOX_DIGEST) == 0)
                        return 1;
        }
        return 0;
}

/* As SQLite numbers rows: one more than the highest that is there. */
static int64_t next_file(const struct file *f)
{
        for (size_t i = f->tables[FILES].n; i-- > 0;)
                if (!is_gone(f, FILES, i))
                        return ((const struct file_row *)row_at(f, FILES, i))->id + 1;
        return 1;
}

int outbox_file_take(struct outbox *o, const struct outbox_file *file, int64_t *id, struct err *e)
{
        PRE(o->writing);
        (void)e;
        struct file *f = file_of(o);
        *id = next_file(f);
        struct file_row *to = append(f, FILES);
        to->id = *id;
        to->is = *file;
        to->is.name = NULL;
        to->name = blob_new(f, file->name, strlen(file->name));
        return 0;
}

/* ---- reading reports */

static enum outbox_state shown_state(const struct outbox *o, const struct report_row *r)
{
        if (r->state)
                return (enum outbox_state)r->state;
        return r->number == o->now.number && r->seq > o->now.sent ? OUTBOX_QUEUED : OUTBOX_SENT;
}

static void envelope_of(const struct file *f, const struct report_row *r, struct envelope *to)
{
        const struct form *form = form_row(f, r->form);
        *to = (struct envelope){.submitted_at = r->submitted_us,
                                .dataset = form->dataset,
                                .period = form->period,
                                .action = r->action,
                                .payload = blob_bytes(r->payload),
                                .payload_n = blob_n(r->payload)};
        memcpy(to->catalog, r->catalog, sizeof to->catalog);
}

static const struct wire_verdict *verdict_of(const struct report_row *r, struct arena *a,
                                             struct wire_message *m)
{
        if (!blob_bytes(r->verdict) || wire_read(r->verdict->bytes, r->verdict->n, a, m, NULL) < 0 ||
            m->kind != WIRE_VERDICTS || m->verdicts.n != 1)
                return NULL;
        return &m->verdicts.v[0];
}

static bool tell(const struct outbox *o, const struct report_row *r, bool payload, outbox_fn *fn, void *ctx)
{
        struct arena a;
        struct wire_message m;
        struct outbox_report told = {.number = r->number,
                                     .stream = stream_row(file_of(o), r->number)->now.stream,
                                     .seq = r->seq,
                                     .state = shown_state(o, r),
                                     .extra = r->extra,
                                     .first_stream = r->first_stream,
                                     .first_seq = r->first_seq};
        arena_init(&a, WIRE_ARENA);
        envelope_of(file_of(o), r, &told.envelope);
        if (!payload) {
                told.envelope.payload = NULL;
                told.envelope.payload_n = 0;
        }
        told.verdict = verdict_of(r, &a, &m);
        bool more = fn(ctx, &told);
        arena_close(&a);
        return more;
}

/* 0: there is none. */
static int64_t stream_number(const struct file *f, struct stream_id stream)
{
        for (size_t i = 0; i < f->tables[STREAMS].n; i++)
                if (stream_same(stream_row(f, (int64_t)i + 1)->now.stream, stream))
                        return (int64_t)i + 1;
        return 0;
}

static bool is_asked(const struct outbox *o, const struct outbox_filter *f, const struct report_row *r)
{
        const struct form *form = form_row(file_of(o), r->form);
        return !r->gone && (1u << shown_state(o, r) & f->states) &&
               (!f->dataset || strcmp(form->dataset, f->dataset) == 0) &&
               (!f->period || strcmp(form->period, f->period) == 0);
}

int outbox_list(struct outbox *o, const struct outbox_filter *f, outbox_fn *fn, void *ctx, struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        int64_t number = INT64_MAX;
        if (f->has_before) {
                number = f->before_any_stream ? o->now.number : stream_number(file_of(o), f->before_stream);
                if (number == 0)
                        return 0; /* nothing is older than what was never there */
        }
        size_t told = 0;
        for (size_t i = reports_from(file_of(o), number, f->has_before ? f->before_seq : UINT64_MAX);
             i-- > 0 && told < f->limit;) {
                const struct report_row *r = report_row(file_of(o), i);
                if (!is_asked(o, f, r))
                        continue;
                told++;
                if (!tell(o, r, false, fn, ctx))
                        break;
        }
        return 0;
}

static bool copy_envelope(const struct file *f, const struct report_row *r, struct arena *a,
                          struct envelope *to)
{
        envelope_of(f, r, to);
        to->dataset = arena_strdup(a, to->dataset);
        to->period = arena_strdup(a, to->period);
        uint8_t *payload = arena_alloc(a, to->payload_n ? to->payload_n : 1);
        if (payload && to->payload_n)
                memcpy(payload, to->payload, to->payload_n);
        to->payload = payload;
        return payload && to->dataset && to->period;
}

/* Copies envelopes into *v, which has room for what so many bytes can hold. */
static int fill_batch(const struct outbox *o, uint64_t after, size_t bytes, struct arena *a,
                      struct envelope *v, size_t cap, size_t *n, struct point *head, struct err *e)
{
        const struct file *f = file_of(o);
        size_t used = 0;
        for (size_t i = reports_from(f, spoken(o)->number, after + 1); *n < cap && i < f->tables[REPORTS].n;
             i++) {
                const struct report_row *r = report_row(f, i);
                if (r->number != spoken(o)->number)
                        return 0;
                if (r->gone)
                        continue;
                if (*n > 0 && (r->payload->n > bytes || used > bytes - r->payload->n))
                        return 0;
                if (!copy_envelope(f, r, a, &v[*n]))
                        return err_set(e, E_MEM, "out of memory");
                used += wire_envelope_size(&v[*n]);
                if (*n > 0 && used > bytes)
                        return 0;
                ++*n;
                *head = (struct point){r->seq, r->hash};
        }
        return 0;
}

int outbox_batch(struct outbox *o, uint64_t after, size_t bytes, struct arena *a, struct wire_batch *b,
                 struct point *head, struct err *e)
{
        enum { LEAST = 40, MOST = 4096 }; /* as in outbox.c */
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
        return o->db.broken ? refused_broken(o, e) : fill_batch(o, after, bytes, a, v, cap, &b->n, head, e);
}

/* A report's hash and the stream's bytes up to it: 1; 0 not held. */
static int place(struct outbox *o, uint64_t seq, struct hash *h, uint64_t *upto, struct err *e)
{
        const struct outbox_now *n = spoken(o);
        size_t at;
        if (seq == n->floor.seq) {
                *h = n->floor.hash;
                *upto = n->floor_bytes;
                return 1;
        }
        if (seq < n->floor.seq || seq > n->head.seq)
                return 0;
        if (o->db.broken)
                return refused_broken(o, e);
        if (!report_find(file_of(o), n->number, seq, &at))
                return 0;
        *h = report_row(file_of(o), at)->hash;
        *upto = report_row(file_of(o), at)->upto;
        return 1;
}

int outbox_hash(struct outbox *o, uint64_t seq, struct hash *h, struct err *e)
{
        uint64_t upto;
        return place(o, seq, h, &upto, e);
}

/* The first report of a stream that has no verdict. */
static bool first_pending(const struct file *f, int64_t number, uint64_t *seq)
{
        for (size_t i = reports_from(f, number, 0); i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (r->number != number)
                        return false;
                *seq = r->seq;
                if (!r->gone && r->state == 0)
                        return true;
        }
        return false;
}

int outbox_wanted(struct outbox *o, struct arena *a, const struct wire_wanted **wanted, size_t *n,
                  struct err *e)
{
        enum { MOST = 16 }; /* as in outbox.c */
        struct wire_wanted *v = arena_alloc(a, MOST * sizeof *v);
        if (!v)
                return err_set(e, E_MEM, "out of memory");
        *n = 0;
        *wanted = v;
        if (o->db.broken)
                return refused_broken(o, e);
        const struct file *f = file_of(o);
        for (int64_t number = (int64_t)f->tables[STREAMS].n; number > 0 && *n < MOST; number--) {
                const struct outbox_now *s = &stream_row(f, number)->now;
                bool pending = first_pending(f, number, &v[*n].from);
                if (!pending && number != o->now.number)
                        continue;
                if (!pending)
                        v[*n].from = s->head.seq + 1;
                v[(*n)++].stream = s->stream;
        }
        return 0;
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

/* What was acknowledged in this hour of our clock; a new row if nothing was. */
static struct ack *ack_of_hour(struct file *f, int64_t number, int64_t hour)
{
        for (size_t i = f->tables[ACKS].n; i-- > 0;) {
                const struct ack *a = row_at(f, ACKS, i);
                if (!a->gone && a->number == number && a->hour == hour)
                        return change(f, ACKS, i);
        }
        struct ack *a = append(f, ACKS);
        a->number = number;
        a->hour = hour;
        a->at_us = a->clock_us = INT64_MIN;
        return a;
}

static void note_ack(struct outbox *o, int64_t number, uint64_t seq, int64_t now_us)
{
        struct ack *a = ack_of_hour(file_of(o), number, now_us / hour_us);
        a->seq = seq;
        if (now_us > a->at_us)
                a->at_us = now_us;
        if (o->now.clock_us > a->clock_us)
                a->clock_us = o->now.clock_us;
}

/* HQ came back from a backup: what lies after its mark is not acknowledged any more. */
static void undo_acks(struct outbox *o, int64_t number, uint64_t mark)
{
        struct file *f = file_of(o);
        for (size_t i = 0; i < f->tables[ACKS].n; i++) {
                const struct ack *a = row_at(f, ACKS, i);
                if (!a->gone && a->number == number && a->seq > mark)
                        let_go(f, ACKS, i);
        }
}

static void undo_verdicts(struct outbox *o, int64_t number, uint64_t mark)
{
        struct file *f = file_of(o);
        o->rewritten++;
        for (size_t i = reports_from(f, number, mark + 1); i < f->tables[REPORTS].n; i++) {
                if (report_row(f, i)->number != number)
                        return;
                if (report_row(f, i)->gone || report_row(f, i)->state == 0)
                        continue;
                struct report_row *r = change(f, REPORTS, i);
                r->state = 0;
                blob_leave(f, r->verdict);
                r->verdict = NULL;
        }
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
        if (mark.seq < n->mark.seq) {
                undo_acks(o, n->number, mark.seq);
                undo_verdicts(o, n->number, mark.seq);
        }
        n->mark = mark;
        if (mark.seq > n->sent)
                n->sent = mark.seq;
        if (mark.seq > n->floor.seq)
                note_ack(o, n->number, mark.seq, now_us);
        return 0;
}

/* The verdict as a message of its own, if it gives reasons. */
static struct blob *verdict_blob(const struct outbox *o, struct stream_id stream,
                                 const struct wire_verdict *v)
{
        struct wire_message m = {.kind = WIRE_VERDICTS,
                                 .verdicts = {.office = o->office, .stream = stream, .v = v, .n = 1}};
        struct text out = {0};
        if (v->n_reasons == 0)
                return NULL;
        wire_write(&m, &out);
        POST(!text_failed(&out));
        struct blob *b = blob_new(file_of(o), out.v, out.n);
        text_close(&out);
        return b;
}

static void tell_later(struct file *f, int64_t id, bool untold)
{
        for (size_t i = 0; i < f->tables[FILES].n; i++) {
                const struct file_row *r = row_at(f, FILES, i);
                if (!r->gone && r->id == id)
                        ((struct file_row *)change(f, FILES, i))->untold = untold;
        }
}

static void raise_revision(struct file *f, int64_t form, uint32_t revision)
{
        if (form_row(f, form)->revision < revision)
                ((struct form *)change(f, FORMS, (size_t)form - 1))->revision = revision;
}

int outbox_keep_verdict(struct outbox *o, struct stream_id stream, const struct wire_verdict *v,
                        int64_t now_us, int64_t *form, struct err *e)
{
        static const enum outbox_state states[] = {
            [ACCEPTED] = OUTBOX_ACCEPTED, [SUPERSEDED] = OUTBOX_SUPERSEDED, [REJECTED] = OUTBOX_REJECTED};
        PRE(o->writing);
        (void)now_us, (void)e;
        o->rewritten++;
        struct file *f = file_of(o);
        int64_t number = stream_number(f, stream);
        size_t at;
        if (number == 0 || !report_find(f, number, v->seq, &at) || report_row(f, at)->state)
                return 0;
        struct report_row *r = change(f, REPORTS, at);
        r->state = (uint8_t)states[v->verdict];
        r->settled |= v->verdict != ACCEPTED;
        blob_leave(f, r->verdict);
        r->verdict = verdict_blob(o, stream, v);
        if (v->revision)
                r->extra.revision = v->revision;
        *form = r->form;
        raise_revision(f, r->form, v->revision);
        if (v->verdict == REJECTED && r->extra.file)
                tell_later(f, r->extra.file, true);
        return 1;
}

/* To the end of the newest stream, where it waits again. */
static void move_report(struct outbox *o, size_t at)
{
        struct file *f = file_of(o);
        struct report_row *r = change(f, REPORTS, at);
        struct envelope env;
        envelope_of(f, r, &env);
        grow(o, &env);
        r->number = o->now.number;
        r->seq = o->now.head.seq;
        r->hash = o->now.head.hash;
        r->upto = o->now.head_bytes;
        r->settled &= r->state <= OUTBOX_ACCEPTED;
        r->state = 0;
        blob_leave(f, r->verdict);
        r->verdict = NULL;
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
        undo_acks(o, n->number, after);
        note_ack(o, n->number, after, now_us);
        write_now(o);
        return 0;
}

/* Where the reports after `after` go on; nothing follows it: anywhere. */
static struct stream_id forked_stream(const struct outbox *o, uint64_t after)
{
        struct stream_id id = random_stream();
        size_t at;
        if (report_find(file_of(o), o->now.number, after + 1, &at))
                id = chain_fork(o->office, o->now.stream, after, report_row(file_of(o), at)->hash);
        return id;
}

int outbox_fork(struct outbox *o, uint64_t after, int64_t now_us, struct err *e)
{
        PRE(o->writing && !o->older.number && after >= o->now.floor.seq && after <= o->now.head.seq);
        o->rewritten++;
        /* All reports from here on are the stream's, and they stay in order while they are moved. */
        size_t at = reports_from(file_of(o), o->now.number, after + 1);
        struct stream_id next = forked_stream(o, after);
        int code = close_stream(o, after, now_us, e);
        if (code < 0)
                return code;
        new_stream(o, next);
        for (; at < file_of(o)->tables[REPORTS].n; at++)
                move_report(o, at);
        return 0;
}

int outbox_catalog_keep(struct outbox *o, const uint8_t digest[OUTBOX_DIGEST], const void *pack, size_t n,
                        struct err *e)
{
        PRE(o->writing);
        (void)e;
        struct file *f = file_of(o);
        struct life *l = change(f, LIFE, 0);
        memcpy(l->digest, digest, OUTBOX_DIGEST);
        blob_leave(f, l->pack);
        l->pack = blob_new(f, pack, n);
        return 0;
}

int outbox_catalog(struct outbox *o, uint8_t digest[OUTBOX_DIGEST], struct text *pack, struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct life *l = life_of(file_of(o));
        if (!l->pack)
                return 0;
        memcpy(digest, l->digest, OUTBOX_DIGEST);
        text_bytes(pack, l->pack->bytes, l->pack->n);
        return 1;
}

/* ---- what stands */

int outbox_form(struct outbox *o, const char *dataset, const char *period, int64_t *form, uint32_t *revision,
                struct err *e)
{
        *form = 0;
        *revision = 0;
        if (o->db.broken)
                return refused_broken(o, e);
        *form = find_form(file_of(o), dataset, period);
        if (*form)
                *revision = form_row(file_of(o), *form)->revision;
        return 0;
}

static bool form_exists(const struct file *f, int64_t form)
{
        return form > 0 && (size_t)form <= f->tables[FORMS].n;
}

int outbox_settled(struct outbox *o, int64_t form, outbox_part_fn *fn, void *ctx, struct err *e)
{
        const struct file *f = file_of(o);
        if (o->db.broken)
                return refused_broken(o, e);
        const struct blob *b = form_exists(f, form) ? form_row(f, form)->settled : NULL;
        bool more = true;
        for (size_t at = 0, n; more && at < blob_n(b); at += n) {
                memcpy(&n, b->bytes + at, sizeof n);
                at += sizeof n;
                more = fn(ctx, n ? b->bytes + at : NULL, n);
        }
        return 0;
}

int outbox_unsettled(struct outbox *o, int64_t form, int64_t number, uint64_t seq, outbox_fn *fn, void *ctx,
                     struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct file *f = file_of(o);
        bool more = true;
        for (size_t i = reports_from(f, number, seq + 1); more && i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (r->form == form && !r->settled && !r->gone)
                        more = tell(o, r, true, fn, ctx);
        }
        return 0;
}

static struct blob *parts_blob(struct file *f, const struct outbox_part *parts, size_t n)
{
        size_t bytes = 0, at = 0;
        for (size_t i = 0; i < n; i++)
                bytes += sizeof parts[i].n + parts[i].n;
        struct blob *b = blob_room(f, bytes);
        for (size_t i = 0; i < n; i++) {
                memcpy(b->bytes + at, &parts[i].n, sizeof parts[i].n);
                at += sizeof parts[i].n;
                if (parts[i].n)
                        memcpy(b->bytes + at, parts[i].bytes, parts[i].n);
                at += parts[i].n;
        }
        return b;
}

int outbox_settle(struct outbox *o, int64_t form, int64_t number, uint64_t seq,
                  const struct outbox_part *parts, size_t n, struct err *e)
{
        PRE(o->writing);
        (void)e;
        o->rewritten++;
        struct file *f = file_of(o);
        struct form *to = change(f, FORMS, (size_t)form - 1);
        blob_leave(f, to->settled);
        to->settled = n ? parts_blob(f, parts, n) : NULL;
        for (size_t i = 0; i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (!is_before(r, number, seq))
                        break;
                if (r->form == form && !r->settled && !r->gone)
                        ((struct report_row *)change(f, REPORTS, i))->settled = true;
        }
        return 0;
}

int outbox_form_names(struct outbox *o, int64_t form, char *dataset, char *period, struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        if (!form_exists(file_of(o), form))
                return 0;
        memcpy(dataset, form_row(file_of(o), form)->dataset, CODE_MAX + 1);
        memcpy(period, form_row(file_of(o), form)->period, PERIOD_TEXT);
        return 1;
}

int outbox_unfolded(struct outbox *o, int64_t *form, char *dataset, char *period, struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct file *f = file_of(o);
        int64_t least = 0;
        for (size_t i = 0; i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (!r->gone && r->state == OUTBOX_ACCEPTED && !r->settled && (!least || r->form < least))
                        least = r->form;
        }
        if (!least)
                return 0;
        *form = least;
        return outbox_form_names(o, least, dataset, period, e);
}

/* ---- letting go */

struct due { /* a stream's reports up to seq have had their days */
        int64_t number;
        uint64_t seq;
};

static bool next_due(const struct outbox *o, int64_t now_us, int64_t keep_us, size_t skip, struct due *d)
{
        const struct file *f = file_of(o);
        for (int64_t number = 1; number <= (int64_t)f->tables[STREAMS].n; number++) {
                *d = (struct due){.number = number};
                bool due = false;
                for (size_t i = 0; i < f->tables[ACKS].n; i++) {
                        const struct ack *a = row_at(f, ACKS, i);
                        if (a->gone || a->number != number || a->at_us > now_us - keep_us ||
                            a->clock_us > o->now.clock_us - keep_us)
                                continue;
                        due = true;
                        if (a->seq > d->seq)
                                d->seq = a->seq;
                }
                if (due && skip-- == 0)
                        return true;
        }
        return false;
}

struct floor {
        struct point at;
        uint64_t bytes;
};

/* Lets the first report of a stream go. false: it has to stay, its verdict is not here or not settled. */
static bool trim_one(struct file *f, int64_t number, struct floor *floor)
{
        size_t at;
        if (!report_find(f, number, floor->at.seq + 1, &at))
                return false;
        const struct report_row *r = report_row(f, at);
        if (!r->state || !r->settled)
                return false;
        *floor = (struct floor){{r->seq, r->hash}, r->upto};
        blob_leave(f, r->payload);
        blob_leave(f, r->verdict);
        let_go(f, REPORTS, at);
        return true;
}

static void write_floor(struct outbox *o, int64_t number, const struct floor *floor)
{
        struct outbox_now *n = number == o->older.number ? &o->older : &o->now;
        if (number != n->number)
                n = &((struct stream *)change(file_of(o), STREAMS, (size_t)number - 1))->now;
        n->floor = floor->at;
        n->floor_bytes = floor->bytes;
}

static void forget_acks(struct file *f, int64_t number, uint64_t seq)
{
        for (size_t i = 0; i < f->tables[ACKS].n; i++) {
                const struct ack *a = row_at(f, ACKS, i);
                if (!a->gone && a->number == number && a->seq <= seq)
                        let_go(f, ACKS, i);
        }
}

/* true: the slice was used up, more may be due. */
static bool trim_stream(struct outbox *o, const struct due *d)
{
        struct file *f = file_of(o);
        const struct outbox_now *n = d->number == o->now.number     ? &o->now
                                     : d->number == o->older.number ? &o->older
                                                                    : &stream_row(f, d->number)->now;
        struct floor floor = {n->floor, n->floor_bytes};
        size_t gone = 0;
        while (gone < TRIM_SLICE && floor.at.seq < d->seq && trim_one(f, d->number, &floor))
                gone++;
        if (gone)
                write_floor(o, d->number, &floor);
        forget_acks(f, d->number, floor.at.seq);
        return gone == TRIM_SLICE;
}

struct aged {
        int64_t at_us;
        size_t row;
};

static int by_age(const void *a, const void *b)
{
        const struct aged *x = a, *y = b;
        if (x->at_us != y->at_us)
                return x->at_us < y->at_us ? -1 : 1;
        return (x->row > y->row) - (x->row < y->row);
}

static int64_t at_us(const struct file *f, enum table_name t, size_t i)
{
        return t == FILES ? ((const struct file_row *)row_at(f, t, i))->is.at_us
                          : ((const struct request *)row_at(f, t, i))->at_us;
}

static bool is_needed(const struct file *f, const struct file_row *file)
{
        if (file->untold)
                return true;
        for (size_t i = 0; i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (!r->gone && r->extra.file == file->id)
                        return true;
        }
        return false;
}

static void forget(struct file *f, enum table_name t, size_t i)
{
        if (t == FILES) {
                blob_leave(f, ((const struct file_row *)row_at(f, t, i))->name);
        } else {
                blob_leave(f, ((const struct request *)row_at(f, t, i))->key);
                blob_leave(f, ((const struct request *)row_at(f, t, i))->answer);
        }
        let_go(f, t, i);
}

/* The oldest rows of files or requests, so many at a time. */
static bool trim_rows(struct file *f, enum table_name t, int64_t before_us)
{
        struct aged *v = NULL;
        size_t n = 0, cap = 0;
        for (size_t i = 0; i < f->tables[t].n; i++) {
                if (is_gone(f, t, i) || at_us(f, t, i) > before_us ||
                    (t == FILES && is_needed(f, row_at(f, t, i))))
                        continue;
                v = room(v, sizeof *v, n, 1, &cap);
                v[n++] = (struct aged){at_us(f, t, i), i};
        }
        if (n > TRIM_SLICE) {
                qsort(v, n, sizeof *v, by_age);
                n = TRIM_SLICE;
        }
        for (size_t i = 0; i < n; i++)
                forget(f, t, v[i].row);
        free(v);
        return n == TRIM_SLICE;
}

int outbox_trim(struct outbox *o, int64_t now_us, int64_t keep_us, struct err *e)
{
        PRE(o->writing);
        (void)e;
        struct due d, same;
        for (size_t skip = 0; next_due(o, now_us, keep_us, skip, &d);) {
                if (trim_stream(o, &d))
                        return 1;
                if (next_due(o, now_us, keep_us, skip, &same) && same.number == d.number)
                        skip++;
        }
        bool requests = trim_rows(file_of(o), REQUESTS, now_us - keep_us);
        bool files = trim_rows(file_of(o), FILES, now_us - keep_us);
        return requests || files;
}

/* ---- files whose reports HQ rejected later */

static void collect_reasons(const struct file *f, int64_t file, struct reasons *reasons)
{
        struct arena a;
        struct wire_message m;
        arena_init(&a, WIRE_ARENA);
        for (size_t i = 0; i < f->tables[REPORTS].n; i++) {
                const struct report_row *r = report_row(f, i);
                if (r->gone || r->extra.file != file || r->state != OUTBOX_REJECTED)
                        continue;
                const struct wire_verdict *v = verdict_of(r, &a, &m);
                for (size_t k = 0; v && k < v->n_reasons; k++)
                        reasons_copy(reasons, &v->reasons[k]);
                arena_reset(&a);
        }
        arena_close(&a);
}

int outbox_untold(struct outbox *o, int64_t *id, struct text *name, uint64_t *inode, struct reasons *reasons,
                  struct err *e)
{
        if (o->db.broken)
                return refused_broken(o, e);
        const struct file *f = file_of(o);
        for (size_t i = 0; i < f->tables[FILES].n; i++) {
                const struct file_row *r = row_at(f, FILES, i);
                if (r->gone || !r->untold)
                        continue;
                *id = r->id;
                text_add(name, (const char *)r->name->bytes);
                *inode = r->is.inode;
                collect_reasons(f, r->id, reasons);
                return 1;
        }
        return 0;
}

int outbox_told(struct outbox *o, int64_t id, struct err *e)
{
        PRE(o->writing);
        (void)e;
        tell_later(file_of(o), id, false);
        return 0;
}
