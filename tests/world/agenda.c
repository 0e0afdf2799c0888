#include "world/agenda.h"

#include "base/check.h"

#include <stdlib.h>

static bool before(const struct entry *a, const struct entry *b)
{
        return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void agenda_add(struct agenda *a, struct entry e)
{
        if (a->n == a->cap) {
                a->cap = a->cap ? a->cap * 2 : 256;
                a->v = realloc(a->v, a->cap * sizeof *a->v);
                PRE(a->v);
        }
        e.order = a->written++;
        size_t at = a->n++;
        for (; at > 0 && before(&e, &a->v[(at - 1) / 2]); at = (at - 1) / 2)
                a->v[at] = a->v[(at - 1) / 2];
        a->v[at] = e;
}

bool agenda_next(struct agenda *a, struct entry *e)
{
        if (a->n == 0)
                return false;
        *e = a->v[0];
        struct entry last = a->v[--a->n];
        size_t at = 0;
        for (size_t child; (child = 2 * at + 1) < a->n; at = child) {
                if (child + 1 < a->n && before(&a->v[child + 1], &a->v[child]))
                        child++;
                if (!before(&a->v[child], &last))
                        break;
                a->v[at] = a->v[child];
        }
        a->v[at] = last;
        return true;
}

void agenda_close(struct agenda *a)
{
        free(a->v);
        *a = (struct agenda){0};
}
