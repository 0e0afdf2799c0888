/* A file system that fails on demand: the real one with two of its methods replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "store/db.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sumu-db-XXXXXX";
static char path[64];

static const char *const migrations[] = {
    "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT UNIQUE CHECK(length(body) < 9))",
    "ALTER TABLE note ADD COLUMN bytes BLOB",
    "CREATE TABLE later(x)",
};
enum { PUT, COUNT, GET, PUT_BYTES, ENDLESS, STATEMENTS };
static const char *const statements[STATEMENTS] = {
    [PUT] = "INSERT INTO note(body) VALUES(?1)",
    [COUNT] = "SELECT count(*) FROM note",
    [GET] = "SELECT body, bytes FROM note WHERE id = ?1",
    [PUT_BYTES] = "INSERT INTO note(body, bytes) VALUES(?1, ?2)",
    [ENDLESS] = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT count(i) FROM n",
};

static sqlite3_io_methods failing[2]; /* of the database file, of all others */
static const sqlite3_io_methods *real[2];
static sqlite3_vfs vfs;
static bool fail_sync, fail_write;

static const sqlite3_io_methods *real_of(const sqlite3_file *f)
{
        return real[f->pMethods != &failing[0]];
}

static int sync_or_fail(sqlite3_file *f, int flags)
{
        return fail_sync ? SQLITE_IOERR_FSYNC : real_of(f)->xSync(f, flags);
}

static int write_or_fail(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
        return fail_write ? SQLITE_FULL : real_of(f)->xWrite(f, p, n, at);
}

static int open_failing(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
        sqlite3_vfs *below = v->pAppData;
        int rc = below->xOpen(below, name, f, flags, out);
        if (rc == SQLITE_OK && f->pMethods) {
                bool other = !(flags & SQLITE_OPEN_MAIN_DB);
                real[other] = f->pMethods;
                failing[other] = *f->pMethods;
                failing[other].xSync = sync_or_fail;
                failing[other].xWrite = write_or_fail;
                f->pMethods = &failing[other];
        }
        return rc;
}

static int begin(void **state)
{
        (void)state;
        sqlite3_vfs *below = sqlite3_vfs_find(NULL);
        vfs = *below;
        vfs.zName = "failing";
        vfs.pAppData = below;
        vfs.xOpen = open_failing;
        sqlite3_vfs_register(&vfs, 1);
        if (!mkdtemp(folder))
                return -1;
        snprintf(path, sizeof path, "%s/a.db", folder);
        return 0;
}

static int wipe(void **state)
{
        (void)state;
        static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
        fail_sync = fail_write = false;
        for (size_t i = 0; i < 4; i++) {
                char name[80];
                snprintf(name, sizeof name, "%s%s", path, ends[i]);
                unlink(name);
        }
        return 0;
}

static int end(void **state)
{
        wipe(state);
        return rmdir(folder);
}

static struct err e;

static void open_writer(struct db *d)
{
        if (db_open_writer(d, path, migrations, 2, statements, STATEMENTS, &e) < 0)
                fail_msg("%s", e.text);
}

static int put(struct db *d, const char *body)
{
        sqlite3_stmt *s = db_statement(d, PUT);
        db_text(s, 1, body);
        return db_run(d, s, &e);
}

static int64_t count(struct db *d)
{
        sqlite3_stmt *s = db_statement(d, COUNT);
        assert_int_equal(db_step(d, s, &e), 1);
        int64_t n = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return n;
}

static void writes_and_reads(void **state)
{
        (void)state;
        struct db w, r;
        open_writer(&w);
        assert_int_equal(db_open_reader(&r, path, 2, statements, STATEMENTS, &e), 0);

        assert_int_equal(db_begin(&w, &e), 0);
        assert_int_equal(put(&w, "包头"), 0);
        sqlite3_stmt *s = db_statement(&w, PUT_BYTES);
        db_text(s, 1, "b");
        db_blob(s, 2, "\0\1", 2);
        assert_int_equal(db_run(&w, s, &e), 0);
        assert_int_equal(count(&r), 0);
        assert_int_equal(db_commit(&w, &e), 0);
        assert_int_equal(count(&r), 2);

        s = db_statement(&r, GET);
        db_int(s, 1, 2);
        assert_int_equal(db_step(&r, s, &e), 1);
        assert_int_equal(sqlite3_column_bytes(s, 1), 2);
        assert_int_equal(db_step(&r, s, &e), 0);

        assert_int_equal(put(&r, "c"), E_DENIED);
        db_close(&r);
        db_close(&w);
        db_close(&w);
}

static void refuses_by_kind(void **state)
{
        (void)state;
        struct db w;
        open_writer(&w);
        assert_int_equal(put(&w, "a"), 0);
        assert_int_equal(put(&w, "a"), E_EXISTS);
        assert_int_equal(put(&w, "much too long"), E_USAGE);
        assert_false(db_broken(&w));
        assert_int_equal(db_begin(&w, &e), 0);
        assert_int_equal(put(&w, "b"), 0);
        db_rollback(&w);
        db_rollback(&w);
        assert_int_equal(count(&w), 1);
        db_close(&w);
}

static void survives_a_full_disk(void **state)
{
        (void)state;
        struct db w;
        open_writer(&w);
        assert_int_equal(db_begin(&w, &e), 0);
        assert_int_equal(put(&w, "a"), 0);
        fail_write = true;
        assert_int_equal(db_commit(&w, &e), E_FULL);
        fail_write = false;
        assert_false(db_broken(&w));
        assert_int_equal(count(&w), 0);
        assert_int_equal(put(&w, "a"), 0);
        db_close(&w);
}

static void never_writes_after_a_failed_sync(void **state)
{
        (void)state;
        struct db w;
        open_writer(&w);
        assert_int_equal(db_begin(&w, &e), 0);
        assert_int_equal(put(&w, "a"), 0);
        fail_sync = true;
        assert_int_equal(db_commit(&w, &e), E_IO);
        assert_true(db_broken(&w));
        fail_sync = false;
        assert_int_equal(db_begin(&w, &e), E_IO);
        assert_non_null(strstr(e.text, "must not write any further"));
        assert_int_equal(put(&w, "b"), E_IO);
        assert_int_equal(db_checkpoint(&w, false, &e), E_IO);
        db_close(&w);
}

static void has_one_writer(void **state)
{
        (void)state;
        struct db w, second;
        open_writer(&w);
        assert_int_equal(db_open_writer(&second, path, migrations, 2, statements, STATEMENTS, &e), E_BUSY);
        assert_non_null(strstr(e.text, "in use by another process"));
        db_close(&second);
        db_close(&w);
        open_writer(&second);
        db_close(&second);
}

static void brings_the_schema_up(void **state)
{
        (void)state;
        struct db d;
        open_writer(&d);
        assert_int_equal(put(&d, "kept"), 0);
        db_close(&d);

        static const char *const wrong[] = {"", "", "CREATE TABLE later(x); CREATE TABLE note(y)"};
        assert_int_equal(db_open_writer(&d, path, wrong, 3, statements, STATEMENTS, &e), E_USAGE);
        assert_non_null(strstr(e.text, "from version 2 to 3"));
        assert_int_equal(db_open_writer(&d, path, migrations, 3, statements, STATEMENTS, &e), 0);
        assert_int_equal(count(&d), 1);
        db_close(&d);

        assert_int_equal(db_open_writer(&d, path, migrations, 2, statements, STATEMENTS, &e), E_VERSION);
        assert_non_null(strstr(e.text, "schema version 3"));
        assert_non_null(strstr(e.text, "versions up to 2"));
        assert_int_equal(db_open_reader(&d, path, 2, statements, STATEMENTS, &e), E_VERSION);
        assert_int_equal(db_open_reader(&d, path, 4, statements, STATEMENTS, &e), E_VERSION);
        assert_non_null(strstr(e.text, "start its daemon once"));
        assert_int_equal(db_open_reader(&d, path, 3, statements, STATEMENTS, &e), 0);
        db_close(&d);
}

static void write_file(const char *bytes, size_t n)
{
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(bytes, 1, n, f);
        fclose(f);
}

static void touches_no_strangers_file(void **state)
{
        (void)state;
        struct db d;
        sqlite3 *other;
        assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "CREATE TABLE theirs(x)", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(other);
        assert_int_equal(db_open_writer(&d, path, migrations, 2, statements, STATEMENTS, &e), E_VERSION);
        assert_non_null(strstr(e.text, "another program"));

        /* An outbox, say, put where the store should lie. */
        static const char *const outbox[] = {"CREATE TABLE life(x)", "CREATE TABLE stream(x)"};
        static const char *const questions[] = {"SELECT x FROM life"};
        wipe(state);
        assert_int_equal(db_open_writer(&d, path, outbox, 2, questions, 1, &e), 0);
        db_close(&d);
        assert_int_equal(db_open_writer(&d, path, migrations, 2, statements, STATEMENTS, &e), E_VERSION);
        assert_non_null(strstr(e.text, "another part of Sumu"));

        char noise[4096];
        memset(noise, 'x', sizeof noise);
        write_file(noise, sizeof noise);
        assert_int_equal(db_open_writer(&d, path, migrations, 2, statements, STATEMENTS, &e), E_IO);
        assert_int_equal(db_open_reader(&d, "/tmp/sumu-none/a.db", 2, statements, STATEMENTS, &e), E_MISSING);
        assert_int_equal(db_open_writer(&d, "/tmp/sumu-none/a.db", migrations, 2, statements, STATEMENTS, &e),
                         E_MISSING);
}

static void checkpoints(void **state)
{
        (void)state;
        struct db w, r;
        open_writer(&w);
        assert_int_equal(db_open_reader(&r, path, 2, statements, STATEMENTS, &e), 0);
        assert_int_equal(put(&w, "a"), 0);
        assert_true(db_wal_bytes(&w) > 0);

        assert_int_equal(db_begin(&r, &e), 0);
        assert_int_equal(count(&r), 1);
        assert_int_equal(put(&w, "b"), 0);
        assert_int_equal(db_checkpoint(&w, true, &e), E_BUSY);
        assert_int_equal(db_checkpoint(&w, false, &e), 0);
        assert_int_equal(count(&r), 1);
        assert_int_equal(db_commit(&r, &e), 0);
        assert_int_equal(db_checkpoint(&w, true, &e), 0);
        assert_int_equal(db_wal_bytes(&w), 0);
        assert_int_equal(count(&r), 2);
        db_close(&r);
        db_close(&w);
}

static void stops_a_long_read(void **state)
{
        (void)state;
        struct db w, r;
        open_writer(&w);
        assert_int_equal(db_open_reader(&r, path, 2, statements, STATEMENTS, &e), 0);
        db_patience(&r, 20);
        assert_int_equal(db_step(&r, db_statement(&r, ENDLESS), &e), E_LIMIT);
        assert_non_null(strstr(e.text, "longer than 20 ms"));
        assert_int_equal(count(&r), 0);
        db_close(&r);
        db_close(&w);
}

/* A reader comes, the writer being gone, to a folder it may not write to. */
static void can_be_read_without_its_writer(void **state)
{
        (void)state;
        struct db d;
        open_writer(&d);
        assert_int_equal(put(&d, "a"), 0);
        db_close(&d);
        chmod(folder, 0555);
        pid_t child = fork();
        if (child == 0) {
                if (geteuid() == 0 && setuid(65534) != 0)
                        _exit(2);
                int code = db_open_reader(&d, path, 2, statements, STATEMENTS, &e);
                if (code < 0)
                        fprintf(stderr, "%s\n", e.text);
                _exit(code == 0 && count(&d) == 1 ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        chmod(folder, 0755);
        assert_int_equal(status, 0);
}

/* Killed after a commit, in the middle of the next: the first is there, the second is not. */
static void survives_a_kill(void **state)
{
        (void)state;
        pid_t child = fork();
        if (child == 0) {
                struct db d;
                open_writer(&d);
                put(&d, "first");
                db_begin(&d, &e);
                put(&d, "second");
                kill(getpid(), SIGKILL);
        }
        int status = 0;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct db d;
        open_writer(&d);
        assert_int_equal(count(&d), 1);
        db_close(&d);
}

static void unlink_beside(const char *end)
{
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, end);
        assert_int_equal(unlink(name), 0);
}

/* A backup put in the place of a file whose writer was killed: the log that is left is not the backup's. */
static void refuses_anothers_log(void **state)
{
        (void)state;
        char backup[80], sql[120];
        snprintf(backup, sizeof backup, "%s/backup", folder);
        snprintf(sql, sizeof sql, "VACUUM INTO '%s'", backup);
        pid_t child = fork();
        if (child == 0) {
                struct db d;
                open_writer(&d);
                put(&d, "first");
                sqlite3_exec(d.handle, sql, NULL, NULL, NULL);
                put(&d, "second");
                kill(getpid(), SIGKILL);
        }
        waitpid(child, NULL, 0);
        struct db d;
        assert_int_equal(rename(backup, path), 0);
        assert_int_equal(db_open_writer(&d, path, migrations, 2, statements, STATEMENTS, &e), E_DENIED);
        assert_non_null(strstr(e.text, "a.db-wal"));
        unlink_beside("-wal");
        unlink_beside("-shm");
        open_writer(&d);
        assert_int_equal(count(&d), 1);
        db_close(&d);
        open_writer(&d);
        assert_int_equal(count(&d), 1);
        db_close(&d);
}

static void refuses_network_file_systems(void **state)
{
        (void)state;
        assert_string_equal(db_refused_file_system(0x6969), "NFS");
        assert_string_equal(db_refused_file_system(0xff534d42), "CIFS");
        assert_null(db_refused_file_system(0xef53)); /* ext4 */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_teardown(writes_and_reads, wipe),
            cmocka_unit_test_teardown(refuses_by_kind, wipe),
            cmocka_unit_test_teardown(survives_a_full_disk, wipe),
            cmocka_unit_test_teardown(never_writes_after_a_failed_sync, wipe),
            cmocka_unit_test_teardown(has_one_writer, wipe),
            cmocka_unit_test_teardown(brings_the_schema_up, wipe),
            cmocka_unit_test_teardown(touches_no_strangers_file, wipe),
            cmocka_unit_test_teardown(checkpoints, wipe),
            cmocka_unit_test_teardown(stops_a_long_read, wipe),
            cmocka_unit_test_teardown(can_be_read_without_its_writer, wipe),
            cmocka_unit_test_teardown(survives_a_kill, wipe),
            cmocka_unit_test_teardown(refuses_anothers_log, wipe),
            cmocka_unit_test(refuses_network_file_systems),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
