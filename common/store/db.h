/* db: one SQLite file. The only source that opens SQLite.
 *
 * A writer is the file's one read-write connection: WAL, synchronous=FULL, read back and asserted, no mmap, no automatic
 * checkpoints (db_checkpoint between its own transactions), secure_delete off (PITFALLS Q1 to Q5). Readers open
 * read-only. A failed sync is never followed by another commit on the same connection: db_broken stays true and
 * the process is expected to end.
 *
 * Statements are prepared once, on first use, from a table the caller owns (a .def list of SQL), and named by number. */
#ifndef SUMU_STORE_DB_H
#define SUMU_STORE_DB_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db {
        sqlite3 *handle;
        const char *const *sql; /* borrowed */
        sqlite3_stmt **prepared;
        size_t n_sql;
        bool broken;
};

/* Migration i brings the schema from version i to i + 1, all in one transaction; a file with a higher version than
 * n_migrations is refused by name (E_VERSION). */
int db_open_writer(struct db *d, const char *path, const char *const *migrations, size_t n_migrations,
                   const char *const *sql, size_t n_sql, struct err *e);
int db_open_reader(struct db *d, const char *path, size_t schema_version, const char *const *sql, size_t n_sql,
                   struct err *e);
void db_close(struct db *d);

/* The statement, reset and without bindings, ready to bind. Never NULL: a fault in our SQL stops the process; a lack of
 * memory marks the connection broken and stops the process too. */
sqlite3_stmt *db_statement(struct db *d, size_t which);

/* One step: 1 a row, 0 done, negative refused (E_FULL on a full disk, E_IO …). */
int db_step(struct db *d, sqlite3_stmt *s, struct err *e);
int db_run(struct db *d, sqlite3_stmt *s, struct err *e); /* steps to the end, resets */

int db_begin(struct db *d, struct err *e); /* BEGIN IMMEDIATE; on a reader BEGIN */
int db_commit(struct db *d, struct err *e);
void db_rollback(struct db *d);
bool db_broken(const struct db *d);
int db_checkpoint(struct db *d, bool truncate, struct err *e);
int64_t db_wal_bytes(const struct db *d);

/* Binders that read well: blobs and text are copied by SQLite where `keep` is false. */
void db_int(sqlite3_stmt *s, int at, int64_t v);
void db_text(sqlite3_stmt *s, int at, const char *v); /* NULL binds NULL; borrowed until reset */
void db_blob(sqlite3_stmt *s, int at, const void *v, size_t n);

#endif
