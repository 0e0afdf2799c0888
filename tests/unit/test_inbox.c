#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/inbox.h"
#include "lib/office_catalog.h"
#include "lib/scratch.h"

static const int64_t now_us = INT64_C(1703980800) * 1000000; /* 2023-12-31 00:00 UTC */

struct fixture {
        char dir[SCRATCH_PATH];
        struct outbox o;
        struct ledger ledger;
        struct parcel_book book;
        struct inbox *in;
        struct err e;
        int64_t now_ms;
        bool closed; /* no catalogue */
        bool full;   /* the disk, at every commit */
        size_t took, refused;
        char waits[700];
};

static bool book(void *ctx, struct parcel_book *b)
{
        struct fixture *f = ctx;
        *b = f->book;
        return !f->closed;
}

static int begin_write(void *ctx, struct err *e)
{
        struct fixture *f = ctx;
        return outbox_begin(&f->o, e);
}

static int commit_write(void *ctx, struct err *e)
{
        struct fixture *f = ctx;
        if (!f->full)
                return outbox_commit(&f->o, e);
        outbox_abandon(&f->o);
        return err_set(e, E_FULL, "the disk is full");
}

static void took(void *ctx, size_t reports, size_t rows)
{
        struct fixture *f = ctx;
        assert_true(reports > 0 && rows > 0);
        f->took++;
}

static void refused(void *ctx)
{
        struct fixture *f = ctx;
        f->refused++;
}

static void waits(void *ctx, const char *sentence)
{
        struct fixture *f = ctx;
        snprintf(f->waits, sizeof f->waits, "%s", sentence ? sentence : "");
}

static void open_inbox(struct fixture *f)
{
        const struct inbox_host host = {f, book, begin_write, commit_write, took, refused, waits, LANG_EN};
        inbox_close(f->in);
        assert_int_equal(inbox_open(&f->in, f->dir, &host, &f->e), 0);
}

static int begin(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        scratch_open(f->dir);
        assert_int_equal(outbox_open(&f->o, scratch_path(f->dir, ".outbox"), "150200", now_us, &f->e), 0);
        struct catalog *c = office_catalog();
        f->book = (struct parcel_book){.outbox = &f->o,
                                       .ledger = &f->ledger,
                                       .catalog = c,
                                       .office = (uint32_t)catalog_office(c, "150200"),
                                       .max_bytes = 1 << 20};
        f->now_ms = 1000;
        open_inbox(f);
        *state = f;
        return 0;
}

static int end(void **state)
{
        struct fixture *f = *state;
        inbox_close(f->in);
        ledger_close(&f->ledger);
        outbox_close(&f->o);
        catalog_free((struct catalog *)f->book.catalog);
        scratch_close(f->dir);
        free(f);
        return 0;
}

static const char good[] = "region,indicator,value\n150203,firearms_seized,3\n";

static void drop(struct fixture *f, const char *name, const char *text)
{
        scratch_write(scratch_path(f->dir, name), text, strlen(text));
}

static void look(struct fixture *f)
{
        assert_true(inbox_look(f->in, f->now_ms, &f->e) > 0);
        while (inbox_step(f->in, now_us))
                ;
}

/* Two looks, far enough from each other. */
static void look_twice(struct fixture *f)
{
        look(f);
        f->now_ms += INBOX_STILL_MS;
        look(f);
}

static bool has(struct fixture *f, const char *name)
{
        return scratch_has(scratch_path(f->dir, name));
}

static void errors_say(struct fixture *f, const char *name, const char *part)
{
        char *text = scratch_read(scratch_path(f->dir, name));
        assert_non_null(text);
        assert_non_null(strstr(text, "row,column,code,message"));
        assert_non_null(strstr(text, part));
        free(text);
}

static void takes_what_stands_still(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", good);
        look(f);
        assert_int_equal(f->took, 0);
        f->now_ms += INBOX_STILL_MS - 1;
        look(f);
        assert_int_equal(f->took, 0);
        f->now_ms += 1;
        look(f);
        assert_int_equal(f->took, 1);
        assert_int_equal(f->o.now.head.seq, 1);
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
        assert_false(has(f, "gunexp_2023-09-19.csv"));
}

static void waits_while_it_grows(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", "region,indicator,value\n150203,fire");
        look(f);
        f->now_ms += INBOX_STILL_MS;
        drop(f, "gunexp_2023-09-19.csv", good);
        look(f);
        assert_int_equal(f->took + f->refused, 0);
        look_twice(f);
        assert_int_equal(f->took, 1);
}

static void waits_while_it_is_open(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", good);
        int fd = open(scratch_path(f->dir, "gunexp_2023-09-19.csv"), O_WRONLY | O_APPEND);
        look_twice(f);
        assert_int_equal(f->took, 0);
        close(fd);
        look_twice(f);
        assert_int_equal(f->took, 1);
}

static void passes_over(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv.part", good);
        drop(f, "gunexp_2023-09-19.TMP", good);
        drop(f, ".gunexp_2023-09-19.csv", good);
        drop(f, "target", good);
        assert_int_equal(rename(scratch_path(f->dir, "target"), scratch_path(f->dir, "done/target")), 0);
        assert_int_equal(symlink("done/target", scratch_path(f->dir, "gunexp_2023-09-20.csv")), 0);
        assert_int_equal(mkfifo(scratch_path(f->dir, "gunexp_2023-09-21.csv"), 0600), 0);
        look_twice(f);
        assert_int_equal(f->took + f->refused, 0);
        assert_true(has(f, "gunexp_2023-09-19.csv.part") && has(f, "gunexp_2023-09-19.TMP"));
}

static void refuses_with_all_errors(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv",
             "region,indicator,value\n150203,firearms_seized,many\n999999,firearms_seized,1\n");
        drop(f, "empty.csv", "");
        look_twice(f);
        assert_int_equal(f->took, 0);
        assert_int_equal(f->refused, 2);
        assert_int_equal(f->o.now.head.seq, 0);
        assert_true(has(f, "rejected/gunexp_2023-09-19.csv"));
        errors_say(f, "rejected/gunexp_2023-09-19.csv.errors.csv", "2,value,not_a_number");
        errors_say(f, "rejected/gunexp_2023-09-19.csv.errors.csv", "3,region,unknown_region");
        errors_say(f, "rejected/empty.csv.errors.csv", "empty_file");
}

static void json_files(void **state)
{
        struct fixture *f = *state;
        drop(f, "a.json",
             "{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":[{\"region\":\"150203\","
             "\"indicator\":\"firearms_seized\",\"value\":\"12\"}]}");
        drop(f, "b.json", "{\"dataset\":");
        look_twice(f);
        assert_int_equal(f->took, 1);
        assert_true(has(f, "done/a.json"));
        errors_say(f, "rejected/b.json.errors.csv", "encoding");
}

static void refuses_large_files_unread(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", "");
        assert_int_equal(truncate(scratch_path(f->dir, "gunexp_2023-09-19.csv"), INT64_C(1) << 30), 0);
        look_twice(f);
        assert_int_equal(f->refused, 1);
        errors_say(f, "rejected/gunexp_2023-09-19.csv.errors.csv", "file_too_large");
}

static void names_that_clash(void **state)
{
        struct fixture *f = *state;
        for (int i = 0; i < 3; i++) {
                drop(f, "gunexp_2023-09-19.csv", good);
                look_twice(f);
        }
        assert_int_equal(f->took, 3);
        assert_true(has(f, "done/gunexp_2023-09-19.csv") && has(f, "done/gunexp_2023-09-19.2.csv") &&
                    has(f, "done/gunexp_2023-09-19.3.csv"));
}

/* Rule 11: a crash between the commit and the move. */
static void a_file_found_again_is_only_moved(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", good);
        look_twice(f);
        assert_int_equal(rename(scratch_path(f->dir, "done/gunexp_2023-09-19.csv"),
                                scratch_path(f->dir, "gunexp_2023-09-19.csv")),
                         0);
        open_inbox(f);
        look_twice(f);
        assert_int_equal(f->o.now.head.seq, 1);
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
}

static void a_file_that_cannot_be_taken_now_stays(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", good);
        f->closed = true;
        look_twice(f);
        assert_true(has(f, "gunexp_2023-09-19.csv"));
        assert_non_null(strstr(f->waits, "no catalogue"));
        f->closed = false;
        f->book.max_bytes = 1;
        look_twice(f);
        assert_true(has(f, "gunexp_2023-09-19.csv"));
        assert_non_null(strstr(f->waits, "full"));
        f->book.max_bytes = 1 << 20;
        look_twice(f);
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
        assert_string_equal(f->waits, "");
}

/* Moving a file says that it is taken. */
static void a_file_whose_commit_failed_stays(void **state)
{
        struct fixture *f = *state;
        drop(f, "gunexp_2023-09-19.csv", good);
        f->full = true;
        look_twice(f);
        assert_true(has(f, "gunexp_2023-09-19.csv"));
        assert_false(has(f, "done/gunexp_2023-09-19.csv"));
        assert_non_null(strstr(f->waits, "disk is full"));
        assert_int_equal(f->took, 0);
        assert_int_equal(f->o.now.head.seq, 0);
        f->full = false;
        look_twice(f);
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
        assert_int_equal(f->took, 1);
        assert_int_equal(f->o.now.head.seq, 1);
}

static void oldest_first(void **state)
{
        struct fixture *f = *state;
        const char *later = "region,indicator,value\n150203,firearms_seized,9\n";
        drop(f, "a.csv",
             "period,dataset,region,indicator,value\n2023-09-19,gunexp,150203,firearms_seized,9\n");
        drop(f, "gunexp_2023-09-19.csv", later);
        const struct timespec old[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        assert_int_equal(utimensat(AT_FDCWD, scratch_path(f->dir, "gunexp_2023-09-19.csv"), old, 0), 0);
        assert_true(inbox_look(f->in, f->now_ms, &f->e) > 0);
        f->now_ms += INBOX_STILL_MS;
        assert_true(inbox_look(f->in, f->now_ms, &f->e) > 0);
        assert_true(inbox_step(f->in, now_us));
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
        assert_false(inbox_step(f->in, now_us));
        assert_true(has(f, "done/a.csv"));
}

static void tells_what_hq_rejected(void **state)
{
        struct fixture *f = *state;
        static const struct reason why = {.code = REASON_LOCKED, .arg = {"2023-09-19"}};
        struct wire_verdict w = {.seq = 1, .verdict = REJECTED, .reasons = &why, .n_reasons = 1};
        int64_t form;
        drop(f, "gunexp_2023-09-19.csv", good);
        look_twice(f);
        assert_int_equal(rename(scratch_path(f->dir, "done/gunexp_2023-09-19.csv"),
                                scratch_path(f->dir, "done/another name.csv")),
                         0);
        assert_int_equal(outbox_begin(&f->o, &f->e), 0);
        assert_int_equal(outbox_keep_verdict(&f->o, f->o.now.stream, &w, now_us, &form, &f->e), 1);
        assert_int_equal(outbox_commit(&f->o, &f->e), 0);
        inbox_tell(f->in, &f->o);
        assert_true(has(f, "rejected/another name.csv"));
        errors_say(f, "rejected/another name.csv.errors.csv", "locked");
}

static void cleans_done(void **state)
{
        struct fixture *f = *state;
        struct stat st;
        drop(f, "gunexp_2023-09-19.csv", good);
        look_twice(f);
        assert_int_equal(stat(scratch_path(f->dir, "done/gunexp_2023-09-19.csv"), &st), 0);
        const int64_t day = INT64_C(86400) * 1000000, moved_us = (int64_t)st.st_ctim.tv_sec * 1000000;
        inbox_clean(f->in, moved_us + 29 * day, 30 * day);
        assert_true(has(f, "done/gunexp_2023-09-19.csv"));
        inbox_clean(f->in, moved_us + 30 * day, 30 * day);
        assert_false(has(f, "done/gunexp_2023-09-19.csv"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(takes_what_stands_still),          CASE(waits_while_it_grows),
            CASE(waits_while_it_is_open),           CASE(passes_over),
            CASE(refuses_with_all_errors),          CASE(json_files),
            CASE(refuses_large_files_unread),       CASE(names_that_clash),
            CASE(a_file_found_again_is_only_moved), CASE(a_file_that_cannot_be_taken_now_stays),
            CASE(a_file_whose_commit_failed_stays), CASE(oldest_first),
            CASE(tells_what_hq_rejected),           CASE(cleans_done),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
