/* account: what the receipts oblige headquarters to, recomputed plainly (tests/lib/oracle.h) and compared
 * with what the sink answers. It knows nothing of the pipeline but its HTTP. */
#ifndef SUMU_TORTURE_ACCOUNT_H
#define SUMU_TORTURE_ACCOUNT_H

#include "lib/oracle.h"
#include "torture/clients.h"

struct account {
        struct oracle oracle;
        const struct node *offices;
        uint64_t reports, seq[PIPELINE_OFFICES]; /* taken by each, without a gap */
};

void account_init(struct account *a, const struct pipeline *p);
void account_close(struct account *a);

/* Takes receipts over. Those of an office number its reports 1, 2, 3 …: a missing number is a report that was
 * taken without a receipt or twice. */
void account_take(struct account *a, struct receipt *r, size_t n);

/* Every total of every region and period; fails on the first that is not what the receipts make. Answers how
 * many. */
unsigned account_compare(const struct account *a, const struct node *sink);

#endif
