#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/zpoll.h"
#include "session/gather.h"

#include <string.h>

enum { MOST_TRIED = 4000 }; /* reports; far more than fit with what is said of them */

static struct wire_taken refused(struct gather *g, struct downlink_stream *s, const struct reasons *why)
{
        return (struct wire_taken){.step = gather_step(g, s),
                                   .seq = ++s->taken.seq,
                                   .report = {.dataset = "gunexp", .period = "2023-09-19"},
                                   .verdict = REJECTED,
                                   .reasons = why->v,
                                   .n_reasons = why->n};
}

static size_t frames_bytes(const struct gather_frames *f)
{
        size_t n = 0;
        for (size_t i = 0; i < f->n; i++)
                n += f->v[i].n;
        return n;
}

/* An office whose reports are small, and all wrong at length: a flush is full of what is said of them, and
 * still goes through to the sink. Were only their own bytes counted, it never would, nor any flush after it.
 */
static void what_is_said_of_reports_counts(void **state)
{
        (void)state;
        char name[1000];
        memset(name, 'x', sizeof name);
        name[sizeof name - 1] = '\0';
        struct reasons why = {0};
        for (uint32_t i = 0; i < WIRE_REASONS; i++)
                reasons_add(&why, REASON_UNKNOWN_REGION, i + 1, "region", name, NULL, NULL);
        struct gather g = {0};
        struct downlink_stream s = {.office = "150200"};
        size_t n = 0;
        for (; n < MOST_TRIED && !gather_full(&g); n++) {
                struct wire_taken t = refused(&g, &s, &why);
                gather_report(&g, &t);
        }
        assert_true(gather_full(&g));
        assert_true(n > 1);
        struct gather_frames frames = {0};
        gather_write(&g, 1, 1, &frames);
        assert_true(frames.n <= ZPOLL_FRAMES);
        assert_true(frames_bytes(&frames) <= 2 * (size_t)GATHER_BYTES);
        gather_frames_close(&frames);
        gather_clear(&g);
        assert_true(gather_empty(&g) && !gather_full(&g));
        gather_close(&g);
        reasons_close(&why);
}

/* Reports that are fine: a flush takes about as many bytes of them as it is meant to. */
static void payloads_count(void **state)
{
        (void)state;
        static uint8_t payload[REPORT_BYTES];
        struct gather g = {0};
        struct downlink_stream s = {.office = "150200"};
        size_t n = 0;
        for (; !gather_full(&g); n++) {
                struct wire_taken t = refused(&g, &s, &(struct reasons){0});
                t.verdict = ACCEPTED;
                t.report.payload = payload;
                t.report.payload_n = sizeof payload;
                gather_report(&g, &t);
        }
        assert_true(n > GATHER_BYTES / REPORT_BYTES * 9 / 10 && n <= GATHER_BYTES / REPORT_BYTES + 1);
        gather_close(&g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_said_of_reports_counts),
            cmocka_unit_test(payloads_count),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
