/* bench_clerk: somebody who hands in a report of one figure, looks until the region's total holds it, looks
 * until the office says that it was accepted, and begins again.
 *
 *     bench_clerk COLLECTOR SINK CATALOG REPORTS
 *
 * Prints name=value: from the POST until it was answered (posted), until the total was read at the sink's API
 * (visible), until the collector said `accepted` (accepted; looked for after the total was seen). A total
 * that is not the plain sum of what was handed in is an error. */
#include "base/check.h"
#include "bench/process.h"
#include "cli/client.h"
#include "lib/folder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct clerk {
        struct client collector, sink;
        struct answer answer;
        struct text total, report; /* the target that is looked at, the body that is sent */
        int64_t *posted_ns, *visible_ns, *accepted_ns;
};

_Noreturn static void give_up(const char *why, const char *what)
{
        fprintf(stderr, "bench_clerk: %s: %s\n", why, what);
        exit(1);
}

static const char collector_reports[] = "/api/v1/reports?limit=1";

static json_t *ask(struct clerk *k, struct client *c, const char *target)
{
        if (client_get(c, target, &k->answer) < 0)
                give_up(target, c->why.text);
        json_t *json = k->answer.status == 200 ? answer_json(&k->answer) : NULL;
        if (!json)
                give_up(target, text_c(&k->answer.body));
        return json;
}

static void hand_in(struct clerk *k)
{
        static const char path[] = "/api/v1/reports", type[] = "application/json";
        if (client_post(&k->collector, path, type, NULL, k->report.v, k->report.n, &k->answer) < 0)
                give_up(path, k->collector.why.text);
        if (k->answer.status != 202)
                give_up("a report was not taken", text_c(&k->answer.body));
}

/* Each report adds 1. */
static bool is_visible(struct clerk *k, int64_t n)
{
        json_t *json = ask(k, &k->sink, text_c(&k->total));
        const json_t *entry = json_array_get(json_object_get(json, "totals"), 0);
        int64_t value = json_number(entry, "value");
        json_decref(json);
        if (value > n)
                give_up("the total is too large", text_c(&k->answer.body));
        return value == n;
}

static bool is_accepted(struct clerk *k)
{
        json_t *json = ask(k, &k->collector, collector_reports);
        const char *state = json_text(json_array_get(json_object_get(json, "reports"), 0), "state");
        bool yes = state && strcmp(state, "accepted") == 0;
        json_decref(json);
        return yes;
}

static void one_report(struct clerk *k, size_t i)
{
        int64_t began_ns = now_ns();
        hand_in(k);
        k->posted_ns[i] = now_ns() - began_ns;
        while (!is_visible(k, (int64_t)i + 1))
                ;
        k->visible_ns[i] = now_ns() - began_ns;
        while (!is_accepted(k))
                ;
        k->accepted_ns[i] = now_ns() - began_ns;
}

/* The first counter in the first township of the first office. */
static void write_words(struct clerk *k, const char *folder)
{
        struct catalog *c = folder_catalog(folder);
        const struct region *r = &c->regions[c->offices[0].region];
        while (r->children)
                r = &c->regions[r->first_child];
        target_begin(&k->total, "/api/v1/totals");
        target_add(&k->total, "indicator", c->indicators[0].name);
        target_add(&k->total, "period", "2024-04");
        text_printf(
            &k->report,
            "{\"dataset\":\"%s\",\"period\":\"2024-04-01\",\"action\":\"add\",\"rows\":[{\"region\":\"%s\","
            "\"indicator\":\"%s\",\"value\":1}]}",
            c->datasets[0].code, r->code, c->indicators[0].code);
        catalog_free(c);
}

static void tell(const char *what, int64_t *took_ns, size_t n)
{
        printf(" %s_p50_ms=%.3f %s_p99_ms=%.3f %s_max_ms=%.3f", what, percentile_ms(took_ns, n, 0.5), what,
               percentile_ms(took_ns, n, 0.99), what, percentile_ms(took_ns, n, 1));
}

static int64_t *times_new(size_t n)
{
        int64_t *times = calloc(n, sizeof *times);
        POST(times);
        return times;
}

int main(int argc, char **argv)
{
        struct cli cli = {.in = stdin, .out = stdout, .err = stderr};
        struct clerk k = {0};
        size_t n = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
        if (n == 0) {
                fprintf(stderr, "usage: bench_clerk COLLECTOR SINK CATALOG REPORTS\n");
                return 2;
        }
        if (client_open(&k.collector, &cli, PEER_COLLECTOR, argv[1]) != 0 ||
            client_open(&k.sink, &cli, PEER_SINK, argv[2]) != 0)
                return 1;
        write_words(&k, argv[3]);
        k.posted_ns = times_new(n);
        k.visible_ns = times_new(n);
        k.accepted_ns = times_new(n);
        for (size_t i = 0; i < n; i++)
                one_report(&k, i);
        printf("reports=%zu", n);
        tell("posted", k.posted_ns, n);
        tell("visible", k.visible_ns, n);
        tell("accepted", k.accepted_ns, n);
        putchar('\n');
        free(k.posted_ns);
        free(k.visible_ns);
        free(k.accepted_ns);
        text_close(&k.total);
        text_close(&k.report);
        answer_close(&k.answer);
        client_close(&k.collector);
        client_close(&k.sink);
        return 0;
}
