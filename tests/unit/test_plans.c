/* How SQLite finds its rows, for every statement of the outbox and of the store: nothing may be searched by
 * looking at everything that waits or that was ever reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/outbox.h"
#include "lib/scratch.h"
#include "sink/store.h"

#include <stdio.h>
#include <string.h>

/* What may be gone through: tables of a few rows whatever is held, and indexes that hold only what is sought.
 * `s` is a stream, `ack` has a row for each hour that is kept. */
static const char *const small[] = {
    "SCAN life",
    "SCAN stream",
    "SCAN s",
    "SCAN pack",
    "SCAN ack",
    "SCAN report USING INDEX report_unfolded",
    "SCAN catalog_",
    "SCAN stream_",
    "SCAN skip_",
    "SCAN CONSTANT",
    "SCAN file USING INDEX file_untold",
};

static bool is_small(const char *step)
{
        for (size_t i = 0; i < sizeof small / sizeof *small; i++)
                if (strcmp(step, small[i]) == 0)
                        return true;
        return false;
}

/* Every step of a statement's plan, one a line. */
static void plan_of(struct db *d, const char *sql, struct text *out)
{
        struct text question = {0};
        sqlite3_stmt *s;
        text_printf(&question, "EXPLAIN QUERY PLAN %s", sql);
        int rc = sqlite3_prepare_v2(d->handle, text_c(&question), -1, &s, NULL);
        assert_int_equal(rc, SQLITE_OK);
        while (sqlite3_step(s) == SQLITE_ROW)
                text_printf(out, "%s\n", (const char *)sqlite3_column_text(s, 3));
        sqlite3_finalize(s);
        text_close(&question);
}

static void expect_searches(struct db *d)
{
        assert_true(d->n_sql > 10);
        for (size_t i = 0; i < d->n_sql; i++) {
                struct text plan = {0};
                plan_of(d, d->sql[i], &plan);
                for (char *rest = plan.v, *step; rest && (step = strsep(&rest, "\n"));)
                        if (strncmp(step, "SCAN", 4) == 0 && !is_small(step))
                                fail_msg("%s\nin %s", step, d->sql[i]);
                text_close(&plan);
        }
}

static struct outbox *outbox_in(const char *dir, struct outbox *o)
{
        struct err e;
        assert_int_equal(outbox_open(o, scratch_path(dir, "outbox.db"), "150200", 1, &e), 0);
        return o;
}

static void the_outbox_searches(void **state)
{
        (void)state;
        char dir[SCRATCH_PATH];
        struct outbox o;
        scratch_open(dir);
        expect_searches(&outbox_in(dir, &o)->db);
        outbox_close(&o);
        scratch_close(dir);
}

static void the_store_searches(void **state)
{
        (void)state;
        char dir[SCRATCH_PATH];
        struct store s;
        struct err e;
        scratch_open(dir);
        assert_int_equal(store_open(&s, scratch_path(dir, "sumu.db"), &e), 0);
        expect_searches(&s.db);
        store_close(&s);
        scratch_close(dir);
}

/* The statement of a list that has a part in it. */
static const char *statement_with(const struct db *d, const char *part)
{
        for (size_t i = 0; i < d->n_sql; i++)
                if (strstr(d->sql[i], part))
                        return d->sql[i];
        fail_msg("no statement has %s", part);
        return NULL;
}

/* What is read in several answers goes on where the last one ended, instead of passing over all that was
 * answered before. */
static void reading_goes_on_where_it_ended(void **state)
{
        (void)state;
        char dir[SCRATCH_PATH];
        struct store s;
        struct outbox o;
        struct err e;
        struct text plan = {0};
        scratch_open(dir);
        assert_int_equal(store_open(&s, scratch_path(dir, "sumu.db"), &e), 0);
        plan_of(&s.db, statement_with(&s.db, "r.action, r.submitted_at, r.catalog, r.payload"), &plan);
        assert_non_null(
            strstr(text_c(&plan), "(dataset=? AND (first,office,turn,seq)>(?,?,?,?) AND first<?)"));
        store_close(&s);
        text_clear(&plan);
        outbox_in(dir, &o);
        plan_of(&o.db, statement_with(&o.db, "r.settled = 0 AND (r.stream, r.seq) > "), &plan);
        assert_non_null(strstr(text_c(&plan), "(form=? AND (stream,seq)>(?,?))"));
        outbox_close(&o);
        text_close(&plan);
        scratch_close(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_outbox_searches),
            cmocka_unit_test(the_store_searches),
            cmocka_unit_test(reading_goes_on_where_it_ended),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
