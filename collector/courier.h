/* courier: the office's end of the conversation on a real outbox, without sockets.
 *
 * What HQ says goes in as frames, what the office says goes out through struct courier_host; in between the
 * uplink machine decides (session/uplink.h), and here its wishes are carried out in the order it gives them
 * and it is told what came of each. What HQ said is acted upon after it was kept. When the disk refuses, the
 * host is told and `resync` says that HQ has to say its part again: the owner makes a new connection when it
 * sees fit. Times come in with every call; nothing here looks at a clock. */
#ifndef SUMU_COLLECTOR_COURIER_H
#define SUMU_COLLECTOR_COURIER_H

#include "collector/ledger.h"
#include "loop/keys.h"
#include "session/uplink.h"

struct courier_host {
        void *ctx;
        bool (*send)(void *ctx, const void *bytes, size_t n); /* to HQ; false: it did not go out */
        void (*disk)(void *ctx, const struct err *e); /* it refuses, and why; NULL: a commit went through */
        void (*judged)(void *ctx);                    /* verdicts were kept */

        /* HQ's catalogue was kept and is in force here: it is the host's from now on, and stays until
         * courier_use_catalog or the next one. NULL: HQ's cannot be read by this version, the old one stays.
         */
        void (*catalog)(void *ctx, struct catalog **next);
        void (*note)(void *ctx, const char *sentence, const char *about); /* for the log */
};

struct courier_counts {
        uint64_t sent, received, dropped; /* messages; dropped: could not be read */
        uint64_t forks;                   /* streams begun after the first */
        uint64_t verdicts[REJECTED + 1];  /* kept */
};

struct courier {
        struct courier_host host;
        struct uplink uplink; /* to be looked at */
        struct outbox *outbox;
        const struct keys *keys;       /* signs with sign_secret; may change between calls */
        const struct catalog *catalog; /* in force; NULL: none yet */
        struct courier_counts counts;

        bool resync;         /* something could not be kept; the next link up clears it */
        int64_t heard_ms;    /* HQ's last word; 0: none yet */
        int64_t hq_ahead_us; /* HQ's clock less ours */

        int64_t mark_clock_us; /* of the mark last heard, for when it is kept */
        uint64_t mark_version;
        struct text pieces;            /* of HQ's catalogue, under way */
        struct arena message, scratch; /* of one message, of one thing to do */
};

struct courier_time {
        int64_t mono_ms, clock_us;
};

/* From what the outbox knows; outbox, keys and catalogue stay the caller's and are borrowed. */
void courier_init(struct courier *l, const struct courier_host *host, struct outbox *outbox,
                  const struct keys *keys, const struct catalog *catalog);
void courier_close(struct courier *l);

void courier_link(struct courier *l, bool up, struct courier_time now);

/* A message of HQ has one frame; what has more is dropped. */
void courier_message(struct courier *l, const struct wire_bytes *frames, size_t n, struct courier_time now);
void courier_tick(struct courier *l, struct courier_time now);

/* When a tick is due at the latest, by the monotonic clock; 0: whenever. */
int64_t courier_deadline(const struct courier *l);

/* Reports were committed to the outbox. */
void courier_grew(struct courier *l, struct courier_time now);

/* The owner has another catalogue, of its own finding. */
void courier_use_catalog(struct courier *l, const struct catalog *catalog, struct courier_time now);

/* In a transaction of its own, outside any other: settles what could not be read before, and lets go of one
 * slice of what was kept for `keep_us`. true: there may be more. */
bool courier_trim(struct courier *l, int64_t keep_us, struct courier_time now);

/* Goes on in a new stream, for the operator's --take-over (rule 8). It begins when everything of the old one
 * is safe at HQ, so that nothing can come twice: until then the answer is false, and it is asked again. */
bool courier_take_over(struct courier *l, struct courier_time now);

#endif
