/* The writer's side of the store: what is committed, what is refused, and that nothing is half-done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/folder.h"
#include "lib/scratch.h"
#include "session/gather.h"
#include "session/payload.h"
#include "sink/store.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static struct catalog *c;

struct fixture {
        char dir[SCRATCH_PATH], path[SCRATCH_PATH + 16];
        struct store store;
        struct downlink_stream stream;
        struct gather gather;
        struct wire_committed answer;
        uint64_t number;
};

static int begin(void **state)
{
        static struct fixture f;
        struct err e;
        f = (struct fixture){0};
        scratch_open(f.dir);
        snprintf(f.path, sizeof f.path, "%s/store.db", f.dir);
        assert_int_equal(store_open(&f.store, f.path, &e), 0);
        struct text blocks = {0};
        assert_int_equal(store_take_catalog(&f.store, NULL, c, 1000, &blocks, &e), 0);
        snprintf(f.stream.office, sizeof f.stream.office, "south");
        f.stream.id.b[0] = 7;
        f.stream.turn = 1;
        f.stream.mark.hash = f.stream.taken.hash = chain_start("south", f.stream.id);
        *state = &f;
        return 0;
}

static int end(void **state)
{
        struct fixture *f = *state;
        gather_close(&f->gather);
        store_close(&f->store);
        scratch_close(f->dir);
        return 0;
}

static int64_t one(struct fixture *f, const char *sql)
{
        sqlite3_stmt *q;
        assert_int_equal(sqlite3_prepare_v2(f->store.db.handle, sql, -1, &q, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        int64_t v = sqlite3_column_int64(q, 0);
        sqlite3_finalize(q);
        return v;
}

/* Opens a term and the stream, as an aggregator's first breath does. */
static void resume(struct fixture *f)
{
        struct wire_stream w = {0};
        struct err e;
        assert_int_equal(store_open_term(&f->store, 0, 2000, &e), 0);
        assert_int_equal(store_stream(&f->store, "south", f->stream.id, 2000, &w, &e), 0);
        assert_int_equal(w.turn, f->stream.turn);
        assert_true(hash_same(w.hash, chain_start("south", f->stream.id)) || w.seq > 0);
}

/* A report of one figure for the region `of` in a month, gathered with its verdict. */
static void gather_one(struct fixture *f, const char *period, enum verdict verdict, enum action action,
                       int64_t value)
{
        int32_t dataset = catalog_dataset(c, "water"), indicator = catalog_indicator(c, NONE, "water.used");
        struct fact fact = {.value = value,
                            .region = c->offices[catalog_office(c, "south")].region,
                            .indicator = (uint16_t)indicator};
        struct report r = {
            .dataset = (uint32_t)dataset, .action = action, .facts = &fact, .n = action != WITHDRAW};
        struct text payload = {0};
        payload_write(c, &r, &payload);
        struct reason why = {.code = REASON_LOCKED, .arg = {period}};
        struct wire_taken t = {.step = gather_step(&f->gather, &f->stream),
                               .report = {.submitted_at = 1,
                                          .dataset = "water",
                                          .period = period,
                                          .action = action,
                                          .payload = (const uint8_t *)text_c(&payload),
                                          .payload_n = payload.n},
                               .verdict = verdict,
                               .revision = verdict == REJECTED ? 0 : 1,
                               .closes = verdict == ACCEPTED && action != MERGE,
                               .reasons = verdict == REJECTED ? &why : NULL,
                               .n_reasons = verdict == REJECTED,
                               .rows = 1,
                               .received_at = 5};
        t.seq = f->stream.taken.seq + 1;
        t.hash = chain_next("south", f->stream.id, t.seq, f->stream.taken.hash, &t.report);
        gather_report(&f->gather, &t);
        f->stream.taken = (struct point){t.seq, t.hash};
        text_close(&payload);
}

static int commit(struct fixture *f, uint64_t term, int64_t clock_us)
{
        struct gather_frames frames = {0};
        struct wire_bytes parts[64];
        struct wire_message m;
        struct arena a = {0};
        struct err e = {0};
        gather_write(&f->gather, term, ++f->number, &frames);
        for (size_t i = 1; i < frames.n; i++)
                parts[i - 1] = (struct wire_bytes){(const uint8_t *)frames.v[i].v, frames.v[i].n};
        assert_int_equal(wire_read((const uint8_t *)frames.v[0].v, frames.v[0].n, &a, &m, &e), 0);
        int rc = store_commit(&f->store, c, &m.flush, parts, frames.n - 1, clock_us, &f->answer, &e);
        arena_close(&a);
        gather_frames_close(&frames);
        gather_clear(&f->gather);
        return rc;
}

static void a_flush_is_one_transaction(void **state)
{
        struct fixture *f = *state;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 10);
        gather_one(f, "2023-06", REJECTED, REPLACE, 20);
        struct cell cell = cell_of(10, EXACT);
        gather_total(&f->gather, "water.used", period_of(PERIOD_MONTH, day_of(2023, 5, 1)),
                     c->regions[0].code, &cell);
        assert_int_equal(commit(f, f->store.term, 3000), 0);
        assert_int_equal(one(f, "SELECT seq FROM mark"), 2);
        assert_int_equal(one(f, "SELECT count(*) FROM report WHERE verdict = 'accepted' AND current"), 1);
        assert_int_equal(
            one(f, "SELECT count(*) FROM report WHERE verdict = 'rejected' AND reasons LIKE '%\"locked\"%'"),
            1);
        assert_int_equal(
            one(f, "SELECT facts FROM total WHERE indicator = 'water.used' AND period = '2023-05'"), 1);
        assert_int_equal(one(f, "SELECT value * 10 FROM total"),
                         10); /* decimals 1: the view speaks in units */
}

/* Rule 5: bytes that nobody can read are kept with their verdict, and the mark passes them. */
static void poison_is_recorded(void **state)
{
        struct fixture *f = *state;
        struct err e;
        struct arena a = {0};
        resume(f);
        struct reason why = {.code = REASON_ENCODING, .arg = {"a report's payload"}};
        struct wire_taken t = {.step = gather_step(&f->gather, &f->stream),
                               .seq = 1,
                               .report = {.dataset = "no such thing",
                                          .period = "never",
                                          .payload = (const uint8_t *)"\xff poison",
                                          .payload_n = 8},
                               .verdict = REJECTED,
                               .reasons = &why,
                               .n_reasons = 1};
        t.hash = chain_next("south", f->stream.id, 1, f->stream.taken.hash, &t.report);
        gather_report(&f->gather, &t);
        assert_int_equal(commit(f, f->store.term, 3000), 0);
        assert_int_equal(one(f, "SELECT seq FROM mark"), 1);
        struct wire_verdicts_ask ask = {"south", f->stream.id, 1};
        struct wire_verdicts said;
        assert_int_equal(store_verdicts(&f->store, &ask, &a, &said, &e), 0);
        assert_int_equal(said.n, 1);
        assert_int_equal(said.v[0].verdict, REJECTED);
        assert_int_equal(said.v[0].reasons[0].code, REASON_ENCODING);
        struct wire_hash hash = {"south", f->stream.id, 1, false, {{0}}}, answered;
        assert_int_equal(store_hash(&f->store, &hash, &answered, &e), 0);
        assert_true(answered.known && hash_same(answered.hash, t.hash));
        arena_close(&a);
}

/* Rule 9: another term, another starting mark: refused whole. */
static void what_does_not_fit_is_refused_whole(void **state)
{
        struct fixture *f = *state;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 10);
        assert_int_equal(commit(f, f->store.term + 1, 3000), E_PEER);
        assert_true(f->answer.refused && f->answer.fenced);
        gather_one(f, "2023-06", ACCEPTED, REPLACE, 10); /* begins at 1, but the stored mark is 0 */
        assert_int_equal(commit(f, f->store.term, 3000), E_PEER);
        assert_true(f->answer.refused && !f->answer.fenced);
        assert_int_equal(one(f, "SELECT count(*) FROM report_"), 0);
        assert_int_equal(one(f, "SELECT seq FROM mark"), 0);
}

/* A flush that is refused at its very end has left nothing behind: no report, no total, no mark, and no name
 * that is remembered under a number which went with it. */
static void a_refused_flush_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        struct period may = period_of(PERIOD_MONTH, day_of(2023, 5, 1));
        struct cell cell = cell_of(10, EXACT);
        struct point before = f->stream.taken;
        resume(f);
        for (int fine = 0; fine < 2; fine++) {
                f->stream.taken = before;
                gather_one(f, "2023-05", ACCEPTED, REPLACE, 10);
                gather_total(&f->gather, "water.used", may, c->regions[fine].code, &cell);
                gather_total(&f->gather, "water.used", may, c->regions[0].code, &cell);
                f->gather.steps[0].to.hash.b[0] ^= !fine; /* that is not where its reports end */
                assert_int_equal(commit(f, f->store.term, 3000), fine ? 0 : E_PEER);
                assert_int_equal(one(f, "SELECT count(*) FROM report_"), fine);
                assert_int_equal(one(f, "SELECT count(*) FROM total_"), 2 * fine);
                assert_int_equal(one(f, "SELECT seq FROM mark"), fine);
        }
        assert_int_equal(one(f, "SELECT count(*) FROM total"), 2); /* by name */
        assert_int_equal(one(f, "SELECT count(*) FROM total WHERE region = 'ATOLL'"), 1);
}

/* Totals are kept of periods that have a place in the calendar; a span has none. */
static void a_total_of_a_span_is_refused(void **state)
{
        struct fixture *f = *state;
        struct cell cell = cell_of(10, EXACT);
        struct period span;
        resume(f);
        assert_true(period_parse("2023-05-01/2023-06-30", &span));
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 10);
        gather_total(&f->gather, "water.used", span, c->regions[0].code, &cell);
        assert_int_equal(commit(f, f->store.term, 3000), E_PEER);
        assert_int_equal(one(f, "SELECT count(*) FROM report_"), 0);
}

/* Rule 10: versions grow whatever the clock does, and go above what was heard of. */
static void versions_only_grow(void **state)
{
        struct fixture *f = *state;
        struct err e;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 1);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        assert_int_equal(f->answer.version, 5000);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 2);
        assert_int_equal(commit(f, f->store.term, 10), 0); /* the clock was put back */
        assert_int_equal(f->answer.version, 5001);
        assert_int_equal(store_open_term(&f->store, 900000, 20, &e), 0);
        assert_true(f->store.version > 900000);
        store_hear(&f->store, 2000000);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 3);
        assert_int_equal(commit(f, f->store.term, 30), 0);
        assert_int_equal(f->answer.version, 2000001);
        assert_int_equal(one(f, "SELECT count(*) FROM report_ WHERE closed = 5001 AND seq = 1"), 1);
}

static void reopened_it_goes_on(void **state)
{
        struct fixture *f = *state;
        struct err e;
        struct wire_stream w = {0};
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 1);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        uint64_t term = f->store.term;
        store_close(&f->store);
        assert_int_equal(store_open(&f->store, f->path, &e), 0);
        assert_int_equal(f->store.version, 5000);
        assert_int_equal(f->store.term, term);
        assert_int_equal(store_stream(&f->store, "south", f->stream.id, 6000, &w, &e), 0);
        assert_int_equal(w.seq, 1);
        struct stream_id other = {{9}};
        assert_int_equal(store_stream(&f->store, "south", other, 6000, &w, &e), 0);
        assert_int_equal(w.turn, 2); /* one more than the office's last */
}

static uint32_t turn_of(struct fixture *f, uint8_t stream, uint32_t claimed)
{
        struct err e;
        struct wire_stream w = {.turn = claimed};
        assert_int_equal(store_stream(&f->store, "south", (struct stream_id){{stream}}, 6000, &w, &e), 0);
        return w.turn;
}

/* Of a store from before these streams were opened: whoever comes first, each has its turn again. */
static void a_turn_is_given_again(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(turn_of(f, 11, 3), 3);
        assert_int_equal(turn_of(f, 12, 0), 4);
        assert_int_equal(turn_of(f, 13, 2), 2);
        assert_int_equal(turn_of(f, 14, 3), 5); /* somebody has it */
        assert_int_equal(turn_of(f, 11, 1), 3); /* known: nothing is claimed */
        assert_int_equal(turn_of(f, 15, UINT32_MAX), 6);
}

static void what_stands_is_recalled(void **state)
{
        struct fixture *f = *state;
        struct err e;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 1);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 2); /* closes the first */
        gather_one(f, "2023-05", ACCEPTED, MERGE, 3);
        gather_one(f, "2023-05", SUPERSEDED, REPLACE, 4);
        gather_one(f, "2024-05", ACCEPTED, REPLACE, 5);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        struct wire_recall ask = {
            .id = 3, .dataset = "water", .first = day_of(2023, 1, 1), .last = day_of(2023, 12, 31)};
        struct gather_frames frames = {0};
        struct wire_message m;
        struct arena a = {0};
        assert_int_equal(store_recall(&f->store, &ask, &frames, &e), 0);
        assert_int_equal(frames.n, 2);
        assert_int_equal(wire_read((const uint8_t *)frames.v[0].v, frames.v[0].n, &a, &m, &e), 0);
        assert_true(m.recalled.id == 3 && m.recalled.next.n == 0 && m.recalled.parts == 1);
        assert_int_equal(wire_read((const uint8_t *)frames.v[1].v, frames.v[1].n, &a, &m, &e), 0);
        assert_int_equal(m.recalled_part.n, 2);
        assert_int_equal(m.recalled_part.reports[0].at.seq, 2);
        assert_int_equal(m.recalled_part.reports[1].at.seq, 3);
        arena_close(&a);
        gather_frames_close(&frames);
}

/* What is too much for one answer comes in several, and none of it twice. */
static void a_long_recall_goes_on(void **state)
{
        enum { REPORTS_OF_200_KIB = 12 };
        static uint8_t payload[200 * 1024];
        struct fixture *f = *state;
        struct err e;
        resume(f);
        for (uint64_t seq = 1; seq <= REPORTS_OF_200_KIB; seq++) {
                struct wire_taken t = {.step = gather_step(&f->gather, &f->stream),
                                       .seq = seq,
                                       .report = {.dataset = "water",
                                                  .period = "2023-05",
                                                  .action = MERGE,
                                                  .payload = payload,
                                                  .payload_n = sizeof payload},
                                       .revision = (uint32_t)seq};
                payload[0] = (uint8_t)seq;
                t.hash = f->stream.taken.hash =
                    chain_next("south", f->stream.id, seq, f->stream.taken.hash, &t.report);
                f->stream.taken.seq = seq;
                gather_report(&f->gather, &t);
        }
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        struct wire_recall ask = {
            .dataset = "water", .first = day_of(2023, 1, 1), .last = day_of(2023, 12, 31)};
        struct text next = {0};
        uint64_t seen = 0, answers = 0;
        do {
                struct gather_frames frames = {0};
                struct wire_message m;
                struct arena a = {0};
                ask.after = (struct wire_bytes){(const uint8_t *)text_c(&next), next.n};
                assert_int_equal(store_recall(&f->store, &ask, &frames, &e), 0);
                for (size_t i = 1; i < frames.n; i++) {
                        assert_int_equal(wire_read((const uint8_t *)frames.v[i].v, frames.v[i].n, &a, &m, &e),
                                         0);
                        for (size_t k = 0; k < m.recalled_part.n; k++)
                                assert_int_equal(m.recalled_part.reports[k].at.seq, ++seen);
                }
                assert_int_equal(wire_read((const uint8_t *)frames.v[0].v, frames.v[0].n, &a, &m, &e), 0);
                text_clear(&next);
                text_bytes(&next, m.recalled.next.p, m.recalled.next.n);
                answers++;
                arena_close(&a);
                gather_frames_close(&frames);
        } while (next.n);
        assert_int_equal(seen, REPORTS_OF_200_KIB);
        assert_true(answers > 1);
        text_close(&next);
}

static void facts_are_expanded_behind(void **state)
{
        struct fixture *f = *state;
        struct err e;
        bool more = true;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 17);
        gather_one(f, "2023-06", ACCEPTED, REPLACE, 8);
        gather_one(f, "2023-06", ACCEPTED, WITHDRAW, 0);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        assert_int_equal(one(f, "SELECT count(*) FROM fact"), 0);
        for (int i = 0; i < 20 && more; i++)
                assert_int_equal(store_expand(&f->store, c, &more, &e), 0);
        assert_false(more);
        assert_int_equal(one(f, "SELECT count(*) FROM fact"), 1);
        assert_int_equal(one(f, "SELECT value * 10 FROM fact WHERE office = 'south' AND period = '2023-05'"),
                         17);
}

/* A rejected report may name any period: a span, a period of another kind that begins on the same day, none
 * at all. The facts that stand are none of its business. */
static void a_rejected_report_has_no_facts(void **state)
{
        struct fixture *f = *state;
        struct err e;
        bool more = true;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 17);
        gather_one(f, "2023-05-01", REJECTED, REPLACE, 18);
        gather_one(f, "2023-05-01/2023-06-15", REJECTED, REPLACE, 19);
        gather_one(f, "never", REJECTED, REPLACE, 20);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        for (int i = 0; i < 20 && more; i++)
                assert_int_equal(store_expand(&f->store, c, &more, &e), 0);
        assert_false(more);
        assert_int_equal(one(f, "SELECT count(*) FROM fact"), 1);
        assert_int_equal(one(f, "SELECT value * 10 FROM fact WHERE period = '2023-05'"), 17);
        assert_int_equal(f->store.expanded, 4);
}

/* What stands is the aggregator's word, and a hostile one's is not believed: facts stop, the sink does not.
 */
static void what_cannot_be_read_is_not_expanded(void **state)
{
        struct fixture *f = *state;
        struct err e;
        bool more;
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 17);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        assert_int_equal(
            sqlite3_exec(f->store.db.handle, "UPDATE report_ SET payload = x'ff'", NULL, NULL, NULL),
            SQLITE_OK);
        assert_int_equal(store_expand(&f->store, c, &more, &e), E_SYNTAX);
        assert_non_null(strstr(e.text, "a report of south that stands cannot be read"));
        assert_int_equal(one(f, "SELECT count(*) FROM fact"), 0);
}

/* Rule 6: an operator lets a stream go on behind a gap, and it is recorded. */
static void a_gap_is_skipped(void **state)
{
        struct fixture *f = *state;
        struct err e;
        uint64_t from, to;
        resume(f);
        assert_int_equal(store_skip(&f->store, "south", 10, &from, &to, &e), E_MISSING);
        struct wire_gap gap = {
            .office = "south", .stream = f->stream.id, .mark = 0, .floor = 4, .floor_hash = {{1, 2, 3}}};
        assert_int_equal(store_gap(&f->store, &gap, 10, &e), 0);
        assert_int_equal(store_skip(&f->store, "south", 10, &from, &to, &e), 0);
        assert_true(from == 1 && to == 4);
        assert_int_equal(one(f, "SELECT seq FROM mark"), 4);
        /* No report lies there, but the chain runs through it: whoever looks for a fork finds it shared. */
        struct wire_hash ask = {.office = "south", .stream = f->stream.id, .seq = 4}, answer;
        assert_int_equal(store_hash(&f->store, &ask, &answer, &e), 0);
        assert_true(answer.known && hash_same(answer.hash, gap.floor_hash));
        assert_int_equal(one(f, "SELECT count(*) FROM skip_ WHERE from_seq = 1 AND to_seq = 4"), 1);
        assert_int_equal(store_skip(&f->store, "south", 10, &from, &to, &e), E_MISSING);
}

/* A new catalogue is refused if a standing figure would lose what it is about. */
static void a_catalogue_may_not_lose_figures(void **state)
{
        struct fixture *f = *state;
        struct err e;
        struct text blocks = {0};
        resume(f);
        gather_one(f, "2023-05", ACCEPTED, REPLACE, 17);
        assert_int_equal(commit(f, f->store.term, 5000), 0);
        struct catalog *other = folder_catalog("catalog/neimenggu");
        assert_int_equal(store_take_catalog(&f->store, c, other, 6000, &blocks, &e), E_DENIED);
        assert_non_null(strstr(text_c(&blocks), "south"));
        catalog_free(other);
        struct catalog *stands = store_catalog(&f->store, &e);
        assert_memory_equal(stands->digest, c->digest, sizeof c->digest);
        catalog_free(stands);
        text_close(&blocks);
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
        c = folder_catalog("tests/catalogs/atoll");
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        const struct CMUnitTest tests[] = {
            TEST(a_flush_is_one_transaction),
            TEST(poison_is_recorded),
            TEST(what_does_not_fit_is_refused_whole),
            TEST(a_refused_flush_leaves_nothing),
            TEST(a_total_of_a_span_is_refused),
            TEST(versions_only_grow),
            TEST(reopened_it_goes_on),
            TEST(a_turn_is_given_again),
            TEST(what_stands_is_recalled),
            TEST(a_long_recall_goes_on),
            TEST(facts_are_expanded_behind),
            TEST(what_cannot_be_read_is_not_expanded),
            TEST(a_rejected_report_has_no_facts),
            TEST(a_gap_is_skipped),
            TEST(a_catalogue_may_not_lose_figures),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        catalog_free(c);
        return failed;
}
