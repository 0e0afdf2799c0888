#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session/varint.h"
#include "session/wire.h"

#include <stdlib.h>
#include <string.h>

/* Writes, reads, and leaves what was read in *back; its memory is *a's. */
static void travel(const struct wire_message *m, struct arena *a, struct wire_message *back)
{
        struct text bytes = {0};
        struct err e = {0};
        wire_write(m, &bytes);
        assert_false(text_failed(&bytes));
        assert_int_equal(wire_read((const uint8_t *)bytes.v, bytes.n, a, back, &e), 0);
        assert_int_equal(back->kind, m->kind);
        text_close(&bytes);
}

static const struct stream_id STREAM = {{1, 2, 3, 4, 5, 6, 7, 8}};
static const struct hash HEAD = {{0xaa, 0xbb}};

static struct envelope report_of(const char *dataset, const char *period, const void *payload)
{
        return (struct envelope){.submitted_at = 1700000000123456,
                                 .catalog = {7},
                                 .dataset = dataset,
                                 .period = period,
                                 .action = MERGE,
                                 .payload = payload,
                                 .payload_n = strlen(payload)};
}

static void greeting(void **state)
{
        (void)state;
        struct wire_wanted wanted[] = {{STREAM, 5}};
        struct wire_message m = {.kind = WIRE_GREETING,
                                 .greeting = {.office = "150200",
                                              .stream = STREAM,
                                              .head = 9,
                                              .floor = 4,
                                              .floor_hash = HEAD,
                                              .wanted = wanted,
                                              .n_wanted = 1,
                                              .clock_us = -1,
                                              .version = UINT64_MAX,
                                              .program = "sumu 0.1.0"}};
        struct arena a = {0};
        struct wire_message back;
        travel(&m, &a, &back);
        const struct wire_greeting *g = &back.greeting;
        assert_string_equal(g->office, "150200");
        assert_true(stream_same(g->stream, STREAM) && hash_same(g->floor_hash, HEAD));
        assert_true(g->turn == 0 && g->head == 9 && g->floor == 4 && g->clock_us == -1 &&
                    g->version == UINT64_MAX);
        assert_false(g->has_catalog);
        assert_true(g->n_wanted == 1 && g->wanted[0].from == 5 && stream_same(g->wanted[0].stream, STREAM));
        assert_string_equal(g->program, "sumu 0.1.0");
        arena_close(&a);
}

static void batch(void **state)
{
        (void)state;
        struct envelope reports[] = {report_of("gunexp", "2023-09-19", "rows"),
                                     report_of("scipop", "2023-09", "")};
        struct wire_message m = {.kind = WIRE_BATCH,
                                 .batch = {.stream = STREAM,
                                           .first = 7,
                                           .previous = HEAD,
                                           .reports = reports,
                                           .n = 2,
                                           .signature = {1},
                                           .key = {2}}};
        struct arena a = {0};
        struct wire_message back;
        travel(&m, &a, &back);
        const struct wire_batch *b = &back.batch;
        assert_true(b->first == 7 && b->n == 2 && b->signature[0] == 1 && b->key[0] == 2);
        assert_string_equal(b->reports[0].dataset, "gunexp");
        assert_string_equal(b->reports[0].period, "2023-09-19");
        assert_true(b->reports[0].submitted_at == 1700000000123456 && b->reports[0].action == MERGE);
        assert_true(b->reports[0].catalog[0] == 7 && b->reports[0].payload_n == 4);
        assert_memory_equal(b->reports[0].payload, "rows", 4);
        assert_int_equal(b->reports[1].payload_n, 0);

        /* The sizes of the entries, and what is around them, are the size of the message. */
        struct text full = {0}, empty = {0};
        wire_write(&m, &full);
        m.batch.n = 0;
        wire_write(&m, &empty);
        size_t around = full.n - wire_envelope_size(&reports[0]) - wire_envelope_size(&reports[1]);
        assert_in_range(around - empty.n, 0, 2); /* the length of the whole */
        text_close(&full);
        text_close(&empty);
        arena_close(&a);
}

/* Totals need all 128 bits; the regions stand once in the part, whatever the columns. */
static void totals(void **state)
{
        (void)state;
        __int128 most = (__int128)1 << 126;
        struct wire_total first[] = {{"150000", {.sum = -most - 5, .facts = 9, .about = 2, .at_least = 3}},
                                     {"150200", {.sum = 5, .facts = 1}}};
        struct wire_total second[] = {{"150200", {.sum = INT64_MIN, .facts = 1}}, {"150100", {.sum = 0}}};
        struct wire_column columns[] = {{"gunexp.firearms_seized", "2023-09", first, 2},
                                        {"gunexp.knives_seized", "2023", second, 2}};
        struct wire_message m = {.kind = WIRE_FLUSH_PART, .flush_part = {.columns = columns, .n_columns = 2}};
        struct arena a = {0};
        struct wire_message back;
        travel(&m, &a, &back);
        assert_int_equal(back.flush_part.n_columns, 2);
        for (size_t i = 0; i < 2; i++) {
                const struct wire_column *c = &back.flush_part.columns[i];
                assert_string_equal(c->indicator, columns[i].indicator);
                assert_string_equal(c->period, columns[i].period);
                assert_int_equal(c->n, 2);
                for (size_t k = 0; k < 2; k++) {
                        assert_string_equal(c->totals[k].region, columns[i].totals[k].region);
                        assert_true(cell_same(&c->totals[k].cell, &columns[i].totals[k].cell));
                }
        }
        struct text bytes = {0};
        wire_write(&m, &bytes);
        assert_non_null(memmem(bytes.v, bytes.n, "150200", 6));
        assert_null(memmem((char *)memmem(bytes.v, bytes.n, "150200", 6) + 1, 40, "150200", 6));
        size_t most_bytes = 8 + 2 * WIRE_COLUMN;
        for (size_t i = 0; i < 2; i++)
                most_bytes += wire_total_size(&first[i]) + wire_total_size(&second[i]);
        assert_in_range(bytes.n, 1, most_bytes);
        text_close(&bytes);
        arena_close(&a);
}

static void verdict_with(const struct reason *reasons, size_t n, struct arena *a, struct wire_message *back)
{
        struct wire_verdict v = {.seq = 3, .verdict = REJECTED, .reasons = reasons, .n_reasons = n};
        struct wire_message m = {.kind = WIRE_VERDICTS,
                                 .verdicts = {.stream = STREAM, .v = &v, .n = 1, .more = true}};
        travel(&m, a, back);
        assert_string_equal(back->verdicts.office, "");
        assert_true(back->verdicts.more && back->verdicts.v[0].verdict == REJECTED);
}

static void reasons(void **state)
{
        (void)state;
        struct reason r = {
            .code = REASON_UNKNOWN_REGION, .row = 4, .column = "地区", .arg = {"包头", NULL, "x"}};
        struct arena a = {0};
        struct wire_message back;
        verdict_with(&r, 1, &a, &back);
        const struct reason *b = back.verdicts.v[0].reasons;
        assert_true(b->code == REASON_UNKNOWN_REGION && b->row == 4);
        assert_string_equal(b->column, "地区");
        assert_string_equal(b->arg[0], "包头");
        assert_null(b->arg[1]);
        assert_string_equal(b->arg[2], "x");
        arena_close(&a);
}

/* A verdict always fits beside its report: the first reasons, long texts cut between characters. */
static void many_reasons(void **state)
{
        (void)state;
        struct text name = {0};
        for (size_t i = 0; i < 500; i++)
                text_add(&name, "包头市");
        struct reason r[200];
        for (size_t i = 0; i < 200; i++)
                r[i] = (struct reason){.code = REASON_UNKNOWN_REGION, .arg = {i < 100 ? "x" : text_c(&name)}};
        struct arena a = {0};
        struct wire_message back;
        verdict_with(r, 200, &a, &back);
        assert_int_equal(back.verdicts.v[0].n_reasons, WIRE_REASONS);
        verdict_with(r + 100, 100, &a, &back);
        assert_in_range(back.verdicts.v[0].n_reasons, 10, 16);
        assert_int_equal(strlen(back.verdicts.v[0].reasons[0].arg[0]), WIRE_REASON_TEXT / 3 * 3);

        struct wire_taken t = {.reasons = r + 100, .n_reasons = 100, .flags = r + 100, .n_flags = 100};
        t.report = report_of("gunexp", "2023-09-19", "");
        char *payload = calloc(1, REPORT_BYTES);
        t.report.payload = (uint8_t *)payload;
        t.report.payload_n = REPORT_BYTES;
        assert_in_range(wire_taken_size(&t), REPORT_BYTES, WIRE_MESSAGE);
        free(payload);
        text_close(&name);
        arena_close(&a);
}

/* ---- refusals */

static int read_hex(const char *hex, struct err *e)
{
        uint8_t bytes[256] = {0};
        size_t n = 0;
        for (; *hex; hex += 2 + (hex[2] == ' '))
                bytes[n++] = (uint8_t)strtoul((char[]){hex[0], hex[1], '\0'}, NULL, 16);
        struct arena a = {0};
        struct wire_message m;
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a step too far */
        memcpy(exact, bytes, n);
        int rc = wire_read(exact, n, &a, &m, e);
        free(exact);
        arena_close(&a);
        return rc;
}

/* The same reason as a newer HQ would write it: the office shows what it can. */
static void newer_reason(void **state)
{
        (void)state;
        static const char bytes[] = "\x2a\x1b\x12\x08ssssssss\x1a\x0f\x22\x0d\x0a\x05newer\x22\x04text";
        struct arena a = {0};
        struct wire_message m;
        struct err e = {0};
        assert_int_equal(wire_read((const uint8_t *)bytes, sizeof bytes - 1, &a, &m, &e), 0);
        struct text sentence = {0};
        reason_sentence(&m.verdicts.v[0].reasons[0], LANG_EN, &sentence);
        assert_string_equal(text_c(&sentence), "text (newer)");
        text_close(&sentence);
        arena_close(&a);
}

static void refused(void **state)
{
        (void)state;
        static const struct {
                const char *bytes, *sentence;
        } cases[] = {
            {"", "the message has no body"},
            {"9a0600", "Message has no field 99"},
            {"08", "Message.greeting has the wrong wire type"},
            {"0801", "Message.greeting has the wrong wire type"},
            {"a2", "Message: a field has no readable number"},
            {"a28080808000 00", "Message: a field has no readable number"},
            {"a20103 0801", "Message.hello is cut off"},
            {"a20182808080800008 01", "Message.hello has a length of more than 5 bytes"},
            {"a20100 a20100", "Message.hello is given twice"},
            {"a20100 aa0100", "Message.resume is given twice"},
            {"a20104 0801 0802", "Hello.version is given twice"},
            {"a20102 0880", "Hello.version is cut off"},
            {"a2010b 08ffffffffffffffffff02", "Hello.version is cut off"},
            {"a2010c 0880808080808080808080 00", "Hello.version is cut off"},
            {"a20103 120100", "Hello.program is not UTF-8"},
            {"a20104 1202c0af", "Hello.program is not UTF-8"},
            {"aa0104 090101 01", "Resume.incarnation is cut off"},
            {"ca0102 1002", "Committed.refused is out of range"},
            {"2a04 1a02 1003", "VerdictOf.verdict is out of range"},
            {"2a08 1a06 188080808010", "VerdictOf.revision is out of range"},
            {"2a00", "Verdicts.stream is missing"},
            {"2a03 120105", "Verdicts.stream has the wrong length"},
            {"0a00", "Greeting.office is missing"},
            {"0a05 0a03 e58c85", "Greeting.office is not a code"},
            {"1204 0a020000", "Welcome.stream has the wrong length"},
            {"120a 0a08 0000000000000000", "Welcome.mark is missing"},
            {"c20104 1202 1800", "TotalColumn.region has the wrong wire type"},
            {"c20105 1203 1a0180", "TotalColumn.region is cut off"},
            {"c20108 1206 1a0100 1a0100", "TotalColumn.region is given twice"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct err e = {0};
                int rc = read_hex(cases[i].bytes, &e);
                if (rc != E_SYNTAX || strcmp(e.text, cases[i].sentence) != 0)
                        fail_msg("%s: %d, \"%s\", not \"%s\"", cases[i].bytes, rc, e.text, cases[i].sentence);
        }
}

/* n times `unit` as a field of Message, its tag before it. */
static int read_many(const char *tag, const char *unit, size_t unit_n, size_t n, size_t cap, struct err *e)
{
        struct text t = {0};
        uint8_t length[VARINT_MAX];
        text_add(&t, tag);
        text_bytes(&t, length, (size_t)(varint_put(length, n * unit_n) - length));
        for (size_t i = 0; i < n; i++)
                text_bytes(&t, unit, unit_n);
        struct arena a = {.cap = cap};
        struct wire_message m;
        int rc = wire_read((const uint8_t *)t.v, t.n, &a, &m, e);
        assert_in_range(a.used, 0, WIRE_ARENA);
        arena_close(&a);
        text_close(&t);
        return rc;
}

/* Small bytes that would unpack to much are refused before anything is allocated for them (PITFALLS B1). */
static void limits(void **state)
{
        (void)state;
        struct err e = {0};
        assert_int_equal(read_many("\x2a", "\x1a\x00", 2, 120 * 1024, 0, &e), E_LIMIT);
        assert_string_equal(e.text, "VerdictOf takes more memory than a message may");
        assert_int_equal(read_many("\x2a", "\x1a\x00", 2, 140 * 1024, 0, &e), E_LIMIT);
        assert_int_equal(read_many("\xc2\x01", "\x1a\x01x", 3, 100, 0, &e), 0);
        assert_int_equal(read_many("\xc2\x01", "\x1a\x01x", 3, 100, 1000, &e), E_MEM);
        struct text t = {0};
        text_add(&t, "\x12\x81\x20");
        for (int i = 0; i <= 4096; i++)
                text_char(&t, 'x');
        assert_int_equal(read_many("\xa2\x01", t.v, t.n, 1, 0, &e), E_LIMIT);
        assert_string_equal(e.text, "Hello.program is longer than 4096 bytes");
        text_close(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(greeting),     cmocka_unit_test(batch),
                                           cmocka_unit_test(totals),       cmocka_unit_test(reasons),
                                           cmocka_unit_test(many_reasons), cmocka_unit_test(newer_reason),
                                           cmocka_unit_test(refused),      cmocka_unit_test(limits)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
