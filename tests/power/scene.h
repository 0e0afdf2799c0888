/* scene: a canonical workload on a real database, which can be stopped at any instruction and gone on with.
 *
 * A scene is a list of steps, made beforehand by a plain model that knows no database. Step i is at most one
 * commit, depends on nothing but i and what is in the file, and can be carried out again if the file does not
 * have it. So what the file holds after a fault is compared with what it held, without one, before and after
 * the step. */
#ifndef SUMU_TESTS_POWER_SCENE_H
#define SUMU_TESTS_POWER_SCENE_H

#include "lib/platter.h"
#include "lib/scratch.h"
#include "store/db.h"

struct scene {
        const char *name;
        size_t steps;
        void *(*open)(const char *path, struct err *e); /* NULL: refused */
        void (*close)(void *at);
        int (*step)(void *at, size_t i, struct err *e); /* 0: done, and kept */
        struct db *(*db)(void *at);
        /* Reads all there is with its verbs, as if damage were possible: 0; 1 what would leave does not fit
         * its hashes, or `sumu verify` finds fault; negative: refused. */
        int (*read)(void *at, struct err *e);
        const char *const *figures; /* queries: what must never be wrong unnoticed; ended by NULL */
        /* Does what its verbs say agree with the plain model after so many steps? Stops the test if not. */
        void (*agree)(void *at, size_t steps);
};

const struct scene *office_scene(void); /* collector/outbox.c */
const struct scene *hq_scene(void);     /* sink/store.c */

/* `sumu verify` on HQ's scene, with the keys of its offices, into a zeroed *v. */
struct verify;
int hq_verify(const char *path, struct verify *v, struct err *e);

/* The flush of a step of HQ's scene as the aggregator sends it; NULL: the step is none. */
struct gather_frames;
const struct gather_frames *hq_flush(size_t step);
struct catalog;
const struct catalog *hq_catalog(size_t step); /* in force before it */

/* A fingerprint of every row of every table: 0, or a refusal. */
int scene_print(struct db *db, uint64_t *print, struct err *e);
/* Of the rows of some queries, ended by NULL. */
int scene_print_of(struct db *db, const char *const *queries, uint64_t *print, struct err *e);
bool scene_is_sound(struct db *db); /* PRAGMA integrity_check */

struct stage { /* where a scene is played: files in memory under a folder of its own */
        char folder[SCRATCH_PATH], path[SCRATCH_PATH + 16];
        struct platter *platter;
};
void stage_open(struct stage *s);
void stage_close(struct stage *s);

/* The prints of a scene that nothing disturbs: [i] before step i; checked against the plain model at every
 * step. Free them. */
uint64_t *scene_prints(const struct scene *scene);

#endif
