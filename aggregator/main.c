#include "aggregator/aggregator.h"
#include "loop/daemon.h"

int main(int argc, char **argv)
{
        static const struct daemon_options options = {
            .program = "sumu-aggregator",
            .summary_en =
                "Takes the offices' reports, checks and rolls them up, and hands the totals to the sink.",
            .summary_zh = "接收各盟市报告，校验、汇总，并交给存储端。",
            .keys = aggregator_keys,
        };
        struct daemon d;
        int rc = daemon_begin(&d, &options, argc, argv);
        if (rc >= 0)
                return rc;
        rc = aggregator_run(d.config, d.check);
        daemon_end(&d);
        return rc;
}
