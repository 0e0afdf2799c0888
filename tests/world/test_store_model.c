/* The store's model on a disk left to fate: what was answered is there, what was refused is not, and nothing
 * is answered after a failed sync. (That it answers as the real store does is store_same.sh's.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world/disk.h"
#include "world/look.h"

#include <sodium.h>
#include <string.h>

struct fixture {
        struct disk *disk;
        struct store store;
};

static int begin(void **state)
{
        static struct fixture f;
        struct err e;
        f = (struct fixture){.disk = disk_new("store", 7)};
        assert_int_equal(store_open(&f.store, "store", &e), 0);
        *state = &f;
        return 0;
}

static int end(void **state)
{
        struct fixture *f = *state;
        store_close(&f->store);
        disk_free(f->disk);
        return 0;
}

/* One transaction: stream n of the office is opened. */
static int open_stream(struct store *s, uint8_t n)
{
        struct err e;
        struct wire_stream w = {0};
        return store_stream(s, "south", (struct stream_id){{n}}, 1000, &w, &e);
}

struct search {
        uint8_t n;
        bool found;
        size_t all;
};

static void see(void *ctx, const struct look_mark *m)
{
        struct search *s = ctx;
        s->found |= m->stream.b[0] == s->n;
        s->all++;
}

static struct search streams(struct store *s, uint8_t n)
{
        struct search found = {.n = n};
        look_marks(s, see, &found);
        return found;
}

static void reopen(struct fixture *f)
{
        struct err e;
        store_close(&f->store);
        disk_on(f->disk);
        assert_int_equal(store_open(&f->store, "store", &e), 0);
}

static void what_is_answered_is_there(void **state)
{
        struct fixture *f = *state;
        size_t kept = 0, lost = 0, untold = 0;
        f->disk->odds = (struct disk_odds){.cut = 3000, .broken = 3000};
        for (uint8_t n = 1; n < 200; n++) {
                uint64_t before = f->store.version;
                int rc = open_stream(&f->store, n);
                bool off = f->disk->off;
                assert_true(rc == 0 || rc == E_IO);
                assert_int_equal(db_broken(&f->store.db), rc != 0);
                reopen(f);
                bool there = streams(&f->store, n).found;
                assert_int_equal(f->store.version > before, there);
                assert_true(there || rc != 0);
                kept += there && rc != 0;
                lost += !there;
                untold += rc == 0 && off;
        }
        assert_true(kept > 5 && lost > 5 && untold > 5);
}

static void a_full_disk_changes_nothing(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(open_stream(&f->store, 1), 0);
        uint64_t version = f->store.version;
        f->disk->full = true;
        assert_int_equal(open_stream(&f->store, 2), E_FULL);
        assert_false(db_broken(&f->store.db));
        assert_int_equal(f->store.version, version);
        assert_int_equal(streams(&f->store, 2).all, 1);
        f->disk->full = false;
        assert_int_equal(open_stream(&f->store, 2), 0);
        assert_true(streams(&f->store, 2).found);
}

static void after_a_failed_sync_nothing_is_answered(void **state)
{
        struct fixture *f = *state;
        struct err e;
        struct arena a = {0};
        struct wire_stream *v, w;
        struct wire_hash hash = {.office = "south", .stream = {{1}}, .seq = 1}, hash_is;
        struct wire_verdicts_ask verdicts = {"south", {{1}}, 1};
        struct wire_verdicts verdicts_are;
        struct wire_recall recall = {.dataset = "water"};
        struct gather_frames frames = {0};
        uint64_t from, to;
        size_t n;
        bool more;
        assert_int_equal(open_stream(&f->store, 1), 0);
        f->disk->odds.broken = 10000;
        assert_int_equal(open_stream(&f->store, 2), E_IO);
        f->disk->odds.broken = 0;
        w = (struct wire_stream){0};
        assert_int_equal(store_stream(&f->store, "south", (struct stream_id){{1}}, 1, &w, &e), E_IO);
        assert_int_equal(store_streams(&f->store, &a, &v, &n, &e), E_IO);
        assert_int_equal(store_open_term(&f->store, 0, 1, &e), E_IO);
        assert_int_equal(store_hash(&f->store, &hash, &hash_is, &e), E_IO);
        assert_int_equal(store_verdicts(&f->store, &verdicts, &a, &verdicts_are, &e), E_IO);
        assert_int_equal(store_recall(&f->store, &recall, &frames, &e), E_IO);
        assert_int_equal(store_skip(&f->store, "south", 1, &from, &to, &e), E_IO);
        assert_int_equal(store_expand(&f->store, NULL, &more, &e), E_IO);
        assert_null(store_catalog(&f->store, &e));
        gather_frames_close(&frames);
        arena_close(&a);
        reopen(f);
        assert_int_equal(open_stream(&f->store, 3), 0);
}

static void a_backup_is_the_file_as_it_was(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(open_stream(&f->store, 1), 0);
        uint64_t version = f->store.version;
        void *backup = disk_save(f->disk); /* while it is open */
        assert_int_equal(open_stream(&f->store, 2), 0);
        for (int again = 0; again < 2; again++) {
                store_close(&f->store);
                disk_restore(f->disk, backup);
                reopen(f);
                assert_int_equal(f->store.version, version);
                assert_int_equal(streams(&f->store, 2).all, 1);
                assert_int_equal(open_stream(&f->store, 3), 0);
        }
        store_close(&f->store);
        disk_restore(f->disk, NULL);
        reopen(f);
        assert_int_equal(streams(&f->store, 1).all, 0);
        disk_discard(backup);
}

static void one_writer_at_a_time(void **state)
{
        struct fixture *f = *state;
        struct store second;
        struct err e;
        assert_int_equal(store_open(&second, "store", &e), E_BUSY);
        store_close(&second);
        assert_int_equal(store_open(&second, "store", &e), E_BUSY);
        store_close(&f->store);
        assert_int_equal(store_open(&second, "store", &e), 0);
        store_close(&second);
        f->disk->off = true;
        assert_int_equal(store_open(&f->store, "store", &e), E_IO);
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        const struct CMUnitTest tests[] = {
            TEST(what_is_answered_is_there),
            TEST(a_full_disk_changes_nothing),
            TEST(after_a_failed_sync_nothing_is_answered),
            TEST(a_backup_is_the_file_as_it_was),
            TEST(one_writer_at_a_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
