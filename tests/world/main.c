/* sumu_world: runs the simulated world for many seeds.
 *
 *     sumu_world --seeds 20000                fresh ones, from the time of day
 *     sumu_world --seeds 1 --from 17 --tell   one, and what happens in it
 *     sumu_world --canary                     fails on purpose
 *
 * Each of `--jobs` processes takes every n-th seed. Every hundredth seed runs twice and has to leave the same
 * trace. The first failure ends all, names its seed and options, and how to run it again. */
#include "world/world.h"

#include "base/check.h"

#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS = 64, TWICE = 100, PROGRESS_S = 60 };

struct tally { /* of all processes, in shared memory */
        _Atomic uint64_t seeds, events, simulated_ms, reports, totals, faults, twice, longest_ms;
        _Atomic uint64_t at[JOBS]; /* the seed each is at */
        _Atomic bool stop;
};

struct orders {
        uint64_t seeds, from;
        unsigned jobs;
        bool tell, canary;
};

static void add(struct tally *t, const struct world_outcome *o)
{
        atomic_fetch_add(&t->seeds, 1);
        atomic_fetch_add(&t->events, o->events);
        atomic_fetch_add(&t->simulated_ms, o->simulated_ms);
        atomic_fetch_add(&t->reports, o->reports);
        atomic_fetch_add(&t->totals, o->totals);
        atomic_fetch_add(&t->faults, o->faults);
        uint64_t longest = atomic_load(&t->longest_ms);
        while (o->drained_ms > longest &&
               !atomic_compare_exchange_weak(&t->longest_ms, &longest, o->drained_ms))
                continue;
}

static double seconds(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One of the processes says how far all of them are. */
static void show_progress(const struct orders *orders, const struct tally *t, double *said)
{
        if (seconds() - *said < PROGRESS_S)
                return;
        *said = seconds();
        printf("world: %" PRIu64 " of %" PRIu64 " seeds\n", atomic_load(&t->seeds), orders->seeds);
        fflush(stdout);
}

static void work(const struct orders *orders, unsigned job, struct tally *t)
{
        double said = seconds();
        for (uint64_t i = job; i < orders->seeds && !atomic_load(&t->stop); i += orders->jobs) {
                uint64_t seed = orders->from + i;
                if (job == 0)
                        show_progress(orders, t, &said);
                atomic_store(&t->at[job], seed);
                struct world_outcome once = world_run(seed, orders->tell);
                add(t, &once);
                if (i % TWICE == 0 && !orders->tell) {
                        struct world_outcome again = world_run(seed, false);
                        atomic_fetch_add(&t->twice, 1);
                        if (once.trace != again.trace) {
                                fprintf(stderr, "seed %" PRIu64 ": the second run left another trace\n",
                                        seed);
                                exit(1);
                        }
                }
        }
        exit(0);
}

/* false: a process failed; its seed was said. */
static bool wait_all(const struct orders *orders, const pid_t *pids, struct tally *t)
{
        bool well = true;
        for (unsigned left = orders->jobs; left > 0; left--) {
                int status;
                pid_t pid = wait(&status);
                if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                        continue;
                for (unsigned j = 0; j < orders->jobs && well; j++)
                        if (pids[j] == pid)
                                fprintf(stderr,
                                        "FAILED at seed %" PRIu64 " after %" PRIu64
                                        " seeds; once more: sumu_world --seeds 1 --from %" PRIu64 " --tell\n",
                                        atomic_load(&t->at[j]), atomic_load(&t->seeds),
                                        atomic_load(&t->at[j]));
                well = false;
                atomic_store(&t->stop, true);
        }
        return well;
}

static bool run(const struct orders *orders)
{
        pid_t pids[JOBS];
        double began = seconds();
        struct tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        PRE(t != MAP_FAILED);
        printf("world: seeds %" PRIu64 " to %" PRIu64 ", %u at a time\n", orders->from,
               orders->from + orders->seeds - 1, orders->jobs);
        fflush(stdout);
        for (unsigned j = 0; j < orders->jobs; j++) {
                pids[j] = fork();
                PRE(pids[j] >= 0);
                if (pids[j] == 0)
                        work(orders, j, t);
        }
        bool well = wait_all(orders, pids, t);
        double took = seconds() - began;
        printf("world: %" PRIu64 " seeds in %.1f s (%.0f a minute), %" PRIu64
               " twice with the same trace; %" PRIu64 " events, %" PRIu64 " faults planned, %" PRIu64
               " reports, %" PRIu64 " totals compared; %.0f times as fast as time; longest drain %.1f s\n",
               atomic_load(&t->seeds), took, (double)atomic_load(&t->seeds) * 60 / took,
               atomic_load(&t->twice), atomic_load(&t->events), atomic_load(&t->faults),
               atomic_load(&t->reports), atomic_load(&t->totals),
               (double)atomic_load(&t->simulated_ms) / 1000 / took,
               (double)atomic_load(&t->longest_ms) / 1000);
        return well;
}

static struct orders read_orders(int argc, char **argv)
{
        static const struct option names[] = {
            {"seeds", required_argument, NULL, 's'}, {"from", required_argument, NULL, 'f'},
            {"jobs", required_argument, NULL, 'j'},  {"tell", no_argument, NULL, 't'},
            {"canary", no_argument, NULL, 'c'},      {0}};
        struct orders o = {.seeds = 1000, .from = (uint64_t)time(NULL) * 1000000};
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        o.jobs = cores > 0 && cores < JOBS ? (unsigned)cores : 1;
        for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
                switch (c) {
                case 's': o.seeds = strtoull(optarg, NULL, 10); break;
                case 'f': o.from = strtoull(optarg, NULL, 10); break;
                case 'j': o.jobs = (unsigned)strtoul(optarg, NULL, 10); break;
                case 't': o.tell = true; break;
                case 'c': o.canary = true; break;
                default: exit(2);
                }
        if (o.jobs < 1 || o.jobs > JOBS || optind < argc) {
                fprintf(stderr,
                        "usage: sumu_world [--seeds N] [--from SEED] [--jobs N] [--tell] [--canary]\n");
                exit(2);
        }
        return o;
}

int main(int argc, char **argv)
{
        if (sodium_init() < 0)
                return 1;
        struct orders o = read_orders(argc, argv);
        mallopt(M_TRIM_THRESHOLD, 1 << 30); /* what one seed gave back the next one takes */
        mallopt(M_MMAP_THRESHOLD, 1 << 30);
        world_canary = o.canary;
        return run(&o) ? 0 : 1;
}
