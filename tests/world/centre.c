#include "world/world.h"

#include "base/check.h"

#include <string.h>

enum { TICK_MS = 500, TICKS_TO_KNOCK = 4 };

static struct hub_time now(const struct centre *h)
{
        return (struct hub_time){world_mono_ms(h->w, &h->clock), world_clock_us(h->w, &h->clock)};
}

/* ---- what the hub borrows */

static struct hub_peer_name name_of(uint16_t client, uint32_t conn)
{
        struct hub_peer_name name = {.n = sizeof client + sizeof conn};
        memcpy(name.b, &client, sizeof client);
        memcpy(name.b + sizeof client, &conn, sizeof conn);
        return name;
}

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        struct centre *h = ctx;
        uint16_t client;
        uint32_t conn;
        memcpy(&client, peer->b, sizeof client);
        memcpy(&conn, peer->b + sizeof client, sizeof conn);
        const struct line *line = road_line(h->w, client);
        if (!road_open(h->w, client, conn) || line->hub != h->at || line->hub_life != h->life)
                return false;
        return road_post(h->w, client, false, &(struct wire_bytes){(const uint8_t *)message->v, message->n},
                         1);
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        struct centre *h = ctx;
        struct wire_bytes v[512];
        const struct line *line = &h->w->vault.line;
        if (!h->sink_conn || !road_open(h->w, WORLD_SINK, h->sink_conn) || line->hub != h->at ||
            line->hub_life != h->life)
                return false;
        PRE(n <= sizeof v / sizeof *v);
        for (size_t i = 0; i < n; i++)
                v[i] = (struct wire_bytes){(const uint8_t *)frames[i].v, frames[i].n};
        return road_post(h->w, WORLD_SINK, false, v, n);
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        const struct centre *h = ctx;
        for (size_t i = 0; i < STEPPE_OFFICES; i++) {
                const struct branch *b = &h->w->branches[i];
                if (strcmp(b->code, office) == 0)
                        return !id || memcmp(id, b->keys.sign_id, KEY_ID) == 0 ? b->keys.sign_public : NULL;
        }
        return NULL;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx, (void)zone;
        return us / 1000000 + 8 * 3600;
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        const struct centre *h = ctx;
        for (size_t i = 0; i < STEPPE_VERSIONS; i++)
                if ((h->held & 1u << i) && memcmp(steppe(i)->digest, digest, CATALOG_DIGEST) == 0)
                        return steppe(i);
        return NULL;
}

static void keep_catalog(void *ctx, const struct catalog *c)
{
        struct centre *h = ctx;
        for (size_t i = 0; i < STEPPE_VERSIONS; i++)
                if (c == steppe(i))
                        h->held = 1u << i;
}

static void tell(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t number)
{
        const struct centre *h = ctx;
        world_say(h->w, "hub %u %s: %s %s %llu", h->at, tone == HUB_WARNS ? "warns" : "tells", sentence,
                  office ? office : "", (unsigned long long)number);
}

/* ---- life */

void centre_boot(struct centre *h)
{
        static const size_t budgets[] = {0, 4096, 32768, 262144, 8 << 20};
        struct hub_host host = {h, to_office, to_sink, sign_key, civil_s, held_catalog, keep_catalog, tell};
        if (h->hub || !h->started)
                return;
        h->life++;
        h->sink_conn = 0;
        h->frozen_ms = 0;
        h->hub = hub_new(&host, seed_next(&h->w->seed), budgets[h->w->options.memory]);
        world_say(h->w, "hub %u starts", h->at);
        world_write(h->w, TICK_MS, HUB_TICKS, h->at, h->life);
}

void centre_die(struct centre *h)
{
        if (!h->hub)
                return;
        world_say(h->w, "hub %u dies", h->at);
        hub_free(h->hub);
        h->hub = NULL;
        for (uint16_t i = 0; i <= WORLD_SINK; i++)
                if (road_line(h->w, i)->hub == h->at)
                        road_break(h->w, i);
}

/* As the daemon does it: a message of no bytes, and what cannot be sent tells that the connection is gone. */
static void knock(struct centre *h)
{
        if (!h->sink_conn || h->ticks++ % TICKS_TO_KNOCK != 0 || to_sink(h, &(struct text){0}, 1))
                return;
        h->sink_conn = 0;
        hub_sink_lost(h->hub, now(h));
}

void centre_tick(struct centre *h)
{
        knock(h);
        hub_tick(h->hub, now(h));
        world_write(h->w, TICK_MS, HUB_TICKS, h->at, h->life);
}

void centre_hear(struct centre *h, uint16_t client, uint32_t conn, const struct wire_bytes *frames, size_t n)
{
        if (client == WORLD_SINK) {
                h->sink_conn = conn;
                hub_sink(h->hub, now(h), frames, n);
        } else if (n == 1) {
                struct hub_peer_name name = name_of(client, conn);
                hub_office(h->hub, now(h), &name, h->w->branches[client].code, frames[0].p, frames[0].n);
        }
}
