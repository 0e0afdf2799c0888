/* Life, pack, look-ups and the comparison of two catalogues. How a folder is read and checked:
 * catalog_parse.c.
 *
 * The maps. A region's codes and its names are in maps of their own, names by language; regions of one name
 * are chained (same_name), the map holds the first. Indicators are in one map under keys of two parts, "scope
 * US text": scope is the dataset's code, or empty for all datasets; codes begin with 'c', names with 'n', so
 * a code goes before a name. A key that several indicators share holds AMBIGUOUS_HERE. */
#include "core/catalog.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/catalog_keys.h"

#include <sodium.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *kind_word(enum kind k)
{
        static const char *const words[] = {
#define KIND(name, word) [name] = word,
            CATALOG_KINDS(KIND)
#undef KIND
        };
        return words[k];
}

void catalog_free(struct catalog *c)
{
        if (!c)
                return;
        for (uint32_t i = 0; i < c->n_indicators; i++)
                formula_free(c->indicators[i].formula);
        for (uint32_t i = 0; i < c->n_rules; i++)
                formula_free(c->rules[i].check);
        map_close(&c->region_codes);
        map_close(&c->region_names[LANG_EN]);
        map_close(&c->region_names[LANG_ZH]);
        map_close(&c->indicator_names);
        map_close(&c->dataset_codes);
        map_close(&c->office_codes);
        text_close(&c->pack);
        arena_close(&c->arena);
        free(c);
}

/* The pack: 8 bytes "SUMUCAT1", then for each file of catalog_files in that order its length (4 bytes, little
 * endian) and its bytes as they stand in the folder. A file that is absent has length 0. Nothing follows. To
 * change it: a new magic, and both read for one release. */
static const char magic[8] = {'S', 'U', 'M', 'U', 'C', 'A', 'T', '1'};

const char *const catalog_files[CATALOG_FILES] = {
#define FILE_ROW(id, name) name,
    CATALOG_FILE_LIST(FILE_ROW)
#undef FILE_ROW
};

bool catalog_seal(struct catalog *c, const struct catalog_file files[CATALOG_FILES])
{
        text_bytes(&c->pack, magic, sizeof magic);
        for (size_t i = 0; i < CATALOG_FILES; i++) {
                size_t n = files[i].n;
                const char length[4] = {(char)(n & 255), (char)(n >> 8 & 255), (char)(n >> 16 & 255),
                                        (char)(n >> 24)};
                text_bytes(&c->pack, length, sizeof length);
                text_bytes(&c->pack, files[i].bytes, n);
        }
        if (text_failed(&c->pack))
                return false;
        crypto_generichash(c->digest, sizeof c->digest, (const unsigned char *)c->pack.v, c->pack.n, NULL, 0);
        return true;
}

static struct catalog *not_a_pack(struct faults *faults, const char *why)
{
        faults_add(faults, FAULT_PACK, "catalog.pack", 0, NULL, why, NULL, NULL);
        return NULL;
}

struct catalog *catalog_unpack(const void *pack, size_t n, struct faults *faults)
{
        const unsigned char *p = pack;
        if (n < sizeof magic || memcmp(p, magic, sizeof magic) != 0)
                return not_a_pack(faults, "it does not begin like one\n开头不符");
        if (n > CATALOG_BYTES)
                return not_a_pack(faults, "too large\n过大");
        struct catalog_file files[CATALOG_FILES];
        size_t n_files = 0, at = sizeof magic;
        for (size_t i = 0; i < CATALOG_FILES; i++) {
                if (n - at < 4)
                        return not_a_pack(faults, "cut short\n不完整");
                size_t length =
                    p[at] | (size_t)p[at + 1] << 8 | (size_t)p[at + 2] << 16 | (size_t)p[at + 3] << 24;
                at += 4;
                if (length > n - at)
                        return not_a_pack(faults, "cut short\n不完整");
                if (length)
                        files[n_files++] =
                            (struct catalog_file){catalog_files[i], (const char *)p + at, length};
                at += length;
        }
        if (at != n)
                return not_a_pack(faults, "bytes after its end\n末尾有多余字节");
        return catalog_parse(files, n_files, faults);
}

/* Look-ups */

int32_t catalog_dataset(const struct catalog *c, const char *code)
{
        return (int32_t)map_get_str(&c->dataset_codes, code);
}

int32_t catalog_office(const struct catalog *c, const char *code)
{
        return (int32_t)map_get_str(&c->office_codes, code);
}

int32_t catalog_region_code(const struct catalog *c, const char *code)
{
        return (int32_t)map_get_str(&c->region_codes, code);
}

bool catalog_is_under(const struct catalog *c, uint32_t region, uint32_t ancestor)
{
        while (c->regions[region].depth > c->regions[ancestor].depth)
                region = (uint32_t)c->regions[region].parent;
        return region == ancestor;
}

bool catalog_in_scope(const struct catalog *c, uint32_t office, uint32_t region)
{
        const struct office *o = &c->offices[office];
        if (PLANTED(SCOPE_BY_PREFIX)) {
                const char *own = c->regions[o->region].code;
                return strncmp(c->regions[region].code, own, strlen(own)) == 0;
        }
        return o->self ? region == o->region : catalog_is_under(c, region, o->region);
}

bool catalog_answers(const struct catalog *c, uint32_t office, uint32_t dataset)
{
        return c->offices[office].datasets >> dataset & 1;
}

bool catalog_valid(int32_t valid_from, int32_t valid_to, struct period p)
{
        return valid_from <= p.last && valid_to >= p.first;
}

/* Of the regions of one name: the only one there is, or the only one in the office's scope. */
static int32_t region_of_name(const struct catalog *c, enum lang lang, const char *name, size_t n,
                              int32_t within)
{
        int64_t first = map_get(&c->region_names[lang], name, n);
        if (first == MAP_NONE)
                return NONE;
        int32_t inside = NONE;
        for (uint32_t next = (uint32_t)first + 1; next; next = c->same_name[lang][next - 1]) {
                if (within == NONE || !catalog_in_scope(c, (uint32_t)within, next - 1))
                        continue;
                if (inside != NONE)
                        return AMBIGUOUS;
                inside = (int32_t)next - 1;
        }
        if (inside != NONE)
                return inside;
        return c->same_name[lang][first] ? AMBIGUOUS : (int32_t)first;
}

static int32_t region_of_text(const struct catalog *c, const char *text, size_t n, int32_t within)
{
        int64_t code = map_get(&c->region_codes, text, n);
        if (code != MAP_NONE)
                return (int32_t)code;
        int32_t zh = region_of_name(c, LANG_ZH, text, n, within);
        return zh != NONE ? zh : region_of_name(c, LANG_EN, text, n, within);
}

int32_t catalog_region(const struct catalog *c, const char *text, int32_t within, bool *own)
{
        static const char *const own_marks[] = {"/own", "本级", "(本级)", "（本级）"};
        size_t n = strlen(text);
        if (own)
                *own = false;
        int32_t found = region_of_text(c, text, n, within);
        for (size_t i = 0; i < sizeof own_marks / sizeof *own_marks && found == NONE; i++) {
                size_t mark = strlen(own_marks[i]);
                if (n <= mark || memcmp(text + n - mark, own_marks[i], mark) != 0)
                        continue;
                found = region_of_text(c, text, n - mark, within);
                if (own)
                        *own = found != NONE;
        }
        return found;
}

bool catalog_key(struct catalog_key *k, char form, const char *dataset, const char *text)
{
        int n = snprintf(k->text, sizeof k->text, "%c%s\x1f%s", form, dataset ? dataset : "", text);
        k->n = (size_t)n;
        return n > 0 && k->n < sizeof k->text;
}

static int32_t indicator_key(const struct catalog *c, char form, const char *dataset, const char *text)
{
        struct catalog_key k;
        if (!catalog_key(&k, form, dataset, text))
                return NONE;
        int64_t found = map_get(&c->indicator_names, k.text, k.n);
        return found == AMBIGUOUS_HERE ? AMBIGUOUS : (int32_t)found;
}

int32_t catalog_indicator(const struct catalog *c, int32_t dataset, const char *text)
{
        const char *code = dataset == NONE ? NULL : c->datasets[dataset].code;
        int32_t found = indicator_key(c, 'c', code, text);
        if (found == NONE && strchr(text, '.')) {
                found = indicator_key(c, 'c', NULL, text);
                if (found >= 0 && dataset != NONE && c->indicators[found].dataset != (uint32_t)dataset)
                        found = NONE;
        }
        return found != NONE ? found : indicator_key(c, 'n', code, text);
}

static void near_region(const struct region *r, struct text_nearest *near)
{
        text_nearest_try(near, r->name_zh);
        text_nearest_try(near, r->name_en);
        text_nearest_try(near, r->code);
}

const char *catalog_near_region(const struct catalog *c, const char *text, int32_t within)
{
        struct text_nearest near = {.want = text};
        if (within != NONE)
                for (uint32_t i = 0; i < c->n_regions; i++)
                        if (catalog_in_scope(c, (uint32_t)within, i))
                                near_region(&c->regions[i], &near);
        if (!near.best)
                for (uint32_t i = 0; i < c->n_regions; i++)
                        near_region(&c->regions[i], &near);
        return near.best;
}

const char *catalog_near_indicator(const struct catalog *c, int32_t dataset, const char *text)
{
        struct text_nearest near = {.want = text};
        for (uint32_t i = 0; i < c->n_indicators; i++) {
                const struct indicator *one = &c->indicators[i];
                if (dataset != NONE && one->dataset != (uint32_t)dataset)
                        continue;
                text_nearest_try(&near, one->code);
                text_nearest_try(&near, one->name_zh);
                text_nearest_try(&near, one->name_en);
                text_nearest_try(&near, one->name);
        }
        return near.best;
}

const char *catalog_near_dataset(const struct catalog *c, const char *text)
{
        struct text_nearest near = {.want = text};
        for (uint32_t i = 0; i < c->n_datasets; i++)
                text_nearest_try(&near, c->datasets[i].code);
        return near.best;
}

/* What a new catalogue would take away. Each answers false with the sentence in `room`. */

struct loss {
        const struct catalog *now, *next;
        char *room;
        size_t n;
};

static bool lost(struct loss *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool lost(struct loss *l, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(l->room, l->n, fmt, ap);
        va_end(ap);
        return false;
}

/* The region and everything above it: a fact counts in all of them. */
static bool keeps_place(struct loss *l, uint32_t region, struct period p)
{
        const struct region *a = &l->now->regions[region];
        int32_t at = catalog_region_code(l->next, a->code);
        if (at == NONE)
                return lost(l, "region %s is no longer in the catalogue", a->code);
        const struct region *b = &l->next->regions[at];
        if (!catalog_valid(b->valid_from, b->valid_to, p))
                return lost(l, "region %s would not be valid in the period of a standing fact", a->code);
        while (a->parent != NONE && b->parent != NONE) {
                const struct region *above = &l->now->regions[a->parent],
                                    *would = &l->next->regions[b->parent];
                if (strcmp(above->code, would->code) != 0)
                        return lost(l, "region %s is under %s, it would be under %s", a->code, above->code,
                                    would->code);
                a = above;
                b = would;
        }
        return (a->parent == NONE) == (b->parent == NONE) ||
               lost(l, "region %s would change its place at the root", a->code);
}

static bool keeps_meaning(struct loss *l, uint32_t indicator)
{
        const struct indicator *a = &l->now->indicators[indicator];
        int32_t at = catalog_indicator(l->next, NONE, a->name);
        if (at < 0 || strcmp(l->next->indicators[at].name, a->name) != 0)
                return lost(l, "indicator %s is no longer in the catalogue", a->name);
        const struct indicator *b = &l->next->indicators[at];
        if (a->kind != b->kind)
                return lost(l, "indicator %s is a %s, it would be a %s", a->name, kind_word(a->kind),
                            kind_word(b->kind));
        if (a->decimals != b->decimals)
                return lost(l, "indicator %s has %u decimals, it would have %u", a->name, a->decimals,
                            b->decimals);
        if (strcmp(a->unit_zh, b->unit_zh) != 0 || strcmp(a->unit_en, b->unit_en) != 0)
                return lost(l, "indicator %s is counted in %s, it would be in %s", a->name, a->unit_en,
                            b->unit_en);
        enum period_kind every = l->now->datasets[a->dataset].every,
                         would = l->next->datasets[b->dataset].every;
        return every == would ||
               lost(l, "dataset %s is reported by %s, it would be by %s", l->now->datasets[a->dataset].code,
                    period_kind_word(every), period_kind_word(would));
}

static bool keeps_reporter(struct loss *l, uint32_t office, uint32_t region, uint32_t indicator,
                           struct period p)
{
        const char *code = l->now->offices[office].code, *place = l->now->regions[region].code;
        const char *dataset = l->now->datasets[l->now->indicators[indicator].dataset].code;
        int32_t o = catalog_office(l->next, code);
        if (o == NONE)
                return lost(l, "office %s is no longer in the catalogue", code);
        if (!catalog_valid(l->next->offices[o].valid_from, l->next->offices[o].valid_to, p))
                return lost(l, "office %s would not be valid in the period of a standing fact", code);
        if (!catalog_in_scope(l->next, (uint32_t)o, (uint32_t)catalog_region_code(l->next, place)))
                return lost(l, "region %s would be outside the scope of office %s", place, code);
        return catalog_answers(l->next, (uint32_t)o, (uint32_t)catalog_dataset(l->next, dataset)) ||
               lost(l, "office %s would no longer answer for dataset %s", code, dataset);
}

const char *catalog_blocks(const struct catalog *now, const struct catalog *next, uint32_t office,
                           uint32_t region, uint32_t indicator, struct period p, char *room, size_t n)
{
        PRE(office < now->n_offices && region < now->n_regions && indicator < now->n_indicators);
        struct loss l = {.now = now, .next = next, .room = room, .n = n};
        bool keeps = keeps_place(&l, region, p) && keeps_meaning(&l, indicator) &&
                     keeps_reporter(&l, office, region, indicator, p);
        return keeps ? NULL : room;
}
