/* zap: who may connect. Default deny.
 *
 * The ZAP handler of libzmq (RFC 27) on a thread of its own: a table look-up, no I/O. A client key of the
 * table gets the user id that stands beside it (the office's code; "sink"), every other is refused. zap_start
 * binds inproc://zeromq.zap.01 before any CURVE server may exist in the context; zap_self_test then proves,
 * with a random key on a loopback endpoint, that a stranger is refused and that a known key is let in
 * (PITFALLS Z3); no public endpoint is bound before it passed:
 *
 *     zpoll_context, zap_start, zap_allow, zap_self_test, zpoll_router … zpoll_close, zap_stop,
 * zpoll_context_close
 *
 * ZAP is asked at the handshake only, so a key taken out of the table still has its live sessions (Z13): the
 * owner of a ROUTER asks zap_allows for the key of every message. After zap_stop everybody is refused. All
 * but zap_start and zap_stop may be called from any thread. */
#ifndef SUMU_LOOP_ZAP_H
#define SUMU_LOOP_ZAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zap;

struct zap_entry {
        const char *curve;  /* Z85 public key */
        const char *domain; /* the zap_domain of the server socket it may enter; 1 to 63 bytes, as `user` */
        const char *user;
};

int zap_start(struct zap **z, void *zmq, struct err *e);

/* Replaces the table, whole or not at all: E_SYNTAX for a bad key, E_EXISTS for one that stands twice in a
 * domain. */
int zap_allow(struct zap *z, const struct zap_entry *entries, size_t n, struct err *e);
bool zap_allows(struct zap *z, const char *domain, const char *curve); /* still in the table? */

int zap_self_test(struct zap *z, void *zmq, struct err *e);
uint64_t zap_refused(const struct zap *z); /* how many were turned away */
void zap_stop(struct zap *z);

#endif
