/* The museum's switch: SUMU_PLANTED=NAME makes one mistake of planted.def. It is read before main, so that
 * rooms that may not read the environment need not, and part of no other build. */
#include "base/planted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum planted planted;

static const char *const names[] = {
#define PLANT(name, program, test, wrong, lesson) [PLANTED_##name] = #name,
#define WITNESS(name, program, test)
#include "base/planted.def"
#undef WITNESS
#undef PLANT
};

__attribute__((constructor)) static void planted_choose(void)
{
        const char *name = getenv("SUMU_PLANTED");
        if (!name)
                return;
        for (size_t i = 1; i < sizeof names / sizeof *names; i++)
                if (strcmp(name, names[i]) == 0) {
                        planted = (enum planted)i;
                        return;
                }
        fprintf(stderr, "SUMU_PLANTED=%s: base/planted.def has no such row\n", name);
        exit(2);
}
