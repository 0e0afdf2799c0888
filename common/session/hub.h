/* hub: HQ's aggregator without its sockets.
 *
 * Holds the conversations with the offices (downlink) and with the sink (feed), the cube and the flush being
 * gathered, and lets a message through in this order: prove it, recall what its reports touch, judge and fold
 * them, gather; when nothing is in flight, settle and flush; when the store has committed, tell the offices.
 * It starts empty, it may be thrown away at any instruction, and it keeps nothing that the two durable ends
 * do not have.
 *
 * No I/O: messages come in as bytes, go out through struct hub_host, time is given. The daemon lends it
 * sockets, the simulated world lends it a network of its own. Memory is bounded by the offices' windows,
 * GATHER_BYTES and the cube's budget. */
#ifndef SUMU_SESSION_HUB_H
#define SUMU_SESSION_HUB_H

#include "core/cube.h"
#include "session/downlink.h"
#include "session/feed.h"
#include "session/gather.h"

enum { HUB_PEER = 32 }; /* bytes of a connection's name, at most */

struct hub_peer_name {
        uint8_t b[HUB_PEER];
        size_t n;
};

enum hub_tone { HUB_TELLS, HUB_WARNS };

struct hub_host {
        void *ctx;
        /* Sends; false: not sent, and nobody will try again but the protocol. */
        bool (*to_office)(void *ctx, const struct hub_peer_name *peer, const struct text *message);
        bool (*to_sink)(void *ctx, const struct text *frames, size_t n);
        /* The public signing key of an office by its id; NULL: not enrolled (any longer). `id` NULL: is it
         * enrolled at all? */
        const uint8_t *(*sign_key)(void *ctx, const char *office, const uint8_t *id);
        int64_t (*civil_s)(void *ctx, int64_t us, const char *zone);
        struct catalog *(*held_catalog)(void *ctx, const uint8_t digest[32]); /* given away; NULL: not held */
        void (*keep_catalog)(void *ctx, const struct catalog *c);
        void (*log)(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t number);
};

struct hub_time {
        int64_t mono_ms, clock_us;
};

struct hub_counts { /* since the start, for /metrics */
        uint64_t messages, reports, rows, accepted, superseded, rejected, refused, flushes, totals, recalls,
            dropped;
};

struct hub;

struct hub *hub_new(const struct hub_host *host, uint64_t incarnation, size_t budget);
void hub_free(struct hub *h);

/* A message of an office, named by its key; `bytes` are borrowed for the call. */
void hub_office(struct hub *h, struct hub_time now, const struct hub_peer_name *peer, const char *office,
                const uint8_t *bytes, size_t n);
void hub_sink(struct hub *h, struct hub_time now, const struct wire_bytes *frames, size_t n);
void hub_sink_lost(struct hub *h, struct hub_time now);
void hub_tick(struct hub *h, struct hub_time now);

/* What the daemon shows. */
enum feed_state hub_state(const struct hub *h);
const struct hub_counts *hub_counts(const struct hub *h);
const struct catalog *hub_catalog(const struct hub *h); /* NULL before the first */
size_t hub_memory(const struct hub *h);
uint64_t hub_version(const struct hub *h);
size_t hub_waiting(const struct hub *h); /* messages not yet taken */

/* The code with which an office is refused right now; NULL: it is not. */
const char *hub_refusal(const struct hub *h, const char *office);

#endif
