/* One bit of a file at rest is another: of the database or of its log, as they lie there after a power cut.
 *
 * Whoever opens and reads it comes to an end, with what is right, or with a refusal, or with a hash or a
 * total that does not fit. A figure that is wrong and that nothing notices stops the test. Each file is read
 * by a process of its own, so that one that does not come to an end is counted too. */
#include "lib/law.h"
#include "scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FLIPS = 200, FLIPS_ALL = 2000 };

static bool all;

enum found {
        UNSEEN,  /* everything is as it was */
        REFUSED, /* opening or reading says so */
        CAUGHT,  /* a hash or a total does not fit */
        NOTES,   /* something else than a figure differs: a time, a state, a receipt */
        STOPPED, /* by check_failed */
        SILENT,  /* a figure is wrong, and nothing noticed */
        CRASHED,
        FOUNDS,
        CODE = 100, /* a child's exit status says what it found, and is no sanitizer's */
};

struct rot {
        const struct scene *scene;
        struct stage a, b;
        uint64_t print, figures; /* undamaged */
        uint64_t counts[FOUNDS];
};

static enum found compare(struct rot *r, void *at)
{
        struct err e = {0};
        uint64_t figures, print;
        int code = r->scene->read(at, &e);
        if (code != 0)
                return code < 0 ? REFUSED : CAUGHT;
        if (scene_print_of(r->scene->db(at), r->scene->figures, &figures, &e) < 0)
                return REFUSED;
        if (figures != r->figures)
                return SILENT;
        return scene_print(r->scene->db(at), &print, &e) < 0 || print != r->print ? NOTES : UNSEEN;
}

static enum found read_damaged(struct rot *r)
{
        struct err e;
        void *at = r->scene->open(r->b.path, &e);
        return at ? compare(r, at) : REFUSED;
}

static enum found read_apart(struct rot *r)
{
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(CODE + (int)read_damaged(r));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
                return STOPPED;
        return WIFEXITED(status) && WEXITSTATUS(status) >= CODE ? (enum found)(WEXITSTATUS(status) - CODE)
                                                                : CRASHED;
}

static void flip_one(struct rot *r, struct seed *s, uint64_t nth)
{
        char wal[SCRATCH_PATH + 32];
        snprintf(wal, sizeof wal, "%s-wal", r->b.path);
        platter_after_cut(r->b.platter, r->a.platter, PLATTER_IDEAL, PLATTER_KEPT, 0);
        size_t sizes[] = {platter_size(r->b.platter, r->b.path), platter_size(r->b.platter, wal)};
        size_t bit = (size_t)seed_below(s, 8 * (sizes[0] + sizes[1]));
        bool in_log = bit >= 8 * sizes[0];
        platter_flip(r->b.platter, in_log ? wal : r->b.path, in_log ? bit - 8 * sizes[0] : bit);
        enum found found = read_apart(r);
        r->counts[found]++;
        if (found == SILENT || found == CRASHED)
                fail_msg("SUMU_SEED=%" PRIu64 ": %s, flip %" PRIu64 ", bit %zu of %zu + %zu bytes: %s",
                         seed_of_run(), r->scene->name, nth, bit, sizes[0], sizes[1],
                         found == SILENT ? "a wrong figure, and nothing noticed"
                                         : "it did not come to an end");
}

static void *play(struct rot *r)
{
        struct err e;
        void *at = r->scene->open(r->a.path, &e);
        assert_non_null(at);
        for (size_t i = 0; i < r->scene->steps; i++)
                assert_int_equal(r->scene->step(at, i, &e), 0);
        assert_int_equal(r->scene->read(at, &e), 0);
        assert_int_equal(scene_print(r->scene->db(at), &r->print, &e), 0);
        assert_int_equal(scene_print_of(r->scene->db(at), r->scene->figures, &r->figures, &e), 0);
        return at;
}

static void no_wrong_figure_passes(const struct scene *scene)
{
        struct rot r = {.scene = scene};
        struct seed s = seed_from(seed_of_run());
        stage_open(&r.a);
        stage_open(&r.b);
        void *at = play(&r);
        for (uint64_t i = 0; i < (all ? FLIPS_ALL : FLIPS); i++)
                flip_one(&r, &s, i);
        scene->close(at);
        printf("%s: %d bits flipped: %" PRIu64 " in no one's way, %" PRIu64 " refused, %" PRIu64
               " caught by hashes and totals, %" PRIu64 " stopped the process with a sentence, %" PRIu64
               " in notes beside the figures; 0 wrong figures unnoticed\n",
               scene->name, all ? FLIPS_ALL : FLIPS, r.counts[UNSEEN], r.counts[REFUSED], r.counts[CAUGHT],
               r.counts[STOPPED], r.counts[NOTES]);
        assert_true(r.counts[CAUGHT] > 0 && r.counts[REFUSED] > 0);
        assert_true(r.counts[STOPPED] * 50 <= (all ? FLIPS_ALL : FLIPS));
        stage_close(&r.a);
        stage_close(&r.b);
}

static void no_wrong_figure_passes_in_the_outbox(void **state)
{
        (void)state;
        no_wrong_figure_passes(office_scene());
}

static void no_wrong_figure_passes_in_the_store(void **state)
{
        (void)state;
        no_wrong_figure_passes(hq_scene());
}

static const struct CMUnitTest tests_of_outbox[] = {
    cmocka_unit_test(no_wrong_figure_passes_in_the_outbox),
};

static const struct CMUnitTest tests_of_store[] = {
    cmocka_unit_test(no_wrong_figure_passes_in_the_store),
};

/* outbox|store [all] */
int main(int n, char **words)
{
        all = n > 2 && strcmp(words[2], "all") == 0;
        if (n > 1 && strcmp(words[1], "store") == 0)
                return cmocka_run_group_tests(tests_of_store, NULL, NULL);
        return cmocka_run_group_tests(tests_of_outbox, NULL, NULL);
}
