/* Every conversation is held twice: with the server on a loop, and with the server on threads of its own. The
 * test is the client: it sends bytes as they would stand on the wire and reads until the server closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BODY = 3 * 1024 * 1024 };

static char spool[] = "/tmp/sumu-http-XXXXXX";
static struct err e;

/* The server under test */

static void hello(void *ctx, const struct http_request *q, struct http_reply *a)
{
        const char *name = http_query(q, "name");
        assert_string_equal(ctx, "ctx");
        text_add(&a->body, "{\"hello\":");
        text_json(&a->body, name);
        text_printf(&a->body, ",\"lang\":\"%s\"}", http_lang(q, LANG_EN) == LANG_ZH ? "zh" : "en");
}

static void sum(void *ctx, const struct http_request *q, struct http_reply *a)
{
        (void)ctx;
        size_t n, files = 0;
        const unsigned char *p = http_body(q, &n);
        unsigned long total = 0;
        for (size_t i = 0; i < n; i++)
                total += p[i];
        DIR *d = opendir(spool);
        for (struct dirent *f; (f = readdir(d));)
                files += f->d_name[0] != '.' || strlen(f->d_name) > 2;
        closedir(d);
        a->status = 202;
        a->type = "text/plain";
        text_printf(&a->body, "%zu %lu %zu %s", n, total, files,
                    http_header(q, "X-Note") ? http_header(q, "X-Note") : "-");
}

static void page(void *ctx, const struct http_request *q, struct http_reply *a)
{
        (void)ctx;
        a->type = "text/html";
        a->bytes = "<p>";
        a->bytes_n = 3;
        text_printf(&a->headers, "Cache-Control: max-age=60\nX-Path: %s\n", http_path(q));
}

static const struct http_route routes[] = {
    {"GET", "/healthz", hello, true},
    {"GET", "/hello", hello, false},
    {"POST", "/sum", sum, false},
    {"PUT", "/sum", sum, false},
    {"GET", "/files/*", page, false},
    {"GET", "/", page, false},
    {0},
};

struct server {
        struct http *http;
        uv_loop_t loop;
        uv_async_t stop;
        pthread_t thread;
        unsigned short port;
};

static void on_stop(uv_async_t *a)
{
        struct server *s = a->data;
        http_stop(s->http);
        uv_close((uv_handle_t *)a, NULL);
}

static void *run_loop(void *arg)
{
        struct server *s = arg;
        uv_run(&s->loop, UV_RUN_DEFAULT);
        return NULL;
}

static void start(struct server *s, unsigned threads, const char *token)
{
        struct http_options o = {.listen = "127.0.0.1:0",
                                 .token = token,
                                 .auth = token ? "token" : NULL,
                                 .spool = spool,
                                 .max_body = MAX_BODY,
                                 .threads = threads,
                                 .routes = routes,
                                 .ctx = "ctx"};
        uv_loop_init(&s->loop);
        uv_async_init(&s->loop, &s->stop, on_stop);
        s->stop.data = s;
        if (http_start(&s->http, &s->loop, &o, &e) < 0)
                fail_msg("%s", e.text);
        s->port = (unsigned short)atoi(strrchr(http_address(s->http), ':') + 1);
        pthread_create(&s->thread, NULL, run_loop, s);
}

static void stop(struct server *s)
{
        uv_async_send(&s->stop);
        pthread_join(s->thread, NULL);
        assert_int_equal(uv_loop_close(&s->loop), 0);
}

/* The client */

static int dial(const struct server *s)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        return fd;
}

static void say(int fd, const char *bytes, size_t n)
{
        while (n) {
                ssize_t wrote = send(fd, bytes, n, MSG_NOSIGNAL);
                assert_true(wrote > 0);
                bytes += wrote;
                n -= (size_t)wrote;
        }
}

/* Reads until the server closes, or until `until` has come. */
static char *hear(int fd, const char *until)
{
        static char reply[64 * 1024];
        size_t n = 0;
        for (ssize_t got; n < sizeof reply - 1 && (got = recv(fd, reply + n, sizeof reply - 1 - n, 0)) > 0;) {
                n += (size_t)got;
                reply[n] = '\0';
                if (until && strstr(reply, until))
                        return reply;
        }
        reply[n] = '\0';
        close(fd);
        return reply;
}

static char *ask(const struct server *s, const char *head)
{
        int fd = dial(s);
        say(fd, head, strlen(head));
        return hear(fd, NULL);
}

#define END "Host: 127.0.0.1\r\nConnection: close\r\n\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" END

static void assert_has(const char *reply, const char *want)
{
        if (!strstr(reply, want))
                fail_msg("no \"%s\" in:\n%s", want, reply);
}

static void assert_status(const char *reply, int status)
{
        char line[32];
        snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
        assert_has(reply, line);
}

/* The conversations */

static void answers(const struct server *s)
{
        char *r = ask(s, GET("/hello?name=%E5%8C%85%E5%A4%B4+a%2Bb"));
        assert_status(r, 200);
        assert_has(r, "\r\n\r\n{\"hello\":\"包头 a+b\",\"lang\":\"en\"}");
        assert_has(r, "Content-Type: application/json; charset=utf-8");
        assert_has(r, "X-Content-Type-Options: nosniff");
        assert_has(r, "Content-Security-Policy: default-src 'self'");
        assert_has(r, "Referrer-Policy: no-referrer");
        assert_has(r, "Cache-Control: no-store");

        r = ask(s, "HEAD /hello?name=x HTTP/1.1\r\n" END);
        assert_status(r, 200);
        assert_has(r, "Content-Length: 25\r\n");
        assert_string_equal(strstr(r, "\r\n\r\n"), "\r\n\r\n");

        r = ask(s, GET("/files/a%20b.js"));
        assert_has(r, "X-Path: /files/a b.js");
        assert_has(r, "Cache-Control: max-age=60");
        assert_null(strstr(r, "no-store"));
        assert_has(r, "\r\n\r\n<p>");
}

static void speaks_the_readers_language(const struct server *s)
{
        assert_has(ask(s, GET("/hello?lang=zh")), "\"zh\"");
        assert_has(ask(s, "GET /hello HTTP/1.1\r\nAccept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n" END),
                   "\"zh\"");
        assert_has(ask(s, "GET /hello HTTP/1.1\r\nAccept-Language: fr, zh;q=0.3, en-GB;q=0.8\r\n" END),
                   "\"en\"");
        assert_has(ask(s, "GET /hello?lang=en HTTP/1.1\r\nAccept-Language: zh\r\n" END), "\"en\"");
        assert_has(ask(s, "GET /none HTTP/1.1\r\nAccept-Language: zh\r\n" END), "此网址没有内容");
}

static void refuses(const struct server *s)
{
        char *r = ask(s, GET("/none"));
        assert_status(r, 404);
        assert_has(r,
                   "{\"error\":{\"code\":\"not_found\",\"message\":\"there is nothing at this address\"}}");

        r = ask(s, "DELETE /sum HTTP/1.1\r\n" END);
        assert_status(r, 405);
        assert_has(r, "Allow: POST, PUT\r\n");
        assert_has(ask(s, "POST /hello HTTP/1.1\r\nContent-Length: 2\r\n" END "ab"), "Allow: GET, HEAD\r\n");

        static const char *const malformed[] = {
            GET("/hello?name=%zz"), GET("/hello?name=%e5%8c"), GET("/hello?name=%00"),
            GET("/hello?name=%4"),  GET("/hello?a=1&a=2"),     GET("/hello?=1"),
            GET("//hello"),         GET("/%2Fhello"),          GET("/he%ffllo"),
        };
        for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
                r = ask(s, malformed[i]);
                assert_status(r, 400);
                assert_has(r, "\"code\":\"malformed\"");
        }
}

static void keeps_strangers_out(const struct server *s)
{
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), 403);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n"), 200);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\n\r\n"), 200);
        assert_status(
            ask(s, "POST /sum HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n" END), 403);
        assert_status(ask(s, "POST /sum HTTP/1.1\r\nOrigin: http://127.0.0.1\r\nContent-Length: 0\r\n" END),
                      202);
}

static char *post(const struct server *s, size_t n, const char *headers)
{
        char head[512];
        char *body = malloc(n ? n : 1);
        memset(body, 1, n);
        int fd = dial(s);
        snprintf(head, sizeof head, "POST /sum HTTP/1.1\r\nContent-Length: %zu\r\n%s" END, n, headers);
        say(fd, head, strlen(head));
        say(fd, body, n);
        free(body);
        return hear(fd, NULL);
}

static void takes_bodies(const struct server *s)
{
        assert_has(post(s, 0, ""), "\r\n\r\n0 0 0 -");
        assert_has(post(s, 1000, "X-Note: n\r\n"), "\r\n\r\n1000 1000 0 n");
        assert_has(post(s, 1 << 20, ""), "\r\n\r\n1048576 1048576 0 -");
        assert_has(post(s, (1 << 20) + 1, ""), "\r\n\r\n1048577 1048577 0 -");
        assert_has(post(s, MAX_BODY, ""), "\r\n\r\n3145728 3145728 0 -");
        char *r = post(s, MAX_BODY + 1, "");
        assert_status(r, 413);
        assert_has(r, "\"too_large\"");
}

static void takes_chunks(const struct server *s)
{
        static char chunk[256 * 1024];
        memset(chunk, 1, sizeof chunk);
        for (int chunks = 5; chunks <= 20; chunks += 15) {
                int fd = dial(s);
                const char *head = "POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END;
                say(fd, head, strlen(head));
                for (int i = 0; i < chunks; i++) {
                        say(fd, "40000\r\n", 7);
                        say(fd, chunk, sizeof chunk);
                        say(fd, "\r\n", 2);
                }
                say(fd, "0\r\n\r\n", 5);
                char *r = hear(fd, NULL);
                assert_status(r, chunks == 5 ? 202 : 413);
                if (chunks == 5)
                        assert_has(r, "1310720 1310720 0 -");
        }
}

static void waits_to_be_asked(const struct server *s)
{
        int fd = dial(s);
        const char *head = "POST /sum HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n" END;
        say(fd, head, strlen(head));
        assert_has(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n");
        say(fd, "abc", 3);
        assert_has(hear(fd, NULL), "\r\n\r\n3 294 0 -");

        fd = dial(s);
        head = "POST /sum HTTP/1.1\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n" END;
        say(fd, head, strlen(head));
        char *r = hear(fd, NULL);
        assert_status(r, 413);
        assert_null(strstr(r, "100 Continue"));
}

static void keeps_the_connection(const struct server *s)
{
        int fd = dial(s);
        const char *two = "GET /hello?name=1 HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/hello?name=2");
        say(fd, two, strlen(two));
        char *r = hear(fd, NULL);
        assert_has(r, "{\"hello\":\"1\"");
        assert_has(r, "{\"hello\":\"2\"");
}

/* What is no HTTP at all, and clients that hang up, leave nothing behind (the leak sanitizer looks). */
static void survives_nonsense(const struct server *s)
{
        static const char *const nonsense[] = {
            "\0\0\0", "GET\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n", "POST /sum HTTP/1.1\r\n",
            "POST /sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"};
        for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
                int fd = dial(s);
                say(fd, nonsense[i], strlen(nonsense[i]) + 1);
                close(fd);
        }
        static char huge[100 * 1024];
        memset(huge, 'a', sizeof huge);
        memcpy(huge, "GET /", 5);
        int fd = dial(s);
        send(fd, huge, sizeof huge, MSG_NOSIGNAL);
        close(fd);
        assert_status(ask(s, GET("/hello")), 200);
}

static void both_ways(void (*conversation)(const struct server *s), const char *token)
{
        for (unsigned threads = 0; threads <= 2; threads += 2) {
                struct server s;
                start(&s, threads, token);
                conversation(&s);
                stop(&s);
        }
}

#define OPEN_TO_THIS_MACHINE(conversation)            \
        static void test_##conversation(void **state) \
        {                                             \
                (void)state;                          \
                both_ways(conversation, NULL);        \
        }
OPEN_TO_THIS_MACHINE(answers)
OPEN_TO_THIS_MACHINE(speaks_the_readers_language)
OPEN_TO_THIS_MACHINE(refuses)
OPEN_TO_THIS_MACHINE(keeps_strangers_out)
OPEN_TO_THIS_MACHINE(takes_bodies)
OPEN_TO_THIS_MACHINE(takes_chunks)
OPEN_TO_THIS_MACHINE(waits_to_be_asked)
OPEN_TO_THIS_MACHINE(keeps_the_connection)
OPEN_TO_THIS_MACHINE(survives_nonsense)

static void wants_the_token(const struct server *s)
{
        char *r = ask(s, GET("/hello"));
        assert_status(r, 401);
        assert_has(r, "WWW-Authenticate: Bearer");
        assert_has(r, "http.token");
        assert_status(ask(s, GET("/none")), 401);
        assert_status(ask(s, GET("/healthz")), 200);
        assert_status(ask(s, "POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n" END), 401);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nAuthorization: Bearer secret\r\n" END), 200);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nauthorization: bearer secret\r\n" END), 200);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nAuthorization: Bearer secrets\r\n" END), 401);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nAuthorization: Basic secret\r\n" END), 401);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nCookie: a=b; sumu_token=secret\r\n" END), 200);
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nCookie: sumu_token=other\r\n" END), 401);
        /* a name in Host is fine: the token speaks for the caller */
        assert_status(ask(s, "GET /hello HTTP/1.1\r\nAuthorization: Bearer secret\r\nHost: sumu.example\r\n"
                             "Connection: close\r\n\r\n"),
                      200);

        r = ask(s, GET("/?token=secret"));
        assert_status(r, 303);
        assert_has(r, "Location: /\r\n");
        assert_has(r, "Set-Cookie: sumu_token=secret; HttpOnly; SameSite=Strict; Path=/\r\n");
        assert_has(ask(s, GET("/files/%5C?period=2023-09&token=secret&r=%E5%8C%85")),
                   "Location: /files/%5C?period=2023-09&r=%E5%8C%85\r\n");
        r = ask(s, GET("/?token=wrong"));
        assert_status(r, 401);
        assert_null(strstr(r, "Set-Cookie"));
        assert_status(ask(s, "POST /sum?token=secret HTTP/1.1\r\nContent-Length: 0\r\n" END), 401);
}

static void test_wants_the_token(void **state)
{
        (void)state;
        both_ways(wants_the_token, "secret");
}

static void refuses_to_start(void **state)
{
        (void)state;
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct http *h = NULL, *taken;
        struct http_options o = {.listen = "0.0.0.0:0", .auth = "none", .routes = routes, .max_body = 1};
        assert_int_equal(http_start(&h, &loop, &o, &e), E_USAGE);
        assert_has(e.text, "set http.auth to token, or listen on 127.0.0.1");
        o.auth = NULL;
        assert_int_equal(http_start(&h, &loop, &o, &e), E_USAGE);
        assert_has(e.text, "http.token");
        o.token = "two words";
        assert_int_equal(http_start(&h, &loop, &o, &e), E_USAGE);
        assert_has(e.text, "one word");
        static const char *const wrong[] = {"7600",      "localhost", "127.0.0.1:",        "127.0.0.1:65536",
                                            "[::1:7600", "::1:7600",  "nowhere.example:1", "127.0.0.1:-1",
                                            ":80"};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                o.listen = wrong[i];
                assert_int_equal(http_start(&h, &loop, &o, &e), E_USAGE);
                assert_has(e.text, "is not an address to listen on");
        }
        o.listen = "localhost:0";
        o.token = NULL;
        o.threads = 1;
        assert_int_equal(http_start(&taken, NULL, &o, &e), 0);
        o.listen = http_address(taken);
        assert_int_equal(http_start(&h, &loop, &o, &e), E_EXISTS);
        assert_has(e.text, "is taken by another program");
        http_stop(taken);
        http_stop(h);
        uv_loop_close(&loop);
}

/* Stopping does not wait for clients that are in the middle of something. */
static void stops_in_the_middle(void **state)
{
        (void)state;
        for (unsigned threads = 0; threads <= 2; threads += 2) {
                struct server s;
                start(&s, threads, NULL);
                int fd = dial(&s);
                const char *head =
                    "POST /sum HTTP/1.1\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n" END;
                say(fd, head, strlen(head));
                hear(fd, "100 Continue");
                static char part[1500000];
                say(fd, part, sizeof part);
                stop(&s);
                close(fd);
        }
}

static int make_spool(void **state)
{
        (void)state;
        return mkdtemp(spool) ? 0 : -1;
}

static int remove_spool(void **state)
{
        (void)state;
        return rmdir(spool);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_answers),           cmocka_unit_test(test_speaks_the_readers_language),
            cmocka_unit_test(test_refuses),           cmocka_unit_test(test_keeps_strangers_out),
            cmocka_unit_test(test_takes_bodies),      cmocka_unit_test(test_takes_chunks),
            cmocka_unit_test(test_waits_to_be_asked), cmocka_unit_test(test_keeps_the_connection),
            cmocka_unit_test(test_survives_nonsense), cmocka_unit_test(test_wants_the_token),
            cmocka_unit_test(refuses_to_start),       cmocka_unit_test(stops_in_the_middle),
        };
        return cmocka_run_group_tests(tests, make_spool, remove_spool);
}
