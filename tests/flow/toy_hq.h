/* toy_hq: an HQ in the test's own process. The downlink machine on a real socket, with a store that is an
 * array, so that a test can make it forget, reject, or prefer another outbox. Everything it is sent is
 * accepted at once unless told otherwise. */
#ifndef SUMU_TESTS_TOY_HQ_H
#define SUMU_TESTS_TOY_HQ_H

#include "core/catalog.h"
#include "session/downlink.h"

enum { HQ_STREAMS = 8, HQ_REPORTS = 4096 };

struct hq_report {
        struct hash hash;
        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        enum verdict verdict;
        uint32_t revision;
};

struct hq_stream {
        struct downlink_stream known;
        struct hq_report reports[HQ_REPORTS]; /* [seq - 1] */
};

struct hq;

/* Keys: a folder as made by keys_init. The catalogue is borrowed. */
struct hq *hq_open(const char *keys, const struct catalog *c);
void hq_close(struct hq *h);
const char *hq_endpoint(const struct hq *h);
void hq_turn(struct hq *h); /* one turn of its loop; never sleeps long */

struct hq_stream *hq_stream(struct hq *h, size_t i); /* in the order of their first greetings; NULL: none */
size_t hq_streams(const struct hq *h);

/* The next report of this period is rejected as `locked`. */
void hq_reject(struct hq *h, const char *period);

/* As if restored from a backup of when it had so many reports of the first stream. All connections are told
 * anew. */
void hq_restore(struct hq *h, uint64_t seq);

/* Another outbox has been here since: its stream has the highest turn. */
void hq_prefer_another(struct hq *h);

void hq_use_catalog(struct hq *h, const struct catalog *c); /* from the next greeting on */

/* Its clock goes ahead of everybody's, from the next message on. */
void hq_shift_clock(struct hq *h, int64_t ahead_us);

#endif
