/* How it is laid out.
 *
 *     book (dataset, year) ── lanes[indicator][slot]   a slot is a finest upper period: a month of daily
 * data, a quarter │                                              of monthly data …; a lane is a region's own
 * figures, by region └─ chapters ── pages (base periods) ── entries (offices): what stands, sorted facts
 *
 * Lanes reach up to the highest region used: regions are numbered breadth first, so a catalogue with a
 * thousand townships costs nothing where banners report. Quarters, halves and years are added up from the
 * slots when they are settled and kept nowhere.
 *
 * What changed is remembered per page, as one row of bits per indicator, a bit for each region that has
 * children: of the changed fact's region, or of its parent. Those above follow when the page is settled. All
 * memory that settling needs is taken when a report is taken, so settling cannot fail.
 *
 * A pile is the list of revisions behind an entry. It exists only in the page a recall was for, and there
 * only where what stands is made of several revisions or may get earlier ones; it grows with what is taken
 * later and goes with its chapter. An entry without a pile can take what comes last, and knows that what
 * comes before its base is superseded; for anything between, NEED_REFOLD asks for a recall, and so for a
 * pile. */
#include "core/cube.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { CHAPTERS = 12, SLOTS = 12, CHILDLESS = -1 };

#define PIN_TAKEN UINT64_MAX /* taken, in no flush yet */

/* A region's own figure in a slot. 16 bytes, for there is one per region, indicator and month. At most 366
 * facts of at most 10^15 each (report_judge) and two offices that follow one another: far from 64 bits and
 * from 16. */
struct own {
        int64_t sum;
        uint16_t facts, about, at_least;
        uint16_t page; /* of a stock: the page it is from, from 1 */
};

struct lane {
        struct own *cells;
        uint32_t n;
};

struct revision {
        struct place at;
        enum action action;
        struct fact *facts;
        size_t n;
};

struct entry { /* what stands of one office in one base period */
        uint32_t office;
        uint32_t numbered; /* the last revision number given */
        bool based;        /* there is a replace or withdraw: */
        struct place base; /* the last one */
        struct place last;
        struct standing now;
        struct revision *pile; /* by place, from the base on; NULL: none */
        size_t n_pile, cap_pile;
};

struct page {                  /* a base period */
        struct entry *entries; /* by office */
        size_t n, cap;
        uint64_t *touched; /* rows of bits, see above; NULL: nothing changed */
};

struct chapter {
        struct page *pages; /* NULL: closed, and no recall is filling it */
        unsigned n_pages;
        bool open;
        uint64_t pin;  /* the flush it waits for, 0: none */
        uint64_t used; /* when it was touched last, by our own count */
};

struct book {
        uint32_t dataset;
        struct period year;
        bool open;
        uint64_t used;
        struct lane *lanes;
        struct chapter chapters[CHAPTERS];
};

/* The calendar of a dataset. */
struct shape {
        enum period_kind every;
        unsigned chapters;
        enum period_kind slot_kind; /* the finest upper period */
        unsigned slots;             /* 0: every year, nothing above it */
        uint32_t indicators;
};

struct recalling {
        bool on, whole, failed;
        struct book *book;
        struct chapter *chapter;
        struct recall range;
        struct period wanted;
        struct period period; /* of the entry in the making, or the last one made */
        uint32_t office;
        struct entry entry;
        bool begun; /* there is one in the making */
        bool any;   /* there was one */
};

struct cube {
        const struct catalog *c;
        size_t budget, bytes;
        struct book **books; /* by dataset and year */
        size_t n, cap;
        uint64_t tick;
        struct recalling recalling;

        struct shape *shapes; /* per dataset */
        uint16_t *ordinal;    /* per indicator: its number within its dataset */
        int32_t *inner; /* per region: the number of the region with children that is it or its parent */
        uint32_t *inner_region; /* and back */
        uint32_t words;         /* of a row of bits, one for each of those */
        uint32_t reach;         /* the highest region used, + 1 */

        struct cell *cells;   /* scratch of settling: per region */
        uint64_t *slot_rows;  /* per slot and indicator */
        uint64_t *upper_rows; /* per indicator */
        uint64_t *row;
};

/* The calendar */

static unsigned months_in(enum period_kind k)
{
        switch (k) {
        case PERIOD_MONTH: return 1;
        case PERIOD_QUARTER: return 3;
        case PERIOD_HALF: return 6;
        case PERIOD_YEAR: return 12;
        default: UNREACHABLE();
        }
}

static struct shape shape_of(const struct dataset *d)
{
        struct shape s = {.every = d->every, .chapters = 1, .slot_kind = PERIOD_YEAR, .slots = 1};
        s.indicators = d->n_indicators;
        switch (d->every) {
        case PERIOD_DAY:
                s.chapters = 12;
                s.slot_kind = PERIOD_MONTH;
                s.slots = 12;
                break;
        case PERIOD_WEEK: break;
        case PERIOD_YEAR: s.slots = 0; break;
        default: s.slot_kind = d->every + 1; s.slots = 12 / months_in(s.slot_kind);
        }
        return s;
}

static int year_of(struct period year)
{
        int y, m, d;
        day_parts(year.first, &y, &m, &d);
        return y;
}

static unsigned month_of(int32_t day) /* from 0 */
{
        int y, m, d;
        day_parts(day, &y, &m, &d);
        return (unsigned)m - 1;
}

/* The i-th period of a kind made of months in a calendar year. */
static struct period part_of_year(struct period year, enum period_kind k, unsigned i)
{
        return period_of(k, day_of(year_of(year), 1 + (int)(i * months_in(k)), 1));
}

static unsigned chapter_of(const struct shape *s, struct period base)
{
        return s->every == PERIOD_DAY ? month_of(base.first) : 0;
}

static struct period chapter_period(const struct shape *s, const struct book *b, unsigned chapter)
{
        return s->every == PERIOD_DAY ? part_of_year(b->year, PERIOD_MONTH, chapter) : b->year;
}

static unsigned pages_in(const struct shape *s, const struct book *b, unsigned chapter)
{
        struct period p = chapter_period(s, b, chapter);
        unsigned days = (unsigned)(p.last - p.first + 1);
        switch (s->every) {
        case PERIOD_DAY: return days;
        case PERIOD_WEEK: return days / 7;
        default: return 12 / months_in(s->every);
        }
}

static unsigned page_of(const struct shape *s, const struct book *b, struct period base)
{
        switch (s->every) {
        case PERIOD_DAY: return (unsigned)(base.first - chapter_period(s, b, chapter_of(s, base)).first);
        case PERIOD_WEEK: return (unsigned)(base.first - b->year.first) / 7;
        default: return month_of(base.first) / months_in(s->every);
        }
}

static struct period page_period(const struct shape *s, const struct book *b, unsigned chapter, unsigned page)
{
        switch (s->every) {
        case PERIOD_DAY: return period_of(PERIOD_DAY, chapter_period(s, b, chapter).first + (int32_t)page);
        case PERIOD_WEEK: return period_of(PERIOD_WEEK, b->year.first + 7 * (int32_t)page);
        default: return part_of_year(b->year, s->every, page);
        }
}

static unsigned slot_of(const struct shape *s, unsigned chapter, unsigned page)
{
        switch (s->every) {
        case PERIOD_DAY: return chapter;
        case PERIOD_WEEK: return 0;
        default: return page * months_in(s->every) / months_in(s->slot_kind);
        }
}

/* Look-ups */

static int book_compare(const struct book *b, uint32_t dataset, int32_t first)
{
        if (b->dataset != dataset)
                return b->dataset < dataset ? -1 : 1;
        return (b->year.first > first) - (b->year.first < first);
}

static size_t book_seek(const struct cube *u, uint32_t dataset, int32_t first)
{
        size_t low = 0, high = u->n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (book_compare(u->books[mid], dataset, first) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static struct book *book_find(const struct cube *u, uint32_t dataset, struct period base)
{
        int32_t first = period_upper(base, PERIOD_YEAR).first;
        size_t i = book_seek(u, dataset, first);
        return i < u->n && book_compare(u->books[i], dataset, first) == 0 ? u->books[i] : NULL;
}

static const struct shape *shape_for(const struct cube *u, const struct book *b)
{
        return &u->shapes[b->dataset];
}

static struct lane *lane_at(const struct cube *u, const struct book *b, uint32_t ordinal, unsigned slot)
{
        return &b->lanes[ordinal * shape_for(u, b)->slots + slot];
}

static uint32_t indicator_at(const struct cube *u, const struct book *b, uint32_t ordinal)
{
        return u->c->datasets[b->dataset].indicators[ordinal];
}

static size_t entry_seek(const struct page *p, uint32_t office)
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

static struct entry *entry_find(const struct page *p, uint32_t office)
{
        size_t i = entry_seek(p, office);
        return i < p->n && p->entries[i].office == office ? &p->entries[i] : NULL;
}

/* Piles */

static void pile_close(struct cube *u, struct entry *e)
{
        for (size_t i = 0; i < e->n_pile; i++) {
                u->bytes -= e->pile[i].n * sizeof(struct fact);
                free(e->pile[i].facts);
        }
        u->bytes -= e->cap_pile * sizeof *e->pile;
        free(e->pile);
        e->pile = NULL;
        e->n_pile = e->cap_pile = 0;
}

static bool pile_reserve(struct cube *u, struct entry *e)
{
        if (e->n_pile < e->cap_pile)
                return true;
        size_t cap = e->cap_pile ? e->cap_pile * 2 : 4;
        struct revision *pile = realloc(e->pile, cap * sizeof *pile);
        if (!pile)
                return false;
        u->bytes += (cap - e->cap_pile) * sizeof *pile;
        e->pile = pile;
        e->cap_pile = cap;
        return true;
}

/* Where a place belongs: how many of the pile are before it. */
static size_t pile_seek(const struct entry *e, struct place at)
{
        size_t i = e->n_pile;
        while (i > 0 && place_compare(e->pile[i - 1].at, at) >= 0)
                i--;
        return i;
}

static bool is_base(enum action a)
{
        return a == REPLACE || a == WITHDRAW;
}

/* Puts a revision at its place; `facts` is given away. A base sweeps away what is before it. */
static void pile_put(struct cube *u, struct entry *e, const struct report *r, struct place at,
                     struct fact *facts)
{
        size_t i = pile_seek(e, at), swept = is_base(r->action) ? i : 0;
        for (size_t k = 0; k < swept; k++) {
                u->bytes -= e->pile[k].n * sizeof *facts;
                free(e->pile[k].facts);
        }
        memmove(&e->pile[i - swept + 1], &e->pile[i], (e->n_pile - i) * sizeof *e->pile);
        e->pile[i - swept] = (struct revision){.at = at, .action = r->action, .facts = facts, .n = r->n};
        e->n_pile += 1 - swept;
        u->bytes += r->n * sizeof *facts;
}

static bool copy_facts(const struct report *r, struct fact **copy)
{
        *copy = malloc((r->n ? r->n : 1) * sizeof **copy);
        if (*copy && r->n)
                memcpy(*copy, r->facts, r->n * sizeof **copy);
        return *copy;
}

/* What would stand with a revision at its place among those of the pile. */
static bool pile_fold(const struct entry *e, const struct report *r, struct place at, struct standing *after)
{
        size_t i = pile_seek(e, at);
        for (size_t k = 0; k < i; k++)
                if (!standing_fold(after, e->pile[k].action, e->pile[k].facts, e->pile[k].n))
                        return false;
        if (!standing_fold(after, r->action, r->facts, r->n))
                return false;
        for (size_t k = i; k < e->n_pile; k++)
                if (!standing_fold(after, e->pile[k].action, e->pile[k].facts, e->pile[k].n))
                        return false;
        return true;
}

/* Opening and closing */

static void entry_close(struct cube *u, struct entry *e)
{
        pile_close(u, e);
        standing_close(&e->now);
}

static void chapter_close(struct cube *u, struct chapter *h)
{
        for (unsigned i = 0; h->pages && i < h->n_pages; i++) {
                struct page *p = &h->pages[i];
                for (size_t k = 0; k < p->n; k++) {
                        u->bytes -= p->entries[k].now.cap * sizeof(struct fact);
                        entry_close(u, &p->entries[k]);
                }
                u->bytes -= p->cap * sizeof *p->entries;
                free(p->entries);
                free(p->touched);
        }
        if (h->pages)
                u->bytes -= h->n_pages * sizeof *h->pages;
        free(h->pages);
        *h = (struct chapter){0};
}

static bool chapter_begin(struct cube *u, struct book *b, unsigned chapter)
{
        struct chapter *h = &b->chapters[chapter];
        PRE(!h->pages);
        h->n_pages = pages_in(shape_for(u, b), b, chapter);
        h->pages = calloc(h->n_pages, sizeof *h->pages);
        if (!h->pages)
                return false;
        u->bytes += h->n_pages * sizeof *h->pages;
        return true;
}

static size_t lanes_in(const struct cube *u, const struct book *b)
{
        return (size_t)shape_for(u, b)->indicators * shape_for(u, b)->slots;
}

static size_t book_weight(const struct cube *u, const struct book *b)
{
        return sizeof *b + lanes_in(u, b) * sizeof *b->lanes;
}

static void book_close(struct cube *u, struct book *b)
{
        for (unsigned i = 0; i < CHAPTERS; i++)
                chapter_close(u, &b->chapters[i]);
        for (size_t i = 0; i < lanes_in(u, b); i++) {
                u->bytes -= b->lanes[i].n * sizeof *b->lanes[i].cells;
                free(b->lanes[i].cells);
        }
        u->bytes -= book_weight(u, b);
        free(b->lanes);
        size_t at = book_seek(u, b->dataset, b->year.first);
        memmove(&u->books[at], &u->books[at + 1], (u->n - at - 1) * sizeof(struct book *));
        u->n--;
        free(b);
}

static struct book *book_begin(struct cube *u, uint32_t dataset, struct period base)
{
        if (u->n == u->cap) {
                size_t cap = u->cap ? u->cap * 2 : 16;
                struct book **books = realloc(u->books, cap * sizeof *books);
                if (!books)
                        return NULL;
                u->books = books;
                u->cap = cap;
        }
        struct book *b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        *b = (struct book){.dataset = dataset, .year = period_upper(base, PERIOD_YEAR)};
        size_t lanes = lanes_in(u, b);
        b->lanes = calloc(lanes ? lanes : 1, sizeof *b->lanes);
        if (!b->lanes) {
                free(b);
                return NULL;
        }
        size_t at = book_seek(u, dataset, b->year.first);
        memmove(&u->books[at + 1], &u->books[at], (u->n - at) * sizeof(struct book *));
        u->books[at] = b;
        u->n++;
        u->bytes += book_weight(u, b);
        return b;
}

/* Figures of lanes. Pages are put in order of time. */

static void own_put(enum kind k, struct own *o, const struct fact *f, uint16_t page)
{
        if (k == STOCK && o->page != page)
                *o = (struct own){.page = page}; /* only the latest counts */
        if (k != PEAK)
                o->sum += f->value;
        else if (!o->facts || f->value > o->sum)
                o->sum = f->value;
        o->facts++;
        o->about += f->q == ABOUT;
        o->at_least += f->q == AT_LEAST;
}

static void own_drop(struct own *o, const struct fact *f) /* of a flow */
{
        o->sum -= f->value;
        o->facts--;
        o->about -= f->q == ABOUT;
        o->at_least -= f->q == AT_LEAST;
}

static struct cell cell_of_own(const struct own *o)
{
        return (struct cell){.sum = o->sum, .facts = o->facts, .about = o->about, .at_least = o->at_least};
}

static bool lane_reserve(struct cube *u, struct lane *l, uint32_t n)
{
        if (n <= l->n)
                return true;
        if (n < l->n + l->n / 2)
                n = l->n + l->n / 2;
        if (n > u->c->n_regions)
                n = u->c->n_regions;
        struct own *cells = realloc(l->cells, n * sizeof *cells);
        if (!cells)
                return false;
        memset(cells + l->n, 0, (n - l->n) * sizeof *cells);
        u->bytes += (n - l->n) * sizeof *cells;
        l->cells = cells;
        l->n = n;
        return true;
}

/* Room in the lanes for facts of a slot. */
static bool lanes_reserve(struct cube *u, struct book *b, unsigned slot, const struct standing *s)
{
        for (size_t i = 0; i < s->n;) {
                uint32_t indicator = s->facts[i].indicator;
                i = facts_seek(s->facts, s->n, i, fact_key(indicator + 1, 0));
                uint32_t n = s->facts[i - 1].region + 1; /* the highest of the run */
                PRE(n <= u->c->n_regions && u->c->indicators[indicator].dataset == b->dataset);
                if (n > u->reach)
                        u->reach = n;
                if (shape_for(u, b)->slots && !lane_reserve(u, lane_at(u, b, u->ordinal[indicator], slot), n))
                        return false;
        }
        return true;
}

/* Recalling */

static void recall_drop(struct cube *u)
{
        struct recalling *g = &u->recalling;
        if (g->begun)
                entry_close(u, &g->entry);
        g->entry = (struct entry){0};
        g->begun = false;
}

static bool page_reserve(struct cube *u, struct page *p)
{
        if (p->n < p->cap)
                return true;
        size_t cap = p->cap ? p->cap * 2 : 4;
        struct entry *entries = realloc(p->entries, cap * sizeof *entries);
        if (!entries)
                return false;
        u->bytes += (cap - p->cap) * sizeof *entries;
        p->entries = entries;
        p->cap = cap;
        return true;
}

static struct entry *page_insert(struct page *p, const struct entry *e)
{
        size_t at = entry_seek(p, e->office);
        memmove(&p->entries[at + 1], &p->entries[at], (p->n - at) * sizeof *e);
        p->entries[at] = *e;
        p->n++;
        return &p->entries[at];
}

/* The entry in the making is complete: into the lanes, if the book is new, and into its page, if that is
 * kept. */
static bool recall_keep(struct cube *u)
{
        struct recalling *g = &u->recalling;
        if (!g->begun)
                return true;
        const struct shape *s = shape_for(u, g->book);
        unsigned chapter = chapter_of(s, g->period), page = page_of(s, g->book, g->period);
        unsigned slot = slot_of(s, chapter, page);
        struct chapter *h = &g->book->chapters[chapter];
        struct entry *e = &g->entry;
        if (!lanes_reserve(u, g->book, slot, &e->now) ||
            (h == g->chapter && !page_reserve(u, &h->pages[page])))
                return false;
        if (g->whole && s->slots)
                for (size_t i = 0; i < e->now.n; i++) {
                        const struct fact *f = &e->now.facts[i];
                        own_put(u->c->indicators[f->indicator].kind,
                                &lane_at(u, g->book, u->ordinal[f->indicator], slot)->cells[f->region], f,
                                (uint16_t)(page + 1));
                }
        if (h == g->chapter) {
                if (e->based && e->n_pile == 1)
                        pile_close(u, e);
                u->bytes += e->now.cap * sizeof(struct fact);
                page_insert(&h->pages[page], e);
                *e = (struct entry){0};
                g->begun = false;
        }
        recall_drop(u);
        return true;
}

bool cube_recall_begin(struct cube *u, const struct recall *r, struct period wanted)
{
        struct recalling *g = &u->recalling;
        PRE(!g->on && wanted.kind == u->shapes[r->dataset].every);
        PRE(wanted.first >= r->first && wanted.last <= r->last);
        struct book *b = book_find(u, r->dataset, wanted);
        *g = (struct recalling){.on = true, .whole = !b, .range = *r, .wanted = wanted};
        if (!b)
                b = book_begin(u, r->dataset, wanted);
        g->book = b;
        if (b) {
                const struct shape *s = shape_for(u, b);
                unsigned chapter = chapter_of(s, wanted);
                struct period range = g->whole ? b->year : chapter_period(s, b, chapter);
                PRE(r->first == range.first && r->last == range.last);
                g->chapter = &b->chapters[chapter];
                g->failed = !chapter_begin(u, b, chapter);
        } else {
                g->failed = true;
        }
        return !g->failed;
}

/* The next of (period, office): in order, and of what the recall is about. */
static void recall_turn(struct cube *u, uint32_t office, const struct report *r)
{
        struct recalling *g = &u->recalling;
        PRE(r->dataset == g->range.dataset && r->period.kind == g->wanted.kind);
        PRE(r->period.first >= g->range.first && r->period.last <= g->range.last);
        PRE(!g->any || r->period.first > g->period.first ||
            (r->period.first == g->period.first && office > g->office));
        g->period = r->period;
        g->office = office;
        g->entry = (struct entry){.office = office};
        g->begun = g->any = true;
}

bool cube_recalled(struct cube *u, uint32_t office, const struct report *r, struct place at,
                   uint32_t revision)
{
        struct recalling *g = &u->recalling;
        struct entry *e = &g->entry;
        PRE(g->on);
        if (g->failed)
                return false;
        if (!g->begun || g->office != office || !period_same(g->period, r->period)) {
                if (!recall_keep(u)) {
                        g->failed = true;
                        return false;
                }
                recall_turn(u, office, r);
        } else {
                PRE(place_compare(at, e->last) > 0);
        }
        struct fact *copy = NULL;
        bool piled = period_same(r->period, g->wanted);
        if ((piled && (!pile_reserve(u, e) || !copy_facts(r, &copy))) ||
            !standing_fold(&e->now, r->action, r->facts, r->n)) {
                free(copy);
                g->failed = true;
                return false;
        }
        if (piled)
                pile_put(u, e, r, at, copy);
        if (is_base(r->action)) {
                e->based = true;
                e->base = at;
        }
        e->last = at;
        e->numbered = revision;
        return true;
}

bool cube_recall_end(struct cube *u)
{
        struct recalling *g = &u->recalling;
        PRE(g->on);
        bool fine = !g->failed && recall_keep(u);
        recall_drop(u);
        g->on = false;
        if (fine) {
                g->book->open = g->chapter->open = true;
                g->book->used = g->chapter->used = ++u->tick;
        } else if (g->book && g->whole) {
                book_close(u, g->book);
        } else if (g->book) {
                chapter_close(u, g->chapter);
        }
        return fine;
}

/* What a report needs */

static struct chapter *chapter_find(const struct cube *u, uint32_t dataset, struct period base)
{
        struct book *b = book_find(u, dataset, base);
        if (!b || !b->open)
                return NULL;
        struct chapter *h = &b->chapters[chapter_of(shape_for(u, b), base)];
        return h->open ? h : NULL;
}

static bool entry_takes(const struct entry *e, struct place at)
{
        return e->pile || place_compare(at, e->last) >= 0 || (e->based && place_compare(at, e->base) <= 0);
}

enum need cube_need(const struct cube *u, uint32_t dataset, struct period base, uint32_t office,
                    struct place at, struct recall *r)
{
        const struct shape *s = &u->shapes[dataset];
        if (base.kind != s->every)
                return NEED_NOTHING;
        const struct book *b = book_find(u, dataset, base);
        struct period range = period_upper(base, PERIOD_YEAR);
        if (b && b->open)
                range = chapter_period(s, b, chapter_of(s, base));
        *r = (struct recall){.dataset = dataset, .first = range.first, .last = range.last};
        const struct chapter *h = chapter_find(u, dataset, base);
        if (!h)
                return NEED_RECALL;
        const struct entry *e = entry_find(&h->pages[page_of(s, b, base)], office);
        return !e || entry_takes(e, at) ? NEED_NOTHING : NEED_REFOLD;
}

static bool chapter_is_touched(const struct chapter *h)
{
        for (unsigned i = 0; h->pages && i < h->n_pages; i++)
                if (h->pages[i].touched)
                        return true;
        return false;
}

void cube_close(struct cube *u, uint32_t dataset, struct period base)
{
        struct chapter *h = chapter_find(u, dataset, base);
        if (!h)
                return;
        PRE(!h->pin && !chapter_is_touched(h));
        chapter_close(u, h);
}

/* Taking */

/* A report on its way in: everything that needs memory is made here, then cube_take only moves it. */
struct draft {
        const struct report *r;
        struct place at;
        struct book *book;
        struct chapter *chapter;
        struct page *page;
        unsigned slot, number; /* number: of the page, from 1 */
        struct entry *entry;   /* NULL: the office's first in this period */
        struct standing after;
        struct fact *copy; /* for the pile */
};

static struct draft draft_of(struct cube *u, const struct report *r, const struct judge *j, struct place at)
{
        struct draft d = {.r = r, .at = at, .book = book_find(u, r->dataset, r->period)};
        d.chapter = chapter_find(u, r->dataset, r->period);
        PRE(d.chapter);
        const struct shape *s = shape_for(u, d.book);
        unsigned chapter = chapter_of(s, r->period), page = page_of(s, d.book, r->period);
        d.page = &d.chapter->pages[page];
        d.number = page + 1;
        d.slot = s->slots ? slot_of(s, chapter, page) : 0;
        d.entry = entry_find(d.page, j->office);
        PRE(!d.entry || entry_takes(d.entry, at));
        return d;
}

static void draft_close(struct draft *d)
{
        standing_close(&d->after);
        free(d->copy);
}

static bool draft_is_late(const struct draft *d)
{
        return d->entry && place_compare(d->at, d->entry->last) < 0;
}

static bool draft_is_known(const struct draft *d)
{
        const struct entry *e = d->entry;
        if (!e)
                return false;
        size_t i = pile_seek(e, d->at);
        return place_compare(d->at, e->last) == 0 || (e->based && place_compare(d->at, e->base) == 0) ||
               (i < e->n_pile && place_compare(d->at, e->pile[i].at) == 0);
}

static bool draft_fold(struct draft *d)
{
        if (draft_is_late(d))
                return pile_fold(d->entry, d->r, d->at, &d->after);
        if (d->entry && !is_base(d->r->action) && !standing_copy(&d->after, &d->entry->now))
                return false;
        return standing_fold(&d->after, d->r->action, d->r->facts, d->r->n);
}

static bool draft_reserve(struct cube *u, struct draft *d)
{
        size_t rows = (size_t)u->words * shape_for(u, d->book)->indicators;
        if (!d->page->touched && !(d->page->touched = calloc(rows ? rows : 1, sizeof *d->page->touched)))
                return false;
        if (!lanes_reserve(u, d->book, d->slot, &d->after))
                return false;
        if (!d->entry)
                return page_reserve(u, d->page);
        return !d->entry->pile || (pile_reserve(u, d->entry) && copy_facts(d->r, &d->copy));
}

/* Where the changes of one indicator go. */
struct pen {
        uint32_t indicator;
        uint64_t *row;
        struct own *lane; /* of a flow; stock and peak are recomputed when settled */
};

static struct pen pen_for(const struct cube *u, const struct draft *d, uint32_t indicator)
{
        uint32_t ordinal = u->ordinal[indicator];
        struct pen pen = {.indicator = indicator, .row = d->page->touched + (size_t)ordinal * u->words};
        if (shape_for(u, d->book)->slots && u->c->indicators[indicator].kind == FLOW)
                pen.lane = lane_at(u, d->book, ordinal, d->slot)->cells;
        return pen;
}

static void pen_note(const struct cube *u, const struct pen *pen, const struct fact *old,
                     const struct fact *now)
{
        uint32_t region = old ? old->region : now->region;
        int32_t inner = u->inner[region];
        if (inner != CHILDLESS)
                pen->row[inner / 64] |= UINT64_C(1) << inner % 64;
        if (pen->lane && old)
                own_drop(&pen->lane[region], old);
        if (pen->lane && now)
                own_put(FLOW, &pen->lane[region], now, 0);
}

/* Goes through what stood and what stands side by side. */
static void draft_note(const struct cube *u, const struct draft *d, const struct standing *was)
{
        const struct standing *is = &d->after;
        struct pen pen = {.indicator = UINT32_MAX};
        for (size_t i = 0, k = 0; i < was->n || k < is->n;) {
                uint64_t a =
                    i < was->n ? fact_key(was->facts[i].indicator, was->facts[i].region) : UINT64_MAX;
                uint64_t b = k < is->n ? fact_key(is->facts[k].indicator, is->facts[k].region) : UINT64_MAX;
                const struct fact *old = a <= b ? &was->facts[i++] : NULL,
                                  *now = b <= a ? &is->facts[k++] : NULL;
                if (old && now && old->value == now->value && old->q == now->q)
                        continue;
                uint32_t indicator = old ? old->indicator : now->indicator;
                if (indicator != pen.indicator)
                        pen = pen_for(u, d, indicator);
                pen_note(u, &pen, old, now);
        }
}

static void draft_commit(struct cube *u, struct draft *d, uint32_t office, bool *closes)
{
        static const struct standing nothing;
        bool late = draft_is_late(d), base = is_base(d->r->action);
        draft_note(u, d, d->entry ? &d->entry->now : &nothing);
        *closes = base && d->entry && (!late || pile_seek(d->entry, d->at) > 0);
        struct entry *e = d->entry;
        if (!e)
                e = page_insert(d->page, &(struct entry){.office = office});
        if (e->pile)
                pile_put(u, e, d->r, d->at, d->copy);
        d->copy = NULL;
        u->bytes += (d->after.cap - e->now.cap) * sizeof(struct fact);
        standing_close(&e->now);
        e->now = d->after;
        d->after = (struct standing){0};
        if (!late)
                e->last = d->at;
        if (base) {
                e->based = true;
                e->base = d->at;
        }
        if (e->based && e->n_pile == 1)
                pile_close(u, e);
        d->entry = e;
}

static void draft_pin(struct cube *u, struct draft *d)
{
        d->chapter->pin = PIN_TAKEN;
        d->chapter->used = d->book->used = ++u->tick;
}

const char *verdict_word(enum verdict v)
{
        static const char *const words[] = {
            [ACCEPTED] = "accepted", [SUPERSEDED] = "superseded", [REJECTED] = "rejected"};
        return words[v];
}

bool cube_take(struct cube *u, const struct report *r, const struct judge *j, struct place at,
               enum verdict *v, uint32_t *revision, bool *closes, struct reasons *reasons,
               struct reasons *flags)
{
        PRE(j->catalog == u->c);
        size_t before = reasons->total;
        *v = REJECTED;
        *revision = 0;
        *closes = false;
        report_check(r, j, NULL, reasons);
        if (reasons->total > before)
                return true;

        struct draft d = draft_of(u, r, j, at);
        if (draft_is_known(&d)) {
                *v = SUPERSEDED;
                *revision = d.entry->numbered;
                return true;
        }
        if (d.entry && d.entry->based && place_compare(at, d.entry->base) < 0) {
                *v = SUPERSEDED;
                *revision = ++d.entry->numbered;
                draft_pin(u, &d);
                return true;
        }
        bool fine = draft_fold(&d) && report_judge(r, &d.after, j, NULL, reasons, flags);
        if (fine && reasons->total == before && (fine = draft_reserve(u, &d))) {
                draft_commit(u, &d, j->office, closes);
                draft_pin(u, &d);
                *v = ACCEPTED;
                *revision = ++d.entry->numbered;
        }
        draft_close(&d);
        return fine;
}

/* Settling */

static bool row_any(const uint64_t *row, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (row[i])
                        return true;
        return false;
}

static void row_or(uint64_t *into, const uint64_t *row, size_t n)
{
        for (size_t i = 0; i < n; i++)
                into[i] |= row[i];
}

/* Marks all above what is marked: from the last to the first, so a mark set on the way is still met. */
static void row_up(const struct cube *u, uint64_t *row)
{
        for (uint32_t w = u->words; w-- > 0;)
                for (uint64_t left = row[w]; left;) {
                        unsigned bit = 63 - (unsigned)__builtin_clzll(left);
                        left &= ~(UINT64_C(1) << bit);
                        int32_t parent = u->c->regions[u->inner_region[w * 64 + bit]].parent;
                        if (parent == NONE)
                                continue;
                        uint32_t up = (uint32_t)u->inner[parent];
                        row[up / 64] |= UINT64_C(1) << up % 64;
                        if (up / 64 == w)
                                left |= UINT64_C(1) << up % 64;
                }
}

struct press { /* where totals go */
        void (*emit)(void *ctx, const struct total *t);
        void *ctx;
};

/* Adds the own figures in u->cells up the tree and gives the totals a row of bits names, and those above. */
static void settle_column(struct cube *u, uint32_t indicator, struct period p, const uint64_t *touched,
                          const struct press *press)
{
        cell_up_the_tree(u->c->indicators[indicator].kind, u->c, u->cells, u->reach);
        memcpy(u->row, touched, u->words * sizeof *u->row);
        row_up(u, u->row);
        for (uint32_t w = 0; w < u->words; w++)
                for (uint64_t left = u->row[w]; left; left &= left - 1) {
                        uint32_t region = u->inner_region[w * 64 + (unsigned)__builtin_ctzll(left)];
                        struct total t = {.indicator = indicator, .region = region, .period = p};
                        if (region < u->reach)
                                t.cell = u->cells[region];
                        press->emit(press->ctx, &t);
                }
}

static void clear_cells(struct cube *u)
{
        memset(u->cells, 0, u->reach * sizeof *u->cells);
}

static void settle_page(struct cube *u, const struct book *b, const struct page *p, struct period base,
                        const struct press *press)
{
        for (uint32_t o = 0; o < shape_for(u, b)->indicators; o++) {
                const uint64_t *touched = p->touched + (size_t)o * u->words;
                if (!row_any(touched, u->words))
                        continue;
                uint32_t indicator = indicator_at(u, b, o);
                enum kind kind = u->c->indicators[indicator].kind;
                clear_cells(u);
                for (size_t k = 0; k < p->n; k++) {
                        const struct fact *run;
                        size_t n = facts_run(p->entries[k].now.facts, p->entries[k].now.n, indicator, &run);
                        for (size_t i = 0; i < n; i++) {
                                struct cell one = cell_of(run[i].value, (enum qualifier)run[i].q);
                                cell_over_place(kind, &u->cells[run[i].region], &one);
                        }
                }
                settle_column(u, indicator, base, touched, press);
        }
}

/* Recomputes the lane of a stock or a peak from what stands in the slot's pages; they are all in one open
 * chapter, or nothing would have changed. */
static void refresh_lane(struct cube *u, const struct book *b, uint32_t ordinal, unsigned slot)
{
        const struct shape *s = shape_for(u, b);
        uint32_t indicator = indicator_at(u, b, ordinal);
        enum kind kind = u->c->indicators[indicator].kind;
        struct lane *l = lane_at(u, b, ordinal, slot);
        unsigned chapter = s->chapters > 1 ? slot : 0;
        const struct chapter *h = &b->chapters[chapter];
        if (l->n)
                memset(l->cells, 0, l->n * sizeof *l->cells);
        for (unsigned i = 0; i < h->n_pages; i++) {
                if (slot_of(s, chapter, i) != slot)
                        continue;
                for (size_t k = 0; k < h->pages[i].n; k++) {
                        const struct standing *now = &h->pages[i].entries[k].now;
                        const struct fact *run;
                        size_t n = facts_run(now->facts, now->n, indicator, &run);
                        for (size_t x = 0; x < n; x++)
                                own_put(kind, &l->cells[run[x].region], &run[x], (uint16_t)(i + 1));
                }
        }
}

static void settle_upper(struct cube *u, const struct book *b, struct period p, unsigned first_slot,
                         unsigned slots, const struct press *press)
{
        uint32_t indicators = shape_for(u, b)->indicators;
        size_t size = (size_t)indicators * u->words;
        memset(u->upper_rows, 0, size * sizeof *u->upper_rows);
        for (unsigned i = 0; i < slots; i++)
                row_or(u->upper_rows, u->slot_rows + (first_slot + i) * size, size);
        for (uint32_t o = 0; o < indicators; o++) {
                const uint64_t *touched = u->upper_rows + (size_t)o * u->words;
                if (!row_any(touched, u->words))
                        continue;
                uint32_t indicator = indicator_at(u, b, o);
                enum kind kind = u->c->indicators[indicator].kind;
                clear_cells(u);
                for (unsigned i = 0; i < slots; i++) {
                        const struct lane *l = lane_at(u, b, o, first_slot + i);
                        for (uint32_t r = 0; r < l->n; r++) {
                                struct cell part = cell_of_own(&l->cells[r]);
                                cell_over_time(kind, &u->cells[r], &part);
                        }
                }
                settle_column(u, indicator, p, touched, press);
        }
}

static void settle_uppers(struct cube *u, const struct book *b, const struct press *press)
{
        const struct shape *s = shape_for(u, b);
        size_t size = (size_t)s->indicators * u->words;
        for (unsigned slot = 0; slot < s->slots; slot++)
                for (uint32_t o = 0; o < s->indicators; o++)
                        if (u->c->indicators[indicator_at(u, b, o)].kind != FLOW &&
                            row_any(u->slot_rows + slot * size + (size_t)o * u->words, u->words))
                                refresh_lane(u, b, o, slot);
        for (int k = (int)s->slot_kind; s->slots && k <= PERIOD_YEAR; k++) {
                unsigned n = k == PERIOD_YEAR ? 1 : 12 / months_in((enum period_kind)k);
                for (unsigned i = 0; i < n; i++) {
                        struct period p = n == 1 ? b->year : part_of_year(b->year, (enum period_kind)k, i);
                        settle_upper(u, b, p, i * (s->slots / n), s->slots / n, press);
                }
        }
}

static void settle_book(struct cube *u, struct book *b, const struct press *press)
{
        const struct shape *s = shape_for(u, b);
        size_t size = (size_t)s->indicators * u->words;
        memset(u->slot_rows, 0, s->slots * size * sizeof *u->slot_rows);
        for (unsigned i = 0; i < s->chapters; i++) {
                struct chapter *h = &b->chapters[i];
                for (unsigned k = 0; h->pages && k < h->n_pages; k++) {
                        struct page *p = &h->pages[k];
                        if (!p->touched)
                                continue;
                        settle_page(u, b, p, page_period(s, b, i, k), press);
                        if (s->slots)
                                row_or(u->slot_rows + slot_of(s, i, k) * size, p->touched, size);
                        free(p->touched);
                        p->touched = NULL;
                }
        }
        settle_uppers(u, b, press);
}

void cube_settle(struct cube *u, void (*emit)(void *ctx, const struct total *t), void *ctx)
{
        for (size_t i = 0; i < u->n; i++) {
                bool touched = false;
                for (unsigned k = 0; k < CHAPTERS; k++)
                        touched |= chapter_is_touched(&u->books[i]->chapters[k]);
                if (touched)
                        settle_book(u, u->books[i], &(struct press){emit, ctx});
        }
}

/* Pins and the budget */

void cube_flushed(struct cube *u, uint64_t flush)
{
        PRE(flush > 0 && flush < PIN_TAKEN);
        for (size_t i = 0; i < u->n; i++)
                for (unsigned k = 0; k < CHAPTERS; k++)
                        if (u->books[i]->chapters[k].pin == PIN_TAKEN)
                                u->books[i]->chapters[k].pin = flush;
}

void cube_committed(struct cube *u, uint64_t flush)
{
        PRE(flush < PIN_TAKEN);
        for (size_t i = 0; i < u->n; i++)
                for (unsigned k = 0; k < CHAPTERS; k++)
                        if (u->books[i]->chapters[k].pin <= flush)
                                u->books[i]->chapters[k].pin = 0;
}

/* What was touched longest ago and may go: a chapter, or a book that has none left (never later touched than
 * they). */
struct victim {
        struct book *book;
        struct chapter *chapter; /* NULL: the whole book */
        uint64_t used;
};

static void consider(struct victim *v, struct book *b, struct chapter *h, uint64_t used)
{
        if (!v->book || used < v->used)
                *v = (struct victim){b, h, used};
}

static struct victim victim_find(const struct cube *u)
{
        struct victim v = {0};
        for (size_t i = 0; i < u->n; i++) {
                struct book *b = u->books[i];
                bool empty = !u->recalling.on || u->recalling.book != b;
                for (unsigned k = 0; k < CHAPTERS; k++) {
                        struct chapter *h = &b->chapters[k];
                        empty &= !h->pages;
                        if (h->open && !h->pin && !chapter_is_touched(h))
                                consider(&v, b, h, h->used);
                }
                if (empty)
                        consider(&v, b, NULL, b->used);
        }
        return v;
}

void cube_trim(struct cube *u)
{
        while (u->bytes > u->budget) {
                struct victim v = victim_find(u);
                if (!v.book)
                        return;
                if (v.chapter)
                        chapter_close(u, v.chapter);
                else
                        book_close(u, v.book);
        }
}

size_t cube_bytes(const struct cube *u)
{
        return u->bytes;
}

/* Making */

static void number_regions(struct cube *u)
{
        const struct catalog *c = u->c;
        uint32_t n = 0;
        for (uint32_t r = 0; r < c->n_regions; r++) {
                u->inner[r] = CHILDLESS;
                if (c->regions[r].children) {
                        u->inner_region[n] = r;
                        u->inner[r] = (int32_t)n++;
                } else if (c->regions[r].parent != NONE) {
                        u->inner[r] = u->inner[c->regions[r].parent];
                }
        }
        u->words = (n + 63) / 64;
}

static uint32_t number_indicators(struct cube *u)
{
        uint32_t most = 0;
        for (uint32_t d = 0; d < u->c->n_datasets; d++) {
                const struct dataset *set = &u->c->datasets[d];
                u->shapes[d] = shape_of(set);
                for (uint32_t i = 0; i < set->n_indicators; i++)
                        u->ordinal[set->indicators[i]] = (uint16_t)i;
                if (set->n_indicators > most)
                        most = set->n_indicators;
        }
        return most;
}

struct cube *cube_new(const struct catalog *c, size_t budget)
{
        struct cube *u = calloc(1, sizeof *u);
        if (!u)
                return NULL;
        u->c = c;
        u->budget = budget;
        u->shapes = calloc(c->n_datasets + 1, sizeof *u->shapes);
        u->ordinal = calloc(c->n_indicators + 1, sizeof *u->ordinal);
        u->inner = calloc(c->n_regions, sizeof *u->inner);
        u->inner_region = calloc(c->n_regions, sizeof *u->inner_region);
        u->cells = calloc(c->n_regions, sizeof *u->cells);
        if (!u->shapes || !u->ordinal || !u->inner || !u->inner_region || !u->cells) {
                cube_free(u);
                return NULL;
        }
        number_regions(u);
        size_t rows = (size_t)number_indicators(u) * u->words;
        u->slot_rows = calloc(rows * SLOTS + 1, sizeof *u->slot_rows);
        u->upper_rows = calloc(rows + 1, sizeof *u->upper_rows);
        u->row = calloc(u->words + 1, sizeof *u->row);
        if (!u->slot_rows || !u->upper_rows || !u->row) {
                cube_free(u);
                return NULL;
        }
        return u;
}

void cube_free(struct cube *u)
{
        if (!u)
                return;
        recall_drop(u);
        while (u->n)
                book_close(u, u->books[u->n - 1]);
        free(u->books);
        free(u->shapes);
        free(u->ordinal);
        free(u->inner);
        free(u->inner_region);
        free(u->cells);
        free(u->slot_rows);
        free(u->upper_rows);
        free(u->row);
        free(u);
}
