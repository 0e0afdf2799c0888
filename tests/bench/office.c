#include "bench/office.h"

#include "base/check.h"
#include "bench/process.h"
#include "bench/work.h"
#include "collector/courier.h"
#include "loop/clock.h"
#include "loop/zpoll.h"
#include "session/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
        COMMIT_FACTS = 40000, /* of a commit, at most */
        CHORES_MS = 1000,     /* as the collector's */
};

struct office_at_work {
        const struct plan *plan;
        const struct catalog *catalog;
        uint32_t office;
        struct fact *facts; /* of all reports */
        struct text payload;

        struct outbox outbox;
        struct courier courier;
        struct keys keys;
        uv_loop_t loop;
        uv_timer_t tick, chores;
        uv_poll_t signal, due; /* from the line; from a clock finer than libuv's */
        uv_idle_t pump;
        void *zmq;
        struct zpoll *link;
        int line, clock;

        bool ready, started, ended;
        uint64_t entered, acknowledged; /* reports */
        int64_t start_ns;
        int64_t *took_ns; /* a report: since when, by the clock; then how long */
        double cpu_then;
        struct office_done done;
};

_Noreturn static void give_up(const struct office_at_work *o, const char *doing, const char *why)
{
        fprintf(stderr, "bench_offices: office %s: %s: %s\n", o->catalog->offices[o->office].code, doing,
                why);
        exit(1);
}

static void must(const struct office_at_work *o, const char *doing, int code, const struct err *e)
{
        if (code < 0)
                give_up(o, doing, e->text);
}

static struct courier_time now(void)
{
        return (struct courier_time){clock_monotonic_ms(), clock_us()};
}

static double cpu_s(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- before: everything is drawn, and what will be said is summed up */

static struct fact *report_of(const struct office_at_work *o, uint64_t report)
{
        return o->facts + report * o->plan->rows;
}

static void draw(struct office_at_work *o, struct sums *sums)
{
        const struct plan *p = o->plan;
        struct work w;
        work_open(&w, o->catalog, o->office);
        for (uint64_t i = 0; i < p->reports; i++) {
                uint32_t day = plan_day(p, i);
                struct fact *facts = report_of(o, i);
                if (p->replace && i >= p->days) {
                        memcpy(facts, report_of(o, i - p->days), p->rows * sizeof *facts);
                        work_correct(&w, facts, p->rows);
                        sums_withdraw(sums, o->catalog, o->office, day);
                } else {
                        work_draw(&w, facts, p->rows);
                }
                sums_add(sums, day, facts, p->rows);
        }
        work_close(&w);
}

/* ---- reports into the outbox */

static void enter_one(struct office_at_work *o, uint64_t i)
{
        const struct plan *p = o->plan;
        char period[PERIOD_TEXT];
        struct err e;
        struct period day = period_of(PERIOD_DAY, p->first_day + (int32_t)plan_day(p, i));
        struct report r = {
            .period = day, .action = p->replace ? REPLACE : ADD, .facts = report_of(o, i), .n = p->rows};
        text_clear(&o->payload);
        payload_write(o->catalog, &r, &o->payload);
        POST(!text_failed(&o->payload));
        period_print(day, period);
        struct envelope envelope = {.submitted_at = clock_us(),
                                    .dataset = o->catalog->datasets[0].code,
                                    .period = period,
                                    .action = r.action,
                                    .payload = (const uint8_t *)o->payload.v,
                                    .payload_n = o->payload.n};
        memcpy(envelope.catalog, o->catalog->digest, sizeof envelope.catalog);
        must(o, "a report",
             outbox_add(&o->outbox, &envelope, &(struct outbox_extra){.rows = (uint32_t)r.n}, &e), &e);
}

static void enter(struct office_at_work *o, uint64_t n)
{
        struct err e;
        int64_t at_ns = now_ns();
        must(o, "its outbox", outbox_begin(&o->outbox, &e), &e);
        for (uint64_t i = 0; i < n; i++, o->entered++) {
                o->took_ns[o->entered] =
                    o->plan->rate ? o->start_ns + plan_due_ns(o->plan, o->office, o->entered) : at_ns;
                enter_one(o, o->entered);
        }
        must(o, "a commit", outbox_commit(&o->outbox, &e), &e);
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t room(const struct office_at_work *o)
{
        const struct plan *p = o->plan;
        uint64_t left = p->reports - o->entered;
        return p->ahead ? left : least(left, p->window - (o->entered - o->acknowledged));
}

/* As many as the window has room for, as are due, and as make a commit. */
static uint64_t allowed(const struct office_at_work *o)
{
        const struct plan *p = o->plan;
        uint64_t n = least(room(o), COMMIT_FACTS / p->rows), due = 0;
        if (!p->rate)
                return n;
        int64_t since_ns = now_ns() - o->start_ns;
        while (due < n && plan_due_ns(p, o->office, o->entered + due) <= since_ns)
                due++;
        return due;
}

/* ---- the end */

static void close_handles(struct office_at_work *o)
{
        zpoll_close(o->link, NULL, NULL);
        uv_close((uv_handle_t *)&o->tick, NULL);
        uv_close((uv_handle_t *)&o->chores, NULL);
        uv_close((uv_handle_t *)&o->signal, NULL);
        uv_close((uv_handle_t *)&o->due, NULL);
        uv_close((uv_handle_t *)&o->pump, NULL);
}

/* What HQ said has been kept: marks and, report by report, verdicts. */
static void look_how_far(struct office_at_work *o)
{
        const uint64_t *verdicts = o->courier.counts.verdicts;
        uint64_t marked = o->outbox.now.mark.seq;
        uint64_t far = marked < verdicts[ACCEPTED] ? marked : verdicts[ACCEPTED];
        int64_t at_ns = now_ns();
        if (verdicts[REJECTED] || verdicts[SUPERSEDED])
                give_up(o, "a verdict", "a report was not accepted");
        for (; o->acknowledged < far; o->acknowledged++)
                o->took_ns[o->acknowledged] = at_ns - o->took_ns[o->acknowledged];
}

static void look_for_the_end(struct office_at_work *o)
{
        if (o->ended || o->acknowledged < o->plan->reports)
                return;
        o->ended = true;
        o->done.end_ns = now_ns();
        o->done.cpu_s = cpu_s() - o->cpu_then;
        o->done.late = zpoll_late(o->link);
        o->done.rss_bytes = process_high_water(getpid());
        close_handles(o);
}

/* ---- after each thing that happened */

static void pump(uv_idle_t *h);

static void stir(struct office_at_work *o)
{
        if (!o->ended)
                uv_idle_start(&o->pump, pump);
}

static void on_tick(uv_timer_t *t)
{
        struct office_at_work *o = t->data;
        courier_tick(&o->courier, now());
        stir(o);
}

static void arm_tick(struct office_at_work *o)
{
        int64_t due = courier_deadline(&o->courier), in_ms = due - clock_monotonic_ms();
        if (due)
                uv_timer_start(&o->tick, on_tick, in_ms > 0 ? (uint64_t)in_ms : 0, 0);
        else
                uv_timer_stop(&o->tick);
}

/* With a rate: wakes us when the next report is due, unless a mark has to make room before. */
static void arm_clock(const struct office_at_work *o)
{
        if (!o->plan->rate || !o->started || room(o) == 0)
                return;
        int64_t at_ns = o->start_ns + plan_due_ns(o->plan, o->office, o->entered);
        struct itimerspec at = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};
        int rc = timerfd_settime(o->clock, TFD_TIMER_ABSTIME, &at, NULL);
        POST(rc == 0);
}

static void pump(uv_idle_t *h)
{
        struct office_at_work *o = h->data;
        uv_idle_stop(h);
        look_how_far(o);
        for (uint64_t n; o->started && (n = allowed(o)) > 0;) {
                enter(o, n);
                courier_grew(&o->courier, now());
        }
        look_for_the_end(o);
        if (o->ended)
                return;
        if (!o->ready && (o->courier.uplink.state == UPLINK_OPEN || o->plan->ahead)) {
                o->ready = true;
                if (!line_write(o->line, "r", 1))
                        give_up(o, "getting ready", "nobody there");
        }
        arm_tick(o);
        arm_clock(o);
}

static void on_chores(uv_timer_t *t)
{
        struct office_at_work *o = t->data;
        struct err e;
        must(o, "its outbox", outbox_tend(&o->outbox, false, &e), &e);
}

static void on_due(uv_poll_t *h, int status, int events)
{
        struct office_at_work *o = h->data;
        uint64_t n;
        (void)status, (void)events;
        if (read(o->clock, &n, sizeof n) == sizeof n)
                stir(o);
}

/* ---- what the courier borrows */

static bool send_hq(void *ctx, const void *bytes, size_t n)
{
        struct office_at_work *o = ctx;
        struct zframe frame = {bytes, n};
        return !o->ended && zpoll_send(o->link, NULL, 0, &frame, 1) == 0;
}

static void disk(void *ctx, const struct err *e)
{
        if (e)
                give_up(ctx, "its outbox", e->text);
}

static void judged(void *ctx)
{
        (void)ctx;
}

static void no_catalog(void *ctx, struct catalog **next)
{
        (void)next;
        give_up(ctx, "HQ's catalogue", "it is another one");
}

static void note(void *ctx, const char *sentence, const char *about)
{
        const struct office_at_work *o = ctx;
        fprintf(stderr, "bench_offices: office %s notes: %s %s\n", o->catalog->offices[o->office].code,
                sentence, about ? about : "");
}

/* ---- the line to HQ */

static void on_message(void *ctx, const struct zmessage *m)
{
        struct office_at_work *o = ctx;
        if (o->ended)
                return;
        struct wire_bytes frame = {m->frames[0].bytes, m->frames[0].n};
        courier_message(&o->courier, &frame, m->n, now());
        stir(o);
}

static void on_link(void *ctx, enum zlink what)
{
        struct office_at_work *o = ctx;
        if (o->ended)
                return;
        courier_link(&o->courier, what == ZLINK_UP, now());
        stir(o);
}

static void dial(struct office_at_work *o)
{
        struct err e;
        struct zcurve curve = {.public_key = o->keys.curve_public,
                               .secret_key = o->keys.curve_secret,
                               .server_key = o->keys.aggregator};
        must(o, "connecting",
             zpoll_dealer(&o->link, &o->loop, o->zmq, o->plan->hq, &curve, on_message, on_link, o, &e), &e);
}

static void on_signal(uv_poll_t *h, int status, int events)
{
        struct office_at_work *o = h->data;
        (void)status, (void)events;
        uv_poll_stop(h);
        if (!line_read(o->line, &o->start_ns, sizeof o->start_ns))
                give_up(o, "waiting for the start", "nobody there");
        o->started = true;
        o->cpu_then = cpu_s();
        if (o->plan->ahead)
                dial(o);
        stir(o);
}

/* ---- life */

static void open_outbox(struct office_at_work *o)
{
        char path[4096];
        const char *code = o->catalog->offices[o->office].code;
        struct err e;
        snprintf(path, sizeof path, "%s/%s/outbox.db", o->plan->state, code);
        must(o, "its outbox", outbox_open(&o->outbox, path, code, clock_us(), &e), &e);
        snprintf(path, sizeof path, "%s/office-%s", o->plan->keys, code);
        must(o, "its keys", keys_load(path, &o->keys, &e), &e);
}

static void fill_ahead(struct office_at_work *o)
{
        struct err e;
        for (uint64_t n; o->plan->ahead && (n = allowed(o)) > 0;) {
                enter(o, n);
                must(o, "its outbox", outbox_tend(&o->outbox, false, &e), &e);
        }
}

static void open_loop(struct office_at_work *o)
{
        const struct courier_host host = {o, send_hq, disk, judged, no_catalog, note};
        struct err e = {0};
        courier_init(&o->courier, &host, &o->outbox, &o->keys, o->catalog);
        o->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        o->zmq = zpoll_context(&e);
        POST(o->clock >= 0 && o->zmq);
        uv_loop_init(&o->loop);
        uv_timer_init(&o->loop, &o->tick);
        uv_timer_init(&o->loop, &o->chores);
        uv_idle_init(&o->loop, &o->pump);
        uv_poll_init(&o->loop, &o->signal, o->line);
        uv_poll_init(&o->loop, &o->due, o->clock);
        o->tick.data = o->chores.data = o->pump.data = o->signal.data = o->due.data = o;
        uv_timer_start(&o->chores, on_chores, CHORES_MS, CHORES_MS);
        uv_poll_start(&o->signal, UV_READABLE, on_signal);
        uv_poll_start(&o->due, UV_READABLE, on_due);
        stir(o);
}

static void close_all(struct office_at_work *o)
{
        courier_close(&o->courier);
        outbox_close(&o->outbox); /* the log is moved into the file */
        uv_loop_close(&o->loop);
        zpoll_context_close(o->zmq);
        keys_close(&o->keys);
        text_close(&o->payload);
        close(o->clock);
        free(o->facts);
}

static uint64_t outbox_size(const struct office_at_work *o)
{
        char path[4096];
        struct stat s;
        snprintf(path, sizeof path, "%s/%s/outbox.db", o->plan->state, o->catalog->offices[o->office].code);
        return stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
}

/* What drawing took has been given back, and is not to be counted. */
static void forget_high_water(void)
{
        FILE *f = fopen("/proc/self/clear_refs", "w");
        if (f)
                fputs("5", f);
        if (f)
                fclose(f);
}

int office_run(const struct plan *p, const struct catalog *c, uint32_t office, struct sums *sums, int line)
{
        struct office_at_work o = {.plan = p, .catalog = c, .office = office, .line = line};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        o.done.drawn_bytes = p->reports * p->rows * sizeof *o.facts;
        o.facts = malloc(o.done.drawn_bytes);
        o.took_ns = calloc(p->reports, sizeof *o.took_ns);
        POST(o.facts && o.took_ns);
        draw(&o, sums);
        sums_close(sums);
        forget_high_water();
        o.done.draw_s = cpu_s();
        open_outbox(&o);
        fill_ahead(&o);
        open_loop(&o);
        if (!p->ahead)
                dial(&o);
        uv_run(&o.loop, UV_RUN_DEFAULT);
        close_all(&o);
        o.done.outbox_bytes = outbox_size(&o);
        bool told = line_write(line, &o.done, sizeof o.done) &&
                    line_write(line, o.took_ns, p->reports * sizeof *o.took_ns);
        free(o.took_ns);
        return told ? 0 : 1;
}
