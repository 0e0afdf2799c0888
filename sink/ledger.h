/* ledger: the sink's end of the feed on a real store, without sockets.
 *
 * What the aggregator says goes in as frames, answers come out through struct ledger_host; in between stands
 * the store, and an answer is sent only after the commit it speaks of. When the disk refuses, nothing is
 * answered: the host is told, and ledger_again makes the aggregator begin anew from the stored marks. */
#ifndef SUMU_SINK_LEDGER_H
#define SUMU_SINK_LEDGER_H

#include "session/feed.h"
#include "sink/store.h"

struct ledger_host {
        void *ctx;
        void (*send)(void *ctx, const struct text *frames, size_t n);
        void (*refused)(void *ctx, const char *doing, const struct err *e); /* by the disk */
        void (*note)(void *ctx, const char *sentence, const char *about);
};

struct ledger_counts {
        uint64_t commits, refused, recalls;
};

struct ledger {
        struct ledger_host host;
        struct store *store;
        const struct catalog *catalog; /* in force; the owner swaps it, then calls ledger_again */
        struct feed_sink feed;
        struct ledger_counts counts;
};

struct ledger_time {
        int64_t mono_ms, clock_us;
};

void ledger_init(struct ledger *l, const struct ledger_host *host, struct store *store,
                 const struct catalog *c);
void ledger_link(struct ledger *l, bool up, struct ledger_time now);
void ledger_message(struct ledger *l, const struct wire_bytes *frames, size_t n, struct ledger_time now);
void ledger_tick(struct ledger *l, struct ledger_time now);

/* Has the aggregator begin again: after a refusal of the disk, a new catalogue, a skipped gap. */
void ledger_again(struct ledger *l, struct ledger_time now);

#endif
