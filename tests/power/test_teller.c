/* The sink's teller on the real store, whose disk fails: what it answers to the aggregator.
 *
 * Each flush of HQ's scene comes as a message, and the nth call of the disk fails while it is committed. A
 * `Committed` that leaves speaks of what is there after a cut of power; where the disk refused, nothing
 * leaves, and the host is told. When the aggregator sends the flush again it is committed, unless a sync had
 * failed: then nothing is ever answered by that process. */
#include "lib/law.h"
#include "scene.h"
#include "sink/teller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 16, STRIDE = 5 };

struct heard { /* by the aggregator, and by the host */
        uint64_t committed, refused, other, disk;
};

struct desk {
        const struct scene *scene;
        const uint64_t *prints;
        struct stage a, b;
        size_t step;
        struct heard heard;
        uint64_t faults, answered, silent, ended;
};

static void hear(void *ctx, const struct text *frames, size_t n)
{
        struct desk *d = ctx;
        struct arena a = {0};
        struct wire_message m;
        struct err e;
        assert_true(n > 0);
        assert_int_equal(wire_read((const uint8_t *)frames[0].v, frames[0].n, &a, &m, &e), 0);
        if (m.kind != WIRE_COMMITTED)
                d->heard.other++;
        else if (m.committed.refused)
                d->heard.refused++;
        else
                d->heard.committed++;
        arena_close(&a);
}

static void hear_of_disk(void *ctx, const char *doing, const struct err *e)
{
        struct desk *d = ctx;
        assert_non_null(doing);
        assert_true(e->code == E_IO || e->code == E_FULL);
        d->heard.disk++;
}

static void note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx;
        fail_msg("%s: %s", sentence, about);
}

/* The flush of the step, as a message to a teller whose aggregator has resumed. */
static struct heard send_flush(struct desk *d, struct store *s)
{
        const struct gather_frames *f = hq_flush(d->step);
        const struct teller_host host = {d, hear, hear_of_disk, note};
        struct wire_bytes frames[FRAMES];
        struct teller t;
        assert_true(f->n <= FRAMES);
        for (size_t i = 0; i < f->n; i++)
                frames[i] = (struct wire_bytes){(const uint8_t *)f->v[i].v, f->v[i].n};
        teller_init(&t, &host, s, hq_catalog(d->step));
        t.feed = (struct feed_sink){.state = FEED_SINK_OPEN, .term = s->term};
        d->heard = (struct heard){0};
        teller_message(&t, frames, f->n,
                       (struct teller_time){0, INT64_C(1719705600000000) + d->step * 1000000});
        assert_int_equal(d->heard.other, 0);
        assert_int_equal(d->heard.refused, 0);
        assert_int_equal(d->heard.committed + d->heard.disk, 1);
        return d->heard;
}

static uint64_t print_after_a_cut(struct desk *d, void *at)
{
        struct err e;
        uint64_t print;
        platter_cut(d->b.platter);
        d->scene->close(at);
        platter_on(d->b.platter, PLATTER_ADVERSARIAL, PLATTER_LOST, 0);
        at = d->scene->open(d->b.path, &e);
        assert_non_null(at);
        assert_int_equal(scene_print(d->scene->db(at), &print, &e), 0);
        d->scene->close(at);
        return print;
}

static void answers_again(struct desk *d, void *at, bool ended)
{
        uint64_t before = d->prints[d->step], after = d->prints[d->step + 1];
        struct heard again = send_flush(d, at);
        uint64_t print = print_after_a_cut(d, at);
        if (ended) {
                assert_int_equal(again.committed, 0);
                assert_true(print == before || print == after);
                d->ended++;
        } else {
                assert_int_equal(again.committed, 1);
                assert_true(print == after);
                d->silent++;
        }
}

static bool fail_at(struct desk *d, enum platter_fault fault, uint64_t nth)
{
        struct err e;
        platter_copy(d->b.platter, d->a.platter);
        void *at = d->scene->open(d->b.path, &e);
        assert_non_null(at);
        platter_fail(d->b.platter, fault, nth, false);
        struct heard first = send_flush(d, at);
        bool met = platter_failed(d->b.platter) > 0, synced = platter_failed_syncs(d->b.platter) == 0;
        platter_heal(d->b.platter);
        d->faults += met;
        assert_true(synced || first.committed == 0);
        if (first.committed) {
                d->answered += met;
                assert_true(print_after_a_cut(d, at) == d->prints[d->step + 1]);
        } else {
                assert_int_equal(db_broken(d->scene->db(at)), !synced);
                answers_again(d, at, !synced);
        }
        return met;
}

static void no_answer_leaves_before_its_commit(void **state)
{
        struct desk d = {.scene = hq_scene(), .prints = scene_prints(hq_scene())};
        struct err e;
        (void)state;
        stage_open(&d.a);
        stage_open(&d.b);
        void *at = d.scene->open(d.a.path, &e);
        assert_non_null(at);
        for (; d.step < d.scene->steps; d.step++) {
                for (int f = 0; hq_flush(d.step) && f < PLATTER_FAULTS; f++) {
                        uint64_t stride = f == PLATTER_SYNC ? 1 : STRIDE, nth = d.step % stride;
                        while (fail_at(&d, (enum platter_fault)f, nth))
                                nth += stride;
                }
                assert_int_equal(d.scene->step(at, d.step, &e), 0);
        }
        d.scene->close(at);
        printf("teller: %" PRIu64 " faults while a flush was committed: %" PRIu64
               " silent and committed when it came again, %" PRIu64 " ended the process, %" PRIu64
               " did not matter; 0 answers without their commit\n",
               d.faults, d.silent, d.ended, d.answered);
        assert_true(d.silent > 100 && d.ended > 20);
        stage_close(&d.a);
        stage_close(&d.b);
        free((void *)d.prints);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(no_answer_leaves_before_its_commit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
