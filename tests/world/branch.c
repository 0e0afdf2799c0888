#include "world/world.h"

#include "base/check.h"
#include "world/look.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESYNC_MS = 5000, RETRY_MS = 1500 };

static struct courier_time now(const struct branch *b)
{
        return (struct courier_time){world_mono_ms(b->w, &b->clock), world_clock_us(b->w, &b->clock)};
}

/* ---- what the courier borrows */

static bool send_hq(void *ctx, const void *bytes, size_t n)
{
        struct branch *b = ctx;
        return !disk_is_off(b->disk) &&
               road_post(b->w, b->at, true, &(struct wire_bytes){(const uint8_t *)bytes, n}, 1);
}

static void disk(void *ctx, const struct err *e)
{
        const struct branch *b = ctx;
        if (e)
                world_say(b->w, "%s (%u) refused by its disk: %s", b->code, b->at, e->text);
}

static void judged(void *ctx)
{
        (void)ctx;
}

static void use_catalog(void *ctx, struct catalog **next)
{
        struct branch *b = ctx;
        if (!*next)
                world_fail(b->w, "%s cannot read HQ's catalogue", b->code);
        b->catalog = *next;
        *next = NULL;
}

static void note(void *ctx, const char *sentence, const char *about)
{
        const struct branch *b = ctx;
        world_say(b->w, "%s (%u) notes: %s %s", b->code, b->at, sentence, about ? about : "");
}

/* ---- after each thing that happened to it */

struct kept { /* looked for, and found */
        const char *code;
        struct stream_id stream;
        uint64_t seq;
};

static void find_mark(void *ctx, const struct look_mark *m)
{
        struct kept *k = ctx;
        if (stream_same(m->stream, k->stream) && strcmp(m->office, k->code) == 0)
                k->seq = m->seq;
}

/* Nothing is told before it is kept: the mark an office believes in is in the store (unless that was put back
 * since). */
static void mark_is_kept(struct branch *b)
{
        const struct outbox_now *n = &b->outbox.now;
        struct kept kept = {.code = b->code, .stream = n->stream};
        if (b->w->vault.went_back || n->mark.seq <= b->believed || !b->w->vault.alive)
                return;
        look_marks(&b->w->vault.store, find_mark, &kept);
        if (kept.seq < n->mark.seq)
                world_fail(b->w, "%s was told that %llu reports are safe, the store has %llu", b->code,
                           (unsigned long long)n->mark.seq, (unsigned long long)kept.seq);
        b->believed = n->mark.seq;
}

static void plan_tick(struct branch *b)
{
        int64_t due = courier_deadline(&b->courier);
        if (due == 0)
                return;
        int64_t in = due - world_mono_ms(b->w, &b->clock), at = b->w->now_ms + (in > 1 ? in : 1);
        if (b->tick_ms > b->w->now_ms && b->tick_ms <= at)
                return;
        b->tick_ms = at;
        world_write(b->w, at - b->w->now_ms, TICKS, b->at, b->life);
}

static void settle(struct branch *b)
{
        if (!b->alive)
                return;
        if (disk_is_off(b->disk) || outbox_broken(&b->outbox)) {
                branch_die(b, disk_is_off(b->disk));
                return;
        }
        mark_is_kept(b);
        if (b->courier.resync && b->line.up && !b->line.broken) {
                b->line.broken = true; /* as the daemon: a new connection, and HQ says it again */
                world_write(b->w, RESYNC_MS, HEARS_BREAK, b->at, b->line.conn);
        }
        plan_tick(b);
}

/* ---- life */

void branch_begin(struct world *w, struct branch *b, uint16_t office)
{
        static struct keys all[STEPPE_OFFICES];
        static uint8_t secrets[STEPPE_OFFICES][SIGN_SECRET];
        char name[16];
        uint16_t at = (uint16_t)(b - w->branches);
        *b = (struct branch){.w = w, .at = at, .office = office, .code = steppe(0)->offices[office].code};
        struct keys *k = &all[office];
        if (!k->sign_secret) {
                uint8_t bytes[32] = {(uint8_t)office, 1};
                crypto_sign_seed_keypair(k->sign_public, secrets[office], bytes);
                key_id_of(k->sign_public, k->sign_id);
                k->sign_secret = secrets[office];
        }
        b->keys = *k;
        snprintf(name, sizeof name, "office-%u", at);
        b->disk = disk_new(name, seed_next(&w->seed));
        disk_odds(b->disk, (struct disk_odds){w->options.office_cut, w->options.office_broken});
        b->clock.drift_ppm = (int32_t)seed_between(&w->seed, -200, 200);
        b->clock.offset_us = seed_between(&w->seed, -5000000, 5000000);
}

static const struct catalog *kept_catalog(struct branch *b)
{
        uint8_t digest[OUTBOX_DIGEST];
        struct text pack = {0};
        struct err e = {0};
        struct catalog *c = NULL;
        if (outbox_catalog(&b->outbox, digest, &pack, &e) == 1)
                c = steppe_by_digest(digest);
        text_close(&pack);
        return c ? c : steppe(0);
}

void branch_boot(struct branch *b)
{
        struct courier_host host = {b, send_hq, disk, judged, use_catalog, note};
        struct err e = {0};
        if (b->alive)
                return;
        disk_on(b->disk);
        b->life++;
        b->frozen_ms = b->tick_ms = 0;
        int code = outbox_open(&b->outbox, b->disk->path, b->code, now(b).clock_us, &e);
        if (code < 0 || disk_is_off(b->disk)) {
                world_say(b->w, "%s (%u) cannot start: %s", b->code, b->at, e.text);
                if (code == 0)
                        outbox_close(&b->outbox);
                world_write(b->w, 1000, BOOTS, b->at, 0);
                return;
        }
        b->catalog = kept_catalog(b);
        courier_init(&b->courier, &host, &b->outbox, &b->keys, b->catalog);
        b->alive = true;
        b->believed = 0;
        world_say(b->w, "%s (%u) starts: head %llu mark %llu turn %u", b->code, b->at,
                  (unsigned long long)b->outbox.now.head.seq, (unsigned long long)b->outbox.now.mark.seq,
                  b->outbox.now.turn);
        world_write(b->w, 10, CONNECTS, b->at, 0);
        settle(b);
}

static void stop(struct branch *b)
{
        if (!b->alive)
                return;
        courier_close(&b->courier);
        outbox_close(&b->outbox);
        b->alive = false;
}

void branch_die(struct branch *b, bool power)
{
        if (!b->alive)
                return;
        world_say(b->w, "%s (%u) dies%s", b->code, b->at, power ? " of a power cut" : "");
        disk_kill(b->disk);
        stop(b);
        b->line.up = b->line.broken = false;
        world_write(b->w, world_within(b->w, 500, power ? 15000 : 3000), BOOTS, b->at, 0);
}

void branch_end(struct branch *b)
{
        stop(b);
        disk_discard(b->backup);
        disk_free(b->disk);
}

struct branch *branch_copy(struct branch *b)
{
        struct world *w = b->w;
        if (w->n_branches == WORLD_BRANCHES)
                return NULL;
        struct branch *c = &w->branches[w->n_branches++];
        branch_begin(w, c, b->office);
        void *image = disk_save(b->disk);
        disk_restore(c->disk, image);
        disk_discard(image);
        c->line.hub = b->line.hub;
        world_say(w, "%s (%u) is copied to a second machine (%u)", b->code, b->at, c->at);
        branch_boot(c);
        return c;
}

/* ---- what happens to it */

void branch_link(struct branch *b, bool up)
{
        courier_link(&b->courier, up, now(b));
        settle(b);
}

void branch_hear(struct branch *b, const struct wire_bytes *frames, size_t n)
{
        courier_message(&b->courier, frames, n, now(b));
        settle(b);
}

void branch_tick(struct branch *b)
{
        b->tick_ms = 0;
        courier_tick(&b->courier, now(b));
        settle(b);
}

/* Idempotency-Keys are let go too. A clerk who waits thirty days before asking again is another story. */
static bool clerk_waits(const struct branch *b)
{
        const struct truth *t = &b->w->truth;
        for (size_t i = 0; i < t->n; i++)
                if (t->v[i].branch == b->at && t->v[i].asked && !t->v[i].done)
                        return true;
        return false;
}

void branch_trim(struct branch *b, int64_t keep_us)
{
        if (b->alive && !clerk_waits(b) && courier_trim(&b->courier, keep_us, now(b)))
                world_say(b->w, "%s (%u) lets go of what is acknowledged", b->code, b->at);
        settle(b);
}

void branch_take_over(struct branch *b)
{
        b->taking_over = b->alive ? !courier_take_over(&b->courier, now(b)) : b->taking_over;
        settle(b);
        if (b->taking_over)
                world_write(b->w, 2000, TAKES_OVER, b->at, 0);
}

/* ---- the clerk's door: as the programs take a parcel, in one transaction with its Idempotency-Key */

static int enter(struct branch *b, const struct promise *p, uint32_t report, const char *key, struct err *e)
{
        struct envelope r = {.submitted_at = truth_stamp(now(b).clock_us, report),
                             .dataset = b->catalog->datasets[p->dataset].code,
                             .period = p->label,
                             .action = p->action,
                             .payload = (const uint8_t *)text_c(&p->payload),
                             .payload_n = p->payload.n};
        struct outbox_request request = {.key = key, .at_us = now(b).clock_us};
        struct text answer = {0};
        memcpy(r.catalog, b->catalog->digest, sizeof r.catalog);
        text_add(&answer, "taken");
        int code = outbox_begin(&b->outbox, e);
        if (code == 0) {
                code = outbox_add(&b->outbox, &r, &(struct outbox_extra){.rows = (uint32_t)p->n}, e);
                if (code == 0)
                        code = outbox_request_keep(&b->outbox, &request, &answer, e);
                if (code == 0)
                        code = outbox_commit(&b->outbox, e);
                else
                        outbox_abandon(&b->outbox);
        }
        text_close(&answer);
        return code;
}

/* 1: the office says "accepted"; 0: it refuses for good; negative: no answer, ask again. */
static int ask(struct branch *b, uint32_t report)
{
        const struct promise *p = &b->w->truth.v[report];
        struct text answer = {0};
        struct err e = {0};
        uint8_t digest[OUTBOX_DIGEST];
        char key[16];
        if (!b->alive || b->frozen_ms > b->w->now_ms)
                return E_BUSY;
        snprintf(key, sizeof key, "r%u", report);
        int code = outbox_request_find(&b->outbox, key, digest, &answer, &e);
        text_close(&answer);
        if (code != 0 || b->outbox.now.passed)
                return code;
        code = enter(b, p, report, key, &e);
        if (code == 0 && disk_is_off(b->disk))
                code = E_IO; /* it is on the disk, but the answer never left */
        if (code == 0)
                courier_grew(&b->courier, now(b));
        return code == 0 ? 1 : code;
}

void branch_clerk(struct branch *b, uint32_t report)
{
        if (b->w->truth.v[report].past != b->past)
                report = truth_rewrite(b->w, b, report);
        struct promise *p = &b->w->truth.v[report];
        p->asked = true;
        int code = ask(b, report);
        p->done = code >= 0;
        if (code == 1)
                p->state = TRUTH_OWED;
        else if (code < 0)
                world_write(b->w, world_within(b->w, 100, RETRY_MS), CLERK, b->at, report);
        world_say(b->w, "%s (%u) is given report %u: %s", b->code, b->at, report,
                  code == 1   ? "accepted"
                  : code == 0 ? "refused"
                              : "no answer");
        settle(b);
}

bool branch_drained(struct branch *b)
{
        struct arena a = {0};
        struct err e = {0};
        const struct wire_wanted *wanted;
        size_t n = 0;
        if (!b->alive || b->courier.uplink.state != UPLINK_OPEN || b->taking_over ||
            b->outbox.now.mark.seq != b->outbox.now.head.seq)
                return false;
        bool all = outbox_wanted(&b->outbox, &a, &wanted, &n, &e) == 0 && n == 1 &&
                   wanted[0].from > b->outbox.now.head.seq;
        arena_close(&a);
        return all;
}
