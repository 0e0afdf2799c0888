#include "lib/seed.h"

#include <stdlib.h>

struct seed seed_from(uint64_t n)
{
        return (struct seed){n};
}

uint64_t seed_next(struct seed *s)
{
        uint64_t z = (s->state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

uint64_t seed_below(struct seed *s, uint64_t n)
{
        return seed_next(s) % n;
}

int64_t seed_between(struct seed *s, int64_t low, int64_t high)
{
        return low + (int64_t)seed_below(s, (uint64_t)(high - low) + 1);
}

uint64_t seed_of_run(void)
{
        const char *text = getenv("SUMU_SEED");
        return text ? strtoull(text, NULL, 10) : 20231123;
}
