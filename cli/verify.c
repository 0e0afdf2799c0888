/* verify: the sink recomputes all it holds from the reports; here it is asked for the outcome until there is
 * one. */
#include "cli/client.h"
#include "cli/table.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { HTTP_ACCEPTED = 202, PAUSE_MS = 200 };

static void print_progress(const struct cli *c, const json_t *run)
{
        if (!c->progress)
                return;
        fprintf(c->err,
                cli_say(c, "\r%" PRId64 " totals, %" PRId64 " reports…",
                        "\r合计 %" PRId64 " 项，报告 %" PRId64 " 份…"),
                json_number(run, "totals"), json_number(run, "reports"));
        fflush(c->err);
}

/* Asks until the run is done. The server itself waits half a second before it says that it is not. */
static int await(struct client *client, struct answer *a, json_t **outcome)
{
        const struct cli *c = client->cli;
        struct text target = {0};
        bool waited = false;
        int status;
        text_add(&target, "/api/v1/verify");
        while ((status = client_ask(client, text_c(&target), a, outcome)) == 0 &&
               a->status == HTTP_ACCEPTED) {
                char run[24];
                snprintf(run, sizeof run, "%" PRId64, json_number(*outcome, "run"));
                target_begin(&target, "/api/v1/verify");
                target_add(&target, "run", run);
                print_progress(c, *outcome);
                waited = true;
                json_decref(*outcome);
                *outcome = NULL;
                nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
        }
        if (waited && c->progress)
                fputs("\r\033[K", c->err);
        text_close(&target);
        return status;
}

static void print_differences(const struct cli *c, const json_t *list)
{
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *d = json_array_get(list, i), *stored = json_object_get(d, "stored"),
                             *computed = json_object_get(d, "computed");
                struct text is = {0}, should = {0}, line = {0};
                table_figure(c, NULL, json_object_get(stored, "value"), &is);
                table_figure(c, NULL, json_object_get(computed, "value"), &should);
                text_printf(&line,
                            cli_say(c, "%s of %s in %s: stored %s, from the reports %s",
                                    "%s，%s，%s：库中 %s，由报告算得 %s"),
                            json_text(d, "indicator"), json_text(d, "region"), json_text(d, "period"),
                            text_c(&is), text_c(&should));
                cli_line(c, NULL, 0, NULL, text_c(&line), "total_differs");
                text_close(&is);
                text_close(&should);
                text_close(&line);
        }
}

static void print_faults(const struct cli *c, const json_t *list)
{
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *f = json_array_get(list, i);
                struct text line = {0};
                text_printf(&line,
                            cli_say(c, "office %s, stream %s, report %" PRId64 ": %s",
                                    "填报单位 %s，流 %s，第 %" PRId64 " 份：%s"),
                            json_text(f, "office"), json_text(f, "stream"), json_number(f, "seq"),
                            json_text(f, "what"));
                cli_line(c, NULL, 0, NULL, text_c(&line), "stream_fault");
                text_close(&line);
        }
}

/* NAME(key, en, zh): what was counted, in the order of the answer. */
static const struct {
        const char *key, *name[2];
} counts[] = {
    {"totals", {"totals", "合计"}},
    {"agree", {"agree", "一致"}},
    {"differing", {"differ", "不一致"}},
    {"reports", {"reports", "报告"}},
    {"streams", {"streams", "流"}},
    {"intact", {"intact streams", "完好的流"}},
    {"faulty", {"faulty reports", "有误的报告"}},
    {"signatures.checked", {"signatures checked", "已验签名"}},
    {"signatures.good", {"good signatures", "有效签名"}},
    {"signatures.unknown_key", {"signatures of unknown keys", "未知密钥的签名"}},
};

static int64_t count_at(const json_t *outcome, const char *key)
{
        const char *dot = strchr(key, '.');
        return json_number(dot ? json_object_get(outcome, "signatures") : outcome, dot ? dot + 1 : key);
}

static int print_counts(const struct cli *c, const json_t *outcome, enum table_format f)
{
        static const struct table_column columns[] = {{"what", {"WHAT", "项目"}, CELL_TEXT},
                                                      {"count", {"COUNT", "数量"}, CELL_NUMBER}};
        struct table t = {.columns = columns, .n_columns = 2};
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                table_cell(&t, f == FORMAT_CSV ? counts[i].key : counts[i].name[c->lang]);
                table_cell_number(&t, count_at(outcome, counts[i].key));
        }
        int status = table_print(&t, c, f);
        table_close(&t);
        return status;
}

int command_verify(struct cli *c)
{
        struct client client;
        struct answer a = {0};
        enum table_format f;
        json_t *outcome = NULL;
        if (!table_format_read(c, &f))
                return CLI_USAGE;
        int status = client_open(&client, c, PEER_SINK, NULL);
        if (status)
                return status;
        status = await(&client, &a, &outcome);
        if (status == 0 && !json_is_integer(json_object_get(outcome, "totals")))
                status = client_strange(&client, &a);
        if (status == 0 && f == FORMAT_JSON)
                fprintf(c->out, "%s\n", text_c(&a.body));
        else if (status == 0)
                status = print_counts(c, outcome, f);
        print_differences(c, json_object_get(outcome, "differ"));
        print_faults(c, json_object_get(outcome, "faults"));
        if (status == 0 && (count_at(outcome, "differing") || count_at(outcome, "faulty")))
                status = CLI_FAILED;
        json_decref(outcome);
        answer_close(&a);
        client_close(&client);
        return status;
}
