#include "collector/collector.h"

#include "base/check.h"
#include "base/log.h"
#include "collector/api.h"
#include "collector/ledger.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

const struct config_key collector_keys[] = {
#define KEY(path, type, required, otherwise, choices, en, zh) \
        {path, CONFIG_##type, required, otherwise, choices, en, zh},
#include "collector/keys.def"
#undef KEY
    {0}};

const struct metric collector_metrics[] = {
#define METRIC(field, name, type, help) {name, type, help},
#include "collector/metrics.def"
#undef METRIC
};

enum {
        CHORES_MS = 1000,
        TEND_MS = 60 * 1000, /* trim, and checkpoint what is left */
        CLEAN_MS = 3600 * 1000,
        HINT_MS = 100,
        RESYNC_MS = 5000,
        ANSWERS_MS = 30 * 1000, /* a peer that said something within it answers */
        BACKLOG_MS = 60 * 1000, /* CONTRACT.md: a backlog that does not shrink */
        PACK_MOST = 64 * 1024 * 1024,
};
static const int64_t clocks_apart_us = INT64_C(5) * 60 * 1000 * 1000;
static const int64_t day_us = INT64_C(86400) * 1000 * 1000;

static void stop(void *ctx);
static void step(struct collector *c, struct uplink_event ev);
static void arm(struct collector *c);
static void look_soon(struct collector *c);

/* ---- transactions */

void collector_trouble(struct collector *c, const struct err *e)
{
        if (!c->troubled || outbox_broken(&c->outbox))
                log_error("the outbox refuses", "why", e->text, NULL);
        c->troubled = true;
        health_raise(c->health, HEALTH_FAILING, "disk", e->text);
        if (!outbox_broken(&c->outbox))
                return;
        c->status = DAEMON_BROKEN;
        stop(c);
}

int collector_begin(struct collector *c, struct err *e)
{
        int code = outbox_begin(&c->outbox, e);
        if (code < 0)
                collector_trouble(c, e);
        return code;
}

int collector_commit(struct collector *c, struct err *e)
{
        int code = outbox_commit(&c->outbox, e);
        if (code < 0) {
                collector_trouble(c, e);
        } else if (c->troubled) {
                c->troubled = false;
                health_clear(c->health, "disk");
                log_info("the outbox takes again", NULL);
        }
        return code;
}

/* Ends a transaction: commits if all went well, else gives it up. What HQ said in it has to be said again. */
static int conclude(struct collector *c, int code, struct err *e)
{
        if (code == 0) {
                code = collector_commit(c, e);
        } else {
                outbox_abandon(&c->outbox);
                collector_trouble(c, e);
        }
        if (code < 0)
                c->resync = true;
        return code;
}

/* ---- catalogue */

static void office_health(struct collector *c)
{
        char sentence[160];
        if (!c->catalog)
                snprintf(sentence, sizeof sentence,
                         "no catalogue yet: it comes with the first contact with HQ");
        else if (c->office < 0)
                snprintf(sentence, sizeof sentence, "the catalogue does not know office %s",
                         c->outbox.office);
        else if (!clock_zone_known(c->catalog->timezone))
                snprintf(sentence, sizeof sentence, "the time zone %s of the catalogue is not known here",
                         c->catalog->timezone);
        else {
                health_clear(c->health, "catalog");
                return;
        }
        health_raise(c->health, HEALTH_FAILING, "catalog", sentence);
}

static void use_catalog(struct collector *c, struct catalog *next, bool hqs)
{
        catalog_free(c->catalog);
        c->catalog = next;
        c->catalog_is_hqs = hqs;
        c->office = catalog_office(next, c->outbox.office);
        office_health(c);
        log_info("catalogue in use", "version", next->version, "from", hqs ? "hq" : "folder", NULL);
}

static struct catalog *kept_catalog(struct collector *c)
{
        uint8_t digest[OUTBOX_DIGEST];
        struct text pack = {0};
        struct faults faults = {0};
        struct err e;
        struct catalog *found = NULL;
        if (outbox_catalog(&c->outbox, digest, &pack, &e) == 1)
                found = catalog_unpack(pack.v, pack.n, &faults);
        text_close(&pack);
        faults_close(&faults);
        return found;
}

/* NULL, with the faults logged. */
static struct catalog *folder_catalog(const char *dir, enum lang lang)
{
        struct faults faults = {0};
        struct err e = {0};
        struct catalog *found = catalog_load(dir, &faults, &e);
        if (!found) {
                struct text lines = {0};
                faults_lines(&faults, dir, lang, &lines);
                log_error("the catalogue folder cannot be used", "folder", dir, "why",
                          e.code ? e.text : text_c(&lines), NULL);
                text_close(&lines);
        }
        faults_close(&faults);
        return found;
}

/* HQ's catalogue is the one that counts; the folder serves until the first contact. */
static void find_catalog(struct collector *c)
{
        const char *dir = config_text(c->config, "catalog");
        struct catalog *found = kept_catalog(c);
        bool hqs = found;
        if (!found && dir)
                found = folder_catalog(dir, LANG_EN);
        if (found)
                use_catalog(c, found, hqs);
        else
                office_health(c);
}

bool collector_book(struct collector *c, struct parcel_book *b)
{
        if (!c->catalog || c->office < 0)
                return false;
        *b = (struct parcel_book){.outbox = &c->outbox,
                                  .ledger = &c->ledger,
                                  .catalog = c->catalog,
                                  .office = (uint32_t)c->office,
                                  .max_bytes = config_number(c->config, "outbox.max_bytes"),
                                  .passed = c->outbox.now.passed};
        return true;
}

/* ---- what the uplink wants done */

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
        int code = forms ? 0 : err_set(e, E_MEM, "out of memory");
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
        if (conclude(c, code, &e) == 0 && todo->keep_verdicts && c->inbox)
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
                kept =
                    conclude(c, outbox_catalog_keep(&c->outbox, next->digest, c->pieces.v, c->pieces.n, &e),
                             &e) == 0;
        text_close(&c->pieces);
        if (kept) {
                use_catalog(c, next, true);
                health_clear(c->health, "hq-catalog");
                look_soon(c);
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
        if (collector_begin(c, &e) < 0 || conclude(c, outbox_fork(&c->outbox, after, clock_us(), &e), &e) < 0)
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
        conclude(c, 0, &e);
}

static void step(struct collector *c, struct uplink_event ev)
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
        arm(c);
}

void collector_grew(struct collector *c, size_t reports, size_t rows)
{
        c->counts[METRIC_REPORTS] += (int64_t)reports;
        c->counts[METRIC_ROWS] += (int64_t)rows;
        step(c, (struct uplink_event){.kind = UPLINK_GREW, .point = c->outbox.now.head});
}

/* ---- the link */

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
        step(c, (struct uplink_event){.kind = UPLINK_MESSAGE, .message = &message});
}

static void on_link(void *ctx, enum zlink what)
{
        struct collector *c = ctx;
        log_info(what == ZLINK_UP ? "connected to HQ" : "HQ is away", NULL);
        step(c, (struct uplink_event){.kind = what == ZLINK_UP ? UPLINK_LINK_UP : UPLINK_LINK_DOWN});
}

static int connect_hq(struct collector *c, struct err *e)
{
        struct zcurve curve = {.public_key = c->keys.curve_public,
                               .secret_key = c->keys.curve_secret,
                               .server_key = c->keys.aggregator};
        return zpoll_dealer(&c->link, &c->loop, c->zmq, config_text(c->config, "aggregator"), &curve,
                            on_message, on_link, c, e);
}

/* ---- health */

static void look_at_link(struct collector *c)
{
        char sentence[360];
        const struct uplink *u = &c->uplink;
        if (u->state == UPLINK_STOPPED) {
                snprintf(sentence, sizeof sentence, "HQ takes no reports from this outbox: %s (%s)",
                         u->stop_text, u->stop_code);
                health_raise(c->health, HEALTH_FAILING, "stopped", sentence);
                health_clear(c->health, "hq");
                return;
        }
        health_clear(c->health, "stopped");
        if (u->state == UPLINK_OPEN)
                health_clear(c->health, "hq");
        else
                health_raise(c->health, HEALTH_DEGRADED, "hq",
                             "HQ is not reached; reports are kept and sent later");
}

static void look_at_clock(struct collector *c)
{
        int64_t apart = c->hq_ahead_us < 0 ? -c->hq_ahead_us : c->hq_ahead_us;
        if (apart <= clocks_apart_us) {
                health_clear(c->health, "clock");
                return;
        }
        char sentence[120];
        snprintf(sentence, sizeof sentence, "HQ's clock is %" PRId64 " seconds %s ours", apart / 1000000,
                 c->hq_ahead_us > 0 ? "ahead of" : "behind");
        health_raise(c->health, HEALTH_DEGRADED, "clock", sentence);
}

static void look_at_backlog(struct collector *c)
{
        const struct outbox_now *n = &c->outbox.now;
        int64_t now_ms = clock_monotonic_ms();
        bool answers = c->uplink.state != UPLINK_DOWN && c->heard_ms && now_ms - c->heard_ms < ANSWERS_MS;
        if (!answers || n->mark.seq >= n->head.seq || n->mark.seq > c->shrank_mark)
                c->shrank_ms = now_ms;
        c->shrank_mark = n->mark.seq;
        if (now_ms - c->shrank_ms > BACKLOG_MS)
                health_raise(c->health, HEALTH_FAILING, "backlog", "reports wait although HQ answers");
        else
                health_clear(c->health, "backlog");
}

static void look_at_outbox(struct collector *c)
{
        uint64_t waiting = outbox_waiting(&c->outbox), most = config_number(c->config, "outbox.max_bytes");
        if (waiting + OUTBOX_OVERHEAD >= most)
                health_raise(c->health, HEALTH_FAILING, "outbox", "the outbox is full: new input is refused");
        else if (waiting / 4 >= most / 5)
                health_raise(c->health, HEALTH_DEGRADED, "outbox",
                             "the outbox is more than four fifths full");
        else
                health_clear(c->health, "outbox");
        if (c->outbox.now.passed)
                health_raise(c->health, HEALTH_FAILING, "not_this_offices_outbox",
                             "another outbox reports for this office now: new input is refused; start with "
                             "--take-over "
                             "to continue here");
        else
                health_clear(c->health, "not_this_offices_outbox");
        if (c->take_over)
                health_raise(c->health, HEALTH_DEGRADED, "take-over",
                             "the new stream begins when HQ has all of the old one");
        else
                health_clear(c->health, "take-over");
}

void collector_look_after(struct collector *c)
{
        look_at_link(c);
        look_at_clock(c);
        look_at_backlog(c);
        look_at_outbox(c);
        c->counts[METRIC_HEAD] = (int64_t)c->outbox.now.head.seq;
        c->counts[METRIC_MARK] = (int64_t)c->outbox.now.mark.seq;
        c->counts[METRIC_WAITING] = (int64_t)outbox_waiting(&c->outbox);
        c->counts[METRIC_QUOTA] = (int64_t)config_number(c->config, "outbox.max_bytes");
        c->counts[METRIC_LINK] = c->uplink.state == UPLINK_OPEN;
        c->counts[METRIC_LATE] = (int64_t)zpoll_late(c->link);
}

/* ---- the inbox */

static bool inbox_book(void *ctx, struct parcel_book *b)
{
        return collector_book(ctx, b);
}

static int inbox_begin(void *ctx, struct err *e)
{
        return collector_begin(ctx, e);
}

static int inbox_commit(void *ctx, struct err *e)
{
        return collector_commit(ctx, e);
}

static void inbox_took(void *ctx, size_t reports, size_t rows)
{
        struct collector *c = ctx;
        c->counts[METRIC_FILES]++;
        collector_grew(c, reports, rows);
}

static void inbox_refused(void *ctx)
{
        struct collector *c = ctx;
        c->counts[METRIC_REFUSED]++;
}

static void inbox_waits(void *ctx, const char *sentence)
{
        struct collector *c = ctx;
        if (sentence)
                health_raise(c->health, HEALTH_DEGRADED, "inbox", sentence);
        else
                health_clear(c->health, "inbox");
}

static void work(uv_idle_t *h);

static void start_work(struct collector *c)
{
        if (!c->stopping)
                uv_idle_start(&c->worker, work);
}

static void on_look(uv_timer_t *t)
{
        struct collector *c = t->data;
        struct err e;
        c->looked_ms = clock_monotonic_ms();
        int next_ms = inbox_look(c->inbox, c->looked_ms, &e);
        if (next_ms < 0) {
                health_raise(c->health, HEALTH_FAILING, "inbox-folder", e.text);
                next_ms = INBOX_LOOK_MS;
        } else {
                health_clear(c->health, "inbox-folder");
        }
        uv_timer_start(&c->looker, on_look, (uint64_t)next_ms, 0);
        inbox_tell(c->inbox, &c->outbox);
        start_work(c);
}

/* Something moved: look soon, but not more than once a second, for our own moves are heard here too. */
static void look_soon(struct collector *c)
{
        int64_t since = clock_monotonic_ms() - c->looked_ms;
        int64_t in_ms = since < INBOX_STILL_MS ? INBOX_STILL_MS - since + HINT_MS : HINT_MS;
        if (c->inbox && !c->stopping && uv_timer_get_due_in(&c->looker) > (uint64_t)in_ms)
                uv_timer_start(&c->looker, on_look, (uint64_t)in_ms, 0);
}

static void on_hint(uv_fs_event_t *h, const char *name, int events, int status)
{
        (void)name, (void)events, (void)status;
        look_soon(h->data);
}

static int start_inbox(struct collector *c, struct err *e)
{
        const char *dir = config_text(c->config, "inbox");
        const struct inbox_host host = {c,          inbox_book,    inbox_begin, inbox_commit,
                                        inbox_took, inbox_refused, inbox_waits, c->lang};
        if (!dir)
                return 0;
        int code = inbox_open(&c->inbox, dir, &host, e);
        if (code < 0)
                return code;
        uv_timer_start(&c->looker, on_look, 0, 0);
        if (uv_fs_event_start(&c->hint, on_hint, dir, 0) != 0)
                log_info("the kernel gives no hints about the inbox; it is looked at every 5 s", NULL);
        return 0;
}

/* ---- chores */

/* One slice of what is old, in a transaction of its own. true: there is more. */
static bool trim(struct collector *c)
{
        struct err e;
        uint64_t floor = c->outbox.now.floor.seq;
        /* Where a mark of HQ could not be kept, its word has to come again before anything goes. */
        if (c->uplink.mark.seq != c->outbox.now.mark.seq)
                return false;
        if (collector_begin(c, &e) < 0)
                return false;
        int more = c->catalog ? ledger_catch_up(&c->outbox, c->catalog, &e) : 0, code = more;
        if (code >= 0) {
                code = outbox_trim(&c->outbox, clock_us(), c->keep_us, &e);
                more |= code;
        }
        if (conclude(c, code < 0 ? code : 0, &e) < 0)
                return false;
        if (c->outbox.now.floor.seq != floor)
                step(c, (struct uplink_event){.kind = UPLINK_TRIMMED, .point = c->outbox.now.floor});
        return more == 1;
}

/* Between the loop's other work, one small thing each turn. */
static void work(uv_idle_t *h)
{
        struct collector *c = h->data;
        bool more = c->inbox && inbox_step(c->inbox, clock_us());
        if (c->trimming && !c->stopping)
                c->trimming = trim(c);
        if (!more && !c->trimming && !c->stopping)
                uv_idle_stop(h);
}

static void tend(struct collector *c, int64_t now_ms)
{
        struct err e;
        bool due = now_ms - c->tended_ms >= TEND_MS;
        if (outbox_tend(&c->outbox, due, &e) < 0)
                collector_trouble(c, &e);
        if (!due || c->stopping)
                return;
        c->tended_ms = now_ms;
        c->trimming = true;
        start_work(c);
        if (c->inbox && now_ms - c->cleaned_ms >= CLEAN_MS) {
                c->cleaned_ms = now_ms;
                inbox_clean(c->inbox, clock_us(), c->keep_us);
        }
}

/* Where everything of the old stream is safe at HQ, the new one may begin: nothing can come twice. */
static void take_over(struct collector *c)
{
        struct events q = {0};
        const struct outbox_now *n = &c->outbox.now;
        if (n->turn == 0 && !n->passed) {
                c->take_over = false; /* HQ has never heard of this stream: it will be the last */
        } else if (n->mark.seq == n->head.seq && open_stream(c, n->head.seq)) {
                c->take_over = false;
                step(c, stream_opened(c, &q));
        }
}

/* The disk refused to keep what HQ said. A new connection makes HQ say it again. */
static void resync(struct collector *c, int64_t now_ms)
{
        if (now_ms - c->resynced_ms < RESYNC_MS)
                return;
        c->resynced_ms = now_ms;
        c->resync = false;
        zpoll_reconnect(c->link);
}

/* While the outbox refuses, an empty commit finds out whether it takes again; where the disk is full, it is
 * not asked before there is room for more than that. */
static void try_disk(struct collector *c)
{
        enum { ROOM = 1024 * 1024 };
        struct statvfs v;
        struct err e;
        if (statvfs(config_text(c->config, "state"), &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < ROOM)
                return;
        if (collector_begin(c, &e) == 0)
                collector_commit(c, &e);
}

static void chores(struct collector *c, int64_t now_ms)
{
        collector_look_after(c);
        if (c->troubled)
                try_disk(c);
        if (!c->stopping)
                tend(c, now_ms);
        if (!c->stopping && c->take_over)
                take_over(c);
        if (!c->stopping && c->resync)
                resync(c, now_ms);
}

static void on_timer(uv_timer_t *t)
{
        struct collector *c = t->data;
        int64_t now_ms = clock_monotonic_ms(), deadline = uplink_deadline(&c->uplink);
        if (now_ms >= c->chores_ms) {
                c->chores_ms = now_ms + CHORES_MS;
                chores(c, now_ms);
        }
        if (!c->stopping && deadline && now_ms >= deadline)
                step(c, (struct uplink_event){.kind = UPLINK_TICK});
        arm(c);
}

static void arm(struct collector *c)
{
        int64_t now_ms = clock_monotonic_ms(), due = uplink_deadline(&c->uplink);
        if (c->stopping)
                return;
        if (due == 0 || due > c->chores_ms)
                due = c->chores_ms;
        uv_timer_start(&c->timer, on_timer, due > now_ms ? (uint64_t)(due - now_ms) : 0, 0);
}

/* ---- keys, reload */

static int load_keys(const char *dir, struct keys *k, struct err *e)
{
        int code = keys_load(dir, k, e);
        if (code < 0)
                return code;
        if (k->sign_secret && k->aggregator[0])
                return 0;
        keys_close(k);
        return err_set(
            e, E_MISSING,
            "%s lacks sign.key or aggregator.pub: use KEYS/office-CODE as made by `sumu keys init`", dir);
}

static void use_keys(struct collector *c, const struct keys *k)
{
        keys_close(&c->keys);
        c->keys = *k;
        snprintf(c->token, sizeof c->token, "%s", k->token ? k->token : "");
}

static void reload_keys(struct collector *c)
{
        struct keys fresh;
        struct err e;
        if (load_keys(config_text(c->config, "keys"), &fresh, &e) < 0) {
                log_error("the keys cannot be read again; the old ones stay", "why", e.text, NULL);
                health_raise(c->health, HEALTH_FAILING, "keys", e.text);
                return;
        }
        health_clear(c->health, "keys");
        zpoll_close(c->link, NULL, NULL);
        c->link = NULL;
        use_keys(c, &fresh);
        step(c, (struct uplink_event){.kind = UPLINK_LINK_DOWN});
        if (connect_hq(c, &e) < 0) {
                log_error("cannot connect", "why", e.text, NULL);
                c->status = DAEMON_FAILED;
                stop(c);
        }
}

static void reload_catalog(struct collector *c)
{
        const char *dir = config_text(c->config, "catalog");
        struct catalog *next = dir && !c->catalog_is_hqs ? folder_catalog(dir, LANG_EN) : NULL;
        if (!next)
                return;
        use_catalog(c, next, false);
        step(c, (struct uplink_event){.kind = UPLINK_CATALOG_KEPT, .catalog = next->digest, .known = true});
        look_soon(c);
}

static void reload(void *ctx)
{
        struct collector *c = ctx;
        log_info("reading keys and catalogue again", NULL);
        reload_catalog(c);
        reload_keys(c);
}

/* ---- life */

static void stop(void *ctx)
{
        struct collector *c = ctx;
        if (c->stopping)
                return;
        c->stopping = true;
        http_stop(c->http);
        zpoll_close(c->link, NULL, NULL);
        daemon_signals_close(c->signals);
        uv_close((uv_handle_t *)&c->timer, NULL);
        uv_close((uv_handle_t *)&c->looker, NULL);
        uv_close((uv_handle_t *)&c->hint, NULL);
        uv_close((uv_handle_t *)&c->worker, NULL);
}

static void init_loop(struct collector *c)
{
        uv_loop_init(&c->loop);
        uv_timer_init(&c->loop, &c->timer);
        uv_timer_init(&c->loop, &c->looker);
        uv_fs_event_init(&c->loop, &c->hint);
        uv_idle_init(&c->loop, &c->worker);
        c->timer.data = c->looker.data = c->hint.data = c->worker.data = c;
}

/* A predecessor that was killed may still be leaving: its lock goes with its last write. */
static int open_outbox(struct collector *c, const char *path, struct err *e)
{
        enum { PATIENCE_MS = 3000, PAUSE_MS = 20 };
        int code;
        for (int waited_ms = 0;; waited_ms += PAUSE_MS) {
                code = outbox_open(&c->outbox, path, config_text(c->config, "office"), clock_us(), e);
                if (code != E_BUSY || waited_ms >= PATIENCE_MS)
                        return code;
                uv_sleep(PAUSE_MS);
        }
}

static int start_outbox(struct collector *c, struct err *e)
{
        char path[4096];
        const char *state = config_text(c->config, "state");
        int code = folder_make(state, 0750, e);
        snprintf(path, sizeof path, "%s/outbox.db", state);
        if (code == 0)
                code = open_outbox(c, path, e);
        if (code == 0)
                find_catalog(c);
        return code;
}

static int start_http(struct collector *c, struct err *e)
{
        c->http_options = (struct http_options){.listen = config_text(c->config, "http.listen"),
                                                .auth = config_text(c->config, "http.auth"),
                                                .token = c->token[0] ? c->token : NULL,
                                                .spool = config_text(c->config, "state"),
                                                .max_body = INTAKE_BYTES,
                                                .routes = api_routes,
                                                .ctx = c};
        return http_start(&c->http, &c->loop, &c->http_options, e);
}

static int start(struct collector *c, struct err *e)
{
        struct uplink_start s;
        int code = start_outbox(c, e);
        if (code < 0)
                return code;
        describe_start(c, &s);
        uplink_init(&c->uplink, &s);
        arena_init(&c->message, 2 * (size_t)WIRE_ARENA);
        c->zmq = zpoll_context(e);
        code = c->zmq ? connect_hq(c, e) : E_IO;
        if (code == 0)
                code = start_http(c, e);
        if (code == 0)
                code = start_inbox(c, e);
        return code;
}

static void finish(struct collector *c)
{
        struct err e;
        if (c->outbox.db.handle && !outbox_broken(&c->outbox) && outbox_begin(&c->outbox, &e) == 0)
                outbox_commit(&c->outbox, &e); /* what was sent is noted with any commit */
        inbox_close(c->inbox);
        ledger_close(&c->ledger);
        outbox_close(&c->outbox);
        catalog_free(c->catalog);
        text_close(&c->pieces);
        arena_close(&c->message);
        keys_close(&c->keys);
        health_free(c->health);
        uv_loop_close(&c->loop);
        if (c->zmq)
                zpoll_context_close(c->zmq);
}

static int check(const struct config *config, enum lang lang)
{
        const char *dir = config_text(config, "catalog"), *office = config_text(config, "office");
        struct catalog *found = dir ? folder_catalog(dir, lang) : NULL;
        bool fine = !dir || found;
        if (found && catalog_office(found, office) < 0) {
                log_error("the catalogue does not know the office", "office", office, NULL);
                fine = false;
        }
        catalog_free(found);
        if (fine)
                puts("ok");
        return fine ? DAEMON_DONE : DAEMON_FAILED;
}

static int run(struct collector *c)
{
        struct err e = {0};
        init_loop(c);
        if (start(c, &e) == 0) {
                c->signals = daemon_signals(&c->loop, stop, reload, c);
                log_info("listening", "office", c->outbox.office, "http", http_address(c->http), "hq",
                         config_text(c->config, "aggregator"), NULL);
                arm(c);
        } else {
                log_error("cannot start", "why", e.text, NULL);
                c->status = DAEMON_FAILED;
                stop(c);
        }
        uv_run(&c->loop, UV_RUN_DEFAULT);
        finish(c);
        return c->status;
}

int collector_run(const struct config *config, enum lang lang, bool take_over_wanted, bool check_only)
{
        struct err e = {0};
        struct keys k;
        if (sodium_init() < 0 || load_keys(config_text(config, "keys"), &k, &e) < 0) {
                log_error("the keys cannot be used", "why", e.text, NULL);
                return DAEMON_FAILED;
        }
        if (check_only) {
                keys_close(&k);
                return check(config, lang);
        }
        struct collector *c = calloc(1, sizeof *c);
        POST(c && (c->health = health_new()));
        c->config = config;
        c->lang = lang;
        c->take_over = take_over_wanted;
        c->office = NONE;
        c->keep_us = (int64_t)config_number(config, "outbox.keep_days") * day_us;
        use_keys(c, &k);
        int status = run(c);
        free(c);
        return status;
}
