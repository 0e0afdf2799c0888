/* What changed is remembered per page, as one row of bits per indicator, a bit for each region that has
 * children: of the changed fact's region, or of its parent. Those above follow when the page is settled.
 * Quarters, halves and years are then added up from the slots and kept nowhere. All memory that settling
 * needs is taken when a report is taken, so settling cannot fail.
 *
 * An entry without a pile can take what comes last, and knows that what comes before its base is superseded;
 * for anything between, NEED_REFOLD asks for a recall, and the recall makes the pile. Only pages that were
 * closed for a refold get piles, and there only the entry of the office that was late, of several revisions
 * or without a base: of a day in which machines count, everybody's piles are a hundred times what stands. A
 * pile grows with what is taken later and goes with its chapter. That a page keeps piles, and whose, is
 * remembered until its chapter is trimmed: of two late reports in one message, the refold for the second must
 * not undo what was recalled for the first; nor may two offices undo each other's, so after a second one the
 * chapter keeps everybody's. */
#include "core/cube.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/book.h"

#include <stdlib.h>
#include <string.h>

#define PIN_TAKEN UINT64_MAX /* taken, in no flush yet */

struct recalling {
        bool on, whole, failed;
        struct book *book;
        unsigned chapter; /* that is kept */
        struct recall range;
        struct period period; /* of the entry in the making, or the last one made */
        struct entry entry;
        bool begun; /* there is one in the making */
        uint32_t office;
};

struct cube {
        const struct catalog *c;
        size_t budget;
        struct book **books; /* by dataset and year */
        size_t n, cap;
        uint64_t tick;
        struct recalling recalling;

        uint16_t *ordinal;      /* per indicator: its number within its dataset */
        uint32_t *group;        /* per region */
        uint32_t *groups_up_to; /* per region: how many groups it and those before it are in */
        uint32_t *head;         /* per group: its region */
        uint32_t n_groups;
        uint32_t words; /* of a row of bits, one for each group */
        uint32_t reach; /* groups used */

        struct cell *cells;     /* scratch of settling: per group */
        struct change *changes; /* scratch of taking */
        size_t n_changes;
        uint64_t *slot_rows;  /* per slot and indicator */
        uint64_t *upper_rows; /* per indicator */
        uint64_t *row;
};

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

static uint32_t indicator_at(const struct cube *u, const struct book *b, uint32_t ordinal)
{
        return u->c->datasets[b->dataset].indicators[ordinal];
}

static enum kind kind_of(const struct cube *u, uint32_t indicator)
{
        return u->c->indicators[indicator].kind;
}

/* Where a base period is kept. */
struct seat {
        struct book *book;
        struct chapter *h;
        struct page *page;              /* NULL: the chapter is not open */
        unsigned chapter, number, slot; /* number: of the page */
};

static struct seat seat_find(const struct cube *u, uint32_t dataset, struct period base)
{
        struct seat s = {.book = book_find(u, dataset, base)};
        if (!s.book)
                return s;
        const struct rhythm *r = &s.book->rhythm;
        s.chapter = rhythm_chapter(r, base);
        s.number = rhythm_page(r, base);
        s.slot = r->slots ? rhythm_slot(r, s.chapter, s.number) : 0;
        s.h = &s.book->chapters[s.chapter];
        if (s.book->open && s.h->open)
                s.page = &s.h->pages[s.number];
        return s;
}

static void book_drop(struct cube *u, struct book *b)
{
        size_t at = book_seek(u, b->dataset, b->year.first);
        memmove(&u->books[at], &u->books[at + 1], (u->n - at - 1) * sizeof(struct book *));
        u->n--;
        book_free(b);
}

static struct book *book_add(struct cube *u, uint32_t dataset, struct period year)
{
        if (u->n == u->cap) {
                size_t cap = u->cap ? u->cap * 2 : 16;
                struct book **books = realloc(u->books, cap * sizeof(struct book *));
                if (!books)
                        return NULL;
                u->books = books;
                u->cap = cap;
        }
        struct book *b = book_new(dataset, &u->c->datasets[dataset], year);
        if (!b)
                return NULL;
        size_t at = book_seek(u, dataset, year.first);
        memmove(&u->books[at + 1], &u->books[at], (u->n - at) * sizeof(struct book *));
        u->books[at] = b;
        u->n++;
        return b;
}

static void touch(struct cube *u, struct book *b, struct chapter *h)
{
        b->used = h->used = ++u->tick;
}

/* Room in the lanes for facts of a slot. */
static bool widen_lanes(struct cube *u, struct book *b, unsigned slot, const struct fact *facts, size_t n)
{
        for (size_t i = 0; i < n;) {
                uint32_t indicator = facts[i].indicator;
                i = facts_seek(facts, n, i, fact_key(indicator + 1, 0));
                uint32_t region = facts[i - 1].region; /* the highest of the run */
                PRE(region < u->c->n_regions && u->c->indicators[indicator].dataset == b->dataset);
                uint32_t groups = u->groups_up_to[region];
                if (groups > u->reach)
                        u->reach = groups;
                if (!b->rhythm.slots)
                        continue;
                struct lane *l = book_lane(b, u->ordinal[indicator], slot);
                enum kind kind = kind_of(u, indicator);
                if (!(kind == STOCK ? book_widen(b, l, kind, region + 1, u->c->n_regions)
                                    : book_widen(b, l, kind, groups, u->n_groups)))
                        return false;
        }
        return true;
}

/* Recalling */

bool cube_recall_begin(struct cube *u, const struct recall *r, struct period wanted)
{
        struct recalling *g = &u->recalling;
        PRE(!g->on && wanted.kind == u->c->datasets[r->dataset].every);
        struct book *b = book_find(u, r->dataset, wanted);
        struct period range = period_upper(wanted, PERIOD_YEAR);
        *g = (struct recalling){.on = true, .whole = !b, .range = *r, .failed = true};
        g->book = b ? b : book_add(u, r->dataset, range);
        if (!g->book)
                return false;
        const struct rhythm *rhythm = &g->book->rhythm;
        g->chapter = rhythm_chapter(rhythm, wanted);
        if (!g->whole)
                range = rhythm_chapter_period(rhythm, g->book->year, g->chapter);
        PRE(r->first == range.first && r->last == range.last);
        g->failed = !book_begin_chapter(g->book, g->chapter);
        return !g->failed;
}

static bool recall_is_piled(const struct recalling *g)
{
        const struct rhythm *r = &g->book->rhythm;
        const struct chapter *h = &g->book->chapters[g->chapter];
        return rhythm_chapter(r, g->period) == g->chapter && h->late >> rhythm_page(r, g->period) & 1 &&
               (h->late_office == EVERY_OFFICE || h->late_office == g->office);
}

/* The entry in the making is complete: into the lanes, if the book is new, and into its page, if that is
 * kept. */
static bool recall_keep(struct cube *u)
{
        struct recalling *g = &u->recalling;
        struct book *b = g->book;
        struct entry *e = &g->entry;
        if (!g->begun)
                return true;
        struct seat s = seat_find(u, b->dataset, g->period);
        PRE(s.h);
        bool kept = s.chapter == g->chapter;
        struct page *page = kept ? &s.h->pages[s.number] : NULL;
        if (!widen_lanes(u, b, s.slot, e->now.facts, e->now.n) || (kept && !book_make_room(b, page)))
                return false;
        for (size_t i = 0; i < e->now.n && g->whole && b->rhythm.slots; i++) {
                const struct fact *f = &e->now.facts[i];
                struct lane *l = book_lane(b, u->ordinal[f->indicator], s.slot);
                lane_put(l, kind_of(u, f->indicator), u->group[f->region], f, s.number);
        }
        if (e->based && e->pile.n == 1)
                pile_close(&e->pile);
        if (kept)
                book_insert(b, page, e);
        entry_close(e);
        g->begun = false;
        return true;
}

/* The next of (period, office). */
static bool recall_turn(struct cube *u, uint32_t office, const struct report *r)
{
        struct recalling *g = &u->recalling;
        if (g->begun && g->office == office && period_same(g->period, r->period))
                return true;
        if (!recall_keep(u))
                return false;
        PRE(r->dataset == g->range.dataset && r->period.kind == u->c->datasets[r->dataset].every);
        PRE(r->period.first >= g->range.first && r->period.last <= g->range.last);
        g->period = r->period;
        g->office = office;
        g->entry = (struct entry){.office = office};
        g->begun = true;
        return true;
}

static bool recall_fold(struct recalling *g, const struct report *r, struct place at)
{
        struct entry *e = &g->entry;
        struct pile_room room = {0};
        bool piled = recall_is_piled(g);
        bool fine =
            (!piled || pile_prepare(&e->pile, r, &room)) && standing_fold(&e->now, r->action, r->facts, r->n);
        if (piled && fine)
                pile_put(&e->pile, r, at, &room);
        pile_room_close(&room);
        return fine;
}

bool cube_recalled(struct cube *u, uint32_t office, const struct report *r, struct place at,
                   uint32_t revision)
{
        struct recalling *g = &u->recalling;
        struct entry *e = &g->entry;
        PRE(g->on);
        if (g->failed || !recall_turn(u, office, r) || !recall_fold(g, r, at)) {
                g->failed = true;
                return false;
        }
        PRE(place_compare(at, e->last) > 0);
        if (action_is_base(r->action)) {
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
        if (fine) {
                g->book->open = g->book->chapters[g->chapter].open = true;
                touch(u, g->book, &g->book->chapters[g->chapter]);
        } else if (g->book && g->whole) {
                book_drop(u, g->book);
        } else if (g->book) {
                book_close_chapter(g->book, g->chapter);
        }
        entry_close(&g->entry);
        *g = (struct recalling){0};
        return fine;
}

/* What a report needs */

static bool entry_takes(const struct entry *e, struct place at)
{
        return e->pile.n || place_compare(at, e->last) >= 0 || (e->based && place_compare(at, e->base) <= 0);
}

enum need cube_need(const struct cube *u, uint32_t dataset, struct period base, uint32_t office,
                    struct place at, struct recall *r)
{
        if (base.kind != u->c->datasets[dataset].every)
                return NEED_NOTHING;
        struct seat s = seat_find(u, dataset, base);
        struct period range = period_upper(base, PERIOD_YEAR);
        if (s.book && s.book->open)
                range = rhythm_chapter_period(&s.book->rhythm, s.book->year, s.chapter);
        *r = (struct recall){.dataset = dataset, .first = range.first, .last = range.last};
        if (!s.page)
                return NEED_RECALL;
        const struct entry *e = page_find(s.page, office);
        return !e || entry_takes(e, at) ? NEED_NOTHING : NEED_REFOLD;
}

void cube_close(struct cube *u, uint32_t dataset, struct period base, uint32_t office)
{
        struct seat s = seat_find(u, dataset, base);
        if (!s.page)
                return;
        PRE(!s.h->pin && !chapter_is_touched(s.h));
        uint64_t late = s.h->late | UINT64_C(1) << s.number;
        if (s.h->late && s.h->late_office != office)
                office = EVERY_OFFICE;
        book_close_chapter(s.book, s.chapter);
        s.h->late = late;
        s.h->late_office = office;
}

/* Taking */

/* A report on its way in: all memory is taken for it here, then draft_commit only moves things. What comes
 * last and leaves other figures as they are is folded in place, and taken back if it is refused; so that a
 * counter costs what it counts. For anything else what would stand is made apart. */
struct draft {
        const struct report *r;
        struct place at;
        struct seat seat;
        struct entry *entry;    /* NULL: the office's first in this period */
        struct change *changes; /* of what is folded in place; NULL: it is not */
        struct standing after;
        struct pile_room room;
};

static struct draft draft_of(const struct cube *u, const struct report *r, const struct judge *j,
                             struct place at)
{
        struct draft d = {.r = r, .at = at, .seat = seat_find(u, r->dataset, r->period)};
        PRE(d.seat.page);
        d.entry = page_find(d.seat.page, j->office);
        PRE(!d.entry || entry_takes(d.entry, at));
        return d;
}

static void draft_close(struct draft *d)
{
        standing_close(&d->after);
        pile_room_close(&d->room);
}

static bool draft_is_late(const struct draft *d)
{
        return d->entry && place_compare(d->at, d->entry->last) < 0;
}

static bool draft_is_known(const struct draft *d)
{
        const struct entry *e = d->entry;
        return e && (place_compare(d->at, e->last) == 0 || (e->based && place_compare(d->at, e->base) == 0) ||
                     (pile_has(&e->pile, d->at) && !PLANTED(DEDUP_BY_WINDOW)));
}

static bool draft_is_superseded(const struct draft *d)
{
        return d->entry && d->entry->based && place_compare(d->at, d->entry->base) < 0;
}

static bool draft_change(struct cube *u, struct draft *d)
{
        if (d->r->n > u->n_changes) {
                struct change *changes = realloc(u->changes, d->r->n * sizeof *changes);
                if (!changes)
                        return false;
                u->changes = changes;
                u->n_changes = d->r->n;
        }
        book_lift(d->seat.book, d->entry);
        bool fine = standing_change(&d->entry->now, d->r->action, d->r->facts, d->r->n, u->changes);
        book_lay(d->seat.book, d->entry);
        d->changes = fine ? u->changes : NULL;
        return fine;
}

static bool draft_fold(struct cube *u, struct draft *d)
{
        if (draft_is_late(d) && !PLANTED(LATE_FOLDED_LAST))
                return pile_fold(&d->entry->pile, d->r, d->at, &d->after);
        if (d->entry && d->r->n && !action_is_base(d->r->action))
                return draft_change(u, d);
        return standing_fold(&d->after, d->r->action, d->r->facts, d->r->n);
}

static const struct standing *draft_after(const struct draft *d)
{
        return d->changes ? &d->entry->now : &d->after;
}

static void draft_restore(struct draft *d)
{
        if (d->changes)
                standing_restore(&d->entry->now, d->changes, d->r->n);
}

static bool draft_prepare(struct cube *u, struct draft *d)
{
        struct book *b = d->seat.book;
        struct page *p = d->seat.page;
        const struct fact *facts = d->changes ? d->r->facts : d->after.facts;
        size_t n = d->changes ? d->r->n : d->after.n;
        if (!p->touched && !(p->touched = calloc((size_t)u->words * b->indicators + 1, sizeof *p->touched)))
                return false;
        if (!widen_lanes(u, b, d->seat.slot, facts, n))
                return false;
        if (!d->entry)
                return book_make_room(b, p);
        if (!d->entry->pile.n)
                return true;
        book_lift(b, d->entry);
        bool fine = pile_prepare(&d->entry->pile, d->r, &d->room);
        book_lay(b, d->entry);
        return fine;
}

/* Where the changes of one indicator go. */
struct pen {
        uint32_t indicator;
        enum kind kind;
        unsigned page;
        uint64_t *row;
        struct lane *lane; /* NULL: nothing is above a year */
};

static struct pen pen_for(const struct cube *u, const struct draft *d, uint32_t indicator)
{
        const struct book *b = d->seat.book;
        uint32_t ordinal = u->ordinal[indicator];
        return (struct pen){.indicator = indicator,
                            .kind = kind_of(u, indicator),
                            .page = d->seat.number,
                            .row = d->seat.page->touched + (size_t)ordinal * u->words,
                            .lane = b->rhythm.slots ? book_lane(b, ordinal, d->seat.slot) : NULL};
}

static void pen_note(const struct cube *u, const struct pen *pen, const struct fact *old,
                     const struct fact *now)
{
        /* cppcheck-suppress nullPointerRedundantCheck ; one of them is given */
        uint32_t group = u->group[old ? old->region : now->region];
        pen->row[group / 64] |= UINT64_C(1) << group % 64;
        if (!pen->lane)
                return;
        if (old)
                lane_drop(pen->lane, pen->kind, group, old);
        if (now)
                lane_put(pen->lane, pen->kind, group, now, pen->page);
}

static void draft_note_one(const struct cube *u, const struct draft *d, struct pen *pen,
                           const struct fact *old, const struct fact *now)
{
        if (old && now && old->value == now->value && old->q == now->q)
                return;
        uint32_t indicator = old ? old->indicator : now->indicator;
        if (indicator != pen->indicator)
                *pen = pen_for(u, d, indicator);
        pen_note(u, pen, old, now);
}

static void draft_note_changes(const struct cube *u, const struct draft *d)
{
        struct pen pen = {.indicator = UINT32_MAX};
        for (const struct change *c = d->changes, *end = c + d->r->n; c < end; c++)
                draft_note_one(u, d, &pen, c->fresh ? NULL : &c->was, &c->now);
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
                draft_note_one(u, d, &pen, old, now);
        }
}

static void entry_take(struct entry *e, struct draft *d)
{
        if (!draft_is_late(d))
                e->last = d->at;
        if (action_is_base(d->r->action)) {
                e->based = true;
                e->base = d->at;
        }
        if (e->pile.n)
                pile_put(&e->pile, d->r, d->at, &d->room);
        if (e->based && e->pile.n == 1)
                pile_close(&e->pile);
        if (!d->changes) {
                standing_close(&e->now);
                e->now = d->after;
                d->after = (struct standing){0};
        }
        e->numbered++;
}

static void draft_commit(struct cube *u, struct draft *d, uint32_t office)
{
        static const struct standing nothing;
        struct book *b = d->seat.book;
        if (d->changes)
                draft_note_changes(u, d);
        else
                draft_note(u, d, d->entry ? &d->entry->now : &nothing);
        if (!d->entry)
                d->entry = book_insert(b, d->seat.page, &(struct entry){.office = office, .last = d->at});
        book_lift(b, d->entry);
        entry_take(d->entry, d);
        book_lay(b, d->entry);
}

static void draft_pin(struct cube *u, const struct draft *d)
{
        d->seat.h->pin = PIN_TAKEN;
        touch(u, d->seat.book, d->seat.h);
}

const char *verdict_word(enum verdict v)
{
        static const char *const words[] = {
            [ACCEPTED] = "accepted", [SUPERSEDED] = "superseded", [REJECTED] = "rejected"};
        return words[v];
}

/* What needs no folding: a report that was folded before, and one whose place is before the base. */
static bool draft_settles_itself(struct cube *u, struct draft *d)
{
        if (draft_is_known(d))
                return true;
        if (!draft_is_superseded(d))
                return false;
        d->entry->numbered++;
        draft_pin(u, d);
        return true;
}

/* Would it end a revision that stands? */
static bool draft_closes(const struct draft *d)
{
        return action_is_base(d->r->action) && d->entry &&
               (!draft_is_late(d) || pile_before(&d->entry->pile, d->at) > 0);
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
        if (reasons->failed)
                return false;
        if (reasons->total > before)
                return true;

        struct draft d = draft_of(u, r, j, at);
        if (draft_settles_itself(u, &d)) {
                *v = SUPERSEDED;
                *revision = d.entry->numbered;
                return true;
        }
        bool fine = draft_fold(u, &d) && report_judge(r, draft_after(&d), d.changes, j, NULL, reasons, flags);
        bool stands = fine && reasons->total == before && (fine = draft_prepare(u, &d));
        if (!stands)
                draft_restore(&d);
        if (stands) {
                *closes = draft_closes(&d);
                draft_commit(u, &d, j->office);
                draft_pin(u, &d);
                *v = ACCEPTED;
                *revision = d.entry->numbered;
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

/* The group above; only the root's has none. */
static uint32_t group_above(const struct cube *u, uint32_t group)
{
        return u->group[u->c->regions[u->head[group]].parent];
}

/* Marks all above what is marked: from the last to the first, so a mark set on the way is still met. */
static void row_up(const struct cube *u, uint64_t *row)
{
        for (uint32_t w = u->words; w-- > 0;)
                for (uint64_t left = row[w]; left;) {
                        uint32_t group = w * 64 + 63 - (uint32_t)__builtin_clzll(left);
                        left &= ~(UINT64_C(1) << group % 64);
                        if (!group)
                                continue;
                        uint32_t up = group_above(u, group);
                        row[up / 64] |= UINT64_C(1) << up % 64;
                        if (up / 64 == w)
                                left |= UINT64_C(1) << up % 64;
                }
}

struct press { /* where totals go */
        void (*emit)(void *ctx, const struct total *t);
        void *ctx;
};

/* Adds the groups' figures in u->cells up the tree and gives the totals a row of bits names, and those above.
 */
static void settle_column(struct cube *u, uint32_t indicator, struct period p, const uint64_t *touched,
                          const struct press *press)
{
        enum kind kind = kind_of(u, indicator);
        for (uint32_t g = u->reach; g-- > 1;)
                if (u->cells[g].facts)
                        cell_over_place(kind, &u->cells[group_above(u, g)], &u->cells[g]);
        memcpy(u->row, touched, u->words * sizeof *u->row);
        row_up(u, u->row);
        for (uint32_t w = 0; w < u->words; w++)
                for (uint64_t left = u->row[w]; left; left &= left - 1) {
                        uint32_t g = w * 64 + (uint32_t)__builtin_ctzll(left);
                        struct total t = {
                            .indicator = indicator, .region = u->head[g], .period = p, .cell = u->cells[g]};
                        if (u->c->regions[t.region].children)
                                press->emit(press->ctx, &t);
                }
}

static void clear_cells(struct cube *u)
{
        memset(u->cells, 0, u->reach * sizeof *u->cells);
}

/* Adds what stands in a page over place. */
static void add_page(struct cube *u, const struct page *p, uint32_t indicator)
{
        enum kind kind = kind_of(u, indicator);
        for (size_t k = 0; k < p->n; k++) {
                const struct fact *run;
                size_t n = facts_run(p->entries[k].now.facts, p->entries[k].now.n, indicator, &run);
                for (size_t i = 0; i < n; i++) {
                        struct cell one = cell_of(run[i].value, (enum qualifier)run[i].q);
                        cell_over_place(kind, &u->cells[u->group[run[i].region]], &one);
                }
        }
}

static void settle_page(struct cube *u, const struct book *b, const struct page *p, struct period base,
                        const struct press *press)
{
        for (uint32_t o = 0; o < b->indicators; o++) {
                const uint64_t *touched = p->touched + (size_t)o * u->words;
                if (!row_any(touched, u->words))
                        continue;
                clear_cells(u);
                add_page(u, p, indicator_at(u, b, o));
                settle_column(u, indicator_at(u, b, o), base, touched, press);
        }
}

/* Recomputes the lane of a stock or a peak from what stands in the slot's pages; they are all in one open
 * chapter, or nothing would have been taken back. */
static void refresh_lane(struct cube *u, const struct book *b, uint32_t ordinal, unsigned slot)
{
        uint32_t indicator = indicator_at(u, b, ordinal);
        enum kind kind = kind_of(u, indicator);
        struct lane *l = book_lane(b, ordinal, slot);
        unsigned chapter = b->rhythm.chapters > 1 ? slot : 0;
        const struct chapter *h = &b->chapters[chapter];
        PRE(h->pages);
        lane_clear(l);
        for (unsigned i = 0; i < h->n_pages; i++) {
                if (rhythm_slot(&b->rhythm, chapter, i) != slot)
                        continue;
                for (size_t k = 0; k < h->pages[i].n; k++) {
                        const struct standing *now = &h->pages[i].entries[k].now;
                        const struct fact *run;
                        size_t n = facts_run(now->facts, now->n, indicator, &run);
                        for (size_t x = 0; x < n; x++)
                                lane_put(l, kind, u->group[run[x].region], &run[x], i);
                }
        }
}

/* Adds the lanes of some slots, in order of time: of a stock the latest of each region, found from behind. */
static void add_lanes(struct cube *u, const struct book *b, uint32_t ordinal, unsigned first, unsigned slots)
{
        enum kind kind = kind_of(u, indicator_at(u, b, ordinal));
        if (kind != STOCK) {
                for (unsigned i = first; i < first + slots; i++) {
                        const struct lane *l = book_lane(b, ordinal, i);
                        for (uint32_t g = 0; g < l->n; g++)
                                cell_over_time(kind, &u->cells[g], &l->sums[g]);
                }
                return;
        }
        uint32_t regions = 0;
        for (unsigned i = first; i < first + slots; i++)
                if (book_lane(b, ordinal, i)->n > regions)
                        regions = book_lane(b, ordinal, i)->n;
        for (uint32_t r = 0; r < regions; r++)
                for (unsigned i = first + slots; i-- > first;) {
                        const struct lane *l = book_lane(b, ordinal, i);
                        if (r >= l->n || !l->latest[r].facts)
                                continue;
                        struct cell latest = latest_cell(&l->latest[r]);
                        cell_over_place(kind, &u->cells[u->group[r]], &latest);
                        break;
                }
}

static void settle_upper(struct cube *u, const struct book *b, struct period p, unsigned first,
                         unsigned slots, const struct press *press)
{
        size_t size = (size_t)b->indicators * u->words;
        memset(u->upper_rows, 0, size * sizeof *u->upper_rows);
        for (unsigned i = first; i < first + slots; i++)
                row_or(u->upper_rows, u->slot_rows + i * size, size);
        for (uint32_t o = 0; o < b->indicators; o++) {
                const uint64_t *touched = u->upper_rows + (size_t)o * u->words;
                if (!row_any(touched, u->words))
                        continue;
                clear_cells(u);
                add_lanes(u, b, o, first, slots);
                settle_column(u, indicator_at(u, b, o), p, touched, press);
        }
}

static void settle_uppers(struct cube *u, const struct book *b, const struct press *press)
{
        for (unsigned slot = 0; slot < b->rhythm.slots; slot++)
                for (uint32_t o = 0; o < b->indicators; o++)
                        if (book_lane(b, o, slot)->stale)
                                refresh_lane(u, b, o, slot);
        for (int k = (int)b->rhythm.slot_kind; b->rhythm.slots && k <= PERIOD_YEAR; k++) {
                unsigned n = rhythm_uppers(&b->rhythm, (enum period_kind)k);
                for (unsigned i = 0; i < n; i++) {
                        struct period p = rhythm_upper(&b->rhythm, b->year, (enum period_kind)k, i);
                        settle_upper(u, b, p, i * (b->rhythm.slots / n), b->rhythm.slots / n, press);
                }
        }
}

static void settle_book(struct cube *u, struct book *b, const struct press *press)
{
        size_t size = (size_t)b->indicators * u->words;
        memset(u->slot_rows, 0, b->rhythm.slots * size * sizeof *u->slot_rows);
        for (unsigned i = 0; i < b->rhythm.chapters; i++) {
                struct chapter *h = &b->chapters[i];
                for (unsigned k = 0; h->pages && k < h->n_pages; k++) {
                        struct page *p = &h->pages[k];
                        if (!p->touched)
                                continue;
                        settle_page(u, b, p, rhythm_page_period(&b->rhythm, b->year, i, k), press);
                        if (b->rhythm.slots)
                                row_or(u->slot_rows + rhythm_slot(&b->rhythm, i, k) * size, p->touched, size);
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
                for (unsigned k = 0; k < RHYTHM_CHAPTERS; k++)
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
                for (unsigned k = 0; k < RHYTHM_CHAPTERS; k++)
                        if (u->books[i]->chapters[k].pin == PIN_TAKEN)
                                u->books[i]->chapters[k].pin = flush;
}

void cube_committed(struct cube *u, uint64_t flush)
{
        PRE(flush < PIN_TAKEN);
        for (size_t i = 0; i < u->n; i++)
                for (unsigned k = 0; k < RHYTHM_CHAPTERS; k++)
                        if (u->books[i]->chapters[k].pin <= flush)
                                u->books[i]->chapters[k].pin = 0;
}

/* What was touched longest ago and may go: a chapter, or a book that has none left (never later touched than
 * they). */
struct victim {
        struct book *book; /* NULL: there is none */
        bool whole;
        unsigned chapter;
        uint64_t used;
};

static void consider(struct victim *v, struct victim other)
{
        if (!v->book || other.used < v->used)
                *v = other;
}

static struct victim victim_find(const struct cube *u)
{
        struct victim v = {0};
        for (size_t i = 0; i < u->n; i++) {
                struct book *b = u->books[i];
                bool empty = b != u->recalling.book;
                for (unsigned k = 0; k < RHYTHM_CHAPTERS; k++) {
                        const struct chapter *h = &b->chapters[k];
                        empty &= !h->pages;
                        if (h->open && (!h->pin || PLANTED(UNCOMMITTED_EVICTED)) && !chapter_is_touched(h))
                                consider(&v, (struct victim){b, false, k, h->used});
                }
                if (empty)
                        consider(&v, (struct victim){b, true, 0, b->used});
        }
        return v;
}

void cube_trim(struct cube *u)
{
        for (size_t bytes = cube_bytes(u); bytes > u->budget;) {
                struct victim v = victim_find(u);
                if (!v.book)
                        return;
                bytes -= v.book->bytes;
                if (v.whole) {
                        book_drop(u, v.book);
                } else {
                        book_close_chapter(v.book, v.chapter);
                        bytes += v.book->bytes;
                }
        }
}

size_t cube_bytes(const struct cube *u)
{
        size_t bytes = 0;
        for (size_t i = 0; i < u->n; i++)
                bytes += u->books[i]->bytes;
        return bytes + u->recalling.entry.now.cap * sizeof(struct fact) + u->recalling.entry.pile.bytes;
}

/* Making */

/* The root heads a group even if it has no children, so that every region is in one. */
static void number_groups(struct cube *u)
{
        const struct catalog *c = u->c;
        for (uint32_t r = 0; r < c->n_regions; r++) {
                if (r == 0 || c->regions[r].children) {
                        u->head[u->n_groups] = r;
                        u->group[r] = u->n_groups++;
                } else {
                        u->group[r] = u->group[c->regions[r].parent];
                }
                u->groups_up_to[r] = u->group[r] + 1;
                if (r && u->groups_up_to[r - 1] > u->groups_up_to[r])
                        u->groups_up_to[r] = u->groups_up_to[r - 1];
        }
        u->words = (u->n_groups + 63) / 64;
}

/* Numbers each dataset's indicators; answers how many the largest has. */
static uint32_t number_indicators(struct cube *u)
{
        uint32_t most = 0;
        for (uint32_t d = 0; d < u->c->n_datasets; d++) {
                const struct dataset *set = &u->c->datasets[d];
                for (uint32_t i = 0; i < set->n_indicators; i++)
                        u->ordinal[set->indicators[i]] = (uint16_t)i;
                if (set->n_indicators > most)
                        most = set->n_indicators;
        }
        return most;
}

static bool cube_number(struct cube *u)
{
        const struct catalog *c = u->c;
        u->ordinal = calloc(c->n_indicators + 1, sizeof *u->ordinal);
        u->group = calloc(c->n_regions, sizeof *u->group);
        u->groups_up_to = calloc(c->n_regions, sizeof *u->groups_up_to);
        u->head = calloc(c->n_regions, sizeof *u->head);
        if (!u->ordinal || !u->group || !u->groups_up_to || !u->head)
                return false;
        number_groups(u);
        size_t rows = (size_t)number_indicators(u) * u->words;
        u->cells = calloc(u->n_groups, sizeof *u->cells);
        u->slot_rows = calloc(rows * RHYTHM_SLOTS + 1, sizeof *u->slot_rows);
        u->upper_rows = calloc(rows + 1, sizeof *u->upper_rows);
        u->row = calloc(u->words, sizeof *u->row);
        return u->cells && u->slot_rows && u->upper_rows && u->row;
}

struct cube *cube_new(const struct catalog *c, size_t budget)
{
        struct cube *u = calloc(1, sizeof *u);
        if (!u)
                return NULL;
        u->c = c;
        u->budget = budget;
        if (cube_number(u))
                return u;
        cube_free(u);
        return NULL;
}

void cube_free(struct cube *u)
{
        if (!u)
                return;
        entry_close(&u->recalling.entry);
        while (u->n)
                book_drop(u, u->books[u->n - 1]);
        free(u->books);
        free(u->ordinal);
        free(u->group);
        free(u->groups_up_to);
        free(u->head);
        free(u->changes);
        free(u->cells);
        free(u->slot_rows);
        free(u->upper_rows);
        free(u->row);
        free(u);
}
