/* The command line is read in a child: what it prints and how it ends is what a person or a script would see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sumu-daemon-XXXXXX";
static struct err e;

static const char *at(const char *name)
{
        static char path[2][128];
        static int turn;
        turn = !turn;
        snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
        return path[turn];
}

/* Files */

static void writes_files_whole(void **state)
{
        (void)state;
        struct text t = {0};
        struct stat s;
        assert_int_equal(file_write(at("a"), "one", 3, 0600, &e), 0);
        assert_int_equal(file_write(at("a"), "other", 5, 0640, &e), 0);
        assert_int_equal(file_read(at("a"), 5, &t, &e), 0);
        assert_string_equal(text_c(&t), "other");
        assert_int_equal(stat(at("a"), &s), 0);
        assert_int_equal(s.st_mode & 0777, 0640);
        assert_int_equal(file_read(at("a"), 4, &t, &e), E_LIMIT);
        assert_int_equal(file_read(at("none"), 4, &t, &e), E_MISSING);
        assert_int_equal(file_read(folder, 4, &t, &e), E_IO);
        assert_int_equal(file_write(at("none/a"), "x", 1, 0600, &e), E_MISSING);
        unlink(at("a"));
        assert_int_equal(rmdir(folder), 0); /* nothing was left beside */
        assert_int_equal(folder_make(at("b/c//d"), 0750, &e), 0);
        assert_int_equal(folder_make(at("b/c/d"), 0750, &e), 0);
        assert_int_equal(file_write(at("b/f"), "", 0, 0600, &e), 0);
        assert_int_equal(folder_make(at("b/f"), 0750, &e), E_EXISTS);
        assert_int_equal(folder_make(at("b/f/g"), 0750, &e), E_EXISTS);
        unlink(at("b/f"));
        rmdir(at("b/c/d"));
        rmdir(at("b/c"));
        rmdir(at("b"));
        text_close(&t);
}

static void loads_a_catalogue(void **state)
{
        (void)state;
        static const char *const files[][2] = {
            {"catalog.yaml",
             "name_zh: 某地\nname_en: Somewhere\nversion: '1'\nroot: R\ntimezone: Asia/Shanghai\n"},
            {"regions.csv", "code,parent,level,name_zh,name_en\nR,,region,某地,Somewhere\n"},
            {"indicators.csv", "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula\n"
                               "found,safety,flow,处,places,0,,,发现,Found,\n"},
            {"datasets.yaml",
             "- code: safety\n  name_zh: 安全\n  name_en: Safety\n  every: day\n  due: 1d\n"},
            {"offices.csv", "code,region,datasets,name_zh,name_en\no,R,*,甲办,Office\n"},
        };
        enum { FILES = sizeof files / sizeof *files };
        struct faults faults = {0};
        for (size_t i = 0; i < FILES; i++) {
                assert_null(catalog_load(folder, &faults, &e));
                assert_int_equal(e.code, E_MISSING);
                assert_non_null(strstr(e.text, files[i][0]));
                assert_int_equal(file_write(at(files[i][0]), files[i][1], strlen(files[i][1]), 0600, &e), 0);
        }
        struct catalog *c = catalog_load(folder, &faults, &e); /* without rules.csv */
        assert_non_null(c);
        assert_int_equal(c->n_indicators, 1);
        catalog_free(c);
        assert_int_equal(file_write(at("rules.csv"), "code\n", 5, 0600, &e), 0);
        assert_null(catalog_load(folder, &faults, &e));
        assert_int_equal(e.code, 0);
        assert_true(faults.errors > 0);
        faults_close(&faults);
        unlink(at("rules.csv"));
        for (size_t i = 0; i < FILES; i++)
                unlink(at(files[i][0]));
}

/* Health */

static void assert_health(struct health *h, enum health_grade grade, const char *json)
{
        struct text t = {0};
        assert_int_equal(health_print(h, &t), grade);
        assert_string_equal(text_c(&t), json);
        text_close(&t);
}

static void tells_its_health(void **state)
{
        (void)state;
        struct health *h = health_new();
        assert_health(h, HEALTH_OK, "{\"status\":\"ok\",\"reasons\":[]}\n");
        health_raise(h, HEALTH_DEGRADED, "peer", "HQ is away");
        health_raise(h, HEALTH_FAILING, "disk", "the disk is \"full\"");
        assert_health(h, HEALTH_FAILING,
                      "{\"status\":\"failing\",\"reasons\":["
                      "{\"name\":\"disk\",\"status\":\"failing\",\"message\":\"the disk is \\\"full\\\"\"},"
                      "{\"name\":\"peer\",\"status\":\"degraded\",\"message\":\"HQ is away\"}]}\n");
        struct http_reply a = {0};
        health_reply(h, &a);
        assert_int_equal(a.status, 503);
        text_close(&a.body);
        health_clear(h, "disk");
        health_clear(h, "disk");
        health_raise(h, HEALTH_DEGRADED, "peer", "HQ has been away for an hour");
        assert_health(
            h, HEALTH_DEGRADED,
            "{\"status\":\"degraded\",\"reasons\":["
            "{\"name\":\"peer\",\"status\":\"degraded\",\"message\":\"HQ has been away for an hour\"}]}\n");
        health_raise(h, HEALTH_OK, "peer", "");
        assert_health(h, HEALTH_OK, "{\"status\":\"ok\",\"reasons\":[]}\n");
        health_free(h);
}

/* Metrics */

static void prints_metrics(void **state)
{
        (void)state;
        static const struct metric table[] = {
            {"sumu_reports_total", "counter", "Reports taken."},
            {"sumu_link_up{peer=\"hq\"}", "gauge", "Is it there?\\\n"},
            {"sumu_link_up{peer=\"sink\"}", "gauge", "Is it there?\\\n"},
        };
        static const _Atomic int64_t values[] = {12, 1, -3};
        struct text t = {0};
        metrics_print(table, values, 3, &t);
        assert_string_equal(text_c(&t), "# HELP sumu_reports_total Reports taken.\n"
                                        "# TYPE sumu_reports_total counter\n"
                                        "sumu_reports_total 12\n"
                                        "# HELP sumu_link_up Is it there?\\\\\\n\n"
                                        "# TYPE sumu_link_up gauge\n"
                                        "sumu_link_up{peer=\"hq\"} 1\n"
                                        "sumu_link_up{peer=\"sink\"} -3\n");
        text_clear(&t);
        metrics_process(&t);
        assert_non_null(strstr(text_c(&t), "\nsumu_build_info{version=\"" SUMU_VERSION "\"} 1\n"));
        long long resident = 0, began = 0;
        assert_int_equal(
            sscanf(strstr(text_c(&t), "\nprocess_resident_memory_bytes "), "%*s %lld", &resident), 1);
        assert_true(resident > 1000000);
        assert_int_equal(sscanf(strstr(text_c(&t), "\nprocess_start_time_seconds "), "%*s %lld", &began), 1);
        assert_in_range(clock_us() / 1000000 - began, 0, 3600);
        text_close(&t);
}

/* Command line */

static const struct config_key keys[] = {
    {"office", CONFIG_TEXT, true, NULL, NULL, "code of the office", "填报单位代码"},
    {"log.level", CONFIG_CHOICE, false, "info", "debug info warn error", "what is logged", "日志级别"},
    {"log.format", CONFIG_CHOICE, false, "text", "text json", "how it is logged", "日志格式"},
    {0},
};
static const char *const flags[] = {"other", "take-over", NULL};
static const char *const flag_help[] = {"another thing", "open a new stream"};
static const char *const flag_help_zh[] = {"其他", "开启新流"};
static const struct daemon_options options = {.program = "sumu-test",
                                              .summary_en = "Tests.",
                                              .summary_zh = "测试。",
                                              .keys = keys,
                                              .flags = flags,
                                              .flag_help = flag_help,
                                              .flag_help_zh = flag_help_zh};

static struct text said;

/* Runs daemon_begin in a child, keeps what it says; -1 as 100 + flags, 200 with --check. */
static int begin(const char *const *words)
{
        const char *argv[8] = {"sumu-test"};
        int argc = 1, both[2], status = 0;
        for (; words[argc - 1]; argc++)
                argv[argc] = words[argc - 1];
        assert_int_equal(pipe(both), 0);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
                struct daemon d;
                dup2(both[1], 1);
                dup2(both[1], 2);
                int code = daemon_begin(&d, &options, argc, (char **)argv);
                fflush(NULL);
                if (code == -1)
                        code = d.check ? 200 : 100 + (int)d.flags;
                if (code >= 100 && strcmp(config_text(d.config, "office"), "150200") != 0)
                        code = 99;
                daemon_end(&d);
                _exit(code);
        }
        close(both[1]);
        text_clear(&said);
        char piece[4096];
        for (ssize_t n; (n = read(both[0], piece, sizeof piece)) > 0;)
                text_bytes(&said, piece, (size_t)n);
        close(both[0]);
        waitpid(child, &status, 0);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

static void assert_said(const char *want)
{
        if (!strstr(text_c(&said), want))
                fail_msg("no \"%s\" in:\n%s", want, text_c(&said));
}

static void reads_its_command_line(void **state)
{
        (void)state;
        char good[64], bad[64];
        snprintf(good, sizeof good, "%s", at("good.yaml"));
        snprintf(bad, sizeof bad, "%s", at("bad.yaml"));
        assert_int_equal(file_write(good, "office: 150200\n", 15, 0600, &e), 0);
        assert_int_equal(file_write(bad, "ofice: 150200\n", 14, 0600, &e), 0);
        unsetenv("LC_ALL");
        setenv("LANG", "C.UTF-8", 1);

        assert_int_equal(BEGIN("--config", good), 100);
        assert_string_equal(text_c(&said), "");
        assert_int_equal(BEGIN("--config", good, "--check"), 200);
        assert_int_equal(BEGIN("--config", good, "--take-over"), 102);
        assert_int_equal(BEGIN("--config", bad), 1);
        assert_said("bad.yaml:1:1: there is no key \"ofice\"; did you mean \"office\"?\n");
        assert_int_equal(BEGIN("--check", "--lang", "zh", "--config", bad), 1);
        assert_said("是否为“office”");
        assert_int_equal(BEGIN("--config", "/nowhere"), 1);
        assert_said("/nowhere: no such file");

        assert_int_equal(BEGIN("--nonsense"), 2);
        assert_said("sumu-test: argument \"--nonsense\" is not known or not complete; see sumu-test --help");
        assert_int_equal(BEGIN("--config"), 2);
        assert_int_equal(BEGIN("stray"), 2);
        assert_said("\"stray\"");

        assert_int_equal(BEGIN("--version"), 0);
        assert_string_equal(text_c(&said), "sumu-test " SUMU_VERSION "\n");
        assert_int_equal(BEGIN("--help"), 0);
        assert_said("Usage: sumu-test [OPTION]");
        assert_said("  --take-over            open a new stream\n");
        assert_said(
            "  office                 code of the office\n                         SUMU_OFFICE; required\n");
        assert_said("SUMU_LOG_LEVEL; one of: debug info warn error; default: info\n");
        setenv("LANG", "zh_CN.UTF-8", 1);
        assert_int_equal(BEGIN("--help"), 0);
        assert_said("用法：sumu-test");
        assert_said("开启新流");
        assert_int_equal(BEGIN("--help", "--lang=en"), 0);
        assert_said("Usage:");
        unlink(good);
        unlink(bad);
}

/* Signals */

static struct daemon_signals *signals;
static char heard[8];

static void hear(char c)
{
        heard[strlen(heard)] = c;
}

static void on_stop(void *ctx)
{
        assert_string_equal(ctx, "ctx");
        hear('s');
        daemon_signals_close(signals);
}

static void on_reload(void *ctx)
{
        (void)ctx;
        hear('r');
        raise(SIGTERM);
}

static void hears_signals(void **state)
{
        (void)state;
        uv_loop_t loop;
        struct sigaction now;
        uv_loop_init(&loop);
        signals = daemon_signals(&loop, on_stop, on_reload, "ctx");
        assert_non_null(signals);
        raise(SIGHUP);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_string_equal(heard, "rs");
        sigaction(SIGTERM, NULL, &now);
        assert_true(now.sa_handler == SIG_DFL);
        assert_int_equal(uv_loop_close(&loop), 0);
}

static int make_folder(void **state)
{
        (void)state;
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        (void)state;
        text_close(&said);
        return rmdir(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(writes_files_whole),     cmocka_unit_test(loads_a_catalogue),
            cmocka_unit_test(tells_its_health),       cmocka_unit_test(prints_metrics),
            cmocka_unit_test(reads_its_command_line), cmocka_unit_test(hears_signals),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
