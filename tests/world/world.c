#include "world/world.h"

#include "base/check.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        DRAIN_MS = 900 * 1000, /* after trouble has ended */
        LOOK_MS = 250,
        EVENTS_MOST = 400000,
};
bool world_canary;
static const int64_t epoch_us = INT64_C(1695081600000000); /* 2023-09-19 08:00 in Hohhot */

/* ---- small helpers */

void world_fail(struct world *w, const char *fmt, ...)
{
        struct text options = {0};
        va_list args;
        options_print(&w->options, &options);
        fflush(stdout);
        fprintf(stderr, "seed %llu at %lld ms: ", (unsigned long long)w->number, (long long)w->now_ms);
        va_start(args, fmt);
        vfprintf(stderr, fmt, args);
        va_end(args);
        fprintf(stderr, "\noptions:%s\n", text_c(&options));
        text_close(&options);
        exit(1);
}

void world_say(struct world *w, const char *fmt, ...)
{
        va_list args;
        if (!w->tells)
                return;
        printf("%8lld  ", (long long)w->now_ms);
        va_start(args, fmt);
        vprintf(fmt, args);
        va_end(args);
        putchar('\n');
}

bool world_dice(struct world *w, uint32_t of, uint32_t odds)
{
        return !w->calm && odds && seed_below(&w->seed, of) < odds;
}

int64_t world_within(struct world *w, int64_t least_ms, int64_t most_ms)
{
        return most_ms <= least_ms ? least_ms : seed_between(&w->seed, least_ms, most_ms);
}

void world_write(struct world *w, int64_t in_ms, enum happening what, uint16_t who, uint32_t stamp)
{
        agenda_add(&w->agenda,
                   (struct entry){.at_ms = w->now_ms + in_ms, .what = what, .who = who, .stamp = stamp});
}

int64_t world_mono_ms(const struct world *w, const struct clock *c)
{
        return 1000 + w->now_ms + w->now_ms * c->drift_ppm / 1000000;
}

int64_t world_clock_us(const struct world *w, const struct clock *c)
{
        return epoch_us + (w->now_ms * 1000 + w->now_ms * c->drift_ppm / 1000) + c->offset_us;
}

void world_note(struct world *w, const void *bytes, size_t n)
{
        w->trace = (w->trace ^ text_hash(bytes, n)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* The programs' own randomness comes from the seed too. */
static struct world *running;

static void random_bytes(void *const buf, const size_t n)
{
        uint8_t *p = buf;
        for (size_t i = 0; i < n; i++)
                p[i] = (uint8_t)seed_next(&running->seed);
}

static uint32_t random_number(void)
{
        return (uint32_t)seed_next(&running->seed);
}

static const char *random_name(void)
{
        return "world";
}

static struct randombytes_implementation from_seed = {
    .implementation_name = random_name, .random = random_number, .buf = random_bytes};

/* ---- the run */

static void begin(struct world *w, uint64_t number, bool tells)
{
        *w = (struct world){.number = number, .seed = seed_from(number), .tells = tells};
        running = w;
        options_draw(&w->options, &w->seed);
        if (tells) {
                struct text options = {0};
                options_print(&w->options, &options);
                printf("seed %llu:%s\n", (unsigned long long)number, text_c(&options));
                text_close(&options);
        }
        truth_begin(&w->truth);
        for (uint16_t i = 0; i < WORLD_HUBS; i++)
                w->hubs[i] = (struct centre){.w = w, .at = i, .started = i == 0, .held = 1};
        centre_boot(&w->hubs[0]);
        vault_begin(w);
        world_write(w, 1, BOOTS, WORLD_SINK, 0);
        for (uint16_t i = 0; i < STEPPE_OFFICES; i++) {
                struct branch *b = &w->branches[w->n_branches++];
                branch_begin(w, b, i);
                world_write(w, world_within(w, 1, 2000), BOOTS, i, 0);
                for (uint32_t k = 0; k < w->options.reports; k++)
                        world_write(w, world_within(w, 10, w->options.safety_ms), CLERK, i,
                                    truth_write(w, b));
        }
        trouble_plan(w);
}

static void end(struct world *w)
{
        struct entry e;
        while (agenda_next(&w->agenda, &e))
                road_forget(e.with);
        for (size_t i = 0; i < w->n_branches; i++)
                branch_end(&w->branches[i]);
        for (size_t i = 0; i < WORLD_HUBS; i++)
                hub_free(w->hubs[i].hub);
        vault_end(&w->vault);
        truth_end(&w->truth);
        agenda_close(&w->agenda);
}

/* What is meant for a frozen process waits; a mark of time that belongs to an earlier life is nothing. */
static bool put_off(struct world *w, const struct entry *e, int64_t until)
{
        if (until <= w->now_ms)
                return false;
        struct entry later = *e;
        later.at_ms = until;
        agenda_add(&w->agenda, later);
        return true;
}

static void tick(struct world *w, const struct entry *e)
{
        if (e->who == WORLD_SINK) {
                struct vault *v = &w->vault;
                if (v->alive && v->life == e->stamp && !put_off(w, e, v->frozen_ms))
                        vault_tick(v);
        } else {
                struct branch *b = &w->branches[e->who];
                if (b->alive && b->life == e->stamp && !put_off(w, e, b->frozen_ms))
                        branch_tick(b);
        }
}

static void happen(struct world *w, const struct entry *e)
{
        struct line *line;
        switch ((enum happening)e->what) {
        case ARRIVES: road_arrive(w, e->with); break;
        case CONNECTS:
                if (!put_off(w, e, *road_frozen(w, e->who)))
                        road_connect(w, e->who);
                break;
        case HEARS_BREAK:
                line = road_line(w, e->who);
                if (line->up && line->broken && line->conn == e->stamp &&
                    !put_off(w, e, *road_frozen(w, e->who)))
                        road_hear_break(w, e->who);
                break;
        case UNCUT: road_line(w, e->who)->cut = false; break;
        case BOOTS:
                if (e->who == WORLD_SINK)
                        vault_boot(&w->vault);
                else
                        branch_boot(&w->branches[e->who]);
                break;
        case HUB_BOOTS: centre_boot(&w->hubs[e->who]); break;
        case TICKS: tick(w, e); break;
        case HUB_TICKS:
                if (w->hubs[e->who].hub && w->hubs[e->who].life == e->stamp &&
                    !put_off(w, e, w->hubs[e->who].frozen_ms))
                        centre_tick(&w->hubs[e->who]);
                break;
        case CLERK: branch_clerk(&w->branches[e->who], e->stamp); break;
        case TROUBLE:
                if (!w->calm)
                        trouble_strikes(w, (enum fault_kind)e->stamp);
                break;
        case ROOM:
                if (e->who == WORLD_SINK)
                        disk_fill(w->vault.disk, false);
                else
                        disk_fill(w->branches[e->who].disk, false);
                break;
        case SKIPS: vault_skip(&w->vault, w->branches[e->stamp].code); break;
        case TAKES_OVER: branch_take_over(&w->branches[e->who]); break;
        }
}

static void step(struct world *w)
{
        struct entry e;
        bool any = agenda_next(&w->agenda, &e);
        POST(any);
        w->now_ms = e.at_ms;
        w->events++;
        uint64_t words[4] = {(uint64_t)e.at_ms, e.what, e.who, e.stamp};
        world_note(w, words, sizeof words);
        happen(w, &e);
        if (w->events > EVENTS_MOST)
                world_fail(w, "it does not come to rest");
}

static bool drained(struct world *w)
{
        for (size_t i = 0; i < w->truth.n; i++)
                if (!w->truth.v[i].done)
                        return false;
        for (size_t i = 0; i < w->n_branches; i++)
                if (!branch_drained(&w->branches[i]))
                        return false;
        return true;
}

static void what_is_missing(struct world *w)
{
        for (size_t i = 0; i < w->n_branches; i++) {
                const struct branch *b = &w->branches[i];
                if (!branch_drained(&w->branches[i]))
                        fprintf(stderr, "%s (%u): alive=%d %s turn=%u head=%llu mark=%llu %s %s\n", b->code,
                                b->at, b->alive, uplink_state_word(b->courier.uplink.state),
                                b->outbox.now.turn, (unsigned long long)b->outbox.now.head.seq,
                                (unsigned long long)b->outbox.now.mark.seq, b->courier.uplink.stop_code,
                                b->courier.uplink.stop_text);
        }
        const struct hub *h = w->hubs[0].hub;
        fprintf(stderr, "hub: %s; sink: alive=%d state=%d\n", h ? feed_state_word(hub_state(h)) : "dead",
                w->vault.alive, w->vault.teller.feed.state);
}

/* Until everything has drained; how long it took. */
static int64_t drain(struct world *w)
{
        int64_t from = w->now_ms, look = from;
        for (;;) {
                step(w);
                if (w->now_ms < look)
                        continue;
                if (drained(w))
                        return w->now_ms - from;
                if (w->now_ms - from > DRAIN_MS) {
                        what_is_missing(w);
                        world_fail(w, "not drained within %d s after all healed", DRAIN_MS / 1000);
                }
                look = w->now_ms + LOOK_MS;
        }
}

struct world_outcome world_run(uint64_t seed, bool tells)
{
        static struct world w;
        randombytes_set_implementation(&from_seed);
        begin(&w, seed, tells);
        while (w.now_ms < w.options.safety_ms)
                step(&w);
        trouble_ends(&w);
        struct world_outcome out = {.drained_ms = (uint64_t)drain(&w)};
        for (uint16_t i = 0; i < w.n_branches; i++)
                world_write(&w, world_within(&w, 1, 100), CLERK, i, truth_write(&w, &w.branches[i]));
        drain(&w);
        if (world_canary && seed % 1000 == 0)
                text_close(&w.truth.v[--w.truth.n].payload);
        out.totals = truth_judge(&w);
        out.events = w.events;
        out.trace = w.trace;
        out.simulated_ms = (uint64_t)w.now_ms;
        out.reports = w.truth.n;
        for (size_t i = 0; i < FAULTS; i++)
                out.faults += w.options.faults[i];
        end(&w);
        return out;
}
