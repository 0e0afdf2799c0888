#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/toy_catalog.h"
#include "session/payload.h"
#include "session/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { R, S, A = 0, B, C };

/* Regions r and s in it, indicators a and b of dataset d, c of another. */
static struct catalog *catalogue(void)
{
        struct catalog *c = toy_new();
        toy_region(c, "r", NONE, "region");
        toy_region(c, "s", R, "city");
        uint32_t d = toy_dataset(c, "d", PERIOD_DAY), other = toy_dataset(c, "e", PERIOD_DAY);
        toy_indicator(c, d, "a", FLOW);
        toy_indicator(c, d, "b", FLOW);
        toy_indicator(c, other, "c", FLOW);
        c->indicators[B].decimals = 2;
        return c;
}

struct outcome {
        enum payload_state state;
        struct report report;
        struct arena arena;
        struct text why; /* the reasons, a line each */
};

static struct outcome read_bytes(const struct catalog *c, const void *bytes, size_t n)
{
        struct outcome o = {0};
        struct reasons reasons = {0};
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a step too far */
        memcpy(exact, bytes, n);
        o.state = payload_read(exact, n, c, 0, &o.arena, &o.report, &reasons);
        free(exact); /* nothing of it is kept */
        for (size_t i = 0; i < reasons.n; i++) {
                reason_sentence(&reasons.v[i], LANG_EN, &o.why);
                text_char(&o.why, '\n');
        }
        reasons_close(&reasons);
        return o;
}

static void outcome_close(struct outcome *o)
{
        arena_close(&o->arena);
        text_close(&o->why);
}

static void expect_fact(const struct fact *f, uint32_t indicator, uint32_t region, int64_t value,
                        enum qualifier q, bool own)
{
        assert_true(f->indicator == indicator && f->region == region && f->value == value && f->q == q &&
                    f->own == own);
}

static void there_and_back(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        struct fact facts[] = {{.indicator = A, .region = R, .value = -1, .own = 1},
                               {.indicator = A, .region = S, .value = VALUE_MAX, .q = ABOUT},
                               {.indicator = B, .region = R, .value = 300, .q = AT_LEAST}};
        struct note notes[] = {{S, A, "盘点后更正"}, {S, B, "no such row"}};
        struct report r = {.facts = facts, .n = 3, .note = "第三季度", .notes = notes, .n_notes = 2};
        struct text bytes = {0};
        payload_write(c, &r, &bytes);

        struct outcome o = read_bytes(c, bytes.v, bytes.n);
        assert_int_equal(o.state, PAYLOAD_READ);
        assert_int_equal(o.report.n, 3);
        expect_fact(&o.report.facts[0], A, R, -1, EXACT, true);
        expect_fact(&o.report.facts[1], A, S, VALUE_MAX, ABOUT, false);
        expect_fact(&o.report.facts[2], B, R, 300, AT_LEAST, false);
        assert_string_equal(o.report.note, "第三季度");
        assert_int_equal(o.report.n_notes, 1);
        assert_true(o.report.notes[0].region == S && o.report.notes[0].indicator == A);
        assert_string_equal(o.report.notes[0].text, "盘点后更正");
        outcome_close(&o);
        text_close(&bytes);
        toy_free(c);
}

/* The bytes are those of the schema, and no more of them than needed. */
static void plain_bytes(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        struct fact facts[] = {{.indicator = A, .region = S, .value = 1},
                               {.indicator = B, .region = S, .value = -100}};
        struct report r = {.facts = facts, .n = 2, .note = ""};
        struct text bytes = {0};
        payload_write(c, &r, &bytes);
        static const char want[] = "\x0a\x01s\x12\x01"
                                   "a\x12\x01"
                                   "b\x1a\x02\0\0\x22\x02\0\x01\x2a\x03\x02\xc7\x01";
        assert_int_equal(bytes.n, sizeof want - 1);
        assert_memory_equal(bytes.v, want, bytes.n);
        text_clear(&bytes);
        payload_write(c, &(struct report){.action = WITHDRAW}, &bytes);
        assert_int_equal(bytes.n, 0);
        text_close(&bytes);
        toy_free(c);
}

static struct outcome read_hex(const struct catalog *c, const char *hex)
{
        uint8_t bytes[256];
        size_t n = 0;
        for (; *hex; hex += 2 + (hex[2] == ' '))
                bytes[n++] = (uint8_t)strtoul((char[]){hex[0], hex[1], '\0'}, NULL, 16);
        return read_bytes(c, bytes, n);
}

static void nothing(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        struct report r = {0};
        struct reasons reasons = {0};
        struct arena a = {0};
        assert_int_equal(payload_read(NULL, 0, c, 0, &a, &r, &reasons), PAYLOAD_READ);
        assert_true(r.n == 0 && r.n_notes == 0 && r.note == NULL);
        arena_close(&a);
        toy_free(c);
}

/* Rows may come in any order; their notes stay with them. */
static void any_order(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        struct outcome o =
            read_hex(c, "420100 4a0178 0a0173 0a0172 120162 120161 1a020001 22020001 2a020204");
        assert_int_equal(o.state, PAYLOAD_READ);
        expect_fact(&o.report.facts[0], A, R, 2, EXACT, false);
        expect_fact(&o.report.facts[1], B, S, 1, EXACT, false);
        assert_true(o.report.notes[0].region == S && o.report.notes[0].indicator == B);
        outcome_close(&o);
        toy_free(c);
}

static void unknown(void **state)
{
        (void)state;
        static const struct {
                const char *bytes, *why;
        } cases[] = {
            {"0a0172 0a0178 120161 120163 1a020100 22020101 2a020202",
             "no region is called \"x\"\nno indicator is called \"c\"\n"},
            {"0a042f6f776e 120161 1a0100 220100 2a0102", "no region is called \"/own\"\n"},
            {"0a0172 120161 1a020000 22020000 2a020204", "a of r is given twice\n"},
            {"0a0172 0a05722f6f776e 120161 1a020001 22020000 2a020204", "a of r is given twice\n"},
            {"0a0172 120162 1a0100 220100 2a0a ffffffffffffffffff01",
             "\"-92233720368547758.08\" is larger than 10^15 of the smallest unit\n"},
            {"0a0172 120161 1a0100 220100 2a08 8280b4ccd4dfc603",
             "\"1000000000000001\" is larger than 10^15 of the smallest unit\n"},
        };
        struct catalog *c = catalogue();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct outcome o = read_hex(c, cases[i].bytes);
                assert_string_equal(text_c(&o.why), cases[i].why);
                assert_int_equal(o.state, PAYLOAD_UNKNOWN);
                assert_int_equal(o.report.n, 0);
                outcome_close(&o);
        }
        toy_free(c);
}

static void too_large(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        size_t n = 3 * (REPORT_ROWS + 1) + 18;
        uint8_t *bytes = calloc(1, REPORT_BYTES + 1), *p = bytes;
        memcpy(p,
               "\x0a\x01r\x12\x01"
               "a",
               6);
        p += 6;
        for (uint8_t tag = 0x1a; tag <= 0x2a; tag += 8, p += REPORT_ROWS + 1) {
                memcpy(p, (uint8_t[]){tag, 0xa1, 0x9c, 0x01}, 4);
                p += 4;
        }
        assert_int_equal(p - bytes, n);
        struct outcome o = read_bytes(c, bytes, n);
        assert_int_equal(o.state, PAYLOAD_UNKNOWN);
        assert_string_equal(text_c(&o.why),
                            "the report has 20001 rows, at most 20000 rows fit: send the rest with action "
                            "merge\n");
        outcome_close(&o);
        o = read_bytes(c, bytes, REPORT_BYTES + 1);
        assert_int_equal(o.state, PAYLOAD_UNKNOWN);
        assert_string_equal(text_c(&o.why),
                            "the report has 204801 bytes, at most 204800 bytes fit: send the rest with "
                            "action merge\n");
        outcome_close(&o);
        free(bytes);
        toy_free(c);
}

static void broken(void **state)
{
        (void)state;
        static const char *const cases[] = {
            "08",                                                      /* no bytes */
            "0800",                                                    /* a number */
            "02",                                                      /* field 0 */
            "5200",                                                    /* field 10 */
            "0a0572",                                                  /* cut off */
            "0a0100 120161 1a0100 220100 2a0102",                      /* NUL in a name */
            "0a01ff 120161 1a0100 220100 2a0102",                      /* not UTF-8 */
            "0a0172 120161 1a0100 1a0100 220100 2a0102",               /* a column twice */
            "0a0172 120161 1a0100 220100",                             /* no values */
            "0a0172 120161 1a020000 220100 2a0102",                    /* one region too many */
            "0a0172 120161 1a0100 22020000 2a0102",                    /* one indicator too many */
            "0a0172 120161 1a0100 220100 2a0102 32020000",             /* one qualifier too many */
            "0a0172 120161 1a0101 220100 2a0102",                      /* no such region */
            "0a0172 120161 1a0100 220101 2a0102",                      /* no such indicator */
            "0a0172 120161 1a0100 220100 2a0102 320103",               /* no such qualifier */
            "0a0172 120161 1a0100 220100 2a0182",                      /* a value that does not end */
            "0a0172 120161 1a0100 220100 2a0b 8080808080808080808000", /* nor in time */
            "0a0172 120161 1a0100 220100 2a0a ffffffffffffffffff02",   /* beyond 64 bits */
            "0a0172 0a0172 120161 1a020001 22020000 2a020202",         /* a region name twice */
            "0a0172 0a0173 120161 120161 1a020001 22020001 2a020202",  /* an indicator name twice */
            "0a0172 0a0173 120161 1a0100 220100 2a0102",               /* more names than rows */
            "0a0172 120161 1a0100 220100 2a0102 420100",               /* a note's row without text */
            "0a0172 120161 1a0100 220100 2a0102 4a0178",               /* a text without row */
            "0a0172 120161 1a0100 220100 2a0102 420101 4a0178",        /* no such row */
            "3a01ff",                                                  /* a note that is not UTF-8 */
            "3a00 3a00",                                               /* two of them */
        };
        struct catalog *c = catalogue();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct outcome o = read_hex(c, cases[i]);
                if (o.state != PAYLOAD_BROKEN)
                        fail_msg("%s: %d", cases[i], o.state);
                outcome_close(&o);
        }
        toy_free(c);
}

static void memory(void **state)
{
        (void)state;
        struct catalog *c = catalogue();
        static const uint8_t bytes[] = "\x0a\x01r\x12\x01"
                                       "a\x1a\x01\0\x22\x01\0\x2a\x01\x02\x3a\x01n";
        struct report r = {0};
        struct reasons reasons = {0};
        struct arena a = {0};
        assert_int_equal(payload_read(bytes, sizeof bytes - 1, c, 0, &a, &r, &reasons), PAYLOAD_READ);
        size_t enough = a.used;
        for (arena_close(&a), a.cap = 1; a.cap < enough; a.cap++, arena_close(&a)) {
                r = (struct report){0};
                assert_int_equal(payload_read(bytes, sizeof bytes - 1, c, 0, &a, &r, &reasons),
                                 PAYLOAD_MEMORY);
                assert_int_equal(r.n, 0);
        }
        arena_close(&a);
        toy_free(c);
}

/* One message may hold thousands of reports; what one of them leaves in the arena must not grow with the
 * catalogue, or a few bytes each would use up all there is. */
static void small_reports_take_little(void **state)
{
        (void)state;
        enum { REPORTS_IN_A_MESSAGE = 4000 };
        struct catalog *large = toy_new();
        uint32_t d = toy_dataset(large, "d", PERIOD_DAY);
        toy_indicator(large, d, "i", FLOW);
        toy_region(large, "R", NONE, "root");
        for (int i = 1; i < CATALOG_REGIONS; i++) {
                char code[16];
                snprintf(code, sizeof code, "R%d", i);
                toy_region(large, code, 0, "all");
        }
        struct fact fact = {.region = 7, .indicator = 0, .value = 1};
        struct report r = {.dataset = d, .facts = &fact, .n = 1}, out;
        struct text payload = {0};
        struct arena a;
        struct reasons why = {0};
        payload_write(large, &r, &payload);
        arena_init(&a, 4 * (size_t)WIRE_ARENA);
        for (int i = 0; i < REPORTS_IN_A_MESSAGE; i++)
                assert_int_equal(
                    payload_read((const uint8_t *)payload.v, payload.n, large, d, &a, &out, &why),
                    PAYLOAD_READ);
        text_close(&payload);
        arena_close(&a);
        reasons_close(&why);
        toy_free(large);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
                                           cmocka_unit_test(plain_bytes),
                                           cmocka_unit_test(nothing),
                                           cmocka_unit_test(any_order),
                                           cmocka_unit_test(unknown),
                                           cmocka_unit_test(too_large),
                                           cmocka_unit_test(broken),
                                           cmocka_unit_test(memory),
                                           cmocka_unit_test(small_reports_take_little)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
