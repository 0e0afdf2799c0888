/* The API as a client meets it: a store filled by hand, a real socket, and each rule of CONTRACT.md, "Sink,
 * HTTP".
 *
 *     R ─┬─ A ─┬─ A1        offices: gov (R itself), oA (A and below), oB, oC, and C's former office, valid
 * to 2023 │     └─ A2        d: every day, due 12 h;  m: every month, due 5 d, since 2023-02-01;  w: every
 * week ├─ B └─ C               time zone: Asia/Shanghai */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/folder.h"
#include "lib/toy_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct catalog *basin(void)
{
        static const char catalog
            [] = "name_zh: 流域\nname_en: Basin\nversion: '1'\nroot: R\ntimezone: Asia/Shanghai\n",
     regions[] = "code,parent,level,name_zh,name_en\nR,,land,全流域,Basin\nA,R,shire,甲,Aland\n"
                 "B,R,shire,乙,Bland\nC,R,shire,丙,Cland\nA1,A,town,甲一,Aone\nA2,A,town,甲二,Atwo\n",
     datasets[] = "- {code: d, name_zh: 日报, name_en: Daily, every: day, due: 12h}\n"
                  "- {code: w, name_zh: 周报, name_en: Weekly, every: week, due: 1d}\n"
                  "- {code: m, name_zh: 月报, name_en: Monthly, every: month, due: 5d, since: 2023-02-01}\n",
     offices[] = "code,region,scope,datasets,name_zh,name_en,valid_from,valid_to\n"
                 "gov,R,self,*,本级,Government,,\noA,A,subtree,*,甲办,Office A,,\n"
                 "oB,B,subtree,*,乙办,Office B,,\noC,C,subtree,*,丙办,Office C,2024-01-01,\n"
                 "oC-old,C,subtree,*,丙旧办,Old office C,,2023-12-31\n",
     indicators[] =
            "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula\n"
            "f,d,flow,件,items,0,-,,件数,Items,\ng,d,flow,吨,t,2,-,,吨数,Tonnes,\ns,d,stock,人,heads,0,,,"
            "人数,Heads,\n"
            "p,d,peak,人,heads,0,,,峰值,Most,\nrate,d,derived,%,%,1,,,比例,Rate,100 * f / g\n"
            "third,d,derived,件,items,0,,,三分,A third,f / 3\nback,d,derived,件,items,1,,,还原,Back,third * "
            "3\n"
            "step,d,derived,件,items,0,,,增量,Step,\"f - lag(f, 1)\"\n"
            "grown,d,derived,%,%,1,,,同比,Grown,100 * f / yoy(f) - 100\n"
            "smooth,d,derived,件,items,2,,,均值,Smooth,\"mean(f, 3)\"\n"
            "both,m,derived,件,items,0,,,合并,Both,mf + f + wf\n"
            "mf,m,flow,件,items,0,,,月件数,Monthly items,\nms,m,stock,人,heads,0,,,月人数,Monthly heads,\n"
            "wf,w,flow,件,items,0,,,周件数,Weekly items,\n";
        const struct catalog_file files[] = {{"catalog.yaml", catalog, sizeof catalog - 1},
                                             {"regions.csv", regions, sizeof regions - 1},
                                             {"datasets.yaml", datasets, sizeof datasets - 1},
                                             {"offices.csv", offices, sizeof offices - 1},
                                             {"indicators.csv", indicators, sizeof indicators - 1}};
        struct faults faults = {0};
        struct catalog *c = catalog_parse(files, sizeof files / sizeof *files, &faults);
        if (!c) {
                struct text lines = {0};
                faults_lines(&faults, "basin", LANG_EN, &lines);
                fail_msg("%s", text_c(&lines));
        }
        faults_close(&faults);
        return c;
}

static struct toy_sink sink;

static int open_sink(void **state)
{
        (void)state;
        toy_sink_now("2024-01-20T04:00:00Z"); /* noon of that day */
        toy_sink_open(&sink, basin());
        return 0;
}

static int close_sink(void **state)
{
        (void)state;
        toy_sink_close(&sink);
        return 0;
}

/* A report of the day after its period, received a second after it was submitted. */
static void report_at(const char *office, const char *dataset, const char *period, enum action action,
                      const char *rows, const char *submitted)
{
        int64_t at = toy_time(submitted);
        toy_store_report(&sink.store, &(struct toy_report){.office = office,
                                                           .dataset = dataset,
                                                           .period = period,
                                                           .action = action,
                                                           .rows = rows,
                                                           .submitted_at = at,
                                                           .received_at = at + 1000000});
}

static void report(const char *office, const char *period, const char *rows)
{
        report_at(office, "d", period, REPLACE, rows, "2024-01-10T00:00:00Z");
}

static void settle(void)
{
        toy_store_settle(&sink.store);
}

/* ---- asking */

static json_t *get_in(const char *target, int want, const char *lang)
{
        int status;
        char *body = toy_sink_ask(&sink, "GET", target, lang, &status);
        json_error_t why;
        json_t *v = json_loads(body, JSON_DECODE_ANY, &why);
        if (!v || status != want)
                fail_msg("%s: %d %s", target, status, body);
        free(body);
        return v;
}

static json_t *get(const char *target, int want)
{
        return get_in(target, want, "en");
}

static void print_value(const json_t *v, char *out, size_t n)
{
        char *s = json_is_string(v) ? strdup(json_string_value(v))
                                    : json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        snprintf(out, n, "%s", s ? s : "?");
        free(s);
}

/* The members named, of each object in a list, a line each. */
static const char *list_of(const json_t *list, const char *names)
{
        static char out[65536];
        size_t i, at = 0;
        json_t *one;
        out[0] = '\0';
        json_array_foreach(list, i, one)
        {
                char copy[256], *rest;
                snprintf(copy, sizeof copy, "%s", names);
                at += (size_t)snprintf(out + at, sizeof out - at, "%s", i ? "\n" : "");
                for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
                        char value[256];
                        print_value(json_object_get(one, name), value, sizeof value);
                        at += (size_t)snprintf(out + at, sizeof out - at, "%s%s", name == copy ? "" : " ",
                                               value);
                }
        }
        return out;
}

/* "region period value qualifier facts" of each entry. */
static const char *figures(const char *query)
{
        char target[512];
        snprintf(target, sizeof target, "/api/v1/%s", query);
        json_t *v = get(target, 200);
        const char *text = list_of(json_object_get(v, "totals"), "region period value qualifier facts");
        json_decref(v);
        return text;
}

#define TOTALS(query, want) assert_string_equal(figures("totals?" query), want)
#define SERIES(query, want) assert_string_equal(figures("series?" query), want)

/* "expected/received/complete" of the first entry. */
static const char *offices(const char *query)
{
        static char out[64];
        char target[512];
        snprintf(target, sizeof target, "/api/v1/totals?%s", query);
        json_t *v = get(target, 200);
        const json_t *o = json_object_get(json_array_get(json_object_get(v, "totals"), 0), "offices");
        snprintf(out, sizeof out, "%lld/%lld/%lld", json_integer_value(json_object_get(o, "expected")),
                 json_integer_value(json_object_get(o, "received")),
                 json_integer_value(json_object_get(o, "complete")));
        json_decref(v);
        return out;
}

static bool partial(const char *query)
{
        char target[512];
        snprintf(target, sizeof target, "/api/v1/totals?%s", query);
        json_t *v = get(target, 200);
        bool is = json_is_true(json_object_get(json_array_get(json_object_get(v, "totals"), 0), "partial"));
        json_decref(v);
        return is;
}

static void refused_in(const char *target, int status, const char *code, const char *lang, const char *says)
{
        char path[512];
        snprintf(path, sizeof path, "/api/v1/%s", target);
        json_t *v = get_in(path, status, lang);
        const json_t *e = json_object_get(v, "error");
        const char *message = json_string_value(json_object_get(e, "message"));
        assert_string_equal(json_string_value(json_object_get(e, "code")), code);
        if (!strstr(message, says))
                fail_msg("%s: %s", target, message);
        json_decref(v);
}

static void refused(const char *target, int status, const char *code, const char *says)
{
        refused_in(target, status, code, "en", says);
}

/* ---- totals */

static void one_total(void **state)
{
        (void)state;
        TOTALS("indicator=f&period=2024-01-05", "R 2024-01-05 null null 0");
        report("oA", "2024-01-05", "A1 f 5; A2 f 7; A1 g 1.25");
        report("oB", "2024-01-05", "B f 0");
        settle();
        TOTALS("indicator=f&period=2024-01-05", "R 2024-01-05 12 exact 3");
        TOTALS("indicator=f&period=2024-01-05&region=B", "B 2024-01-05 0 exact 1"); /* 0 is a fact */
        TOTALS("indicator=f&period=2024-01-05&region=C", "C 2024-01-05 null null 0");
        TOTALS("indicator=d.g&period=2024-01&region=A", "A 2024-01 1.25 exact 1");
        TOTALS("indicator=g&period=2024-01&region=%E7%94%B2%E4%B8%80", "A1 2024-01 1.25 exact 1"); /* 甲一 */

        json_t *v = get("/api/v1/totals?indicator=f&period=2024-01-05", 200);
        assert_string_equal(json_string_value(json_object_get(v, "as_of")), "2024-01-20T04:00:00.000Z");
        assert_int_equal(json_integer_value(json_object_get(v, "version")), sink.store.version);
        json_t *one = json_array_get(json_object_get(v, "totals"), 0);
        assert_null(json_object_get(one, "overflow"));
        assert_true(json_is_false(json_object_get(one, "partial")));
        json_decref(v);
}

static void order_of_entries(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 5; A2 f 7; A1 g 2");
        settle();
        json_t *v =
            get("/api/v1/totals?indicator=Tonnes,d.f&region=A&children=1&period=2024-01-05,2024-01", 200);
        assert_string_equal(
            list_of(json_object_get(v, "totals"), "indicator region period value"),
            "Tonnes A 2024-01-05 2\nTonnes A 2024-01 2\nTonnes A1 2024-01-05 2\nTonnes A1 2024-01 2\n"
            "Tonnes A2 2024-01-05 null\nTonnes A2 2024-01 null\n"
            "d.f A 2024-01-05 12\nd.f A 2024-01 12\nd.f A1 2024-01-05 5\nd.f A1 2024-01 5\n"
            "d.f A2 2024-01-05 7\nd.f A2 2024-01 7");
        json_decref(v);
        TOTALS("indicator=f&children=1&period=2024",
               "R 2024 12 exact 2\nA 2024 12 exact 2\nB 2024 null null 0\nC 2024 null null 0");
}

static void own_figures(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A/own f 3; A1 f 5");
        report("gov", "2024-01-05", "R f 100");
        settle();
        TOTALS("indicator=f&period=2024&region=R", "R 2024 108 exact 3");
        TOTALS("indicator=f&period=2024&region=R&own=1", "R 2024 100 exact 1");
        TOTALS("indicator=f&period=2024&region=A%2Fown", "A 2024 3 exact 1");
        TOTALS("indicator=f&period=2024&region=A&own=1&children=1",
               "A 2024 3 exact 1\nA1 2024 5 exact 1\nA2 2024 null null 0");
        assert_string_equal(offices("indicator=f&period=2024-01-05&region=R&own=1"), "1/1/1");
        assert_string_equal(offices("indicator=f&period=2024-01-05&region=A&own=1"), "1/1/1");
}

static void over_time(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 5; A1 s 10; A1 p 500");
        report("oA", "2024-01-06", "A1 f 6; A1 s 12; A1 p 300; A2 s 1");
        report("oA", "2023-12-31", "A2 f 1; A2 s 9");
        settle();
        static const char *const regions[] = {"A", "A1"};
        for (int i = 0; i < 2; i++) { /* stored, and recomputed */
                char query[128];
                snprintf(query, sizeof query, "totals?indicator=f&period=2024-01&region=%s", regions[i]);
                assert_non_null(strstr(figures(query), " 11 exact 2"));
        }
        TOTALS("indicator=s&period=2024-01&region=A",
               "A 2024-01 13 exact 2"); /* the one fact of each region that counts */
        TOTALS("indicator=s&period=2024-01&region=A1", "A1 2024-01 12 exact 1");
        TOTALS("indicator=p&period=2024-01&region=A1", "A1 2024-01 500 exact 2"); /* peak: all facts */
        TOTALS("indicator=s&period=2024-01-05&region=A", "A 2024-01-05 10 exact 1");

        /* d2 withdrawn: the stock falls back to d1; d1 too: null */
        report_at("oA", "d", "2024-01-06", WITHDRAW, NULL, "2024-01-11T00:00:00Z");
        settle();
        TOTALS("indicator=s&period=2024-01&region=A", "A 2024-01 10 exact 1");
        TOTALS("indicator=s&period=2024-01&region=A1", "A1 2024-01 10 exact 1");
        report_at("oA", "d", "2024-01-05", WITHDRAW, NULL, "2024-01-11T00:00:00Z");
        settle();
        TOTALS("indicator=s&period=2024-01&region=A", "A 2024-01 null null 0");
        TOTALS("indicator=s&period=2024-01&region=A1", "A1 2024-01 null null 0");
}

static void peaks_are_corrected(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 p 500");
        report("oB", "2024-01-06", "B p 300");
        report("oA", "2024-01-05", "A1 p 200");
        settle();
        TOTALS("indicator=p&period=2024-01", "R 2024-01 300 exact 2");
        TOTALS("indicator=p&period=2024-01&region=A1", "A1 2024-01 200 exact 1");
}

static void weeks_and_spans(void **state)
{
        (void)state;
        report("oA", "2023-12-31", "A1 f 1; A1 s 4; A1 p 4");
        report("oA", "2024-01-01", "A1 f 2; A1 s 5; A1 p 9");
        report("oA", "2024-01-07", "A1 f 4; A1 s 6; A1 p 1");
        report("oB", "2024-01-08", "B f 8; B s 7; B p 2");
        report_at("oA", "w", "2024-W01", REPLACE, "A1 wf 16", "2024-01-10T00:00:00Z");
        report_at("oA", "w", "2023-W52", REPLACE, "A1 wf 32", "2024-01-10T00:00:00Z");
        settle();
        TOTALS("indicator=f&period=2024-W01", "R 2024-W01 6 exact 2");
        TOTALS("indicator=f&period=2024-W01&region=A1", "A1 2024-W01 6 exact 2");
        TOTALS("indicator=s&period=2024-W01", "R 2024-W01 6 exact 1");
        TOTALS("indicator=f&period=2023-12-31/2024-01-08", "R 2023-12-31/2024-01-08 15 exact 4");
        TOTALS("indicator=f&period=2023-12-31%2F2024-01-07", "R 2023-12-31/2024-01-07 7 exact 3");
        TOTALS("indicator=f&period=2023-01-01/2024-12-31", "R 2023-01-01/2024-12-31 15 exact 4");
        TOTALS("indicator=s&period=2023-01-01/2024-12-31", "R 2023-01-01/2024-12-31 13 exact 2");
        TOTALS("indicator=s&period=2024-01-01/2024-01-31", "R 2024-01-01/2024-01-31 13 exact 2");
        TOTALS("indicator=p&period=2023-12-31/2024-01-07", "R 2023-12-31/2024-01-07 9 exact 3");
        assert_false(partial("indicator=f&period=2023-12-31/2024-01-07"));

        TOTALS("indicator=wf&period=2024", "R 2024 16 exact 1"); /* the ISO year */
        TOTALS("indicator=wf&period=2023", "R 2023 32 exact 1");
        assert_false(partial("indicator=wf&period=2024"));
        TOTALS("indicator=wf&period=2023-12-30/2024-01-10", "R 2023-12-30/2024-01-10 16 exact 1");
        assert_true(partial("indicator=wf&period=2023-12-30/2024-01-10"));
        TOTALS("indicator=wf&period=2024-01-02/2024-01-03", "R 2024-01-02/2024-01-03 null null 0");
        assert_true(partial("indicator=wf&period=2024-01-02/2024-01-03"));
}

static void qualifiers(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 5余; A2 f 5; A1 p >=3; A1 s 约2");
        report("oB", "2024-01-05", "B f 约9; B p 8; B s 1");
        settle();
        TOTALS("indicator=f&period=2024-01&region=A", "A 2024-01 10 at_least 2");
        TOTALS("indicator=f&period=2024-01&region=A1", "A1 2024-01 5 at_least 1");
        TOTALS("indicator=f&period=2024-01", "R 2024-01 19 about 3");
        TOTALS("indicator=p&period=2024-01", "R 2024-01 8 at_least 2"); /* of a peak: of all */
        report("oA", "2024-01-06", "A1 s 3");
        settle();
        TOTALS("indicator=s&period=2024-01", "R 2024-01 4 exact 2"); /* of a stock: of those that count */
}

static void too_large(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 5; A1 g 1");
        settle();
        toy_store_sql(
            &sink.store,
            "UPDATE total_ SET high = 1 WHERE indicator = (SELECT id FROM indicator_ WHERE name = 'd.f')");
        json_t *v = get("/api/v1/totals?indicator=f,rate&period=2024", 200);
        json_t *list = json_object_get(v, "totals");
        assert_string_equal(list_of(list, "value overflow qualifier facts"),
                            "null true exact 1\nnull ? null null");
        json_decref(v);
}

static void derived(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 1; A1 g 3; A2 f 1");
        report("oA", "2024-01-06", "A1 f 5余; A1 g 0");
        report("oA", "2024-01-07", "A1 f 10");
        report("oA", "2023-01-05", "A1 f 8");
        settle();
        TOTALS("indicator=rate&period=2024-01-05",
               "R 2024-01-05 66.7 exact null"); /* one rounding, of the quotient of totals */
        TOTALS("indicator=rate&period=2024-01-05&region=A1", "A1 2024-01-05 33.3 exact null");
        TOTALS("indicator=rate&period=2024-01-06", "R 2024-01-06 null null null"); /* by zero */
        TOTALS("indicator=rate&period=2024-01-07", "R 2024-01-07 null null null"); /* an operand is missing */
        TOTALS("indicator=rate&period=2024-01", "R 2024-01 566.7 about null"); /* an operand is not exact */
        TOTALS("indicator=third,back&period=2024-01-07&region=A1",
               "A1 2024-01-07 3 exact null\nA1 2024-01-07 10 exact null");
        TOTALS("indicator=step&period=2024-01-07", "R 2024-01-07 5 about null");
        TOTALS("indicator=step&period=2024-01-07&region=A1", "A1 2024-01-07 5 about null");
        TOTALS("indicator=step&period=2024-01-05", "R 2024-01-05 null null null");
        TOTALS("indicator=step&period=2024-01-05/2024-01-07", "R 2024-01-05/2024-01-07 null null null");
        TOTALS("indicator=grown&period=2024-01-05", "R 2024-01-05 -75 exact null");
        TOTALS("indicator=grown&period=2024-01-05/2024-01-07", "R 2024-01-05/2024-01-07 112.5 about null");
        TOTALS("indicator=grown&period=2024-02-29", "R 2024-02-29 null null null");
        TOTALS("indicator=smooth&period=2024-01-07", "R 2024-01-07 5.67 about null");
        TOTALS("indicator=smooth&period=2024-01-07&region=A1&own=1", "A1 2024-01-07 5.33 about null");

        /* of several datasets: 2024 is the ISO year of the weekly one */
        report_at("oA", "m", "2024-01", REPLACE, "A1 mf 100", "2024-02-01T00:00:00Z");
        report_at("oA", "w", "2024-W01", REPLACE, "A1 wf 1000", "2024-01-10T00:00:00Z");
        settle();
        TOTALS("indicator=both&period=2024&region=A1", "A1 2024 1116 about null");
        TOTALS("indicator=both&period=2024-01", "R 2024-01 null null null"); /* weeks make no month */
}

static void head_counts(void **state)
{
        (void)state;
        assert_string_equal(offices("indicator=f&period=2024-01-05"), "4/0/0");
        report("oA", "2024-01-05", "A1 f 5");
        report("oB", "2024-01-05", "B f 5");
        report("oB", "2024-01-06", "B f 5");
        settle();
        assert_string_equal(offices("indicator=f&period=2024-01-05"), "4/2/2");
        assert_string_equal(offices("indicator=rate&period=2024-01-05"), "4/2/2");
        assert_string_equal(offices("indicator=f&period=2024-01-05/2024-01-06"), "4/2/1");
        assert_string_equal(offices("indicator=f&period=2024-01-05/2024-01-06&region=B"), "1/1/1");
        assert_string_equal(offices("indicator=f&period=2024-01-05&region=A2"),
                            "1/1/1"); /* the scope meets the region */
        assert_string_equal(offices("indicator=f&period=2024-01-05&region=A2&own=1"), "1/1/1");
        assert_string_equal(offices("indicator=f&period=2024&region=C"), "1/0/0"); /* the one valid then */
        assert_string_equal(offices("indicator=f&period=2023-12-31/2024-01-01&region=C"), "2/0/0");
        assert_string_equal(offices("indicator=f&period=2024-01-20"),
                            "4/0/4"); /* today has not ended: nothing to be complete in */
        report_at("oB", "d", "2024-01-05", WITHDRAW, NULL, "2024-01-11T00:00:00Z");
        settle();
        assert_string_equal(offices("indicator=f&period=2024-01-05"), "4/1/1"); /* nothing stands */
        assert_string_equal(offices("indicator=mf&period=2023-01"), "0/0/0");   /* before `since` */
        assert_string_equal(offices("indicator=mf&period=2023"), "4/0/0");
        report_at("oB", "m", "2023-01", REPLACE, "B mf 1", "2024-01-10T00:00:00Z");
        settle();
        TOTALS("indicator=mf&period=2023-01", "R 2023-01 1 exact 1"); /* accepted all the same */
}

static void as_it_was(void **state)
{
        (void)state;
        report_at("oA", "d", "2024-01-05", REPLACE, "A1 f 5; A2 f 1", "2024-01-06T00:00:00Z");
        report_at("oA", "d", "2024-01-05", REPLACE, "A1 f 6", "2024-01-08T00:00:00Z");
        report_at("oA", "d", "2024-01-05", ADD, "A1 f 10", "2024-01-09T00:00:00Z");
        settle();
        TOTALS("indicator=f&period=2024", "R 2024 16 exact 1");
        TOTALS("indicator=f&period=2024&as_of=2024-01-06T00:00:00Z",
               "R 2024 null null 0"); /* by receipt, a second later */
        TOTALS("indicator=f&period=2024&as_of=2024-01-07T08:00:00%2B08:00", "R 2024 6 exact 2");
        TOTALS("indicator=f&period=2024&as_of=2024-01-07T08:00:00+08:00", "R 2024 6 exact 2");
        TOTALS("indicator=f&period=2024&as_of=2024-01-08T12:00:00Z", "R 2024 6 exact 1");
        TOTALS("indicator=f&period=2024&as_of=2030-01-01T00:00:00Z", "R 2024 16 exact 1");
        assert_string_equal(offices("indicator=f&period=2024-01-05&as_of=2024-01-05T12:00:00Z"), "4/0/4");
        assert_string_equal(offices("indicator=f&period=2024-01-05&as_of=2024-01-07T00:00:00Z"), "4/1/1");

        char target[160]; /* a version is the same question again */
        long long version = toy_time("2024-01-06T00:00:01Z");
        snprintf(target, sizeof target, "totals?indicator=f&period=2024&as_of=%lld", version);
        assert_string_equal(figures(target), "R 2024 6 exact 2");
        snprintf(target, sizeof target, "/api/v1/totals?indicator=f&period=2024&as_of=%lld", version);
        json_t *v = get(target, 200);
        assert_int_equal(json_integer_value(json_object_get(v, "version")), version);
        assert_string_equal(json_string_value(json_object_get(v, "as_of")), "2024-01-06T00:00:01.000Z");
        json_decref(v);
}

static void refusals(void **state)
{
        (void)state;
        refused("totals?period=2024", 400, "malformed", "\"indicator\"");
        refused("totals?indicator=f", 400, "malformed", "\"period\"");
        refused("totals?indicator=f&period=2024-13", 400, "malformed", "2023-W38");
        refused("totals?indicator=f&period=2024-02-01/2024-01-01", 400, "malformed", "2023-W38");
        refused("totals?indicator=f&period=2024&as_of=soon", 400, "malformed", "soon");
        refused("totals?indicator=smoth&period=2024", 404, "unknown_indicator", "did you mean \"smooth\"");
        refused("totals?indicator=f,&period=2024", 404, "unknown_indicator", "\"\"");
        refused("totals?indicator=f&region=Alund&period=2024", 404, "unknown_region", "Aland");
        refused("totals?indicator=mf&period=2024-01-05", 422, "period_not_held", "month");
        refused("totals?indicator=f,mf&period=2024-W01", 422, "period_not_held", "month");
        refused("totals?indicator=wf&period=2024-01", 422, "period_not_held", "week");
        refused_in("totals?indicator=smoth&period=2024", 404, "unknown_indicator", "zh-CN", "是否为“smooth”");
        refused_in("totals?indicator=mf&period=2024-W01", 422, "period_not_held", "zh", "按月填报");
        refused("series?indicator=f&from=2024-01-01&to=2024-01", 400, "malformed", "day");
        refused("series?indicator=f&from=2024-01-02&to=2024-01-01", 400, "malformed", "before");
        refused("series?indicator=f&from=2024-01&to=2024-02&every=decade", 400, "malformed", "decade");
        refused("series?indicator=mf&from=2024-W01&to=2024-W02&every=week", 422, "period_not_held", "month");
        refused("series?indicator=f&from=1990-01-01&to=2024-01-01", 422, "too_many_entries", "10,000");
        refused("coverage?dataset=q&period=2024", 404, "unknown_dataset", "\"q\"");
        refused("coverage?dataset=m&period=2024-01-01", 422, "period_not_held", "month");
        refused("lineage?indicator=f,g&period=2024", 400, "malformed", "one indicator");
        refused("lineage?indicator=f&period=2024&after=x", 400, "malformed", "next");
        refused("lineage?indicator=f&period=2024&limit=0", 400, "malformed", "limit");
        refused("reports?office=oX", 404, "unknown_office", "oA");
        refused("reports?verdict=maybe", 400, "malformed", "rejected");
        refused("reports?limit=5000", 400, "malformed", "limit");
        refused("verify?run=99", 404, "unknown_run", "99");
}

/* The same few names a hundred times each: a short question, but not a short answer. */
static void too_many_entries(void **state)
{
        (void)state;
        struct text target = {0};
        text_add(&target, "totals?indicator=f");
        for (int i = 0; i < 99; i++)
                text_add(&target, ",f");
        text_add(&target, "&region=R");
        for (int i = 0; i < 99; i++)
                text_add(&target, ",R");
        text_add(&target, "&period=2024");
        for (int i = 0; i < 10; i++)
                text_add(&target, ",2024");
        char path[1024];
        snprintf(path, sizeof path, "/api/v1/%s", text_c(&target));
        json_t *v = get(path, 422);
        assert_string_equal(json_string_value(json_object_get(json_object_get(v, "error"), "code")),
                            "too_many_entries");
        json_decref(v);
        text_close(&target);
}

/* ---- series */

static void series(void **state)
{
        (void)state;
        report("oA", "2023-12-31", "A1 f 1; A1 s 4");
        report("oA", "2024-01-02", "A1 f 2; A1 s 5");
        report("oB", "2024-01-03", "B f 4");
        settle();
        SERIES("indicator=f&from=2023-12-31&to=2024-01-02",
               "R 2023-12-31 1 exact 1\nR 2024-01-01 null null 0\nR 2024-01-02 2 exact 1");
        SERIES("indicator=f&region=A1&from=2023-12-31&to=2024-01-02",
               "A1 2023-12-31 1 exact 1\nA1 2024-01-01 null null 0\nA1 2024-01-02 2 exact 1");
        SERIES("indicator=f&from=2023-12&to=2024-01&every=month", "R 2023-12 1 exact 1\nR 2024-01 6 exact 2");
        SERIES("indicator=s&region=A1&from=2023-W52&to=2024-W01&every=week",
               "A1 2023-W52 4 exact 1\nA1 2024-W01 5 exact 1");
        SERIES("indicator=step&region=A1&from=2024&to=2024&every=year", "A1 2024 1 exact null");
        SERIES("indicator=f&from=2024-01-03&to=2024-01-03&region=R&children=1",
               "R 2024-01-03 4 exact 1\nA 2024-01-03 null null 0\nB 2024-01-03 4 exact 1\nC 2024-01-03 null "
               "null 0");
        json_t *v = get("/api/v1/series?indicator=f&region=A2&from=1997-01-01&to=2024-01-01",
                        200); /* one scan, many cuts */
        assert_int_equal(json_array_size(json_object_get(v, "totals")), 9862);
        json_decref(v);
}

/* ---- coverage */

static const char *coverage(const char *query)
{
        static char out[1024];
        char target[256];
        snprintf(target, sizeof target, "/api/v1/coverage?%s", query);
        json_t *v = get(target, 200);
        json_t *counts = json_pack("[O]", v);
        int n = snprintf(out, sizeof out, "%s\n",
                         list_of(counts, "expected received on_time late missing rejected"));
        snprintf(out + n, sizeof out - (size_t)n, "%s",
                 list_of(json_object_get(v, "offices"), "office state revision"));
        json_decref(counts);
        json_decref(v);
        return out;
}

static void coverage_of_a_day(void **state)
{
        (void)state;
        toy_sink_now("2024-01-06T04:00:00Z"); /* noon: due for the 5th this very second */
        report_at("oA", "d", "2024-01-04", REPLACE, "A1 f 5", "2024-01-04T20:00:00Z"); /* its first contact */
        toy_store_report(&sink.store, &(struct toy_report){.office = "oB",
                                                           .dataset = "d",
                                                           .period = "2024-01-03",
                                                           .rows = "B f 1",
                                                           .submitted_at = toy_time("2024-01-03T16:00:00Z"),
                                                           .received_at = toy_time("2024-01-04T00:00:00Z")});
        report_at("oA", "d", "2024-01-05", REPLACE, "A1 f 5", "2024-01-06T04:00:00Z"); /* on the stroke */
        assert_string_equal(coverage("dataset=d&period=2024-01-05"),
                            "4 1 1 0 0 0\ngov waiting null\noA on_time 1\noB waiting null\noC waiting "
                            "null\noC-old not_expected null");
        toy_sink_now("2024-01-06T04:00:01Z");
        report_at("oB", "d", "2024-01-05", REPLACE, "B f 5", "2024-01-06T04:00:01Z"); /* and a second later */
        toy_store_report(&sink.store, &(struct toy_report){.office = "oC",
                                                           .dataset = "d",
                                                           .period = "2024-01-05",
                                                           .rows = "C f 5",
                                                           .submitted_at = toy_time("2024-01-06T03:00:00Z"),
                                                           .received_at = toy_time("2024-01-06T05:00:00Z"),
                                                           .reason = "Z"});
        assert_string_equal(coverage("dataset=d&period=2024-01-05"),
                            "4 2 1 1 1 1\ngov missing null\noA on_time 1\noB late 1\noC rejected "
                            "null\noC-old not_expected null");
        /* a correction is no delay; a withdrawal leaves nothing; the 3rd had ended when oA came for the first
         * time */
        report_at("oA", "d", "2024-01-05", REPLACE, "A1 f 6", "2024-01-09T00:00:00Z");
        report_at("oA", "d", "2024-01-03", REPLACE, "A1 f 6", "2024-01-09T00:00:00Z");
        assert_non_null(strstr(coverage("dataset=d&period=2024-01-05"), "oA on_time 2"));
        assert_non_null(strstr(coverage("dataset=d&period=2024-01-03"), "oA imported 1"));
        assert_non_null(strstr(coverage("dataset=d&period=2024-01-03"), "4 2 0 0 2 0\n"));
        report_at("oA", "d", "2024-01-05", WITHDRAW, NULL, "2024-01-09T00:00:00Z");
        assert_non_null(strstr(coverage("dataset=d&period=2024-01-05"), "oA missing null"));
}

static void coverage_of_longer_periods(void **state)
{
        (void)state;
        toy_sink_now("2024-01-04T05:00:00Z"); /* the 1st to the 3rd have ended; the 3rd was due an hour ago */
        report_at("oA", "d", "2023-12-31", REPLACE, "A1 f 1", "2023-12-31T15:00:00Z");
        report_at("oB", "d", "2023-12-31", REPLACE, "B f 1", "2023-12-31T15:00:00Z");
        for (int day = 1; day <= 4; day++) {
                char period[24], submitted[40];
                snprintf(period, sizeof period, "2024-01-%02d", day);
                snprintf(submitted, sizeof submitted, "2024-01-%02dT23:00:00Z", day - (day == 4));
                report_at("oA", "d", period, REPLACE, "A1 f 1", submitted);
        }
        report_at("oB", "d", "2024-01-01", REPLACE, "B f 1", "2024-01-01T23:00:00Z");
        report_at("oB", "d", "2024-01-02", REPLACE, "B f 1", "2024-01-03T23:00:00Z");
        assert_string_equal(coverage("dataset=d&period=2024-01"),
                            "12 5 4 1 7 0\ngov missing null\noA on_time null\noB missing null\noC missing "
                            "null\noC-old not_expected null");
        assert_string_equal(coverage("dataset=d&period=2024-02"),
                            "0 0 0 0 0 0\ngov not_expected null\noA not_expected null\noB not_expected "
                            "null\noC not_expected null\noC-old not_expected null");
        json_t *v = get("/api/v1/coverage?dataset=d&period=2024-W01", 200);
        assert_string_equal(json_string_value(json_object_get(v, "period")), "2024-W01");
        assert_string_equal(json_string_value(json_object_get(v, "dataset")), "d");
        json_t *oB = json_array_get(json_object_get(v, "offices"), 2);
        assert_int_equal(json_integer_value(json_object_get(oB, "received")), 2);
        assert_string_equal(json_string_value(json_object_get(oB, "submitted_at")),
                            "2024-01-03T23:00:00.000Z");
        json_decref(v);
        /* since 2023-02-01: January is not expected, nothing before it is */
        assert_non_null(strstr(coverage("dataset=m&period=2023-01"), "0 0 0 0 0 0\ngov not_expected"));
        assert_non_null(strstr(coverage("dataset=m&period=2023-H1"), "20 0 0 0 20 0\ngov missing"));
}

/* ---- lineage */

static const char *lineage(const char *query, const char *names, char next[64])
{
        static char out[4096];
        char target[512];
        snprintf(target, sizeof target, "/api/v1/lineage?%s", query);
        json_t *v = get(target, 200);
        snprintf(out, sizeof out, "%s", list_of(json_object_get(v, "facts"), names));
        const char *after = json_string_value(json_object_get(v, "next"));
        snprintf(next, 64, "%s", after ? after : "");
        json_decref(v);
        return out;
}

static void facts_of_a_total(void **state)
{
        (void)state;
        char next[64];
        report("oB", "2024-01-05", "B f 1; B s 7; B p 2");
        report("oA", "2024-01-05", "A1 f 5余; A2 f 3; A1 s 1; A2 s 2; A1 p 9");
        report("oA", "2024-01-06", "A1 f 4; A1 s 5; A1 p 1");
        report_at("oA", "d", "2024-01-05", MERGE, "A2 f 8", "2024-01-11T00:00:00Z");
        settle();
        static const char names[] = "office region period value qualifier seq revision submitted_at";
        assert_string_equal(lineage("indicator=f&period=2024", names, next),
                            "oA A1 2024-01-05 5 at_least 1 1 2024-01-10T00:00:00.000Z\n"
                            "oA A2 2024-01-05 8 exact 3 2 2024-01-11T00:00:00.000Z\n"
                            "oB B 2024-01-05 1 exact 1 1 2024-01-10T00:00:00.000Z\n"
                            "oA A1 2024-01-06 4 exact 2 1 2024-01-10T00:00:00.000Z");
        assert_string_equal(next, "");
        assert_string_equal(lineage("indicator=s&period=2024", "office region period value", next),
                            "oB B 2024-01-05 7\noA A1 2024-01-06 5\noA A2 2024-01-05 2");
        assert_string_equal(lineage("indicator=p&period=2024&region=A1", "region period value", next),
                            "A1 2024-01-05 9\nA1 2024-01-06 1");
        assert_string_equal(lineage("indicator=f&period=2024-02", names, next), "");

        json_t *v = get("/api/v1/lineage?indicator=f&period=2024&region=A", 200);
        json_t *list = json_pack("[O]", json_object_get(v, "total"));
        assert_string_equal(list_of(list, "indicator region period value qualifier facts"),
                            "f A 2024 17 at_least 3");
        json_t *one = json_array_get(json_object_get(v, "facts"), 0);
        assert_string_equal(json_string_value(json_object_get(one, "stream")), "0101ab0000000000");
        assert_string_equal(json_string_value(json_object_get(one, "received_at")),
                            "2024-01-10T00:00:01.000Z");
        json_decref(list);
        json_decref(v);
}

static void pages_of_facts(void **state)
{
        (void)state;
        char next[64], query[160];
        report("oA", "2024-01-05", "A1 f 1; A2 f 2");
        report("oB", "2024-01-05", "B f 3");
        settle();
        assert_string_equal(lineage("indicator=f&period=2024&limit=2", "value", next), "1\n2");
        report("oA", "2024-01-04", "A1 f 9"); /* between two pages: they are of one version */
        settle();
        snprintf(query, sizeof query, "indicator=f&period=2024&limit=2&after=%s", next);
        assert_string_equal(lineage(query, "value", next), "3");
        assert_string_equal(next, "");
        assert_string_equal(lineage("indicator=f&period=2024&limit=3", "value", next), "9\n1\n2");
        assert_string_not_equal(next, "");
}

static void facts_of_a_derived_figure(void **state)
{
        (void)state;
        char next[64];
        report("oA", "2024-01-05", "A1 f 1; A1 g 3");
        report("oA", "2024-01-06", "A1 f 5");
        settle();
        assert_string_equal(lineage("indicator=rate&period=2024-01-05", "indicator period value", next),
                            "d.f 2024-01-05 1\nd.g 2024-01-05 3");
        assert_string_equal(lineage("indicator=step&period=2024-01-06", "indicator period value", next),
                            "d.f 2024-01-06 5\nd.f 2024-01-05 1");
}

/* ---- reports and catalogue */

static void reports(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 1; A2 f 2");
        report("oA", "2024-01-05", "A1 f 2");
        report_at("oB", "m", "2024-01", MERGE, "B mf 1", "2024-01-12T00:00:00Z");
        toy_store_report(&sink.store, &(struct toy_report){.office = "oC",
                                                           .dataset = "d",
                                                           .period = "2024-01-06",
                                                           .rows = "C f 5",
                                                           .submitted_at = toy_time("2024-01-13T00:00:00Z"),
                                                           .received_at = toy_time("2024-01-13T05:00:00Z"),
                                                           .reason = "Z"});
        static const char names[] = "office dataset period seq revision action rows verdict current";
        json_t *v = get("/api/v1/reports", 200);
        assert_string_equal(
            list_of(json_object_get(v, "reports"), names),
            "oC d 2024-01-06 1 0 replace 1 rejected false\noB m 2024-01 1 1 merge 1 accepted true\n"
            "oA d 2024-01-05 2 2 replace 1 accepted true\noA d 2024-01-05 1 1 replace 2 accepted false");
        assert_true(json_is_null(json_object_get(v, "next")));
        json_t *first = json_array_get(json_object_get(v, "reports"), 0);
        assert_string_equal(json_string_value(json_object_get(first, "key")), "0102030405060708");
        assert_int_equal(strlen(json_string_value(json_object_get(first, "hash"))), 64);
        json_t *why = json_object_get(first, "reasons");
        assert_string_equal(list_of(why, "row column code message"),
                            "2 region unknown_region no region is called \"Z\"");
        assert_int_equal(
            json_array_size(json_object_get(json_array_get(json_object_get(v, "reports"), 1), "reasons")), 0);
        json_decref(v);

        v = get_in("/api/v1/reports?verdict=rejected", 200, "zh-CN");
        assert_string_equal(
            list_of(json_object_get(json_array_get(json_object_get(v, "reports"), 0), "reasons"), "message"),
            "没有名为“Z”的地区");
        json_decref(v);

        static const struct {
                const char *query, *seqs;
        } filters[] = {
            {"office=oA", "oA 2\noA 1"},         {"dataset=m", "oB 1"},
            {"period=2024-01-05", "oA 2\noA 1"}, {"period=2024-01&dataset=d", "oC 1\noA 2\noA 1"},
            {"current=1", "oB 1\noA 2"},         {"current=0&office=oA", "oA 1"},
            {"state=accepted&limit=1", "oB 1"},  {"office=oB&dataset=d", ""},
        };
        for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
                char target[128];
                snprintf(target, sizeof target, "/api/v1/reports?%s", filters[i].query);
                v = get(target, 200);
                assert_string_equal(list_of(json_object_get(v, "reports"), "office seq"), filters[i].seqs);
                json_decref(v);
        }
        v = get("/api/v1/reports?limit=3", 200);
        char target[64];
        snprintf(target, sizeof target, "/api/v1/reports?before=%lld",
                 json_integer_value(json_object_get(v, "next")));
        json_decref(v);
        v = get(target, 200);
        assert_string_equal(list_of(json_object_get(v, "reports"), "office seq"), "oA 1");
        json_decref(v);
}

static void the_catalogue(void **state)
{
        (void)state;
        json_t *v = get("/api/v1/catalog", 200);
        json_t *list = json_pack("[O]", v);
        assert_string_equal(list_of(list, "name_zh name_en version root timezone"),
                            "流域 Basin 1 R Asia/Shanghai");
        json_decref(list);
        assert_string_equal(list_of(json_object_get(v, "regions"), "code parent level name_en"),
                            "R null land Basin\nA R shire Aland\nB R shire Bland\nC R shire Cland\nA1 A town "
                            "Aone\nA2 A town Atwo");
        assert_string_equal(list_of(json_object_get(v, "datasets"), "code every due_s lock_s since"),
                            "d day 43200 null null\nw week 86400 null null\nm month 432000 null 2023-02-01");
        assert_string_equal(list_of(json_object_get(v, "offices"), "code region scope valid_from valid_to"),
                            "gov R self null null\noA A subtree null null\noB B subtree null null\n"
                            "oC C subtree 2024-01-01 null\noC-old C subtree null 2023-12-31");
        json_t *rate = json_pack("[O]", json_array_get(json_object_get(v, "indicators"), 4));
        assert_string_equal(list_of(rate, "name kind decimals unit_en formula min"),
                            "d.rate derived 1 % 100 * f / g null");
        json_decref(rate);
        json_decref(v);
}

/* ---- what is shared with the loop */

static void skipping_a_gap(void **state)
{
        (void)state;
        int status;
        char *body = toy_sink_ask(&sink, "POST", "/api/v1/streams/skip?office=oB", NULL, &status);
        assert_int_equal(status, 200);
        assert_string_equal(body, "{\"office\":\"oB\",\"from\":3,\"to\":9}");
        free(body);
        body = toy_sink_ask(&sink, "POST", "/api/v1/streams/skip?office=oA", NULL, &status);
        assert_int_equal(status, 404);
        assert_non_null(strstr(body, "no_gap"));
        free(body);
}

static void health_and_metrics(void **state)
{
        (void)state;
        int status;
        json_decref(get("/healthz", 200));
        health_raise(sink.health, HEALTH_FAILING, "disk", "the disk is full");
        json_decref(get("/healthz", 503));
        char *body = toy_sink_ask(&sink, "GET", "/metrics", NULL, &status);
        assert_string_equal(body, "sumu_toy 1\n");
        free(body);
}

static void the_page(void **state)
{
        (void)state;
        static const char *const targets[] = {"/", "/web/style.css", "/web/app.js"};
        static const char *const begins[] = {"<!doctype html>", "/* One column", "// The regional totals"};
        int status;
        for (int i = 0; i < 3; i++) {
                char *body = toy_sink_ask(&sink, "GET", targets[i], NULL, &status);
                assert_int_equal(status, 200);
                assert_memory_equal(body, begins[i], strlen(begins[i]));
                assert_null(strstr(body, "<style")); /* the policy allows nothing inline */
                assert_null(strstr(body, " style="));
                assert_null(strstr(body, "innerHTML"));
                free(body);
        }
        json_decref(get("/web/../sumu.db", 404));
        json_decref(get("/web/", 404));
}

struct asker {
        pthread_t thread;
        const char *target;
        bool ok;
};

static void *ask_often(void *arg)
{
        struct asker *a = arg;
        a->ok = true;
        for (int i = 0; i < 20; i++) {
                int status;
                free(toy_sink_ask(&sink, strstr(a->target, "skip") ? "POST" : "GET", a->target, NULL,
                                  &status));
                a->ok = a->ok && status == 200;
        }
        return NULL;
}

/* Requests on both threads while the writer commits; for TSan above all. */
static void all_at_once(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 1");
        settle();
        struct asker askers[] = {
            {.target = "/api/v1/totals?indicator=f,rate&period=2024&region=A1"},
            {.target = "/api/v1/series?indicator=f&from=2024-01-01&to=2024-01-31"},
            {.target = "/api/v1/streams/skip?office=oB"},
            {.target = "/api/v1/catalog"},
            {.target = "/api/v1/verify"},
        };
        enum { N = sizeof askers / sizeof *askers };
        for (int i = 0; i < N; i++)
                pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]);
        for (int i = 0; i < 10; i++) {
                report("oA", "2024-01-05", "A1 f 1");
                settle();
        }
        for (int i = 0; i < N; i++) {
                pthread_join(askers[i].thread, NULL);
                assert_true(askers[i].ok);
        }
}

/* ---- verify */

static json_t *verify(void)
{
        json_t *v = get("/api/v1/verify", 200);
        assert_string_equal(json_string_value(json_object_get(v, "state")), "done");
        return v;
}

static const char *verified(void)
{
        static char out[512];
        json_t *v = verify(), *list = json_pack("[O]", v);
        snprintf(out, sizeof out, "%s",
                 list_of(list, "totals agree differing reports streams intact faulty"));
        json_decref(list);
        json_decref(v);
        return out;
}

static const char *differences(void)
{
        static char out[1024];
        json_t *v = verify();
        snprintf(out, sizeof out, "%s", list_of(json_object_get(v, "differ"), "indicator region period"));
        json_decref(v);
        return out;
}

static const char *faults(void)
{
        static char out[1024];
        json_t *v = verify();
        snprintf(out, sizeof out, "%s", list_of(json_object_get(v, "faults"), "office seq code"));
        json_decref(v);
        return out;
}

static void fill_for_verify(void)
{
        report("oA", "2024-01-05", "A1 f 1; A1 s 3");
        report("oA", "2024-01-06", "A1 f 2");
        report("oB", "2024-01-06", "B f 2; B p 1");
        report_at("oA", "w", "2024-W01", REPLACE, "A1 wf 16", "2024-01-10T00:00:00Z");
        report_at("oC", "m", "2023-01", REPLACE, "C ms 16", "2024-01-10T00:00:00Z");
        report_at("oC", "m", "2023-01", WITHDRAW, NULL, "2024-01-10T00:00:00Z");
        settle();
}

static void verify_agrees(void **state)
{
        (void)state;
        assert_string_equal(verified(), "0 0 0 0 0 0 0");
        fill_for_verify();
        assert_string_equal(verified(), "31 31 0 6 3 3 0");
        json_t *v = verify();
        json_t *signatures = json_pack("[O]", json_object_get(v, "signatures"));
        assert_string_equal(list_of(signatures, "checked good unknown_key"),
                            "6 4 2"); /* oC's key is not known */
        json_decref(signatures);
        json_decref(v);
}

static void verify_finds_totals(void **state)
{
        (void)state;
        fill_for_verify();
        toy_store_sql(
            &sink.store,
            "UPDATE total_ SET low = low + 1 WHERE indicator = 1 AND period = (SELECT id FROM period_ WHERE "
            "label = '2024-Q1') AND region = (SELECT id FROM region_ WHERE code = 'A')");
        assert_string_equal(differences(), "d.f A 2024-Q1");
        json_t *v = verify(), *one = json_array_get(json_object_get(v, "differ"), 0);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "stored"), "value")), 4);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "computed"), "value")), 3);
        json_decref(v);
        toy_store_sql(
            &sink.store,
            "UPDATE total_ SET low = low - 1, about = 1 WHERE indicator = 1 AND period = (SELECT id FROM "
            "period_ WHERE label = '2024-Q1') AND region = (SELECT id FROM region_ WHERE code = 'A')");
        assert_string_equal(differences(), "d.f A 2024-Q1"); /* qualifiers count */
        settle();
        toy_store_sql(
            &sink.store,
            "DELETE FROM total_ WHERE period = (SELECT id FROM period_ WHERE label = '2024-01-06') AND "
            "indicator = 1");
        assert_string_equal(differences(), "d.f R 2024-01-06\nd.f A 2024-01-06"); /* missing */
        settle();
        toy_store_sql(&sink.store, "INSERT INTO total_ VALUES(1, 3 * 8 * 1000, (SELECT id FROM region_ WHERE "
                                   "code = 'A'), 0, 9, 1, 0, 0, 1)");
        toy_store_sql(&sink.store, "INSERT INTO total_ VALUES(1, (SELECT id FROM period_ WHERE label = "
                                   "'2024'), (SELECT id FROM region_ WHERE code = 'B'), 0, 9, 1, 0, 0, 1)");
        toy_store_sql(&sink.store, "INSERT INTO indicator_(name, decimals) VALUES('d.gone', 0)");
        toy_store_sql(&sink.store, "INSERT INTO total_ VALUES((SELECT id FROM indicator_ WHERE name = "
                                   "'d.gone'), 0, 1, 0, 9, 1, 0, 0, 1)");
        v = verify();
        assert_int_equal(json_integer_value(json_object_get(v, "differing")),
                         3); /* too many: no report, no children, no indicator */
        json_decref(v);
}

static void verify_finds_reports(void **state)
{
        (void)state;
        fill_for_verify();
        toy_store_sql(&sink.store,
                      "UPDATE report_ SET submitted_at = submitted_at + 1 WHERE office = 'oA' AND seq = 2");
        assert_string_equal(faults(), "oA 2 report_changed");
        toy_store_sql(&sink.store,
                      "UPDATE report_ SET submitted_at = submitted_at - 1 WHERE office = 'oA' AND seq = 2");
        assert_string_equal(faults(), "");
        toy_store_sql(&sink.store,
                      "UPDATE signature_ SET signature = zeroblob(64) WHERE seq = 1 AND stream = 2");
        assert_string_equal(faults(), "oB 1 signature_wrong");
        toy_store_sql(&sink.store, "DELETE FROM signature_ WHERE stream = 2");
        assert_string_equal(faults(), "");
        toy_store_sql(&sink.store,
                      "CREATE TABLE kept AS SELECT hash FROM report_ WHERE office = 'oA' AND seq = 2");
        toy_store_sql(&sink.store, "DELETE FROM signature_ WHERE stream = 1 AND seq = 2; DELETE FROM report_ "
                                   "WHERE office = 'oA' AND seq = 2");
        assert_string_equal(faults(), "oA 2 reports_missing");
        toy_store_sql(&sink.store, "INSERT INTO skip_(office, stream, from_seq, to_seq, skipped_at, version, "
                                   "to_hash) SELECT s.office, "
                                   "s.stream, 2, 2, 1, 1, k.hash FROM stream_ s, kept k WHERE s.id = 1");
        assert_string_equal(faults(), ""); /* an operator let it go on */
        toy_store_sql(&sink.store, "UPDATE stream_ SET seq = 9 WHERE id = 1");
        assert_string_equal(faults(), "oA 9 mark_misplaced");
}

static void a_new_catalogue(void **state)
{
        (void)state;
        report("oA", "2024-01-05", "A1 f 1");
        settle();
        struct catalog *next = folder_catalog("tests/catalogs/atoll");
        sink.store.c = next;
        api_set_catalog(sink.api, &next);
        assert_null(next);
        refused("totals?indicator=f&period=2024", 404, "unknown_indicator", "f");
        refused("totals?indicator=rate&period=2024", 404, "unknown_indicator", "rate");
        TOTALS("indicator=tuna&period=2024&region=N.shore", "N.shore 2024 null null 0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sink, close_sink)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(one_total),
            TEST(order_of_entries),
            TEST(own_figures),
            TEST(over_time),
            TEST(peaks_are_corrected),
            TEST(weeks_and_spans),
            TEST(qualifiers),
            TEST(too_large),
            TEST(derived),
            TEST(head_counts),
            TEST(as_it_was),
            TEST(refusals),
            TEST(too_many_entries),
            TEST(series),
            TEST(coverage_of_a_day),
            TEST(coverage_of_longer_periods),
            TEST(facts_of_a_total),
            TEST(pages_of_facts),
            TEST(facts_of_a_derived_figure),
            TEST(reports),
            TEST(the_catalogue),
            TEST(skipping_a_gap),
            TEST(health_and_metrics),
            TEST(the_page),
            TEST(all_at_once),
            TEST(verify_agrees),
            TEST(verify_finds_totals),
            TEST(verify_finds_reports),
            TEST(a_new_catalogue),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
