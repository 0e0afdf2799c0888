/* The cost follows protobuf_c_message_unpack of 1.4.1 step by step: the struct; an array for each repeated
 * field; a copy of each text and of each run of bytes; and notes of its own about the fields it scans, in
 * slabs that double, the first of which is on the stack. The arena rounds every piece up to 16. */
#include "session/wire_walk.h"

#include "base/check.h"
#include "base/text.h"
#include "session/varint.h"

#include <limits.h>

enum { FIELDS_MAX = 64, SLAB_FIRST = 16, SLAB_ENTRY = 32, HEAD_MAX = 5, ROUNDING = 15 };

struct walk {
        size_t left; /* of the memory allowed */
        struct err *e;
};

/* One message on the way down: the bytes still to read, and the fields met so far. */
struct level {
        const ProtobufCMessageDescriptor *d;
        const uint8_t *p, *end;
        unsigned depth; /* how many more levels may be opened */
        uint64_t met;   /* by place in the description */
};

static int walk_message(struct walk *w, const ProtobufCMessageDescriptor *d, const uint8_t *p, size_t n,
                        unsigned depth);

static int refuse(struct walk *w, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
                  const char *why)
{
        return err_set(w->e, E_SYNTAX, "%s.%s %s", d->short_name, f->name, why);
}

static int spend(struct walk *w, const ProtobufCMessageDescriptor *d, size_t bytes)
{
        if (bytes > w->left)
                return err_set(w->e, E_LIMIT, "%s takes more memory than a message may", d->short_name);
        w->left -= bytes;
        return 0;
}

static unsigned wire_type_of(ProtobufCType t)
{
        switch (t) {
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_DOUBLE: return WIRE_TYPE_64;
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_FLOAT: return WIRE_TYPE_32;
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_BYTES:
        case PROTOBUF_C_TYPE_MESSAGE: return WIRE_TYPE_BYTES;
        default: return WIRE_TYPE_VARINT;
        }
}

static bool is_packed(const ProtobufCFieldDescriptor *f)
{
        return f->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
}

/* Of an element of a packed field, in memory. */
static size_t size_of(ProtobufCType t)
{
        switch (t) {
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_INT64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_DOUBLE: return 8;
        default: return 4;
        }
}

/* protobuf-c cuts numbers to their type without a word. */
static bool number_fits(const ProtobufCFieldDescriptor *f, uint64_t v)
{
        switch (f->type) {
        case PROTOBUF_C_TYPE_BOOL: return v <= 1;
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_SINT32: return v <= UINT32_MAX;
        case PROTOBUF_C_TYPE_INT32: return v <= INT32_MAX || v >= (uint64_t)INT32_MIN;
        case PROTOBUF_C_TYPE_ENUM:
                return v <= INT32_MAX && protobuf_c_enum_descriptor_get_value(f->descriptor, (int)v);
        default: return true;
        }
}

static int walk_number(struct walk *w, struct level *at, const ProtobufCFieldDescriptor *f)
{
        uint64_t v;
        if (!varint_get(&at->p, at->end, &v))
                return refuse(w, at->d, f, "is cut off");
        return number_fits(f, v) ? 0 : refuse(w, at->d, f, "is out of range");
}

static int walk_fixed(struct walk *w, struct level *at, const ProtobufCFieldDescriptor *f, size_t n)
{
        if (n > (size_t)(at->end - at->p))
                return refuse(w, at->d, f, "is cut off");
        at->p += n;
        return 0;
}

static int walk_packed(struct walk *w, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
                       const uint8_t *p, size_t n)
{
        unsigned type = wire_type_of(f->type);
        size_t width = type == WIRE_TYPE_64 ? 8 : 4;
        size_t count = type == WIRE_TYPE_VARINT ? varint_count(p, n) : n % width ? SIZE_MAX : n / width;
        if (count == SIZE_MAX)
                return refuse(w, d, f, "is cut off");
        struct level inside = {.d = d, .p = p, .end = p + n};
        for (int rc = 0; type == WIRE_TYPE_VARINT && inside.p < inside.end;)
                if ((rc = walk_number(w, &inside, f)) < 0)
                        return rc;
        return spend(w, d, count * size_of(f->type) + ROUNDING);
}

static int walk_text(struct walk *w, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
                     const uint8_t *p, size_t n)
{
        if (n > WIRE_TEXT)
                return err_set(w->e, E_LIMIT, "%s.%s is longer than %d bytes", d->short_name, f->name,
                               WIRE_TEXT);
        if (!text_is_utf8(p, n))
                return refuse(w, d, f, "is not UTF-8");
        return spend(w, d, n + 1 + ROUNDING);
}

static int walk_bytes(struct walk *w, struct level *at, const ProtobufCFieldDescriptor *f)
{
        const uint8_t *p, *start = at->p;
        size_t n;
        if (!varint_get_bytes(&at->p, at->end, &p, &n))
                return refuse(w, at->d, f, "is cut off");
        if (p - start > HEAD_MAX)
                return refuse(w, at->d, f, "has a length of more than 5 bytes");
        if (is_packed(f))
                return walk_packed(w, at->d, f, p, n);
        switch (f->type) {
        case PROTOBUF_C_TYPE_STRING: return walk_text(w, at->d, f, p, n);
        case PROTOBUF_C_TYPE_MESSAGE: return walk_message(w, f->descriptor, p, n, at->depth);
        default: return spend(w, at->d, n + ROUNDING);
        }
}

/* Was the field met before in this message? All members of a oneof are one field. */
static bool met(struct level *at, const ProtobufCFieldDescriptor *f)
{
        const ProtobufCFieldDescriptor *first = f;
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                for (first = at->d->fields; first->quantifier_offset != f->quantifier_offset;)
                        first++;
        uint64_t bit = UINT64_C(1) << (first - at->d->fields);
        bool before = at->met & bit;
        at->met |= bit;
        return before;
}

static int walk_field(struct walk *w, struct level *at)
{
        uint64_t tag;
        const uint8_t *start = at->p;
        if (!varint_get(&at->p, at->end, &tag) || tag > UINT32_MAX || at->p - start > HEAD_MAX)
                return err_set(w->e, E_SYNTAX, "%s: a field has no readable number", at->d->short_name);
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(at->d, (unsigned)(tag >> 3));
        if (!f)
                return err_set(w->e, E_SYNTAX, "%s has no field %u", at->d->short_name, (unsigned)(tag >> 3));
        if ((tag & 7) != (is_packed(f) ? WIRE_TYPE_BYTES : wire_type_of(f->type)))
                return refuse(w, at->d, f, "has the wrong wire type");
        bool again = met(at, f), list = f->label == PROTOBUF_C_LABEL_REPEATED && !is_packed(f);
        if (again && !list)
                return refuse(w, at->d, f, "is given twice");
        int rc = list ? spend(w, at->d, sizeof(void *) + (again ? 0 : ROUNDING)) : 0;
        if (rc < 0)
                return rc;
        switch (tag & 7) {
        case WIRE_TYPE_VARINT: return walk_number(w, at, f);
        case WIRE_TYPE_64: return walk_fixed(w, at, f, 8);
        case WIRE_TYPE_32: return walk_fixed(w, at, f, 4);
        default: return walk_bytes(w, at, f);
        }
}

static size_t slabs(size_t fields)
{
        size_t cost = 0;
        for (size_t room = SLAB_FIRST, slab = 2 * SLAB_FIRST; room < fields; room += slab, slab *= 2)
                cost += slab * SLAB_ENTRY;
        return cost;
}

static int walk_message(struct walk *w, const ProtobufCMessageDescriptor *d, const uint8_t *p, size_t n,
                        unsigned depth)
{
        PRE(d->n_fields <= FIELDS_MAX);
        if (depth == 0)
                return err_set(w->e, E_LIMIT, "%s is nested too deep", d->short_name);
        struct level at = {.d = d, .p = p, .end = p + n, .depth = depth - 1};
        size_t fields = 0;
        int rc = spend(w, d, d->sizeof_message + ROUNDING);
        for (; rc == 0 && at.p < at.end; fields++)
                rc = walk_field(w, &at);
        return rc < 0 ? rc : spend(w, d, slabs(fields));
}

int wire_walk(const ProtobufCMessageDescriptor *d, const uint8_t *bytes, size_t n, struct wire_limits limits,
              size_t *cost, struct err *e)
{
        struct walk w = {.left = limits.memory, .e = e};
        int rc = walk_message(&w, d, bytes, n, limits.depth);
        if (cost)
                *cost = limits.memory - w.left;
        return rc;
}
