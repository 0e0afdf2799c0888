/* disk: what lies under one machine's file in the simulated world.
 *
 * Two implementations stand behind this header, chosen by what is linked:
 *
 *   disk_model.c    with outbox_model.c and store_model.c. A file is an image, a struct of its owner's; a
 *                   transaction is all or nothing, and what the disk does with it is asked once: disk_commit.
 *                   That SQLite is such a disk, whatever happens to single sectors, is shown elsewhere (the
 *                   power tests). Fast: for many seeds.
 *   disk_sqlite.c   with the real outbox.c and store.c on a file system in memory that keeps, loses or tears
 *                   what was not synced. Slow: fewer seeds, nothing left out.
 *
 * The world sets the odds, notices that the power went off (whoever ran on this disk is dead, whatever it
 * still seems to say is dropped), and puts it on again. `path` is what outbox_open and store_open are given;
 * it may change whenever the process on it ends. One world at a time in a process. */
#ifndef SUMU_TESTS_WORLD_DISK_H
#define SUMU_TESTS_WORLD_DISK_H

#include "lib/seed.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_odds {       /* of 10,000 commits */
        uint32_t cut;    /* the power goes off, before or after */
        uint32_t broken; /* the sync fails: the file has the transaction or not, its owner must end */
};

struct disk {
        char name[16], path[96];
        struct seed seed;
        struct disk_odds odds;
        bool full;

        /* disk_model.c: the owner's image; NULL: no such file yet */
        bool off;
        void *image;
        const struct disk_image *kind;
        /* disk_sqlite.c: what the files lie on, and what they lay on before the last kill */
        struct platter *platter, *before;
        char path_before[96];
};

struct disk *disk_new(const char *name, uint64_t seed);
void disk_free(struct disk *d);

void disk_odds(struct disk *d, struct disk_odds odds);
void disk_fill(struct disk *d, bool full); /* what needs room is refused until there is some */

bool disk_is_off(const struct disk *d);
void disk_on(struct disk *d); /* the power returns: what was not synced is decided now */

/* The process that runs on it is killed. Said before its handles are closed, which then does nothing. */
void disk_kill(struct disk *d);

/* A backup of the file as it is now (never of a transaction under way); NULL: there is no file. */
void *disk_save(struct disk *d);
void disk_restore(struct disk *d, const void *backup); /* NULL: the file is gone */
void disk_discard(void *backup);

/* ---- for the models */

struct disk_image {
        void *(*copy)(const void *image);
        void (*release)(void *image);
};

/* The disk of a path; it has to exist. */
struct disk *disk_at(const char *path);

struct disk_answer {
        int code;  /* 0; E_FULL: nothing was written; E_IO: the sync failed or the power went, no further
                      commit by the same owner */
        bool kept; /* the file has the transaction */
};
/* What becomes of a transaction that ends now. With the power off: E_IO, not kept. */
struct disk_answer disk_commit(struct disk *d);

#endif
