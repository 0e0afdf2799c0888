#include "world/world.h"

#include "base/check.h"

static struct branch *any_branch(struct world *w)
{
        return &w->branches[seed_below(&w->seed, w->n_branches)];
}

static uint16_t any_client(struct world *w)
{
        return seed_below(&w->seed, 3) == 0 ? WORLD_SINK : (uint16_t)seed_below(&w->seed, w->n_branches);
}

static void freeze(struct world *w, int64_t *until, const char *who)
{
        *until = w->now_ms + world_within(w, 500, 20000);
        world_say(w, "%s stands still for %lld ms", who, (long long)(*until - w->now_ms));
}

static void cut(struct world *w, uint16_t client)
{
        struct line *line = road_line(w, client);
        world_say(w, "the line of %u is cut", client);
        line->cut = true;
        road_break(w, client);
        world_write(w, world_within(w, 1000, 30000), UNCUT, client, 0);
}

static void fill(struct world *w, uint16_t client)
{
        struct disk *d = client == WORLD_SINK ? w->vault.disk : w->branches[client].disk;
        world_say(w, "the disk of %u is full", client);
        disk_fill(d, true);
        world_write(w, world_within(w, 1000, 20000), ROOM, client, 0);
}

/* Offices' clocks may be anywhere; HQ's is somebody's duty, and is wrong by at most some years. */
static void jump(struct world *w)
{
        static const int64_t hour_us = INT64_C(3600000000);
        static const int64_t by_hours[] = {1, -1, 24, -24, 24 * 366, -24 * 366};
        int64_t by = by_hours[seed_below(&w->seed, 6)] * hour_us;
        uint64_t who = seed_below(&w->seed, w->n_branches + 2);
        struct clock *c = who < w->n_branches    ? &w->branches[who].clock
                          : who == w->n_branches ? &w->hubs[0].clock
                                                 : &w->vault.clock;
        if (who < w->n_branches && seed_below(&w->seed, 4) == 0)
                c->offset_us = seed_below(&w->seed, 2) ? INT64_C(-1690000000) * 1000000 /* 1970 */
                                                       : INT64_C(464000000) * 1000000;  /* 2038 */
        else
                c->offset_us += by;
        if (world_clock_us(w, c) < 0)
                c->offset_us = 0; /* no machine counts from before 1970 */
        world_say(w, "a clock jumps");
}

static void save_office(struct branch *b)
{
        disk_discard(b->backup);
        b->backup = disk_save(b->disk);
        b->has_backup = true;
        world_say(b->w, "a backup of %s (%u)", b->code, b->at);
}

/* NULL: the file is gone. */
static void put_back_office(struct branch *b, const void *backup)
{
        world_say(b->w, "the outbox of %s (%u) is %s", b->code, b->at, backup ? "put back" : "lost");
        branch_die(b, false);
        disk_restore(b->disk, backup);
        b->past++;
        truth_release(b->w);
}

static void put_back_sink(struct vault *v)
{
        world_say(v->w, "the store is put back");
        vault_die(v, false);
        disk_restore(v->disk, v->backup);
        v->went_back = true;
        truth_release(v->w);
}

static void switch_hub(struct world *w, uint16_t client, uint8_t to)
{
        struct line *line = road_line(w, client);
        if (line->hub == to)
                return;
        world_say(w, "the line of %u goes to hub %u", client, to);
        bool was_up = line->up;
        line->hub = to;
        if (was_up)
                road_hear_break(w, client);
}

void trouble_strikes(struct world *w, enum fault_kind k)
{
        struct branch *b = any_branch(w);
        struct vault *v = &w->vault;
        switch (k) {
        case FAULT_KILL_OFFICE: branch_die(b, false); break;
        case FAULT_FREEZE_OFFICE: freeze(w, &b->frozen_ms, b->code); break;
        case FAULT_KILL_HUB:
                centre_die(&w->hubs[0]);
                world_write(w, world_within(w, 500, 5000), HUB_BOOTS, 0, 0);
                break;
        case FAULT_FREEZE_HUB: freeze(w, &w->hubs[0].frozen_ms, "hub 0"); break;
        case FAULT_KILL_SINK: vault_die(v, false); break;
        case FAULT_FREEZE_SINK: freeze(w, &v->frozen_ms, "the sink"); break;
        case FAULT_RESET_LINE: road_break(w, any_client(w)); break;
        case FAULT_CUT_LINE: cut(w, any_client(w)); break;
        case FAULT_FULL_DISK: fill(w, any_client(w)); break;
        case FAULT_JUMP_CLOCK: jump(w); break;
        case FAULT_SAVE_SINK:
                disk_discard(v->backup);
                v->backup = disk_save(v->disk);
                v->has_backup = true;
                break;
        case FAULT_RESTORE_SINK:
                if (v->has_backup)
                        put_back_sink(v);
                break;
        case FAULT_SAVE_OFFICE: save_office(b); break;
        case FAULT_RESTORE_OFFICE:
                if (b->has_backup)
                        put_back_office(b, b->backup);
                break;
        case FAULT_LOSE_OFFICE: put_back_office(b, NULL); break;
        case FAULT_COPY_OFFICE:
                b = branch_copy(b);
                for (int i = 0; b && i < 3; i++)
                        world_write(w, world_within(w, 10, 20000), CLERK, b->at, truth_write(w, b));
                break;
        case FAULT_TAKE_OVER: branch_take_over(b); break;
        case FAULT_SECOND_HUB:
                w->hubs[1].started = true;
                centre_boot(&w->hubs[1]);
                break;
        case FAULT_SWITCH_HUB:
                if (w->hubs[1].started) {
                        uint16_t client = any_client(w);
                        switch_hub(w, client, !road_line(w, client)->hub);
                }
                break;
        case FAULT_NEW_CATALOG: vault_take_catalog(v); break;
        case FAULT_TRIM: branch_trim(b, world_within(w, 0, 20000) * 1000); break;
        case FAULTS: UNREACHABLE();
        }
}

void trouble_plan(struct world *w)
{
        for (uint32_t k = 0; k < FAULTS; k++)
                for (uint32_t i = 0; i < w->options.faults[k]; i++)
                        world_write(w, world_within(w, 0, w->options.safety_ms), TROUBLE, 0, k);
}

void trouble_ends(struct world *w)
{
        world_say(w, "all heals");
        w->calm = true;
        for (size_t i = 0; i < w->n_branches; i++) {
                struct branch *b = &w->branches[i];
                disk_odds(b->disk, (struct disk_odds){0});
                disk_fill(b->disk, false);
                b->line.cut = false;
                b->frozen_ms = 0;
        }
        disk_odds(w->vault.disk, (struct disk_odds){0});
        disk_fill(w->vault.disk, false);
        w->vault.line.cut = false;
        w->vault.frozen_ms = w->hubs[0].frozen_ms = w->hubs[1].frozen_ms = 0;
        centre_boot(&w->hubs[0]);
        centre_die(&w->hubs[1]); /* the operator stops the one too many */
        w->hubs[1].started = false;
        for (uint16_t i = 0; i < w->n_branches; i++)
                switch_hub(w, i, 0);
        switch_hub(w, WORLD_SINK, 0);
}
