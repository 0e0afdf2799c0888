#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/zap.h"
#include "loop/zpoll.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

struct pair {
        char public_key[41], secret_key[41];
};

static struct pair pair_new(void)
{
        struct pair p;
        assert_int_equal(zmq_curve_keypair(p.public_key, p.secret_key), 0);
        return p;
}

/* A server of domain "offices" on a free port. */
static void *server_open(void *zmq, const struct pair *own, char endpoint[128])
{
        size_t n = 128;
        int patience = 10000, linger = 0;
        struct err e;
        void *socket = zmq_socket(zmq, ZMQ_ROUTER);
        const struct zcurve curve = {own->public_key, own->secret_key, NULL, "offices"};
        assert_int_equal(zpoll_secure(socket, &curve, &e), 0);
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
        assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &n), 0);
        return socket;
}

/* Connects with a key; answers the event of ZeroMQ that ends the handshake. */
static int outcome(void *zmq, const char *endpoint, const struct pair *own, const struct pair *server)
{
        int patience = 10000, linger = 0;
        uint8_t head[6];
        uint16_t event;
        char name[64];
        struct err e;
        void *socket = zmq_socket(zmq, ZMQ_DEALER), *monitor = zmq_socket(zmq, ZMQ_PAIR);
        const struct zcurve curve = {own->public_key, own->secret_key, server->public_key, NULL};
        assert_int_equal(zpoll_secure(socket, &curve, &e), 0);
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &patience, sizeof patience);
        zpoll_inproc(name);
        assert_int_equal(zmq_socket_monitor(socket, name, 0x7800 /* the handshake's */), 0);
        assert_int_equal(zmq_connect(monitor, name), 0);
        assert_int_equal(zmq_connect(socket, endpoint), 0);
        assert_int_equal(zmq_recv(monitor, head, sizeof head, 0), sizeof head);
        memcpy(&event, head, sizeof event);
        zmq_socket_monitor(socket, NULL, 0);
        zmq_close(monitor);
        zmq_close(socket);
        return event;
}

static void default_deny(void **state)
{
        (void)state;
        struct err e = {0};
        struct zap *zap;
        char endpoint[128];
        void *zmq = zpoll_context(&e);
        struct pair server = pair_new(), office = pair_new(), other = pair_new(), stranger = pair_new();
        assert_int_equal(zap_start(&zap, zmq, &e), 0);
        void *socket = server_open(zmq, &server, endpoint);

        assert_int_equal(outcome(zmq, endpoint, &office, &server),
                         ZMQ_EVENT_HANDSHAKE_FAILED_AUTH); /* empty table */
        const struct zap_entry table[] = {{office.public_key, "offices", "150200"},
                                          {other.public_key, "feed", "sink"}};
        assert_int_equal(zap_allow(zap, table, 2, &e), 0);
        assert_int_equal(outcome(zmq, endpoint, &office, &server), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        assert_int_equal(outcome(zmq, endpoint, &stranger, &server), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
        assert_int_equal(outcome(zmq, endpoint, &other, &server),
                         ZMQ_EVENT_HANDSHAKE_FAILED_AUTH); /* not this door */
        assert_int_equal(zap_refused(zap), 3);
        assert_true(zap_allows(zap, "offices", office.public_key));
        assert_false(zap_allows(zap, "feed", office.public_key));
        assert_false(zap_allows(zap, "offices", stranger.public_key));
        assert_false(zap_allows(zap, "", office.public_key));

        assert_int_equal(zap_allow(zap, table + 1, 1, &e), 0); /* replaces */
        assert_false(zap_allows(zap, "offices", office.public_key));
        assert_int_equal(outcome(zmq, endpoint, &office, &server), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);

        /* Nobody answers: the domain is enforced, so nobody is let in (Z3). */
        assert_int_equal(zap_allow(zap, table, 2, &e), 0);
        zap_stop(zap);
        assert_int_not_equal(outcome(zmq, endpoint, &office, &server), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        zmq_close(socket);
        zpoll_context_close(zmq);
}

static void never_started_denies(void **state)
{
        (void)state;
        struct err e = {0};
        char endpoint[128];
        void *zmq = zpoll_context(&e);
        struct pair server = pair_new(), office = pair_new();
        void *socket = server_open(zmq, &server, endpoint);
        assert_int_not_equal(outcome(zmq, endpoint, &office, &server), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        zmq_close(socket);
        zpoll_context_close(zmq);
}

static void table_is_checked(void **state)
{
        (void)state;
        struct err e = {0};
        struct zap *zap, *second;
        void *zmq = zpoll_context(&e);
        struct pair a = pair_new(), b = pair_new();
        assert_int_equal(zap_start(&zap, zmq, &e), 0);
        assert_int_equal(zap_start(&second, zmq, &e), E_EXISTS);
        const struct zap_entry good = {a.public_key, "offices", "150200"};
        assert_int_equal(zap_allow(zap, &good, 1, &e), 0);

        char long_name[65];
        memset(long_name, 'x', sizeof long_name - 1);
        long_name[sizeof long_name - 1] = '\0';
        const struct {
                struct zap_entry entry;
                int code;
        } bad[] = {{{"not a key", "offices", "1"}, E_SYNTAX},
                   {{"~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", "offices", "1"}, E_SYNTAX},
                   {{b.public_key, "", "1"}, E_LIMIT},
                   {{b.public_key, "offices", ""}, E_LIMIT},
                   {{b.public_key, "offices", long_name}, E_LIMIT}};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(zap_allow(zap, &bad[i].entry, 1, &e), bad[i].code);
        const struct zap_entry twice[] = {good, {a.public_key, "offices", "150300"}};
        assert_int_equal(zap_allow(zap, twice, 2, &e), E_EXISTS);
        assert_non_null(strstr(e.text, "150300"));
        assert_true(zap_allows(zap, "offices", a.public_key)); /* the table that was */
        zap_stop(zap);
        zpoll_context_close(zmq);
}

static void self_test(void **state)
{
        (void)state;
        struct err e = {0};
        struct zap *zap;
        void *zmq = zpoll_context(&e);
        assert_int_equal(zap_start(&zap, zmq, &e), 0);
        assert_int_equal(zap_self_test(zap, zmq, &e), 0);
        assert_int_equal(zap_self_test(zap, zmq, &e), 0);
        assert_int_equal(zap_refused(zap), 0); /* its stranger is not counted */
        zap_stop(zap);
        zpoll_context_close(zmq);
}

/* A handler that lets everybody in, as `user`: what the self-test is there to find. */
struct impostor {
        void *socket;
        const char *user;
};

static void impostor_run(void *arg)
{
        struct impostor *i = arg;
        for (;;) {
                char request[256];
                int n = 0, more = 1;
                for (int frame = 0; more; frame++) {
                        char v[256];
                        int got = zmq_recv(i->socket, v, sizeof v, 0);
                        if (got < 0)
                                return (void)zmq_close(i->socket);
                        if (frame == 1)
                                memcpy(request, v, (size_t)(n = got));
                        size_t size = sizeof more;
                        zmq_getsockopt(i->socket, ZMQ_RCVMORE, &more, &size);
                }
                zmq_send(i->socket, "1.0", 3, ZMQ_SNDMORE);
                zmq_send(i->socket, request, (size_t)n, ZMQ_SNDMORE);
                zmq_send(i->socket, "200", 3, ZMQ_SNDMORE);
                zmq_send(i->socket, "", 0, ZMQ_SNDMORE);
                zmq_send(i->socket, i->user, strlen(i->user), ZMQ_SNDMORE);
                zmq_send(i->socket, "", 0, 0);
        }
}

static void self_test_finds_an_open_door(void **state)
{
        (void)state;
        static const struct {
                const char *user, *says;
        } doors[] = {{"self-test", "a stranger was let in"}, {"someone", "a known key was not let in"}};
        for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
                struct err e = {0};
                struct zap *zap;
                void *elsewhere = zpoll_context(&e), *zmq = zpoll_context(&e);
                assert_int_equal(zap_start(&zap, elsewhere, &e), 0); /* not the one asked in zmq */
                struct impostor impostor = {zmq_socket(zmq, ZMQ_REP), doors[i].user};
                assert_int_equal(zmq_bind(impostor.socket, "inproc://zeromq.zap.01"), 0);
                void *thread = zmq_threadstart(impostor_run, &impostor);
                assert_int_equal(zap_self_test(zap, zmq, &e), E_DENIED);
                assert_non_null(strstr(e.text, doors[i].says));
                zap_stop(zap);
                zmq_ctx_shutdown(zmq);
                zmq_threadclose(thread);
                zpoll_context_close(zmq);
                zpoll_context_close(elsewhere);
        }
}

/* The threads of libzmq and of the handler must not take the process's signals (Z2). */
static void threads_block_signals(void **state)
{
        (void)state;
        struct err e = {0};
        struct zap *zap;
        struct dirent *task;
        int others = 0;
        DIR *before = opendir("/proc/self/task");
        long known[64] = {0};
        for (int n = 0; (task = readdir(before)) && n < 64;)
                known[n++] = atol(task->d_name);
        closedir(before);

        void *zmq = zpoll_context(&e);
        assert_int_equal(zap_start(&zap, zmq, &e), 0);
        DIR *tasks = opendir("/proc/self/task");
        while ((task = readdir(tasks))) {
                bool ours = atol(task->d_name) > 0;
                for (int i = 0; i < 64; i++)
                        ours = ours && known[i] != atol(task->d_name);
                if (!ours)
                        continue;
                char path[300], line[256];
                uint64_t blocked = 0;
                snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
                FILE *f = fopen(path, "r");
                while (f && fgets(line, sizeof line, f))
                        sscanf(line, "SigBlk: %" SCNx64, &blocked);
                if (f)
                        fclose(f);
                for (int sig = 1; sig < 32; sig++)
                        if (sig != SIGKILL && sig != SIGSTOP)
                                assert_true(blocked & (UINT64_C(1) << (sig - 1)));
                others++;
        }
        closedir(tasks);
        assert_true(others >= 3); /* reaper, I/O, handler */
        zap_stop(zap);
        zpoll_context_close(zmq);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(default_deny),
            cmocka_unit_test(never_started_denies),
            cmocka_unit_test(table_is_checked),
            cmocka_unit_test(self_test),
            cmocka_unit_test(self_test_finds_an_open_door),
            cmocka_unit_test(threads_block_signals),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
