/* torture: the cycles, and the judgement after every few of them. */
#include "torture/torture.h"

#include "lib/folder.h"
#include "lib/seed.h"
#include "torture/account.h"
#include "torture/clients.h"
#include "torture/pipeline.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
        LOOK_MS = 10,          /* between two looks at what is awaited */
        ANSWER_MS = 20 * 1000, /* for an answer of a healed region */
        SLOW_MS = 10 * 1000,   /* longer than this an operator would wonder */
        LOG_LINES = 500,       /* of a program in a round: more is a flood */
        LATE_MOST = 1,         /* of a program: a message may come between the two looks that tell it */
};

static struct torture {
        uint64_t seed;
        unsigned cycles, round,
            renew;            /* cycles in all; between judgements; until disks are replaced by empty ones */
        unsigned longest_ms;  /* a blow lasts */
        unsigned patience_ms; /* for the region to come back by itself */
        bool shared;          /* no namespaces even where they are to be had */
        char build[NODE_PATH], catalog_dir[NODE_PATH];
        char command[NODE_PATH]; /* how to run it again */

        struct pipeline pipeline;
        struct clients *clients;
        struct account account;
        FILE *journal;            /* what was done, line by line */
        struct patience patience; /* of clients that are gone */
        uint64_t reports, totals;
        int64_t slowest_ms;
        unsigned slow, restarts, late;
} t = {.cycles = 100,
       .round = 5,
       .renew = 100,
       .longest_ms = 3000,
       .patience_ms = 60 * 1000,
       .build = TORTURE_BUILD,
       .catalog_dir = TORTURE_CATALOG};

static volatile sig_atomic_t interrupted;

int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pause_ms(int64_t ms)
{
        poll(NULL, 0, (int)ms);
}

/* ---- giving up */

void fail(const char *fmt, ...)
{
        static pthread_mutex_t once =
            PTHREAD_MUTEX_INITIALIZER; /* never unlocked: the first failure is the one */
        va_list list;
        pthread_mutex_lock(&once);
        fflush(stdout);
        fprintf(stderr, "torture: ");
        va_start(list, fmt);
        vfprintf(stderr, fmt, list);
        va_end(list);
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                if (t.pipeline.nodes[i].pid > 0)
                        kill(t.pipeline.nodes[i].pid, SIGKILL);
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                if (t.pipeline.nodes[i].mounted) /* the mount ends with us */
                        node_shell(NULL, "cp -a %s %s/kept-%s", t.pipeline.nodes[i].home, ground.dir,
                                   t.pipeline.nodes[i].name);
        if (t.journal)
                fflush(t.journal);
        fprintf(stderr, "\nkept: %s\nagain: %s\n", ground.dir, t.command);
        _exit(1);
}

static void leave(int status)
{
        if (t.clients)
                clients_free(t.clients);
        account_close(&t.account);
        pipeline_close(&t.pipeline);
        if (t.journal)
                fclose(t.journal);
        ground_close();
        exit(status);
}

/* The only waiting there is: programs are tended meanwhile. */
static void wait_ms(int64_t ms)
{
        for (int64_t until = now_ms() + ms; now_ms() < until;
             pause_ms(until - now_ms() < LOOK_MS ? 1 : LOOK_MS)) {
                pipeline_tend(&t.pipeline);
                if (interrupted)
                        leave(128 + interrupted);
        }
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
        va_list list;
        time_t now = time(NULL);
        char at[16];
        strftime(at, sizeof at, "%H:%M:%S", gmtime(&now));
        fprintf(t.journal, "%s ", at);
        va_start(list, fmt);
        vfprintf(t.journal, fmt, list);
        va_end(list);
        fputc('\n', t.journal);
        fflush(t.journal);
}

/* ---- blows */

enum need { NOTHING, DISK, LINE, POWER_SUPPLY };

enum blow_kind {
#define BLOW(name, word, weight, needs, begin, end) BLOW_##name,
#include "torture/blows.def"
#undef BLOW
        N_BLOWS,
};

struct blow {
        enum blow_kind kind;
        struct node *at, *other;
        int64_t lasts_ms;
};

static const char *const blow_words[] = {
#define BLOW(name, word, weight, needs, begin, end) word,
#include "torture/blows.def"
#undef BLOW
};
static const struct {
        unsigned weight;
        enum need need;
} blow_facts[] = {
#define BLOW(name, word, weight, needs, begin, end) {weight, needs},
#include "torture/blows.def"
#undef BLOW
};

static void kill_two(struct node *n, struct node *other)
{
        if (other->pid > 0)
                kill(other->pid, SIGSTOP); /* its death comes a moment later, its last act is as early */
        node_kill(n);
        node_kill(other);
}

static void start_two(struct node *n, struct node *other)
{
        node_start(n);
        node_start(other);
}

static void kill_young(struct node *n, struct seed *s)
{
        node_kill(n);
        node_start(n);
        pause_ms((int64_t)seed_below(s, 100));
        node_kill(n);
}

static void power_twice(struct node *n, struct seed *s)
{
        node_power_off(n);
        node_power_on(n);
        pause_ms((int64_t)seed_below(s, 100));
        node_power_off(n);
}

static void black_out(void)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_freeze(&t.pipeline.nodes[i]);
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_power_off(&t.pipeline.nodes[i]);
}

static void lights_on(void)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_power_on(&t.pipeline.nodes[i]);
}

static void blow_begin(const struct blow *f, struct seed *s)
{
        struct node *n = f->at, *other = f->other;
        note("%s: %s for %" PRId64 " ms", n->name, blow_words[f->kind], f->lasts_ms);
        (void)s, (void)other;
        switch (f->kind) {
#define BLOW(name, word, weight, needs, begin, end) \
        case BLOW_##name:                           \
                begin;                              \
                break;
#include "torture/blows.def"
#undef BLOW
        case N_BLOWS: break;
        }
}

static void blow_end(const struct blow *f)
{
        struct node *n = f->at, *other = f->other;
        (void)other;
        switch (f->kind) {
#define BLOW(name, word, weight, needs, begin, end) \
        case BLOW_##name:                           \
                end;                                \
                break;
#include "torture/blows.def"
#undef BLOW
        case N_BLOWS: break;
        }
        note("%s: %s is over", n->name, blow_words[f->kind]);
}

static bool possible(enum need need)
{
        switch (need) {
        case NOTHING: return true;
        case DISK: return ground.disk != DISK_SHARED;
        case LINE: return ground.lines;
        case POWER_SUPPLY: return ground.disk == DISK_EXT4;
        }
        return false;
}

static unsigned weight(unsigned kind)
{
        return possible(blow_facts[kind].need) ? blow_facts[kind].weight : 0;
}

/* Mostly short, now and then as long as it gets. */
static int64_t some_time(struct seed *s, int64_t least, int64_t most)
{
        double u = (double)seed_below(s, 1000) / 1000;
        return least + (int64_t)((double)(most - least) * u * u * u * u);
}

static struct blow some_blow(struct seed *s)
{
        unsigned all = 0, kind = 0;
        for (unsigned i = 0; i < N_BLOWS; i++)
                all += weight(i);
        for (uint64_t at = seed_below(s, all); at >= weight(kind); kind++)
                at -= weight(kind);
        unsigned n = (unsigned)seed_below(s, PIPELINE_NODES),
                 other = (n + 1 + (unsigned)seed_below(s, PIPELINE_NODES - 1)) % PIPELINE_NODES;
        bool is_long = kind == BLOW_FREEZE || blow_facts[kind].need == LINE || blow_facts[kind].need == DISK;
        return (struct blow){(enum blow_kind)kind, &t.pipeline.nodes[n], &t.pipeline.nodes[other],
                             is_long ? some_time(s, 100, t.longest_ms) : some_time(s, 0, 500)};
}

static void cycle(struct seed *s)
{
        struct blow outer = some_blow(s), inner = some_blow(s);
        bool two = seed_below(s, 2) == 0;
        clients_go(t.clients);
        wait_ms((int64_t)seed_below(s, 200));
        int64_t until = now_ms() + outer.lasts_ms;
        blow_begin(&outer, s);
        if (two) {
                wait_ms((int64_t)seed_below(s, 100));
                blow_begin(&inner, s);
                wait_ms(inner.lasts_ms);
                blow_end(&inner);
        }
        wait_ms(until - now_ms());
        blow_end(&outer);
}

/* ---- judgement */

static bool answers(const struct node *n, const char *path, int wanted, const char *text)
{
        struct text answer = {0};
        bool yes = node_call(n, "GET", path, NULL, NULL, ANSWER_MS, &answer) == wanted &&
                   strstr(text_c(&answer), text);
        text_close(&answer);
        return yes;
}

static bool is_idle(const struct node *n)
{
        (void)n;
        return clients_idle(t.clients);
}

static bool is_drained(const struct node *n)
{
        return n == t.pipeline.sink || n == t.pipeline.aggregator ||
               answers(n, "/api/v1/reports?state=pending&limit=1", 200, "{\"reports\":[]");
}

static bool is_healthy(const struct node *n)
{
        return answers(n, "/healthz", 200, "\"status\":\"ok\"");
}

static void await_all(bool (*is)(const struct node *n), const char *what, int64_t since_ms)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++) {
                const struct node *n = &t.pipeline.nodes[i];
                while (wait_ms(1), !is(n)) {
                        struct text health = {0};
                        if (now_ms() - since_ms > t.patience_ms) {
                                node_call(n, "GET", "/healthz", NULL, NULL, ANSWER_MS, &health);
                                clients_waiting(t.clients, &health);
                                fail("%s is not %s %u s after all was healed: %s", n->name, what,
                                     t.patience_ms / 1000, text_c(&health));
                        }
                        wait_ms(LOOK_MS);
                }
        }
}

static uint64_t verified(void)
{
        const struct node *sink = t.pipeline.sink;
        json_int_t reports = -1;
        if (node_shell(sink, "%s/cli/sumu verify --sink http://127.0.0.1:%u --format json >%s/verify 2>&1",
                       t.build, sink->port, ground.dir) != 0)
                fail("sumu verify does not agree: see verify there");
        char path[NODE_PATH + 8];
        snprintf(path, sizeof path, "%s/verify", ground.dir);
        json_t *json = json_load_file(path, 0, NULL);
        if (!json || json_unpack(json, "{s:I}", "reports", &reports) != 0)
                fail("sumu verify says something else: see verify there");
        json_decref(json);
        return (uint64_t)reports;
}

static unsigned late_wakeups(const struct node *n)
{
        static const char name[] = "\nsumu_late_wakeups_total ";
        struct text metrics = {0};
        node_call(n, "GET", "/metrics", NULL, NULL, ANSWER_MS, &metrics);
        const char *at = strstr(text_c(&metrics), name);
        if (!at)
                fail("%s does not tell its metrics", n->name);
        unsigned late = (unsigned)strtoul(at + sizeof name - 1, NULL, 10);
        text_close(&metrics);
        return late;
}

/* Small things an operator would see: messages slept over, logs that drown him. */
static void look_around(void)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++) {
                struct node *n = &t.pipeline.nodes[i];
                unsigned lines = node_log(n);
                if (lines > LOG_LINES)
                        fail("%s logged %u lines since the last judgement", n->name, lines);
                unsigned late = late_wakeups(n);
                t.late += late;
                if (late > LATE_MOST)
                        fail("%s slept over %u messages", n->name, late);
                n->strained = false;
                t.restarts += n->restarts;
                n->restarts = 0;
        }
}

static void judge(unsigned cycle)
{
        struct receipt *receipts;
        int64_t since = now_ms();
        clients_hold(t.clients);
        await_all(is_idle, "rid of its clients", since);
        int64_t answered = now_ms();
        await_all(is_drained, "drained", since);
        int64_t drained = now_ms();
        await_all(is_healthy, "well", since);
        int64_t well = now_ms();
        size_t n = clients_receipts(t.clients, &receipts);
        account_take(&t.account, receipts, n);
        unsigned totals = account_compare(&t.account, t.pipeline.sink);
        uint64_t reports = verified();
        if (reports != t.account.reports)
                fail("%" PRIu64 " reports have receipts, the sink holds %" PRIu64, t.account.reports,
                     reports);
        if (!answers(t.pipeline.sink, "/api/v1/reports?verdict=rejected&limit=1", 200, "{\"reports\":[]") ||
            !answers(t.pipeline.sink, "/api/v1/reports?verdict=superseded&limit=1", 200, "{\"reports\":[]"))
                fail("the sink holds a verdict that nothing explains");
        look_around();
        t.reports += n;
        t.totals += totals;
        t.slow += well - since > SLOW_MS;
        if (well - since > t.slowest_ms)
                t.slowest_ms = well - since;
        note("judged");
        printf("%5u cycles: %6" PRIu64 " reports, %u totals are theirs; clients answered after %" PRId64
               " ms, drained after %" PRId64 ", well after %" PRId64 "%s\n",
               cycle, t.account.reports, totals, answered - since, drained - since, well - since,
               well - since > SLOW_MS ? " SLOW" : "");
        fflush(stdout);
}

/* ---- a run */

static void pipeline_begin(const struct catalog *c, struct seed *s)
{
        pipeline_open(&t.pipeline, t.build, t.catalog_dir, c);
        account_init(&t.account, &t.pipeline);
        t.clients = clients_new(&t.pipeline, seed_next(s));
}

static void pipeline_end(void)
{
        struct patience p = clients_patience(t.clients);
        t.patience.unanswered += p.unanswered;
        t.patience.refused += p.refused;
        clients_free(t.clients);
        t.clients = NULL;
        for (unsigned i = 0; i < PIPELINE_NODES; i++) {
                node_end(&t.pipeline.nodes[i]);
                node_log(&t.pipeline.nodes[i]); /* LeakSanitizer speaks last */
        }
        account_close(&t.account);
        pipeline_close(&t.pipeline);
}

static void run(const struct catalog *c)
{
        struct seed s = seed_from(t.seed);
        int64_t since = now_ms();
        for (unsigned done = 0; done < t.cycles;) {
                if (done % t.renew == 0) {
                        if (done)
                                pipeline_end();
                        pipeline_begin(c, &s);
                }
                cycle(&s);
                done++;
                if (done % t.round == 0 || done % t.renew == 0 || done == t.cycles)
                        judge(done);
        }
        pipeline_end();
        printf("seed %" PRIu64 ": %u cycles in %" PRId64 " s; %" PRIu64
               " reports, none lost, none twice; %" PRIu64 " totals compared; %" PRIu64
               " answers lost, %" PRIu64 " refusals; well again after %" PRId64
               " ms at most, %u times after more than %d s; %u times started again; %u late wake-ups\n",
               t.seed, t.cycles, (now_ms() - since) / 1000, t.reports, t.totals, t.patience.unanswered,
               t.patience.refused, t.slowest_ms, t.slow, SLOW_MS / 1000, t.restarts, t.late);
}

static void usage(FILE *to)
{
        fputs("torture [--cycles N] [--seed N] [--round N] [--renew N] [--longest S] [--patience S] [--build "
              "DIR] "
              "[--catalog DIR] [--shared] [--keep]\n"
              "  --cycles    1 or 2 blows each (100)\n"
              "  --seed      of blows and reports; none: a new one\n"
              "  --round     cycles between judgements (5)\n"
              "  --renew     cycles until everything begins anew on empty disks (100)\n"
              "  --longest   seconds a blow lasts at most; most are far shorter (3)\n"
              "  --patience  seconds for the region to come back by itself (60)\n"
              "  --build     the programs to torture; default: those it was built with\n"
              "  --shared    no namespaces: only what can be done without privileges\n"
              "  --keep      journal and logs in their folder, also when all is well\n",
              to);
}

static void options(int argc, char **argv)
{
        static const struct option known[] = {
            {"cycles", 1, NULL, 'c'},  {"seed", 1, NULL, 's'},     {"round", 1, NULL, 'r'},
            {"renew", 1, NULL, 'n'},   {"patience", 1, NULL, 'p'}, {"build", 1, NULL, 'b'},
            {"catalog", 1, NULL, 'k'}, {"shared", 0, NULL, 'a'},   {"longest", 1, NULL, 'l'},
            {"keep", 0, NULL, 'e'},    {"help", 0, NULL, 'h'},     {0},
        };
        if (getrandom(&t.seed, sizeof t.seed, 0) < 0)
                t.seed = (uint64_t)time(NULL);
        t.seed &= UINT32_MAX; /* easier to type */
        for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                unsigned long long n = optarg ? strtoull(optarg, NULL, 10) : 0;
                switch (o) {
                case 'c': t.cycles = (unsigned)n; break;
                case 's': t.seed = n; break;
                case 'r': t.round = (unsigned)n; break;
                case 'n': t.renew = (unsigned)n; break;
                case 'p': t.patience_ms = (unsigned)n * 1000; break;
                case 'b': snprintf(t.build, sizeof t.build, "%s", optarg); break;
                case 'k': snprintf(t.catalog_dir, sizeof t.catalog_dir, "%s", optarg); break;
                case 'a': t.shared = true; break;
                case 'l': t.longest_ms = (unsigned)n * 1000; break;
                case 'e': ground.keep = true; break;
                default: usage(o == 'h' ? stdout : stderr); exit(o == 'h' ? 0 : 2);
                }
        }
        if (t.cycles == 0 || t.round == 0 || t.renew == 0 || t.longest_ms == 0 || optind < argc) {
                usage(stderr);
                exit(2);
        }
        snprintf(t.command, sizeof t.command,
                 "%.200s --seed %" PRIu64 " --cycles %u --round %u --renew %u --longest %u%s", argv[0],
                 t.seed, t.cycles, t.round, t.renew, t.longest_ms / 1000, t.shared ? " --shared" : "");
}

static void interrupt(int signal)
{
        interrupted = signal;
}

int main(int argc, char **argv)
{
        char journal[NODE_PATH + 8];
        options(argc, argv);
        printf("%s\n", t.command);
        signal(SIGINT, interrupt);
        signal(SIGTERM, interrupt);
        signal(SIGPIPE, SIG_IGN);
        ground_open(!t.shared);
        if (*ground.poor)
                printf("%s\n", ground.poor);
        snprintf(journal, sizeof journal, "%s/journal", ground.dir);
        t.journal = fopen(journal, "w");
        if (!t.journal)
                fail("no journal");
        struct catalog *c = folder_catalog(t.catalog_dir);
        run(c);
        catalog_free(c);
        fclose(t.journal);
        ground_close();
        return 0;
}
