#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/parcel.h"
#include "lib/office_catalog.h"
#include "lib/scratch.h"

static const int64_t now_us = INT64_C(1703980800) * 1000000; /* 2023-12-31 00:00 UTC */

struct fixture {
        char dir[SCRATCH_PATH];
        struct outbox o;
        struct ledger ledger;
        struct parcel_book book;
        struct err e;
};

static int begin(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        scratch_open(f->dir);
        assert_int_equal(outbox_open(&f->o, scratch_path(f->dir, "outbox.db"), "150200", now_us, &f->e), 0);
        struct catalog *c = office_catalog();
        f->book = (struct parcel_book){.outbox = &f->o,
                                       .ledger = &f->ledger,
                                       .catalog = c,
                                       .office = (uint32_t)catalog_office(c, "150200"),
                                       .max_bytes = 1 << 20};
        *state = f;
        return 0;
}

static int end(void **state)
{
        struct fixture *f = *state;
        ledger_close(&f->ledger);
        outbox_close(&f->o);
        catalog_free((struct catalog *)f->book.catalog);
        scratch_close(f->dir);
        free(f);
        return 0;
}

static struct parcel_input csv(const char *text)
{
        return (struct parcel_input){.kind = PARCEL_CSV,
                                     .bytes = text,
                                     .n = strlen(text),
                                     .hints = {"gunexp", "2023-09-19", NULL},
                                     .now_us = now_us};
}

static void read_in(struct fixture *f, struct parcel *t, struct parcel_input input)
{
        assert_int_equal(parcel_read(t, &f->book, &input, &f->e), 0);
}

static void refused(struct fixture *f, struct parcel_input input, enum reason_code code)
{
        struct parcel t = {0};
        read_in(f, &t, input);
        assert_false(parcel_fine(&t));
        assert_true(parcel_has(&t, code));
        parcel_close(&t);
}

/* Takes it; answers the receipts. */
static void take(struct fixture *f, struct parcel_input input, const char *want)
{
        struct parcel t = {0};
        struct text receipts = {0};
        read_in(f, &t, input);
        assert_true(parcel_fine(&t));
        parcel_receipts(&t, &f->book, &receipts);
        const char *after_stream = strstr(text_c(&receipts), "\"seq\"");
        assert_non_null(after_stream);
        assert_string_equal(after_stream, want);
        assert_int_equal(outbox_begin(&f->o, &f->e), 0);
        assert_int_equal(parcel_put(&t, &f->book, 0, &f->e), 0);
        assert_int_equal(outbox_commit(&f->o, &f->e), 0);
        text_close(&receipts);
        parcel_close(&t);
}

static void verdict(struct fixture *f, uint64_t seq, enum verdict v, uint32_t revision)
{
        struct wire_verdict w = {.seq = seq, .verdict = v, .revision = revision};
        int64_t form;
        assert_int_equal(outbox_begin(&f->o, &f->e), 0);
        assert_int_equal(outbox_keep_verdict(&f->o, f->o.now.stream, &w, now_us, &form, &f->e), 1);
        assert_int_equal(ledger_settle(&f->o, f->book.catalog, form, &f->e), 0);
        assert_int_equal(outbox_commit(&f->o, &f->e), 0);
}

/* "150203 firearms_seized 3; …" in the order of facts. */
static void stands_in(struct fixture *f, struct ledger *l, const char *want)
{
        const struct catalog *c = f->book.catalog;
        struct standing s = {0};
        struct text t = {0};
        struct period p;
        uint32_t revision, dataset = (uint32_t)catalog_dataset(c, "gunexp");
        assert_true(period_parse("2023-09-19", &p));
        assert_int_equal(ledger_read(l, &f->o, c, dataset, p, &s, &revision, &f->e), 0);
        for (size_t i = 0; i < s.n; i++)
                text_printf(&t, "%s%s %s %lld", i ? "; " : "", c->regions[s.facts[i].region].code,
                            c->indicators[s.facts[i].indicator].code, (long long)s.facts[i].value);
        assert_string_equal(text_c(&t), want);
        text_close(&t);
        standing_close(&s);
}

/* As remembered, and as folded anew. */
static void stands(struct fixture *f, const char *want)
{
        struct ledger fresh = {0};
        stands_in(f, &f->ledger, want);
        stands_in(f, &fresh, want);
        ledger_close(&fresh);
}

static void receipts(void **state)
{
        struct fixture *f = *state;
        take(f, csv("region,indicator,value\n150203,firearms_seized,3\n150221,firearms_seized,4\n"),
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "1,"
             "\"rows\":2,\"withdrawn\":0}]}");
        take(f, csv("region,indicator,value\n150203,firearms_seized,5\n"),
             "\"seq\":2,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "2,"
             "\"rows\":1,\"withdrawn\":1}]}");
        stands(f, "150203 firearms_seized 5");
        /* The number HQ gives next follows the last one it gave. */
        verdict(f, 1, ACCEPTED, 7);
        struct parcel_input withdraw = csv("");
        withdraw.hints.action = "withdraw";
        take(f, withdraw,
             "\"seq\":3,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"withdraw\","
             "\"revision\":9,"
             "\"rows\":0,\"withdrawn\":1}]}");
        stands(f, "");
}

/* What stands is the same before and after the verdicts, in whatever order they come, and without what was
 * rejected. */
static void folds_with_verdicts(void **state)
{
        struct fixture *f = *state;
        struct parcel_input add = csv("region,indicator,value\n150203,firearms_seized,10\n");
        struct parcel_input merge = csv("region,indicator,value\n150221,firearms_seized,1\n");
        struct parcel t = {0};
        const char *const acts[] = {"replace", "add", "merge", "add"};
        for (size_t i = 0; i < 4; i++) {
                struct parcel_input in = i == 2 ? merge : add;
                in.hints.action = acts[i];
                read_in(f, &t, in);
                assert_true(parcel_fine(&t));
                assert_int_equal(outbox_begin(&f->o, &f->e), 0);
                assert_int_equal(parcel_put(&t, &f->book, 0, &f->e), 0);
                assert_int_equal(outbox_commit(&f->o, &f->e), 0);
                parcel_close(&t);
        }
        const char *all = "150203 firearms_seized 30; 150221 firearms_seized 1";
        stands(f, all);
        verdict(f, 1, ACCEPTED, 1);
        stands(f, all);
        verdict(f, 4, ACCEPTED, 4); /* out of order: it waits its turn */
        stands(f, all);
        verdict(f, 2, REJECTED, 0);
        stands(f, "150203 firearms_seized 20; 150221 firearms_seized 1");
        verdict(f, 3, ACCEPTED, 3);
        stands(f, "150203 firearms_seized 20; 150221 firearms_seized 1");
        int64_t form;
        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        assert_int_equal(outbox_unfolded(&f->o, &form, dataset, period, &f->e), 0);
}

static void judges_what_would_stand(void **state)
{
        struct fixture *f = *state;
        struct parcel_input merge = csv("region,indicator,value\n150203,hazards_fixed,5\n");
        merge.hints.action = "merge";
        take(f, csv("region,indicator,value\n150203,hazards_found,4\n"),
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "1,"
             "\"rows\":1,\"withdrawn\":0}]}");
        refused(f, merge, REASON_RULE);
        stands(f, "150203 hazards_found 4");
}

static void guards_what_is_not_mentioned(void **state)
{
        struct fixture *f = *state;
        const char *two = "region,indicator,value\n150203,firearms_seized,3\n150221,firearms_seized,4\n";
        const char *one = "region,indicator,value\n150203,firearms_seized,3\n";
        struct parcel_input in = csv(two);
        take(f, in,
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "1,"
             "\"rows\":2,\"withdrawn\":0}]}");
        in = csv(one);
        in.guarded = true;
        refused(f, in, REASON_WOULD_WITHDRAW);
        in.hints.action = "replace"; /* written, so meant */
        take(f, in,
             "\"seq\":2,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "2,"
             "\"rows\":1,\"withdrawn\":1}]}");
}

static void the_quota(void **state)
{
        struct fixture *f = *state;
        const char *one = "region,indicator,value\n150203,firearms_seized,3\n";
        f->book.max_bytes = 2 * OUTBOX_OVERHEAD;
        take(f, csv(one),
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "1,"
             "\"rows\":1,\"withdrawn\":0}]}");
        refused(f, csv(one), REASON_OUTBOX_FULL);
        struct point head = f->o.now.head;
        assert_int_equal(outbox_begin(&f->o, &f->e), 0);
        assert_int_equal(outbox_keep_mark(&f->o, head, 1, now_us, now_us, &f->e), 0);
        assert_int_equal(outbox_commit(&f->o, &f->e), 0);
        take(f, csv(one),
             "\"seq\":2,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "2,"
             "\"rows\":1,\"withdrawn\":0}]}");
}

static void not_the_last_stream(void **state)
{
        struct fixture *f = *state;
        f->book.passed = true;
        refused(f, csv("region,indicator,value\n150203,firearms_seized,3\n"), REASON_NOT_THIS_OFFICES_OUTBOX);
}

static void encodings(void **state)
{
        struct fixture *f = *state;
        struct parcel_input in = {.kind = PARCEL_CSV,
                                  .bytes = "\xb5\xd8\xc7\xf8,\xd6\xb8\xb1\xea,\xca\xfd\xd6\xb5\n"
                                           "\xc0\xa5\xb6\xbc\xc2\xd8\xc7\xf8,firearms_seized,3\n",
                                  .hints = {"gunexp", "2023-09-19", NULL},
                                  .now_us = now_us};
        in.n = strlen(in.bytes);
        take(f, in,
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"replace\",\"revision\":"
             "1,"
             "\"rows\":1,\"withdrawn\":0}]}");
        stands(f, "150203 firearms_seized 3");
        refused(f, csv("region,indicator,value\n150203,firearms_seized,\xff\xff\n"), REASON_ENCODING);
}

static void other_kinds(void **state)
{
        struct fixture *f = *state;
        struct parcel_input nil = csv("");
        nil.kind = PARCEL_NIL;
        struct parcel t = {0};
        read_in(f, &t, nil);
        assert_true(parcel_fine(&t));
        assert_true(parcel_rows(&t) > 0);
        parcel_close(&t);

        struct parcel_input json = csv("{\"dataset\":\"gunexp\",");
        json.kind = PARCEL_JSON;
        read_in(f, &t, json);
        assert_false(parcel_fine(&t));
        assert_int_equal(t.in.malformed.code, E_SYNTAX);
        parcel_close(&t);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(receipts),
            CASE(folds_with_verdicts),
            CASE(judges_what_would_stand),
            CASE(guards_what_is_not_mentioned),
            CASE(the_quota),
            CASE(not_the_last_stream),
            CASE(encodings),
            CASE(other_kinds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
