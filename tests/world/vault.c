#include "world/world.h"

#include "base/check.h"

#include <string.h>

enum { TICK_MS = 500, AGAIN_MS = 1000, OPERATOR_MS = 20000 };

static struct teller_time now(const struct vault *v)
{
        return (struct teller_time){world_mono_ms(v->w, &v->clock), world_clock_us(v->w, &v->clock)};
}

/* After each thing that happened to it: is it still there? */
static void settle(struct vault *v)
{
        if (v->alive && (disk_is_off(v->disk) || db_broken(&v->store.db)))
                vault_die(v, disk_is_off(v->disk));
}

/* ---- what the teller borrows */

static void send_frames(void *ctx, const struct text *frames, size_t n)
{
        struct vault *v = ctx;
        struct wire_bytes parts[512];
        if (disk_is_off(v->disk))
                return;
        PRE(n <= sizeof parts / sizeof *parts);
        for (size_t i = 0; i < n; i++)
                parts[i] = (struct wire_bytes){(const uint8_t *)frames[i].v, frames[i].n};
        road_post(v->w, WORLD_SINK, true, parts, n);
}

static void refused(void *ctx, const char *doing, const struct err *e)
{
        struct vault *v = ctx;
        world_say(v->w, "sink refused by its disk, %s: %s", doing, e->text);
        v->again_ms = v->w->now_ms + AGAIN_MS;
}

/* The operator reads of a gap, thinks about it, and lets the stream go on. */
static void note(void *ctx, const char *sentence, const char *about)
{
        struct vault *v = ctx;
        world_say(v->w, "sink notes: %s %s", sentence, about);
        for (size_t i = 0; i < STEPPE_OFFICES; i++)
                if (strstr(sentence, "stream skip") && strcmp(v->w->branches[i].code, about) == 0)
                        world_write(v->w, OPERATOR_MS, SKIPS, WORLD_SINK, (uint32_t)i);
}

/* ---- life */

void vault_begin(struct world *w)
{
        struct vault *v = &w->vault;
        v->w = w;
        v->disk = disk_new("store", seed_next(&w->seed));
        disk_odds(v->disk, (struct disk_odds){w->options.sink_cut, w->options.sink_broken});
}

/* Puts the catalogue in force that HQ wants; false: the disk refused. */
static bool put_in_force(struct vault *v)
{
        struct err e = {0};
        struct text blocks = {0};
        const struct catalog *next = steppe(v->version);
        struct catalog *stored = store_catalog(&v->store, &e);
        bool same = stored && memcmp(stored->digest, next->digest, CATALOG_DIGEST) == 0;
        int code =
            same ? 0
                 : store_take_catalog(&v->store, stored, next, world_clock_us(v->w, &v->clock), &blocks, &e);
        if (code == E_DENIED)
                world_fail(v->w, "a catalogue that only adds is refused: %s", text_c(&blocks));
        text_close(&blocks);
        if (code == 0)
                v->teller.catalog = next;
        else if (stored)
                v->teller.catalog = stored;
        return code == 0 || stored;
}

void vault_boot(struct vault *v)
{
        struct err e = {0};
        struct teller_host host = {v, send_frames, refused, note};
        if (v->alive)
                return;
        disk_on(v->disk);
        v->life++;
        v->frozen_ms = v->again_ms = 0;
        int code = store_open(&v->store, v->disk->path, &e);
        teller_init(&v->teller, &host, &v->store, NULL);
        if (code == 0 && !put_in_force(v)) {
                store_close(&v->store);
                code = E_IO;
        }
        if (code != 0 || disk_is_off(v->disk)) {
                world_say(v->w, "the sink cannot start: %s", e.text);
                if (code == 0)
                        store_close(&v->store);
                world_write(v->w, 1000, BOOTS, WORLD_SINK, 0);
                return;
        }
        v->alive = true;
        world_say(v->w, "the sink starts, version %llu", (unsigned long long)v->store.version);
        world_write(v->w, TICK_MS, TICKS, WORLD_SINK, v->life);
        world_write(v->w, 10, CONNECTS, WORLD_SINK, 0);
}

void vault_die(struct vault *v, bool power)
{
        if (!v->alive)
                return;
        world_say(v->w, "the sink dies%s", power ? " of a power cut" : "");
        disk_kill(v->disk);
        v->alive = false;
        store_close(&v->store);
        v->line.up = v->line.broken = false;
        world_write(v->w, world_within(v->w, 500, power ? 15000 : 2000), BOOTS, WORLD_SINK, 0);
}

void vault_link(struct vault *v, bool up)
{
        teller_link(&v->teller, up, now(v));
        settle(v);
}

void vault_hear(struct vault *v, const struct wire_bytes *frames, size_t n)
{
        teller_message(&v->teller, frames, n, now(v));
        settle(v);
}

void vault_tick(struct vault *v)
{
        struct err e = {0};
        bool more;
        teller_tick(&v->teller, now(v));
        if (v->again_ms && v->w->now_ms >= v->again_ms && v->teller.feed.state != FEED_SINK_DOWN) {
                v->again_ms = 0;
                teller_again(&v->teller, now(v));
        }
        if (!disk_is_off(v->disk) && store_expand(&v->store, v->teller.catalog, &more, &e) != 0)
                refused(v, "expanding facts for SQL", &e);
        world_write(v->w, TICK_MS, TICKS, WORLD_SINK, v->life);
        settle(v);
}

void vault_skip(struct vault *v, const char *office)
{
        struct err e = {0};
        uint64_t from, to;
        int code = v->alive ? store_skip(&v->store, office, world_clock_us(v->w, &v->clock), &from, &to, &e)
                            : E_BUSY;
        if (code == 0) {
                world_say(v->w, "the operator lets %s go on behind a gap, %llu to %llu", office,
                          (unsigned long long)from, (unsigned long long)to);
                teller_again(&v->teller, now(v));
        }
        settle(v);
}

void vault_take_catalog(struct vault *v)
{
        if (v->version + 1 < STEPPE_VERSIONS)
                v->version++;
        if (!v->alive)
                return;
        const struct catalog *was = v->teller.catalog;
        put_in_force(v);
        if (v->teller.catalog != was)
                teller_again(&v->teller, now(v));
        settle(v);
}

void vault_end(struct vault *v)
{
        if (v->alive)
                store_close(&v->store);
        disk_discard(v->backup);
        disk_free(v->disk);
}
