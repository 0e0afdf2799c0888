/* The canary: a law over ten thousand seeds that holds for all of them but, once it is planted, one. With it
 * the museum tries its alarm. */
#include "lib/law.h"

#include "base/planted.h"

static void a_law_over_many_seeds(void **state)
{
        (void)state;
        for (uint64_t n = 1; n <= 10000; n++) {
                struct seed s = seed_from(n);
                uint64_t low = seed_below(&s, 1000), high = low + seed_below(&s, 1000);
                if (PLANTED(CANARY) && n == 4711)
                        high = low - 1;
                if (high < low)
                        fail_msg("SUMU_SEED=%" PRIu64 ": the canary is dead", n);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_law_over_many_seeds)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
