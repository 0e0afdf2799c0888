/* book: the cube's memory of one dataset in one year. What is in it is said here; what it means, in cube.c.
 *
 *     book ── lanes[indicator][slot]     each region's own figures in a finest upper period (core/rhythm.h)
 *       └──── chapters ── pages ── entries: what stands of an office in a base period
 *
 * Of flows and peaks time and place may be added in any order, so their lanes hold one sum for each *group*:
 * a region that has children together with those of its children that have none (the root in any case). Of a
 * stock each region's latest counts, so its lanes hold that for each region. Lanes reach as far as they are
 * used: regions are numbered breadth first, so a catalogue with a thousand townships costs nothing where
 * banners report. Indicators are numbered within their dataset here. */
#ifndef SUMU_CORE_BOOK_H
#define SUMU_CORE_BOOK_H

#include "base/planted.h"
#include "core/cell.h"
#include "core/pile.h"
#include "core/report.h"
#include "core/rhythm.h"

/* A region's latest figure in a slot, packed, for there is one per region and month. It is one fact of at
 * most 10^15, or a few where one office follows another: far from 64 bits and from 16. */
struct latest {
        int64_t sum;
        uint16_t facts, about, at_least;
        uint16_t page; /* it is from, + 1 */
};

struct lane {
        struct cell *sums;     /* of a flow or a peak: per group */
        struct latest *latest; /* of a stock: per region */
        uint32_t n;
        bool stale; /* of a stock or a peak: a fact was taken back; recompute it from what stands */
};

/* A fact of a page comes in, in any order of time. */
static inline void lane_put(struct lane *l, enum kind k, uint32_t group, const struct fact *f, unsigned page)
{
        if (k != STOCK) {
                struct cell one = cell_of(f->value, (enum qualifier)f->q);
                cell_over_place(k, &l->sums[group], &one);
                return;
        }
        struct latest *x = &l->latest[f->region];
        if (page + 1 < x->page)
                return;
        if (page + 1 > x->page)
                *x = (struct latest){.page = (uint16_t)(page + 1)};
        x->sum += f->value;
        x->facts++;
        x->about += f->q == ABOUT;
        x->at_least += f->q == AT_LEAST;
}

static inline void lane_drop(struct lane *l, enum kind k, uint32_t group, const struct fact *f)
{
        if (k == FLOW) {
                struct cell one = cell_of(f->value, (enum qualifier)f->q);
                cell_subtract(&l->sums[group], &one);
        } else {
                l->stale = k != STOCK || !PLANTED(STOCK_NOT_RESTORED);
        }
}

void lane_clear(struct lane *l); /* to nothing reported; keeps the room */

static inline struct cell latest_cell(const struct latest *x)
{
        return (struct cell){.sum = x->sum, .facts = x->facts, .about = x->about, .at_least = x->at_least};
}

struct entry { /* what stands of one office in one base period */
        uint32_t office;
        uint32_t numbered;       /* the last revision number given */
        bool based;              /* there is a replace or withdraw */
        struct place base, last; /* of the last replace or withdraw; of the last revision */
        struct standing now;
        struct pile pile;
};
void entry_close(struct entry *e);

struct page {                  /* a base period */
        struct entry *entries; /* by office */
        size_t n, cap;
        uint64_t *touched; /* what changed since it was settled last (cube.c); NULL: nothing */
};

#define EVERY_OFFICE UINT32_MAX

struct chapter {
        struct page *pages; /* NULL: nothing is held */
        unsigned n_pages;
        bool open;
        uint64_t late;        /* pages that keep piles, a bit each; outlives closing for a refold */
        uint32_t late_office; /* whose piles; EVERY_OFFICE after a second one came late */
        uint64_t pin;         /* the flush it waits for, 0: none */
        uint64_t used;        /* when it was touched last, by the cube's own count */
};

struct book {
        uint32_t dataset, indicators;
        struct period year;
        struct rhythm rhythm;
        bool open;
        uint64_t used;
        size_t bytes; /* held in all */
        struct lane *lanes;
        struct chapter chapters[RHYTHM_CHAPTERS];
};

struct book *book_new(uint32_t dataset, const struct dataset *d, struct period year); /* NULL: memory */
void book_free(struct book *b);

struct lane *book_lane(const struct book *b, uint32_t ordinal, unsigned slot);
/* To n groups or regions at least, `most` of which there are; false: memory. */
bool book_widen(struct book *b, struct lane *l, enum kind k, uint32_t n, uint32_t most);

/* Empty pages for a chapter that holds nothing, and nothing again. */
bool book_begin_chapter(struct book *b, unsigned chapter);
void book_close_chapter(struct book *b, unsigned chapter);

/* Entries of a page: find one (NULL: none), make room for one more, put it there (given away; *e is empty
 * then). What an entry holds weighs on the book: around every change of it stands book_lift … book_lay. */
struct entry *page_find(const struct page *p, uint32_t office);
bool book_make_room(struct book *b, struct page *p);
struct entry *book_insert(struct book *b, struct page *p, struct entry *e);
void book_lift(struct book *b, const struct entry *e);
void book_lay(struct book *b, const struct entry *e);

bool chapter_is_touched(const struct chapter *h);

#endif
