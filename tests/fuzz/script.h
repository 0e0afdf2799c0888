/* script: hostile bytes read as a play. A stateful target takes its moves from the input: what is left of it
 * is never overrun, and after its end everything reads as zero. */
#ifndef SUMU_TESTS_FUZZ_SCRIPT_H
#define SUMU_TESTS_FUZZ_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script {
        const uint8_t *at;
        size_t left;
};

static inline uint8_t script_byte(struct script *s)
{
        if (!s->left)
                return 0;
        s->left--;
        return *s->at++;
}

/* Takes n bytes, or all that are left. */
static inline const uint8_t *script_bytes(struct script *s, size_t *n)
{
        const uint8_t *p = s->at;
        if (*n > s->left)
                *n = s->left;
        if (*n == 0)
                return (const uint8_t *)"";
        s->at += *n;
        s->left -= *n;
        return p;
}

/* Numbers as a peer would choose them: most are small, some stand at the edges of their types. */
static inline uint64_t script_number(struct script *s)
{
        static const uint64_t edges[] = {
            INT32_MAX, (uint64_t)INT32_MAX + 1, UINT32_MAX,          INT64_MAX - 1,
            INT64_MAX, (uint64_t)INT64_MAX + 1, (uint64_t)INT64_MIN, UINT64_MAX - 1,
            UINT64_MAX};
        uint8_t b = script_byte(s);
        if (b < 200)
                return b;
        if (b < 200 + sizeof edges / sizeof *edges)
                return edges[b - 200];
        uint64_t v = 0;
        for (int i = 0; i < 8; i++)
                v = v << 8 | script_byte(s);
        return v;
}

#endif
