/* options: everything a seed decides before the world begins. The same seed gives the same options, and a
 * failing run prints all of them. */
#ifndef SUMU_TESTS_WORLD_OPTIONS_H
#define SUMU_TESTS_WORLD_OPTIONS_H

#include "base/text.h"
#include "lib/seed.h"

enum fault_kind {
#define FAULT(name, most, often, what) FAULT_##name,
#include "world/faults.def"
#undef FAULT
        FAULTS
};
const char *fault_word(enum fault_kind k);

struct options {
#define OPTION(name, least, most, often, what) uint32_t name;
#include "world/options.def"
#undef OPTION
        uint32_t faults[FAULTS]; /* how often each happens */
};

void options_draw(struct options *o, struct seed *s);
void options_print(const struct options *o, struct text *out); /* name=value, what is not 0 */

#endif
