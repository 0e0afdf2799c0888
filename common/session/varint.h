/* varint: protobuf's integers of 7 bits a byte, lowest first. A longer form than needed is understood, one of
 * more than 10 bytes or 64 bits is not. */
#ifndef SUMU_SESSION_VARINT_H
#define SUMU_SESSION_VARINT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VARINT_MAX = 10 };

/* Of protobuf's wire types those that exist in proto3. */
enum { WIRE_TYPE_VARINT = 0, WIRE_TYPE_64 = 1, WIRE_TYPE_BYTES = 2, WIRE_TYPE_32 = 5 };

static inline bool varint_get_long(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
        uint64_t value = 0;
        const uint8_t *b = *p;
        for (unsigned shift = 0; b < end && shift < 70; shift += 7, b++) {
                if (shift == 63 && *b > 1)
                        return false;
                value |= (uint64_t)(*b & 0x7f) << shift;
                if (*b < 0x80) {
                        *p = b + 1;
                        *v = value;
                        return true;
                }
        }
        return false;
}

static inline uint64_t varint_load(const uint8_t *p)
{
        uint64_t w;
        memcpy(&w, p, sizeof w);
        return le64toh(w);
}

static const uint64_t VARINT_STOPS = UINT64_C(0x8080808080808080);

/* Takes one at *p; false, and nothing is moved, if none ends before `end`. Lengths that vary cannot be
 * foretold, so up to 8 bytes are taken without asking how many: the lowest byte without the high bit is the
 * last, the groups of 7 bits below it are pushed together in pairs. */
static inline bool varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
        if (end - *p < 8)
                return varint_get_long(p, end, v);
        uint64_t w = varint_load(*p), stops = ~w & VARINT_STOPS;
        if (!stops)
                return varint_get_long(p, end, v);
        *p += (__builtin_ctzll(stops) + 1) / 8;
        w &= (stops ^ (stops - 1)) & ~VARINT_STOPS;
        w = (w & UINT64_C(0x007f007f007f007f)) | (w & UINT64_C(0x7f007f007f007f00)) >> 1;
        w = (w & UINT64_C(0x00003fff00003fff)) | (w & UINT64_C(0x3fff00003fff0000)) >> 2;
        w = (w & UINT64_C(0x000000000fffffff)) | (w & UINT64_C(0x0fffffff00000000)) >> 4;
        *v = w;
        return true;
}

/* Takes a length and the bytes it speaks of; false if they are not all there. */
static inline bool varint_get_bytes(const uint8_t **p, const uint8_t *end, const uint8_t **bytes, size_t *n)
{
        uint64_t length;
        const uint8_t *at = *p;
        if (!varint_get(&at, end, &length) || length > (size_t)(end - at))
                return false;
        *bytes = at;
        *n = (size_t)length;
        *p = at + length;
        return true;
}

/* How many there are in packed bytes; SIZE_MAX if the last one does not end. */
static inline size_t varint_count(const uint8_t *p, size_t n)
{
        static const uint64_t ones = UINT64_C(0x0101010101010101);
        if (n && p[n - 1] >= 0x80)
                return SIZE_MAX;
        size_t count = 0, i = 0;
        for (; n - i >= 8; i += 8)
                count += (~varint_load(p + i) >> 7 & ones) * ones >> 56;
        for (; i < n; i++)
                count += p[i] < 0x80;
        return count;
}

static inline size_t varint_size(uint64_t v)
{
        size_t n = 1;
        for (; v >= 0x80; v >>= 7)
                n++;
        return n;
}

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
        for (; v >= 0x80; v >>= 7)
                *p++ = (uint8_t)(v | 0x80);
        *p++ = (uint8_t)v;
        return p;
}

/* Signed ones travel folded, so that small sizes stay short: 0, -1, 1, -2 … are 0, 1, 2, 3 … */
static inline uint64_t varint_fold(int64_t v)
{
        return (uint64_t)v << 1 ^ -(uint64_t)(v < 0);
}

static inline int64_t varint_unfold(uint64_t v)
{
        return (int64_t)(v >> 1 ^ -(v & 1));
}

#endif
