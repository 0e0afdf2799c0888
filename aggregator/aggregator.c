#include "aggregator/aggregator.h"

#include "base/check.h"
#include "base/log.h"
#include "loop/daemon.h"
#include "loop/http.h"
#include "loop/keys.h"
#include "loop/zap.h"
#include "loop/zpoll.h"
#include "session/hub.h"

#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct config_key aggregator_keys[] = {
#define KEY(path, type, required, otherwise, choices, en, zh) \
        {path, CONFIG_##type, required, otherwise, choices, en, zh},
#include "aggregator/keys.def"
#undef KEY
    {0}};

enum metric_field {
#define METRIC(field, name, type, help) METRIC_##field,
#include "aggregator/metrics.def"
#undef METRIC
        METRICS
};

static const struct metric metrics[METRICS] = {
#define METRIC(field, name, type, help) {name, type, help},
#include "aggregator/metrics.def"
#undef METRIC
};

enum { TICK_MS = 500, TICKS_TO_KNOCK = 4, TICKS_TO_TRIM = 20, CATALOG_MOST = 64 * 1024 * 1024 };

struct aggregator {
        const struct config *config;
        uv_loop_t loop;
        uv_timer_t timer;
        struct daemon_signals *signals;
        void *zmq;
        struct zap *zap;
        struct keys keys;
        struct zpoll *offices, *feed;
        struct hub_peer_name sink; /* who said hello last; n = 0: nobody */
        struct http *http;
        struct health *health;
        struct hub *hub;
        unsigned ticks;
        char pack_path[4096];
        bool stopping;
};

static struct hub_time now(void)
{
        return (struct hub_time){clock_monotonic_ms(), clock_us()};
}

/* ---- what the hub borrows */

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        struct aggregator *a = ctx;
        struct zframe frame = {(const uint8_t *)message->v, message->n};
        return zpoll_send(a->offices, peer->b, peer->n, &frame, 1) == 0;
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        struct aggregator *a = ctx;
        struct zframe v[ZPOLL_FRAMES];
        if (a->sink.n == 0 || n > ZPOLL_FRAMES)
                return false;
        for (size_t i = 0; i < n; i++)
                v[i] = (struct zframe){(const uint8_t *)frames[i].v, frames[i].n};
        return zpoll_send(a->feed, a->sink.b, a->sink.n, v, n) == 0;
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        struct aggregator *a = ctx;
        if (id) {
                const struct office_key *k = keys_by_id(&a->keys, office, id);
                return k ? k->sign : NULL;
        }
        for (size_t i = 0; i < a->keys.n_offices; i++)
                if (strcmp(a->keys.offices[i].office, office) == 0)
                        return a->keys.offices[i].sign;
        return NULL;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx;
        return clock_civil_s(us, zone);
}

static struct catalog *matching(struct catalog *c, const uint8_t digest[32])
{
        if (c && memcmp(c->digest, digest, CATALOG_DIGEST) != 0) {
                catalog_free(c);
                return NULL;
        }
        return c;
}

/* The folder of the configuration if it is the one that counts, else the pack kept from last time. */
static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        struct aggregator *a = ctx;
        struct faults faults = {0};
        struct err e;
        struct catalog *c = NULL;
        const char *dir = config_text(a->config, "catalog");
        if (dir)
                c = matching(catalog_load(dir, &faults, &e), digest);
        struct text pack = {0};
        if (!c && file_read(a->pack_path, CATALOG_MOST, &pack, &e) == 0)
                c = matching(catalog_unpack(pack.v, pack.n, &faults), digest);
        text_close(&pack);
        faults_close(&faults);
        return c;
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        struct aggregator *a = ctx;
        struct err e;
        if (file_write(a->pack_path, c->pack.v, c->pack.n, 0600, &e) != 0)
                log_warn("the catalogue could not be kept; it will be asked for again", "path", a->pack_path,
                         "why", e.text, NULL);
}

static void tell(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t number)
{
        (void)ctx;
        char n[24];
        snprintf(n, sizeof n, "%llu", (unsigned long long)number);
        log_event(tone == HUB_WARNS ? LOG_WARN : LOG_INFO, sentence, office ? "office" : "term",
                  office ? office : n, NULL);
}

/* ---- sockets */

static struct hub_peer_name peer_name(const struct zmessage *m)
{
        struct hub_peer_name name = {.n = m->peer_n};
        PRE(m->peer_n <= sizeof name.b);
        memcpy(name.b, m->peer, m->peer_n);
        return name;
}

static void from_office(void *ctx, const struct zmessage *m)
{
        struct aggregator *a = ctx;
        struct hub_peer_name name = peer_name(m);
        if (m->n == 1 && zap_allows(a->zap, "office", m->key)) /* revoked while connected (Z13) */
                hub_office(a->hub, now(), &name, m->user, m->frames[0].bytes, m->frames[0].n);
}

static void from_sink(void *ctx, const struct zmessage *m)
{
        struct aggregator *a = ctx;
        struct wire_bytes frames[ZPOLL_FRAMES];
        if (!zap_allows(a->zap, "feed", m->key))
                return;
        for (size_t i = 0; i < m->n; i++)
                frames[i] = (struct wire_bytes){m->frames[i].bytes, m->frames[i].n};
        a->sink = peer_name(m);
        hub_sink(a->hub, now(), frames, m->n);
}

/* ---- health and metrics */

static void show_refusal(struct aggregator *a, const char *office, const char *code)
{
        char name[80], sentence[160];
        snprintf(name, sizeof name, "refused-%s", office);
        snprintf(sentence, sizeof sentence, "office %s is refused: %s", office, code ? code : "");
        health_raise(a->health, code ? HEALTH_DEGRADED : HEALTH_OK, name, sentence);
}

static void look_after(struct aggregator *a)
{
        enum feed_state s = hub_state(a->hub);
        if (s == FEED_FENCED)
                health_raise(a->health, HEALTH_FAILING, "term", "fenced: another aggregator has the term");
        else
                health_clear(a->health, "term");
        if (s == FEED_READY || s == FEED_FENCED)
                health_clear(a->health, "sink");
        else
                health_raise(a->health, HEALTH_DEGRADED, "sink",
                             "the sink is not connected; offices keep their reports");
        for (size_t i = 0; i < a->keys.n_offices; i++) {
                const char *office = a->keys.offices[i].office;
                show_refusal(a, office, hub_refusal(a->hub, office));
        }
}

static void get_health(void *ctx, const struct http_request *q, struct http_reply *r)
{
        (void)q;
        struct aggregator *a = ctx;
        look_after(a);
        health_reply(a->health, r);
}

static void get_metrics(void *ctx, const struct http_request *q, struct http_reply *r)
{
        (void)q;
        struct aggregator *a = ctx;
        const struct hub_counts *c = hub_counts(a->hub);
        _Atomic int64_t v[METRICS] = {[METRIC_MESSAGES] = (int64_t)c->messages,
                                      [METRIC_REPORTS] = (int64_t)c->reports,
                                      [METRIC_ROWS] = (int64_t)c->rows,
                                      [METRIC_ACCEPTED] = (int64_t)c->accepted,
                                      [METRIC_SUPERSEDED] = (int64_t)c->superseded,
                                      [METRIC_REJECTED] = (int64_t)c->rejected,
                                      [METRIC_REFUSED] = (int64_t)c->refused,
                                      [METRIC_FLUSHES] = (int64_t)c->flushes,
                                      [METRIC_TOTALS] = (int64_t)c->totals,
                                      [METRIC_RECALLS] = (int64_t)c->recalls,
                                      [METRIC_DROPPED] = (int64_t)c->dropped,
                                      [METRIC_STRANGERS] = (int64_t)zap_refused(a->zap),
                                      [METRIC_LATE] = (int64_t)(zpoll_late(a->offices) + zpoll_late(a->feed)),
                                      [METRIC_MEMORY] = (int64_t)hub_memory(a->hub),
                                      [METRIC_WAITING] = (int64_t)hub_waiting(a->hub),
                                      [METRIC_READY] = hub_state(a->hub) == FEED_READY};
        r->type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_print(metrics, v, METRICS, &r->body);
        metrics_process(&r->body);
}

static const struct http_route routes[] = {
    {"GET", "/healthz", get_health, true}, {"GET", "/metrics", get_metrics, false}, {0}};

/* ---- life */

static int allow_known(struct aggregator *a, struct err *e)
{
        size_t n = a->keys.n_offices + 1;
        struct zap_entry *v = calloc(n, sizeof *v);
        POST(v);
        for (size_t i = 0; i < a->keys.n_offices; i++)
                v[i] = (struct zap_entry){a->keys.offices[i].curve, "office", a->keys.offices[i].office};
        v[n - 1] = (struct zap_entry){a->keys.sink, "feed", "sink"};
        int rc = zap_allow(a->zap, v, n, e);
        free(v);
        return rc;
}

static void reload(void *ctx)
{
        struct aggregator *a = ctx;
        struct keys fresh;
        struct err e;
        if (keys_load(config_text(a->config, "keys"), &fresh, &e) != 0) {
                log_error("the keys could not be read again; the old ones stay", "why", e.text, NULL);
                health_raise(a->health, HEALTH_FAILING, "keys", e.text);
                return;
        }
        health_clear(a->health, "keys");
        for (size_t i = 0; i < a->keys.n_offices; i++) /* those that go will not be looked after any more */
                show_refusal(a, a->keys.offices[i].office, NULL);
        keys_close(&a->keys);
        a->keys = fresh;
        if (allow_known(a, &e) != 0)
                log_error("the table of keys could not be renewed", "why", e.text, NULL);
        log_info("keys read again", NULL);
}

/* A ROUTER is not told when a peer goes; what it cannot send tells it. An empty message asks nothing. */
static void knock(struct aggregator *a)
{
        struct zframe nothing = {(const uint8_t *)"", 0};
        if (a->sink.n == 0 || a->ticks % TICKS_TO_KNOCK != 0 ||
            zpoll_send(a->feed, a->sink.b, a->sink.n, &nothing, 1) != E_PEER)
                return;
        a->sink.n = 0;
        hub_sink_lost(a->hub, now());
}

static void tick(uv_timer_t *t)
{
        struct aggregator *a = t->data;
        if (++a->ticks % TICKS_TO_TRIM == 0)
                malloc_trim(0); /* what thousands of connections took goes back when they are gone */
        knock(a);
        hub_tick(a->hub, now());
        look_after(a);
}

static void stop(void *ctx)
{
        struct aggregator *a = ctx;
        if (a->stopping)
                return;
        a->stopping = true;
        log_info("stopping", NULL);
        http_stop(a->http);
        zpoll_close(a->offices, NULL, NULL);
        zpoll_close(a->feed, NULL, NULL);
        daemon_signals_close(a->signals);
        uv_close((uv_handle_t *)&a->timer, NULL);
}

static int start(struct aggregator *a, struct err *e)
{
        const struct config *c = a->config;
        int rc = folder_make(config_text(c, "state"), 0700, e);
        snprintf(a->pack_path, sizeof a->pack_path, "%s/catalog.pack", config_text(c, "state"));
        if (rc != 0 || !(a->zmq = zpoll_context(e)) || (rc = zap_start(&a->zap, a->zmq, e)) != 0 ||
            (rc = allow_known(a, e)) != 0 || (rc = zap_self_test(a->zap, a->zmq, e)) != 0)
                return rc;
        struct zcurve curve = {a->keys.curve_public, a->keys.curve_secret, NULL, "office"};
        rc = zpoll_router(&a->offices, &a->loop, a->zmq, config_text(c, "listen"), &curve, from_office, a, e);
        if (rc != 0)
                return rc;
        curve.zap_domain = "feed";
        rc = zpoll_router(&a->feed, &a->loop, a->zmq, config_text(c, "feed"), &curve, from_sink, a, e);
        if (rc != 0)
                return rc;
        struct http_options http = {.listen = config_text(c, "http.listen"),
                                    .auth = config_text(c, "http.auth"),
                                    .token = a->keys.token,
                                    .spool = config_text(c, "state"),
                                    .max_body = 4096,
                                    .routes = routes,
                                    .ctx = a};
        return http_start(&a->http, &a->loop, &http, e);
}

static int check(const struct config *c, const struct keys *keys)
{
        struct http_options http = {.listen = config_text(c, "http.listen"),
                                    .auth = config_text(c, "http.auth"),
                                    .token = keys->token};
        struct err e;
        if (http_check(&http, &e) < 0) {
                log_error("cannot start", "why", e.text, NULL);
                return 1;
        }
        puts("ok");
        return 0;
}

int aggregator_run(const struct config *config, bool check_only)
{
        struct aggregator a = {.config = config};
        struct err e = {0};
        if (sodium_init() < 0 || keys_load(config_text(config, "keys"), &a.keys, &e) != 0) {
                log_error("the keys cannot be used", "why", e.text, NULL);
                return 1;
        }
        if (!a.keys.sink[0] || a.keys.n_offices == 0) {
                log_error("the keys folder lacks sink.pub or offices/*.pub: use KEYS/aggregator as made by "
                          "`sumu keys init`",
                          "path", config_text(config, "keys"), NULL);
                keys_close(&a.keys);
                return 1;
        }
        if (check_only) {
                int status = check(config, &a.keys);
                keys_close(&a.keys);
                return status;
        }
        uint64_t incarnation;
        randombytes_buf(&incarnation, sizeof incarnation);
        struct hub_host host = {&a, to_office, to_sink, sign_key, civil_s, held_catalog, keep_catalog, tell};
        a.health = health_new();
        a.hub = hub_new(&host, incarnation, config_number(config, "memory"));
        uv_loop_init(&a.loop);
        a.timer.data = &a;
        uv_timer_init(&a.loop, &a.timer);
        uv_timer_start(&a.timer, tick, TICK_MS, TICK_MS);
        int rc = start(&a, &e);
        if (rc == 0) {
                a.signals = daemon_signals(&a.loop, stop, reload, &a);
                log_info("listening", "offices", zpoll_endpoint(a.offices), "feed", zpoll_endpoint(a.feed),
                         "http", http_address(a.http), NULL);
        } else {
                log_error("cannot start", "why", e.text, NULL);
                stop(&a);
        }
        uv_run(&a.loop, UV_RUN_DEFAULT);
        hub_free(a.hub);
        uv_loop_close(&a.loop);
        zap_stop(a.zap);
        if (a.zmq)
                zpoll_context_close(a.zmq);
        health_free(a.health);
        keys_close(&a.keys);
        return rc == 0 ? 0 : 1;
}
