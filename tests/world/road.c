/* A connection is a number that grows; letters carry it. What was posted on one that is dead by the time of
 * arrival is lost or, with the option `stale`, arrives all the same: a ROUTER hands over what it had received
 * before it noticed, a new process reads what lies in a socket's queue. */
#include "world/world.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { HEARTBEAT_MS = 15000, RETRY_MS = 1000 };

struct letter {
        bool up;
        uint8_t hub;
        uint16_t client;
        uint32_t conn, hub_life, n;
        struct wire_bytes frames[];
};

struct line *road_line(struct world *w, uint16_t client)
{
        return client == WORLD_SINK ? &w->vault.line : &w->branches[client].line;
}

int64_t *road_frozen(struct world *w, uint16_t client)
{
        return client == WORLD_SINK ? &w->vault.frozen_ms : &w->branches[client].frozen_ms;
}

static bool client_alive(struct world *w, uint16_t client)
{
        return client == WORLD_SINK ? w->vault.alive : w->branches[client].alive;
}

bool road_open(struct world *w, uint16_t client, uint32_t conn)
{
        const struct line *l = road_line(w, client);
        return l->up && l->conn == conn && client_alive(w, client);
}

static struct letter *letter_new(const struct wire_bytes *frames, size_t n)
{
        size_t bytes = 0;
        for (size_t i = 0; i < n; i++)
                bytes += frames[i].n;
        struct letter *l = malloc(sizeof *l + n * sizeof *l->frames + bytes);
        PRE(l);
        *l = (struct letter){.n = (uint32_t)n};
        uint8_t *p = (uint8_t *)(l->frames + n);
        for (size_t i = 0; i < n; i++) {
                if (frames[i].n)
                        memcpy(p, frames[i].p, frames[i].n);
                l->frames[i] = (struct wire_bytes){p, frames[i].n};
                p += frames[i].n;
        }
        return l;
}

void road_forget(struct letter *l)
{
        free(l);
}

static void send_off(struct world *w, struct line *line, struct letter *l)
{
        int64_t at = w->now_ms + world_within(w, 1, w->calm ? 20 : w->options.delay_ms);
        int64_t *last = &line->last_ms[l->up];
        if (!world_dice(w, 10000, w->options.overtaken)) {
                if (at < *last)
                        at = *last;
                *last = at;
        }
        agenda_add(&w->agenda, (struct entry){.at_ms = at, .what = ARRIVES, .who = l->client, .with = l});
}

bool road_post(struct world *w, uint16_t client, bool up, const struct wire_bytes *frames, size_t n)
{
        struct line *line = road_line(w, client);
        if (!line->up)
                return false;
        if (line->broken || line->cut || world_dice(w, 10000, w->options.lost))
                return true; /* nobody notices, yet */
        int copies = world_dice(w, 10000, w->options.twice) ? 2 : 1;
        for (int i = 0; i < copies; i++) {
                struct letter *l = letter_new(frames, n);
                l->up = up;
                l->client = client;
                l->hub = line->hub;
                l->conn = line->conn;
                l->hub_life = line->hub_life;
                send_off(w, line, l);
        }
        return true;
}

/* The hub or client is frozen: the letter waits before its door. */
static bool waits(struct world *w, struct letter *l)
{
        int64_t until = l->up ? w->hubs[l->hub].frozen_ms : *road_frozen(w, l->client);
        if (until <= w->now_ms)
                return false;
        agenda_add(&w->agenda, (struct entry){.at_ms = until, .what = ARRIVES, .who = l->client, .with = l});
        return true;
}

static bool passes(struct world *w, const struct letter *l)
{
        const struct line *line = road_line(w, l->client);
        const struct centre *h = &w->hubs[l->hub];
        if (!h->hub || (!l->up && !client_alive(w, l->client)))
                return false;
        if (line->up && line->conn == l->conn && h->life == l->hub_life)
                return !line->cut && !line->broken;
        return world_dice(w, 100, w->options.stale);
}

void road_arrive(struct world *w, struct letter *l)
{
        if (waits(w, l))
                return;
        if (passes(w, l)) {
                for (uint32_t i = 0; i < l->n; i++)
                        world_note(w, l->frames[i].p, l->frames[i].n);
                if (l->up)
                        centre_hear(&w->hubs[l->hub], l->client, l->conn, l->frames, l->n);
                else if (l->client == WORLD_SINK)
                        vault_hear(&w->vault, l->frames, l->n);
                else
                        branch_hear(&w->branches[l->client], l->frames, l->n);
        }
        road_forget(l);
}

static void tell_client(struct world *w, uint16_t client, bool up)
{
        if (client == WORLD_SINK)
                vault_link(&w->vault, up);
        else
                branch_link(&w->branches[client], up);
}

void road_connect(struct world *w, uint16_t client)
{
        struct line *line = road_line(w, client);
        struct centre *h = &w->hubs[line->hub];
        if (!client_alive(w, client) || line->up)
                return;
        if (!h->hub || line->cut || h->frozen_ms > w->now_ms) {
                world_write(w, world_within(w, RETRY_MS / 4, RETRY_MS), CONNECTS, client, 0);
                return;
        }
        line->conn++;
        line->up = true;
        line->broken = false;
        line->hub_life = h->life;
        line->last_ms[0] = line->last_ms[1] = w->now_ms;
        tell_client(w, client, true);
}

void road_break(struct world *w, uint16_t client)
{
        struct line *line = road_line(w, client);
        if (!line->up || line->broken)
                return;
        line->broken = true;
        world_write(w, world_within(w, 0, w->calm ? 100 : HEARTBEAT_MS), HEARS_BREAK, client, line->conn);
}

void road_hear_break(struct world *w, uint16_t client)
{
        struct line *line = road_line(w, client);
        line->up = false;
        tell_client(w, client, false);
        world_write(w, world_within(w, 10, RETRY_MS), CONNECTS, client, 0);
}
