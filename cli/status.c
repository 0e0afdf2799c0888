/* status: how the daemons are, one question each, and who has not reported. health: one of them, for
 * machines. */
#include "cli/client.h"
#include "cli/names.h"
#include "cli/table.h"
#include "core/period.h"
#include "loop/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- health */

static bool has_ending(const char *s, const char *end)
{
        size_t n = strlen(s), m = strlen(end);
        return n >= m && strcmp(s + n - m, end) == 0;
}

int command_health(struct cli *c)
{
        struct client client;
        struct answer a = {0};
        int status = client_open(&client, c, PEER_SINK, c->operands[0]);
        if (status)
                return status;
        client.patience_ms = CLIENT_LOOK_MS;
        if (client_get(&client, has_ending(client.base, "/healthz") ? "" : "/healthz", &a) < 0)
                status = cli_fail(c, "%s: no answer", "%s：没有回答", client.base);
        else if (a.status != 200)
                status = CLI_FAILED;
        if (a.body.n)
                fprintf(status ? c->err : c->out, "%s%s", text_c(&a.body),
                        a.body.v[a.body.n - 1] == '\n' ? "" : "\n");
        answer_close(&a);
        client_close(&client);
        return status;
}

/* ---- what each daemon says of itself */

struct part { /* a daemon, or what is known of it */
        struct client client;
        json_t *health;
        struct text health_raw; /* as it came */
        struct text metrics;
        bool answers, failing;
};

/* The value of a metric without labels; false: it is not there. */
static bool metric(const struct part *p, const char *name, int64_t *value)
{
        size_t n = strlen(name);
        for (const char *line = text_c(&p->metrics); line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, name, n) == 0 && line[n] == ' ') {
                        *value = strtoll(line + n, NULL, 10);
                        return true;
                }
        }
        return false;
}

static void version_of(const struct part *p, struct text *out)
{
        static const char mark[] = "\nsumu_build_info{version=\"";
        const char *at = strstr(text_c(&p->metrics), mark);
        if (at)
                text_bytes(out, at + sizeof mark - 1, strcspn(at + sizeof mark - 1, "\""));
}

/* LAG(peer, metric, en, zh): how much of each daemon's work is still before it. */
static const struct {
        enum peer peer;
        const char *metric, *sentence[2];
} lags[] = {
    {PEER_COLLECTOR, "sumu_outbox_waiting_bytes", {"%lld bytes wait for HQ", "%lld 字节待自治区确认"}},
    {PEER_AGGREGATOR, "sumu_messages_waiting", {"%lld messages wait", "%lld 条消息待处理"}},
    {PEER_SINK, "sumu_facts_behind", {"SQL facts behind: %lld", "SQL 明细落后：%lld"}},
};

static void lag_of(const struct cli *c, const struct part *p, struct text *out)
{
        for (size_t i = 0; i < sizeof lags / sizeof *lags; i++) {
                int64_t value;
                char line[96];
                if (lags[i].peer != p->client.peer || !metric(p, lags[i].metric, &value))
                        continue;
                snprintf(line, sizeof line, lags[i].sentence[c->lang], (long long)value);
                text_add(out, line);
        }
}

static void look(struct part *p)
{
        struct answer a = {0};
        p->client.patience_ms = CLIENT_LOOK_MS;
        p->answers = client_get(&p->client, "/healthz", &a) == 0;
        p->failing = p->answers && a.status != 200;
        p->health = answer_json(&a);
        text_add(&p->health_raw, text_c(&a.body));
        if (p->answers && client_get(&p->client, "/metrics", &a) == 0 && a.status == 200)
                text_add(&p->metrics, text_c(&a.body));
        answer_close(&a);
}

static void reasons_of(const struct part *p, struct text *out)
{
        const json_t *list = json_object_get(p->health, "reasons");
        if (!p->answers)
                text_add(out, p->client.why.text);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *r = json_array_get(list, i);
                const char *message = json_text(r, "message");
                text_printf(out, "%s%s", i ? "; " : "",
                            message                ? message
                            : json_string_value(r) ? json_string_value(r)
                                                   : "");
        }
}

static void part_row(const struct cli *c, const struct part *p, struct table *t)
{
        struct text version = {0}, lag = {0}, reasons = {0};
        const char *status = json_text(p->health, "status");
        version_of(p, &version);
        lag_of(c, p, &lag);
        reasons_of(p, &reasons);
        table_cell(t, peer_word(p->client.peer));
        table_cell(t, p->client.base);
        table_cell(t, !p->answers ? "unreachable" : status ? status : "?");
        table_cell(t, version.n ? text_c(&version) : NULL);
        table_cell(t, lag.n ? text_c(&lag) : NULL);
        table_cell(t, reasons.n ? text_c(&reasons) : NULL);
        text_close(&version);
        text_close(&lag);
        text_close(&reasons);
}

static int print_parts(const struct cli *c, const struct part *parts, size_t n, enum table_format f)
{
        static const struct table_column columns[] = {
            {"part", {"PART", "程序"}, CELL_TEXT},     {"address", {"ADDRESS", "地址"}, CELL_TEXT},
            {"status", {"STATUS", "状态"}, CELL_TEXT}, {"version", {"VERSION", "版本"}, CELL_TEXT},
            {"lag", {"LAG", "积压"}, CELL_RARE},       {"reasons", {"REASONS", "原因"}, CELL_RARE},
        };
        struct table t = {.columns = columns, .n_columns = sizeof columns / sizeof *columns};
        for (size_t i = 0; i < n; i++)
                part_row(c, &parts[i], &t);
        int status = table_print(&t, c, f);
        table_close(&t);
        return status;
}

/* ---- who has not reported */

/* The last base period of a dataset that is due: what is missing from it is missing. */
static bool last_due(const json_t *dataset, int64_t now_civil_s, struct period *p)
{
        static const int64_t day_s = 86400;
        enum { BACK_MOST = 1000 };
        enum period_kind every;
        const char *word = json_text(dataset, "every");
        if (!word || !period_kind_find(word, &every) || every == PERIOD_SPAN)
                return false;
        *p = period_of(every, (int32_t)(now_civil_s / day_s));
        for (int i = 0; i < BACK_MOST; i++) {
                if ((int64_t)(p->last + 1) * day_s + json_number(dataset, "due_s") <= now_civil_s)
                        return true;
                if (!period_shift(*p, -1, p))
                        return false;
        }
        return false;
}

static void list_missing(const struct names *names, const json_t *coverage, struct text *out)
{
        const json_t *offices = json_object_get(coverage, "offices");
        if (json_number(coverage, "missing") == json_number(coverage, "expected") &&
            json_array_size(offices) > 1) {
                text_add(out, names->lang == LANG_ZH ? "全部" : "all");
                return;
        }
        for (size_t i = 0; i < json_array_size(offices); i++) {
                const json_t *o = json_array_get(offices, i);
                const char *state = json_text(o, "state"), *code = json_text(o, "office");
                if (!state || !code || strcmp(state, "missing") != 0)
                        continue;
                const char *name = names_name(names, NAMES_OFFICES, code);
                text_printf(out, "%s%s%s%s", out->n ? ", " : "", code, name ? " " : "", name ? name : "");
        }
}

static void coverage_row(struct part *sink, const struct names *names, const json_t *dataset, struct period p,
                         struct table *t)
{
        struct text target = {0}, missing = {0};
        struct answer a = {0};
        char label[PERIOD_TEXT];
        period_print(p, label);
        target_begin(&target, "/api/v1/coverage");
        target_add(&target, "dataset", json_text(dataset, "code"));
        target_add(&target, "period", label);
        json_t *coverage =
            client_get(&sink->client, text_c(&target), &a) == 0 && a.status == 200 ? answer_json(&a) : NULL;
        if (coverage) {
                list_missing(names, coverage, &missing);
                table_cell(t, json_text(dataset, "code"));
                table_cell(t, label);
                table_cell_number(t, json_number(coverage, "expected"));
                table_cell_number(t, json_number(coverage, "received"));
                table_cell(t, missing.n ? text_c(&missing) : NULL);
        }
        json_decref(coverage);
        answer_close(&a);
        text_close(&missing);
        text_close(&target);
}

static int print_missing(const struct cli *c, struct part *sink)
{
        static const struct table_column columns[] = {
            {"dataset", {"DATASET", "数据集"}, CELL_TEXT},
            {"period", {"LAST DUE", "最近应报时期"}, CELL_TEXT},
            {"expected", {"EXPECTED", "应报"}, CELL_NUMBER},
            {"received", {"RECEIVED", "已报"}, CELL_NUMBER},
            {"missing", {"MISSING OFFICES", "缺报单位"}, CELL_TEXT},
        };
        struct table t = {.columns = columns, .n_columns = sizeof columns / sizeof *columns};
        struct names names;
        sink->client.patience_ms = CLIENT_READ_MS;
        names_open(&names, &sink->client);
        const json_t *datasets = json_object_get(names.catalog, "datasets");
        const char *zone = names_zone(&names);
        int64_t now_s = clock_civil_s(clock_us(), zone ? zone : "UTC");
        for (size_t i = 0; i < json_array_size(datasets); i++) {
                struct period p;
                if (last_due(json_array_get(datasets, i), now_s, &p))
                        coverage_row(sink, &names, json_array_get(datasets, i), p, &t);
        }
        int status = CLI_DONE;
        if (t.n) {
                putc('\n', c->out);
                status = table_print(&t, c, FORMAT_TABLE);
        }
        table_close(&t);
        names_close(&names);
        return status;
}

/* ---- together */

/* Those that are named by options or the environment; where none is, all. */
static bool is_asked(const struct cli *c, enum peer p)
{
        static const enum option_id ids[PEER_COUNT] = {
#define PEER(name, word, variable, url) [PEER_##name] = OPTION_##name,
            PEERS(PEER)
#undef PEER
        };
        bool named[PEER_COUNT], any = false;
        for (int i = 0; i < PEER_COUNT; i++) {
                named[i] = c->option[ids[i]] || peer_environment((enum peer)i);
                any |= named[i];
        }
        return !any || named[p];
}

static void print_json(const struct cli *c, const struct part *parts, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                size_t bytes = parts[i].health ? strcspn(text_c(&parts[i].health_raw), "\n") : 0;
                fprintf(c->out, "%c\"%s\":%.*s", i ? ',' : '{', peer_word(parts[i].client.peer),
                        (int)(bytes ? bytes : 4), bytes ? text_c(&parts[i].health_raw) : "null");
        }
        fputs("}\n", c->out);
}

static int print_all(const struct cli *c, struct part *parts, size_t n, enum table_format f)
{
        int status = CLI_DONE;
        if (f == FORMAT_JSON)
                print_json(c, parts, n);
        else
                status = print_parts(c, parts, n, f);
        for (size_t i = 0; i < n; i++) {
                if (status == CLI_DONE && f == FORMAT_TABLE && parts[i].client.peer == PEER_SINK &&
                    parts[i].answers)
                        status = print_missing(c, &parts[i]);
                if (!parts[i].answers || parts[i].failing)
                        status = CLI_FAILED;
        }
        return status;
}

int command_status(struct cli *c)
{
        struct part parts[PEER_COUNT] = {0};
        enum table_format f;
        size_t n = 0;
        int status = CLI_DONE;
        if (!table_format_read(c, &f))
                return CLI_USAGE;
        for (int p = 0; p < PEER_COUNT && status == CLI_DONE; p++)
                if (is_asked(c, (enum peer)p) &&
                    (status = client_open(&parts[n].client, c, (enum peer)p, NULL)) == CLI_DONE)
                        look(&parts[n++]);
        if (status == CLI_DONE)
                status = print_all(c, parts, n, f);
        for (size_t i = 0; i < n; i++) {
                json_decref(parts[i].health);
                text_close(&parts[i].health_raw);
                text_close(&parts[i].metrics);
                client_close(&parts[i].client);
        }
        return status;
}
