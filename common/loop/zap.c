/* The handler is a thread with two sockets: the REP that libzmq's sessions ask, and one end of a PAIR on
 * which zap_stop says that it is over. What it shares with other threads is the table, under `lock`, and a
 * counter.
 *
 * A request it cannot make sense of is refused, never left unanswered: a REP must answer to hear the next
 * one. */
#include "loop/zap.h"

#include "base/check.h"
#include "loop/zpoll.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { KEY_BYTES = 32, KEY_TEXT = 41, NAME = 64, FRAME = 256, ANSWER_MS = 3000 };

static const char self_test_domain[] = "self-test";

struct zap_row {
        uint8_t key[KEY_BYTES];
        char domain[NAME], user[NAME];
};

struct zap {
        void *handler;                /* the thread's, between start and join */
        void *stop_told, *stop_heard; /* ours, the thread's */
        pthread_t thread;
        pthread_mutex_t lock;
        struct zap_row *rows; /* in order of row_order */
        size_t n;
        struct zap_row proof; /* the known key of a running self-test, in a domain of its own */
        _Atomic uint64_t refused;
};

/* ── table ── */

static int row_order(const void *a, const void *b)
{
        const struct zap_row *x = a, *y = b;
        int key = memcmp(x->key, y->key, sizeof x->key);
        return key ? key : strcmp(x->domain, y->domain);
}

static bool row_name(char to[NAME], const char *from, size_t n)
{
        if (n == 0 || n >= NAME)
                return false;
        memcpy(to, from, n);
        to[n] = '\0';
        return true;
}

static bool row_key(uint8_t to[KEY_BYTES], const char *curve)
{
        return strlen(curve) == KEY_TEXT - 1 && zmq_z85_decode(to, curve);
}

static int rows_read(struct zap_row *rows, const struct zap_entry *entries, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                const struct zap_entry *in = &entries[i];
                if (!row_key(rows[i].key, in->curve))
                        return err_set(e, E_SYNTAX, "the key of %s is not a CURVE key", in->user);
                if (!row_name(rows[i].domain, in->domain, strlen(in->domain)) ||
                    !row_name(rows[i].user, in->user, strlen(in->user)))
                        return err_set(e, E_LIMIT,
                                       "a user and its domain take 1 to %d bytes: \"%.80s\", \"%.80s\"",
                                       NAME - 1, in->user, in->domain);
        }
        qsort(rows, n, sizeof *rows, row_order);
        for (size_t i = 1; i < n; i++)
                if (row_order(&rows[i - 1], &rows[i]) == 0)
                        return err_set(e, E_EXISTS, "%s and %s have the same key", rows[i - 1].user,
                                       rows[i].user);
        return 0;
}

int zap_allow(struct zap *z, const struct zap_entry *entries, size_t n, struct err *e)
{
        struct zap_row *rows = calloc(n + 1, sizeof *rows);
        if (!rows)
                return err_set(e, E_MEM, "no memory for %zu keys", n);
        int rc = rows_read(rows, entries, n, e);
        if (!rc) {
                pthread_mutex_lock(&z->lock);
                struct zap_row *old = z->rows;
                z->rows = rows;
                z->n = n;
                pthread_mutex_unlock(&z->lock);
                rows = old;
        }
        free(rows);
        return rc;
}

/* The user of want's key and domain, copied into want->user. */
static bool zap_find(struct zap *z, struct zap_row *want)
{
        pthread_mutex_lock(&z->lock);
        const struct zap_row *found = row_order(want, &z->proof) == 0 ? &z->proof : NULL;
        if (!found && z->n)
                found = bsearch(want, z->rows, z->n, sizeof *want, row_order);
        if (found)
                *want = *found;
        pthread_mutex_unlock(&z->lock);
        return found != NULL;
}

bool zap_allows(struct zap *z, const char *domain, const char *curve)
{
        struct zap_row want;
        return row_key(want.key, curve) && row_name(want.domain, domain, strlen(domain)) &&
               zap_find(z, &want);
}

uint64_t zap_refused(const struct zap *z)
{
        return atomic_load(&z->refused);
}

/* ── handler ── */

/* RFC 27: version, request id, domain, address, routing id, mechanism, credentials… Address and routing id
 * are of no interest: only the key tells who someone is. */
enum {
        ZAP_VERSION,
        ZAP_REQUEST,
        ZAP_DOMAIN,
        ZAP_ADDRESS,
        ZAP_ROUTING,
        ZAP_MECHANISM,
        ZAP_CREDENTIALS,
        ZAP_FRAMES
};

struct zap_request {
        struct {
                size_t n; /* as sent; more than FRAME where it was cut */
                char v[FRAME];
        } frames[ZAP_FRAMES];
        size_t n;
};

static bool request_read(void *socket, struct zap_request *q)
{
        int more = 1;
        for (q->n = 0; more; q->n++) {
                char rest;
                bool fits = q->n < ZAP_FRAMES;
                int n = zmq_recv(socket, fits ? q->frames[q->n].v : &rest, fits ? FRAME : 0, ZMQ_DONTWAIT);
                if (n < 0)
                        return false;
                if (fits)
                        q->frames[q->n].n = (size_t)n;
                size_t size = sizeof more;
                if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
                        return false;
        }
        return true;
}

static bool frame_is(const struct zap_request *q, unsigned i, const char *text)
{
        return q->frames[i].n == strlen(text) && memcmp(q->frames[i].v, text, q->frames[i].n) == 0;
}

/* Does the request name someone we know? Then `row` is who. */
static bool request_judge(struct zap *z, const struct zap_request *q, struct zap_row *row)
{
        if (q->n != ZAP_FRAMES || !frame_is(q, ZAP_VERSION, "1.0") || !frame_is(q, ZAP_MECHANISM, "CURVE") ||
            q->frames[ZAP_CREDENTIALS].n != KEY_BYTES || q->frames[ZAP_REQUEST].n > FRAME ||
            !row_name(row->domain, q->frames[ZAP_DOMAIN].v, q->frames[ZAP_DOMAIN].n))
                return false;
        memcpy(row->key, q->frames[ZAP_CREDENTIALS].v, KEY_BYTES);
        return zap_find(z, row);
}

/* Metadata of the messages of this connection: X-Key, the key that was let in. */
static size_t metadata_write(uint8_t out[64], const struct zap_row *row)
{
        static const char name[] =
            "\005X-Key\0\0\0\050"; /* length and name, 32-bit length of the value: 40 */
        char key[KEY_TEXT];
        zmq_z85_encode(key, row->key, KEY_BYTES);
        memcpy(out, name, sizeof name - 1);
        memcpy(out + sizeof name - 1, key, KEY_TEXT - 1);
        return sizeof name - 1 + KEY_TEXT - 1;
}

static void reply(void *socket, const struct zap_request *q, const struct zap_row *row)
{
        uint8_t metadata[64];
        size_t id = q->n > ZAP_REQUEST && q->frames[ZAP_REQUEST].n <= FRAME ? q->frames[ZAP_REQUEST].n : 0;
        const char *status = row ? "200" : "400", *text = row ? "known" : "unknown key",
                   *user = row ? row->user : "";
        zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(socket, q->frames[ZAP_REQUEST].v, id, ZMQ_SNDMORE);
        zmq_send(socket, status, 3, ZMQ_SNDMORE);
        zmq_send(socket, text, strlen(text), ZMQ_SNDMORE);
        zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
        zmq_send(socket, metadata, row ? metadata_write(metadata, row) : 0, 0);
}

static void request_answer(struct zap *z)
{
        struct zap_request q;
        struct zap_row row;
        if (!request_read(z->handler, &q))
                return;
        bool known = request_judge(z, &q, &row);
        if (!known && !(q.n > ZAP_DOMAIN && frame_is(&q, ZAP_DOMAIN, self_test_domain)))
                atomic_fetch_add(&z->refused, 1);
        reply(z->handler, &q, known ? &row : NULL);
}

static void *zap_run(void *arg)
{
        struct zap *z = arg;
        zmq_pollitem_t items[] = {{.socket = z->handler, .events = ZMQ_POLLIN},
                                  {.socket = z->stop_heard, .events = ZMQ_POLLIN}};
        while (zmq_poll(items, 2, -1) >= 0 && !items[1].revents)
                if (items[0].revents)
                        request_answer(z);
        return NULL;
}

/* ── life ── */

static void *socket_new(void *zmq, int type)
{
        int linger = 0;
        void *socket = zmq_socket(zmq, type);
        if (socket)
                zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        return socket;
}

static void sockets_close(struct zap *z)
{
        void *const sockets[] = {z->handler, z->stop_told, z->stop_heard};
        for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
                if (sockets[i])
                        zmq_close(sockets[i]);
}

static int sockets_open(struct zap *z, void *zmq, struct err *e)
{
        char name[64];
        zpoll_inproc(name);
        z->handler = socket_new(zmq, ZMQ_REP);
        z->stop_told = socket_new(zmq, ZMQ_PAIR);
        z->stop_heard = socket_new(zmq, ZMQ_PAIR);
        if (!z->handler || !z->stop_told || !z->stop_heard || zmq_bind(z->stop_told, name) != 0 ||
            zmq_connect(z->stop_heard, name) != 0)
                return err_set(e, E_IO, "ZeroMQ gives no socket: %s", zmq_strerror(zmq_errno()));
        if (zmq_bind(z->handler, "inproc://zeromq.zap.01") != 0)
                return err_set(e, zmq_errno() == EADDRINUSE ? E_EXISTS : E_IO, "cannot answer for keys: %s",
                               zmq_strerror(zmq_errno()));
        return 0;
}

static void zap_free(struct zap *z)
{
        sockets_close(z);
        pthread_mutex_destroy(&z->lock);
        free(z->rows);
        free(z);
}

int zap_start(struct zap **out, void *zmq, struct err *e)
{
        *out = NULL;
        struct zap *z = calloc(1, sizeof *z);
        if (!z)
                return err_set(e, E_MEM, "no memory for the table of keys");
        pthread_mutex_init(&z->lock, NULL);
        sigset_t was = zpoll_enter(); /* for the thread to inherit (Z2) */
        int rc = sockets_open(z, zmq, e);
        if (!rc && pthread_create(&z->thread, NULL, zap_run, z) != 0)
                rc = err_set(e, E_IO, "no thread to answer for keys");
        if (rc)
                zap_free(z);
        else
                *out = z;
        zpoll_leave(was);
        return rc;
}

void zap_stop(struct zap *z)
{
        if (!z)
                return;
        sigset_t was = zpoll_enter();
        zmq_send(z->stop_told, "", 0, 0);
        pthread_join(z->thread, NULL);
        zap_free(z);
        zpoll_leave(was);
}

/* ── self-test ── */

struct pair {
        char public_key[KEY_TEXT], secret_key[KEY_TEXT];
};

struct trial {
        void *zmq, *server;
        char endpoint[256];
        struct pair server_pair;
};

/* A client of the trial's server, its monitor connected before it. */
static void *client_open(const struct trial *t, const struct pair *own, void **monitor, struct err *e)
{
        const struct zcurve curve = {own->public_key, own->secret_key, t->server_pair.public_key, NULL};
        int patience = ANSWER_MS;
        char name[64];
        void *client = socket_new(t->zmq, ZMQ_DEALER);
        *monitor = socket_new(t->zmq, ZMQ_PAIR);
        zpoll_inproc(name);
        if (client && *monitor && zpoll_secure(client, &curve, e) == 0 &&
            zmq_setsockopt(*monitor, ZMQ_RCVTIMEO, &patience, sizeof patience) == 0 &&
            zmq_socket_monitor(client, name,
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) == 0 &&
            zmq_connect(*monitor, name) == 0 && zmq_connect(client, t->endpoint) == 0)
                return client;
        if (client)
                zmq_close(client);
        if (*monitor)
                zmq_close(*monitor);
        return NULL;
}

static void client_close(void *client, void *monitor)
{
        zmq_socket_monitor(client, NULL, 0);
        zmq_close(monitor);
        zmq_close(client);
}

/* How its handshake ended, an event of ZeroMQ; 0: it did not. */
static uint16_t client_outcome(void *monitor)
{
        uint8_t head[6];
        uint16_t event = 0;
        if (zmq_recv(monitor, head, sizeof head, 0) == (int)sizeof head)
                memcpy(&event, head, sizeof event);
        return event;
}

/* Receives one message as zpoll does: looked for first, which prefetches, then read from the payload (Z4). */
static bool server_hears(void *server, const char *user)
{
        zmq_pollitem_t item = {.socket = server, .events = ZMQ_POLLIN};
        zmq_msg_t peer, payload;
        if (zmq_poll(&item, 1, ANSWER_MS) != 1)
                return false;
        zmq_msg_init(&peer);
        zmq_msg_init(&payload);
        bool heard = zmq_msg_recv(&peer, server, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&peer) &&
                     zmq_msg_recv(&payload, server, ZMQ_DONTWAIT) >= 0;
        const char *who = heard ? zmq_msg_gets(&payload, "User-Id") : NULL;
        heard = who && strcmp(who, user) == 0;
        zmq_msg_close(&payload);
        zmq_msg_close(&peer);
        return heard;
}

static int known_is_let_in(const struct trial *t, const struct pair *known, struct err *e)
{
        void *monitor, *client = client_open(t, known, &monitor, e);
        if (!client)
                return err_set(e, E_IO, "self-test of keys: no client: %s", zmq_strerror(zmq_errno()));
        bool in = zmq_send(client, "", 0, ZMQ_DONTWAIT) == 0 && server_hears(t->server, self_test_domain) &&
                  client_outcome(monitor) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        client_close(client, monitor);
        return in ? 0 : err_set(e, E_DENIED, "self-test of keys: a known key was not let in");
}

static int stranger_is_refused(const struct trial *t, struct err *e)
{
        struct pair stranger;
        zmq_curve_keypair(stranger.public_key, stranger.secret_key);
        void *monitor, *client = client_open(t, &stranger, &monitor, e);
        if (!client)
                return err_set(e, E_IO, "self-test of keys: no client: %s", zmq_strerror(zmq_errno()));
        uint16_t outcome = client_outcome(monitor);
        client_close(client, monitor);
        if (outcome == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
                return 0;
        return err_set(e, E_DENIED, "self-test of keys: a stranger was %s; nothing is opened",
                       outcome == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? "let in" : "not clearly refused");
}

static int trial_open(struct trial *t, struct err *e)
{
        const struct zcurve curve = {t->server_pair.public_key, t->server_pair.secret_key, NULL,
                                     self_test_domain};
        size_t n = sizeof t->endpoint;
        zmq_curve_keypair(t->server_pair.public_key, t->server_pair.secret_key);
        t->server = socket_new(t->zmq, ZMQ_ROUTER);
        int rc = t->server ? zpoll_secure(t->server, &curve, e) : E_IO;
        if (!rc && zmq_bind(t->server, "tcp://127.0.0.1:*") == 0 &&
            zmq_getsockopt(t->server, ZMQ_LAST_ENDPOINT, t->endpoint, &n) == 0)
                return 0;
        return rc && t->server
                   ? err_wrap(e, "self-test of keys")
                   : err_set(e, E_IO, "self-test of keys: no loopback: %s", zmq_strerror(zmq_errno()));
}

static void proof_set(struct zap *z, const struct zap_row *row)
{
        pthread_mutex_lock(&z->lock);
        z->proof = *row;
        pthread_mutex_unlock(&z->lock);
}

int zap_self_test(struct zap *z, void *zmq, struct err *e)
{
        struct trial t = {.zmq = zmq};
        struct pair known;
        struct zap_row proof;
        zmq_curve_keypair(known.public_key, known.secret_key);
        PRE(row_key(proof.key, known.public_key));
        memcpy(proof.domain, self_test_domain, sizeof self_test_domain);
        memcpy(proof.user, self_test_domain, sizeof self_test_domain);

        sigset_t was = zpoll_enter();
        proof_set(z, &proof);
        int rc = trial_open(&t, e);
        if (!rc)
                rc = known_is_let_in(&t, &known, e);
        if (!rc)
                rc = stranger_is_refused(&t, e);
        if (t.server)
                zmq_close(t.server);
        proof_set(z, &(struct zap_row){0});
        zpoll_leave(was);
        sodium_memzero(&known, sizeof known);
        sodium_memzero(&t, sizeof t);
        return rc;
}
