/* What the loop and the handlers share is behind one mutex: the catalogue in force (an edition, counted by
 * those who use it), the readers that are idle, and the requests that wait for the loop. */
#include "sink/api.h"

#include "base/check.h"
#include "base/log.h"
#include "loop/daemon.h"
#include "sink/call.h"
#include "sink/verify_job.h"
#include "sink/web.h"

#include <stdlib.h>
#include <string.h>

enum { READERS_KEPT = 4 };

struct edition {
        struct catalog *catalog;
        unsigned users; /* requests, and one for being in force */
};

/* A request that waits for the loop; it lives in its handler. */
struct skip {
        const char *office;
        uint64_t from, to;
        int rc;
        bool done;
        struct err e;
        struct skip *next;
};

struct api {
        struct api_options o;
        char *path;
        uv_async_t wake;
        uv_mutex_t lock;
        uv_cond_t answered;
        struct edition *edition;
        struct reader *idle[READERS_KEPT];
        size_t n_idle;
        struct skip *waiting;
        bool stopping;
        struct verify_job *job;
};

/* ---- the catalogue in force */

static struct edition *edition_new(struct catalog **c)
{
        struct edition *n = calloc(1, sizeof *n);
        if (!n)
                return NULL;
        *n = (struct edition){*c, 1};
        *c = NULL;
        return n;
}

/* With the lock held. */
static void edition_drop(struct edition *n)
{
        if (--n->users)
                return;
        catalog_free(n->catalog);
        free(n);
}

void api_set_catalog(struct api *a, struct catalog **next)
{
        struct edition *n = edition_new(next);
        POST(n); /* some bytes */
        uv_mutex_lock(&a->lock);
        struct edition *before = a->edition;
        a->edition = n;
        edition_drop(before);
        uv_mutex_unlock(&a->lock);
}

const struct catalog *api_catalog(const struct api *a)
{
        return a->edition->catalog;
}

/* ---- the request that writes: carried to the loop */

static void on_wake(uv_async_t *handle)
{
        struct api *a = handle->data;
        uv_mutex_lock(&a->lock);
        while (a->waiting) {
                struct skip *s = a->waiting;
                a->waiting = s->next;
                uv_mutex_unlock(&a->lock);
                int rc = a->o.skip(a->o.ctx, s->office, &s->from, &s->to, &s->e);
                uv_mutex_lock(&a->lock);
                s->rc = rc;
                s->done = true;
                uv_cond_broadcast(&a->answered);
        }
        uv_mutex_unlock(&a->lock);
}

static void ask_loop(struct api *a, struct skip *s)
{
        uv_mutex_lock(&a->lock);
        if (a->stopping) {
                s->rc = E_BUSY;
        } else {
                s->next = a->waiting;
                a->waiting = s;
                uv_async_send(&a->wake);
                while (!s->done)
                        uv_cond_wait(&a->answered, &a->lock);
        }
        uv_mutex_unlock(&a->lock);
}

static bool answer_skip(struct call *k)
{
        uint32_t office;
        const char *text = call_needed(k, "office");
        if (!text || !call_look(k, UINT64_MAX) || !call_office(k, text, &office))
                return false;
        struct skip s = {.office = k->c->offices[office].code};
        ask_loop(k->api, &s);
        if (s.rc == E_MISSING)
                return CALL_REFUSE(k, NO_GAP, s.office);
        if (s.rc == E_BUSY)
                return CALL_REFUSE(k, STOPPING, NULL);
        k->e = s.e;
        if (s.rc != 0)
                return call_refuse_store(k, s.rc);
        text_add(&k->a->body, "{\"office\":");
        text_json(&k->a->body, s.office);
        text_printf(&k->a->body, ",\"from\":%llu,\"to\":%llu}", (unsigned long long)s.from,
                    (unsigned long long)s.to);
        return true;
}

/* ---- readers */

static struct reader *reader_take(struct api *a, struct err *e)
{
        uv_mutex_lock(&a->lock);
        struct reader *r = a->n_idle ? a->idle[--a->n_idle] : NULL;
        uv_mutex_unlock(&a->lock);
        if (r)
                return r;
        r = calloc(1, sizeof *r);
        if (!r)
                err_set(e, E_MEM, "out of memory");
        else if (reader_open(r, a->path, e) == 0)
                return r;
        free(r);
        return NULL;
}

static void reader_give(struct api *a, struct reader *r)
{
        bool kept = false;
        reader_end(r);
        uv_mutex_lock(&a->lock);
        if (a->n_idle < READERS_KEPT && !db_broken(&r->db)) {
                a->idle[a->n_idle++] = r;
                kept = true;
        }
        uv_mutex_unlock(&a->lock);
        if (kept)
                return;
        reader_close(r);
        free(r);
}

static void edition_leave(struct call *k)
{
        uv_mutex_lock(&k->api->lock);
        edition_drop(k->edition);
        uv_mutex_unlock(&k->api->lock);
}

/* RFC 3339. A + that was not written as %2B came as a space: "…T08:00:00 08:00" is meant with it. */
static bool time_read(struct call *k, const char *text, int64_t *us)
{
        char *copy = arena_strdup(&k->arena, text), *space = copy ? strrchr(copy, ' ') : NULL;
        if (space && strlen(space) == strlen(" 08:00"))
                *space = '+';
        return copy && clock_parse(copy, us) && *us >= 0;
}

static bool moment(struct call *k, uint64_t *version)
{
        const char *text = http_query(k->q, "as_of");
        k->as_of_us = *version == UINT64_MAX ? k->api->o.now_us() : (int64_t)*version;
        if (!text || *version != UINT64_MAX)
                return true;
        if (strspn(text, "0123456789") == strlen(text) && strlen(text) > 0 && strlen(text) < 19) {
                *version = strtoull(text, NULL, 10);
                k->as_of_us = (int64_t)*version;
                return true;
        }
        if (!time_read(k, text, &k->as_of_us))
                return CALL_REFUSE(k, NO_MOMENT, text);
        *version = (uint64_t)k->as_of_us;
        return true;
}

static int edition_read(struct call *k, const void *pack, size_t n)
{
        struct faults faults = {0};
        struct catalog *c = catalog_unpack(pack, n, &faults);
        struct edition *then = c ? edition_new(&c) : NULL;
        faults_close(&faults);
        catalog_free(c);
        if (!then)
                return err_set(&k->e, E_SYNTAX, "the catalogue of then cannot be read any more");
        edition_leave(k);
        k->edition = then;
        return 0;
}

/* What stood then is read by the catalogue that held then: its facts, names, offices and formulas. Where the
 * store knows none, the one of now has to do. */
static int edition_then(struct call *k)
{
        sqlite3_stmt *q = reader_sql(k->r, READ_CATALOG_THEN);
        db_int(q, 1, (int64_t)k->r->version);
        db_blob(q, 2, k->edition->catalog->digest, CATALOG_DIGEST);
        int rc = db_step(&k->r->db, q, &k->e);
        if (rc == 1 && sqlite3_column_type(q, 0) != SQLITE_NULL)
                rc = edition_read(k, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
        sqlite3_reset(q);
        return rc < 0 ? rc : 0;
}

bool call_look(struct call *k, uint64_t version)
{
        PRE(!k->r);
        struct api *a = k->api;
        if (!moment(k, &version))
                return false;
        if (!(k->r = reader_take(a, &k->e)))
                return call_refuse_store(k, k->e.code);
        int rc = reader_begin(k->r, version, a->o.now_us(), &k->e);
        if (rc != 0)
                return call_refuse_store(k, rc);
        uv_mutex_lock(&a->lock); /* after the look: no older than what is seen */
        k->edition = a->edition;
        k->edition->users++;
        uv_mutex_unlock(&a->lock);
        if (k->r->past && (rc = edition_then(k)) != 0)
                return call_refuse_store(k, rc);
        k->c = k->r->catalog = k->edition->catalog;
        return true;
}

static void answer(struct api *a, const struct http_request *q, struct http_reply *reply, call_fn *fn)
{
        struct call k = {.api = a, .q = q, .a = reply, .lang = http_lang(q, LANG_EN)};
        if (fn(&k) && text_failed(&reply->body))
                CALL_REFUSE(&k, NO_MEMORY, NULL);
        if (k.r)
                reader_give(a, k.r);
        if (k.edition)
                edition_leave(&k);
        arena_close(&k.arena);
}

/* ---- verify */

static bool answer_verify(struct call *k)
{
        uint64_t run;
        if (!call_number(k, "run", 1, UINT32_MAX, 0, &run) || !call_look(k, UINT64_MAX))
                return false;
        struct api *a = k->api;
        struct verify_ask ask = {a->path, k->c, a->o.now_us(), a->o.sign_key, a->o.ctx};
        int rc = verify_job_ask(a->job, &ask, &run, k->lang, &k->a->body, &k->e);
        if (rc < 0)
                return call_refuse_store(k, rc);
        if (rc == VERIFY_JOB_UNKNOWN)
                return CALL_REFUSE(k, UNKNOWN_RUN, http_query(k->q, "run"));
        k->a->status = rc == VERIFY_JOB_DONE ? 200 : 202;
        return true;
}

/* ---- routes */

static void route_health(void *ctx, const struct http_request *q, struct http_reply *reply)
{
        (void)q;
        struct api *a = ctx;
        health_reply(a->o.health, reply);
}

static void route_metrics(void *ctx, const struct http_request *q, struct http_reply *reply)
{
        (void)q;
        struct api *a = ctx;
        reply->type = "text/plain; version=0.0.4; charset=utf-8";
        a->o.metrics(a->o.ctx, &reply->body);
}

#define ROUTES(ROUTE)                              \
        ROUTE(totals, "GET", "/api/v1/totals")     \
        ROUTE(series, "GET", "/api/v1/series")     \
        ROUTE(coverage, "GET", "/api/v1/coverage") \
        ROUTE(lineage, "GET", "/api/v1/lineage")   \
        ROUTE(reports, "GET", "/api/v1/reports")   \
        ROUTE(catalog, "GET", "/api/v1/catalog")   \
        ROUTE(verify, "GET", "/api/v1/verify")     \
        ROUTE(skip, "POST", "/api/v1/streams/skip")

#define ROUTE(name, method, path)                                                                   \
        static void route_##name(void *ctx, const struct http_request *q, struct http_reply *reply) \
        {                                                                                           \
                answer(ctx, q, reply, answer_##name);                                               \
        }
ROUTES(ROUTE)
#undef ROUTE

const struct http_route sink_routes[] = {
    {"GET", "/healthz", route_health, true},
    {"GET", "/metrics", route_metrics, false},
    {"GET", "/", route_web, false},
    {"GET", "/web/*", route_web, false},
#define ROUTE(name, method, path) {method, path, route_##name, false},
    ROUTES(ROUTE)
#undef ROUTE
        {0},
};

/* ---- life */

static void release(struct api *a)
{
        for (size_t i = 0; i < a->n_idle; i++) {
                reader_close(a->idle[i]);
                free(a->idle[i]);
        }
        if (a->edition)
                edition_drop(a->edition);
        verify_job_free(a->job);
        uv_cond_destroy(&a->answered);
        uv_mutex_destroy(&a->lock);
        free(a->path);
        free(a);
}

static void on_closed(uv_handle_t *handle)
{
        release(handle->data);
}

struct api *api_new(const struct api_options *o, struct catalog **first, struct err *e)
{
        PRE(*first);
        struct api *a = calloc(1, sizeof *a);
        if (!a || uv_mutex_init(&a->lock) != 0) {
                free(a);
                err_set(e, E_MEM, "out of memory");
                return NULL;
        }
        if (uv_cond_init(&a->answered) != 0) {
                uv_mutex_destroy(&a->lock);
                free(a);
                err_set(e, E_MEM, "out of memory");
                return NULL;
        }
        a->o = *o;
        a->o.now_us = o->now_us ? o->now_us : clock_us;
        a->path = strdup(o->path);
        a->job = verify_job_new();
        a->wake.data = a;
        if (!a->path || !a->job || uv_async_init(o->loop, &a->wake, on_wake) != 0) {
                release(a);
                err_set(e, E_MEM, "the API cannot be set up: out of memory");
                return NULL;
        }
        if (!(a->edition = edition_new(first))) {
                uv_close((uv_handle_t *)&a->wake, on_closed);
                err_set(e, E_MEM, "out of memory");
                return NULL;
        }
        return a;
}

void api_stop(struct api *a)
{
        uv_mutex_lock(&a->lock);
        a->stopping = true;
        for (struct skip *s = a->waiting; s; s = s->next) {
                s->rc = E_BUSY;
                s->done = true;
        }
        a->waiting = NULL;
        uv_cond_broadcast(&a->answered);
        uv_mutex_unlock(&a->lock);
        verify_job_stop(a->job);
}

void api_free(struct api **a)
{
        if (*a)
                uv_close((uv_handle_t *)&(*a)->wake, on_closed);
        *a = NULL;
}
