/* intake_csv over anything: the first byte chooses the hints, then the file. What intake.h promises holds,
 * and a report is judged without a stumble by what would stand after it. */
#include "fuzz/fuzz.h"

#include "lib/intake_promise.h"
#include "lib/office_catalog.h"

static const struct intake_hints hints[] = {
    {NULL, NULL, NULL},
    {"gunexp", "2023-09-19", NULL},
    {"scipop", "2023年9月", "merge"},
    {"lawinsp", "2023-Q3", "withdraw"},
    {"gunexp", "2023-09", "add"},
    {"nothing", "never", "undo"},
};

static void judge_all(struct intake *in, const struct judge *j)
{
        for (size_t i = 0; i < in->n; i++) {
                const struct report *r = &in->reports[i].report;
                struct standing after = {0};
                MUST(standing_fold(&after, r->action, r->facts, r->n));
                MUST(intake_judge(in, i, &after, j, NULL));
                standing_close(&after);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct catalog *catalog;
        if (!catalog)
                catalog = office_catalog();
        if (!size)
                return 0;
        struct judge j = office_judge(catalog, data[0] & 64 ? "dept" : "150200");
        struct intake in = {0};
        MUST(intake_csv(&in, (const char *)data + 1, size - 1, hints[data[0] % 6], &j));
        const char *broken = intake_broken(&in, &j);
        if (broken)
                fprintf(stderr, "%s\n", broken);
        MUST(!broken);
        judge_all(&in, &j);
        intake_close(&in);
        return 0;
}
