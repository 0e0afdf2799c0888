/* The real store. A hook that SQLite calls before it commits turns a commit into a rollback. */
#include "world/store_trace.h"

#include "lib/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[SCRATCH_PATH], path[SCRATCH_PATH + 16], copy[SCRATCH_PATH + 16];

const char *trace_begin(void)
{
        scratch_open(dir);
        snprintf(path, sizeof path, "%s/store.db", dir);
        snprintf(copy, sizeof copy, "%s/copy.db", dir);
        return path;
}

void trace_end(void)
{
        scratch_close(dir);
}

static int refuse(void *ctx)
{
        (void)ctx;
        return 1;
}

static int fail(void *store)
{
        ((struct store *)store)->db.broken = true; /* as after a failed sync */
        return 1;
}

void trace_fate(struct store *s, enum fate fate)
{
        bool goes = fate == FATE_KEPT || fate == FATE_UNTOLD;
        sqlite3_commit_hook(s->db.handle, goes ? NULL : fate == FATE_FULL ? refuse : fail, s);
}

/* A store that was closed has moved all of its log into the file, unless it broke. */
static void carry(const char *from, const char *to)
{
        static const char *const tails[] = {"", "-wal"};
        for (size_t i = 0; i < 2; i++) {
                char command[4 * SCRATCH_PATH];
                snprintf(command, sizeof command, "rm -f '%s%s'; cp -f '%s%s' '%s%s' 2>/dev/null", to,
                         tails[i], from, tails[i], to, tails[i]);
                int rc = system(command);
                PRE(rc == 0 || i > 0);
        }
        char shm[SCRATCH_PATH + 32];
        snprintf(shm, sizeof shm, "%s-shm", to);
        unlink(shm);
}

void trace_save(void)
{
        carry(path, copy);
}

void trace_restore(void)
{
        carry(copy, path);
}
