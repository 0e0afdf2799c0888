/* Who has reported, and that knowing it does not cost more where an office has added up much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/folder.h"
#include "lib/toy_store.h"
#include "sink/presence.h"

static struct catalog *c;

static void report(struct toy_store *s, const char *office, const char *period, enum action action)
{
        static int64_t at;
        at += 1000000;
        toy_store_report(s, &(struct toy_report){.office = office,
                                                 .dataset = "water",
                                                 .period = period,
                                                 .action = action,
                                                 .rows = action == WITHDRAW ? NULL : "S water.used 1",
                                                 .submitted_at = at,
                                                 .received_at = at});
}

/* Offices of which something stands in the year; how many steps of SQLite it took to know. */
static uint32_t received_2023(const struct toy_store *s, int *steps)
{
        struct reader r;
        struct presence *p;
        struct period year;
        struct err e;
        assert_true(period_parse("2023", &year));
        assert_int_equal(reader_open(&r, s->path, &e), 0);
        assert_int_equal(reader_begin(&r, UINT64_MAX, toy_time("2024-06-01T00:00:00Z"), &e), 0);
        r.catalog = c;
        uint32_t dataset = (uint32_t)catalog_dataset(c, "water");
        assert_int_equal(presence_new(&p, &r, dataset, year.first, year.last, &e), 0);
        uint32_t received = presence_of(p, 0, false, year).received;
        *steps = sqlite3_stmt_status(reader_sql(&r, READ_PRESENT_NOW), SQLITE_STMTSTATUS_VM_STEP, 1);
        presence_free(p);
        reader_end(&r);
        reader_close(&r);
        return received;
}

static void a_withdrawal_is_no_report(void **state)
{
        struct toy_store s;
        int steps;
        (void)state;
        toy_store_open(&s, c);
        assert_int_equal(received_2023(&s, &steps), 0);
        report(&s, "south", "2023-02", REPLACE);
        assert_int_equal(received_2023(&s, &steps), 1);
        report(&s, "south", "2023-02", WITHDRAW);
        assert_int_equal(received_2023(&s, &steps), 0);
        report(&s, "south", "2023-02", ADD);
        assert_int_equal(received_2023(&s, &steps), 1);
        toy_store_close(&s);
}

static void many_additions_are_one_report_to_look_at(void **state)
{
        struct toy_store s;
        int of_one, of_many;
        (void)state;
        toy_store_open(&s, c);
        report(&s, "south", "2023-01", ADD);
        report(&s, "south", "2023-03", ADD);
        assert_int_equal(received_2023(&s, &of_one), 1);
        for (int i = 0; i < 200; i++)
                report(&s, "south", "2023-01", ADD);
        assert_int_equal(received_2023(&s, &of_many), 1);
        assert_true(of_many < 2 * of_one);
        toy_store_close(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_withdrawal_is_no_report),
            cmocka_unit_test(many_additions_are_one_report_to_look_at),
        };
        c = folder_catalog("tests/catalogs/atoll");
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        catalog_free(c);
        return failed;
}
