/* pile: the revisions behind what stands, by place, so that a late one can be folded where it belongs.
 *
 * From the last replace or withdraw on (DESIGN.md section 3.6); what is before it is swept away. A zeroed
 * struct is an empty pile. */
#ifndef SUMU_CORE_PILE_H
#define SUMU_CORE_PILE_H

#include "core/report.h"

struct pile_revision;

struct pile {
        struct pile_revision *v;
        size_t n, cap;
        size_t bytes; /* held in all */
};

void pile_close(struct pile *p);
bool action_is_base(enum action a); /* replace or withdraw: nothing before it counts */

/* How many are before a place, and whether one is at it. */
size_t pile_before(const struct pile *p, struct place at);
bool pile_has(const struct pile *p, struct place at);

/* What would stand with a revision at its place; `after` comes in empty. false: memory. */
bool pile_fold(const struct pile *p, const struct report *r, struct place at, struct standing *after);

/* Puts a revision (a copy) at its place; a base sweeps away what is before it. In two halves, so that the
 * second cannot fail: pile_prepare takes the memory (false: none, nothing changed), pile_put uses it. */
struct pile_room {
        struct fact *facts;
};
bool pile_prepare(struct pile *p, const struct report *r, struct pile_room *room);
void pile_put(struct pile *p, const struct report *r, struct place at, struct pile_room *room);
void pile_room_close(struct pile_room *room);

#endif
