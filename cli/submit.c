/* submit: files to the office's collector, one request each, and, if wanted, the way of every report to HQ's
 * verdict.
 *
 * A file is taken whole or not at all, each for itself: what is wrong with one does not hold back the others.
 * With a person at the terminal all are tried first (dry run) and nothing is sent while any is refused.
 *
 * Each request carries an Idempotency-Key of its own, made once and kept over a second try: a line that
 * breaks after the collector has taken the file and before it could say so does not make it take the file
 * twice. */
#include "cli/client.h"
#include "cli/input.h"
#include "cli/table.h"
#include "loop/clock.h"

#include "base/map.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIES = 2, KEY_BYTES = 16, HTTP_ACCEPTED = 202, PAGE = 1000 };

/* While waiting: how often to look, and how long the collector may be away meanwhile. */
enum { LOOK_FIRST_MS = 20, LOOK_LAST_MS = 1000, AWAY_MS = 30 * 1000 };

struct receipt {
        const char *file; /* borrowed of the command line */
        char place[48];   /* "stream:seq" */
        json_t *json;
        char *state; /* NULL: no verdict yet */
};

struct submission {
        const struct cli *c;
        struct client client;
        enum table_format format;
        struct receipt *receipts;
        size_t n, cap;
        struct map places; /* to the number of the receipt */
        size_t judged;     /* receipts with a verdict */
        int64_t withdrawn; /* standing figures the files would take back */
        bool failed;
};

/* ---- progress */

static void show_progress(const struct cli *c, const char *en, const char *zh, size_t done, size_t of)
{
        if (!c->progress || of < 2)
                return;
        fprintf(c->err, "\r%s %zu/%zu\033[K", cli_say(c, en, zh), done, of);
        fflush(c->err);
}

static void end_progress(const struct cli *c)
{
        if (c->progress)
                fputs("\r\033[K", c->err);
}

/* ---- one request */

/* NULL `in`: a report of zeros. */
static void print_target(const struct cli *c, const struct input *in, bool dry, struct text *t)
{
        target_begin(t, "/api/v1/reports");
        if (!in) {
                target_add(t, "nil", "1");
                target_option(t, c, OPTION_DATASET, "dataset");
                target_option(t, c, OPTION_PERIOD, "period");
                target_option(t, c, OPTION_ACTION, "action");
        } else if (!in->json) {
                target_add(t, "dataset", in->hints.dataset);
                target_add(t, "period", in->hints.period);
                target_add(t, "action", in->hints.action);
        }
        target_add(t, "dry_run", dry ? "1" : NULL);
}

/* Twice where the line broke; a refused connection, a full time limit is not a broken line. */
static int send_once(struct submission *s, const struct input *in, bool dry, struct answer *a)
{
        struct text target = {0};
        unsigned char random[KEY_BYTES];
        char key[2 * KEY_BYTES + 1];
        int code = E_IO;
        randombytes_buf(random, sizeof random);
        sodium_bin2hex(key, sizeof key, random, sizeof random);
        print_target(s->c, in, dry, &target);
        for (int i = 0; i < TRIES && code == E_IO; i++)
                code = client_post(&s->client, text_c(&target),
                                   !in || in->json ? "application/json" : "text/csv", dry ? NULL : key,
                                   in ? in->bytes.v : NULL, in ? in->bytes.n : 0, a);
        text_close(&target);
        return code;
}

/* ---- receipts */

static void place_of(const json_t *report, char place[48])
{
        const char *stream = json_text(report, "stream");
        snprintf(place, 48, "%.20s:%" PRId64, stream ? stream : "", json_number(report, "seq"));
}

static bool keep_receipt(struct submission *s, const char *file, json_t *json)
{
        if (s->n == s->cap) {
                size_t cap = s->cap ? s->cap * 2 : 16;
                struct receipt *receipts = realloc(s->receipts, cap * sizeof *receipts);
                if (!receipts)
                        return false;
                s->receipts = receipts;
                s->cap = cap;
        }
        struct receipt *r = &s->receipts[s->n];
        *r = (struct receipt){.file = file, .json = json_incref(json)};
        place_of(json, r->place);
        return map_set_str(&s->places, r->place, (int64_t)s->n++);
}

static int take_receipts(struct submission *s, const char *file, const struct answer *a)
{
        json_t *json = answer_json(a);
        const json_t *list = json_object_get(json, "receipts");
        int status = json_is_array(list) ? CLI_DONE : client_strange(&s->client, a);
        for (size_t i = 0; i < json_array_size(list); i++)
                s->failed |= !keep_receipt(s, file, json_array_get(list, i));
        json_decref(json);
        if (status == CLI_DONE && s->format == FORMAT_JSON)
                fprintf(s->c->out, "%s%s", text_c(&a->body),
                        a->body.n && a->body.v[a->body.n - 1] == '\n' ? "" : "\n");
        return status;
}

/* What a dry run says about figures that stand. */
static int warn_of_withdrawals(struct submission *s, const char *file, const struct answer *a)
{
        const struct cli *c = s->c;
        json_t *json = answer_json(a);
        const json_t *list = json_object_get(json, "receipts");
        int status = json_is_array(list) ? CLI_DONE : client_strange(&s->client, a);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *r = json_array_get(list, i);
                int64_t n = json_number(r, "withdrawn");
                if (n <= 0)
                        continue;
                s->withdrawn += n;
                end_progress(c);
                fprintf(c->err,
                        cli_say(c,
                                "%s: %s %s, %s: takes back %" PRId64
                                " standing figure(s) that it does not give anew\n",
                                "%s：%s %s，%s：将撤回 %" PRId64 " 个现有数值（文件中未重新填报）\n"),
                        file, json_text(r, "dataset"), json_text(r, "period"), json_text(r, "action"), n);
        }
        json_decref(json);
        return status;
}

/* ---- all files */

/* Sends one; E_MISSING and the like end the whole, for the next would fare no better. */
static int submit_input(struct submission *s, const char *file, const struct input *in, bool dry,
                        bool *hopeless)
{
        struct answer a = {0};
        int status;
        if (send_once(s, in, dry, &a) < 0) {
                end_progress(s->c);
                status = client_no_answer(&s->client);
                *hopeless = true;
        } else if (a.status != HTTP_ACCEPTED) {
                end_progress(s->c);
                status = client_refused(&s->client, &a, file);
                *hopeless = a.status == 401 || a.status == 403 || a.status == 404;
        } else {
                status = dry ? warn_of_withdrawals(s, file, &a) : take_receipts(s, file, &a);
        }
        answer_close(&a);
        return status;
}

/* A withdrawal has no rows, so it needs no file. */
static bool is_bare_withdrawal(const struct cli *c)
{
        enum action a;
        const char *word = c->option[OPTION_ACTION];
        return !c->n_operands && word && action_find(word, &a) && a == WITHDRAW;
}

static int submit_withdrawal(struct submission *s, bool dry, bool *hopeless)
{
        struct input none = {.path = "--action withdraw",
                             .hints = {s->c->option[OPTION_DATASET], s->c->option[OPTION_PERIOD],
                                       s->c->option[OPTION_ACTION]}};
        return submit_input(s, none.path, &none, dry, hopeless);
}

static int submit_file(struct submission *s, const char *path, bool dry, bool *hopeless)
{
        struct input in;
        if (input_read(s->c, path, &in))
                return CLI_FAILED;
        int status = submit_input(s, path, &in, dry, hopeless);
        input_close(&in);
        return status;
}

static int submit_all(struct submission *s, bool dry)
{
        const struct cli *c = s->c;
        size_t of = (size_t)c->n_operands;
        bool hopeless = false;
        int status = CLI_DONE;
        if (c->option[OPTION_NIL])
                return submit_input(s, "--nil", NULL, dry, &hopeless);
        if (is_bare_withdrawal(c))
                return submit_withdrawal(s, dry, &hopeless);
        for (size_t i = 0; i < of && !hopeless; i++) {
                show_progress(c, dry ? "trying" : "submitting", dry ? "试提交" : "提交", i, of);
                if (submit_file(s, c->operands[i], dry, &hopeless))
                        status = CLI_FAILED;
        }
        end_progress(c);
        return status;
}

/* Whether to go on: asked only where something would be taken back. */
static bool is_agreed(struct submission *s)
{
        char line[16] = "";
        if (s->withdrawn == 0)
                return true;
        fputs(cli_say(s->c, "Submit? [y/N] ", "确定提交？[y/N] "), s->c->err);
        fflush(s->c->err);
        return fgets(line, sizeof line, s->c->in) &&
               (line[0] == 'y' || line[0] == 'Y' || strncmp(line, "是", strlen("是")) == 0);
}

/* ---- waiting */

static bool is_verdict(const char *state)
{
        return state && strcmp(state, "queued") != 0 && strcmp(state, "sent") != 0;
}

static void print_verdict(struct submission *s, const struct receipt *r, const json_t *report)
{
        const json_t *reasons = json_object_get(report, "reasons");
        if (strcmp(r->state, "accepted") == 0)
                return;
        end_progress(s->c);
        for (size_t i = 0; i < json_array_size(reasons); i++) {
                const json_t *e = json_array_get(reasons, i);
                const char *message = json_text(e, "message"), *code = json_text(e, "code");
                cli_line(s->c, r->file, (uint32_t)json_number(e, "row"), json_text(e, "column"),
                         message ? message : "", code ? code : r->state);
        }
        if (json_array_size(reasons))
                return;
        struct text line = {0};
        text_printf(&line,
                    cli_say(s->c, "%s %s: a later report had taken its place when it came to HQ",
                            "%s %s：到达自治区时已被之后的报告取代"),
                    json_text(r->json, "dataset"), json_text(r->json, "period"));
        cli_line(s->c, r->file, 0, NULL, text_c(&line), r->state);
        text_close(&line);
}

/* One report of the collector's list. A report that was queued anew in another stream names its receipt. */
static void take_report(struct submission *s, const json_t *report, size_t *seen)
{
        const json_t *first = json_object_get(report, "receipt");
        const char *state = json_text(report, "state");
        char place[48];
        place_of(first ? first : report, place);
        int64_t at = map_get_str(&s->places, place);
        if (at == MAP_NONE || s->receipts[at].state)
                return;
        (*seen)++;
        if (!is_verdict(state))
                return;
        s->receipts[at].state = strdup(state);
        s->failed |= !s->receipts[at].state;
        s->judged++;
        if (!s->failed)
                print_verdict(s, &s->receipts[at], report);
}

/* Reads the collector's list, newest first, until everything without a verdict was met. Answers a negative
 * code where there was no answer, else the exit status. */
static int look(struct submission *s)
{
        struct text target = {0};
        struct answer a = {0};
        size_t waiting = s->n - s->judged, seen = 0;
        char before[64] = "", limit[16];
        int status = CLI_DONE;
        snprintf(limit, sizeof limit, "%d", PAGE);
        do {
                target_begin(&target, "/api/v1/reports");
                target_add(&target, "limit", limit);
                target_add(&target, "before", *before ? before : NULL);
                status = client_get(&s->client, text_c(&target), &a);
                if (status < 0)
                        break;
                json_t *page = a.status == 200 ? answer_json(&a) : NULL;
                const json_t *list = json_object_get(page, "reports");
                const char *next = json_text(page, "next");
                if (!json_is_array(list))
                        status = a.status == 200 ? client_strange(&s->client, &a)
                                                 : client_refused(&s->client, &a, NULL);
                for (size_t i = 0; i < json_array_size(list); i++)
                        take_report(s, json_array_get(list, i), &seen);
                snprintf(before, sizeof before, "%s", next ? next : "");
                json_decref(page);
        } while (status == CLI_DONE && seen < waiting && *before);
        text_close(&target);
        answer_close(&a);
        return status;
}

static void pause_ms(int64_t ms)
{
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int give_up(const struct submission *s, int64_t timeout_s)
{
        end_progress(s->c);
        return cli_fail(
            s->c,
            "after %lld s %zu of %zu reports have no verdict yet; they are kept and will be delivered: "
            "see sumu reports --collector %s --state pending",
            "等待 %lld 秒后，%zu 份（共 %zu 份）报告尚无判定；报告已保存，恢复后会送达：请看 sumu reports "
            "--collector %s --state pending",
            (long long)timeout_s, s->n - s->judged, s->n, s->client.base);
}

static int verdict_status(const struct submission *s)
{
        for (size_t i = 0; i < s->n; i++)
                if (!s->receipts[i].state || strcmp(s->receipts[i].state, "accepted") != 0)
                        return CLI_FAILED;
        return CLI_DONE;
}

/* Looks again and again, until all is known or `timeout_s` (0: none) is over. A collector that is away for a
 * moment is waited for. */
static int await_verdicts(struct submission *s, int64_t timeout_s)
{
        int64_t began = clock_monotonic_ms(), heard = began, nap = LOOK_FIRST_MS;
        while (s->judged < s->n) {
                int64_t now = clock_monotonic_ms(),
                        left = timeout_s ? began + timeout_s * 1000 - now : INT64_MAX;
                if (left <= 0)
                        return give_up(s, timeout_s);
                s->client.patience_ms = left < CLIENT_READ_MS ? (long)left : CLIENT_READ_MS;
                int status = look(s);
                if (status > 0 || s->failed)
                        return CLI_FAILED;
                now = clock_monotonic_ms();
                if (status == 0) {
                        heard = now;
                } else if (now - heard >= AWAY_MS) {
                        end_progress(s->c);
                        return client_no_answer(&s->client);
                }
                if (s->judged == s->n)
                        break;
                show_progress(s->c, "verdicts", "已判定", s->judged, s->n);
                pause_ms(nap < left ? nap : left);
                nap = nap * 3 / 2 < LOOK_LAST_MS ? nap * 3 / 2 : LOOK_LAST_MS;
        }
        return verdict_status(s);
}

/* ---- the outcome */

static int print_receipts(const struct submission *s)
{
        static const struct table_column columns[] = {
            {"file", {"FILE", "文件"}, CELL_TEXT},
            {"dataset", {"DATASET", "数据集"}, CELL_TEXT},
            {"period", {"PERIOD", "时期"}, CELL_TEXT},
            {"action", {"ACTION", "操作"}, CELL_TEXT},
            {"revision", {"REVISION", "版次"}, CELL_NUMBER},
            {"rows", {"ROWS", "行数"}, CELL_NUMBER},
            {"withdrawn", {"WITHDRAWN", "撤回"}, CELL_NUMBER},
            {"state", {"STATE", "状态"}, CELL_RARE},
            {"stream", {"STREAM", "流"}, CELL_TEXT},
            {"seq", {"SEQ", "序号"}, CELL_NUMBER},
        };
        struct table t = {.columns = columns, .n_columns = sizeof columns / sizeof *columns};
        for (size_t i = 0; i < s->n; i++) {
                const struct receipt *r = &s->receipts[i];
                table_cell(&t, r->file);
                table_cell(&t, json_text(r->json, "dataset"));
                table_cell(&t, json_text(r->json, "period"));
                table_cell(&t, json_text(r->json, "action"));
                table_cell_number(&t, json_number(r->json, "revision"));
                table_cell_number(&t, json_number(r->json, "rows"));
                table_cell_number(&t, json_number(r->json, "withdrawn"));
                table_cell(&t, r->state ? r->state : s->c->option[OPTION_WAIT] ? "pending" : NULL);
                table_cell(&t, json_text(r->json, "stream"));
                table_cell_number(&t, json_number(r->json, "seq"));
        }
        int status = t.n ? table_print(&t, s->c, s->format) : CLI_DONE;
        table_close(&t);
        return status;
}

static int submit(struct submission *s, int64_t timeout_s)
{
        const struct cli *c = s->c;
        if (c->person && !c->option[OPTION_YES]) {
                if (submit_all(s, true))
                        return cli_fail(c, "nothing was submitted", "未提交任何内容");
                if (!is_agreed(s))
                        return cli_fail(c, "nothing was submitted", "未提交任何内容");
        }
        int status = submit_all(s, false);
        if (c->option[OPTION_WAIT] && s->n) {
                int waited = await_verdicts(s, timeout_s);
                end_progress(c);
                status = status ? status : waited;
        }
        if (s->failed)
                return cli_fail(c, "out of memory", "内存不足");
        if (s->format == FORMAT_JSON)
                return status;
        int printed = print_receipts(s);
        return status ? status : printed;
}

static int check_usage(const struct cli *c)
{
        if (c->option[OPTION_NIL] && c->n_operands)
                return cli_misuse(c, "--nil has no files", "--nil 不带文件");
        if (c->option[OPTION_NIL] || is_bare_withdrawal(c))
                return cli_needs(c, OPTION_DATASET) && cli_needs(c, OPTION_PERIOD) ? 0 : CLI_USAGE;
        return c->n_operands ? 0 : cli_misuse(c, "a file is needed", "缺少文件");
}

int command_submit(struct cli *c)
{
        struct submission s = {.c = c};
        int64_t timeout_s;
        if (check_usage(c) || !input_usage(c) || !table_format_read(c, &s.format) ||
            !cli_number(c, OPTION_TIMEOUT, 1, 0, &timeout_s))
                return CLI_USAGE;
        if (sodium_init() < 0)
                return cli_fail(c, "the system gives no random numbers", "系统无法提供随机数");
        int status = client_open(&s.client, c, PEER_COLLECTOR, NULL);
        if (status)
                return status;
        status = submit(&s, timeout_s);
        for (size_t i = 0; i < s.n; i++) {
                json_decref(s.receipts[i].json);
                free(s.receipts[i].state);
        }
        free(s.receipts);
        map_close(&s.places);
        client_close(&s.client);
        return status;
}
