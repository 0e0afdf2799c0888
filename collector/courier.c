#include "collector/courier.h"

#include "base/check.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_MOST = 64 * 1024 * 1024 }; /* of a catalogue */

/* ---- to HQ */

static bool send_text(struct courier *l, const struct text *t)
{
        bool gone = !text_failed(t) && l->host.send(l->host.ctx, t->v, t->n);
        l->counts.sent += gone;
        return gone;
}

/* What does not go out is asked again when the machine's patience ends. */
static void tell_hq(struct courier *l, const struct wire_message *m)
{
        struct text bytes = {0};
        wire_write(m, &bytes);
        send_text(l, &bytes);
        text_close(&bytes);
}

/* ---- what is kept */

static void trouble(struct courier *l, const struct err *e)
{
        l->host.disk(l->host.ctx, e);
}

static bool begin(struct courier *l)
{
        struct err e;
        if (outbox_begin(l->outbox, &e) == 0)
                return true;
        trouble(l, &e);
        l->resync = true;
        return false;
}

/* Commits what went well (code 0) and gives up what did not. */
static bool conclude(struct courier *l, int code, struct err *e)
{
        if (code == 0)
                code = outbox_commit(l->outbox, e);
        else
                outbox_abandon(l->outbox);
        l->host.disk(l->host.ctx, code == 0 ? NULL : e);
        l->resync |= code != 0;
        return code == 0;
}

static int by_form(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

static void count_verdict(struct courier *l, const struct wire_verdict *v)
{
        char about[96];
        l->counts.verdicts[v->verdict]++;
        if (v->verdict != REJECTED)
                return;
        snprintf(about, sizeof about, "seq %" PRIu64 ": %s", v->seq,
                 v->n_reasons ? reason_name(v->reasons[0].code) : "");
        l->host.note(l->host.ctx, "HQ rejected a report", about);
}

/* All verdicts, then each form they touched is settled once. */
static int keep_verdicts(struct courier *l, const struct wire_verdicts *w, int64_t now_us, struct err *e)
{
        int64_t *forms = malloc((w->n + 1) * sizeof *forms);
        size_t n = 0;
        int code = 0;
        if (!forms)
                return err_set(e, E_MEM, "out of memory");
        for (size_t i = 0; code >= 0 && i < w->n; i++) {
                code = outbox_keep_verdict(l->outbox, w->stream, &w->v[i], now_us, &forms[n], e);
                if (code == 1) {
                        count_verdict(l, &w->v[i]);
                        n++;
                }
        }
        if (n > 0)
                qsort(forms, n, sizeof *forms, by_form);
        for (size_t i = 0; code >= 0 && l->catalog && i < n; i++)
                if (i == 0 || forms[i] != forms[i - 1])
                        code = ledger_settle(l->outbox, l->catalog, forms[i], e);
        free(forms);
        return code < 0 ? code : 0;
}

static void keep(struct courier *l, const struct uplink_todo *todo, int64_t now_us)
{
        struct err e;
        int code = 0;
        if (!begin(l))
                return;
        if (todo->keep_turn)
                outbox_keep_turn(l->outbox, l->uplink.turn);
        if (todo->keep_mark)
                code = outbox_keep_mark(l->outbox, l->uplink.mark, l->mark_version, l->mark_clock_us, now_us,
                                        &e);
        if (code == 0 && todo->keep_verdicts)
                code = keep_verdicts(l, todo->keep_verdicts, now_us, &e);
        if (conclude(l, code, &e) && todo->keep_verdicts)
                l->host.judged(l->host.ctx);
}

static bool speaks_of_older(const struct courier *l)
{
        return l->outbox->older.number != 0;
}

/* HQ has told of a later stream, or that there is none (rule 8). Believed where its mark is ours: an outbox
 * that is about to fork will be the last. */
static void keep_passed(struct courier *l)
{
        struct err e;
        bool passed = !uplink_is_last(&l->uplink);
        if (speaks_of_older(l) || l->uplink.state != UPLINK_OPEN || passed == l->outbox->now.passed ||
            !begin(l))
                return;
        outbox_keep_passed(l->outbox, passed);
        conclude(l, 0, &e);
}

/* ---- HQ's catalogue */

static void keep_piece(struct courier *l, const struct wire_piece *p)
{
        if (p->offset == 0)
                text_clear(&l->pieces);
        if (p->offset == l->pieces.n && p->size <= PACK_MOST)
                text_bytes(&l->pieces, p->bytes.p, p->bytes.n);
}

/* The catalogue the pieces make, if it is the one that was wanted and can be read. */
static struct catalog *assembled(struct courier *l)
{
        uint8_t digest[CATALOG_DIGEST];
        struct faults faults = {0};
        struct catalog *next = NULL;
        crypto_generichash(digest, sizeof digest, (const uint8_t *)text_c(&l->pieces), l->pieces.n, NULL, 0);
        if (!text_failed(&l->pieces) && memcmp(digest, l->uplink.wanted_catalog, sizeof digest) == 0)
                next = catalog_unpack(l->pieces.v, l->pieces.n, &faults);
        faults_close(&faults);
        return next;
}

static bool keep_catalog(struct courier *l, const struct catalog *next)
{
        struct err e;
        return begin(l) &&
               conclude(l, outbox_catalog_keep(l->outbox, next->digest, l->pieces.v, l->pieces.n, &e), &e);
}

/* false: the disk refused, so HQ will be asked again. */
static bool take_catalog(struct courier *l)
{
        struct catalog *next = assembled(l);
        bool done = !next || keep_catalog(l, next);
        text_close(&l->pieces);
        if (!done) {
                catalog_free(next);
                return false;
        }
        if (next)
                l->catalog = next;
        l->host.catalog(l->host.ctx, &next);
        return true;
}

/* ---- streams */

/* The verdicts that are not held: of the newest stream first, then of older ones; 0 when the disk refuses. */
static size_t wanted(struct courier *l, const struct wire_wanted **w)
{
        struct err e;
        size_t n;
        arena_reset(&l->scratch);
        if (outbox_wanted(l->outbox, &l->scratch, w, &n, &e) == 0)
                return n;
        trouble(l, &e);
        return 0;
}

static void describe_start(struct courier *l, struct uplink_start *s)
{
        const struct wire_wanted *w;
        size_t n = wanted(l, &w);
        int64_t oldest, number = l->outbox->older.number;
        struct err e;
        *s = (struct uplink_start){.decided = n > 0 ? w[0].from - 1 : 0, .older_wait = n > 1};
        outbox_start(l->outbox, s);
        if (s->closed) {
                s->decided = s->head.seq;
                s->older_wait = false;
        }
        s->older_held = outbox_older(l->outbox, 0, &oldest, &e) == 1 && oldest != number;
        s->has_catalog = l->catalog;
        if (l->catalog)
                memcpy(s->catalog, l->catalog->digest, sizeof s->catalog);
}

/* The oldest stream after `number` that holds reports is spoken of; the newest, if there is none. */
static void speak_of_next(struct courier *l, int64_t number)
{
        struct err e;
        int64_t next = 0;
        int code = outbox_older(l->outbox, number, &next, &e);
        if (code >= 0)
                code = outbox_speak_of(l->outbox, next, &e);
        if (code < 0)
                trouble(l, &e);
}

/* false: the disk did not let us; the conversation begins again later. */
static bool open_stream(struct courier *l, uint64_t after, int64_t now_us)
{
        struct err e;
        char text[2 * STREAM_ID + 1];
        if (!begin(l) || !conclude(l, outbox_fork(l->outbox, after, now_us, &e), &e))
                return false;
        l->counts.forks++;
        stream_text(l->outbox->now.stream, text);
        l->host.note(l->host.ctx, "a new stream begins", text);
        return true;
}

/* ---- what is said */

static void greet(struct courier *l, int64_t now_us)
{
        struct wire_message m = {.kind = WIRE_GREETING};
        struct wire_greeting *g = &m.greeting;
        const struct uplink *u = &l->uplink;
        *g = (struct wire_greeting){.office = u->office,
                                    .stream = u->stream,
                                    .turn = u->turn,
                                    .head = u->head.seq,
                                    .floor = u->floor.seq,
                                    .floor_hash = u->floor.hash,
                                    .has_catalog = u->has_catalog,
                                    .clock_us = now_us,
                                    .version = l->outbox->now.version,
                                    .program = "sumu-collector " SUMU_VERSION};
        memcpy(g->catalog, u->catalog, sizeof g->catalog);
        g->n_wanted = wanted(l, &g->wanted);
        if (g->n_wanted > 0)
                tell_hq(l, &m);
}

static struct uplink_event look_up(struct courier *l, uint64_t seq)
{
        struct err e;
        struct uplink_event ev = {.kind = UPLINK_LOOKED_UP, .point = {.seq = seq}};
        int code = outbox_hash(l->outbox, seq, &ev.point.hash, &e);
        if (code < 0)
                trouble(l, &e);
        ev.known = code == 1;
        return ev;
}

static void ask_hash(struct courier *l, uint64_t seq)
{
        tell_hq(l, &(struct wire_message){
                       .kind = WIRE_HASH_ASK,
                       .hash = {.office = l->uplink.office, .stream = l->uplink.stream, .seq = seq}});
}

static void ask_verdicts(struct courier *l, struct wire_wanted of)
{
        tell_hq(l, &(struct wire_message){
                       .kind = WIRE_VERDICTS_ASK,
                       .verdicts_ask = {.office = l->uplink.office, .stream = of.stream, .from = of.from}});
}

/* false: no older stream waits. */
static bool ask_older(struct courier *l)
{
        const struct wire_wanted *w;
        size_t n = wanted(l, &w);
        for (size_t i = 1; i < n; i++)
                ask_verdicts(l, w[i]);
        return n != 1;
}

static void ask_catalog(struct courier *l)
{
        struct wire_message m = {.kind = WIRE_CATALOG_ASK, .catalog_ask = {.offset = l->uplink.fetched}};
        memcpy(m.catalog_ask.digest, l->uplink.wanted_catalog, sizeof m.catalog_ask.digest);
        tell_hq(l, &m);
}

/* One message of reports, signed at its head; false: there is none. */
static bool write_batch(struct courier *l, const struct uplink_todo *todo, struct text *out,
                        struct point *head)
{
        struct err e;
        struct wire_message m = {.kind = WIRE_BATCH};
        arena_reset(&l->scratch);
        int code =
            outbox_batch(l->outbox, todo->send_after, todo->send_bytes, &l->scratch, &m.batch, head, &e);
        if (code < 0)
                trouble(l, &e);
        if (code < 0 || m.batch.n == 0)
                return false;
        chain_sign(l->uplink.office, m.batch.stream, head->seq, head->hash, l->keys->sign_secret,
                   m.batch.signature);
        memcpy(m.batch.key, l->keys->sign_id, sizeof m.batch.key);
        wire_write(&m, out);
        return true;
}

static struct uplink_event send_reports(struct courier *l, const struct uplink_todo *todo)
{
        struct uplink_event ev = {.kind = UPLINK_SENT};
        struct text bytes = {0};
        struct point head = {0};
        if (write_batch(l, todo, &bytes, &head) && send_text(l, &bytes)) {
                ev.seq = head.seq;
                ev.bytes = bytes.n;
                outbox_note_sent(l->outbox, head.seq);
        }
        text_close(&bytes);
        return ev;
}

/* ---- the machine */

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

static struct uplink_event stream_opened(struct courier *l, struct events *q)
{
        describe_start(l, &q->start);
        return (struct uplink_event){.kind = UPLINK_STREAM_OPENED, .start = &q->start};
}

static struct uplink_event catalog_kept(const uint8_t *digest)
{
        return (struct uplink_event){.kind = UPLINK_CATALOG_KEPT, .catalog = digest};
}

/* In the order of struct uplink_todo. */
static void perform(struct courier *l, const struct uplink_todo *todo, struct events *q, int64_t now_us)
{
        if (todo->log)
                l->host.note(l->host.ctx, todo->log, uplink_state_word(l->uplink.state));
        if (todo->mark_clock_us) {
                l->mark_clock_us = todo->mark_clock_us;
                l->mark_version = todo->mark_version;
        }
        if (todo->keep_turn || todo->keep_mark || todo->keep_verdicts)
                keep(l, todo, now_us);
        if (todo->keep_piece)
                keep_piece(l, todo->keep_piece);
        if (todo->catalog_complete && take_catalog(l))
                events_add(q, catalog_kept(l->uplink.wanted_catalog));
        if (todo->fork && open_stream(l, todo->fork_after, now_us))
                events_add(q, stream_opened(l, q));
        if (todo->review || todo->next) {
                speak_of_next(l, todo->next ? l->outbox->older.number : 0);
                events_add(q, stream_opened(l, q));
        }
        if (todo->greet)
                greet(l, now_us);
        if (todo->look_up)
                events_add(q, look_up(l, todo->look_up_seq));
        if (todo->ask_hash)
                ask_hash(l, todo->ask_seq);
        if (todo->ask_verdicts)
                ask_verdicts(l, todo->verdicts_of);
        if (todo->ask_older && !ask_older(l))
                events_add(q, (struct uplink_event){.kind = UPLINK_OLDER_DECIDED});
        if (todo->ask_catalog)
                ask_catalog(l);
        if (todo->send)
                events_add(q, send_reports(l, todo));
}

static void run(struct courier *l, struct events *q, struct courier_time now)
{
        struct uplink_todo todo;
        while (q->n > 0) {
                struct uplink_event ev = events_next(q);
                ev.now_ms = now.mono_ms;
                uplink_step(&l->uplink, &ev, &todo);
                perform(l, &todo, q, now.clock_us);
        }
        keep_passed(l);
}

static void step(struct courier *l, struct uplink_event ev, struct courier_time now)
{
        struct events q = {0};
        events_add(&q, ev);
        run(l, &q, now);
}

/* ---- from outside */

static void start_machine(struct courier *l)
{
        struct uplink_start s;
        describe_start(l, &s);
        uplink_init(&l->uplink, &s);
}

void courier_init(struct courier *l, const struct courier_host *host, struct outbox *outbox,
                  const struct keys *keys, const struct catalog *catalog)
{
        *l = (struct courier){.host = *host, .outbox = outbox, .keys = keys, .catalog = catalog};
        arena_init(&l->message, 2 * (size_t)WIRE_ARENA);
        start_machine(l);
}

void courier_close(struct courier *l)
{
        text_close(&l->pieces);
        arena_close(&l->message);
        arena_close(&l->scratch);
        *l = (struct courier){0};
}

void courier_link(struct courier *l, bool up, struct courier_time now)
{
        struct events q = {0};
        if (up) {
                /* What the machine has heard and the disk has not kept is to be heard again. */
                if (l->resync)
                        start_machine(l);
                l->resync = false;
                speak_of_next(l, 0);
                events_add(&q, stream_opened(l, &q));
        }
        events_add(&q, (struct uplink_event){.kind = up ? UPLINK_LINK_UP : UPLINK_LINK_DOWN});
        run(l, &q, now);
}

void courier_message(struct courier *l, const struct wire_bytes *frames, size_t n, struct courier_time now)
{
        struct wire_message m;
        struct err e;
        l->counts.received++;
        l->heard_ms = now.mono_ms;
        arena_reset(&l->message);
        if (n != 1 || wire_read(frames[0].p, frames[0].n, &l->message, &m, &e) < 0) {
                l->counts.dropped++;
                l->host.note(l->host.ctx, "a message of HQ cannot be read",
                             n == 1 ? e.text : "it has not one frame");
                return;
        }
        if (m.kind == WIRE_WELCOME)
                l->hq_ahead_us = m.welcome.mark.clock_us - now.clock_us;
        else if (m.kind == WIRE_MARK)
                l->hq_ahead_us = m.mark.clock_us - now.clock_us;
        step(l, (struct uplink_event){.kind = UPLINK_MESSAGE, .message = &m}, now);
}

void courier_tick(struct courier *l, struct courier_time now)
{
        step(l, (struct uplink_event){.kind = UPLINK_TICK}, now);
}

int64_t courier_deadline(const struct courier *l)
{
        return uplink_deadline(&l->uplink);
}

void courier_grew(struct courier *l, struct courier_time now)
{
        if (!speaks_of_older(l)) /* else the machine hears of it when it comes to the newest */
                step(l, (struct uplink_event){.kind = UPLINK_GREW, .point = l->outbox->now.head}, now);
}

void courier_use_catalog(struct courier *l, const struct catalog *catalog, struct courier_time now)
{
        l->catalog = catalog;
        step(l, catalog_kept(catalog->digest), now);
}

bool courier_trim(struct courier *l, int64_t keep_us, struct courier_time now)
{
        struct err e;
        /* Where a mark of HQ could not be kept, its word has to come again before anything goes. */
        if (speaks_of_older(l) || l->uplink.mark.seq != l->outbox->now.mark.seq || !begin(l))
                return false;
        uint64_t floor = l->outbox->now.floor.seq;
        int more = l->catalog ? ledger_catch_up(l->outbox, l->catalog, &e) : 0, code = more;
        if (code >= 0) {
                code = outbox_trim(l->outbox, now.clock_us, keep_us, &e);
                more |= code;
        }
        if (!conclude(l, code < 0 ? code : 0, &e))
                return false;
        if (l->outbox->now.floor.seq != floor)
                step(l, (struct uplink_event){.kind = UPLINK_TRIMMED, .point = l->outbox->now.floor}, now);
        return more == 1;
}

bool courier_take_over(struct courier *l, struct courier_time now)
{
        const struct outbox_now *n = &l->outbox->now;
        struct events q = {0};
        if (speaks_of_older(l))
                return false;
        if (n->turn == 0 && !n->passed)
                return true; /* HQ has never heard of this stream: it will be the last */
        if (n->mark.seq != n->head.seq || !open_stream(l, n->head.seq, now.clock_us))
                return false;
        events_add(&q, stream_opened(l, &q));
        run(l, &q, now);
        return true;
}
