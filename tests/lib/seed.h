/* seed: random data that can be had again. SplitMix64; a failing law prints the seed it began with.
 *
 *     SUMU_SEED=17 ./laws_test_cube      the same data once more
 */
#ifndef SUMU_TESTS_SEED_H
#define SUMU_TESTS_SEED_H

#include <stdint.h>

struct seed {
        uint64_t state;
};

struct seed seed_from(uint64_t n);
uint64_t seed_next(struct seed *s);
uint64_t seed_below(struct seed *s, uint64_t n);                 /* 0 … n-1; n > 0 */
int64_t seed_between(struct seed *s, int64_t low, int64_t high); /* both included */
uint64_t seed_of_run(void);                                      /* SUMU_SEED, or a fixed one */

#endif
