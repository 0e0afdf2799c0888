#include "flow/toy_hq.h"

#include "base/check.h"
#include "loop/clock.h"
#include "loop/keys.h"
#include "loop/zap.h"
#include "loop/zpoll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hq {
        uv_loop_t loop;
        uv_timer_t pulse; /* so that a turn never sleeps long */
        void *zmq;
        struct zap *zap;
        struct zpoll *router;
        struct keys keys;
        const struct catalog *catalog;
        struct hq_stream *streams[HQ_STREAMS];
        size_t n;
        uint32_t last_turn;
        uint64_t version;
        char locked[PERIOD_TEXT];
        int64_t ahead_us;

        struct downlink link; /* of the office that spoke last */
        uint8_t peer[64];
        size_t peer_n;
        struct arena arena;
};

enum { PIECE = 10000 }; /* smaller than need be: more of them */
static const char office[] = "150200";

static void reply(struct hq *h, const struct wire_message *m)
{
        struct text bytes = {0};
        wire_write(m, &bytes);
        struct zframe frame = {(const uint8_t *)bytes.v, bytes.n};
        zpoll_send(h->router, h->peer, h->peer_n, &frame, 1);
        text_close(&bytes);
}

static struct hq_stream *find(const struct hq *h, struct stream_id id)
{
        for (size_t i = 0; i < h->n; i++)
                if (stream_same(h->streams[i]->known.id, id))
                        return h->streams[i];
        return NULL;
}

static struct hq_stream *stream_of_link(struct hq *h)
{
        struct hq_stream *s = find(h, h->link.stream);
        if (s || h->link.state == DOWNLINK_NEW)
                return s;
        PRE(h->n < HQ_STREAMS);
        s = h->streams[h->n++] = calloc(1, sizeof *s);
        PRE(s);
        snprintf(s->known.office, sizeof s->known.office, "%s", office);
        s->known.id = h->link.stream;
        s->known.turn = ++h->last_turn;
        s->known.mark = s->known.taken = (struct point){0, chain_start(office, s->known.id)};
        return s;
}

static void tell_verdicts(struct hq *h, const struct hq_stream *s, uint64_t from)
{
        static const struct reason locked = {.code = REASON_LOCKED, .arg = {"period"}};
        struct wire_verdict v[HQ_REPORTS];
        struct wire_message m = {.kind = WIRE_VERDICTS, .verdicts = {.stream = s->known.id, .v = v}};
        for (uint64_t seq = from; seq <= s->known.mark.seq; seq++) {
                const struct hq_report *r = &s->reports[seq - 1];
                bool no = r->verdict == REJECTED;
                v[m.verdicts.n++] =
                    (struct wire_verdict){seq, r->verdict, r->revision, no ? &locked : NULL, no};
        }
        if (m.verdicts.n > 0)
                reply(h, &m);
}

static uint32_t next_revision(const struct hq *h, const struct hq_report *r)
{
        uint32_t n = 1;
        for (size_t i = 0; i < h->n; i++)
                for (size_t k = 0; k < HQ_REPORTS; k++) {
                        const struct hq_report *had = &h->streams[i]->reports[k];
                        n += had->revision && strcmp(had->dataset, r->dataset) == 0 &&
                             strcmp(had->period, r->period) == 0;
                }
        return n;
}

static void accept_report(struct hq *h, struct hq_stream *s, uint64_t seq, struct hash hash,
                          const struct envelope *r)
{
        PRE(seq <= HQ_REPORTS);
        struct hq_report *to = &s->reports[seq - 1];
        *to = (struct hq_report){.hash = hash};
        snprintf(to->dataset, sizeof to->dataset, "%s", r->dataset);
        snprintf(to->period, sizeof to->period, "%s", r->period);
        if (strcmp(h->locked, r->period) == 0) {
                to->verdict = REJECTED;
                h->locked[0] = '\0';
        } else {
                to->revision = next_revision(h, to);
        }
}

static void step(struct hq *h, struct downlink_event ev);

static void take(struct hq *h, const struct wire_batch *b, const struct hash *hashes,
                 const struct downlink_todo *todo)
{
        struct hq_stream *s = stream_of_link(h);
        uint64_t from = s->known.mark.seq + 1;
        for (size_t i = todo->take_from; i < b->n; i++)
                accept_report(h, s, b->first + i, hashes[i], &b->reports[i]);
        struct point to = todo->taken_to;
        step(h, (struct downlink_event){.kind = DOWNLINK_TAKEN, .taken = to});
        s->known.mark = s->known.taken;
        h->version++;
        step(h, (struct downlink_event){.kind = DOWNLINK_COMMITTED});
        tell_verdicts(h, s, from);
}

static void tell_hash(struct hq *h, uint64_t seq)
{
        const struct hq_stream *s = stream_of_link(h);
        struct wire_message m = {.kind = WIRE_HASH_IS, .hash = {.stream = h->link.stream, .seq = seq}};
        m.hash.known = seq <= s->known.mark.seq;
        if (seq == 0)
                m.hash.hash = chain_start(office, s->known.id);
        else if (m.hash.known)
                m.hash.hash = s->reports[seq - 1].hash;
        reply(h, &m);
}

static void tell_catalog(struct hq *h, const struct wire_catalog_ask *ask)
{
        const struct text *pack = &h->catalog->pack;
        if (memcmp(ask->digest, h->catalog->digest, CATALOG_DIGEST) != 0 || ask->offset >= pack->n)
                return;
        size_t left = pack->n - ask->offset;
        struct wire_message m = {
            .kind = WIRE_CATALOG_PIECE,
            .piece = {.size = pack->n,
                      .offset = ask->offset,
                      .bytes = {(const uint8_t *)pack->v + ask->offset, left < PIECE ? left : PIECE}}};
        memcpy(m.piece.digest, ask->digest, CATALOG_DIGEST);
        reply(h, &m);
}

static void perform(struct hq *h, const struct downlink_event *ev, const struct downlink_todo *todo)
{
        if (todo->send)
                reply(h, &todo->reply);
        for (size_t i = 0; i < todo->n_ask_verdicts; i++) {
                const struct hq_stream *s = find(h, todo->ask_verdicts[i].stream);
                if (s)
                        tell_verdicts(h, s, todo->ask_verdicts[i].from);
        }
        if (todo->ask_stream)
                step(h, (struct downlink_event){.kind = DOWNLINK_STREAM});
        if (todo->ask_hash)
                tell_hash(h, todo->ask_seq);
        if (todo->ask_catalog)
                tell_catalog(h, &todo->catalog_ask);
        if (todo->take)
                take(h, &ev->message->batch, ev->hashes, todo);
}

static void step(struct hq *h, struct downlink_event ev)
{
        struct downlink_todo todo;
        struct hq_stream *s = stream_of_link(h);
        ev.stream = s ? &s->known : NULL;
        ev.last_turn = h->last_turn;
        ev.catalog = h->catalog->digest;
        ev.version = h->version;
        ev.clock_us = clock_us() + h->ahead_us;
        if (ev.message && ev.message->kind == WIRE_BATCH) {
                const struct office_key *k = keys_by_id(&h->keys, office, ev.message->batch.key);
                ev.sign_public = k ? k->sign : NULL;
                ev.hashes = calloc(ev.message->batch.n + 1, sizeof *ev.hashes);
                PRE(ev.hashes);
        }
        downlink_step(&h->link, &ev, &todo);
        perform(h, &ev, &todo);
        free(ev.hashes);
}

static void on_message(void *ctx, const struct zmessage *m)
{
        struct hq *h = ctx;
        struct wire_message message;
        struct err e;
        PRE(m->n == 1 && strcmp(m->user, office) == 0 && m->peer_n <= sizeof h->peer);
        if (m->peer_n != h->peer_n || memcmp(m->peer, h->peer, m->peer_n) != 0)
                downlink_init(&h->link, office); /* a new connection */
        memcpy(h->peer, m->peer, m->peer_n);
        h->peer_n = m->peer_n;
        arena_reset(&h->arena);
        PRE(wire_read(m->frames[0].bytes, m->frames[0].n, &h->arena, &message, &e) == 0);
        step(h, (struct downlink_event){.kind = DOWNLINK_MESSAGE, .message = &message});
}

static void nothing(uv_timer_t *t)
{
        (void)t;
}

struct hq *hq_open(const char *keys, const struct catalog *c)
{
        struct hq *h = calloc(1, sizeof *h);
        struct err e = {0};
        PRE(h);
        h->catalog = c;
        h->version = 1;
        PRE(keys_load(keys, &h->keys, &e) == 0);
        uv_loop_init(&h->loop);
        uv_timer_init(&h->loop, &h->pulse);
        uv_timer_start(&h->pulse, nothing, 5, 5);
        PRE((h->zmq = zpoll_context(&e)) && zap_start(&h->zap, h->zmq, &e) == 0);
        struct zap_entry who = {h->keys.offices[0].curve, "office", office};
        struct zcurve curve = {h->keys.curve_public, h->keys.curve_secret, NULL, "office"};
        PRE(zap_allow(h->zap, &who, 1, &e) == 0);
        PRE(zpoll_router(&h->router, &h->loop, h->zmq, "tcp://127.0.0.1:*", &curve, on_message, h, &e) == 0);
        return h;
}

void hq_close(struct hq *h)
{
        zpoll_close(h->router, NULL, NULL);
        uv_close((uv_handle_t *)&h->pulse, NULL);
        uv_run(&h->loop, UV_RUN_DEFAULT);
        uv_loop_close(&h->loop);
        zap_stop(h->zap);
        zpoll_context_close(h->zmq);
        keys_close(&h->keys);
        arena_close(&h->arena);
        for (size_t i = 0; i < h->n; i++)
                free(h->streams[i]);
        free(h);
}

const char *hq_endpoint(const struct hq *h)
{
        return zpoll_endpoint(h->router);
}

void hq_turn(struct hq *h)
{
        uv_run(&h->loop, UV_RUN_ONCE);
}

struct hq_stream *hq_stream(struct hq *h, size_t i)
{
        return i < h->n ? h->streams[i] : NULL;
}

size_t hq_streams(const struct hq *h)
{
        return h->n;
}

void hq_reject(struct hq *h, const char *period)
{
        snprintf(h->locked, sizeof h->locked, "%s", period);
}

void hq_restore(struct hq *h, uint64_t seq)
{
        struct downlink_stream *s = &h->streams[0]->known;
        s->mark = s->taken =
            (struct point){seq, seq ? h->streams[0]->reports[seq - 1].hash : chain_start(office, s->id)};
        if (h->link.state == DOWNLINK_OPEN)
                step(h, (struct downlink_event){.kind = DOWNLINK_COMMITTED});
}

void hq_prefer_another(struct hq *h)
{
        h->last_turn++;
        if (h->link.state == DOWNLINK_OPEN)
                step(h, (struct downlink_event){.kind = DOWNLINK_STREAM});
}

void hq_use_catalog(struct hq *h, const struct catalog *c)
{
        h->catalog = c;
        if (h->link.state == DOWNLINK_OPEN)
                step(h, (struct downlink_event){.kind = DOWNLINK_STREAM});
}

void hq_shift_clock(struct hq *h, int64_t ahead_us)
{
        h->ahead_us = ahead_us;
        if (h->link.state == DOWNLINK_OPEN)
                step(h, (struct downlink_event){.kind = DOWNLINK_COMMITTED});
}
