/* The law of the pipeline: whatever happens on the way, what offices accepted is in the totals exactly once.
 *
 * Offices with the real uplink machine and an outbox in memory, the real hub, the real teller on a real
 * SQLite file; a network that drops, repeats and delays whole messages; the hub is thrown away, the sink
 * reopened, outboxes are put back to an earlier state (a fork) or lost, offices send corrections of all
 * kinds. Then all heals, everything must drain, every report must have its verdict, and every stored total
 * must be what the oracle recomputes from the accepted reports.
 *
 * The full simulated world (disks, clocks) is tests/world's; this is its small sibling that runs in seconds.
 */
#include "lib/law.h"

#include "base/check.h"
#include "lib/folder.h"
#include "lib/oracle.h"
#include "session/hub.h"
#include "session/payload.h"
#include "sink/teller.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OFFICES = 13, QUEUE = 256, HELD = 1024, DRAIN = 20000 };

/* ---- messages on their way */

struct letter {
        struct text *frames;
        size_t n;
};

struct queue {
        struct letter v[QUEUE];
        size_t n;
};

static void letter_free(struct letter *l)
{
        for (size_t i = 0; i < l->n; i++)
                text_close(&l->frames[i]);
        free(l->frames);
        *l = (struct letter){0};
}

static bool queue_put(struct queue *q, const struct text *frames, size_t n)
{
        if (q->n == QUEUE)
                return false;
        struct letter *l = &q->v[q->n++];
        *l = (struct letter){.frames = calloc(n, sizeof *l->frames), .n = n};
        for (size_t i = 0; i < n; i++)
                text_bytes(&l->frames[i], frames[i].v, frames[i].n);
        return true;
}

static struct letter queue_take(struct queue *q)
{
        struct letter l = q->v[0];
        memmove(q->v, q->v + 1, --q->n * sizeof *q->v);
        return l;
}

static void queue_empty(struct queue *q)
{
        while (q->n) {
                struct letter l = queue_take(q);
                letter_free(&l);
        }
}

/* ---- offices */

struct held {
        struct text payload;
        char period[PERIOD_TEXT];
        struct envelope envelope;
        struct hash hash;
        bool decided;
};

struct clerk {
        uint32_t number; /* in the catalogue */
        const char *code;
        uint8_t sign_public[32], sign_secret[64], key[WIRE_KEY_ID];
        struct stream_id stream;
        uint32_t turn;
        struct held held[HELD]; /* [seq - 1] */
        uint64_t head, mark;
        struct uplink uplink;
        struct queue up, down;
        uint8_t incarnation; /* of the connection */
        bool linked;
};

struct world {
        struct seed seed;
        struct catalog *c;
        struct clerk offices[OFFICES];
        size_t n_offices;
        struct hub *hub;
        struct store store;
        struct teller teller;
        struct queue to_sink, from_sink;
        bool sink_linked;
        char path[64];
        int64_t now_ms, clock_us;
        uint64_t streams;
        bool calm;
};

static struct hub_time hub_now(const struct world *w)
{
        return (struct hub_time){w->now_ms, w->clock_us};
}

static struct teller_time teller_now(const struct world *w)
{
        return (struct teller_time){w->now_ms, w->clock_us};
}

static struct point point_at(const struct clerk *o, uint64_t seq)
{
        return (struct point){seq, seq ? o->held[seq - 1].hash : chain_start(o->code, o->stream)};
}

static struct uplink_start start_of(const struct world *w, const struct clerk *o)
{
        struct uplink_start s = {.office = o->code,
                                 .stream = o->stream,
                                 .turn = o->turn,
                                 .head = point_at(o, o->head),
                                 .floor = point_at(o, 0),
                                 .mark = point_at(o, o->mark),
                                 .has_catalog = true};
        while (s.decided < o->head && o->held[s.decided].decided)
                s.decided++;
        memcpy(s.catalog, w->c->digest, sizeof s.catalog);
        return s;
}

static void send_up(struct world *w, struct clerk *o, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        if (w->hub)
                queue_put(&o->up, &t, 1);
        text_close(&t);
}

static void office_step(struct world *w, struct clerk *o, struct uplink_event ev);

static void office_send(struct world *w, struct clerk *o, uint64_t after, size_t most)
{
        static struct envelope reports[HELD];
        size_t n = 0, bytes = 0;
        uint64_t limit = 1 + seed_below(&w->seed, 6);
        while (after + n < o->head && n < limit) {
                size_t one = wire_envelope_size(&o->held[after + n].envelope);
                if (n && bytes + one > most)
                        break;
                reports[n] = o->held[after + n].envelope;
                bytes += one;
                n++;
        }
        uint64_t last = after + n;
        struct wire_message m = {.kind = WIRE_BATCH,
                                 .batch = {.stream = o->stream,
                                           .first = after + 1,
                                           .previous = point_at(o, after).hash,
                                           .reports = reports,
                                           .n = n}};
        chain_sign(o->code, o->stream, last, o->held[last - 1].hash, o->sign_secret, m.batch.signature);
        memcpy(m.batch.key, o->key, sizeof m.batch.key);
        send_up(w, o, &m);
        office_step(w, o, (struct uplink_event){.kind = UPLINK_SENT, .seq = last, .bytes = bytes});
}

/* Puts a report at the end of the office's stream. */
static void office_queue(struct clerk *o, struct envelope e, const char *period, const struct text *payload)
{
        assert_true(o->head < HELD);
        struct held *h = &o->held[o->head];
        struct hash previous = point_at(o, o->head).hash;
        text_close(&h->payload);
        text_bytes(&h->payload, payload->v, payload->n);
        snprintf(h->period, sizeof h->period, "%s", period);
        h->envelope = e;
        h->envelope.period = h->period;
        h->envelope.payload = (const uint8_t *)text_c(&h->payload);
        h->envelope.payload_n = h->payload.n;
        h->decided = false;
        h->hash = chain_next(o->code, o->stream, ++o->head, previous, &h->envelope);
}

static void office_fork(struct world *w, struct clerk *o, uint64_t after)
{
        uint64_t n = o->head - after;
        struct held *again = calloc(n + 1, sizeof *again);
        memcpy(again, o->held + after, n * sizeof *again);
        memset(o->held + after, 0, n * sizeof *again);
        for (uint64_t i = 0; i < after; i++)
                text_clear(&o->held[i].payload);
        o->stream.b[7] = (uint8_t)++w->streams;
        o->stream.b[6] = (uint8_t)(w->streams >> 8);
        o->turn = 0;
        o->head = o->mark = 0;
        for (uint64_t i = 0; i < n; i++) {
                office_queue(o, again[i].envelope, again[i].period, &again[i].payload);
                text_close(&again[i].payload);
        }
        free(again);
        struct uplink_start start = start_of(w, o);
        office_step(w, o, (struct uplink_event){.kind = UPLINK_STREAM_OPENED, .start = &start});
}

static void office_step(struct world *w, struct clerk *o, struct uplink_event ev)
{
        struct uplink_todo todo;
        ev.now_ms = w->now_ms;
        uplink_step(&o->uplink, &ev, &todo);
        if (todo.keep_turn)
                o->turn = o->uplink.turn;
        if (todo.keep_mark)
                o->mark = o->uplink.mark.seq;
        if (todo.keep_verdicts && stream_same(todo.keep_verdicts->stream, o->stream))
                for (size_t i = 0; i < todo.keep_verdicts->n; i++)
                        if (todo.keep_verdicts->v[i].seq <= o->head)
                                o->held[todo.keep_verdicts->v[i].seq - 1].decided = true;
        if (todo.fork) {
                office_fork(w, o, todo.fork_after);
                return;
        }
        if (todo.greet) {
                uint64_t from = 1;
                while (from <= o->head && o->held[from - 1].decided)
                        from++;
                struct wire_wanted wanted = {o->stream, from};
                struct wire_message m = {.kind = WIRE_GREETING,
                                         .greeting = {.office = o->code,
                                                      .stream = o->stream,
                                                      .turn = o->turn,
                                                      .head = o->head,
                                                      .floor_hash = point_at(o, 0).hash,
                                                      .has_catalog = true,
                                                      .wanted = &wanted,
                                                      .n_wanted = from <= o->head,
                                                      .program = "law"}};
                memcpy(m.greeting.catalog, w->c->digest, sizeof m.greeting.catalog);
                send_up(w, o, &m);
        }
        if (todo.ask_verdicts) {
                struct wire_message m = {.kind = WIRE_VERDICTS_ASK,
                                         .verdicts_ask = {.office = o->code,
                                                          .stream = todo.verdicts_of.stream,
                                                          .from = todo.verdicts_of.from}};
                send_up(w, o, &m);
        }
        if (todo.ask_hash) {
                struct wire_message m = {.kind = WIRE_HASH_ASK,
                                         .hash = {.office = "", .stream = o->stream, .seq = todo.ask_seq}};
                send_up(w, o, &m);
        }
        if (todo.look_up)
                office_step(w, o,
                            (struct uplink_event){.kind = UPLINK_LOOKED_UP,
                                                  .point = point_at(o, todo.look_up_seq),
                                                  .known = true});
        if (todo.send)
                office_send(w, o, todo.send_after, todo.send_bytes);
}

static void office_hear(struct world *w, struct clerk *o, const struct letter *l)
{
        struct arena a = {0};
        struct wire_message m;
        struct err e;
        assert_int_equal(wire_read((const uint8_t *)l->frames[0].v, l->frames[0].n, &a, &m, &e), 0);
        office_step(w, o, (struct uplink_event){.kind = UPLINK_MESSAGE, .message = &m});
        arena_close(&a);
}

static void office_link(struct world *w, struct clerk *o)
{
        queue_empty(&o->up);
        queue_empty(&o->down);
        o->incarnation++;
        office_step(w, o, (struct uplink_event){.kind = UPLINK_LINK_DOWN});
        office_step(w, o, (struct uplink_event){.kind = UPLINK_LINK_UP});
}

/* ---- random reports */

static const char *const first_day = "2022-11-28", *const last_day = "2023-03-02";

static uint32_t any_region(struct world *w, const struct clerk *o)
{
        for (;;) {
                uint32_t r = (uint32_t)seed_below(&w->seed, w->c->n_regions < 200 ? w->c->n_regions : 200);
                if (catalog_in_scope(w->c, o->number, r))
                        return r;
                if (seed_below(&w->seed, 400) == 0)
                        return w->c->offices[o->number].region;
        }
}

static void office_report(struct world *w, struct clerk *o)
{
        static struct fact facts[64];
        uint32_t d = (uint32_t)seed_below(&w->seed, w->c->n_datasets);
        if (!catalog_answers(w->c, o->number, d) && seed_below(&w->seed, 20))
                return;
        const struct dataset *set = &w->c->datasets[d];
        int32_t from, to;
        day_parse(first_day, &from);
        day_parse(last_day, &to);
        struct report r = {.dataset = d, .facts = facts};
        /* few periods, so that they are corrected often */
        int32_t day = from + (int32_t)seed_below(&w->seed, 4) * ((to - from) / 3);
        r.period =
            period_of(set->every, day + (int32_t)seed_below(&w->seed, set->every == PERIOD_DAY ? 3 : 1));
        r.action = (enum action)seed_below(&w->seed, 4);
        if (seed_below(&w->seed, 3))
                r.action = REPLACE;
        size_t n = r.action == WITHDRAW ? 0 : 1 + seed_below(&w->seed, 12);
        for (size_t i = 0; i < n; i++) {
                uint32_t in = set->indicators[seed_below(&w->seed, set->n_indicators)];
                const struct indicator *ind = &w->c->indicators[in];
                if (ind->kind == DERIVED || (r.action == ADD && ind->kind != FLOW))
                        continue;
                uint32_t region = any_region(w, o);
                if (ind->level && strcmp(ind->level, w->c->regions[region].level) != 0 &&
                    seed_below(&w->seed, 30))
                        continue;
                struct fact f = {.value = (int64_t)seed_below(&w->seed, 1000),
                                 .region = region,
                                 .indicator = (uint16_t)in,
                                 .q =
                                     seed_below(&w->seed, 8) ? EXACT : (uint8_t)(1 + seed_below(&w->seed, 2)),
                                 .own = 1};
                bool twice = false;
                for (size_t k = 0; k < r.n; k++)
                        twice |= facts[k].region == f.region && facts[k].indicator == f.indicator;
                if (!twice)
                        facts[r.n++] = f;
        }
        facts_sort(facts, r.n);
        struct text payload = {0};
        payload_write(w->c, &r, &payload);
        if (seed_below(&w->seed, 50) == 0)
                text_add(&payload, "\xff poison");
        char label[PERIOD_TEXT];
        period_print(r.period, label);
        struct envelope e = {.submitted_at = w->clock_us, .dataset = set->code, .action = r.action};
        memcpy(e.catalog, w->c->digest, sizeof e.catalog);
        office_queue(o, e, label, &payload);
        text_close(&payload);
        office_step(w, o, (struct uplink_event){.kind = UPLINK_GREW, .point = point_at(o, o->head)});
}

/* ---- HQ */

static struct clerk *office_named(struct world *w, const char *code)
{
        for (size_t i = 0; i < w->n_offices; i++)
                if (strcmp(w->offices[i].code, code) == 0)
                        return &w->offices[i];
        return NULL;
}

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        struct world *w = ctx;
        struct clerk *o = &w->offices[peer->b[0]];
        return peer->b[1] == o->incarnation && queue_put(&o->down, message, 1);
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        struct world *w = ctx;
        return queue_put(&w->to_sink, frames, n);
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        const struct clerk *o = office_named(ctx, office);
        return o && (!id || memcmp(id, o->key, WIRE_KEY_ID) == 0) ? o->sign_public : NULL;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx;
        (void)zone;
        return us / 1000000;
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        (void)ctx;
        (void)digest;
        return NULL;
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        (void)ctx;
        (void)c;
}

static void hub_log(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t n)
{
        (void)ctx;
        if (getenv("SUMU_TRACE"))
                fprintf(stderr, "hub %d %s %s %llu\n", tone, sentence, office ? office : "-",
                        (unsigned long long)n);
}

static void hub_begin(struct world *w)
{
        static const size_t budgets[] = {1, 100000, 64 << 20};
        struct hub_host host = {w,       to_office,    to_sink,      sign_key,
                                civil_s, held_catalog, keep_catalog, hub_log};
        hub_free(w->hub);
        w->hub = hub_new(&host, seed_next(&w->seed), budgets[seed_below(&w->seed, 3)]);
}

static void teller_send(void *ctx, const struct text *frames, size_t n)
{
        struct world *w = ctx;
        queue_put(&w->from_sink, frames, n);
}

static void teller_refused(void *ctx, const char *doing, const struct err *e)
{
        (void)ctx;
        fail_msg("the store refused while %s: %s", doing, e->text);
}

static void teller_note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx;
        if (getenv("SUMU_TRACE"))
                fprintf(stderr, "sink %s: %s\n", sentence, about);
}

static void teller_begin(struct world *w)
{
        struct err e = {0};
        struct teller_host host = {w, teller_send, teller_refused, teller_note};
        if (w->store.db.handle)
                store_close(&w->store);
        if (store_open(&w->store, w->path, &e) != 0)
                fail_msg("%s", e.text);
        struct catalog *had = store_catalog(&w->store, &e);
        struct text blocks = {0};
        if (!had)
                assert_int_equal(store_take_catalog(&w->store, NULL, w->c, w->clock_us, &blocks, &e), 0);
        catalog_free(had);
        text_close(&blocks);
        teller_init(&w->teller, &host, &w->store, w->c);
}

static void sink_link(struct world *w)
{
        queue_empty(&w->to_sink);
        queue_empty(&w->from_sink);
        teller_link(&w->teller, false, teller_now(w));
        teller_link(&w->teller, true, teller_now(w));
}

/* ---- time goes on */

static bool lose(struct world *w)
{
        return !w->calm && seed_below(&w->seed, 40) == 0;
}

static void hear_at_hub(struct world *w, struct clerk *o)
{
        struct letter l = queue_take(&o->up);
        struct hub_peer_name name = {.b = {(uint8_t)(o - w->offices), o->incarnation}, .n = 2};
        int times = lose(w) ? 0 : !w->calm && seed_below(&w->seed, 30) == 0 ? 2 : 1;
        for (int i = 0; i < times; i++)
                hub_office(w->hub, hub_now(w), &name, o->code, (const uint8_t *)l.frames[0].v, l.frames[0].n);
        letter_free(&l);
}

static void hear_frames(struct world *w, struct queue *q, bool at_sink)
{
        struct letter l = queue_take(q);
        struct wire_bytes *frames = calloc(l.n, sizeof *frames);
        for (size_t i = 0; i < l.n; i++)
                frames[i] = (struct wire_bytes){(const uint8_t *)l.frames[i].v, l.frames[i].n};
        if (at_sink)
                teller_message(&w->teller, frames, l.n, teller_now(w));
        else
                hub_sink(w->hub, hub_now(w), frames, l.n);
        free(frames);
        letter_free(&l);
}

static bool deliver(struct world *w)
{
        size_t at = (size_t)seed_below(&w->seed, 2 * w->n_offices + 2);
        for (size_t tries = 0; tries < 2 * w->n_offices + 2; tries++, at++) {
                size_t k = at % (2 * w->n_offices + 2);
                struct clerk *o = &w->offices[k / 2 % w->n_offices];
                if (k == 2 * w->n_offices && w->to_sink.n) {
                        hear_frames(w, &w->to_sink, true);
                        return true;
                }
                if (k == 2 * w->n_offices + 1 && w->from_sink.n) {
                        hear_frames(w, &w->from_sink, false);
                        return true;
                }
                if (k < 2 * w->n_offices && k % 2 == 0 && o->up.n) {
                        hear_at_hub(w, o);
                        return true;
                }
                if (k < 2 * w->n_offices && k % 2 == 1 && o->down.n) {
                        struct letter l = queue_take(&o->down);
                        if (!lose(w))
                                office_hear(w, o, &l);
                        letter_free(&l);
                        return true;
                }
        }
        return false;
}

static void pass_time(struct world *w, int64_t ms)
{
        w->now_ms += ms;
        w->clock_us += ms * 1000;
        hub_tick(w->hub, hub_now(w));
        teller_tick(&w->teller, teller_now(w));
        for (size_t i = 0; i < w->n_offices; i++)
                office_step(w, &w->offices[i], (struct uplink_event){.kind = UPLINK_TICK});
}

/* The outbox as it was `back` reports ago: what the office accepted since is gone from its disk. */
static void restore_outbox(struct world *w, struct clerk *o)
{
        uint64_t back = seed_below(&w->seed, o->head + 1);
        o->head -= back;
        if (o->mark > o->head)
                o->mark = o->head;
        struct uplink_start start = start_of(w, o);
        uplink_init(&o->uplink, &start);
        office_link(w, o);
}

static void something_happens(struct world *w)
{
        struct clerk *o = &w->offices[seed_below(&w->seed, w->n_offices)];
        uint64_t dice = seed_below(&w->seed, 1000);
        if (dice < 250)
                office_report(w, o);
        else if (dice < 960)
                deliver(w);
        else if (dice < 975)
                pass_time(w, (int64_t)seed_below(&w->seed, 12000));
        else if (dice < 983)
                office_link(w, o);
        else if (dice < 988)
                sink_link(w);
        else if (dice < 992) {
                hub_begin(w);
                for (size_t i = 0; i < w->n_offices; i++)
                        office_link(w, &w->offices[i]);
                sink_link(w);
        } else if (dice < 996) {
                teller_begin(w);
                sink_link(w);
        } else
                restore_outbox(w, o);
}

static bool drained(struct world *w)
{
        for (size_t i = 0; i < w->n_offices; i++) {
                const struct clerk *o = &w->offices[i];
                if (o->mark != o->head || o->uplink.state != UPLINK_OPEN)
                        return false;
                for (uint64_t k = 0; k < o->head; k++)
                        if (!o->held[k].decided)
                                return false;
        }
        return true;
}

static void heal(struct world *w)
{
        w->calm = true;
        for (size_t i = 0; i < w->n_offices; i++)
                office_link(w, &w->offices[i]);
        for (int i = 0; i < DRAIN && !drained(w); i++)
                if (!deliver(w))
                        pass_time(w, 1000);
        for (size_t i = 0; i < w->n_offices && !drained(w); i++) {
                const struct clerk *o = &w->offices[i];
                uint64_t undecided = 0;
                for (uint64_t k = 0; k < o->head; k++)
                        undecided += !o->held[k].decided;
                print_error("%s: %s turn=%u head=%llu mark=%llu undecided=%llu stop=%s %s\n", o->code,
                            uplink_state_word(o->uplink.state), o->turn, (unsigned long long)o->head,
                            (unsigned long long)o->mark, (unsigned long long)undecided, o->uplink.stop_code,
                            o->uplink.stop_text);
        }
        HOLDS(drained(w));
}

/* ---- the oracle */

static void accepted_reports(struct world *w, struct oracle *oracle, struct arena *a)
{
        sqlite3_stmt *q;
        assert_int_equal(
            sqlite3_prepare_v2(
                w->store.db.handle,
                "SELECT office, dataset, period, action, turn, seq, payload FROM report_ WHERE verdict = 0",
                -1, &q, NULL),
            SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
                struct report r = {.action = (enum action)sqlite3_column_int(q, 3)};
                struct reasons why = {0};
                r.dataset = (uint32_t)catalog_dataset(w->c, (const char *)sqlite3_column_text(q, 1));
                assert_true(period_parse((const char *)sqlite3_column_text(q, 2), &r.period));
                assert_int_equal(payload_read(sqlite3_column_blob(q, 6), (size_t)sqlite3_column_bytes(q, 6),
                                              w->c, r.dataset, a, &r, &why),
                                 PAYLOAD_READ);
                oracle_accept(
                    oracle, (uint32_t)catalog_office(w->c, (const char *)sqlite3_column_text(q, 0)), &r,
                    (struct place){(uint32_t)sqlite3_column_int(q, 4), (uint64_t)sqlite3_column_int64(q, 5)});
                reasons_close(&why);
        }
        sqlite3_finalize(q);
}

static struct cell stored_total(sqlite3_stmt *q, const struct catalog *c, uint32_t indicator, uint32_t region,
                                struct period p)
{
        struct cell cell = {0};
        sqlite3_reset(q);
        sqlite3_bind_text(q, 1, c->indicators[indicator].name, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, c->regions[region].code, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, period_id(p));
        if (sqlite3_step(q) == SQLITE_ROW) {
                unsigned __int128 high = (unsigned __int128)(uint64_t)sqlite3_column_int64(q, 0);
                cell.sum = (__int128)(high << 64 | (uint64_t)sqlite3_column_int64(q, 1));
                cell.facts = (uint64_t)sqlite3_column_int64(q, 2);
                cell.about = (uint64_t)sqlite3_column_int64(q, 3);
                cell.at_least = (uint64_t)sqlite3_column_int64(q, 4);
        }
        return cell;
}

static bool same_figure(const struct cell *a, const struct cell *b)
{
        return a->facts == 0 ? b->facts == 0 : cell_same(a, b);
}

/* Every total of every period that was reported about, and of the periods above it. */
static size_t compare(struct world *w, struct oracle *oracle)
{
        sqlite3_stmt *q;
        size_t n = 0;
        assert_int_equal(sqlite3_prepare_v2(w->store.db.handle,
                                            "SELECT t.high, t.low, t.facts, t.about, t.at_least FROM total_ "
                                            "t JOIN indicator_ i ON i.id = "
                                            "t.indicator JOIN region_ r ON r.id = t.region WHERE i.name = ?1 "
                                            "AND r.code = ?2 AND t.period = ?3",
                                            -1, &q, NULL),
                         SQLITE_OK);
        for (size_t s = 0; s < oracle->n; s++) {
                const struct report *r = &oracle->revisions[s].report;
                const struct dataset *d = &w->c->datasets[r->dataset];
                for (int kind = PERIOD_DAY; kind <= PERIOD_YEAR; kind++) {
                        if (kind != (int)d->every && (kind < PERIOD_MONTH || kind < (int)d->every ||
                                                      !period_rolls_up(d->every, (enum period_kind)kind)))
                                continue;
                        struct period p = kind == (int)d->every
                                              ? r->period
                                              : period_upper(r->period, (enum period_kind)kind);
                        for (size_t f = 0; f < r->n; f++)
                                for (int32_t g = (int32_t)r->facts[f].region; g >= 0;
                                     g = w->c->regions[g].parent) {
                                        if (!w->c->regions[g].children)
                                                continue;
                                        struct cell want =
                                            oracle_total(oracle, r->facts[f].indicator, (uint32_t)g, p);
                                        struct cell have =
                                            stored_total(q, w->c, r->facts[f].indicator, (uint32_t)g, p);
                                        HOLDS(same_figure(&want, &have));
                                        n++;
                                }
                }
        }
        sqlite3_finalize(q);
        return n;
}

static void begin(struct world *w, uint64_t seed, struct catalog *c)
{
        *w = (struct world){
            .seed = seed_from(seed), .c = c, .now_ms = 1000, .clock_us = INT64_C(1678838400000000)};
        snprintf(w->path, sizeof w->path, "/tmp/sumu-law-%d.db", (int)getpid());
        unlink(w->path);
        for (uint32_t i = 0; i < c->n_offices && w->n_offices < OFFICES; i++) {
                struct clerk *o = &w->offices[w->n_offices++];
                uint8_t bytes[32] = {(uint8_t)i, 1};
                o->number = i;
                o->code = c->offices[i].code;
                crypto_sign_seed_keypair(o->sign_public, o->sign_secret, bytes);
                memcpy(o->key, o->sign_public, sizeof o->key);
                o->stream.b[0] = (uint8_t)i;
                o->stream.b[7] = (uint8_t)++w->streams;
        }
        hub_begin(w);
        teller_begin(w);
        for (size_t i = 0; i < w->n_offices; i++) {
                struct uplink_start start = start_of(w, &w->offices[i]);
                uplink_init(&w->offices[i].uplink, &start);
                office_link(w, &w->offices[i]);
        }
        sink_link(w);
}

static void end(struct world *w)
{
        for (size_t i = 0; i < w->n_offices; i++) {
                queue_empty(&w->offices[i].up);
                queue_empty(&w->offices[i].down);
                for (size_t k = 0; k < HELD; k++)
                        text_close(&w->offices[i].held[k].payload);
        }
        queue_empty(&w->to_sink);
        queue_empty(&w->from_sink);
        hub_free(w->hub);
        store_close(&w->store);
        static const char *const tails[] = {"", "-wal", "-shm", ".lock"};
        for (size_t i = 0; i < 4; i++) {
                char path[80];
                snprintf(path, sizeof path, "%s%s", w->path, tails[i]);
                unlink(path);
        }
}

static void run(uint64_t seed, struct catalog *c, int steps)
{
        struct world *w = calloc(1, sizeof *w);
        struct oracle oracle = {.c = c};
        struct arena a = {0};
        begin(w, seed, c);
        for (int i = 0; i < steps; i++)
                something_happens(w);
        heal(w);
        accepted_reports(w, &oracle, &a);
        oracle_settle(&oracle);
        size_t compared = compare(w, &oracle);
        if (getenv("SUMU_TRACE"))
                fprintf(stderr, "seed %llu: accepted=%zu compared=%zu\n", (unsigned long long)seed, oracle.n,
                        compared);
        HOLDS(oracle.n > 20 && compared > 100);
        oracle_close(&oracle);
        arena_close(&a);
        end(w);
        free(w);
}

struct setting { /* the oracle is slow where regions are many */
        const char *folder;
        uint64_t seeds;
        int steps;
};

static void exactly_once(void **state)
{
        const struct setting *s = *state;
        struct catalog *c = folder_catalog(s->folder);
        const char *one = getenv("SUMU_SEED"), *many = getenv("SUMU_SEEDS");
        uint64_t n = many ? strtoull(many, NULL, 10) : s->seeds;
        for (uint64_t i = 0; i < (one ? 1 : n); i++) {
                char text[32];
                snprintf(text, sizeof text, "%llu",
                         (unsigned long long)(one ? strtoull(one, NULL, 10) : 1 + i));
                setenv("SUMU_SEED", text, 1); /* a failing law names it */
                run(strtoull(text, NULL, 10), c, s->steps);
        }
        if (!one)
                unsetenv("SUMU_SEED");
        catalog_free(c);
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
        static struct setting atoll = {"tests/catalogs/atoll", 30, 1500},
                              neimenggu = {"catalog/neimenggu", 1, 500};
        const struct CMUnitTest tests[] = {
            {"on the atoll", exactly_once, NULL, NULL, &atoll},
            {"in Inner Mongolia", exactly_once, NULL, NULL, &neimenggu},
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
