/* zap: who may connect. Default deny.
 *
 * The ZAP handler of libzmq (RFC 27) on a thread of its own: a table look-up, no I/O. A client key of the table gets
 * the user id that stands beside it (the office's code; "sink"), every other is refused. zap_start binds
 * inproc://zeromq.zap.01 before any CURVE server may exist in the context; zap_self_test then proves, with a random
 * key on a loopback endpoint, that a stranger is refused and that a known key is let in (PITFALLS Z3); no public
 * endpoint is bound before it passed. */
#ifndef SUMU_LOOP_ZAP_H
#define SUMU_LOOP_ZAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zap;

struct zap_entry {
        const char *curve; /* Z85 public key */
        const char *domain;
        const char *user;
};

int zap_start(struct zap **z, void *zmq, struct err *e);
int zap_allow(struct zap *z, const struct zap_entry *entries, size_t n, struct err *e); /* replaces the table */
int zap_self_test(struct zap *z, void *zmq, struct err *e);
uint64_t zap_refused(const struct zap *z); /* how many were turned away */
void zap_stop(struct zap *z);

#endif
