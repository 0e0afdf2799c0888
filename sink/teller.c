#include "sink/teller.h"

#include "base/check.h"
#include "session/gather.h"

#include <string.h>

enum { STREAMS_AT_ONCE = 1000 }; /* in one Resumed */

void teller_init(struct teller *l, const struct teller_host *host, struct store *store,
                 const struct catalog *c)
{
        *l = (struct teller){.host = *host, .store = store, .catalog = c};
}

static void send(struct teller *l, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        if (!text_failed(&t))
                l->host.send(l->host.ctx, &t, 1);
        text_close(&t);
}

static void step(struct teller *l, struct feed_sink_event ev, const struct wire_bytes *parts, size_t n,
                 struct teller_time now);

static void open_term(struct teller *l, const struct wire_resume *asked, struct teller_time now)
{
        struct err e = {0};
        struct arena arena = {0};
        struct wire_stream *streams;
        size_t n;
        if (store_open_term(l->store, l->feed.heard, now.clock_us, &e) != 0 ||
            store_streams(l->store, &arena, &streams, &n, &e) != 0) {
                l->host.refused(l->host.ctx, "opening a term", &e);
                arena_close(&arena);
                return;
        }
        for (size_t i = 0; i == 0 || i < n; i += STREAMS_AT_ONCE) {
                size_t left = n - i;
                struct wire_message m = {.kind = WIRE_RESUMED,
                                         .resumed = {.term = l->store->term,
                                                     .version = l->store->version,
                                                     .incarnation = asked->incarnation,
                                                     .attempt = asked->attempt,
                                                     .streams = n ? &streams[i] : NULL,
                                                     .n = left < STREAMS_AT_ONCE ? left : STREAMS_AT_ONCE,
                                                     .more = left > STREAMS_AT_ONCE}};
                memcpy(m.resumed.catalog, l->catalog->digest, sizeof m.resumed.catalog);
                send(l, &m);
        }
        arena_close(&arena);
        step(l, (struct feed_sink_event){.kind = FEED_SINK_TERM_OPENED, .term = l->store->term}, NULL, 0,
             now);
}

static void commit(struct teller *l, const struct wire_flush *flush, const struct wire_bytes *parts, size_t n,
                   struct teller_time now)
{
        struct wire_committed answer;
        struct err e = {0};
        store_hear(l->store, l->feed.heard);
        int rc = store_commit(l->store, l->catalog, flush, parts, n, now.clock_us, &answer, &e);
        if (rc != 0 && rc != E_PEER) {
                l->host.refused(l->host.ctx, "committing", &e);
                return;
        }
        answer.term = flush->term;
        struct wire_message m = {.kind = WIRE_COMMITTED, .committed = answer};
        send(l, &m);
        if (rc == 0) {
                l->counts.commits++;
                return;
        }
        l->counts.refused++;
        l->host.note(l->host.ctx, "a flush was refused", e.text);
        if (!answer.fenced)
                teller_again(l, now);
}

static void recall(struct teller *l, const struct wire_recall *ask)
{
        struct gather_frames frames = {0};
        struct err e = {0};
        l->counts.recalls++;
        if (store_recall(l->store, ask, &frames, &e) == 0)
                l->host.send(l->host.ctx, frames.v, frames.n);
        else
                l->host.refused(l->host.ctx, "recalling", &e);
        gather_frames_close(&frames);
}

static void piece(struct teller *l, const struct wire_catalog_ask *ask)
{
        const struct text *pack = &l->catalog->pack;
        if (memcmp(ask->digest, l->catalog->digest, sizeof ask->digest) != 0 || ask->offset >= pack->n)
                return;
        size_t left = pack->n - ask->offset;
        struct wire_message m = {.kind = WIRE_CATALOG_PIECE,
                                 .piece = {.size = pack->n,
                                           .offset = ask->offset,
                                           .bytes = {(const uint8_t *)pack->v + ask->offset,
                                                     left < WIRE_PIECE ? left : WIRE_PIECE}}};
        memcpy(m.piece.digest, ask->digest, sizeof ask->digest);
        send(l, &m);
}

static void serve(struct teller *l, const struct wire_message *ask, struct teller_time now)
{
        struct wire_message m = {0};
        struct arena arena = {0};
        struct err e = {0};
        int rc = 0;
        switch (ask->kind) {
        case WIRE_RECALL: recall(l, &ask->recall); return;
        case WIRE_CATALOG_ASK: piece(l, &ask->catalog_ask); return;
        case WIRE_STREAM_ASK:
                m.kind = WIRE_STREAM_IS;
                m.stream.turn = ask->stream.turn;
                rc = store_stream(l->store, ask->stream.office, ask->stream.stream, now.clock_us, &m.stream,
                                  &e);
                break;
        case WIRE_HASH_ASK:
                m.kind = WIRE_HASH_IS;
                rc = store_hash(l->store, &ask->hash, &m.hash, &e);
                break;
        case WIRE_VERDICTS_ASK:
                m.kind = WIRE_VERDICTS;
                rc = store_verdicts(l->store, &ask->verdicts_ask, &arena, &m.verdicts, &e);
                break;
        case WIRE_GAP:
                rc = store_gap(l->store, &ask->gap, now.clock_us, &e);
                l->host.note(l->host.ctx,
                             "an office no longer holds reports that HQ lacks: see `sumu stream skip`",
                             ask->gap.office);
                break;
        default: UNREACHABLE();
        }
        if (rc != 0)
                l->host.refused(l->host.ctx, "answering the aggregator", &e);
        else if (m.kind)
                send(l, &m);
        arena_close(&arena);
}

/* `parts` are the frames behind a flush's head. */
static void step(struct teller *l, struct feed_sink_event ev, const struct wire_bytes *parts, size_t n,
                 struct teller_time now)
{
        struct feed_sink_todo todo;
        ev.now_ms = now.mono_ms;
        ev.clock_us = now.clock_us;
        feed_sink_step(&l->feed, &ev, &todo);
        if (todo.hello) {
                struct wire_message m = {.kind = WIRE_HELLO,
                                         .hello = {.version = l->store->version,
                                                   .number = l->feed.hello,
                                                   .program = "sumu-sink " SUMU_VERSION}};
                send(l, &m);
        }
        PRE(ev.message || !(todo.open_term || todo.judge_flush || todo.serve)); /* these answer one */
        if (todo.open_term)
                open_term(l, &ev.message->resume, now);
        if (todo.judge_flush)
                commit(l, &ev.message->flush, parts, n, now);
        if (todo.serve)
                serve(l, ev.message, now);
}

void teller_link(struct teller *l, bool up, struct teller_time now)
{
        step(l, (struct feed_sink_event){.kind = up ? FEED_SINK_LINK_UP : FEED_SINK_LINK_DOWN}, NULL, 0, now);
}

void teller_message(struct teller *l, const struct wire_bytes *frames, size_t n, struct teller_time now)
{
        struct wire_message m;
        struct arena arena = {0};
        struct err e = {0};
        if (n == 1 && frames[0].n == 0) { /* is anybody there? */
                step(l, (struct feed_sink_event){.kind = FEED_SINK_KNOCK}, NULL, 0, now);
                return;
        }
        arena_init(&arena, WIRE_ARENA);
        if (n && wire_read(frames[0].p, frames[0].n, &arena, &m, &e) == 0)
                step(l, (struct feed_sink_event){.kind = FEED_SINK_MESSAGE, .message = &m}, frames + 1, n - 1,
                     now);
        else
                l->host.note(l->host.ctx, "a message of the aggregator could not be read", e.text);
        arena_close(&arena);
}

void teller_tick(struct teller *l, struct teller_time now)
{
        step(l, (struct feed_sink_event){.kind = FEED_SINK_TICK}, NULL, 0, now);
}

void teller_again(struct teller *l, struct teller_time now)
{
        if (l->feed.state != FEED_SINK_DOWN)
                step(l, (struct feed_sink_event){.kind = FEED_SINK_AGAIN}, NULL, 0, now);
}
