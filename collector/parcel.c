#include "collector/parcel.h"

#include "base/check.h"
#include "base/planted.h"
#include "loop/clock.h"
#include "loop/encoding.h"
#include "session/payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t day_s = 86400;

bool parcel_fine(const struct parcel *t)
{
        return t->in.malformed.code == 0 && t->in.reasons.total == 0;
}

bool parcel_has(const struct parcel *t, enum reason_code code)
{
        for (size_t i = 0; i < t->in.reasons.n; i++)
                if (t->in.reasons.v[i].code == code)
                        return true;
        return false;
}

void parcel_close(struct parcel *t)
{
        for (size_t i = 0; t->drafts && i < t->in.n; i++)
                text_close(&t->drafts[i].payload);
        free(t->drafts);
        intake_close(&t->in);
        *t = (struct parcel){0};
}

size_t parcel_rows(const struct parcel *t)
{
        size_t rows = 0;
        for (size_t i = 0; i < t->in.n; i++)
                rows += t->in.reports[i].report.n;
        return rows;
}

static void refuse(struct parcel *t, enum reason_code code, uint32_t row, const char *a0, const char *a1)
{
        reasons_add(&t->in.reasons, code, row, NULL, a0, a1, NULL);
}

static struct judge judge_of(const struct parcel_book *b, int64_t now_us)
{
        int64_t civil_s = clock_civil_s(now_us, b->catalog->timezone);
        int64_t today = civil_s / day_s - (civil_s % day_s < 0);
        return (struct judge){.catalog = b->catalog,
                              .office = b->office,
                              .today = (int32_t)today,
                              .submitted_civil_s = civil_s};
}

/* ---- reading */

/* The line after what could be read. */
static uint32_t line_after(const struct text *read)
{
        uint32_t line = 1;
        for (size_t i = 0; i < read->n; i++)
                line += read->v[i] == '\n';
        return line;
}

static int read_text(struct parcel *t, const struct parcel_input *input, const struct judge *j, struct err *e)
{
        struct text utf8 = {0};
        const char *name;
        bool done = true;
        int code = encoding_to_utf8(input->bytes, input->n, &utf8, &name, e);
        if (code == E_SYNTAX) {
                refuse(t, REASON_ENCODING, line_after(&utf8), name, NULL);
                code = 0;
        } else if (code == 0) {
                done = input->kind == PARCEL_JSON
                           ? intake_json(&t->in, text_c(&utf8), utf8.n, j)
                           : intake_csv(&t->in, text_c(&utf8), utf8.n, input->hints, j);
        }
        text_close(&utf8);
        return done ? code : err_set(e, E_MEM, "out of memory");
}

static int read_input(struct parcel *t, const struct parcel_input *input, const struct judge *j,
                      struct err *e)
{
        if (input->kind != PARCEL_NIL)
                return read_text(t, input, j, e);
        return intake_nil(&t->in, input->hints, j) ? 0 : err_set(e, E_MEM, "out of memory");
}

/* ---- judging */

static int by_number(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return (x > y) - (x < y);
}

/* The regions a report mentions, sorted, each once. NULL: memory. */
static uint32_t *regions_of(const struct report *r, size_t *n)
{
        uint32_t *v = malloc((r->n + 1) * sizeof *v);
        *n = 0;
        if (!v)
                return NULL;
        for (size_t i = 0; i < r->n; i++)
                v[i] = r->facts[i].region;
        qsort(v, r->n, sizeof *v, by_number);
        for (size_t i = 0; i < r->n; i++)
                if (i == 0 || v[i] != v[i - 1])
                        v[(*n)++] = v[i];
        return v;
}

/* Counts the figures that stand before and not after; of those in regions that are not mentioned, one is
 * named. */
static size_t withdrawn(const struct standing *before, const struct standing *after,
                        const uint32_t *mentioned, size_t n, size_t *unmentioned, uint32_t *example)
{
        size_t gone = 0, at = 0;
        *unmentioned = 0;
        for (size_t i = 0; i < before->n; i++) {
                const struct fact *f = &before->facts[i];
                uint64_t key = fact_key(f->indicator, f->region);
                at = facts_seek(after->facts, after->n, at, key);
                if (at < after->n && fact_key(after->facts[at].indicator, after->facts[at].region) == key)
                        continue;
                gone++;
                if (bsearch(&f->region, mentioned, n, sizeof *mentioned, by_number))
                        continue;
                if ((*unmentioned)++ == 0)
                        *example = f->region;
        }
        return gone;
}

static int count_withdrawn(struct parcel *t, size_t i, const struct parcel_book *b, bool guarded,
                           const struct standing *before, const struct standing *after, struct err *e)
{
        const struct intake_report *r = &t->in.reports[i];
        size_t n, unmentioned;
        uint32_t example = 0;
        uint32_t *mentioned = regions_of(&r->report, &n);
        if (!mentioned)
                return err_set(e, E_MEM, "out of memory");
        t->drafts[i].extra.withdrawn =
            (uint32_t)withdrawn(before, after, mentioned, n, &unmentioned, &example);
        free(mentioned);
        if (guarded && unmentioned > 0 && !r->action_written) {
                char count[24];
                snprintf(count, sizeof count, "%zu", unmentioned);
                refuse(t, REASON_WOULD_WITHDRAW, 0, count, b->catalog->regions[example].code);
        }
        return 0;
}

static int judge_report(struct parcel *t, size_t i, const struct parcel_book *b, bool guarded,
                        const struct judge *j, struct err *e)
{
        const struct report *r = &t->in.reports[i].report;
        struct standing before = {0}, after = {0};
        int code = ledger_read(b->ledger, b->outbox, b->catalog, r->dataset, r->period, &before,
                               &t->drafts[i].extra.revision, e);
        bool memory = true;
        if (code == 0)
                memory = standing_copy(&after, &before) && standing_fold(&after, r->action, r->facts, r->n) &&
                         intake_judge(&t->in, i, &after, j, NULL);
        if (code == 0 && memory)
                code = count_withdrawn(t, i, b, guarded, &before, &after, e);
        standing_close(&before);
        standing_close(&after);
        return memory ? code : err_set(e, E_MEM, "out of memory");
}

/* ---- the payload, and whether it fits */

static int draft_report(struct parcel *t, size_t i, const struct parcel_book *b, struct err *e)
{
        const struct intake_report *r = &t->in.reports[i];
        struct parcel_draft *d = &t->drafts[i];
        period_print(r->report.period, d->period);
        d->extra.rows = (uint32_t)r->report.n;
        payload_write(b->catalog, &r->report, &d->payload);
        if (text_failed(&d->payload))
                return err_set(e, E_MEM, "out of memory");
        if (d->payload.n > REPORT_BYTES) {
                char is[32], may[32];
                snprintf(is, sizeof is, "%zu KiB", (d->payload.n + 1023) / 1024);
                snprintf(may, sizeof may, "%d KiB", REPORT_BYTES / 1024);
                refuse(t, REASON_REPORT_TOO_LARGE, r->row, is, may);
        }
        return 0;
}

static uint64_t bytes_of(const struct parcel *t)
{
        uint64_t n = 0;
        for (size_t i = 0; i < t->in.n; i++)
                n += t->drafts[i].payload.n + OUTBOX_OVERHEAD;
        return n;
}

static void size_text(uint64_t bytes, char out[32])
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
        size_t u = 0;
        while (u + 1 < sizeof units / sizeof *units && bytes >= 1024 && bytes % 1024 == 0) {
                bytes /= 1024;
                u++;
        }
        snprintf(out, 32, "%llu %s", (unsigned long long)bytes, units[u]);
}

/* Said last, and only of input that is right by itself. */
static void check_outbox(struct parcel *t, const struct parcel_book *b)
{
        char size[32];
        uint64_t waiting = outbox_waiting(b->outbox);
        if (b->passed && !PLANTED(PASSED_STREAM_GROWS)) {
                refuse(t, REASON_NOT_THIS_OFFICES_OUTBOX, 0, NULL, NULL);
        } else if (waiting > b->max_bytes || bytes_of(t) > b->max_bytes - waiting) {
                size_text(b->max_bytes, size);
                refuse(t, REASON_OUTBOX_FULL, 0, size, NULL);
        }
}

int parcel_read(struct parcel *t, const struct parcel_book *b, const struct parcel_input *input,
                struct err *e)
{
        PRE(t->in.n == 0 && !t->drafts);
        struct judge j = judge_of(b, input->now_us);
        t->submitted_us = input->now_us;
        int code = read_input(t, input, &j, e);
        if (code < 0 || t->in.malformed.code)
                return code;
        t->drafts = calloc(t->in.n + 1, sizeof *t->drafts);
        if (!t->drafts)
                return err_set(e, E_MEM, "out of memory");
        /* Of a file with faults it cannot be said what it leaves out. */
        bool guarded = input->guarded && parcel_fine(t);
        for (size_t i = 0; code == 0 && i < t->in.n; i++)
                code = judge_report(t, i, b, guarded, &j, e);
        for (size_t i = 0; code == 0 && parcel_fine(t) && i < t->in.n; i++)
                code = draft_report(t, i, b, e);
        if (code == 0 && parcel_fine(t))
                check_outbox(t, b);
        return code == 0 && t->in.reasons.failed ? err_set(e, E_MEM, "out of memory") : code;
}

/* ---- writing */

void parcel_receipts(const struct parcel *t, const struct parcel_book *b, struct text *out)
{
        char stream[2 * STREAM_ID + 1];
        stream_text(b->outbox->now.stream, stream);
        text_add(out, "{\"receipts\":[");
        for (size_t i = 0; i < t->in.n; i++) {
                const struct report *r = &t->in.reports[i].report;
                const struct parcel_draft *d = &t->drafts[i];
                text_printf(out, "%s{\"stream\":\"%s\",\"seq\":%" PRIu64 ",\"dataset\":", i ? "," : "",
                            stream, b->outbox->now.head.seq + 1 + i);
                text_json(out, b->catalog->datasets[r->dataset].code);
                text_printf(
                    out, ",\"period\":\"%s\",\"action\":\"%s\",\"revision\":%u,\"rows\":%u,\"withdrawn\":%u}",
                    d->period, action_word(r->action), d->extra.revision, d->extra.rows, d->extra.withdrawn);
        }
        text_add(out, "]}");
}

int parcel_put(struct parcel *t, const struct parcel_book *b, int64_t file, struct err *e)
{
        PRE(parcel_fine(t));
        int code = 0;
        for (size_t i = 0; code == 0 && i < t->in.n; i++) {
                const struct report *r = &t->in.reports[i].report;
                struct parcel_draft *d = &t->drafts[i];
                struct envelope envelope = {.submitted_at = t->submitted_us,
                                            .dataset = b->catalog->datasets[r->dataset].code,
                                            .period = d->period,
                                            .action = r->action,
                                            .payload = (const uint8_t *)d->payload.v,
                                            .payload_n = d->payload.n};
                memcpy(envelope.catalog, b->catalog->digest, sizeof envelope.catalog);
                d->extra.file = file;
                code = outbox_add(b->outbox, &envelope, &d->extra, e);
        }
        return code;
}
