#include "loop/body.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Takes n of what is left below `most`, or nothing. */
static bool reserve(atomic_size_t *used, size_t most, size_t n)
{
        size_t before = atomic_load(used);
        do {
                if (before > most || n > most - before)
                        return false;
        } while (!atomic_compare_exchange_weak(used, &before, before + n));
        return true;
}

/* Not every file system knows O_TMPFILE: there the name is taken away at once. */
static int open_nameless(const char *folder)
{
        int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
                return fd;
        char name[PATH_MAX];
        if (snprintf(name, sizeof name, "%s/.body.XXXXXX", folder) >= (int)sizeof name)
                return -1;
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
                unlink(name);
        return fd;
}

static int refused(const struct body *b, struct err *e)
{
        int code = errno == ENOSPC || errno == EDQUOT ? E_FULL : E_IO;
        return err_set(e, code, "%s: %s", b->pool->folder, strerror(errno));
}

static int write_all(struct body *b, const char *p, size_t n, struct err *e)
{
        if (!reserve(&b->pool->files, b->pool->files_most, n))
                return err_set(e, E_BUSY, "too many large bodies at once");
        b->n += n;
        while (n) {
                ssize_t wrote = write(b->file - 1, p, n);
                if (wrote < 0 && errno == EINTR)
                        continue;
                if (wrote < 0)
                        return refused(b, e);
                p += wrote;
                n -= (size_t)wrote;
        }
        return 0;
}

static int move_to_file(struct body *b, struct err *e)
{
        if (!b->pool->folder)
                return err_set(e, E_BUSY, "too many bodies at once");
        int fd = open_nameless(b->pool->folder);
        if (fd < 0)
                return refused(b, e);
        struct text memory = b->memory;
        b->file = fd + 1;
        b->memory = (struct text){0};
        b->n = 0;
        int code = write_all(b, memory.v, memory.n, e);
        atomic_fetch_sub(&b->pool->memory, memory.n);
        text_close(&memory);
        return code;
}

int body_add(struct body *b, struct body_pool *pool, const void *bytes, size_t n, struct err *e)
{
        b->pool = pool;
        bool small = !b->file && n <= BODY_IN_MEMORY - b->n;
        if (small && reserve(&pool->memory, BODY_MEMORY, n)) {
                text_bytes(&b->memory, bytes, n);
                b->n += n;
                return text_failed(&b->memory) ? err_set(e, E_MEM, "out of memory") : 0;
        }
        int code = b->file ? 0 : move_to_file(b, e);
        return code < 0 ? code : write_all(b, bytes, n, e);
}

const void *body_bytes(struct body *b, size_t *n, struct err *e)
{
        *n = b->n;
        if (!b->file)
                return text_c(&b->memory);
        if (!b->map) {
                void *map = mmap(NULL, b->n, PROT_READ, MAP_PRIVATE, b->file - 1, 0);
                if (map == MAP_FAILED) {
                        refused(b, e);
                        return NULL;
                }
                b->map = map;
        }
        return b->map;
}

void body_close(struct body *b)
{
        if (b->map)
                munmap(b->map, b->n);
        if (b->file)
                close(b->file - 1);
        if (b->pool)
                atomic_fetch_sub(b->file ? &b->pool->files : &b->pool->memory, b->n);
        text_close(&b->memory);
        *b = (struct body){0};
}
