/* db: one SQLite file. The only source that opens SQLite.
 *
 * A writer is the file's one read-write connection: WAL, synchronous=FULL, read back and asserted, no mmap,
 * no automatic checkpoints (db_checkpoint between its own transactions), secure_delete off (PITFALLS Q1 to
 * Q5). It holds PATH.lock for as long as it is open, so a second writer, of this or another process, is
 * refused (E_BUSY); network file systems are refused by name. Foreign keys are not enforced. Readers open
 * read-only and are never waited for.
 *
 * A failed sync is never followed by another commit on the same connection: db_broken stays true, everything
 * further is refused with E_IO and the process is expected to end; what is in the file decides at the next
 * start.
 *
 * Statements are prepared once, on first use, from a table the caller owns (a .def list of SQL), and named by
 * number. A connection belongs to one thread at a time and its struct stays where it was opened. A zeroed
 * struct is a closed one; closing twice is harmless. */
#ifndef SUMU_STORE_DB_H
#define SUMU_STORE_DB_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        DB_APPLICATION_ID = 0x73756d75, /* "sumu", in the header of every file of ours */
        DB_READ_MS = 2000,              /* a read takes no longer (PITFALLS Q3) */
        DB_WAL_KEPT = 16 * 1024 * 1024, /* the WAL file shrinks to this when it starts anew */
};

struct db {
        sqlite3 *handle;
        const char *const *sql; /* borrowed */
        sqlite3_stmt **prepared;
        size_t n_sql;
        bool broken, reader;
        int lock;         /* file descriptor of PATH.lock + 1; 0: none */
        unsigned read_ms; /* of a reader; 0: no limit */
        int64_t read_began_ms;
};

/* Migration i brings the schema from version i to i + 1, all in one transaction; a file with a higher version
 * than n_migrations is refused by name (E_VERSION), so is a file that is not Sumu's. A backup beside the log
 * of the file it replaces is refused, too (E_DENIED). On refusal *d is closed. */
int db_open_writer(struct db *d, const char *path, const char *const *migrations, size_t n_migrations,
                   const char *const *sql, size_t n_sql, struct err *e);

/* E_MISSING: no such file. E_VERSION: it has another schema than schema_version; the sentence names both. */
int db_open_reader(struct db *d, const char *path, size_t schema_version, const char *const *sql,
                   size_t n_sql, struct err *e);
void db_close(struct db *d);

/* The statement, reset and without bindings, ready to bind. Never NULL: a fault in our SQL stops the process;
 * a lack of memory marks the connection broken and stops the process too. */
sqlite3_stmt *db_statement(struct db *d, size_t which);

/* One step: 1 a row, 0 done, negative refused (and the statement reset):
 *     E_FULL disk full          E_IO cannot be read, written, synced, or is damaged    E_BUSY locked by
 * another E_EXISTS not unique       E_LIMIT a reader's time is up, a value too big         E_DENIED not
 * writable E_USAGE another constraint, or SQL that failed on its data                       E_MEM A statement
 * left in the middle keeps its read alive: sqlite3_reset it, or ask db_statement for it again. */
int db_step(struct db *d, sqlite3_stmt *s, struct err *e);
int db_run(struct db *d, sqlite3_stmt *s, struct err *e); /* steps to the end, resets */

/* BEGIN IMMEDIATE; on a reader BEGIN, and its time starts here (outside a transaction: with db_statement). */
int db_begin(struct db *d, struct err *e);
int db_commit(struct db *d, struct err *e); /* refused: everything since db_begin is rolled back */
void db_rollback(struct db *d);             /* no transaction: nothing */
bool db_broken(const struct db *d);

/* How much of the file may be held in memory: a transaction that changes more is written out in between. */
void db_cache(struct db *d, unsigned kib);

/* Moves the WAL into the file as far as readers allow; with `truncate` only if all of it can move (E_BUSY
 * otherwise, and nothing is waited for). Outside transactions. */
int db_checkpoint(struct db *d, bool truncate, struct err *e);
int64_t db_wal_bytes(const struct db *d); /* size of the WAL file, 0 if there is none */

/* Changes a reader's DB_READ_MS; 0 lifts it. */
void db_patience(struct db *d, unsigned ms);

/* The name of a file system on which no database may lie, by statfs(2) f_type; NULL: this one is fine. */
const char *db_refused_file_system(uint64_t type);

/* Binders that read well. Text and blobs are borrowed until the statement is reset or bound anew; NULL text
 * and a NULL blob bind NULL. db_copy_* has SQLite copy them. */
void db_int(sqlite3_stmt *s, int at, int64_t v);
void db_text(sqlite3_stmt *s, int at, const char *v);
void db_blob(sqlite3_stmt *s, int at, const void *v, size_t n);
void db_copy_text(sqlite3_stmt *s, int at, const char *v);
void db_copy_blob(sqlite3_stmt *s, int at, const void *v, size_t n);

#endif
