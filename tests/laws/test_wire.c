/* Messages are made from protobuf-c's description of the schema, so a field added to sumu.proto is tried here
 * from that moment on: it must survive reading into our structs and writing again, byte for byte. */
#include "lib/law.h"

#include "session/wire.h"
#include "session/wire_walk.h"

#include "sumu.pb-c.h"

#include <stdlib.h>
#include <string.h>

static const char *const FREE_TEXT[] = {"text", "program", "column", "argument"};
static const char *const PAYLOADS[] = {"payload", "bytes", "after", "next"};

static bool one_of(const char *name, const char *const *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(name, list[i]) == 0)
                        return true;
        return false;
}
#define ONE_OF(name, list) one_of(name, list, sizeof list / sizeof *list)

static char *random_text(struct seed *s, struct arena *a, const ProtobufCFieldDescriptor *f)
{
        static const char *const words[] = {"包头市", "a b", "\n", "\"", "x"};
        static const char letters[] = "abcXYZ019._-";
        struct text t = {0};
        for (uint64_t n = 1 + seed_below(s, 8); n > 0; n--)
                if (ONE_OF(f->name, FREE_TEXT))
                        text_add(&t, words[seed_below(s, 5)]);
                else
                        text_char(&t, letters[seed_below(s, sizeof letters - 1)]);
        char *kept = arena_strdup(a, text_c(&t));
        text_close(&t);
        return kept;
}

/* Any length, the edges of the number of bytes a varint takes included. */
static uint64_t random_number(struct seed *s, unsigned bits)
{
        return seed_next(s) >> (64 - bits + seed_below(s, bits));
}

static ProtobufCBinaryData random_bytes(struct seed *s, struct arena *a, const ProtobufCMessageDescriptor *d,
                                        const ProtobufCFieldDescriptor *f)
{
        bool optional = (strcmp(d->short_name, "Greeting") == 0 && strcmp(f->name, "catalog") == 0) ||
                        strcmp(d->short_name, "HashIs") == 0;
        size_t n = strcmp(f->name, "stream") == 0 || strcmp(f->name, "key") == 0 ? 8
                   : strcmp(f->name, "signature") == 0                           ? 64
                   : ONE_OF(f->name, PAYLOADS)                                   ? seed_below(s, 300)
                   : optional && f->id != 2 && seed_below(s, 2)                  ? 0
                                                                                 : 32;
        ProtobufCBinaryData b = {n, arena_alloc(a, n)};
        for (size_t i = 0; i < n; i++)
                b.data[i] = (uint8_t)seed_next(s);
        return b;
}

static ProtobufCMessage *random_message(struct seed *s, struct arena *a, const ProtobufCMessageDescriptor *d);

static void random_value(struct seed *s, struct arena *a, const ProtobufCMessageDescriptor *d,
                         const ProtobufCFieldDescriptor *f, void *to)
{
        switch (f->type) {
        case PROTOBUF_C_TYPE_STRING: *(char **)to = random_text(s, a, f); break;
        case PROTOBUF_C_TYPE_BYTES: *(ProtobufCBinaryData *)to = random_bytes(s, a, d, f); break;
        case PROTOBUF_C_TYPE_MESSAGE: *(ProtobufCMessage **)to = random_message(s, a, f->descriptor); break;
        case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = seed_below(s, 2); break;
        case PROTOBUF_C_TYPE_ENUM:
                *(int *)to = (int)seed_below(s, ((const ProtobufCEnumDescriptor *)f->descriptor)->n_values);
                break;
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_SINT32: *(uint32_t *)to = (uint32_t)random_number(s, 32); break;
        case PROTOBUF_C_TYPE_UINT64:
        case PROTOBUF_C_TYPE_SINT64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_SFIXED64: *(uint64_t *)to = random_number(s, 64); break;
        default: fail_msg("teach this law %s.%s", d->short_name, f->name);
        }
}

static size_t size_in_list(ProtobufCType t)
{
        return t == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : 8;
}

static void random_list(struct seed *s, struct arena *a, const ProtobufCMessageDescriptor *d,
                        const ProtobufCFieldDescriptor *f, char *m, size_t n)
{
        char *list = arena_alloc(a, n * size_in_list(f->type));
        for (size_t i = 0; i < n; i++)
                random_value(s, a, d, f, list + i * size_in_list(f->type));
        *(size_t *)(m + f->quantifier_offset) = n;
        *(char **)(m + f->offset) = list;
}

/* What the schema cannot say: a code of ours; facts that are their parts and more; regions in the order they
 * are met. */
static void make_sense(struct seed *s, struct arena *a, ProtobufCMessage *m)
{
        if (m->descriptor == &sumu__reason__descriptor) {
                Sumu__Reason *r = (Sumu__Reason *)m;
                r->code = (char *)reason_name((enum reason_code)(1 + seed_below(s, REASON_COUNT - 1)));
        } else if (m->descriptor == &sumu__total_column__descriptor) {
                Sumu__TotalColumn *c = (Sumu__TotalColumn *)m;
                for (size_t i = 0; i < c->n_facts; i++) {
                        c->about[i] >>= 2, c->at_least[i] >>= 2;
                        c->facts[i] = c->about[i] + c->at_least[i] + (c->facts[i] >> 2);
                }
        } else if (m->descriptor == &sumu__flush_part__descriptor) {
                Sumu__FlushPart *p = (Sumu__FlushPart *)m;
                uint32_t met = 0;
                for (size_t i = 0; i < p->n_totals; i++)
                        for (size_t k = 0; k < p->totals[i]->n_region; k++) {
                                uint32_t *region = &p->totals[i]->region[k];
                                *region = (uint32_t)seed_below(s, met + 1);
                                met += *region == met;
                        }
                p->region_name = arena_alloc(a, met * sizeof *p->region_name);
                for (p->n_region_name = 0; p->n_region_name < met; p->n_region_name++) {
                        struct text t = {0};
                        text_printf(&t, "r%zu", p->n_region_name);
                        p->region_name[p->n_region_name] = arena_strdup(a, text_c(&t));
                        text_close(&t);
                }
        }
}

static ProtobufCMessage *random_message(struct seed *s, struct arena *a, const ProtobufCMessageDescriptor *d)
{
        ProtobufCMessage *m = arena_alloc(a, d->sizeof_message);
        protobuf_c_message_init(d, m);
        bool columns = d == &sumu__total_column__descriptor;
        size_t rows = seed_below(s, 20);
        for (unsigned i = 0; i < d->n_fields; i++) {
                const ProtobufCFieldDescriptor *f = &d->fields[i];
                if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                        continue;
                if (f->label == PROTOBUF_C_LABEL_REPEATED)
                        random_list(s, a, d, f, (char *)m, columns ? rows : seed_below(s, 4));
                else
                        random_value(s, a, d, f, (char *)m + f->offset);
        }
        make_sense(s, a, m);
        return m;
}

/* A message of each kind in turn, as protobuf-c packs it. */
static void random_bytes_of_message(struct seed *s, size_t kind, struct text *out)
{
        const ProtobufCMessageDescriptor *d = &sumu__message__descriptor;
        const ProtobufCFieldDescriptor *f = &d->fields[kind % d->n_fields];
        struct arena a = {0};
        Sumu__Message m = SUMU__MESSAGE__INIT;
        *(ProtobufCMessage **)((char *)&m + f->offset) = random_message(s, &a, f->descriptor);
        m.body_case = (Sumu__Message__BodyCase)f->id;
        size_t n = sumu__message__get_packed_size(&m);
        text_clear(out);
        text_bytes(out, arena_alloc(&a, n), n);
        sumu__message__pack(&m, (uint8_t *)out->v);
        arena_close(&a);
}

static int read_text(const struct text *t, struct arena *a, struct wire_message *m)
{
        struct err e = {0};
        int rc = wire_read((const uint8_t *)t->v, t->n, a, m, &e);
        HOLDS((rc < 0) == (e.text[0] != '\0'));
        HOLDS(a->used <= WIRE_ARENA);
        return rc;
}

/* Every field of every message, read and written again, is what it was. */
static void round_trip(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct text bytes = {0}, again = {0};
        struct arena a = {0};
        for (size_t i = 0; i < 4000; i++) {
                struct wire_message m;
                random_bytes_of_message(&s, i, &bytes);
                HOLDS(read_text(&bytes, &a, &m) == 0);
                text_clear(&again);
                wire_write(&m, &again);
                HOLDS(again.n == bytes.n && memcmp(again.v, bytes.v, bytes.n) == 0);
                arena_reset(&a);
        }
        arena_close(&a);
        text_close(&bytes);
        text_close(&again);
}

static void damage(struct seed *s, struct text *t)
{
        switch (seed_below(s, 4)) {
        case 0: t->n = seed_below(s, t->n + 1); break;
        case 1: t->v[seed_below(s, t->n)] = (char)seed_next(s); break;
        case 2: t->v[seed_below(s, t->n)] ^= (char)(1 << seed_below(s, 8)); break;
        case 3: text_bytes(t, "\x12\x00\x1a\x80", seed_below(s, 5)); break;
        }
}

/* Whatever was done to the bytes, reading answers; what it takes for a message is one: written and read again
 * it stays the same. */
static void damaged(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct text bytes = {0}, once = {0}, twice = {0};
        struct arena a = {0};
        size_t taken = 0;
        for (size_t i = 0; i < 20000; i++) {
                struct wire_message m;
                random_bytes_of_message(&s, i, &bytes);
                for (uint64_t n = 1 + seed_below(&s, 3); n > 0 && bytes.n > 0; n--)
                        damage(&s, &bytes);
                if (read_text(&bytes, &a, &m) == 0) {
                        taken++;
                        text_clear(&once);
                        text_clear(&twice);
                        wire_write(&m, &once);
                        HOLDS(read_text(&once, &a, &m) == 0);
                        wire_write(&m, &twice);
                        HOLDS(once.n == twice.n && memcmp(once.v, twice.v, once.n) == 0);
                }
                arena_reset(&a);
        }
        HOLDS(taken > 1000);
        arena_close(&a);
        text_close(&bytes);
        text_close(&once);
        text_close(&twice);
}

static void *allocate(void *arena, size_t n)
{
        return arena_alloc(arena, n);
}

static void keep(void *arena, void *p)
{
        (void)arena;
        (void)p;
}

/* What the walk accepts, protobuf-c unpacks, and for no more than the walk said. */
static void cost(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct text bytes = {0};
        size_t accepted = 0;
        for (size_t i = 0; i < 20000; i++) {
                struct wire_limits limits = {.depth = WIRE_DEPTH, .memory = WIRE_ARENA};
                struct err e;
                size_t most;
                random_bytes_of_message(&s, i, &bytes);
                if (seed_below(&s, 2) && bytes.n > 0)
                        damage(&s, &bytes);
                const uint8_t *p = (const uint8_t *)bytes.v;
                if (wire_walk(&sumu__message__descriptor, p, bytes.n, limits, &most, &e) < 0)
                        continue;
                accepted++;
                struct arena a = {.cap = most};
                ProtobufCAllocator allocator = {allocate, keep, &a};
                HOLDS(sumu__message__unpack(&allocator, bytes.n, p));
                HOLDS(a.used * 3 + 4096 > most); /* and not for much less either: legal messages must pass */
                arena_close(&a);
        }
        HOLDS(accepted > 10000);
        text_close(&bytes);
}

/* With less memory than it takes, a message is refused for that, at whatever step memory ends. */
static void hungry(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct text bytes = {0};
        for (size_t i = 0; i < 400; i++) {
                struct wire_message m;
                struct arena a = {0};
                random_bytes_of_message(&s, i, &bytes);
                HOLDS(read_text(&bytes, &a, &m) == 0);
                size_t enough = a.used;
                for (int k = 0; k < 20; k++) {
                        arena_close(&a);
                        a.cap = 1 + seed_below(&s, enough - 1);
                        HOLDS(read_text(&bytes, &a, &m) == E_MEM);
                }
                arena_close(&a);
        }
        text_close(&bytes);
}

/* One level less than it needs refuses a message, whatever is in it. */
static void depth(void **state)
{
        (void)state;
        static const uint8_t verdict_with_reason[] = "\x2a\x04\x1a\x02\x22\x00";
        struct wire_limits limits = {.depth = WIRE_DEPTH, .memory = WIRE_ARENA};
        struct err e;
        HOLDS(wire_walk(&sumu__message__descriptor, verdict_with_reason, 6, limits, NULL, &e) == 0);
        limits.depth--;
        HOLDS(wire_walk(&sumu__message__descriptor, verdict_with_reason, 6, limits, NULL, &e) == E_LIMIT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(damaged),
                                           cmocka_unit_test(cost), cmocka_unit_test(hungry),
                                           cmocka_unit_test(depth)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
