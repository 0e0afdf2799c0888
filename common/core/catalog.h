/* catalog: the tree of regions, the datasets, indicators, offices and rules of one catalogue folder.
 *
 * Values in, values out: the caller reads the files (or a pack that came over the wire), the catalogue is
 * parsed from bytes, checked completely, and never changes afterwards. Everything is numbered by its place in
 * these arrays; the numbers hold for this catalogue only and are never sent or stored: codes are.
 *
 * Regions are in breadth-first order: a parent stands before its children, the children of one parent stand
 * together and in file order, the root is 0. So "add up the tree" is one loop from the last region to the
 * first.
 *
 * The pack is the canonical form that travels and is stored: the files the digest covers (all but bulletins
 * and pictures), in fixed order. digest = BLAKE2b-256 of the pack. */
#ifndef SUMU_CORE_CATALOG_H
#define SUMU_CORE_CATALOG_H

#include "base/arena.h"
#include "base/map.h"
#include "core/fault.h"
#include "core/formula.h"
#include "core/number.h"
#include "core/period.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        NONE = -1,
        AMBIGUOUS = -2,
        CATALOG_DIGEST = 32,
        CATALOG_DATASETS = 64, /* an office's datasets are a 64-bit set */
        CATALOG_REGIONS = 100000,
        CATALOG_DEPTH = 32, /* levels of regions, the root's included */
        CATALOG_INDICATORS = 4096,
        CATALOG_OFFICES = 4096,
        CATALOG_RULES = 4096,
        CATALOG_BYTES = 32 * 1024 * 1024, /* of a pack */
        CODE_MAX = 32,
};

/* KIND(name, word): how a figure adds up (DESIGN.md section 2). */
#define CATALOG_KINDS(KIND) \
        KIND(FLOW, "flow") KIND(STOCK, "stock") KIND(PEAK, "peak") KIND(DERIVED, "derived")

enum kind {
#define KIND(name, word) name,
        CATALOG_KINDS(KIND)
#undef KIND
};
const char *kind_word(enum kind k);

struct region {
        const char *code, *level, *name_zh, *name_en;
        int32_t parent; /* NONE for the root */
        uint32_t first_child, children;
        uint32_t depth;
        int32_t valid_from, valid_to; /* days, both included; INT32_MIN / INT32_MAX: no bound */
};

struct indicator {
        const char *code; /* "firearms_seized" */
        const char *name; /* "gunexp.firearms_seized", as stored and sent */
        const char *name_zh, *name_en, *unit_zh, *unit_en;
        const char *level; /* NULL: any */
        const char *formula_text;
        struct formula *formula; /* of DERIVED */
        uint32_t dataset;
        enum kind kind;
        unsigned decimals;
        bool has_min, has_max;
        int64_t min, max; /* in the smallest unit */
};

struct dataset {
        const char *code, *name_zh, *name_en;
        enum period_kind every;
        int64_t due_s, lock_s; /* seconds after the period's end; due absent: 0; lock_s NONE: never */
        int32_t since;         /* INT32_MIN: always */
        uint32_t *indicators;  /* all of it, in file order */
        uint32_t n_indicators;
};

struct office {
        const char *code, *name_zh, *name_en;
        uint32_t region;
        bool self; /* scope: that region's own facts only */
        uint64_t datasets;
        int32_t valid_from, valid_to;
};

enum grade { REJECT, EXPLAIN };

struct rule {
        const char *code, *check_text, *message_zh, *message_en;
        uint32_t dataset;
        enum grade grade;
        struct formula *check;
};

struct catalog {
        const char *name_zh, *name_en, *version, *timezone;
        struct region *regions;
        struct indicator *indicators;
        struct dataset *datasets;
        struct office *offices;
        struct rule *rules;
        uint32_t n_regions, n_indicators, n_datasets, n_offices, n_rules;
        uint8_t digest[CATALOG_DIGEST];
        struct text pack;

        struct arena arena; /* all of the above */
        struct map region_codes, region_names[2], indicator_names, dataset_codes, office_codes;
        uint32_t *same_name[2]; /* by enum lang: the next region of the same name + 1, 0: none */
};

struct catalog_file {
        const char *name; /* "regions.csv" */
        const char *bytes;
        size_t n;
};

/* Parses and checks; NULL if there is any error. Every fault is named, not only the first; there may be
 * warnings on a catalogue that is fine. rules.csv may be absent; files of other names are passed over. The
 * catalogue is the caller's. */
struct catalog *catalog_parse(const struct catalog_file *files, size_t n, struct faults *faults);
struct catalog *catalog_unpack(const void *pack, size_t n, struct faults *faults); /* from a pack */
void catalog_free(struct catalog *c);

/* What stands in the way of putting `next` in the place of `now` (DESIGN.md section 4, "One catalogue"). The
 * caller goes through its standing facts, numbered by `now`, and asks this for each: would the fact of this
 * office, region, indicator and period lose its region or a region above it, its office's scope or dataset,
 * its indicator, or the meaning of its indicator (kind, unit, decimals, rhythm of the dataset)? Validity is
 * that of `next` in the period. NULL: nothing is lost; else what would be, in English, in `room`. */
const char *catalog_blocks(const struct catalog *now, const struct catalog *next, uint32_t office,
                           uint32_t region, uint32_t indicator, struct period p, char *room, size_t n);

/* Look-ups: the number, NONE or AMBIGUOUS. Codes of datasets and offices only; regions and indicators by code
 * or unambiguous name, Chinese or English; a code goes before a name. `within`: where several regions have
 * the name, the one in this office's scope is meant (NONE: no office). `*own` (may be NULL): written with
 * /own or 本级 at the end. `dataset` given: an indicator of this dataset only, with or without "dataset."
 * before it; NONE: the full name, or code or name where unambiguous. The near ones are what may have been
 * meant: a name or code, or NULL. */
int32_t catalog_dataset(const struct catalog *c, const char *code);
int32_t catalog_office(const struct catalog *c, const char *code);
int32_t catalog_region_code(const struct catalog *c, const char *code); /* exactly this code */
int32_t catalog_region(const struct catalog *c, const char *text, int32_t within, bool *own);
int32_t catalog_indicator(const struct catalog *c, int32_t dataset, const char *text);
const char *catalog_near_region(const struct catalog *c, const char *text, int32_t within);
const char *catalog_near_indicator(const struct catalog *c, int32_t dataset, const char *text);
const char *catalog_near_dataset(const struct catalog *c, const char *text);

bool catalog_is_under(const struct catalog *c, uint32_t region, uint32_t ancestor); /* itself included */
bool catalog_in_scope(const struct catalog *c, uint32_t office, uint32_t region);
bool catalog_answers(const struct catalog *c, uint32_t office, uint32_t dataset);
bool catalog_valid(int32_t valid_from, int32_t valid_to, struct period p); /* overlaps p */

#endif
