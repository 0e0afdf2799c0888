#include "sink/sink.h"

#include "base/check.h"
#include "base/log.h"
#include "loop/daemon.h"
#include "loop/http.h"
#include "loop/keys.h"
#include "loop/zpoll.h"
#include "sink/api.h"
#include "sink/store.h"
#include "sink/teller.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct config_key sink_keys[] = {
#define KEY(path, type, required, otherwise, choices, en, zh) \
        {path, CONFIG_##type, required, otherwise, choices, en, zh},
#include "sink/keys.def"
#undef KEY
    {0}};

enum metric_field {
#define METRIC(field, name, type, help) METRIC_##field,
#include "sink/metrics.def"
#undef METRIC
        METRICS
};

static const struct metric metrics[METRICS] = {
#define METRIC(field, name, type, help) {name, type, help},
#include "sink/metrics.def"
#undef METRIC
};

enum {
        TICK_MS = 500,
        EXPAND_AFTER_MS = 100, /* of quiet, or between two slices where it is not */
        EXPAND_NEXT_MS = 1, /* not 0: libuv 1.44 would run such a timer again and again, and nothing else */
        AGAIN_MS = 1000,    /* after a commit that the disk refused */
        WAL_CHECKPOINT = 24 << 20, /* beyond this the log is moved back between commits */
        WAL_ALARM = 64 << 20,
        QUIET_MS = 5000, /* without a commit: the log may be cut to nothing */
};

struct sink {
        const struct config *config;
        uv_loop_t loop;
        uv_timer_t timer;
        uv_timer_t expander;
        struct daemon_signals *signals;
        void *zmq;
        struct keys keys;
        uv_mutex_t keys_lock; /* verifications read signing keys on threads of their own */
        struct zpoll *link;
        struct http *http;
        struct health *health;
        struct api *api;
        struct store store;
        const struct catalog *catalog; /* the API's */
        struct teller teller;
        int64_t again_ms, committed_ms;
        _Atomic int64_t values[METRICS];
        bool stopping;
        int status;
};

static void stop(void *ctx);

static const char *store_path(const struct config *c)
{
        const char *store = config_text(c, "store");
        return strncmp(store, "sqlite:", 7) == 0 && store[7] ? store + 7 : NULL;
}

/* ---- talking to the aggregator */

static struct teller_time now(void)
{
        return (struct teller_time){clock_monotonic_ms(), clock_us()};
}

static void send_frames(void *ctx, const struct text *v, size_t n)
{
        struct sink *s = ctx;
        struct zframe frames[ZPOLL_FRAMES];
        PRE(n <= ZPOLL_FRAMES);
        for (size_t i = 0; i < n; i++)
                frames[i] = (struct zframe){(const uint8_t *)v[i].v, v[i].n};
        if (zpoll_send(s->link, NULL, 0, frames, n) != 0)
                log_debug("the aggregator could not be answered; it will ask again", NULL);
}

/* Nothing was answered, so nothing is lost: the aggregator is made to begin again in a moment. */
static void refused_by_disk(void *ctx, const char *doing, const struct err *e)
{
        struct sink *s = ctx;
        atomic_fetch_add(&s->values[METRIC_FAILED], 1);
        log_error("the store refused; nothing was acknowledged, it is tried again", "doing", doing, "why",
                  e->text, NULL);
        health_raise(s->health, HEALTH_FAILING, "store", e->text);
        if (db_broken(&s->store.db)) {
                log_error("a write could not be made durable: this process ends, so that a new one reads "
                          "what is there",
                          NULL);
                s->status = DAEMON_BROKEN;
                stop(s);
                return;
        }
        s->again_ms = clock_monotonic_ms() + AGAIN_MS;
}

static void note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx;
        log_warn(sentence, "about", about, NULL);
}

static void expand_in(struct sink *s, unsigned ms);

static void from_aggregator(void *ctx, const struct zmessage *m)
{
        struct sink *s = ctx;
        struct wire_bytes frames[ZPOLL_FRAMES];
        uint64_t commits = s->teller.counts.commits;
        for (size_t i = 0; i < m->n; i++)
                frames[i] = (struct wire_bytes){m->frames[i].bytes, m->frames[i].n};
        teller_message(&s->teller, frames, m->n, now());
        if (s->teller.counts.commits == commits)
                return;
        s->committed_ms = clock_monotonic_ms();
        health_clear(s->health, "store");
        expand_in(s, EXPAND_AFTER_MS);
}

static void on_link(void *ctx, enum zlink what)
{
        struct sink *s = ctx;
        teller_link(&s->teller, what == ZLINK_UP, now());
}

/* ---- work between the flushes */

/* A slice; the next one at once, or later where flushes follow one another. */
static void expand(uv_timer_t *t)
{
        struct sink *s = t->data;
        bool more = false;
        struct err e = {0};
        if (store_expand(&s->store, s->catalog, &more, &e) != 0) {
                refused_by_disk(s, "expanding facts for SQL", &e);
                more = false;
        }
        atomic_store(&s->values[METRIC_BEHIND], more);
        if (more)
                expand_in(s, clock_monotonic_ms() - s->committed_ms > EXPAND_AFTER_MS ? EXPAND_NEXT_MS
                                                                                      : EXPAND_AFTER_MS);
}

static void expand_in(struct sink *s, unsigned ms)
{
        if (s->stopping || uv_is_active((uv_handle_t *)&s->expander))
                return;
        atomic_store(&s->values[METRIC_BEHIND], true);
        uv_timer_start(&s->expander, expand, ms, 0);
}

static void look_after_log(struct sink *s, int64_t now_ms)
{
        int64_t wal = db_wal_bytes(&s->store.db);
        bool quiet = now_ms - s->committed_ms > QUIET_MS && !uv_is_active((uv_handle_t *)&s->expander);
        struct err e = {0};
        if (wal > WAL_CHECKPOINT || (wal > 0 && quiet)) {
                int rc = db_checkpoint(&s->store.db, quiet, &e);
                if (rc != 0 && rc != E_BUSY)
                        refused_by_disk(s, "moving the write-ahead log into the file", &e);
        }
        atomic_store(&s->values[METRIC_WAL], wal);
        if (wal > WAL_ALARM)
                health_raise(s->health, HEALTH_DEGRADED, "wal",
                             "the write-ahead log grows: a reader holds it");
        else
                health_clear(s->health, "wal");
}

static void tick(uv_timer_t *t)
{
        struct sink *s = t->data;
        int64_t now_ms = clock_monotonic_ms();
        teller_tick(&s->teller, now());
        if (s->again_ms && now_ms >= s->again_ms && s->teller.feed.state != FEED_SINK_DOWN) {
                s->again_ms = 0;
                expand_in(s, EXPAND_NEXT_MS);
                teller_again(&s->teller, now());
        }
        look_after_log(s, now_ms);
        if (s->teller.feed.state == FEED_SINK_OPEN)
                health_clear(s->health, "aggregator");
        else
                health_raise(s->health, HEALTH_DEGRADED, "aggregator",
                             "the aggregator is not connected; totals stand still");
        atomic_store(&s->values[METRIC_COMMITS], (int64_t)s->teller.counts.commits);
        atomic_store(&s->values[METRIC_REFUSED], (int64_t)s->teller.counts.refused);
        atomic_store(&s->values[METRIC_RECALLS], (int64_t)s->teller.counts.recalls);
        atomic_store(&s->values[METRIC_VERSION], (int64_t)s->store.version);
        atomic_store(&s->values[METRIC_TERM], (int64_t)s->store.term);
        atomic_store(&s->values[METRIC_EXPANDED], (int64_t)s->store.expanded);
        atomic_store(&s->values[METRIC_LATE], (int64_t)zpoll_late(s->link));
        atomic_store(&s->values[METRIC_CONNECTED], s->teller.feed.state == FEED_SINK_OPEN);
}

/* ---- catalogue */

/* May `next` be put in force in the place of `stored` (NULL: the first)? If so it is recorded. */
static bool take_catalog(struct sink *s, const struct catalog *stored, const struct catalog *next)
{
        struct err e = {0};
        struct text blocks = {0};
        if (stored && memcmp(next->digest, stored->digest, sizeof next->digest) == 0)
                return true;
        int rc = store_take_catalog(&s->store, stored, next, clock_us(), &blocks, &e);
        if (rc != 0) {
                log_error("the new catalogue is refused; the old one stays", "why", e.text, "facts",
                          text_c(&blocks), NULL);
                health_raise(s->health, HEALTH_FAILING, "catalog", e.text);
        }
        text_close(&blocks);
        return rc == 0;
}

static struct catalog *folder_catalog(struct sink *s, const char *dir)
{
        struct err e = {0};
        struct faults faults = {0};
        struct text lines = {0};
        struct catalog *c = catalog_load(dir, &faults, &e);
        if (!c) {
                faults_lines(&faults, dir, LANG_EN, &lines);
                log_error("the catalogue folder has faults; the one in the store stays", "folder", dir,
                          "faults", lines.n ? text_c(&lines) : e.text, NULL);
                health_raise(s->health, HEALTH_FAILING, "catalog", "the catalogue folder has faults");
        }
        text_close(&lines);
        faults_close(&faults);
        return c;
}

/* The folder's catalogue if it may be put in force, else the one in the store; NULL when there is none at
 * all. Ours. */
static struct catalog *choose_catalog(struct sink *s)
{
        struct err e = {0};
        const char *dir = config_text(s->config, "catalog");
        struct catalog *stored = store_catalog(&s->store, &e);
        health_clear(s->health, "catalog");
        struct catalog *next = dir ? folder_catalog(s, dir) : NULL;
        if (next && take_catalog(s, stored, next)) {
                catalog_free(stored);
                return next;
        }
        catalog_free(next);
        return stored;
}

static void reload_keys(struct sink *s)
{
        struct keys fresh;
        struct err e = {0};
        if (keys_load(config_text(s->config, "keys"), &fresh, &e) != 0) {
                log_error("the keys could not be read again; the old ones stay", "why", e.text, NULL);
                health_raise(s->health, HEALTH_FAILING, "keys", e.text);
                return;
        }
        uv_mutex_lock(&s->keys_lock);
        struct keys was = s->keys;
        s->keys = fresh;
        uv_mutex_unlock(&s->keys_lock);
        keys_close(&was);
        health_clear(s->health, "keys");
}

static void reload(void *ctx)
{
        struct sink *s = ctx;
        reload_keys(s);
        struct catalog *next = choose_catalog(s);
        if (!next || memcmp(next->digest, s->catalog->digest, sizeof next->digest) == 0) {
                catalog_free(next);
                return;
        }
        log_info("a new catalogue is in force", "version", next->version, NULL);
        api_set_catalog(s->api, &next);
        s->catalog = s->teller.catalog = api_catalog(s->api);
        teller_again(&s->teller, now());
}

/* ---- what the API asks of this thread */

static int skip(void *ctx, const char *office, uint64_t *from, uint64_t *to, struct err *e)
{
        struct sink *s = ctx;
        int rc = store_skip(&s->store, office, clock_us(), from, to, e);
        if (rc == 0) {
                log_warn("an operator lets a stream go on behind a gap", "office", office, NULL);
                teller_again(&s->teller, now());
        }
        return rc;
}

static bool sign_key(void *ctx, const char *office, const uint8_t id[8], uint8_t key[32])
{
        struct sink *s = ctx;
        uv_mutex_lock(&s->keys_lock);
        const struct office_key *k = keys_by_id(&s->keys, office, id);
        if (k)
                memcpy(key, k->sign, SIGN_PUBLIC);
        uv_mutex_unlock(&s->keys_lock);
        return k != NULL;
}

static void print_metrics(void *ctx, struct text *out)
{
        struct sink *s = ctx;
        metrics_print(metrics, s->values, METRICS, out);
        metrics_process(out);
}

/* ---- life */

static void stop(void *ctx)
{
        struct sink *s = ctx;
        if (s->stopping)
                return;
        s->stopping = true;
        log_info("stopping", NULL);
        if (s->api)
                api_stop(s->api);
        http_stop(s->http);
        api_free(&s->api);
        zpoll_close(s->link, NULL, NULL);
        daemon_signals_close(s->signals);
        uv_timer_stop(&s->expander);
        uv_close((uv_handle_t *)&s->expander, NULL);
        uv_close((uv_handle_t *)&s->timer, NULL);
}

static int start(struct sink *s, struct err *e)
{
        const struct config *c = s->config;
        const char *path = store_path(c);
        if (!path)
                return err_set(e, E_USAGE, "store: %s is not known here; write sqlite:PATH",
                               config_text(c, "store"));
        int rc = folder_make(config_text(c, "state"), 0700, e);
        if (rc != 0 || (rc = store_open(&s->store, path, e)) != 0)
                return rc;
        struct catalog *first = choose_catalog(s);
        if (!first)
                return err_set(e, E_MISSING, "there is no catalogue: name a sound folder as `catalog`");
        struct api_options api = {.path = path,
                                  .loop = &s->loop,
                                  .health = s->health,
                                  .metrics = print_metrics,
                                  .skip = skip,
                                  .sign_key = sign_key,
                                  .ctx = s};
        if (!(s->api = api_new(&api, &first, e))) {
                catalog_free(first);
                return e->code;
        }
        s->catalog = api_catalog(s->api);
        struct teller_host host = {s, send_frames, refused_by_disk, note};
        teller_init(&s->teller, &host, &s->store, s->catalog);
        if (!(s->zmq = zpoll_context(e)))
                return e->code;
        struct zcurve curve = {s->keys.curve_public, s->keys.curve_secret, s->keys.aggregator, NULL};
        rc = zpoll_dealer(&s->link, &s->loop, s->zmq, config_text(c, "aggregator"), &curve, from_aggregator,
                          on_link, s, e);
        if (rc != 0)
                return rc;
        struct http_options http = {.listen = config_text(c, "http.listen"),
                                    .auth = config_text(c, "http.auth"),
                                    .token = s->keys.token,
                                    .spool = config_text(c, "state"),
                                    .max_body = 65536,
                                    .threads = 2,
                                    .routes = sink_routes,
                                    .ctx = s->api};
        return http_start(&s->http, &s->loop, &http, e);
}

static int check(const struct config *c, const struct keys *keys)
{
        if (!keys->aggregator[0]) {
                log_error("the keys folder lacks aggregator.pub: use KEYS/sink as made by `sumu keys init`",
                          NULL);
                return 1;
        }
        if (!store_path(c)) {
                log_error("this store is not known here; write sqlite:PATH", "store", config_text(c, "store"),
                          NULL);
                return 1;
        }
        size_t forwards;
        if (config_list(c, "forwards", &forwards) && forwards > 0) {
                log_error("this version has no forwards: leave the list empty", NULL);
                return 1;
        }
        struct http_options http = {.listen = config_text(c, "http.listen"),
                                    .auth = config_text(c, "http.auth"),
                                    .token = keys->token};
        struct err refused;
        if (http_check(&http, &refused) < 0) {
                log_error("cannot start", "why", refused.text, NULL);
                return 1;
        }
        const char *dir = config_text(c, "catalog");
        if (!dir)
                return 0;
        struct faults faults = {0};
        struct err e = {0};
        struct text lines = {0};
        struct catalog *catalog = catalog_load(dir, &faults, &e);
        faults_lines(&faults, dir, LANG_EN, &lines);
        if (!catalog)
                log_error("the catalogue folder has faults", "folder", dir, "faults",
                          lines.n ? text_c(&lines) : e.text, NULL);
        text_close(&lines);
        faults_close(&faults);
        catalog_free(catalog);
        return catalog ? 0 : 1;
}

int sink_run(const struct config *config, bool check_only)
{
        struct sink *s = calloc(1, sizeof *s);
        struct err e = {0};
        POST(s);
        s->config = config;
        if (sodium_init() < 0 || keys_load(config_text(config, "keys"), &s->keys, &e) != 0) {
                log_error("the keys cannot be used", "why", e.text, NULL);
                free(s);
                return 1;
        }
        int rc = check(config, &s->keys);
        if (rc == 0 && check_only)
                puts("ok");
        if (rc != 0 || check_only) {
                keys_close(&s->keys);
                free(s);
                return rc;
        }
        s->health = health_new();
        uv_mutex_init(&s->keys_lock);
        uv_loop_init(&s->loop);
        s->timer.data = s->expander.data = s;
        uv_timer_init(&s->loop, &s->timer);
        uv_timer_init(&s->loop, &s->expander);
        uv_timer_start(&s->timer, tick, TICK_MS, TICK_MS);
        if (start(s, &e) == 0) {
                s->signals = daemon_signals(&s->loop, stop, reload, s);
                expand_in(s, EXPAND_NEXT_MS);
                log_info("listening", "http", http_address(s->http), "aggregator",
                         config_text(config, "aggregator"), NULL);
        } else {
                log_error("cannot start", "why", e.text, NULL);
                s->status = 1;
                stop(s);
        }
        uv_run(&s->loop, UV_RUN_DEFAULT);
        store_close(&s->store);
        uv_loop_close(&s->loop);
        zpoll_context_close(s->zmq);
        health_free(s->health);
        uv_mutex_destroy(&s->keys_lock);
        keys_close(&s->keys);
        rc = s->status;
        free(s);
        return rc;
}
