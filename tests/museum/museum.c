/* The museum of mistakes: each row of base/planted.def is made, and the test that has to notice is run.
 *
 *     museum TESTS               all of them
 *     museum TESTS --some N      N of them, chosen by SUMU_SEED (or by the clock); the seed is printed
 *     museum TESTS NAME…         these
 *
 * TESTS is where the museum's build has its test programs. A row is in order if its test passes while nothing
 * is planted (each program is asked once), fails within LIMIT_MS while the mistake is made, and says itself
 * which test it was. The last column is the seed at which a law failed: they count from 1, or from SUMU_SEED.
 *
 * Before anything else the alarm is tried, with a canary: a law that breaks at one seed only. Planted, it has
 * to be reported with that seed; not planted, it has to be reported as missed. */
#include "lib/seed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 60 * 1000, OUTPUT = 256 * 1024, WORDS = 16, TAIL = 2000 };

struct exhibit {
        const char *name, *program, *test, *wrong;
};

static const struct exhibit exhibits[] = {
#define PLANT(name, program, test, wrong, lesson) {#name, program, test, wrong},
#define WITNESS(name, program, test) {#name, program, test, "a second witness did not notice"},
#include "base/planted.def"
#undef WITNESS
#undef PLANT
};

enum { EXHIBITS = sizeof exhibits / sizeof *exhibits, CANARY = 0 /* its row is the first */ };

/* ---- running a test program */

struct trial {
        char output[OUTPUT + 1]; /* the last of it */
        size_t n;
        bool failed, late;
        double seconds;
};

static const char *folder; /* of the programs */

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In the child: a program of the folder with its arguments, everything it says into one pipe. */
static _Noreturn void become(const char *command, const char *planted, int out)
{
        char path[4096], words[512], *argv[WORDS + 1] = {path};
        size_t n = 1;
        snprintf(words, sizeof words, "%s", command);
        char *rest = words, *first = strtok_r(rest, " ", &rest);
        for (char *w; n < WORDS && (w = strtok_r(rest, " ", &rest));)
                argv[n++] = w;
        snprintf(path, sizeof path, "%s/%s", folder, first ? first : "");
        setpgid(0, 0);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        close(out);
        unsetenv("SUMU_PLANTED");
        unsetenv("SUMU_SEED"); /* that one was ours */
        if (planted)
                setenv("SUMU_PLANTED", planted, 1);
        execv(path, argv);
        dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
        _exit(127);
}

/* Keeps the last OUTPUT bytes. */
static void keep(struct trial *t, const char *bytes, size_t n)
{
        size_t over = t->n + n > OUTPUT ? t->n + n - OUTPUT : 0;
        memmove(t->output, t->output + over, t->n - over);
        t->n -= over;
        memcpy(t->output + t->n, bytes, n);
        t->n += n;
        t->output[t->n] = '\0';
}

/* Listens until the program has nothing more to say or its time is over. */
static bool listen_to(struct trial *t, int in, int64_t until_ms)
{
        char bytes[4096];
        struct pollfd p = {.fd = in, .events = POLLIN};
        for (;;) {
                int64_t left = until_ms - now_ms();
                if (left <= 0 || poll(&p, 1, (int)left) == 0)
                        return false;
                ssize_t n = read(in, bytes, sizeof bytes);
                if (n == 0 || (n < 0 && errno != EINTR))
                        return true;
                if (n > 0)
                        keep(t, bytes, (size_t)n);
        }
}

static void run(struct trial *t, const char *command, const char *planted)
{
        int ends[2], status = 0;
        int64_t began = now_ms();
        t->n = 0;
        t->output[0] = '\0';
        if (pipe(ends) != 0) {
                perror("museum");
                exit(2);
        }
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) {
                perror("museum");
                exit(2);
        }
        if (child == 0) {
                close(ends[0]);
                become(command, planted, ends[1]);
        }
        close(ends[1]);
        t->late = !listen_to(t, ends[0], began + LIMIT_MS);
        close(ends[0]);
        setpgid(child, child); /* if the child has not come to it yet */
        if (t->late)
                kill(-child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        t->failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        t->seconds = (double)(now_ms() - began) / 1000;
}

/* ---- reading what it said */

static bool begins(const char *line, const char *with)
{
        return strncmp(line, with, strlen(with)) == 0;
}

/* Does the output blame the test? It names it elsewhere than where cmocka begins and ends tests, or the test
 * was begun and never ended. */
static bool blames(struct trial *t, const char *test)
{
        static char copy[OUTPUT + 1];
        bool begun = false;
        memcpy(copy, t->output, t->n + 1);
        for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) {
                if (!strstr(line, test))
                        continue;
                if (!begins(line, "[ RUN ") && !begins(line, "[       OK "))
                        return true;
                begun = begins(line, "[ RUN ");
        }
        return begun;
}

/* The number after the last `word`; NULL: it is not said. */
static const char *number_after(const struct trial *t, const char *word)
{
        const char *found = NULL;
        for (const char *p = t->output; (p = strstr(p, word)); found = p)
                p += strlen(word);
        return found;
}

/* The seed that a law or the simulated world named last. */
static const char *seed_of(const struct trial *t, char out[24])
{
        const char *found = number_after(t, "FAILED at seed ");
        found = found ? found : number_after(t, "SUMU_SEED=");
        snprintf(out, 24, "%.*s", found ? (int)strspn(found, "0123456789") : 1, found ? found : "-");
        return out;
}

static void show_tail(const struct trial *t)
{
        printf("---- the end of what it said\n%s\n----\n", t->output + (t->n > TAIL ? t->n - TAIL : 0));
}

/* ---- judging */

/* A program that fails by itself catches nothing. */
static bool is_healthy(struct trial *t, const char *program)
{
        static const char *healthy[EXHIBITS];
        static size_t n;
        for (size_t i = 0; i < n; i++)
                if (strcmp(healthy[i], program) == 0)
                        return true;
        run(t, program, NULL);
        if (t->failed) {
                printf("BROKEN  %s fails while nothing is planted\n", program);
                show_tail(t);
                return false;
        }
        healthy[n++] = program;
        return true;
}

static const char *verdict(struct trial *t, const struct exhibit *x)
{
        if (t->late)
                return "LATE";
        if (!t->failed)
                return "MISSED";
        return blames(t, x->test) ? "caught" : "OTHER";
}

static bool is_caught(struct trial *t, const struct exhibit *x, bool planted)
{
        char seed[24];
        run(t, x->program, planted ? x->name : NULL);
        const char *v = verdict(t, x);
        printf("%-7s %-26s %-37s %-38s %6.1f s  %s\n", v, x->name, x->program, x->test, t->seconds,
               seed_of(t, seed));
        return strcmp(v, "caught") == 0;
}

static bool visit(struct trial *t, const struct exhibit *x)
{
        if (!is_healthy(t, x->program))
                return false;
        if (is_caught(t, x, true))
                return true;
        printf("        %s\n", x->wrong);
        show_tail(t);
        return false;
}

/* The alarm rings when it has to, and only then. */
static bool alarm_works(struct trial *t)
{
        const struct exhibit *canary = &exhibits[CANARY];
        if (!is_healthy(t, canary->program))
                return false;
        printf("        the canary alive, which has to be MISSED:\n");
        bool quiet = !is_caught(t, canary, false) && strcmp(verdict(t, canary), "MISSED") == 0;
        printf("        and dead:\n");
        return quiet && is_caught(t, canary, true);
}

/* ---- choosing */

/* Puts n that fate has chosen first, the canary's row apart. */
static void draw(const struct exhibit *v[], size_t of, size_t n)
{
        const char *given = getenv("SUMU_SEED");
        uint64_t number = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
        struct seed seed = seed_from(number);
        printf("SUMU_SEED=%llu chooses the same %zu again\n", (unsigned long long)number, n);
        for (size_t i = 0; i < n; i++) {
                size_t k = i + seed_below(&seed, of - i);
                const struct exhibit *x = v[k];
                v[k] = v[i];
                v[i] = x;
        }
}

/* All rows of a name: the mistake's own, and further witnesses. */
static size_t add_named(const char *name, const struct exhibit *v[EXHIBITS], size_t n)
{
        size_t before = n;
        for (size_t i = 0; i < EXHIBITS && n < EXHIBITS; i++)
                if (strcmp(exhibits[i].name, name) == 0)
                        v[n++] = &exhibits[i];
        if (n > before)
                return n;
        fprintf(stderr, "museum: base/planted.def has no row %s\n", name);
        exit(2);
}

static size_t choose(int argc, char **argv, const struct exhibit *v[EXHIBITS])
{
        size_t n = 0;
        for (size_t i = CANARY + 1; i < EXHIBITS; i++)
                v[n++] = &exhibits[i];
        if (argc == 4 && strcmp(argv[2], "--some") == 0) {
                size_t some = strtoull(argv[3], NULL, 10);
                draw(v, n, some < n ? some : n);
                return some < n ? some : n;
        }
        if (argc == 2)
                return n;
        n = 0;
        for (int i = 2; i < argc; i++)
                n = add_named(argv[i], v, n);
        return n;
}

int main(int argc, char **argv)
{
        static struct trial t;
        const struct exhibit *v[EXHIBITS];
        if (argc < 2) {
                fprintf(stderr, "usage: museum TESTS [--some N | NAME…]\n");
                return 2;
        }
        folder = argv[1];
        if (!alarm_works(&t)) {
                printf("the alarm does not work: nothing below it would mean anything\n");
                return 1;
        }
        size_t n = choose(argc, argv, v), caught = 0;
        for (size_t i = 0; i < n; i++)
                caught += visit(&t, v[i]);
        printf("%zu rows, %zu caught\n", n, caught);
        return caught < n;
}
