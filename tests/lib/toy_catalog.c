#include "lib/toy_catalog.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more, zeroed; it doubles whenever n is a power of two. */
static void *more(void *array, size_t n, size_t size)
{
        if ((n & (n - 1)) != 0)
                return array;
        size_t cap = n ? n * 2 : 1;
        char *bigger = realloc(array, cap * size);
        PRE(bigger);
        memset(bigger + n * size, 0, (cap - n) * size);
        return bigger;
}

struct catalog *toy_new(void)
{
        struct catalog *c = calloc(1, sizeof *c);
        PRE(c);
        c->name_en = c->name_zh = c->version = "toy";
        c->timezone = "Asia/Shanghai";
        return c;
}

void toy_free(struct catalog *c)
{
        for (uint32_t i = 0; i < c->n_indicators; i++)
                formula_free(c->indicators[i].formula);
        for (uint32_t i = 0; i < c->n_rules; i++)
                formula_free(c->rules[i].check);
        for (uint32_t i = 0; i < c->n_datasets; i++)
                free(c->datasets[i].indicators);
        map_close(&c->region_codes);
        free(c->regions);
        free(c->indicators);
        free(c->datasets);
        free(c->offices);
        free(c->rules);
        arena_close(&c->arena);
        free(c);
}

uint32_t toy_region(struct catalog *c, const char *code, int32_t parent, const char *level)
{
        c->regions = more(c->regions, c->n_regions, sizeof *c->regions);
        struct region *r = &c->regions[c->n_regions];
        *r = (struct region){.code = arena_strdup(&c->arena, code), .parent = parent};
        r->level = arena_strdup(&c->arena, level);
        r->name_en = r->name_zh = r->code;
        r->valid_from = INT32_MIN;
        r->valid_to = INT32_MAX;
        if (parent != NONE) {
                struct region *up = &c->regions[parent];
                r->depth = up->depth + 1;
                PRE(c->regions[c->n_regions - 1].parent <= parent);
                if (!up->children++)
                        up->first_child = c->n_regions;
        }
        PRE(map_set_str(&c->region_codes, code, c->n_regions));
        return c->n_regions++;
}

uint32_t toy_dataset(struct catalog *c, const char *code, enum period_kind every)
{
        c->datasets = more(c->datasets, c->n_datasets, sizeof *c->datasets);
        struct dataset *d = &c->datasets[c->n_datasets];
        *d = (struct dataset){.code = arena_strdup(&c->arena, code), .every = every};
        d->name_en = d->name_zh = d->code;
        d->lock_s = NONE;
        d->since = INT32_MIN;
        return c->n_datasets++;
}

uint32_t toy_indicator(struct catalog *c, uint32_t dataset, const char *code, enum kind kind)
{
        c->indicators = more(c->indicators, c->n_indicators, sizeof *c->indicators);
        struct indicator *in = &c->indicators[c->n_indicators];
        struct dataset *d = &c->datasets[dataset];
        char name[80];
        snprintf(name, sizeof name, "%s.%s", d->code, code);
        *in = (struct indicator){.code = arena_strdup(&c->arena, code),
                                 .name = arena_strdup(&c->arena, name),
                                 .dataset = dataset,
                                 .kind = kind};
        in->name_en = in->name_zh = in->code;
        in->unit_en = in->unit_zh = "";
        d->indicators = more(d->indicators, d->n_indicators, sizeof *d->indicators);
        d->indicators[d->n_indicators++] = c->n_indicators;
        return c->n_indicators++;
}

static int find_indicator(void *ctx, const char *name, const char **near)
{
        const struct catalog *c = ctx;
        for (uint32_t i = 0; i < c->n_indicators; i++)
                if (strcmp(c->indicators[i].code, name) == 0 || strcmp(c->indicators[i].name, name) == 0)
                        return (int)i;
        *near = NULL;
        return -1;
}

static struct formula *parse(struct catalog *c, const char *text, bool check)
{
        struct err e;
        struct formula *f = formula_parse(text, check, (struct formula_names){find_indicator, c}, &e);
        PRE(f);
        return f;
}

uint32_t toy_derived(struct catalog *c, uint32_t dataset, const char *code, const char *formula)
{
        uint32_t i = toy_indicator(c, dataset, code, DERIVED);
        c->indicators[i].formula_text = arena_strdup(&c->arena, formula);
        c->indicators[i].formula = parse(c, formula, false);
        return i;
}

uint32_t toy_office(struct catalog *c, const char *code, uint32_t region, bool self)
{
        c->offices = more(c->offices, c->n_offices, sizeof *c->offices);
        struct office *o = &c->offices[c->n_offices];
        *o = (struct office){.code = arena_strdup(&c->arena, code), .region = region, .self = self};
        o->name_en = o->name_zh = o->code;
        o->datasets = UINT64_MAX;
        o->valid_from = INT32_MIN;
        o->valid_to = INT32_MAX;
        return c->n_offices++;
}

uint32_t toy_rule(struct catalog *c, uint32_t dataset, const char *code, enum grade grade, const char *check)
{
        c->rules = more(c->rules, c->n_rules, sizeof *c->rules);
        c->rules[c->n_rules] = (struct rule){.code = arena_strdup(&c->arena, code),
                                             .check_text = arena_strdup(&c->arena, check),
                                             .message_en = "it does not hold",
                                             .message_zh = "不成立",
                                             .dataset = dataset,
                                             .grade = grade,
                                             .check = parse(c, check, true)};
        return c->n_rules++;
}

/* Children are drawn parent by parent, so the order is breadth first by itself. */
static void grow_tree(struct catalog *c, struct seed *s, uint32_t regions)
{
        char code[16];
        toy_region(c, "r0", NONE, "0");
        uint32_t fan = 1 + (uint32_t)seed_below(s, 6);
        for (uint32_t up = 0; up < c->n_regions && c->n_regions < regions; up++) {
                uint32_t children = (uint32_t)seed_below(s, fan + 1);
                if (up + 1 == c->n_regions && !children)
                        children = (uint32_t)seed_below(s, 3);
                while (children-- && c->n_regions < regions) {
                        char level[16];
                        snprintf(code, sizeof code, "r%u", c->n_regions);
                        snprintf(level, sizeof level, "%u", c->regions[up].depth + 1);
                        toy_region(c, code, (int32_t)up, level);
                }
        }
}

/* From the root down: an office for the whole subtree, or one for the region itself and the question again
 * for each child. */
static void staff(struct catalog *c, struct seed *s, uint32_t region)
{
        char code[16];
        const struct region *r = &c->regions[region];
        bool whole = !r->children || seed_below(s, 3) == 0;
        snprintf(code, sizeof code, "o%u", c->n_offices);
        if (whole || seed_below(s, 2))
                toy_office(c, code, region, !whole);
        for (uint32_t i = 0; i < r->children && !whole; i++)
                staff(c, s, r->first_child + i);
}

struct catalog *toy_random(struct seed *s, uint32_t regions)
{
        static const enum kind kinds[] = {FLOW, STOCK, PEAK};
        struct catalog *c = toy_new();
        grow_tree(c, s, regions);
        for (int every = PERIOD_DAY; every <= PERIOD_YEAR; every++) {
                uint32_t d =
                    toy_dataset(c, period_kind_word((enum period_kind)every), (enum period_kind)every);
                for (uint32_t i = 0; i < 3 + seed_below(s, 2); i++) {
                        char code[16];
                        snprintf(code, sizeof code, "i%u", c->n_indicators);
                        toy_indicator(c, d, code, kinds[i < 3 ? i : seed_below(s, 3)]);
                }
                char check[32];
                snprintf(check, sizeof check, "i%u >= 0", c->datasets[d].indicators[0]);
                toy_rule(c, d, "not_negative", EXPLAIN, check);
        }
        staff(c, s, 0);
        if (!c->n_offices)
                toy_office(c, "o0", 0, true);
        return c;
}
