/* Peers that speak CURVE: with keys nobody knows, and with an office's own. */
#include "hostile/peer.h"

#include "loop/catalog_load.h"
#include "loop/keys.h"
#include "loop/zpoll.h"
#include "session/payload.h"
#include "session/wire.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 60 * 1000 };

static void *zmq;

static void *socket_as(const char *public_key, const char *secret_key, const char *server)
{
        struct err e = {0};
        int linger = 0, patience = PATIENCE_MS, one = 1;
        if (!zmq && !(zmq = zpoll_context(&e)))
                give_up(e.text);
        void *s = zmq_socket(zmq, ZMQ_DEALER);
        struct zcurve curve = {public_key, secret_key, server, NULL};
        if (!s || zpoll_secure(s, &curve, &e) != 0)
                give_up(e.text);
        zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
        zmq_setsockopt(s, ZMQ_IMMEDIATE, &one, sizeof one);
        zmq_setsockopt(s, ZMQ_SNDTIMEO, &patience, sizeof patience);
        zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
        return s;
}

static void load(const char *folder, struct keys *k)
{
        struct err e = {0};
        if (keys_load(folder, k, &e) != 0)
                give_up(e.text);
}

/* ---- without a key that counts */

/* Refused in the handshake: nothing can be sent. */
static void is_refused(const char *endpoint, const char *public_key, const char *secret_key,
                       const char *server)
{
        uint8_t head[6] = {0};
        uint16_t event;
        char name[64];
        int patience = PATIENCE_MS;
        void *s = socket_as(public_key, secret_key, server), *monitor = zmq_socket(zmq, ZMQ_PAIR);
        zpoll_inproc(name);
        zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &patience, sizeof patience);
        zmq_socket_monitor(s, name,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_DISCONNECTED);
        zmq_connect(monitor, name);
        if (zmq_connect(s, endpoint) != 0)
                give_up("connecting");
        if (zmq_recv(monitor, head, sizeof head, 0) != sizeof head)
                give_up("a stranger is neither let in nor refused");
        memcpy(&event, head, sizeof event);
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
                give_up("a stranger is let in");
        zmq_socket_monitor(s, NULL, 0);
        zmq_close(monitor);
        zmq_close(s);
}

int stranger(char **arg)
{
        struct keys k;
        char own[41], secret[41], other[41], other_secret[41];
        unsigned n = (unsigned)atoi(arg[2]);
        load(arg[1], &k);
        for (unsigned i = 0; i < n; i++) {
                zmq_curve_keypair(own, secret);
                zmq_curve_keypair(other, other_secret);
                if (i % 2)
                        is_refused(arg[0], own, secret, k.aggregator);
                else
                        is_refused(arg[0], k.curve_public, k.curve_secret, other);
        }
        keys_close(&k);
        printf("%u\n", n);
        return 0;
}

/* ---- with a key that counts */

struct seat {
        struct keys keys;
        const char *office;
        void *socket;
        uint64_t sent;
};

static void sit(struct seat *s, char **arg)
{
        *s = (struct seat){.office = arg[2]};
        load(arg[1], &s->keys);
        s->socket = socket_as(s->keys.curve_public, s->keys.curve_secret, s->keys.aggregator);
        if (zmq_connect(s->socket, arg[0]) != 0)
                give_up("connecting");
}

static void rise(struct seat *s)
{
        zmq_close(s->socket);
        keys_close(&s->keys);
}

static void put(struct seat *s, const void *bytes, size_t n, bool more)
{
        if (zmq_send(s->socket, bytes, n, more ? ZMQ_SNDMORE : 0) < 0)
                give_up("sending");
        s->sent++;
}

static void say(struct seat *s, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        put(s, t.v, t.n, false);
        text_close(&t);
}

/* The next message, waiting for it or not; false: none there. */
static bool hear(struct seat *s, struct arena *a, struct wire_message *m, bool wait)
{
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        int n = zmq_msg_recv(&msg, s->socket, wait ? 0 : ZMQ_DONTWAIT);
        arena_reset(a);
        if (n >= 0 && wire_read(zmq_msg_data(&msg), zmq_msg_size(&msg), a, m, NULL) != 0)
                give_up("HQ sends what it would not read");
        zmq_msg_close(&msg);
        if (n < 0 && wait)
                give_up("HQ does not answer");
        return n >= 0;
}

static struct stream_id any_stream(void)
{
        struct stream_id id = {{0}};
        any_bytes(id.b, sizeof id.b);
        return id;
}

/* PITFALLS B1: a batch of empty reports; B2: a greeting that is given again and again. */
static void repeat(struct seat *s, uint8_t tag, uint8_t inner, size_t n)
{
        struct text t = {0};
        text_char(&t, (char)tag);
        if (inner) { /* length of what follows, three bytes of a varint */
                size_t bytes = 2 * n;
                const uint8_t length[] = {(uint8_t)(bytes | 128), (uint8_t)(bytes >> 7 | 128),
                                          (uint8_t)(bytes >> 14)};
                text_bytes(&t, length, sizeof length);
                for (size_t i = 0; i < n; i++) {
                        text_char(&t, (char)inner);
                        text_char(&t, 0);
                }
        } else {
                for (size_t i = 0; i < n; i++) {
                        text_char(&t, 0);
                        text_char(&t, (char)tag);
                }
                text_char(&t, 0);
        }
        put(s, t.v, t.n, false);
        text_close(&t);
}

static void nest(struct seat *s)
{
        uint8_t deep[256];
        for (size_t i = 0; i < sizeof deep; i += 2) {
                deep[i] = 0x1a;
                deep[i + 1] = (uint8_t)(sizeof deep - i - 2) & 127;
        }
        put(s, deep, sizeof deep, false);
}

static void any_message(struct seat *s, size_t most)
{
        static uint8_t bytes[250 * 1024];
        size_t n = any() % most;
        any_bytes(bytes, n < 64 ? n : 64);
        put(s, bytes, n, false);
}

static void many_frames(struct seat *s, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                put(s, "frame", 5, i + 1 < n);
}

static void greet_as(struct seat *s, const char *office, struct stream_id stream, uint64_t floor,
                     uint64_t version)
{
        struct wire_wanted wanted[16];
        struct wire_message m = {.kind = WIRE_GREETING,
                                 .greeting = {.office = office,
                                              .stream = stream,
                                              .floor = floor,
                                              .version = version,
                                              .wanted = wanted,
                                              .n_wanted = 16,
                                              .program = "hostile"}};
        for (size_t i = 0; i < 16; i++)
                wanted[i] = (struct wire_wanted){stream, i};
        say(s, &m);
}

static void lie_in_a_batch(struct seat *s, uint64_t first)
{
        static const uint8_t payload[1000];
        struct envelope reports[16];
        struct wire_message m = {.kind = WIRE_BATCH,
                                 .batch = {.stream = {{1}}, .first = first, .reports = reports, .n = 16}};
        for (size_t i = 0; i < 16; i++)
                reports[i] = (struct envelope){.dataset = "gunexp",
                                               .period = "2023-09-19",
                                               .payload = payload,
                                               .payload_n = any() % 1000};
        any_bytes(m.batch.signature, sizeof m.batch.signature);
        memcpy(m.batch.key, s->keys.sign_id, sizeof m.batch.key);
        say(s, &m);
}

/* What only the sink may say. */
static void act_as_sink(struct seat *s, unsigned i)
{
        struct wire_message m = {.kind = i % 3 == 0   ? WIRE_HELLO
                                         : i % 3 == 1 ? WIRE_COMMITTED
                                                      : WIRE_RESUMED};
        if (m.kind == WIRE_HELLO)
                m.hello = (struct wire_hello){.number = 1, .version = UINT64_MAX, .program = "hostile"};
        say(s, &m);
}

static void ask(struct seat *s, enum wire_kind kind)
{
        struct wire_message m = {.kind = kind};
        if (kind == WIRE_HASH_ASK)
                m.hash = (struct wire_hash){.office = s->office, .stream = {{1}}, .seq = any()};
        if (kind == WIRE_VERDICTS_ASK)
                m.verdicts_ask = (struct wire_verdicts_ask){.office = "150400", .stream = {{1}}, .from = 1};
        if (kind == WIRE_CATALOG_ASK)
                m.catalog_ask.offset = any();
        say(s, &m);
}

static void insult(struct seat *s, unsigned i)
{
        const struct stream_id own = {{1}};
        switch (i % 20) {
        case 0: any_message(s, 300); break;
        case 1: repeat(s, 0x1a, 0x22, 20 * 1000); break;
        case 2: repeat(s, 0x0a, 0, 20 * 1000); break;
        case 3: repeat(s, 0xfa, 0, 1000); break;
        case 4: nest(s); break;
        case 5:
                put(s,
                    "\x0a\x07\x0a\x05"
                    "1502\0",
                    9, false);
                break; /* B3: NUL in a code */
        case 6: act_as_sink(s, i / 20); break;
        case 7: greet_as(s, "150400", own, 0, 0); break;
        case 8: greet_as(s, s->office, any_stream(), 0, 0); break;
        case 9: ask(s, WIRE_HASH_ASK); break;
        case 10: ask(s, WIRE_VERDICTS_ASK); break;
        case 11: ask(s, WIRE_CATALOG_ASK); break;
        case 12: greet_as(s, s->office, own, any(), 0); break;
        case 13: greet_as(s, s->office, own, 0, UINT64_MAX - i % 2); break;
        case 14: lie_in_a_batch(s, 1); break;
        case 15: lie_in_a_batch(s, any()); break;
        case 16: many_frames(s, 2 + i / 20 % 600); break;
        case 17: put(s, "", 0, false); break;
        case 18: any_message(s, 250 * 1024); break;
        default: any_message(s, 4000);
        }
}

/* Every second thousand is said by one who does not listen. */
int insider(char **arg)
{
        struct seat s;
        struct arena a = {0};
        struct wire_message m;
        uint64_t n = strtoul(arg[3], NULL, 10);
        sit(&s, arg);
        for (unsigned i = 0; s.sent < n; i++) {
                insult(&s, i);
                while (i / 1000 % 2 == 0 && hear(&s, &a, &m, false))
                        if (m.kind == WIRE_VERDICTS && m.verdicts.n)
                                give_up("an office is told another's verdicts");
        }
        arena_close(&a);
        printf("%llu\n", (unsigned long long)s.sent);
        rise(&s);
        return 0;
}

int crowd(char **arg)
{
        struct seat s;
        unsigned n = (unsigned)atoi(arg[3]);
        size_t size = strtoul(arg[4], NULL, 10);
        uint8_t *bytes = calloc(1, size + 1);
        sit(&s, arg);
        for (unsigned i = 0; i < n; i++)
                if (zmq_send(s.socket, bytes, size, i + 1 < n ? ZMQ_SNDMORE : 0) >= 0)
                        s.sent++;
        free(bytes);
        printf("%llu\n", (unsigned long long)s.sent);
        int linger = PATIENCE_MS; /* all of it has to go out, or it was no crowd */
        zmq_setsockopt(s.socket, ZMQ_LINGER, &linger, sizeof linger);
        rise(&s);
        zpoll_context_close(zmq);
        return 0;
}

/* ---- signed, and not one's own */

static struct catalog *catalog_of(const char *folder)
{
        struct faults faults = {0};
        struct err e = {0};
        struct catalog *c = catalog_load(folder, &faults, &e);
        if (!c)
                give_up("the catalogue");
        faults_close(&faults);
        return c;
}

static void report(const struct catalog *c, const char *region, struct envelope *e, struct text *payload)
{
        bool own;
        int32_t indicator = catalog_indicator(c, NONE, "gunexp.firearms_seized");
        struct fact f = {.value = 1,
                         .region = (uint32_t)catalog_region(c, region, NONE, &own),
                         .indicator = (uint16_t)indicator};
        payload_write(c, &(struct report){.dataset = c->indicators[indicator].dataset, .facts = &f, .n = 1},
                      payload);
        *e = (struct envelope){.submitted_at = 1700000000LL * 1000000,
                               .dataset = "gunexp",
                               .period = "2023-09-20",
                               .action = ADD,
                               .payload = (const uint8_t *)payload->v,
                               .payload_n = payload->n};
        memcpy(e->catalog, c->digest, sizeof e->catalog);
}

/* One report, with the hash before it, signed up to `last`: beyond its own number if the batch was cut. */
static void say_report(struct seat *s, struct stream_id stream, uint64_t seq, const struct hash *chain,
                       const struct envelope *e, uint64_t last)
{
        struct wire_message m = {
            .kind = WIRE_BATCH,
            .batch = {.stream = stream, .first = seq, .previous = chain[seq - 1], .reports = e, .n = 1}};
        chain_sign(s->office, stream, last, chain[last], s->keys.sign_secret, m.batch.signature);
        memcpy(m.batch.key, s->keys.sign_id, sizeof m.batch.key);
        say(s, &m);
}

static void await(struct seat *s, enum wire_kind kind, uint64_t seq)
{
        struct arena a = {0};
        struct wire_message m = {0};
        while (m.kind != kind || (kind == WIRE_MARK && m.mark.seq < seq))
                hear(s, &a, &m, true);
        arena_close(&a);
}

/* Odd reports are of a region of one's own, even ones of another's. All are sent in order, then all again
 * from behind, each twice; between them some are sent too early. */
int trespass(char **arg)
{
        struct seat s;
        uint64_t n = strtoul(arg[6], NULL, 10);
        sit(&s, arg);
        struct catalog *c = catalog_of(arg[3]);
        struct text own = {0}, foreign = {0};
        struct envelope mine, others;
        report(c, arg[4], &mine, &own);
        report(c, arg[5], &others, &foreign);
        struct stream_id stream = any_stream();
        struct hash *chain = calloc(n + 1, sizeof *chain);
        chain[0] = chain_start(s.office, stream);
        for (uint64_t i = 1; i <= n; i++)
                chain[i] = chain_next(s.office, stream, i, chain[i - 1], i % 2 ? &mine : &others);
        greet_as(&s, s.office, stream, 0, 0);
        await(&s, WIRE_WELCOME, 0);
        for (uint64_t i = 1; i <= n; i++) {
                if (i + 5 <= n && i % 7 == 0)
                        say_report(&s, stream, i + 5, chain, i % 2 ? &others : &mine, i + 5);
                say_report(&s, stream, i, chain, i % 2 ? &mine : &others, i);
                await(&s, WIRE_MARK, i);
        }
        for (uint64_t i = n; i > 0; i--)
                for (int twice = 0; twice < 2; twice++)
                        say_report(&s, stream, i, chain, i % 2 ? &mine : &others, i);
        await(&s, WIRE_MARK, n);
        /* The last one was cut: its signature is over more than it brings. */
        say_report(&s, stream, n + 1, chain, &mine, n);
        await(&s, WIRE_REFUSAL, 0);
        printf("%llu\n", (unsigned long long)s.sent);
        free(chain);
        text_close(&own);
        text_close(&foreign);
        catalog_free(c);
        rise(&s);
        return 0;
}
