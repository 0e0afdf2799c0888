/* intake_json over anything. What it takes is JSON to jansson too, and what intake.h promises holds. */
#include "fuzz/fuzz.h"

#include "lib/intake_promise.h"
#include "lib/office_catalog.h"

#include <jansson.h>

/* jansson also refuses numbers that fit no double or 64 bits; here they are text and judged as figures. */
static bool is_json(const uint8_t *data, size_t size)
{
        json_error_t e;
        json_t *tree = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
        bool yes = tree || json_error_code(&e) == json_error_numeric_overflow;
        json_decref(tree);
        return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct catalog *catalog;
        if (!catalog)
                catalog = office_catalog();
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        MUST(intake_json(&in, (const char *)data, size, &j));
        const char *broken = intake_broken(&in, &j);
        if (broken)
                fprintf(stderr, "%s\n", broken);
        MUST(!broken);
        if (in.n && !in.reasons.total) {
                size_t mark = size >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf ? 3 : 0;
                MUST(is_json(data + mark, size - mark));
        }
        intake_close(&in);
        return 0;
}
