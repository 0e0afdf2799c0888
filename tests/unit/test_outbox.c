#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/outbox.h"
#include "lib/scratch.h"

/* An outbox in a folder of its own; `reopen` is what a restart does. */

static const int64_t second = 1000000, day = INT64_C(86400) * 1000000;
static const int64_t start_us = INT64_C(1695110400) * 1000000; /* 2023-09-19 */

struct box {
        char dir[SCRATCH_PATH], path[2 * SCRATCH_PATH];
        struct outbox o;
        struct err e;
};

static int begin(void **state)
{
        struct box *b = calloc(1, sizeof *b);
        scratch_open(b->dir);
        snprintf(b->path, sizeof b->path, "%s/outbox.db", b->dir);
        assert_int_equal(outbox_open(&b->o, b->path, "150200", start_us, &b->e), 0);
        *state = b;
        return 0;
}

static int end(void **state)
{
        struct box *b = *state;
        outbox_close(&b->o);
        scratch_close(b->dir);
        free(b);
        return 0;
}

static void reopen(struct box *b)
{
        outbox_close(&b->o);
        assert_int_equal(outbox_open(&b->o, b->path, "150200", start_us + day, &b->e), 0);
}

static struct envelope report(const char *dataset, const char *period, const char *payload)
{
        return (struct envelope){.submitted_at = start_us,
                                 .catalog = {1, 2, 3},
                                 .dataset = dataset,
                                 .period = period,
                                 .action = MERGE,
                                 .payload = (const uint8_t *)payload,
                                 .payload_n = strlen(payload)};
}

static void add(struct box *b, const char *dataset, const char *period, const char *payload, int64_t file)
{
        struct envelope r = report(dataset, period, payload);
        struct outbox_extra x = {.revision = 1, .rows = 3, .withdrawn = 2, .file = file};
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_add(&b->o, &r, &x, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
}

static void add_n(struct box *b, size_t n)
{
        char payload[32];
        for (size_t i = 0; i < n; i++) {
                snprintf(payload, sizeof payload, "payload %zu", i);
                add(b, "gunexp", "2023-09-19", payload, 0);
        }
}

static struct hash hash_at(struct box *b, uint64_t seq)
{
        struct hash h;
        assert_int_equal(outbox_hash(&b->o, seq, &h, &b->e), 1);
        return h;
}

static void mark(struct box *b, uint64_t seq, int64_t hq_us, int64_t now_us)
{
        struct point p = {seq, hash_at(b, seq)};
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_keep_mark(&b->o, p, 77, hq_us, now_us, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
}

static int verdict(struct box *b, struct stream_id stream, uint64_t seq, enum verdict v,
                   const struct reason *why)
{
        struct wire_verdict w = {.seq = seq,
                                 .verdict = v,
                                 .revision = v == REJECTED ? 0 : 5,
                                 .reasons = why,
                                 .n_reasons = why ? 1 : 0};
        int64_t form;
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        int code = outbox_keep_verdict(&b->o, stream, &w, start_us, &form, &b->e);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        return code;
}

/* "3:sent 2:accepted …", newest first. */
static bool print(void *ctx, const struct outbox_report *r)
{
        struct text *t = ctx;
        text_printf(t, "%s%llu:%s", t->n ? " " : "", (unsigned long long)r->seq, outbox_state_word(r->state));
        return true;
}

static void lists(struct box *b, struct outbox_filter f, const char *want)
{
        struct text t = {0};
        if (!f.states)
                f.states = (1u << OUTBOX_STATES) - 1;
        if (!f.limit)
                f.limit = 100;
        assert_int_equal(outbox_list(&b->o, &f, print, &t, &b->e), 0);
        assert_string_equal(text_c(&t), want);
        text_close(&t);
}

static void numbers_and_chains(void **state)
{
        struct box *b = *state;
        struct stream_id stream = b->o.now.stream;
        struct hash want = chain_start("150200", stream);
        assert_true(hash_same(b->o.now.head.hash, want));
        for (uint64_t seq = 1; seq <= 3; seq++) {
                struct envelope r = report("gunexp", "2023-09-19", "x");
                add(b, "gunexp", "2023-09-19", "x", 0);
                want = chain_next("150200", stream, seq, want, &r);
                assert_int_equal(b->o.now.head.seq, seq);
                assert_true(hash_same(b->o.now.head.hash, want));
        }
        reopen(b);
        assert_true(stream_same(b->o.now.stream, stream));
        assert_int_equal(b->o.now.head.seq, 3);
        assert_true(hash_same(b->o.now.head.hash, want));
        assert_true(hash_same(hash_at(b, 0), chain_start("150200", stream)));
        struct hash h;
        assert_int_equal(outbox_hash(&b->o, 4, &h, &b->e), 0);
}

static void all_or_nothing(void **state)
{
        struct box *b = *state;
        struct envelope r = report("gunexp", "2023-09-19", "x");
        struct outbox_extra x = {.revision = 1};
        struct outbox_request q = {.key = "k", .at_us = start_us};
        struct text answer = {0};
        text_add(&answer, "{}");
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_add(&b->o, &r, &x, &b->e), 0);
        assert_int_equal(outbox_request_keep(&b->o, &q, &answer, &b->e), 0);
        outbox_abandon(&b->o);
        text_clear(&answer);
        assert_int_equal(b->o.now.head.seq, 0);
        assert_int_equal(outbox_waiting(&b->o), 0);
        assert_int_equal(outbox_request_find(&b->o, "k", q.digest, &answer, &b->e), 0);
        lists(b, (struct outbox_filter){0}, "");
        text_close(&answer);
}

static void belongs_to_one_office(void **state)
{
        struct box *b = *state;
        outbox_close(&b->o);
        assert_int_equal(outbox_open(&b->o, b->path, "150100", start_us, &b->e), E_DENIED);
        assert_non_null(strstr(b->e.text, "150200"));
}

static void counts_what_waits(void **state)
{
        struct box *b = *state;
        add_n(b, 3);
        const uint64_t each = strlen("payload 0") + OUTBOX_OVERHEAD;
        assert_int_equal(outbox_waiting(&b->o), 3 * each);
        mark(b, 2, start_us, start_us);
        assert_int_equal(outbox_waiting(&b->o), each);
        mark(b, 1, start_us, start_us); /* HQ came back from a backup */
        assert_int_equal(outbox_waiting(&b->o), 2 * each);
        mark(b, 3, start_us, start_us);
        assert_int_equal(outbox_waiting(&b->o), 0);
        reopen(b);
        assert_int_equal(outbox_waiting(&b->o), 0);
        assert_int_equal(b->o.now.version, 77);
}

static void states(void **state)
{
        struct box *b = *state;
        static const struct reason why = {.code = REASON_LOCKED, .arg = {"2023-09-19"}};
        add_n(b, 4);
        struct stream_id stream = b->o.now.stream;
        lists(b, (struct outbox_filter){0}, "4:queued 3:queued 2:queued 1:queued");
        outbox_note_sent(&b->o, 3);
        lists(b, (struct outbox_filter){0}, "4:queued 3:sent 2:sent 1:sent");
        assert_int_equal(verdict(b, stream, 1, ACCEPTED, NULL), 1);
        assert_int_equal(verdict(b, stream, 2, REJECTED, &why), 1);
        assert_int_equal(verdict(b, stream, 2, ACCEPTED, NULL), 0); /* a verdict never changes */
        assert_int_equal(verdict(b, stream, 9, ACCEPTED, NULL), 0);
        assert_int_equal(verdict(b, (struct stream_id){{9}}, 3, ACCEPTED, NULL), 0);
        reopen(b);
        lists(b, (struct outbox_filter){0}, "4:queued 3:sent 2:rejected 1:accepted");
        lists(b, (struct outbox_filter){.states = 1u << OUTBOX_QUEUED | 1u << OUTBOX_SENT},
              "4:queued 3:sent");
        lists(b, (struct outbox_filter){.states = 1u << OUTBOX_REJECTED}, "2:rejected");
        lists(b, (struct outbox_filter){.states = 1u << OUTBOX_ACCEPTED}, "1:accepted");
}

static void filters_and_pages(void **state)
{
        struct box *b = *state;
        add(b, "gunexp", "2023-09-19", "a", 0);
        add(b, "gunexp", "2023-09-20", "b", 0);
        add(b, "lawinsp", "2023-Q3", "c", 0);
        lists(b, (struct outbox_filter){.dataset = "gunexp"}, "2:queued 1:queued");
        lists(b, (struct outbox_filter){.period = "2023-09-20"}, "2:queued");
        lists(b, (struct outbox_filter){.dataset = "lawinsp", .period = "2023-09-20"}, "");
        lists(b, (struct outbox_filter){.limit = 2}, "3:queued 2:queued");
        lists(b, (struct outbox_filter){.has_before = true, .before_any_stream = true, .before_seq = 2},
              "1:queued");
        lists(b,
              (struct outbox_filter){.has_before = true, .before_stream = b->o.now.stream, .before_seq = 3},
              "2:queued 1:queued");
        lists(b, (struct outbox_filter){.has_before = true, .before_stream = {{9}}, .before_seq = 3}, "");
}

static void batches(void **state)
{
        struct box *b = *state;
        struct arena a = {0};
        struct wire_batch w;
        struct point head;
        add_n(b, 5);
        assert_int_equal(outbox_batch(&b->o, 1, WIRE_MESSAGE, &a, &w, &head, &b->e), 0);
        assert_int_equal(w.n, 4);
        assert_int_equal(w.first, 2);
        assert_true(hash_same(w.previous, hash_at(b, 1)));
        assert_int_equal(head.seq, 5);
        assert_true(hash_same(head.hash, b->o.now.head.hash));
        assert_memory_equal(w.reports[3].payload, "payload 4", 9);
        assert_string_equal(w.reports[0].dataset, "gunexp");
        size_t one = wire_envelope_size(&w.reports[0]);

        assert_int_equal(outbox_batch(&b->o, 0, 2 * one, &a, &w, &head, &b->e), 0);
        assert_int_equal(w.n, 2);
        assert_int_equal(head.seq, 2);
        assert_int_equal(outbox_batch(&b->o, 0, 1, &a, &w, &head, &b->e), 0); /* at least one */
        assert_int_equal(w.n, 1);
        assert_int_equal(outbox_batch(&b->o, 5, WIRE_MESSAGE, &a, &w, &head, &b->e), 0);
        assert_int_equal(w.n, 0);
        arena_close(&a);
}

static void remembers_requests_and_files(void **state)
{
        struct box *b = *state;
        struct outbox_request q = {.key = "abc", .digest = {7}, .at_us = start_us};
        struct outbox_file f = {
            .name = "a.csv", .inode = 5, .size = 6, .mtime_ns = 7, .digest = {8}, .at_us = start_us};
        struct text answer = {0};
        uint8_t digest[OUTBOX_DIGEST];
        int64_t id;
        text_add(&answer, "{\"receipts\":[]}");
        assert_int_equal(outbox_file_known(&b->o, &f, &b->e), 0);
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_request_keep(&b->o, &q, &answer, &b->e), 0);
        assert_int_equal(outbox_file_take(&b->o, &f, &id, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        reopen(b);
        text_clear(&answer);
        assert_int_equal(outbox_request_find(&b->o, "abc", digest, &answer, &b->e), 1);
        assert_memory_equal(digest, q.digest, sizeof digest);
        assert_string_equal(text_c(&answer), "{\"receipts\":[]}");
        assert_int_equal(outbox_file_known(&b->o, &f, &b->e), 1);
        f.mtime_ns++;
        assert_int_equal(outbox_file_known(&b->o, &f, &b->e), 0);
        text_close(&answer);
}

static void tells_of_late_rejections(void **state)
{
        struct box *b = *state;
        static const struct reason why = {
            .code = REASON_LOCKED, .row = 3, .column = "period", .arg = {"2023-09-19"}};
        struct outbox_file f = {.name = "a.csv", .inode = 5, .at_us = start_us};
        int64_t id;
        uint64_t inode;
        struct text name = {0};
        struct reasons reasons = {0};
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_file_take(&b->o, &f, &id, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        add(b, "gunexp", "2023-09-19", "x", id);
        assert_int_equal(outbox_untold(&b->o, &id, &name, &inode, &reasons, &b->e), 0);
        verdict(b, b->o.now.stream, 1, REJECTED, &why);
        reopen(b);
        assert_int_equal(outbox_untold(&b->o, &id, &name, &inode, &reasons, &b->e), 1);
        assert_string_equal(text_c(&name), "a.csv");
        assert_int_equal(inode, 5);
        assert_int_equal(reasons.n, 1);
        assert_int_equal(reasons.v[0].code, REASON_LOCKED);
        assert_int_equal(reasons.v[0].row, 3);
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_told(&b->o, id, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        assert_int_equal(outbox_untold(&b->o, &id, &name, &inode, &reasons, &b->e), 0);
        text_close(&name);
        reasons_close(&reasons);
}

/* Rule 6: what HQ has forgotten it judges anew, and perhaps otherwise. */
static void a_mark_goes_back(void **state)
{
        struct box *b = *state;
        struct reason why = {.code = REASON_LOCKED, .row = 3};
        add_n(b, 3);
        mark(b, 3, start_us, start_us);
        for (uint64_t seq = 1; seq <= 3; seq++)
                assert_int_equal(verdict(b, b->o.now.stream, seq, ACCEPTED, NULL), 1);
        mark(b, 1, start_us, start_us);
        lists(b, (struct outbox_filter){0}, "3:sent 2:sent 1:accepted");
        mark(b, 3, start_us, start_us);
        assert_int_equal(verdict(b, b->o.now.stream, 1, REJECTED, &why), 0);
        assert_int_equal(verdict(b, b->o.now.stream, 2, REJECTED, &why), 1);
        assert_int_equal(verdict(b, b->o.now.stream, 3, ACCEPTED, NULL), 1);
        lists(b, (struct outbox_filter){0}, "3:accepted 2:rejected 1:accepted");
}

/* Rule 7: what came after the last shared report is queued again in a new stream, in order. */
static void forks(void **state)
{
        struct box *b = *state;
        struct arena a = {0};
        struct wire_batch w;
        struct point head;
        const struct wire_wanted *wanted;
        size_t n;
        add_n(b, 4);
        outbox_note_sent(&b->o, 4);
        struct stream_id old = b->o.now.stream;
        struct hash third;
        assert_int_equal(outbox_hash(&b->o, 3, &third, &b->e), 1);
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        outbox_keep_turn(&b->o, 3);
        assert_int_equal(outbox_fork(&b->o, 2, start_us, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        reopen(b);

        /* Every copy of this outbox that holds report 3 forks there into the same stream. */
        struct stream_id fresh = b->o.now.stream;
        assert_true(stream_same(fresh, chain_fork("150200", old, 2, third)));
        assert_int_equal(b->o.now.turn, 0);
        assert_int_equal(b->o.now.head.seq, 2);
        assert_int_equal(b->o.now.mark.seq, 0);
        assert_int_equal(outbox_batch(&b->o, 0, WIRE_MESSAGE, &a, &w, &head, &b->e), 0);
        assert_int_equal(w.n, 2);
        assert_memory_equal(w.reports[0].payload, "payload 2", 9);
        struct hash h = chain_start("150200", fresh);
        for (uint64_t seq = 1; seq <= 2; seq++)
                h = chain_next("150200", fresh, seq, h, &w.reports[seq - 1]);
        assert_true(hash_same(h, b->o.now.head.hash));
        assert_int_equal(outbox_waiting(&b->o), 2 * (9 + OUTBOX_OVERHEAD));
        lists(b, (struct outbox_filter){0}, "2:queued 1:queued 2:sent 1:sent");

        /* Verdicts of the old stream are still wanted, and taken. */
        assert_int_equal(outbox_wanted(&b->o, &a, &wanted, &n, &b->e), 0);
        assert_int_equal(n, 2);
        assert_true(stream_same(wanted[0].stream, fresh) && wanted[0].from == 1);
        assert_true(stream_same(wanted[1].stream, old) && wanted[1].from == 1);
        assert_int_equal(verdict(b, old, 1, ACCEPTED, NULL), 1);
        assert_int_equal(verdict(b, old, 2, ACCEPTED, NULL), 1);
        assert_int_equal(outbox_wanted(&b->o, &a, &wanted, &n, &b->e), 0);
        assert_int_equal(n, 1);
        arena_close(&a);
}

static int trim(struct box *b, int64_t now_us)
{
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        int more = outbox_trim(&b->o, now_us, 30 * day, &b->e);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        return more;
}

static void settle_all(struct box *b)
{
        int64_t form;
        uint32_t revision;
        assert_int_equal(outbox_form(&b->o, "gunexp", "2023-09-19", &form, &revision, &b->e), 0);
        struct outbox_part part = {"stands", 6};
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_settle(&b->o, form, INT64_MAX, 0, &part, 1, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
}

/* Rule 6: kept until the days have passed by both clocks, and until the verdict is here and settled. */
static void trims_by_both_clocks(void **state)
{
        struct box *b = *state;
        struct hash h;
        add_n(b, 3);
        struct hash second_hash = hash_at(b, 2);
        mark(b, 2, start_us, start_us);
        for (uint64_t seq = 1; seq <= 2; seq++)
                verdict(b, b->o.now.stream, seq, ACCEPTED, NULL);
        settle_all(b);
        const int64_t later = start_us + 31 * day;
        trim(b, later);
        assert_int_equal(b->o.now.floor.seq, 0); /* HQ's clock has not moved */
        mark(b, 2, start_us + 31 * day, start_us + 2 * 3600 * second);
        trim(b, start_us + 29 * day);
        assert_int_equal(b->o.now.floor.seq, 0); /* ours has not */
        assert_int_equal(trim(b, later), 0);
        assert_int_equal(b->o.now.floor.seq, 2);
        assert_true(hash_same(b->o.now.floor.hash, second_hash));
        reopen(b);
        assert_int_equal(outbox_hash(&b->o, 1, &h, &b->e), 0);
        assert_true(hash_same(hash_at(b, 2), second_hash));
        lists(b, (struct outbox_filter){0}, "3:queued");
        assert_int_equal(outbox_waiting(&b->o), 9 + OUTBOX_OVERHEAD);
}

static void trims_what_is_decided_and_settled(void **state)
{
        struct box *b = *state;
        const int64_t later = start_us + 31 * day;
        add_n(b, 2);
        mark(b, 2, start_us, start_us);
        mark(b, 2, later, start_us + 2 * 3600 * second);
        trim(b, later);
        assert_int_equal(b->o.now.floor.seq, 0); /* no verdicts yet */
        for (uint64_t seq = 1; seq <= 2; seq++)
                verdict(b, b->o.now.stream, seq, ACCEPTED, NULL);
        trim(b, later);
        assert_int_equal(b->o.now.floor.seq, 0); /* not settled yet */
        settle_all(b);
        trim(b, later);
        assert_int_equal(b->o.now.floor.seq, 2);
}

struct seen {
        char text[64];
        size_t parts;
};

static bool see(void *ctx, const struct outbox_report *r)
{
        struct seen *s = ctx;
        size_t n = strlen(s->text);
        snprintf(s->text + n, sizeof s->text - n, "%llu:%.*s ", (unsigned long long)r->seq,
                 (int)r->envelope.payload_n, (const char *)r->envelope.payload);
        return true;
}

static bool see_part(void *ctx, const uint8_t *payload, size_t n)
{
        struct seen *s = ctx;
        assert_memory_equal(payload, "stands", n);
        s->parts++;
        return true;
}

static void what_stands(void **state)
{
        struct box *b = *state;
        int64_t form;
        uint32_t revision;
        struct seen s = {0};
        assert_int_equal(outbox_form(&b->o, "gunexp", "2023-09-19", &form, &revision, &b->e), 0);
        assert_true(form == 0 && revision == 0);
        add(b, "gunexp", "2023-09-19", "a", 0);
        add(b, "gunexp", "2023-09-19", "b", 0);
        add(b, "gunexp", "2023-09-19", "c", 0);
        add(b, "gunexp", "2023-09-20", "d", 0);
        verdict(b, b->o.now.stream, 1, ACCEPTED, NULL); /* revision 5 at HQ */
        verdict(b, b->o.now.stream, 2, SUPERSEDED, NULL);
        assert_int_equal(outbox_form(&b->o, "gunexp", "2023-09-19", &form, &revision, &b->e), 0);
        assert_int_equal(revision, 5);
        assert_int_equal(outbox_unsettled(&b->o, form, 0, 0, see, &s, &b->e), 0);
        assert_string_equal(s.text, "1:a 3:c ");
        s = (struct seen){0};
        assert_int_equal(outbox_unsettled(&b->o, form, b->o.now.number, 1, see, &s, &b->e), 0);
        assert_string_equal(s.text, "3:c ");

        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        int64_t unfolded;
        assert_int_equal(outbox_unfolded(&b->o, &unfolded, dataset, period, &b->e), 1);
        assert_int_equal(unfolded, form);
        assert_string_equal(dataset, "gunexp");
        assert_string_equal(period, "2023-09-19");

        struct outbox_part parts[] = {{"stands", 6}, {"sta", 3}};
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_settle(&b->o, form, b->o.now.number, 3, parts, 2, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        s = (struct seen){0};
        assert_int_equal(outbox_unsettled(&b->o, form, 0, 0, see, &s, &b->e), 0);
        assert_string_equal(s.text, "3:c ");
        assert_int_equal(outbox_settled(&b->o, form, see_part, &s, &b->e), 0);
        assert_int_equal(s.parts, 2);
        assert_int_equal(outbox_unfolded(&b->o, &unfolded, dataset, period, &b->e), 0);
}

/* A file's number is in its reports: it must not become another file's while they are held. */
static void a_file_stays_with_its_reports(void **state)
{
        struct box *b = *state;
        static const struct reason why[] = {{.code = REASON_LOCKED, .arg = {"2023-09-18"}},
                                            {.code = REASON_LOCKED, .arg = {"2023-09-19"}}};
        struct outbox_file f = {.name = "a.csv", .inode = 5, .at_us = start_us};
        int64_t id;
        uint64_t inode;
        struct text name = {0};
        struct reasons reasons = {0};
        for (int i = 0; i < 2; i++) {
                f.inode++;
                assert_int_equal(outbox_begin(&b->o, &b->e), 0);
                assert_int_equal(outbox_file_take(&b->o, &f, &id, &b->e), 0);
                assert_int_equal(outbox_commit(&b->o, &b->e), 0);
                add(b, "gunexp", "2023-09-19", "x", id);
                verdict(b, b->o.now.stream, b->o.now.head.seq, REJECTED, &why[i]);
                if (i == 1)
                        break;
                assert_int_equal(outbox_begin(&b->o, &b->e), 0);
                assert_int_equal(outbox_told(&b->o, id, &b->e), 0);
                assert_int_equal(outbox_commit(&b->o, &b->e), 0);
                trim(b, start_us + 31 * day); /* HQ's mark is missing, so the report stays */
        }
        assert_int_equal(outbox_untold(&b->o, &id, &name, &inode, &reasons, &b->e), 1);
        assert_int_equal(inode, 7);
        assert_int_equal(reasons.n, 1);
        assert_string_equal(reasons.v[0].arg[0], "2023-09-19");
        text_close(&name);
        reasons_close(&reasons);
}

/* What HQ rejected in a stream it has lost may be accepted when it comes again. */
static void a_fork_asks_anew(void **state)
{
        struct box *b = *state;
        struct seen s = {0};
        int64_t form;
        uint32_t revision;
        static const struct reason why = {.code = REASON_LOCKED, .arg = {"2023-09-19"}};
        add(b, "gunexp", "2023-09-19", "a", 0);
        verdict(b, b->o.now.stream, 1, REJECTED, &why);
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_fork(&b->o, 0, start_us, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        assert_int_equal(verdict(b, b->o.now.stream, 1, ACCEPTED, NULL), 1);
        assert_int_equal(outbox_form(&b->o, "gunexp", "2023-09-19", &form, &revision, &b->e), 0);
        assert_int_equal(outbox_unsettled(&b->o, form, 0, 0, see, &s, &b->e), 0);
        assert_string_equal(s.text, "1:a "); /* it counts */
}

/* SQLite writes nothing for a transaction that changes nothing, so such a one tells nothing about the disk.
 */
static void tries_the_disk(void **state)
{
        struct box *b = *state;
        assert_int_equal(outbox_tend(&b->o, true, &b->e), 0);
        int64_t before = db_wal_bytes(&b->o.db);
        assert_int_equal(outbox_begin(&b->o, &b->e), 0);
        assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        assert_int_equal(db_wal_bytes(&b->o.db), before);
        assert_int_equal(outbox_try(&b->o, &b->e), 0);
        assert_true(db_wal_bytes(&b->o.db) > before);
        assert_int_equal(outbox_try(&b->o, &b->e), 0); /* as often as one likes */
}

static void keeps_the_catalogue(void **state)
{
        struct box *b = *state;
        uint8_t digest[OUTBOX_DIGEST];
        struct text pack = {0};
        assert_int_equal(outbox_catalog(&b->o, digest, &pack, &b->e), 0);
        for (uint8_t i = 1; i <= 2; i++) {
                memset(digest, i, sizeof digest);
                assert_int_equal(outbox_begin(&b->o, &b->e), 0);
                assert_int_equal(outbox_catalog_keep(&b->o, digest, "pack", 4, &b->e), 0);
                assert_int_equal(outbox_commit(&b->o, &b->e), 0);
        }
        reopen(b);
        assert_int_equal(outbox_catalog(&b->o, digest, &pack, &b->e), 1);
        assert_int_equal(digest[0], 2);
        assert_string_equal(text_c(&pack), "pack");
        text_close(&pack);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(numbers_and_chains),
            CASE(all_or_nothing),
            CASE(belongs_to_one_office),
            CASE(counts_what_waits),
            CASE(states),
            CASE(filters_and_pages),
            CASE(batches),
            CASE(remembers_requests_and_files),
            CASE(tells_of_late_rejections),
            CASE(a_mark_goes_back),
            CASE(forks),
            CASE(trims_by_both_clocks),
            CASE(trims_what_is_decided_and_settled),
            CASE(what_stands),
            CASE(a_file_stays_with_its_reports),
            CASE(a_fork_asks_anew),
            CASE(tries_the_disk),
            CASE(keeps_the_catalogue),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
