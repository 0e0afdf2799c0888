/* reports: what an office has handed in and what became of it: as its collector knows it, or as HQ does. */
#include "cli/listing.h"

#include <stdlib.h>

static const struct table_column collector_columns[] = {
    {"dataset", {"DATASET", "数据集"}, CELL_TEXT}, {"period", {"PERIOD", "时期"}, CELL_TEXT},
    {"action", {"ACTION", "操作"}, CELL_TEXT},     {"revision", {"REVISION", "版次"}, CELL_NUMBER},
    {"rows", {"ROWS", "行数"}, CELL_NUMBER},       {"state", {"STATE", "状态"}, CELL_TEXT},
    {"reasons", {"REASONS", "原因"}, CELL_CODES},  {"submitted_at", {"SUBMITTED", "提交时间"}, CELL_TIME},
    {"stream", {"STREAM", "流"}, CELL_TEXT},       {"seq", {"SEQ", "序号"}, CELL_NUMBER},
};

static const struct table_column sink_columns[] = {
    {"office", {"OFFICE", "填报单位"}, CELL_TEXT},
    {"office_name", {"NAME", "名称"}, CELL_PEOPLE},
    {"dataset", {"DATASET", "数据集"}, CELL_TEXT},
    {"period", {"PERIOD", "时期"}, CELL_TEXT},
    {"action", {"ACTION", "操作"}, CELL_TEXT},
    {"revision", {"REVISION", "版次"}, CELL_NUMBER},
    {"rows", {"ROWS", "行数"}, CELL_NUMBER},
    {"verdict", {"VERDICT", "判定"}, CELL_TEXT},
    {"current", {"CURRENT", "现行"}, CELL_FLAG},
    {"reasons", {"REASONS", "原因"}, CELL_CODES},
    {"flags", {"NOTES", "提示"}, CELL_CODES},
    {"submitted_at", {"SUBMITTED", "提交时间"}, CELL_TIME},
    {"received_at", {"RECEIVED", "收到时间"}, CELL_TIME},
    {"stream", {"STREAM", "流"}, CELL_TEXT},
    {"turn", {"TURN", "轮次"}, CELL_NUMBER},
    {"seq", {"SEQ", "序号"}, CELL_NUMBER},
};

enum { REPORTS_USUAL = 100, REPORTS_PAGE = 1000 };

/* The one that is named; else the one the environment names; else HQ. */
static enum peer find_peer(const struct cli *c)
{
        bool sink = c->option[OPTION_SINK] != NULL, collector = c->option[OPTION_COLLECTOR] != NULL;
        if (!sink && !collector) {
                sink = peer_environment(PEER_SINK) != NULL;
                collector = peer_environment(PEER_COLLECTOR) != NULL;
        }
        return collector && !sink ? PEER_COLLECTOR : PEER_SINK;
}

int command_reports(struct cli *c)
{
        static const struct listing of_collector = {.list = "reports",
                                                    .next = "before",
                                                    .columns = collector_columns,
                                                    .n_columns =
                                                        sizeof collector_columns / sizeof *collector_columns};
        static const struct listing of_sink = {.list = "reports",
                                               .next = "before",
                                               .columns = sink_columns,
                                               .n_columns = sizeof sink_columns / sizeof *sink_columns};
        struct text target = {0};
        char page[24];
        int64_t most;
        if (c->option[OPTION_SINK] && c->option[OPTION_COLLECTOR])
                return cli_misuse(c, "--sink and --collector: one of them",
                                  "--sink 与 --collector 只能写一个");
        if (!cli_number(c, OPTION_LIMIT, 1, REPORTS_USUAL, &most))
                return CLI_USAGE;
        enum peer peer = find_peer(c);
        if (peer == PEER_COLLECTOR && c->option[OPTION_OFFICE])
                return cli_misuse(c, "--office is for the sink: a collector has one office",
                                  "--office 只用于 sink：collector 只有一个单位");
        snprintf(page, sizeof page, "%lld", (long long)(most < REPORTS_PAGE ? most : REPORTS_PAGE));
        target_begin(&target, "/api/v1/reports");
        target_option(&target, c, OPTION_OFFICE, "office");
        target_option(&target, c, OPTION_DATASET, "dataset");
        target_option(&target, c, OPTION_PERIOD, "period");
        target_option(&target, c, OPTION_STATE, "state");
        target_add(&target, "limit", page);
        int status = listing_run(c, peer == PEER_SINK ? &of_sink : &of_collector, peer, &target, most);
        text_close(&target);
        return status;
}
