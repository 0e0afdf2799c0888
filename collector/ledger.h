/* ledger: what stands of this office in one dataset and period.
 *
 * That is what HQ has accepted, folded once and kept in the outbox (settled), and after it, in the order of
 * their places, the reports that are on their way. HQ's own fold is the one that counts; this one serves the
 * checks before a report is taken, and says what a replacement would take back. */
#ifndef SUMU_COLLECTOR_LEDGER_H
#define SUMU_COLLECTOR_LEDGER_H

#include "collector/outbox.h"

/* The forms asked for last are remembered as they were folded, so that a counter that reports every few
 * seconds through weeks without a line costs the same each time. A zeroed struct is an empty one. */
enum { LEDGER_FORMS = 8 };
struct ledger {
        struct ledger_page {
                int64_t form; /* 0: none */
                uint8_t catalog[CATALOG_DIGEST];
                uint64_t rewritten; /* of the outbox, when it was folded */
                int64_t number;     /* the last place that was folded in: stream */
                uint64_t seq;       /* and report */
                uint32_t pending;   /* reports that will get a number at HQ */
                uint64_t used;
                struct standing stands;
        } pages[LEDGER_FORMS];
        uint64_t uses;
};
void ledger_close(struct ledger *l);

/* What stands now, with all that is on its way, into an empty *s; *revision: the next number HQ is expected
 * to give. A report that this catalogue cannot read counts as absent: HQ will reject it. */
int ledger_read(struct ledger *l, struct outbox *o, const struct catalog *c, uint32_t dataset,
                struct period p, struct standing *s, uint32_t *revision, struct err *e);

/* In a transaction: folds what has been accepted of a form into what is settled, as far as nothing before it
 * still waits for its verdict. What this catalogue cannot read stays until one comes that can. */
int ledger_settle(struct outbox *o, const struct catalog *c, int64_t form, struct err *e);

/* In a transaction: one form that was left so. 1: there was one, and it is settled now; 0: nothing to do. */
int ledger_catch_up(struct outbox *o, const struct catalog *c, struct err *e);

#endif
