/* cube: the roll-up in memory.
 *
 * Holds, for the periods that are open, what stands of every office (sorted facts, once) and the cells of the upper
 * periods; takes accepted reports and says which stored totals changed. Stored totals are those of DESIGN.md section
 * 4: regions that have children, in base periods, months, quarters, halves and years.
 *
 * Memory is kept in two units. A *book* is one dataset in one year: the upper cells (own facts of each region, per
 * month, quarter, half, year). A *chapter* is what stands in the base periods of one month (daily data) or of the
 * whole year (all others). Both start closed; cube_need says what to recall from the store, the recalled reports are
 * folded in order, then the chapter is open. cube_trim closes the chapters and books touched longest ago until the
 * budget holds; what is pinned (taken but not yet committed) stays.
 *
 * Time first, then place: a changed fact changes its region's own cell in each upper period (a flow by difference,
 * exactly; stock and peak recomputed from the level below), then the changed columns are added up the tree. */
#ifndef SUMU_CORE_CUBE_H
#define SUMU_CORE_CUBE_H

#include "core/cell.h"
#include "core/report.h"

struct cube;

struct cube *cube_new(const struct catalog *c, size_t budget); /* the catalogue is borrowed */
void cube_free(struct cube *u);
size_t cube_bytes(const struct cube *u);

enum need {
        NEED_NOTHING, /* take it */
        NEED_RECALL,  /* not open: recall, then take it */
        NEED_REFOLD,  /* open, but the report's place is not the last: let what is taken be committed, close, recall */
};

/* What to recall: everything that stands of the dataset in base periods within first..last (a whole year if the book
 * is closed, else the chapter). */
struct recall {
        uint32_t dataset;
        int32_t first, last;
};

enum need cube_need(const struct cube *u, uint32_t dataset, struct period base, uint32_t office, struct place at,
                    struct recall *r);

/* Opens what `r` names, then takes the recalled reports in order of (period, office, turn, seq), then is done.
 * `revision` is the last number given for that office, dataset and period. false: memory. */
bool cube_recall_begin(struct cube *u, const struct recall *r, struct period wanted);
bool cube_recalled(struct cube *u, uint32_t office, const struct report *r, struct place at, uint32_t revision);
void cube_recall_end(struct cube *u);

/* Closes the chapter of a period (for NEED_REFOLD). It must not be pinned. */
void cube_close(struct cube *u, uint32_t dataset, struct period base);

enum verdict { ACCEPTED, SUPERSEDED, REJECTED };
const char *verdict_word(enum verdict v);

/* Judges a report whose chapter is open and folds it if it may stand. Reasons are of REJECTED; flags as in
 * report_judge. *revision: the number HQ gives it (0 if rejected). The chapter is pinned until cube_committed.
 * *closes: an earlier revision of the same report stands no longer (its `current` ends). false: memory, nothing
 * changed. */
bool cube_take(struct cube *u, const struct report *r, const struct judge *j, struct place at, enum verdict *v,
               uint32_t *revision, bool *closes, struct reasons *reasons, struct reasons *flags);

/* Gives every changed total once and forgets that it changed. */
struct total {
        uint32_t indicator, region;
        struct period period;
        struct cell cell; /* facts 0: absent now */
};
void cube_settle(struct cube *u, void (*emit)(void *ctx, const struct total *t), void *ctx);

/* A flush boundary: what was taken since the last one belongs to the flush numbered by `flush`; when the store has
 * committed up to a number, its chapters are pinned no longer. */
void cube_flushed(struct cube *u, uint64_t flush);
void cube_committed(struct cube *u, uint64_t flush);

/* Closes what was touched longest ago until the budget holds, as far as pins allow. */
void cube_trim(struct cube *u);

#endif
