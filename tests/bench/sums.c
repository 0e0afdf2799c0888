#include "bench/sums.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *shared(size_t n)
{
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        POST(p != MAP_FAILED);
        return p;
}

static size_t figures(const struct sums *s)
{
        return (size_t)s->days * s->indicators * s->regions;
}

static size_t place(const struct sums *s, uint32_t day, uint32_t indicator, uint32_t region)
{
        return ((size_t)day * s->indicators + indicator) * s->regions + region;
}

void sums_open(struct sums *s, const struct catalog *c, int32_t first_day, uint32_t days)
{
        *s = (struct sums){c->n_regions, c->n_indicators, days, first_day, NULL, NULL};
        s->value = shared(figures(s) * sizeof *s->value);
        s->stands = shared(figures(s));
}

void sums_close(struct sums *s)
{
        munmap(s->value, figures(s) * sizeof *s->value);
        munmap(s->stands, figures(s));
        *s = (struct sums){0};
}

void sums_withdraw(struct sums *s, const struct catalog *c, uint32_t office, uint32_t day)
{
        for (uint32_t region = 0; region < s->regions; region++)
                for (uint32_t i = 0; catalog_in_scope(c, office, region) && i < s->indicators; i++) {
                        s->value[place(s, day, i, region)] = 0;
                        s->stands[place(s, day, i, region)] = 0;
                }
}

void sums_add(struct sums *s, uint32_t day, const struct fact *facts, size_t n)
{
        for (const struct fact *f = facts; f < facts + n; f++) {
                size_t at = place(s, day, f->indicator, f->region);
                s->value[at] += f->value;
                if (s->stands[at] < 1 + f->q)
                        s->stands[at] = (uint8_t)(1 + f->q);
        }
}

/* ---- totals */

struct sum {
        int64_t value;
        uint64_t facts, at_least;
};

static void add(struct sum *into, const struct sum *part)
{
        into->value += part->value;
        into->facts += part->facts;
        into->at_least += part->at_least;
}

/* Of one indicator in some days: by region, the children's in their parent's. */
static void add_up(const struct sums *s, const struct catalog *c, uint32_t from, uint32_t to,
                   uint32_t indicator, struct sum *sum)
{
        memset(sum, 0, s->regions * sizeof *sum);
        for (uint32_t day = from; day < to; day++)
                for (uint32_t r = 0; r < s->regions; r++) {
                        size_t at = place(s, day, indicator, r);
                        if (s->stands[at])
                                add(&sum[r], &(struct sum){s->value[at], 1, s->stands[at] == 1 + AT_LEAST});
                }
        for (uint32_t r = s->regions - 1; r > 0; r--)
                add(&sum[c->regions[r].parent], &sum[r]);
}

static void print_period(const struct sums *s, const struct catalog *c, uint32_t from, uint32_t to,
                         enum period_kind kind, struct sum *sum, FILE *out)
{
        char label[PERIOD_TEXT];
        period_print(period_of(kind, s->first_day + (int32_t)from), label);
        for (uint32_t i = 0; i < s->indicators; i++) {
                add_up(s, c, from, to, i, sum);
                for (uint32_t r = 0; r < s->regions; r++)
                        if (sum[r].facts && (kind == PERIOD_MONTH || c->regions[r].children))
                                fprintf(out, "%s,%s,%s,%" PRId64 ",%s,%" PRIu64 "\n", c->indicators[i].name,
                                        c->regions[r].code, label, sum[r].value,
                                        sum[r].at_least ? "at_least" : "exact", sum[r].facts);
        }
}

void sums_print(const struct sums *s, const struct catalog *c, FILE *out)
{
        struct sum *sum = malloc(s->regions * sizeof *sum);
        POST(sum);
        for (uint32_t day = 0, month = 0; day < s->days; day++) {
                int year, number, mday, tomorrow;
                day_parts(s->first_day + (int32_t)day, &year, &number, &mday);
                if (mday % 10 == 0)
                        print_period(s, c, day, day + 1, PERIOD_DAY, sum, out);
                day_parts(s->first_day + (int32_t)day + 1, &year, &number, &tomorrow);
                if (tomorrow == 1 || day + 1 == s->days) {
                        print_period(s, c, month, day + 1, PERIOD_MONTH, sum, out);
                        month = day + 1;
                }
        }
        free(sum);
}
