#include "collector/collector.h"

#include "base/check.h"
#include "base/log.h"
#include "collector/api.h"
#include "collector/ledger.h"
#include "collector/link.h"
#include "collector/watch.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

const struct config_key collector_keys[] = {
#define KEY(path, type, required, otherwise, choices, en, zh) \
        {path, CONFIG_##type, required, otherwise, choices, en, zh},
#include "collector/keys.def"
#undef KEY
    {0}};

const struct metric collector_metrics[] = {
#define METRIC(field, name, type, help) {name, type, help},
#include "collector/metrics.def"
#undef METRIC
};

enum {
        CHORES_MS = 1000,
        TEND_MS = 60 * 1000, /* trim, and checkpoint what is left */
        CLEAN_MS = 3600 * 1000,
        HINT_MS = 100,
        RESYNC_MS = 5000,
};
static const int64_t day_us = INT64_C(86400) * 1000 * 1000;

/* ---- transactions */

void collector_trouble(struct collector *c, const struct err *e)
{
        if (!c->troubled)
                log_error("the outbox refuses", "why", e->text, NULL);
        c->troubled = true;
        health_raise(c->health, HEALTH_FAILING, "disk", e->text);
        if (!outbox_broken(&c->outbox))
                return;
        c->status = DAEMON_BROKEN;
        c->ending = true; /* from the timer: here a request may be under way */
        collector_arm(c);
}

void collector_relief(struct collector *c)
{
        if (!c->troubled)
                return;
        c->troubled = false;
        health_clear(c->health, "disk");
        log_info("the outbox takes again", NULL);
}

int collector_begin(struct collector *c, struct err *e)
{
        int code = outbox_begin(&c->outbox, e);
        if (code < 0)
                collector_trouble(c, e);
        return code;
}

int collector_commit(struct collector *c, struct err *e)
{
        int code = outbox_commit(&c->outbox, e);
        if (code < 0)
                collector_trouble(c, e);
        else
                collector_relief(c);
        return code;
}

/* ---- catalogue */

static void office_health(struct collector *c)
{
        char sentence[160];
        if (!c->catalog)
                snprintf(sentence, sizeof sentence,
                         "no catalogue yet: it comes with the first contact with HQ");
        else if (c->office < 0)
                snprintf(sentence, sizeof sentence, "the catalogue does not know office %s",
                         c->outbox.office);
        else if (!clock_zone_known(c->catalog->timezone))
                snprintf(sentence, sizeof sentence, "the time zone %s of the catalogue is not known here",
                         c->catalog->timezone);
        else {
                health_clear(c->health, "catalog");
                return;
        }
        health_raise(c->health, HEALTH_FAILING, "catalog", sentence);
}

void collector_use_catalog(struct collector *c, struct catalog *next, bool hqs)
{
        catalog_free(c->catalog);
        c->catalog = next;
        c->catalog_is_hqs = hqs;
        c->office = catalog_office(next, c->outbox.office);
        office_health(c);
        log_info("catalogue in use", "version", next->version, "from", hqs ? "hq" : "folder", NULL);
}

static struct catalog *kept_catalog(struct collector *c)
{
        uint8_t digest[OUTBOX_DIGEST];
        struct text pack = {0};
        struct faults faults = {0};
        struct err e;
        struct catalog *found = NULL;
        if (outbox_catalog(&c->outbox, digest, &pack, &e) == 1)
                found = catalog_unpack(pack.v, pack.n, &faults);
        text_close(&pack);
        faults_close(&faults);
        return found;
}

/* NULL, with the faults logged. */
static struct catalog *folder_catalog(const char *dir)
{
        struct faults faults = {0};
        struct err e = {0};
        struct catalog *found = catalog_load(dir, &faults, &e);
        if (!found) {
                struct text lines = {0};
                faults_lines(&faults, dir, LANG_EN, &lines);
                log_error("the catalogue folder cannot be used", "folder", dir, "why",
                          e.code ? e.text : text_c(&lines), NULL);
                text_close(&lines);
        }
        faults_close(&faults);
        return found;
}

/* HQ's catalogue is the one that counts; the folder serves until the first contact. */
static void find_catalog(struct collector *c)
{
        const char *dir = config_text(c->config, "catalog");
        struct catalog *found = kept_catalog(c);
        bool hqs = found;
        if (!found && dir)
                found = folder_catalog(dir);
        if (found)
                collector_use_catalog(c, found, hqs);
        else
                office_health(c);
}

bool collector_book(struct collector *c, struct parcel_book *b)
{
        if (!c->catalog || c->office < 0)
                return false;
        *b = (struct parcel_book){.outbox = &c->outbox,
                                  .ledger = &c->ledger,
                                  .catalog = c->catalog,
                                  .office = (uint32_t)c->office,
                                  .max_bytes = config_number(c->config, "outbox.max_bytes"),
                                  .passed = c->outbox.now.passed};
        return true;
}

void collector_grew(struct collector *c, size_t reports, size_t rows)
{
        c->counts[METRIC_REPORTS] += (int64_t)reports;
        c->counts[METRIC_ROWS] += (int64_t)rows;
        courier_grew(&c->courier, link_now());
        collector_arm(c);
}

/* ---- the inbox */

static bool inbox_book(void *ctx, struct parcel_book *b)
{
        return collector_book(ctx, b);
}

static int inbox_begin(void *ctx, struct err *e)
{
        return collector_begin(ctx, e);
}

static int inbox_commit(void *ctx, struct err *e)
{
        return collector_commit(ctx, e);
}

static void inbox_took(void *ctx, size_t reports, size_t rows)
{
        struct collector *c = ctx;
        c->counts[METRIC_FILES]++;
        collector_grew(c, reports, rows);
}

static void inbox_refused(void *ctx)
{
        struct collector *c = ctx;
        c->counts[METRIC_REFUSED]++;
}

static void inbox_waits(void *ctx, const char *sentence)
{
        struct collector *c = ctx;
        if (sentence)
                health_raise(c->health, HEALTH_DEGRADED, "inbox", sentence);
        else
                health_clear(c->health, "inbox");
}

static void work(uv_idle_t *h);

static void start_work(struct collector *c)
{
        if (!c->stopping)
                uv_idle_start(&c->worker, work);
}

static void on_look(uv_timer_t *t)
{
        struct collector *c = t->data;
        struct err e;
        c->looked_ms = clock_monotonic_ms();
        int next_ms = inbox_look(c->inbox, c->looked_ms, &e);
        if (next_ms < 0) {
                health_raise(c->health, HEALTH_FAILING, "inbox-folder", e.text);
                next_ms = INBOX_LOOK_MS;
        } else {
                health_clear(c->health, "inbox-folder");
        }
        uv_timer_start(&c->looker, on_look, (uint64_t)next_ms, 0);
        inbox_tell(c->inbox, &c->outbox);
        start_work(c);
}

/* Something moved: look soon, but not more than once a second, for our own moves are heard here too. */
void collector_look_soon(struct collector *c)
{
        int64_t since = clock_monotonic_ms() - c->looked_ms;
        int64_t in_ms = since < INBOX_STILL_MS ? INBOX_STILL_MS - since + HINT_MS : HINT_MS;
        if (c->inbox && !c->stopping && uv_timer_get_due_in(&c->looker) > (uint64_t)in_ms)
                uv_timer_start(&c->looker, on_look, (uint64_t)in_ms, 0);
}

static void on_hint(uv_fs_event_t *h, const char *name, int events, int status)
{
        (void)name, (void)events, (void)status;
        collector_look_soon(h->data);
}

static int start_inbox(struct collector *c, struct err *e)
{
        const char *dir = config_text(c->config, "inbox");
        const struct inbox_host host = {c,          inbox_book,    inbox_begin, inbox_commit,
                                        inbox_took, inbox_refused, inbox_waits, c->lang};
        if (!dir)
                return 0;
        int code = inbox_open(&c->inbox, dir, &host, e);
        if (code < 0)
                return code;
        uv_timer_start(&c->looker, on_look, 0, 0);
        if (uv_fs_event_start(&c->hint, on_hint, dir, 0) != 0)
                log_info("the kernel gives no hints about the inbox; it is looked at every 5 s", NULL);
        return 0;
}

/* ---- chores */

/* Between the loop's other work, one small thing each turn. */
static void work(uv_idle_t *h)
{
        struct collector *c = h->data;
        bool more = c->inbox && inbox_step(c->inbox, clock_us());
        if (c->trimming && !c->stopping)
                c->trimming = courier_trim(&c->courier, c->keep_us, link_now());
        if (!more && !c->trimming && !c->stopping)
                uv_idle_stop(h);
}

static void tend(struct collector *c, int64_t now_ms)
{
        struct err e;
        bool due = now_ms - c->tended_ms >= TEND_MS;
        if (outbox_tend(&c->outbox, due, &e) < 0)
                collector_trouble(c, &e);
        if (!due || c->stopping)
                return;
        c->tended_ms = now_ms;
        c->trimming = true;
        start_work(c);
        if (c->inbox && now_ms - c->cleaned_ms >= CLEAN_MS) {
                c->cleaned_ms = now_ms;
                inbox_clean(c->inbox, clock_us(), c->keep_us);
        }
}

/* The disk refused to keep what HQ said. A new connection makes HQ say it again. */
static void resync(struct collector *c, int64_t now_ms)
{
        if (c->courier.uplink.state == UPLINK_DOWN || now_ms - c->resynced_ms < RESYNC_MS)
                return;
        c->resynced_ms = now_ms;
        zpoll_reconnect(c->link);
}

/* Does the outbox take again? Where the disk is full, it is not asked before there is room for more than
 * that.
 */
static void try_disk(struct collector *c)
{
        enum { ROOM = 1024 * 1024 };
        struct statvfs v;
        struct err e;
        if (statvfs(config_text(c->config, "state"), &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < ROOM)
                return;
        if (outbox_try(&c->outbox, &e) == 0)
                collector_relief(c);
        else
                collector_trouble(c, &e);
}

static void chores(struct collector *c, int64_t now_ms)
{
        watch_look(c);
        if (c->troubled)
                try_disk(c);
        if (!c->stopping)
                tend(c, now_ms);
        if (!c->stopping && c->take_over)
                c->take_over = !courier_take_over(&c->courier, link_now());
        if (!c->stopping && c->courier.resync)
                resync(c, now_ms);
}

static void stop(void *ctx)
{
        struct collector *c = ctx;
        if (c->stopping)
                return;
        c->stopping = true;
        http_stop(c->http);
        zpoll_close(c->link, NULL, NULL);
        daemon_signals_close(c->signals);
        uv_close((uv_handle_t *)&c->timer, NULL);
        uv_close((uv_handle_t *)&c->looker, NULL);
        uv_close((uv_handle_t *)&c->hint, NULL);
        uv_close((uv_handle_t *)&c->worker, NULL);
}

static void on_timer(uv_timer_t *t)
{
        struct collector *c = t->data;
        int64_t now_ms = clock_monotonic_ms(), deadline = courier_deadline(&c->courier);
        if (c->ending) {
                stop(c);
                return;
        }
        if (now_ms >= c->chores_ms) {
                c->chores_ms = now_ms + CHORES_MS;
                chores(c, now_ms);
        }
        if (!c->stopping && deadline && now_ms >= deadline)
                courier_tick(&c->courier, link_now());
        collector_arm(c);
}

void collector_arm(struct collector *c)
{
        int64_t now_ms = clock_monotonic_ms(), due = courier_deadline(&c->courier);
        if (c->stopping)
                return;
        if (c->ending)
                due = now_ms;
        else if (due == 0 || due > c->chores_ms)
                due = c->chores_ms;
        uv_timer_start(&c->timer, on_timer, due > now_ms ? (uint64_t)(due - now_ms) : 0, 0);
}

/* ---- keys, reload */

static int load_keys(const char *dir, struct keys *k, struct err *e)
{
        int code = keys_load(dir, k, e);
        if (code < 0)
                return code;
        if (k->sign_secret && k->aggregator[0])
                return 0;
        keys_close(k);
        return err_set(
            e, E_MISSING,
            "%s lacks sign.key or aggregator.pub: use KEYS/office-CODE as made by `sumu keys init`", dir);
}

static void use_keys(struct collector *c, const struct keys *k)
{
        keys_close(&c->keys);
        c->keys = *k;
        snprintf(c->token, sizeof c->token, "%s", k->token ? k->token : "");
}

static void reload_keys(struct collector *c)
{
        struct keys fresh;
        struct err e;
        if (load_keys(config_text(c->config, "keys"), &fresh, &e) < 0) {
                log_error("the keys cannot be read again; the old ones stay", "why", e.text, NULL);
                health_raise(c->health, HEALTH_FAILING, "keys", e.text);
                return;
        }
        health_clear(c->health, "keys");
        use_keys(c, &fresh);
        if (link_renew(c, &e) < 0) {
                log_error("cannot connect", "why", e.text, NULL);
                c->status = DAEMON_FAILED;
                stop(c);
        }
}

static void reload_catalog(struct collector *c)
{
        const char *dir = config_text(c->config, "catalog");
        struct catalog *next = dir && !c->catalog_is_hqs ? folder_catalog(dir) : NULL;
        if (!next)
                return;
        collector_use_catalog(c, next, false);
        courier_use_catalog(&c->courier, next, link_now());
        collector_arm(c);
        collector_look_soon(c);
}

static void reload(void *ctx)
{
        struct collector *c = ctx;
        log_info("reading keys and catalogue again", NULL);
        reload_catalog(c);
        reload_keys(c);
}

/* ---- life */

static void init_loop(struct collector *c)
{
        uv_loop_init(&c->loop);
        uv_timer_init(&c->loop, &c->timer);
        uv_timer_init(&c->loop, &c->looker);
        uv_fs_event_init(&c->loop, &c->hint);
        uv_idle_init(&c->loop, &c->worker);
        c->timer.data = c->looker.data = c->hint.data = c->worker.data = c;
}

/* A predecessor that was killed may still be leaving: its lock goes with its last write. */
static int open_outbox(struct collector *c, const char *path, struct err *e)
{
        enum { PATIENCE_MS = 3000, PAUSE_MS = 20 };
        int code;
        for (int waited_ms = 0;; waited_ms += PAUSE_MS) {
                code = outbox_open(&c->outbox, path, config_text(c->config, "office"), clock_us(), e);
                if (code != E_BUSY || waited_ms >= PATIENCE_MS)
                        return code;
                uv_sleep(PAUSE_MS);
        }
}

static int start_outbox(struct collector *c, struct err *e)
{
        char path[4096];
        const char *state = config_text(c->config, "state");
        int code = folder_make(state, 0750, e);
        snprintf(path, sizeof path, "%s/outbox.db", state);
        if (code == 0)
                code = open_outbox(c, path, e);
        if (code == 0)
                find_catalog(c);
        return code;
}

static int start_http(struct collector *c, struct err *e)
{
        c->http_options = (struct http_options){.listen = config_text(c->config, "http.listen"),
                                                .auth = config_text(c->config, "http.auth"),
                                                .token = c->token[0] ? c->token : NULL,
                                                .spool = config_text(c->config, "state"),
                                                .max_body = INTAKE_BYTES,
                                                .routes = api_routes,
                                                .ctx = c};
        return http_start(&c->http, &c->loop, &c->http_options, e);
}

static int start(struct collector *c, struct err *e)
{
        int code = start_outbox(c, e);
        if (code == 0)
                code = link_open(c, e);
        if (code == 0)
                code = start_http(c, e);
        if (code == 0)
                code = start_inbox(c, e);
        return code;
}

static void finish(struct collector *c)
{
        struct err e;
        if (c->outbox.db.handle && !outbox_broken(&c->outbox) && outbox_begin(&c->outbox, &e) == 0)
                outbox_commit(&c->outbox, &e); /* what was sent is noted with any commit */
        inbox_close(c->inbox);
        ledger_close(&c->ledger);
        outbox_close(&c->outbox);
        catalog_free(c->catalog);
        courier_close(&c->courier);
        keys_close(&c->keys);
        health_free(c->health);
        uv_loop_close(&c->loop);
        if (c->zmq)
                zpoll_context_close(c->zmq);
}

/* What is wrong goes to stderr as it stands in the files. */
static bool check_catalog(const char *dir, const char *office, enum lang lang)
{
        struct faults faults = {0};
        struct text lines = {0};
        struct err e = {0};
        struct catalog *found = catalog_load(dir, &faults, &e);
        faults_lines(&faults, dir, lang, &lines);
        if (e.code)
                text_printf(&lines, "%s\n", e.text);
        bool known = found && catalog_office(found, office) >= 0;
        if (found && !known)
                text_printf(&lines, "%s: the catalogue does not know office %s\n", dir, office);
        fputs(text_c(&lines), stderr);
        text_close(&lines);
        faults_close(&faults);
        catalog_free(found);
        return known;
}

static int check(const struct config *config, const struct keys *k, enum lang lang)
{
        struct http_options http = {.listen = config_text(config, "http.listen"),
                                    .auth = config_text(config, "http.auth"),
                                    .token = k->token};
        struct err e;
        if (http_check(&http, &e) < 0) {
                log_error("cannot start", "why", e.text, NULL);
                return DAEMON_FAILED;
        }
        const char *dir = config_text(config, "catalog");
        if (dir && !check_catalog(dir, config_text(config, "office"), lang))
                return DAEMON_FAILED;
        puts("ok");
        return DAEMON_DONE;
}

static int run(struct collector *c)
{
        struct err e = {0};
        init_loop(c);
        if (start(c, &e) == 0) {
                c->signals = daemon_signals(&c->loop, stop, reload, c);
                log_info("listening", "office", c->outbox.office, "http", http_address(c->http), "hq",
                         config_text(c->config, "aggregator"), NULL);
                collector_arm(c);
        } else {
                log_error("cannot start", "why", e.text, NULL);
                c->status = DAEMON_FAILED;
                stop(c);
        }
        uv_run(&c->loop, UV_RUN_DEFAULT);
        finish(c);
        return c->status;
}

int collector_run(const struct config *config, enum lang lang, bool take_over_wanted, bool check_only)
{
        struct err e = {0};
        struct keys k;
        if (sodium_init() < 0 || load_keys(config_text(config, "keys"), &k, &e) < 0) {
                log_error("the keys cannot be used", "why", e.text, NULL);
                return DAEMON_FAILED;
        }
        if (check_only) {
                int status = check(config, &k, lang);
                keys_close(&k);
                return status;
        }
        struct collector *c = calloc(1, sizeof *c);
        POST(c && (c->health = health_new()));
        c->config = config;
        c->lang = lang;
        c->take_over = take_over_wanted;
        c->office = NONE;
        c->keep_us = (int64_t)config_number(config, "outbox.keep_days") * day_us;
        use_keys(c, &k);
        int status = run(c);
        free(c);
        return status;
}
