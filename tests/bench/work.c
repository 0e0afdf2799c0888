#include "bench/work.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

enum { SEED = 20260401 };

static double *odds_new(uint32_t n, double steepness)
{
        double *odds = malloc(n * sizeof *odds), sum = 0;
        POST(odds && n > 0);
        for (uint32_t i = 0; i < n; i++)
                odds[i] = sum += 1 / pow(i + 1, steepness);
        for (uint32_t i = 0; i < n; i++)
                odds[i] /= sum;
        return odds;
}

static uint32_t pick(const double *odds, uint32_t n, struct seed *s)
{
        double at = (double)(seed_next(s) >> 11) * 0x1p-53;
        uint32_t low = 0, high = n - 1;
        while (low < high) {
                uint32_t middle = (low + high) / 2;
                if (odds[middle] < at)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void work_open(struct work *w, const struct catalog *c, uint32_t office)
{
        *w =
            (struct work){.seed = seed_from(SEED * UINT64_C(1000) + office), .n_indicators = c->n_indicators};
        w->towns = malloc(c->n_regions * sizeof *w->towns);
        POST(w->towns);
        for (uint32_t r = 0; r < c->n_regions; r++)
                if (c->regions[r].children == 0 && catalog_in_scope(c, office, r))
                        w->towns[w->n_towns++] = r;
        w->town_odds = odds_new(w->n_towns, 1);
        w->indicator_odds = odds_new(w->n_indicators, 0.8);
        w->taken = calloc((size_t)w->n_towns * w->n_indicators, sizeof *w->taken);
        POST(w->taken);
}

void work_close(struct work *w)
{
        free(w->towns);
        free(w->town_odds);
        free(w->indicator_odds);
        free(w->taken);
        *w = (struct work){0};
}

static void draw_figure(struct work *w, struct fact *f)
{
        uint64_t r = seed_next(&w->seed);
        f->value = (int64_t)(r % 1001);
        f->q = (r >> 40) % 20 == 0 ? AT_LEAST : EXACT;
}

void work_draw(struct work *w, struct fact *facts, size_t n)
{
        size_t places = (size_t)w->n_towns * w->n_indicators;
        PRE(n <= places - places / 8);
        w->draws++;
        for (size_t i = 0; i < n;) {
                uint32_t town = pick(w->town_odds, w->n_towns, &w->seed);
                uint32_t indicator = pick(w->indicator_odds, w->n_indicators, &w->seed);
                uint64_t *taken = &w->taken[(size_t)town * w->n_indicators + indicator];
                if (*taken == w->draws)
                        continue;
                *taken = w->draws;
                facts[i] = (struct fact){.region = w->towns[town], .indicator = (uint16_t)indicator};
                draw_figure(w, &facts[i++]);
        }
        facts_sort(facts, n);
}

void work_correct(struct work *w, struct fact *facts, size_t n)
{
        for (size_t i = 0; i < n; i++)
                draw_figure(w, &facts[i]);
}
