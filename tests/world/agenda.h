/* agenda: what is going to happen in the simulated world, in the order of its time and then of its writing.
 */
#ifndef SUMU_TESTS_WORLD_AGENDA_H
#define SUMU_TESTS_WORLD_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
        int64_t at_ms;
        uint64_t order; /* of its writing */
        uint16_t what, who;
        uint32_t stamp; /* what it was written for may be over when its time comes */
        void *with;     /* the writer's */
};

struct agenda {
        struct entry *v; /* a heap */
        size_t n, cap;
        uint64_t written;
};

void agenda_add(struct agenda *a, struct entry e); /* `order` is filled in */
bool agenda_next(struct agenda *a, struct entry *e);
void agenda_close(struct agenda *a);

#endif
