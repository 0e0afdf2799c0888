/* heavy: an outbox of any size, of the largest reports there are, and how long it takes to open it.
 *
 *     outage_heavy make CATALOG STATE OFFICE MIB    prints how many reports
 *     outage_heavy open STATE OFFICE                prints microseconds: opening, and finding what waits for
 * a verdict outage_heavy forget STATE                     the file leaves the page cache, as after a power
 * cut
 *
 * Each report is a day's figures of all of the office's places, all of them explained, 200 KiB in all: a
 * `merge` by the clerk. They go in through outbox_add, numbered and chained, and wait. */
#include "base/check.h"
#include "collector/outbox.h"
#include "lib/folder.h"
#include "loop/clock.h"
#include "session/payload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
        A_DAY = 40,       /* reports of one day */
        COMMIT = 300,     /* reports: some 60 MiB */
        NEAR_FULL = 2048, /* bytes that may be left over in a report */
};
static const int64_t day_us = INT64_C(86400) * 1000 * 1000;

static void must(int code, const struct err *e)
{
        if (code >= 0)
                return;
        fprintf(stderr, "heavy: %s\n", e->text);
        exit(1);
}

static void open_in(struct outbox *o, const char *state, const char *office)
{
        char path[4096];
        struct err e;
        snprintf(path, sizeof path, "%s/outbox.db", state);
        must(outbox_open(o, path, office, clock_us(), &e), &e);
}

static int64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the report */

static bool counts(const struct indicator *i)
{
        return i->kind == FLOW && !i->has_max && strcmp(i->code, "incidents") != 0;
}

static void fill_report(struct report *r, const struct catalog *c, uint32_t office, struct fact *facts)
{
        const struct dataset *d = &c->datasets[r->dataset];
        r->facts = facts;
        for (uint32_t region = 0; region < c->n_regions; region++) {
                if (!catalog_in_scope(c, office, region) || c->regions[region].children)
                        continue;
                for (uint32_t i = 0; i < d->n_indicators && r->n < REPORT_ROWS; i++) {
                        uint32_t indicator = d->indicators[i];
                        if (!counts(&c->indicators[indicator]))
                                continue;
                        facts[r->n] = (struct fact){.value = (int64_t)(r->n * 7919 % 5000),
                                                    .region = region,
                                                    .indicator = (uint16_t)indicator};
                        r->n++;
                }
        }
        facts_sort(facts, r->n);
}

/* Explanations of one length for every row. */
static void explain(struct report *r, struct note *notes, const char *text)
{
        for (size_t i = 0; i < r->n; i++)
                notes[i] = (struct note){r->facts[i].region, r->facts[i].indicator, text};
        r->notes = notes;
        r->n_notes = r->n;
}

/* The longest explanations that fit a report. */
static void write_payload(const struct catalog *c, struct report *r, struct text *out)
{
        static struct note notes[REPORT_ROWS];
        char words[2000];
        payload_write(c, r, out);
        size_t each = (REPORT_BYTES - out->n - NEAR_FULL) / r->n - 4;
        POST(out->n < REPORT_BYTES / 2 && each < sizeof words);
        memset(words, 'x', each);
        words[each] = '\0';
        explain(r, notes, words);
        text_clear(out);
        payload_write(c, r, out);
        POST(!text_failed(out) && out->n <= REPORT_BYTES && out->n > REPORT_BYTES * 9 / 10);
}

/* ---- the outbox */

static void add(struct outbox *o, const struct catalog *c, uint64_t n, const struct text *payload,
                uint32_t rows)
{
        struct err e;
        char period[PERIOD_TEXT];
        int64_t now_us = clock_us();
        period_print(period_of(PERIOD_DAY, (int32_t)(now_us / day_us) - 2 - (int32_t)(n / A_DAY)), period);
        struct envelope r = {.submitted_at = now_us,
                             .dataset = "gunexp",
                             .period = period,
                             .action = MERGE,
                             .payload = (const uint8_t *)payload->v,
                             .payload_n = payload->n};
        memcpy(r.catalog, c->digest, sizeof r.catalog);
        must(outbox_add(o, &r, &(struct outbox_extra){.revision = (uint32_t)(n % A_DAY) + 1, .rows = rows},
                        &e),
             &e);
}

static void make(const char *catalog, const char *state, const char *office, uint64_t bytes)
{
        struct catalog *c = folder_catalog(catalog);
        int32_t number = catalog_office(c, office), dataset = catalog_dataset(c, "gunexp");
        static struct fact facts[REPORT_ROWS];
        struct text payload = {0};
        struct outbox o;
        struct err e;
        POST(number >= 0 && dataset >= 0);
        struct report r = {.dataset = (uint32_t)dataset, .action = MERGE};
        fill_report(&r, c, (uint32_t)number, facts);
        write_payload(c, &r, &payload);
        open_in(&o, state, office);
        uint64_t n = bytes / payload.n + 1;
        for (uint64_t i = 0; i < n; i++) {
                if (i % COMMIT == 0)
                        must(outbox_begin(&o, &e), &e);
                add(&o, c, i, &payload, (uint32_t)r.n);
                if (i % COMMIT != COMMIT - 1 && i + 1 < n)
                        continue;
                must(outbox_commit(&o, &e), &e);
                must(outbox_tend(&o, i + 1 == n, &e), &e);
        }
        outbox_close(&o);
        text_close(&payload);
        catalog_free(c);
        printf("%" PRIu64 "\n", n);
}

static void time_open(const char *state, const char *office)
{
        struct outbox o;
        struct arena a = {0};
        const struct wire_wanted *wanted;
        size_t n;
        struct err e;
        int64_t began = now_ns();
        open_in(&o, state, office);
        int64_t opened = now_ns();
        must(outbox_wanted(&o, &a, &wanted, &n, &e), &e);
        int64_t found = now_ns();
        POST(n == 1 && wanted[0].from == 1);
        printf("%" PRId64 " %" PRId64 "\n", (opened - began) / 1000, (found - opened) / 1000);
        arena_close(&a);
        outbox_close(&o);
}

static void forget(const char *state)
{
        static const char *const names[] = {"outbox.db", "outbox.db-wal"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                char path[4096];
                snprintf(path, sizeof path, "%s/%s", state, names[i]);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                POST(fd >= 0);
                fsync(fd); /* only clean pages can go */
                int rc = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
                POST(rc == 0);
                close(fd);
        }
}

int main(int argc, char **argv)
{
        if (argc == 6 && strcmp(argv[1], "make") == 0)
                make(argv[2], argv[3], argv[4], strtoull(argv[5], NULL, 10) << 20);
        else if (argc == 4 && strcmp(argv[1], "open") == 0)
                time_open(argv[2], argv[3]);
        else if (argc == 3 && strcmp(argv[1], "forget") == 0)
                forget(argv[2]);
        else
                return 2;
        return 0;
}
