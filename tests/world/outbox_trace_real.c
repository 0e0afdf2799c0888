/* SQLite on a file whose commits the disk of disk.h decides about: the first write of a commit asks it. What
 * is refused as full is not written; a sync that fails leaves the frames in the log or not. Real syncs are
 * left out. */
#include "world/outbox_trace.h"

#include "base/check.h"
#include "lib/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct disk *disk;
static char dir[SCRATCH_PATH], path[2 * SCRATCH_PATH];
static bool committing, asked, framed; /* framed: more than the head of the log was written */
static struct disk_answer answer;

/* ---- a file system between SQLite and the real one; files other than the log pass through */

struct shim {
        sqlite3_file base;
        sqlite3_file *real;
        bool log;
};

static sqlite3_vfs *below;

static sqlite3_file *real_of(sqlite3_file *f)
{
        return ((struct shim *)f)->real;
}

static int shim_close(sqlite3_file *f)
{
        int rc = real_of(f)->pMethods->xClose(real_of(f));
        free(real_of(f));
        return rc;
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
        return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
        if (committing && ((struct shim *)f)->log && !asked) {
                asked = true;
                answer = disk_commit(disk);
        }
        if (committing && asked && answer.code == E_FULL)
                return SQLITE_FULL;
        framed |= at > 0;
        if (committing && asked && !answer.kept)
                return SQLITE_OK; /* and never seen again */
        return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
        return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
        (void)f, (void)flags;
        return committing && asked && framed && answer.code == E_IO ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
        return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int how)
{
        return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int shim_unlock(sqlite3_file *f, int how)
{
        return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int shim_reserved(sqlite3_file *f, int *is)
{
        return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is);
}

static int shim_control(sqlite3_file *f, int what, void *arg)
{
        return real_of(f)->pMethods->xFileControl(real_of(f), what, arg);
}

static int shim_sector(sqlite3_file *f)
{
        return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int shim_traits(sqlite3_file *f)
{
        return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int n, int extend, void volatile **p)
{
        return real_of(f)->pMethods->xShmMap(real_of(f), page, n, extend, p);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
        return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
        real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int gone)
{
        return real_of(f)->pMethods->xShmUnmap(real_of(f), gone);
}

static const sqlite3_io_methods shim_methods = {.iVersion = 2,
                                                .xClose = shim_close,
                                                .xRead = shim_read,
                                                .xWrite = shim_write,
                                                .xTruncate = shim_truncate,
                                                .xSync = shim_sync,
                                                .xFileSize = shim_size,
                                                .xLock = shim_lock,
                                                .xUnlock = shim_unlock,
                                                .xCheckReservedLock = shim_reserved,
                                                .xFileControl = shim_control,
                                                .xSectorSize = shim_sector,
                                                .xDeviceCharacteristics = shim_traits,
                                                .xShmMap = shim_shm_map,
                                                .xShmLock = shim_shm_lock,
                                                .xShmBarrier = shim_shm_barrier,
                                                .xShmUnmap = shim_shm_unmap};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
        struct shim *s = (struct shim *)f;
        (void)vfs;
        *s = (struct shim){.real = calloc(1, (size_t)below->szOsFile), .log = (flags & SQLITE_OPEN_WAL) != 0};
        POST(s->real);
        int rc = below->xOpen(below, name, s->real, flags, out);
        if (rc == SQLITE_OK)
                s->base.pMethods = &shim_methods;
        else
                free(s->real);
        return rc;
}

static void shim_register(void)
{
        static sqlite3_vfs vfs;
        if (below)
                return;
        below = sqlite3_vfs_find(NULL);
        vfs = *below;
        vfs.zName = "shim";
        vfs.szOsFile = sizeof(struct shim);
        vfs.xOpen = shim_open;
        POST(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

/* ---- */

const char *trace_begin(struct disk *d)
{
        shim_register();
        disk = d;
        scratch_open(dir);
        snprintf(path, sizeof path, "%s/outbox.db", dir);
        disk_commit(disk); /* the model asks when it makes a file */
        return path;
}

void trace_end(void)
{
        scratch_close(dir);
}

void trace_commit_begins(void)
{
        committing = true;
        asked = framed = false;
}

void trace_commit_ends(void)
{
        committing = false;
}

static const char *const tails[] = {"", "-wal"};
enum { TAILS = sizeof tails / sizeof *tails };

struct backup {
        struct {
                bool there;
                char *bytes;
                size_t n;
        } files[TAILS];
};

static void tail_path(size_t i, char out[sizeof path + 8])
{
        snprintf(out, sizeof path + 8, "%s%s", path, tails[i]);
}

void *trace_save(void)
{
        struct backup *b = calloc(1, sizeof *b);
        POST(b);
        for (size_t i = 0; i < TAILS; i++) {
                char name[sizeof path + 8];
                tail_path(i, name);
                FILE *f = fopen(name, "rb");
                if (!f)
                        continue;
                b->files[i].there = true;
                POST(fseek(f, 0, SEEK_END) == 0);
                b->files[i].n = (size_t)ftell(f);
                rewind(f);
                b->files[i].bytes = malloc(b->files[i].n + 1);
                POST(b->files[i].bytes && fread(b->files[i].bytes, 1, b->files[i].n, f) == b->files[i].n);
                fclose(f);
        }
        return b;
}

void trace_restore(const void *backup)
{
        const struct backup *b = backup;
        for (size_t i = 0; i < TAILS; i++) {
                char name[sizeof path + 8];
                tail_path(i, name);
                unlink(name);
                if (b && b->files[i].there)
                        scratch_write(name, b->files[i].bytes, b->files[i].n);
        }
        if (!b)
                disk_commit(disk);
}

void trace_discard(void *backup)
{
        struct backup *b = backup;
        for (size_t i = 0; b && i < TAILS; i++)
                free(b->files[i].bytes);
        free(b);
}
