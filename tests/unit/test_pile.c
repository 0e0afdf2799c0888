/* Revisions by place: a late one is folded where it belongs, a base sweeps away what is before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/pile.h"

static struct place at(uint64_t seq)
{
        return (struct place){1, seq};
}

static struct report report(enum action action, struct fact *facts, size_t n)
{
        return (struct report){.action = action, .facts = facts, .n = n};
}

static void put(struct pile *p, struct report r, struct place place)
{
        struct pile_room room;
        assert_true(pile_prepare(p, &r, &room));
        pile_put(p, &r, place, &room);
        pile_room_close(&room);
}

/* The value of (0, 0) if `r` came at a place; -1: absent. */
static int64_t folded(const struct pile *p, struct report r, struct place place)
{
        struct standing after = {0};
        assert_true(pile_fold(p, &r, place, &after));
        const struct fact *f = standing_find(&after, 0, 0);
        int64_t value = f ? f->value : -1;
        standing_close(&after);
        return value;
}

static void late_ones_go_to_their_place(void **state)
{
        (void)state;
        struct pile p = {0};
        struct fact ten = {.value = 10}, five = {.value = 5}, one = {.value = 1};
        put(&p, report(REPLACE, &ten, 1), at(1));
        put(&p, report(ADD, &five, 1), at(8));
        assert_int_equal(folded(&p, report(ADD, &one, 1), at(9)), 16);
        assert_int_equal(folded(&p, report(ADD, &one, 1), at(4)), 16);
        assert_int_equal(folded(&p, report(MERGE, &one, 1), at(4)), 6);
        assert_int_equal(folded(&p, report(MERGE, &one, 1), at(9)), 1);
        assert_int_equal(folded(&p, report(WITHDRAW, NULL, 0), at(4)), 5);
        assert_int_equal(folded(&p, report(WITHDRAW, NULL, 0), at(9)), -1);
        assert_true(pile_has(&p, at(8)));
        assert_false(pile_has(&p, at(4)));
        assert_int_equal(pile_before(&p, at(4)), 1);
        pile_close(&p);
        assert_int_equal(p.bytes, 0);
}

static void a_base_sweeps(void **state)
{
        (void)state;
        struct pile p = {0};
        struct fact f = {.value = 1};
        for (uint64_t i = 1; i <= 9; i++)
                put(&p, report(ADD, &f, 1), at(i * 10));
        size_t before = p.bytes;
        put(&p, report(REPLACE, &f, 1), at(75));
        assert_int_equal(p.n, 3);
        assert_true(p.bytes < before);
        assert_int_equal(folded(&p, report(ADD, &f, 1), at(100)), 4);
        put(&p, report(WITHDRAW, NULL, 0), at(200));
        assert_int_equal(p.n, 1);
        pile_close(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(late_ones_go_to_their_place),
            cmocka_unit_test(a_base_sweeps),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
