/* Reading: the fields are found, the names looked up, then one loop takes a number from each column for each
 * row. An entry of the region dictionary is the region's number twice, plus one if it is the region's own
 * figures. */
#include "session/payload.h"

#include "base/check.h"
#include "session/varint.h"

#include <stdio.h>
#include <string.h>

enum field {
        REGION_NAME = 1,
        INDICATOR_NAME,
        REGION,
        INDICATOR,
        VALUE,
        QUALIFIER,
        NOTE,
        NOTE_ROW,
        NOTE_TEXT,
        FIELDS,
};

static const char OWN[] = "/own";
enum { OWN_LENGTH = sizeof OWN - 1 };

/* ---- writing */

struct writing {
        const struct catalog *c;
        struct text *out;
        struct arena a;
        uint32_t *region;    /* by dictionary entry: its index + 1 */
        uint32_t *indicator; /* by number: its index + 1 */
        uint8_t *column;     /* the one being written */
};

static uint32_t entry_of(const struct fact *f)
{
        return 2 * f->region + f->own;
}

static void put(struct writing *w, enum field field, const void *p, size_t n)
{
        uint8_t head[1 + VARINT_MAX] = {(uint8_t)(field << 3 | WIRE_TYPE_BYTES)};
        text_bytes(w->out, head, (size_t)(varint_put(head + 1, n) - head));
        text_bytes(w->out, p, n);
}

static void put_column(struct writing *w, enum field field, const uint8_t *end)
{
        if (end > w->column)
                put(w, field, w->column, (size_t)(end - w->column));
}

static void write_regions(struct writing *w, const struct fact *facts, size_t n)
{
        uint32_t names = 0;
        for (size_t i = 0; i < n; i++) {
                uint32_t *index = &w->region[entry_of(&facts[i])];
                if (*index)
                        continue;
                *index = ++names;
                char name[CODE_MAX + sizeof OWN];
                const char *code = w->c->regions[facts[i].region].code;
                size_t length = strlen(code);
                memcpy(name, code, length + 1);
                memcpy(name + length, OWN, sizeof OWN);
                put(w, REGION_NAME, name, length + (facts[i].own ? OWN_LENGTH : 0));
        }
}

static void write_indicators(struct writing *w, const struct fact *facts, size_t n)
{
        uint32_t names = 0;
        for (size_t i = 0; i < n; i++) {
                uint32_t *index = &w->indicator[facts[i].indicator];
                if (*index)
                        continue;
                *index = ++names;
                const char *code = w->c->indicators[facts[i].indicator].code;
                put(w, INDICATOR_NAME, code, strlen(code));
        }
}

static void write_columns(struct writing *w, const struct fact *facts, size_t n)
{
        uint8_t *p = w->column;
        for (size_t i = 0; i < n; i++)
                p = varint_put(p, w->region[entry_of(&facts[i])] - 1);
        put_column(w, REGION, p);
        p = w->column;
        for (size_t i = 0; i < n; i++)
                p = varint_put(p, w->indicator[facts[i].indicator] - 1);
        put_column(w, INDICATOR, p);
        p = w->column;
        for (size_t i = 0; i < n; i++)
                p = varint_put(p, varint_fold(facts[i].value));
        put_column(w, VALUE, p);
        p = w->column;
        bool exact = true;
        for (size_t i = 0; i < n; i++) {
                exact &= facts[i].q == EXACT;
                *p++ = facts[i].q;
        }
        if (!exact)
                put_column(w, QUALIFIER, p);
}

static void write_notes(struct writing *w, const struct report *r)
{
        struct standing rows = {.facts = r->facts, .n = r->n};
        if (r->note && *r->note)
                put(w, NOTE, r->note, strlen(r->note));
        uint8_t *p = w->column;
        for (size_t i = 0; i < r->n_notes; i++) {
                const struct fact *f = standing_find(&rows, r->notes[i].indicator, r->notes[i].region);
                if (f)
                        p = varint_put(p, (uint64_t)(f - r->facts));
        }
        put_column(w, NOTE_ROW, p);
        for (size_t i = 0; i < r->n_notes; i++)
                if (standing_find(&rows, r->notes[i].indicator, r->notes[i].region))
                        put(w, NOTE_TEXT, r->notes[i].text, strlen(r->notes[i].text));
}

void payload_write(const struct catalog *c, const struct report *r, struct text *out)
{
        struct writing w = {.c = c, .out = out};
        size_t longest = r->n > r->n_notes ? r->n : r->n_notes;
        w.region = arena_alloc(&w.a, 2 * (size_t)c->n_regions * sizeof *w.region);
        w.indicator = arena_alloc(&w.a, c->n_indicators * sizeof *w.indicator);
        w.column = arena_alloc(&w.a, longest * VARINT_MAX);
        if (w.a.ran_out) {
                out->failed = true;
        } else {
                write_regions(&w, r->facts, r->n);
                write_indicators(&w, r->facts, r->n);
                write_columns(&w, r->facts, r->n);
                write_notes(&w, r);
        }
        arena_close(&w.a);
}

/* ---- reading */

struct slice {
        const uint8_t *p;
        size_t n;
};

struct reading {
        const struct catalog *c;
        const struct dataset *dataset;
        struct arena *a;   /* of what is read; large with what was sent */
        struct arena room; /* of the reading, large with the catalogue: gone with it */
        struct reasons *reasons;
        struct slice bytes;
        struct slice only[FIELDS]; /* the fields that come once */
        size_t count[FIELDS];      /* of those that repeat */
        size_t rows;
        uint32_t *region; /* the dictionaries: entry of the index, number of the index */
        uint16_t *indicator;
        uint32_t after; /* the place in the dataset behind the indicator looked up last */
        uint8_t *regions_met, *indicators_met; /* sets: of entries, of numbers */
        const char **text;                     /* of the notes */
        struct fact *facts;
        struct note *notes;
        bool large; /* some value is out of bounds */
};

/* All fields are bytes of some sort. */
static bool next_field(struct slice *left, enum field *field, struct slice *value)
{
        const uint8_t *p = left->p, *end = p + left->n;
        uint64_t tag;
        if (!varint_get(&p, end, &tag) || (tag & 7) != WIRE_TYPE_BYTES || tag >> 3 == 0 ||
            tag >> 3 >= FIELDS || !varint_get_bytes(&p, end, &value->p, &value->n))
                return false;
        *field = (enum field)(tag >> 3);
        *left = (struct slice){p, (size_t)(end - p)};
        return true;
}

static bool text_fits(struct slice s, size_t most)
{
        return s.n == 0 || (s.n <= most && text_is_utf8(s.p, s.n));
}

static bool find_fields(struct reading *r)
{
        struct slice left = r->bytes, value;
        enum field field;
        while (left.n > 0) {
                if (!next_field(&left, &field, &value))
                        return false;
                bool name = field == REGION_NAME || field == INDICATOR_NAME;
                if (name || field == NOTE_TEXT) {
                        if (!text_fits(value, name ? PAYLOAD_NAME : PAYLOAD_NOTE))
                                return false;
                        r->count[field]++;
                } else {
                        if (r->only[field].p)
                                return false;
                        r->only[field] = value;
                }
        }
        return text_fits(r->only[NOTE], PAYLOAD_NOTE);
}

/* The lengths agree, and nothing is larger than a report may be; what is allocated next is bounded by this.
 */
static bool count_rows(struct reading *r)
{
        r->rows = varint_count(r->only[REGION].p, r->only[REGION].n);
        return r->rows != SIZE_MAX && varint_count(r->only[INDICATOR].p, r->only[INDICATOR].n) == r->rows &&
               varint_count(r->only[VALUE].p, r->only[VALUE].n) == r->rows &&
               (r->only[QUALIFIER].n == 0 ||
                varint_count(r->only[QUALIFIER].p, r->only[QUALIFIER].n) == r->rows) &&
               varint_count(r->only[NOTE_ROW].p, r->only[NOTE_ROW].n) == r->count[NOTE_TEXT] &&
               r->count[NOTE_TEXT] <= r->rows && r->count[REGION_NAME] <= r->rows &&
               r->count[INDICATOR_NAME] <= r->rows && r->count[INDICATOR_NAME] <= CATALOG_INDICATORS;
}

static int64_t region_look_up(const struct reading *r, struct slice name)
{
        char code[CODE_MAX + 1];
        bool own = name.n > OWN_LENGTH && memcmp(name.p + name.n - OWN_LENGTH, OWN, OWN_LENGTH) == 0;
        size_t n = name.n - (own ? OWN_LENGTH : 0);
        if (n > CODE_MAX)
                return NONE;
        memcpy(code, name.p, n);
        code[n] = '\0';
        int32_t region = catalog_region_code(r->c, code);
        return region < 0 ? NONE : 2 * (int64_t)region + own;
}

/* Names come mostly in the catalogue's order: the search goes on behind the one found last. */
static int64_t indicator_look_up(struct reading *r, struct slice name)
{
        const struct dataset *d = r->dataset;
        for (uint32_t i = 0; i < d->n_indicators; i++) {
                uint32_t at = (r->after + i) % d->n_indicators;
                const char *code = r->c->indicators[d->indicators[at]].code;
                if (strlen(code) == name.n && memcmp(code, name.p, name.n) == 0) {
                        r->after = at + 1;
                        return d->indicators[at];
                }
        }
        return NONE;
}

static void name_unknown(struct reading *r, enum reason_code code, struct slice name)
{
        char *text = arena_strndup(&r->room, (const char *)name.p, name.n);
        reasons_add(r->reasons, code, 0, NULL, text, NULL, NULL);
}

/* Was this bit set before? */
static bool mark(uint8_t *set, size_t i)
{
        bool before = set[i / 8] >> i % 8 & 1;
        set[i / 8] |= (uint8_t)(1u << i % 8);
        return before;
}

/* An unknown name reads as the first of the catalogue; its reason keeps the rows from being used. */
static bool look_up_names(struct reading *r)
{
        struct slice left = r->bytes, value;
        enum field field;
        size_t region = 0, indicator = 0, note = 0;
        while (left.n > 0 && next_field(&left, &field, &value)) {
                int64_t found;
                switch (field) {
                case REGION_NAME:
                        found = region_look_up(r, value);
                        if (found < 0)
                                name_unknown(r, REASON_UNKNOWN_REGION, value);
                        else if (mark(r->regions_met, (size_t)found))
                                return false;
                        r->region[region++] = found < 0 ? 0 : (uint32_t)found;
                        break;
                case INDICATOR_NAME:
                        found = indicator_look_up(r, value);
                        if (found < 0)
                                name_unknown(r, REASON_UNKNOWN_INDICATOR, value);
                        else if (mark(r->indicators_met, (size_t)found))
                                return false;
                        r->indicator[indicator++] = found < 0 ? 0 : (uint16_t)found;
                        break;
                case NOTE_TEXT: r->text[note++] = arena_strndup(r->a, (const char *)value.p, value.n); break;
                default: break;
                }
        }
        return true;
}

/* A column on the way down. Where there are as many bytes as rows, each is a number by itself. */
struct cursor {
        const uint8_t *p, *end;
        bool bytes;
};

static struct cursor cursor_of(const struct reading *r, enum field field)
{
        struct slice s = r->only[field];
        return (struct cursor){s.p, s.n ? s.p + s.n : s.p, s.n == r->rows};
}

/* The next number, if it is below `limit`. The columns were counted: there is one. */
static inline bool take_below(struct cursor *c, uint64_t limit, uint64_t *v)
{
        if (c->bytes)
                *v = *c->p++;
        else if (!varint_get(&c->p, c->end, v))
                return false;
        return *v < limit;
}

/* The loops that every fact of the country passes through: one for each column, which is faster than one for
 * all. */

static bool read_regions(struct reading *r)
{
        struct cursor c = cursor_of(r, REGION);
        const uint32_t *entries = r->region;
        uint64_t limit = r->count[REGION_NAME], index;
        for (struct fact *f = r->facts, *end = f + r->rows; f < end; f++) {
                if (!take_below(&c, limit, &index))
                        return false;
                f->region = entries[index] >> 1;
                f->own = entries[index] & 1;
        }
        return true;
}

static bool read_indicators(struct reading *r)
{
        struct cursor c = cursor_of(r, INDICATOR);
        const uint16_t *numbers = r->indicator;
        uint64_t limit = r->count[INDICATOR_NAME], index;
        for (struct fact *f = r->facts, *end = f + r->rows; f < end; f++) {
                if (!take_below(&c, limit, &index))
                        return false;
                f->indicator = numbers[index];
        }
        return true;
}

static bool read_values(struct reading *r)
{
        struct cursor c = cursor_of(r, VALUE);
        uint64_t folded, large = 0;
        for (struct fact *f = r->facts, *end = f + r->rows; f < end; f++) {
                if (!varint_get(&c.p, c.end, &folded))
                        return false;
                f->value = varint_unfold(folded);
                large |= folded > 2 * VALUE_MAX;
        }
        r->large = large;
        return true;
}

static bool read_qualifiers(struct reading *r)
{
        struct cursor c = cursor_of(r, QUALIFIER);
        uint64_t q;
        for (struct fact *f = r->facts, *end = f + r->rows; r->only[QUALIFIER].n > 0 && f < end; f++) {
                if (!take_below(&c, ABOUT + 1, &q))
                        return false;
                f->q = (uint8_t)q;
        }
        return true;
}

static bool is_ascending(const struct fact *f, size_t n)
{
        uint64_t least = 0;
        bool ascending = true;
        for (const struct fact *end = f + n; f < end; f++) {
                uint64_t key = (uint64_t)f->indicator << 32 | f->region;
                ascending &= key >= least;
                least = key + 1;
        }
        return ascending;
}

/* Before the facts are sorted: a note names its row by number. */
static bool read_notes(struct reading *r)
{
        struct cursor row = cursor_of(r, NOTE_ROW);
        row.bytes = false; /* it has as many numbers as there are notes */
        for (size_t i = 0; i < r->count[NOTE_TEXT]; i++) {
                uint64_t at;
                if (!take_below(&row, r->rows, &at))
                        return false;
                r->notes[i] = (struct note){r->facts[at].region, r->facts[at].indicator, r->text[i]};
        }
        return true;
}

static void name_large(struct reading *r)
{
        for (size_t i = 0; i < r->rows; i++) {
                const struct fact *f = &r->facts[i];
                if (f->value >= -VALUE_MAX && f->value <= VALUE_MAX)
                        continue;
                struct text value = {0};
                text_scaled(&value, f->value, r->c->indicators[f->indicator].decimals);
                r->reasons->failed |= text_failed(&value);
                reasons_add(r->reasons, REASON_TOO_LARGE, 0, NULL, text_c(&value), NULL, NULL);
                text_close(&value);
        }
}

static void name_duplicates(struct reading *r)
{
        for (size_t i = 1; i < r->rows; i++) {
                const struct fact *f = &r->facts[i];
                if (f[-1].indicator == f->indicator && f[-1].region == f->region)
                        reasons_add(r->reasons, REASON_DUPLICATE_ROW, 0, NULL,
                                    r->c->indicators[f->indicator].code, r->c->regions[f->region].code, NULL);
        }
}

static void name_too_large(struct reasons *reasons, size_t is, size_t most, const char *en, const char *zh)
{
        char has[64], fits[64];
        snprintf(has, sizeof has, "%zu %s\n%zu %s", is, en, is, zh);
        snprintf(fits, sizeof fits, "%zu %s\n%zu %s", most, en, most, zh);
        reasons_add(reasons, REASON_REPORT_TOO_LARGE, 0, NULL, has, fits, NULL);
}

static bool make_room(struct reading *r)
{
        size_t regions = r->count[REGION_NAME], indicators = r->count[INDICATOR_NAME],
               notes = r->count[NOTE_TEXT];
        r->region = arena_alloc(&r->room, regions * sizeof *r->region);
        r->indicator = arena_alloc(&r->room, indicators * sizeof *r->indicator);
        r->regions_met = arena_alloc(&r->room, 2 * (size_t)r->c->n_regions / 8 + 1);
        r->indicators_met = arena_alloc(&r->room, r->c->n_indicators / 8 + 1);
        r->text = arena_alloc(&r->room, notes * sizeof *r->text);
        r->facts = arena_alloc(r->a, r->rows * sizeof *r->facts);
        r->notes = arena_alloc(r->a, notes * sizeof *r->notes);
        return !r->a->ran_out && !r->room.ran_out;
}

static enum payload_state read_facts(struct reading *r)
{
        if (!find_fields(r) || !count_rows(r))
                return PAYLOAD_BROKEN;
        if (r->rows > REPORT_ROWS) {
                name_too_large(r->reasons, r->rows, REPORT_ROWS, "rows", "行");
                return PAYLOAD_UNKNOWN;
        }
        if (!make_room(r))
                return PAYLOAD_MEMORY;
        size_t before = r->reasons->total;
        if (!look_up_names(r) || !read_regions(r) || !read_indicators(r) || !read_values(r) ||
            !read_qualifiers(r) || !read_notes(r))
                return PAYLOAD_BROKEN;
        if (r->large)
                name_large(r);
        if (r->reasons->total == before && !is_ascending(r->facts, r->rows)) {
                facts_sort(r->facts, r->rows);
                name_duplicates(r);
        }
        return r->reasons->total > before ? PAYLOAD_UNKNOWN : PAYLOAD_READ;
}

enum payload_state payload_read(const uint8_t *bytes, size_t n, const struct catalog *c, uint32_t dataset,
                                struct arena *a, struct report *out, struct reasons *reasons)
{
        PRE(dataset < c->n_datasets);
        if (n > REPORT_BYTES) {
                name_too_large(reasons, n, REPORT_BYTES, "bytes", "字节");
                return PAYLOAD_UNKNOWN;
        }
        struct reading r = {
            .c = c, .dataset = &c->datasets[dataset], .a = a, .reasons = reasons, .bytes = {bytes, n}};
        a->ran_out = false;
        enum payload_state state = read_facts(&r);
        struct slice note = r.only[NOTE];
        char *said = note.n ? arena_strndup(a, (const char *)note.p, note.n) : NULL;
        bool ran_out = a->ran_out || r.room.ran_out || reasons->failed;
        arena_close(&r.room);
        if (ran_out)
                return PAYLOAD_MEMORY;
        if (state == PAYLOAD_READ) {
                out->facts = r.facts;
                out->n = r.rows;
                out->note = said;
                out->notes = r.notes;
                out->n_notes = r.count[NOTE_TEXT];
        }
        return state;
}
