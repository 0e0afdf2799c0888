#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct config_key table[] = {
    {"office", CONFIG_TEXT, true, NULL, NULL, "the office's code", "填报单位代码"},
    {"aggregator", CONFIG_ENDPOINT, false, "tcp://127.0.0.1:7601", NULL, "", ""},
    {"inbox", CONFIG_PATH, false, NULL, NULL, "", ""},
    {"outbox.max_bytes", CONFIG_SIZE, false, "10GiB", NULL, "", ""},
    {"outbox.keep_days", CONFIG_COUNT, false, "30", NULL, "", ""},
    {"log.level", CONFIG_CHOICE, false, "info", "debug info warn error", "", ""},
    {"http.listen", CONFIG_ADDRESS, false, NULL, NULL, "", ""},
    {"forwards", CONFIG_LIST, false, NULL, NULL, "", ""},
    {0},
};

static struct text faults;

static struct config *read_lang(const char *yaml, enum lang lang)
{
        text_clear(&faults);
        return config_parse("f.yaml", yaml, strlen(yaml), table, lang, &faults);
}

static struct config *read_en(const char *yaml)
{
        return read_lang(yaml, LANG_EN);
}

static void assert_faults(const char *yaml, const char *want)
{
        struct config *c = read_en(yaml);
        assert_string_equal(text_c(&faults), want);
        assert_null(c);
}

static void reads_a_file(void **state)
{
        (void)state;
        struct config *c = read_en("office: 150200\n"
                                   "outbox: {max_bytes: 96MiB, keep_days: 007}\n"
                                   "inbox: /var/包头 # where files come\n"
                                   "http:\n"
                                   "    listen: '[::1]:0'\n"
                                   "forwards: []\n");
        if (!c)
                fail_msg("%s", text_c(&faults));
        size_t n;
        assert_string_equal(config_text(c, "office"), "150200");
        assert_string_equal(config_text(c, "aggregator"), "tcp://127.0.0.1:7601");
        assert_string_equal(config_text(c, "inbox"), "/var/包头");
        assert_int_equal(config_number(c, "outbox.max_bytes"), 96 << 20);
        assert_int_equal(config_number(c, "outbox.keep_days"), 7);
        assert_string_equal(config_text(c, "http.listen"), "[::1]:0");
        config_list(c, "forwards", &n);
        assert_int_equal(n, 0);
        config_free(c);
}

static void takes_scalars_as_written(void **state)
{
        (void)state;
        static const char *const same[] = {"0150", "yes", "null", "1e3", "2023-09-19", "0x10", "~"};
        for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
                char yaml[64];
                snprintf(yaml, sizeof yaml, "office: %s", same[i]);
                struct config *c = read_en(yaml);
                assert_non_null(c);
                assert_string_equal(config_text(c, "office"), same[i]);
                config_free(c);
        }
}

static void fills_defaults(void **state)
{
        (void)state;
        struct config *c = read_en("office: a\nlog:\nhttp: {}\ninbox:\n");
        assert_non_null(c);
        assert_string_equal(config_text(c, "log.level"), "info");
        assert_int_equal(config_number(c, "outbox.max_bytes"), 10LL << 30);
        assert_null(config_text(c, "inbox"));
        assert_null(config_text(c, "http.listen"));
        config_free(c);
}

static void lists_hold_scalars(void **state)
{
        (void)state;
        size_t n;
        struct config *c = read_en("office: a\nforwards: [x, '2']\n");
        assert_non_null(c);
        const char *const *v = config_list(c, "forwards", &n);
        assert_int_equal(n, 2);
        assert_string_equal(v[1], "2");
        config_free(c);
        assert_faults("office: a\nforwards: x\n", "f.yaml:2:11: \"forwards\" takes a list, for example []\n");
        assert_faults("office: a\nforwards: [[]]\n", "f.yaml:2:1: \"forwards\" takes one value\n");
}

static void names_every_fault(void **state)
{
        (void)state;
        assert_faults("ofice: 150200\n"
                      "outbox:\n"
                      "  max_bytes: lots\n"
                      "  keep_days: -1\n"
                      "  max: 1\n"
                      "log: {level: loud}\n"
                      "http: 127.0.0.1:7610\n"
                      "aggregator: localhost:7601\n"
                      "listen: 127.0.0.1:1\n",
                      "f.yaml:1:1: there is no key \"ofice\"; did you mean \"office\"?\n"
                      "f.yaml:3:14: \"outbox.max_bytes\": \"lots\" is not a size; write for example 96MiB "
                      "(KiB, MiB, GiB, TiB, or "
                      "bytes)\n"
                      "f.yaml:4:14: \"outbox.keep_days\": \"-1\" is not a whole number\n"
                      "f.yaml:5:3: there is no key \"outbox.max\"\n"
                      "f.yaml:6:14: \"log.level\": \"loud\" is not one of: debug info warn error\n"
                      "f.yaml:7:1: \"http\" holds further keys (listen), not a value\n"
                      "f.yaml:8:13: \"aggregator\": \"localhost:7601\" is not an endpoint; write "
                      "tcp://HOST:PORT or ipc://PATH\n"
                      "f.yaml:9:1: there is no key \"listen\"; did you mean \"http.listen\"?\n"
                      "f.yaml: \"office\" is missing: write it into the file, or set SUMU_OFFICE\n");
}

static void names_faults_of_form(void **state)
{
        (void)state;
        assert_faults("office: a\noffice: b\n", "f.yaml:2:1: \"office\" is given twice\n");
        assert_faults("office: {a: b}\n", "f.yaml:1:1: \"office\" takes one value\n");
        assert_faults("office: &x a\ninbox: *x\n",
                      "f.yaml:2:9: \"inbox\": anchors and aliases are not understood here\n");
        assert_faults("- office\n",
                      "f.yaml:1:1: the file must consist of lines `key: value`\n"
                      "f.yaml: \"office\" is missing: write it into the file, or set SUMU_OFFICE\n");
        assert_faults("office: a\n---\noffice: b\n", "f.yaml: a second document (---) in the file\n");
        assert_faults("office: a\ninbox: \xff\n", "f.yaml:2:8: the file must be UTF-8 text\n");
        assert_faults("office: \"a\\0b\"\n", "f.yaml:1:10: \"office\" takes one value\n");
}

static void points_at_syntax(void **state)
{
        (void)state;
        struct config *c = read_en("office: a\nhttp:\n\tlisten: x\n");
        assert_null(c);
        assert_non_null(strstr(text_c(&faults), "f.yaml:3:"));
        assert_non_null(strstr(text_c(&faults), "not well-formed YAML: "));
        assert_null(strstr(text_c(&faults), "missing"));
        assert_null(read_en("office: {a"));
        assert_non_null(strstr(text_c(&faults), "not well-formed YAML: "));
}

static void sizes_and_endpoints(void **state)
{
        (void)state;
        static const struct {
                const char *yaml;
                bool good;
        } cases[] = {
            {"outbox: {max_bytes: 0}", true},
            {"outbox: {max_bytes: 10 GiB}", true},
            {"outbox: {max_bytes: 1024}", true},
            {"outbox: {max_bytes: 8388608TiB}", false},
            {"outbox: {max_bytes: 99999999999999999999}", false},
            {"outbox: {max_bytes: 10GB}", false},
            {"outbox: {max_bytes: 1.5GiB}", false},
            {"outbox: {max_bytes: MiB}", false},
            {"aggregator: tcp://*:*", true},
            {"aggregator: tcp://[::1]:7601", true},
            {"aggregator: ipc:///run/sumu/feed", true},
            {"aggregator: tcp://hq.example:70000", false},
            {"aggregator: tcp://:1", false},
            {"aggregator: tcp://a b:1", false},
            {"aggregator: ipc://", false},
            {"http: {listen: 0.0.0.0:80}", true},
            {"http: {listen: '80'}", false},
            {"http: {listen: '*:80'}", false},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char yaml[128];
                snprintf(yaml, sizeof yaml, "office: a\n%s\n", cases[i].yaml);
                struct config *c = read_en(yaml);
                if ((c != NULL) != cases[i].good)
                        fail_msg("%s: %s", cases[i].yaml, text_c(&faults));
                config_free(c);
        }
}

static void is_overridden_by_the_environment(void **state)
{
        (void)state;
        setenv("SUMU_OUTBOX_MAX_BYTES", "1MiB", 1);
        setenv("SUMU_OFFICE", "", 1);
        setenv("SUMU_FORWARDS", "a,b", 1);
        struct config *c = read_en("office: kept\noutbox: {max_bytes: 2MiB}\n");
        assert_non_null(c);
        size_t n;
        assert_int_equal(config_number(c, "outbox.max_bytes"), 1 << 20);
        assert_string_equal(config_text(c, "office"), "kept");
        assert_string_equal(config_list(c, "forwards", &n)[1], "b");
        config_free(c);
        setenv("SUMU_OUTBOX_MAX_BYTES", "much", 1);
        assert_faults(
            "office: a",
            "SUMU_OUTBOX_MAX_BYTES: \"outbox.max_bytes\": \"much\" is not a size; write for example "
            "96MiB (KiB, MiB, GiB, TiB, or bytes)\n");
        unsetenv("SUMU_OUTBOX_MAX_BYTES");
        unsetenv("SUMU_FORWARDS");

        setenv("SUMU_OFFICE", "e", 1);
        text_clear(&faults);
        c = config_read(NULL, table, LANG_EN, &faults);
        assert_string_equal(config_text(c, "office"), "e");
        config_free(c);
        unsetenv("SUMU_OFFICE");
}

static void speaks_chinese(void **state)
{
        (void)state;
        assert_null(read_lang("ofice: a", LANG_ZH));
        assert_string_equal(text_c(&faults), "f.yaml:1:1: 没有“ofice”这个键；是否为“office”？\n"
                                             "f.yaml: 缺少“office”：请写入文件，或设置 SUMU_OFFICE\n");
}

static void reads_from_disk(void **state)
{
        (void)state;
        char name[] = "/tmp/sumu-config-XXXXXX";
        int fd = mkstemp(name);
        assert_true(write(fd, "office: d\n", 10) == 10);
        close(fd);
        text_clear(&faults);
        struct config *c = config_read(name, table, LANG_EN, &faults);
        assert_string_equal(config_text(c, "office"), "d");
        config_free(c);
        unlink(name);
        assert_null(config_read(name, table, LANG_EN, &faults));
        assert_non_null(strstr(text_c(&faults), "no such file"));
}

static int end(void **state)
{
        (void)state;
        text_close(&faults);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_a_file),
            cmocka_unit_test(takes_scalars_as_written),
            cmocka_unit_test(fills_defaults),
            cmocka_unit_test(lists_hold_scalars),
            cmocka_unit_test(names_every_fault),
            cmocka_unit_test(names_faults_of_form),
            cmocka_unit_test(points_at_syntax),
            cmocka_unit_test(sizes_and_endpoints),
            cmocka_unit_test(is_overridden_by_the_environment),
            cmocka_unit_test(speaks_chinese),
            cmocka_unit_test(reads_from_disk),
        };
        return cmocka_run_group_tests(tests, NULL, end);
}
