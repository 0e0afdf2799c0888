/* outbox: everything an office must not lose, in one SQLite file (DESIGN.md section 4).
 *
 * It holds the streams of this office and their reports, what HQ said of each, what of them stands, HQ's
 * catalogue for the days without a line, the answers given to an Idempotency-Key, and which inbox files were
 * taken. Reports come in as envelopes with opaque payloads; the outbox numbers and chains them. What the
 * figures mean is the ledger's business.
 *
 * Writing goes in transactions: outbox_begin, verbs, outbox_commit. Nothing is true, and nobody may be told,
 * before outbox_commit answered 0; when it answers otherwise, or after outbox_abandon, file and memory are as
 * before outbox_begin. Verbs that say so need an open transaction. The newest stream is the one that takes
 * reports; older ones wait for verdicts and for their time to be trimmed, and are spoken of with HQ again in
 * case it was put back to a time before it had them (outbox_speak_of).
 *
 * What is acknowledged is kept until keep_days have passed by our clock and by HQ's (rule 6). The quota is
 * about what is not acknowledged: outbox_waiting. Opening reads a handful of rows, however much is held. */
#ifndef SUMU_COLLECTOR_OUTBOX_H
#define SUMU_COLLECTOR_OUTBOX_H

#include "session/uplink.h"
#include "store/db.h"

enum outbox_state {
        OUTBOX_QUEUED,
        OUTBOX_SENT,
        OUTBOX_ACCEPTED,
        OUTBOX_SUPERSEDED,
        OUTBOX_REJECTED,
        OUTBOX_STATES
};
const char *outbox_state_word(enum outbox_state s);
bool outbox_state_find(const char *word, enum outbox_state *s);

enum {
        OUTBOX_OVERHEAD = 512, /* bytes a report counts beside its payload: row, indexes */
        OUTBOX_DIGEST = 32,
};

struct outbox_now {     /* what a transaction changes, as committed last or as it stands inside one */
        int64_t number; /* of the newest stream, counting those of this file */
        struct stream_id stream;
        uint32_t turn;
        struct point head, floor, mark;
        uint64_t sent; /* highest seq that ever left */
        uint64_t head_bytes, mark_bytes,
            floor_bytes;  /* of the stream up to there, trimmed reports included */
        uint64_t version; /* highest version of HQ's store heard of */
        int64_t clock_us; /* highest time in HQ's marks */
        bool passed;      /* HQ knows a later stream (rule 8) */
};

struct outbox {
        struct db db;
        char office[CODE_MAX + 1];
        struct outbox_now now, safe;
        struct outbox_now older, safe_older; /* the older stream that is spoken of; number 0: none is */
        uint64_t rewritten; /* grows whenever what stands may have changed other than by reports at the end */
        bool writing;
};

/* Opens or makes the file, for this office only (E_DENIED: it is another's). A new file begins a stream. */
int outbox_open(struct outbox *o, const char *path, const char *office, int64_t now_us, struct err *e);
void outbox_close(struct outbox *o);

int outbox_begin(struct outbox *o, struct err *e);
int outbox_commit(struct outbox *o, struct err *e);
void outbox_abandon(struct outbox *o);
bool outbox_broken(const struct outbox *o); /* a sync failed: only the end of the process helps */
int outbox_tend(struct outbox *o, bool idle, struct err *e); /* checkpoints, between transactions */

/* Does the disk take? A transaction of its own that writes and leaves nothing. */
int outbox_try(struct outbox *o, struct err *e);

uint64_t outbox_waiting(const struct outbox *o);                   /* bytes not yet acknowledged */
void outbox_start(const struct outbox *o, struct uplink_start *s); /* all but the catalogue */

/* ---- of which stream is spoken: start, batch, hash, keep_turn, keep_mark and note_sent are about that one
 */

/* The oldest stream after `number` that had reports and is not the newest: 1; 0 there is none. They may all
 * have been let go: whether HQ has them is asked even so, for else a gap would be one that nobody names. */
int outbox_older(struct outbox *o, int64_t number, int64_t *next, struct err *e);
int outbox_speak_of(struct outbox *o, int64_t number, struct err *e); /* 0: of the newest */

/* ---- reports in */

struct outbox_extra {      /* of a report, for the office's own eyes */
        uint32_t revision; /* the number HQ is expected to give it */
        uint32_t rows, withdrawn;
        int64_t file; /* from outbox_file_take; 0: none */
};

/* In a transaction: the next report of the newest stream. */
int outbox_add(struct outbox *o, const struct envelope *r, const struct outbox_extra *x, struct err *e);

struct outbox_request { /* an Idempotency-Key and its first answer */
        const char *key;
        uint8_t digest[OUTBOX_DIGEST]; /* of what was asked */
        int64_t at_us;
};
/* 1 found (digest and answer filled), 0 not. */
int outbox_request_find(struct outbox *o, const char *key, uint8_t digest[OUTBOX_DIGEST], struct text *answer,
                        struct err *e);
int outbox_request_keep(struct outbox *o, const struct outbox_request *r, const struct text *answer,
                        struct err *e);

struct outbox_file { /* a file's identity (rule 11) */
        const char *name;
        uint64_t inode, size;
        int64_t mtime_ns;
        uint8_t digest[OUTBOX_DIGEST];
        int64_t at_us;
};
int outbox_file_known(struct outbox *o, const struct outbox_file *f,
                      struct err *e); /* 1 taken before, 0 not */
int outbox_file_take(struct outbox *o, const struct outbox_file *f, int64_t *id, struct err *e);

/* ---- reading reports */

struct outbox_report {  /* texts and bytes live until the callback returns */
        int64_t number; /* of its stream */
        struct stream_id stream;
        uint64_t seq;
        enum outbox_state state;
        struct envelope envelope; /* payload only from outbox_unsettled */
        struct outbox_extra extra;
        struct stream_id first_stream; /* as its receipt named it: reports move to a new stream in a fork */
        uint64_t first_seq;
        const struct wire_verdict *verdict; /* NULL: none, or not asked for */
};
typedef bool outbox_fn(void *ctx, const struct outbox_report *r); /* false: stop */

struct outbox_filter {
        const char *dataset, *period; /* NULL: any */
        unsigned states;              /* bits 1 << enum outbox_state */
        size_t limit;
        bool has_before; /* only those older than this one */
        struct stream_id before_stream;
        bool before_any_stream; /* before_seq speaks of the newest stream */
        uint64_t before_seq;
};
/* Newest first. */
int outbox_list(struct outbox *o, const struct outbox_filter *f, outbox_fn *fn, void *ctx, struct err *e);

/* Reports of the stream after a seq, in order, up to so many bytes on the wire but at least one; all
 * of it in the arena. head: the last one of them. n 0: there are none. */
int outbox_batch(struct outbox *o, uint64_t after, size_t bytes, struct arena *a, struct wire_batch *b,
                 struct point *head, struct err *e);

/* The stream's hash at a seq: 1; 0 not held; negative: trouble. */
int outbox_hash(struct outbox *o, uint64_t seq, struct hash *h, struct err *e);

/* The first report of each stream whose verdict is not held, newest stream first (always there); in the
 * arena. */
int outbox_wanted(struct outbox *o, struct arena *a, const struct wire_wanted **wanted, size_t *n,
                  struct err *e);

/* ---- what HQ says; all in a transaction */

void outbox_keep_turn(struct outbox *o, uint32_t turn);
void outbox_keep_passed(struct outbox *o, bool passed);
/* A mark lower than the last: HQ came back from a backup, and what lies after it waits for a verdict again.
 */
int outbox_keep_mark(struct outbox *o, struct point mark, uint64_t version, int64_t hq_us, int64_t now_us,
                     struct err *e);
void outbox_note_sent(struct outbox *o, uint64_t seq); /* no transaction needed: kept with the next commit */

/* A verdict ends the wait of a report. 1: it did, and *form names dataset and period for outbox_settle; 0:
 * the report is not held, or had its verdict. A rejected report from a file leaves a note for outbox_untold.
 */
int outbox_keep_verdict(struct outbox *o, struct stream_id stream, const struct wire_verdict *v,
                        int64_t now_us, int64_t *form, struct err *e);

/* A new stream that goes on after `after` of the newest: what came later is queued there again, in order
 * (rule 7). */
int outbox_fork(struct outbox *o, uint64_t after, int64_t now_us, struct err *e);

/* HQ's catalogue: kept, and what was kept (1, 0). */
int outbox_catalog_keep(struct outbox *o, const uint8_t digest[OUTBOX_DIGEST], const void *pack, size_t n,
                        struct err *e);
int outbox_catalog(struct outbox *o, uint8_t digest[OUTBOX_DIGEST], struct text *pack, struct err *e);

/* ---- what stands, by form (dataset and period); the ledger reads and folds */

/* The number of a form, 0 if nothing was ever said of it; *revision: the last number HQ gave to one of its
 * reports. */
int outbox_form(struct outbox *o, const char *dataset, const char *period, int64_t *form, uint32_t *revision,
                struct err *e);

/* What stands of everything settled, as payloads of replace reports, in order. */
typedef bool outbox_part_fn(void *ctx, const uint8_t *payload, size_t n);
int outbox_settled(struct outbox *o, int64_t form, outbox_part_fn *fn, void *ctx, struct err *e);

/* Reports not yet settled that count or may count (pending, accepted), in the order of their places, with
 * payloads; only those after a place (0, 0: all). */
int outbox_unsettled(struct outbox *o, int64_t form, int64_t number, uint64_t seq, outbox_fn *fn, void *ctx,
                     struct err *e);

/* In a transaction: the parts replace what was settled, and everything before `number`, `seq` is settled now.
 */
struct outbox_part {
        const void *bytes;
        size_t n;
};
int outbox_settle(struct outbox *o, int64_t form, int64_t number, uint64_t seq,
                  const struct outbox_part *parts, size_t n, struct err *e);

/* A form with accepted reports that are not settled: 1, with dataset and period (CODE_MAX + 1, PERIOD_TEXT);
 * 0: none. */
int outbox_unfolded(struct outbox *o, int64_t *form, char *dataset, char *period, struct err *e);
int outbox_form_names(struct outbox *o, int64_t form, char *dataset, char *period, struct err *e);

/* ---- letting go; in a transaction */

/* One small slice of what has had its days: 1: there may be more, 0: no. The newest stream's floor may have
 * moved. */
int outbox_trim(struct outbox *o, int64_t now_us, int64_t keep_us, struct err *e);

/* ---- files whose reports HQ rejected later */

/* One of which nobody was told yet: 1, with its name, inode and all reasons against its reports; 0: none. */
int outbox_untold(struct outbox *o, int64_t *id, struct text *name, uint64_t *inode, struct reasons *reasons,
                  struct err *e);
int outbox_told(struct outbox *o, int64_t id, struct err *e); /* in a transaction */

#endif
