/* body: bytes that come in piece by piece, gathered before they are looked at.
 *
 * Small ones lie in memory. One that grows beyond BODY_IN_MEMORY, or comes while the bodies in memory
 * together hold BODY_MEMORY, goes to a file that has no name (O_TMPFILE) in the pool's folder and is mapped
 * when it is read; a crash leaves nothing behind. All bodies of a pool together take at most `files_most`
 * bytes of disk. The pool may be used by many threads, a body by one. */
#ifndef SUMU_LOOP_BODY_H
#define SUMU_LOOP_BODY_H

#include "base/err.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stddef.h>

enum { BODY_IN_MEMORY = 1 << 20, BODY_MEMORY = 32 << 20 };

struct body_pool {
        const char *folder; /* borrowed; NULL: memory only */
        size_t files_most;
        atomic_size_t memory, files; /* in use */
};

struct body {
        struct body_pool *pool;
        struct text memory;
        int file; /* descriptor + 1; 0: in memory */
        size_t n;
        void *map;
};

/* E_MEM, E_FULL (no room on disk), E_BUSY (the pool is used up), E_IO. */
int body_add(struct body *b, struct body_pool *pool, const void *bytes, size_t n, struct err *e);
const void *body_bytes(struct body *b, size_t *n, struct err *e); /* never NULL but on E_IO; "" when empty */
void body_close(struct body *b);

#endif
