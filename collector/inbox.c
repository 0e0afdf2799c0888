/* Files are opened and moved relative to open folders, so one that is renamed under us cannot mix them up.
 *
 * Order on taking: commit, then move. A crash between the two leaves a file that the outbox knows by inode,
 * size, time and digest; it is then only moved. Order on refusing: the errors file first, then the move; a
 * crash between them repeats both. */
#include "collector/inbox.h"

#include "base/check.h"
#include "base/log.h"
#include "base/planted.h"
#include "loop/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sodium/crypto_generichash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct sight { /* a file as the last look saw it */
        char *name;
        uint64_t inode, size;
        int64_t mtime_ns;
        int64_t since_ms; /* it has looked so since */
        bool told;        /* why it is left alone has been logged */
};

struct sights {
        struct sight *v;
        size_t n, cap;
};

enum { HERE, DONE, REJECTED_FOLDER, FOLDERS };
static const char *const folder_names[] = {".", "done", "rejected"};

struct inbox {
        char *dir;
        int folder[FOLDERS];
        struct inbox_host host;
        struct sights seen;
        size_t *ripe; /* places in `seen`, oldest file first */
        size_t n_ripe, next;
        bool waiting; /* host.waits was told a sentence */
        bool waits;   /* and it still holds: of the files of the last look one has to wait */
};

/* ---- waiting */

static void waits(struct inbox *in, struct sight *s, const char *sentence)
{
        char text[600];
        snprintf(text, sizeof text, "%s: %s", s ? s->name : in->dir, sentence);
        if (!s || !s->told)
                log_warn("inbox: a file waits", "file", s ? s->name : in->dir, "why", sentence, NULL);
        if (s)
                s->told = true;
        in->waiting = in->waits = true;
        in->host.waits(in->host.ctx, text);
}

/* All files of a look have had their turn. */
static void waits_no_more(struct inbox *in)
{
        if (in->waiting && !in->waits)
                in->host.waits(in->host.ctx, NULL);
        in->waiting = in->waits;
}

/* ---- looking */

static void sights_clear(struct sights *s)
{
        for (size_t i = 0; i < s->n; i++)
                free(s->v[i].name);
        free(s->v);
        *s = (struct sights){0};
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct sight *)a)->name, ((const struct sight *)b)->name);
}

static bool ends_with(const char *name, const char *end)
{
        size_t n = strlen(name), m = strlen(end);
        return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* Hidden, or still being written by its own word. */
static bool is_passed_over(const char *name)
{
        return name[0] == '.' || ends_with(name, ".part") || ends_with(name, ".tmp");
}

static int64_t mtime_of(const struct stat *st)
{
        return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool is_same(const struct sight *s, const struct stat *st)
{
        return s->inode == st->st_ino && s->size == (uint64_t)st->st_size && s->mtime_ns == mtime_of(st);
}

static bool sights_add(struct sights *s, const char *name, const struct stat *st)
{
        if (s->n == s->cap) {
                size_t cap = s->cap ? s->cap * 2 : 64;
                struct sight *v = realloc(s->v, cap * sizeof *v);
                if (!v)
                        return false;
                s->v = v;
                s->cap = cap;
        }
        struct sight one = {.name = strdup(name),
                            .inode = st->st_ino,
                            .size = (uint64_t)st->st_size,
                            .mtime_ns = mtime_of(st)};
        if (one.name)
                s->v[s->n++] = one;
        return one.name;
}

/* Lists the regular files of the folder. */
static int scan(struct inbox *in, struct sights *out, struct err *e)
{
        int fd = openat(in->folder[HERE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d) {
                int code = err_set(e, E_IO, "%s: %s", in->dir, strerror(errno));
                if (fd >= 0)
                        close(fd);
                return code;
        }
        int code = 0;
        errno = 0;
        for (struct dirent *entry; code == 0 && (entry = readdir(d)); errno = 0) {
                struct stat st;
                if (is_passed_over(entry->d_name) ||
                    fstatat(in->folder[HERE], entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
                    !S_ISREG(st.st_mode))
                        continue;
                if (!sights_add(out, entry->d_name, &st))
                        code = err_set(e, E_MEM, "out of memory");
        }
        if (code == 0 && errno)
                code = err_set(e, E_IO, "%s: %s", in->dir, strerror(errno));
        closedir(d);
        return code;
}

/* What the look before knew of the same files goes over. */
static void carry_over(struct sights *now, const struct sights *before, int64_t now_ms)
{
        if (now->n > 0)
                qsort(now->v, now->n, sizeof *now->v, by_name);
        for (size_t i = 0; i < now->n; i++) {
                struct sight *s = &now->v[i];
                const struct sight *old =
                    before->n ? bsearch(s, before->v, before->n, sizeof *before->v, by_name) : NULL;
                bool still =
                    old && old->inode == s->inode && old->size == s->size && old->mtime_ns == s->mtime_ns;
                s->since_ms = still ? old->since_ms : now_ms;
                s->told = still && old->told;
        }
}

static int older_first(const void *a, const void *b, void *seen)
{
        const struct sight *v = seen, *x = &v[*(const size_t *)a], *y = &v[*(const size_t *)b];
        if (x->mtime_ns != y->mtime_ns)
                return x->mtime_ns < y->mtime_ns ? -1 : 1;
        return strcmp(x->name, y->name);
}

/* Corrections come later than what they correct, so the oldest file goes first. */
static int line_up(struct inbox *in, int64_t now_ms, struct err *e)
{
        free(in->ripe);
        in->n_ripe = in->next = 0;
        in->ripe = malloc((in->seen.n + 1) * sizeof *in->ripe);
        if (!in->ripe)
                return err_set(e, E_MEM, "out of memory");
        for (size_t i = 0; i < in->seen.n; i++)
                if (now_ms - in->seen.v[i].since_ms >= INBOX_STILL_MS)
                        in->ripe[in->n_ripe++] = i;
        qsort_r(in->ripe, in->n_ripe, sizeof *in->ripe, older_first, in->seen.v);
        return 0;
}

int inbox_look(struct inbox *in, int64_t now_ms, struct err *e)
{
        struct sights now = {0};
        int code = scan(in, &now, e);
        if (code < 0) {
                sights_clear(&now);
                return code;
        }
        carry_over(&now, &in->seen, now_ms);
        sights_clear(&in->seen);
        in->seen = now;
        code = line_up(in, now_ms, e);
        if (code < 0)
                return code;
        in->waits = false;
        if (in->n_ripe == 0)
                waits_no_more(in);
        return in->n_ripe < in->seen.n ? INBOX_STILL_MS : INBOX_LOOK_MS;
}

/* ---- moving */

/* NAME, then its stem with .2, .3 … before the extension. */
static void numbered(const char *name, unsigned n, char out[NAME_MAX + 16])
{
        const char *dot = strrchr(name, '.');
        int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
        if (n < 2)
                snprintf(out, NAME_MAX + 16, "%s", name);
        else
                snprintf(out, NAME_MAX + 16, "%.*s.%u%s", stem, name, n, name + stem);
}

static int sync_both(struct inbox *in, int from, int to, struct err *e)
{
        if (fsync(in->folder[to]) != 0 || fsync(in->folder[from]) != 0)
                return err_set(e, E_IO, "%s: %s", in->dir, strerror(errno));
        return 0;
}

/* Renames without replacing anything; `as`, as numbered, is the name it got. */
static int move(struct inbox *in, int from, int to, const char *name, unsigned *as, struct err *e)
{
        enum { TRIES = 10000 };
        char target[NAME_MAX + 16];
        for (; *as < TRIES; ++*as) {
                numbered(name, *as, target);
                if (renameat2(in->folder[from], name, in->folder[to], target, RENAME_NOREPLACE) == 0)
                        return sync_both(in, from, to, e);
                if (errno != EEXIST)
                        break;
        }
        return err_set(e, E_IO, "%s cannot be moved to %s/%s: %s", name, in->dir, folder_names[to],
                       strerror(errno));
}

/* The first number under which a file of that name would not meet another. */
static unsigned free_number(struct inbox *in, int to, const char *name)
{
        char target[NAME_MAX + 16];
        unsigned n = 1;
        struct stat st;
        do
                numbered(name, n, target);
        while (fstatat(in->folder[to], target, &st, AT_SYMLINK_NOFOLLOW) == 0 && ++n);
        return n;
}

static int write_reasons(struct inbox *in, const char *name, unsigned as, const struct reasons *reasons,
                         struct err *e)
{
        char target[NAME_MAX + 16], path[PATH_MAX];
        struct text csv = {0};
        numbered(name, as, target);
        if (snprintf(path, sizeof path, "%s/%s/%s.errors.csv", in->dir, folder_names[REJECTED_FOLDER],
                     target) >= (int)sizeof path)
                return err_set(e, E_LIMIT, "%s: the path is too long", in->dir);
        reasons_csv(reasons, in->host.lang, &csv);
        int code =
            text_failed(&csv) ? err_set(e, E_MEM, "out of memory") : file_write(path, csv.v, csv.n, 0644, e);
        text_close(&csv);
        return code;
}

static int reject(struct inbox *in, int from, const char *name, const struct reasons *reasons, struct err *e)
{
        unsigned as = free_number(in, REJECTED_FOLDER, name);
        int code = write_reasons(in, name, as, reasons, e);
        return code < 0 ? code : move(in, from, REJECTED_FOLDER, name, &as, e);
}

/* ---- taking one file */

enum taking { TAKEN, REFUSED, LATER, ALL_LATER };

struct candidate { /* one file on its way */
        struct inbox *in;
        struct sight *sight;
        int fd;
        struct text bytes;
        struct outbox_file identity;
        struct parcel parcel;
        struct err e;
};

/* A read lease is refused while anyone holds the file open for writing. Where leases are not to be had
 * (another owner's file, a file system without them), having stood still has to do. */
static bool is_written(int fd)
{
        if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
                return errno == EAGAIN;
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
}

static enum taking later(struct candidate *t, const char *why)
{
        waits(t->in, t->sight, why);
        return LATER;
}

static enum taking refuse_for(struct candidate *t, const struct reasons *reasons)
{
        if (reasons->failed)
                return later(t, "out of memory");
        if (reject(t->in, HERE, t->sight->name, reasons, &t->e) < 0)
                return later(t, t->e.text);
        log_info("inbox: file rejected", "file", t->sight->name, "why", reason_name(reasons->v[0].code),
                 NULL);
        t->in->host.refused(t->in->host.ctx);
        return REFUSED;
}

static enum taking refuse_code(struct candidate *t, enum reason_code code, const char *arg)
{
        struct reasons reasons = {0};
        reasons_add(&reasons, code, 0, NULL, arg, NULL, NULL);
        enum taking result = refuse_for(t, &reasons);
        reasons_close(&reasons);
        return result;
}

static int read_bytes(struct candidate *t)
{
        char buffer[64 * 1024];
        uint64_t left = t->sight->size;
        while (left > 0) {
                ssize_t n = read(t->fd, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set(&t->e, E_IO, "%s", strerror(errno));
                if (n == 0)
                        return err_set(&t->e, E_BUSY, "it became shorter while it was read");
                text_bytes(&t->bytes, buffer, (size_t)n);
                left -= (uint64_t)n;
        }
        return text_failed(&t->bytes) ? err_set(&t->e, E_MEM, "out of memory") : 0;
}

/* Opens and reads what the look saw, or says that it is not that any more. */
static int open_and_read(struct candidate *t)
{
        struct stat st;
        t->fd = openat(t->in->folder[HERE], t->sight->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (t->fd < 0 && errno == ENOENT)
                return err_set(&t->e, E_BUSY, "it is gone");
        if (t->fd < 0 || fstat(t->fd, &st) != 0)
                return err_set(&t->e, E_IO, "%s", strerror(errno));
        if (!S_ISREG(st.st_mode) || !is_same(t->sight, &st))
                return err_set(&t->e, E_BUSY, "it has changed");
        if (is_written(t->fd))
                return err_set(&t->e, E_BUSY, "it is open for writing");
        if (t->sight->size > INTAKE_BYTES)
                return 0;
        int code = read_bytes(t);
        if (code == 0 && (fstat(t->fd, &st) != 0 || !is_same(t->sight, &st)))
                code = err_set(&t->e, E_BUSY, "it changed while it was read");
        return code;
}

static void identify(struct candidate *t, int64_t now_us)
{
        t->identity = (struct outbox_file){.name = t->sight->name,
                                           .inode = t->sight->inode,
                                           .size = t->sight->size,
                                           .mtime_ns = t->sight->mtime_ns,
                                           .at_us = now_us};
        crypto_generichash(t->identity.digest, OUTBOX_DIGEST, (const uint8_t *)text_c(&t->bytes), t->bytes.n,
                           NULL, 0);
}

static int put(struct candidate *t, const struct parcel_book *b)
{
        const struct inbox_host *h = &t->in->host;
        int64_t file;
        int code = h->begin(h->ctx, &t->e);
        if (code < 0)
                return code;
        code = outbox_file_take(b->outbox, &t->identity, &file, &t->e);
        if (code == 0)
                code = parcel_put(&t->parcel, b, file, &t->e);
        if (code == 0)
                return h->commit(h->ctx, &t->e);
        outbox_abandon(b->outbox);
        return code;
}

static enum taking finish(struct candidate *t)
{
        unsigned as = 1;
        if (move(t->in, HERE, DONE, t->sight->name, &as, &t->e) < 0)
                return later(t, t->e.text);
        return TAKEN;
}

static enum taking all_later(struct candidate *t, const char *why)
{
        later(t, why);
        return ALL_LATER;
}

static enum taking judge(struct candidate *t, const struct parcel_book *b)
{
        struct parcel *n = &t->parcel;
        if (n->in.malformed.code) {
                char what[sizeof n->in.malformed.text + 16];
                snprintf(what, sizeof what, "JSON: %s", n->in.malformed.text);
                return refuse_code(t, REASON_ENCODING, what);
        }
        if (parcel_has(n, REASON_OUTBOX_FULL) || parcel_has(n, REASON_NOT_THIS_OFFICES_OUTBOX)) {
                struct text sentence = {0};
                reason_sentence(&n->in.reasons.v[0], LANG_EN, &sentence);
                all_later(t, text_c(&sentence));
                text_close(&sentence);
                return ALL_LATER;
        }
        if (!parcel_fine(n))
                return refuse_for(t, &n->in.reasons);
        if (put(t, b) < 0 && !PLANTED(MOVED_BUT_NOT_TAKEN))
                return all_later(t, t->e.text);
        t->in->host.took(t->in->host.ctx, n->in.n, parcel_rows(n));
        log_info("inbox: file taken", "file", t->sight->name, NULL);
        return finish(t);
}

static enum taking enter(struct candidate *t, const struct parcel_book *b, int64_t now_us)
{
        char room[256];
        struct parcel_input input = {.kind = ends_with(t->sight->name, ".json") ? PARCEL_JSON : PARCEL_CSV,
                                     .bytes = text_c(&t->bytes),
                                     .n = t->bytes.n,
                                     .guarded = true,
                                     .now_us = now_us};
        if (!intake_name(t->sight->name, &input.hints, room))
                input.hints = (struct intake_hints){0};
        if (parcel_read(&t->parcel, b, &input, &t->e) < 0)
                return all_later(t, t->e.text);
        return judge(t, b);
}

static enum taking take(struct candidate *t, int64_t now_us)
{
        struct parcel_book b;
        int code = open_and_read(t);
        if (code < 0)
                return code == E_BUSY ? LATER : later(t, t->e.text);
        if (t->sight->size > INTAKE_BYTES)
                return refuse_code(t, REASON_FILE_TOO_LARGE, "64 MiB");
        if (!t->in->host.book(t->in->host.ctx, &b))
                return all_later(t, "there is no catalogue to read it with");
        identify(t, now_us);
        code = outbox_file_known(b.outbox, &t->identity, &t->e);
        if (code < 0)
                return all_later(t, t->e.text);
        return code == 1 && !PLANTED(FILE_TAKEN_TWICE) ? finish(t) : enter(t, &b, now_us);
}

bool inbox_step(struct inbox *in, int64_t now_us)
{
        if (in->next >= in->n_ripe)
                return false;
        struct candidate t = {.in = in, .sight = &in->seen.v[in->ripe[in->next++]], .fd = -1};
        enum taking result = take(&t, now_us);
        if (t.fd >= 0)
                close(t.fd);
        text_close(&t.bytes);
        parcel_close(&t.parcel);
        if (result == ALL_LATER)
                in->n_ripe = 0;
        if (in->next >= in->n_ripe)
                waits_no_more(in);
        return in->next < in->n_ripe;
}

/* ---- what HQ rejected later */

/* The file may have got another name when it came to done/: then its inode finds it. */
static bool find_done(struct inbox *in, struct text *name, uint64_t inode)
{
        struct stat st;
        if (fstatat(in->folder[DONE], text_c(name), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == inode)
                return true;
        int fd = openat(in->folder[DONE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        bool found = false;
        for (struct dirent *entry; d && !found && (entry = readdir(d));) {
                found = entry->d_ino == inode;
                if (found) {
                        text_clear(name);
                        text_add(name, entry->d_name);
                }
        }
        if (d)
                closedir(d);
        else if (fd >= 0)
                close(fd);
        return found;
}

static int tell_one(struct inbox *in, struct text *name, uint64_t inode, const struct reasons *reasons,
                    struct err *e)
{
        if (find_done(in, name, inode))
                return reject(in, DONE, text_c(name), reasons, e);
        /* Moved by hand, or told before: the reasons stand all the same, beside the file if it is there. */
        return write_reasons(in, text_c(name), 1, reasons, e);
}

void inbox_tell(struct inbox *in, struct outbox *o)
{
        int64_t id;
        uint64_t inode;
        struct err e;
        int code;
        do {
                struct text name = {0};
                struct reasons reasons = {0};
                code = outbox_untold(o, &id, &name, &inode, &reasons, &e);
                if (code == 1 && tell_one(in, &name, inode, &reasons, &e) < 0)
                        code = E_IO;
                if (code == 1 && in->host.begin(in->host.ctx, &e) == 0) {
                        if (outbox_told(o, id, &e) < 0 || in->host.commit(in->host.ctx, &e) < 0)
                                code = E_IO;
                        if (o->writing)
                                outbox_abandon(o);
                }
                text_close(&name);
                reasons_close(&reasons);
        } while (code == 1);
        if (code < 0)
                waits(in, NULL, e.text);
}

/* ---- life */

void inbox_clean(struct inbox *in, int64_t now_us, int64_t keep_us)
{
        int fd = openat(in->folder[DONE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d && fd >= 0)
                close(fd);
        for (struct dirent *entry; d && (entry = readdir(d));) {
                struct stat st;
                /* the time of the inode's change is that of the move */
                if (fstatat(in->folder[DONE], entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG(st.st_mode) && (int64_t)st.st_ctim.tv_sec * 1000000 <= now_us - keep_us)
                        unlinkat(in->folder[DONE], entry->d_name, 0);
        }
        if (d)
                closedir(d);
}

static int open_folder(struct inbox *in, int which, struct err *e)
{
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", in->dir, which == HERE ? "" : folder_names[which]) >=
            (int)sizeof path)
                return err_set(e, E_LIMIT, "%s: the path is too long", in->dir);
        int code = folder_make(path, 0755, e);
        if (code < 0)
                return code;
        in->folder[which] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return in->folder[which] >= 0 ? 0 : err_set(e, E_IO, "%s: %s", path, strerror(errno));
}

int inbox_open(struct inbox **out, const char *dir, const struct inbox_host *host, struct err *e)
{
        struct inbox *in = calloc(1, sizeof *in);
        int code = in && (in->dir = strdup(dir)) ? 0 : err_set(e, E_MEM, "out of memory");
        for (int i = 0; in && i < FOLDERS; i++)
                in->folder[i] = -1;
        for (int i = 0; code == 0 && i < FOLDERS; i++)
                code = open_folder(in, i, e);
        if (code < 0) {
                inbox_close(in);
                return code;
        }
        in->host = *host;
        signal(SIGIO, SIG_IGN); /* a lease taken back between its two calls would say so with it */
        *out = in;
        return 0;
}

void inbox_close(struct inbox *in)
{
        if (!in)
                return;
        for (int i = 0; i < FOLDERS; i++)
                if (in->folder[i] >= 0)
                        close(in->folder[i]);
        sights_clear(&in->seen);
        free(in->ripe);
        free(in->dir);
        free(in);
}
