/* Any bytes are a configuration or a list of faults, each on a line of its own. */
#include "fuzz/fuzz.h"
#include "loop/config.h"

#include <string.h>

static const struct config_key table[] = {
    {"office", CONFIG_TEXT, false, NULL, NULL, "", ""},
    {"aggregator", CONFIG_ENDPOINT, false, "tcp://127.0.0.1:7601", NULL, "", ""},
    {"outbox.max_bytes", CONFIG_SIZE, false, "10GiB", NULL, "", ""},
    {"outbox.keep_days", CONFIG_COUNT, false, "30", NULL, "", ""},
    {"log.level", CONFIG_CHOICE, false, "info", "debug info warn error", "", ""},
    {"http.listen", CONFIG_ADDRESS, false, NULL, NULL, "", ""},
    {"forwards", CONFIG_LIST, false, NULL, NULL, "", ""},
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        struct text faults = {0};
        struct config *c =
            config_parse("f", (const char *)bytes, n, table, n % 2 ? LANG_EN : LANG_ZH, &faults);
        MUST((c == NULL) == (faults.n > 0));
        MUST(!faults.n || faults.v[faults.n - 1] == '\n');
        if (c)
                MUST(config_number(c, "outbox.max_bytes") <= INT64_MAX);
        config_free(c);
        text_close(&faults);
        return 0;
}
