/* bench_offices: all offices of a catalogue, each in a process of its own (office.h), from a common start to
 * the moment when everything they have is acknowledged and accepted.
 *
 *     bench_offices catalog=… keys=… state=… hq=… sums=FILE [name=value]…     see plan.def
 *
 * Prints what it took as name=value. Seconds of the processor are per million facts and from the start on;
 * those of drawing, before it, are told apart. Latencies are of reports, from when they were due (rate) or
 * entered until it was acknowledged (ack), or its totals could be read from the store (visible; with rate).
 */
#include "base/check.h"
#include "base/log.h"
#include "bench/office.h"
#include "bench/process.h"
#include "bench/visible.h"
#include "lib/folder.h"

#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct run {
        struct plan plan;
        struct catalog *catalog;
        struct sums sums;
        struct office_line {
                pid_t pid;
                int line;
                struct office_done done;
        } * offices;
        uint32_t n;
        int64_t start_ns, end_ns;
        double aggregator_s, sink_s;
        struct visible visible;
        int64_t *took_ns; /* of all reports */
};

_Noreturn static void give_up(const char *why)
{
        fprintf(stderr, "bench_offices: %s\n", why);
        exit(1);
}

/* ---- the offices */

static void be_office(struct run *r, uint32_t office, int line)
{
        for (uint32_t i = 0; i < office; i++)
                close(r->offices[i].line);
        int status = office_run(&r->plan, r->catalog, office, &r->sums, line);
        free(r->offices);
        catalog_free(r->catalog);
        exit(status);
}

static void open_office(struct run *r, uint32_t office)
{
        int pair[2], rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
        pid_t pid = rc == 0 ? fork() : -1;
        if (pid < 0)
                give_up("no more processes");
        if (pid == 0) {
                close(pair[0]);
                be_office(r, office, pair[1]);
        }
        close(pair[1]);
        r->offices[office] = (struct office_line){.pid = pid, .line = pair[0]};
}

static void open_offices(struct run *r)
{
        r->n = r->catalog->n_offices;
        if (r->plan.senders && r->plan.senders < r->n)
                r->n = (uint32_t)r->plan.senders;
        r->plan.senders = r->n;
        r->offices = calloc(r->n, sizeof *r->offices);
        POST(r->offices);
        for (uint32_t i = 0; i < r->n; i++)
                open_office(r, i);
}

/* They have drawn what they will send. */
static void await_ready(struct run *r)
{
        char ready;
        for (uint32_t i = 0; i < r->n; i++)
                if (!line_read(r->offices[i].line, &ready, 1))
                        give_up("an office did not get ready");
}

static void start(struct run *r)
{
        r->aggregator_s = process_cpu_s((pid_t)r->plan.aggregator);
        r->sink_s = process_cpu_s((pid_t)r->plan.sink);
        r->start_ns = now_ns();
        for (uint32_t i = 0; i < r->n; i++)
                if (!line_write(r->offices[i].line, &r->start_ns, sizeof r->start_ns))
                        give_up("an office has gone before the start");
}

/* Until all have something to say: they have ended. */
static void look_on(struct run *r)
{
        enum { EVERY_MS = 1 };
        if (!r->plan.store || !r->plan.rate)
                return;
        if (!visible_open(&r->visible, &r->plan, r->catalog, r->start_ns))
                give_up("the store cannot be read");
        for (uint32_t i = 0; i < r->n;) {
                if (poll(&(struct pollfd){.fd = r->offices[i].line, .events = POLLIN}, 1, EVERY_MS) == 1)
                        i++;
                if (!visible_look(&r->visible))
                        give_up("the store cannot be read");
        }
}

static void hear_the_end(struct run *r)
{
        size_t n = r->plan.reports, times = n * sizeof *r->took_ns;
        r->took_ns = malloc(r->n * times);
        POST(r->took_ns);
        for (uint32_t i = 0; i < r->n; i++) {
                struct office_line *o = &r->offices[i];
                int status;
                if (!line_read(o->line, &o->done, sizeof o->done) ||
                    !line_read(o->line, r->took_ns + i * n, times))
                        give_up("an office has ended too early");
                if (o->done.end_ns > r->end_ns)
                        r->end_ns = o->done.end_ns;
                close(o->line);
                if (waitpid(o->pid, &status, 0) != o->pid || status != 0)
                        give_up("an office has failed");
        }
}

/* ---- what it took */

static void tell_latency(const char *what, int64_t *latency_ns, size_t n)
{
        printf(" %s_p50_ms=%.3f %s_p99_ms=%.3f %s_max_ms=%.3f", what, percentile_ms(latency_ns, n, 0.5), what,
               percentile_ms(latency_ns, n, 0.99), what, percentile_ms(latency_ns, n, 1));
}

static void tell(struct run *r)
{
        const struct plan *p = &r->plan;
        uint64_t reports = r->n * p->reports, facts = reports * p->rows, bytes = 0, most = 0, late = 0;
        double wall_s = (double)(r->end_ns - r->start_ns) * 1e-9, million = (double)facts * 1e-6;
        double drawing = 0, offices = 0, aggregator = r->aggregator_s, sink = r->sink_s;
        for (uint32_t i = 0; i < r->n; i++) {
                const struct office_done *d = &r->offices[i].done;
                uint64_t own = d->rss_bytes > d->drawn_bytes ? d->rss_bytes - d->drawn_bytes : 0;
                drawing += d->draw_s;
                offices += d->cpu_s;
                bytes += d->outbox_bytes;
                late += d->late;
                most = own > most ? own : most;
        }
        printf("offices=%u rows=%" PRIu64 " reports=%" PRIu64 " facts=%" PRIu64 " wall_s=%.3f mfacts_s=%.4f",
               r->n, p->rows, reports, facts, wall_s, million / wall_s);
        printf(" cpu=%.4f cpu_offices=%.4f cpu_aggregator=%.4f cpu_sink=%.4f cpu_drawing_apart=%.4f",
               (offices + aggregator + sink) / million, offices / million, aggregator / million,
               sink / million, drawing / million);
        printf(" rss_office_mib=%.1f rss_aggregator_mib=%.1f rss_sink_mib=%.1f", (double)most / 1048576,
               (double)process_high_water((pid_t)p->aggregator) / 1048576,
               (double)process_high_water((pid_t)p->sink) / 1048576);
        printf(" outbox_bytes_fact=%.2f late_wakeups=%" PRIu64, (double)bytes / (double)facts, late);
        printf(" from_s=%.6f to_s=%.6f", (double)r->start_ns * 1e-9, (double)r->end_ns * 1e-9);
        if (!p->ahead)
                tell_latency("ack", r->took_ns, reports);
        if (r->visible.db)
                tell_latency("visible", r->visible.latency_ns, r->visible.n);
        putchar('\n');
}

static void write_sums(const struct run *r)
{
        FILE *out = fopen(r->plan.sums, "w");
        if (!out)
                give_up("the sums cannot be written");
        sums_print(&r->sums, r->catalog, out);
        if (fclose(out) != 0)
                give_up("the sums cannot be written");
}

int main(int argc, char **argv)
{
        struct run r = {0};
        if (!plan_read(&r.plan, argc, argv))
                return 2;
        log_init("bench_offices", LOG_WARN, false);
        if (sodium_init() < 0)
                give_up("no cryptography");
        r.catalog = folder_catalog(r.plan.catalog);
        sums_open(&r.sums, r.catalog, r.plan.first_day, (uint32_t)r.plan.days);
        open_offices(&r);
        await_ready(&r);
        write_sums(&r);
        start(&r);
        look_on(&r);
        hear_the_end(&r);
        r.aggregator_s = process_cpu_s((pid_t)r.plan.aggregator) - r.aggregator_s;
        r.sink_s = process_cpu_s((pid_t)r.plan.sink) - r.sink_s;
        tell(&r);
        visible_close(&r.visible);
        sums_close(&r.sums);
        catalog_free(r.catalog);
        free(r.offices);
        free(r.took_ns);
        return 0;
}
