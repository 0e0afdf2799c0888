#include "collector/collector.h"

int main(int argc, char **argv)
{
        static const char *const flags[] = {"take-over", NULL};
        static const char *const help[] = {
            "open a new stream: this outbox reports for the office from now on", NULL};
        static const char *const help_zh[] = {"启用新的报送流：今后由本待发箱为该单位填报", NULL};
        static const struct daemon_options options = {
            .program = "sumu-collector",
            .summary_en = "Takes an office's reports, checks them, keeps them, and sends them to HQ.",
            .summary_zh = "接收、校验、保存本单位的报告，并发送到自治区。",
            .keys = collector_keys,
            .flags = flags,
            .flag_help = help,
            .flag_help_zh = help_zh,
        };
        struct daemon d;
        int status = daemon_begin(&d, &options, argc, argv);
        if (status >= 0)
                return status;
        status = collector_run(d.config, d.lang, d.flags & 1, d.check);
        daemon_end(&d);
        return status;
}
