/* http: the one HTTP server (libmicrohttpd).
 *
 * Either on the libuv loop (threads = 0: handlers run on the loop's thread, between its other work) or on threads of
 * its own (handlers must be thread-safe). A handler is a function from request to reply. Bodies up to
 * `max_body` are gathered first: small ones in memory, those over 1 MiB in an unlinked file under `spool`, mapped
 * read-only. Bearer tokens, the `/?token=` cookie, method and size errors and the error shape of CONTRACT.md are
 * done here, once. */
#ifndef SUMU_LOOP_HTTP_H
#define SUMU_LOOP_HTTP_H

#include "base/err.h"
#include "base/text.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct http;
struct http_request;

struct http_reply {
        int status;           /* 200 unless set */
        const char *type;     /* static; "application/json; charset=utf-8" unless set */
        struct text body;
        struct text headers;  /* further headers, "Name: value\n" each */
        const void *bytes;    /* instead of body: static bytes */
        size_t bytes_n;
};

typedef void http_fn(void *ctx, const struct http_request *q, struct http_reply *a);

struct http_route { /* the list ends with a NULL path; a path ending in * is a prefix */
        const char *method, *path;
        http_fn *fn;
        bool open; /* answered without a token: /healthz */
};

struct http_options {
        const char *listen; /* 127.0.0.1:7600; port 0 takes a free one */
        const char *auth;   /* "none", "token", or NULL: token off loopback, none on it */
        const char *token;
        const char *spool;  /* folder for large bodies */
        size_t max_body;
        unsigned threads;
        const struct http_route *routes;
        void *ctx;
};

int http_start(struct http **h, uv_loop_t *loop, const struct http_options *o, struct err *e);
void http_stop(struct http *h);
const char *http_address(const struct http *h); /* "127.0.0.1:7600", with the real port */

const char *http_path(const struct http_request *q);
const char *http_method(const struct http_request *q);
const char *http_query(const struct http_request *q, const char *key);  /* decoded; NULL: absent */
const char *http_header(const struct http_request *q, const char *name);
const void *http_body(const struct http_request *q, size_t *n);
enum lang http_lang(const struct http_request *q, enum lang otherwise); /* ?lang=, else Accept-Language */

/* {"error":{"code":…,"message":…}} with the sentence in the caller's language. */
void http_error(struct http_reply *a, int status, const char *code, const char *message);

#endif
