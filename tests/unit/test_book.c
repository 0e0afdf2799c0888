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
        assert_true(book_widen(b, l, 3, 1000));
        l->cells[2].sum = 42;
        assert_true(book_widen(b, l, 900, 1000));
        assert_int_equal(l->cells[2].sum, 42);
        assert_int_equal(l->cells[899].facts, 0);
        assert_true(book_widen(b, l, 950, 1000));
        assert_int_equal(l->n, 1000); /* no further than there are regions */
        book_free(b);
}

static void figures(void **state)
{
        (void)state;
        struct fact ten = {.value = 10, .q = ABOUT}, three = {.value = 3};
        struct own flow = {0}, stock = {0}, peak = {0};
        own_put(FLOW, &flow, &ten, 0);
        own_put(FLOW, &flow, &three, 5);
        assert_int_equal(flow.sum, 13);
        own_drop(&flow, &ten);
        struct cell c = own_cell(&flow), three_alone = cell_of(3, EXACT);
        assert_true(cell_same(&c, &three_alone));

        own_put(STOCK, &stock, &ten, 0);
        own_put(STOCK, &stock, &ten, 0); /* two offices of one page */
        assert_int_equal(stock.sum, 20);
        own_put(STOCK, &stock, &three, 5);
        assert_int_equal(stock.sum, 3);
        assert_int_equal(stock.facts, 1);
        assert_int_equal(stock.about, 0);

        own_put(PEAK, &peak, &three, 0);
        own_put(PEAK, &peak, &ten, 1);
        own_put(PEAK, &peak, &three, 2);
        assert_int_equal(peak.sum, 10);
        assert_int_equal(peak.facts, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(entries_by_office),
            cmocka_unit_test(lanes_widen_and_keep),
            cmocka_unit_test(figures),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
