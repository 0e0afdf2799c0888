/* Result codes are extended ones, so that a failed sync can be told from a failed read. Every refusal passes
 * through refused(), which is the one place where a connection becomes broken.
 *
 * PRAGMAs are requests; SQLite may answer that it did otherwise. Each is asked for and its answer compared.
 *
 * The database file itself is opened by SQLite alone: closing a second descriptor of it would drop SQLite's
 * POSIX locks. That is why the writer's lock is a file of its own. */
#include "store/db.h"

#include "base/check.h"
#include "base/planted.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
        BUSY_MS = 2000,       /* only recovery and the first opening ever wait */
        PROGRESS_STEPS = 2000 /* virtual machine steps between two looks at a reader's clock: some 50 µs */
};

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *path_of(const struct db *d)
{
        const char *path = d->handle ? sqlite3_db_filename(d->handle, "main") : NULL;
        return path && *path ? path : "database";
}

static int code_of(int rc, int system_errno)
{
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
            rc == SQLITE_CONSTRAINT_ROWID)
                return E_EXISTS;
        switch (rc & 0xff) {
        case SQLITE_FULL: return E_FULL;
        case SQLITE_IOERR: return system_errno == ENOSPC || system_errno == EDQUOT ? E_FULL : E_IO;
        case SQLITE_CANTOPEN:
                return system_errno == ENOENT ? E_MISSING : system_errno == EACCES ? E_DENIED : E_IO;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_PROTOCOL: return E_IO;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return E_BUSY;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH: return E_DENIED;
        case SQLITE_NOMEM: return E_MEM;
        case SQLITE_INTERRUPT:
        case SQLITE_TOOBIG: return E_LIMIT;
        default: return E_USAGE;
        }
}

static bool breaks(int rc)
{
        return rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC || (rc & 0xff) == SQLITE_CORRUPT ||
               (rc & 0xff) == SQLITE_NOTADB;
}

static int refused(struct db *d, int rc, struct err *e)
{
        int number = sqlite3_system_errno(d->handle);
        if (breaks(rc) && !PLANTED(FSYNC_RETRIED))
                d->broken = true;
        int code = code_of(rc, number);
        if ((rc & 0xff) == SQLITE_INTERRUPT)
                return err_set(e, code, "%s: reading took longer than %u ms", path_of(d), d->read_ms);
        bool world = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
        return err_set(e, code, "%s: %s%s%s", path_of(d), sqlite3_errmsg(d->handle),
                       world && number ? ": " : "", world && number ? strerror(number) : "");
}

static int refused_broken(struct db *d, struct err *e)
{
        return err_set(e, E_IO,
                       "%s: an earlier failure may have lost data; this process must not write any further",
                       path_of(d));
}

static int run_sql(struct db *d, const char *sql, struct err *e)
{
        int rc = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);
        return rc == SQLITE_OK || PLANTED(DISK_FULL_SWALLOWED) ? 0 : refused(d, rc, e);
}

/* The first column of the first row; E_MISSING if there is no row. */
static int ask_int(struct db *d, const char *sql, int64_t *answer, struct err *e)
{
        sqlite3_stmt *s;
        int rc = sqlite3_prepare_v2(d->handle, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return refused(d, rc, e);
        rc = sqlite3_step(s);
        int code = 0;
        if (rc == SQLITE_ROW)
                *answer = sqlite3_column_int64(s, 0);
        else
                code = rc == SQLITE_DONE ? err_set(e, E_MISSING, "%s: no answer to %s", path_of(d), sql)
                                         : refused(d, rc, e);
        sqlite3_finalize(s);
        return code;
}

/* Requests and what must be read back. journal_mode answers with text and is asked apart. */
static const struct {
        const char *request, *question;
        int64_t answer;
} writer_pragmas[] = {
    {"PRAGMA synchronous=FULL", "PRAGMA synchronous", 2},
    {"PRAGMA mmap_size=0", "PRAGMA mmap_size", 0},
    {"PRAGMA wal_autocheckpoint=0", "PRAGMA wal_autocheckpoint", 0},
    {"PRAGMA secure_delete=OFF", "PRAGMA secure_delete", 0},
    {"PRAGMA temp_store=MEMORY", "PRAGMA temp_store", 2},
    {"PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", 0},
    {"PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys", 0},
};

/* The word comes in a row, the commit that makes it true only after it: the statement is carried to its end.
 */
static int assert_wal(struct db *d, struct err *e)
{
        sqlite3_stmt *s;
        int rc = sqlite3_prepare_v2(d->handle, "PRAGMA journal_mode=WAL", -1, &s, NULL);
        if (rc != SQLITE_OK)
                return refused(d, rc, e);
        int code = 0;
        while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW)
                if (strcmp((const char *)sqlite3_column_text(s, 0), "wal") != 0)
                        code = err_set(
                            e, E_IO,
                            "%s: this file system does not allow write-ahead logging (journal mode is %s)",
                            path_of(d), (const char *)sqlite3_column_text(s, 0));
        if (code == 0 && rc != SQLITE_DONE)
                code = refused(d, rc, e);
        sqlite3_finalize(s);
        return code;
}

static int assert_pragmas(struct db *d, struct err *e)
{
        int code = assert_wal(d, e);
        for (size_t i = 0; code == 0 && i < sizeof writer_pragmas / sizeof *writer_pragmas; i++) {
                int64_t answer = -1;
                code = run_sql(d, writer_pragmas[i].request, e);
                if (code == 0)
                        code = ask_int(d, writer_pragmas[i].question, &answer, e);
                /* mmap_size answers with no row where mmap was compiled out, which serves as well */
                if (code == E_MISSING)
                        code = 0;
                else if (code == 0 && answer != writer_pragmas[i].answer)
                        code =
                            err_set(e, E_IO, "%s: %s was not heeded", path_of(d), writer_pragmas[i].request);
        }
        return code;
}

/* The -wal and -shm files stay when the writer leaves, so that the file can always be read with `sqlite3
 * -readonly` by who may not write to the folder; they are emptied instead. */
static int keep_wal(struct db *d, struct err *e)
{
        int on = 1;
        char limit[64];
        sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
        snprintf(limit, sizeof limit, "PRAGMA journal_size_limit=%d", DB_WAL_KEPT);
        return run_sql(d, limit, e);
}

const char *db_refused_file_system(uint64_t type)
{
        static const struct {
                uint64_t type;
                const char *name;
        } remote[] = {
#define REMOTE_FS(magic, word) {magic, word},
#include "store/remote_fs.def"
#undef REMOTE_FS
        };
        for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
                if (remote[i].type == type)
                        return remote[i].name;
        return NULL;
}

static int check_file_system(const char *path, struct err *e)
{
        char copy[PATH_MAX];
        if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
                return err_set(e, E_LIMIT, "%s: the path is too long", path);
        const char *folder = dirname(copy);
        struct statfs s;
        if (statfs(folder, &s) != 0)
                return err_set(e, errno == ENOENT ? E_MISSING : E_IO, "%s: %s", folder, strerror(errno));
        const char *name = db_refused_file_system((uint32_t)s.f_type);
        if (name)
                return err_set(
                    e, E_DENIED,
                    "%s lies on %s; a database needs a local disk (locks and syncs cannot be trusted there)",
                    path, name);
        return 0;
}

static int lock_writer(struct db *d, const char *path, struct err *e)
{
        char name[PATH_MAX];
        if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
                return err_set(e, E_LIMIT, "%s: the path is too long", path);
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return err_set(e, errno == EACCES || errno == EROFS ? E_DENIED : E_IO, "%s: %s", name,
                               strerror(errno));
        d->lock = fd + 1;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
                return errno == EWOULDBLOCK
                           ? err_set(e, E_BUSY, "%s is in use by another process (it holds %s)", path, name)
                           : err_set(e, E_IO, "%s: %s", name, strerror(errno));
        return 0;
}

/* A backup came back, and the write-ahead log of the file it replaces still lies beside it: SQLite would lay
 * the one over the other, without a word. Our own file has its journal mode in its header (bytes 18 and 19,
 * "file format": 2 is WAL) before a log is begun; what VACUUM INTO wrote has 1 there. */
static int check_log(const char *path, struct err *e)
{
        enum { HEADER = 20, WRITE_FORMAT = 18, LEGACY = 1 };
        char log[PATH_MAX];
        unsigned char header[HEADER] = {0};
        struct stat s;
        snprintf(log, sizeof log, "%s-wal", path);
        if (stat(log, &s) != 0 || s.st_size == 0)
                return 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, header, sizeof header);
        if (fd >= 0)
                close(fd);
        if (n < (ssize_t)sizeof header || header[WRITE_FORMAT] != LEGACY)
                return 0;
        return err_set(
            e, E_DENIED,
            "%s was put in the place of another file, whose log %s still lies there: move that away, "
            "and %s-shm",
            path, log, path);
}

/* Ours, or empty. A file of another program is not touched. */
static int check_application(struct db *d, struct err *e)
{
        int64_t id = 0, objects = 0;
        int code = ask_int(d, "PRAGMA application_id", &id, e);
        if (code == 0)
                code = ask_int(d, "SELECT count(*) FROM sqlite_schema", &objects, e);
        if (code == 0 && id != DB_APPLICATION_ID && (id != 0 || objects != 0))
                code = err_set(e, E_VERSION, "%s is a database of another program (application id 0x%08x)",
                               path_of(d), (unsigned)id);
        return code;
}

static int set_version(struct db *d, size_t version, struct err *e)
{
        char sql[96];
        snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%zu", DB_APPLICATION_ID,
                 version);
        return run_sql(d, sql, e);
}

/* Both PRAGMAs of set_version live in the file's header and are part of the transaction. */
static int migrate(struct db *d, const char *const *migrations, size_t n, struct err *e)
{
        int64_t version = 0;
        int code = db_begin(d, e);
        if (code == 0)
                code = check_application(d, e);
        if (code == 0)
                code = ask_int(d, "PRAGMA user_version", &version, e);
        if (code == 0 && (version < 0 || (uint64_t)version > n))
                code = err_set(
                    e, E_VERSION,
                    "%s has schema version %lld, made by a newer Sumu; this one knows versions up to %zu",
                    path_of(d), (long long)version, n);
        if (code < 0 || (uint64_t)version == n) {
                db_rollback(d);
                return code;
        }
        for (size_t i = (size_t)version; code == 0 && i < n; i++)
                if ((code = run_sql(d, migrations[i], e)) < 0)
                        err_wrap(e, "bringing the schema from version %zu to %zu", i, i + 1);
        if (code == 0)
                code = set_version(d, n, e);
        if (code == 0)
                return db_commit(d, e);
        db_rollback(d);
        return code;
}

static sqlite3_file *log_of(const struct db *d)
{
        sqlite3_file *wal = NULL;
        sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&wal);
        return wal && wal->pMethods ? wal : NULL;
}

/* A folder that may not be read, or cannot be synced at all, is left as SQLite leaves it. */
static int sync_folder(const char *path, struct err *e)
{
        char copy[PATH_MAX];
        snprintf(copy, sizeof copy, "%s", path);
        const char *folder = dirname(copy);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
        if (fd >= 0)
                close(fd);
        if (failed == 0 || failed == EACCES || failed == EINVAL)
                return 0;
        return err_set(e, E_IO, "%s: %s", folder, strerror(failed));
}

static int open_handle(struct db *d, const char *path, int flags, struct err *e)
{
        int rc = sqlite3_open_v2(path, &d->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
        if (!d->handle)
                return err_set(e, E_MEM, "%s: out of memory", path);
        if (rc != SQLITE_OK) {
                int code = refused(d, rc, e);
                return code == E_MISSING ? err_set(e, code, "%s: no such file", path) : code;
        }
        sqlite3_busy_timeout(d->handle, BUSY_MS);
        sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        return 0;
}

static int table_of_statements(struct db *d, const char *const *sql, size_t n, struct err *e)
{
        d->sql = sql;
        d->n_sql = n;
        d->prepared = calloc(n ? n : 1, sizeof *d->prepared);
        if (!d->prepared)
                return err_set(e, E_MEM, "out of memory");
        /* Sumu has more than one kind of database, and a backup may have come back in the wrong place. */
        if (n > 0 && sqlite3_prepare_v3(d->handle, sql[0], -1, SQLITE_PREPARE_PERSISTENT, &d->prepared[0],
                                        NULL) == SQLITE_ERROR)
                return err_set(e, E_VERSION, "%s is a database of another part of Sumu: %s", path_of(d),
                               sqlite3_errmsg(d->handle));
        return 0;
}

/* What is seen of the log need not be on the disk. A predecessor that was killed may have had no time to
 * sync, and whoever asks is told of it without another commit (an answer given again, a file found again).
 * Worse, its sync may have failed: the system says so once, keeps the pages as if they were written, and the
 * next sync finds nothing to do; commits appended behind such a page would be lost with it at the next power
 * cut. So the log is moved into the file, which writes all of it anew, and begins again at its start. Where a
 * reader or a full disk forbids that, it is at least synced. The names of the files come last, if they were
 * just being made. */
static int secure_what_is_seen(struct db *d, const char *path, struct err *e)
{
        sqlite3_file *wal = log_of(d);
        if (wal && wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK)
                return err_set(e, E_IO, "%s: its log could not be synced", path_of(d));
        int code = db_wal_bytes(d) > 0 ? db_checkpoint(d, true, e) : 0;
        return code == 0 || code == E_BUSY || code == E_FULL ? sync_folder(path, e) : code;
}

int db_open_writer(struct db *d, const char *path, const char *const *migrations, size_t n_migrations,
                   const char *const *sql, size_t n_sql, struct err *e)
{
        *d = (struct db){0};
        int code = check_file_system(path, e);
        if (code == 0)
                code = lock_writer(d, path, e);
        if (code == 0)
                code = check_log(path, e);
        if (code == 0)
                code = open_handle(d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
        if (code == 0)
                code = check_application(d, e); /* before WAL mode would change a stranger's file */
        if (code == 0)
                code = assert_pragmas(d, e);
        if (code == 0)
                code = keep_wal(d, e);
        if (code == 0)
                code = migrate(d, migrations, n_migrations, e);
        if (code == 0)
                code = secure_what_is_seen(d, path, e);
        if (code == 0)
                code = table_of_statements(d, sql, n_sql, e);
        if (code < 0)
                db_close(d);
        return code;
}

static bool time_is_up(const struct db *d)
{
        return d->reader && d->read_ms && now_ms() - d->read_began_ms > d->read_ms;
}

static int on_progress(void *ctx)
{
        return time_is_up(ctx);
}

void db_patience(struct db *d, unsigned ms)
{
        PRE(d->reader);
        d->read_ms = ms;
}

static int check_schema(struct db *d, size_t want, struct err *e)
{
        int64_t version = 0;
        int code = check_application(d, e);
        if (code == 0)
                code = ask_int(d, "PRAGMA user_version", &version, e);
        if (code == 0 && (uint64_t)version != want)
                code = err_set(e, E_VERSION, "%s has schema version %lld, this program reads version %zu: %s",
                               path_of(d), (long long)version, want,
                               (uint64_t)version > want ? "it was made by a newer Sumu"
                                                        : "start its daemon once to bring it up");
        return code;
}

int db_open_reader(struct db *d, const char *path, size_t schema_version, const char *const *sql,
                   size_t n_sql, struct err *e)
{
        *d = (struct db){.reader = true, .read_ms = DB_READ_MS, .read_began_ms = now_ms()};
        int code = open_handle(d, path, SQLITE_OPEN_READONLY, e);
        if (code == 0) {
                sqlite3_progress_handler(d->handle, PROGRESS_STEPS, on_progress, d);
                code = check_schema(d, schema_version, e);
                if (code < 0 && sqlite3_errcode(d->handle) == SQLITE_CANTOPEN)
                        err_wrap(e, "reading needs the files -wal and -shm beside it, or leave to write to "
                                    "its folder");
        }
        if (code == 0)
                code =
                    run_sql(d, "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF", e);
        if (code == 0)
                code = table_of_statements(d, sql, n_sql, e);
        if (code < 0)
                db_close(d);
        return code;
}

/* A broken connection is closed without the checkpoint that would write and sync once more. */
void db_close(struct db *d)
{
        for (size_t i = 0; d->prepared && i < d->n_sql; i++)
                sqlite3_finalize(d->prepared[i]);
        free(d->prepared);
        if (d->handle) {
                if (d->broken)
                        sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
                int rc = sqlite3_close(d->handle);
                POST(rc == SQLITE_OK);
        }
        if (d->lock)
                close(d->lock - 1);
        *d = (struct db){0};
}

sqlite3_stmt *db_statement(struct db *d, size_t which)
{
        PRE(which < d->n_sql);
        if (d->reader && sqlite3_get_autocommit(d->handle))
                d->read_began_ms = now_ms();
        sqlite3_stmt **s = &d->prepared[which];
        if (*s) {
                sqlite3_reset(*s);
                sqlite3_clear_bindings(*s);
                return *s;
        }
        int rc = sqlite3_prepare_v3(d->handle, d->sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
        if (rc != SQLITE_OK || !*s) {
                d->broken = true;
                check_failed(sqlite3_errmsg(d->handle), d->sql[which], __FILE__, __LINE__);
        }
        return *s;
}

int db_step(struct db *d, sqlite3_stmt *s, struct err *e)
{
        if (d->broken)
                return refused_broken(d, e);
        int rc = time_is_up(d) ? SQLITE_INTERRUPT : sqlite3_step(s);
        if (rc == SQLITE_ROW)
                return 1;
        if (rc == SQLITE_DONE)
                return 0;
        PRE((rc & 0xff) != SQLITE_MISUSE);
        int code = refused(d, rc, e);
        sqlite3_reset(s);
        return code;
}

int db_run(struct db *d, sqlite3_stmt *s, struct err *e)
{
        int code;
        while ((code = db_step(d, s, e)) == 1)
                ;
        sqlite3_reset(s);
        return code;
}

int db_begin(struct db *d, struct err *e)
{
        PRE(sqlite3_get_autocommit(d->handle));
        if (d->broken)
                return refused_broken(d, e);
        d->read_began_ms = now_ms();
        const char *sql =
            PLANTED(COMMIT_UNSYNCED) ? "PRAGMA synchronous=OFF; BEGIN IMMEDIATE" : "BEGIN IMMEDIATE";
        return run_sql(d, d->reader ? "BEGIN" : sql, e);
}

int db_commit(struct db *d, struct err *e)
{
        int code = d->broken ? refused_broken(d, e) : run_sql(d, "COMMIT", e);
        if (code < 0)
                db_rollback(d);
        return code;
}

void db_rollback(struct db *d)
{
        if (sqlite3_get_autocommit(d->handle))
                return; /* SQLite rolls back by itself on a full disk and on I/O errors */
        int rc = sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                d->broken = true; /* nothing may build on a half transaction */
}

bool db_broken(const struct db *d)
{
        return d->broken;
}

void db_cache(struct db *d, unsigned kib)
{
        char sql[48];
        snprintf(sql, sizeof sql, "PRAGMA cache_size=-%u", kib);
        sqlite3_exec(d->handle, sql, NULL, NULL, NULL); /* a wish: without it, all is as before */
}

int db_checkpoint(struct db *d, bool truncate, struct err *e)
{
        PRE(!d->reader && sqlite3_get_autocommit(d->handle));
        if (d->broken)
                return refused_broken(d, e);
        sqlite3_busy_timeout(d->handle, 0);
        int rc = sqlite3_wal_checkpoint_v2(
            d->handle, "main", truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        sqlite3_busy_timeout(d->handle, BUSY_MS);
        return rc == SQLITE_OK ? 0 : refused(d, rc, e);
}

/* Of the file SQLite writes to, whatever stands under that name by now. */
int64_t db_wal_bytes(const struct db *d)
{
        sqlite3_file *wal = log_of(d);
        sqlite3_int64 size = 0;
        return wal && wal->pMethods->xFileSize(wal, &size) == SQLITE_OK ? size : 0;
}

/* Binding fails for want of memory, a number out of range or a statement in use: the last two are ours. */
static void bound(int rc)
{
        PRE(rc == SQLITE_OK);
}

void db_int(sqlite3_stmt *s, int at, int64_t v)
{
        bound(sqlite3_bind_int64(s, at, v));
}

void db_text(sqlite3_stmt *s, int at, const char *v)
{
        bound(sqlite3_bind_text(s, at, v, -1, SQLITE_STATIC));
}

void db_copy_text(sqlite3_stmt *s, int at, const char *v)
{
        bound(sqlite3_bind_text(s, at, v, -1, SQLITE_TRANSIENT));
}

/* SQLite reads a NULL pointer as NULL whatever n says; an empty blob that is not NULL stays a blob. */
void db_blob(sqlite3_stmt *s, int at, const void *v, size_t n)
{
        bound(sqlite3_bind_blob64(s, at, v, n, SQLITE_STATIC));
}

void db_copy_blob(sqlite3_stmt *s, int at, const void *v, size_t n)
{
        bound(sqlite3_bind_blob64(s, at, v, n, SQLITE_TRANSIENT));
}
