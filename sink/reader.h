/* reader: a look at the store as it is in one moment, and what stood in it at any time before.
 *
 * A reader is a read-only connection. Between reader_begin and reader_end it sees one version of the store,
 * whatever is committed meanwhile; with `as_of` it answers as it would have answered when that version was
 * the last. The catalogue is given after reader_begin, so that it is never older than what is seen. Belongs
 * to one thread at a time.
 *
 * Everything answers 0 or a negative code of errors.def. E_LIMIT: it took longer than DB_READ_MS. E_SYNTAX:
 * what stands (or stood) cannot be read with this catalogue. */
#ifndef SUMU_SINK_READER_H
#define SUMU_SINK_READER_H

#include "core/report.h"
#include "store/db.h"

enum reader_sql {
#define SQL(name, text) READ_##name,
#include "sink/reader.def"
#undef SQL
        READ_COUNT
};

struct reader {
        struct db db;
        uint64_t version; /* the last one in the store, or the one asked for if that is older */
        bool past;        /* not the last one: stored totals and the mark `closed` are of no use */
        int64_t now_us;   /* the moment asked about */
        const struct catalog *catalog;
        struct arena arena; /* the report being read */
        struct standing standing;
};

int reader_open(struct reader *r, const char *path, struct err *e);
void reader_close(struct reader *r);

/* `as_of` UINT64_MAX: now. */
int reader_begin(struct reader *r, uint64_t as_of, int64_t now_us, struct err *e);
void reader_end(struct reader *r);
sqlite3_stmt *reader_sql(struct reader *r, enum reader_sql which);

/* Everything that stood of a dataset in base periods beginning in first..last, in order of time, then by
 * office: each report as it is folded in, then what stood in the end. Periods of another rhythm (left from an
 * older catalogue, with nothing standing) are passed over. A callback answers 0 to go on, anything else ends
 * the scan and is its answer. */
struct scan_report {
        int64_t id;
        enum action action;
        const struct fact *facts;
        size_t n;
};

struct stood {
        int32_t office; /* NONE: the catalogue does not know it any more */
        struct period base;
        const struct fact *facts; /* until the callback returns */
        size_t n;
};

struct scan {
        uint32_t dataset;
        int32_t first, last;
        const bool *offices;                                        /* by number, those to read; NULL: all */
        int (*report)(void *ctx, const struct scan_report *report); /* may be NULL */
        int (*stood)(void *ctx, const struct stood *s);
        void *ctx;
};

int reader_scan(struct reader *r, const struct scan *s, struct err *e);

/* Is the office's scope, or a part of it, within the region (own: does it report the region's own facts)? */
bool office_meets(const struct catalog *c, uint32_t office, uint32_t region, bool own);

#endif
