/* toy_store: a store filled by hand, for tests of what reads it.
 *
 * Reports go in as they would have been committed: verdict, revision, place, hash chain, signature, `closed`
 * of what they replace. Totals are those of tests/lib/oracle.h, written by toy_store_settle; so a reader is
 * held to the slow and obvious recomputation, not to the program's own. Times are microseconds; a report's
 * version is its received_at. */
#ifndef SUMU_TESTS_TOY_STORE_H
#define SUMU_TESTS_TOY_STORE_H

#include "lib/oracle.h"
#include "lib/scratch.h"
#include "session/chain.h"
#include "store/db.h"

struct toy_stream {
        uint32_t office, turn;
        int64_t row;
        uint64_t seq;
        struct stream_id id;
        struct hash hash;
};

struct toy_store {
        const struct catalog *c;
        char dir[SCRATCH_PATH], path[SCRATCH_PATH + 16];
        struct db db;
        struct oracle oracle;
        int64_t version;
        struct toy_stream *streams;
        size_t n_streams;
        uint8_t sign_public[32], sign_secret[64]; /* of every office */
};

/* `rows` reads "REGION INDICATOR VALUE; …", the value as people write it; a region may end in /own. NULL:
 * none. */
struct toy_report {
        const char *office, *dataset, *period;
        enum action action;
        const char *rows;
        int64_t submitted_at, received_at;
        uint32_t turn;      /* 0: 1 */
        const char *reason; /* not NULL: rejected, for an unknown region of this name */
};

void toy_store_open(struct toy_store *s, const struct catalog *c);
void toy_store_close(struct toy_store *s);

/* Its verdict is accepted or superseded, unless it has a reason. */
void toy_store_report(struct toy_store *s, const struct toy_report *r);

/* The same with facts, sorted, which nobody judges. */
void toy_store_facts(struct toy_store *s, uint32_t office, const struct report *r, struct place at,
                     int64_t when);

/* Writes every total that is stored and has or had a fact. */
void toy_store_settle(struct toy_store *s);

/* Anything else, e.g. damage. */
void toy_store_sql(struct toy_store *s, const char *sql);

int64_t toy_time(const char *rfc3339); /* microseconds */

#endif
