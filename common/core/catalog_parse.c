/* From the bytes of a folder to a catalogue that has been checked completely.
 *
 * Two passes over six sheets. The first turns each sheet into its array and says what is wrong in a row by
 * itself or against tables read before it (regions, datasets, indicators, offices, rules). The second looks
 * at the whole: the tree, cycles of formulas, overlapping scopes. A table that could not be read is not used
 * to find fault with others.
 *
 * Nothing is trusted: a pack comes over the wire. Arrays are made as long as their sheet, which has a limit;
 * a row that is wrong may leave its array entry unusable, but then there is an error and the catalogue never
 * leaves this file. */
#include "base/check.h"
#include "core/catalog_keys.h"
#include "core/sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        NEAR_UNTIL = 20, /* errors; beyond it nobody reads what may have been meant, and looking costs time */
        DERIVED_DEPTH = 8,    /* derived upon derived */
        DERIVED_READS = 1000, /* operands looked up for one derived figure */
        MESSAGE_MAX = 500,    /* bytes of a rule's message */
        FORMULA_MAX = 1000,
        VERSION_MAX = 64,
        ZONE_MAX = 64,
        DECIMALS_MAX = 9,
        DURATION_DIGITS = 4,
};

/* COLUMN(name, needed): the sheets' columns, in the order of CONTRACT.md ("Catalogue folder"). */
/* clang-format off */
#define ABOUT_COLUMNS(COLUMN) \
        COLUMN(name_zh, true) COLUMN(name_en, true) COLUMN(version, true) COLUMN(root, true) COLUMN(timezone, true)
#define REGION_COLUMNS(COLUMN) \
        COLUMN(code, true) COLUMN(parent, true) COLUMN(level, true) COLUMN(name_zh, true) COLUMN(name_en, true) \
        COLUMN(valid_from, false) COLUMN(valid_to, false)
#define DATASET_COLUMNS(COLUMN) \
        COLUMN(code, true) COLUMN(name_zh, true) COLUMN(name_en, true) COLUMN(every, true) \
        COLUMN(due, false) COLUMN(lock, false) COLUMN(since, false)
#define INDICATOR_COLUMNS(COLUMN) \
        COLUMN(code, true) COLUMN(dataset, true) COLUMN(kind, true) COLUMN(unit_zh, true) COLUMN(unit_en, true) \
        COLUMN(decimals, true) COLUMN(min, true) COLUMN(max, true) COLUMN(name_zh, true) COLUMN(name_en, true) \
        COLUMN(formula, true) COLUMN(level, false)
#define OFFICE_COLUMNS(COLUMN) \
        COLUMN(code, true) COLUMN(region, true) COLUMN(scope, false) COLUMN(datasets, true) \
        COLUMN(name_zh, true) COLUMN(name_en, true) COLUMN(valid_from, false) COLUMN(valid_to, false)
#define RULE_COLUMNS(COLUMN) \
        COLUMN(code, true) COLUMN(dataset, true) COLUMN(grade, true) COLUMN(check, true) \
        COLUMN(message_zh, true) COLUMN(message_en, true)

#define SHEET_OF(table, LIST) \
        enum { LIST(table##_PLACE) table##_COLUMN_COUNT }; \
        static const struct sheet_column table##_columns[] = {LIST(COLUMN_ROW)};
#define COLUMN_ROW(name, needed) {#name, needed},
#define ABOUT_PLACE(name, needed) ABOUT_##name,
#define REGION_PLACE(name, needed) REGION_##name,
#define DATASET_PLACE(name, needed) DATASET_##name,
#define INDICATOR_PLACE(name, needed) INDICATOR_##name,
#define OFFICE_PLACE(name, needed) OFFICE_##name,
#define RULE_PLACE(name, needed) RULE_##name,
/* clang-format on */

SHEET_OF(ABOUT, ABOUT_COLUMNS)
SHEET_OF(REGION, REGION_COLUMNS)
SHEET_OF(DATASET, DATASET_COLUMNS)
SHEET_OF(INDICATOR, INDICATOR_COLUMNS)
SHEET_OF(OFFICE, OFFICE_COLUMNS)
SHEET_OF(RULE, RULE_COLUMNS)

struct parse {
        struct catalog *c;
        struct faults *faults;
        struct sheet about, regions, datasets, indicators, offices, rules;
        struct map region_rows;  /* code to row of regions.csv */
        struct map levels;       /* level to anything */
        int32_t *parent_row;     /* of each row of regions.csv; NONE: root or unknown */
        int32_t *number;         /* region of each row; NONE: not under the root */
        uint32_t *indicator_row; /* row of indicators.csv of each indicator */
        uint32_t dataset_now;    /* while formulas are parsed: where short names are looked up */
        size_t errors_before;    /* in the list we were given */
        bool broken;             /* memory ran out */
};

/* Saying what is wrong */

static void say(struct parse *p, const struct sheet *s, size_t row, size_t column, enum fault_code code,
                const char *a0, const char *a1, const char *a2)
{
        const struct entry *e = sheet_at(s, row, column);
        if (!e->missing)
                faults_add(p->faults, code, s->file, e->line, s->columns[column].name, a0, a1, a2);
}

static const char *text_at(const struct sheet *s, size_t row, size_t column)
{
        return sheet_at(s, row, column)->text;
}

struct digits { /* a number as an argument of a sentence */
        char v[24];
};

static struct digits digits_of(uint64_t n)
{
        struct digits d;
        snprintf(d.v, sizeof d.v, "%llu", (unsigned long long)n);
        return d;
}

static void *take(struct parse *p, size_t n, size_t size)
{
        void *v = arena_alloc(&p->c->arena, (n ? n : 1) * size);
        p->broken |= !v;
        return v;
}

static void put(struct parse *p, struct map *m, const char *key, size_t n, int64_t value)
{
        p->broken |= !map_set(m, key, n, value);
}

static bool is_worth_near(const struct parse *p)
{
        return p->faults->errors < NEAR_UNTIL;
}

/* The text of `column` in any row of `s` that is nearest to `want`. */
static const char *near_in(const struct parse *p, const struct sheet *s, size_t column, const char *want)
{
        struct text_nearest near = {.want = want};
        if (is_worth_near(p))
                for (size_t i = 0; i < s->n; i++)
                        text_nearest_try(&near, text_at(s, i, column));
        return near.best;
}

/* Single values */

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Codes of regions, offices and rules. */
static bool is_code(const char *s)
{
        size_t n = 0;
        for (; s[n]; n++)
                if (!is_letter(s[n]) && !is_digit(s[n]) && !strchr("._-", s[n]))
                        return false;
        return n >= 1 && n <= CODE_MAX;
}

/* Codes of datasets and indicators: they are the names in formulas. */
static bool is_name(const char *s)
{
        size_t n = 0;
        for (; s[n]; n++)
                if (!is_letter(s[n]) && !(n > 0 && (is_digit(s[n]) || s[n] == '_')))
                        return false;
        return n >= 1 && n <= CODE_MAX;
}

/* It becomes the name of a file on the machine that reads it: no dots, no empty part. */
static bool is_zone(const char *s)
{
        if (!is_letter(s[0]) || strlen(s) > ZONE_MAX)
                return false;
        for (size_t i = 0; s[i]; i++)
                if (!is_letter(s[i]) && !is_digit(s[i]) && !strchr("_+-", s[i]) &&
                    !(s[i] == '/' && s[i + 1] && s[i + 1] != '/'))
                        return false;
        return true;
}

static bool is_plain_text(const char *s, size_t most)
{
        size_t n = 0;
        for (; s[n]; n++)
                if ((unsigned char)s[n] < 0x20 || s[n] == 0x7f)
                        return false;
        return n <= most;
}

static const char *text_of(struct parse *p, const struct sheet *s, size_t row, size_t column, size_t most)
{
        const char *text = text_at(s, row, column);
        if (!is_plain_text(text, most))
                say(p, s, row, column, FAULT_BAD_TEXT, digits_of(most).v, NULL, NULL);
        return text;
}

static const char *needed_text(struct parse *p, const struct sheet *s, size_t row, size_t column, size_t most)
{
        const char *text = text_of(p, s, row, column, most);
        if (!*text)
                say(p, s, row, column, FAULT_NO_TEXT, NULL, NULL, NULL);
        return text;
}

/* A text in two languages; where one is not given the other stands for it. */
static void both_texts(struct parse *p, const struct sheet *s, size_t row, size_t zh_column, size_t en_column,
                       size_t most, const char **zh, const char **en)
{
        *zh = text_of(p, s, row, zh_column, most);
        *en = text_of(p, s, row, en_column, most);
        if (!**zh && !**en)
                say(p, s, row, zh_column, FAULT_NO_TEXT, NULL, NULL, NULL);
        else if (!**zh)
                *zh = *en;
        else if (!**en)
                *en = *zh;
}

/* A code that nothing above it has, noted in `m` under its row. */
static const char *code_of(struct parse *p, const struct sheet *s, size_t row, size_t column, struct map *m)
{
        const char *code = text_at(s, row, column);
        int64_t first = map_get_str(m, code);
        if (!is_code(code))
                say(p, s, row, column, FAULT_NOT_A_CODE, code, NULL, NULL);
        else if (first != MAP_NONE)
                say(p, s, row, column, FAULT_DUPLICATE_CODE, code,
                    digits_of(sheet_at(s, (size_t)first, column)->line).v, NULL);
        else
                put(p, m, code, strlen(code), (int64_t)row);
        return code;
}

static int32_t day_at(struct parse *p, const struct sheet *s, size_t row, size_t column, int32_t absent)
{
        const char *text = text_at(s, row, column);
        int32_t day = absent;
        if (*text && !day_parse(text, &day)) {
                say(p, s, row, column, FAULT_NOT_A_DATE, text, NULL, NULL);
                day = absent;
        }
        return day;
}

static void validity(struct parse *p, const struct sheet *s, size_t row, size_t from_column, size_t to_column,
                     int32_t *from, int32_t *to)
{
        *from = day_at(p, s, row, from_column, INT32_MIN);
        *to = day_at(p, s, row, to_column, INT32_MAX);
        if (*from > *to)
                say(p, s, row, to_column, FAULT_DATES_REVERSED, NULL, NULL, NULL);
}

/* Reads "12" and the letter after it; *at moves past both. */
static bool duration_part(const char **at, char unit, int64_t seconds, int64_t *sum)
{
        int64_t n = 0;
        size_t digits = 0;
        for (; is_digit((*at)[digits]) && digits < DURATION_DIGITS; digits++)
                n = n * 10 + ((*at)[digits] - '0');
        if (digits == 0 || (*at)[digits] != unit)
                return false;
        *at += digits + 1;
        *sum += n * seconds;
        return true;
}

static bool duration_parse(const char *text, int64_t *seconds)
{
        int64_t sum = 0;
        bool days = duration_part(&text, 'd', 86400, &sum);
        bool hours = duration_part(&text, 'h', 3600, &sum);
        *seconds = sum;
        return (days || hours) && !*text;
}

static int64_t duration_at(struct parse *p, const struct sheet *s, size_t row, size_t column, int64_t absent)
{
        const char *text = text_at(s, row, column);
        int64_t seconds;
        if (!*text)
                return absent;
        if (duration_parse(text, &seconds))
                return seconds;
        say(p, s, row, column, FAULT_NOT_A_DURATION, text, NULL, NULL);
        return absent;
}

/* catalog.yaml */

static void read_about(struct parse *p)
{
        const struct sheet *s = &p->about;
        if (s->n == 0)
                return;
        both_texts(p, s, 0, ABOUT_name_zh, ABOUT_name_en, NAME_MAX_BYTES, &p->c->name_zh, &p->c->name_en);
        p->c->version = needed_text(p, s, 0, ABOUT_version, VERSION_MAX);
        p->c->timezone = text_at(s, 0, ABOUT_timezone);
        if (!is_zone(p->c->timezone))
                say(p, s, 0, ABOUT_timezone, FAULT_NOT_A_ZONE, p->c->timezone, NULL, NULL);
}

/* regions.csv: first the rows, then the tree over them, then the regions in breadth-first order. */

static void find_parents(struct parse *p)
{
        const struct sheet *s = &p->regions;
        for (size_t i = 0; i < s->n; i++) {
                const char *parent = text_at(s, i, REGION_parent);
                p->parent_row[i] = (int32_t)map_get_str(&p->region_rows, parent);
                if (*parent && p->parent_row[i] == NONE)
                        say(p, s, i, REGION_parent, FAULT_UNKNOWN_PARENT, parent,
                            near_in(p, s, REGION_code, parent), NULL);
        }
}

/* The row of the root, or NONE. More than one, none, or another than catalog.yaml names is a fault. */
static int32_t find_root(struct parse *p)
{
        const struct sheet *s = &p->regions;
        int32_t root = NONE;
        for (size_t i = 0; i < s->n; i++) {
                if (*text_at(s, i, REGION_parent))
                        continue;
                if (root == NONE)
                        root = (int32_t)i;
                else
                        say(p, s, i, REGION_parent, FAULT_SECOND_ROOT, text_at(s, i, REGION_code),
                            text_at(s, (size_t)root, REGION_code), NULL);
        }
        if (root == NONE && s->fine)
                faults_add(p->faults, FAULT_NO_ROOT, s->file, 0, NULL, NULL, NULL, NULL);
        if (root == NONE || p->about.n == 0)
                return root;
        const char *said = text_at(&p->about, 0, ABOUT_root), *found = text_at(s, (size_t)root, REGION_code);
        if (strcmp(said, found) != 0)
                say(p, &p->about, 0, ABOUT_root, FAULT_ROOT_DIFFERS, said, found, NULL);
        return root;
}

/* Walks up from each row; a walk that meets its own steps has gone round a cycle. Each cycle is told once. */
static void find_cycles(struct parse *p)
{
        const struct sheet *s = &p->regions;
        uint32_t *walk = take(p, s->n, sizeof *walk);
        if (!walk)
                return;
        for (uint32_t i = 0; i < s->n; i++) {
                int32_t at = (int32_t)i;
                for (; at != NONE && !walk[at]; at = p->parent_row[at])
                        walk[at] = i + 1;
                if (at != NONE && walk[at] == i + 1)
                        say(p, s, (size_t)at, REGION_parent, FAULT_REGION_CYCLE,
                            text_at(s, (size_t)at, REGION_code),
                            text_at(s, (size_t)p->parent_row[at], REGION_code), NULL);
        }
}

/* Children of each row, in file order: first + 1 and next + 1, 0: none. */
struct children {
        uint32_t *first, *next;
};

static bool find_children(struct parse *p, struct children *c)
{
        size_t n = p->regions.n;
        c->first = take(p, n, sizeof *c->first);
        c->next = take(p, n, sizeof *c->next);
        if (!c->first || !c->next)
                return false;
        for (size_t i = n; i-- > 0;) {
                int32_t parent = p->parent_row[i];
                if (parent == NONE)
                        continue;
                c->next[i] = c->first[parent];
                c->first[parent] = (uint32_t)i + 1;
        }
        return true;
}

static void add_region(struct parse *p, size_t row, int32_t parent)
{
        const struct sheet *s = &p->regions;
        struct catalog *c = p->c;
        struct region *r = &c->regions[c->n_regions];
        r->code = text_at(s, row, REGION_code);
        r->level = text_of(p, s, row, REGION_level, NAME_MAX_BYTES);
        both_texts(p, s, row, REGION_name_zh, REGION_name_en, NAME_MAX_BYTES, &r->name_zh, &r->name_en);
        validity(p, s, row, REGION_valid_from, REGION_valid_to, &r->valid_from, &r->valid_to);
        r->parent = parent;
        r->depth = parent == NONE ? 0 : c->regions[parent].depth + 1;
        if (r->depth == CATALOG_DEPTH)
                say(p, s, row, REGION_parent, FAULT_TREE_DEEP, r->code, digits_of(CATALOG_DEPTH).v, NULL);
        p->number[row] = (int32_t)c->n_regions++;
}

/* What lies deeper than the tree may be is left out; the first of it was told. */
static void grow_tree(struct parse *p, int32_t root)
{
        struct children below;
        uint32_t *row_of = take(p, p->regions.n, sizeof *row_of);
        if (root == NONE || !row_of || !find_children(p, &below))
                return;
        row_of[0] = (uint32_t)root;
        add_region(p, (size_t)root, NONE);
        for (uint32_t i = 0; i < p->c->n_regions; i++) {
                p->c->regions[i].first_child = p->c->n_regions;
                if (p->c->regions[i].depth == CATALOG_DEPTH)
                        continue;
                for (uint32_t next = below.first[row_of[i]]; next; next = below.next[next - 1]) {
                        row_of[p->c->n_regions] = next - 1;
                        add_region(p, next - 1, (int32_t)i);
                        p->c->regions[i].children++;
                }
        }
}

/* Chains the region into those of its name. The map holds the first, the others follow it. */
static void name_region(struct parse *p, enum lang lang, const char *name, uint32_t region)
{
        struct map *m = &p->c->region_names[lang];
        int64_t first = map_get_str(m, name);
        if (first == MAP_NONE) {
                put(p, m, name, strlen(name), region);
                return;
        }
        uint32_t *next = p->c->same_name[lang];
        next[region] = next[first];
        next[first] = region + 1;
}

static void name_regions(struct parse *p)
{
        struct catalog *c = p->c;
        c->same_name[LANG_EN] = take(p, c->n_regions, sizeof(uint32_t));
        c->same_name[LANG_ZH] = take(p, c->n_regions, sizeof(uint32_t));
        if (p->broken)
                return;
        for (uint32_t i = 0; i < c->n_regions; i++) {
                const struct region *r = &c->regions[i];
                put(p, &c->region_codes, r->code, strlen(r->code), i);
                name_region(p, LANG_EN, r->name_en, i);
                name_region(p, LANG_ZH, r->name_zh, i);
        }
}

static void read_regions(struct parse *p)
{
        const struct sheet *s = &p->regions;
        p->c->regions = take(p, s->n, sizeof *p->c->regions);
        p->parent_row = take(p, s->n, sizeof *p->parent_row);
        p->number = take(p, s->n, sizeof *p->number);
        if (p->broken)
                return;
        for (size_t i = 0; i < s->n; i++) {
                p->number[i] = NONE;
                code_of(p, s, i, REGION_code, &p->region_rows);
                const char *level = needed_text(p, s, i, REGION_level, NAME_MAX_BYTES);
                put(p, &p->levels, level, strlen(level), 0);
        }
        find_parents(p);
        find_cycles(p);
        grow_tree(p, find_root(p));
        name_regions(p);
}

/* datasets.yaml */

/* A code that is a name in formulas; its uniqueness is the caller's business. */
static const char *name_of(struct parse *p, const struct sheet *s, size_t row, size_t column)
{
        const char *code = text_at(s, row, column);
        if (!is_name(code))
                say(p, s, row, column, FAULT_NOT_A_NAME, code, NULL, NULL);
        return code;
}

static void read_every(struct parse *p, size_t row, struct dataset *d)
{
        const char *every = text_at(&p->datasets, row, DATASET_every);
        if (!period_kind_find(every, &d->every) || d->every == PERIOD_SPAN) {
                say(p, &p->datasets, row, DATASET_every, FAULT_NOT_ONE_OF, every,
                    "day, week, month, quarter, half, year", NULL);
                d->every = PERIOD_YEAR;
        }
}

static void read_dataset(struct parse *p, size_t row)
{
        const struct sheet *s = &p->datasets;
        struct dataset *d = &p->c->datasets[row];
        d->code = name_of(p, s, row, DATASET_code);
        int64_t first = map_get_str(&p->c->dataset_codes, d->code);
        if (first != MAP_NONE)
                say(p, s, row, DATASET_code, FAULT_DUPLICATE_CODE, d->code,
                    digits_of(sheet_at(s, (size_t)first, DATASET_code)->line).v, NULL);
        else
                put(p, &p->c->dataset_codes, d->code, strlen(d->code), (int64_t)row);
        both_texts(p, s, row, DATASET_name_zh, DATASET_name_en, NAME_MAX_BYTES, &d->name_zh, &d->name_en);
        read_every(p, row, d);
        d->due_s = duration_at(p, s, row, DATASET_due, 0);
        d->lock_s = duration_at(p, s, row, DATASET_lock, NONE);
        d->since = day_at(p, s, row, DATASET_since, INT32_MIN);
        if (d->lock_s != NONE && d->lock_s < d->due_s)
                say(p, s, row, DATASET_lock, FAULT_LOCK_BEFORE_DUE, d->code, NULL, NULL);
}

static void read_datasets(struct parse *p)
{
        p->c->datasets = take(p, p->datasets.n, sizeof *p->c->datasets);
        if (p->broken)
                return;
        p->c->n_datasets = (uint32_t)p->datasets.n;
        for (size_t i = 0; i < p->datasets.n; i++)
                read_dataset(p, i);
}

static int32_t dataset_at(struct parse *p, const struct sheet *s, size_t row, size_t column, const char *code)
{
        int32_t dataset = catalog_dataset(p->c, code);
        if (dataset == NONE && p->datasets.fine)
                say(p, s, row, column, FAULT_UNKNOWN_DATASET, code,
                    near_in(p, &p->datasets, DATASET_code, code), NULL);
        return dataset;
}

/* indicators.csv */

static bool kind_find(const char *word, enum kind *k)
{
        for (int i = FLOW; i <= DERIVED; i++)
                if (strcmp(kind_word((enum kind)i), word) == 0) {
                        *k = (enum kind)i;
                        return true;
                }
        return false;
}

/* "-" and, of a maximum, nothing at all: no bound. */
static bool bound_at(struct parse *p, size_t row, size_t column, const struct indicator *one, int64_t *bound)
{
        const char *text = text_at(&p->indicators, row, column);
        *bound = 0;
        if (strcmp(text, "-") == 0 || !*text)
                return !*text && column == INDICATOR_min;
        struct number n =
            number_read(text, strlen(text),
                        (struct number_form){.decimals = one->decimals, .unit_zh = "", .unit_en = ""});
        if (n.kind == NUMBER_GIVEN && n.q == EXACT) {
                *bound = n.value;
                return true;
        }
        say(p, &p->indicators, row, column, FAULT_NOT_A_BOUND, text, digits_of(one->decimals).v, NULL);
        return false;
}

static void read_bounds(struct parse *p, size_t row, struct indicator *one)
{
        const struct sheet *s = &p->indicators;
        const char *min = text_at(s, row, INDICATOR_min), *max = text_at(s, row, INDICATOR_max);
        if (one->kind == DERIVED) {
                if (*min || *max)
                        say(p, s, row, *min ? INDICATOR_min : INDICATOR_max, FAULT_BOUNDS_OF_DERIVED,
                            one->name, NULL, NULL);
                return;
        }
        one->has_min = bound_at(p, row, INDICATOR_min, one, &one->min);
        one->has_max = bound_at(p, row, INDICATOR_max, one, &one->max);
        if (one->has_min && one->has_max && one->min > one->max)
                say(p, s, row, INDICATOR_max, FAULT_BOUNDS_REVERSED, *min ? min : "0", max, NULL);
}

static void read_kind(struct parse *p, size_t row, struct indicator *one)
{
        const struct sheet *s = &p->indicators;
        const char *kind = text_at(s, row, INDICATOR_kind), *decimals = text_at(s, row, INDICATOR_decimals);
        one->decimals = DECIMALS_MAX; /* while it is not known, let it be no fault of the bounds */
        if (!kind_find(kind, &one->kind))
                say(p, s, row, INDICATOR_kind, FAULT_NOT_ONE_OF, kind, "flow, stock, peak, derived", NULL);
        if (is_digit(decimals[0]) && !decimals[1])
                one->decimals = (unsigned)(decimals[0] - '0');
        else
                say(p, s, row, INDICATOR_decimals, FAULT_NOT_ONE_OF, decimals, "0 … 9", NULL);
}

static void read_formula_text(struct parse *p, size_t row, struct indicator *one)
{
        const struct sheet *s = &p->indicators;
        const char *text = text_of(p, s, row, INDICATOR_formula, FORMULA_MAX);
        if (one->kind == DERIVED)
                one->formula_text = text;
        if (one->kind == DERIVED && !*text)
                say(p, s, row, INDICATOR_formula, FAULT_FORMULA_MISSING, NULL, NULL, NULL);
        if (one->kind != DERIVED && *text)
                say(p, s, row, INDICATOR_formula, FAULT_FORMULA_GIVEN, one->code, kind_word(one->kind), NULL);
}

static void read_level(struct parse *p, size_t row, struct indicator *one)
{
        const struct sheet *s = &p->indicators;
        const char *level = text_at(s, row, INDICATOR_level);
        if (*level) {
                one->level = level;
                if (map_get_str(&p->levels, level) == MAP_NONE && p->regions.fine)
                        say(p, s, row, INDICATOR_level, FAULT_UNKNOWN_LEVEL, level,
                            near_in(p, &p->regions, REGION_level, level), NULL);
        } else if (one->kind == STOCK) {
                say(p, s, row, INDICATOR_level, FAULT_STOCK_WITHOUT_LEVEL, one->code, NULL, NULL);
        }
}

static const char *full_name(struct parse *p, const char *dataset, const char *code)
{
        size_t n = strlen(dataset) + 1 + strlen(code) + 1;
        char *name = take(p, n, 1);
        if (name)
                snprintf(name, n, "%s.%s", dataset, code);
        return name;
}

static void put_key(struct parse *p, const struct catalog_key *k, int64_t value)
{
        put(p, &p->c->indicator_names, k->text, k->n, value);
}

/* Within its dataset a code stands for one indicator; elsewhere it may be shared. */
static void note_codes(struct parse *p, size_t row, const char *dataset, uint32_t number)
{
        const struct sheet *s = &p->indicators;
        const struct indicator *one = &p->c->indicators[number];
        struct catalog_key k;
        if (!catalog_key(&k, 'c', dataset, one->code))
                return; /* no code at all, said already */
        int64_t first = map_get(&p->c->indicator_names, k.text, k.n);
        if (first != MAP_NONE) {
                size_t line = 0;
                for (size_t i = 0; i < row && !line; i++)
                        if (strcmp(text_at(s, i, INDICATOR_dataset), dataset) == 0 &&
                            strcmp(text_at(s, i, INDICATOR_code), one->code) == 0)
                                line = sheet_at(s, i, INDICATOR_code)->line;
                say(p, s, row, INDICATOR_code, FAULT_DUPLICATE_CODE, one->code, digits_of(line).v, NULL);
                return;
        }
        put_key(p, &k, number);
        if (catalog_key(&k, 'c', NULL, one->name))
                put_key(p, &k, number);
        if (catalog_key(&k, 'c', NULL, one->code))
                put_key(p, &k,
                        map_get(&p->c->indicator_names, k.text, k.n) == MAP_NONE ? number : AMBIGUOUS_HERE);
}

/* A name that two of one dataset share is worth a warning; in the map such a key is ambiguous. */
static void note_name(struct parse *p, size_t row, size_t column, const char *dataset, const char *name,
                      uint32_t number)
{
        struct catalog_key k;
        if (!catalog_key(&k, 'n', dataset, name))
                return;
        int64_t other = map_get(&p->c->indicator_names, k.text, k.n);
        if (other == number)
                return;
        put_key(p, &k, other == MAP_NONE ? number : AMBIGUOUS_HERE);
        if (dataset && other != MAP_NONE)
                say(p, &p->indicators, row, column, FAULT_SAME_NAME, name,
                    other == AMBIGUOUS_HERE ? "others" : p->c->indicators[other].code, NULL);
}

static void note_names(struct parse *p, size_t row, const char *dataset, uint32_t number)
{
        const struct indicator *one = &p->c->indicators[number];
        note_name(p, row, INDICATOR_name_zh, dataset, one->name_zh, number);
        note_name(p, row, INDICATOR_name_en, dataset, one->name_en, number);
        note_name(p, row, INDICATOR_name_zh, NULL, one->name_zh, number);
        note_name(p, row, INDICATOR_name_en, NULL, one->name_en, number);
}

/* An indicator of an unknown dataset has no place to be in and is left out. */
static void read_indicator(struct parse *p, size_t row)
{
        const struct sheet *s = &p->indicators;
        const char *code = name_of(p, s, row, INDICATOR_code);
        const char *dataset = text_at(s, row, INDICATOR_dataset);
        int32_t d = dataset_at(p, s, row, INDICATOR_dataset, dataset);
        struct indicator one = {.code = code, .dataset = d == NONE ? 0 : (uint32_t)d};
        one.name = full_name(p, dataset, code);
        read_kind(p, row, &one);
        both_texts(p, s, row, INDICATOR_name_zh, INDICATOR_name_en, NAME_MAX_BYTES, &one.name_zh,
                   &one.name_en);
        both_texts(p, s, row, INDICATOR_unit_zh, INDICATOR_unit_en, NAME_MAX_BYTES, &one.unit_zh,
                   &one.unit_en);
        read_bounds(p, row, &one);
        read_formula_text(p, row, &one);
        read_level(p, row, &one);
        if (d == NONE || p->broken)
                return;
        uint32_t number = p->c->n_indicators++;
        p->c->indicators[number] = one;
        p->indicator_row[number] = (uint32_t)row;
        note_codes(p, row, dataset, number);
        note_names(p, row, dataset, number);
}

static void list_indicators(struct parse *p)
{
        struct catalog *c = p->c;
        for (uint32_t i = 0; i < c->n_indicators; i++)
                c->datasets[c->indicators[i].dataset].n_indicators++;
        for (uint32_t d = 0; d < c->n_datasets; d++) {
                struct dataset *set = &c->datasets[d];
                set->indicators = take(p, set->n_indicators, sizeof *set->indicators);
                if (set->n_indicators == 0 && p->indicators.fine)
                        say(p, &p->datasets, d, DATASET_code, FAULT_DATASET_EMPTY, set->code, NULL, NULL);
                set->n_indicators = 0;
        }
        for (uint32_t i = 0; i < c->n_indicators && !p->broken; i++) {
                struct dataset *set = &c->datasets[c->indicators[i].dataset];
                set->indicators[set->n_indicators++] = i;
        }
}

static void read_indicators(struct parse *p)
{
        p->c->indicators = take(p, p->indicators.n, sizeof *p->c->indicators);
        p->indicator_row = take(p, p->indicators.n, sizeof *p->indicator_row);
        for (size_t i = 0; i < p->indicators.n && !p->broken; i++)
                read_indicator(p, i);
        list_indicators(p);
}

/* Formulas. Names are looked up in the dataset the formula stands in, then among full names. */

static int find_operand(void *ctx, const char *name, const char **near)
{
        struct parse *p = ctx;
        int32_t found = catalog_indicator(p->c, (int32_t)p->dataset_now, name);
        if (found < 0)
                found = catalog_indicator(p->c, NONE, name);
        if (found < 0)
                *near = is_worth_near(p) ? catalog_near_indicator(p->c, (int32_t)p->dataset_now, name) : NULL;
        return found < 0 ? NONE : found;
}

static struct formula *formula_at(struct parse *p, const struct sheet *s, size_t row, size_t column,
                                  uint32_t dataset, bool check)
{
        struct err e = {0};
        p->dataset_now = dataset;
        struct formula_names names = {.find = find_operand, .ctx = p};
        struct formula *f = formula_parse(text_at(s, row, column), check, names, &e);
        if (!f && e.code == E_MEM)
                p->broken = true;
        else if (!f)
                say(p, s, row, column, FAULT_FORMULA, e.text, NULL, NULL);
        return f;
}

/* What it takes to compute a derived indicator. Depth 0: not known yet, OPEN: being found out. */
enum { OPEN = -1 };

struct effort {
        int depth;      /* derived indicators one upon the other, this one included */
        uint64_t reads; /* operands looked up in all, those of derived operands included */
};

/* A cycle is told where it closes. What is over a limit is told once: whoever stands upon it begins again. */
static struct effort derived_effort(struct parse *p, struct effort *known, uint32_t indicator)
{
        if (known[indicator].depth != 0)
                return known[indicator];
        known[indicator].depth = OPEN;
        struct effort sum = {.depth = 1};
        const uint32_t *operands;
        const struct indicator *one = &p->c->indicators[indicator];
        size_t n = one->formula ? formula_operands(one->formula, &operands) : 0;
        for (size_t i = 0; i < n; i++) {
                const struct indicator *operand = &p->c->indicators[operands[i]];
                sum.reads++;
                if (operand->kind != DERIVED)
                        continue;
                struct effort below = derived_effort(p, known, operands[i]);
                if (below.depth == OPEN)
                        say(p, &p->indicators, p->indicator_row[operands[i]], INDICATOR_formula,
                            FAULT_FORMULA_CYCLE, operand->code, one->code, NULL);
                sum.reads += below.reads;
                sum.depth = below.depth >= sum.depth ? below.depth + 1 : sum.depth;
        }
        if (sum.depth > DERIVED_DEPTH || sum.reads > DERIVED_READS) {
                say(p, &p->indicators, p->indicator_row[indicator], INDICATOR_formula, FAULT_FORMULA_DEEP,
                    digits_of(DERIVED_DEPTH).v, digits_of(DERIVED_READS).v, NULL);
                sum = (struct effort){.depth = 1};
        }
        return known[indicator] = sum;
}

static void check_formulas(struct parse *p)
{
        struct catalog *c = p->c;
        struct effort *known = take(p, c->n_indicators, sizeof *known);
        for (uint32_t i = 0; i < c->n_indicators; i++) {
                struct indicator *one = &c->indicators[i];
                if (one->kind == DERIVED && *one->formula_text)
                        one->formula = formula_at(p, &p->indicators, p->indicator_row[i], INDICATOR_formula,
                                                  one->dataset, false);
        }
        for (uint32_t i = 0; i < c->n_indicators && known; i++)
                if (c->indicators[i].kind == DERIVED)
                        derived_effort(p, known, i);
}

/* offices.csv */

#define NOWHERE UINT32_MAX /* where an office is whose region is not in the tree */

static uint64_t datasets_of(struct parse *p, size_t row)
{
        const struct sheet *s = &p->offices;
        const char *text = text_at(s, row, OFFICE_datasets);
        uint64_t set = 0;
        if (strcmp(text, "*") == 0)
                return p->c->n_datasets >= CATALOG_DATASETS ? UINT64_MAX
                                                            : (UINT64_C(1) << p->c->n_datasets) - 1;
        if (!*text)
                say(p, s, row, OFFICE_datasets, FAULT_NO_DATASETS, NULL, NULL, NULL);
        while (*text) {
                size_t n = strcspn(text, ";");
                const char *code = arena_strndup(&p->c->arena, text, n);
                int32_t d = code ? dataset_at(p, s, row, OFFICE_datasets, code) : NONE;
                if (d != NONE)
                        set |= UINT64_C(1) << d;
                text += n + (text[n] == ';');
        }
        return set;
}

static void read_office(struct parse *p, size_t row)
{
        const struct sheet *s = &p->offices;
        struct office *o = &p->c->offices[row];
        const char *region = text_at(s, row, OFFICE_region), *scope = text_at(s, row, OFFICE_scope);
        o->code = code_of(p, s, row, OFFICE_code, &p->c->office_codes);
        both_texts(p, s, row, OFFICE_name_zh, OFFICE_name_en, NAME_MAX_BYTES, &o->name_zh, &o->name_en);
        o->self = strcmp(scope, "self") == 0;
        if (*scope && !o->self && strcmp(scope, "subtree") != 0)
                say(p, s, row, OFFICE_scope, FAULT_NOT_ONE_OF, scope, "subtree, self", NULL);
        int64_t at = map_get_str(&p->region_rows, region);
        if (at == MAP_NONE && p->regions.fine)
                say(p, s, row, OFFICE_region, FAULT_UNKNOWN_REGION, region,
                    near_in(p, &p->regions, REGION_code, region), NULL);
        int32_t number = at == MAP_NONE ? NONE : p->number[at];
        o->region = number == NONE ? NOWHERE : (uint32_t)number;
        o->datasets = datasets_of(p, row);
        validity(p, s, row, OFFICE_valid_from, OFFICE_valid_to, &o->valid_from, &o->valid_to);
}

static bool scopes_meet(const struct catalog *c, const struct office *a, const struct office *b)
{
        if (a->region == NOWHERE || b->region == NOWHERE || !(a->datasets & b->datasets) ||
            a->valid_from > b->valid_to || b->valid_from > a->valid_to)
                return false;
        if (a->region == b->region)
                return true;
        return (!a->self && catalog_is_under(c, b->region, a->region)) ||
               (!b->self && catalog_is_under(c, a->region, b->region));
}

static void check_offices(struct parse *p)
{
        const struct catalog *c = p->c;
        uint64_t answered = 0;
        for (uint32_t i = 0; i < c->n_offices; i++) {
                answered |= c->offices[i].datasets;
                for (uint32_t k = 0; k < i; k++)
                        if (scopes_meet(c, &c->offices[i], &c->offices[k]))
                                say(p, &p->offices, i, OFFICE_region, FAULT_SCOPES_OVERLAP,
                                    c->offices[i].code, c->offices[k].code,
                                    digits_of(sheet_at(&p->offices, k, OFFICE_code)->line).v);
        }
        for (uint32_t d = 0; d < c->n_datasets && p->offices.fine; d++)
                if (!(answered >> d & 1))
                        say(p, &p->datasets, d, DATASET_code, FAULT_DATASET_UNANSWERED, c->datasets[d].code,
                            NULL, NULL);
}

static void read_offices(struct parse *p)
{
        p->c->offices = take(p, p->offices.n, sizeof *p->c->offices);
        if (p->broken)
                return;
        p->c->n_offices = (uint32_t)p->offices.n;
        for (size_t i = 0; i < p->offices.n; i++)
                read_office(p, i);
        check_offices(p);
}

/* rules.csv */

/* Looks at a rule's formula and at the derived ones it uses: `via` is the derived one, NULL: the rule's own.
 * There are no cycles and at most DERIVED_DEPTH levels when this is called. */
static void check_rule(struct parse *p, size_t row, const struct rule *r, const struct formula *f,
                       const char *via)
{
        const uint32_t *operands;
        size_t n = formula_operands(f, &operands);
        if (formula_looks_back(f))
                say(p, &p->rules, row, RULE_check, FAULT_RULE_LOOKS_BACK, via, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
                const struct indicator *one = &p->c->indicators[operands[i]];
                if (one->dataset != r->dataset)
                        say(p, &p->rules, row, RULE_check, FAULT_RULE_FOREIGN, one->name,
                            p->c->datasets[r->dataset].code, NULL);
                else if (one->formula)
                        check_rule(p, row, r, one->formula, one->code);
        }
}

static void read_rule(struct parse *p, size_t row, struct map *codes)
{
        const struct sheet *s = &p->rules;
        struct rule *r = &p->c->rules[row];
        const char *grade = text_at(s, row, RULE_grade);
        r->code = code_of(p, s, row, RULE_code, codes);
        r->grade = strcmp(grade, "explain") == 0 ? EXPLAIN : REJECT;
        if (r->grade == REJECT && strcmp(grade, "reject") != 0)
                say(p, s, row, RULE_grade, FAULT_NOT_ONE_OF, grade, "reject, explain", NULL);
        both_texts(p, s, row, RULE_message_zh, RULE_message_en, MESSAGE_MAX, &r->message_zh, &r->message_en);
        r->check_text = text_of(p, s, row, RULE_check, FORMULA_MAX);
        int32_t d = dataset_at(p, s, row, RULE_dataset, text_at(s, row, RULE_dataset));
        if (d == NONE)
                return;
        r->dataset = (uint32_t)d;
        r->check = formula_at(p, s, row, RULE_check, r->dataset, true);
        if (r->check && p->faults->errors == p->errors_before)
                check_rule(p, row, r, r->check, NULL);
}

static void read_rules(struct parse *p)
{
        struct map codes = {0};
        p->c->rules = take(p, p->rules.n, sizeof *p->c->rules);
        if (!p->broken)
                p->c->n_rules = (uint32_t)p->rules.n;
        for (size_t i = 0; i < p->c->n_rules; i++)
                read_rule(p, i, &codes);
        map_close(&codes);
}

/* The whole */

static void read_all(struct parse *p)
{
        void (*const steps[])(struct parse *) = {read_about,     read_regions, read_datasets, read_indicators,
                                                 check_formulas, read_offices, read_rules};
        for (size_t i = 0; i < sizeof steps / sizeof *steps && !p->broken; i++)
                steps[i](p);
}

static void sort_files(const struct catalog_file *from, size_t n, struct catalog_file to[CATALOG_FILES])
{
        for (size_t k = 0; k < CATALOG_FILES; k++)
                for (size_t i = n; i-- > 0;)
                        if (strcmp(from[i].name, catalog_files[k]) == 0)
                                to[k] = from[i];
}

static bool sizes_fit(const struct catalog_file files[CATALOG_FILES], struct faults *faults)
{
        size_t left = CATALOG_BYTES - 64; /* magic and lengths */
        for (size_t k = 0; k < CATALOG_FILES; k++) {
                if (files[k].n > left) {
                        faults_add(faults, FAULT_FILE_TOO_LARGE, catalog_files[k], 0, NULL, NULL, NULL, NULL);
                        return false;
                }
                left -= files[k].n;
        }
        return true;
}

static void read_sheet(struct parse *p, struct sheet *s, enum sheet_form form,
                       const struct catalog_file *file, bool needed)
{
        if (file->bytes)
                sheet_read(s, form, file->bytes, file->n, &p->c->arena, p->faults);
        else if (needed)
                faults_add(p->faults, FAULT_FILE_MISSING, s->file, 0, NULL, NULL, NULL, NULL);
        else
                s->fine = true;
}

static void close_parse(struct parse *p)
{
        struct sheet *sheets[] = {&p->about,      &p->regions, &p->datasets,
                                  &p->indicators, &p->offices, &p->rules};
        for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++)
                sheet_close(sheets[i]);
        map_close(&p->region_rows);
        map_close(&p->levels);
}

#define SHEET(id, table, most)                                                \
        {                                                                     \
                .file = catalog_files[FILE_##id], .columns = table##_columns, \
                .n_columns = table##_COLUMN_COUNT, .limit = most              \
        }

struct catalog *catalog_parse(const struct catalog_file *given, size_t n, struct faults *faults)
{
        size_t errors_before = faults->errors;
        struct catalog_file files[CATALOG_FILES] = {0};
        sort_files(given, n, files);
        if (!sizes_fit(files, faults))
                return NULL;
        struct parse p = {.c = calloc(1, sizeof *p.c),
                          .faults = faults,
                          .errors_before = errors_before,
                          .about = SHEET(CATALOG, ABOUT, 1),
                          .regions = SHEET(REGIONS, REGION, CATALOG_REGIONS),
                          .datasets = SHEET(DATASETS, DATASET, CATALOG_DATASETS),
                          .indicators = SHEET(INDICATORS, INDICATOR, CATALOG_INDICATORS),
                          .offices = SHEET(OFFICES, OFFICE, CATALOG_OFFICES),
                          .rules = SHEET(RULES, RULE, CATALOG_RULES)};
        if (p.c) {
                read_sheet(&p, &p.about, SHEET_YAML_MAP, &files[FILE_CATALOG], true);
                read_sheet(&p, &p.regions, SHEET_CSV, &files[FILE_REGIONS], true);
                read_sheet(&p, &p.datasets, SHEET_YAML_LIST, &files[FILE_DATASETS], true);
                read_sheet(&p, &p.indicators, SHEET_CSV, &files[FILE_INDICATORS], true);
                read_sheet(&p, &p.offices, SHEET_CSV, &files[FILE_OFFICES], true);
                read_sheet(&p, &p.rules, SHEET_CSV, &files[FILE_RULES], false);
                read_all(&p);
                if (faults->errors == errors_before && !p.broken)
                        p.broken = !catalog_seal(p.c, files);
        }
        if (!p.c || p.broken || p.c->arena.ran_out || faults->failed)
                faults_add(faults, FAULT_MEMORY, "catalog.yaml", 0, NULL, NULL, NULL, NULL);
        close_parse(&p);
        if (faults->errors == errors_before)
                return p.c;
        catalog_free(p.c);
        return NULL;
}
