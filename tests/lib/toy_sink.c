#include "lib/toy_sink.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Atomic int64_t now;

void toy_sink_now(const char *rfc3339)
{
        now = toy_time(rfc3339);
}

static int64_t now_us(void)
{
        return now;
}

static void metrics(void *ctx, struct text *out)
{
        (void)ctx;
        text_add(out, "sumu_toy 1\n");
}

/* Office oB has a gap from 3 to 9. */
static int skip(void *ctx, const char *office, uint64_t *from, uint64_t *to, struct err *e)
{
        struct toy_sink *s = ctx;
        PRE(pthread_equal(pthread_self(), s->thread));
        if (strcmp(office, "oB") != 0)
                return err_set(e, E_MISSING, "no gap");
        *from = 3;
        *to = 9;
        return 0;
}

static bool sign_key(void *ctx, const char *office, const uint8_t id[8], uint8_t key[32])
{
        const struct toy_sink *s = ctx;
        if (strcmp(office, "oC") == 0 || id[0] != 1)
                return false;
        memcpy(key, s->store.sign_public, 32);
        return true;
}

static void on_stop(uv_async_t *a)
{
        struct toy_sink *s = a->data;
        api_stop(s->api);
        http_stop(s->http);
        api_free(&s->api);
        uv_close((uv_handle_t *)a, NULL);
}

static void *run(void *arg)
{
        struct toy_sink *s = arg;
        uv_run(&s->loop, UV_RUN_DEFAULT);
        return NULL;
}

void toy_sink_open(struct toy_sink *s, struct catalog *c)
{
        struct err e = {0};
        *s = (struct toy_sink){.health = health_new()};
        toy_store_open(&s->store, c);
        uv_loop_init(&s->loop);
        uv_async_init(&s->loop, &s->stop, on_stop);
        s->stop.data = s;
        struct api_options o = {.path = s->store.path,
                                .loop = &s->loop,
                                .health = s->health,
                                .now_us = now_us,
                                .metrics = metrics,
                                .skip = skip,
                                .sign_key = sign_key,
                                .ctx = s};
        s->api = api_new(&o, &c, &e);
        PRE(s->api);
        struct http_options http = {
            .listen = "127.0.0.1:0", .max_body = 1024, .threads = 2, .routes = sink_routes, .ctx = s->api};
        PRE(http_start(&s->http, &s->loop, &http, &e) == 0);
        s->port = (unsigned short)atoi(strrchr(http_address(s->http), ':') + 1);
        pthread_create(&s->thread, NULL, run, s);
}

void toy_sink_close(struct toy_sink *s)
{
        uv_async_send(&s->stop);
        pthread_join(s->thread, NULL);
        PRE(uv_loop_close(&s->loop) == 0);
        health_free(s->health);
        toy_store_close(&s->store);
}

static int dial(const struct toy_sink *s)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        PRE(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
        return fd;
}

char *toy_sink_ask(const struct toy_sink *s, const char *method, const char *target, const char *lang,
                   int *status)
{
        struct text request = {0}, reply = {0};
        char bytes[16384];
        int fd = dial(s);
        text_printf(&request,
                    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept-Language: %s\r\n%s\r\n",
                    method, target, lang ? lang : "en",
                    strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
        PRE(send(fd, request.v, request.n, MSG_NOSIGNAL) == (ssize_t)request.n);
        for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
                text_bytes(&reply, bytes, (size_t)n);
        close(fd);
        const char *body = strstr(text_c(&reply), "\r\n\r\n");
        PRE(body && sscanf(text_c(&reply), "HTTP/1.1 %d", status) == 1);
        char *copy = strdup(body + 4);
        text_close(&request);
        text_close(&reply);
        return copy;
}
