/* look: what the oracle sees of a store, from outside of every node.
 *
 * Two implementations, as of the store itself: look_model.c for the one in memory, look_real.c for the real
 * one, which asks its tables with statements of its own. The store is open and not broken.
 *
 * Reports come as they arrived, marks as their streams were opened, skips as they were made; the rest in no
 * promised order, but in the same one after the same commits. What is handed out lives for the call. */
#ifndef SUMU_TESTS_WORLD_LOOK_H
#define SUMU_TESTS_WORLD_LOOK_H

#include "core/cell.h"
#include "sink/store.h"

struct look_report {
        const char *office, *dataset, *period;
        struct stream_id stream;
        uint32_t turn;
        uint64_t seq;
        struct hash hash;
        enum action action;
        enum verdict verdict;
        uint32_t revision, rows;
        uint64_t version, closed; /* closed 0: an accepted one stands */
        int64_t submitted_at, received_at;
        uint8_t catalog[32];
        const char *reasons, *flags; /* JSON; NULL: none */
        const uint8_t *payload;
        size_t payload_n;
};

struct look_total {
        const char *indicator, *region;
        int64_t period; /* period_id */
        struct cell cell;
        uint64_t version;
};

struct look_mark {
        const char *office;
        struct stream_id stream;
        uint32_t turn;
        uint64_t seq;
        struct hash hash;
};

struct look_signature {
        const char *office;
        struct stream_id stream;
        uint64_t seq;
        struct hash hash;
        uint8_t signature[SIGNATURE], key[WIRE_KEY_ID];
};

struct look_skip { /* what an operator let go: from..to are at rest without a report */
        const char *office;
        struct stream_id stream;
        uint64_t from, to, version;
        struct hash to_hash;
};

struct look_fact { /* as expanded for SQL, up to store.expanded */
        const char *office, *dataset, *region, *indicator;
        int64_t period; /* period_id */
        int64_t value, revision;
        enum qualifier qualifier;
};

void look_reports(struct store *s, void (*each)(void *ctx, const struct look_report *r), void *ctx);
void look_totals(struct store *s, void (*each)(void *ctx, const struct look_total *t), void *ctx);
void look_marks(struct store *s, void (*each)(void *ctx, const struct look_mark *m), void *ctx);
void look_signatures(struct store *s, void (*each)(void *ctx, const struct look_signature *g), void *ctx);
void look_skips(struct store *s, void (*each)(void *ctx, const struct look_skip *k), void *ctx);
void look_facts(struct store *s, void (*each)(void *ctx, const struct look_fact *f), void *ctx);

/* The digest of the catalogue in force; false: none was recorded yet. (store_catalog unpacks it as well,
 * which takes as long as a dozen commits.) */
bool look_catalog(struct store *s, uint8_t digest[32]);

/* One total; false: it was never written, which is as good as a cell of no facts. */
bool look_total(struct store *s, const char *indicator, const char *region, struct period p,
                struct cell *cell);

#endif
