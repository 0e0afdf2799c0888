/* arena: memory that lives as long as one message or one turn of work.
 *
 * Memory comes zero-filled, in blocks, never above `cap` bytes in all; beyond it arena_alloc answers NULL and
 * the arena remembers that it ran out. Nothing is freed one by one: arena_reset keeps the first block for the
 * next turn, arena_close gives everything back. A zeroed struct is a valid arena without a cap. */
#ifndef SUMU_BASE_ARENA_H
#define SUMU_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
        struct arena_block *blocks; /* newest first */
        size_t used;                /* bytes handed out since the last reset */
        size_t cap;                 /* 0: none */
        bool ran_out;
};

void arena_init(struct arena *a, size_t cap);
void *arena_alloc(struct arena *a, size_t size); /* 16-byte aligned, zeroed; NULL when out */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
void arena_reset(struct arena *a);
void arena_close(struct arena *a);

#endif
