/* platter: the files of one machine, in memory under SQLite, whose power can be cut.
 *
 * A platter owns every file whose path begins with its folder; SQLite is led there by a VFS that becomes the
 * default when the first platter is made. All other paths go to the real file system. So a test runs the real
 * outbox and the real store, many of them in one process, each on a platter of its own. (PATH.lock and the
 * look at the kind of file system are db.c's own and stay real: the folder has to exist.)
 *
 * Every file has what programs see and what is safe: a write is seen at once, and is a *pending change* until
 * xSync. What happens to pending changes is decided when the power goes, by a device, a fate and a seed:
 *
 *     IDEAL         names are safe at once; writes reach the medium in order, the last may end in the middle
 *     ORDERED       like ext4 with data=ordered: names, sizes and bytes survive up to one point in the order
 * of all changes, never before the last sync; of the write at that point any sectors ADVERSARIAL   each
 * change by itself, any sectors of it; names are safe only by a sync of the directory, as the unix VFS asks
 * for it: the first sync of a new journal or WAL, and xDelete with syncDir
 *
 *     KEPT          all of it reached the medium           TORN      changes are kept, lost or kept in part,
 * by LOST          none of it did                                   sectors of 512 bytes SUBSET        some
 * of it, whole                      GARBAGE   the same, and what was lost of a sector's new bytes may be
 * noise
 *
 * Only bytes that were being written change (powersafe overwrite, which SQLite's unix VFS takes for granted).
 *
 * A sync that fails is reported once, as on Linux: each pending change of the file has reached the medium or
 * never will, what programs see does not tell which, and the next sync answers that all is well. EINTR and
 * counts that are merely short are finished below this: unixRead and unixWrite loop; what is called short
 * here ends with an error after a part. Like there, xAccess cannot fail and a failed sync of the directory
 * after a new journal's first sync goes unnoticed.
 *
 * Shared memory and locks are those of one process. All is deterministic: the same calls and the same seed
 * give the same bytes. Not for several threads. */
#ifndef SUMU_TESTS_PLATTER_H
#define SUMU_TESTS_PLATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum platter_device { PLATTER_IDEAL, PLATTER_ORDERED, PLATTER_ADVERSARIAL, PLATTER_DEVICES };
enum platter_fate {
        PLATTER_KEPT,
        PLATTER_LOST,
        PLATTER_SUBSET,
        PLATTER_TORN,
        PLATTER_GARBAGE,
        PLATTER_FATES
};

struct platter;

struct platter *platter_new(const char *folder);
void platter_free(struct platter *p); /* its databases are closed */

/* ---- power */

/* From now on every call fails; handles opened before stay dead for ever. */
void platter_cut(struct platter *p);
/* The same at the nth change from now (from 0), which is under way when it happens. */
void platter_cut_at(struct platter *p, uint64_t nth);
bool platter_is_off(const struct platter *p);
void platter_on(struct platter *p, enum platter_device d, enum platter_fate f, uint64_t seed);

/* Makes `to` what `from` would be after a cut at this moment. */
void platter_after_cut(struct platter *to, const struct platter *from, enum platter_device d,
                       enum platter_fate f, uint64_t seed);

/* Makes `to` what `from` would be if only its programs were killed: they see what was seen, and bytes that
 * were not synced still are not. Names count as safe: db.c syncs the real folder when it opens a file. */
void platter_after_kill(struct platter *to, const struct platter *from);

/* Makes `to` a copy of what programs see on `from`, all of it safe: a backup, or its restoring. */
void platter_copy(struct platter *to, const struct platter *from);

/* Called before every change: write, truncation, sync, new or deleted name. NULL: no more. */
typedef void platter_watch_fn(void *ctx);
void platter_watch(struct platter *p, platter_watch_fn *fn, void *ctx);
uint64_t platter_changes(const struct platter *p); /* of bytes and names, since power came on */

/* ---- faults */

enum platter_fault {
        PLATTER_EIO,         /* of any call */
        PLATTER_ENOSPC,      /* of one that may need room */
        PLATTER_SHORT_READ,  /* part of the bytes, then EIO */
        PLATTER_SHORT_WRITE, /* part of the bytes, then ENOSPC */
        PLATTER_SYNC,        /* of a sync: EIO */
        PLATTER_FAULTS
};
const char *platter_fault_word(enum platter_fault f);

/* The nth call from now (from 0) that this fault can meet fails; with for_good all that follow it too. */
void platter_fail(struct platter *p, enum platter_fault f, uint64_t nth, bool for_good);
void platter_heal(struct platter *p);
uint64_t platter_failed(const struct platter *p);       /* calls, since the last platter_fail */
uint64_t platter_failed_syncs(const struct platter *p); /* of these */

/* What fsync of the folder does to a platter's names; false: it failed. Programs linked with
 * -Wl,--wrap=fsync call it without knowing (platter_fsync.c). */
bool platter_sync_folder(const char *folder);

void platter_lie(struct platter *p); /* syncs that do nothing, and say they did */

/* ---- the bytes at rest */

uint64_t platter_print(const struct platter *p); /* a fingerprint of all names and all that is safe */
size_t platter_size(const struct platter *p, const char *path); /* 0: not there, or empty */
void platter_flip(struct platter *p, const char *path, size_t bit);

#endif
