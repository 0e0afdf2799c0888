/* clients: those who hand reports in, all the time, and keep the receipts.
 *
 * Each has a thread, an office and a seed. A report is made from the seed, gets an Idempotency-Key, and is
 * handed in until it is answered 202: an answer may get lost, the report must not, and must not count twice.
 * Every receipt is an obligation, and the receipts are all the judge knows. */
#ifndef SUMU_TORTURE_CLIENTS_H
#define SUMU_TORTURE_CLIENTS_H

#include "core/report.h"
#include "torture/pipeline.h"

struct receipt {
        uint32_t office; /* of the catalogue */
        uint64_t seq;
        struct report report; /* facts are ours */
};

struct clients;

struct clients *clients_new(const struct pipeline *r, uint64_t seed);
void clients_free(struct clients *c);

void clients_go(struct clients *c);
void clients_hold(struct clients *c);       /* begin nothing new */
bool clients_idle(const struct clients *c); /* held, and every report begun has its receipt */

/* Who waits, and what he was last answered (0: nothing). */
void clients_waiting(const struct clients *c, struct text *out);

/* While idle: all receipts since the last call, to be freed by receipts_free. */
size_t clients_receipts(struct clients *c, struct receipt **out);
void receipts_free(struct receipt *r, size_t n);

/* How often a report was handed in again because its answer did not come, and because it was refused for now.
 */
struct patience {
        uint64_t unanswered, refused;
};
struct patience clients_patience(const struct clients *c);

#endif
