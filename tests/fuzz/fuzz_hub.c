/* HQ's aggregator among hostile offices: the input is a play of messages, of people who hold an office's keys
 * and sign what they like, and of a sink that answers now, later, or with a refusal.
 *
 * The sink in here is a plain list and believes nothing: each report of a flush must follow its stream's last
 * by number and hash, its head must be signed by that office's own key, and what was accepted must lie in
 * that office's scope. The hub must come to rest whatever was said, and then still take an honest report.
 *
 * One hub sees many plays, since a catalogue is expensive; the sink begins each with nothing. */
#include "fuzz/fuzz.h"

#include "fuzz/script.h"
#include "lib/office_catalog.h"
#include "loop/clock.h"
#include "session/hub.h"
#include "session/payload.h"

#include <sodium.h>
#include <string.h>

enum {
        OFFICES = 3,
        WIRES = 2,
        STREAMS = 64,
        KEPT = 512,
        WAITING = 256,
        MOVES = 24,
        REST = 4096,
        PLAYS = 500
};

static const char *const offices[OFFICES] = {"150200", "150400", "dept"};

struct pair {
        uint8_t open[32], secret[64], id[WIRE_KEY_ID];
};

struct kept { /* a report that stands, as the sink holds it */
        uint32_t office;
        struct place at;
        uint32_t revision;
        struct text dataset, period, payload;
        struct envelope report;
        struct period when;
        bool current;
};

struct letter {
        struct text *frames;
        size_t n;
};

static struct hall {
        struct catalog *c;
        struct pair keys[OFFICES];
        struct hub *hub;
        unsigned plays;
        uint8_t connects[OFFICES][WIRES]; /* a connection made anew has a new name */
        struct hub_time now;
        struct wire_stream streams[STREAMS];
        size_t n_streams;
        struct kept kept[KEPT];
        size_t n_kept;
        struct letter waiting[WAITING]; /* to the sink */
        size_t n_waiting;
        uint64_t term, hellos;
        bool refuses;           /* the next flush */
        bool listening;         /* to what office 0 is told on its first connection */
        struct stream_id heard; /* of the last welcome */
        struct wire_mark told;
} h;

/* ---- signatures
 *
 * Ed25519 would be most of a play. In its place stands a hash over the public half and what is signed, which
 * no play can make but by signing; libsodium's own is tried by tests/unit/test_chain.c. */

int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long n,
                                const unsigned char *open)
{
        unsigned char is[crypto_sign_BYTES];
        crypto_generichash(is, sizeof is, m, n, open, crypto_sign_PUBLICKEYBYTES);
        return memcmp(is, sig, sizeof is) == 0 ? 0 : -1;
}

int crypto_sign_detached(unsigned char *sig, unsigned long long *sig_n, const unsigned char *m,
                         unsigned long long n, const unsigned char *secret)
{
        if (sig_n)
                *sig_n = crypto_sign_BYTES;
        const unsigned char *open = secret + crypto_sign_SEEDBYTES; /* the second half */
        return crypto_generichash(sig, crypto_sign_BYTES, m, n, open, crypto_sign_PUBLICKEYBYTES);
}

/* ---- the sink */

static void letter_close(struct letter *l)
{
        for (size_t i = 0; i < l->n; i++)
                text_close(&l->frames[i]);
        free(l->frames);
}

static void sink_empty(void)
{
        while (h.n_waiting)
                letter_close(&h.waiting[--h.n_waiting]);
        while (h.n_kept) {
                struct kept *k = &h.kept[--h.n_kept];
                text_close(&k->dataset);
                text_close(&k->period);
                text_close(&k->payload);
        }
        h.n_streams = 0;
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        (void)ctx;
        if (h.n_waiting == WAITING)
                return false;
        struct letter *l = &h.waiting[h.n_waiting++];
        *l = (struct letter){.frames = calloc(n, sizeof *l->frames), .n = n};
        for (size_t i = 0; i < n; i++)
                text_bytes(&l->frames[i], frames[i].v, frames[i].n);
        return true;
}

static void answer(const struct wire_message *m, const struct text *parts, size_t n)
{
        struct text head = {0};
        struct wire_bytes frames[1 + KEPT];
        wire_write(m, &head);
        frames[0] = (struct wire_bytes){(const uint8_t *)head.v, head.n};
        for (size_t i = 0; i < n; i++)
                frames[1 + i] = (struct wire_bytes){(const uint8_t *)parts[i].v, parts[i].n};
        hub_sink(h.hub, h.now, frames, 1 + n);
        text_close(&head);
}

static int office_at(const char *code)
{
        for (int i = 0; i < OFFICES; i++)
                if (strcmp(offices[i], code) == 0)
                        return i;
        return -1;
}

static struct wire_stream *stream_of(const char *office, struct stream_id id)
{
        for (size_t i = 0; i < h.n_streams; i++)
                if (stream_same(h.streams[i].stream, id) && strcmp(h.streams[i].office, office) == 0)
                        return &h.streams[i];
        return NULL;
}

static void stream_open(const struct wire_stream *ask)
{
        int office = office_at(ask->office);
        MUST(office >= 0);
        struct wire_stream *s = stream_of(ask->office, ask->stream);
        if (!s) {
                if (h.n_streams == STREAMS)
                        return;
                uint32_t turn = 0;
                for (size_t i = 0; i < h.n_streams; i++)
                        turn += strcmp(h.streams[i].office, ask->office) == 0;
                s = &h.streams[h.n_streams++];
                *s = (struct wire_stream){.office = offices[office],
                                          .stream = ask->stream,
                                          .turn = turn + 1,
                                          .hash = chain_start(ask->office, ask->stream)};
        }
        answer(&(struct wire_message){.kind = WIRE_STREAM_IS, .stream = *s}, NULL, 0);
}

/* "0 foreign frames delivered": every fact of an accepted report lies in its office's scope. */
static void is_own(int office, const struct envelope *e)
{
        struct arena a = {0};
        struct reasons why = {0};
        struct report r = {0};
        int32_t dataset = catalog_dataset(h.c, e->dataset);
        MUST(dataset >= 0);
        MUST(payload_read(e->payload, e->payload_n, h.c, (uint32_t)dataset, &a, &r, &why) == PAYLOAD_READ);
        uint32_t number = (uint32_t)catalog_office(h.c, offices[office]);
        for (size_t i = 0; i < r.n; i++)
                MUST(catalog_in_scope(h.c, number, r.facts[i].region));
        reasons_close(&why);
        arena_close(&a);
}

static void keep(const struct wire_taken *t, int office, uint32_t turn)
{
        struct place at = {turn, t->seq};
        struct period when;
        MUST(period_parse(t->report.period, &when));
        is_own(office, &t->report);
        for (size_t i = 0; t->closes && i < h.n_kept; i++) {
                struct kept *k = &h.kept[i];
                if (k->office == (uint32_t)office && strcmp(text_c(&k->dataset), t->report.dataset) == 0 &&
                    period_same(k->when, when) && place_compare(k->at, at) < 0)
                        k->current = false;
        }
        MUST(h.n_kept < KEPT);
        struct kept *k = &h.kept[h.n_kept++];
        *k = (struct kept){.office = (uint32_t)office,
                           .at = at,
                           .revision = t->revision,
                           .report = t->report,
                           .when = when,
                           .current = true};
        text_add(&k->dataset, t->report.dataset);
        text_add(&k->period, t->report.period);
        text_bytes(&k->payload, t->report.payload, t->report.payload_n);
        k->report.dataset = text_c(&k->dataset);
        k->report.period = text_c(&k->period);
        k->report.payload = (const uint8_t *)text_c(&k->payload);
}

static void commit_part(const struct wire_flush *f, struct wire_stream **at, const struct wire_taken *t)
{
        MUST(t->step < f->n_steps);
        struct wire_stream *s = at[t->step];
        struct hash next = chain_next(s->office, s->stream, s->seq + 1, s->hash, &t->report);
        MUST(t->seq == s->seq + 1 && hash_same(t->hash, next));
        s->seq++;
        s->hash = next;
        if (t->verdict == ACCEPTED)
                keep(t, office_at(s->office), s->turn);
        bool told = false;
        for (size_t i = 0; i < f->n_signatures; i++) {
                const struct wire_signature *g = &f->signatures[i];
                if (g->step != t->step || g->seq < t->seq)
                        continue;
                told = true;
                if (g->seq == t->seq)
                        MUST(hash_same(g->hash, next) &&
                             chain_verify(s->office, s->stream, g->seq, next,
                                          h.keys[office_at(s->office)].open, g->signature));
        }
        MUST(told); /* signed at its own place or further on */
}

static void commit(const struct wire_flush *f, const struct letter *l)
{
        struct wire_stream *at[STREAMS];
        if (f->term != h.term || h.refuses) {
                h.refuses = false;
                answer(
                    &(struct wire_message){
                        .kind = WIRE_COMMITTED,
                        .committed = {.term = f->term, .number = f->number, .refused = true}},
                    NULL, 0);
                answer(&(struct wire_message){.kind = WIRE_HELLO,
                                              .hello = {.number = ++h.hellos, .program = "fuzz"}},
                       NULL, 0);
                return;
        }
        MUST(f->n_steps <= STREAMS && f->parts == l->n - 1);
        for (size_t i = 0; i < f->n_steps; i++) {
                at[i] = stream_of(f->steps[i].office, f->steps[i].stream);
                MUST(at[i] && at[i]->seq == f->steps[i].from_seq &&
                     hash_same(at[i]->hash, f->steps[i].from_hash));
        }
        for (size_t i = 1; i < l->n; i++) {
                struct arena a = {0};
                struct wire_message m;
                MUST(wire_read((const uint8_t *)l->frames[i].v, l->frames[i].n, &a, &m, NULL) == 0 &&
                     m.kind == WIRE_FLUSH_PART);
                for (size_t k = 0; k < m.flush_part.n_reports; k++)
                        commit_part(f, at, &m.flush_part.reports[k]);
                arena_close(&a);
        }
        for (size_t i = 0; i < f->n_steps; i++)
                MUST(at[i]->seq == f->steps[i].to_seq && hash_same(at[i]->hash, f->steps[i].to_hash));
        answer(&(struct wire_message){.kind = WIRE_COMMITTED,
                                      .committed = {.term = f->term, .number = f->number, .version = 1}},
               NULL, 0);
}

/* What stands, in the order of (period, office, place), all in one part. */
static void recall(const struct wire_recall *r)
{
        struct wire_standing v[KEPT];
        size_t n = 0;
        for (size_t i = 0; i < h.n_kept; i++) {
                const struct kept *k = &h.kept[i];
                if (!k->current || strcmp(text_c(&k->dataset), r->dataset) != 0 || k->when.first < r->first ||
                    k->when.last > r->last)
                        continue;
                size_t to = n++;
                for (; to > 0; to--) {
                        int order = strcmp(v[to - 1].office, offices[k->office]);
                        if (order < 0 || (order == 0 && place_compare(v[to - 1].at, k->at) < 0))
                                break;
                        v[to] = v[to - 1];
                }
                v[to] = (struct wire_standing){offices[k->office], k->at, k->revision, k->report};
        }
        struct text part = {0};
        wire_write(&(struct wire_message){.kind = WIRE_RECALLED_PART, .recalled_part = {v, n}}, &part);
        answer(&(struct wire_message){.kind = WIRE_RECALLED, .recalled = {.id = r->id, .parts = n > 0}},
               &part, n > 0);
        text_close(&part);
}

static void sink_hears(const struct letter *l)
{
        struct arena a = {0};
        struct wire_message m, reply = {0};
        MUST(wire_read((const uint8_t *)l->frames[0].v, l->frames[0].n, &a, &m, NULL) == 0);
        switch (m.kind) {
        case WIRE_RESUME:
                reply.kind = WIRE_RESUMED;
                reply.resumed = (struct wire_resumed){.term = ++h.term,
                                                      .incarnation = m.resume.incarnation,
                                                      .attempt = m.resume.attempt,
                                                      .streams = h.streams,
                                                      .n = h.n_streams};
                memcpy(reply.resumed.catalog, h.c->digest, sizeof reply.resumed.catalog);
                answer(&reply, NULL, 0);
                break;
        case WIRE_FLUSH: commit(&m.flush, l); break;
        case WIRE_RECALL: recall(&m.recall); break;
        case WIRE_STREAM_ASK: stream_open(&m.stream); break;
        case WIRE_HASH_ASK:
                reply.kind = WIRE_HASH_IS;
                reply.hash = m.hash;
                answer(&reply, NULL, 0);
                break;
        case WIRE_VERDICTS_ASK:
                reply.kind = WIRE_VERDICTS;
                reply.verdicts =
                    (struct wire_verdicts){.office = m.verdicts_ask.office, .stream = m.verdicts_ask.stream};
                answer(&reply, NULL, 0);
                break;
        case WIRE_GAP: break;
        default: MUST(!"a message that is no aggregator's");
        }
        arena_close(&a);
}

static bool sink_turn(void)
{
        if (!h.n_waiting)
                return false;
        struct letter l = h.waiting[0];
        memmove(h.waiting, h.waiting + 1, --h.n_waiting * sizeof *h.waiting);
        sink_hears(&l);
        letter_close(&l);
        return true;
}

static void sink_comes(void)
{
        answer(&(struct wire_message){.kind = WIRE_HELLO, .hello = {.number = ++h.hellos, .program = "fuzz"}},
               NULL, 0);
}

static struct hub_peer_name name_of(unsigned office, unsigned wire)
{
        return (struct hub_peer_name){{(uint8_t)office, (uint8_t)wire, h.connects[office][wire]}, 3};
}

/* ---- what the hub borrows */

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        (void)ctx;
        struct arena a = {0};
        struct wire_message m;
        MUST(message->n <= WIRE_FRAME);
        if (!h.listening || memcmp(peer->b, name_of(0, 0).b, peer->n) != 0)
                return true;
        MUST(wire_read((const uint8_t *)message->v, message->n, &a, &m, NULL) == 0);
        if (m.kind == WIRE_WELCOME)
                h.heard = m.welcome.stream;
        if (m.kind == WIRE_MARK)
                h.told = m.mark;
        arena_close(&a);
        return true;
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        (void)ctx;
        int i = office_at(office);
        return i >= 0 && (!id || memcmp(id, h.keys[i].id, WIRE_KEY_ID) == 0) ? h.keys[i].open : NULL;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx;
        return clock_civil_s(us, zone);
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        (void)ctx;
        MUST(memcmp(digest, h.c->digest, CATALOG_DIGEST) == 0);
        return office_catalog();
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        (void)ctx;
        (void)c;
}

static void hear_log(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t number)
{
        (void)ctx, (void)tone, (void)office, (void)number;
        MUST(*sentence);
}

/* ---- the offices */

static void say(unsigned office, unsigned wire, const struct wire_message *m)
{
        struct text t = {0};
        struct hub_peer_name name = name_of(office, wire);
        wire_write(m, &t);
        hub_office(h.hub, h.now, &name, offices[office], (const uint8_t *)t.v, t.n);
        text_close(&t);
}

static struct stream_id stream_id(unsigned n)
{
        return (struct stream_id){{(uint8_t)n, 1}};
}

static void greet(struct script *s, unsigned office, unsigned wire)
{
        struct wire_wanted wanted[20];
        uint8_t b = script_byte(s);
        struct wire_message m = {.kind = WIRE_GREETING,
                                 .greeting = {.office = offices[b & 1 ? office : script_byte(s) % OFFICES],
                                              .stream = stream_id(b >> 1 & 7),
                                              .program = "fuzz",
                                              .wanted = wanted}};
        struct wire_greeting *g = &m.greeting;
        if (b & 16) {
                g->turn = (uint32_t)script_number(s);
                g->head = script_number(s);
                g->floor = script_number(s);
                g->version = script_number(s);
                g->clock_us = (int64_t)script_number(s);
        }
        for (unsigned n = b & 32 ? script_byte(s) % 20 : 0; g->n_wanted < n; g->n_wanted++)
                wanted[g->n_wanted] = (struct wire_wanted){stream_id(script_byte(s) & 7), script_number(s)};
        say(office, wire, &m);
}

static void payload_of(struct script *s, uint32_t dataset, struct text *out)
{
        size_t n = script_byte(s);
        if (n & 1) { /* anything */
                n >>= 1;
                const uint8_t *p = script_bytes(s, &n);
                text_bytes(out, p, n);
                return;
        }
        struct fact facts[4];
        struct report r = {.dataset = dataset, .facts = facts};
        const struct dataset *d = &h.c->datasets[dataset];
        for (n = 1 + n / 2 % 4; r.n < n; r.n++) {
                uint8_t b = script_byte(s);
                facts[r.n] = (struct fact){.value = (int64_t)(script_number(s) % (VALUE_MAX + 1ULL)),
                                           .region = b % h.c->n_regions,
                                           .indicator = (uint16_t)d->indicators[r.n % d->n_indicators],
                                           .q = b >> 4 & 1,
                                           .own = b >> 5 & 1};
                if (r.n >= d->n_indicators)
                        facts[r.n].region = (facts[r.n - d->n_indicators].region + 1) % h.c->n_regions;
        }
        facts_sort(facts, r.n);
        payload_write(h.c, &r, out);
}

enum { REPORTS = 4 };

static void envelope_of(struct script *s, struct envelope *e, struct text *payload)
{
        static const char *const periods[] = {"2023-09-19", "2023-09-20", "2023-09",    "2023-Q3",
                                              "2023",       "2024-02-29", "9999-12-31", "0001-01-01",
                                              "",           "2023-09-19"};
        uint8_t b = script_byte(s), p = script_byte(s);
        uint32_t dataset = b % h.c->n_datasets;
        *e = (struct envelope){.submitted_at = h.now.clock_us,
                               .dataset = p >= 250 ? "nothing" : h.c->datasets[dataset].code,
                               .period = periods[p % (sizeof periods / sizeof *periods)],
                               .action = (enum action)(b >> 4 & 3)};
        if (b & 128)
                e->submitted_at = (int64_t)script_number(s);
        memcpy(e->catalog, h.c->digest, sizeof e->catalog);
        text_clear(payload);
        payload_of(s, dataset, payload);
        e->payload = (const uint8_t *)text_c(payload);
        e->payload_n = payload->n;
}

/* Numbers that are none cannot be signed. */
static void sign(struct wire_batch *b, unsigned office, const struct pair *key)
{
        struct hash head = b->previous;
        uint64_t last = b->first + b->n - 1;
        if (b->first == 0 || last < b->first)
                return;
        for (size_t i = 0; i < b->n; i++)
                head = chain_next(offices[office], b->stream, b->first + i, head, &b->reports[i]);
        chain_sign(offices[office], b->stream, last, head, key->secret, b->signature);
}

/* Follows what the sink holds, unless the play wants it otherwise. */
static void batch(struct script *s, unsigned office, unsigned wire)
{
        static struct text payloads[REPORTS];
        struct envelope reports[REPORTS];
        uint8_t b = script_byte(s);
        const struct wire_stream *on = stream_of(offices[office], stream_id(b & 7));
        if (!on)
                return;
        struct wire_message m = {
            .kind = WIRE_BATCH,
            .batch = {.stream = on->stream, .first = on->seq + 1, .previous = on->hash, .reports = reports}};
        for (m.batch.n = 0; m.batch.n < 1U + (b >> 3 & 3); m.batch.n++)
                envelope_of(s, &reports[m.batch.n], &payloads[m.batch.n]);
        uint8_t lie = b & 128 ? script_byte(s) : 0;
        if (lie & 1)
                m.batch.first = script_number(s);
        if (lie & 2)
                m.batch.previous.b[0] ^= 1;
        unsigned signer = lie & 4 ? (office + 1) % OFFICES : office;
        sign(&m.batch, office, &h.keys[signer]);
        memcpy(m.batch.key, h.keys[lie & 8 ? (office + 1) % OFFICES : signer].id, WIRE_KEY_ID);
        if (lie & 16)
                reports[0].submitted_at++;
        for (int twice = 0; twice <= (lie >> 5 & 1); twice++)
                say(office, wire, &m);
}

static void raw(struct script *s, unsigned office, unsigned wire)
{
        struct hub_peer_name name = name_of(office, wire);
        size_t n = script_byte(s);
        const uint8_t *p = script_bytes(s, &n);
        hub_office(h.hub, h.now, &name, offices[office], p, n);
}

static void move(struct script *s)
{
        uint8_t b = script_byte(s);
        unsigned office = (b >> 4) % OFFICES, wire = b >> 7;
        struct wire_message m = {0};
        switch (b & 15) {
        case 0: raw(s, office, wire); break;
        case 1:
        case 2: greet(s, office, wire); break;
        case 3:
        case 4:
        case 5:
        case 6: batch(s, office, wire); break;
        case 7:
                m.kind = WIRE_HASH_ASK;
                m.hash = (struct wire_hash){.office = "", .stream = stream_id(script_byte(s) & 7)};
                m.hash.seq = script_number(s);
                say(office, wire, &m);
                break;
        case 8:
                m.kind = WIRE_VERDICTS_ASK;
                m.verdicts_ask = (struct wire_verdicts_ask){.office = offices[office],
                                                            .stream = stream_id(script_byte(s) & 7)};
                m.verdicts_ask.from = script_number(s);
                say(office, wire, &m);
                break;
        case 9:
                m.kind = WIRE_CATALOG_ASK;
                m.catalog_ask.offset = script_number(s);
                memcpy(m.catalog_ask.digest, h.c->digest, sizeof m.catalog_ask.digest);
                say(office, wire, &m);
                break;
        case 10:
                hub_sink_lost(h.hub, h.now);
                sink_comes();
                break;
        case 11: h.refuses = true; break;
        case 13: h.connects[office][wire]++; break;
        case 12:
                h.now.mono_ms += 20 * 1000;
                h.now.clock_us += 20 * 1000 * 1000;
                hub_tick(h.hub, h.now);
                break;
        default:
                for (unsigned n = script_byte(s) % 8; n && sink_turn(); n--)
                        ;
        }
}

/* ---- a play */

static void rest(void)
{
        unsigned turns = 0;
        for (; sink_turn(); turns++)
                MUST(turns < REST);
        MUST(hub_state(h.hub) == FEED_READY && hub_waiting(h.hub) == 0);
}

/* Whatever was said before: an office that begins a stream of its own is heard. */
static void honest_office(void)
{
        struct stream_id mine = stream_id(255);
        struct text payload = {0};
        struct fact fact = {.value = 7, .region = 1, .indicator = (uint16_t)h.c->datasets[0].indicators[0]};
        payload_write(h.c, &(struct report){.facts = &fact, .n = 1}, &payload);
        struct envelope e = {.submitted_at = h.now.clock_us,
                             .dataset = h.c->datasets[0].code,
                             .period = "2023-09-18",
                             .payload = (const uint8_t *)payload.v,
                             .payload_n = payload.n};
        memcpy(e.catalog, h.c->digest, sizeof e.catalog);
        struct hash start = chain_start(offices[0], mine), head = chain_next(offices[0], mine, 1, start, &e);
        struct wire_message hello = {.kind = WIRE_GREETING,
                                     .greeting = {.office = offices[0], .stream = mine, .program = "fuzz"}};
        struct wire_message m = {
            .kind = WIRE_BATCH,
            .batch = {.stream = mine, .first = 1, .previous = start, .reports = &e, .n = 1}};
        chain_sign(offices[0], mine, 1, head, h.keys[0].secret, m.batch.signature);
        memcpy(m.batch.key, h.keys[0].id, WIRE_KEY_ID);
        h.refuses = false;
        h.listening = true;
        say(0, 0, &hello);
        rest();
        MUST(stream_same(h.heard, mine));
        say(0, 0, &m);
        rest();
        h.listening = false;
        MUST(stream_same(h.told.stream, mine) && h.told.seq == 1 && hash_same(h.told.hash, head));
        text_close(&payload);
}

static void hall_open(void)
{
        if (!h.c) {
                MUST(sodium_init() >= 0);
                h.c = office_catalog();
                for (int i = 0; i < OFFICES; i++) {
                        uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
                        crypto_sign_seed_keypair(h.keys[i].open, h.keys[i].secret, seed);
                        h.keys[i].id[0] = (uint8_t)(i + 1);
                }
        }
        if (h.plays++ % PLAYS == 0) {
                struct hub_host host = {NULL,    to_office,    to_sink,      sign_key,
                                        civil_s, held_catalog, keep_catalog, hear_log};
                hub_free(h.hub);
                h.hub = hub_new(&host, 1, 1 << 20);
        }
        h.now = (struct hub_time){1000, 1703980800LL * 1000 * 1000}; /* 2023-12-31 */
        memset(h.connects, 0, sizeof h.connects);
        h.refuses = false;
        sink_empty();
        hub_sink_lost(h.hub, h.now);
        sink_comes();
        rest();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct script s = {data, size};
        hall_open();
        for (int i = 0; i < MOVES && s.left; i++)
                move(&s);
        hub_sink_lost(h.hub, h.now);
        sink_comes();
        rest();
        honest_office();
        return 0;
}
