#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/seed.h"
#include "loop/zap.h"
#include "loop/zpoll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* HQ's ROUTER and an office's DEALER on one loop. What each hears is noted here. */

struct pair {
        char public_key[41], secret_key[41];
};

struct side {
        struct zpoll *z;
        uint64_t messages, bytes, turn, turn_most;
        size_t n;          /* frames of the last message */
        uint8_t first[64]; /* the beginning of its first frame */
        uint8_t peer[64];
        size_t peer_n;
        char user[64], key[41];
        bool echo, close_at_once, busy_at_first;
        unsigned ups, downs;
};

struct scene {
        void *zmq;
        struct zap *zap;
        uv_loop_t loop;
        uv_check_t turns;
        struct pair server, office;
        struct side hq, city;
        void *wild[16]; /* DEALERs without our manners */
        size_t n_wild;
        bool expired;
        unsigned closing;
};

static struct pair pair_new(void)
{
        struct pair p;
        assert_int_equal(zmq_curve_keypair(p.public_key, p.secret_key), 0);
        return p;
}

static void on_closed(void *ctx)
{
        --*(unsigned *)ctx;
}

static void on_message(void *ctx, const struct zmessage *m)
{
        struct side *s = ctx;
        s->messages++;
        s->turn++;
        if (s->turn > s->turn_most)
                s->turn_most = s->turn;
        s->n = m->n;
        for (size_t i = 0; i < m->n; i++)
                s->bytes += m->frames[i].n;
        memset(s->first, 0, sizeof s->first);
        memcpy(s->first, m->frames[0].bytes,
               m->frames[0].n < sizeof s->first ? m->frames[0].n : sizeof s->first);
        if (m->peer) {
                assert_true(m->peer_n <= sizeof s->peer);
                memcpy(s->peer, m->peer, s->peer_n = m->peer_n);
                snprintf(s->user, sizeof s->user, "%s", m->user);
                snprintf(s->key, sizeof s->key, "%s", m->key);
        } else {
                assert_null(m->user);
                assert_null(m->key);
        }
        if (s->echo)
                assert_int_equal(zpoll_send(s->z, m->peer, m->peer_n, m->frames, m->n), 0);
        for (uint64_t since = uv_hrtime();
             s->busy_at_first && s->messages == 1 && uv_hrtime() - since < 100000000;)
                ; /* work of 100 ms, while others queue */
        if (s->close_at_once) {
                zpoll_close(s->z, NULL, NULL);
                s->z = NULL;
                assert_true(m->frames[0].bytes[0] == s->first[0]); /* still there */
        }
}

static void on_link(void *ctx, enum zlink what)
{
        struct side *s = ctx;
        if (what == ZLINK_UP)
                s->ups++;
        else
                s->downs++;
        assert_true(s->ups == s->downs || s->ups == s->downs + 1); /* they alternate */
}

static void on_turn(uv_check_t *c)
{
        struct scene *s = c->data;
        s->hq.turn = s->city.turn = 0;
}

static void on_expired(uv_timer_t *t)
{
        *(bool *)t->data = true;
}

/* Turns the loop until `cond` holds; 20 s are a failure. */
#define UNTIL(s, cond)                                           \
        do {                                                     \
                uv_timer_t patience;                             \
                (s)->expired = false;                            \
                uv_timer_init(&(s)->loop, &patience);            \
                patience.data = &(s)->expired;                   \
                uv_timer_start(&patience, on_expired, 20000, 0); \
                while (!(cond) && !(s)->expired)                 \
                        uv_run(&(s)->loop, UV_RUN_ONCE);         \
                uv_close((uv_handle_t *)&patience, NULL);        \
                uv_run(&(s)->loop, UV_RUN_NOWAIT);               \
                assert_false((s)->expired);                      \
        } while (0)

static void hq_listen(struct scene *s, const char *endpoint)
{
        struct err e = {0};
        const struct zcurve curve = {s->server.public_key, s->server.secret_key, NULL, "offices"};
        if (zpoll_router(&s->hq.z, &s->loop, s->zmq, endpoint, &curve, on_message, &s->hq, &e) != 0)
                s->hq.z = NULL; /* the port may not be free again yet */
}

static void city_connect(struct scene *s, const char *endpoint)
{
        struct err e = {0};
        const struct zcurve curve = {s->office.public_key, s->office.secret_key, s->server.public_key, NULL};
        assert_int_equal(
            zpoll_dealer(&s->city.z, &s->loop, s->zmq, endpoint, &curve, on_message, on_link, &s->city, &e),
            0);
}

static void office_enrol(struct scene *s)
{
        struct err e = {0};
        const struct zap_entry entry = {s->office.public_key, "offices", "150200"};
        assert_int_equal(zap_allow(s->zap, &entry, 1, &e), 0);
}

static int set_up(void **state)
{
        struct scene *s = calloc(1, sizeof *s);
        struct err e = {0};
        s->zmq = zpoll_context(&e);
        uv_loop_init(&s->loop);
        uv_check_init(&s->loop, &s->turns);
        s->turns.data = s;
        uv_check_start(&s->turns, on_turn);
        s->server = pair_new();
        s->office = pair_new();
        assert_int_equal(zap_start(&s->zap, s->zmq, &e), 0);
        assert_int_equal(zap_self_test(s->zap, s->zmq, &e), 0);
        hq_listen(s, "tcp://127.0.0.1:*");
        assert_non_null(s->hq.z);
        *state = s;
        return 0;
}

static void side_close(struct scene *s, struct side *side)
{
        if (side->z)
                assert_int_equal(zpoll_late(side->z), 0);
        s->closing++;
        zpoll_close(side->z, on_closed, &s->closing);
        side->z = NULL;
}

static int tear_down(void **state)
{
        struct scene *s = *state;
        side_close(s, &s->city);
        side_close(s, &s->hq);
        UNTIL(s, s->closing == 0);
        for (size_t i = 0; i < s->n_wild; i++)
                zmq_close(s->wild[i]);
        zap_stop(s->zap);
        uv_close((uv_handle_t *)&s->turns, NULL);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&s->loop), 0);
        zpoll_context_close(s->zmq);
        free(s);
        return 0;
}

static int set_up_linked(void **state)
{
        set_up(state);
        struct scene *s = *state;
        office_enrol(s);
        city_connect(s, zpoll_endpoint(s->hq.z));
        UNTIL(s, s->city.ups == 1);
        return 0;
}

static int say(struct zpoll *z, const char *what)
{
        const struct zframe frame = {(const uint8_t *)what, strlen(what)};
        return zpoll_send(z, NULL, 0, &frame, 1);
}

static int answer(struct scene *s, const uint8_t *peer, size_t n, const char *what)
{
        const struct zframe frame = {(const uint8_t *)what, strlen(what)};
        return zpoll_send(s->hq.z, peer, n, &frame, 1);
}

/* ── messages ── */

static void there_and_back(void **state)
{
        struct scene *s = *state;
        const struct zframe frames[] = {
            {(const uint8_t *)"one", 3}, {(const uint8_t *)"", 0}, {(const uint8_t *)"three", 5}};
        assert_int_equal(zpoll_send(s->city.z, NULL, 0, frames, 3), 0);
        UNTIL(s, s->hq.messages == 1);
        assert_int_equal(s->hq.n, 3);
        assert_int_equal(s->hq.bytes, 8);
        assert_string_equal(s->hq.user,
                            "150200"); /* ZMQ_EVENTS was read before, so this is after a prefetch (Z4) */
        assert_string_equal(s->hq.key, s->office.public_key);
        assert_int_equal(answer(s, s->hq.peer, s->hq.peer_n, "mark"), 0);
        UNTIL(s, s->city.messages == 1);
        assert_memory_equal(s->city.first, "mark", 5);
}

static void largest_message(void **state)
{
        struct scene *s = *state;
        static uint8_t bytes[ZPOLL_MESSAGE];
        static struct zframe frames[ZPOLL_FRAMES];
        frames[0] = (struct zframe){bytes, sizeof bytes};
        for (size_t i = 1; i < ZPOLL_FRAMES; i++)
                frames[i] = (struct zframe){bytes, i % 7};
        s->hq.echo = true;
        assert_int_equal(zpoll_send(s->city.z, NULL, 0, frames, ZPOLL_FRAMES), 0);
        UNTIL(s, s->city.messages == 1);
        assert_int_equal(s->city.n, ZPOLL_FRAMES);
        assert_int_equal(s->city.bytes, s->hq.bytes);
}

/* A DEALER without our manners, of the enrolled office. */
static void *wild_dealer(struct scene *s, const struct pair *own, const char *routing_id)
{
        int linger = 0;
        struct err e = {0};
        void *socket = zmq_socket(s->zmq, ZMQ_DEALER);
        const struct zcurve curve = {own->public_key, own->secret_key, s->server.public_key, NULL};
        assert_int_equal(zpoll_secure(socket, &curve, &e), 0);
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        if (routing_id)
                zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
        assert_true(s->n_wild < sizeof s->wild / sizeof *s->wild);
        s->wild[s->n_wild++] = socket;
        assert_int_equal(zmq_connect(socket, zpoll_endpoint(s->hq.z)), 0);
        return socket;
}

static void too_many_frames(void **state)
{
        struct scene *s = *state;
        office_enrol(s);
        void *wild = wild_dealer(s, &s->office, NULL);
        for (int i = 0; i < ZPOLL_FRAMES; i++)
                zmq_send(wild, "x", 1, ZMQ_SNDMORE);
        zmq_send(wild, "x", 1, 0);
        zmq_send(wild, "next", 4, 0);
        UNTIL(s, s->hq.messages == 1);
        assert_memory_equal(s->hq.first, "next", 4);
        assert_int_equal(zpoll_dropped(s->hq.z), 1);
}

static void many_both_ways(void **state)
{
        struct scene *s = *state;
        s->hq.echo = true;
        for (uint64_t sent = 0; sent < 3000; sent += 10) {
                for (int i = 0; i < 10; i++)
                        assert_int_equal(say(s->city.z, "report"), 0);
                UNTIL(s, s->city.messages == sent + 10);
        }
        assert_int_equal(s->hq.messages, 3000);
        assert_true(s->hq.turn_most <= ZPOLL_TURN && s->city.turn_most <= ZPOLL_TURN);
}

/* Twelve offices that queue while the loop is busy are read in turns of ZPOLL_TURN. */
static void turns_are_short(void **state)
{
        struct scene *s = *state;
        office_enrol(s);
        s->hq.busy_at_first = true;
        for (size_t i = 0; i < 12; i++) {
                void *wild = wild_dealer(s, &s->office, NULL);
                for (int n = 0; n < 20; n++)
                        zmq_send(wild, "report", 6, 0);
        }
        UNTIL(s, s->hq.messages == 12 * 20);
        assert_true(s->hq.turn_most <= ZPOLL_TURN);
}

static void all_or_nothing(void **state)
{
        struct scene *s = *state;
        static uint8_t bytes[64 * 1024];
        const struct zframe frames[] = {{bytes, sizeof bytes}, {bytes, 1}, {bytes, sizeof bytes}};
        uint64_t sent = 0;
        int rc;
        while ((rc = zpoll_send(s->city.z, NULL, 0, frames, 3)) == 0) /* nobody reads: the loop stands */
                assert_true(++sent < 10000);
        assert_int_equal(rc, E_BUSY);
        UNTIL(s, s->hq.messages == sent);
        assert_int_equal(s->hq.bytes, sent * (2 * sizeof bytes + 1));
        assert_int_equal(say(s->city.z, "after"), 0);
        UNTIL(s, s->hq.messages == sent + 1);
        assert_int_equal(s->hq.n, 1);
        assert_memory_equal(s->hq.first, "after", 5);
}

static void close_inside_a_callback(void **state)
{
        struct scene *s = *state;
        s->hq.close_at_once = true;
        say(s->city.z, "one");
        say(s->city.z, "two");
        UNTIL(s, s->city.downs == 1);
        assert_int_equal(s->hq.messages, 1);
}

/* ── the edge ── */

struct thief {
        struct scene *s;
        unsigned stolen;
};

/* Runs after zpoll's own prepare: libuv runs first what was started last. */
static void on_theft(uv_prepare_t *p)
{
        struct thief *t = p->data;
        struct pollfd loop = {.fd = uv_backend_fd(p->loop), .events = POLLIN};
        if (t->stolen++ > 0)
                return;
        assert_int_equal(answer(t->s, t->s->hq.peer, t->s->hq.peer_n, "mark"), 0);
        assert_int_equal(poll(&loop, 1, 20000), 1); /* it has come, the fd says so … */
        for (uint64_t since = uv_hrtime(); uv_hrtime() - since < 5000000;)
                ; /* a send looks at its mailbox only some 3 million cycles after the last */
        assert_int_equal(say(t->s->city.z, "thief"), 0);
        assert_int_equal(poll(&loop, 1, 0), 0); /* … until the socket is used */
}

static void on_end_of_work(uv_timer_t *t)
{
        (void)t; /* only ends the sleep */
}

/* Longer than a sleep that the guard would judge; and no sleep comes after it. */
static void on_work(uv_timer_t *t)
{
        uv_sleep(150);
        uv_timer_start(t, on_end_of_work, 1, 0);
}

/* The wake-ups counted as late where a thief eats the edge of a message: of a loop that goes to sleep, or of
 * one that has worked long before it looks, and then does not sleep. */
static uint64_t late_with_a_thief(struct scene *s, bool at_work)
{
        struct thief t = {.s = s};
        uv_loop_t own;
        struct side late = {0};
        struct err e = {0};
        say(s->city.z, "hello");
        UNTIL(s, s->hq.messages == 1);
        side_close(s, &s->city); /* it moves to a loop of its own, with the thief */
        UNTIL(s, s->closing == 0);

        uv_prepare_t theft;
        uv_timer_t work;
        uv_loop_init(&own);
        uv_timer_init(&own, &work);
        uv_prepare_init(&own, &theft);
        theft.data = &t;
        const struct zcurve curve = {s->office.public_key, s->office.secret_key, s->server.public_key, NULL};
        t.stolen = 1; /* not yet */
        uv_prepare_start(&theft, on_theft);
        assert_int_equal(zpoll_dealer(&late.z, &own, s->zmq, zpoll_endpoint(s->hq.z), &curve, on_message,
                                      on_link, &late, &e),
                         0);
        s->city.z = late.z;
        while (late.ups == 0)
                uv_run(&own, UV_RUN_ONCE);
        assert_int_equal(say(late.z, "hello"), 0);
        UNTIL(s, s->hq.messages == 2);
        assert_int_equal(zpoll_late(late.z), 0);
        t.stolen = 0;
        if (at_work)
                uv_timer_start(&work, on_work, 0, 0);
        while (late.messages == 0)
                uv_run(&own, UV_RUN_ONCE);
        uint64_t n = zpoll_late(late.z);

        s->city.z = NULL;
        zpoll_close(late.z, NULL, NULL);
        uv_close((uv_handle_t *)&theft, NULL);
        uv_close((uv_handle_t *)&work, NULL);
        uv_run(&own, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&own), 0);
        return n;
}

/* Whoever uses the socket between zpoll's look and the sleep eats the edge (Z1): only the guard ends the
 * sleep, and it counts. */
static void guard_counts_a_stolen_edge(void **state)
{
        assert_int_equal(late_with_a_thief(*state, false), 1);
}

/* The loop's own work is no sleep, however long it takes. */
static void work_is_no_sleep(void **state)
{
        assert_int_equal(late_with_a_thief(*state, true), 0);
}

static void on_renewed(uv_handle_t *h)
{
        on_closed(&((struct scene *)h->data)->closing);
}

/* Stays long enough for libzmq to have something to tell of the new connection. */
static void on_renewal(uv_async_t *a)
{
        struct scene *s = a->data;
        side_close(s, &s->city);
        city_connect(s, zpoll_endpoint(s->hq.z));
        uv_sleep(50);
        s->closing++;
        uv_close((uv_handle_t *)a, on_renewed);
}

/* A connection that is made while the loop is awake, as after a change of keys, has not slept yet. */
static void made_awake(void **state)
{
        struct scene *s = *state;
        uv_async_t renewal;
        uv_async_init(&s->loop, &renewal, on_renewal);
        renewal.data = s;
        uv_async_send(&renewal);
        s->city.ups = s->city.downs = 0;
        UNTIL(s, s->closing == 0 && s->city.ups == 1);
        assert_int_equal(zpoll_late(s->city.z), 0);
}

/* A send before the sleep eats the edge as well, and does no harm. */
static void own_sends_lose_nothing(void **state)
{
        struct scene *s = *state;
        struct pollfd loop = {.fd = uv_backend_fd(&s->loop), .events = POLLIN};
        say(s->city.z, "hello");
        UNTIL(s, s->hq.messages == 1);
        for (int i = 1; i <= 20; i++) {
                assert_int_equal(answer(s, s->hq.peer, s->hq.peer_n, "mark"), 0);
                assert_int_equal(poll(&loop, 1, 20000), 1);
                say(s->city.z, "next");
                UNTIL(s, s->city.messages == (uint64_t)i);
        }
        UNTIL(s, s->hq.messages == 21);
        assert_int_equal(zpoll_late(s->hq.z) + zpoll_late(s->city.z), 0);
}

static void on_signal(uv_signal_t *h, int number)
{
        (void)number;
        ++*(unsigned *)h->data;
}

static void signals_on_the_same_loop(void **state)
{
        struct scene *s = *state;
        unsigned seen = 0;
        uv_signal_t usr1;
        uv_signal_init(&s->loop, &usr1);
        usr1.data = &seen;
        uv_signal_start(&usr1, on_signal, SIGUSR1);
        s->hq.echo = true;
        for (unsigned i = 0; i < 200; i++) {
                assert_int_equal(say(s->city.z, "report"), 0);
                kill(getpid(), SIGUSR1);
                UNTIL(s, s->city.messages == i + 1);
        }
        UNTIL(s, seen > 0);
        uv_close((uv_handle_t *)&usr1, NULL);
        uv_run(&s->loop, UV_RUN_NOWAIT);
        sigset_t now;
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        assert_false(sigismember(&now, SIGTERM)); /* between turns the mask is the caller's */
}

/* ── links ── */

static void reconnects(void **state)
{
        struct scene *s = *state;
        uint8_t before[64];
        size_t n;
        say(s->city.z, "one");
        UNTIL(s, s->hq.messages == 1);
        memcpy(before, s->hq.peer, n = s->hq.peer_n);
        zpoll_reconnect(s->city.z);
        assert_int_equal(say(s->city.z, "between"), E_PEER);
        assert_int_equal(s->city.downs, 0); /* from the loop, not from here */
        UNTIL(s, s->city.ups == 2);
        assert_int_equal(s->city.downs, 1);
        assert_int_equal(say(s->city.z, "two"), 0);
        UNTIL(s, s->hq.messages == 2);
        assert_memory_equal(s->hq.first, "two", 4);
        assert_true(n != s->hq.peer_n || memcmp(before, s->hq.peer, n) != 0);
        UNTIL(s, answer(s, before, n, "to nobody") == E_PEER);
        assert_int_equal(answer(s, s->hq.peer, s->hq.peer_n, "mark"), 0);
        UNTIL(s, s->city.messages == 1);
}

static void hq_goes_and_comes(void **state)
{
        struct scene *s = *state;
        char endpoint[128];
        snprintf(endpoint, sizeof endpoint, "%s", zpoll_endpoint(s->hq.z));
        side_close(s, &s->hq);
        UNTIL(s, s->city.downs == 1);
        assert_int_equal(say(s->city.z, "lost"), E_PEER);
        while (!s->hq.z)
                hq_listen(s, endpoint);
        UNTIL(s, s->city.ups == 2);
        assert_int_equal(say(s->city.z, "found"), 0);
        UNTIL(s, s->hq.messages == 1);
}

/* libzmq gives up after a refusal, zpoll does not. */
static void started_before_it_was_enrolled(void **state)
{
        struct scene *s = *state;
        city_connect(s, zpoll_endpoint(s->hq.z));
        assert_int_equal(say(s->city.z, "early"), E_PEER);
        UNTIL(s, zpoll_failed(s->city.z) >= 1);
        assert_int_equal(s->city.ups + s->city.downs, 0);
        assert_int_equal(zap_refused(s->zap), 1);
        office_enrol(s);
        UNTIL(s, s->city.ups == 1);
}

/* ZAP is asked once per connection (Z13): the message still comes, its key is no longer allowed. */
static void revoked_key_is_known_by_its_messages(void **state)
{
        struct scene *s = *state;
        struct err e = {0};
        say(s->city.z, "one");
        UNTIL(s, s->hq.messages == 1);
        assert_true(zap_allows(s->zap, "offices", s->hq.key));
        assert_int_equal(zap_allow(s->zap, NULL, 0, &e), 0);
        say(s->city.z, "two");
        UNTIL(s, s->hq.messages == 2);
        assert_false(zap_allows(s->zap, "offices", s->hq.key));
}

/* A routing id is a name one gives oneself (Z5): it changes nothing about who one is. */
static void a_chosen_routing_id_is_no_identity(void **state)
{
        struct scene *s = *state;
        office_enrol(s);
        void *wild = wild_dealer(s, &s->office, "150300");
        zmq_send(wild, "hello", 5, 0);
        UNTIL(s, s->hq.messages == 1);
        assert_string_equal(s->hq.user, "150200");
}

/* ── strangers ── */

static void a_wrong_key_is_not_heard(void **state)
{
        struct scene *s = *state;
        struct pair stranger = pair_new(), wrong_server = s->server;
        void *wild = wild_dealer(s, &stranger, NULL);
        zmq_send(wild, "let me in", 9, 0);
        UNTIL(s, zpoll_failed(s->hq.z) == 1);
        s->server = pair_new(); /* and someone who looks for another server */
        void *lost = wild_dealer(s, &s->office, NULL);
        s->server = wrong_server;
        zmq_send(lost, "let me in", 9, 0);
        UNTIL(s, zpoll_failed(s->hq.z) >= 2);
        assert_int_equal(s->hq.messages, 0);
}

static int raw_connect(struct scene *s)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        to.sin_port = htons((uint16_t)atoi(strrchr(zpoll_endpoint(s->hq.z), ':') + 1));
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
}

/* Has the other side hung up? Reads away what it says. */
static bool hung_up(int fd)
{
        char rest[4096];
        ssize_t n;
        while ((n = recv(fd, rest, sizeof rest, 0)) > 0)
                ;
        return n == 0 || (errno != EAGAIN && errno != EINTR);
}

#define BYTES(literal) (const uint8_t *)literal, sizeof literal - 1
#define SIGNATURE "\xff\0\0\0\0\0\0\0\x01\x7f"
#define ZEROS(n) ZEROS_##n
#define ZEROS_16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define GREETING(mechanism) SIGNATURE "\x03\x00" mechanism "\x00" ZEROS_16 ZEROS_15
#define ZEROS_15 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ANONYMOUS GREETING("NULL" ZEROS_16)
#define PLAIN GREETING("PLAIN" ZEROS_15)
#define CURVE GREETING("CURVE" ZEROS_15)
#define READY                                        \
        "\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06" \
        "DEALER"
#define HELLO "\x00\x05hello"

static const struct {
        const char *what;
        const uint8_t *bytes;
        size_t n;
} openings[] = {
    {"nothing", BYTES("")},
    {"half a greeting", BYTES(SIGNATURE "\x03")},
    {"a greeting and no more", BYTES(CURVE)},
    {"NULL", BYTES(ANONYMOUS READY HELLO HELLO)},
    {"PLAIN", BYTES(PLAIN "\x04\x10\x05HELLO\x04user\x04pass" READY HELLO)},
    {"CURVE, then as if let in", BYTES(CURVE READY HELLO HELLO)},
    {"CURVE, unencrypted INITIATE", BYTES(CURVE "\x04\x12\x08INITIATE123456789" HELLO)},
    {"ZMTP 1.0", BYTES("\x01\x00\x06\x00hello\x06\x00hello")},
    {"ZMTP 2.0", BYTES(SIGNATURE "\x01\x05\x00\x00" HELLO HELLO)},
    {"HTTP", BYTES("GET / HTTP/1.1\r\nHost: hq\r\n\r\n")},
};

/* None of these brings a frame to the program (Z15), and each is hung up on within the handshake's 3 s. */
static void no_other_way_in(void **state)
{
        enum { FIXED = sizeof openings / sizeof *openings, ALL = FIXED + 40 };
        struct scene *s = *state;
        struct seed seed = seed_from(seed_of_run());
        int fd[ALL];
        for (size_t i = 0; i < ALL; i++) {
                uint8_t noise[2048];
                size_t n = i < FIXED ? 0 : 1 + seed_below(&seed, sizeof noise);
                for (size_t k = 0; k < n; k++)
                        noise[k] = (uint8_t)seed_next(&seed);
                if (i % 2) /* after a proper greeting it goes deeper */
                        memcpy(noise, CURVE, n < 64 ? n : 64);
                fd[i] = raw_connect(s);
                if (i < FIXED)
                        send(fd[i], openings[i].bytes, openings[i].n, MSG_NOSIGNAL);
                else
                        send(fd[i], noise, n, MSG_NOSIGNAL);
        }
        for (size_t i = 0; i < ALL; i++) {
                UNTIL(s, hung_up(fd[i]));
                close(fd[i]);
        }
        UNTIL(s, zpoll_failed(s->hq.z) > 0);
        assert_int_equal(s->hq.messages, 0);
        assert_int_equal(zpoll_dropped(s->hq.z), 0);

        office_enrol(s); /* and who may come in still can */
        city_connect(s, zpoll_endpoint(s->hq.z));
        UNTIL(s, s->city.ups == 1);
        assert_int_equal(say(s->city.z, "hello"), 0);
        UNTIL(s, s->hq.messages == 1);
}

static uint64_t memory_peak_kib(void)
{
        char line[256];
        uint64_t kib = 0;
        FILE *f = fopen("/proc/self/status", "r");
        assert_non_null(f);
        while (fgets(line, sizeof line, f))
                if (strncmp(line, "VmPeak:", 7) == 0)
                        kib = strtoull(line + 7, NULL, 10);
        fclose(f);
        return kib;
}

/* The announced length is compared, not allocated (Z9). */
static void an_announced_gigabyte(void **state)
{
        struct scene *s = *state;
        int fd[8];
        uint64_t before = memory_peak_kib();
        for (size_t i = 0; i < 8; i++) {
                fd[i] = raw_connect(s);
                send(fd[i],
                     BYTES(CURVE "\x02\0\0\0\0\x40\0\0\0"
                                 "and then we wait"),
                     MSG_NOSIGNAL);
        }
        uint64_t since = uv_hrtime();
        for (size_t i = 0; i < 8; i++) {
                UNTIL(s, hung_up(fd[i]));
                close(fd[i]);
        }
        assert_true(uv_hrtime() - since < UINT64_C(2500000000)); /* at once, not by the handshake's clock */
        assert_true(memory_peak_kib() - before < 512 * 1024);
        assert_int_equal(s->hq.messages, 0);
}

/* ── set-up ── */

static void refuses_bad_keys_and_addresses(void **state)
{
        struct scene *s = *state;
        struct err e = {0};
        struct zpoll *z;
        const struct zcurve no_secret = {s->server.public_key, NULL, NULL, "offices"},
                            good = {s->server.public_key, s->server.secret_key, NULL, "offices"},
                            bad_server = {s->office.public_key, s->office.secret_key, "short", NULL};
        assert_int_equal(
            zpoll_router(&z, &s->loop, s->zmq, "tcp://127.0.0.1:*", &no_secret, on_message, s, &e), E_SYNTAX);
        assert_null(z);
        assert_int_equal(zpoll_router(&z, &s->loop, s->zmq, "127.0.0.1", &good, on_message, s, &e), E_IO);
        assert_int_equal(
            zpoll_router(&z, &s->loop, s->zmq, zpoll_endpoint(s->hq.z), &good, on_message, s, &e), E_IO);
        assert_non_null(strstr(e.text, zpoll_endpoint(s->hq.z)));
        assert_int_equal(
            zpoll_dealer(&z, &s->loop, s->zmq, "tcp://127.0.0.1:1", &bad_server, on_message, on_link, s, &e),
            E_SYNTAX);
        assert_null(z);
}

static void raises_the_limit_of_files(void **state)
{
        (void)state;
        struct rlimit files, low;
        getrlimit(RLIMIT_NOFILE, &files);
        low = files;
        low.rlim_cur = 256;
        setrlimit(RLIMIT_NOFILE, &low);
        void *zmq = zpoll_context(NULL);
        getrlimit(RLIMIT_NOFILE, &low);
        assert_true(low.rlim_cur >= 8192 || low.rlim_cur == files.rlim_max);
        zpoll_context_close(zmq);
        setrlimit(RLIMIT_NOFILE, &files);
}

int main(void)
{
#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define LINKED(test) cmocka_unit_test_setup_teardown(test, set_up_linked, tear_down)
        const struct CMUnitTest tests[] = {
            LINKED(there_and_back),
            LINKED(largest_message),
            ALONE(too_many_frames),
            LINKED(many_both_ways),
            ALONE(turns_are_short),
            LINKED(all_or_nothing),
            LINKED(close_inside_a_callback),
            LINKED(guard_counts_a_stolen_edge),
            LINKED(work_is_no_sleep),
            LINKED(made_awake),
            LINKED(own_sends_lose_nothing),
            LINKED(signals_on_the_same_loop),
            LINKED(reconnects),
            LINKED(hq_goes_and_comes),
            ALONE(started_before_it_was_enrolled),
            LINKED(revoked_key_is_known_by_its_messages),
            ALONE(a_chosen_routing_id_is_no_identity),
            ALONE(a_wrong_key_is_not_heard),
            ALONE(no_other_way_in),
            ALONE(an_announced_gigabyte),
            ALONE(refuses_bad_keys_and_addresses),
            cmocka_unit_test(raises_the_limit_of_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
