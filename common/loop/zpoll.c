/* Three things make this file what it is.
 *
 * The edge (Z1). libzmq's fd says "something changed since you last looked", and every call on the socket is
 * a look. So the fd decides nothing here: uv_poll has an empty callback and only ends the sleep. Before each
 * sleep on_prepare asks the socket itself (ZMQ_EVENTS) and starts the idle handle if there is input, which
 * makes the sleep one of 0 ms; after it on_check reads. Between the last use of the socket and the sleep
 * there is always a look.
 *
 * The monitor. libzmq tells about connections on a second socket, a PAIR, which has the same edge and is
 * treated alike. Its queue is unbounded on purpose: with a high-water mark libzmq's I/O thread would block in
 * the middle of telling, and zmq_close with it.
 *
 * Giving up. libzmq 4.3.4 reconnects after a lost connection, but ends a session for good after a protocol
 * error, which a refused key is. The `retry` timer reconnects a DEALER whose monitor does not show that
 * libzmq is at it, so an office that was started before it was enrolled gets in once it is. */
#include "loop/zpoll.h"

#include "base/check.h"
#include "base/log.h"
#include "base/planted.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
        ZAP_ENFORCE_DOMAIN = 93, /* a draft constant, missing from zmq.h but honoured by 4.3.4 (Z3) */
        FILES = 8192,
        GUARD_MS = 250,
        MOMENT_NS = 100 * 1000,
        ASLEEP_MS = 100, /* a sleep long enough for the guard to judge what ended it */
        RARE_MS = 30 * 1000,
        RETRY_LEAST_MS = 1000,
        RETRY_MOST_MS = 30 * 1000,
        TRYING_MS = 60 * 1000, /* longer than libzmq's longest pause, connect and handshake together */
};

static const int failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_ACCEPT_FAILED;
static const int link_events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECTED |
                               ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED;

/* What strangers may cause is counted, and told at once, then in one line for all there were in 30 s: they
 * must not be able to fill the log. */
struct rare {
        uint64_t n, told, told_at;
};

struct zpoll {
        void *socket, *monitor; /* monitor: the PAIR on which libzmq tells of connections */
        bool router, closing;
        bool up;           /* DEALER: what the monitor last said */
        bool lost;         /* zpoll_reconnect took the link down, on_link is yet to hear of it */
        unsigned connects; /* how often zpoll_reconnect was called */
        unsigned retry_ms; /* the next pause of `retry`, doubling */
        char endpoint[256];

        zpoll_fn *on_message;
        zlink_fn *on_link;
        void (*on_closed)(void *ctx);
        void *ctx, *closed_ctx;

        uv_poll_t wake[2]; /* socket, monitor */
        uv_prepare_t prepare;
        uv_check_t check;
        uv_idle_t idle;
        uv_timer_t guard, retry;
        unsigned handles; /* not yet closed */

        uint64_t asleep_since; /* loop time of the last on_prepare */
        uint64_t used_at;      /* loop time of the last use of the socket by others than the three handles */
        uint64_t late;
        struct rare failed, dropped;

        zmq_msg_t parts[ZPOLL_FRAMES +
                        1]; /* of the message being read; the first of a ROUTER's is the routing id */
        struct zframe frames[ZPOLL_FRAMES];
};

/* Z2: a signal that interrupts libzmq between two commands can lose a wake-up. */
sigset_t zpoll_enter(void)
{
        sigset_t all, was;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &was);
        return was;
}

void zpoll_leave(sigset_t was)
{
        pthread_sigmask(SIG_SETMASK, &was, NULL);
}

/* ── context ── */

/* libzmq has no limit of connections, and a listener out of descriptors spins. */
static void files_raise(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES)
                return;
        files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
        setrlimit(RLIMIT_NOFILE, &files);
}

void *zpoll_context(struct err *e)
{
        files_raise();
        if (!zmq_has("curve") || sodium_init() < 0) {
                err_set(e, E_MISSING, "this libzmq was built without CURVE");
                return NULL;
        }
        void *zmq = zmq_ctx_new();
        sigset_t was = zpoll_enter();
        void *first = zmq ? zmq_socket(zmq, ZMQ_PAIR) : NULL; /* the threads start with the first socket */
        zpoll_leave(was);
        if (first) {
                zmq_close(first);
                return zmq;
        }
        err_set(e, E_IO, "ZeroMQ cannot start: %s", zmq_strerror(zmq_errno()));
        if (zmq)
                zmq_ctx_term(zmq);
        return NULL;
}

void zpoll_context_close(void *zmq)
{
        if (!zmq)
                return;
        sigset_t was = zpoll_enter();
        while (zmq_ctx_term(zmq) != 0 && zmq_errno() == EINTR)
                ;
        zpoll_leave(was);
}

void zpoll_inproc(char name[64])
{
        static _Atomic unsigned n;
        snprintf(name, 64, "inproc://sumu-%u", atomic_fetch_add(&n, 1));
}

/* ── options ── */

static int option_set(void *socket, int option, int value, struct err *e)
{
        if (zmq_setsockopt(socket, option, &value, sizeof value) == 0)
                return 0;
        return err_set(e, E_IO, "ZeroMQ refuses option %d = %d: %s", option, value,
                       zmq_strerror(zmq_errno()));
}

static int key_set(void *socket, int option, const char *what, const char *z85, struct err *e)
{
        if (z85 && strlen(z85) == 40 && zmq_setsockopt(socket, option, z85, 41) == 0)
                return 0;
        return err_set(e, E_SYNTAX, "the %s is not a CURVE key of 40 characters", what);
}

static int server_secure(void *socket, const char *domain, struct err *e)
{
        PRE(domain && *domain); /* without one, enforcing means nothing: everybody would be let in (Z3) */
        if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) != 0)
                return err_set(e, E_IO, "ZeroMQ refuses the ZAP domain \"%s\"", domain);
        int rc = option_set(socket, ZAP_ENFORCE_DOMAIN, 1, e);
        return rc ? rc : option_set(socket, ZMQ_CURVE_SERVER, 1, e);
}

int zpoll_secure(void *socket, const struct zcurve *curve, struct err *e)
{
        int rc = curve->server_key
                     ? key_set(socket, ZMQ_CURVE_SERVERKEY, "server's key", curve->server_key, e)
                     : server_secure(socket, curve->zap_domain, e);
        if (!rc)
                rc = key_set(socket, ZMQ_CURVE_PUBLICKEY, "public key", curve->public_key, e);
        if (!rc)
                rc = key_set(socket, ZMQ_CURVE_SECRETKEY, "secret key", curve->secret_key, e);
        int mechanism = ZMQ_NULL;
        size_t n = sizeof mechanism;
        if (!rc && (zmq_getsockopt(socket, ZMQ_MECHANISM, &mechanism, &n) != 0 || mechanism != ZMQ_CURVE))
                rc = err_set(e, E_DENIED, "ZeroMQ does not secure this socket");
        return rc;
}

static int socket_set_up(void *socket, bool router, const char *endpoint, const struct zcurve *curve,
                         struct err *e)
{
        const struct {
                int option, value;
        } options[] = {
            {ZMQ_LINGER, 0},  /* Z12: the outbox is the memory, closing never waits */
            {ZMQ_RCVHWM, 16}, /* Z8: counts messages, so small, to bound bytes */
            {ZMQ_SNDHWM, 16},
            {ZMQ_HANDSHAKE_IVL, 3000}, /* Z10: a silent peer holds a descriptor for 3 s */
            {ZMQ_HEARTBEAT_IVL, 5000}, /* Z11: a dead link is seen in seconds, not by TCP in many minutes */
            {ZMQ_HEARTBEAT_TIMEOUT, 15000},
            {ZMQ_HEARTBEAT_TTL, 20000},
            {ZMQ_RECONNECT_IVL, 100},
            {ZMQ_RECONNECT_IVL_MAX, 22500 + (int)randombytes_uniform(7500)}, /* not all offices at once */
            {ZMQ_CONNECT_TIMEOUT, 10000},
            {ZMQ_BACKLOG, 4096}, /* a crowd of strangers does not keep an office waiting at the door */
            {ZMQ_IMMEDIATE, 1},  /* Z12: no queue for a peer that is not there */
            {ZMQ_IPV6, strchr(endpoint, '[') != NULL},
        };
        int rc = 0;
        for (size_t i = 0; i < sizeof options / sizeof *options && !rc; i++)
                rc = option_set(socket, options[i].option, options[i].value, e);
        if (!rc && router)
                rc = option_set(socket, ZMQ_ROUTER_MANDATORY, 1,
                                e); /* Z7: unroutable is an error, not a loss */
        int64_t most = ZPOLL_WIRE; /* Z9: else what a stranger announces is allocated, before any handshake */
        if (!rc && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most) != 0)
                rc = err_set(e, E_IO, "ZeroMQ refuses a limit of message size");
        return rc ? rc : zpoll_secure(socket, curve, e);
}

/* ── what happened to connections ── */

static void link_down(struct zpoll *z)
{
        bool was = z->up || z->lost;
        z->up = z->lost = false;
        if (was)
                z->on_link(z->ctx, ZLINK_DOWN);
}

static void link_up(struct zpoll *z)
{
        unsigned connects = z->connects;
        link_down(z); /* a connection whose end we missed */
        if (z->closing || z->connects != connects)
                return;
        z->up = true;
        z->retry_ms = RETRY_LEAST_MS;
        uv_timer_stop(&z->retry);
        z->on_link(z->ctx, ZLINK_UP);
}

static void on_retry(uv_timer_t *t)
{
        struct zpoll *z = t->data;
        zpoll_reconnect(z);
        z->retry_ms = z->retry_ms * 2 < RETRY_MOST_MS ? z->retry_ms * 2 : RETRY_MOST_MS;
}

static void retry_in(struct zpoll *z, unsigned ms)
{
        if (!z->router && !z->closing)
                uv_timer_start(&z->retry, on_retry, ms, 0);
}

/* The pause less up to a half, so that offices refused together do not come back together. */
static void retry_soon(struct zpoll *z)
{
        retry_in(z, z->retry_ms - randombytes_uniform(z->retry_ms / 2));
}

static const char *failure_reason(uint16_t event, uint32_t value)
{
        switch (event) {
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return "the server does not know this key";
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC ? "the keys do not fit"
                                                                      : "not our protocol";
        case ZMQ_EVENT_ACCEPT_FAILED: return strerror((int)value);
        default: return value == EFAULT ? "nobody answers for keys" : "the connection ended in the handshake";
        }
}

static void rare_note(struct zpoll *z, struct rare *r, const char *what, const char *reason)
{
        uint64_t now = uv_now(z->prepare.loop);
        r->n++;
        if (r->told && now - r->told_at < RARE_MS)
                return;
        char times[24];
        snprintf(times, sizeof times, "%" PRIu64, r->n - r->told);
        log_warn(what, "endpoint", z->endpoint, "reason", reason, "times", times, NULL);
        r->told = r->n;
        r->told_at = now;
}

static void event_step(struct zpoll *z, uint16_t event, uint32_t value)
{
        switch (event) {
        case ZMQ_EVENT_CONNECTED:
        case ZMQ_EVENT_CONNECT_DELAYED:
        case ZMQ_EVENT_CONNECT_RETRIED: retry_in(z, TRYING_MS); break; /* libzmq is at it */
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: link_up(z); break;
        case ZMQ_EVENT_DISCONNECTED:
                retry_soon(z);
                link_down(z);
                break;
        default: rare_note(z, &z->failed, "handshake failed", failure_reason(event, value)); retry_soon(z);
        }
}

/* The next event: a frame of a 16-bit number and a 32-bit value in our own byte order, and one of an address.
 */
static bool event_read(struct zpoll *z, uint16_t *event, uint32_t *value)
{
        uint8_t head[sizeof *event + sizeof *value];
        char address[256];
        if (zmq_recv(z->monitor, head, sizeof head, ZMQ_DONTWAIT) != sizeof head)
                return false;
        zmq_recv(z->monitor, address, sizeof address, ZMQ_DONTWAIT);
        memcpy(event, head, sizeof *event);
        memcpy(value, head + sizeof *event, sizeof *value);
        return true;
}

static void events_read(struct zpoll *z)
{
        uint16_t event;
        uint32_t value;
        if (z->lost)
                link_down(z);
        for (unsigned i = 0; i < ZPOLL_TURN && !z->closing && event_read(z, &event, &value); i++)
                event_step(z, event, value);
}

/* ── messages in ── */

/* Reads a whole message into z->parts; answers the number of its parts, 0: none there. Of one with too many
 * parts the rest is read and let go, and the answer is more than fit. */
static size_t message_read(struct zpoll *z)
{
        size_t n = 0, fit = sizeof z->parts / sizeof *z->parts;
        for (bool more = true; more; n++) {
                zmq_msg_t rest, *part = n < fit ? &z->parts[n] : &rest;
                zmq_msg_init(part);
                if (zmq_msg_recv(part, z->socket, ZMQ_DONTWAIT) < 0) {
                        POST(n == 0); /* libzmq hands over whole messages */
                        zmq_msg_close(part);
                        return 0;
                }
                more = zmq_msg_more(part);
                if (part == &rest)
                        zmq_msg_close(part);
        }
        return n;
}

static void message_hand_over(struct zpoll *z, size_t n)
{
        struct zmessage m = {.frames = z->frames, .n = n};
        zmq_msg_t *payload = z->parts;
        if (n > (size_t)ZPOLL_FRAMES + z->router) {
                rare_note(z, &z->dropped, "message dropped", "too many frames");
                return;
        }
        if (z->router) {
                m.peer = zmq_msg_data(payload);
                m.peer_n = zmq_msg_size(payload);
                payload++, m.n--;
                /* Z4: the routing id frame loses the properties when ZMQ_EVENTS has prefetched it. */
                m.user = zmq_msg_gets(payload, "User-Id");
                m.key = zmq_msg_gets(payload, "X-Key");
                if (!m.user || !*m.user || !m.key) {
                        rare_note(z, &z->dropped, "message dropped", "nobody vouches for its sender");
                        return;
                }
        }
        for (size_t i = 0; i < m.n; i++)
                z->frames[i] = (struct zframe){zmq_msg_data(&payload[i]), zmq_msg_size(&payload[i])};
        z->on_message(z->ctx, &m);
}

static bool message_step(struct zpoll *z)
{
        size_t n = message_read(z), fit = sizeof z->parts / sizeof *z->parts;
        if (n == 0)
                return false;
        message_hand_over(z, n);
        for (size_t i = 0; i < n && i < fit; i++)
                zmq_msg_close(&z->parts[i]);
        return true;
}

/* ── the loop ── */

static bool has_input(void *socket)
{
        int events = 0;
        size_t n = sizeof events;
        return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n) == 0 && (events & ZMQ_POLLIN);
}

static int fd_of(void *socket)
{
        int fd = -1;
        size_t n = sizeof fd;
        zmq_getsockopt(socket, ZMQ_FD, &fd, &n);
        return fd;
}

static long times_interrupted(void)
{
        struct rusage u = {0};
        getrusage(RUSAGE_THREAD, &u);
        return u.ru_nivcsw;
}

/* Input behind a quiet fd: nothing would have ended this sleep but the guard. The two looks have to be one
 * moment: where the processor was taken away between them, be it for libzmq's own thread that brings a
 * message, one may have come meanwhile, and nothing is said. */
static bool is_late(void *socket)
{
        struct pollfd fd = {.fd = fd_of(socket), .events = POLLIN};
        long interrupted = times_interrupted();
        uint64_t began = uv_hrtime();
        return poll(&fd, 1, 0) == 0 && has_input(socket) && uv_hrtime() - began < MOMENT_NS &&
               times_interrupted() == interrupted;
}

static void on_wake(uv_poll_t *p, int status, int events)
{
        (void)p, (void)status, (void)events; /* only ends the sleep */
}

static void on_idle(uv_idle_t *i)
{
        (void)i; /* only keeps the loop from sleeping */
}

static void on_guard(uv_timer_t *t)
{
        (void)t; /* only bounds the sleep */
}

static void on_prepare(uv_prepare_t *p)
{
        struct zpoll *z = p->data;
        sigset_t was = zpoll_enter();
        /* Both are asked, always: the asking is what quiets the fd. */
        bool message = has_input(z->socket), event = has_input(z->monitor);
        zpoll_leave(was);
        if ((message && !PLANTED(LOST_WAKE_UP)) || event || z->lost)
                uv_idle_start(&z->idle, on_idle);
        /* From here on, so that a lost wake-up costs its whole 250 ms and is seen, and the loop's own work is
         * not taken for sleep. */
        uv_update_time(p->loop);
        uv_timer_again(&z->guard);
        z->asleep_since = uv_now(p->loop);
}

static void on_check(uv_check_t *c)
{
        struct zpoll *z = c->data;
        sigset_t was = zpoll_enter();
        /* A callback that sent after the sleep has eaten an edge that nobody needs any more. */
        if (!uv_is_active((uv_handle_t *)&z->idle) && uv_now(c->loop) - z->asleep_since >= ASLEEP_MS &&
            z->used_at != uv_now(c->loop))
                z->late += is_late(z->socket) + is_late(z->monitor);
        uv_idle_stop(&z->idle);
        events_read(z);
        for (unsigned i = 0; i < ZPOLL_TURN && !z->closing && message_step(z); i++)
                ;
        zpoll_leave(was);
}

/* ── life ── */

static void sockets_close(struct zpoll *z)
{
        sigset_t was = zpoll_enter();
        if (z->monitor) {
                zmq_socket_monitor(z->socket, NULL, 0); /* before its reader goes */
                zmq_close(z->monitor);
        }
        if (z->socket)
                zmq_close(z->socket);
        zpoll_leave(was);
}

static void on_handle_closed(uv_handle_t *h)
{
        struct zpoll *z = h->data;
        if (--z->handles > 0)
                return;
        void (*closed)(void *ctx) = z->on_closed;
        void *ctx = z->closed_ctx;
        sockets_close(z);
        free(z);
        if (closed)
                closed(ctx);
}

void zpoll_close(struct zpoll *z, void (*closed)(void *ctx), void *ctx)
{
        if (!z) {
                if (closed)
                        closed(ctx);
                return;
        }
        PRE(!z->closing);
        z->closing = true;
        z->on_closed = closed;
        z->closed_ctx = ctx;
        uv_handle_t *const handles[] = {
            (uv_handle_t *)&z->prepare, (uv_handle_t *)&z->check, (uv_handle_t *)&z->idle,
            (uv_handle_t *)&z->guard,   (uv_handle_t *)&z->retry, (uv_handle_t *)&z->wake[0],
            (uv_handle_t *)&z->wake[1],
        };
        unsigned n = z->handles; /* fewer than all where opening failed half way */
        for (unsigned i = 0; i < n; i++)
                uv_close(handles[i], on_handle_closed);
}

/* In the order of zpoll_close, what can fail last. */
static int handles_open(struct zpoll *z, uv_loop_t *loop)
{
        uv_prepare_init(loop, &z->prepare);
        uv_check_init(loop, &z->check);
        uv_idle_init(loop, &z->idle);
        uv_timer_init(loop, &z->guard);
        uv_timer_init(loop, &z->retry);
        z->prepare.data = z->check.data = z->idle.data = z->guard.data = z->retry.data = z;
        z->handles = 5;
        z->asleep_since = uv_now(loop); /* not yet: the first look comes before the first sleep */
        void *const sockets[] = {z->socket, z->monitor};
        for (unsigned i = 0; i < 2; i++) {
                int rc = uv_poll_init(loop, &z->wake[i], fd_of(sockets[i]));
                if (rc != 0)
                        return rc;
                z->wake[i].data = z;
                z->handles++;
                uv_poll_start(&z->wake[i], UV_READABLE, on_wake);
        }
        uv_prepare_start(&z->prepare, on_prepare);
        uv_check_start(&z->check, on_check);
        uv_timer_start(&z->guard, on_guard, GUARD_MS, GUARD_MS);
        retry_in(z, TRYING_MS);
        return 0;
}

/* Before anything can happen on the socket, so that nothing is missed. */
static int monitor_open(struct zpoll *z, void *zmq, struct err *e)
{
        char name[64];
        zpoll_inproc(name);
        int unbounded = 0;
        z->monitor = zmq_socket(zmq, ZMQ_PAIR);
        if (z->monitor && zmq_setsockopt(z->monitor, ZMQ_RCVHWM, &unbounded, sizeof unbounded) == 0 &&
            zmq_socket_monitor(z->socket, name, z->router ? failures : failures | link_events) == 0 &&
            zmq_connect(z->monitor, name) == 0)
                return 0;
        return err_set(e, E_IO, "ZeroMQ gives no monitor: %s", zmq_strerror(zmq_errno()));
}

static int endpoint_open(struct zpoll *z, const char *endpoint, struct err *e)
{
        int rc = z->router ? zmq_bind(z->socket, endpoint) : zmq_connect(z->socket, endpoint);
        if (rc != 0)
                return err_set(e, E_IO, "cannot %s %s: %s", z->router ? "listen on" : "connect to", endpoint,
                               zmq_strerror(zmq_errno()));
        size_t n = sizeof z->endpoint;
        if (z->router && zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, z->endpoint, &n) == 0)
                return 0;
        if (snprintf(z->endpoint, sizeof z->endpoint, "%s", endpoint) < (int)sizeof z->endpoint)
                return 0;
        return err_set(e, E_LIMIT, "the address %.40s… is too long", endpoint);
}

static int sockets_open(struct zpoll *z, void *zmq, const char *endpoint, const struct zcurve *curve,
                        struct err *e)
{
        sigset_t was = zpoll_enter();
        z->socket = zmq_socket(zmq, z->router ? ZMQ_ROUTER : ZMQ_DEALER);
        int rc = z->socket ? socket_set_up(z->socket, z->router, endpoint, curve, e)
                           : err_set(e, E_IO, "ZeroMQ gives no socket: %s", zmq_strerror(zmq_errno()));
        if (!rc)
                rc = monitor_open(z, zmq, e);
        if (!rc)
                rc = endpoint_open(z, endpoint, e);
        zpoll_leave(was);
        return rc;
}

static int zpoll_open(struct zpoll *z, uv_loop_t *loop, void *zmq, const char *endpoint,
                      const struct zcurve *curve, struct err *e)
{
        z->retry_ms = RETRY_LEAST_MS;
        int rc = sockets_open(z, zmq, endpoint, curve, e);
        if (rc != 0) {
                sockets_close(z);
                free(z);
                return rc;
        }
        int uv = handles_open(z, loop);
        if (uv != 0) {
                zpoll_close(z, NULL, NULL);
                return err_set(e, E_IO, "cannot watch %s: %s", endpoint, uv_strerror(uv));
        }
        return 0;
}

int zpoll_router(struct zpoll **out, uv_loop_t *loop, void *zmq, const char *endpoint,
                 const struct zcurve *curve, zpoll_fn *on_message, void *ctx, struct err *e)
{
        PRE(!curve->server_key);
        *out = NULL;
        struct zpoll *z = calloc(1, sizeof *z);
        if (!z)
                return err_set(e, E_MEM, "no memory for a connection");
        z->router = true;
        z->on_message = on_message;
        z->ctx = ctx;
        int rc = zpoll_open(z, loop, zmq, endpoint, curve, e);
        if (!rc)
                *out = z;
        return rc;
}

int zpoll_dealer(struct zpoll **out, uv_loop_t *loop, void *zmq, const char *endpoint,
                 const struct zcurve *curve, zpoll_fn *on_message, zlink_fn *on_link, void *ctx,
                 struct err *e)
{
        PRE(curve->server_key);
        *out = NULL;
        struct zpoll *z = calloc(1, sizeof *z);
        if (!z)
                return err_set(e, E_MEM, "no memory for a connection");
        z->on_message = on_message;
        z->on_link = on_link;
        z->ctx = ctx;
        int rc = zpoll_open(z, loop, zmq, endpoint, curve, e);
        if (!rc)
                *out = z;
        return rc;
}

/* ── messages out ── */

static int part_send(struct zpoll *z, const void *bytes, size_t n, bool more)
{
        if (zmq_send(z->socket, bytes, n, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
                return 0;
        return zmq_errno() == EAGAIN ? E_BUSY : E_PEER;
}

/* If the first part is refused nothing was begun. If a later one is, the connection has gone: libzmq takes
 * back the earlier ones and swallows what follows up to the last, which it must see, or it would swallow the
 * next message. */
static int parts_send(struct zpoll *z, const uint8_t *peer, size_t peer_n, const struct zframe *frames,
                      size_t n)
{
        int rc = z->router ? part_send(z, peer, peer_n, true) : 0;
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < n; i++) {
                int refused = part_send(z, frames[i].bytes, frames[i].n, i + 1 < n);
                if (refused && i == 0)
                        return refused;
                if (refused)
                        rc = E_PEER;
        }
        return rc;
}

int zpoll_send(struct zpoll *z, const uint8_t *peer, size_t peer_n, const struct zframe *frames, size_t n)
{
        PRE(n > 0 && n <= ZPOLL_FRAMES);
        PRE(z->router == (peer != NULL));
        for (size_t i = 0; i < n; i++)
                PRE(frames[i].n <= ZPOLL_MESSAGE); /* the other side would hang up */
        if (!z->router && !z->up)
                return E_PEER; /* libzmq would take it before the handshake */
        z->used_at = uv_now(z->check.loop);
        sigset_t was = zpoll_enter();
        int rc = parts_send(z, peer, peer_n, frames, n);
        zpoll_leave(was);
        return rc;
}

/* What the monitor still holds is about the connection that goes, and must not be taken for the new one's. */
void zpoll_reconnect(struct zpoll *z)
{
        PRE(!z->router);
        uint16_t event;
        uint32_t value;
        if (z->closing)
                return;
        z->used_at = uv_now(z->check.loop);
        sigset_t was = zpoll_enter();
        while (event_read(z, &event, &value))
                ;
        zmq_disconnect(z->socket, z->endpoint); /* fails where libzmq has given up already */
        zmq_connect(z->socket, z->endpoint);
        zpoll_leave(was);
        z->connects++;
        z->lost = z->lost || z->up;
        z->up = false;
        retry_in(z, TRYING_MS);
}

uint64_t zpoll_late(const struct zpoll *z)
{
        return z->late;
}

uint64_t zpoll_failed(const struct zpoll *z)
{
        return z->failed.n;
}

uint64_t zpoll_dropped(const struct zpoll *z)
{
        return z->dropped.n;
}

const char *zpoll_endpoint(const struct zpoll *z)
{
        return z->endpoint;
}
