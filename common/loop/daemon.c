/* The command line is read with getopt_long rather than argp: what it has to say comes in two languages, and
 * argp's own sentences follow the installed locales, of which a container has none. */
#include "loop/daemon.h"

#include "base/check.h"
#include "base/log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { FLAGS_MOST = 16, FLAG_FIRST = 256 };

enum option_key { OPTION_CONFIG = 1, OPTION_CHECK, OPTION_LANG, OPTION_HELP, OPTION_VERSION };

static const struct daemon_option {
        const char *name, *argument, *help[2]; /* by enum lang */
        enum option_key key;
} options[] = {
    {"config", "FILE", {"the configuration, YAML", "配置文件（YAML）"}, OPTION_CONFIG},
    {"check",
     NULL,
     {"check everything, say what is wrong, stop", "检查全部设置，指出问题后退出"},
     OPTION_CHECK},
    {"lang", "zh|en", {"language of messages", "提示语言"}, OPTION_LANG},
    {"help", NULL, {"print this and stop", "显示本帮助后退出"}, OPTION_HELP},
    {"version", NULL, {"print the version and stop", "显示版本后退出"}, OPTION_VERSION},
};
enum { OPTIONS = sizeof options / sizeof *options };

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#endif

/* Keys lie in this memory: it goes to no file and no other process of the same user. */
static void keep_memory_private(void)
{
#ifndef UNDER_SANITIZER
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static enum lang lang_of(const char *word)
{
        return word && strncmp(word, "zh", 2) == 0 ? LANG_ZH : LANG_EN;
}

/* --lang counts wherever it stands, so it is looked for before anything is said. */
enum lang daemon_lang(int argc, char **argv)
{
        static const char *const variables[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
                if (strncmp(argv[i], "--lang=", 7) == 0)
                        return lang_of(argv[i] + 7);
                if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc)
                        return lang_of(argv[i + 1]);
        }
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
                const char *value = getenv(variables[i]);
                if (value && *value)
                        return lang_of(value);
        }
        return LANG_EN;
}

/* Help */

static void print_option(const char *name, const char *argument, const char *help)
{
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
        printf("  %-22s %s\n", left, help);
}

static void print_key(const struct config_key *k, enum lang lang)
{
        char variable[128];
        const char *help = lang == LANG_ZH ? k->help_zh : k->help_en;
        config_variable(k->path, variable, sizeof variable);
        printf("  %-22s %s\n  %-22s %s", k->path, help ? help : "", "", variable);
        if (k->choices)
                printf(lang == LANG_ZH ? "；可选：%s" : "; one of: %s", k->choices);
        if (k->otherwise)
                printf(lang == LANG_ZH ? "；默认：%s" : "; default: %s", k->otherwise);
        else if (k->required)
                printf("%s", lang == LANG_ZH ? "；必填" : "; required");
        putchar('\n');
}

static void print_help(const struct daemon_options *o, enum lang lang)
{
        bool zh = lang == LANG_ZH;
        printf(zh ? "用法：%s [选项]\n%s\n\n选项：\n" : "Usage: %s [OPTION]...\n%s\n\nOptions:\n", o->program,
               zh ? o->summary_zh : o->summary_en);
        for (size_t i = 0; i < OPTIONS; i++)
                print_option(options[i].name, options[i].argument, options[i].help[lang]);
        for (size_t i = 0; o->flags && o->flags[i]; i++)
                print_option(o->flags[i], NULL, zh && o->flag_help_zh ? o->flag_help_zh[i] : o->flag_help[i]);
        printf("\n%s\n", zh ? "配置键（环境变量优先于文件）："
                            : "Keys of the configuration (the environment counts before the file):");
        for (const struct config_key *k = o->keys; k->path; k++)
                print_key(k, lang);
        printf(zh ? "\n退出状态：0 成功，1 失败，2 用法有误，%d 存储出错、须重新启动。\n"
                  : "\nExit status: 0 done, 1 failed, 2 wrong usage, %d storage failed: start again.\n",
               DAEMON_BROKEN);
}

/* The command line */

static void list_options(const struct daemon_options *o, struct option list[OPTIONS + FLAGS_MOST + 1])
{
        size_t n = 0;
        for (size_t i = 0; i < OPTIONS; i++)
                list[n++] =
                    (struct option){options[i].name, options[i].argument ? required_argument : no_argument,
                                    NULL, options[i].key};
        for (size_t i = 0; o->flags && o->flags[i]; i++) {
                PRE(i < FLAGS_MOST);
                list[n++] = (struct option){o->flags[i], no_argument, NULL, FLAG_FIRST + (int)i};
        }
        list[n] = (struct option){0};
}

static int wrong_usage(const struct daemon_options *o, enum lang lang, const char *word)
{
        fprintf(stderr,
                lang == LANG_ZH ? "%s：不认识或不完整的参数“%s”，请看 %s --help\n"
                                : "%s: argument \"%s\" is not known or not complete; see %s --help\n",
                o->program, word, o->program);
        return DAEMON_USAGE;
}

/* -1 to go on, else the exit status. */
static int read_arguments(struct daemon *d, const struct daemon_options *o, int argc, char **argv,
                          const char **file)
{
        struct option list[OPTIONS + FLAGS_MOST + 1];
        list_options(o, list);
        opterr = 0;
        optind = 0; /* glibc: begin anew */
        for (int key; (key = getopt_long(argc, argv, "", list, NULL)) != -1;) {
                switch (key) {
                case OPTION_CONFIG: *file = optarg; break;
                case OPTION_CHECK: d->check = true; break;
                case OPTION_LANG: break; /* found before */
                case OPTION_HELP: print_help(o, d->lang); return DAEMON_DONE;
                case OPTION_VERSION: printf("%s %s\n", o->program, SUMU_VERSION); return DAEMON_DONE;
                case '?': return wrong_usage(o, d->lang, argv[optind - 1]);
                default: d->flags |= (uint64_t)1 << (key - FLAG_FIRST);
                }
        }
        return optind < argc ? wrong_usage(o, d->lang, argv[optind]) : -1;
}

static void start_log(const struct daemon_options *o, const struct config *c)
{
        static const char *const levels[] = {
            [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
        const char *level = config_text(c, "log.level"), *format = config_text(c, "log.format");
        enum log_level least = LOG_INFO;
        for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++)
                if (strcmp(levels[i], level) == 0)
                        least = (enum log_level)i;
        log_init(o->program, least, format && strcmp(format, "json") == 0);
}

int daemon_begin(struct daemon *d, const struct daemon_options *o, int argc, char **argv)
{
        const char *file = NULL;
        struct text faults = {0};
        *d = (struct daemon){.lang = daemon_lang(argc, argv)};
        int status = read_arguments(d, o, argc, argv, &file);
        if (status >= 0)
                return status;
        keep_memory_private();
        umask(027);
        signal(SIGPIPE, SIG_IGN);
        d->config = config_read(file, o->keys, d->lang, &faults);
        if (d->config)
                start_log(o, d->config);
        else
                fputs(text_c(&faults), stderr);
        text_close(&faults);
        return d->config ? -1 : DAEMON_FAILED;
}

void daemon_end(struct daemon *d)
{
        config_free(d->config);
        *d = (struct daemon){0};
}

/* Signals */

enum { TERMINATE, INTERRUPT, RELOAD, SIGNALS };

struct daemon_signals {
        uv_signal_t handles[SIGNALS];
        int open; /* the first so many */
        void (*on_stop)(void *ctx);
        void (*on_reload)(void *ctx);
        void *ctx;
};

static void on_stop(uv_signal_t *handle, int number)
{
        struct daemon_signals *s = handle->data;
        log_info("stopping", "signal", strsignal(number), NULL);
        uv_signal_stop(&s->handles[TERMINATE]);
        uv_signal_stop(&s->handles[INTERRUPT]);
        s->on_stop(s->ctx);
}

static void on_reload(uv_signal_t *handle, int number)
{
        (void)number;
        struct daemon_signals *s = handle->data;
        s->on_reload(s->ctx);
}

static void on_closed(uv_handle_t *handle)
{
        struct daemon_signals *s = handle->data;
        if (--s->open == 0)
                free(s);
}

static const struct {
        int number;
        uv_signal_cb call;
} watched[SIGNALS] = {
    [TERMINATE] = {SIGTERM, on_stop}, [INTERRUPT] = {SIGINT, on_stop}, [RELOAD] = {SIGHUP, on_reload}};

static bool watch(struct daemon_signals *s, uv_loop_t *loop)
{
        for (int i = 0; i < SIGNALS; i++) {
                uv_signal_t *handle = &s->handles[i];
                if (uv_signal_init(loop, handle) < 0)
                        return false;
                handle->data = s;
                s->open++;
                if (uv_signal_start(handle, watched[i].call, watched[i].number) != 0)
                        return false;
        }
        return true;
}

struct daemon_signals *daemon_signals(uv_loop_t *loop, void (*stop)(void *ctx), void (*reload)(void *ctx),
                                      void *ctx)
{
        struct daemon_signals *s = calloc(1, sizeof *s);
        if (!s)
                return NULL;
        s->on_stop = stop;
        s->on_reload = reload;
        s->ctx = ctx;
        if (watch(s, loop))
                return s;
        daemon_signals_close(s);
        return NULL;
}

void daemon_signals_close(struct daemon_signals *s)
{
        if (!s)
                return;
        int open = s->open; /* the last one closed frees s */
        for (int i = 0; i < open; i++)
                uv_close((uv_handle_t *)&s->handles[i], on_closed);
        if (open == 0)
                free(s);
}
