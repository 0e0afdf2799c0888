#include "lib/law.h"

#include "lib/toy_catalog.h"
#include "session/payload.h"

#include "sumu.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300, REGIONS = 300, ROWS = 2000 };

/* Facts of one dataset, in order; few or many, small values or large ones. */
static size_t random_facts(struct seed *s, const struct catalog *c, const struct dataset *d,
                           struct fact *facts)
{
        size_t n = 0;
        uint64_t rare = 1 + seed_below(s, 20), bits = seed_below(s, 50);
        bool exact = seed_below(s, 2);
        for (uint32_t i = 0; i < d->n_indicators; i++)
                for (uint32_t region = 0; region < c->n_regions && n < ROWS; region++)
                        if (seed_below(s, rare) == 0)
                                facts[n++] = (struct fact){
                                    .indicator = (uint16_t)d->indicators[i],
                                    .region = region,
                                    .value = seed_between(s, -(1ll << bits), 1ll << bits) % VALUE_MAX,
                                    .q = exact ? EXACT : (uint8_t)seed_below(s, 3),
                                    .own = seed_below(s, 4) == 0};
        return n;
}

static bool same_facts(const struct fact *a, const struct fact *b, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (a[i].value != b[i].value || a[i].region != b[i].region ||
                    a[i].indicator != b[i].indicator || a[i].q != b[i].q || a[i].own != b[i].own)
                        return false;
        return true;
}

static bool same_notes(const struct report *a, const struct report *b)
{
        bool same = a->n_notes == b->n_notes && (a->note == NULL) == (b->note == NULL) &&
                    (!a->note || strcmp(a->note, b->note) == 0);
        for (size_t i = 0; same && i < a->n_notes; i++)
                same = a->notes[i].region == b->notes[i].region &&
                       a->notes[i].indicator == b->notes[i].indicator &&
                       strcmp(a->notes[i].text, b->notes[i].text) == 0;
        return same;
}

/* What protobuf-c finds in the bytes are the facts, name by name. */
static void holds_plainly(const struct catalog *c, const struct report *r, const struct text *bytes)
{
        Sumu__Payload *p = sumu__payload__unpack(NULL, bytes->n, (const uint8_t *)bytes->v);
        HOLDS(p && p->n_region == r->n && p->n_indicator == r->n && p->n_value == r->n);
        HOLDS(p->n_qualifier == 0 || p->n_qualifier == r->n);
        for (size_t i = 0; i < r->n; i++) {
                const struct fact *f = &r->facts[i];
                struct text name = {0};
                text_printf(&name, "%s%s", c->regions[f->region].code, f->own ? "/own" : "");
                HOLDS(strcmp(p->region_name[p->region[i]], text_c(&name)) == 0);
                HOLDS(strcmp(p->indicator_name[p->indicator[i]], c->indicators[f->indicator].code) == 0);
                HOLDS(p->value[i] == f->value && (p->n_qualifier ? p->qualifier[i] : EXACT) == f->q);
                text_close(&name);
        }
        HOLDS(strcmp(p->note, r->note ? r->note : "") == 0 && p->n_note_row == r->n_notes);
        for (size_t i = 0; i < r->n_notes; i++) {
                const struct fact *f = &r->facts[p->note_row[i]];
                HOLDS(f->region == r->notes[i].region && f->indicator == r->notes[i].indicator);
                HOLDS(strcmp(p->note_text[i], r->notes[i].text) == 0);
        }
        size_t n = sumu__payload__get_packed_size(p);
        HOLDS(n == bytes->n);
        uint8_t *packed = malloc(n + 1);
        sumu__payload__pack(p, packed);
        HOLDS(n == 0 || memcmp(packed, bytes->v, n) == 0);
        free(packed);
        sumu__payload__free_unpacked(p, NULL);
}

static void swap(void *list, size_t size, size_t a, size_t b)
{
        char spare[16], *v = list;
        memcpy(spare, v + a * size, size);
        memcpy(v + a * size, v + b * size, size);
        memcpy(v + b * size, spare, size);
}

/* The same report as somebody else might pack it: rows in any order, every row with its own qualifier. */
static void shuffle(struct seed *s, const struct text *bytes, struct text *out)
{
        Sumu__Payload *p = sumu__payload__unpack(NULL, bytes->n, (const uint8_t *)bytes->v);
        for (size_t i = p->n_value; i > 1; i--) {
                size_t k = seed_below(s, i);
                swap(p->region, sizeof *p->region, i - 1, k);
                swap(p->indicator, sizeof *p->indicator, i - 1, k);
                swap(p->value, sizeof *p->value, i - 1, k);
                if (p->n_qualifier)
                        swap(p->qualifier, sizeof *p->qualifier, i - 1, k);
                for (size_t note = 0; note < p->n_note_row; note++)
                        p->note_row[note] = p->note_row[note] == i - 1 ? (uint32_t)k
                                            : p->note_row[note] == k   ? (uint32_t)(i - 1)
                                                                       : p->note_row[note];
        }
        text_clear(out);
        size_t n = sumu__payload__get_packed_size(p);
        uint8_t *packed = malloc(n + 1);
        sumu__payload__pack(p, packed);
        text_bytes(out, packed, n);
        free(packed);
        sumu__payload__free_unpacked(p, NULL);
}

static void holds_read(const struct catalog *c, uint32_t dataset, const struct report *r,
                       const struct text *bytes)
{
        struct arena a = {0};
        struct reasons why = {0};
        struct report back = {0};
        HOLDS(payload_read((const uint8_t *)bytes->v, bytes->n, c, dataset, &a, &back, &why) == PAYLOAD_READ);
        HOLDS(back.n == r->n && same_facts(back.facts, r->facts, r->n) && same_notes(r, &back));
        arena_close(&a);
        reasons_close(&why);
}

static void random_notes(struct seed *s, struct report *r, struct note *notes)
{
        static const char *const texts[] = {"", "盘点后更正", "late", "\n"};
        r->note = seed_below(s, 2) ? "年中核对" : NULL;
        r->notes = notes;
        for (size_t i = 0; i < r->n; i++)
                if (seed_below(s, 10) == 0)
                        notes[r->n_notes++] =
                            (struct note){r->facts[i].region, r->facts[i].indicator, texts[seed_below(s, 4)]};
}

static void round_trip(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct fact *facts = calloc(ROWS, sizeof *facts);
        struct note *notes = calloc(ROWS, sizeof *notes);
        for (int i = 0; i < ROUNDS; i++) {
                struct catalog *c = toy_random(&s, 1 + (uint32_t)seed_below(&s, REGIONS));
                uint32_t dataset = (uint32_t)seed_below(&s, c->n_datasets);
                struct report r = {.facts = facts};
                struct text bytes = {0}, other = {0};
                r.n = random_facts(&s, c, &c->datasets[dataset], facts);
                random_notes(&s, &r, notes);
                payload_write(c, &r, &bytes);
                holds_plainly(c, &r, &bytes);
                holds_read(c, dataset, &r, &bytes);
                shuffle(&s, &bytes, &other);
                holds_read(c, dataset, &r, &other);
                text_close(&bytes);
                text_close(&other);
                toy_free(c);
        }
        free(facts);
        free(notes);
}

/* Whatever was done to the bytes: an answer, and facts in order, of this catalogue and dataset, within
 * bounds. */
static void damaged(void **state)
{
        (void)state;
        struct seed s = seed_from(seed_of_run());
        struct fact facts[ROWS];
        struct note notes[ROWS];
        size_t seen[PAYLOAD_MEMORY] = {0};
        struct catalog *c = NULL;
        for (int i = 0; i < 20000; i++) {
                if (i % 500 == 0) {
                        if (c)
                                toy_free(c);
                        c = toy_random(&s, 20);
                }
                uint32_t dataset = (uint32_t)seed_below(&s, c->n_datasets);
                struct report r = {.facts = facts}, back = {0};
                struct text bytes = {0};
                struct arena a = {0};
                struct reasons why = {0};
                r.n = random_facts(&s, c, &c->datasets[dataset], facts);
                random_notes(&s, &r, notes);
                payload_write(c, &r, &bytes);
                size_t n = bytes.n;
                for (uint64_t k = 1 + seed_below(&s, 2); k > 0 && n > 0; k--)
                        switch (seed_below(&s, 3)) {
                        case 0: bytes.v[seed_below(&s, n)] = (char)seed_next(&s); break;
                        case 1: bytes.v[seed_below(&s, n)] ^= (char)(1 << seed_below(&s, 8)); break;
                        case 2: n = seed_below(&s, n + 1); break;
                        }
                enum payload_state got =
                    payload_read((const uint8_t *)bytes.v, n, c, dataset, &a, &back, &why);
                HOLDS(got != PAYLOAD_MEMORY);
                HOLDS((got == PAYLOAD_UNKNOWN) <= (why.n > 0) && (got == PAYLOAD_READ) <= (why.n == 0));
                seen[got]++;
                for (size_t k = 0; k < back.n; k++) {
                        const struct fact *f = &back.facts[k];
                        HOLDS(f->region < c->n_regions && c->indicators[f->indicator].dataset == dataset);
                        HOLDS(f->q <= ABOUT && f->value >= -VALUE_MAX && f->value <= VALUE_MAX);
                        HOLDS(k == 0 || f[-1].indicator < f->indicator ||
                              (f[-1].indicator == f->indicator && f[-1].region < f->region));
                }
                arena_close(&a);
                reasons_close(&why);
                text_close(&bytes);
        }
        HOLDS(seen[PAYLOAD_READ] > 500 && seen[PAYLOAD_UNKNOWN] > 500 && seen[PAYLOAD_BROKEN] > 500);
        toy_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(damaged)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
