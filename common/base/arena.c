/* Blocks grow with what is asked: 4 KiB first, doubling to 1 MiB, a larger request gets a block of its own.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
        struct arena_block *next;
        size_t size, used;
        _Alignas(16) unsigned char bytes[];
};

enum { BLOCK_FIRST = 4096, BLOCK_MAX = 1 << 20 };

void arena_init(struct arena *a, size_t cap)
{
        *a = (struct arena){.cap = cap};
}

static struct arena_block *block_new(const struct arena *a, size_t size)
{
        size_t want = a->blocks ? a->blocks->size * 2 : BLOCK_FIRST;
        if (want > BLOCK_MAX)
                want = BLOCK_MAX;
        if (want < size)
                want = size;
        if (want > SIZE_MAX - sizeof(struct arena_block))
                return NULL;
        struct arena_block *b = malloc(sizeof *b + want);
        if (b)
                *b = (struct arena_block){.size = want};
        return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
        if (size > SIZE_MAX - 15)
                goto out;
        size = (size + 15) & ~(size_t)15;
        if (a->cap && size > a->cap - a->used)
                goto out;
        struct arena_block *b = a->blocks;
        if (!b || size > b->size - b->used) {
                b = block_new(a, size);
                if (!b)
                        goto out;
                b->next = a->blocks;
                a->blocks = b;
        }
        void *p = b->bytes + b->used;
        b->used += size;
        a->used += size;
        return memset(p, 0, size);
out:
        a->ran_out = true;
        return NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
        char *p = arena_alloc(a, n + 1);
        if (p && n)
                memcpy(p, s, n);
        return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
        return arena_strndup(a, s, strlen(s));
}

void arena_reset(struct arena *a)
{
        struct arena_block *keep = a->blocks;
        if (keep) {
                for (struct arena_block *b = keep->next, *next; b; b = next) {
                        next = b->next;
                        free(b);
                }
                keep->next = NULL;
                keep->used = 0;
        }
        a->used = 0;
        a->ran_out = false;
}

void arena_close(struct arena *a)
{
        for (struct arena_block *b = a->blocks, *next; b; b = next) {
                next = b->next;
                free(b);
        }
        *a = (struct arena){.cap = a->cap};
}
