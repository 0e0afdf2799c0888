/* teller: the sink's end of the feed on a real store, without sockets.
 *
 * What the aggregator says goes in as frames, answers come out through struct teller_host; in between stands
 * the store, and an answer is sent only after the commit it speaks of. When the disk refuses, nothing is
 * answered: the host is told, and teller_again makes the aggregator begin anew from the stored marks. */
#ifndef SUMU_SINK_TELLER_H
#define SUMU_SINK_TELLER_H

#include "session/feed.h"
#include "sink/store.h"

struct teller_host {
        void *ctx;
        void (*send)(void *ctx, const struct text *frames, size_t n);
        void (*refused)(void *ctx, const char *doing, const struct err *e); /* by the disk */
        void (*note)(void *ctx, const char *sentence, const char *about);
};

struct teller_counts {
        uint64_t commits, refused, recalls;
};

struct teller {
        struct teller_host host;
        struct store *store;
        const struct catalog *catalog; /* in force; the owner swaps it, then calls teller_again */
        struct feed_sink feed;
        struct teller_counts counts;
};

struct teller_time {
        int64_t mono_ms, clock_us;
};

void teller_init(struct teller *l, const struct teller_host *host, struct store *store,
                 const struct catalog *c);
void teller_link(struct teller *l, bool up, struct teller_time now);
void teller_message(struct teller *l, const struct wire_bytes *frames, size_t n, struct teller_time now);
void teller_tick(struct teller *l, struct teller_time now);

/* Has the aggregator begin again: after a refusal of the disk, a new catalogue, a skipped gap. */
void teller_again(struct teller *l, struct teller_time now);

#endif
