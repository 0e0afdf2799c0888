/* Peers without a key: bytes on a socket. */
#include "hostile/peer.h"

#include "base/text.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void until_stdin_ends(void)
{
        char c;
        puts("ready");
        fflush(stdout);
        while (read(0, &c, 1) > 0)
                ;
}

static int *dial_all(unsigned port, size_t n)
{
        int *fds = calloc(n, sizeof *fds);
        for (size_t i = 0; i < n; i++)
                fds[i] = dial(port);
        return fds;
}

int hold(char **arg)
{
        size_t n = strtoul(arg[1], NULL, 10);
        int *fds = dial_all((unsigned)atoi(arg[0]), n);
        until_stdin_ends();
        free(fds);
        return 0;
}

/* ---- ZMTP (RFC 23, 15, 13) */

/* Signature, version, mechanism, no server, filler. */
static void greeting(struct text *t, uint8_t major, const char *mechanism)
{
        uint8_t g[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, major};
        memcpy(g + 12, mechanism, strlen(mechanism));
        text_bytes(t, g, sizeof g);
}

static void put(struct text *t, const char *bytes, size_t n)
{
        text_bytes(t, bytes, n);
}
#define PUT(t, literal) put(t, literal, sizeof literal - 1)

static void any_text(struct text *t, size_t n)
{
        char bytes[512];
        any_bytes(bytes, sizeof bytes);
        put(t, bytes, n % sizeof bytes);
}

enum { GREETINGS = 10 };

static void greeting_of(unsigned kind, struct text *t)
{
        switch (kind % GREETINGS) {
        case 0: any_text(t, any()); break;
        case 1: PUT(t, "\xff\0\0\0\0\0\0\0\1\x7f"); break;                  /* and no more */
        case 2: PUT(t, "\1\0\6\0hello"); break;                             /* ZMTP 1.0 */
        case 3: PUT(t, "\xff\0\0\0\0\0\0\0\1\x7f\1\5\0\0\0\5hello"); break; /* ZMTP 2.0 */
        case 4:                                                             /* 3.0, NULL, ready, a message */
                greeting(t, 3, "NULL");
                PUT(t, "\4\x19\5READY\xbSocket-Type\0\0\0\6DEALER\0\5hello");
                break;
        case 5:
                greeting(t, 3, "PLAIN");
                PUT(t, "\4\x12\5HELLO\5admin\6secret");
                break;
        case 6: /* a command of 1 GiB */
                greeting(t, 3, "CURVE");
                PUT(t, "\6\0\0\0\0\x40\0\0\0");
                any_text(t, 300);
                break;
        case 7: /* a message of 2^63 bytes before the handshake */
                greeting(t, 3, "CURVE");
                PUT(t, "\3\x80\0\0\0\0\0\0\0");
                any_text(t, 300);
                break;
        case 8: { /* a hello of the right size that nobody signed */
                char hello[202] = "\4\xc8\5HELLO\1";
                greeting(t, 3, "CURVE");
                any_bytes(hello + 82, 120);
                put(t, hello, sizeof hello);
                break;
        }
        default:
                greeting(t, 3, "CURVE");
                for (int i = 0; i < 20; i++)
                        any_text(t, any());
        }
}

/* Whoever has no key is told a greeting, and perhaps why he goes; never a message. */
static void is_told_nothing(int fd)
{
        char got[4096];
        size_t n = 0;
        for (ssize_t r; n < sizeof got && (r = recv(fd, got + n, sizeof got - n, MSG_DONTWAIT)) > 0;)
                n += (size_t)r;
        if (n > 64 + 256)
                give_up("told more than a greeting");
}

int greet(char **arg)
{
        unsigned port = (unsigned)atoi(arg[0]), n = (unsigned)atoi(arg[1]);
        enum { OPEN = 64 };
        int fds[OPEN];
        for (unsigned i = 0; i < n + OPEN; i++) {
                if (i >= OPEN) {
                        is_told_nothing(fds[i % OPEN]);
                        close(fds[i % OPEN]);
                }
                if (i >= n)
                        continue;
                struct text t = {0};
                greeting_of(i, &t);
                fds[i % OPEN] = dial(port);
                send(fds[i % OPEN], t.v, t.n, MSG_NOSIGNAL);
                text_close(&t);
        }
        printf("%u\n", n);
        return 0;
}

static bool is_closed(int fd)
{
        char c[512];
        ssize_t r = recv(fd, c, sizeof c, MSG_DONTWAIT);
        return r == 0 || (r < 0 && errno != EAGAIN);
}

int dribble(char **arg)
{
        size_t n = strtoul(arg[1], NULL, 10), open = n;
        int *fds = dial_all((unsigned)atoi(arg[0]), n);
        int64_t until = now_ms() + 1000 * strtol(arg[2], NULL, 10);
        struct text t = {0};
        greeting(&t, 3, "CURVE");
        for (size_t at = 0; open; at++) {
                if (now_ms() > until)
                        give_up("a greeting of many seconds was waited for");
                for (size_t i = 0; i < n; i++) {
                        if (fds[i] < 0)
                                continue;
                        if (at < 40)
                                send(fds[i], t.v + at, 1, MSG_NOSIGNAL);
                        if (is_closed(fds[i])) {
                                close(fds[i]);
                                fds[i] = -1;
                                open--;
                        }
                }
                poll(NULL, 0, 100); /* the pace of the peer, no wait for anything */
        }
        text_close(&t);
        free(fds);
        printf("%zu\n", n);
        return 0;
}

/* ---- HTTP */

enum { REQUESTS = 8 };

static void request_of(unsigned kind, struct text *t)
{
        switch (kind % REQUESTS) {
        case 0: any_text(t, any()); break;
        case 1: PUT(t, "GET /api/v1/totals?%%%%=%zz HTTP/1.1\r\nHost: a\r\n\r\n"); break;
        case 2:
                PUT(t, "POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
                       "99999999999999999999\r\n\r\n");
                break;
        case 3:
                PUT(t, "POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: "
                       "chunked\r\n\r\nffffffffffffffff\r\n");
                break;
        case 4:
                PUT(t, "GET / HTTP/1.1\r\n");
                for (int i = 0; i < 4000; i++)
                        text_printf(t, "X-%d: %d\r\n", i, i);
                break;
        case 5:
                PUT(t, "GET /");
                for (int i = 0; i < 5000; i++)
                        PUT(t, "../%2e%2e/");
                PUT(t, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
                break;
        case 6:
                PUT(t, "POST /api/v1/streams/skip?office=150200 HTTP/1.1\r\nHost: evil.example\r\nOrigin: "
                       "http://evil.example\r\nContent-Length: 0\r\n\r\n");
                break;
        default: greeting(t, 3, "NULL");
        }
}

/* Nothing that is none is granted; what is answered at all is an error. */
static void is_not_granted(int fd)
{
        char answer[512];
        if (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 12 && answer[9] == '2')
                give_up("a request that is none was granted");
}

int http(char **arg)
{
        unsigned port = (unsigned)atoi(arg[0]), n = (unsigned)atoi(arg[1]);
        enum { OPEN = 64 };
        int fds[OPEN];
        for (unsigned i = 0; i < n + OPEN; i++) {
                if (i >= OPEN) {
                        is_not_granted(fds[i % OPEN]);
                        close(fds[i % OPEN]);
                }
                if (i >= n)
                        continue;
                struct text t = {0};
                request_of(i, &t);
                fds[i % OPEN] = dial(port);
                send(fds[i % OPEN], t.v, t.n, MSG_NOSIGNAL);
                text_close(&t);
        }
        printf("%u\n", n);
        return 0;
}

int loris(char **arg)
{
        static const char head[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ";
        size_t n = strtoul(arg[1], NULL, 10);
        int *fds = dial_all((unsigned)atoi(arg[0]), n);
        for (size_t i = 0; i < n; i++)
                send(fds[i], head, sizeof head - 1, MSG_NOSIGNAL);
        until_stdin_ends();
        free(fds);
        return 0;
}

/* ---- one who is honest */

static void exchange(unsigned port, const struct text *request, struct text *reply)
{
        char bytes[8192];
        int fd = dial_from(INADDR_LOOPBACK, port);
        if (send(fd, request->v, request->n, MSG_NOSIGNAL) != (ssize_t)request->n)
                give_up("asking a collector");
        text_clear(reply);
        for (ssize_t r; (r = recv(fd, bytes, sizeof bytes, 0)) > 0;)
                text_bytes(reply, bytes, (size_t)r);
        close(fd);
}

static int by_size(const void *a, const void *b)
{
        return *(const int *)a - *(const int *)b;
}

/* From the moment the office has the report until it knows HQ's verdict. */
static int report_ms(unsigned port, const char *region, struct text *request, struct text *reply)
{
        char body[128];
        int length = snprintf(body, sizeof body, "region,indicator,value\n%s,firearms_seized,1\n", region);
        text_clear(request);
        text_printf(
            request,
            "POST /api/v1/reports?dataset=gunexp&period=2023-09-19&action=add HTTP/1.1\r\nHost: "
            "127.0.0.1\r\nConnection: close\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s",
            length, body);
        int64_t began = now_ms();
        exchange(port, request, reply);
        if (!strstr(text_c(reply), " 20"))
                give_up(text_c(reply));
        text_clear(request);
        text_add(request,
                 "GET /api/v1/reports?limit=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        do {
                exchange(port, request, reply);
                if (now_ms() - began > 60 * 1000)
                        give_up("a report was not acknowledged in a minute");
        } while (!strstr(text_c(reply), "\"state\":\"accepted\""));
        return (int)(now_ms() - began);
}

int honest(char **arg)
{
        size_t n = strtoul(arg[2], NULL, 10);
        int *took = calloc(n, sizeof *took);
        struct text request = {0}, reply = {0};
        for (size_t i = 0; i < n; i++)
                took[i] = report_ms((unsigned)atoi(arg[0]), arg[1], &request, &reply);
        qsort(took, n, sizeof *took, by_size);
        printf("%zu reports, acknowledged in %d ms (half of them), %d ms (99 of 100), %d ms (all)\n", n,
               took[n / 2], took[n * 99 / 100], took[n - 1]);
        text_close(&request);
        text_close(&reply);
        free(took);
        return 0;
}
