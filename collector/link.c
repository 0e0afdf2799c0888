#include "collector/link.h"

#include "base/check.h"
#include "base/log.h"
#include "collector/collector.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_MOST = 64 * 1024 * 1024 }; /* of a catalogue */

static void tell_hq(struct collector *c, const struct wire_message *m)
{
        struct text bytes = {0};
        wire_write(m, &bytes);
        struct zframe frame = {(const uint8_t *)bytes.v, bytes.n};
        /* What does not go out is asked again when the machine's patience ends. */
        if (!text_failed(&bytes) && zpoll_send(c->link, NULL, 0, &frame, 1) == 0)
                c->counts[METRIC_SENT]++;
        text_close(&bytes);
}

static int by_form(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

static void count_verdict(struct collector *c, const struct wire_verdict *v)
{
        static const enum collector_metric metric[] = {
            [ACCEPTED] = METRIC_ACCEPTED, [SUPERSEDED] = METRIC_SUPERSEDED, [REJECTED] = METRIC_REJECTED};
        c->counts[metric[v->verdict]]++;
        if (v->verdict != REJECTED)
                return;
        char seq[24];
        snprintf(seq, sizeof seq, "%" PRIu64, v->seq);
        log_warn("HQ rejected a report", "seq", seq, "why",
                 v->n_reasons ? reason_name(v->reasons[0].code) : "", NULL);
}

/* All verdicts, then each form they touched is settled once. */
static int keep_verdicts(struct collector *c, const struct wire_verdicts *w, struct err *e)
{
        int64_t *forms = malloc((w->n + 1) * sizeof *forms), now_us = clock_us();
        size_t n = 0;
        int code = 0;
        if (!forms)
                return err_set(e, E_MEM, "out of memory");
        for (size_t i = 0; code >= 0 && i < w->n; i++) {
                code = outbox_keep_verdict(&c->outbox, w->stream, &w->v[i], now_us, &forms[n], e);
                if (code == 1) {
                        count_verdict(c, &w->v[i]);
                        n++;
                }
        }
        if (n > 0)
                qsort(forms, n, sizeof *forms, by_form);
        for (size_t i = 0; code >= 0 && c->catalog && i < n; i++)
                if (i == 0 || forms[i] != forms[i - 1])
                        code = ledger_settle(&c->outbox, c->catalog, forms[i], e);
        free(forms);
        return code < 0 ? code : 0;
}

static void keep(struct collector *c, const struct uplink_todo *todo)
{
        struct err e;
        if (collector_begin(c, &e) < 0) {
                c->resync = true;
                return;
        }
        int code = 0;
        if (todo->keep_turn)
                outbox_keep_turn(&c->outbox, c->uplink.turn);
        if (todo->keep_mark)
                code = outbox_keep_mark(&c->outbox, c->uplink.mark, c->hq_version, c->hq_clock_us, clock_us(),
                                        &e);
        if (code == 0 && todo->keep_verdicts)
                code = keep_verdicts(c, todo->keep_verdicts, &e);
        if (collector_conclude(c, code, &e) == 0 && todo->keep_verdicts && c->inbox)
                inbox_tell(c->inbox, &c->outbox);
}

static void keep_piece(struct collector *c, const struct wire_piece *p)
{
        if (p->offset == 0)
                text_clear(&c->pieces);
        if (p->offset == c->pieces.n && p->size <= PACK_MOST)
                text_bytes(&c->pieces, p->bytes.p, p->bytes.n);
}

/* The catalogue the pieces make, if it is the one that was wanted and can be read. */
static struct catalog *assembled(struct collector *c)
{
        uint8_t digest[CATALOG_DIGEST];
        struct faults faults = {0};
        struct catalog *next = NULL;
        crypto_generichash(digest, sizeof digest, (const uint8_t *)text_c(&c->pieces), c->pieces.n, NULL, 0);
        if (!text_failed(&c->pieces) && memcmp(digest, c->uplink.wanted_catalog, sizeof digest) == 0)
                next = catalog_unpack(c->pieces.v, c->pieces.n, &faults);
        faults_close(&faults);
        return next;
}

static struct uplink_event take_catalog(struct collector *c)
{
        struct err e;
        struct catalog *next = assembled(c);
        bool kept = false;
        if (next && collector_begin(c, &e) == 0)
                kept = collector_conclude(
                           c, outbox_catalog_keep(&c->outbox, next->digest, c->pieces.v, c->pieces.n, &e),
                           &e) == 0;
        text_close(&c->pieces);
        if (kept) {
                collector_use_catalog(c, next, true);
                health_clear(c->health, "hq-catalog");
                collector_look_soon(c);
        } else {
                catalog_free(next);
                log_error("HQ's catalogue cannot be used; the old one stays", NULL);
                health_raise(c->health, HEALTH_FAILING, "hq-catalog",
                             "HQ's catalogue cannot be read by this version");
        }
        return (struct uplink_event){
            .kind = UPLINK_CATALOG_KEPT, .catalog = c->uplink.wanted_catalog, .known = kept};
}

/* Up to which report of this stream all verdicts are kept. */
static uint64_t decided(struct collector *c)
{
        struct arena a = {0};
        struct err e;
        const struct wire_wanted *w;
        size_t n;
        uint64_t upto = 0;
        if (outbox_wanted(&c->outbox, &a, &w, &n, &e) < 0)
                collector_trouble(c, &e);
        else
                for (size_t i = 0; i < n; i++)
                        if (stream_same(w[i].stream, c->outbox.now.stream))
                                upto = w[i].from - 1;
        arena_close(&a);
        return upto;
}

static void describe_start(struct collector *c, struct uplink_start *s)
{
        *s = (struct uplink_start){0};
        outbox_start(&c->outbox, s);
        s->has_catalog = c->catalog;
        if (c->catalog)
                memcpy(s->catalog, c->catalog->digest, sizeof s->catalog);
        s->decided = decided(c);
}

/* false: the disk did not let us; the conversation begins again later. */
static bool open_stream(struct collector *c, uint64_t after)
{
        struct err e;
        char text[2 * STREAM_ID + 1];
        if (collector_begin(c, &e) < 0 ||
            collector_conclude(c, outbox_fork(&c->outbox, after, clock_us(), &e), &e) < 0)
                return false;
        c->counts[METRIC_FORKS]++;
        stream_text(c->outbox.now.stream, text);
        log_warn("a new stream begins", "stream", text, NULL);
        return true;
}

static void greet(struct collector *c)
{
        struct arena a = {0};
        struct err e;
        struct wire_message m = {.kind = WIRE_GREETING};
        struct wire_greeting *g = &m.greeting;
        const struct uplink *u = &c->uplink;
        *g = (struct wire_greeting){.office = u->office,
                                    .stream = u->stream,
                                    .turn = u->turn,
                                    .head = u->head.seq,
                                    .floor = u->floor.seq,
                                    .floor_hash = u->floor.hash,
                                    .has_catalog = u->has_catalog,
                                    .clock_us = clock_us(),
                                    .version = c->outbox.now.version,
                                    .program = "sumu-collector " SUMU_VERSION};
        memcpy(g->catalog, u->catalog, sizeof g->catalog);
        if (outbox_wanted(&c->outbox, &a, &g->wanted, &g->n_wanted, &e) < 0)
                collector_trouble(c, &e);
        else
                tell_hq(c, &m);
        arena_close(&a);
}

static struct uplink_event look_up(struct collector *c, uint64_t seq)
{
        struct err e;
        struct uplink_event ev = {.kind = UPLINK_LOOKED_UP, .point = {.seq = seq}};
        int code = outbox_hash(&c->outbox, seq, &ev.point.hash, &e);
        if (code < 0)
                collector_trouble(c, &e);
        ev.known = code == 1;
        return ev;
}

static void ask_hash(struct collector *c, uint64_t seq)
{
        tell_hq(c, &(struct wire_message){
                       .kind = WIRE_HASH_ASK,
                       .hash = {.office = c->uplink.office, .stream = c->uplink.stream, .seq = seq}});
}

static void ask_verdicts(struct collector *c)
{
        const struct uplink *u = &c->uplink;
        tell_hq(c, &(struct wire_message){
                       .kind = WIRE_VERDICTS_ASK,
                       .verdicts_ask = {.office = u->office, .stream = u->stream, .from = u->decided + 1}});
}

static void ask_catalog(struct collector *c)
{
        struct wire_message m = {.kind = WIRE_CATALOG_ASK, .catalog_ask = {.offset = c->uplink.fetched}};
        memcpy(m.catalog_ask.digest, c->uplink.wanted_catalog, sizeof m.catalog_ask.digest);
        tell_hq(c, &m);
}

static int write_batch(struct collector *c, const struct uplink_todo *todo, struct text *out,
                       struct point *head)
{
        struct arena a = {0};
        struct err e;
        struct wire_message m = {.kind = WIRE_BATCH};
        int code = outbox_batch(&c->outbox, todo->send_after, todo->send_bytes, &a, &m.batch, head, &e);
        if (code < 0)
                collector_trouble(c, &e);
        if (code == 0 && m.batch.n > 0) {
                chain_sign(c->uplink.office, m.batch.stream, head->seq, head->hash, c->keys.sign_secret,
                           m.batch.signature);
                memcpy(m.batch.key, c->keys.sign_id, sizeof m.batch.key);
                wire_write(&m, out);
        }
        arena_close(&a);
        return code == 0 && m.batch.n > 0 && !text_failed(out) ? 0 : -1;
}

static struct uplink_event send_reports(struct collector *c, const struct uplink_todo *todo)
{
        struct uplink_event ev = {.kind = UPLINK_SENT};
        struct text bytes = {0};
        struct point head = {0};
        if (write_batch(c, todo, &bytes, &head) == 0) {
                struct zframe frame = {(const uint8_t *)bytes.v, bytes.n};
                if (zpoll_send(c->link, NULL, 0, &frame, 1) == 0) {
                        ev.seq = head.seq;
                        ev.bytes = bytes.n;
                        outbox_note_sent(&c->outbox, head.seq);
                        c->counts[METRIC_SENT]++;
                }
        }
        text_close(&bytes);
        return ev;
}

/* Events to come, in the order of what caused them. */
struct events {
        struct uplink_event v[8];
        size_t n;
        struct uplink_start start; /* of STREAM_OPENED */
};

static void events_add(struct events *q, struct uplink_event ev)
{
        PRE(q->n < sizeof q->v / sizeof *q->v);
        q->v[q->n++] = ev;
}

static struct uplink_event events_next(struct events *q)
{
        struct uplink_event first = q->v[0];
        memmove(q->v, q->v + 1, --q->n * sizeof *q->v);
        return first;
}

static struct uplink_event stream_opened(struct collector *c, struct events *q)
{
        describe_start(c, &q->start);
        return (struct uplink_event){.kind = UPLINK_STREAM_OPENED, .start = &q->start};
}

/* In the order of struct uplink_todo. */
static void perform(struct collector *c, const struct uplink_todo *todo, struct events *q)
{
        if (todo->log)
                log_warn("uplink", "state", uplink_state_word(c->uplink.state), "says", todo->log, NULL);
        if (todo->mark_clock_us) {
                c->hq_clock_us = todo->mark_clock_us;
                c->hq_version = todo->mark_version;
        }
        if (todo->keep_turn || todo->keep_mark || todo->keep_verdicts)
                keep(c, todo);
        if (todo->keep_piece)
                keep_piece(c, todo->keep_piece);
        if (todo->catalog_complete)
                events_add(q, take_catalog(c));
        if (todo->fork && open_stream(c, todo->fork_after))
                events_add(q, stream_opened(c, q));
        if (todo->greet)
                greet(c);
        if (todo->look_up)
                events_add(q, look_up(c, todo->look_up_seq));
        if (todo->ask_hash)
                ask_hash(c, todo->ask_seq);
        if (todo->ask_verdicts)
                ask_verdicts(c);
        if (todo->ask_catalog)
                ask_catalog(c);
        if (todo->send)
                events_add(q, send_reports(c, todo));
}

/* HQ has told of a later stream, or that there is none (rule 8). */
static void keep_passed(struct collector *c)
{
        struct err e;
        bool passed = !uplink_is_last(&c->uplink);
        if (c->uplink.last_turn == 0 || passed == c->outbox.now.passed || collector_begin(c, &e) < 0)
                return;
        outbox_keep_passed(&c->outbox, passed);
        collector_conclude(c, 0, &e);
}

void link_step(struct collector *c, struct uplink_event ev)
{
        struct events q = {0};
        struct uplink_todo todo;
        events_add(&q, ev);
        while (q.n > 0 && !c->stopping) {
                ev = events_next(&q);
                ev.now_ms = clock_monotonic_ms();
                uplink_step(&c->uplink, &ev, &todo);
                perform(c, &todo, &q);
        }
        if (c->stopping)
                return;
        keep_passed(c);
        collector_arm(c);
}

bool link_open_stream(struct collector *c, uint64_t after)
{
        struct events q = {0};
        if (!open_stream(c, after))
                return false;
        link_step(c, stream_opened(c, &q));
        return true;
}

/* ---- the connection */

static void on_message(void *ctx, const struct zmessage *m)
{
        struct collector *c = ctx;
        struct wire_message message;
        struct err e;
        c->counts[METRIC_RECEIVED]++;
        c->heard_ms = clock_monotonic_ms();
        arena_reset(&c->message);
        if (m->n != 1 || wire_read(m->frames[0].bytes, m->frames[0].n, &c->message, &message, &e) < 0) {
                c->counts[METRIC_DROPPED]++;
                log_warn("a message of HQ cannot be read", "why", m->n == 1 ? e.text : "more than one frame",
                         NULL);
                return;
        }
        if (message.kind == WIRE_WELCOME)
                c->hq_ahead_us = message.welcome.mark.clock_us - clock_us();
        else if (message.kind == WIRE_MARK)
                c->hq_ahead_us = message.mark.clock_us - clock_us();
        link_step(c, (struct uplink_event){.kind = UPLINK_MESSAGE, .message = &message});
}

static void on_link(void *ctx, enum zlink what)
{
        struct collector *c = ctx;
        log_info(what == ZLINK_UP ? "connected to HQ" : "HQ is away", NULL);
        link_step(c, (struct uplink_event){.kind = what == ZLINK_UP ? UPLINK_LINK_UP : UPLINK_LINK_DOWN});
}

static int connect_hq(struct collector *c, struct err *e)
{
        struct zcurve curve = {.public_key = c->keys.curve_public,
                               .secret_key = c->keys.curve_secret,
                               .server_key = c->keys.aggregator};
        return zpoll_dealer(&c->link, &c->loop, c->zmq, config_text(c->config, "aggregator"), &curve,
                            on_message, on_link, c, e);
}

int link_renew(struct collector *c, struct err *e)
{
        zpoll_close(c->link, NULL, NULL);
        c->link = NULL;
        link_step(c, (struct uplink_event){.kind = UPLINK_LINK_DOWN});
        return connect_hq(c, e);
}

int link_open(struct collector *c, struct err *e)
{
        struct uplink_start s;
        describe_start(c, &s);
        uplink_init(&c->uplink, &s);
        arena_init(&c->message, 2 * (size_t)WIRE_ARENA);
        c->zmq = zpoll_context(e);
        return c->zmq ? connect_hq(c, e) : E_IO;
}
