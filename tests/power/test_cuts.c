/* The power goes at every change a scene makes to its disk, with every device and every fate of what was not
 * synced. The file is opened again, and what was told is there, whole; at most the step under way is there
 * too, or not, as a whole; and the scene goes on.
 *
 * The scene runs once. Before each of its changes, and after each step, the disk is copied as it would be
 * after a cut at that moment, and the copy is recovered while the scene waits. Fates that leave the very same
 * bytes are recovered once and counted as what they are. Recovery itself is cut too, at every change it and
 * the steps after it make (of some cuts; of all of them with the word `all`). */
#include "lib/law.h"
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        DEPTH = 2,        /* cuts on the way of one recovery */
        GOES_ON = 1,      /* steps after a recovery; if it is cut again, 2 */
        SOUND = 10,       /* every such recovery is checked for soundness inside */
        TO_THE_END = 200, /* every such recovery goes on to the last step */
        CUT_AGAIN = 400,  /* every such recovery is cut again */
};

static bool all; /* every fate on every device, every recovery is cut again */

/* ---- a set of fingerprints */

struct prints {
        uint64_t *v;
        size_t n, cap;
};

static bool prints_add(struct prints *s, uint64_t print)
{
        if (2 * s->n >= s->cap) {
                struct prints more = {.cap = s->cap ? 2 * s->cap : 1024};
                more.v = calloc(more.cap, sizeof *more.v);
                assert_non_null(more.v);
                for (size_t i = 0; i < s->cap; i++)
                        if (s->v[i])
                                prints_add(&more, s->v[i]);
                free(s->v);
                *s = more;
        }
        print += !print;
        size_t at = print % s->cap;
        while (s->v[at] && s->v[at] != print)
                at = (at + 1) % s->cap;
        bool fresh = !s->v[at];
        s->v[at] = print;
        s->n += fresh;
        return fresh;
}

/* ---- cutting */

struct sweep;

struct run { /* of a scene, on a stage; [0] is the undisturbed one */
        struct sweep *sweep;
        struct stage stage;
        unsigned depth;
        size_t step;
        bool told; /* the step before is done; nothing is under way */
};

struct sweep {
        const struct scene *scene;
        const uint64_t *prints;
        struct run runs[DEPTH + 1];
        struct prints seen;
        char last[160]; /* the cut, for a failure's sentence */
        uint64_t points[DEPTH], cuts[DEPTH], recoveries[DEPTH];
        bool lies;     /* syncs do nothing: then things must be lost, */
        uint64_t lost; /* and be noticed */
};

static void cut_here(void *ctx);

static void refuse(struct sweep *w, const char *what, const char *why)
{
        fail_msg("SUMU_SEED=%" PRIu64 ": %s, %s: %s: %s", seed_of_run(), w->scene->name, w->last, what, why);
}

static void go_on(struct run *r, void *at, size_t until)
{
        struct sweep *w = r->sweep;
        struct err e;
        for (; r->step < until; r->step++) {
                r->told = false;
                if (w->scene->step(at, r->step, &e) != 0)
                        refuse(w, "the scene does not go on", e.text);
                r->told = true;
        }
}

static uint64_t print_of(struct run *r, void *at)
{
        struct err e;
        uint64_t print;
        if (scene_print(r->sweep->scene->db(at), &print, &e) == 0)
                return print;
        if (!r->sweep->lies)
                refuse(r->sweep, "what is kept cannot be read", e.text);
        return 0;
}

/* Which of the steps that may be there are there? The run goes on behind them. */
static bool find_step(struct run *r, uint64_t print, const struct run *before)
{
        const uint64_t *want = r->sweep->prints;
        if (print != want[before->step] && (before->told || print != want[before->step + 1]))
                return false;
        r->step = before->step + (print != want[before->step]);
        return true;
}

static void lose(struct sweep *w, const char *what, const char *why)
{
        if (!w->lies)
                refuse(w, what, why);
        w->lost++;
}

static void go_on_behind(struct run *r, void *at, uint64_t nth, bool again)
{
        struct sweep *w = r->sweep;
        size_t until = nth % TO_THE_END == 0 && !again ? w->scene->steps : r->step + GOES_ON + again;
        go_on(r, at, until < w->scene->steps ? until : w->scene->steps);
        if (print_of(r, at) != w->prints[r->step])
                refuse(w, "after going on", "not what it would have been");
        if ((all || nth % SOUND == 0) && !scene_is_sound(w->scene->db(at)))
                refuse(w, "after going on", "PRAGMA integrity_check finds fault");
}

static void recover(struct run *r, const struct run *before)
{
        struct sweep *w = r->sweep;
        struct err e;
        uint64_t nth = w->recoveries[before->depth]++;
        bool again = r->depth < DEPTH && !w->lies && (all || nth % CUT_AGAIN == 1);
        r->step = before->step;
        r->told = before->told;
        platter_watch(r->stage.platter, again ? cut_here : NULL, r);
        void *at = w->scene->open(r->stage.path, &e);
        if (!at) {
                lose(w, "it does not open", e.text);
                return;
        }
        if (find_step(r, print_of(r, at), before))
                go_on_behind(r, at, nth, again);
        else
                lose(w, "not what was told", r->told ? "nothing was under way" : "a step was under way");
        platter_watch(r->stage.platter, NULL, NULL);
        w->scene->close(at);
}

static void cut(struct run *r, enum platter_device d, enum platter_fate f)
{
        static const char *const devices[] = {"ideal", "ordered", "adversarial"}, *const fates[] = {
                                                                                      "kept", "lost",
                                                                                      "subset", "torn",
                                                                                      "garbage"};
        struct sweep *w = r->sweep;
        struct run *next = r + 1;
        uint64_t change = platter_changes(r->stage.platter), seed = seed_of_run() + change * 16 + d * 5 + f;
        platter_after_cut(next->stage.platter, r->stage.platter, d, f, seed);
        w->cuts[r->depth]++;
        uint64_t key = platter_print(next->stage.platter) * 31 + 2 * r->step + r->told;
        if (!prints_add(&w->seen, key))
                return;
        snprintf(w->last, sizeof w->last, "cut %u at change %" PRIu64 " in step %zu, %s device, %s",
                 r->depth + 1, change, r->step, devices[d], fates[f]);
        recover(next, r);
}

static void cut_here(void *ctx)
{
        struct run *r = ctx;
        r->sweep->points[r->depth]++;
        uint64_t turn = r->sweep->points[r->depth];
        if (r->sweep->lies && !r->told)
                return;
        for (int f = 0; f < PLATTER_FATES; f++)
                for (int d = 0; d < PLATTER_DEVICES; d++)
                        if (all || (turn + (uint64_t)f) % PLATTER_DEVICES == (uint64_t)d)
                                cut(r, (enum platter_device)d, (enum platter_fate)f);
}

/* ---- killed, and then the power goes */

static uint64_t opened_print(struct run *r, const struct run *before)
{
        struct sweep *w = r->sweep;
        struct err e;
        void *at = w->scene->open(r->stage.path, &e);
        if (!at)
                refuse(w, "it does not open", e.text);
        uint64_t print = print_of(r, at);
        if (!find_step(r, print, before))
                refuse(w, "after a kill", "not what was told");
        if (!platter_is_off(r->stage.platter))
                platter_cut(r->stage.platter);
        w->scene->close(at);
        return print;
}

/* Only the process dies. The next one sees what was written, synced or not, and may speak of it to anybody:
 * a file found again is only moved, an answer given to a key is given again. So it has to be safe by then. */
static void kill_here(void *ctx)
{
        struct run *r = ctx, *next = r + 1;
        struct sweep *w = r->sweep;
        uint64_t change = platter_changes(r->stage.platter);
        if (!all && w->points[0]++ % 2)
                return;
        platter_after_kill(next->stage.platter, r->stage.platter);
        snprintf(w->last, sizeof w->last, "killed at change %" PRIu64 " in step %zu", change, r->step);
        uint64_t seen = opened_print(next, r);
        platter_on(next->stage.platter, PLATTER_ADVERSARIAL, PLATTER_LOST, change);
        if (opened_print(next, r) != seen)
                refuse(w, "then the power went", "what was seen after the kill is gone");
        w->cuts[0]++;
}

static void sweep_open(struct sweep *w, const struct scene *scene)
{
        *w = (struct sweep){.scene = scene, .prints = scene_prints(scene)};
        for (unsigned i = 0; i <= DEPTH; i++) {
                w->runs[i] = (struct run){.sweep = w, .depth = i};
                stage_open(&w->runs[i].stage);
        }
}

static void sweep_close(struct sweep *w)
{
        for (unsigned i = 0; i <= DEPTH; i++)
                stage_close(&w->runs[i].stage);
        free(w->seen.v);
        free((void *)w->prints);
}

static void sweep_run(struct sweep *w, platter_watch_fn *at_each_change)
{
        struct run *r = &w->runs[0];
        struct err e;
        platter_watch(r->stage.platter, at_each_change, r);
        if (w->lies)
                platter_lie(r->stage.platter);
        void *at = w->scene->open(r->stage.path, &e);
        assert_non_null(at);
        while (r->step < w->scene->steps) {
                go_on(r, at, r->step + 1);
                at_each_change(r);
        }
        platter_watch(r->stage.platter, NULL, NULL);
        w->scene->close(at);
}

static void nothing_told_is_lost(const struct scene *scene)
{
        struct sweep w;
        sweep_open(&w, scene);
        sweep_run(&w, cut_here);
        printf("%s: %zu steps, %" PRIu64 " points, %" PRIu64 " power cuts, %" PRIu64
               " different files recovered, 0 lost\n"
               "%s: %" PRIu64 " points of recovery, %" PRIu64 " second cuts, %" PRIu64
               " different files recovered, 0 lost\n",
               scene->name, scene->steps, w.points[0], w.cuts[0], w.recoveries[0], scene->name, w.points[1],
               w.cuts[1], w.recoveries[1]);
        assert_true(w.points[0] > 1000 && w.points[1] > 100);
        sweep_close(&w);
}

static void nothing_seen_is_lost(const struct scene *scene)
{
        struct sweep w;
        sweep_open(&w, scene);
        sweep_run(&w, kill_here);
        printf("%s: %" PRIu64 " kills, each with a power cut after the next start, 0 lost\n", scene->name,
               w.cuts[0]);
        sweep_close(&w);
}

/* The alarm works: where a sync does nothing, the same sweep finds what is lost. */
static void a_lying_disk_is_noticed(void **state)
{
        struct sweep w;
        (void)state;
        sweep_open(&w, office_scene());
        w.lies = true;
        sweep_run(&w, cut_here);
        printf("outbox on a disk that only says it synced: %" PRIu64 " power cuts, %" PRIu64
               " different files, %" PRIu64 " with losses\n",
               w.cuts[0], w.recoveries[0], w.lost);
        assert_true(w.lost > w.recoveries[0] / 2);
        sweep_close(&w);
}

static void nothing_told_is_lost_by_the_outbox(void **state)
{
        (void)state;
        nothing_told_is_lost(office_scene());
}

static void nothing_told_is_lost_by_the_store(void **state)
{
        (void)state;
        nothing_told_is_lost(hq_scene());
}

static void nothing_seen_in_the_outbox_is_lost(void **state)
{
        (void)state;
        nothing_seen_is_lost(office_scene());
}

static void nothing_seen_in_the_store_is_lost(void **state)
{
        (void)state;
        nothing_seen_is_lost(hq_scene());
}

static const struct CMUnitTest tests_of_outbox[] = {
    cmocka_unit_test(nothing_told_is_lost_by_the_outbox),
    cmocka_unit_test(nothing_seen_in_the_outbox_is_lost),
    cmocka_unit_test(a_lying_disk_is_noticed),
};

static const struct CMUnitTest tests_of_store[] = {
    cmocka_unit_test(nothing_told_is_lost_by_the_store),
    cmocka_unit_test(nothing_seen_in_the_store_is_lost),
};

/* outbox|store [all] */
int main(int n, char **words)
{
        all = n > 2 && strcmp(words[2], "all") == 0;
        if (n > 1 && strcmp(words[1], "store") == 0)
                return cmocka_run_group_tests(tests_of_store, NULL, NULL);
        return cmocka_run_group_tests(tests_of_outbox, NULL, NULL);
}
