/* report: what an office says about one dataset in one period, how reports fold, and whether one may stand.
 *
 * Facts are sorted by (indicator, region) and hold each pair once; that order is an invariant of every array
 * of facts in the program. Region and indicator are numbers of one catalogue. */
#ifndef SUMU_CORE_REPORT_H
#define SUMU_CORE_REPORT_H

#include "core/catalog.h"
#include "core/reason.h"

enum action { REPLACE, MERGE, WITHDRAW, ADD };
const char *action_word(enum action a);
bool action_find(const char *word, enum action *a); /* English word, or 替换 合并 撤回 累加 */

enum { REPORT_ROWS = 20000, REPORT_BYTES = 200 * 1024 };

struct fact {
        int64_t value;
        uint32_t region;
        uint16_t indicator;
        uint8_t q;   /* enum qualifier */
        uint8_t own; /* written as the region's own: no overlap with those below it */
};

struct note { /* of a row; kept as its explanation */
        uint32_t region, indicator;
        const char *text;
};

struct report {
        uint32_t dataset;
        struct period period;
        enum action action;
        struct fact *facts; /* sorted */
        size_t n;
        const char *note;
        struct note *notes;
        size_t n_notes;
};

/* The place of a revision among those of the same report. */
struct place {
        uint32_t turn;
        uint64_t seq;
};
int place_compare(struct place a, struct place b);

/* The order of facts as one number. */
static inline uint64_t fact_key(uint32_t indicator, uint32_t region)
{
        return (uint64_t)indicator << 32 | region;
}

void facts_sort(struct fact *facts, size_t n);

/* The first at or after `from` whose key is not below; near ones are found fastest. */
size_t facts_seek(const struct fact *facts, size_t n, size_t from, uint64_t key);

/* The facts of one indicator: how many, and where they begin (none: NULL). */
size_t facts_run(const struct fact *facts, size_t n, uint32_t indicator, const struct fact **run);

/* What stands of one office, dataset and period: sorted facts. A zeroed struct is empty. */
struct standing {
        struct fact *facts;
        size_t n, cap;
};
void standing_close(struct standing *s);
bool standing_copy(struct standing *s, const struct standing *from); /* into an empty one */
const struct fact *standing_find(const struct standing *s, uint32_t indicator, uint32_t region);

/* Folds the next revision in (DESIGN.md section 3.5). false: memory, nothing changed. An `add` saturates
 * beyond 64 bits; report_judge refuses it long before. */
bool standing_fold(struct standing *s, enum action action, const struct fact *facts, size_t n);

/* The same for a merge or an add, in place, and what it changed fact by fact into changes[n]: it costs what
 * comes, not what stands. false: memory, nothing changed. standing_restore takes the last one back. */
struct change {
        struct fact was, now; /* was: nothing, if fresh */
        uint32_t at;          /* where it stood among the facts, or would have */
        bool fresh;
};
bool standing_change(struct standing *s, enum action action, const struct fact *facts, size_t n,
                     struct change *changes);
void standing_restore(struct standing *s, const struct change *changes, size_t n);

struct judge {
        const struct catalog *catalog;
        uint32_t office;
        int32_t today;             /* the civil day now, in the catalogue's time zone */
        int32_t future_days;       /* clock difference allowed: 0 at the office, 2 at HQ */
        int64_t submitted_civil_s; /* submission time as seconds of civil time since 1970-01-01 00:00 local */
};

/* Checks that need nothing but the report: office, dataset, period, scope, level, validity, kind, bounds.
 * `rows` gives the row number of each fact (NULL: 0). Columns are named by their keys ("region", "value").
 * That a row comes twice and that a report is too large is found by whoever reads it. Memory that runs out is
 * told by out->failed. */
void report_check(const struct report *r, const struct judge *j, const uint32_t *rows, struct reasons *out);

/* Checks of what would stand after a report that passed report_check: overlap, sizes, bounds of an add,
 * rules. `changes`: those of standing_change, of something that passed these checks before, or NULL. `flags`
 * (may be NULL) takes the rules that do not hold but refuse nothing: those of grade explain, and those whose
 * operands are not exact. false: memory; the reasons are then incomplete. */
bool report_judge(const struct report *r, const struct standing *after, const struct change *changes,
                  const struct judge *j, const uint32_t *rows, struct reasons *out, struct reasons *flags);

#endif
