/* period_parse over anything: what is read prints as it was written, and every question about it has an
 * answer. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "core/period.h"

static void ask(struct period p)
{
        struct period q, back;
        bool partial;
        for (int n = -1000; n <= 1000; n += 500)
                if (period_shift(p, n, &q))
                        MUST(period_shift(q, -n, &back) && period_same(back, p));
        if (period_year_ago(p, &q))
                MUST(q.kind == p.kind && q.first < p.first && q.first >= DAY_MIN);
        for (int every = PERIOD_DAY; every < PERIOD_SPAN; every++) {
                if (period_held((enum period_kind)every, p, &q))
                        MUST(q.kind == p.kind && q.first >= DAY_MIN && q.last <= DAY_MAX);
                if (period_first_inside((enum period_kind)every, p, &q, &partial))
                        MUST(q.first >= p.first && q.last <= p.last);
                else
                        MUST(partial);
        }
        if (p.kind != PERIOD_SPAN)
                MUST(period_same(period_from_id(period_id(p), PERIOD_DAY), p));
}

static void read_id(const uint8_t *data, size_t size)
{
        int64_t id;
        struct period p;
        if (size < sizeof id)
                return;
        memcpy(&id, data, sizeof id);
        for (int every = PERIOD_DAY; every < PERIOD_SPAN; every++)
                if (period_id_read(id, (enum period_kind)every, &p))
                        MUST(period_id(p) == id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char text[64], printed[PERIOD_TEXT];
        struct period p;
        read_id(data, size);
        if (size >= sizeof text)
                return 0;
        if (size) /* data may be NULL then */
                memcpy(text, data, size);
        text[size] = '\0';
        if (!period_parse(text, &p))
                return 0;
        MUST(p.first >= DAY_MIN && p.first <= p.last && p.last <= DAY_MAX);
        period_print(p, printed);
        MUST(strcmp(text, printed) == 0);
        ask(p);
        return 0;
}
