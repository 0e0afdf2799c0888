/* Each process lays its file on a platter (lib/platter.h). A kill leaves a new platter on which what was
 * written is seen and what was not synced still is not; a power cut leaves what the device and fate say. Odds
 * are of commits, the platter counts changes and syncs: the next cut and the next failing sync are drawn when
 * power comes on and whenever the odds change. */
#include "world/disk.h"

#include "base/check.h"
#include "lib/platter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHANGES = 8 }; /* of a file in one commit, about */

static unsigned folders;

/* Folders are only for the lock beside each file; what SQLite writes never reaches them. */
static struct platter *lay(char path[96])
{
        char folder[64];
        snprintf(folder, sizeof folder, "/tmp/sumu-world-%d-%u", (int)getpid(), folders++);
        int made = mkdir(folder, 0700);
        PRE(made == 0);
        snprintf(path, 96, "%s/db", folder);
        struct platter *p = platter_new(folder);
        PRE(p);
        return p;
}

static void clear(struct platter *p, const char *path)
{
        char lock[128], folder[96];
        if (!p)
                return;
        platter_free(p);
        snprintf(lock, sizeof lock, "%s.lock", path);
        snprintf(folder, sizeof folder, "%.*s", (int)(strlen(path) - 3), path);
        unlink(lock);
        rmdir(folder);
}

/* How many trials of these odds go well before one does not. */
static uint64_t trials(struct seed *s, uint32_t odds, unsigned each)
{
        double p = (double)odds / 10000 / each, u = (double)(seed_below(s, 1u << 30) + 1) / (1u << 30);
        return (uint64_t)(log(u) / log1p(-p));
}

static void arm(struct disk *d)
{
        platter_heal(d->platter);
        if (d->full)
                platter_fail(d->platter, PLATTER_ENOSPC, 0, true);
        else if (d->odds.broken)
                platter_fail(d->platter, PLATTER_SYNC, trials(&d->seed, d->odds.broken, 1), false);
        platter_cut_at(d->platter, d->odds.cut ? trials(&d->seed, d->odds.cut, CHANGES) : UINT64_MAX);
}

struct disk *disk_new(const char *name, uint64_t seed)
{
        struct disk *d = calloc(1, sizeof *d);
        PRE(d && strlen(name) < sizeof d->name);
        memcpy(d->name, name, strlen(name) + 1);
        d->seed = seed_from(seed);
        d->platter = lay(d->path);
        return d;
}

static void bury(struct disk *d)
{
        clear(d->before, d->path_before);
        d->before = NULL;
}

void disk_free(struct disk *d)
{
        if (!d)
                return;
        bury(d);
        clear(d->platter, d->path);
        free(d);
}

void disk_odds(struct disk *d, struct disk_odds odds)
{
        d->odds = odds;
        arm(d);
}

void disk_fill(struct disk *d, bool full)
{
        if (full == d->full)
                return;
        d->full = full;
        arm(d);
}

bool disk_is_off(const struct disk *d)
{
        return platter_is_off(d->platter);
}

/* The old platter is kept until its handles are closed for certain. */
static void move(struct disk *d)
{
        bury(d);
        d->before = d->platter;
        memcpy(d->path_before, d->path, sizeof d->path);
        d->platter = lay(d->path);
}

void disk_kill(struct disk *d)
{
        if (disk_is_off(d))
                return;
        move(d);
        platter_after_kill(d->platter, d->before);
        platter_cut(d->before);
        arm(d);
}

void disk_on(struct disk *d)
{
        bury(d);
        if (!disk_is_off(d))
                return;
        enum platter_device device = (enum platter_device)seed_below(&d->seed, PLATTER_DEVICES);
        enum platter_fate fate = (enum platter_fate)seed_below(&d->seed, PLATTER_FATES);
        platter_on(d->platter, device, fate, seed_next(&d->seed));
        arm(d);
}

struct saved {
        struct platter *platter;
        char path[96];
};

void *disk_save(struct disk *d)
{
        if (platter_size(d->platter, d->path) == 0)
                return NULL;
        struct saved *s = calloc(1, sizeof *s);
        PRE(s);
        s->platter = lay(s->path);
        platter_copy(s->platter, d->platter);
        return s;
}

void disk_restore(struct disk *d, const void *backup)
{
        const struct saved *s = backup;
        move(d);
        if (s)
                platter_copy(d->platter, s->platter);
        arm(d);
}

void disk_discard(void *backup)
{
        struct saved *s = backup;
        if (!s)
                return;
        clear(s->platter, s->path);
        free(s);
}
