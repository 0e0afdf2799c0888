/* payload_read over anything: what is read is sorted, of the catalogue and within bounds, and reads the same
 * after it was written by us; what is not has a reason or is broken. */
#include "fuzz/fuzz.h"

#include "lib/toy_catalog.h"
#include "session/payload.h"

#include <string.h>

/* Made once and kept: regions r, s, t; indicators a, b and, of another dataset, c. */
static const struct catalog *catalogue(void)
{
        static struct catalog *c;
        if (c)
                return c;
        c = toy_new();
        toy_region(c, "r", NONE, "region");
        toy_region(c, "s", 0, "city");
        toy_region(c, "t", 0, "city");
        uint32_t d = toy_dataset(c, "d", PERIOD_DAY), other = toy_dataset(c, "e", PERIOD_DAY);
        toy_indicator(c, d, "a", FLOW);
        toy_indicator(c, d, "b", PEAK);
        toy_indicator(c, other, "c", FLOW);
        return c;
}

static void check_facts(const struct catalog *c, const struct report *r)
{
        MUST(r->n <= REPORT_ROWS && r->n_notes <= r->n);
        for (size_t i = 0; i < r->n; i++) {
                const struct fact *f = &r->facts[i];
                MUST(f->region < c->n_regions && c->indicators[f->indicator].dataset == 0 && f->q <= ABOUT);
                MUST(f->value >= -VALUE_MAX && f->value <= VALUE_MAX);
                MUST(i == 0 || f[-1].indicator < f->indicator ||
                     (f[-1].indicator == f->indicator && f[-1].region < f->region));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct catalog *c = catalogue();
        struct arena a = {0};
        struct reasons why = {0};
        struct report r = {0}, back = {0};
        enum payload_state state = payload_read(data, size, c, 0, &a, &r, &why);
        MUST(state == PAYLOAD_READ || state == PAYLOAD_BROKEN || (state == PAYLOAD_UNKNOWN && why.n > 0));
        if (state == PAYLOAD_READ) {
                struct text again = {0};
                check_facts(c, &r);
                payload_write(c, &r, &again);
                MUST(payload_read((const uint8_t *)again.v, again.n, c, 0, &a, &back, &why) == PAYLOAD_READ);
                MUST(back.n == r.n && (r.n == 0 || memcmp(back.facts, r.facts, r.n * sizeof *r.facts) == 0));
                MUST(back.n_notes == r.n_notes);
                text_close(&again);
        }
        reasons_close(&why);
        arena_close(&a);
        return 0;
}
