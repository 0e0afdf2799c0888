/* The order of changes counts all files and names of a platter together. A change belongs to its file until a
 * sync carries it out on the safe bytes; a name's change belongs to the platter until the directory is
 * synced.
 *
 * A file outlives its name while a handle is open, and its platter's power while a dead handle is: it is
 * counted. Handles remember the life of the platter in which they were opened. */
#include "lib/platter.h"

#include "base/check.h"
#include "lib/seed.h"

#include <errno.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, PATH_MOST = 512, SHM_SLOTS = SQLITE_SHM_NLOCK };

enum { BLOCK = 4096 };

struct block { /* shared by copies of a file until one of them writes */
        unsigned refs;
        uint64_t print; /* 0: not known */
        uint8_t v[BLOCK];
};

struct bytes {
        struct block **v; /* NULL: zeros */
        size_t blocks, n;
};

struct change { /* of a file: bytes written, or without bytes its new size */
        uint64_t order;
        size_t at, n;
        uint8_t *bytes;
};

struct handle;

struct file {
        unsigned refs;
        struct bytes seen, safe;
        struct change *changes; /* pending */
        size_t n_changes, cap_changes;

        unsigned shared; /* locks of the file, as in unixLock */
        struct handle *writer;
        bool closing_in; /* PENDING or EXCLUSIVE: no new readers */

        unsigned shm_users; /* the WAL index: gone with its last user */
        uint8_t **regions;
        size_t n_regions;
        int shm_locks[SHM_SLOTS]; /* readers; -1: exclusive */
};

struct name {
        uint64_t order; /* of a pending change */
        char *path;
        struct file *file; /* NULL, of a pending change: deleted */
};

struct names {
        struct name *v;
        size_t n, cap;
};

struct platter {
        struct platter *next;
        char folder[PATH_MOST];
        struct names seen, safe, changes;
        uint64_t order, synced; /* the last change; the one before the last sync */
        uint64_t life;
        bool off, lies;
        bool cutting;
        uint64_t cut_in;
        platter_watch_fn *watch;
        void *watch_ctx;
        bool failing;
        enum platter_fault fault;
        uint64_t fail_in;
        bool for_good;
        uint64_t failed, failed_syncs;
        struct seed coin;
};

struct handle {
        sqlite3_file base;
        struct platter *platter;
        struct file *file;
        char *path;
        uint64_t life;
        int lock;
        bool delete_on_close, sync_names, keeps_wal, shm;
        unsigned shm_shared, shm_exclusive; /* bits of slots */
};

static struct platter *platters;
static int last_errno;

/* ---- bytes */

static void block_drop(struct block *b)
{
        if (b && --b->refs == 0)
                free(b);
}

/* The block, for writing: nobody else sees it. */
static struct block *block_own(struct bytes *b, size_t i)
{
        struct block *old = b->v[i];
        if (!old || old->refs > 1) {
                struct block *own = malloc(sizeof *own);
                PRE(own);
                if (old)
                        memcpy(own->v, old->v, BLOCK);
                else
                        memset(own->v, 0, BLOCK);
                own->refs = 1;
                block_drop(old);
                b->v[i] = own;
        }
        b->v[i]->print = 0;
        return b->v[i];
}

static void bytes_resize(struct bytes *b, size_t n)
{
        size_t blocks = (n + BLOCK - 1) / BLOCK;
        while (b->blocks > blocks)
                block_drop(b->v[--b->blocks]);
        if (n < b->n && n % BLOCK && b->v[n / BLOCK])
                memset(block_own(b, n / BLOCK)->v + n % BLOCK, 0, BLOCK - n % BLOCK);
        if (b->blocks < blocks) {
                b->v = realloc(b->v, blocks * sizeof *b->v);
                PRE(b->v);
                while (b->blocks < blocks)
                        b->v[b->blocks++] = NULL;
        }
        b->n = n;
}

static void bytes_write(struct bytes *b, size_t at, const uint8_t *from, size_t n)
{
        if (at + n > b->n)
                bytes_resize(b, at + n);
        for (size_t part; n > 0; at += part, from += part, n -= part) {
                part = BLOCK - at % BLOCK < n ? BLOCK - at % BLOCK : n;
                memcpy(block_own(b, at / BLOCK)->v + at % BLOCK, from, part);
        }
}

static void bytes_read(const struct bytes *b, size_t at, uint8_t *to, size_t n)
{
        for (size_t part; n > 0; at += part, to += part, n -= part) {
                part = BLOCK - at % BLOCK < n ? BLOCK - at % BLOCK : n;
                if (b->v[at / BLOCK])
                        memcpy(to, b->v[at / BLOCK]->v + at % BLOCK, part);
                else
                        memset(to, 0, part);
        }
}

static struct bytes bytes_copy(const struct bytes *from)
{
        struct bytes b = {calloc(from->blocks + 1, sizeof *b.v), from->blocks, from->n};
        PRE(b.v);
        for (size_t i = 0; i < b.blocks; i++)
                if ((b.v[i] = from->v[i]))
                        b.v[i]->refs++;
        return b;
}

static void bytes_free(struct bytes *b)
{
        bytes_resize(b, 0);
        free(b->v);
}

static uint64_t print_of(const void *p, size_t n)
{
        uint8_t digest[crypto_generichash_BYTES_MIN];
        uint64_t print;
        crypto_generichash(digest, sizeof digest, p, n, NULL, 0);
        memcpy(&print, digest, sizeof print);
        return print | 1;
}

static uint64_t bytes_print(const struct bytes *b)
{
        uint64_t print = b->n;
        for (size_t i = 0; i < b->blocks; i++) {
                if (b->v[i] && !b->v[i]->print)
                        b->v[i]->print = print_of(b->v[i]->v, BLOCK);
                print = (print ^ (b->v[i] ? b->v[i]->print : 0)) * UINT64_C(0x9e3779b97f4a7c15);
        }
        return print;
}

static void change_carry_out(const struct change *c, struct bytes *b)
{
        if (c->bytes)
                bytes_write(b, c->at, c->bytes, c->n);
        else
                bytes_resize(b, c->at);
}

/* ---- files and names */

static struct file *file_new(void)
{
        struct file *f = calloc(1, sizeof *f);
        PRE(f);
        return f;
}

static void shm_free(struct file *f)
{
        for (size_t i = 0; i < f->n_regions; i++)
                free(f->regions[i]);
        free(f->regions);
        f->regions = NULL;
        f->n_regions = 0;
}

static void changes_free(struct file *f)
{
        for (size_t i = 0; i < f->n_changes; i++)
                free(f->changes[i].bytes);
        f->n_changes = 0;
}

static void file_drop(struct file *f)
{
        if (!f || --f->refs > 0)
                return;
        changes_free(f);
        shm_free(f);
        free(f->changes);
        bytes_free(&f->seen);
        bytes_free(&f->safe);
        free(f);
}

static struct file *file_keep(struct file *f)
{
        if (f)
                f->refs++;
        return f;
}

/* The bytes are copied. */
static struct change *change_keep(struct file *f, struct change c)
{
        if (f->n_changes == f->cap_changes) {
                f->cap_changes = f->cap_changes ? f->cap_changes * 2 : 16;
                f->changes = realloc(f->changes, f->cap_changes * sizeof *f->changes);
                PRE(f->changes);
        }
        struct change *kept = &f->changes[f->n_changes++];
        *kept = c;
        if (c.bytes) {
                kept->bytes = malloc(c.n ? c.n : 1);
                PRE(kept->bytes);
                memcpy(kept->bytes, c.bytes, c.n);
        }
        return kept;
}

static void file_change(struct platter *p, struct file *f, size_t at, const void *bytes, size_t n)
{
        struct change c = {++p->order, at, n, (uint8_t *)bytes};
        change_carry_out(change_keep(f, c), &f->seen);
}

static struct name *names_find(const struct names *s, const char *path)
{
        for (size_t i = 0; i < s->n; i++)
                if (strcmp(s->v[i].path, path) == 0)
                        return &s->v[i];
        return NULL;
}

static void names_add(struct names *s, uint64_t order, const char *path, struct file *f)
{
        if (s->n == s->cap) {
                s->cap = s->cap ? s->cap * 2 : 8;
                s->v = realloc(s->v, s->cap * sizeof *s->v);
                PRE(s->v);
        }
        s->v[s->n] = (struct name){order, strdup(path), file_keep(f)};
        PRE(s->v[s->n++].path);
}

static void names_remove(struct names *s, const char *path)
{
        struct name *n = names_find(s, path);
        if (!n)
                return;
        free(n->path);
        file_drop(n->file);
        *n = s->v[--s->n];
}

static void names_free(struct names *s)
{
        while (s->n)
                names_remove(s, s->v[0].path);
        free(s->v);
        *s = (struct names){0};
}

static void name_carry_out(const struct name *c, struct names *s)
{
        names_remove(s, c->path);
        if (c->file)
                names_add(s, 0, c->path, c->file);
}

static void name_change(struct platter *p, const char *path, struct file *f)
{
        names_add(&p->changes, ++p->order, path, f);
        name_carry_out(&p->changes.v[p->changes.n - 1], &p->seen);
}

static void sync_names(struct platter *p)
{
        for (size_t i = 0; i < p->changes.n; i++)
                name_carry_out(&p->changes.v[i], &p->safe);
        names_free(&p->changes);
}

/* ---- fate */

struct judgement {
        enum platter_device device;
        enum platter_fate fate;
        struct seed dice;
        uint64_t floor,
            point; /* ORDERED and IDEAL: changes up to floor are safe, that at point is the last */
};

enum survival { GONE, TORN, WHOLE };

static enum survival survival(struct judgement *j, uint64_t order)
{
        bool orderly = j->device != PLATTER_ADVERSARIAL, tears = j->fate > PLATTER_SUBSET;
        if (j->fate == PLATTER_KEPT || (orderly && order <= j->floor))
                return WHOLE;
        if (j->fate == PLATTER_LOST)
                return GONE;
        if (orderly)
                return order < j->point ? WHOLE : order == j->point && tears ? TORN : GONE;
        switch (seed_below(&j->dice, tears ? 3 : 2)) {
        case 0: return GONE;
        case 1: return WHOLE;
        default: return TORN;
        }
}

/* The part of a write in one sector, kept, lost or spoilt. */
static void write_part(struct judgement *j, struct bytes *b, const struct change *c, size_t from, size_t n,
                       bool keep)
{
        uint8_t noise[SECTOR];
        if (keep) {
                bytes_write(b, from, c->bytes + (from - c->at), n);
        } else if (j->fate == PLATTER_GARBAGE && seed_below(&j->dice, 2)) {
                for (size_t i = 0; i < n; i++)
                        noise[i] = (uint8_t)seed_next(&j->dice);
                bytes_write(b, from, noise, n);
        }
}

static void tear(struct judgement *j, struct bytes *b, const struct change *c)
{
        if (!c->bytes || c->n == 0)
                return; /* a size is the old one or the new one */
        size_t end = c->at + c->n, stop = c->at + (size_t)seed_below(&j->dice, c->n + 1);
        if (end > b->n)
                bytes_resize(b, end);
        for (size_t from = c->at, n; from < end; from += n) {
                n = SECTOR - from % SECTOR;
                if (n > end - from)
                        n = end - from;
                bool keep = j->device == PLATTER_IDEAL ? from + n <= stop : seed_below(&j->dice, 2);
                write_part(j, b, c, from, n, keep);
        }
}

static struct file *file_after(struct judgement *j, const struct file *f)
{
        struct file *after = file_new();
        after->safe = bytes_copy(&f->safe);
        for (size_t i = 0; i < f->n_changes; i++) {
                enum survival s = survival(j, f->changes[i].order);
                if (s == WHOLE)
                        change_carry_out(&f->changes[i], &after->safe);
                else if (s == TORN)
                        tear(j, &after->safe, &f->changes[i]);
        }
        after->seen = bytes_copy(&after->safe);
        return after;
}

static struct names names_after(struct judgement *j, const struct platter *p)
{
        struct names after = {0};
        for (size_t i = 0; i < p->safe.n; i++)
                names_add(&after, 0, p->safe.v[i].path, p->safe.v[i].file);
        for (size_t i = 0; i < p->changes.n; i++)
                if (j->device == PLATTER_IDEAL || survival(j, p->changes.v[i].order) == WHOLE)
                        name_carry_out(&p->changes.v[i], &after);
        for (size_t i = 0; i < after.n; i++) {
                struct file *f = file_after(j, after.v[i].file);
                file_drop(after.v[i].file);
                after.v[i].file = file_keep(f);
        }
        return after;
}

/* The path of a name under the folder of another platter. */
static const char *moved(const struct platter *to, const struct platter *from, const char *path)
{
        static char room[2 * PATH_MOST];
        snprintf(room, sizeof room, "%s%s", to->folder, path + strlen(from->folder));
        return room;
}

/* Takes over files that nobody else holds. */
static void begin_life(struct platter *to, const struct platter *from, struct names *files)
{
        names_free(&to->changes);
        names_free(&to->seen);
        names_free(&to->safe);
        for (size_t i = 0; i < files->n; i++) {
                const char *path = moved(to, from, files->v[i].path);
                names_add(&to->seen, 0, path, files->v[i].file);
                names_add(&to->safe, 0, path, files->v[i].file);
        }
        names_free(files);
        to->order = to->synced = 0;
        to->off = to->cutting = to->failing = false;
        to->life++;
}

void platter_after_cut(struct platter *to, const struct platter *from, enum platter_device d,
                       enum platter_fate f, uint64_t seed)
{
        struct judgement j = {d, f, seed_from(seed), from->synced, 0};
        j.point = from->synced + 1 + seed_below(&j.dice, from->order - from->synced + 1);
        struct names files = names_after(&j, from);
        begin_life(to, from, &files);
}

void platter_on(struct platter *p, enum platter_device d, enum platter_fate f, uint64_t seed)
{
        platter_after_cut(p, p, d, f, seed);
}

void platter_copy(struct platter *to, const struct platter *from)
{
        struct names files = {0};
        for (size_t i = 0; i < from->seen.n; i++) {
                struct file *f = file_new();
                f->safe = bytes_copy(&from->seen.v[i].file->seen);
                f->seen = bytes_copy(&f->safe);
                names_add(&files, 0, from->seen.v[i].path, f);
        }
        begin_life(to, from, &files);
}

static struct file *file_copy(const struct file *f)
{
        struct file *copy = file_new();
        copy->seen = bytes_copy(&f->seen);
        copy->safe = bytes_copy(&f->safe);
        for (size_t i = 0; i < f->n_changes; i++)
                change_keep(copy, f->changes[i]);
        return copy;
}

void platter_after_kill(struct platter *to, const struct platter *from)
{
        struct names files = {0};
        for (size_t i = 0; i < from->seen.n; i++)
                names_add(&files, 0, from->seen.v[i].path, file_copy(from->seen.v[i].file));
        begin_life(to, from, &files);
        to->order = from->order;
        to->synced = from->synced;
}

void platter_cut(struct platter *p)
{
        p->off = true;
}

void platter_cut_at(struct platter *p, uint64_t nth)
{
        p->cutting = true;
        p->cut_in = nth;
}

bool platter_is_off(const struct platter *p)
{
        return p->off;
}

void platter_watch(struct platter *p, platter_watch_fn *fn, void *ctx)
{
        p->watch = fn;
        p->watch_ctx = ctx;
}

uint64_t platter_changes(const struct platter *p)
{
        return p->order;
}

/* ---- faults */

static const char *const fault_words[] = {"EIO", "ENOSPC", "short read", "short write", "failed sync"};

const char *platter_fault_word(enum platter_fault f)
{
        return fault_words[f];
}

void platter_fail(struct platter *p, enum platter_fault f, uint64_t nth, bool for_good)
{
        p->failing = true;
        p->fault = f;
        p->fail_in = nth;
        p->for_good = for_good;
        p->failed = p->failed_syncs = 0;
}

void platter_heal(struct platter *p)
{
        p->failing = false;
}

uint64_t platter_failed(const struct platter *p)
{
        return p->failed;
}

uint64_t platter_failed_syncs(const struct platter *p)
{
        return p->failed_syncs;
}

void platter_lie(struct platter *p)
{
        p->lies = true;
}

#define MEETS(fault) (1u << PLATTER_##fault)

/* Is it this call's turn to fail? */
static bool fails(struct platter *p, unsigned meets)
{
        if (!p->failing || !(meets & 1u << p->fault))
                return false;
        if (p->fail_in > 0) {
                p->fail_in--;
                return false;
        }
        p->failing = p->for_good;
        p->failed++;
        last_errno = p->fault == PLATTER_ENOSPC || p->fault == PLATTER_SHORT_WRITE ? ENOSPC : EIO;
        return true;
}

/* ---- a call */

static struct handle *of(sqlite3_file *f)
{
        return (struct handle *)f;
}

static bool is_dead(const struct handle *h)
{
        if (!h->platter->off && h->platter->life == h->life)
                return false;
        last_errno = EIO;
        return true;
}

/* A change begins. true: the power goes off while it is under way. */
static bool change_begins(struct platter *p)
{
        if (p->watch)
                p->watch(p->watch_ctx);
        if (!p->cutting || p->cut_in-- > 0)
                return false;
        p->cutting = false;
        p->off = true;
        last_errno = EIO;
        return true;
}

static int file_close(sqlite3_file *base)
{
        struct handle *h = of(base);
        struct platter *p = h->platter;
        if (h->delete_on_close && !is_dead(h))
                name_change(p, h->path, NULL);
        free(h->path);
        file_drop(h->file);
        h->base.pMethods = NULL;
        return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *to, int amount, sqlite3_int64 at)
{
        struct handle *h = of(base);
        const struct bytes *b = &h->file->seen;
        size_t want = (size_t)amount, from = (size_t)at;
        if (is_dead(h) || fails(h->platter, MEETS(EIO)))
                return SQLITE_IOERR_READ;
        size_t there = from >= b->n ? 0 : b->n - from < want ? b->n - from : want;
        bool part = fails(h->platter, MEETS(SHORT_READ));
        if (part)
                there /= 2;
        bytes_read(b, from, to, there);
        if (part)
                return SQLITE_IOERR_READ;
        if (there == want)
                return SQLITE_OK;
        memset((uint8_t *)to + there, 0, want - there);
        return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *from, int amount, sqlite3_int64 at)
{
        struct handle *h = of(base);
        if (is_dead(h))
                return SQLITE_IOERR_WRITE;
        bool cut = change_begins(h->platter);
        if (fails(h->platter, MEETS(EIO)))
                return SQLITE_IOERR_WRITE;
        if (fails(h->platter, MEETS(ENOSPC)))
                return SQLITE_FULL;
        bool part = fails(h->platter, MEETS(SHORT_WRITE));
        file_change(h->platter, h->file, (size_t)at, from, (size_t)(part ? amount / 2 : amount));
        return cut ? SQLITE_IOERR_WRITE : part ? SQLITE_FULL : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
        struct handle *h = of(base);
        if (is_dead(h))
                return SQLITE_IOERR_TRUNCATE;
        bool cut = change_begins(h->platter);
        if (fails(h->platter, MEETS(EIO)))
                return SQLITE_IOERR_TRUNCATE;
        file_change(h->platter, h->file, (size_t)size, NULL, 0);
        return cut ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

/* The kernel tells it once, marks all as clean and forgets. */
static int fail_sync(struct platter *p, struct file *f)
{
        p->failed_syncs++;
        for (size_t i = 0; i < f->n_changes; i++)
                if (seed_below(&p->coin, 2))
                        change_carry_out(&f->changes[i], &f->safe);
        changes_free(f);
        return SQLITE_IOERR_FSYNC;
}

static int file_sync(sqlite3_file *base, int flags)
{
        struct handle *h = of(base);
        struct platter *p = h->platter;
        (void)flags;
        if (is_dead(h) || change_begins(p))
                return SQLITE_IOERR_FSYNC;
        if (fails(p, MEETS(EIO) | MEETS(SYNC)))
                return fail_sync(p, h->file);
        if (p->lies)
                return SQLITE_OK;
        for (size_t i = 0; i < h->file->n_changes; i++)
                change_carry_out(&h->file->changes[i], &h->file->safe);
        changes_free(h->file);
        p->synced = p->order;
        if (h->sync_names && !fails(p, MEETS(EIO) | MEETS(SYNC)))
                sync_names(p);
        h->sync_names = false;
        return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
        struct handle *h = of(base);
        if (is_dead(h) || fails(h->platter, MEETS(EIO)))
                return SQLITE_IOERR_FSTAT;
        *size = (sqlite3_int64)h->file->seen.n;
        return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
        struct handle *h = of(base);
        struct file *f = h->file;
        if (is_dead(h))
                return SQLITE_IOERR_LOCK;
        if (level <= h->lock)
                return SQLITE_OK;
        if (level == SQLITE_LOCK_SHARED) {
                if (f->closing_in)
                        return SQLITE_BUSY;
                f->shared++;
        } else {
                if (f->writer && f->writer != h)
                        return SQLITE_BUSY;
                f->writer = h;
                f->closing_in = level > SQLITE_LOCK_RESERVED;
                if (level == SQLITE_LOCK_EXCLUSIVE && f->shared > 1) {
                        h->lock = SQLITE_LOCK_PENDING;
                        return SQLITE_BUSY;
                }
        }
        h->lock = level;
        return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
        struct handle *h = of(base);
        struct file *f = h->file;
        if (level >= h->lock)
                return SQLITE_OK;
        if (f->writer == h) {
                f->writer = NULL;
                f->closing_in = false;
        }
        if (level == SQLITE_LOCK_NONE)
                f->shared--;
        h->lock = level;
        return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *out)
{
        struct handle *h = of(base);
        *out = h->file->writer != NULL;
        return is_dead(h) ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
        struct handle *h = of(base);
        if (op != SQLITE_FCNTL_PERSIST_WAL)
                return SQLITE_NOTFOUND;
        int *on = arg;
        if (*on >= 0)
                h->keeps_wal = *on;
        *on = h->keeps_wal;
        return SQLITE_OK;
}

static int file_sector(sqlite3_file *base)
{
        (void)base;
        return 4096; /* unix VFS */
}

static int file_traits(sqlite3_file *base)
{
        (void)base;
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory */

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
        struct handle *h = of(base);
        struct file *f = h->file;
        *out = NULL;
        if (is_dead(h))
                return SQLITE_IOERR_SHMMAP;
        if (!h->shm) {
                h->shm = true;
                f->shm_users++;
        }
        if ((size_t)region >= f->n_regions) {
                if (!extend)
                        return SQLITE_OK;
                if (fails(h->platter, MEETS(EIO) | MEETS(ENOSPC)))
                        return SQLITE_IOERR_SHMSIZE;
                f->regions = realloc(f->regions, ((size_t)region + 1) * sizeof *f->regions);
                PRE(f->regions);
                for (; f->n_regions <= (size_t)region; f->n_regions++) {
                        f->regions[f->n_regions] = calloc(1, (size_t)size);
                        PRE(f->regions[f->n_regions]);
                }
        }
        *out = f->regions[region];
        return SQLITE_OK;
}

static void shm_release(struct handle *h, unsigned slots)
{
        for (unsigned i = 0; i < SHM_SLOTS; i++) {
                unsigned bit = 1u << i & slots;
                if (h->shm_exclusive & bit)
                        h->file->shm_locks[i] = 0;
                else if (h->shm_shared & bit)
                        h->file->shm_locks[i]--;
        }
        h->shm_exclusive &= ~slots;
        h->shm_shared &= ~slots;
}

static int shm_lock(sqlite3_file *base, int first, int n, int flags)
{
        struct handle *h = of(base);
        int *locks = h->file->shm_locks;
        unsigned slots = ((1u << n) - 1) << first;
        if (flags & SQLITE_SHM_UNLOCK) {
                shm_release(h, slots);
                return SQLITE_OK;
        }
        if (is_dead(h))
                return SQLITE_IOERR_SHMLOCK;
        bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
        for (int i = first; i < first + n; i++)
                if (!(h->shm_exclusive & 1u << i) && (exclusive ? locks[i] != 0 : locks[i] < 0))
                        return SQLITE_BUSY;
        for (int i = first; i < first + n; i++)
                if (exclusive)
                        locks[i] = -1;
                else if (!(h->shm_shared & 1u << i))
                        locks[i]++;
        *(exclusive ? &h->shm_exclusive : &h->shm_shared) |= slots;
        return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
        (void)base; /* one thread */
}

static int shm_unmap(sqlite3_file *base, int delete)
{
        struct handle *h = of(base);
        (void)delete;
        if (!h->shm)
                return SQLITE_OK;
        shm_release(h, (1u << SHM_SLOTS) - 1);
        h->shm = false;
        if (--h->file->shm_users == 0)
                shm_free(h->file);
        return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the file system */

static sqlite3_vfs *below(sqlite3_vfs *v)
{
        return v->pAppData;
}

static struct platter *platter_of(const char *path)
{
        for (struct platter *p = platters; path && p; p = p->next) {
                size_t n = strlen(p->folder);
                if (strncmp(path, p->folder, n) == 0 && path[n] == '/')
                        return p;
        }
        return NULL;
}

static int cannot_open(int number)
{
        last_errno = number;
        return SQLITE_CANTOPEN;
}

static int vfs_open(sqlite3_vfs *v, const char *path, sqlite3_file *base, int flags, int *out)
{
        struct platter *p = platter_of(path);
        if (!p) {
                last_errno = 0;
                return below(v)->xOpen(below(v), path, base, flags, out);
        }
        struct handle *h = of(base);
        const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
        struct name *name = names_find(&p->seen, path);
        bool fresh = !name && (flags & SQLITE_OPEN_CREATE);
        *h = (struct handle){0};
        if (p->off || fails(p, MEETS(EIO)) || (fresh && fails(p, MEETS(ENOSPC))))
                return cannot_open(p->off ? EIO : last_errno);
        if (!name && !fresh)
                return cannot_open(ENOENT);
        if (fresh) {
                bool cut = change_begins(p);
                name_change(p, path, file_new());
                if (cut)
                        return cannot_open(EIO);
                name = names_find(&p->seen, path);
        }
        *h = (struct handle){.base.pMethods = &methods,
                             .platter = p,
                             .file = file_keep(name->file),
                             .path = strdup(path),
                             .life = p->life,
                             .delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE,
                             .sync_names = (flags & SQLITE_OPEN_CREATE) && (flags & journals)};
        PRE(h->path);
        if (out)
                *out = flags;
        return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *path, int sync_folder)
{
        struct platter *p = platter_of(path);
        if (!p)
                return below(v)->xDelete(below(v), path, sync_folder);
        if (p->off)
                return SQLITE_IOERR_DELETE;
        if (!names_find(&p->seen, path)) {
                last_errno = ENOENT;
                return SQLITE_IOERR_DELETE_NOENT;
        }
        bool cut = change_begins(p);
        if (fails(p, MEETS(EIO)))
                return SQLITE_IOERR_DELETE;
        name_change(p, path, NULL);
        if (cut)
                return SQLITE_IOERR_DELETE;
        if (!sync_folder)
                return SQLITE_OK;
        if (change_begins(p))
                return SQLITE_IOERR_DIR_FSYNC;
        if (fails(p, MEETS(EIO) | MEETS(SYNC))) {
                p->failed_syncs++;
                return SQLITE_IOERR_DIR_FSYNC;
        }
        if (!p->lies)
                sync_names(p);
        return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
        struct platter *p = platter_of(path);
        if (!p)
                return below(v)->xAccess(below(v), path, flags, out);
        const struct name *name = p->off ? NULL : names_find(&p->seen, path);
        *out = name && (flags != SQLITE_ACCESS_EXISTS || name->file->seen.n > 0); /* as unixAccess */
        return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *v, const char *path, int room, char *out)
{
        if (!platter_of(path))
                return below(v)->xFullPathname(below(v), path, room, out);
        return snprintf(out, (size_t)room, "%s", path) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The salts of the log: any will do, if they are the same ones every time. */
static int vfs_randomness(sqlite3_vfs *v, int n, char *out)
{
        (void)v;
        struct seed s = seed_from(1);
        for (int i = 0; i < n; i++)
                out[i] = (char)seed_next(&s);
        return n;
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
        (void)v;
        return us; /* one thread: nobody would move meanwhile */
}

static int vfs_current_time(sqlite3_vfs *v, sqlite3_int64 *ms)
{
        return below(v)->xCurrentTimeInt64(below(v), ms);
}

static int vfs_last_error(sqlite3_vfs *v, int n, char *text)
{
        return last_errno ? last_errno : below(v)->xGetLastError(below(v), n, text);
}

static void register_vfs(void)
{
        static sqlite3_vfs vfs;
        sqlite3_vfs *real = sqlite3_vfs_find(NULL);
        if (vfs.zName)
                return;
        vfs = (sqlite3_vfs){.iVersion = 2,
                            .szOsFile = (int)sizeof(struct handle),
                            .mxPathname = PATH_MOST,
                            .zName = "platter",
                            .pAppData = real,
                            .xOpen = vfs_open,
                            .xDelete = vfs_delete,
                            .xAccess = vfs_access,
                            .xFullPathname = vfs_full_path,
                            .xRandomness = vfs_randomness,
                            .xSleep = vfs_sleep,
                            .xGetLastError = vfs_last_error,
                            .xCurrentTimeInt64 = vfs_current_time};
        if (real->szOsFile > vfs.szOsFile)
                vfs.szOsFile = real->szOsFile;
        PRE(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

struct platter *platter_new(const char *folder)
{
        register_vfs();
        struct platter *p = calloc(1, sizeof *p);
        PRE(p && strlen(folder) < sizeof p->folder);
        snprintf(p->folder, sizeof p->folder, "%s", folder);
        p->next = platters;
        platters = p;
        return p;
}

void platter_free(struct platter *p)
{
        if (!p)
                return;
        for (struct platter **at = &platters; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        break;
                }
        names_free(&p->changes);
        names_free(&p->seen);
        names_free(&p->safe);
        free(p);
}

/* ---- the folder */

bool platter_sync_folder(const char *folder)
{
        struct platter *p = platters;
        while (p && strcmp(p->folder, folder) != 0)
                p = p->next;
        if (!p)
                return true;
        if (p->off || change_begins(p))
                return false;
        if (fails(p, MEETS(EIO) | MEETS(SYNC))) {
                p->failed_syncs++;
                return false;
        }
        if (!p->lies)
                sync_names(p);
        return true;
}

/* ---- the bytes at rest */

uint64_t platter_print(const struct platter *p)
{
        uint64_t print = 0;
        for (size_t i = 0; i < p->safe.n; i++) { /* in whatever order: they are added up */
                const char *name = p->safe.v[i].path + strlen(p->folder);
                print += print_of(name, strlen(name)) * bytes_print(&p->safe.v[i].file->safe);
        }
        return print;
}

size_t platter_size(const struct platter *p, const char *path)
{
        const struct name *n = names_find(&p->seen, path);
        return n ? n->file->seen.n : 0;
}

static void flip(struct bytes *b, size_t bit)
{
        PRE(bit / 8 < b->n);
        block_own(b, bit / 8 / BLOCK)->v[bit / 8 % BLOCK] ^= (uint8_t)(1u << bit % 8);
}

void platter_flip(struct platter *p, const char *path, size_t bit)
{
        struct name *n = names_find(&p->seen, path);
        PRE(n);
        flip(&n->file->seen, bit);
        flip(&n->file->safe, bit);
}
