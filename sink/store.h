/* store: what HQ keeps, in SQLite: the writer's side.
 *
 * One transaction takes a flush: its reports as they came, the totals they changed, verdicts, signatures,
 * marks; only then is it answered. The term is read in that same transaction. Every commit has a version:
 * above the last, above everything heard of, and not below HQ's clock in microseconds (DESIGN.md section 4,
 * rules 9 and 10).
 *
 * A refusal of the disk leaves nothing half-done: the caller says nothing, has the aggregator begin again,
 * and tries anew. After a failed sync (db_broken) the process has to end. */
#ifndef SUMU_SINK_STORE_H
#define SUMU_SINK_STORE_H

#include "session/feed.h"
#include "session/gather.h"
#include "session/wire.h"
#include "store/db.h"

#include "core/catalog.h"

struct store {
        struct db db;
        uint64_t version, term;
        struct map regions, indicators; /* names to ids */
        struct arena arena;
        struct { /* facts of the report under expansion */
                bool active;
                int64_t id, revision;
                struct standing facts;
                size_t at;
                char office[CODE_MAX + 1], dataset[CODE_MAX + 1];
                struct period period;
        } expand;
        uint64_t expanded, reports; /* last ids */
};

int store_open(struct store *s, const char *path, struct err *e);
void store_close(struct store *s);

/* The catalogue in force; NULL if none was recorded yet. Ours to free. */
struct catalog *store_catalog(struct store *s, struct err *e);

/* Puts `next` in force. E_DENIED: a standing fact is in the way; `blocks` names up to ten of them, a line
 * each. */
int store_take_catalog(struct store *s, const struct catalog *now, const struct catalog *next,
                       int64_t clock_us, struct text *blocks, struct err *e);

/* The next commit goes above this version, which somebody has heard of (rule 10). */
static inline void store_hear(struct store *s, uint64_t version)
{
        if (version > s->version)
                s->version = version;
}

int store_open_term(struct store *s, uint64_t heard, int64_t clock_us, struct err *e);

/* All streams, or one, opened if it is new: with the turn that out->turn names, which the office says it had
 * before this store came back from a backup, if no other stream has it; else (0) with the next one. Texts
 * live in `a`. */
int store_streams(struct store *s, struct arena *a, struct wire_stream **v, size_t *n, struct err *e);
int store_stream(struct store *s, const char *office, struct stream_id id, int64_t clock_us,
                 struct wire_stream *out, struct err *e);

/* Commits a flush given as frames (the first is `flush`, read already). 0: committed, s->version is its
 * version. E_PEER: refused, `answer` says why; nothing changed. Other codes: the disk refused; nothing
 * changed, nothing may be answered. */
int store_commit(struct store *s, const struct catalog *c, const struct wire_flush *flush,
                 const struct wire_bytes *parts, size_t n, int64_t clock_us, struct wire_committed *answer,
                 struct err *e);

/* Answers to the aggregator's questions, as frames appended to `out` (the head first). */
int store_recall(struct store *s, const struct wire_recall *ask, struct gather_frames *out, struct err *e);
int store_hash(struct store *s, const struct wire_hash *ask, struct wire_hash *answer, struct err *e);
int store_verdicts(struct store *s, const struct wire_verdicts_ask *ask, struct arena *a,
                   struct wire_verdicts *answer, struct err *e);

/* A gap (rule 6), and an operator's word to go on behind it: E_MISSING where none is known. */
int store_gap(struct store *s, const struct wire_gap *g, int64_t clock_us, struct err *e);
int store_skip(struct store *s, const char *office, int64_t clock_us, uint64_t *from, uint64_t *to,
               struct err *e);

/* Expands the facts of one more report, or a part of them: some milliseconds of work at most. *more: there is
 * more. */
int store_expand(struct store *s, const struct catalog *c, bool *more, struct err *e);

#endif
