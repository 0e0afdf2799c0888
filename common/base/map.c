#include "base/map.h"

#include "base/check.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct map_slot {
        char *key; /* NULL: free */
        size_t n;
        uint64_t hash;
        int64_t value;
};

static struct map_slot *find(const struct map *m, const void *key, size_t n, uint64_t hash)
{
        size_t i = (size_t)hash & (m->cap - 1);
        for (;; i = (i + 1) & (m->cap - 1)) {
                struct map_slot *s = &m->slots[i];
                if (!s->key || (s->hash == hash && s->n == n && memcmp(s->key, key, n) == 0))
                        return s;
        }
}

int64_t map_get(const struct map *m, const void *key, size_t n)
{
        if (m->n == 0)
                return MAP_NONE;
        const struct map_slot *s = find(m, key, n, text_hash(key, n));
        return s->key ? s->value : MAP_NONE;
}

int64_t map_get_str(const struct map *m, const char *key)
{
        return map_get(m, key, strlen(key));
}

static bool grow(struct map *m)
{
        struct map bigger = {.n = m->n, .cap = m->cap ? m->cap * 2 : 16};
        bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
        if (!bigger.slots)
                return false;
        for (size_t i = 0; i < m->cap; i++)
                if (m->slots[i].key)
                        *find(&bigger, m->slots[i].key, m->slots[i].n, m->slots[i].hash) = m->slots[i];
        free(m->slots);
        *m = bigger;
        return true;
}

bool map_set(struct map *m, const void *key, size_t n, int64_t value)
{
        PRE(value >= 0);
        if (m->n * 4 >= m->cap * 3 && !grow(m))
                return false;
        uint64_t hash = text_hash(key, n);
        struct map_slot *s = find(m, key, n, hash);
        if (!s->key) {
                char *copy = malloc(n + 1);
                if (!copy)
                        return false;
                memcpy(copy, key, n);
                copy[n] = '\0';
                *s = (struct map_slot){.key = copy, .n = n, .hash = hash};
                m->n++;
        }
        s->value = value;
        return true;
}

bool map_set_str(struct map *m, const char *key, int64_t value)
{
        return map_set(m, key, strlen(key), value);
}

void map_close(struct map *m)
{
        for (size_t i = 0; i < m->cap; i++)
                free(m->slots[i].key);
        free(m->slots);
        *m = (struct map){0};
}
