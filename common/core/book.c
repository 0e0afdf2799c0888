#include "core/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Entries */

void entry_close(struct entry *e)
{
        standing_close(&e->now);
        pile_close(&e->pile);
        *e = (struct entry){0};
}

static size_t weight(const struct entry *e)
{
        return e->now.cap * sizeof *e->now.facts + e->pile.bytes;
}

void book_lift(struct book *b, const struct entry *e)
{
        b->bytes -= weight(e);
}

void book_lay(struct book *b, const struct entry *e)
{
        b->bytes += weight(e);
}

static size_t seek(const struct page *p, uint32_t office)
{
        size_t low = 0, high = p->n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (p->entries[mid].office < office)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

struct entry *page_find(const struct page *p, uint32_t office)
{
        size_t i = seek(p, office);
        return i < p->n && p->entries[i].office == office ? &p->entries[i] : NULL;
}

bool book_make_room(struct book *b, struct page *p)
{
        if (p->n < p->cap)
                return true;
        size_t cap = p->cap ? p->cap * 2 : 4;
        struct entry *entries = realloc(p->entries, cap * sizeof *entries);
        if (!entries)
                return false;
        b->bytes += (cap - p->cap) * sizeof *entries;
        p->entries = entries;
        p->cap = cap;
        return true;
}

struct entry *book_insert(struct book *b, struct page *p, struct entry *e)
{
        PRE(p->n < p->cap);
        size_t at = seek(p, e->office);
        PRE(at == p->n || p->entries[at].office != e->office);
        memmove(&p->entries[at + 1], &p->entries[at], (p->n - at) * sizeof *e);
        p->entries[at] = *e;
        p->n++;
        *e = (struct entry){0};
        book_lay(b, &p->entries[at]);
        return &p->entries[at];
}

/* Chapters */

bool book_begin_chapter(struct book *b, unsigned chapter)
{
        struct chapter *h = &b->chapters[chapter];
        PRE(!h->pages);
        unsigned n = rhythm_pages(&b->rhythm, b->year, chapter);
        h->pages = calloc(n, sizeof *h->pages);
        if (!h->pages)
                return false;
        h->n_pages = n;
        b->bytes += n * sizeof *h->pages;
        return true;
}

static void page_close(struct book *b, struct page *p)
{
        for (size_t i = 0; i < p->n; i++) {
                book_lift(b, &p->entries[i]);
                entry_close(&p->entries[i]);
        }
        b->bytes -= p->cap * sizeof *p->entries;
        free(p->entries);
        free(p->touched);
}

void book_close_chapter(struct book *b, unsigned chapter)
{
        struct chapter *h = &b->chapters[chapter];
        for (unsigned i = 0; i < h->n_pages; i++)
                page_close(b, &h->pages[i]);
        b->bytes -= h->n_pages * sizeof *h->pages;
        free(h->pages);
        *h = (struct chapter){0};
}

bool chapter_is_touched(const struct chapter *h)
{
        for (unsigned i = 0; i < h->n_pages; i++)
                if (h->pages[i].touched)
                        return true;
        return false;
}

/* Books */

static size_t lanes(const struct book *b)
{
        return (size_t)b->indicators * b->rhythm.slots;
}

struct book *book_new(uint32_t dataset, const struct dataset *d, struct period year)
{
        struct book *b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        *b = (struct book){.dataset = dataset, .indicators = d->n_indicators, .year = year};
        b->rhythm = rhythm_of(d->every);
        b->lanes = calloc(lanes(b) + 1, sizeof *b->lanes);
        b->bytes = sizeof *b + (lanes(b) + 1) * sizeof *b->lanes;
        if (b->lanes)
                return b;
        free(b);
        return NULL;
}

void book_free(struct book *b)
{
        for (unsigned i = 0; i < RHYTHM_CHAPTERS; i++)
                book_close_chapter(b, i);
        for (size_t i = 0; i < lanes(b); i++) {
                free(b->lanes[i].sums);
                free(b->lanes[i].latest);
        }
        free(b->lanes);
        free(b);
}

struct lane *book_lane(const struct book *b, uint32_t ordinal, unsigned slot)
{
        return &b->lanes[(size_t)ordinal * b->rhythm.slots + slot];
}

void lane_clear(struct lane *l)
{
        if (l->sums)
                memset(l->sums, 0, l->n * sizeof *l->sums);
        if (l->latest)
                memset(l->latest, 0, l->n * sizeof *l->latest);
        l->stale = false;
}

static void *widen(void *array, size_t from, size_t to, size_t size)
{
        char *wider = realloc(array, to * size);
        if (wider)
                memset(wider + from * size, 0, (to - from) * size);
        return wider;
}

bool book_widen(struct book *b, struct lane *l, enum kind k, uint32_t n, uint32_t most)
{
        PRE(n <= most);
        if (n <= l->n)
                return true;
        if (n < l->n + l->n / 2)
                n = l->n + l->n / 2 < most ? l->n + l->n / 2 : most;
        size_t size = k == STOCK ? sizeof *l->latest : sizeof *l->sums;
        void *wider = widen(k == STOCK ? (void *)l->latest : (void *)l->sums, l->n, n, size);
        if (!wider)
                return false;
        if (k == STOCK)
                l->latest = wider;
        else
                l->sums = wider;
        b->bytes += (n - l->n) * size;
        l->n = n;
        return true;
}
