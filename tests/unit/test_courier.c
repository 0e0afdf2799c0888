#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/courier.h"
#include "lib/office_catalog.h"
#include "lib/scratch.h"

#include <sodium.h>

/* A courier on an outbox in a folder of its own. HQ is the test: it reads the last message that was said, and
 * answers. */

static const int64_t start_us = INT64_C(1695110400) * 1000000; /* 2023-09-19 */

struct post {
        char dir[SCRATCH_PATH];
        struct outbox outbox;
        struct keys keys;
        uint8_t sign_public[SIGN_PUBLIC], sign_secret[SIGN_SECRET];
        struct courier courier;
        struct courier_time now;
        struct err e;

        struct text said; /* to HQ, last */
        unsigned n_said;
        bool jammed; /* the queue to HQ is full */
        unsigned judged, unreadable;
        char trouble[sizeof((struct err *)NULL)->text]; /* "": the disk is fine */
        char noted[256];
        struct catalog *catalog; /* HQ's, given to us */

        struct arena arena; /* of what HQ reads */
        struct wire_message heard;
};

static bool send_out(void *ctx, const void *bytes, size_t n)
{
        struct post *o = ctx;
        if (o->jammed)
                return false;
        text_clear(&o->said);
        text_bytes(&o->said, bytes, n);
        o->n_said++;
        return true;
}

static void disk(void *ctx, const struct err *e)
{
        struct post *o = ctx;
        snprintf(o->trouble, sizeof o->trouble, "%s", e ? e->text : "");
}

static void judged(void *ctx)
{
        struct post *o = ctx;
        o->judged++;
}

static void take_catalog(void *ctx, struct catalog **next)
{
        struct post *o = ctx;
        if (!*next) {
                o->unreadable++;
                return;
        }
        catalog_free(o->catalog);
        o->catalog = *next;
        *next = NULL;
}

static void note(void *ctx, const char *sentence, const char *about)
{
        struct post *o = ctx;
        snprintf(o->noted, sizeof o->noted, "%s (%s)", sentence, about);
}

static int begin(void **state)
{
        struct post *o = calloc(1, sizeof *o);
        const struct courier_host host = {o, send_out, disk, judged, take_catalog, note};
        uint8_t seed[crypto_sign_SEEDBYTES] = {7};
        scratch_open(o->dir);
        crypto_sign_seed_keypair(o->sign_public, o->sign_secret, seed);
        o->keys.sign_secret = o->sign_secret;
        key_id_of(o->sign_public, o->keys.sign_id);
        o->now = (struct courier_time){1000, start_us};
        assert_int_equal(
            outbox_open(&o->outbox, scratch_path(o->dir, "outbox.db"), "150200", start_us, &o->e), 0);
        courier_init(&o->courier, &host, &o->outbox, &o->keys, NULL);
        *state = o;
        return 0;
}

static int end(void **state)
{
        struct post *o = *state;
        courier_close(&o->courier);
        outbox_close(&o->outbox);
        catalog_free(o->catalog);
        text_close(&o->said);
        arena_close(&o->arena);
        scratch_close(o->dir);
        free(o);
        return 0;
}

/* ---- the office's own doings */

static void add(struct post *o, const char *payload)
{
        struct envelope r = {.submitted_at = start_us,
                             .dataset = "gunexp",
                             .period = "2023-09-19",
                             .action = MERGE,
                             .payload = (const uint8_t *)payload,
                             .payload_n = strlen(payload)};
        assert_int_equal(outbox_begin(&o->outbox, &o->e), 0);
        assert_int_equal(outbox_add(&o->outbox, &r, &(struct outbox_extra){.rows = 1}, &o->e), 0);
        assert_int_equal(outbox_commit(&o->outbox, &o->e), 0);
        courier_grew(&o->courier, o->now);
}

static int refuse(void *unused)
{
        (void)unused;
        return 1;
}

static void disk_refuses(struct post *o, bool refuses)
{
        sqlite3_commit_hook(o->outbox.db.handle, refuses ? refuse : NULL, NULL);
}

static void reconnect(struct post *o)
{
        courier_link(&o->courier, false, o->now);
        courier_link(&o->courier, true, o->now);
}

/* ---- HQ */

static const struct wire_message *hears(struct post *o, enum wire_kind kind)
{
        arena_reset(&o->arena);
        assert_int_equal(wire_read((const uint8_t *)o->said.v, o->said.n, &o->arena, &o->heard, &o->e), 0);
        assert_int_equal(o->heard.kind, kind);
        return &o->heard;
}

static void says(struct post *o, const struct wire_message *m)
{
        struct text t = {0};
        wire_write(m, &t);
        struct wire_bytes frame = {(const uint8_t *)t.v, t.n};
        courier_message(&o->courier, &frame, 1, o->now);
        text_close(&t);
}

static struct wire_mark mark(struct post *o, uint64_t seq)
{
        struct wire_mark m = {
            .stream = o->outbox.now.stream, .seq = seq, .version = 9, .clock_us = start_us + 5};
        assert_int_equal(outbox_hash(&o->outbox, seq, &m.hash, &o->e), 1);
        return m;
}

/* HQ's catalogue is the office's own, or one it lacks. */
static struct wire_welcome welcome(struct post *o, uint32_t turn, uint64_t seq)
{
        struct wire_welcome w = {.stream = o->outbox.now.stream,
                                 .turn = turn,
                                 .last_turn = turn,
                                 .mark = mark(o, seq),
                                 .window = 1 << 20};
        if (o->courier.catalog)
                memcpy(w.catalog, o->courier.catalog->digest, sizeof w.catalog);
        return w;
}

static void says_welcome(struct post *o, struct wire_welcome w)
{
        says(o, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = w});
}

static void says_mark(struct post *o, uint64_t seq)
{
        says(o, &(struct wire_message){.kind = WIRE_MARK, .mark = mark(o, seq)});
}

static void says_accepted(struct post *o, uint64_t seq)
{
        struct wire_verdict v = {.seq = seq, .verdict = ACCEPTED, .revision = 1};
        says(o, &(struct wire_message){.kind = WIRE_VERDICTS,
                                       .verdicts = {.stream = o->outbox.now.stream, .v = &v, .n = 1}});
}

/* From the link to an open conversation, HQ holding nothing. */
static void open_talk(struct post *o)
{
        courier_link(&o->courier, true, o->now);
        hears(o, WIRE_GREETING);
        says_welcome(o, welcome(o, 1, 0));
        assert_int_equal(o->courier.uplink.state, UPLINK_OPEN);
}

static bool print(void *ctx, const struct outbox_report *r)
{
        text_printf(ctx, "%llu:%s ", (unsigned long long)r->seq, outbox_state_word(r->state));
        return true;
}

static void lists(struct post *o, const char *want)
{
        struct text t = {0};
        struct outbox_filter f = {.states = (1u << OUTBOX_STATES) - 1, .limit = 100};
        assert_int_equal(outbox_list(&o->outbox, &f, print, &t, &o->e), 0);
        assert_string_equal(text_c(&t), want);
        text_close(&t);
}

/* ---- */

static void a_report_goes_up_and_its_mark_comes_down(void **state)
{
        struct post *o = *state;
        open_talk(o);
        hears(o, WIRE_CATALOG_ASK); /* the office has none */
        add(o, "figures");
        const struct wire_batch *b = &hears(o, WIRE_BATCH)->batch;
        assert_int_equal(b->n, 1);
        assert_true(chain_verify("150200", o->outbox.now.stream, 1, o->outbox.now.head.hash, o->sign_public,
                                 b->signature));
        assert_memory_equal(b->key, o->keys.sign_id, KEY_ID);
        lists(o, "1:sent ");

        says_mark(o, 1);
        assert_int_equal(o->outbox.now.mark.seq, 1);
        assert_int_equal(o->outbox.now.turn, 1);
        assert_int_equal(o->outbox.now.version, 9);
        says_accepted(o, 1);
        lists(o, "1:accepted ");
        assert_int_equal(o->judged, 1);
        assert_int_equal(o->courier.counts.verdicts[ACCEPTED], 1);
        assert_int_equal(o->courier.counts.received, 3);
        assert_int_equal(o->courier.counts.sent, o->n_said);
        assert_int_equal(o->courier.hq_ahead_us, 5);
}

static void a_full_queue_is_tried_again(void **state)
{
        struct post *o = *state;
        open_talk(o);
        o->jammed = true;
        add(o, "figures");
        lists(o, "1:queued ");
        assert_int_equal(courier_deadline(&o->courier), o->now.mono_ms + UPLINK_RETRY_MS);
        o->jammed = false;
        o->now.mono_ms = courier_deadline(&o->courier);
        courier_tick(&o->courier, o->now);
        hears(o, WIRE_BATCH);
        lists(o, "1:sent ");
}

/* Everything HQ said while the disk refused is heard again over the next link: turn, mark and verdicts. */
static void what_was_not_kept_is_heard_again(void **state)
{
        struct post *o = *state;
        add(o, "one");
        add(o, "two");
        courier_link(&o->courier, true, o->now);
        disk_refuses(o, true);
        says_welcome(o, welcome(o, 3, 2));
        says_accepted(o, 1);
        says_accepted(o, 2);
        assert_string_not_equal(o->trouble, "");
        assert_true(o->courier.resync);
        assert_int_equal(o->judged, 0);
        assert_int_equal(o->outbox.now.mark.seq, 0);
        assert_false(courier_trim(&o->courier, 0, o->now)); /* nothing goes on the strength of it */

        disk_refuses(o, false);
        reconnect(o);
        assert_false(o->courier.resync);
        const struct wire_greeting *g = &hears(o, WIRE_GREETING)->greeting;
        assert_int_equal(g->turn, 0);
        assert_int_equal(g->wanted[0].from, 1);
        says_welcome(o, welcome(o, 3, 2));
        assert_int_equal(o->outbox.now.turn, 3);
        assert_int_equal(o->outbox.now.mark.seq, 2);
        assert_string_equal(o->trouble, "");
        assert_int_equal(o->courier.uplink.decided, 0);
        says_accepted(o, 1);
        says_accepted(o, 2);
        lists(o, "2:accepted 1:accepted ");
}

static void forks_where_hq_is_beyond(void **state)
{
        struct post *o = *state;
        courier_use_catalog(&o->courier, o->catalog = office_catalog(), o->now);
        add(o, "one");
        struct stream_id old = o->outbox.now.stream;
        struct wire_welcome w = welcome(o, 1, 1);
        w.mark.seq = 2; /* this outbox was restored: HQ holds another report than ours */
        w.mark.hash = (struct hash){{1}};
        courier_link(&o->courier, true, o->now);
        says_welcome(o, w);
        assert_int_equal(hears(o, WIRE_HASH_ASK)->hash.seq, 1);
        struct wire_message other = {
            .kind = WIRE_HASH_IS,
            .hash = {.office = "150200", .stream = old, .seq = 1, .known = true, .hash = {{2}}}};

        disk_refuses(o, true);
        says(o, &other);
        assert_true(stream_same(o->outbox.now.stream, old));
        assert_true(o->courier.resync);

        disk_refuses(o, false);
        reconnect(o);
        says_welcome(o, w);
        says(o, &other);
        assert_false(stream_same(o->outbox.now.stream, old));
        assert_int_equal(o->courier.counts.forks, 1);
        assert_true(stream_same(hears(o, WIRE_GREETING)->greeting.stream, o->outbox.now.stream));
        lists(o, "1:queued "); /* it moved there */
}

static void takes_over_when_all_is_safe(void **state)
{
        struct post *o = *state;
        assert_true(courier_take_over(&o->courier, o->now)); /* HQ knows nothing of this stream: it is new */
        struct stream_id old = o->outbox.now.stream;
        add(o, "one");
        courier_link(&o->courier, true, o->now);
        struct wire_welcome w = welcome(o, 1, 0);
        w.last_turn = 2;
        says_welcome(o, w);
        assert_true(o->outbox.now.passed);
        assert_false(courier_take_over(&o->courier, o->now));
        says_mark(o, 1);
        assert_true(courier_take_over(&o->courier, o->now));
        assert_false(stream_same(o->outbox.now.stream, old));
        assert_false(o->outbox.now.passed);
        assert_int_equal(o->outbox.now.head.seq, 0);
}

static void says_welcome_to(struct post *o, struct stream_id stream, struct point mark)
{
        struct wire_welcome w = welcome(o, 1, o->outbox.now.mark.seq);
        w.stream = w.mark.stream = stream;
        w.mark.seq = mark.seq;
        w.mark.hash = mark.hash;
        says_welcome(o, w);
}

static bool greets_from(struct post *o, struct stream_id stream)
{
        return stream_same(hears(o, WIRE_GREETING)->greeting.stream, stream);
}

/* Rule 6: an HQ that came back from a backup lacks what an older stream brought, and gets it before the
 * newest goes on. */
static void older_streams_come_first(void **state)
{
        struct post *o = *state;
        courier_use_catalog(&o->courier, o->catalog = office_catalog(), o->now);
        open_talk(o);
        add(o, "one");
        add(o, "two");
        says_mark(o, 2);
        says_accepted(o, 1);
        says_accepted(o, 2);
        struct stream_id old = o->outbox.now.stream;
        struct point first = {.seq = 1}, second = o->outbox.now.head;
        assert_int_equal(outbox_hash(&o->outbox, 1, &first.hash, &o->e), 1);
        assert_true(courier_take_over(&o->courier, o->now));
        struct stream_id fresh = o->outbox.now.stream;

        reconnect(o);
        assert_true(greets_from(o, old));
        add(o, "three"); /* waits */
        says_welcome_to(o, old, first);
        const struct wire_batch *b = &hears(o, WIRE_BATCH)->batch;
        assert_true(stream_same(b->stream, old));
        assert_true(b->n == 1 && b->first == 2);
        assert_true(chain_verify("150200", old, 2, second.hash, o->sign_public, b->signature));
        assert_false(courier_trim(&o->courier, 0, o->now));
        assert_false(courier_take_over(&o->courier, o->now));
        says(o,
             &(struct wire_message){
                 .kind = WIRE_MARK,
                 .mark = {.stream = old, .seq = 2, .hash = second.hash, .version = 9, .clock_us = start_us}});
        assert_true(greets_from(o, fresh));
        says_welcome_to(o, fresh, o->outbox.now.floor);
        assert_true(stream_same(hears(o, WIRE_BATCH)->batch.stream, fresh));

        reconnect(o);
        assert_true(greets_from(o, old));
        says_welcome_to(o, old, (struct point){.seq = 9}); /* a life of ours that is lost went on there */
        assert_true(greets_from(o, fresh));
        assert_int_equal(o->courier.counts.forks, 1);
}

static void lets_go_of_what_had_its_days(void **state)
{
        struct post *o = *state;
        open_talk(o);
        add(o, "figures");
        says_mark(o, 1);
        says_accepted(o, 1);
        o->now.clock_us += 1000000;
        struct wire_mark later = mark(o, 1);
        later.clock_us = o->now.clock_us;
        says(o, &(struct wire_message){.kind = WIRE_MARK, .mark = later});
        courier_use_catalog(&o->courier, o->catalog = office_catalog(), o->now);
        while (courier_trim(&o->courier, 0, o->now))
                ;
        assert_int_equal(o->courier.uplink.floor.seq, o->outbox.now.floor.seq);
        assert_string_equal(o->trouble, "");
}

static void says_piece(struct post *o, const struct wire_catalog_ask *ask, const struct text *pack)
{
        size_t half = pack->n / 2 + 1, left = pack->n - ask->offset;
        struct wire_message m = {
            .kind = WIRE_CATALOG_PIECE,
            .piece = {.size = pack->n,
                      .offset = ask->offset,
                      .bytes = {(const uint8_t *)pack->v + ask->offset, left < half ? left : half}}};
        memcpy(m.piece.digest, ask->digest, sizeof m.piece.digest);
        says(o, &m);
}

/* HQ has this pack; the office asks for both halves. */
static void hands_over(struct post *o, const struct text *pack, const uint8_t digest[CATALOG_DIGEST])
{
        struct wire_welcome w = welcome(o, 1, 0);
        memcpy(w.catalog, digest, sizeof w.catalog);
        says_welcome(o, w);
        for (int i = 0; i < 2; i++)
                says_piece(o, &hears(o, WIRE_CATALOG_ASK)->catalog_ask, pack);
}

static void keeps_hqs_catalogue(void **state)
{
        struct post *o = *state;
        struct catalog *c = office_catalog();
        uint8_t digest[OUTBOX_DIGEST];
        struct text kept = {0};
        courier_link(&o->courier, true, o->now);
        disk_refuses(o, true);
        hands_over(o, &c->pack, c->digest);
        assert_null(o->catalog);
        assert_int_equal(o->unreadable, 0); /* it is the disk's fault */

        disk_refuses(o, false);
        reconnect(o);
        hands_over(o, &c->pack, c->digest);
        assert_non_null(o->catalog);
        assert_ptr_equal(o->courier.catalog, o->catalog);
        assert_int_equal(outbox_catalog(&o->outbox, digest, &kept, &o->e), 1);
        assert_memory_equal(digest, c->digest, sizeof digest);
        reconnect(o);
        assert_memory_equal(hears(o, WIRE_GREETING)->greeting.catalog, digest, sizeof digest);
        text_close(&kept);
        catalog_free(c);
}

static void an_unreadable_catalogue_is_asked_for_once(void **state)
{
        struct post *o = *state;
        uint8_t digest[CATALOG_DIGEST];
        struct text pack = {0};
        text_add(&pack, "of a later version");
        crypto_generichash(digest, sizeof digest, (const uint8_t *)pack.v, pack.n, NULL, 0);
        courier_link(&o->courier, true, o->now);
        hands_over(o, &pack, digest);
        assert_int_equal(o->unreadable, 1);
        assert_null(o->courier.catalog);
        reconnect(o);
        struct wire_welcome w = welcome(o, 1, 0);
        memcpy(w.catalog, digest, sizeof w.catalog);
        says_welcome(o, w);
        hears(o, WIRE_GREETING); /* nothing was asked after it */
        text_close(&pack);
}

static void what_cannot_be_read_is_dropped(void **state)
{
        struct post *o = *state;
        struct wire_bytes frames[2] = {{(const uint8_t *)"\xff\xff", 2}, {(const uint8_t *)"", 0}};
        courier_link(&o->courier, true, o->now);
        courier_message(&o->courier, frames, 1, o->now);
        courier_message(&o->courier, frames, 2, o->now);
        courier_message(&o->courier, frames, 0, o->now);
        assert_int_equal(o->courier.counts.dropped, 3);
        assert_non_null(strstr(o->noted, "cannot be read"));
        assert_int_equal(o->courier.uplink.state, UPLINK_GREETING);
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(a_report_goes_up_and_its_mark_comes_down, begin, end),
            cmocka_unit_test_setup_teardown(a_full_queue_is_tried_again, begin, end),
            cmocka_unit_test_setup_teardown(what_was_not_kept_is_heard_again, begin, end),
            cmocka_unit_test_setup_teardown(forks_where_hq_is_beyond, begin, end),
            cmocka_unit_test_setup_teardown(takes_over_when_all_is_safe, begin, end),
            cmocka_unit_test_setup_teardown(older_streams_come_first, begin, end),
            cmocka_unit_test_setup_teardown(lets_go_of_what_had_its_days, begin, end),
            cmocka_unit_test_setup_teardown(keeps_hqs_catalogue, begin, end),
            cmocka_unit_test_setup_teardown(an_unreadable_catalogue_is_asked_for_once, begin, end),
            cmocka_unit_test_setup_teardown(what_cannot_be_read_is_dropped, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
