/* The nth call of every step fails: EIO, a full disk, a read or write that ends in the middle, a sync. Once,
 * or from then on.
 *
 * Before each step of a scene the disk is copied; on the copy the file is opened and the step is carried out
 * with the fault. What answers 0 is there, also after a cut of power that loses all it can. What is refused
 * has changed nothing, and succeeds as soon as the disk does. After a failed sync nothing is answered by that
 * handle any more, though the disk says that all is well; the file has the step whole, or not at all.
 *
 * EINTR and counts that are merely short do not reach SQLite: its unix VFS tries again (unixRead, unixWrite,
 * robust_open). */
#include "lib/law.h"
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        STRIDE = 9,      /* of the calls in a step, one in so many is met; of syncs each one */
        OPENINGS = 10,   /* one step in so many is opened with faults */
        STEPS_AFTER = 1, /* the scene goes on */
};

static bool all;

struct trial {
        const struct scene *scene;
        const uint64_t *prints;
        struct stage a, b; /* undisturbed, and the copy */
        size_t step;
        enum platter_fault fault;
        uint64_t nth;
        bool for_good, opening;
        uint64_t trials, refused, broken, masked, openings;
};

static void refuse(const struct trial *t, const char *what, const char *why)
{
        fail_msg("%s, %s %s %" PRIu64 "%s of step %zu: %s: %s", t->scene->name, platter_fault_word(t->fault),
                 t->opening ? "of opening, call" : "of call", t->nth, t->for_good ? " and all after it" : "",
                 t->step, what, why);
}

static void *open_again(const struct trial *t)
{
        static struct err e;
        void *at = t->scene->open(t->b.path, &e);
        if (!at)
                refuse(t, "it does not open", e.text);
        return at;
}

static uint64_t print_of(const struct trial *t, void *at)
{
        struct err e;
        uint64_t print = 0;
        if (scene_print(t->scene->db(at), &print, &e) < 0)
                refuse(t, "what is kept cannot be read", e.text);
        return print;
}

/* Closes it as the power goes, with all that can be lost, and opens it again. */
static void *after_a_cut(const struct trial *t, void *at)
{
        platter_cut(t->b.platter);
        t->scene->close(at);
        platter_on(t->b.platter, PLATTER_ADVERSARIAL, PLATTER_LOST, 0);
        return open_again(t);
}

static void go_on(const struct trial *t, void *at, size_t from)
{
        struct err e;
        size_t until = from + STEPS_AFTER < t->scene->steps ? from + STEPS_AFTER : t->scene->steps;
        for (size_t i = from; i < until; i++)
                if (t->scene->step(at, i, &e) != 0)
                        refuse(t, "the scene does not go on", e.text);
        if (print_of(t, at) != t->prints[until])
                refuse(t, "after going on", "not what it would have been");
        t->scene->close(at);
}

/* The step answered 0. */
static void is_told(struct trial *t, void *at)
{
        platter_heal(t->b.platter);
        if (print_of(t, at) != t->prints[t->step + 1])
                refuse(t, "it answered 0", "and is not done");
        at = after_a_cut(t, at);
        if (print_of(t, at) != t->prints[t->step + 1])
                refuse(t, "it answered 0", "and is lost after a power cut");
        go_on(t, at, t->step + 1);
}

/* A sync failed: the process would end. */
static void is_broken(struct trial *t, void *at)
{
        struct err e;
        t->broken++;
        platter_heal(t->b.platter);
        for (size_t i = t->step; i < t->scene->steps && i < t->step + 3; i++) {
                uint64_t changes = platter_changes(t->b.platter);
                t->scene->step(at, i, &e);
                if (platter_changes(t->b.platter) != changes)
                        refuse(t, "after a failed sync", "the same handle still writes");
        }
        at = after_a_cut(t, at);
        uint64_t print = print_of(t, at);
        if (print != t->prints[t->step] && print != t->prints[t->step + 1])
                refuse(t, "after a failed sync", "the step is there in part");
        go_on(t, at, t->step + (print != t->prints[t->step]));
}

static void is_refused(struct trial *t, void *at)
{
        struct err e;
        t->refused++;
        if (t->for_good) {
                int code = t->scene->step(at, t->step, &e);
                bool broken = db_broken(t->scene->db(at));
                if (code == 0 || broken) {
                        (code == 0 ? is_told : is_broken)(t, at);
                        return;
                }
        }
        platter_heal(t->b.platter);
        if (print_of(t, at) != t->prints[t->step])
                refuse(t, "it was refused", "and changed something");
        if (t->scene->step(at, t->step, &e) != 0)
                refuse(t, "the disk is well again, but not the step", e.text);
        is_told(t, at);
}

static void expect_word(const struct trial *t, int code, const char *why)
{
        bool full = t->fault == PLATTER_ENOSPC || t->fault == PLATTER_SHORT_WRITE;
        if (code != (full ? E_FULL : E_IO))
                refuse(t, "it is not said to be the disk", why);
}

/* false: the step has no such call any more. */
static bool try_step(struct trial *t)
{
        struct err e;
        platter_copy(t->b.platter, t->a.platter);
        void *at = open_again(t);
        platter_fail(t->b.platter, t->fault, t->nth, t->for_good);
        int code = t->scene->step(at, t->step, &e);
        bool met = platter_failed(t->b.platter) > 0;
        t->trials += met;
        if (!met) {
                t->scene->close(at);
                return false;
        }
        if (code == 0 && platter_failed_syncs(t->b.platter) > 0)
                refuse(t, "it answered 0", "after a failed sync");
        if (code < 0)
                expect_word(t, code, e.text);
        if (code < 0 && db_broken(t->scene->db(at))) {
                is_broken(t, at);
        } else if (code < 0) {
                if (platter_failed_syncs(t->b.platter) > 0)
                        refuse(t, "after a failed sync", "the handle is not broken");
                is_refused(t, at);
        } else {
                t->masked++;
                is_told(t, at);
        }
        return true;
}

/* The file is told already, whatever happens to who opens it. */
static bool try_opening(struct trial *t)
{
        struct err e;
        platter_copy(t->b.platter, t->a.platter);
        platter_fail(t->b.platter, t->fault, t->nth, t->for_good);
        void *at = t->scene->open(t->b.path, &e);
        bool met = platter_failed(t->b.platter) > 0;
        t->openings += met;
        platter_heal(t->b.platter);
        if (met && at && platter_failed_syncs(t->b.platter) > 0)
                refuse(t, "it opens", "after a failed sync");
        if (!at)
                at = open_again(t);
        at = after_a_cut(t, at);
        if (print_of(t, at) != t->prints[t->step])
                refuse(t, "opened again", "it is not what was told");
        t->scene->close(at);
        return met;
}

/* No file yet: it is made with faults, or once more without; from then on it keeps what is told. */
static bool try_new_file(struct trial *t)
{
        struct err e;
        stage_close(&t->b);
        stage_open(&t->b);
        platter_fail(t->b.platter, t->fault, t->nth, t->for_good);
        void *at = t->scene->open(t->b.path, &e);
        bool met = platter_failed(t->b.platter) > 0;
        t->openings += met;
        platter_heal(t->b.platter);
        if (met && at && platter_failed_syncs(t->b.platter) > 0)
                refuse(t, "it opens", "after a failed sync");
        if (!at)
                at = open_again(t);
        if (t->scene->step(at, t->step, &e) != 0)
                refuse(t, "the file is made, but not the step", e.text);
        is_told(t, at);
        return met;
}

static void try_all(struct trial *t, bool (*try)(struct trial *t))
{
        for (int f = 0; f < PLATTER_FAULTS; f++)
                for (int good = 0; good < 2; good++) {
                        uint64_t stride = all || f == PLATTER_SYNC ? 1 : STRIDE;
                        t->fault = (enum platter_fault)f;
                        t->for_good = good;
                        t->nth = (t->step + (uint64_t)(f + good)) % stride;
                        while (try(t))
                                t->nth += stride;
                }
}

static void trial_open(struct trial *t, const struct scene *scene)
{
        *t = (struct trial){.scene = scene, .prints = scene_prints(scene)};
        stage_open(&t->a);
        stage_open(&t->b);
}

static void trial_close(struct trial *t)
{
        stage_close(&t->a);
        stage_close(&t->b);
        free((void *)t->prints);
}

static void no_fault_loses_what_was_told(const struct scene *scene)
{
        struct trial t;
        struct err e;
        trial_open(&t, scene);
        void *at = scene->open(t.a.path, &e);
        assert_non_null(at);
        t.opening = true;
        try_all(&t, try_new_file);
        for (; t.step < scene->steps; t.step++) {
                t.opening = false;
                try_all(&t, try_step);
                t.opening = true;
                if (all || t.step % OPENINGS == 0)
                        try_all(&t, try_opening);
                assert_int_equal(scene->step(at, t.step, &e), 0);
        }
        scene->close(at);
        printf("%s: %" PRIu64 " faults in steps: %" PRIu64 " refused and then done, %" PRIu64
               " ended the handle, %" PRIu64 " did not matter; %" PRIu64
               " in openings; 0 lost, 0 answered after a failed sync\n",
               scene->name, t.trials, t.refused, t.broken, t.masked, t.openings);
        assert_true(t.refused > 500 && t.broken > 100 && t.openings > 100);
        trial_close(&t);
}

static void no_fault_loses_what_the_outbox_told(void **state)
{
        (void)state;
        no_fault_loses_what_was_told(office_scene());
}

static void no_fault_loses_what_the_store_told(void **state)
{
        (void)state;
        no_fault_loses_what_was_told(hq_scene());
}

static const struct CMUnitTest tests_of_outbox[] = {
    cmocka_unit_test(no_fault_loses_what_the_outbox_told),
};

static const struct CMUnitTest tests_of_store[] = {
    cmocka_unit_test(no_fault_loses_what_the_store_told),
};

/* outbox|store [all] */
int main(int n, char **words)
{
        all = n > 2 && strcmp(words[2], "all") == 0;
        if (n > 1 && strcmp(words[1], "store") == 0)
                return cmocka_run_group_tests(tests_of_store, NULL, NULL);
        return cmocka_run_group_tests(tests_of_outbox, NULL, NULL);
}
