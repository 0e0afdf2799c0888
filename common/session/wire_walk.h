/* wire_walk: are these bytes a message of this kind, and what will it cost to unpack them? Asked before
 * protobuf-c sees a byte (PITFALLS B1 to B4), and asked of protobuf-c's own description of the message, so
 * there is no second list of fields to keep.
 *
 * Refused, with a sentence that names the field: unknown fields, wrong wire types, a repeated number that is
 * not packed, anything but a repeated field given twice (two members of a oneof are the same field), numbers
 * outside their type, enum values that have no name, text that is not UTF-8 or holds a NUL or is longer than
 * WIRE_TEXT, too deep nesting, more memory than allowed. Varints need not be as short as they could be; tags
 * and lengths take at most 5 bytes.
 *
 * What is accepted here is unpacked by protobuf-c within `memory` bytes of an arena, `*cost` of them at most.
 */
#ifndef SUMU_SESSION_WIRE_WALK_H
#define SUMU_SESSION_WIRE_WALK_H

#include "base/err.h"

#include <protobuf-c/protobuf-c.h>

enum { WIRE_TEXT = 4096 };

struct wire_limits {
        unsigned depth; /* the outermost message is 1 */
        size_t memory;
};

/* 0, E_SYNTAX or E_LIMIT. `cost` may be NULL. */
int wire_walk(const ProtobufCMessageDescriptor *d, const uint8_t *bytes, size_t n, struct wire_limits limits,
              size_t *cost, struct err *e);

#endif
