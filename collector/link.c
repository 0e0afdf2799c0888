#include "collector/link.h"

#include "base/log.h"
#include "collector/collector.h"

struct courier_time link_now(void)
{
        return (struct courier_time){clock_monotonic_ms(), clock_us()};
}

/* ---- what the courier asks for */

static bool send_hq(void *ctx, const void *bytes, size_t n)
{
        struct collector *c = ctx;
        struct zframe frame = {bytes, n};
        return !c->stopping && zpoll_send(c->link, NULL, 0, &frame, 1) == 0;
}

static void disk(void *ctx, const struct err *e)
{
        struct collector *c = ctx;
        if (e)
                collector_trouble(c, e);
        else
                collector_relief(c);
}

static void judged(void *ctx)
{
        struct collector *c = ctx;
        if (c->inbox)
                inbox_tell(c->inbox, &c->outbox);
}

static void take_catalog(void *ctx, struct catalog **next)
{
        struct collector *c = ctx;
        if (*next) {
                collector_use_catalog(c, *next, true);
                *next = NULL;
                health_clear(c->health, "hq-catalog");
                collector_look_soon(c);
        } else {
                log_error("HQ's catalogue cannot be used; the old one stays", NULL);
                health_raise(c->health, HEALTH_FAILING, "hq-catalog",
                             "HQ's catalogue cannot be read by this version");
        }
}

static void note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx;
        log_warn(sentence, "about", about, NULL);
}

/* ---- the connection */

static void on_message(void *ctx, const struct zmessage *m)
{
        struct collector *c = ctx;
        struct wire_bytes frame = {0};
        if (m->n > 0)
                frame = (struct wire_bytes){m->frames[0].bytes, m->frames[0].n};
        courier_message(&c->courier, &frame, m->n, link_now());
        collector_arm(c);
}

static void on_link(void *ctx, enum zlink what)
{
        struct collector *c = ctx;
        log_info(what == ZLINK_UP ? "connected to HQ" : "HQ is away", NULL);
        courier_link(&c->courier, what == ZLINK_UP, link_now());
        collector_arm(c);
}

static int connect_hq(struct collector *c, struct err *e)
{
        struct zcurve curve = {.public_key = c->keys.curve_public,
                               .secret_key = c->keys.curve_secret,
                               .server_key = c->keys.aggregator};
        return zpoll_dealer(&c->link, &c->loop, c->zmq, config_text(c->config, "aggregator"), &curve,
                            on_message, on_link, c, e);
}

int link_renew(struct collector *c, struct err *e)
{
        zpoll_close(c->link, NULL, NULL);
        c->link = NULL;
        courier_link(&c->courier, false, link_now());
        collector_arm(c);
        return connect_hq(c, e);
}

int link_open(struct collector *c, struct err *e)
{
        const struct courier_host host = {c, send_hq, disk, judged, take_catalog, note};
        courier_init(&c->courier, &host, &c->outbox, &c->keys, c->catalog);
        c->zmq = zpoll_context(e);
        return c->zmq ? connect_hq(c, e) : E_IO;
}
