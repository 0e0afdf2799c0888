/* One table of commands and one of options; help, look-up and checks are loops over them. */
#include "cli/cli.h"

#include "base/check.h"
#include "loop/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row {
        const char *name, *argument, *help[2]; /* by enum lang */
} options[OPTION_COUNT] = {
#define OPTION(id, name, argument, en, zh) {name, argument, {[LANG_EN] = en, [LANG_ZH] = zh}},
#include "cli/options.def"
#undef OPTION
};

enum { ANY = 1000000 }; /* operands */

#define O(id) ((uint64_t)1 << OPTION_##id)

static const struct command {
        const char *words; /* "totals", "keys init" */
        command_fn *fn;
        const char *operands; /* as help shows them */
        int least, most;
        uint64_t options;
        const char *summary[2], *manual[2];
} commands[] = {
#define COMMAND(words, fn, operands, least, most, options, en, zh, manual_en, manual_zh) \
        {words,                                                                          \
         fn,                                                                             \
         operands,                                                                       \
         least,                                                                          \
         most,                                                                           \
         options,                                                                        \
         {[LANG_EN] = en, [LANG_ZH] = zh},                                               \
         {[LANG_EN] = manual_en, [LANG_ZH] = manual_zh}},
#include "cli/commands.def"
#undef COMMAND
};
enum { COMMANDS = sizeof commands / sizeof *commands };

#undef O

/* Everywhere, beside the command's own. */
enum { KEY_LANG = OPTION_COUNT, KEY_HELP, KEY_VERSION, KEYS_ALL };
static const struct option_row everywhere[] = {
    {"lang", "zh|en", {"language of messages", "提示语言"}},
    {"help", NULL, {"print this and stop", "显示本帮助后退出"}},
    {"version", NULL, {"print the version and stop", "显示版本后退出"}},
};

const char *cli_say(const struct cli *c, const char *en, const char *zh)
{
        return c->lang == LANG_ZH ? zh : en;
}

/* ---- what is said */

void cli_plain(struct text *out, const char *s)
{
        for (const char *end = s + strlen(s); s < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(s, end, &cp);
                if (used == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
                        text_add(out, "\xef\xbf\xbd");
                else
                        text_bytes(out, s, used);
                s += used ? used : 1;
        }
}

void cli_line(const struct cli *c, const char *file, uint32_t row, const char *column, const char *message,
              const char *code)
{
        struct text line = {0};
        if (file)
                text_printf(&line, "%s:", file);
        if (row)
                text_printf(&line, "%u:", row);
        if (column)
                text_printf(&line, "%s:", column);
        if (line.n)
                text_char(&line, ' ');
        text_add(&line, message);
        struct text plain = {0};
        cli_plain(&plain, text_c(&line));
        fprintf(c->err, "%s (%s)\n", text_c(&plain), code);
        text_close(&plain);
        text_close(&line);
}

static void complain(const struct cli *c, const char *en, const char *zh, va_list ap)
{
        char line[1024];
        struct text plain = {0};
        vsnprintf(line, sizeof line, cli_say(c, en, zh), ap);
        cli_plain(&plain, line);
        fprintf(c->err, "sumu: %s\n", text_c(&plain));
        text_close(&plain);
}

int cli_fail(const struct cli *c, const char *en, const char *zh, ...)
{
        va_list ap;
        va_start(ap, zh);
        complain(c, en, zh, ap);
        va_end(ap);
        return CLI_FAILED;
}

int cli_misuse(const struct cli *c, const char *en, const char *zh, ...)
{
        va_list ap;
        va_start(ap, zh);
        complain(c, en, zh, ap);
        va_end(ap);
        fprintf(c->err, cli_say(c, "see sumu %s%s--help\n", "请看 sumu %s%s--help\n"),
                c->words ? c->words : "", c->words ? " " : "");
        return CLI_USAGE;
}

/* ---- options as commands read them */

bool cli_number(const struct cli *c, enum option_id id, int64_t least, int64_t otherwise, int64_t *n)
{
        const char *text = c->option[id];
        char *end;
        *n = otherwise;
        if (!text)
                return true;
        errno = 0;
        *n = strtoll(text, &end, 10);
        if (errno == 0 && end != text && !*end && *n >= least)
                return true;
        cli_misuse(c, "--%s is a whole number from %lld on, not \"%s\"",
                   "--%s 须为不小于 %lld 的整数，而不是“%s”", options[id].name, (long long)least, text);
        return false;
}

bool cli_needs(const struct cli *c, enum option_id id)
{
        if (c->option[id] && *c->option[id])
                return true;
        cli_misuse(c, "--%s %s is needed", "缺少 --%s %s", options[id].name, options[id].argument);
        return false;
}

/* ---- help */

static void print_option(FILE *out, const struct option_row *o, enum lang lang)
{
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        fprintf(out, "  %-22s %s\n", left, o->help[lang]);
}

static void print_manual(const struct cli *c, const struct command *k)
{
        fprintf(c->out, cli_say(c, "Usage: sumu %s [OPTION]...%s%s\n", "用法：sumu %s [选项]…%s%s\n"),
                k->words, *k->operands ? " " : "", k->operands);
        fprintf(c->out, "%s\n", k->summary[c->lang]);
        if (*k->manual[c->lang])
                fprintf(c->out, "\n%s", k->manual[c->lang]);
        fprintf(c->out, "\n%s\n", cli_say(c, "Options:", "选项："));
        for (int i = 0; i < OPTION_COUNT; i++)
                if (k->options >> i & 1)
                        print_option(c->out, &options[i], c->lang);
        for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++)
                print_option(c->out, &everywhere[i], c->lang);
        fprintf(c->out, "\n%s\n",
                cli_say(c, "Exit status: 0 done, 1 the work failed, 2 wrong usage.",
                        "退出状态：0 成功，1 失败，2 用法有误。"));
}

/* Is `word` the first word of the command? */
static bool begins_with(const struct command *k, const char *word)
{
        size_t n = strlen(word);
        return strncmp(k->words, word, n) == 0 && (k->words[n] == '\0' || k->words[n] == ' ');
}

/* All commands, or those of one group. */
static void print_overview(const struct cli *c, FILE *out, const char *group)
{
        fprintf(out, cli_say(c, "Usage: sumu %s [OPTION]...\n", "用法：sumu %s [选项]…\n"),
                group ? group : "COMMAND");
        if (!group)
                fprintf(out, "%s\n",
                        cli_say(c, "Reports in, regional totals out: the command line of Sumu.",
                                "报送统计报告、查询区域合计：苏木的命令行。"));
        fprintf(out, "\n%s\n", cli_say(c, "Commands:", "命令："));
        for (size_t i = 0; i < COMMANDS; i++)
                if (!group || begins_with(&commands[i], group))
                        fprintf(out, "  %-14s %s\n", commands[i].words, commands[i].summary[c->lang]);
        fprintf(out, "\n%s\n",
                cli_say(c, "sumu COMMAND --help is the manual of a command.",
                        "各命令的说明：sumu 命令 --help。"));
}

/* ---- the line */

/* The command of the first one or two words at argv[*at]; moves *at behind them. */
static const struct command *find_command(int argc, char **argv, int *at)
{
        for (size_t i = 0; i < COMMANDS; i++) {
                const char *second = strchr(commands[i].words, ' ');
                if (!begins_with(&commands[i], argv[*at]))
                        continue;
                if (second && (*at + 1 >= argc || strcmp(argv[*at + 1], second + 1) != 0))
                        continue;
                *at += second ? 2 : 1;
                return &commands[i];
        }
        return NULL;
}

static bool is_group(const char *word)
{
        for (size_t i = 0; i < COMMANDS; i++)
                if (begins_with(&commands[i], word) && strcmp(commands[i].words, word) != 0)
                        return true;
        return false;
}

static int unknown_command(const struct cli *c, int argc, char **argv, int at)
{
        struct text_nearest near = {.want = argv[at]};
        if (is_group(argv[at])) {
                bool help = at + 1 < argc && strcmp(argv[at + 1], "--help") == 0;
                print_overview(c, help ? c->out : c->err, argv[at]);
                return help ? CLI_DONE : CLI_USAGE;
        }
        for (size_t i = 0; i < COMMANDS; i++)
                text_nearest_try(&near, commands[i].words);
        if (near.best)
                return cli_misuse(c, "there is no command \"%s\"; did you mean \"%s\"?",
                                  "没有命令“%s”；是否为“%s”？", argv[at], near.best);
        return cli_misuse(c, "there is no command \"%s\"", "没有命令“%s”", argv[at]);
}

static void list_options(const struct command *k, struct option list[KEYS_ALL + 1])
{
        size_t n = 0;
        for (int i = 0; i < OPTION_COUNT; i++)
                if (k->options >> i & 1)
                        list[n++] = (struct option){options[i].name,
                                                    options[i].argument ? required_argument : no_argument,
                                                    NULL, i + 1};
        for (int i = 0; i < KEYS_ALL - KEY_LANG; i++)
                list[n++] = (struct option){everywhere[i].name,
                                            everywhere[i].argument ? required_argument : no_argument, NULL,
                                            KEY_LANG + i + 1};
        list[n] = (struct option){0};
}

static int print_version(const struct cli *c)
{
        fprintf(c->out, "sumu %s\n", SUMU_VERSION);
        return CLI_DONE;
}

/* -1 to go on, else the exit status. */
static int read_options(struct cli *c, const struct command *k, int argc, char **argv)
{
        struct option list[KEYS_ALL + 1];
        list_options(k, list);
        opterr = 0;
        optind = 0; /* glibc: begin anew */
        for (int key; (key = getopt_long(argc, argv, ":", list, NULL)) != -1;) {
                if (key == '?')
                        return cli_misuse(c, "option \"%s\" is not known here", "选项“%s”不适用于此命令",
                                          argv[optind - 1]);
                if (key == ':')
                        return cli_misuse(c, "option \"%s\" lacks its argument", "选项“%s”缺少参数",
                                          argv[optind - 1]);
                switch (key - 1) {
                case KEY_LANG:       /* its value counts since before */
                        PRE(optarg); /* or key were ':' */
                        if (strcmp(optarg, "zh") != 0 && strcmp(optarg, "en") != 0)
                                return cli_misuse(c, "--lang is zh or en, not \"%s\"",
                                                  "--lang 应为 zh 或 en，而不是“%s”", optarg);
                        break;
                case KEY_HELP: print_manual(c, k); return CLI_DONE;
                case KEY_VERSION: return print_version(c);
                default: c->option[key - 1] = optarg ? optarg : "";
                }
        }
        c->operands = argv + optind;
        c->n_operands = argc - optind;
        if (c->n_operands > k->most)
                return cli_misuse(c, "\"%s\" is one word too many", "多余的参数“%s”", c->operands[k->most]);
        if (c->n_operands < k->least)
                return cli_misuse(c, "%s is needed", "缺少 %s", k->operands);
        return -1;
}

static int run(struct cli *c, int argc, char **argv)
{
        int at = 1;
        for (; at < argc && argv[at][0] == '-'; at++) {
                if (strcmp(argv[at], "--help") == 0) {
                        print_overview(c, c->out, NULL);
                        return CLI_DONE;
                }
                if (strcmp(argv[at], "--version") == 0)
                        return print_version(c);
                if (strcmp(argv[at], "--lang") == 0)
                        at++;
                else if (strncmp(argv[at], "--lang=", 7) != 0)
                        return cli_misuse(c, "a command comes before \"%s\"", "“%s”之前应先写命令", argv[at]);
        }
        if (at >= argc) {
                print_overview(c, c->err, NULL);
                return CLI_USAGE;
        }
        int first = at;
        const struct command *k = find_command(argc, argv, &at);
        if (!k)
                return unknown_command(c, argc, argv, first);
        c->words = k->words;
        int status = read_options(c, k, argc - at + 1, argv + at - 1);
        return status < 0 ? k->fn(c) : status;
}

int cli_run(struct cli *c, int argc, char **argv)
{
        c->lang = daemon_lang(argc, argv);
        int status = run(c, argc, argv);
        if (fflush(c->out) != 0 || ferror(c->out))
                status =
                    cli_fail(c, "the output could not be written: %s", "无法写出结果：%s", strerror(errno));
        return status;
}
