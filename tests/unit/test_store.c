/* The writer's side of HQ's store: terms and versions, a flush by hand, a report that nobody can read, a gap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/office_catalog.h"
#include "lib/scratch.h"
#include "sink/store.h"

#include <stdlib.h>
#include <string.h>

static const char office[] = "150200";
static const int64_t noon = INT64_C(1700000000000000);

struct fixture {
        char dir[SCRATCH_PATH];
        struct catalog *c;
        struct store s;
        struct downlink_stream stream; /* as the aggregator knows it */
        struct arena arena;
        struct err e;
};

static int open_store(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct text blocks = {0};
        struct wire_stream is;
        scratch_open(f->dir);
        f->c = office_catalog();
        arena_init(&f->arena, WIRE_ARENA);
        assert_int_equal(store_open(&f->s, scratch_path(f->dir, "sumu.db"), &f->e), 0);
        assert_int_equal(store_take_catalog(&f->s, NULL, f->c, noon, &blocks, &f->e), 0);
        f->stream = (struct downlink_stream){.id = {{1}}};
        memcpy(f->stream.office, office, sizeof office);
        assert_int_equal(store_stream(&f->s, office, f->stream.id, noon, &is, &f->e), 0);
        f->stream.turn = is.turn;
        f->stream.mark = f->stream.taken = (struct point){0, chain_start(office, f->stream.id)};
        assert_int_equal(store_open_term(&f->s, 0, noon, &f->e), 0);
        *state = f;
        return 0;
}

static int close_store(void **state)
{
        struct fixture *f = *state;
        store_close(&f->s);
        catalog_free(f->c);
        arena_close(&f->arena);
        scratch_close(f->dir);
        free(f);
        return 0;
}

/* A flush of one report with the stream's next number. `from` other than the stream's `taken` is a lie. */
static int flush_one(struct fixture *f, uint64_t term, struct point from, const struct wire_taken *t,
                     struct wire_committed *answer)
{
        struct gather g = {0};
        struct gather_frames frames = {0};
        struct wire_message head;
        struct wire_taken report = *t;
        struct downlink_stream s = f->stream;
        s.taken = from;
        report.step = gather_step(&g, &s);
        report.seq = from.seq + 1;
        report.hash = chain_next(office, s.id, report.seq, from.hash, &t->report);
        gather_report(&g, &report);
        gather_write(&g, term, 1, &frames);
        assert_int_equal(wire_read((const uint8_t *)frames.v[0].v, frames.v[0].n, &f->arena, &head, &f->e),
                         0);
        struct wire_bytes parts[4];
        assert_true(frames.n <= 5);
        for (size_t i = 1; i < frames.n; i++)
                parts[i - 1] = (struct wire_bytes){(const uint8_t *)frames.v[i].v, frames.v[i].n};
        int rc = store_commit(&f->s, f->c, &head.flush, parts, frames.n - 1, noon, answer, &f->e);
        if (rc == 0)
                f->stream.mark = f->stream.taken = (struct point){report.seq, report.hash};
        gather_frames_close(&frames);
        gather_close(&g);
        return rc;
}

static struct wire_taken nothing_said(void) /* a withdrawal */
{
        return (struct wire_taken){.report = {.submitted_at = noon,
                                              .dataset = "gunexp",
                                              .period = "2023-09-19",
                                              .action = WITHDRAW,
                                              .payload = (const uint8_t *)"",
                                              .payload_n = 0},
                                   .verdict = ACCEPTED,
                                   .revision = 1,
                                   .received_at = noon};
}

/* Rule 10. */
static void versions_grow_whatever_the_clock_says(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(store_open_term(&f->s, 0, noon + 1000000, &f->e), 0);
        assert_int_equal(f->s.version, noon + 1000000);
        assert_int_equal(store_open_term(&f->s, 0, noon - 5000000, &f->e), 0); /* set back */
        assert_int_equal(f->s.version, noon + 1000001);
        uint64_t heard = (uint64_t)noon * 2; /* from before a restore */
        assert_int_equal(store_open_term(&f->s, heard, noon, &f->e), 0);
        assert_true(f->s.version > heard);
        uint64_t last = f->s.version;
        store_close(&f->s);
        assert_int_equal(store_open(&f->s, scratch_path(f->dir, "sumu.db"), &f->e), 0);
        assert_int_equal(f->s.version, last);
}

/* Rule 8: a new stream gets the office's next turn; asked for again it is the same. */
static void a_stream_keeps_its_turn(void **state)
{
        struct fixture *f = *state;
        struct wire_stream is;
        struct stream_id other = {{2}};
        assert_int_equal(store_stream(&f->s, office, other, noon, &is, &f->e), 0);
        assert_int_equal(is.turn, 2);
        assert_int_equal(store_stream(&f->s, office, f->stream.id, noon, &is, &f->e), 0);
        assert_int_equal(is.turn, 1);
        assert_int_equal(store_stream(&f->s, "150400", other, noon, &is, &f->e), 0);
        assert_int_equal(is.turn, 1);
}

/* Rule 9. */
static void only_the_term_in_force_and_the_stored_mark(void **state)
{
        struct fixture *f = *state;
        struct wire_committed answer;
        struct wire_taken t = nothing_said();
        uint64_t version = f->s.version;
        assert_int_equal(flush_one(f, f->s.term - 1, f->stream.mark, &t, &answer), E_PEER);
        assert_true(answer.refused && answer.fenced);
        struct point elsewhere = {3, f->stream.mark.hash};
        assert_int_equal(flush_one(f, f->s.term, elsewhere, &t, &answer), E_PEER);
        assert_true(answer.refused && !answer.fenced);
        struct point another = {0, {{7}}};
        assert_int_equal(flush_one(f, f->s.term, another, &t, &answer), E_PEER);
        assert_int_equal(f->s.version, version);
        assert_int_equal(flush_one(f, f->s.term, f->stream.mark, &t, &answer), 0);
        assert_false(answer.refused);
        assert_true(answer.version > version);
        assert_int_equal(answer.version, f->s.version);
}

/* Rule 5: bytes that nobody can read are kept with their verdict, and the mark passes them. */
static void poison_is_recorded(void **state)
{
        struct fixture *f = *state;
        struct wire_committed answer;
        struct reason why = {.code = REASON_ENCODING, .arg = {"a report's payload"}};
        struct wire_taken t = nothing_said();
        t.report.dataset = "no such thing";
        t.report.payload = (const uint8_t *)"\xff\x00poison";
        t.report.payload_n = 8;
        t.verdict = REJECTED;
        t.revision = 0;
        t.reasons = &why;
        t.n_reasons = 1;
        assert_int_equal(flush_one(f, f->s.term, f->stream.mark, &t, &answer), 0);
        struct wire_stream is;
        assert_int_equal(store_stream(&f->s, office, f->stream.id, noon, &is, &f->e), 0);
        assert_int_equal(is.seq, 1);
        assert_true(hash_same(is.hash, f->stream.mark.hash));
        struct wire_verdicts_ask ask = {office, f->stream.id, 1};
        struct wire_verdicts said;
        assert_int_equal(store_verdicts(&f->s, &ask, &f->arena, &said, &f->e), 0);
        assert_int_equal(said.n, 1);
        assert_int_equal(said.v[0].verdict, REJECTED);
        assert_int_equal(said.v[0].reasons[0].code, REASON_ENCODING);
        struct wire_hash hash = {office, f->stream.id, 1, false, {{0}}}, answered;
        assert_int_equal(store_hash(&f->s, &hash, &answered, &f->e), 0);
        assert_true(answered.known && hash_same(answered.hash, f->stream.mark.hash));
}

/* Rule 6: where the office goes on is where it says its outbox begins. */
static void an_operator_skips_a_gap(void **state)
{
        struct fixture *f = *state;
        uint64_t from, to;
        struct hash floor = {{9}};
        assert_int_equal(store_skip(&f->s, office, noon, &from, &to, &f->e), E_MISSING);
        struct wire_gap gap = {office, f->stream.id, 0, 41, floor};
        assert_int_equal(store_gap(&f->s, &gap, noon, &f->e), 0);
        assert_int_equal(store_skip(&f->s, office, noon, &from, &to, &f->e), 0);
        assert_int_equal(to, 41);
        struct wire_stream is;
        assert_int_equal(store_stream(&f->s, office, f->stream.id, noon, &is, &f->e), 0);
        assert_int_equal(is.seq, 41);
        assert_true(hash_same(is.hash, floor));
        assert_int_equal(store_skip(&f->s, office, noon, &from, &to, &f->e), E_MISSING);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(versions_grow_whatever_the_clock_says),
            CASE(a_stream_keeps_its_turn),
            CASE(only_the_term_in_force_and_the_stored_mark),
            CASE(poison_is_recorded),
            CASE(an_operator_skips_a_gap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
