/* law: what must hold for any data; a failure names the seed it began with. */
#ifndef SUMU_TESTS_LAW_H
#define SUMU_TESTS_LAW_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/seed.h"

#define HOLDS(expr)                                                                                \
        do {                                                                                       \
                if (!(expr))                                                                       \
                        fail_msg("SUMU_SEED=%" PRIu64 ": %s does not hold", seed_of_run(), #expr); \
        } while (0)

#endif
