/* figures: what the sink knows: totals, series, coverage, lineage. */
#include "cli/listing.h"

#include <inttypes.h>
#include <time.h>

enum { LINEAGE_PAGE = 1000 }; /* what a sink gives at a time unless asked for less */

#define COLUMNS_OF(array) .columns = array, .n_columns = sizeof array / sizeof *array

static const struct table_column total_columns[] = {
    {"indicator", {"INDICATOR", "指标"}, CELL_TEXT},
    {"indicator_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"region", {"REGION", "地区"}, CELL_TEXT},
    {"region_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"period", {"PERIOD", "时期"}, CELL_TEXT},
    {"value", {"VALUE", "数值"}, CELL_NUMBER},
    {"qualifier", {"", ""}, CELL_QUALIFIER},
    {"unit", {"UNIT", "单位"}, CELL_PEOPLE},
    {"facts", {"FACTS", "数据项"}, CELL_NUMBER},
    {"partial", {"PARTIAL", "不完整"}, CELL_FLAG},
    {"offices.expected", {"EXPECTED", "应报"}, CELL_NUMBER},
    {"offices.received", {"RECEIVED", "已报"}, CELL_NUMBER},
    {"offices.complete", {"COMPLETE", "报齐"}, CELL_NUMBER},
    {"own", {"OWN", "本级"}, CELL_FLAG},
    {"overflow", {"OVERFLOW", "溢出"}, CELL_FLAG},
};

static const struct table_column coverage_columns[] = {
    {"office", {"OFFICE", "填报单位"}, CELL_TEXT},
    {"office_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"state", {"STATE", "状态"}, CELL_TEXT},
    {"revision", {"REVISION", "版次"}, CELL_NUMBER},
    {"submitted_at", {"SUBMITTED", "提交时间"}, CELL_TIME},
    {"received_at", {"RECEIVED", "收到时间"}, CELL_TIME},
};

static const struct table_column lineage_columns[] = {
    {"office", {"OFFICE", "填报单位"}, CELL_TEXT},
    {"office_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"region", {"REGION", "地区"}, CELL_TEXT},
    {"region_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"period", {"PERIOD", "时期"}, CELL_TEXT},
    {"value", {"VALUE", "数值"}, CELL_NUMBER},
    {"qualifier", {"", ""}, CELL_QUALIFIER},
    {"stream", {"STREAM", "流"}, CELL_TEXT},
    {"seq", {"SEQ", "序号"}, CELL_NUMBER},
    {"revision", {"REVISION", "版次"}, CELL_NUMBER},
    {"submitted_at", {"SUBMITTED", "提交时间"}, CELL_TIME},
    {"received_at", {"RECEIVED", "收到时间"}, CELL_TIME},
    {"indicator", {"INDICATOR", "指标"}, CELL_RARE}, /* of a derived figure: whose operand it is */
};

static const struct listing totals = {.list = "totals", COLUMNS_OF(total_columns)};

/* What is common to all four; the rest of a question are its options. */
static int ask(const struct cli *c, const struct listing *l, struct text *target, int64_t most)
{
        int status = text_failed(target) ? cli_fail(c, "out of memory", "内存不足")
                                         : listing_run(c, l, PEER_SINK, target, most);
        text_close(target);
        return status;
}

static void add_flag(struct text *target, const struct cli *c, enum option_id id, const char *key)
{
        target_add(target, key, c->option[id] ? "1" : NULL);
}

static void add_figure(struct text *target, const struct cli *c)
{
        target_option(target, c, OPTION_INDICATOR, "indicator");
        target_option(target, c, OPTION_REGION, "region");
        add_flag(target, c, OPTION_OWN, "own");
        target_option(target, c, OPTION_AS_OF, "as_of");
}

/* Every dataset holds the year, so that is what is meant where no period is given. */
static void this_year(char year[8])
{
        time_t now = time(NULL);
        struct tm tm;
        localtime_r(&now, &tm);
        strftime(year, 8, "%Y", &tm);
}

int command_totals(struct cli *c)
{
        struct text target = {0};
        char year[8];
        if (!cli_needs(c, OPTION_INDICATOR))
                return CLI_USAGE;
        this_year(year);
        target_begin(&target, "/api/v1/totals");
        add_figure(&target, c);
        target_add(&target, "period", c->option[OPTION_PERIOD] ? c->option[OPTION_PERIOD] : year);
        add_flag(&target, c, OPTION_CHILDREN, "children");
        return ask(c, &totals, &target, INT64_MAX);
}

int command_series(struct cli *c)
{
        struct text target = {0};
        if (!cli_needs(c, OPTION_INDICATOR) || !cli_needs(c, OPTION_FROM) || !cli_needs(c, OPTION_TO))
                return CLI_USAGE;
        target_begin(&target, "/api/v1/series");
        add_figure(&target, c);
        target_option(&target, c, OPTION_FROM, "from");
        target_option(&target, c, OPTION_TO, "to");
        target_option(&target, c, OPTION_EVERY, "every");
        return ask(c, &totals, &target, INT64_MAX);
}

static void sum_up_coverage(const struct cli *c, const json_t *answer)
{
        fprintf(c->out,
                cli_say(c,
                        "\n%s %s: %" PRId64 " expected, %" PRId64 " received, %" PRId64 " on time, %" PRId64
                        " late, %" PRId64 " missing, %" PRId64 " rejected\n",
                        "\n%s %s：应报 %" PRId64 "，已报 %" PRId64 "，按时 %" PRId64 "，迟报 %" PRId64
                        "，缺报 %" PRId64 "，被拒 %" PRId64 "\n"),
                json_text(answer, "dataset"), json_text(answer, "period"), json_number(answer, "expected"),
                json_number(answer, "received"), json_number(answer, "on_time"), json_number(answer, "late"),
                json_number(answer, "missing"), json_number(answer, "rejected"));
}

int command_coverage(struct cli *c)
{
        static const struct listing l = {
            .list = "offices", COLUMNS_OF(coverage_columns), .after = sum_up_coverage};
        struct text target = {0};
        if (!cli_needs(c, OPTION_DATASET) || !cli_needs(c, OPTION_PERIOD))
                return CLI_USAGE;
        target_begin(&target, "/api/v1/coverage");
        target_option(&target, c, OPTION_DATASET, "dataset");
        target_option(&target, c, OPTION_PERIOD, "period");
        return ask(c, &l, &target, INT64_MAX);
}

static void print_total(const struct cli *c, const json_t *answer)
{
        const json_t *total = json_object_get(answer, "total"), *value = json_object_get(total, "value");
        struct text shown = {0};
        table_figure(c, json_text(total, "qualifier"), value, &shown);
        fprintf(c->out, cli_say(c, "\ntotal %s\n", "\n合计 %s\n"), text_c(&shown));
        text_close(&shown);
}

int command_lineage(struct cli *c)
{
        static const struct listing l = {
            .list = "facts", .next = "after", COLUMNS_OF(lineage_columns), .after = print_total};
        struct text target = {0};
        int64_t most;
        if (!cli_needs(c, OPTION_INDICATOR) || !cli_needs(c, OPTION_PERIOD) ||
            !cli_number(c, OPTION_LIMIT, 1, INT64_MAX, &most))
                return CLI_USAGE;
        target_begin(&target, "/api/v1/lineage");
        add_figure(&target, c);
        target_option(&target, c, OPTION_PERIOD, "period");
        target_add(&target, "limit", most < LINEAGE_PAGE ? c->option[OPTION_LIMIT] : NULL);
        return ask(c, &l, &target, most);
}
