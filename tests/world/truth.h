/* truth: who was promised what, kept outside all programs.
 *
 * A clerk's report is `tried` until its office said "accepted"; from then on it is `owed`: it has to be in
 * HQ's store exactly once, as it was written, with a verdict that its place among the others explains. When a
 * disk is destroyed or set back, what now lies on no disk at all is `released` (DESIGN.md section 6 does not
 * promise it): it may still arrive, once. A report that nobody tried must not be there.
 *
 * A report is recognised by its time of submission, whose last digits are its number here. */
#ifndef SUMU_TESTS_WORLD_TRUTH_H
#define SUMU_TESTS_WORLD_TRUTH_H

#include "session/wire.h"
#include "world/steppe.h"

enum {
        TRUTH_REPORTS = 2048, /* the resolution of the times of submission, in microseconds */
        TRUTH_FACTS = 4,
};

enum truth_state { TRUTH_TRIED, TRUTH_OWED, TRUTH_RELEASED };

struct promise {
        uint16_t branch, office;
        uint32_t past; /* of the branch, when it was first tried */
        enum truth_state state;
        bool poison;
        uint32_t dataset;
        struct period period;
        char label[PERIOD_TEXT];
        enum action action;
        struct fact facts[TRUTH_FACTS];
        size_t n;
        struct text payload;
        bool asked, done;     /* the clerk came to the door; has an answer */
        bool seen;            /* while looking */
        enum verdict verdict; /* HQ's, when it was seen in the store */
};

struct truth {
        struct promise *v;
        size_t n;
};

struct world;
struct branch;

void truth_begin(struct truth *t);
void truth_end(struct truth *t);

/* A new report of a branch, drawn from the world's seed; its number. */
uint32_t truth_write(struct world *w, const struct branch *b);
/* The same words once more, as a new report: the clerk cannot know whether the first arrived. */
uint32_t truth_rewrite(struct world *w, const struct branch *b, uint32_t report);

int64_t truth_stamp(int64_t clock_us, uint32_t report);
uint32_t truth_number(int64_t submitted_at);

/* A disk was destroyed or set back: who is released? */
void truth_release(struct world *w);

/* Everything has drained: does the store hold what it has to? Fails the world if not. The number of totals
 * compared. */
size_t truth_judge(struct world *w);

#endif
