/* The cube's memory: every byte that goes in comes out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/book.h"

static struct book *book(void)
{
        static const struct dataset daily = {.every = PERIOD_DAY, .n_indicators = 3};
        struct book *b = book_new(0, &daily, period_of(PERIOD_YEAR, day_of(2024, 1, 1)));
        assert_non_null(b);
        return b;
}

static void entries_by_office(void **state)
{
        (void)state;
        static const uint32_t offices[] = {7, 3, 9, 1, 5, 4};
        struct book *b = book();
        size_t empty = b->bytes;
        assert_true(book_begin_chapter(b, 1));
        assert_int_equal(b->chapters[1].n_pages, 29);
        struct page *p = &b->chapters[1].pages[28];
        for (size_t i = 0; i < 6; i++) {
                struct entry e = {.office = offices[i]};
                struct fact f = {.value = offices[i]};
                assert_true(standing_fold(&e.now, REPLACE, &f, 1));
                assert_true(book_make_room(b, p));
                size_t before = b->bytes;
                book_insert(b, p, &e);
                assert_int_equal(b->bytes, before + sizeof f);
                assert_null(e.now.facts);
        }
        for (size_t i = 0; i < 6; i++)
                assert_int_equal(page_find(p, offices[i])->now.facts[0].value, offices[i]);
        assert_null(page_find(p, 6));
        for (size_t i = 1; i < p->n; i++)
                assert_true(p->entries[i - 1].office < p->entries[i].office);
        book_close_chapter(b, 1);
        assert_int_equal(b->bytes, empty);
        book_free(b);
}

static void lanes_widen_and_keep(void **state)
{
        (void)state;
        struct book *b = book();
        struct lane *l = book_lane(b, 2, 11);
        size_t empty = b->bytes;
        assert_true(book_widen(b, l, FLOW, 3, 1000));
        l->sums[2].sum = 42;
        assert_true(book_widen(b, l, FLOW, 900, 1000));
        assert_int_equal(l->sums[2].sum, 42);
        assert_int_equal(l->sums[899].facts, 0);
        assert_true(book_widen(b, l, FLOW, 950, 1000));
        assert_int_equal(l->n, 1000); /* no further than there are groups */
        assert_int_equal(b->bytes, empty + 1000 * sizeof *l->sums);
        lane_clear(l);
        assert_int_equal(l->sums[2].sum, 0);
        book_free(b);
}

static void expect(struct cell c, int64_t value, uint64_t facts, enum qualifier q)
{
        assert_int_equal(c.sum, value);
        assert_int_equal(c.facts, facts);
        assert_int_equal(cell_qualifier(&c), q);
}

/* Facts come in in any order of time. What is taken back from a stock or a peak cannot be subtracted. */
static void lanes_of_each_kind(void **state)
{
        (void)state;
        struct book *b = book();
        struct fact ten = {.value = 10, .q = ABOUT, .region = 4}, three = {.value = 3, .region = 4};
        struct lane *flow = book_lane(b, 0, 0), *stock = book_lane(b, 1, 0), *peak = book_lane(b, 2, 0);
        assert_true(book_widen(b, flow, FLOW, 2, 2) && book_widen(b, peak, PEAK, 2, 2));
        assert_true(book_widen(b, stock, STOCK, 5, 5));

        lane_put(flow, FLOW, 1, &ten, 0);
        lane_put(flow, FLOW, 1, &three, 5);
        expect(flow->sums[1], 13, 2, ABOUT);
        lane_drop(flow, FLOW, 1, &ten);
        expect(flow->sums[1], 3, 1, EXACT);
        assert_false(flow->stale);

        lane_put(stock, STOCK, 1, &three, 7);
        lane_put(stock, STOCK, 1, &ten, 2);
        expect(latest_cell(&stock->latest[4]), 3, 1, EXACT);
        lane_put(stock, STOCK, 1, &ten, 7); /* another office's, of the same page */
        expect(latest_cell(&stock->latest[4]), 13, 2, ABOUT);
        lane_drop(stock, STOCK, 1, &three);
        assert_true(stock->stale);

        lane_put(peak, PEAK, 1, &ten, 3);
        lane_put(peak, PEAK, 1, &three, 1);
        expect(peak->sums[1], 10, 2, ABOUT);
        lane_drop(peak, PEAK, 1, &ten);
        assert_true(peak->stale);
        lane_clear(peak);
        assert_false(peak->stale);
        book_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(entries_by_office),
            cmocka_unit_test(lanes_widen_and_keep),
            cmocka_unit_test(lanes_of_each_kind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
