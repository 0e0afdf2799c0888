/* The hub between two offices and a real store, one message at a time: what it says to whom, and when. What
 * offices are told is written down as text, like a story's trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/folder.h"
#include "lib/scratch.h"
#include "session/hub.h"
#include "session/payload.h"
#include "sink/teller.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 32, REPORTS = 8 };

struct letter {
        struct text *frames;
        size_t n;
};

struct post { /* first in, first out, when the test says so */
        struct letter v[LETTERS];
        size_t n;
};

struct clerk {
        const char *code;
        struct stream_id stream;
        struct hash hash[REPORTS + 1]; /* [seq] */
        struct envelope reports[REPORTS];
        struct text payloads[REPORTS];
        uint64_t head, version;
        uint32_t turn;
        bool revoked;
};

struct hq {
        struct catalog *c;
        char dir[SCRATCH_PATH], path[SCRATCH_PATH + 16];
        struct store store;
        struct teller teller;
        struct hub *hub;
        struct post to_sink, from_sink;
        struct clerk north, south;
        struct text said; /* to offices */
};

static uint8_t sign_public[32], sign_secret[64];
static const struct hub_time hub_now = {1000, INT64_C(1700000000000000)};
static const struct teller_time teller_now = {1000, INT64_C(1700000000000000)};

/* ---- what hub and teller borrow */

static void post_put(struct post *p, const struct text *frames, size_t n)
{
        assert_true(p->n < LETTERS);
        struct letter *l = &p->v[p->n++];
        *l = (struct letter){calloc(n, sizeof *l->frames), n};
        for (size_t i = 0; i < n; i++)
                text_bytes(&l->frames[i], frames[i].v, frames[i].n);
}

static void letter_free(struct letter *l)
{
        for (size_t i = 0; i < l->n; i++)
                text_close(&l->frames[i]);
        free(l->frames);
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        struct hq *q = ctx;
        post_put(&q->to_sink, frames, n);
        return true;
}

static void from_sink(void *ctx, const struct text *frames, size_t n)
{
        struct hq *q = ctx;
        post_put(&q->from_sink, frames, n);
}

static void sink_refused(void *ctx, const char *doing, const struct err *e)
{
        (void)ctx;
        fail_msg("%s: %s", doing, e->text);
}

static void sink_note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx, (void)sentence, (void)about;
}

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *bytes)
{
        struct hq *q = ctx;
        struct arena a = {0};
        struct wire_message m;
        struct err e;
        assert_int_equal(wire_read((const uint8_t *)bytes->v, bytes->n, &a, &m, &e), 0);
        text_printf(&q->said, "%.*s: ", (int)peer->n, (const char *)peer->b);
        switch (m.kind) {
        case WIRE_WELCOME:
                text_printf(&q->said, "welcome stream=%u turn=%u mark=%u\n", m.welcome.stream.b[0],
                            m.welcome.turn, (unsigned)m.welcome.mark.seq);
                break;
        case WIRE_MARK: text_printf(&q->said, "mark=%u\n", (unsigned)m.mark.seq); break;
        case WIRE_REFUSAL: text_printf(&q->said, "refusal %s\n", m.refusal.code); break;
        case WIRE_VERDICTS:
                text_add(&q->said, "verdicts");
                for (size_t i = 0; i < m.verdicts.n; i++)
                        text_printf(&q->said, " %u=%s", (unsigned)m.verdicts.v[i].seq,
                                    verdict_word(m.verdicts.v[i].verdict));
                text_char(&q->said, '\n');
                break;
        default: fail();
        }
        arena_close(&a);
        return true;
}

static struct clerk *office_named(struct hq *q, const char *code)
{
        return strcmp(code, q->north.code) == 0 ? &q->north : &q->south;
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        (void)id;
        return office_named(ctx, office)->revoked ? NULL : sign_public;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx, (void)zone;
        return us / 1000000;
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        (void)ctx, (void)digest;
        return folder_catalog("tests/catalogs/atoll");
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        (void)ctx, (void)c;
}

static void say(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t number)
{
        (void)ctx, (void)tone, (void)sentence, (void)office, (void)number;
}

/* ---- messages on their way */

/* One letter to the sink, or from it. false: there is none. */
static bool carry_down(struct hq *q)
{
        struct wire_bytes frames[LETTERS] = {{0}};
        if (q->to_sink.n == 0)
                return false;
        struct letter l = q->to_sink.v[0];
        memmove(q->to_sink.v, q->to_sink.v + 1, --q->to_sink.n * sizeof l);
        for (size_t i = 0; i < l.n; i++)
                frames[i] = (struct wire_bytes){(const uint8_t *)l.frames[i].v, l.frames[i].n};
        teller_message(&q->teller, frames, l.n, teller_now);
        letter_free(&l);
        return true;
}

static bool carry_up(struct hq *q)
{
        struct wire_bytes frames[LETTERS] = {{0}};
        if (q->from_sink.n == 0)
                return false;
        struct letter l = q->from_sink.v[0];
        memmove(q->from_sink.v, q->from_sink.v + 1, --q->from_sink.n * sizeof l);
        for (size_t i = 0; i < l.n; i++)
                frames[i] = (struct wire_bytes){(const uint8_t *)l.frames[i].v, l.frames[i].n};
        hub_sink(q->hub, hub_now, frames, l.n);
        letter_free(&l);
        return true;
}

static void carry_all(struct hq *q)
{
        while (carry_down(q) || carry_up(q))
                ;
}

static void hear(struct hq *q, const char *peer, const struct clerk *o, const struct wire_message *m)
{
        struct hub_peer_name name = {.n = strlen(peer)};
        struct text t = {0};
        memcpy(name.b, peer, name.n);
        wire_write(m, &t);
        hub_office(q->hub, hub_now, &name, o->code, (const uint8_t *)t.v, t.n);
        text_close(&t);
}

static void greet(struct hq *q, const char *peer, const struct clerk *o)
{
        struct wire_message m = {.kind = WIRE_GREETING,
                                 .greeting = {.office = o->code,
                                              .stream = o->stream,
                                              .turn = o->turn,
                                              .head = o->head,
                                              .floor_hash = o->hash[0],
                                              .version = o->version,
                                              .program = "test"}};
        hear(q, peer, o, &m);
}

/* A report of one figure of a month is put at the end of the office's stream. */
static void report(struct hq *q, struct clerk *o, const char *period, enum action action, int64_t value)
{
        struct fact fact = {.value = value,
                            .region = q->c->offices[catalog_office(q->c, o->code)].region,
                            .indicator = (uint16_t)catalog_indicator(q->c, NONE, "water.used")};
        struct report r = {.dataset = (uint32_t)catalog_dataset(q->c, "water"),
                           .action = action,
                           .facts = &fact,
                           .n = action != WITHDRAW};
        struct text *payload = &o->payloads[o->head];
        payload_write(q->c, &r, payload);
        struct envelope *e = &o->reports[o->head];
        *e = (struct envelope){.submitted_at = hub_now.clock_us,
                               .dataset = "water",
                               .period = period,
                               .action = action,
                               .payload = (const uint8_t *)text_c(payload),
                               .payload_n = payload->n};
        o->head++;
        o->hash[o->head] = chain_next(o->code, o->stream, o->head, o->hash[o->head - 1], e);
}

static void send_batch(struct hq *q, const char *peer, const struct clerk *o, uint64_t first, uint64_t last)
{
        struct wire_message m = {.kind = WIRE_BATCH,
                                 .batch = {.stream = o->stream,
                                           .first = first,
                                           .previous = o->hash[first - 1],
                                           .reports = o->reports + first - 1,
                                           .n = last - first + 1}};
        chain_sign(o->code, o->stream, last, o->hash[last], sign_secret, m.batch.signature);
        hear(q, peer, o, &m);
}

#define SAID(q, text)                                          \
        do {                                                   \
                assert_string_equal(text_c(&(q)->said), text); \
                text_clear(&(q)->said);                        \
        } while (0)

/* ---- life */

static struct clerk office_of(const char *code, uint8_t stream)
{
        struct clerk o = {.code = code, .stream = {{stream}}};
        o.hash[0] = chain_start(code, o.stream);
        return o;
}

static void office_close(struct clerk *o)
{
        for (size_t i = 0; i < REPORTS; i++)
                text_close(&o->payloads[i]);
}

static struct hub *hub_of(struct hq *q, uint64_t incarnation)
{
        struct hub_host host = {q, to_office, to_sink, sign_key, civil_s, held_catalog, keep_catalog, say};
        return hub_new(&host, incarnation, SIZE_MAX);
}

static int begin(void **state)
{
        static struct hq q;
        struct err e;
        struct text blocks = {0};
        q = (struct hq){.c = folder_catalog("tests/catalogs/atoll"),
                        .north = office_of("north", 1),
                        .south = office_of("south", 2)};
        scratch_open(q.dir);
        snprintf(q.path, sizeof q.path, "%s/store.db", q.dir);
        assert_int_equal(store_open(&q.store, q.path, &e), 0);
        assert_int_equal(store_take_catalog(&q.store, NULL, q.c, 1, &blocks, &e), 0);
        teller_init(&q.teller, &(struct teller_host){&q, from_sink, sink_refused, sink_note}, &q.store, q.c);
        q.hub = hub_of(&q, 1);
        teller_link(&q.teller, true, teller_now);
        carry_all(&q);
        assert_int_equal(hub_state(q.hub), FEED_READY);
        *state = &q;
        return 0;
}

static int end(void **state)
{
        struct hq *q = *state;
        hub_free(q->hub);
        while (q->to_sink.n)
                letter_free(&q->to_sink.v[--q->to_sink.n]);
        while (q->from_sink.n)
                letter_free(&q->from_sink.v[--q->from_sink.n]);
        store_close(&q->store);
        scratch_close(q->dir);
        office_close(&q->north);
        office_close(&q->south);
        text_close(&q->said);
        catalog_free(q->c);
        return 0;
}

/* ---- the tests */

/* Nothing is acknowledged that is only in memory, however often it is asked for. */
static void a_mark_speaks_of_what_is_committed(void **state)
{
        struct hq *q = *state;
        greet(q, "a", &q->south);
        carry_all(q);
        SAID(q, "a: welcome stream=2 turn=1 mark=0\n");
        report(q, &q->south, "2023-05", REPLACE, 10);
        report(q, &q->south, "2023-05", REPLACE, 20);
        send_batch(q, "a", &q->south, 1, 2);
        assert_true(carry_down(q) && carry_up(q)); /* what stands in the year is recalled */
        SAID(q, "");
        send_batch(q, "a", &q->south, 1, 2);
        SAID(q, "a: mark=0\n"); /* the flush is on its way and nobody knows what becomes of it */
        assert_true(carry_down(q));
        send_batch(q, "a", &q->south, 1, 2);
        SAID(q, "a: mark=0\n"); /* it is committed, but HQ has not heard of it */
        carry_all(q);
        SAID(q, "a: mark=2\na: verdicts 1=accepted 2=accepted\n");
}

/* A routing id is a name that the other side chose; another key under the same one is another office. */
static void a_routing_id_is_nobody(void **state)
{
        struct hq *q = *state;
        greet(q, "a", &q->south);
        greet(q, "a", &q->north);
        carry_all(q);
        SAID(q, "a: welcome stream=2 turn=1 mark=0\na: welcome stream=1 turn=1 mark=0\n");
        report(q, &q->north, "2023-05", REPLACE, 10);
        send_batch(q, "a", &q->north, 1, 1);
        carry_all(q);
        SAID(q, "a: mark=1\na: verdicts 1=accepted\n");
}

/* A key that is taken from the table while its office is connected is not heard any more. */
static void a_revoked_office_is_not_heard(void **state)
{
        struct hq *q = *state;
        greet(q, "a", &q->south);
        carry_all(q);
        SAID(q, "a: welcome stream=2 turn=1 mark=0\n");
        q->south.revoked = true;
        greet(q, "a", &q->south);
        carry_all(q);
        SAID(q, "");
}

/* A late report of an older stream has to be folded in where memory has the figures only. What it needs is
 * recalled when the store has all that was taken, not before. */
static void a_late_report_waits_for_the_flush(void **state)
{
        struct hq *q = *state;
        struct clerk older = office_of("south", 3);
        greet(q, "old", &older);
        carry_all(q);
        greet(q, "a", &q->south);
        carry_all(q);
        report(q, &q->south, "2023-05", MERGE, 10);
        report(q, &q->south, "2023-06", REPLACE, 20);
        send_batch(q, "a", &q->south, 1, 2);
        carry_all(q);
        text_clear(&q->said);
        greet(q, "old", &older);
        SAID(q, "old: welcome stream=3 turn=1 mark=0\n");

        report(q, &q->south, "2023-06", ADD, 1);
        send_batch(q, "a", &q->south, 3, 3); /* its flush goes on its way */
        report(q, &older, "2023-05", REPLACE, 5);
        send_batch(q, "old", &older, 1, 1); /* its place is before that of the merge */
        assert_int_equal(q->to_sink.n, 1);  /* nothing is recalled yet */
        carry_all(q);
        SAID(q, "a: mark=3\nold: verdicts 3=accepted\na: verdicts 3=accepted\n"
                "old: mark=1\nold: verdicts 1=accepted\na: verdicts 1=accepted\n");
        office_close(&older);
}

/* An answer that was on its way when the aggregator died is not taken for the answer to a question of its
 * next life, which may be about another dataset. */
static void an_answer_to_a_former_life_is_dropped(void **state)
{
        struct hq *q = *state;
        greet(q, "a", &q->south);
        carry_all(q);
        report(q, &q->south, "2023-05", ADD, 10);
        send_batch(q, "a", &q->south, 1, 1);
        assert_true(carry_down(q)); /* what stands in the year was asked for */
        struct letter late = q->from_sink.v[--q->from_sink.n];

        hub_free(q->hub);
        q->hub = hub_of(q, 2);
        teller_link(&q->teller, false, teller_now);
        teller_link(&q->teller, true, teller_now);
        carry_all(q);
        greet(q, "a", &q->south);
        send_batch(q, "a", &q->south, 1, 1);
        assert_int_equal(q->to_sink.n, 1); /* asked again */
        q->from_sink.v[q->from_sink.n++] = late;
        assert_true(carry_up(q));
        assert_int_equal(q->to_sink.n, 1); /* and nothing folded, nothing flushed before the answer */
        text_clear(&q->said);
        carry_all(q);
        SAID(q, "a: mark=1\na: verdicts 1=accepted\n");
}

/* What was gathered rests on marks that a new term may have moved: it is forgotten, and comes again. */
static void memory_ends_with_the_term(void **state)
{
        struct hq *q = *state;
        greet(q, "a", &q->south);
        carry_all(q);
        report(q, &q->south, "2023-05", ADD, 10);
        report(q, &q->south, "2023-05", ADD, 20);
        send_batch(q, "a", &q->south, 1, 1);
        assert_true(carry_down(q) && carry_up(q));
        send_batch(q, "a", &q->south, 2, 2);
        letter_free(
            &q->to_sink.v[--q->to_sink.n]); /* the first flush is lost, the second is being gathered */
        teller_link(&q->teller, false, teller_now);
        teller_link(&q->teller, true, teller_now);
        carry_all(q);
        text_clear(&q->said);
        greet(q, "a", &q->south);
        SAID(q, "a: welcome stream=2 turn=1 mark=0\n");
        send_batch(q, "a", &q->south, 1, 2);
        carry_all(q);
        SAID(q, "a: mark=2\na: verdicts 1=accepted 2=accepted\n");
        assert_int_equal(q->teller.counts.refused, 0);
}

/* The store comes back from the days before a stream was opened. Its office is connected; the turn it was
 * told since is the one it has again. */
static void a_turn_survives_the_store(void **state)
{
        struct hq *q = *state;
        struct clerk later = {.code = q->south.code, .stream = {{9}}};
        later.hash[0] = chain_start(later.code, later.stream);
        q->south.turn = 5; /* from a life of the store that this one knows nothing of */
        greet(q, "a", &q->south);
        carry_all(q);
        greet(q, "a", &later);
        carry_all(q);
        SAID(q, "a: welcome stream=2 turn=5 mark=0\na: welcome stream=9 turn=6 mark=0\n");
        teller_link(&q->teller, false, teller_now);
        assert_int_equal(sqlite3_exec(q->store.db.handle, "DELETE FROM stream_", NULL, NULL, NULL), 0);
        teller_link(&q->teller, true, teller_now);
        carry_all(q);
        SAID(q, "a: welcome stream=9 turn=6 mark=0\n");
}

/* Rule 10: what an office has heard of is passed by the next commit, if a clock may have said it in good
 * faith.
 */
static void a_version_that_was_heard_is_passed(void **state)
{
        struct hq *q = *state;
        const uint64_t now = (uint64_t)hub_now.clock_us, day = UINT64_C(86400) * 1000000;
        q->south.version = now + 300 * day;
        q->north.version = now + 500 * day;
        greet(q, "a", &q->south);
        greet(q, "b", &q->north);
        carry_all(q);
        report(q, &q->south, "2023-05", ADD, 10);
        send_batch(q, "a", &q->south, 1, 1);
        carry_all(q);
        assert_true(q->store.version > q->south.version && q->store.version < q->north.version);
}

int main(void)
{
        static const uint8_t seed[32] = {1};
        if (sodium_init() < 0)
                return 1;
        crypto_sign_seed_keypair(sign_public, sign_secret, seed);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(a_mark_speaks_of_what_is_committed, begin, end),
            cmocka_unit_test_setup_teardown(a_routing_id_is_nobody, begin, end),
            cmocka_unit_test_setup_teardown(a_revoked_office_is_not_heard, begin, end),
            cmocka_unit_test_setup_teardown(a_late_report_waits_for_the_flush, begin, end),
            cmocka_unit_test_setup_teardown(an_answer_to_a_former_life_is_dropped, begin, end),
            cmocka_unit_test_setup_teardown(memory_ends_with_the_term, begin, end),
            cmocka_unit_test_setup_teardown(a_turn_survives_the_store, begin, end),
            cmocka_unit_test_setup_teardown(a_version_that_was_heard_is_passed, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
