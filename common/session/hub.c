/* How a batch becomes part of a flush:
 *
 *   office ──► peer's queue ──► pump: proven? ──► chapters open? ──no──► recall, one at a time; the queue
 * waits │yes ▼ cube_take each ──► gather ──► (nothing in flight) settle, write, send
 *
 * A late report of an older stream may have to be folded in where memory no longer has the revisions around
 * it (NEED_REFOLD). Then everything gathered is flushed first, nothing else is taken until it is committed,
 * the chapter is closed, and the ordinary recall brings it back. */
#include "session/hub.h"

#include "base/check.h"
#include "base/planted.h"
#include "session/guests.h"
#include "session/payload.h"

#include <stdlib.h>
#include <string.h>

enum {
        TELL_MS = 5 * 1000,  /* between two lines in the log about an office */
        GAP_MS = 5 * 1000,   /* between two notes of a gap, each a commit of the sink's */
        ALLOWED_DAYS = 2,    /* clock difference, DESIGN.md section 3 */
        BELIEVED_DAYS = 400, /* of versions that an office has heard, ahead of our clock */
};

struct queued {
        struct queued *next;
        size_t n;
        uint8_t bytes[];
};

struct peer {
        struct hub_peer_name name;
        struct guest *guest;
        struct downlink link;
        char refusal[24]; /* code, while refused */
        struct queued *first, **end;
        size_t queued;
        int64_t heard_ms;
};

struct hub {
        struct hub_host host;
        struct feed feed;
        struct catalog *catalog;
        struct cube *cube;
        size_t budget;
        struct guests guests;
        struct peer **peers;
        size_t n_peers, next_peer;
        struct downlink_stream **streams;
        size_t n_streams, cap_streams;
        struct gather gather, flying;
        struct text pack; /* of a catalogue that is being fetched */
        bool recalling, refolding;
        uint64_t recall_id;
        struct recall recall;
        struct period refold; /* with recall.dataset */
        uint32_t refold_dataset, refold_office;
        struct hub_counts counts;
        struct arena arena; /* of one message */
};

/* ---- small helpers */

static void tell(struct hub *h, enum hub_tone tone, const char *sentence, const char *office, uint64_t number)
{
        h->host.log(h->host.ctx, tone, sentence, office, number);
}

static void send_office(struct hub *h, const struct peer *p, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        if (!text_failed(&t))
                h->host.to_office(h->host.ctx, &p->name, &t);
        text_close(&t);
}

static void send_sink(struct hub *h, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        if (!text_failed(&t))
                h->host.to_sink(h->host.ctx, &t, 1);
        text_close(&t);
}

static struct downlink_stream *stream_find(struct hub *h, const char *office, struct stream_id id)
{
        for (size_t i = 0; i < h->n_streams; i++)
                if (stream_same(h->streams[i]->id, id) && strcmp(h->streams[i]->office, office) == 0)
                        return h->streams[i];
        return NULL;
}

static uint32_t last_turn(const struct hub *h, const char *office)
{
        uint32_t turn = 0;
        for (size_t i = 0; i < h->n_streams; i++)
                if (h->streams[i]->turn > turn && strcmp(h->streams[i]->office, office) == 0)
                        turn = h->streams[i]->turn;
        return turn;
}

static struct downlink_stream *stream_keep(struct hub *h, const struct wire_stream *w)
{
        struct downlink_stream *s = stream_find(h, w->office, w->stream);
        if (!s) {
                if (h->n_streams == h->cap_streams) {
                        h->cap_streams = h->cap_streams ? h->cap_streams * 2 : 16;
                        h->streams = realloc(h->streams, h->cap_streams * sizeof *h->streams);
                        POST(h->streams);
                }
                s = calloc(1, sizeof *s);
                POST(s && strlen(w->office) <= CODE_MAX);
                memcpy(s->office, w->office, strlen(w->office) + 1);
                s->id = w->stream;
                h->streams[h->n_streams++] = s;
        }
        s->turn = w->turn;
        s->mark = s->taken = (struct point){w->seq, w->hash};
        return s;
}

static void streams_clear(struct hub *h)
{
        for (size_t i = 0; i < h->n_streams; i++)
                free(h->streams[i]);
        h->n_streams = 0;
}

/* ---- connections */

static void queue_pop(struct peer *p)
{
        struct queued *q = p->first;
        p->first = q->next;
        if (!p->first)
                p->end = &p->first;
        p->guest->queued_bytes -= q->n;
        p->queued--;
        free(q);
}

static void queue_clear(struct peer *p)
{
        while (p->first)
                queue_pop(p);
}

static bool queue_push(struct peer *p, const uint8_t *bytes, size_t n)
{
        if (n > GUEST_BYTES - p->guest->queued_bytes)
                return false;
        struct queued *q = malloc(sizeof *q + n);
        if (!q)
                return false;
        *q = (struct queued){.n = n};
        memcpy(q->bytes, bytes, n);
        *p->end = q;
        p->end = &q->next;
        p->guest->queued_bytes += n;
        p->queued++;
        return true;
}

static void peer_drop(struct hub *h, size_t at)
{
        struct peer *p = h->peers[at];
        queue_clear(p);
        p->guest->peers--;
        free(p);
        h->peers[at] = h->peers[--h->n_peers];
}

static struct peer *peer_new(struct hub *h, const struct hub_peer_name *name, struct guest *g)
{
        struct peer **v = realloc(h->peers, (h->n_peers + 1) * sizeof *v);
        if (!v)
                return NULL;
        h->peers = v;
        struct peer *p = calloc(1, sizeof *p);
        if (!p)
                return NULL;
        p->name = *name;
        p->guest = g;
        p->end = &p->first;
        downlink_init(&p->link, g->office);
        g->peers++;
        return h->peers[h->n_peers++] = p;
}

/* The connection; of an office that has too many the one not heard for longest is forgotten. */
static struct peer *peer_of(struct hub *h, const struct hub_peer_name *name, const char *office,
                            int64_t now_ms)
{
        struct guest *g = guests_find(&h->guests, office);
        struct peer *p = NULL;
        size_t oldest = h->n_peers;
        for (size_t i = 0; g && !p && i < h->n_peers; i++) {
                struct peer *q = h->peers[i];
                if (q->guest != g && !PLANTED(IDENTITY_FROM_ROUTING_ID))
                        continue;
                if (q->name.n == name->n && memcmp(q->name.b, name->b, name->n) == 0)
                        p = q;
                else if (oldest == h->n_peers || q->heard_ms < h->peers[oldest]->heard_ms)
                        oldest = i;
        }
        if (!p && g) {
                if (g->peers == GUEST_PEERS)
                        peer_drop(h, oldest);
                p = peer_new(h, name, g);
        }
        if (p)
                p->heard_ms = now_ms;
        return p;
}

static void questions_send(struct hub *h, int64_t now_ms)
{
        for (struct text q; guests_next(&h->guests, now_ms, &q); text_close(&q))
                h->host.to_sink(h->host.ctx, &q, 1);
}

static void question_answered(struct hub *h, const char *office, int64_t now_ms)
{
        guests_answered(&h->guests, office, now_ms);
        questions_send(h, now_ms);
}

static bool guest_is_crowded(const struct hub *h, const char *office)
{
        size_t empty = 0;
        for (size_t i = 0; i < h->n_streams; i++)
                empty += h->streams[i]->taken.seq == 0 && strcmp(h->streams[i]->office, office) == 0;
        return empty >= GUEST_EMPTY;
}

/* A connection of the office is welcome. One that was refused is most often the same office's before
 * something was mended; whether it still stands there nobody tells us. */
static void forget_refusals(struct hub *h, const char *office)
{
        for (size_t i = 0; i < h->n_peers; i++)
                if (strcmp(h->peers[i]->link.office, office) == 0)
                        h->peers[i]->refusal[0] = '\0';
}

/* One step of an office's machine with all it may need to know, and what it asks for done. Answers its todo
 * for those who have to do the rest (take). */
static struct downlink_todo peer_step(struct hub *h, struct peer *p, struct downlink_event ev,
                                      struct hub_time now)
{
        struct downlink_todo todo;
        enum downlink_state before = p->link.state;
        if (h->feed.state == FEED_READY) {
                struct stream_id id = ev.message && ev.message->kind == WIRE_GREETING
                                          ? ev.message->greeting.stream
                                          : p->link.stream;
                ev.stream = ev.stream ? ev.stream : stream_find(h, p->link.office, id);
                ev.last_turn = last_turn(h, p->link.office);
                ev.crowded = !ev.stream && guest_is_crowded(h, p->link.office);
        }
        ev.catalog = h->feed.catalog;
        ev.version = h->feed.version;
        ev.life = h->feed.incarnation + h->feed.attempt;
        ev.clock_us = now.clock_us;
        downlink_step(&p->link, &ev, &todo);
        if (todo.send && todo.reply.kind == WIRE_REFUSAL) {
                h->counts.refused++;
                memcpy(p->refusal, todo.reply.refusal.code, strlen(todo.reply.refusal.code) + 1);
                queue_clear(p);
        } else if (p->link.state == DOWNLINK_OPEN && before != DOWNLINK_OPEN) {
                forget_refusals(h, p->link.office);
        }
        if (todo.log && now.mono_ms >= p->guest->tell_ms) {
                p->guest->tell_ms = now.mono_ms + TELL_MS;
                tell(h, HUB_WARNS, todo.log, p->link.office, 0);
        }
        if (todo.send)
                send_office(h, p, &todo.reply);
        return todo;
}

static void ask_catalog(struct hub *h, struct peer *p, const struct wire_catalog_ask *ask)
{
        if (!h->catalog || memcmp(ask->digest, h->catalog->digest, sizeof ask->digest) != 0 ||
            ask->offset >= h->catalog->pack.n)
                return;
        size_t left = h->catalog->pack.n - ask->offset;
        struct wire_message m = {.kind = WIRE_CATALOG_PIECE,
                                 .piece = {.size = h->catalog->pack.n,
                                           .offset = ask->offset,
                                           .bytes = {(const uint8_t *)h->catalog->pack.v + ask->offset,
                                                     left < WIRE_PIECE ? left : WIRE_PIECE}}};
        memcpy(m.piece.digest, ask->digest, sizeof ask->digest);
        send_office(h, p, &m);
}

/* Questions of an office that only the store can answer; without a sink they fall through, the office asks
 * again. */
static void ask_sink(struct hub *h, struct peer *p, const struct wire_message *m, struct hub_time now)
{
        if (!guest_ask(p->guest, m))
                h->counts.dropped++;
        questions_send(h, now.mono_ms);
}

static void note_gap(struct hub *h, struct peer *p, struct hub_time now)
{
        const struct downlink_stream *s = stream_find(h, p->link.office, p->link.stream);
        struct wire_message m = {.kind = WIRE_GAP,
                                 .gap = {.office = p->link.office,
                                         .stream = p->link.stream,
                                         .mark = s ? s->mark.seq : 0,
                                         .floor = p->link.floor,
                                         .floor_hash = p->link.floor_hash}};
        if (now.mono_ms < p->guest->gap_ms)
                return;
        p->guest->gap_ms = now.mono_ms + GAP_MS;
        send_sink(h, &m);
}

static void pass_on(struct hub *h, struct peer *p, const struct downlink_todo *todo, struct hub_time now)
{
        if (todo->ask_catalog)
                ask_catalog(h, p, &todo->catalog_ask);
        if (h->feed.state != FEED_READY)
                return;
        if (todo->ask_stream)
                ask_sink(
                    h, p,
                    &(struct wire_message){
                        .kind = WIRE_STREAM_ASK,
                        .stream = {.office = p->link.office, .stream = p->link.stream, .turn = p->link.turn}},
                    now);
        for (size_t i = 0; i < todo->n_ask_verdicts; i++)
                ask_sink(h, p,
                         &(struct wire_message){.kind = WIRE_VERDICTS_ASK,
                                                .verdicts_ask = {.office = p->link.office,
                                                                 .stream = todo->ask_verdicts[i].stream,
                                                                 .from = todo->ask_verdicts[i].from}},
                         now);
        if (todo->ask_hash)
                ask_sink(
                    h, p,
                    &(struct wire_message){
                        .kind = WIRE_HASH_ASK,
                        .hash = {.office = p->link.office, .stream = p->link.stream, .seq = todo->ask_seq}},
                    now);
        if (todo->note_gap)
                note_gap(h, p, now);
}

/* ---- flushing */

static void emit_total(void *ctx, const struct total *t)
{
        struct hub *h = ctx;
        gather_total(&h->gather, h->catalog->indicators[t->indicator].name, t->period,
                     h->catalog->regions[t->region].code, &t->cell);
        h->counts.totals++;
}

static void flush(struct hub *h, struct hub_time now)
{
        if (!feed_may_flush(&h->feed) || gather_empty(&h->gather))
                return;
        cube_settle(h->cube, emit_total, h);
        struct gather_frames frames = {0};
        h->gather.heard = h->feed.version;
        gather_write(&h->gather, h->feed.term, h->feed.number + 1, &frames);
        bool sent = h->host.to_sink(h->host.ctx, frames.v, frames.n);
        gather_frames_close(&frames);
        if (!sent) {
                hub_sink_lost(h, now);
                return;
        }
        struct feed_todo todo;
        feed_step(&h->feed, &(struct feed_event){.kind = FEED_FLUSH_SENT, .now_ms = now.mono_ms}, &todo);
        cube_flushed(h->cube, h->feed.number);
        struct gather spare = h->flying;
        h->flying = h->gather;
        h->gather = spare;
        gather_clear(&h->gather);
        h->counts.flushes++;
}

/* ---- taking reports */

/* A report as the catalogue reads it. REJECTED with reasons if it cannot be read at all. */
static bool report_read(struct hub *h, const struct envelope *e, struct report *r, struct reasons *why)
{
        *r = (struct report){.action = e->action};
        int32_t dataset = catalog_dataset(h->catalog, e->dataset);
        if (dataset < 0) {
                reasons_add(why, REASON_UNKNOWN_DATASET, 0, NULL, e->dataset, NULL, NULL);
                return false;
        }
        r->dataset = (uint32_t)dataset;
        const struct dataset *d = &h->catalog->datasets[dataset];
        if (!period_parse(e->period, &r->period) || r->period.kind != d->every) {
                const char *word = period_kind_word(d->every), *zh = period_kind_zh(d->every);
                reasons_add(why, REASON_WRONG_PERIOD, 0, NULL, e->period, word, zh);
                return false;
        }
        enum payload_state state =
            payload_read(e->payload, e->payload_n, h->catalog, r->dataset, &h->arena, r, why);
        POST(state != PAYLOAD_MEMORY);
        if (state == PAYLOAD_BROKEN)
                reasons_add(why, REASON_ENCODING, 0, NULL, "a report's payload", NULL, NULL);
        return state == PAYLOAD_READ;
}

struct candidate {
        struct report report;
        struct reasons why;
        bool readable;
};

static void candidates_close(struct candidate *v, size_t n)
{
        for (size_t i = 0; i < n; i++)
                reasons_close(&v[i].why);
        free(v);
}

/* What the reports of a batch need before they can be folded; the first that is not at hand. */
static enum need batch_need(struct hub *h, uint32_t office, uint32_t turn, uint64_t first,
                            const struct candidate *v, size_t n, struct period *wanted)
{
        for (size_t i = 0; i < n; i++) {
                if (!v[i].readable)
                        continue;
                struct place at = {turn, first + i};
                enum need need =
                    cube_need(h->cube, v[i].report.dataset, v[i].report.period, office, at, &h->recall);
                *wanted = v[i].report.period;
                if (need != NEED_NOTHING) {
                        h->recall.dataset = v[i].report.dataset;
                        return need;
                }
        }
        return NEED_NOTHING;
}

/* Asks for the reports that stand, or for those after where the last answer ended. Each question has a number
 * of its own, so an answer that comes twice is folded in once. */
static void recall_ask(struct hub *h, struct wire_bytes after, struct hub_time now)
{
        struct feed_todo todo;
        h->recall_id++;
        struct wire_message m = {.kind = WIRE_RECALL,
                                 .recall = {.id = h->recall_id,
                                            .dataset = h->catalog->datasets[h->recall.dataset].code,
                                            .first = h->recall.first,
                                            .last = h->recall.last,
                                            .after = after}};
        send_sink(h, &m);
        feed_step(&h->feed, &(struct feed_event){.kind = FEED_RECALL_SENT, .now_ms = now.mono_ms}, &todo);
}

static void recall_start(struct hub *h, struct period wanted, struct hub_time now)
{
        bool began = cube_recall_begin(h->cube, &h->recall, wanted);
        POST(began);
        h->recalling = true;
        h->counts.recalls++;
        recall_ask(h, (struct wire_bytes){0}, now);
}

static void take_one(struct hub *h, uint32_t office, struct downlink_stream *s, uint32_t step,
                     struct candidate *c, const struct envelope *e, uint64_t seq, struct hash hash,
                     struct hub_time now)
{
        struct wire_taken t = {.step = step, .seq = seq, .hash = hash, .report = *e, .verdict = REJECTED};
        struct reasons flags = {0};
        if (c->readable) {
                struct judge j = {
                    .catalog = h->catalog,
                    .office = office,
                    .today =
                        (int32_t)(h->host.civil_s(h->host.ctx, now.clock_us, h->catalog->timezone) / 86400),
                    .future_days = ALLOWED_DAYS,
                    .submitted_civil_s = h->host.civil_s(h->host.ctx, e->submitted_at, h->catalog->timezone)};
                bool taken = cube_take(h->cube, &c->report, &j, (struct place){s->turn, seq}, &t.verdict,
                                       &t.revision, &t.closes, &c->why, &flags);
                POST(taken);
                t.rows = (uint32_t)c->report.n;
        }
        POST(!c->why.failed && !flags.failed);
        t.reasons = c->why.v;
        t.n_reasons = c->why.n < WIRE_REASONS ? c->why.n : WIRE_REASONS;
        t.flags = flags.v;
        t.n_flags = flags.n < WIRE_REASONS ? flags.n : WIRE_REASONS;
        t.received_at = now.clock_us;
        gather_report(&h->gather, &t);
        reasons_close(&flags);
        h->counts.reports++;
        h->counts.rows += c->report.n;
        h->counts.accepted += t.verdict == ACCEPTED;
        h->counts.superseded += t.verdict == SUPERSEDED;
        h->counts.rejected += t.verdict == REJECTED;
}

/* Judges and folds the new reports of a proven batch. false: something has to be recalled first; nothing was
 * changed. */
static bool batch_take(struct hub *h, struct peer *p, const struct wire_batch *b, const struct hash *hashes,
                       const struct downlink_todo *todo, struct hub_time now)
{
        struct downlink_stream *s = stream_find(h, p->link.office, b->stream);
        int32_t office = catalog_office(h->catalog, p->link.office);
        size_t n = b->n - todo->take_from;
        const struct envelope *reports = b->reports + todo->take_from;
        struct candidate *v = calloc(n, sizeof *v);
        POST(s && v);
        for (size_t i = 0; i < n; i++) {
                if (office < 0)
                        reasons_add(&v[i].why, REASON_FOREIGN_DATASET, 0, NULL, reports[i].dataset,
                                    p->link.office, NULL);
                else
                        v[i].readable = report_read(h, &reports[i], &v[i].report, &v[i].why);
        }
        struct period wanted;
        enum need need = batch_need(h, (uint32_t)office, s->turn, s->taken.seq + 1, v, n, &wanted);
        if (need == NEED_RECALL)
                recall_start(h, wanted, now);
        if (need == NEED_REFOLD) {
                h->refolding = true;
                h->refold = wanted;
                h->refold_dataset = h->recall.dataset;
                h->refold_office = (uint32_t)office;
        }
        if (need == NEED_NOTHING) {
                uint32_t step = gather_step(&h->gather, s);
                for (size_t i = 0; i < n; i++)
                        take_one(h, (uint32_t)office, s, step, &v[i], &reports[i],
                                 b->first + todo->take_from + i, hashes[todo->take_from + i], now);
                struct wire_signature sig = {
                    .step = step, .seq = todo->taken_to.seq, .hash = todo->taken_to.hash};
                memcpy(sig.signature, b->signature, sizeof sig.signature);
                memcpy(sig.key, b->key, sizeof sig.key);
                gather_signature(&h->gather, &sig);
                peer_step(
                    h, p,
                    (struct downlink_event){.kind = DOWNLINK_TAKEN, .stream = s, .taken = todo->taken_to},
                    now);
        }
        candidates_close(v, n);
        return need == NEED_NOTHING;
}

/* Takes the head of a connection's queue. false: it has to wait. */
static bool peer_take(struct hub *h, struct peer *p, struct hub_time now)
{
        arena_reset(&h->arena);
        struct wire_message m;
        struct err e;
        if (wire_read(p->first->bytes, p->first->n, &h->arena, &m, &e) != 0) {
                queue_pop(p);
                return true;
        }
        struct downlink_event ev = {.kind = DOWNLINK_MESSAGE,
                                    .message = &m,
                                    .sign_public = h->host.sign_key(h->host.ctx, p->link.office, m.batch.key),
                                    .hashes = calloc(m.batch.n + 1, sizeof *ev.hashes)};
        POST(ev.hashes);
        struct downlink_todo todo = peer_step(h, p, ev, now);
        bool waits = todo.take && !batch_take(h, p, &m.batch, ev.hashes, &todo, now);
        free(ev.hashes);
        if (waits)
                return false;
        if (p->first) /* a refusal has emptied the queue */
                queue_pop(p);
        return true;
}

static void refold_step(struct hub *h, struct hub_time now)
{
        flush(h, now);
        if (!h->refolding || (h->feed.in_flight && !PLANTED(REFOLD_IN_FLIGHT)) || !gather_empty(&h->gather))
                return;
        cube_close(h->cube, h->refold_dataset, h->refold, h->refold_office);
        h->refolding = false;
}

/* Goes around the connections, a message each, until nothing is left or something has to be waited for. */
static void pump(struct hub *h, struct hub_time now)
{
        for (size_t idle = 0; h->feed.state == FEED_READY && h->n_peers && idle < h->n_peers;) {
                if (h->refolding)
                        refold_step(h, now);
                if (h->recalling || h->refolding || gather_full(&h->gather))
                        break;
                struct peer *p = h->peers[h->next_peer++ % h->n_peers];
                if (!p->first)
                        idle++;
                else if (peer_take(h, p, now))
                        idle = 0;
        }
        flush(h, now);
}

/* ---- the sink's side */

static void peers_step(struct hub *h, struct downlink_event ev, struct hub_time now)
{
        for (size_t i = 0; i < h->n_peers; i++) {
                struct downlink_todo todo = peer_step(h, h->peers[i], ev, now);
                pass_on(h, h->peers[i], &todo, now);
        }
}

static void forget(struct hub *h, struct hub_time now)
{
        h->recalling = h->refolding = false;
        gather_clear(&h->gather);
        gather_clear(&h->flying);
        streams_clear(h);
        cube_free(h->cube);
        h->cube = NULL;
        for (size_t i = 0; i < h->n_peers; i++)
                queue_clear(h->peers[i]);
        guests_forget(&h->guests);
        peers_step(h, (struct downlink_event){.kind = DOWNLINK_FORGET}, now);
}

static void catalog_use(struct hub *h, struct catalog *c)
{
        catalog_free(h->catalog);
        h->catalog = c;
}

static void feed_do(struct hub *h, const struct feed_event *ev, struct hub_time now);

/* Offices that greeted before HQ was ready have waited: their streams are asked for now. */
static void ready(struct hub *h, struct hub_time now)
{
        h->cube = cube_new(h->catalog, h->budget);
        POST(h->cube);
        for (size_t i = 0; i < h->n_peers; i++) {
                struct peer *p = h->peers[i];
                if (p->link.state != DOWNLINK_ASKING)
                        continue;
                struct downlink_stream *s = stream_find(h, p->link.office, p->link.stream);
                struct downlink_todo todo = {.ask_stream = !s};
                if (s)
                        todo = peer_step(h, p, (struct downlink_event){.kind = DOWNLINK_STREAM, .stream = s},
                                         now);
                pass_on(h, p, &todo, now);
        }
        tell(h, HUB_TELLS, "ready", NULL, h->feed.term);
}

static void verdicts_send(struct hub *h, const struct downlink_stream *s, const struct wire_verdict *v,
                          size_t n)
{
        struct wire_message m = {.kind = WIRE_VERDICTS,
                                 .verdicts = {.office = s->office, .stream = s->id, .v = v, .n = n}};
        for (size_t i = 0; i < h->n_peers; i++)
                if (h->peers[i]->link.state == DOWNLINK_OPEN &&
                    strcmp(h->peers[i]->link.office, s->office) == 0)
                        send_office(h, h->peers[i], &m);
}

enum { VERDICTS_AT_ONCE = 1000 };

/* What was in flight is safe: marks move, offices hear of marks first, then of verdicts. */
static void committed(struct hub *h, struct hub_time now)
{
        cube_committed(h->cube, h->feed.number);
        cube_trim(h->cube);
        struct wire_verdict *v = calloc(VERDICTS_AT_ONCE, sizeof *v);
        POST(v);
        for (size_t i = 0; i < h->flying.n_steps; i++) {
                struct downlink_stream *s = h->flying.steps[i].stream;
                s->mark = h->flying.steps[i].to;
                peers_step(h, (struct downlink_event){.kind = DOWNLINK_COMMITTED, .stream = s}, now);
                size_t n = 0, bytes = 0;
                for (size_t k = 0; k < h->flying.n_reports; k++) {
                        const struct wire_taken *t = &h->flying.reports[k];
                        if (t->step != i)
                                continue;
                        struct wire_verdict one = {t->seq, t->verdict, t->revision, t->reasons, t->n_reasons};
                        if (n == VERDICTS_AT_ONCE || bytes + wire_verdict_size(&one) > WIRE_MESSAGE) {
                                verdicts_send(h, s, v, n);
                                n = bytes = 0;
                        }
                        v[n++] = one;
                        bytes += wire_verdict_size(&one);
                }
                if (n)
                        verdicts_send(h, s, v, n);
        }
        free(v);
        gather_clear(&h->flying);
}

static void catalog_complete(struct hub *h, struct hub_time now)
{
        struct faults faults = {0};
        struct catalog *c = catalog_unpack(h->pack.v, h->pack.n, &faults);
        faults_close(&faults);
        text_close(&h->pack);
        if (!c || memcmp(c->digest, h->feed.catalog, sizeof c->digest) != 0) {
                catalog_free(c);
                tell(h, HUB_WARNS, "the sink's catalogue could not be read", NULL, 0);
                feed_do(h, &(struct feed_event){.kind = FEED_LOST, .now_ms = now.mono_ms}, now);
                return;
        }
        h->host.keep_catalog(h->host.ctx, c);
        catalog_use(h, c);
        feed_do(h, &(struct feed_event){.kind = FEED_CATALOG_HELD, .now_ms = now.mono_ms}, now);
}

static void want_catalog(struct hub *h, struct hub_time now)
{
        bool held = h->catalog && memcmp(h->catalog->digest, h->feed.catalog, sizeof h->feed.catalog) == 0;
        if (!held) {
                struct catalog *c = h->host.held_catalog(h->host.ctx, h->feed.catalog);
                held = c != NULL;
                if (c)
                        catalog_use(h, c);
        }
        if (held) {
                feed_do(h, &(struct feed_event){.kind = FEED_CATALOG_HELD, .now_ms = now.mono_ms}, now);
                return;
        }
        text_clear(&h->pack);
        struct wire_message m = {.kind = WIRE_CATALOG_ASK};
        memcpy(m.catalog_ask.digest, h->feed.catalog, sizeof m.catalog_ask.digest);
        send_sink(h, &m);
}

static void feed_do(struct hub *h, const struct feed_event *ev, struct hub_time now)
{
        struct feed_todo todo;
        feed_step(&h->feed, ev, &todo);
        if (todo.log)
                tell(h, HUB_WARNS, todo.log, NULL, h->feed.term);
        if (todo.forget)
                forget(h, now);
        if (todo.resume) {
                struct wire_message m = {.kind = WIRE_RESUME,
                                         .resume = {.incarnation = h->feed.incarnation,
                                                    .attempt = h->feed.attempt,
                                                    .hello = h->feed.hello,
                                                    .version = h->feed.version}};
                send_sink(h, &m);
        }
        for (size_t i = 0; todo.streams && i < todo.streams->n; i++)
                stream_keep(h, &todo.streams->streams[i]);
        if (todo.keep_piece)
                text_bytes(&h->pack, todo.keep_piece->bytes.p, todo.keep_piece->bytes.n);
        if (todo.ask_piece) {
                struct wire_message m = {.kind = WIRE_CATALOG_ASK,
                                         .catalog_ask = {.offset = h->feed.fetched}};
                memcpy(m.catalog_ask.digest, h->feed.catalog, sizeof m.catalog_ask.digest);
                send_sink(h, &m);
        }
        if (todo.committed)
                committed(h, now);
        if (todo.want_catalog)
                want_catalog(h, now);
        if (todo.catalog_complete)
                catalog_complete(h, now);
        if (todo.ready)
                ready(h, now);
}

static void fold_recalled(struct hub *h, struct wire_bytes part)
{
        arena_reset(&h->arena);
        struct wire_message m;
        struct err e;
        int rc = wire_read(part.p, part.n, &h->arena, &m, &e);
        POST(rc == 0 && m.kind == WIRE_RECALLED_PART);
        for (size_t k = 0; k < m.recalled_part.n; k++) {
                const struct wire_standing *s = &m.recalled_part.reports[k];
                int32_t office = catalog_office(h->catalog, s->office);
                struct reasons why = {0};
                struct report report;
                bool ok = office >= 0 && report_read(h, &s->report, &report, &why) &&
                          cube_recalled(h->cube, (uint32_t)office, &report, s->at, s->revision);
                POST(ok); /* the sink refuses a catalogue that cannot read what stands */
                reasons_close(&why);
        }
}

/* Folds what the sink answers to a recall into the cube. The rest is asked for before, so that the sink reads
 * on meanwhile; where there is none, the gate opens. */
static void recalled(struct hub *h, const struct wire_recalled *r, const struct wire_bytes *parts, size_t n,
                     struct hub_time now)
{
        if (!h->recalling || r->id != h->recall_id || r->parts != n)
                return;
        if (r->next.n)
                recall_ask(h, r->next, now);
        for (size_t i = 0; i < n; i++)
                fold_recalled(h, parts[i]);
        if (r->next.n)
                return;
        struct feed_todo todo;
        bool opened = cube_recall_end(h->cube);
        POST(opened);
        h->recalling = false;
        feed_step(&h->feed, &(struct feed_event){.kind = FEED_RECALLED, .now_ms = now.mono_ms}, &todo);
}

static void stream_is(struct hub *h, const struct wire_stream *w, struct hub_time now)
{
        if (h->feed.state != FEED_READY)
                return;
        if (!stream_find(h, w->office, w->stream))
                stream_keep(h, w);
        for (size_t i = 0; i < h->n_peers; i++) {
                struct peer *p = h->peers[i];
                if (strcmp(p->link.office, w->office) != 0)
                        continue;
                if (p->link.state == DOWNLINK_ASKING || !stream_same(p->link.stream, w->stream)) {
                        /* An older stream of this office learns in a new welcome that it is not the last. */
                        struct downlink_stream *own = stream_find(h, p->link.office, p->link.stream);
                        if (!own)
                                continue;
                        struct downlink_event ev = {.kind = DOWNLINK_STREAM, .stream = own};
                        struct downlink_todo todo = peer_step(h, p, ev, now);
                        pass_on(h, p, &todo, now);
                }
        }
}

/* Answers that go to an office as they came. */
static void answer_office(struct hub *h, const char *office, struct stream_id stream,
                          const struct wire_message *m, bool any_stream)
{
        for (size_t i = 0; i < h->n_peers; i++)
                if (strcmp(h->peers[i]->link.office, office) == 0 &&
                    (any_stream || stream_same(h->peers[i]->link.stream, stream)))
                        send_office(h, h->peers[i], m);
}

/* Rule 10: a store that came back from a backup learns from the offices which versions it has given out. None
 * of them moves HQ's stamps further ahead than a clock was ever wrong in good faith. */
static void hear(struct hub *h, uint64_t version, struct hub_time now)
{
        if (version > h->feed.version && now.clock_us > 0 &&
            version <= (uint64_t)now.clock_us + (uint64_t)BELIEVED_DAYS * 86400 * 1000000)
                h->feed.version = version;
}

/* ---- from outside */

struct hub *hub_new(const struct hub_host *host, uint64_t incarnation, size_t budget)
{
        struct hub *h = calloc(1, sizeof *h);
        POST(h);
        h->host = *host;
        h->budget = budget;
        h->recall_id = incarnation; /* no answer to a former life is taken for one to this */
        feed_init(&h->feed, incarnation);
        arena_init(&h->arena, 4 * WIRE_ARENA);
        return h;
}

void hub_free(struct hub *h)
{
        if (!h)
                return;
        while (h->n_peers)
                peer_drop(h, 0);
        free(h->peers);
        guests_close(&h->guests);
        streams_clear(h);
        free(h->streams);
        gather_close(&h->gather);
        gather_close(&h->flying);
        text_close(&h->pack);
        cube_free(h->cube);
        catalog_free(h->catalog);
        arena_close(&h->arena);
        free(h);
}

void hub_office(struct hub *h, struct hub_time now, const struct hub_peer_name *name, const char *office,
                const uint8_t *bytes, size_t n)
{
        h->counts.messages++;
        if (strlen(office) > CODE_MAX ||
            (!h->host.sign_key(h->host.ctx, office, NULL) && !PLANTED(REVOKED_STILL_HEARD)))
                return; /* revoked while connected: it gets no answer any more (Z13) */
        struct peer *p = peer_of(h, name, office, now.mono_ms);
        arena_reset(&h->arena);
        struct wire_message m;
        struct err e;
        if (!p || wire_read(bytes, n, &h->arena, &m, &e) != 0) {
                h->counts.dropped++;
                return;
        }
        if (m.kind == WIRE_BATCH) {
                if (h->feed.state != FEED_READY || p->link.state != DOWNLINK_OPEN || !queue_push(p, bytes, n))
                        h->counts.dropped++; /* the office sends it again after the next welcome */
        } else {
                if (m.kind == WIRE_GREETING) {
                        queue_clear(p);
                        hear(h, m.greeting.version, now);
                }
                struct downlink_todo todo =
                    peer_step(h, p, (struct downlink_event){.kind = DOWNLINK_MESSAGE, .message = &m}, now);
                pass_on(h, p, &todo, now);
        }
        pump(h, now);
}

void hub_sink(struct hub *h, struct hub_time now, const struct wire_bytes *frames, size_t n)
{
        struct wire_message m;
        struct err e;
        struct arena arena = {0};
        arena_init(&arena, WIRE_ARENA);
        if (n == 0 || wire_read(frames[0].p, frames[0].n, &arena, &m, &e) != 0) {
                h->counts.dropped++;
                arena_close(&arena);
                return;
        }
        switch (m.kind) {
        case WIRE_RECALLED: recalled(h, &m.recalled, frames + 1, n - 1, now); break;
        case WIRE_STREAM_IS:
                question_answered(h, m.stream.office, now.mono_ms);
                stream_is(h, &m.stream, now);
                break;
        case WIRE_VERDICTS:
                question_answered(h, m.verdicts.office, now.mono_ms);
                answer_office(h, m.verdicts.office, m.verdicts.stream, &m, true);
                break;
        case WIRE_HASH_IS:
                question_answered(h, m.hash.office, now.mono_ms);
                answer_office(h, m.hash.office, m.hash.stream, &m, false);
                break;
        default:
                feed_do(h, &(struct feed_event){.kind = FEED_MESSAGE, .now_ms = now.mono_ms, .message = &m},
                        now);
        }
        arena_close(&arena);
        pump(h, now);
}

void hub_sink_lost(struct hub *h, struct hub_time now)
{
        feed_do(h, &(struct feed_event){.kind = FEED_LOST, .now_ms = now.mono_ms}, now);
}

void hub_tick(struct hub *h, struct hub_time now)
{
        feed_do(h, &(struct feed_event){.kind = FEED_TICK, .now_ms = now.mono_ms}, now);
        guests_tick(&h->guests, now.mono_ms);
        questions_send(h, now.mono_ms);
        pump(h, now);
}

enum feed_state hub_state(const struct hub *h)
{
        return h->feed.state;
}

const struct hub_counts *hub_counts(const struct hub *h)
{
        return &h->counts;
}

const struct catalog *hub_catalog(const struct hub *h)
{
        return h->catalog;
}

size_t hub_memory(const struct hub *h)
{
        return h->cube ? cube_bytes(h->cube) : 0;
}

uint64_t hub_version(const struct hub *h)
{
        return h->feed.version;
}

size_t hub_waiting(const struct hub *h)
{
        size_t n = 0;
        for (size_t i = 0; i < h->n_peers; i++)
                n += h->peers[i]->queued;
        return n;
}

const char *hub_refusal(const struct hub *h, const char *office)
{
        for (size_t i = 0; i < h->n_peers; i++)
                if (h->peers[i]->refusal[0] && strcmp(h->peers[i]->link.office, office) == 0)
                        return h->peers[i]->refusal;
        return NULL;
}
