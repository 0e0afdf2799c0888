/* zpoll: a ZeroMQ socket on a libuv loop. The only file that knows ZMQ_FD.
 *
 * ZMQ_FD is edge-triggered and any use of the socket eats the edge (PITFALLS Z1), so: uv_poll only wakes the
 * loop, a prepare handle looks at ZMQ_EVENTS and keeps the loop from sleeping, a check handle reads at most
 * ZPOLL_TURN messages. Nothing need be poked after a send. A 250 ms guard counts wake-ups that came late; the
 * count must stay 0.
 *
 * A zpoll belongs to the thread of its loop. Signals are blocked while that thread is inside libzmq (Z2), so
 * uv_signal may live on the same loop. Callbacks may send, reconnect and close. */
#ifndef SUMU_LOOP_ZPOLL_H
#define SUMU_LOOP_ZPOLL_H

#include "base/err.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <zmq.h>

enum {
        ZPOLL_TURN = 64,
        ZPOLL_WIRE = 256 * 1024,         /* MAXMSGSIZE (Z9): a frame as it travels */
        ZPOLL_MESSAGE = ZPOLL_WIRE - 64, /* a frame as we see it: CURVE adds 33 bytes */
        ZPOLL_FRAMES = 512,
};

struct zpoll;

struct zframe {
        const uint8_t *bytes;
        size_t n;
};

/* The one context of a process. Its I/O threads are made with all signals blocked; the soft limit of open
 * files is raised to 8192 where the hard one allows it (Z10). Close it when all sockets are closed and the
 * loop has run dry. */
void *zpoll_context(struct err *e);
void zpoll_context_close(void *zmq);

/* An inproc address not used before in this process: libzmq frees one only some time after its close. */
void zpoll_inproc(char name[64]);

/* Brackets the use of a ZeroMQ socket by others: blocks all signals, and gives back the mask that was. */
sigset_t zpoll_enter(void);
void zpoll_leave(sigset_t was);

/* A whole message: frames without the routing id. `peer` is the routing id (ROUTER): generated anew for each
 * connection, to be remembered from the latest message and never taken for an identity (Z5). `user` is the
 * ZAP user id and `key` the CURVE key it was given for, both read from the payload frame (Z4) and never NULL
 * on a ROUTER: a message without them is dropped. ZAP looks at a connection once, so ask zap_allows for `key`
 * at each message (Z13). All three are NULL on a DEALER. Everything lives until the callback returns. */
struct zmessage {
        const uint8_t *peer;
        size_t peer_n;
        const char *user, *key;
        const struct zframe *frames;
        size_t n;
};

typedef void zpoll_fn(void *ctx, const struct zmessage *m);

/* Of a DEALER: handshake succeeded, connection gone. They alternate, beginning with UP. */
enum zlink { ZLINK_UP, ZLINK_DOWN };
typedef void zlink_fn(void *ctx, enum zlink what);

struct zcurve {
        const char *public_key, *secret_key;
        const char *server_key; /* client side; NULL on a server */
        const char *zap_domain; /* server side: non-empty, enforced (Z3) */
};

/* Gives a socket its keys and, on a server, default deny: the one place where this is done. There is no way
 * around it: a socket whose mechanism does not read back as CURVE is an error. */
int zpoll_secure(void *socket, const struct zcurve *curve, struct err *e);

/* Binds a ROUTER (mandatory) or connects a DEALER. Options per PITFALLS Z7 to Z12: linger 0, RCVHWM and
 * SNDHWM 16, MAXMSGSIZE 256 KiB a frame, handshake 3 s, heartbeats 5/15/20 s, reconnect 100 ms to 30 s,
 * IMMEDIATE. A refused DEALER, which libzmq 4.3.4 would leave for good, tries again. Failed handshakes are
 * counted and logged, at most one line in 30 s. `endpoint` may end in :* or :0, a free port. */
int zpoll_router(struct zpoll **z, uv_loop_t *loop, void *zmq, const char *endpoint,
                 const struct zcurve *curve, zpoll_fn *on_message, void *ctx, struct err *e);
int zpoll_dealer(struct zpoll **z, uv_loop_t *loop, void *zmq, const char *endpoint,
                 const struct zcurve *curve, zpoll_fn *on_message, zlink_fn *on_link, void *ctx,
                 struct err *e);

/* Asynchronous, as libuv handles are: no callback but `closed` (may be NULL) comes any more. Of NULL it comes
 * at once. */
void zpoll_close(struct zpoll *z, void (*closed)(void *ctx), void *ctx);

/* Sends all frames (at most ZPOLL_FRAMES, each at most ZPOLL_MESSAGE bytes) as one message, or nothing, and
 * never blocks. `peer` is NULL on a DEALER. 0; E_PEER: nobody there (unroutable or not connected); E_BUSY:
 * queue full. Nothing is kept and 0 is no receipt: the caller's state is the memory. */
int zpoll_send(struct zpoll *z, const uint8_t *peer, size_t peer_n, const struct zframe *frames, size_t n);

/* Drops the connection and makes a new one (DEALER). What was queued is gone; if the link was up, ZLINK_DOWN
 * follows from the loop, as for any loss. */
void zpoll_reconnect(struct zpoll *z);

uint64_t zpoll_late(const struct zpoll *z);        /* late wake-ups seen by the guard */
uint64_t zpoll_failed(const struct zpoll *z);      /* handshakes that failed */
uint64_t zpoll_dropped(const struct zpoll *z);     /* messages dropped: no user, too many frames */
const char *zpoll_endpoint(const struct zpoll *z); /* as bound, with the real port */

#endif
