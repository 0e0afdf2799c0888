#include "collector/api.h"

#include "collector/collector.h"
#include "collector/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_MOST = 255, LIMIT_OTHERWISE = 100, LIMIT_MOST = 1000 };

enum api_error {
#define API_ERROR(name, status, code, en, zh) API_##name,
#include "collector/api_errors.def"
#undef API_ERROR
};

static void fail(struct http_reply *a, const struct http_request *q, enum api_error which, const char *more)
{
        static const struct {
                int status;
                const char *code, *sentence[2];
        } errors[] = {
#define API_ERROR(name, status, code, en, zh) {status, code, {[LANG_EN] = en, [LANG_ZH] = zh}},
#include "collector/api_errors.def"
#undef API_ERROR
        };
        struct text sentence = {0};
        text_add(&sentence, errors[which].sentence[http_lang(q, LANG_EN)]);
        if (more && *more)
                text_printf(&sentence, ": %s", more);
        http_error(a, errors[which].status, errors[which].code, text_c(&sentence));
        text_close(&sentence);
}

/* The store refused: nothing was taken. */
static void fail_disk(struct collector *c, struct http_reply *a, const struct http_request *q,
                      const struct err *e)
{
        collector_trouble(c, e);
        fail(a, q, e->code == E_FULL ? API_FULL_DISK : API_DISK, NULL);
}

/* ---- POST /api/v1/reports */

struct posted { /* a request on its way */
        struct collector *c;
        const struct http_request *q;
        struct http_reply *a;
        struct parcel_book book;
        struct parcel_input input;
        struct parcel parcel;
        struct outbox_request request; /* key NULL: none was given */
        bool dry;
};

static bool is_set(const struct http_request *q, const char *key)
{
        const char *v = http_query(q, key);
        return v && strcmp(v, "0") != 0 && strcmp(v, "false") != 0;
}

static bool media_is(const char *type, const char *want)
{
        size_t n = strlen(want);
        return type && strncasecmp(type, want, n) == 0 && strchr("; \t", type[n]);
}

static bool find_kind(struct posted *p)
{
        const char *type = http_header(p->q, "Content-Type");
        if (is_set(p->q, "nil"))
                p->input.kind = PARCEL_NIL;
        else if (media_is(type, "application/json"))
                p->input.kind = PARCEL_JSON;
        else if (media_is(type, "text/csv"))
                p->input.kind = PARCEL_CSV;
        else
                return false;
        return true;
}

static void digest_text(crypto_generichash_state *s, const char *text)
{
        uint64_t n = text ? strlen(text) + 1 : 0; /* absent is not empty */
        crypto_generichash_update(s, (const uint8_t *)&n, sizeof n);
        crypto_generichash_update(s, (const uint8_t *)(text ? text : ""), n ? n - 1 : 0);
}

/* Of all that decides what the request means: the body, and what the query says of it. */
static void digest_request(struct posted *p)
{
        crypto_generichash_state s;
        crypto_generichash_init(&s, NULL, 0, OUTBOX_DIGEST);
        crypto_generichash_update(&s, (const uint8_t *)&p->input.kind, sizeof p->input.kind);
        digest_text(&s, p->input.hints.dataset);
        digest_text(&s, p->input.hints.period);
        digest_text(&s, p->input.hints.action);
        crypto_generichash_update(&s, p->input.bytes, p->input.n);
        crypto_generichash_final(&s, p->request.digest, OUTBOX_DIGEST);
}

/* 422, or 503 where only room is lacking. */
static void reply_reasons(struct posted *p)
{
        struct parcel *t = &p->parcel;
        p->c->counts[METRIC_REFUSED]++;
        p->a->status = parcel_has(t, REASON_OUTBOX_FULL) ? 503 : 422;
        text_add(&p->a->body, "{\"errors\":");
        reasons_json(&t->in.reasons, http_lang(p->q, LANG_EN), &p->a->body);
        if (p->a->status == 503) {
                text_add(&p->a->body, ",\"error\":{\"code\":\"outbox_full\",\"message\":");
                struct text sentence = {0};
                reason_sentence(&t->in.reasons.v[0], http_lang(p->q, LANG_EN), &sentence);
                text_json_n(&p->a->body, text_c(&sentence), sentence.n);
                text_close(&sentence);
                text_char(&p->a->body, '}');
        }
        text_char(&p->a->body, '}');
}

/* true: the key was used before and the reply is made. */
static bool replay(struct posted *p)
{
        uint8_t digest[OUTBOX_DIGEST];
        struct err e;
        if (!p->request.key)
                return false;
        int code = outbox_request_find(&p->c->outbox, p->request.key, digest, &p->a->body, &e);
        if (code == 0)
                return false;
        if (code < 0) {
                fail_disk(p->c, p->a, p->q, &e);
        } else if (memcmp(digest, p->request.digest, sizeof digest) == 0) {
                p->a->status = 202;
        } else {
                text_clear(&p->a->body);
                reasons_add(&p->parcel.in.reasons, REASON_KEY_REUSED, 0, NULL, p->request.key, NULL, NULL);
                reply_reasons(p);
        }
        return true;
}

static int put(struct posted *p, struct err *e)
{
        int code = collector_begin(p->c, e);
        if (code < 0)
                return code;
        code = parcel_put(&p->parcel, &p->book, 0, e);
        if (code == 0 && p->request.key)
                code = outbox_request_keep(&p->c->outbox, &p->request, &p->a->body, e);
        if (code == 0)
                return collector_commit(p->c, e);
        outbox_abandon(&p->c->outbox);
        return code;
}

/* Right by itself: taken, unless the caller only asked. The receipts are the reply, and what a key keeps. */
static void take(struct posted *p)
{
        struct err e;
        parcel_receipts(&p->parcel, &p->book, &p->a->body);
        int code = text_failed(&p->a->body) ? err_set(&e, E_MEM, "out of memory") : 0;
        p->a->status = 202;
        if (code == 0 && !p->dry)
                code = put(p, &e);
        if (code < 0) {
                fail_disk(p->c, p->a, p->q, &e);
                return;
        }
        if (!p->dry)
                collector_grew(p->c, p->parcel.in.n, parcel_rows(&p->parcel));
}

static void enter(struct posted *p)
{
        struct err e;
        if (!collector_book(p->c, &p->book))
                fail(p->a, p->q, p->c->catalog ? API_OFFICE : API_CATALOG, NULL);
        else if (parcel_read(&p->parcel, &p->book, &p->input, &e) < 0)
                fail_disk(p->c, p->a, p->q, &e);
        else if (p->parcel.in.malformed.code)
                fail(p->a, p->q, API_JSON, p->parcel.in.malformed.text);
        else if (!parcel_fine(&p->parcel))
                reply_reasons(p);
        else
                take(p);
}

static void post_reports(void *ctx, const struct http_request *q, struct http_reply *a)
{
        struct posted p = {.c = ctx, .q = q, .a = a, .dry = is_set(q, "dry_run")};
        p.input.now_us = p.request.at_us = clock_us();
        p.input.bytes = http_body(q, &p.input.n);
        p.input.hints =
            (struct intake_hints){http_query(q, "dataset"), http_query(q, "period"), http_query(q, "action")};
        p.request.key = http_header(q, "Idempotency-Key");
        if (!find_kind(&p)) {
                fail(a, q, API_MEDIA, NULL);
                return;
        }
        if (p.request.key && (!*p.request.key || strlen(p.request.key) > KEY_MOST)) {
                fail(a, q, API_KEY, NULL);
                return;
        }
        digest_request(&p);
        if (!replay(&p))
                enter(&p);
        parcel_close(&p.parcel);
}

/* ---- GET /api/v1/reports */

static bool read_number(const char *text, uint64_t most, uint64_t *n)
{
        char *end;
        errno = 0;
        if (*text < '0' || *text > '9')
                return false;
        *n = strtoull(text, &end, 10);
        return errno == 0 && !*end && *n <= most;
}

/* A seq of the newest stream, or stream:seq. */
static bool read_before(const char *text, struct outbox_filter *f)
{
        char stream[2 * STREAM_ID + 1] = "";
        const char *colon = strchr(text, ':');
        f->has_before = true;
        f->before_any_stream = !colon;
        if (!colon)
                return read_number(text, INT64_MAX, &f->before_seq);
        if (colon - text != 2 * STREAM_ID)
                return false;
        memcpy(stream, text, 2 * STREAM_ID);
        return stream_read(stream, &f->before_stream) && read_number(colon + 1, INT64_MAX, &f->before_seq);
}

static bool read_state(const char *text, unsigned *states)
{
        enum outbox_state s;
        *states = (1u << OUTBOX_STATES) - 1;
        if (!text)
                return true;
        if (strcmp(text, "pending") == 0)
                *states = 1u << OUTBOX_QUEUED | 1u << OUTBOX_SENT;
        else if (outbox_state_find(text, &s))
                *states = 1u << s;
        else
                return false;
        return true;
}

/* The filter of a query; false: the reply says what is wrong with it. */
static bool read_filter(const struct collector *c, const struct http_request *q, struct outbox_filter *f,
                        char period[PERIOD_TEXT], struct http_reply *a)
{
        const char *limit = http_query(q, "limit"), *before = http_query(q, "before"),
                   *label = http_query(q, "period");
        uint64_t n = LIMIT_OTHERWISE;
        struct period p;
        *f = (struct outbox_filter){.dataset = http_query(q, "dataset")};
        if (limit && (!read_number(limit, UINT64_MAX, &n) || n == 0))
                fail(a, q, API_LIMIT, NULL);
        else if (before && !read_before(before, f))
                fail(a, q, API_BEFORE, NULL);
        else if (!read_state(http_query(q, "state"), &f->states))
                fail(a, q, API_STATE, NULL);
        else if (label && !period_parse(label, &p))
                fail(a, q, API_PERIOD, NULL);
        else if (f->dataset && c->catalog && catalog_dataset(c->catalog, f->dataset) < 0)
                fail(a, q, API_DATASET, NULL);
        else {
                f->limit = n < LIMIT_MOST ? (size_t)n : LIMIT_MOST;
                if (label) {
                        period_print(p, period);
                        f->period = period;
                }
                return true;
        }
        return false;
}

struct listing {
        struct text *out;
        enum lang lang;
        size_t n;
        struct stream_id last_stream;
        uint64_t last_seq;
};

static void print_place(struct text *out, struct stream_id id, uint64_t seq)
{
        char stream[2 * STREAM_ID + 1];
        stream_text(id, stream);
        text_printf(out, "\"stream\":\"%s\",\"seq\":%" PRIu64, stream, seq);
}

static void print_reasons(struct text *out, const struct wire_verdict *v, enum lang lang)
{
        struct reasons list = {0};
        for (size_t i = 0; v && i < v->n_reasons; i++)
                reasons_copy(&list, &v->reasons[i]);
        reasons_json(&list, lang, out);
        reasons_close(&list);
}

static bool print_report(void *ctx, const struct outbox_report *r)
{
        struct listing *l = ctx;
        char submitted[32];
        clock_rfc3339(r->envelope.submitted_at, submitted);
        text_add(l->out, l->n++ ? ",{" : "{");
        print_place(l->out, r->stream, r->seq);
        text_add(l->out, ",\"dataset\":");
        text_json(l->out, r->envelope.dataset);
        text_printf(l->out,
                    ",\"period\":\"%s\",\"revision\":%u,\"action\":\"%s\",\"state\":\"%s\",\"reasons\":",
                    r->envelope.period, r->extra.revision, action_word(r->envelope.action),
                    outbox_state_word(r->state));
        print_reasons(l->out, r->verdict, l->lang);
        text_printf(l->out, ",\"submitted_at\":\"%s\",\"rows\":%u,\"withdrawn\":%u", submitted, r->extra.rows,
                    r->extra.withdrawn);
        if (!stream_same(r->stream, r->first_stream)) {
                text_add(l->out, ",\"receipt\":{");
                print_place(l->out, r->first_stream, r->first_seq);
                text_char(l->out, '}');
        }
        text_char(l->out, '}');
        l->last_stream = r->stream;
        l->last_seq = r->seq;
        return !text_failed(l->out);
}

static void get_reports(void *ctx, const struct http_request *q, struct http_reply *a)
{
        struct collector *c = ctx;
        struct outbox_filter f;
        struct listing l = {.out = &a->body, .lang = http_lang(q, LANG_EN)};
        char period[PERIOD_TEXT], stream[2 * STREAM_ID + 1];
        struct err e;
        if (!read_filter(c, q, &f, period, a))
                return;
        text_add(&a->body, "{\"reports\":[");
        if (outbox_list(&c->outbox, &f, print_report, &l, &e) < 0) {
                fail_disk(c, a, q, &e);
                return;
        }
        text_char(&a->body, ']');
        if (l.n == f.limit) { /* there may be more: where to go on */
                stream_text(l.last_stream, stream);
                text_printf(&a->body, ",\"next\":\"%s:%" PRIu64 "\"", stream, l.last_seq);
        }
        text_char(&a->body, '}');
}

/* ---- health and metrics */

static void get_health(void *ctx, const struct http_request *q, struct http_reply *a)
{
        struct collector *c = ctx;
        (void)q;
        watch_look(c);
        health_reply(c->health, a);
}

static void get_metrics(void *ctx, const struct http_request *q, struct http_reply *a)
{
        struct collector *c = ctx;
        (void)q;
        watch_look(c);
        _Atomic int64_t v[METRICS];
        for (size_t i = 0; i < METRICS; i++)
                v[i] = c->counts[i];
        a->type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_print(collector_metrics, v, METRICS, &a->body);
        metrics_process(&a->body);
}

const struct http_route api_routes[] = {
    {"POST", "/api/v1/reports", post_reports, false},
    {"GET", "/api/v1/reports", get_reports, false},
    {"GET", "/healthz", get_health, true},
    {"GET", "/metrics", get_metrics, false},
    {0},
};
