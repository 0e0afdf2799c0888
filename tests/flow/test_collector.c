/* The collector as an office meets it: over HTTP and through its inbox, without HQ and with one. HQ is played
 * by toy_hq. */
#include "flow/flow.h"
#include "flow/toy_hq.h"
#include "lib/folder.h"
#include "lib/scratch.h"
#include "loop/keys.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char json[] = "Content-Type: application/json\r\n", csv[] = "Content-Type: text/csv\r\n";

struct fixture {
        char dir[SCRATCH_PATH], keys[2 * SCRATCH_PATH];
        struct catalog *catalog;
        struct flow_program collector;
        struct hq *hq;
        struct text reply;
};

static struct hq *hq_now; /* turned while the test waits */

static void meanwhile(void)
{
        hq_turn(hq_now);
}

static void open_hq(struct fixture *f)
{
        f->hq = hq_now = hq_open(scratch_path(f->keys, "aggregator"), f->catalog);
        flow_meanwhile = meanwhile;
}

static void close_hq(struct fixture *f)
{
        if (f->hq)
                hq_close(f->hq);
        f->hq = hq_now = NULL;
        flow_meanwhile = NULL;
}

static void write_config(struct fixture *f, const char *aggregator, uint16_t port, const char *more)
{
        struct text t = {0};
        text_printf(
            &t,
            "office: '150200'\naggregator: %s\ninbox: %s/inbox\nstate: %s/state\nkeys: %s/office-150200\n"
            "http: {listen: 127.0.0.1:%u}\n%s",
            aggregator, f->dir, f->dir, f->keys, port, more);
        scratch_write(scratch_path(f->dir, "collector.yaml"), t.v, t.n);
        text_close(&t);
}

static void start_with(struct fixture *f, const char *more, const char *flag)
{
        uint16_t port = flow_port();
        write_config(f, f->hq ? hq_endpoint(f->hq) : "tcp://127.0.0.1:1", port, more);
        flow_start(&f->collector, SUMU_COLLECTOR, scratch_path(f->dir, "collector.yaml"), flag, port);
}

static void start(struct fixture *f)
{
        start_with(f, "", NULL);
}

static int begin(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct err e;
        const char *const offices[] = {"150200"};
        scratch_open(f->dir);
        snprintf(f->keys, sizeof f->keys, "%s/keys", f->dir);
        assert_int_equal(keys_init(f->keys, offices, 1, &e), 0);
        f->catalog = folder_catalog("catalog/neimenggu");
        *state = f;
        return 0;
}

static int end(void **state)
{
        struct fixture *f = *state;
        flow_end(&f->collector, SIGKILL);
        close_hq(f);
        catalog_free(f->catalog);
        text_close(&f->reply);
        scratch_close(f->dir);
        free(f);
        return 0;
}

static int post(struct fixture *f, const char *query, const char *headers, const char *body)
{
        char path[256];
        snprintf(path, sizeof path, "/api/v1/reports%s", query);
        return flow_http(&f->collector, "POST", path, headers, body, &f->reply);
}

/* A report of one figure. */
static int post_one(struct fixture *f, const char *period, const char *value)
{
        char body[256];
        snprintf(
            body, sizeof body,
            "{\"dataset\":\"gunexp\",\"period\":\"%s\",\"action\":\"merge\",\"rows\":[{\"region\":\"150203\","
            "\"indicator\":\"firearms_seized\",\"value\":\"%s\"}]}",
            period, value);
        return post(f, "", json, body);
}

static void says(struct fixture *f, const char *part)
{
        if (!strstr(text_c(&f->reply), part))
                fail_msg("%s\nlacks\n%s", text_c(&f->reply), part);
}

static int count(const char *text, const char *part)
{
        int n = 0;
        for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
                n++;
        return n;
}

static void await(struct fixture *f, const char *path, const char *want)
{
        flow_await(&f->collector, path, want);
}

/* Every report has its verdict. */
static void all_heard(struct fixture *f)
{
        await(f, "/api/v1/reports?state=pending", "{\"reports\":[]}");
}

static const char with_folder[] = "catalog: catalog/neimenggu\n";

static void start_alone(struct fixture *f, const char *more)
{
        char config[256];
        snprintf(config, sizeof config, "%s%s", with_folder, more);
        start_with(f, config, NULL);
}

/* ---- without HQ */

static void takes_reports_with_hq_away(void **state)
{
        struct fixture *f = *state;
        start_alone(f, "");
        await(f, "/healthz", "\"degraded\"");
        assert_int_equal(post_one(f, "2023-09-19", "12"), 202);
        says(f,
             "\"seq\":1,\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"merge\",\"revision\":1,"
             "\"rows\":1,\"withdrawn\":0}]}");
        assert_int_equal(post(f, "?dataset=gunexp&period=2023-09-20", csv,
                              "region,indicator,value\n150203,firearms_seized,5\n150221,firearms_seized,6\n"),
                         202);
        says(f, "\"seq\":2");
        assert_int_equal(post(f, "?dataset=gunexp&period=2023-09-21&nil=1", "", ""), 202);
        await(f, "/api/v1/reports?state=pending&limit=2", "\"next\"");

        /* A crash loses nothing that was answered. */
        flow_end(&f->collector, SIGKILL);
        start_alone(f, "");
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports", "", NULL, &f->reply), 200);
        assert_int_equal(count(text_c(&f->reply), "\"queued\""), 3);
        assert_int_equal(post_one(f, "2023-09-19", "13"), 202);
        says(f, "\"seq\":4");
        says(f, "\"revision\":2");
        assert_int_equal(flow_end(&f->collector, SIGTERM), 0);
}

static void refuses_with_reasons(void **state)
{
        struct fixture *f = *state;
        start_alone(f, "");
        assert_int_equal(
            post(f, "?dataset=gunexp&period=2023-09-19", csv,
                 "region,indicator,value\n150203,firearms_seized,many\n150402,firearms_seized,1\n"),
            422);
        says(f, "{\"row\":2,\"column\":\"value\",\"code\":\"not_a_number\"");
        says(f, "{\"row\":3,\"column\":\"region\",\"code\":\"foreign_region\"");
        assert_int_equal(
            post(f, "?lang=zh", json, "{\"dataset\":\"nope\",\"period\":\"2023-09-19\",\"rows\":[]}"), 422);
        says(f, "没有");
        assert_int_equal(post(f, "", json, "{"), 400);
        assert_int_equal(post(f, "", "", "x"), 415);
        assert_int_equal(flow_http(&f->collector, "DELETE", "/api/v1/reports", "", NULL, &f->reply), 405);
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports?limit=0", "", NULL, &f->reply),
                         400);
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports?dataset=nope", "", NULL, &f->reply),
                         404);
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports", "", NULL, &f->reply), 200);
        assert_string_equal(text_c(&f->reply), "{\"reports\":[]}");
}

static void dry_runs_and_keys(void **state)
{
        struct fixture *f = *state;
        const char *body = "region,indicator,value\n150203,firearms_seized,5\n";
        const char *query = "?dataset=gunexp&period=2023-09-19";
        char key[128];
        snprintf(key, sizeof key, "%sIdempotency-Key: a\r\n", csv);
        start_alone(f, "");
        assert_int_equal(post(f, "?dataset=gunexp&period=2023-09-19&dry_run=1", csv, body), 202);
        assert_int_equal(post(f, query, key, body), 202);
        says(f, "\"seq\":1");
        char *first = strdup(text_c(&f->reply));
        flow_end(&f->collector, SIGKILL);
        start_alone(f, "");
        assert_int_equal(post(f, query, key, body), 202);
        assert_string_equal(text_c(&f->reply), first);
        assert_int_equal(post(f, query, key, "region,indicator,value\n150203,firearms_seized,6\n"), 422);
        says(f, "key_reused");
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports", "", NULL, &f->reply), 200);
        assert_int_equal(count(text_c(&f->reply), "\"seq\""), 1);
        free(first);
}

static void a_full_outbox(void **state)
{
        struct fixture *f = *state;
        start_alone(f, "outbox: {max_bytes: 2KiB}\n");
        assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        int status = 202, taken = 1;
        while (status == 202 && taken < 10)
                taken += (status = post_one(f, "2023-09-19", "1")) == 202;
        assert_int_equal(status, 503);
        says(f, "outbox_full");
        flow_end(&f->collector, SIGTERM);

        /* HQ comes back, everything is delivered, and there is room again. */
        open_hq(f);
        start_alone(f, "outbox: {max_bytes: 2KiB}\n");
        await(f, "/api/v1/reports?limit=1", "\"accepted\"");
        assert_int_equal(post_one(f, "2023-09-19", "2"), 202);
        await(f, "/api/v1/reports?limit=1", "\"accepted\"");
        assert_int_equal(hq_stream(f->hq, 0)->known.mark.seq, taken + 1);
}

static void without_a_catalogue(void **state)
{
        struct fixture *f = *state;
        start(f);
        assert_int_equal(post_one(f, "2023-09-19", "1"), 503);
        says(f, "no_catalog");
        assert_int_equal(flow_http(&f->collector, "GET", "/healthz", "", NULL, &f->reply), 503);
        says(f, "catalog");
}

static void the_inbox(void **state)
{
        struct fixture *f = *state;
        char inbox[2 * SCRATCH_PATH];
        const char *good = "region,indicator,value\n150203,firearms_seized,5\n";
        snprintf(inbox, sizeof inbox, "%s/inbox", f->dir);
        start_alone(f, "");
        scratch_write(scratch_path(inbox, "gunexp_2023-09-19.csv"), good, strlen(good));
        scratch_write(scratch_path(inbox, "gunexp_2023-09-20.csv"), "x", 1);
        await(f, "/api/v1/reports", "\"2023-09-19\"");
        int64_t since_ms = flow_now_ms();
        while (!scratch_has(scratch_path(inbox, "rejected/gunexp_2023-09-20.csv")) ||
               !scratch_has(scratch_path(inbox, "done/gunexp_2023-09-19.csv")))
                assert_true(flow_patient(since_ms));
        assert_true(scratch_has(scratch_path(inbox, "rejected/gunexp_2023-09-20.csv.errors.csv")));
}

/* ---- with HQ */

static void delivers_and_hears_verdicts(void **state)
{
        struct fixture *f = *state;
        open_hq(f);
        start(f); /* the catalogue comes from HQ, in pieces */
        await(f, "/healthz", "\"status\":\"ok\"");
        hq_reject(f->hq, "2023-09-20");
        assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        assert_int_equal(post_one(f, "2023-09-20", "2"), 202);
        assert_int_equal(post_one(f, "2023-09-19", "3"), 202);
        all_heard(f);
        assert_int_equal(flow_http(&f->collector, "GET", "/api/v1/reports", "", NULL, &f->reply), 200);
        assert_int_equal(count(text_c(&f->reply), "\"accepted\""), 2);
        says(f, "\"state\":\"rejected\",\"reasons\":[{\"row\":null,\"column\":null,\"code\":\"locked\"");

        /* HQ goes; the catalogue it sent is still there after a restart. */
        flow_end(&f->collector, SIGTERM);
        close_hq(f);
        start(f);
        assert_int_equal(post_one(f, "2023-09-21", "1"), 202);
}

static void hq_comes_later(void **state)
{
        struct fixture *f = *state;
        start_alone(f, "");
        for (int i = 0; i < 300; i++)
                assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        flow_end(&f->collector, SIGKILL);
        open_hq(f);
        start_alone(f, "");
        all_heard(f);
        assert_int_equal(hq_stream(f->hq, 0)->known.mark.seq, 300);
        assert_int_equal(hq_stream(f->hq, 0)->reports[299].revision, 300);
}

/* Rule 6. */
static void hq_restored_from_a_backup(void **state)
{
        struct fixture *f = *state;
        open_hq(f);
        start_alone(f, "");
        for (int i = 0; i < 5; i++)
                assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        all_heard(f);
        struct hash last = hq_stream(f->hq, 0)->known.mark.hash;
        hq_restore(f->hq, 2);
        int64_t since_ms = flow_now_ms();
        while (hq_stream(f->hq, 0)->known.mark.seq < 5)
                assert_true(flow_patient(since_ms));
        assert_true(hash_same(hq_stream(f->hq, 0)->known.mark.hash, last));
        assert_int_equal(hq_streams(f->hq), 1);
}

static void shell(const char *format, const char *dir)
{
        char command[8 * SCRATCH_PATH];
        const char *at = format;
        size_t n = 0;
        for (; *at && n + SCRATCH_PATH < sizeof command; at++)
                if (*at == '@')
                        n += (size_t)snprintf(command + n, sizeof command - n, "%s", dir);
                else
                        command[n++] = *at;
        command[n] = '\0';
        assert_int_equal(system(command), 0);
}

/* Two reports are safe at HQ; then the outbox is copied, and the original goes on with so many more. */
static void copy_outbox(struct fixture *f, int more)
{
        open_hq(f);
        start_alone(f, "");
        assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        assert_int_equal(post_one(f, "2023-09-19", "2"), 202);
        all_heard(f);
        assert_int_equal(flow_end(&f->collector, SIGTERM), 0);
        shell("cp -a @/state @/copy", f->dir);
        start_alone(f, "");
        for (int i = 0; i < more; i++)
                assert_int_equal(post_one(f, "2023-09-19", "3"), 202);
        all_heard(f);
        assert_int_equal(flow_end(&f->collector, SIGTERM), 0);
        shell("rm -rf @/state && mv @/copy @/state", f->dir);
}

/* The reports of 2023-09-20, and no others, came in a second stream. */
static void forked(struct fixture *f, uint64_t original, uint64_t new)
{
        all_heard(f);
        assert_int_equal(hq_streams(f->hq), 2);
        assert_int_equal(hq_stream(f->hq, 0)->known.mark.seq, original);
        assert_int_equal(hq_stream(f->hq, 1)->known.mark.seq, new);
        for (uint64_t i = 0; i < new; i++)
                assert_string_equal(hq_stream(f->hq, 1)->reports[i].period, "2023-09-20");
        await(f, "/healthz", "\"status\":\"ok\"");
}

/* Rule 7: the outbox comes from a backup, HQ is beyond it. */
static void outbox_restored_from_a_backup(void **state)
{
        struct fixture *f = *state;
        copy_outbox(f, 1);
        start_alone(f, "");
        assert_int_equal(post_one(f, "2023-09-20", "4"), 202);
        forked(f, 3, 1);
}

/* Rule 7: the copy wrote more under the same numbers while it had no line. */
static void outbox_copied(void **state)
{
        struct fixture *f = *state;
        copy_outbox(f, 2);
        struct hq *hq = f->hq;
        f->hq = NULL; /* out of its sight */
        start_alone(f, "");
        f->hq = hq;
        for (int i = 0; i < 5; i++)
                assert_int_equal(post_one(f, "2023-09-20", "4"), 202);
        assert_int_equal(flow_end(&f->collector, SIGKILL), 128 + SIGKILL);
        start_alone(f, "");
        forked(f, 4, 5);
        assert_int_equal(
            flow_http(&f->collector, "GET", "/api/v1/reports?period=2023-09-20", "", NULL, &f->reply), 200);
        says(f, "\"receipt\":{\"stream\""); /* the name it had when it was taken */
}

static void clocks_apart(void **state)
{
        struct fixture *f = *state;
        open_hq(f);
        start_alone(f, "");
        await(f, "/healthz", "\"status\":\"ok\"");
        hq_shift_clock(f->hq, INT64_C(6) * 60 * 1000 * 1000);
        await(f, "/healthz", "\"clock\"");
        hq_shift_clock(f->hq, 0);
        await(f, "/healthz", "\"status\":\"ok\"");
}

static void reads_keys_and_catalogue_again(void **state)
{
        struct fixture *f = *state;
        open_hq(f);
        start_alone(f, "");
        assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        all_heard(f);
        kill(f->collector.pid, SIGHUP);
        assert_int_equal(post_one(f, "2023-09-19", "2"), 202);
        all_heard(f);
        shell("chmod 644 @/keys/office-150200/sign.key", f->dir); /* what others may read is no key */
        kill(f->collector.pid, SIGHUP);
        await(f, "/healthz", "\"keys\"");
        assert_int_equal(post_one(f, "2023-09-19", "3"), 202); /* the old ones stay */
        all_heard(f);
        shell("chmod 600 @/keys/office-150200/sign.key", f->dir);
        kill(f->collector.pid, SIGHUP);
        await(f, "/healthz", "\"status\":\"ok\"");
}

/* What HQ rejects later goes back to the clerk who dropped it. */
static void rejected_after_it_was_taken(void **state)
{
        struct fixture *f = *state;
        const char *good = "region,indicator,value\n150203,firearms_seized,5\n";
        char inbox[2 * SCRATCH_PATH];
        snprintf(inbox, sizeof inbox, "%s/inbox", f->dir);
        open_hq(f);
        start_alone(f, "");
        await(f, "/healthz", "\"status\":\"ok\"");
        hq_reject(f->hq, "2023-09-19");
        scratch_write(scratch_path(inbox, "gunexp_2023-09-19.csv"), good, strlen(good));
        int64_t since_ms = flow_now_ms();
        while (!scratch_has(scratch_path(inbox, "rejected/gunexp_2023-09-19.csv")))
                assert_true(flow_patient(since_ms));
        char *errors = scratch_read(scratch_path(inbox, "rejected/gunexp_2023-09-19.csv.errors.csv"));
        assert_non_null(errors);
        assert_non_null(strstr(errors, "locked"));
        free(errors);
}

/* Rule 8. */
static void another_outbox_reports(void **state)
{
        struct fixture *f = *state;
        open_hq(f);
        start_alone(f, "");
        assert_int_equal(post_one(f, "2023-09-19", "1"), 202);
        all_heard(f);
        hq_prefer_another(f->hq);
        await(f, "/healthz", "not_this_offices_outbox");
        assert_int_equal(post_one(f, "2023-09-19", "2"), 422);
        says(f, "not_this_offices_outbox");

        /* It is remembered without HQ, until the operator takes over. */
        flow_end(&f->collector, SIGTERM);
        start_alone(f, "");
        assert_int_equal(post_one(f, "2023-09-19", "2"), 422);
        flow_end(&f->collector, SIGTERM);
        start_with(f, with_folder, "--take-over");
        int64_t since_ms = flow_now_ms();
        while (post_one(f, "2023-09-19", "2") != 202)
                assert_true(flow_patient(since_ms));
        all_heard(f);
        assert_int_equal(hq_streams(f->hq), 2);
        assert_true(hq_stream(f->hq, 1)->known.turn > hq_stream(f->hq, 0)->known.turn + 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(takes_reports_with_hq_away),
            CASE(refuses_with_reasons),
            CASE(dry_runs_and_keys),
            CASE(a_full_outbox),
            CASE(without_a_catalogue),
            CASE(the_inbox),
            CASE(delivers_and_hears_verdicts),
            CASE(hq_comes_later),
            CASE(hq_restored_from_a_backup),
            CASE(outbox_restored_from_a_backup),
            CASE(outbox_copied),
            CASE(another_outbox_reports),
            CASE(clocks_apart),
            CASE(reads_keys_and_catalogue_again),
            CASE(rejected_after_it_was_taken),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
