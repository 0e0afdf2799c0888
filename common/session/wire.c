/* wire.def says which member is which field; here stands once how each sort of member is read and once how it
 * is written. Both sides go on after a first failure, harmlessly, and the failure is answered at the end. */
#include "session/wire.h"

#include "base/check.h"
#include "base/map.h"
#include "session/varint.h"
#include "session/wire_walk.h"

#include "sumu.pb-c.h"

#include <string.h>

const char *wire_kind_word(enum wire_kind k)
{
        switch (k) {
#define KIND(NAME, number, name, member) \
        case WIRE_##NAME: return #name;
                WIRE_KINDS(KIND)
#undef KIND
        }
        return "unknown";
}

#define KIND(NAME, number, name, member)                     \
        _Static_assert(number == SUMU__MESSAGE__BODY_##NAME, \
                       "wire.h and sumu.proto number " #name " differently");
WIRE_KINDS(KIND)
#undef KIND
_Static_assert((int)ADD == SUMU__ACTION__ADD && (int)WITHDRAW == SUMU__ACTION__WITHDRAW, "actions");
_Static_assert((int)REJECTED == SUMU__VERDICT__REJECTED && (int)SUPERSEDED == SUMU__VERDICT__SUPERSEDED,
               "verdicts");

/* ---- reading */

enum { NAME_MAX_BYTES = 2 * CODE_MAX + 1 }; /* dataset.indicator */

struct reading {
        struct arena *a;
        struct err *e;
        int rc; /* the first refusal */
        char *const *regions;
        size_t n_regions;
};

/* `in` is the message whose field is refused; every one of theirs begins with its base. */
static void refuse(struct reading *r, const void *in, const char *field, const char *why)
{
        const ProtobufCMessage *m = in;
        if (r->rc == 0)
                r->rc = err_set(r->e, E_SYNTAX, "%s.%s %s", m->descriptor->short_name, field, why);
}

static void *reading_room(struct reading *r, size_t n, size_t size)
{
        void *p = n ? arena_alloc(r->a, n * size) : NULL;
        if (n && !p && r->rc == 0)
                r->rc = err_set(r->e, E_MEM, "no memory for the message");
        return p;
}

static bool is_code(const char *s, size_t most)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
        size_t n = strspn(s, letters);
        return n > 0 && n <= most && s[n] == '\0';
}

static void fixed_read(struct reading *r, const void *in, const char *field, ProtobufCBinaryData from,
                       uint8_t *to, size_t n)
{
        if (from.len == n)
                memcpy(to, from.data, n);
        else
                refuse(r, in, field, from.len ? "has the wrong length" : "is missing");
}

static void reason_read(struct reading *r, const Sumu__Reason *t, struct reason *o)
{
        if (!is_code(t->code, CODE_MAX))
                refuse(r, t, "code", "is not a code");
        if (t->n_argument > REASON_ARGS) {
                refuse(r, t, "argument", "is given too often");
                return;
        }
        *o = (struct reason){
            .code = reason_find(t->code), .row = t->row, .column = *t->column ? t->column : NULL};
        for (size_t i = 0; i < t->n_argument; i++)
                o->arg[i] = *t->argument[i] ? t->argument[i] : NULL;
        if (o->code == REASON_NONE) {
                o->code = REASON_RULE;
                o->arg[1] = o->arg[0] ? o->arg[0] : "not known to this program\n本程序不认识的原因";
                o->arg[0] = t->code;
                o->arg[2] = NULL;
        }
}

static void cell_read(struct reading *r, const Sumu__TotalColumn *t, size_t i, struct cell *o)
{
        *o = (struct cell){.sum = (__int128)((unsigned __int128)t->high[i] << 64 | t->low[i]),
                           .facts = t->facts[i],
                           .about = t->about[i],
                           .at_least = t->at_least[i]};
        if (o->about > o->facts || o->at_least > o->facts - o->about)
                refuse(r, t, "facts", "is less than its parts");
}

static void total_column_read(struct reading *r, const Sumu__TotalColumn *t, struct wire_column *o)
{
        if (!is_code(t->indicator, NAME_MAX_BYTES))
                refuse(r, t, "indicator", "is not a code");
        if (strlen(t->period) >= PERIOD_TEXT)
                refuse(r, t, "period", "is too long");
        size_t n = t->n_region;
        if (t->n_high != n || t->n_low != n || t->n_facts != n || t->n_about != n || t->n_at_least != n) {
                refuse(r, t, "region", "and the other columns differ in length");
                return;
        }
        struct wire_total *totals = reading_room(r, n, sizeof *totals);
        *o = (struct wire_column){
            .indicator = t->indicator, .period = t->period, .totals = totals, .n = totals ? n : 0};
        for (size_t i = 0; i < o->n; i++) {
                if (t->region[i] < r->n_regions)
                        totals[i].region = r->regions[t->region[i]];
                else
                        refuse(r, t, "region", "points outside its dictionary");
                cell_read(r, t, i, &totals[i].cell);
        }
}

#define MESSAGE(name, ours, theirs)                                                         \
        static void name##_read(struct reading *r, const Sumu__##theirs *t, struct ours *o) \
        {                                                                                   \
                (void)r;
#define VALUE(ours, theirs) o->ours = t->theirs;
#define NAMED(ours, theirs) o->ours = (int)t->theirs;
#define TEXT(ours, theirs) o->ours = t->theirs;
#define CODE(ours, theirs)                 \
        TEXT(ours, theirs)                 \
        if (!is_code(t->theirs, CODE_MAX)) \
                refuse(r, t, #theirs, *t->theirs ? "is not a code" : "is missing");
#define CODE_OR_NONE(ours, theirs)                       \
        TEXT(ours, theirs)                               \
        if (*t->theirs && !is_code(t->theirs, CODE_MAX)) \
                refuse(r, t, #theirs, "is not a code");
#define LABEL(ours, theirs)               \
        TEXT(ours, theirs)                \
        if (strlen(t->theirs) > CODE_MAX) \
                refuse(r, t, #theirs, "is too long");
#define FIXED(ours, theirs) fixed_read(r, t, #theirs, t->theirs, o->ours, sizeof o->ours);
#define OPTION(flag, ours, theirs)   \
        o->flag = t->theirs.len > 0; \
        if (o->flag)                 \
        FIXED(ours, theirs)
#define BYTES(pointer, size, theirs) \
        o->pointer = t->theirs.data; \
        o->size = t->theirs.len;
#define ONE(of, ours, theirs)                      \
        if (t->theirs)                             \
                of##_read(r, t->theirs, &o->ours); \
        else                                       \
                refuse(r, t, #theirs, "is missing");
/* The list lies in the arena: it is const for the reader only. */
#define MANY(of, v, n, theirs)                               \
        o->v = reading_room(r, t->n_##theirs, sizeof *o->v); \
        o->n = o->v ? t->n_##theirs : 0;                     \
        for (size_t i = 0; i < o->n; i++)                    \
                of##_read(r, t->theirs[i], (void *)&o->v[i]);
#define REASONS(v, n, theirs)                          \
        if (t->n_##theirs > WIRE_REASONS)              \
                refuse(r, t, #theirs, "are too many"); \
        else                                           \
                MANY_REASONS(v, n, theirs)
#define MANY_REASONS(v, n, theirs)         \
        {                                  \
                MANY(reason, v, n, theirs) \
        }
#define REGIONS(columns, n, theirs)                   \
        r->regions = t->theirs;                       \
        r->n_regions = t->n_##theirs;                 \
        for (size_t i = 0; i < t->n_##theirs; i++)    \
                if (!is_code(t->theirs[i], CODE_MAX)) \
                        refuse(r, t, #theirs, "is not a code");
#define END }
#include "session/wire.def"
#undef MANY_REASONS

static void *allocate(void *arena, size_t n)
{
        return arena_alloc(arena, n);
}

static void keep(void *arena, void *p)
{
        (void)arena;
        (void)p;
}

static int message_read(const uint8_t *bytes, size_t n, struct arena *a, struct wire_message *m,
                        struct err *e)
{
        ProtobufCAllocator allocator = {.alloc = allocate, .free = keep, .allocator_data = a};
        a->ran_out = false;
        const Sumu__Message *t = sumu__message__unpack(&allocator, n, bytes);
        if (!t)
                return a->ran_out ? err_set(e, E_MEM, "no memory for the message")
                                  : err_set(e, E_SYNTAX, "not a message");
        struct reading r = {.a = a, .e = e};
        switch (t->body_case) {
#define KIND(NAME, number, name, member) \
        case SUMU__MESSAGE__BODY_##NAME: name##_read(&r, t->name, &m->member); break;
                WIRE_KINDS(KIND)
#undef KIND
        default: return err_set(e, E_SYNTAX, "the message has no body");
        }
        if (r.rc == 0)
                m->kind = (enum wire_kind)t->body_case;
        return r.rc;
}

/* The walk keeps protobuf-c within three quarters of the room: the structs of wire.h are the smaller part. */
int wire_read(const uint8_t *bytes, size_t n, struct arena *a, struct wire_message *m, struct err *e)
{
        static const struct wire_limits limits = {.depth = WIRE_DEPTH, .memory = WIRE_ARENA / 4 * 3};
        *m = (struct wire_message){0};
        if (n > WIRE_FRAME)
                return err_set(e, E_LIMIT, "a message of %zu bytes: at most %d", n, WIRE_FRAME);
        int rc = wire_walk(&sumu__message__descriptor, bytes, n, limits, NULL, e);
        if (rc < 0)
                return rc;
        size_t cap = a->cap;
        if (!cap || cap - a->used > WIRE_ARENA)
                a->cap = a->used + WIRE_ARENA;
        rc = message_read(bytes, n, a, m, e);
        a->cap = cap;
        return rc;
}

/* ---- writing */

struct writing {
        struct arena a;
        struct map regions; /* of the dictionary: code to index */
        const char **names;
};

/* A text of at most so many bytes, cut between characters. */
static char *text_part(struct writing *w, const char *s, size_t most)
{
        size_t n = s ? strlen(s) : 0;
        if (n <= most)
                return n ? (char *)s : "";
        for (n = most; n > 0 && (s[n] & 0xc0) == 0x80;)
                n--;
        char *part = arena_strndup(&w->a, s, n);
        return part ? part : "";
}

static void reason_write(struct writing *w, const struct reason *o, Sumu__Reason *t)
{
        PRE(o->code > REASON_NONE && o->code < REASON_COUNT);
        sumu__reason__init(t);
        t->code = (char *)reason_name(o->code);
        t->row = o->row;
        t->column = text_part(w, o->column, WIRE_REASON_TEXT);
        t->argument = arena_alloc(&w->a, sizeof(char *) * REASON_ARGS);
        for (size_t i = 0; t->argument && i < REASON_ARGS; i++) {
                t->argument[i] = text_part(w, o->arg[i], WIRE_REASON_TEXT);
                if (*t->argument[i])
                        t->n_argument = i + 1;
        }
}

/* How many reasons travel: WIRE_REASONS at most, in WIRE_REASONS_BYTES at most, the first one always. */
static size_t reasons_fit(const struct reason *v, size_t n)
{
        size_t bytes = 0, i = 0;
        for (; i < n && i < WIRE_REASONS; i++) {
                const char *texts[] = {reason_name(v[i].code), v[i].column, v[i].arg[0], v[i].arg[1],
                                       v[i].arg[2]};
                bytes += 16;
                for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
                        bytes += texts[k] ? strnlen(texts[k], WIRE_REASON_TEXT) + 3 : 3;
                if (bytes > WIRE_REASONS_BYTES)
                        break;
        }
        return i;
}

static bool region_add(struct writing *w, const char *code)
{
        if (map_get_str(&w->regions, code) != MAP_NONE)
                return true;
        w->names[w->regions.n] = code;
        return map_set_str(&w->regions, code, (int64_t)w->regions.n);
}

/* The dictionary: each region of the columns once, in the order they are met. */
static size_t regions_collect(struct writing *w, const struct wire_column *columns, size_t n)
{
        size_t most = 0;
        for (size_t i = 0; i < n; i++)
                most += columns[i].n;
        w->names = arena_alloc(&w->a, most * sizeof *w->names);
        for (size_t i = 0; w->names && i < n; i++)
                for (size_t k = 0; k < columns[i].n; k++)
                        if (!region_add(w, columns[i].totals[k].region))
                                w->a.ran_out = true;
        return w->regions.n;
}

static void total_column_write(struct writing *w, const struct wire_column *o, Sumu__TotalColumn *t)
{
        sumu__total_column__init(t);
        t->indicator = (char *)o->indicator;
        t->period = (char *)o->period;
        t->region = arena_alloc(&w->a, o->n * sizeof *t->region);
        t->high = arena_alloc(&w->a, o->n * sizeof *t->high);
        t->low = arena_alloc(&w->a, o->n * sizeof *t->low);
        t->facts = arena_alloc(&w->a, o->n * sizeof *t->facts);
        t->about = arena_alloc(&w->a, o->n * sizeof *t->about);
        t->at_least = arena_alloc(&w->a, o->n * sizeof *t->at_least);
        if (w->a.ran_out)
                return;
        for (size_t i = 0; i < o->n; i++) {
                const struct cell *c = &o->totals[i].cell;
                t->region[i] = (uint32_t)map_get_str(&w->regions, o->totals[i].region);
                t->high[i] = (int64_t)(c->sum >> 64);
                t->low[i] = (uint64_t)c->sum;
                t->facts[i] = c->facts;
                t->about[i] = c->about;
                t->at_least[i] = c->at_least;
        }
        t->n_region = t->n_high = t->n_low = t->n_facts = t->n_about = t->n_at_least = o->n;
}

#define MESSAGE(name, ours, theirs)                                                          \
        static void name##_write(struct writing *w, const struct ours *o, Sumu__##theirs *t) \
        {                                                                                    \
                (void)w;                                                                     \
                sumu__##name##__init(t);
#define VALUE(ours, theirs) t->theirs = o->ours;
#define NAMED(ours, theirs) t->theirs = (int)o->ours;
#define TEXT(ours, theirs) t->theirs = text_part(w, o->ours, WIRE_TEXT);
#define CODE(ours, theirs) TEXT(ours, theirs)
#define CODE_OR_NONE(ours, theirs) TEXT(ours, theirs)
#define LABEL(ours, theirs) TEXT(ours, theirs)
#define FIXED(ours, theirs) t->theirs = (ProtobufCBinaryData){sizeof o->ours, (uint8_t *)o->ours};
#define OPTION(flag, ours, theirs) \
        if (o->flag)               \
        FIXED(ours, theirs)
#define BYTES(pointer, size, theirs) t->theirs = (ProtobufCBinaryData){o->size, (uint8_t *)o->pointer};
#define ONE(of, ours, theirs)                              \
        t->theirs = arena_alloc(&w->a, sizeof *t->theirs); \
        if (t->theirs)                                     \
                of##_write(w, &o->ours, t->theirs);
#define LISTED(of, v, n, theirs)                                       \
        t->theirs = arena_alloc(&w->a, (n) * sizeof *t->theirs);       \
        for (size_t i = 0; t->theirs && i < (n); i++) {                \
                t->theirs[i] = arena_alloc(&w->a, sizeof **t->theirs); \
                if (!t->theirs[i])                                     \
                        break;                                         \
                of##_write(w, &o->v[i], t->theirs[i]);                 \
                t->n_##theirs = i + 1;                                 \
        }
#define MANY(of, v, n, theirs) LISTED(of, v, o->n, theirs)
#define REASONS(v, n, theirs) LISTED(reason, v, reasons_fit(o->v, o->n), theirs)
#define REGIONS(columns, n, theirs)                           \
        t->n_##theirs = regions_collect(w, o->columns, o->n); \
        t->theirs = (char **)w->names;
#define END }
#include "session/wire.def"
#undef LISTED

static void writing_close(struct writing *w)
{
        arena_close(&w->a);
        map_close(&w->regions);
}

static void message_pack(struct writing *w, const Sumu__Message *t, struct text *out)
{
        size_t n = sumu__message__get_packed_size(t);
        POST(n <= WIRE_FRAME);
        uint8_t *bytes = arena_alloc(&w->a, n);
        if (bytes)
                text_bytes(out, bytes, sumu__message__pack(t, bytes));
}

void wire_write(const struct wire_message *m, struct text *out)
{
        struct writing w = {0};
        Sumu__Message t = SUMU__MESSAGE__INIT;
        switch (m->kind) {
#define KIND(NAME, number, name, member)                      \
        case WIRE_##NAME:                                     \
                t.name = arena_alloc(&w.a, sizeof *t.name);   \
                if (t.name)                                   \
                        name##_write(&w, &m->member, t.name); \
                break;
                WIRE_KINDS(KIND)
#undef KIND
        default: UNREACHABLE();
        }
        t.body_case = (Sumu__Message__BodyCase)m->kind;
        if (!w.a.ran_out)
                message_pack(&w, &t, out);
        if (w.a.ran_out)
                out->failed = true;
        writing_close(&w);
}

/* ---- sizes */

/* As an entry of a list: every list has a tag of one byte. */
static size_t entry_size(const ProtobufCMessage *t)
{
        size_t n = protobuf_c_message_get_packed_size(t);
        return 1 + varint_size(n) + n;
}

#define SIZE(name, ours, theirs)                \
        {                                       \
                struct writing w = {0};         \
                Sumu__##theirs t;               \
                name##_write(&w, ours, &t);     \
                POST(!w.a.ran_out);             \
                size_t n = entry_size(&t.base); \
                writing_close(&w);              \
                return n;                       \
        }

size_t wire_envelope_size(const struct envelope *r) SIZE(report, r, Report) size_t
    wire_verdict_size(const struct wire_verdict *v) SIZE(verdict_of, v, VerdictOf) size_t
    wire_taken_size(const struct wire_taken *k) SIZE(taken_report, k, TakenReport) size_t
    wire_standing_size(const struct wire_standing *s) SIZE(standing_report, s, StandingReport)

        size_t wire_total_size(const struct wire_total *t)
{
        enum { INDEX = 3, LOW = 8, NAME = 2 }; /* a catalogue has fewer than 2^21 regions */
        return INDEX + LOW + NAME + strlen(t->region) +
               varint_size(varint_fold((int64_t)(t->cell.sum >> 64))) + varint_size(t->cell.facts) +
               varint_size(t->cell.about) + varint_size(t->cell.at_least);
}
