/* parcel: what one request or one file brings: all its reports or none.
 *
 * Reading (core/intake), judging with what stands (the ledger), and only then writing, inside a transaction
 * the caller opens, so that whatever belongs to it (an Idempotency-Key, a file's identity) is committed with
 * it. What was wrong is in `in` as reasons or as malformed; a negative answer means trouble of ours, nothing
 * about the input. */
#ifndef SUMU_COLLECTOR_PARCEL_H
#define SUMU_COLLECTOR_PARCEL_H

#include "collector/ledger.h"
#include "collector/outbox.h"
#include "core/intake.h"

struct parcel_book { /* into which it is entered */
        struct outbox *outbox;
        struct ledger *ledger;
        const struct catalog *catalog;
        uint32_t office; /* its number in the catalogue */
        uint64_t max_bytes;
        bool passed; /* another outbox reports for this office now (rule 8) */
};

enum parcel_kind { PARCEL_CSV, PARCEL_JSON, PARCEL_NIL };

struct parcel_input {
        enum parcel_kind kind;
        const void *bytes; /* as they came: UTF-8 or GB18030 */
        size_t n;
        struct intake_hints hints;
        bool guarded; /* refuse to take back figures of regions that are not mentioned, unless that is written
                       */
        int64_t now_us; /* the time of submission */
};

struct parcel_draft { /* of each report of `in` */
        struct text payload;
        char period[PERIOD_TEXT];
        struct outbox_extra extra;
};

struct parcel { /* zeroed is empty */
        struct intake in;
        struct parcel_draft *drafts;
        int64_t submitted_us;
};

/* Reads and judges. What is refused for the outbox's sake (full, not this office's) is among the reasons. */
int parcel_read(struct parcel *t, const struct parcel_book *b, const struct parcel_input *input,
                struct err *e);
bool parcel_fine(const struct parcel *t);                       /* may be taken */
bool parcel_has(const struct parcel *t, enum reason_code code); /* among its reasons */
void parcel_close(struct parcel *t);

/* {"receipts":[…]}, with the places the reports get if they are put now. */
void parcel_receipts(const struct parcel *t, const struct parcel_book *b, struct text *out);

/* In a transaction. `file`: from outbox_file_take, or 0. */
int parcel_put(struct parcel *t, const struct parcel_book *b, int64_t file, struct err *e);

/* Rows of all reports. */
size_t parcel_rows(const struct parcel *t);

#endif
