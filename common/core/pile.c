#include "core/pile.h"

#include <stdlib.h>
#include <string.h>

struct pile_revision {
        struct place at;
        enum action action;
        struct fact *facts;
        size_t n;
};

bool action_is_base(enum action a)
{
        return a == REPLACE || a == WITHDRAW;
}

static void sweep(struct pile *p, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                p->bytes -= p->v[i].n * sizeof *p->v[i].facts;
                free(p->v[i].facts);
        }
}

void pile_close(struct pile *p)
{
        sweep(p, p->n);
        free(p->v);
        *p = (struct pile){0};
}

size_t pile_before(const struct pile *p, struct place at)
{
        size_t i = p->n;
        while (i > 0 && place_compare(p->v[i - 1].at, at) >= 0) /* mostly the last */
                i--;
        return i;
}

bool pile_has(const struct pile *p, struct place at)
{
        size_t i = pile_before(p, at);
        return i < p->n && place_compare(p->v[i].at, at) == 0;
}

static bool fold(struct standing *after, const struct pile_revision *v, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!standing_fold(after, v[i].action, v[i].facts, v[i].n))
                        return false;
        return true;
}

bool pile_fold(const struct pile *p, const struct report *r, struct place at, struct standing *after)
{
        size_t i = pile_before(p, at);
        return (action_is_base(r->action) || fold(after, p->v, i)) &&
               standing_fold(after, r->action, r->facts, r->n) && fold(after, p->v + i, p->n - i);
}

static bool reserve(struct pile *p)
{
        if (p->n < p->cap)
                return true;
        size_t cap = p->cap ? p->cap * 2 : 4;
        struct pile_revision *v = realloc(p->v, cap * sizeof *v);
        if (!v)
                return false;
        p->bytes += (cap - p->cap) * sizeof *v;
        p->v = v;
        p->cap = cap;
        return true;
}

bool pile_prepare(struct pile *p, const struct report *r, struct pile_room *room)
{
        *room = (struct pile_room){0};
        if (!reserve(p))
                return false;
        if (!r->n)
                return true;
        room->facts = malloc(r->n * sizeof *room->facts);
        return room->facts;
}

void pile_put(struct pile *p, const struct report *r, struct place at, struct pile_room *room)
{
        size_t before = pile_before(p, at), swept = action_is_base(r->action) ? before : 0;
        if (r->n)
                memcpy(room->facts, r->facts, r->n * sizeof *room->facts);
        sweep(p, swept);
        memmove(&p->v[before - swept + 1], &p->v[before], (p->n - before) * sizeof *p->v);
        p->v[before - swept] = (struct pile_revision){at, r->action, room->facts, r->n};
        p->n += 1 - swept;
        p->bytes += r->n * sizeof *room->facts;
        room->facts = NULL;
}

void pile_room_close(struct pile_room *room)
{
        free(room->facts);
        *room = (struct pile_room){0};
}
