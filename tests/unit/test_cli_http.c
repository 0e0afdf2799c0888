/* The commands that ask a daemon, each against a server of a few canned answers on this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/terminal.h"
#include "loop/http.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define assert_says(where, text)                                          \
        do {                                                              \
                if (!strstr(where, text))                                 \
                        fail_msg("\"%s\" is not in \"%s\"", text, where); \
        } while (0)

/* ---- the server: the n-th request to a path gets the n-th answer to it, the last one again and again */

enum { ASKED = 32 };

struct canned {
        const char *path;
        int status;
        const char *body;
};

static const struct canned *canned; /* ends with a NULL path */
static struct {
        char line[512]; /* method, path and the parameters that are asked about, or the body */
        char lang[32], token[64], type[64], key[64];
        struct text body;
} asked[ASKED];
static size_t n_asked;

static const char *const parameters[] = {
    "indicator", "region", "period", "children", "own",    "as_of", "from", "to",     "every",  "dataset",
    "action",    "nil",    "state",  "limit",    "before", "after", "run",  "office", "dry_run"};

static void note(char *to, size_t n, const char *value)
{
        snprintf(to, n, "%s", value ? value : "");
}

static void answer(void *ctx, const struct http_request *q, struct http_reply *a)
{
        (void)ctx;
        size_t earlier = 0, n;
        for (size_t i = 0; i < n_asked; i++)
                earlier += strstr(asked[i].line, http_path(q)) != NULL;
        if (n_asked < ASKED) {
                struct text line = {0};
                text_printf(&line, "%s %s", http_method(q), http_path(q));
                for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
                        if (http_query(q, parameters[i]))
                                text_printf(&line, " %s=%s", parameters[i], http_query(q, parameters[i]));
                note(asked[n_asked].line, sizeof asked[0].line, text_c(&line));
                note(asked[n_asked].lang, sizeof asked[0].lang, http_header(q, "Accept-Language"));
                note(asked[n_asked].token, sizeof asked[0].token, http_header(q, "Authorization"));
                note(asked[n_asked].type, sizeof asked[0].type, http_header(q, "Content-Type"));
                note(asked[n_asked].key, sizeof asked[0].key, http_header(q, "Idempotency-Key"));
                const char *bytes = http_body(q, &n);
                text_clear(&asked[n_asked].body);
                text_bytes(&asked[n_asked++].body, bytes, n);
                text_close(&line);
        }
        const struct canned *found = NULL;
        for (const struct canned *k = canned; k->path; k++) {
                if (strcmp(k->path, http_path(q)) != 0 || (found && earlier == 0))
                        continue;
                earlier -= found != NULL;
                found = k;
        }
        if (!found) {
                http_error(a, 404, "not_found", "nothing here");
                return;
        }
        a->status = found->status;
        text_add(&a->body, found->body);
}

static struct http *server;
static char url[64];
static char folder[] = "/tmp/sumu-cli-http-XXXXXX";

/* From now on these are the answers, and nothing was asked yet. */
static void serve(const struct canned *answers)
{
        canned = answers;
        n_asked = 0;
}

static int start(void **state)
{
        static const struct http_route routes[] = {
            {"GET", "/*", answer, true}, {"POST", "/*", answer, true}, {0}};
        struct err e;
        (void)state;
        setenv("LC_ALL", "C", 1);
        setenv("http_proxy", "http://127.0.0.1:1", 1); /* never asked: everything is on this machine */
        if (http_start(&server, NULL,
                       &(struct http_options){
                           .listen = "127.0.0.1:0", .max_body = 1 << 20, .threads = 1, .routes = routes},
                       &e) < 0)
                return -1;
        snprintf(url, sizeof url, "http://%s", http_address(server));
        return mkdtemp(folder) ? 0 : -1;
}

static int removed(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path);
}

static int stop(void **state)
{
        (void)state;
        http_stop(server);
        for (size_t i = 0; i < ASKED; i++)
                text_close(&asked[i].body);
        terminal_close();
        return nftw(folder, removed, 4, FTW_DEPTH | FTW_PHYS);
}

static const char *file(const char *name, const char *text)
{
        static char path[2][128];
        static unsigned next;
        char *p = path[next++ % 2];
        snprintf(p, sizeof path[0], "%s/%s", folder, name);
        FILE *f = fopen(p, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        return p;
}

/* ---- figures */

#define CATALOG                                                                                              \
        {                                                                                                    \
                "/api/v1/catalog", 200,                                                                      \
                    "{\"timezone\":\"Asia/"                                                                  \
                    "Shanghai\",\"regions\":[{\"code\":\"150000\",\"name_zh\":\"内蒙古\",\"name_en\":"    \
                    "\"Inner "                                                                               \
                    "Mongolia\"}],\"indicators\":[{\"code\":\"seized\",\"name\":\"gun.seized\",\"name_zh\":" \
                    "\"收缴\",\"name_en\":"                                                                \
                    "\"seized\",\"unit_zh\":\"支\",\"unit_en\":\"pcs\"}],\"offices\":[{\"code\":\"o1\","    \
                    "\"name_zh\":\"甲\","                                                                   \
                    "\"name_en\":\"First\"}],\"datasets\":[{\"code\":\"gun\",\"every\":\"day\",\"due_s\":0}" \
                    "]}"                                                                                     \
        }

static const char totals_body[] =
    "{\"as_of\":\"2023-10-01T00:00:00.000Z\",\"version\":7,\"totals\":[{\"indicator\":\"gun.seized\","
    "\"region\":\"150000\","
    "\"period\":\"2023\",\"value\":52340,\"qualifier\":\"at_least\",\"facts\":12,\"partial\":false,"
    "\"offices\":{\"expected\":"
    "13,\"received\":12,\"complete\":0}},{\"indicator\":\"gun.rate\",\"region\":\"150000\",\"period\":"
    "\"2023\",\"value\":"
    "-9223372036854775.807,\"qualifier\":\"about\",\"facts\":null,\"partial\":true,\"offices\":{\"expected\":"
    "13,\"received\":"
    "12,\"complete\":0}},{\"indicator\":\"gun.none\",\"region\":\"150000\",\"period\":\"2023\",\"value\":"
    "null,\"qualifier\":"
    "null,\"facts\":0,\"partial\":false,\"offices\":{\"expected\":13,\"received\":0,\"complete\":0}}]}";

static void totals_for_programs(void **state)
{
        (void)state;
        static const struct canned answers[] = {{"/api/v1/totals", 200, totals_body}, {0}};
        serve(answers);
        run("totals", "--sink", url, "--indicator", "gun.seized,gun.rate,gun.none", "--period",
            "2023-01-01/2023-09-19", "--region", "包头 & 1", "--children", "--own", "--as-of",
            "2023-10-01T00:00:00+08:00", "--format", "csv", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(terminal.out,
                            "indicator,region,period,value,qualifier,facts,partial,expected,received,"
                            "complete,own,overflow\r\n"
                            "gun.seized,150000,2023,52340,at_least,12,false,13,12,0,,\r\n"
                            "gun.rate,150000,2023,-9223372036854775.807,about,,true,13,12,0,,\r\n"
                            "gun.none,150000,2023,,,0,false,13,0,0,,\r\n");
        assert_int_equal(n_asked, 1); /* names are for people */
        assert_string_equal(asked[0].line,
                            "GET /api/v1/totals indicator=gun.seized,gun.rate,gun.none region=包头 & 1 "
                            "period=2023-01-01/2023-09-19 children=1 own=1 as_of=2023-10-01T00:00:00+08:00");
        assert_string_equal(asked[0].lang, "en");
        serve(answers);
        run("totals", "--sink", url, "--indicator", "gun.seized", "--format", "json", "--lang", "zh", NULL);
        assert_memory_equal(terminal.out, totals_body, sizeof totals_body - 1); /* as it came */
        assert_string_equal(asked[0].lang, "zh-CN");
        assert_says(asked[0].line, " period=20"); /* this year's */
}

static void totals_for_people(void **state)
{
        (void)state;
        static const struct canned answers[] = {CATALOG, {"/api/v1/totals", 200, totals_body}, {0}};
        serve(answers);
        terminal.wide = true;
        run("totals", "--sink", url, "--indicator", "gun.seized", "--period", "2023", "--lang", "zh", NULL);
        terminal.wide = false;
        assert_string_equal(terminal.out,
                            "指标        名称  地区    名称    时期                         数值  单位  "
                            "数据项  不完整  应报  已报  报齐\n"
                            "gun.seized  收缴  150000  内蒙古  2023                      ≥52,340  支        "
                            "12            13    12     0\n"
                            "gun.rate          150000  内蒙古  2023  ≈-9,223,372,036,854,775.807             "
                            "-  是        13    12     0\n"
                            "gun.none          150000  内蒙古  2023                            -             "
                            "0            13     0     0\n");
}

static void a_list_in_pages(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/lineage", 200,
             "{\"total\":{\"value\":12,\"qualifier\":\"exact\"},\"facts\":[{\"office\":\"o1\",\"region\":"
             "\"r\",\"period\":\"2023-"
             "09-19\",\"value\":5,\"qualifier\":\"exact\",\"stream\":\"00\",\"seq\":1,\"revision\":1,"
             "\"submitted_at\":\"2023-09-"
             "19T16:00:00.000Z\",\"received_at\":\"2023-09-19T16:00:01.000Z\"}],\"next\":\"7.1\"}"},
            {"/api/v1/lineage", 200,
             "{\"total\":{\"value\":12,\"qualifier\":\"exact\"},\"facts\":[{\"office\":\"o1\",\"region\":"
             "\"s\",\"period\":\"2023-"
             "09-19\",\"value\":7.5,\"qualifier\":\"about\",\"stream\":\"00\",\"seq\":1,\"revision\":1,"
             "\"submitted_at\":\"2023-09-"
             "19T16:00:00.000Z\",\"received_at\":\"2023-09-19T16:00:01.000Z\"}],\"next\":null}"},
            CATALOG,
            {0}};
        serve(answers);
        run("lineage", "--sink", url, "--indicator", "gun.seized", "--period", "2023", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(asked[2].line, "GET /api/v1/lineage indicator=gun.seized period=2023 after=7.1");
        assert_string_equal(
            terminal.out,
            "OFFICE  NAME   REGION  PERIOD      VALUE  STREAM  SEQ  REVISION  SUBMITTED            RECEIVED\n"
            "o1      First  r       2023-09-19      5  00        1         1  2023-09-20 00:00:00  "
            "2023-09-20 00:00:01\n"
            "o1      First  s       2023-09-19   ≈7.5  00        1         1  2023-09-20 00:00:00  "
            "2023-09-20 00:00:01\n"
            "\ntotal 12\n");
}

static void coverage_counts(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/coverage", 200,
             "{\"dataset\":\"gun\",\"period\":\"2023-09-19\",\"expected\":2,\"received\":1,\"missing\":1,"
             "\"rejected\":0,"
             "\"waiting\":0,\"late\":0,\"on_time\":1,\"imported\":0,\"offices\":[{\"office\":\"o1\","
             "\"state\":\"on_time\","
             "\"revision\":2,\"submitted_at\":\"2023-09-19T16:00:00.000Z\",\"received_at\":null},{\"office\":"
             "\"o2\",\"state\":"
             "\"missing\",\"revision\":null,\"submitted_at\":null,\"received_at\":null}]}"},
            {0}};
        serve(answers);
        run("coverage", "--sink", url, "--dataset", "gun", "--period", "2023-09-19", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(
            terminal.out,
            "OFFICE  STATE    REVISION  SUBMITTED                 RECEIVED\n"
            "o1      on_time         2  2023-09-19T16:00:00.000Z  -\n"
            "o2      missing         -  -                         -\n"
            "\ngun 2023-09-19: 2 expected, 1 received, 1 on time, 0 late, 1 missing, 0 rejected\n");
}

static void reports_of_a_collector(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/reports", 200,
             "{\"reports\":[{\"stream\":\"00aa\",\"seq\":2,\"dataset\":\"gun\",\"period\":\"2023-09-19\","
             "\"revision\":1,"
             "\"action\":\"replace\",\"state\":\"rejected\",\"reasons\":[{\"code\":\"locked\"},{\"code\":"
             "\"locked\"},{\"code\":"
             "\"rule\"}],\"submitted_at\":\"2023-09-19T16:00:00.000Z\",\"rows\":3,\"withdrawn\":0}]}"},
            {0}};
        serve(answers);
        run("reports", "--collector", url, "--state", "pending", "--limit", "5", "--format", "csv", NULL);
        assert_string_equal(asked[0].line, "GET /api/v1/reports state=pending limit=5");
        assert_string_equal(
            terminal.out,
            "dataset,period,action,revision,rows,state,reasons,submitted_at,stream,seq\r\n"
            "gun,2023-09-19,replace,1,3,rejected,locked;rule,2023-09-19T16:00:00.000Z,00aa,2\r\n");
}

/* ---- what goes wrong */

static void refusals_come_with_code_and_message(void **state)
{
        (void)state;
        static const struct canned unknown[] = {
            {"/api/v1/totals", 404,
             "{\"error\":{\"code\":\"unknown_indicator\",\"message\":\"no indicator \\u001b[2Jx\"}}"},
            {0}};
        static const struct canned strange[] = {{"/api/v1/totals", 200, "<html>"}, {0}};
        static const struct canned denied[] = {
            {"/api/v1/totals", 401,
             "{\"error\":{\"code\":\"unauthorized\",\"message\":\"a token is needed\"}}"},
            {0}};
        serve(unknown);
        run("totals", "--sink", url, "--indicator", "x", NULL);
        assert_int_equal(terminal.status, 1);
        assert_string_equal(terminal.out, "");
        assert_string_equal(terminal.err, "sumu: no indicator \xef\xbf\xbd[2Jx (unknown_indicator)\n");
        serve(strange);
        run("totals", "--sink", url, "--indicator", "x", NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "does not answer as the sink of Sumu does (HTTP 200)");
        serve(denied);
        run("totals", "--sink", url, "--indicator", "x", NULL);
        assert_says(terminal.err, "--token-file FILE or SUMU_TOKEN_FILE");
}

static void nobody_listens(void **state)
{
        (void)state;
        run("totals", "--sink", "127.0.0.1:1/", "--indicator", "x", NULL);
        assert_int_equal(terminal.status, 1);
        assert_string_equal(terminal.err,
                            "sumu: nothing answers at http://127.0.0.1:1: start the sink, or say where it is "
                            "with --sink URL or SUMU_SINK\n");
        run("submit", "--collector", "127.0.0.1:1", file("a_2023.csv", "x"), "--lang", "zh", NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "请先启动 collector");
}

static void the_token_goes_along(void **state)
{
        (void)state;
        static const struct canned answers[] = {{"/api/v1/totals", 200, totals_body}, {0}};
        serve(answers);
        run("totals", "--sink", url, "--indicator", "x", "--format", "csv", "--token-file",
            file("token", "s3cret\n"), NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(asked[0].token, "Bearer s3cret");
        setenv("SUMU_SINK", url, 1);
        setenv("SUMU_TOKEN_FILE", file("token", "other\n"), 1);
        serve(answers);
        run("totals", "--indicator", "x", "--format", "csv", NULL);
        unsetenv("SUMU_SINK");
        unsetenv("SUMU_TOKEN_FILE");
        assert_string_equal(asked[0].token, "Bearer other");
        run("totals", "--sink", url, "--indicator", "x", "--token-file", file("token", "two words\n"), NULL);
        assert_int_equal(terminal.status, 1);
}

/* In a container `sumu` sees the daemon's settings, and SUMU_AGGREGATOR is a ZeroMQ endpoint in collector and
 * sink. */
static void an_endpoint_is_no_url(void **state)
{
        (void)state;
        static const struct canned answers[] = {{"/healthz", 200, "{\"status\":\"ok\",\"reasons\":[]}"}, {0}};
        serve(answers);
        setenv("SUMU_AGGREGATOR", "tcp://aggregator:7602", 1);
        setenv("SUMU_SINK", url, 1);
        run("status", "--format", "csv", NULL);
        unsetenv("SUMU_AGGREGATOR");
        unsetenv("SUMU_SINK");
        assert_null(strstr(terminal.out, "aggregator"));
        assert_says(terminal.out, "sink");
}

/* ---- submit */

#define RECEIPT(seq, period)                                                                         \
        "{\"stream\":\"00000000000000aa\",\"seq\":" #seq ",\"dataset\":\"gun\",\"period\":\"" period \
        "\",\"action\":\"replace\",\"revision\":1,\"rows\":2,\"withdrawn\":3}"
#define REPORT(seq, state)                               \
        "{\"stream\":\"00000000000000aa\",\"seq\":" #seq \
        ",\"dataset\":\"gun\",\"period\":\"2023-09-19\",\"state\":\"" state "\",\"reasons\":[]}"

static void a_file_goes_as_it_is(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"}, {0}};
        const char *path = file("gun_2023-09-19_merge.csv", "\xb5\xd8\xc7\xf8,x\n"); /* GB18030 */
        char want[512];
        serve(answers);
        run("submit", "--collector", url, path, "--format", "csv", NULL);
        assert_string_equal(terminal.err, "");
        assert_int_equal(terminal.status, 0);
        assert_int_equal(n_asked, 1);
        assert_string_equal(asked[0].line, "POST /api/v1/reports period=2023-09-19 dataset=gun action=merge");
        assert_string_equal(asked[0].type, "text/csv");
        assert_int_equal(strlen(asked[0].key), 32);
        assert_string_equal(text_c(&asked[0].body), "\xb5\xd8\xc7\xf8,x\n");
        snprintf(want, sizeof want,
                 "file,dataset,period,action,revision,rows,withdrawn,state,stream,seq\r\n"
                 "%s,gun,2023-09-19,replace,1,2,3,,00000000000000aa,1\r\n",
                 path);
        assert_string_equal(terminal.out, want);

        serve(answers);
        run("submit", "--collector", url, path, "--dataset", "gun", "--period", "2023", "--action", "add",
            NULL);
        assert_string_equal(asked[0].line, "POST /api/v1/reports period=2023 dataset=gun action=add");
        serve(answers);
        run("submit", "--collector", url, file("x.json", "{}"), NULL);
        assert_string_equal(asked[0].line, "POST /api/v1/reports");
        assert_string_equal(asked[0].type, "application/json");
        serve(answers);
        run("submit", "--collector", url, "--nil", "--dataset", "gun", "--period", "2023-09-19", NULL);
        assert_string_equal(asked[0].line, "POST /api/v1/reports period=2023-09-19 dataset=gun nil=1");
}

static void one_bad_file_does_not_hold_back_the_next(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/reports", 422,
             "{\"errors\":[{\"row\":2,\"column\":\"region\",\"code\":\"unknown_region\",\"message\":\"no "
             "region\"},"
             "{\"row\":null,\"column\":null,\"code\":\"no_rows\",\"message\":\"none\"}]}"},
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"},
            {0}};
        const char *bad = file("bad.csv", "x"), *good = file("good.csv", "y");
        char want[512];
        serve(answers);
        run("submit", "--collector", url, bad, good, NULL);
        assert_int_equal(terminal.status, 1);
        assert_int_equal(n_asked, 2);
        snprintf(want, sizeof want, "%s:2:region: no region (unknown_region)\n%s: none (no_rows)\n", bad,
                 bad);
        assert_string_equal(terminal.err, want);
        assert_says(terminal.out, good);
}

/* Three reports: one accepted at once; one after a while, on the second page; one queued anew in another
 * stream, and rejected. */
static void waiting_for_verdicts(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/reports", 202,
             "{\"receipts\":[" RECEIPT(1, "2023-09-19") "," RECEIPT(2, "2023-09-20") "," RECEIPT(
                 3, "2023-09-21") "]}"},
            {"/api/v1/reports", 200, "{\"reports\":[" REPORT(3, "sent") "],\"next\":\"00000000000000aa:3\"}"},
            {"/api/v1/reports", 200, "{\"reports\":[" REPORT(2, "queued") "," REPORT(1, "accepted") "]}"},
            {"/api/v1/reports", 200,
             "{\"reports\":[{\"stream\":\"00000000000000bb\",\"seq\":1,\"state\":\"rejected\",\"reasons\":[{"
             "\"row\":4,\"column\":"
             "\"value\",\"code\":\"locked\",\"message\":\"too "
             "late\"}],\"receipt\":{\"stream\":\"00000000000000aa\",\"seq\":3}}," REPORT(
                 1, "rejected") "," REPORT(2, "accepted") "]}"},
            {0}};
        const char *path = file("a.csv", "x");
        char want[512];
        serve(answers);
        run("submit", "--collector", url, path, "--wait", "--timeout", "60", "--format", "csv", NULL);
        assert_int_equal(terminal.status, 1);
        snprintf(want, sizeof want, "%s:4:value: too late (locked)\n", path);
        assert_string_equal(terminal.err, want);
        assert_int_equal(n_asked, 4);
        assert_string_equal(asked[1].line, "GET /api/v1/reports limit=1000");
        assert_string_equal(asked[2].line, "GET /api/v1/reports limit=1000 before=00000000000000aa:3");
        assert_says(terminal.out, "2023-09-19,replace,1,2,3,accepted,");
        assert_says(terminal.out, "2023-09-20,replace,1,2,3,accepted,");
        assert_says(terminal.out, "2023-09-21,replace,1,2,3,rejected,");
}

static void waiting_ends_well_or_in_time(void **state)
{
        (void)state;
        static const struct canned fine[] = {
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"},
            {"/api/v1/reports", 200, "{\"reports\":[" REPORT(1, "accepted") "]}"},
            {0}};
        static const struct canned stuck[] = {
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"},
            {"/api/v1/reports", 200, "{\"reports\":[" REPORT(1, "sent") "]}"},
            {0}};
        static const struct canned late[] = {
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"},
            {"/api/v1/reports", 200, "{\"reports\":[" REPORT(1, "superseded") "]}"},
            {0}};
        const char *path = file("a.csv", "x");
        serve(fine);
        run("submit", "--collector", url, path, "--wait", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(terminal.err, "");
        serve(stuck);
        run("submit", "--collector", url, path, "--wait", "--timeout", "1", NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "after 1 s 1 of 1 reports have no verdict yet");
        assert_says(terminal.out, "  pending  ");
        serve(late);
        run("submit", "--collector", url, path, "--wait", NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "a later report had taken its place when it came to HQ (superseded)\n");
}

static void a_person_is_asked(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/reports", 202, "{\"receipts\":[" RECEIPT(1, "2023-09-19") "]}"}, {0}};
        const char *path = file("a.csv", "x");
        terminal.person = true;
        terminal.typed = "n\n";
        serve(answers);
        run("submit", "--collector", url, path, NULL);
        assert_int_equal(terminal.status, 1);
        assert_int_equal(n_asked, 1);
        assert_string_equal(asked[0].line, "POST /api/v1/reports dry_run=1");
        assert_string_equal(asked[0].key, "");
        assert_says(terminal.err, "gun 2023-09-19, replace: takes back 3 standing figure(s)");
        assert_says(terminal.err, "nothing was submitted");
        terminal.typed = "y\n";
        serve(answers);
        run("submit", "--collector", url, path, NULL);
        assert_int_equal(terminal.status, 0);
        assert_int_equal(n_asked, 2);
        assert_string_equal(asked[1].line, "POST /api/v1/reports");
        serve(answers);
        run("submit", "--collector", url, path, "--yes", NULL);
        assert_int_equal(n_asked, 1);
        terminal.person = false;
        terminal.typed = NULL;
}

/* A collector that hangs up before it answers, and answers the second time. */
struct broken {
        int listening;
        char keys[2][40];
};

static void take_request(struct broken *b, int turn, const char *reply)
{
        char request[4096] = "";
        size_t n = 0;
        int fd = accept(b->listening, NULL, NULL);
        while (n < sizeof request - 1 && !strstr(request, "\r\n\r\nbody")) {
                ssize_t got = recv(fd, request + n, sizeof request - 1 - n, 0);
                if (got <= 0)
                        break;
                n += (size_t)got;
                request[n] = '\0';
        }
        const char *key = strstr(request, "Idempotency-Key: ");
        if (key)
                snprintf(b->keys[turn], sizeof b->keys[0], "%.32s", key + 17);
        if (reply)
                (void)!write(fd, reply, strlen(reply));
        close(fd);
}

static void *hang_up_once(void *arg)
{
        take_request(arg, 0, NULL);
        take_request(arg, 1,
                     "HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n{\"receipts\":[" RECEIPT(
                         1, "2023-09-19") "]}");
        return NULL;
}

static void a_broken_line_does_not_submit_twice(void **state)
{
        (void)state;
        struct broken b = {.listening = socket(AF_INET, SOCK_STREAM, 0)};
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof a;
        char broken_url[64];
        pthread_t thread;
        assert_int_equal(bind(b.listening, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(b.listening, 4), 0);
        getsockname(b.listening, (struct sockaddr *)&a, &n);
        snprintf(broken_url, sizeof broken_url, "http://127.0.0.1:%d", ntohs(a.sin_port));
        pthread_create(&thread, NULL, hang_up_once, &b);
        run("submit", "--collector", broken_url, file("a.csv", "body"), NULL);
        pthread_join(thread, NULL);
        close(b.listening);
        assert_int_equal(terminal.status, 0);
        assert_int_equal(strlen(b.keys[0]), 32);
        assert_string_equal(b.keys[0], b.keys[1]);
}

/* ---- operation */

static void health_is_a_status(void **state)
{
        (void)state;
        static const struct canned fine[] = {{"/healthz", 200, "{\"status\":\"degraded\",\"reasons\":[]}\n"},
                                             {0}};
        static const struct canned failing[] = {
            {"/healthz", 503, "{\"status\":\"failing\",\"reasons\":[]}\n"}, {0}};
        char whole[96];
        serve(fine);
        run("health", url, NULL);
        assert_int_equal(terminal.status, 0);
        snprintf(whole, sizeof whole, "%s/healthz", url);
        run("health", whole, NULL);
        assert_int_equal(terminal.status, 0);
        serve(failing);
        run("health", url, NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "failing");
        run("health", "http://127.0.0.1:1", NULL);
        assert_int_equal(terminal.status, 1);
}

static void status_of_all_that_is_named(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/healthz", 200,
             "{\"status\":\"degraded\",\"reasons\":[{\"name\":\"peer\",\"message\":\"HQ is away\"}]}\n"},
            {"/metrics", 200,
             "# HELP x\nsumu_build_info{version=\"9.9\"} 1\nsumu_outbox_waiting_bytes 17\nsumu_facts_behind "
             "1\n"},
            CATALOG,
            {"/api/v1/coverage", 200,
             "{\"expected\":2,\"received\":1,\"offices\":[{\"office\":\"o1\",\"state\":\"missing\"},{"
             "\"office\":\"o2\",\"state\":"
             "\"late\"}]}"},
            {0}};
        serve(answers);
        run("status", "--collector", url, "--sink", url, NULL);
        assert_int_equal(terminal.status, 0);
        assert_says(terminal.out, "degraded  9.9      17 bytes wait for HQ  HQ is away\n");
        assert_says(terminal.out, "SQL facts behind: 1");
        assert_null(strstr(terminal.out, "aggregator"));
        assert_says(terminal.out, "o1 First\n");
        run("status", "--aggregator", "127.0.0.1:1", "--sink", url, "--format", "json", NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.out, "{\"aggregator\":null,\"sink\":{\"status\":\"degraded\"");
}

static void verify_asks_until_it_is_done(void **state)
{
        (void)state;
        static const struct canned fine[] = {
            {"/api/v1/verify", 202, "{\"run\":3,\"state\":\"running\",\"totals\":10,\"reports\":1}"},
            {"/api/v1/verify", 200,
             "{\"run\":3,\"state\":\"done\",\"version\":9,\"totals\":20,\"agree\":20,\"differing\":0,"
             "\"differ\":[],\"reports\":4,"
             "\"streams\":2,\"intact\":2,\"faulty\":0,\"faults\":[],\"signatures\":{\"checked\":2,\"good\":2,"
             "\"unknown_key\":0}}"},
            {0}};
        static const struct canned wrong[] = {
            {"/api/v1/verify", 200,
             "{\"run\":3,\"state\":\"done\",\"version\":9,\"totals\":20,\"agree\":19,\"differing\":1,"
             "\"differ\":[{\"indicator\":"
             "\"gun.seized\",\"region\":\"150000\",\"period\":\"2023\",\"stored\":{\"value\":5,\"facts\":1},"
             "\"computed\":null}],"
             "\"reports\":4,\"streams\":2,\"intact\":1,\"faulty\":1,\"faults\":[{\"office\":\"o1\","
             "\"stream\":\"00\",\"seq\":7,"
             "\"what\":\"the hash differs\"}],\"signatures\":{\"checked\":2,\"good\":2,\"unknown_key\":0}}"},
            {0}};
        serve(fine);
        run("verify", "--sink", url, "--format", "csv", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(asked[1].line, "GET /api/v1/verify run=3");
        assert_says(terminal.out, "what,count\r\ntotals,20\r\nagree,20\r\ndiffering,0\r\n");
        serve(wrong);
        run("verify", "--sink", url, NULL);
        assert_int_equal(terminal.status, 1);
        assert_string_equal(terminal.err,
                            "gun.seized of 150000 in 2023: stored 5, from the reports - (total_differs)\n"
                            "office o1, stream 00, report 7: the hash differs (stream_fault)\n");
}

static void a_gap_is_skipped_by_word(void **state)
{
        (void)state;
        static const struct canned answers[] = {
            {"/api/v1/streams/skip", 200, "{\"office\":\"o1\",\"from\":5,\"to\":9}"}, {0}};
        serve(answers);
        run("stream", "skip", "o1", "--sink", url, NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(asked[0].line, "POST /api/v1/streams/skip office=o1");
        assert_says(terminal.out, "office o1: reports 5 to 9 are given up");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(totals_for_programs),
            cmocka_unit_test(totals_for_people),
            cmocka_unit_test(a_list_in_pages),
            cmocka_unit_test(coverage_counts),
            cmocka_unit_test(reports_of_a_collector),
            cmocka_unit_test(refusals_come_with_code_and_message),
            cmocka_unit_test(nobody_listens),
            cmocka_unit_test(the_token_goes_along),
            cmocka_unit_test(an_endpoint_is_no_url),
            cmocka_unit_test(a_file_goes_as_it_is),
            cmocka_unit_test(one_bad_file_does_not_hold_back_the_next),
            cmocka_unit_test(waiting_for_verdicts),
            cmocka_unit_test(waiting_ends_well_or_in_time),
            cmocka_unit_test(a_person_is_asked),
            cmocka_unit_test(a_broken_line_does_not_submit_twice),
            cmocka_unit_test(health_is_a_status),
            cmocka_unit_test(status_of_all_that_is_named),
            cmocka_unit_test(verify_asks_until_it_is_done),
            cmocka_unit_test(a_gap_is_skipped_by_word),
        };
        return cmocka_run_group_tests(tests, start, stop);
}
