/* bench_readers: people who look at HQ's figures, each over a connection of his own, one question after the
 * other, until SIGTERM.
 *
 *     bench_readers SINK CATALOG READERS PAUSE_MS
 *
 * In turn they ask for totals (a month of a region and its children), a series (the days of the month) and
 * the lineage of a banner's day, of the month that work W begins with. Prints name=value: questions a second,
 * and how long they took by kind. Anything but a 200 is an error, and so is a total that is smaller than the
 * same reader has seen before: what is read while HQ loads only grows. */
#include "base/check.h"
#include "bench/process.h"
#include "cli/client.h"
#include "lib/folder.h"
#include "lib/seed.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* QUESTION(name, path): what is asked for. */
#define QUESTIONS(QUESTION)                \
        QUESTION(totals, "/api/v1/totals") \
        QUESTION(series, "/api/v1/series") \
        QUESTION(lineage, "/api/v1/lineage")

enum question {
#define QUESTION(name, path) QUESTION_##name,
        QUESTIONS(QUESTION)
#undef QUESTION
            QUESTION_COUNT
};
static const struct {
        const char *name, *path;
} questions[] = {
#define QUESTION(name, path) {#name, path},
    QUESTIONS(QUESTION)
#undef QUESTION
};

struct times {
        int64_t *ns;
        size_t n, room;
};

struct reader {
        pthread_t thread;
        const struct catalog *catalog;
        struct client client;
        struct answer answer;
        struct text target;
        struct seed seed;
        long pause_ms;
        const struct indicator *watched; /* of the whole region, and what it was last */
        int64_t seen;
        struct times took[QUESTION_COUNT];
};

static atomic_bool is_over;

static void on_term(int signal)
{
        (void)signal;
        atomic_store(&is_over, true);
}

_Noreturn static void give_up(const struct reader *r, const char *why)
{
        fprintf(stderr, "bench_readers: %s: %s: %.400s\n", text_c(&r->target), why, text_c(&r->answer.body));
        exit(1);
}

/* ---- one question */

static void choose(struct reader *r, enum question what)
{
        const struct catalog *c = r->catalog;
        const struct indicator *any = &c->indicators[seed_below(&r->seed, c->n_indicators)];
        const struct region *region;
        char day[PERIOD_TEXT];
        do
                region = &c->regions[seed_below(&r->seed, c->n_regions)];
        while (region->children == 0);
        snprintf(day, sizeof day, "2024-04-%02d", (int)seed_below(&r->seed, 30) + 1);
        target_begin(&r->target, questions[what].path);
        target_add(&r->target, "indicator", what == QUESTION_totals ? r->watched->name : any->name);
        if (what == QUESTION_totals) {
                target_add(&r->target, "period", "2024-04");
                target_add(&r->target, "children", "1");
                return;
        }
        target_add(&r->target, "region", region->code);
        target_add(&r->target, what == QUESTION_series ? "from" : "period",
                   what == QUESTION_series ? "2024-04-01" : day);
        target_add(&r->target, "to", what == QUESTION_series ? "2024-04-30" : NULL);
        target_add(&r->target, "limit", what == QUESTION_lineage ? "100" : NULL);
}

/* The first entry is the root's. */
static void watch(struct reader *r)
{
        json_t *json = answer_json(&r->answer);
        int64_t now = json_number(json_array_get(json_object_get(json, "totals"), 0), "value");
        json_decref(json);
        if (now < r->seen)
                give_up(r, "the total has become smaller");
        r->seen = now;
}

static void keep(struct times *t, int64_t ns)
{
        if (t->n == t->room) {
                t->room = t->room ? 2 * t->room : 1024;
                t->ns = realloc(t->ns, t->room * sizeof *t->ns);
                POST(t->ns);
        }
        t->ns[t->n++] = ns;
}

static void ask(struct reader *r, enum question what)
{
        choose(r, what);
        int64_t from_ns = now_ns();
        if (client_get(&r->client, text_c(&r->target), &r->answer) < 0)
                give_up(r, r->client.why.text);
        keep(&r->took[what], now_ns() - from_ns);
        if (r->answer.status != 200)
                give_up(r, "refused");
        if (what == QUESTION_totals)
                watch(r);
}

static void *read_on(void *ctx)
{
        struct reader *r = ctx;
        for (unsigned turn = (unsigned)seed_below(&r->seed, QUESTION_COUNT); !atomic_load(&is_over); turn++) {
                ask(r, turn % QUESTION_COUNT);
                nanosleep(&(struct timespec){.tv_nsec = r->pause_ms * 1000000L}, NULL);
        }
        return NULL;
}

/* ---- all of them */

static void open_reader(struct reader *r, size_t number, const struct cli *cli, const char *sink,
                        const struct catalog *c)
{
        *r = (struct reader){
            .catalog = c, .seed = seed_from(number), .watched = &c->indicators[number % c->n_indicators]};
        if (client_open(&r->client, cli, PEER_SINK, sink) != 0)
                exit(1);
}

static void close_reader(struct reader *r)
{
        for (int k = 0; k < QUESTION_COUNT; k++)
                free(r->took[k].ns);
        answer_close(&r->answer);
        text_close(&r->target);
        client_close(&r->client);
}

static void tell(struct reader *readers, size_t n, double took_s)
{
        uint64_t reads = 0;
        struct times all[QUESTION_COUNT] = {0};
        for (struct reader *r = readers; r < readers + n; r++)
                for (int k = 0; k < QUESTION_COUNT; k++)
                        for (size_t i = 0; i < r->took[k].n; i++, reads++)
                                keep(&all[k], r->took[k].ns[i]);
        printf("readers=%zu reads=%" PRIu64 " reads_s=%.1f", n, reads, (double)reads / took_s);
        for (int k = 0; k < QUESTION_COUNT; k++) {
                printf(" %s_p50_ms=%.3f %s_p99_ms=%.3f", questions[k].name,
                       percentile_ms(all[k].ns, all[k].n, 0.5), questions[k].name,
                       percentile_ms(all[k].ns, all[k].n, 0.99));
                free(all[k].ns);
        }
        printf(" cpu_s_readers=%.3f\n", process_cpu_s(getpid()));
}

int main(int argc, char **argv)
{
        struct cli cli = {.in = stdin, .out = stdout, .err = stderr};
        size_t n = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
        if (n == 0) {
                fputs("usage: bench_readers SINK CATALOG READERS PAUSE_MS\n", stderr);
                return 2;
        }
        struct catalog *c = folder_catalog(argv[2]);
        struct reader *readers = calloc(n, sizeof *readers);
        POST(readers);
        signal(SIGTERM, on_term);
        for (size_t i = 0; i < n; i++) {
                open_reader(&readers[i], i, &cli, argv[1], c);
                readers[i].pause_ms = strtol(argv[4], NULL, 10);
        }
        int64_t from_ns = now_ns();
        for (size_t i = 0; i < n; i++)
                if (pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) != 0)
                        give_up(&readers[i], "no more threads");
        for (size_t i = 0; i < n; i++)
                pthread_join(readers[i].thread, NULL);
        tell(readers, n, (double)(now_ns() - from_ns) * 1e-9);
        for (size_t i = 0; i < n; i++)
                close_reader(&readers[i]);
        free(readers);
        catalog_free(c);
        return 0;
}
