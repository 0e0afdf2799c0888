/* An index is a table of open addresses over the rows of its table. Taking rows back from one would leave
 * holes in the middle of what others are found by; as that is rare, it is made anew instead. */
#include "world/store_image.h"

#include "base/check.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_FIRST = 64, BYTES_FIRST = 16 * 1024, TAPE_FIRST = 4096 };

static const uint32_t sizes[IMAGE_COUNT] = {
#define TABLE(NAME, name, type) [IMAGE_##NAME] = sizeof(type),
    IMAGE_TABLES(TABLE)
#undef TABLE
};

struct image *image_new(void)
{
        struct image *m = calloc(1, sizeof *m);
        POST(m);
        return m;
}

void image_free(void *image)
{
        struct image *m = image;
        for (size_t t = 0; t < IMAGE_COUNT; t++)
                free(m->tables[t].v);
        for (size_t t = 0; t < IMAGE_INDEXED; t++)
                free(m->index[t].slots);
        free(m->tape.v);
        free(m);
}

static void *duplicate(const void *p, size_t n)
{
        if (n == 0)
                return NULL;
        void *copy = malloc(n);
        POST(copy);
        return memcpy(copy, p, n);
}

void *image_copy(const void *image)
{
        const struct image *m = image;
        PRE(!m->under_way);
        struct image *copy = image_new();
        copy->meta = m->meta;
        for (size_t t = 0; t < IMAGE_COUNT; t++) {
                uint32_t n = m->tables[t].n;
                copy->tables[t] = (struct image_rows){duplicate(m->tables[t].v, (size_t)n * sizes[t]), n, n};
        }
        for (size_t t = 0; t < IMAGE_INDEXED; t++) {
                uint32_t cap = m->index[t].cap;
                copy->index[t] =
                    (struct image_index){duplicate(m->index[t].slots, cap * sizeof(uint32_t)), cap};
        }
        return copy;
}

/* ---- rows */

/* Makes room for n more and answers where the first of them will be. */
static uint32_t room(struct image *m, enum image_table t, uint32_t n)
{
        struct image_rows *rows = &m->tables[t];
        if (n > rows->cap - rows->n) {
                uint32_t cap = rows->cap ? rows->cap : t == IMAGE_BYTES ? BYTES_FIRST : ROWS_FIRST;
                while (n > cap - rows->n) {
                        PRE(cap < UINT32_MAX / 2);
                        cap *= 2;
                }
                rows->v = realloc(rows->v, (size_t)cap * sizes[t]);
                POST(rows->v);
                rows->cap = cap;
        }
        return rows->n;
}

uint32_t image_add(struct image *m, enum image_table t)
{
        PRE(m->under_way);
        uint32_t row = room(m, t, 1);
        memset(m->tables[t].v + (size_t)row * sizes[t], 0, sizes[t]);
        m->tables[t].n++;
        return row;
}

struct image_run image_put(struct image *m, const void *p, size_t n)
{
        PRE(m->under_way && n < UINT32_MAX);
        struct image_run run = {room(m, IMAGE_BYTES, (uint32_t)n + 1), (uint32_t)n};
        if (n)
                memcpy(image_bytes(m, run.at), p, n);
        *image_bytes(m, run.at + run.n) = '\0';
        m->tables[IMAGE_BYTES].n += run.n + 1;
        return run;
}

/* ---- index */

static uint32_t hash_of(const struct image *m, enum image_table t, uint32_t row)
{
        uint32_t hash;
        memcpy(&hash, m->tables[t].v + (size_t)row * sizes[t], sizeof hash);
        return hash;
}

static void index_slot(struct image *m, enum image_table t, uint32_t row)
{
        struct image_index *x = &m->index[t];
        uint32_t at = hash_of(m, t, row) & (x->cap - 1);
        while (x->slots[at])
                at = (at + 1) & (x->cap - 1);
        x->slots[at] = row + 1;
}

static void index_anew(struct image *m, enum image_table t, uint32_t cap)
{
        struct image_index *x = &m->index[t];
        free(x->slots);
        *x = (struct image_index){calloc(cap, sizeof *x->slots), cap};
        POST(x->slots);
        for (uint32_t row = 0; row < m->tables[t].n; row++)
                index_slot(m, t, row);
}

/* Enters the last row of a table. At most half of the slots are taken. */
static void index_last(struct image *m, enum image_table t)
{
        uint32_t n = m->tables[t].n;
        if (2 * n > m->index[t].cap)
                index_anew(m, t, m->index[t].cap ? 2 * m->index[t].cap : 2 * ROWS_FIRST);
        else
                index_slot(m, t, n - 1);
}

static inline uint32_t find(const struct image *m, enum image_table t, uint32_t hash,
                            bool (*same)(const struct image *m, uint32_t row, const void *key),
                            const void *key)
{
        const struct image_index *x = &m->index[t];
        if (x->cap == 0)
                return NO_ROW;
        for (uint32_t at = hash & (x->cap - 1); x->slots[at]; at = (at + 1) & (x->cap - 1))
                if (same(m, x->slots[at] - 1, key))
                        return x->slots[at] - 1;
        return NO_ROW;
}

static uint32_t mix(uint64_t a, uint64_t b)
{
        uint64_t h = (a + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ b;
        h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
        return (uint32_t)(h ^ h >> 32);
}

/* ---- words */

static uint32_t word_hash(const char *text)
{
        return (uint32_t)text_hash(text, strlen(text));
}

static inline bool word_same(const struct image *m, uint32_t row, const void *key)
{
        return strcmp(image_text(m, row), key) == 0;
}

static uint32_t find_word(const struct image *m, const char *text, uint32_t hash)
{
        return find(m, IMAGE_WORDS, hash, word_same, text);
}

uint32_t image_find_word(const struct image *m, const char *text)
{
        return find_word(m, text, word_hash(text));
}

uint32_t image_need_word(struct image *m, const char *text)
{
        uint32_t hash = word_hash(text), row = find_word(m, text, hash);
        if (row != NO_ROW)
                return row;
        row = image_add(m, IMAGE_WORDS);
        struct image_run run = image_put(m, text, strlen(text));
        *image_word(m, row) = (struct image_word){hash, run};
        index_last(m, IMAGE_WORDS);
        return row;
}

/* ---- papers */

static uint32_t paper_hash(const struct image_paper *p)
{
        return mix((uint64_t)p->office << 32 | p->dataset, (uint32_t)p->first);
}

static inline bool paper_same(const struct image *m, uint32_t row, const void *key)
{
        const struct image_paper *a = image_paper(m, row), *b = key;
        return a->office == b->office && a->dataset == b->dataset && a->first == b->first;
}

uint32_t image_find_paper(const struct image *m, uint32_t office, uint32_t dataset, int32_t first)
{
        struct image_paper key = {.office = office, .dataset = dataset, .first = first};
        return find(m, IMAGE_PAPERS, paper_hash(&key), paper_same, &key);
}

uint32_t image_need_paper(struct image *m, uint32_t office, uint32_t dataset, int32_t first)
{
        uint32_t row = image_find_paper(m, office, dataset, first);
        if (row != NO_ROW)
                return row;
        row = image_add(m, IMAGE_PAPERS);
        struct image_paper *p = image_paper(m, row);
        *p = (struct image_paper){
            .office = office, .dataset = dataset, .first = first, .standing = NO_ROW, .accepted = NO_ROW};
        p->hash = paper_hash(p);
        index_last(m, IMAGE_PAPERS);
        return row;
}

/* ---- totals */

static uint32_t total_hash(const struct image_total *t)
{
        return mix((uint64_t)t->indicator << 32 | t->region, (uint64_t)t->period);
}

static inline bool total_same(const struct image *m, uint32_t row, const void *key)
{
        const struct image_total *a = image_total(m, row), *b = key;
        return a->indicator == b->indicator && a->region == b->region && a->period == b->period;
}

uint32_t image_find_total(const struct image *m, uint32_t indicator, uint32_t region, int64_t period)
{
        struct image_total key = {.indicator = indicator, .region = region, .period = period};
        return find(m, IMAGE_TOTALS, total_hash(&key), total_same, &key);
}

uint32_t image_need_total(struct image *m, uint32_t indicator, uint32_t region, int64_t period)
{
        uint32_t row = image_find_total(m, indicator, region, period);
        if (row != NO_ROW)
                return row;
        row = image_add(m, IMAGE_TOTALS);
        struct image_total *t = image_total(m, row);
        *t = (struct image_total){.indicator = indicator, .region = region, .period = period};
        t->hash = total_hash(t);
        index_last(m, IMAGE_TOTALS);
        return row;
}

/* ---- catalogues */

const struct image_catalog *image_last_catalog(const struct image *m)
{
        const struct image_catalog *last = NULL;
        for (uint32_t i = 0; i < image_count(m, IMAGE_CATALOGS); i++)
                if (!last || image_catalog(m, i)->version > last->version)
                        last = image_catalog(m, i);
        return last;
}

/* ---- transactions */

struct place_on_tape {
        uint32_t table, row;
};

void image_begin(struct image *m)
{
        PRE(!m->under_way);
        m->under_way = true;
        m->was = m->meta;
        for (size_t t = 0; t < IMAGE_COUNT; t++)
                m->were[t] = m->tables[t].n;
}

void image_touch(struct image *m, enum image_table t, uint32_t row)
{
        struct place_on_tape where = {t, row};
        PRE(m->under_way && row < m->tables[t].n);
        if (row >= m->were[t])
                return; /* undone with the rows that were added */
        struct image_tape *tape = &m->tape;
        if (tape->cap - tape->n < sizes[t] + sizeof where) {
                tape->cap = 2 * tape->cap + TAPE_FIRST;
                tape->v = realloc(tape->v, tape->cap);
                POST(tape->v);
        }
        memcpy(tape->v + tape->n, m->tables[t].v + (size_t)row * sizes[t], sizes[t]);
        memcpy(tape->v + tape->n + sizes[t], &where, sizeof where);
        tape->n += sizes[t] + sizeof where;
}

static void end(struct image *m)
{
        m->tape.n = 0;
        m->under_way = false;
}

void image_keep(struct image *m)
{
        PRE(m->under_way);
        end(m);
}

void image_undo(struct image *m)
{
        PRE(m->under_way);
        while (m->tape.n) { /* backwards: what was first is what was */
                struct place_on_tape where;
                m->tape.n -= sizeof where;
                memcpy(&where, m->tape.v + m->tape.n, sizeof where);
                m->tape.n -= sizes[where.table];
                memcpy(m->tables[where.table].v + (size_t)where.row * sizes[where.table],
                       m->tape.v + m->tape.n, sizes[where.table]);
        }
        for (size_t t = 0; t < IMAGE_COUNT; t++) {
                bool added = m->tables[t].n > m->were[t];
                m->tables[t].n = m->were[t];
                if (added && t < IMAGE_INDEXED)
                        index_anew(m, (enum image_table)t, m->index[t].cap);
        }
        m->meta = m->was;
        end(m);
}
