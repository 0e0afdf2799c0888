/* payload: the rows of a report as bytes, by columns (proto/sumu.proto, Payload).
 *
 * The columns are read straight from the wire bytes into sorted facts: no objects are built. The bytes are plain
 * protobuf all the same; a test compares both ways. */
#ifndef SUMU_SESSION_PAYLOAD_H
#define SUMU_SESSION_PAYLOAD_H

#include "base/arena.h"
#include "core/report.h"

/* Appends the payload of a report. Names come from the catalogue. */
void payload_write(const struct catalog *c, const struct report *r, struct text *out);

enum payload_state {
        PAYLOAD_READ,    /* facts, note and notes of *r are filled, sorted, in the arena; dataset, period, action are left */
        PAYLOAD_UNKNOWN, /* well formed, but names things this catalogue lacks, or a row twice: reasons say which */
        PAYLOAD_BROKEN,  /* not a payload */
        PAYLOAD_MEMORY,
};

enum payload_state payload_read(const uint8_t *bytes, size_t n, const struct catalog *c, uint32_t dataset,
                                struct arena *a, struct report *r, struct reasons *reasons);

#endif
