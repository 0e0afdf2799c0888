/* rhythm: how the base periods of a dataset fill its year, as the cube numbers them.
 *
 * A year (calendar year, of weekly data ISO year) has chapters: months of daily data, otherwise one. A
 * chapter has pages: its base periods. What is above base periods comes in slots: the finest upper period
 * (months of daily data, quarters of monthly data …); coarser ones are runs of slots. Each slot's pages lie
 * in one chapter. All are numbered from 0. Pure. */
#ifndef SUMU_CORE_RHYTHM_H
#define SUMU_CORE_RHYTHM_H

#include "core/period.h"

enum { RHYTHM_CHAPTERS = 12, RHYTHM_PAGES = 53, RHYTHM_SLOTS = 12 };

struct rhythm {
        enum period_kind every;
        unsigned chapters, slots; /* slots 0: nothing is above a year */
        enum period_kind slot_kind;
};

struct rhythm rhythm_of(enum period_kind every); /* not SPAN */

/* Of a base period: its place. */
unsigned rhythm_chapter(const struct rhythm *r, struct period base);
unsigned rhythm_page(const struct rhythm *r, struct period base);
unsigned rhythm_slot(const struct rhythm *r, unsigned chapter, unsigned page);

/* Of a place in a year: its period. */
struct period rhythm_chapter_period(const struct rhythm *r, struct period year, unsigned chapter);
struct period rhythm_page_period(const struct rhythm *r, struct period year, unsigned chapter, unsigned page);
unsigned rhythm_pages(const struct rhythm *r, struct period year, unsigned chapter); /* how many */

/* The upper periods of a kind, slot_kind to YEAR: how many a year has, and the i-th. */
unsigned rhythm_uppers(const struct rhythm *r, enum period_kind kind);
struct period rhythm_upper(const struct rhythm *r, struct period year, enum period_kind kind, unsigned i);

#endif
