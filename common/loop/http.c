/* Three things of libmicrohttpd 0.9.75 shape this file.
 *
 * Its epoll descriptor tells only of news from the kernel. Work may be left pending after MHD_run (its
 * edge-triggered connections that are still readable), seen as a timeout of 0: then it is run again, a few
 * times at once, and after that in the loop's next turn, so that a busy client starves nobody.
 *
 * A reply can be queued in the first call of the access handler or after the whole body, not between. A
 * refusal is therefore remembered while the rest of the body is thrown away; only a client that waits for
 * 100-continue, or has more to come than we care to read, is answered in the first call.
 *
 * Its own decoding of targets is lenient. The URI callback sees the raw target before it, and everything of
 * ours reads that one. The request made there is freed in on_completed, which is called for every request the
 * callback saw. */
#include "loop/http.h"

#include "base/check.h"
#include "base/log.h"
#include "loop/body.h"
#include "loop/query.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RUNS_A_TURN = 8, ADDRESS_MAX = INET6_ADDRSTRLEN + 16, FILES_MOST = 8 /* times max_body */ };

struct http {
        struct http_options options;
        struct MHD_Daemon *mhd;
        struct body_pool bodies;
        char address[ADDRESS_MAX];
        bool needs_token;
        uv_poll_t poll;
        uv_timer_t timer;
        int handles; /* open ones of the two above */
};

enum refusal {
        NOTHING,
#define HTTP_ERROR(name, status, code, en, zh) name,
#include "loop/http_errors.def"
#undef HTTP_ERROR
        TOKEN_IN_QUERY, /* not a refusal: set the cookie and send the browser to the clean address */
};

static const struct {
        int status;
        const char *code, *sentence[2]; /* by enum lang */
} refusals[] = {
#define HTTP_ERROR(name, status, code, en, zh) [name] = {status, code, {[LANG_EN] = en, [LANG_ZH] = zh}},
#include "loop/http_errors.def"
#undef HTTP_ERROR
};

struct http_request {
        struct http *http;
        struct MHD_Connection *connection;
        const char *method;
        struct query target;
        int target_code;
        const struct http_route *route;
        enum refusal refusal;
        bool judged, trusted;
        uint64_t received;
        struct body body;
        const void *bytes; /* of the body, once it is complete */
};

/* Reading the request */

const char *http_path(const struct http_request *q)
{
        return q->target.path;
}

const char *http_method(const struct http_request *q)
{
        return strcmp(q->method, "HEAD") == 0 ? "GET" : q->method;
}

const char *http_query(const struct http_request *q, const char *key)
{
        return query_get(&q->target, key);
}

const char *http_header(const struct http_request *q, const char *name)
{
        return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const void *http_body(const struct http_request *q, size_t *n)
{
        *n = q->body.n;
        return q->bytes;
}

/* One element of Accept-Language: "zh-CN;q=0.8". Its weight in thousandths; -1 if it is not this language. */
static int weight_of(const char *element, size_t n, const char *language)
{
        size_t tag = strcspn(element, ",; \t");
        if (tag < 2 || strncasecmp(element, language, 2) != 0 || (tag > 2 && element[2] != '-'))
                return -1;
        const char *q = memmem(element, n, "q=", 2);
        if (!q)
                return 1000;
        double weight = 0;
        char number[8] = {0};
        memcpy(number, q + 2, strnlen(q + 2, 5));
        return sscanf(number, "%lf", &weight) == 1 && weight >= 0 && weight <= 1 ? (int)(weight * 1000) : 0;
}

static int best_weight(const char *accept, const char *language)
{
        int best = -1;
        while (*accept) {
                accept += strspn(accept, " \t,");
                size_t n = strcspn(accept, ",");
                int weight = weight_of(accept, n, language);
                if (weight > best)
                        best = weight;
                accept += n;
        }
        return best;
}

enum lang http_lang(const struct http_request *q, enum lang otherwise)
{
        const char *asked = http_query(q, "lang");
        if (asked && strncasecmp(asked, "zh", 2) == 0)
                return LANG_ZH;
        if (asked && strncasecmp(asked, "en", 2) == 0)
                return LANG_EN;
        const char *accept = http_header(q, "Accept-Language");
        int zh = accept ? best_weight(accept, "zh") : -1, en = accept ? best_weight(accept, "en") : -1;
        return zh > en && zh > 0 ? LANG_ZH : en > zh && en > 0 ? LANG_EN : otherwise;
}

void http_error(struct http_reply *a, int status, const char *code, const char *message)
{
        text_clear(&a->body);
        text_add(&a->body, "{\"error\":{\"code\":");
        text_json(&a->body, code);
        text_add(&a->body, ",\"message\":");
        text_json(&a->body, message);
        text_add(&a->body, "}}\n");
        a->status = status;
        a->type = NULL;
        a->bytes = NULL;
}

/* Judging the request before its body */

static bool is_get(const struct http_request *q)
{
        return strcmp(http_method(q), "GET") == 0;
}

static bool route_fits(const struct http_route *r, const char *path)
{
        size_t n = strlen(r->path);
        return r->path[n - 1] == '*' ? strncmp(r->path, path, n - 1) == 0 : strcmp(r->path, path) == 0;
}

/* The route of path and method; *path_known tells whether another method would have one. */
static const struct http_route *find_route(const struct http_request *q, bool *path_known)
{
        *path_known = false;
        for (const struct http_route *r = q->http->options.routes; r->path; r++) {
                if (!route_fits(r, http_path(q)))
                        continue;
                *path_known = true;
                if (strcmp(r->method, http_method(q)) == 0)
                        return r;
        }
        return NULL;
}

static bool is_token(const struct http_request *q, const char *given)
{
        const char *token = q->http->options.token;
        size_t n = strlen(token);
        return given && strlen(given) == n && sodium_memcmp(given, token, n) == 0;
}

static bool has_token(const struct http_request *q)
{
        const char *header = http_header(q, "Authorization");
        if (header && strncasecmp(header, "Bearer ", 7) == 0)
                return is_token(q, header + 7 + strspn(header + 7, " "));
        return is_token(q, MHD_lookup_connection_value(q->connection, MHD_COOKIE_KIND, "sumu_token"));
}

static bool host_is_ours(const char *host)
{
        char name[INET6_ADDRSTRLEN + 1] = {0};
        unsigned char binary[sizeof(struct in6_addr)];
        size_t n = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");
        if (n >= sizeof name)
                return false;
        memcpy(name, host + (*host == '['), *host == '[' ? n - 1 : n);
        return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, binary) == 1 ||
               inet_pton(AF_INET6, name, binary) == 1;
}

static bool origin_is_ours(const char *origin, const char *host)
{
        const char *name = strstr(origin, "://");
        return name && host && strcasecmp(name + 3, host) == 0;
}

static enum refusal judge_stranger(const struct http_request *q)
{
        const char *host = http_header(q, "Host"), *origin = http_header(q, "Origin");
        if (host && !host_is_ours(host))
                return FOREIGN_HOST;
        if (origin && !is_get(q) && !origin_is_ours(origin, host))
                return FOREIGN_ORIGIN;
        return NOTHING;
}

static enum refusal judge_token(const struct http_request *q)
{
        if (has_token(q))
                return NOTHING;
        return is_get(q) && is_token(q, http_query(q, "token")) ? TOKEN_IN_QUERY : UNAUTHORIZED;
}

/* What the client says is to come; 0 if it does not say. */
static uint64_t announced(const struct http_request *q)
{
        const char *length = http_header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
        return length ? strtoull(length, NULL, 10) : 0;
}

static enum refusal judge(struct http_request *q)
{
        if (q->target_code == E_MEM)
                return NO_MEMORY;
        if (q->target_code < 0)
                return MALFORMED;
        bool path_known;
        q->route = find_route(q, &path_known);
        bool open = q->route && q->route->open;
        enum refusal no = !q->http->needs_token ? judge_stranger(q) : open ? NOTHING : judge_token(q);
        if (no)
                return no;
        q->trusted = !open;
        if (!path_known)
                return NOT_FOUND;
        if (!q->route)
                return NOT_ALLOWED;
        return announced(q) > q->http->options.max_body ? TOO_LARGE : NOTHING;
}

/* Replying */

/* Is there a line "NAME: …" among the handler's headers? */
static bool has_header(const struct http_reply *a, const char *name)
{
        size_t n = strlen(name);
        for (const char *line = text_c(&a->headers); *line;
             line += strcspn(line, "\n"), line += *line == '\n')
                if (strncasecmp(line, name, n) == 0 && line[n] == ':')
                        return true;
        return false;
}

static void add_own_headers(struct MHD_Response *response, const struct http_reply *a)
{
        static const struct {
                const char *name, *value;
        } own[] = {
            {"X-Content-Type-Options", "nosniff"},
            {"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
                                        "form-action 'self'; object-src 'none'"},
            {"Referrer-Policy", "no-referrer"},
            {"Cache-Control", "no-store"},
        };
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                if (!has_header(a, own[i].name))
                        MHD_add_response_header(response, own[i].name, own[i].value);
        MHD_add_response_header(response, "Content-Type",
                                a->type ? a->type : "application/json; charset=utf-8");
}

static void add_handlers_headers(struct MHD_Response *response, struct http_reply *a)
{
        char *rest = a->headers.v;
        for (char *line; rest && (line = strsep(&rest, "\n"));) {
                char *value = strchr(line, ':');
                if (!value)
                        continue;
                *value++ = '\0';
                value += strspn(value, " ");
                enum MHD_Result added = MHD_add_response_header(response, line, value);
                PRE(added == MHD_YES); /* no line ends, no empty value: handlers write them */
        }
}

/* The body goes to the library, which frees it. */
static struct MHD_Response *make_response(struct http_reply *a)
{
        if (a->bytes)
                return MHD_create_response_from_buffer(a->bytes_n, (void *)a->bytes, MHD_RESPMEM_PERSISTENT);
        struct MHD_Response *response =
            MHD_create_response_from_buffer(a->body.n, a->body.v ? a->body.v : "",
                                            a->body.v ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
        if (response)
                a->body = (struct text){0};
        return response;
}

static enum MHD_Result send_reply(struct http_request *q, struct http_reply *a)
{
        if (text_failed(&a->body) || text_failed(&a->headers)) {
                text_close(&a->body);
                text_close(&a->headers);
                http_error(a, refusals[NO_MEMORY].status, refusals[NO_MEMORY].code,
                           refusals[NO_MEMORY].sentence[http_lang(q, LANG_EN)]);
        }
        unsigned status = a->status ? (unsigned)a->status : 200;
        size_t n = a->bytes ? a->bytes_n : a->body.n;
        enum MHD_Result done = MHD_NO; /* closes the connection */
        struct MHD_Response *response = make_response(a);
        if (response) {
                add_own_headers(response, a);
                add_handlers_headers(response, a);
                done = MHD_queue_response(q->connection, status, response);
                MHD_destroy_response(response);
        }
        char status_text[12], bytes_text[24];
        snprintf(status_text, sizeof status_text, "%u", status);
        snprintf(bytes_text, sizeof bytes_text, "%zu", n);
        log_debug("request", "method", q->method, "path", q->target.path, "status", status_text, "bytes",
                  bytes_text, NULL);
        text_close(&a->body);
        text_close(&a->headers);
        return done;
}

static void list_methods(const struct http_request *q, struct text *out)
{
        const char *comma = "";
        text_add(out, "Allow: ");
        for (const struct http_route *r = q->http->options.routes; r->path; r++) {
                if (!route_fits(r, http_path(q)))
                        continue;
                text_printf(out, "%s%s%s", comma, r->method, strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
                comma = ", ";
        }
        text_char(out, '\n');
}

static void set_cookie(const struct http_request *q, struct http_reply *a)
{
        a->status = 303;
        a->type = "text/plain; charset=utf-8";
        text_add(&a->headers, "Location: ");
        query_print_without(&q->target, "token", &a->headers);
        text_printf(&a->headers, "\nSet-Cookie: sumu_token=%s; HttpOnly; SameSite=Strict; Path=/\n",
                    q->http->options.token);
}

static void refuse(const struct http_request *q, struct http_reply *a)
{
        http_error(a, refusals[q->refusal].status, refusals[q->refusal].code,
                   refusals[q->refusal].sentence[http_lang(q, LANG_EN)]);
        if (q->refusal == UNAUTHORIZED)
                text_add(&a->headers, "WWW-Authenticate: Bearer realm=\"sumu\"\n");
        if (q->refusal == NOT_ALLOWED)
                list_methods(q, &a->headers);
}

static enum MHD_Result answer(struct http_request *q)
{
        struct http_reply a = {0};
        struct err e;
        size_t n;
        if (!q->refusal && !(q->bytes = body_bytes(&q->body, &n, &e)))
                q->refusal = NO_ROOM;
        if (q->refusal == TOKEN_IN_QUERY)
                set_cookie(q, &a);
        else if (q->refusal)
                refuse(q, &a);
        else
                q->route->fn(q->http->options.ctx, q, &a);
        return send_reply(q, &a);
}

/* Receiving the body */

static uint64_t drain_limit(const struct http_request *q)
{
        return q->trusted ? (uint64_t)HTTP_DRAIN * q->http->options.max_body : HTTP_DRAIN_STRANGER;
}

static bool answers_at_once(const struct http_request *q)
{
        const char *expect = http_header(q, MHD_HTTP_HEADER_EXPECT);
        return q->refusal &&
               ((expect && strcasecmp(expect, "100-continue") == 0) || announced(q) > drain_limit(q));
}

static enum MHD_Result take(struct http_request *q, const char *bytes, size_t n)
{
        struct err e;
        q->received += n;
        if (q->refusal)
                return q->received > drain_limit(q) ? MHD_NO : MHD_YES;
        if (q->received > q->http->options.max_body) {
                q->refusal = TOO_LARGE;
        } else if (body_add(&q->body, &q->http->bodies, bytes, n, &e) < 0) {
                log_warn("a body cannot be received", "reason", e.text, NULL);
                q->refusal = e.code == E_MEM ? NO_MEMORY : NO_ROOM;
        }
        if (q->refusal)
                body_close(&q->body);
        return MHD_YES;
}

/* The callbacks of the library */

static void *on_target(void *ctx, const char *target, struct MHD_Connection *connection)
{
        struct http_request *q = calloc(1, sizeof *q);
        if (!q)
                return NULL;
        q->http = ctx;
        q->connection = connection;
        q->target_code = query_parse(&q->target, target);
        return q;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes, size_t *n,
                                  void **state)
{
        (void)ctx, (void)connection, (void)url, (void)version;
        struct http_request *q = *state;
        if (!q)
                return MHD_NO;
        if (!q->judged) {
                q->judged = true;
                q->method = method;
                q->refusal = judge(q);
                return answers_at_once(q) ? answer(q) : MHD_YES;
        }
        if (*n == 0)
                return answer(q);
        size_t given = *n;
        *n = 0;
        return take(q, bytes, given);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
        (void)ctx, (void)connection, (void)why;
        struct http_request *q = *state;
        if (!q)
                return;
        query_close(&q->target);
        body_close(&q->body);
        free(q);
        *state = NULL;
}

static void on_log(void *ctx, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *ctx, const char *fmt, va_list ap)
{
        (void)ctx;
        char line[256];
        vsnprintf(line, sizeof line, fmt, ap);
        line[strcspn(line, "\n")] = '\0';
        log_debug("http", "reason", line, NULL);
}

/* On the loop */

static void on_timer(uv_timer_t *t);

static void service(struct http *h)
{
        MHD_UNSIGNED_LONG_LONG ms = 0;
        bool waits = false;
        for (int i = 0; i < RUNS_A_TURN; i++) {
                MHD_run(h->mhd);
                waits = MHD_get_timeout(h->mhd, &ms) == MHD_YES;
                if (!waits || ms > 0)
                        break;
        }
        if (waits)
                uv_timer_start(&h->timer, on_timer, ms, 0);
        else
                uv_timer_stop(&h->timer);
}

static void on_timer(uv_timer_t *t)
{
        service(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
        (void)status, (void)events;
        service(p->data);
}

static void on_closed(uv_handle_t *handle)
{
        struct http *h = handle->data;
        if (--h->handles == 0)
                free(h);
}

static int join_loop(struct http *h, uv_loop_t *loop, struct err *e)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
        int rc = info ? uv_poll_init(loop, &h->poll, info->epoll_fd) : UV_EINVAL;
        if (rc < 0)
                return err_set(e, E_IO, "watching the HTTP server: %s", uv_strerror(rc));
        uv_timer_init(loop, &h->timer);
        h->poll.data = h->timer.data = h;
        h->handles = 2;
        uv_poll_start(&h->poll, UV_READABLE, on_poll);
        service(h);
        return 0;
}

/* Starting */

union socket_name {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

struct address {
        union socket_name name;
        socklen_t n;
        bool loopback;
};

static bool read_host(const char *host, bool brackets, uint16_t port, struct address *a)
{
        struct sockaddr_in *v4 = &a->name.v4;
        struct sockaddr_in6 *v6 = &a->name.v6;
        if (!brackets &&
            inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                a->n = sizeof *v4;
                a->loopback = (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
                return true;
        }
        if (brackets && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons(port);
                a->n = sizeof *v6;
                a->loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
                return true;
        }
        return false;
}

static int read_address(const char *text, struct address *a, struct err *e)
{
        char host[INET6_ADDRSTRLEN + 3];
        const char *colon = strrchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : 0;
        if (n == 0 || n >= sizeof host)
                goto wrong;
        memcpy(host, text, n);
        host[n] = '\0';
        bool brackets = host[0] == '[' && host[n - 1] == ']';
        if (brackets) {
                memmove(host, host + 1, n - 2);
                host[n - 2] = '\0';
        }
        char *end;
        unsigned long port = strtoul(colon + 1, &end, 10);
        if (end == colon + 1 || *end || colon[1] == '-' || colon[1] == '+' || port > UINT16_MAX)
                goto wrong;
        *a = (struct address){0};
        if (read_host(host, brackets, (uint16_t)port, a))
                return 0;
wrong:
        return err_set(
            e, E_USAGE,
            "\"%s\" is not an address to listen on; write for example 127.0.0.1:7600 or [::1]:7600", text);
}

static int decide_auth(const struct http_options *o, bool loopback, bool *needs_token, struct err *e)
{
        bool none = o->auth ? strcmp(o->auth, "none") == 0 : loopback;
        if (none && !loopback)
                return err_set(
                    e, E_USAGE,
                    "http.auth none is for this machine alone and %s can be reached from others: set "
                    "http.auth to "
                    "token, or listen on 127.0.0.1 and put a proxy that asks for a password in front",
                    o->listen);
        if (!none && (!o->token || !*o->token))
                return err_set(
                    e, E_USAGE,
                    "http.auth is token but there is no token: put one into the file http.token of the keys "
                    "folder (sumu keys init makes it)");
        if (!none && strpbrk(o->token, " \t\r\n\",;\\"))
                return err_set(
                    e, E_USAGE,
                    "the token in http.token must be one word without spaces, quotes, commas, semicolons "
                    "and backslashes: it is also sent as a cookie");
        *needs_token = !none;
        return 0;
}

int http_check(const struct http_options *o, struct err *e)
{
        struct address a;
        bool needs_token;
        int code = read_address(o->listen, &a, e);
        return code < 0 ? code : decide_auth(o, a.loopback, &needs_token, e);
}

static int listen_on(struct http *h, const struct address *a, int *listening, struct err *e)
{
        int on = 1, off = 0;
        int fd = socket(a->name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                goto refused;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->name.any.sa_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(fd, &a->name.any, a->n) != 0 || listen(fd, SOMAXCONN) != 0)
                goto refused;

        union socket_name real = a->name; /* port 0 asks for any: the real one is told */
        socklen_t n = sizeof real;
        char host[INET6_ADDRSTRLEN];
        getsockname(fd, &real.any, &n);
        if (real.any.sa_family == AF_INET)
                snprintf(h->address, sizeof h->address, "%s:%u",
                         inet_ntop(AF_INET, &real.v4.sin_addr, host, sizeof host), ntohs(real.v4.sin_port));
        else
                snprintf(h->address, sizeof h->address, "[%s]:%u",
                         inet_ntop(AF_INET6, &real.v6.sin6_addr, host, sizeof host),
                         ntohs(real.v6.sin6_port));
        *listening = fd;
        return 0;
refused:;
        int number = errno;
        if (fd >= 0)
                close(fd);
        if (number == EADDRINUSE)
                return err_set(e, E_EXISTS, "%s is taken by another program", h->options.listen);
        return err_set(e, number == EACCES ? E_DENIED : E_IO, "listening on %s: %s", h->options.listen,
                       strerror(number));
}

/* Threads of the library take no signals: those are the loop's. */
static struct MHD_Daemon *start_library(struct http *h, int listening)
{
        unsigned threads = h->options.threads;
        unsigned flags =
            MHD_USE_ERROR_LOG | (threads ? MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC : MHD_USE_EPOLL);
        struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL},
                                        {MHD_OPTION_END, 0, NULL}};
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        struct MHD_Daemon *mhd = MHD_start_daemon(
            flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, h,
            MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_OF_ONE, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned)HTTP_PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_BYTES,
            MHD_OPTION_URI_LOG_CALLBACK, on_target, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY,
            threads > 1 ? pool : pool + 1, MHD_OPTION_END);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return mhd;
}

int http_start(struct http **out, uv_loop_t *loop, const struct http_options *o, struct err *e)
{
        PRE(loop || o->threads);
        struct address a;
        int listening = -1, code = read_address(o->listen, &a, e);
        if (code < 0)
                return code;
        struct http *h = calloc(1, sizeof *h);
        if (!h)
                return err_set(e, E_MEM, "out of memory");
        h->options = *o;
        h->bodies.folder = o->spool;
        h->bodies.files_most = FILES_MOST * o->max_body;
        if ((code = decide_auth(o, a.loopback, &h->needs_token, e)) < 0 ||
            (code = listen_on(h, &a, &listening, e)) < 0)
                goto out;
        signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no reason to die */
        h->mhd = start_library(h, listening);
        if (!h->mhd)
                code = err_set(e, E_IO, "the HTTP server on %s did not start", h->address);
        else if (!o->threads)
                code = join_loop(h, loop, e);
out:
        if (code == 0) {
                *out = h;
                return 0;
        }
        if (h->mhd)
                MHD_stop_daemon(h->mhd);
        free(h);
        return code;
}

void http_stop(struct http *h)
{
        if (!h)
                return;
        if (h->handles) {
                uv_poll_stop(&h->poll);
                uv_timer_stop(&h->timer);
        }
        MHD_stop_daemon(h->mhd);
        h->mhd = NULL;
        if (!h->handles) {
                free(h);
                return;
        }
        uv_close((uv_handle_t *)&h->poll, on_closed);
        uv_close((uv_handle_t *)&h->timer, on_closed);
}

const char *http_address(const struct http *h)
{
        return h->address;
}
