/* chain: the hash chain of a stream and the signature over its head (DESIGN.md section 4, rule 1).
 *
 *     hash(0) = BLAKE2b-256(label, office, stream)
 *     hash(n) = BLAKE2b-256(label, office, stream, seq, hash(n-1), submitted_at, catalogue digest, dataset,
 * period, action, payload bytes)
 *
 * Texts and bytes enter with their length (8 bytes, little-endian) before them, numbers as 8 bytes
 * little-endian, so no two different inputs give the same bytes. Pure: keys and times are the caller's. */
#ifndef SUMU_SESSION_CHAIN_H
#define SUMU_SESSION_CHAIN_H

#include "core/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_ID = 8, HASH = 32, SIGNATURE = 64 };

struct stream_id {
        uint8_t b[STREAM_ID];
};

struct hash {
        uint8_t b[HASH];
};

bool stream_same(struct stream_id a, struct stream_id b);
bool hash_same(struct hash a, struct hash b);
void stream_text(struct stream_id s, char out[2 * STREAM_ID + 1]);
bool stream_read(const char *text, struct stream_id *s);

struct envelope { /* a report as it travels: everything that is hashed but its place in the stream */
        int64_t submitted_at; /* microseconds since 1970 UTC, the office's clock */
        uint8_t catalog[32];
        const char *dataset, *period;
        enum action action;
        const uint8_t *payload;
        size_t payload_n;
};

/* The stream in which a fork goes on (rule 7), when reports move there: `first` is the hash that the first of
 * them had at after + 1. An outbox that is restored once more, to the days before it forked, forks into the
 * same stream, with the same reports under the same numbers, so that HQ sees that it holds them already. */
struct stream_id chain_fork(const char *office, struct stream_id stream, uint64_t after, struct hash first);

struct hash chain_start(const char *office, struct stream_id stream);
struct hash chain_next(const char *office, struct stream_id stream, uint64_t seq, struct hash previous,
                       const struct envelope *r);

void chain_sign(const char *office, struct stream_id stream, uint64_t seq, struct hash head,
                const uint8_t secret[64], uint8_t signature[SIGNATURE]);
bool chain_verify(const char *office, struct stream_id stream, uint64_t seq, struct hash head,
                  const uint8_t public_key[32], const uint8_t signature[SIGNATURE]);

#endif
