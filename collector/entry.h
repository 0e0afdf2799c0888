/* entry: takes in what one request or one file brings: all its reports or none.
 *
 * Reading (core/intake), judging with what stands (the ledger), and only then writing, inside a transaction
 * the caller opens, so that whatever belongs to it (an Idempotency-Key, a file's identity) is committed with
 * it. What was wrong is in `in` as reasons or as malformed; a negative answer means trouble of ours, nothing
 * about the input. */
#ifndef SUMU_COLLECTOR_ENTRY_H
#define SUMU_COLLECTOR_ENTRY_H

#include "collector/outbox.h"
#include "core/intake.h"

struct entry_book { /* into which it is entered */
        struct outbox *outbox;
        const struct catalog *catalog;
        uint32_t office; /* its number in the catalogue */
        uint64_t max_bytes;
        bool passed; /* another outbox reports for this office now (rule 8) */
};

enum entry_kind { ENTRY_CSV, ENTRY_JSON, ENTRY_NIL };

struct entry_input {
        enum entry_kind kind;
        const void *bytes; /* as they came: UTF-8 or GB18030 */
        size_t n;
        struct intake_hints hints;
        bool guarded; /* refuse to take back figures of regions that are not mentioned, unless that is written
                       */
        int64_t now_us; /* the time of submission */
};

struct entry_draft { /* of each report of `in` */
        struct text payload;
        char period[PERIOD_TEXT];
        struct outbox_extra extra;
};

struct entry { /* zeroed is empty */
        struct intake in;
        struct entry_draft *drafts;
        int64_t submitted_us;
};

/* Reads and judges. What is refused for the outbox's sake (full, not this office's) is among the reasons. */
int entry_read(struct entry *t, const struct entry_book *b, const struct entry_input *input, struct err *e);
bool entry_fine(const struct entry *t);                       /* may be taken */
bool entry_has(const struct entry *t, enum reason_code code); /* among its reasons */
void entry_close(struct entry *t);

/* {"receipts":[…]}, with the places the reports get if they are put now. */
void entry_receipts(const struct entry *t, const struct entry_book *b, struct text *out);

/* In a transaction. `file`: from outbox_file_take, or 0. */
int entry_put(struct entry *t, const struct entry_book *b, int64_t file, struct err *e);

/* Rows of all reports. */
size_t entry_rows(const struct entry *t);

#endif
