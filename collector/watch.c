#include "collector/watch.h"

#include "collector/collector.h"

#include <inttypes.h>
#include <stdio.h>

enum {
        ANSWERS_MS = 30 * 1000, /* a peer that said something within it answers */
        BACKLOG_MS = 60 * 1000, /* a backlog that does not shrink */
};
static const int64_t clocks_apart_us = INT64_C(5) * 60 * 1000 * 1000;

static void look_at_link(struct collector *c)
{
        char sentence[360];
        const struct uplink *u = &c->courier.uplink;
        if (u->state == UPLINK_STOPPED) {
                snprintf(sentence, sizeof sentence, "HQ takes no reports from this outbox: %s (%s)",
                         u->stop_text, u->stop_code);
                health_raise(c->health, HEALTH_FAILING, "stopped", sentence);
                health_clear(c->health, "hq");
                return;
        }
        health_clear(c->health, "stopped");
        if (u->state == UPLINK_OPEN)
                health_clear(c->health, "hq");
        else
                health_raise(c->health, HEALTH_DEGRADED, "hq",
                             "HQ is not reached; reports are kept and sent later");
}

static void look_at_clock(struct collector *c)
{
        int64_t apart = c->courier.hq_ahead_us < 0 ? -c->courier.hq_ahead_us : c->courier.hq_ahead_us;
        if (apart <= clocks_apart_us) {
                health_clear(c->health, "clock");
                return;
        }
        char sentence[120];
        snprintf(sentence, sizeof sentence, "HQ's clock is %" PRId64 " seconds %s ours", apart / 1000000,
                 c->courier.hq_ahead_us > 0 ? "ahead of" : "behind");
        health_raise(c->health, HEALTH_DEGRADED, "clock", sentence);
}

static void look_at_backlog(struct collector *c)
{
        const struct outbox_now *n = &c->outbox.now;
        int64_t now_ms = clock_monotonic_ms();
        bool answers = c->courier.uplink.state != UPLINK_DOWN && c->courier.heard_ms &&
                       now_ms - c->courier.heard_ms < ANSWERS_MS;
        if (!answers || n->mark.seq >= n->head.seq || n->mark.seq > c->shrank_mark)
                c->shrank_ms = now_ms;
        c->shrank_mark = n->mark.seq;
        if (now_ms - c->shrank_ms > BACKLOG_MS)
                health_raise(c->health, HEALTH_FAILING, "backlog", "reports wait although HQ answers");
        else
                health_clear(c->health, "backlog");
}

static void look_at_outbox(struct collector *c)
{
        uint64_t waiting = outbox_waiting(&c->outbox), most = config_number(c->config, "outbox.max_bytes");
        if (waiting + OUTBOX_OVERHEAD >= most)
                health_raise(c->health, HEALTH_FAILING, "outbox", "the outbox is full: new input is refused");
        else if (waiting / 4 >= most / 5)
                health_raise(c->health, HEALTH_DEGRADED, "outbox",
                             "the outbox is more than four fifths full");
        else
                health_clear(c->health, "outbox");
        if (c->outbox.now.passed)
                health_raise(c->health, HEALTH_FAILING, "not_this_offices_outbox",
                             "another outbox reports for this office now: new input is refused; start with "
                             "--take-over "
                             "to continue here");
        else
                health_clear(c->health, "not_this_offices_outbox");
        if (c->take_over)
                health_raise(c->health, HEALTH_DEGRADED, "take-over",
                             "the new stream begins when HQ has all of the old one");
        else
                health_clear(c->health, "take-over");
}

static void copy_counts(struct collector *c)
{
        const struct courier_counts *n = &c->courier.counts;
        c->counts[METRIC_SENT] = (int64_t)n->sent;
        c->counts[METRIC_RECEIVED] = (int64_t)n->received;
        c->counts[METRIC_DROPPED] = (int64_t)n->dropped;
        c->counts[METRIC_FORKS] = (int64_t)n->forks;
        c->counts[METRIC_ACCEPTED] = (int64_t)n->verdicts[ACCEPTED];
        c->counts[METRIC_SUPERSEDED] = (int64_t)n->verdicts[SUPERSEDED];
        c->counts[METRIC_REJECTED] = (int64_t)n->verdicts[REJECTED];
}

void watch_look(struct collector *c)
{
        look_at_link(c);
        look_at_clock(c);
        look_at_backlog(c);
        look_at_outbox(c);
        copy_counts(c);
        c->counts[METRIC_HEAD] = (int64_t)c->outbox.now.head.seq;
        c->counts[METRIC_MARK] = (int64_t)c->outbox.now.mark.seq;
        c->counts[METRIC_WAITING] = (int64_t)outbox_waiting(&c->outbox);
        c->counts[METRIC_QUOTA] = (int64_t)config_number(c->config, "outbox.max_bytes");
        c->counts[METRIC_LINK] = c->courier.uplink.state == UPLINK_OPEN;
        c->counts[METRIC_LATE] = (int64_t)zpoll_late(c->link);
}
