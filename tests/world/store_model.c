/* The store of sink/store.h in memory, for many seeds: linked in its place.
 *
 * It keeps to sink/store.c's order of checks, its refusals and its slices, so that whoever asks cannot tell
 * the two apart; tests/world/store_trace.c asks both the same and compares every answer. What a disk does to
 * a transaction is asked once, at its end (world/disk.h). After a failed sync nothing is answered any more,
 * as by store/db.c.
 *
 * `struct store` speaks of a connection to SQLite. Here its handle stands for the disk (disk_of), and nobody
 * else looks at it; `db.broken` means what it always means. */
#include "sink/store.h"

#include "base/check.h"
#include "session/payload.h"
#include "sink/verdict_text.h"
#include "world/disk.h"
#include "world/store_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in sink/store.c and its statements. */
enum {
        RECALL_BYTES = 4 * WIRE_MESSAGE,
        RECALL_ROWS = 4096,
        EXPAND_ROWS = 2000,
        BLOCKS_NAMED = 10,
        VERDICTS_AT_ONCE = 200,
        TURN_MOST = 1000000, /* that an office is believed */
};

static const struct disk_image kind = {image_copy, image_free};

static struct disk *disk_of(const struct store *s)
{
        return (struct disk *)(void *)s->db.handle;
}

static struct image *image_of(const struct store *s)
{
        return disk_of(s)->image;
}

/* ---- opening */

/* A new file is a transaction too. */
static int create(struct disk *d, struct err *e)
{
        struct disk_answer answer = disk_commit(d);
        if (answer.kept) {
                d->image = image_new();
                d->kind = &kind;
        }
        return answer.code == 0 ? 0 : err_set(e, answer.code, "%s: cannot be made", d->path);
}

int store_open(struct store *s, const char *path, struct err *e)
{
        struct disk *d = disk_at(path);
        *s = (struct store){0};
        int rc = d->image ? 0 : create(d, e);
        if (rc != 0)
                return rc;
        struct image *m = d->image;
        if (d->off)
                return err_set(e, E_IO, "%s: the power is off", path);
        if (m->held)
                return err_set(e, E_BUSY, "%s is in use by another process", path);
        m->held = true;
        s->db.handle = (sqlite3 *)(void *)d;
        arena_init(&s->arena, 4 * WIRE_ARENA);
        s->version = m->meta.version;
        s->term = m->meta.term;
        s->expanded = m->meta.expanded;
        return 0;
}

void store_close(struct store *s)
{
        if (s->db.handle && image_of(s))
                image_of(s)->held = false;
        standing_close(&s->expand.facts);
        arena_close(&s->arena);
        *s = (struct store){0};
}

/* ---- transactions */

static int readable(const struct store *s, struct err *e)
{
        return s->db.broken ? err_set(e, E_IO, "%s: an earlier failure may have lost data", disk_of(s)->path)
                            : 0;
}

static int begin(struct store *s, int64_t clock_us, uint64_t *v, struct err *e)
{
        *v = s->version + 1;
        if (clock_us > 0 && (uint64_t)clock_us > *v)
                *v = (uint64_t)clock_us;
        int rc = readable(s, e);
        if (rc == 0)
                image_begin(image_of(s));
        return rc;
}

/* With rc 0 the disk is asked what becomes of the transaction; else nothing was. */
static int end(struct store *s, int rc, uint64_t version, struct err *e)
{
        struct image *m = image_of(s);
        if (rc != 0) {
                image_undo(m);
                return rc;
        }
        m->meta.version = version;
        struct disk_answer answer = disk_commit(disk_of(s));
        if (answer.kept)
                image_keep(m);
        else
                image_undo(m);
        if (answer.code == E_IO)
                s->db.broken = true;
        if (answer.code != 0)
                return err_set(e, answer.code, "%s: %s", disk_of(s)->path, err_sentence(answer.code));
        s->version = version;
        return 0;
}

/* ---- what stands */

struct spot { /* of a standing report, in the order of report_standing_ */
        int32_t first;
        const char *office;
        uint32_t turn, row;
        uint64_t seq;
};

struct spots {
        struct spot *v;
        size_t n, cap;
};

static int spot_compare(const void *x, const void *y)
{
        const struct spot *a = x, *b = y;
        if (a->first != b->first)
                return a->first < b->first ? -1 : 1;
        int by_office = strcmp(a->office, b->office);
        if (by_office != 0)
                return by_office;
        if (a->turn != b->turn)
                return a->turn < b->turn ? -1 : 1;
        return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void spots_of_paper(const struct image *m, uint32_t paper, struct spots *out)
{
        const struct image_paper *p = image_paper(m, paper);
        for (uint32_t row = p->standing; row != NO_ROW; row = image_report(m, row)->standing) {
                const struct image_report *r = image_report(m, row);
                if (out->n == out->cap) {
                        out->cap = out->cap ? 2 * out->cap : 64;
                        out->v = realloc(out->v, out->cap * sizeof *out->v);
                        POST(out->v);
                }
                out->v[out->n++] = (struct spot){p->first, image_text(m, p->office), r->turn, row, r->seq};
        }
}

static void spots_sort(struct spots *s)
{
        if (s->n > 1)
                qsort(s->v, s->n, sizeof *s->v, spot_compare);
}

static struct spots spots_of_dataset(const struct image *m, const char *dataset, int32_t first, int32_t last)
{
        struct spots out = {0};
        uint32_t word = image_find_word(m, dataset);
        for (uint32_t p = 0; word != NO_ROW && p < image_count(m, IMAGE_PAPERS); p++) {
                const struct image_paper *paper = image_paper(m, p);
                if (paper->dataset == word && paper->first >= first && paper->first <= last)
                        spots_of_paper(m, p, &out);
        }
        spots_sort(&out);
        return out;
}

/* ---- catalogue */

struct catalog *store_catalog(struct store *s, struct err *e)
{
        if (readable(s, e) != 0)
                return NULL;
        const struct image *m = image_of(s);
        const struct image_catalog *last = image_last_catalog(m);
        if (!last) {
                err_set(e, E_MISSING, "no catalogue is recorded");
                return NULL;
        }
        struct faults faults = {0};
        struct catalog *c = catalog_unpack(image_bytes(m, last->pack.at), last->pack.n, &faults);
        if (!c)
                err_set(e, E_SYNTAX, "the catalogue in the store cannot be read by this program");
        faults_close(&faults);
        return c;
}

static void payload_of(const struct image *m, const struct image_report *row, const struct catalog *c,
                       uint32_t dataset, struct arena *a, struct report *r)
{
        struct reasons why = {0};
        arena_reset(a);
        enum payload_state state = payload_read((const uint8_t *)image_bytes(m, row->payload.at),
                                                row->payload.n, c, dataset, a, r, &why);
        POST(state == PAYLOAD_READ);
        reasons_close(&why);
}

/* Is something of this standing report in the way? One line says enough. */
static bool blocked(struct store *s, const struct spot *spot, const struct catalog *now,
                    const struct catalog *next, uint32_t dataset, struct text *blocks)
{
        const struct image *m = image_of(s);
        const struct image_report *row = image_report(m, spot->row);
        const char *label = image_text(m, row->period);
        int32_t office = catalog_office(now, spot->office);
        struct report r = {0};
        struct period p;
        POST(office >= 0 && period_parse(label, &p));
        payload_of(m, row, now, dataset, &s->arena, &r);
        for (size_t i = 0; i < r.n; i++) {
                char room[256];
                const char *what = catalog_blocks(now, next, (uint32_t)office, r.facts[i].region,
                                                  r.facts[i].indicator, p, room, sizeof room);
                if (!what)
                        continue;
                text_printf(blocks, "office %s, %s, region %s, indicator %s: %s\n", spot->office, label,
                            now->regions[r.facts[i].region].code, now->indicators[r.facts[i].indicator].name,
                            what);
                return true;
        }
        return false;
}

static void take_catalog(struct image *m, const struct catalog *next, uint64_t version)
{
        for (uint32_t i = 0; i < image_count(m, IMAGE_CATALOGS); i++)
                if (memcmp(image_catalog(m, i)->digest, next->digest, sizeof next->digest) == 0) {
                        image_touch(m, IMAGE_CATALOGS, i);
                        image_catalog(m, i)->version = version;
                        return;
                }
        struct image_run pack = image_put(m, next->pack.v, next->pack.n);
        struct image_catalog *c = image_catalog(m, image_add(m, IMAGE_CATALOGS));
        *c = (struct image_catalog){.version = version, .pack = pack};
        memcpy(c->digest, next->digest, sizeof c->digest);
}

int store_take_catalog(struct store *s, const struct catalog *now, const struct catalog *next,
                       int64_t clock_us, struct text *blocks, struct err *e)
{
        size_t found = 0;
        uint64_t version;
        int rc = readable(s, e);
        for (uint32_t d = 0; now && rc == 0 && d < now->n_datasets; d++) {
                struct spots spots =
                    spots_of_dataset(image_of(s), now->datasets[d].code, INT32_MIN, INT32_MAX);
                for (size_t i = 0; i < spots.n && found < BLOCKS_NAMED; i++)
                        found += blocked(s, &spots.v[i], now, next, d, blocks);
                free(spots.v);
        }
        if (rc == 0 && found)
                return err_set(e, E_DENIED, "standing figures would be lost by the new catalogue");
        if (rc != 0 || (rc = begin(s, clock_us, &version, e)) != 0)
                return rc;
        take_catalog(image_of(s), next, version);
        return end(s, 0, version, e);
}

/* ---- terms and streams */

int store_open_term(struct store *s, uint64_t heard, int64_t clock_us, struct err *e)
{
        uint64_t version;
        if (heard > s->version)
                s->version = heard;
        int rc = begin(s, clock_us, &version, e);
        if (rc != 0)
                return rc;
        uint64_t term = ++image_of(s)->meta.term;
        rc = end(s, 0, version, e);
        if (rc == 0)
                s->term = term;
        return rc;
}

static uint32_t find_stream(const struct image *m, const char *office, struct stream_id id)
{
        for (uint32_t i = 0; i < image_count(m, IMAGE_STREAMS); i++)
                if (stream_same(image_stream(m, i)->id, id) &&
                    strcmp(image_text(m, image_stream(m, i)->office), office) == 0)
                        return i;
        return NO_ROW;
}

static struct wire_stream say_stream(const struct image_stream *w, const char *office)
{
        return (struct wire_stream){office, w->id, w->turn, w->seq, w->hash};
}

int store_streams(struct store *s, struct arena *a, struct wire_stream **v, size_t *n, struct err *e)
{
        const struct image *m = image_of(s);
        *v = NULL;
        *n = 0;
        int rc = readable(s, e);
        if (rc != 0 || image_count(m, IMAGE_STREAMS) == 0)
                return rc;
        *v = arena_alloc(a, image_count(m, IMAGE_STREAMS) * sizeof **v);
        POST(*v);
        for (; *n < image_count(m, IMAGE_STREAMS); ++*n) {
                const struct image_stream *w = image_stream(m, (uint32_t)*n);
                (*v)[*n] = say_stream(w, arena_strdup(a, image_text(m, w->office)));
                POST((*v)[*n].office);
        }
        return 0;
}

/* The turn it had before the store came back from a backup, or the next one. */
static uint32_t turn_for(const struct image *m, uint32_t office, uint32_t had)
{
        uint32_t last = 0;
        bool taken = false;
        for (uint32_t i = 0; i < image_count(m, IMAGE_STREAMS); i++) {
                const struct image_stream *w = image_stream(m, i);
                if (w->office != office)
                        continue;
                taken |= w->turn == had;
                if (w->turn > last)
                        last = w->turn;
        }
        return had >= 1 && had <= TURN_MOST && !taken ? had : last + 1;
}

static uint32_t add_stream(struct image *m, const char *office, struct stream_id id, uint32_t had)
{
        uint32_t word = image_need_word(m, office), turn = turn_for(m, word, had);
        uint32_t row = image_add(m, IMAGE_STREAMS);
        *image_stream(m, row) = (struct image_stream){.office = word,
                                                      .turn = turn,
                                                      .first = NO_ROW,
                                                      .last = NO_ROW,
                                                      .signatures = NO_ROW,
                                                      .id = id,
                                                      .hash = chain_start(office, id)};
        return row;
}

int store_stream(struct store *s, const char *office, struct stream_id id, int64_t clock_us,
                 struct wire_stream *out, struct err *e)
{
        uint64_t version;
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        uint32_t row = find_stream(image_of(s), office, id);
        if (row == NO_ROW) {
                if ((rc = begin(s, clock_us, &version, e)) != 0)
                        return rc;
                row = add_stream(image_of(s), office, id, out->turn);
                if ((rc = end(s, 0, version, e)) != 0)
                        return rc;
        }
        *out = say_stream(image_stream(image_of(s), row), office);
        return 0;
}

/* ---- committing a flush */

struct committing {
        struct image *m;
        const struct catalog *catalog;
        const struct wire_flush *flush;
        struct step_at {
                uint32_t stream;
                struct point at; /* how far the step has come */
        } * steps;
        uint64_t version;
        struct err *e;
};

static bool stored_mark(void *ctx, const struct wire_step *step, uint64_t *seq, struct hash *hash)
{
        struct committing *c = ctx;
        struct step_at *at = &c->steps[step - c->flush->steps];
        at->stream = find_stream(c->m, step->office, step->stream);
        if (at->stream == NO_ROW)
                return false;
        const struct image_stream *w = image_stream(c->m, at->stream);
        at->at = (struct point){w->seq, w->hash};
        *seq = w->seq;
        *hash = w->hash;
        return true;
}

static struct image_run keep_reasons(struct image *m, const struct reason *v, size_t n)
{
        if (n == 0)
                return (struct image_run){0};
        struct text t = {0};
        verdict_text_write(v, n, &t);
        POST(!text_failed(&t));
        struct image_run run = image_put(m, t.v, t.n);
        text_close(&t);
        return run;
}

/* All accepted revisions of a paper whose place lies before this one stand no longer. */
static void close_before(struct image *m, uint32_t paper, struct place at, uint64_t version)
{
        uint32_t after = NO_ROW; /* the one that stays, before `row` in the chain */
        for (uint32_t row = image_paper(m, paper)->standing, next; row != NO_ROW; row = next) {
                struct image_report *r = image_report(m, row);
                next = r->standing;
                if (place_compare((struct place){r->turn, r->seq}, at) >= 0) {
                        after = row;
                        continue;
                }
                image_touch(m, IMAGE_REPORTS, row);
                r->closed = version;
                if (after == NO_ROW) {
                        image_touch(m, IMAGE_PAPERS, paper);
                        image_paper(m, paper)->standing = next;
                } else {
                        image_touch(m, IMAGE_REPORTS, after);
                        image_report(m, after)->standing = next;
                }
        }
}

static void link_to_paper(struct image *m, uint32_t row)
{
        struct image_report *r = image_report(m, row);
        struct image_paper *p = image_paper(m, r->paper);
        image_touch(m, IMAGE_PAPERS, r->paper);
        if (r->revision > p->revision)
                p->revision = r->revision;
        if (r->verdict == ACCEPTED) {
                r->standing = p->standing;
                p->standing = p->accepted = row;
        }
}

static void link_to_stream(struct image *m, uint32_t row)
{
        struct image_report *r = image_report(m, row);
        struct image_stream *w = image_stream(m, r->stream);
        image_touch(m, IMAGE_STREAMS, r->stream);
        r->next = NO_ROW;
        if (w->last == NO_ROW) {
                w->first = row;
        } else {
                image_touch(m, IMAGE_REPORTS, w->last);
                image_report(m, w->last)->next = row;
        }
        w->last = row;
}

static void add_report(struct committing *c, const struct wire_taken *t, const struct image_stream *w,
                       uint32_t stream, uint32_t paper)
{
        struct image *m = c->m;
        struct image_report r = {
            .stream = stream,
            .paper = paper,
            .period = image_need_word(m, t->report.period),
            .turn = w->turn,
            .revision = t->revision,
            .rows = t->rows,
            .action = (uint8_t)t->report.action,
            .verdict = (uint8_t)t->verdict,
            .seq = t->seq,
            .version = c->version,
            .submitted_at = t->report.submitted_at,
            .received_at = t->received_at,
            .reasons = keep_reasons(m, t->reasons, t->n_reasons),
            .flags = keep_reasons(m, t->flags, t->n_flags),
            .payload = image_put(m, t->report.payload, t->report.payload_n),
            .hash = t->hash,
        };
        memcpy(r.catalog, t->report.catalog, sizeof r.catalog);
        uint32_t row = image_add(m, IMAGE_REPORTS);
        *image_report(m, row) = r;
        link_to_paper(m, row);
        link_to_stream(m, row);
}

static int commit_report(struct committing *c, const struct wire_taken *t)
{
        struct image *m = c->m;
        struct period p = {0};
        if (t->step >= c->flush->n_steps || t->seq != c->steps[t->step].at.seq + 1)
                return err_set(c->e, E_PEER, "a flush whose reports are not in order");
        bool known = period_parse(t->report.period, &p);
        int32_t dataset = catalog_dataset(c->catalog, t->report.dataset);
        if (t->verdict != REJECTED && (!known || dataset < 0))
                return err_set(c->e, E_PEER, "a flush accepts a report that the catalogue cannot place");
        uint32_t stream = c->steps[t->step].stream;
        const struct image_stream *w = image_stream(m, stream);
        uint32_t paper = image_need_paper(m, w->office, image_need_word(m, t->report.dataset), p.first);
        if (t->closes)
                close_before(m, paper, (struct place){w->turn, t->seq}, c->version);
        if (w->last != NO_ROW && image_report(m, w->last)->seq >= t->seq) /* numbers only grow in a stream */
                return err_set(c->e, E_EXISTS, "a report of this number is there already");
        add_report(c, t, w, stream, paper);
        c->steps[t->step].at = (struct point){t->seq, t->hash};
        return 0;
}

static int commit_column(struct committing *c, const struct wire_column *column)
{
        struct image *m = c->m;
        struct period p;
        int32_t i = catalog_indicator(c->catalog, NONE, column->indicator);
        if (i < 0)
                return err_set(c->e, E_PEER, "a flush names an indicator that the catalogue lacks: %s",
                               column->indicator);
        enum period_kind every = c->catalog->datasets[c->catalog->indicators[i].dataset].every;
        if (!period_parse(column->period, &p) || p.kind == PERIOD_SPAN || !period_held(every, p, &p))
                return err_set(c->e, E_PEER, "a flush with totals of a period that is not held: %s",
                               column->period);
        uint32_t indicator = image_need_word(m, column->indicator);
        int64_t period = period_id(p);
        for (size_t k = 0; k < column->n; k++) {
                const struct wire_total *t = &column->totals[k];
                uint32_t row = image_need_total(m, indicator, image_need_word(m, t->region), period);
                image_touch(m, IMAGE_TOTALS, row);
                image_total(m, row)->cell = t->cell;
                image_total(m, row)->version = c->version;
        }
        return 0;
}

static int commit_part(struct committing *c, struct arena *a, const struct wire_bytes *part)
{
        struct wire_message m;
        arena_reset(a);
        if (wire_read(part->p, part->n, a, &m, c->e) != 0 || m.kind != WIRE_FLUSH_PART)
                return err_set(c->e, E_PEER, "a flush with a part that cannot be read");
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < m.flush_part.n_reports; i++)
                rc = commit_report(c, &m.flush_part.reports[i]);
        for (size_t i = 0; rc == 0 && i < m.flush_part.n_columns; i++)
                rc = commit_column(c, &m.flush_part.columns[i]);
        return rc;
}

static int commit_signature(struct committing *c, const struct wire_signature *g)
{
        if (g->step >= c->flush->n_steps)
                return err_set(c->e, E_PEER, "a flush with a signature of no stream");
        struct image *m = c->m;
        uint32_t stream = c->steps[g->step].stream, last = image_stream(m, stream)->signatures;
        for (uint32_t i = last; i != NO_ROW; i = image_signature(m, i)->earlier)
                if (image_signature(m, i)->seq == g->seq)
                        return err_set(c->e, E_EXISTS, "a signature of this report is there already");
        uint32_t row = image_add(m, IMAGE_SIGNATURES);
        struct image_signature *kept = image_signature(m, row);
        *kept = (struct image_signature){.stream = stream, .earlier = last, .seq = g->seq, .hash = g->hash};
        memcpy(kept->signature, g->signature, sizeof kept->signature);
        memcpy(kept->key, g->key, sizeof kept->key);
        image_touch(m, IMAGE_STREAMS, stream);
        image_stream(m, stream)->signatures = row;
        return 0;
}

static int commit_steps(struct committing *c)
{
        int rc = 0;
        for (size_t i = 0; i < c->flush->n_steps; i++) {
                const struct wire_step *step = &c->flush->steps[i];
                const struct step_at *s = &c->steps[i];
                if (s->at.seq != step->to_seq || !hash_same(s->at.hash, step->to_hash))
                        return err_set(c->e, E_PEER, "a flush whose reports do not end where it says");
                image_touch(c->m, IMAGE_STREAMS, s->stream);
                image_stream(c->m, s->stream)->seq = step->to_seq;
                image_stream(c->m, s->stream)->hash = step->to_hash;
        }
        for (size_t i = 0; rc == 0 && i < c->flush->n_signatures; i++)
                rc = commit_signature(c, &c->flush->signatures[i]);
        return rc;
}

static int commit_all(struct committing *c, struct arena *a, const struct wire_bytes *parts, size_t n,
                      struct wire_committed *answer)
{
        const char *why = feed_judge(c->flush, c->m->meta.term, stored_mark, c, &answer->fenced);
        if (!why && c->flush->parts != n)
                why = "a flush with parts missing";
        if (why)
                return err_set(c->e, E_PEER, "%s", why);
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < n; i++)
                rc = commit_part(c, a, &parts[i]);
        return rc == 0 ? commit_steps(c) : rc;
}

int store_commit(struct store *s, const struct catalog *c, const struct wire_flush *flush,
                 const struct wire_bytes *parts, size_t n, int64_t clock_us, struct wire_committed *answer,
                 struct err *e)
{
        struct committing work = {.m = image_of(s), .catalog = c, .flush = flush, .e = e};
        *answer = (struct wire_committed){.number = flush->number};
        work.steps = calloc(flush->n_steps + 1, sizeof *work.steps);
        POST(work.steps);
        s->expand.active = false;
        int rc = begin(s, clock_us, &work.version, e);
        if (rc == 0)
                rc = end(s, commit_all(&work, &s->arena, parts, n, answer), work.version, e);
        free(work.steps);
        answer->version = s->version;
        answer->refused = rc == E_PEER;
        answer->text = rc == E_PEER && e ? e->text : NULL;
        return rc;
}

/* ---- questions */

struct cursor { /* laid out as in sink/store.c: a recall may go on at either */
        int64_t first, turn, seq;
        char office[CODE_MAX + 1];
};

static bool cursor_read(struct wire_bytes b, struct cursor *c)
{
        memset(c, 0, sizeof *c);
        c->first = INT32_MIN;
        if (b.n == 0)
                return true;
        if (b.n != sizeof *c)
                return false;
        memcpy(c, b.p, sizeof *c);
        return c->office[CODE_MAX] == '\0';
}

static bool cursor_before(const struct cursor *c, const struct spot *s)
{
        if (c->first != s->first)
                return c->first < s->first;
        int by_office = strcmp(c->office, s->office);
        if (by_office != 0)
                return by_office < 0;
        if (c->turn != s->turn)
                return c->turn < s->turn;
        return c->seq < (int64_t)s->seq;
}

static void cursor_at(struct cursor *c, const struct spot *s)
{
        c->first = s->first;
        c->turn = s->turn;
        c->seq = (int64_t)s->seq;
        snprintf(c->office, sizeof c->office, "%s", s->office);
}

static struct wire_standing standing_of(const struct image *m, const struct spot *s)
{
        const struct image_report *r = image_report(m, s->row);
        const struct image_paper *p = image_paper(m, r->paper);
        struct wire_standing w = {.office = s->office,
                                  .at = {s->turn, s->seq},
                                  .revision = p->revision,
                                  .report = {.submitted_at = r->submitted_at,
                                             .dataset = image_text(m, p->dataset),
                                             .period = image_text(m, r->period),
                                             .action = (enum action)r->action,
                                             .payload = (const uint8_t *)image_bytes(m, r->payload.at),
                                             .payload_n = r->payload.n}};
        memcpy(w.report.catalog, r->catalog, sizeof w.report.catalog);
        return w;
}

static struct text *frame(struct gather_frames *f)
{
        if (f->n == f->cap) {
                f->cap = f->cap ? 2 * f->cap : 4;
                f->v = realloc(f->v, f->cap * sizeof *f->v);
                POST(f->v);
        }
        f->v[f->n] = (struct text){0};
        return &f->v[f->n++];
}

static void part_write(struct gather_frames *out, const struct wire_standing *v, size_t n)
{
        struct wire_message m = {.kind = WIRE_RECALLED_PART, .recalled_part = {v, n}};
        wire_write(&m, frame(out));
}

int store_recall(struct store *s, const struct wire_recall *ask, struct gather_frames *out, struct err *e)
{
        struct cursor next;
        const struct image *m = image_of(s);
        if (!cursor_read(ask->after, &next))
                return err_set(e, E_PEER, "a recall that goes on from a place that is none");
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        struct spots spots = spots_of_dataset(m, ask->dataset, ask->first, ask->last);
        size_t i = 0, n = 0, bytes = 0, all = 0;
        while (i < spots.n && !cursor_before(&next, &spots.v[i]))
                i++;
        struct wire_standing *v = calloc(spots.n - i + 1, sizeof *v);
        POST(v);
        frame(out); /* the head's place */
        for (; i < spots.n && all < RECALL_BYTES; i++) {
                v[n] = standing_of(m, &spots.v[i]);
                size_t one = wire_standing_size(&v[n]);
                if (n && (bytes + one > WIRE_MESSAGE || n + 1 == RECALL_ROWS)) {
                        part_write(out, v, n);
                        v[0] = v[n];
                        n = bytes = 0;
                }
                cursor_at(&next, &spots.v[i]);
                n++;
                bytes += one;
                all += one;
        }
        if (n)
                part_write(out, v, n);
        struct wire_message head = {.kind = WIRE_RECALLED,
                                    .recalled = {.id = ask->id, .parts = (uint32_t)out->n - 1}};
        if (all >= RECALL_BYTES)
                head.recalled.next = (struct wire_bytes){(const uint8_t *)&next, sizeof next};
        wire_write(&head, &out->v[0]);
        free(v);
        free(spots.v);
        return 0;
}

/* The first report of a stream whose number is not below. */
static uint32_t report_from(const struct image *m, const char *office, struct stream_id id, int64_t seq)
{
        uint32_t stream = find_stream(m, office, id);
        uint32_t row = stream == NO_ROW ? NO_ROW : image_stream(m, stream)->first;
        while (row != NO_ROW && (int64_t)image_report(m, row)->seq < seq)
                row = image_report(m, row)->next;
        return row;
}

/* The hash of a place where a stream came to rest without a report: its mark, or the end of a skip. */
static const struct hash *rest_hash(const struct image *m, const struct wire_hash *ask)
{
        uint32_t stream = find_stream(m, ask->office, ask->stream);
        if (stream != NO_ROW && image_stream(m, stream)->seq == ask->seq)
                return &image_stream(m, stream)->hash;
        for (uint32_t i = 0; i < image_count(m, IMAGE_SKIPS); i++) {
                const struct image_skip *k = image_skip(m, i);
                if (k->to == ask->seq && stream_same(k->stream, ask->stream) &&
                    strcmp(image_text(m, k->office), ask->office) == 0)
                        return &k->to_hash;
        }
        return NULL;
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
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        const struct image *m = image_of(s);
        uint32_t row = report_from(m, ask->office, ask->stream, (int64_t)ask->seq);
        const struct hash *found = row != NO_ROW && image_report(m, row)->seq == ask->seq
                                       ? &image_report(m, row)->hash
                                       : rest_hash(m, ask);
        if (found) {
                answer->known = true;
                answer->hash = *found;
        }
        return 0;
}

static const char *copy_text(struct arena *a, const char *text)
{
        return text ? arena_strdup(a, text) : NULL;
}

static void say_reasons(struct arena *a, const char *json, struct wire_verdict *w)
{
        struct reasons why = {0};
        if (verdict_text_read(json, &why) && why.n) {
                struct reason *copy = arena_alloc(a, why.n * sizeof *copy);
                POST(copy);
                for (size_t i = 0; i < why.n; i++) {
                        copy[i] = why.v[i];
                        copy[i].column = copy_text(a, why.v[i].column);
                        for (size_t k = 0; k < REASON_ARGS; k++)
                                copy[i].arg[k] = copy_text(a, why.v[i].arg[k]);
                }
                w->reasons = copy;
                w->n_reasons = why.n;
        }
        reasons_close(&why);
}

int store_verdicts(struct store *s, const struct wire_verdicts_ask *ask, struct arena *a,
                   struct wire_verdicts *answer, struct err *e)
{
        const struct image *m = image_of(s);
        struct wire_verdict *v = arena_alloc(a, VERDICTS_AT_ONCE * sizeof *v);
        POST(v);
        *answer = (struct wire_verdicts){.office = ask->office, .stream = ask->stream, .v = v};
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        size_t bytes = 0;
        uint32_t row = report_from(m, ask->office, ask->stream, (int64_t)ask->from);
        for (; row != NO_ROW && answer->n < VERDICTS_AT_ONCE && bytes <= WIRE_MESSAGE / 2;
             row = image_report(m, row)->next) {
                const struct image_report *r = image_report(m, row);
                struct wire_verdict *w = &v[answer->n++];
                w->seq = r->seq;
                w->verdict = (enum verdict)r->verdict;
                w->revision = r->revision;
                if (r->reasons.n) {
                        say_reasons(a, image_bytes(m, r->reasons.at), w);
                        bytes += w->n_reasons ? r->reasons.n : 0;
                }
        }
        answer->more = bytes > WIRE_MESSAGE / 2 || answer->n == VERDICTS_AT_ONCE;
        return 0;
}

/* ---- gaps */

static uint32_t find_gap(const struct image *m, uint32_t office, struct stream_id stream)
{
        for (uint32_t i = 0; i < image_count(m, IMAGE_GAPS); i++)
                if (image_gap(m, i)->office == office && stream_same(image_gap(m, i)->stream, stream))
                        return i;
        return NO_ROW;
}

int store_gap(struct store *s, const struct wire_gap *g, int64_t clock_us, struct err *e)
{
        uint64_t version;
        int rc = begin(s, clock_us, &version, e);
        if (rc != 0)
                return rc;
        struct image *m = image_of(s);
        uint32_t office = image_need_word(m, g->office), row = find_gap(m, office, g->stream);
        if (row == NO_ROW)
                row = image_add(m, IMAGE_GAPS);
        image_touch(m, IMAGE_GAPS, row);
        *image_gap(m, row) = (struct image_gap){.office = office,
                                                .stream = g->stream,
                                                .mark = g->mark,
                                                .floor = g->floor,
                                                .floor_hash = g->floor_hash};
        return end(s, 0, version, e);
}

/* The gap of the office's last stream that has one. */
static uint32_t last_gap(const struct image *m, const char *office, uint32_t *stream)
{
        uint32_t word = image_find_word(m, office), found = NO_ROW;
        *stream = NO_ROW;
        for (uint32_t i = 0; word != NO_ROW && i < image_count(m, IMAGE_STREAMS); i++) {
                const struct image_stream *w = image_stream(m, i);
                uint32_t gap = w->office == word ? find_gap(m, word, w->id) : NO_ROW;
                if (gap == NO_ROW || image_gap(m, gap)->closed ||
                    (*stream != NO_ROW && w->turn < image_stream(m, *stream)->turn))
                        continue;
                *stream = i;
                found = gap;
        }
        return found;
}

static void skip_rows(struct image *m, uint32_t gap, uint32_t stream, uint64_t version)
{
        struct image_gap *g = image_gap(m, gap);
        struct image_stream *w = image_stream(m, stream);
        *image_skip(m, image_add(m, IMAGE_SKIPS)) = (struct image_skip){.office = g->office,
                                                                        .stream = g->stream,
                                                                        .from = w->seq + 1,
                                                                        .to = g->floor,
                                                                        .version = version,
                                                                        .to_hash = g->floor_hash};
        image_touch(m, IMAGE_STREAMS, stream);
        image_touch(m, IMAGE_GAPS, gap);
        w->seq = g->floor;
        w->hash = g->floor_hash;
        g->closed = true;
}

int store_skip(struct store *s, const char *office, int64_t clock_us, uint64_t *from, uint64_t *to,
               struct err *e)
{
        uint64_t version;
        uint32_t stream;
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        struct image *m = image_of(s);
        uint32_t gap = last_gap(m, office, &stream);
        if (gap == NO_ROW || image_gap(m, gap)->floor <= image_stream(m, stream)->seq)
                return err_set(e, E_MISSING, "office %s has no gap to skip", office);
        if ((rc = begin(s, clock_us, &version, e)) != 0)
                return rc;
        *from = image_stream(m, stream)->seq + 1;
        *to = image_gap(m, gap)->floor;
        skip_rows(m, gap, stream, version);
        return end(s, 0, version, e);
}

/* ---- facts for SQL */

static void expand_fold(struct store *s, const struct catalog *c, uint32_t paper)
{
        const struct image *m = image_of(s);
        int32_t dataset = catalog_dataset(c, image_text(m, image_paper(m, paper)->dataset));
        struct spots spots = {0};
        s->expand.facts.n = 0;
        s->expand.revision = 0;
        if (dataset < 0)
                return;
        spots_of_paper(m, paper, &spots);
        spots_sort(&spots);
        for (size_t i = 0; i < spots.n; i++) {
                const struct image_report *row = image_report(m, spots.v[i].row);
                struct report r = {0};
                payload_of(m, row, c, (uint32_t)dataset, &s->arena, &r);
                bool folded = standing_fold(&s->expand.facts, (enum action)row->action, r.facts, r.n);
                POST(folded);
                if (row->revision > s->expand.revision)
                        s->expand.revision = row->revision;
        }
        free(spots.v);
}

static void expand_rows(struct store *s, const struct catalog *c)
{
        struct image *m = image_of(s);
        const struct image_report *r = image_report(m, (uint32_t)s->expand.id - 1);
        uint32_t paper = r->paper, period = r->period;
        image_touch(m, IMAGE_PAPERS, paper);
        if (s->expand.at == 0) {
                image_paper(m, paper)->facts_period = period;
                image_paper(m, paper)->facts_first = image_count(m, IMAGE_FACTS);
                image_paper(m, paper)->facts_n = 0;
        }
        for (size_t n = 0; n < EXPAND_ROWS && s->expand.at < s->expand.facts.n; n++, s->expand.at++) {
                const struct fact *f = &s->expand.facts.facts[s->expand.at];
                uint32_t row = image_add(m, IMAGE_FACTS);
                *image_fact(m, row) =
                    (struct image_fact){.region = image_need_word(m, c->regions[f->region].code),
                                        .indicator = image_need_word(m, c->indicators[f->indicator].name),
                                        .value = f->value,
                                        .revision = s->expand.revision,
                                        .qualifier = f->q};
                image_paper(m, paper)->facts_n++;
        }
        if (s->expand.at == s->expand.facts.n)
                m->meta.expanded = (uint64_t)s->expand.id;
}

int store_expand(struct store *s, const struct catalog *c, bool *more, struct err *e)
{
        const struct image *m = image_of(s);
        uint64_t version;
        *more = false;
        int rc = readable(s, e);
        if (rc != 0)
                return rc;
        if (!s->expand.active) {
                if (s->expanded >= image_count(m, IMAGE_REPORTS))
                        return 0;
                s->expand.id = (int64_t)s->expanded + 1;
                *more = true;
                uint32_t row = (uint32_t)s->expanded;
                if (image_paper(m, image_report(m, row)->paper)->accepted != row) { /* changes no facts */
                        s->expanded = (uint64_t)s->expand.id;
                        return 0;
                }
                expand_fold(s, c, image_report(m, row)->paper);
                s->expand.active = true;
                s->expand.at = 0;
        }
        *more = true;
        if ((rc = begin(s, 0, &version, e)) != 0)
                return rc;
        expand_rows(s, c);
        rc = end(s, 0, s->version, e);
        if (rc != 0 || s->expand.at == s->expand.facts.n) {
                s->expand.active = false;
                s->expanded = rc == 0 ? (uint64_t)s->expand.id : s->expanded;
        }
        return rc;
}
