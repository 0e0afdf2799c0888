/* cube: the roll-up in memory.
 *
 * Holds, for the periods that are open, what stands of every office (sorted facts, once) and the cells of the
 * upper periods; takes accepted reports and says which stored totals changed. Stored totals are those of
 * DESIGN.md section 4: regions that have children, in base periods, months, quarters, halves and years.
 *
 * Memory is kept in two units. A *book* is one dataset in one year (of weekly data: one ISO year): the
 * figures of its finest upper periods (months of daily data), from which all coarser ones are made. A
 * *chapter* is what stands in the base periods of one month (daily data) or of the whole year (all others).
 * Both start closed; cube_need says what to recall from the store, the recalled reports are folded in order,
 * then the chapter is open. cube_trim closes the chapters and books touched longest ago until the budget
 * holds; what is pinned (taken but not yet committed) stays.
 *
 * Time first, then place. A fact that comes is added to its upper periods at once; one that is taken back is
 * subtracted from a flow, exactly, while a stock or a peak is then recomputed from what stands. Settling adds
 * the changed columns up the tree.
 *
 * The life of a report:
 *
 *     while ((need = cube_need(u, dataset, base, office, at, &r)) != NEED_NOTHING) {
 *             if (need == NEED_REFOLD)
 *                     … cube_settle, cube_flushed, commit, cube_committed; then cube_close(u, dataset, base,
 * office) … cube_recall_begin, cube_recalled for each report the store names, cube_recall_end
 *     }
 *     cube_take(…)
 */
#ifndef SUMU_CORE_CUBE_H
#define SUMU_CORE_CUBE_H

#include "core/cell.h"
#include "core/report.h"

struct cube;

struct cube *cube_new(const struct catalog *c, size_t budget); /* the catalogue is borrowed. NULL: memory */
void cube_free(struct cube *u);
size_t cube_bytes(
    const struct cube *u); /* what the budget is compared with: all that recalls and reports made grow */

enum need {
        NEED_NOTHING, /* take it */
        NEED_RECALL,  /* not open: recall, then take it */
        NEED_REFOLD,  /* open, but the report's place is not the last: let what is taken be committed, close,
                         recall */
};

/* What to recall: everything that stands of the dataset in base periods within first..last (a whole year if
 * the book is closed, else the chapter). */
struct recall {
        uint32_t dataset;
        int32_t first, last;
};

/* *r is filled unless NEED_NOTHING. A period that is none of the dataset's needs nothing: cube_take refuses
 * it. */
enum need cube_need(const struct cube *u, uint32_t dataset, struct period base, uint32_t office,
                    struct place at, struct recall *r);

/* Opens what `r` names, takes the recalled reports, then is done. Recalled are, of each office and period,
 * the revisions that stand: from the last replace or withdraw on, together and in order of (turn, seq); which
 * office and period comes first does not matter. `wanted` is the base period the recall is for: its chapter
 * is kept, and after cube_close of what stands there of the office by several revisions each one, so that a
 * late report can be folded at its place. `revision` is the last number given for that office, dataset and
 * period. One recall at a time; reports of other chapters may be taken and settled meanwhile. false: memory;
 * what was to be opened is closed after cube_recall_end. */
bool cube_recall_begin(struct cube *u, const struct recall *r, struct period wanted);
bool cube_recalled(struct cube *u, uint32_t office, const struct report *r, struct place at,
                   uint32_t revision);
bool cube_recall_end(struct cube *u);

/* Closes the chapter of a period, for NEED_REFOLD of a report of the office. It must not be pinned. */
void cube_close(struct cube *u, uint32_t dataset, struct period base, uint32_t office);

enum verdict { ACCEPTED, SUPERSEDED, REJECTED };
const char *verdict_word(enum verdict v);

/* Judges a report for which cube_need answers NEED_NOTHING and folds it if it may stand. Reasons are of
 * REJECTED; flags as in report_judge. *revision: the number HQ gives it (0 if rejected). A superseded report
 * has a number, but changes nothing; one that was folded before is superseded and has the last number again.
 * The chapter is pinned until cube_committed. *closes: an earlier revision of the same report stands no
 * longer (its `current` ends): all whose place is before `at`. false: memory, nothing changed. */
bool cube_take(struct cube *u, const struct report *r, const struct judge *j, struct place at,
               enum verdict *v, uint32_t *revision, bool *closes, struct reasons *reasons,
               struct reasons *flags);

/* Gives every total once in which a fact changed and forgets it, in order of dataset, year, period (base
 * periods first, then from fine to coarse), indicator and region. What was taken and taken back in between is
 * given as it was. */
struct total {
        uint32_t indicator, region;
        struct period period;
        struct cell cell; /* facts 0: absent now */
};
void cube_settle(struct cube *u, void (*emit)(void *ctx, const struct total *t), void *ctx);

/* A flush boundary: what was taken since the last one belongs to the flush numbered by `flush` (from 1); when
 * the store has committed up to a number, its chapters are pinned no longer. */
void cube_flushed(struct cube *u, uint64_t flush);
void cube_committed(struct cube *u, uint64_t flush);

/* Closes what was touched longest ago until the budget holds, as far as pins allow. Between a recall and the
 * report it was for is no time to trim. */
void cube_trim(struct cube *u);

#endif
