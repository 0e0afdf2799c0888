/* payload: the rows of a report as bytes, by columns (proto/sumu.proto, Payload).
 *
 * The columns are read straight from the wire bytes into sorted facts: no objects are built. The bytes are
 * plain protobuf all the same; a law compares both ways. What is strict here is what is strict in
 * session/wire_walk.h, and moreover: names are unique and codes (never the names people read), columns are of
 * one length, every index points into its dictionary, every note at a row. */
#ifndef SUMU_SESSION_PAYLOAD_H
#define SUMU_SESSION_PAYLOAD_H

#include "base/arena.h"
#include "core/report.h"

enum { PAYLOAD_NAME = 4096, PAYLOAD_NOTE = 64 * 1024 }; /* bytes */

/* Appends the payload of a report, in the order of its facts. Names come from the catalogue. A note whose row
 * has no fact is left out: it explains nothing. */
void payload_write(const struct catalog *c, const struct report *r, struct text *out);

enum payload_state {
        PAYLOAD_READ, /* facts, note and notes of *r are filled, sorted, in the arena; dataset, period, action
                         are left */
        PAYLOAD_UNKNOWN, /* well formed, but the reasons say what cannot stand: names this catalogue lacks, a
                          * row twice, a value or the whole too large */
        PAYLOAD_BROKEN,  /* not a payload */
        PAYLOAD_MEMORY,
};

/* *r is filled only if PAYLOAD_READ is answered. Derived indicators pass: report_check names them. */
enum payload_state payload_read(const uint8_t *bytes, size_t n, const struct catalog *c, uint32_t dataset,
                                struct arena *a, struct report *r, struct reasons *reasons);

#endif
