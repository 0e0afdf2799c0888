#include "world/disk.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISKS = 64 };

static struct disk *disks[DISKS];

struct disk *disk_new(const char *name, uint64_t seed)
{
        struct disk *d = calloc(1, sizeof *d);
        size_t at = 0;
        PRE(d && strlen(name) < sizeof d->name);
        while (disks[at]) {
                PRE(strcmp(disks[at]->name, name) != 0);
                at++;
                PRE(at < DISKS);
        }
        memcpy(d->name, name, strlen(name) + 1);
        memcpy(d->path, name, strlen(name) + 1);
        d->seed = seed_from(seed);
        disks[at] = d;
        return d;
}

void disk_free(struct disk *d)
{
        if (!d)
                return;
        for (size_t i = 0; i < DISKS; i++)
                if (disks[i] == d)
                        disks[i] = NULL;
        disk_restore(d, NULL);
        free(d);
}

struct disk *disk_at(const char *path)
{
        for (size_t i = 0; i < DISKS; i++)
                if (disks[i] && strcmp(disks[i]->path, path) == 0)
                        return disks[i];
        UNREACHABLE();
}

void disk_odds(struct disk *d, struct disk_odds odds)
{
        d->odds = odds;
}

void disk_fill(struct disk *d, bool full)
{
        d->full = full;
}

bool disk_is_off(const struct disk *d)
{
        return d->off;
}

void disk_kill(struct disk *d)
{
        (void)d; /* a transaction under way is not in the image */
}

void disk_on(struct disk *d)
{
        d->off = false; /* each transaction was decided when it ended */
}

struct saved { /* a backup knows whose image it is: it may be put on another disk */
        const struct disk_image *kind;
        void *image;
};

void *disk_save(struct disk *d)
{
        if (!d->image)
                return NULL;
        struct saved *s = malloc(sizeof *s);
        PRE(s);
        *s = (struct saved){d->kind, d->kind->copy(d->image)};
        return s;
}

void disk_restore(struct disk *d, const void *backup)
{
        const struct saved *s = backup;
        if (d->image)
                d->kind->release(d->image);
        d->image = NULL;
        if (!s)
                return;
        d->kind = s->kind;
        d->image = s->kind->copy(s->image);
}

void disk_discard(void *backup)
{
        struct saved *s = backup;
        if (!s)
                return;
        s->kind->release(s->image);
        free(s);
}

struct disk_answer disk_commit(struct disk *d)
{
        uint64_t dice = seed_below(&d->seed, 10000);
        if (d->off)
                return (struct disk_answer){.code = E_IO};
        if (d->full)
                return (struct disk_answer){.code = E_FULL};
        if (dice >= d->odds.cut + d->odds.broken)
                return (struct disk_answer){.kept = true};
        if (dice >= d->odds.cut)
                return (struct disk_answer){.code = E_IO, .kept = dice & 1};
        d->off = true;
        switch (dice % 3) {
        case 0: return (struct disk_answer){.code = E_IO};
        case 1: return (struct disk_answer){.code = E_IO, .kept = true};
        default: return (struct disk_answer){.kept = true}; /* committed, but nobody will be told */
        }
}
