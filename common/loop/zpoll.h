/* zpoll: a ZeroMQ socket on a libuv loop. The only file that knows ZMQ_FD.
 *
 * ZMQ_FD is edge-triggered and any use of the socket eats the edge (PITFALLS Z1), so: uv_poll only wakes the loop, a
 * prepare handle looks at ZMQ_EVENTS and keeps the loop from sleeping, a check handle reads at most
 * ZPOLL_TURN messages. A 250 ms guard counts wake-ups that came late; the count must stay 0. */
#ifndef SUMU_LOOP_ZPOLL_H
#define SUMU_LOOP_ZPOLL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <zmq.h>

enum { ZPOLL_TURN = 64, ZPOLL_MESSAGE = 256 * 1024, ZPOLL_FRAMES = 512 };

struct zpoll;

struct zframe {
        const uint8_t *bytes;
        size_t n;
};

/* A whole message: frames without the routing id. `peer` is the routing id (ROUTER) and `user` the ZAP user id, read
 * from the payload frame (PITFALLS Z4); NULL on a DEALER. Frames live until the callback returns. */
struct zmessage {
        const uint8_t *peer;
        size_t peer_n;
        const char *user;
        const struct zframe *frames;
        size_t n;
};

/* The one context of a process; its threads are made with all signals blocked (Z2). */
void *zpoll_context(struct err *e);
void zpoll_context_close(void *zmq);

typedef void zpoll_fn(void *ctx, const struct zmessage *m);

enum zlink { ZLINK_UP, ZLINK_DOWN };
typedef void zlink_fn(void *ctx, enum zlink what); /* of a DEALER: handshake succeeded, connection gone */

struct zcurve {
        const char *public_key, *secret_key;
        const char *server_key; /* client side; NULL on a server */
        const char *zap_domain; /* server side: non-empty, enforced (Z3) */
};

/* Binds a ROUTER (mandatory) or connects a DEALER. Options per PITFALLS Z7 to Z12: linger 0, RCVHWM and SNDHWM 16,
 * MAXMSGSIZE 256 KiB a frame, handshake 3 s, heartbeats 5/15/20 s, reconnect 100 ms to 30 s, IMMEDIATE. */
int zpoll_router(struct zpoll **z, uv_loop_t *loop, void *zmq, const char *endpoint, const struct zcurve *curve,
                 zpoll_fn *on_message, void *ctx, struct err *e);
int zpoll_dealer(struct zpoll **z, uv_loop_t *loop, void *zmq, const char *endpoint, const struct zcurve *curve,
                 zpoll_fn *on_message, zlink_fn *on_link, void *ctx, struct err *e);
void zpoll_close(struct zpoll *z, void (*closed)(void *ctx), void *ctx); /* asynchronous, as libuv handles are */

/* Sends all frames as one message. 0; E_PEER: nobody there (unroutable or not connected); E_BUSY: queue full. Nothing
 * is kept: the caller's state is the memory. */
int zpoll_send(struct zpoll *z, const uint8_t *peer, size_t peer_n, const struct zframe *frames, size_t n);

/* Drops the connection and makes a new one (DEALER). */
void zpoll_reconnect(struct zpoll *z);

uint64_t zpoll_late(const struct zpoll *z); /* late wake-ups seen by the guard */
const char *zpoll_endpoint(const struct zpoll *z); /* as bound, with the real port */

#endif
