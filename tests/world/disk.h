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
 * The world sets the odds, notices that the power went off (`off`: whoever ran on this disk is dead, whatever
 * it still seems to say is dropped), and puts it on again. A path names one disk; the names are those given
 * to outbox_open and store_open. One world at a time in a process. */
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
        char path[24];
        struct seed seed;
        struct disk_odds odds;
        bool full; /* commits are refused with E_FULL until it is not */
        bool off;
        uint64_t commits, cuts, broken, refused; /* since it was made */

        /* disk_model.c: the owner's image; NULL: no such file yet */
        void *image;
        const struct disk_image *kind;
        /* disk_sqlite.c */
        void *files;
};

struct disk *disk_new(const char *path, uint64_t seed);
void disk_free(struct disk *d);

/* The power returns: what was not synced is decided now. */
void disk_on(struct disk *d);

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
/* What becomes of a transaction that ends now. With `off`: E_IO, not kept. */
struct disk_answer disk_commit(struct disk *d);

#endif
