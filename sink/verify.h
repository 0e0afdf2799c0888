/* verify: everything that can be recomputed from the reports, recomputed and compared (`sumu verify`).
 *
 * In one look at the store: every stored total (all indicators, regions that have children, base periods,
 * months, quarters, halves, years) is added up again by core/tally.h from what stands, dataset by dataset in
 * order of time, and compared both ways: one that is missing, one too many, one that differs. Every stream's
 * reports are hashed again from the first on (DESIGN.md section 4, rule 1), every signature checked whose key
 * is known. Before that SQLite compares every table with its indexes: a file that is damaged is refused
 * (E_IO), with the first thing found. Behind a gap that an operator skipped a chain begins anew: what linked
 * it is not in the store.
 *
 * Memory is bounded by the tallies of one dataset. The look lasts as long as it takes; it delays no commit,
 * but the log (WAL) grows meanwhile. */
#ifndef SUMU_SINK_VERIFY_H
#define SUMU_SINK_VERIFY_H

#include "base/text.h"
#include "core/cell.h"
#include "session/chain.h"

#include <stdatomic.h>

enum { VERIFY_KEPT = 100 }; /* differences and faults that are named */

struct verify_ask {
        const char *path;
        const struct catalog *catalog;
        int64_t now_us;
        bool (*sign_key)(void *ctx, const char *office, const uint8_t id[8],
                         uint8_t key[32]); /* NULL: none is known */
        void *ctx;
};

struct verify_difference {
        char indicator[2 * CODE_MAX + 2], region[CODE_MAX + 1], period[PERIOD_TEXT];
        unsigned decimals;
        struct cell stored, computed; /* facts 0: absent */
};

enum verify_fault_code {
#define FAULT(name, code, en, zh) VERIFY_##name,
#include "sink/verify_faults.def"
#undef FAULT
        VERIFY_FAULTS
};

struct verify_fault { /* of a stream */
        char office[CODE_MAX + 1], stream[2 * STREAM_ID + 1];
        uint64_t seq;
        enum verify_fault_code code;
};

struct verify {
        atomic_bool stop;                 /* set by another thread: ends with E_BUSY */
        _Atomic uint64_t totals, reports; /* looked at so far; others may read them meanwhile */
        uint64_t agree, streams, intact;  /* intact: chains without a fault */
        uint64_t signatures, signed_well, unknown_keys;
        uint64_t version;
        struct verify_difference *differ;
        size_t n_differ;
        uint64_t differing;
        struct verify_fault *faults;
        size_t n_faults;
        uint64_t faulty;
};

int verify_run(struct verify *v, const struct verify_ask *ask, struct err *e); /* into a zeroed one */
void verify_print(const struct verify *v, enum lang lang,
                  struct text *json); /* members of an object, without braces */
void verify_close(struct verify *v);

#endif
