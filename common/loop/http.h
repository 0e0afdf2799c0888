/* http: the one HTTP server (libmicrohttpd).
 *
 * Either on the libuv loop (threads = 0: handlers run on the loop's thread, between its other work) or on
 * threads of its own (handlers must be thread-safe). A handler is a function from request to reply. Bodies up
 * to `max_body` are gathered first: small ones in memory, those over 1 MiB in an unlinked file under `spool`,
 * mapped read-only. Bearer tokens, the `/?token=` cookie, method and size errors and the error shape of
 * CONTRACT.md are done here, once; Content-Type is the handler's business. HEAD is answered as GET, without
 * the body.
 *
 * Without a token the server believes nobody but this machine: it listens on loopback only, wants localhost
 * or an IP address in Host (a name could have been bent here by its owner's DNS) and takes no POST from
 * another site's page. */
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

enum {
        HTTP_CONNECTIONS = 256,
        HTTP_OF_ONE = 128,           /* of one address: who holds all he may leaves as many to others */
        HTTP_PATIENCE_S = 30,        /* a silent connection is closed */
        HTTP_HEAD_BYTES = 32 * 1024, /* request line, headers and buffers of one connection */

        /* A refused body is read to its end, so that the client sees the reply: up to 16 times max_body, */
        HTTP_DRAIN = 16,
        HTTP_DRAIN_STRANGER = 1024 * 1024, /* but only so much of a client without a token. */
};

struct http_reply {
        int status;          /* 200 unless set */
        const char *type;    /* static; "application/json; charset=utf-8" unless set */
        struct text body;    /* ours after the handler returned */
        struct text headers; /* further headers, "Name: value\n" each; they replace ours of the same name
                                (Cache-Control: no-store, Content-Security-Policy, Referrer-Policy,
                                X-Content-Type-Options) */
        const void *bytes;   /* instead of body: static bytes */
        size_t bytes_n;
};

typedef void http_fn(void *ctx, const struct http_request *q, struct http_reply *a);

/* The list ends with a NULL path; a path ending in * is a prefix. The first row that fits wins. */
struct http_route {
        const char *method, *path;
        http_fn *fn;
        bool open; /* answered without a token: /healthz */
};

struct http_options {       /* borrowed until http_stop */
        const char *listen; /* 127.0.0.1:7600, [::1]:7600, localhost:7600; port 0 takes a free one */
        const char *auth;   /* "none", "token", or NULL: token off loopback, none on it */
        const char *token;
        const char *spool; /* folder for large bodies; NULL: bodies stay below 1 MiB */
        size_t max_body;
        unsigned threads;
        const struct http_route *routes;
        void *ctx;
};

/* Can address and authentication be had as configured? Of the options the first three are read. E_USAGE. */
int http_check(const struct http_options *o, struct err *e);

/* E_USAGE: the address or the authentication cannot be had as configured; E_EXISTS: the port is taken. `loop`
 * may be NULL with threads. SIGPIPE is ignored from here on. */
int http_start(struct http **h, uv_loop_t *loop, const struct http_options *o, struct err *e);

/* Closes all connections at once. On a loop the memory is given back by the loop's next turn. NULL does
 * nothing. */
void http_stop(struct http *h);
const char *http_address(const struct http *h); /* "127.0.0.1:7600", with the real port */

const char *http_path(const struct http_request *q);                   /* decoded */
const char *http_method(const struct http_request *q);                 /* HEAD reads as GET */
const char *http_query(const struct http_request *q, const char *key); /* decoded; NULL: absent */
const char *http_header(const struct http_request *q, const char *name);
const void *http_body(const struct http_request *q, size_t *n);         /* not NUL-terminated */
enum lang http_lang(const struct http_request *q, enum lang otherwise); /* ?lang=, else Accept-Language */

/* {"error":{"code":…,"message":…}} with the sentence in the caller's language. Replaces what the body held.
 */
void http_error(struct http_reply *a, int status, const char *code, const char *message);

#endif
