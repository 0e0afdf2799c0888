/* The hub among offices that hold good keys and mean no good: what one office may take of HQ is bounded, and
 * no other is in its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/office_catalog.h"
#include "session/hub.h"
#include "session/payload.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD = 64 };

static uint8_t sign_public[32], sign_secret[64]; /* of every office */

static struct hq {
        struct hub *hub;
        struct catalog *c;
        struct hub_time now;
        unsigned asked[64];        /* of the sink, by kind */
        enum wire_kind told[TOLD]; /* the offices, the last ones */
        size_t n_told;
        char refusal[24];                /* the last */
        struct wire_stream streams[512]; /* opened by the sink */
        size_t n_streams;
        bool answers;
        unsigned lines; /* of warning */
} hq;

static void hear(const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        struct wire_bytes frame = {(const uint8_t *)t.v, t.n};
        hub_sink(hq.hub, hq.now, &frame, 1);
        text_close(&t);
}

static void resume(const struct wire_resume *r)
{
        struct wire_message m = {
            .kind = WIRE_RESUMED,
            .resumed = {.term = 1, .incarnation = r->incarnation, .attempt = r->attempt}};
        memcpy(m.resumed.catalog, hq.c->digest, sizeof m.resumed.catalog);
        hear(&m);
}

static void open_stream(const struct wire_stream *ask)
{
        struct wire_stream *s = &hq.streams[hq.n_streams++];
        assert_true(hq.n_streams < 512);
        *s = (struct wire_stream){.office = "150200",
                                  .stream = ask->stream,
                                  .turn = (uint32_t)hq.n_streams,
                                  .hash = chain_start(ask->office, ask->stream)};
        if (strcmp(ask->office, "150400") == 0)
                s->office = "150400";
        hear(&(struct wire_message){.kind = WIRE_STREAM_IS, .stream = *s});
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        (void)ctx, (void)n;
        struct arena a = {0};
        struct wire_message m;
        assert_int_equal(wire_read((const uint8_t *)frames[0].v, frames[0].n, &a, &m, NULL), 0);
        hq.asked[m.kind]++;
        if (m.kind == WIRE_RESUME)
                resume(&m.resume);
        if (m.kind == WIRE_STREAM_ASK && hq.answers)
                open_stream(&m.stream);
        arena_close(&a);
        return true;
}

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        (void)ctx, (void)peer;
        struct arena a = {0};
        struct wire_message m;
        assert_int_equal(wire_read((const uint8_t *)message->v, message->n, &a, &m, NULL), 0);
        hq.told[hq.n_told++ % TOLD] = m.kind;
        if (m.kind == WIRE_REFUSAL)
                snprintf(hq.refusal, sizeof hq.refusal, "%s", m.refusal.code);
        arena_close(&a);
        return true;
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        (void)ctx, (void)office, (void)id;
        return sign_public;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx, (void)zone;
        return us / 1000000;
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        (void)ctx, (void)digest;
        return office_catalog();
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        (void)ctx, (void)c;
}

static void hear_log(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t n)
{
        (void)ctx, (void)sentence, (void)office, (void)n;
        hq.lines += tone == HUB_WARNS;
}

static int set_up(void **state)
{
        struct hub_host host = {NULL,    to_office,    to_sink,      sign_key,
                                civil_s, held_catalog, keep_catalog, hear_log};
        (void)state;
        hq = (struct hq){.now = {1000, 1703980800LL * 1000000}, .answers = true, .c = office_catalog()};
        hq.hub = hub_new(&host, 1, 1 << 20);
        hear(&(struct wire_message){.kind = WIRE_HELLO, .hello = {.number = 1, .program = "test"}});
        assert_int_equal(hub_state(hq.hub), FEED_READY);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        hub_free(hq.hub);
        catalog_free(hq.c);
        return 0;
}

static void say(const char *office, uint16_t connection, const struct wire_message *m)
{
        struct text t = {0};
        struct hub_peer_name name = {.n = sizeof connection};
        memcpy(name.b, &connection, sizeof connection);
        wire_write(m, &t);
        hub_office(hq.hub, hq.now, &name, office, (const uint8_t *)t.v, t.n);
        text_close(&t);
}

static struct wire_message greeting(const char *office, uint16_t stream)
{
        struct wire_message m = {.kind = WIRE_GREETING, .greeting = {.office = office, .program = "test"}};
        memcpy(m.greeting.stream.b, &stream, sizeof stream);
        return m;
}

static enum wire_kind last_told(void)
{
        return hq.n_told ? hq.told[(hq.n_told - 1) % TOLD] : 0;
}

/* Each stream is a row at HQ for ever and a place in memory. */
static void streams_without_reports_are_few(void **state)
{
        (void)state;
        for (uint16_t i = 0; i < 400; i++) {
                struct wire_message m = greeting("150200", i);
                say("150200", 1, &m);
        }
        assert_int_equal(hq.n_streams, 16);
        assert_int_equal(last_told(), WIRE_REFUSAL);
        assert_string_equal(hq.refusal, "streams");
        assert_string_equal(hub_refusal(hq.hub, "150200"), "streams");
        struct wire_message known = greeting("150200", 3), other = greeting("150400", 3);
        say("150200", 2, &known); /* one it has is still welcome */
        assert_int_equal(last_told(), WIRE_WELCOME);
        say("150400", 3, &other);
        assert_int_equal(last_told(), WIRE_WELCOME);
}

/* The sink is asked little at a time, each office in its turn, and a lost answer does not count for ever. */
static void questions_do_not_pile_up(void **state)
{
        (void)state;
        struct wire_message m = greeting("150200", 1), other = greeting("150400", 1),
                            ask = {.kind = WIRE_VERDICTS_ASK,
                                   .verdicts_ask = {.office = "150200", .from = 1}},
                            told = {.kind = WIRE_VERDICTS, .verdicts = {.office = "150200"}};
        say("150200", 1, &m);
        for (int i = 0; i < 1000; i++)
                say("150200", (uint16_t)(i % 4), &ask);
        assert_int_equal(hq.asked[WIRE_VERDICTS_ASK], 8);
        say("150400", 9, &other);
        assert_int_equal(hq.asked[WIRE_STREAM_ASK], 1);
        for (int i = 0; i < 2; i++) /* the other office is next, or next but one */
                hear(&told);
        assert_int_equal(hq.asked[WIRE_STREAM_ASK], 2);
        for (int i = 0; i < 1000; i++)
                hear(&told);
        assert_int_equal(hq.asked[WIRE_VERDICTS_ASK], 24);
        for (int i = 0; i < 1000; i++)
                say("150200", 1, &ask);
        assert_int_equal(hq.asked[WIRE_VERDICTS_ASK], 32);
        hq.now.mono_ms += 60 * 1000;
        hub_tick(hq.hub, hq.now);
        assert_int_equal(hq.asked[WIRE_VERDICTS_ASK], 40);
}

/* Who is refused a thousand times is not worth a thousand lines in the log. */
static void refusals_do_not_fill_the_log(void **state)
{
        (void)state;
        struct wire_message m = greeting("150400", 1);
        for (int i = 0; i < 1000; i++)
                say("150200", 1, &m);
        assert_int_equal(hq.lines, 1);
        hq.now.mono_ms += 60 * 1000;
        say("150200", 1, &m);
        assert_int_equal(hq.lines, 2);
}

/* A note of a gap is a commit of the sink's. */
static void a_gap_is_noted_now_and_then(void **state)
{
        (void)state;
        struct wire_message m = greeting("150200", 1);
        for (unsigned i = 1; i <= 1000; i++) {
                m.greeting.floor = i;
                say("150200", 1, &m);
        }
        assert_int_equal(hq.asked[WIRE_GAP], 1);
        assert_string_equal(hq.refusal, "gap");
        hq.now.mono_ms += 30 * 1000;
        say("150200", 1, &m);
        assert_int_equal(hq.asked[WIRE_GAP], 2);
}

/* A batch that is right, and needs what stands in its period. */
static void say_signed(const struct wire_message *greeted)
{
        struct text payload = {0};
        struct fact fact = {.value = 7, .region = 3, .indicator = (uint16_t)hq.c->datasets[0].indicators[0]};
        payload_write(hq.c, &(struct report){.facts = &fact, .n = 1}, &payload);
        struct envelope e = {.dataset = "gunexp",
                             .period = "2023-09-19",
                             .payload = (const uint8_t *)payload.v,
                             .payload_n = payload.n};
        struct stream_id stream = greeted->greeting.stream;
        struct hash start = chain_start("150200", stream);
        struct wire_message m = {
            .kind = WIRE_BATCH,
            .batch = {.stream = stream, .first = 1, .previous = start, .reports = &e, .n = 1}};
        chain_sign("150200", stream, 1, chain_next("150200", stream, 1, start, &e), sign_secret,
                   m.batch.signature);
        say("150200", 1, &m);
        text_close(&payload);
}

/* While something is recalled batches wait: two windows of an office, not of each of its connections. */
static void connections_share_their_offices_room(void **state)
{
        (void)state;
        static uint8_t bytes[128 * 1024];
        struct envelope e = {
            .dataset = "gunexp", .period = "2023-09-19", .payload = bytes, .payload_n = sizeof bytes};
        struct wire_message m = greeting("150200", 1),
                            batch = {.kind = WIRE_BATCH, .batch = {.first = 1, .reports = &e, .n = 1}};
        batch.batch.stream = m.greeting.stream;
        say("150200", 1, &m);
        say_signed(&m);
        assert_int_equal(hq.asked[WIRE_RECALL], 1);
        for (uint16_t i = 2; i < 100; i++) {
                say("150200", i, &m);
                for (int k = 0; k < 100; k++)
                        say("150200", i, &batch);
        }
        assert_in_range(hub_waiting(hq.hub), 8, 2 * DOWNLINK_WINDOW / sizeof bytes);
}

/* Who connects again and again pushes out none but himself. */
static void connections_of_one_office_push_out_their_own(void **state)
{
        (void)state;
        struct wire_message honest = greeting("150400", 7), m = greeting("150200", 1),
                            ask = {.kind = WIRE_HASH_ASK, .hash = {.office = "", .seq = 1}};
        ask.hash.stream = honest.greeting.stream;
        say("150400", 1, &honest);
        for (uint16_t i = 0; i < 1000; i++) {
                hq.now.mono_ms++;
                say("150200", i, &m);
        }
        say("150400", 1, &ask); /* its conversation is where it was */
        assert_int_equal(hq.asked[WIRE_HASH_ASK], 1);
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
        crypto_sign_keypair(sign_public, sign_secret);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(streams_without_reports_are_few, set_up, tear_down),
            cmocka_unit_test_setup_teardown(questions_do_not_pile_up, set_up, tear_down),
            cmocka_unit_test_setup_teardown(refusals_do_not_fill_the_log, set_up, tear_down),
            cmocka_unit_test_setup_teardown(a_gap_is_noted_now_and_then, set_up, tear_down),
            cmocka_unit_test_setup_teardown(connections_share_their_offices_room, set_up, tear_down),
            cmocka_unit_test_setup_teardown(connections_of_one_office_push_out_their_own, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
