#include "loop/daemon.h"
#include "sink/sink.h"

int main(int argc, char **argv)
{
        static const struct daemon_options options = {
            .program = "sumu-sink",
            .summary_en = "Keeps reports and totals, and answers questions about them.",
            .summary_zh = "保存报告与汇总数，并提供查询接口。",
            .keys = sink_keys,
        };
        struct daemon d;
        int rc = daemon_begin(&d, &options, argc, argv);
        if (rc >= 0)
                return rc;
        rc = sink_run(d.config, d.check);
        daemon_end(&d);
        return rc;
}
