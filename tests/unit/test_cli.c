/* The line itself, and the commands that need nobody else: keys, catalogue, check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/table.h"
#include "lib/terminal.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/sumu-cli-XXXXXX";
static char paths[4][256];

/* A path in the test's folder; the last four stay. */
static const char *in(const char *name)
{
        static unsigned next;
        char *p = paths[next++ % 4];
        snprintf(p, sizeof paths[0], "%s/%s", root, name);
        return p;
}

static const char *file(const char *name, const char *text)
{
        const char *path = in(name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        return path;
}

#define assert_says(where, text)                                          \
        do {                                                              \
                if (!strstr(where, text))                                 \
                        fail_msg("\"%s\" is not in \"%s\"", text, where); \
        } while (0)

/* ---- the line */

static void wrong_usage_is_two(void **state)
{
        (void)state;
        run(NULL, NULL);
        assert_int_equal(terminal.status, 2);
        assert_says(terminal.err, "Usage: sumu COMMAND");
        run("totls", NULL);
        assert_int_equal(terminal.status, 2);
        assert_says(terminal.err, "did you mean \"totals\"?");
        run("keys", NULL);
        assert_int_equal(terminal.status, 2);
        assert_says(terminal.err, "keys enrol");
        run("totals", NULL);
        assert_int_equal(terminal.status, 2);
        assert_says(terminal.err, "--indicator I,... is needed\nsee sumu totals --help");
        run("totals", "--indicator", NULL);
        assert_int_equal(terminal.status, 2);
        assert_says(terminal.err, "option \"--indicator\" lacks its argument");
        run("totals", "--indicator", "a.b", "word", NULL);
        assert_int_equal(terminal.status, 2);
        run("totals", "--indicator", "a.b", "--yes", NULL); /* another command's */
        assert_int_equal(terminal.status, 2);
        run("totals", "--indicator", "a.b", "--format", "xml", NULL);
        assert_int_equal(terminal.status, 2);
        run("health", NULL);
        assert_int_equal(terminal.status, 2);
        run("health", "file:///etc/passwd", NULL);
        assert_int_equal(terminal.status, 2);
        run("submit", NULL);
        assert_int_equal(terminal.status, 2);
        run("submit", "--nil", "--dataset", "gunexp", NULL);
        assert_int_equal(terminal.status, 2);
        run("submit", "--wait", "--timeout", "soon", "f.csv", NULL);
        assert_int_equal(terminal.status, 2);
        run("check", "--catalog", "c", "--office", "o", "--action", "erase", "f.csv", NULL);
        assert_int_equal(terminal.status, 2);
        run("health", "--lang", "fr", "localhost", NULL);
        assert_int_equal(terminal.status, 2);
        run("reports", "--sink", "localhost:1", "--collector", "localhost:2", NULL);
        assert_int_equal(terminal.status, 2);
}

static void help_and_version(void **state)
{
        (void)state;
        run("--version", NULL);
        assert_int_equal(terminal.status, 0);
        assert_string_equal(terminal.out, "sumu " SUMU_VERSION "\n");
        run("keys", "init", "--version", NULL);
        assert_string_equal(terminal.out, "sumu " SUMU_VERSION "\n");
        run("--help", NULL);
        assert_int_equal(terminal.status, 0);
        assert_says(terminal.out, "\n  submit         hand reports in at the office's collector\n");
        run("keys", "--help", NULL);
        assert_int_equal(terminal.status, 0);
        assert_says(terminal.out, "keys enrol");
        run("submit", "--help", NULL);
        assert_int_equal(terminal.status, 0);
        assert_says(terminal.out, "Usage: sumu submit [OPTION]... FILE...\n");
        assert_says(terminal.out, "--collector URL");
        assert_null(strstr(terminal.out, "--sink"));
        run("submit", "--help", "--lang", "zh", NULL);
        assert_says(terminal.out, "用法：sumu submit");
        run("--lang=zh", "submit", "--help", NULL);
        assert_says(terminal.out, "用法：sumu submit");
}

/* ---- tables */

static void tables_are_aligned_for_what_is_seen(void **state)
{
        (void)state;
        static const struct table_column columns[] = {
            {"region", {"REGION", "地区"}, CELL_TEXT}, {"sums.value", {"VALUE", "数值"}, CELL_NUMBER},
            {"qualifier", {"", ""}, CELL_QUALIFIER},   {"own", {"OWN", "本级"}, CELL_FLAG},
            {"at", {"AT", "时间"}, CELL_TIME},         {"note", {"NOTE", "备注"}, CELL_RARE}};
        struct table t = {.columns = columns, .n_columns = 6, .zone = "Asia/Shanghai"};
        struct cli c = {.terminal = true};
        char *out;
        size_t n;
        json_t *a = json_loads(
            "{\"region\":\"包头市\",\"sums\":{\"value\":-1234567},\"qualifier\":\"at_least\",\"own\":true,"
            "\"at\":\"2023-09-19T20:00:00.000Z\"}",
            0, NULL);
        json_t *b =
            json_loads("{\"region\":\"=x\\u001b[2J\",\"sums\":{\"value\":\"12.5\"},\"own\":false}", 0, NULL);
        table_row(&t, a, NULL, NULL);
        table_row(&t, b, NULL, NULL);

        c.out = open_memstream(&out, &n);
        assert_int_equal(table_print(&t, &c, FORMAT_TABLE), 0);
        fclose(c.out);
        assert_string_equal(out, "REGION        VALUE  OWN  AT\n"
                                 "包头市  ≥-1,234,567  yes  2023-09-20 04:00:00\n"
                                 "=x\xef\xbf\xbd[2J         12.5       -\n");
        free(out);

        c.out = open_memstream(&out, &n);
        assert_int_equal(table_print(&t, &c, FORMAT_CSV), 0);
        fclose(c.out);
        assert_string_equal(out, "region,value,qualifier,own,at,note\r\n"
                                 "包头市,-1234567,at_least,true,2023-09-19T20:00:00.000Z,\r\n"
                                 "\"'=x\x1b[2J\",12.5,,false,,\r\n");
        free(out);

        c.out = open_memstream(&out, &n);
        assert_int_equal(table_print(&t, &c, FORMAT_JSON), 0);
        fclose(c.out);
        json_t *back = json_loads(out, 0, NULL);
        assert_int_equal(json_array_size(back), 2);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(back, 0), "sums.value")),
                         -1234567);
        assert_true(json_is_false(json_object_get(json_array_get(back, 1), "own")));
        json_decref(back);
        free(out);
        json_decref(a);
        json_decref(b);
        table_close(&t);

        t = (struct table){.columns = columns, .n_columns = 6};
        c.out = open_memstream(&out, &n);
        assert_int_equal(table_print(&t, &c, FORMAT_JSON), 0); /* of nothing */
        fclose(c.out);
        assert_string_equal(out, "[]\n");
        free(out);
        assert_int_equal(text_width("苏木 sumu"), 9);
        assert_int_equal(text_width("ｗａ"), 4);
        assert_int_equal(text_width("e\xcc\x81"), 1);
}

/* ---- keys and catalogues */

static void keys_from_the_first_to_the_last(void **state)
{
        (void)state;
        const char *keys = in("keys"), *own = in("own");
        char pub[300];
        run("keys", "init", "--catalog", "tests/catalogs/atoll", "--out", keys, NULL);
        assert_int_equal(terminal.status, 0);
        run("keys", "init", "--catalog", "tests/catalogs/atoll", "--out", keys, NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "not overwritten");
        run("keys", "list", "--keys", keys, "--format", "csv", NULL);
        assert_int_equal(terminal.status, 0);
        assert_memory_equal(terminal.out, "office,key,sign\r\n", 17);

        run("keys", "new", "--office", "late-1", "--out", own, NULL); /* on the office's machine */
        assert_int_equal(terminal.status, 0);
        snprintf(pub, sizeof pub, "%s/office-late-1/late-1.pub", own);
        assert_says(terminal.out, pub);
        run("keys", "enrol", "--office", "late-1", "--keys", keys, pub, NULL);
        assert_int_equal(terminal.status, 0);
        run("keys", "list", "--keys", keys, NULL);
        assert_says(terminal.out, "\nlate-1 ");
        run("keys", "revoke", "--office", "late-1", "--keys", keys, NULL);
        assert_int_equal(terminal.status, 0);
        run("keys", "list", "--keys", keys, NULL);
        assert_null(strstr(terminal.out, "late-1"));
        run("keys", "enrol", "--office", "late-1", "--keys", keys, pub, NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "revoked");
}

static void catalogues_are_checked_completely(void **state)
{
        (void)state;
        run("catalog", "check", "catalog/neimenggu", NULL);
        assert_int_equal(terminal.status, 0);
        assert_says(terminal.out, "catalog/neimenggu: fine: ");
        run("catalog", "check", in("none"), NULL);
        assert_int_equal(terminal.status, 1);

        mkdir(in("cat"), 0700);
        file("cat/catalog.yaml", "name_zh: 甲\nname_en: A\nversion: 1\nroot: r\ntimezone: Asia/Nowhere\n");
        file("cat/regions.csv", "code,parent,level,name_zh,name_en\nr,,top,甲,A\ns,t,low,乙,B\n");
        file("cat/indicators.csv",
             "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula\n"
             "n,d,flow,个,pcs,0,,,数,number,\n");
        file("cat/datasets.yaml", "- code: d\n  name_zh: 集\n  name_en: set\n  every: day\n  due: 1d\n");
        file("cat/offices.csv", "code,region,datasets,name_zh,name_en\no,r,*,办,office\n");
        run("catalog", "check", in("cat"), NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "regions.csv:3:parent: no region has the code \"t\"");
        run("catalog", "check", in("cat"), "--lang", "zh", NULL);
        assert_says(terminal.err, "没有代码为“t”的地区");
        file("cat/regions.csv", "code,parent,level,name_zh,name_en\nr,,top,甲,A\n");
        run("catalog", "check", in("cat"),
            NULL); /* the zone is of the form, but there is none of that name here */
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "catalog.yaml:timezone: \"Asia/Nowhere\" is not a time zone");
}

/* ---- check */

static void check(const char *a, const char *b)
{
        run("check", "--catalog", "catalog/neimenggu", "--office", "150200", a, b, NULL);
}

static void check_names_what_would_be_reported(void **state)
{
        (void)state;
        const char *day = file("gunexp_2023-09-19.csv", "region,firearms_seized\n150203,1\n150221,2\n");
        const char *text = file(
            "x.json", "{\"dataset\":\"gunexp\",\"period\":\"2023-09-20\",\"rows\":[{\"region\":\"150221\","
                      "\"indicator\":\"firearms_seized\",\"value\":\"3余\"}]}");
        run("check", "--catalog", "catalog/neimenggu", "--office", "150200", "--format", "csv", day, text,
            NULL);
        assert_string_equal(terminal.err, "");
        assert_int_equal(terminal.status, 0);
        char want[1200];
        snprintf(want, sizeof want,
                 "file,dataset,period,action,rows\r\n%s,gunexp,2023-09-19,replace,2\r\n%s,gunexp,2023-09-20,"
                 "replace,1\r\n",
                 day, text);
        assert_string_equal(terminal.out, want);
        run("check", "--catalog", "catalog/neimenggu", "--office", "150200", "--period", "2023-09-18",
            "--format", "csv", day, NULL);
        assert_says(terminal.out, ",gunexp,2023-09-18,replace,2"); /* the option goes before the name */
        run("check", "--catalog", "catalog/neimenggu", "--office", "150200", "--period", "2023-09-18", text,
            NULL);
        assert_int_equal(terminal.status, 1); /* JSON names it itself */
        assert_says(terminal.err, "\"period\" in the file says 2023-09-20");
}

static void check_says_where_and_why(void **state)
{
        (void)state;
        const char *bad = file("gunexp_2023-09-19.csv", "region,firearms_seized\n150203,twelve\n150402,2\n");
        char want[400];
        check(bad, NULL);
        assert_int_equal(terminal.status, 1);
        assert_string_equal(terminal.out, "");
        snprintf(want, sizeof want, "%s:2:firearms_seized: \"twelve\" is not a number", bad);
        assert_says(terminal.err, want);
        snprintf(want, sizeof want,
                 "%s:3:region: region 150402 does not belong to office 150200 (foreign_region)\n", bad);
        assert_says(terminal.err, want);
        check(file("gunexp_2023-09-19.csv", ""), NULL);
        assert_says(terminal.err, "(empty_file)");
        check(file("x.csv", "region,firearms_seized\n150203,1\n"), NULL);
        assert_says(terminal.err, "(missing_column)");
        check(file("bytes_2023-09-19.csv", "region\xff\xff\n"), NULL);
        assert_says(terminal.err, "(encoding)");
        check(file("x.json", "{\"dataset\":"), NULL);
        assert_says(terminal.err, "(malformed)");
        check(file("x.xlsx", "PK\3\4"), NULL);
        assert_says(terminal.err, "save the sheet as CSV");
        check(in("none.csv"), NULL);
        assert_int_equal(terminal.status, 1);
        run("check", "--catalog", "catalog/neimenggu", "--office", "15020", bad, NULL);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "did you mean");
}

/* The second file is laid upon the first: its figure overlaps one that would stand by then. */
static void check_lays_files_upon_one_another(void **state)
{
        (void)state;
        const char *first = file("gunexp_2023-09-19.csv", "region,firearms_seized\n150203,1\n");
        const char *second = file("gunexp_2023-09-19_merge.csv", "region,firearms_seized\n150200,5\n");
        check(second, NULL);
        assert_int_equal(terminal.status, 0);
        check(first, second);
        assert_int_equal(terminal.status, 1);
        assert_says(terminal.err, "(overlap)");
        check(second, first); /* a replace covers what stood */
        assert_int_equal(terminal.status, 0);
}

static int make_root(void **state)
{
        (void)state;
        setenv("LC_ALL", "C", 1);
        return mkdtemp(root) ? 0 : -1;
}

static int removed(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path);
}

static int clear_root(void **state)
{
        (void)state;
        terminal_close();
        return nftw(root, removed, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(wrong_usage_is_two),
            cmocka_unit_test(help_and_version),
            cmocka_unit_test(tables_are_aligned_for_what_is_seen),
            cmocka_unit_test(keys_from_the_first_to_the_last),
            cmocka_unit_test(catalogues_are_checked_completely),
            cmocka_unit_test(check_names_what_would_be_reported),
            cmocka_unit_test(check_says_where_and_why),
            cmocka_unit_test(check_lays_files_upon_one_another),
        };
        return cmocka_run_group_tests(tests, make_root, clear_root);
}
