#include "session/feed.h"

#include "base/check.h"
#include "base/planted.h"

#include <string.h>

const char *feed_state_word(enum feed_state s)
{
        static const char *const words[] = {"alone", "resuming", "catalogue", "ready", "fenced"};
        return words[s];
}

void feed_init(struct feed *f, uint64_t incarnation)
{
        *f = (struct feed){.incarnation = incarnation};
}

bool feed_may_flush(const struct feed *f)
{
        return f->state == FEED_READY && !f->in_flight;
}

/* Whatever was in memory rests on a term that may be over: begin again from what the store says. */
static void begin_again(struct feed *f, int64_t now_ms, struct feed_todo *todo)
{
        todo->forget = !PLANTED(MEMORY_OUTLIVES_TERM);
        todo->resume = true;
        f->state = FEED_RESUMING;
        f->attempt++;
        f->in_flight = f->asked = false;
        f->number = 0;
        f->deadline_ms = now_ms + FEED_PATIENCE_MS;
}

/* What was asked is waited for, but not for ever. */
static void wait_on(struct feed *f, int64_t now_ms)
{
        f->deadline_ms = f->in_flight || f->asked ? now_ms + FEED_ANSWER_MS : 0;
}

static void lose(struct feed *f, int64_t now_ms, struct feed_todo *todo)
{
        todo->forget = f->state != FEED_ALONE;
        f->state = FEED_ALONE;
        f->in_flight = f->asked = false;
        f->deadline_ms = f->hello ? now_ms + FEED_PATIENCE_MS : 0;
}

static void resumed(struct feed *f, const struct wire_resumed *r, int64_t now_ms, struct feed_todo *todo)
{
        bool old = r->attempt != f->attempt || r->incarnation != f->incarnation;
        if (f->state != FEED_RESUMING || (old && !PLANTED(OLD_TERM_BELIEVED)))
                return;
        f->term = r->term;
        if (r->version > f->version)
                f->version = r->version;
        todo->streams = r;
        f->deadline_ms = now_ms + FEED_PATIENCE_MS;
        if (r->more)
                return;
        f->state = FEED_CATALOG;
        memcpy(f->catalog, r->catalog, sizeof f->catalog);
        f->fetched = 0;
        todo->want_catalog = true;
}

static void piece(struct feed *f, const struct wire_piece *p, int64_t now_ms, struct feed_todo *todo)
{
        if (f->state != FEED_CATALOG || memcmp(p->digest, f->catalog, sizeof p->digest) != 0 ||
            p->offset != f->fetched || p->bytes.n == 0 || p->bytes.n > p->size - p->offset)
                return;
        todo->keep_piece = p;
        f->fetched += p->bytes.n;
        f->fetch_size = p->size;
        f->deadline_ms = now_ms + FEED_PATIENCE_MS;
        if (f->fetched < p->size)
                todo->ask_piece = true;
        else
                todo->catalog_complete = true;
}

static void committed(struct feed *f, const struct wire_committed *c, int64_t now_ms, struct feed_todo *todo)
{
        bool ours = (c->term == f->term && c->number == f->number) || PLANTED(ANY_COMMIT_WILL_DO);
        if (f->state != FEED_READY || !f->in_flight || !ours)
                return;
        if (c->refused) {
                todo->log =
                    c->fenced ? "fenced: another aggregator has the term" : "the sink refused a flush";
                lose(f, now_ms, todo);
                if (c->fenced) {
                        f->state = FEED_FENCED;
                        f->deadline_ms = 0;
                }
                return;
        }
        f->in_flight = false;
        wait_on(f, now_ms);
        if (c->version > f->version)
                f->version = c->version;
        todo->committed = true;
        todo->may_flush = true;
}

static void message(struct feed *f, const struct feed_event *ev, struct feed_todo *todo)
{
        const struct wire_message *m = ev->message;
        switch (m->kind) {
        case WIRE_HELLO:
                if (m->hello.version > f->version)
                        f->version = m->hello.version;
                f->hello = m->hello.number;
                begin_again(f, ev->now_ms, todo);
                break;
        case WIRE_RESUMED: resumed(f, &m->resumed, ev->now_ms, todo); break;
        case WIRE_CATALOG_PIECE: piece(f, &m->piece, ev->now_ms, todo); break;
        case WIRE_COMMITTED: committed(f, &m->committed, ev->now_ms, todo); break;
        default: break; /* answers to questions of the downlinks pass by this machine */
        }
}

void feed_step(struct feed *f, const struct feed_event *ev, struct feed_todo *todo)
{
        *todo = (struct feed_todo){0};
        switch (ev->kind) {
        case FEED_MESSAGE: message(f, ev, todo); break;
        case FEED_CATALOG_HELD:
                if (f->state != FEED_CATALOG)
                        break;
                f->state = FEED_READY;
                f->deadline_ms = 0;
                todo->ready = todo->may_flush = true;
                break;
        case FEED_FLUSH_SENT:
                PRE(feed_may_flush(f));
                f->number++;
                f->in_flight = true;
                wait_on(f, ev->now_ms);
                break;
        case FEED_RECALL_SENT:
                f->asked = true;
                wait_on(f, ev->now_ms);
                break;
        case FEED_RECALLED:
                f->asked = false;
                wait_on(f, ev->now_ms);
                break;
        case FEED_LOST: lose(f, ev->now_ms, todo); break;
        case FEED_TICK:
                if (!f->deadline_ms || ev->now_ms < f->deadline_ms)
                        break;
                if (f->state == FEED_READY)
                        todo->log = "the sink does not answer";
                begin_again(f, ev->now_ms, todo);
                break;
        }
}

void feed_trace(const struct feed *f, const struct feed_todo *todo, struct text *out)
{
        if (todo->log)
                text_printf(out, "log %s\n", todo->log);
        if (todo->forget)
                text_add(out, "forget everything in memory\n");
        if (todo->resume)
                text_printf(out, "send resume attempt=%llu\n", (unsigned long long)f->attempt);
        if (todo->streams)
                text_printf(out, "remember streams=%zu term=%llu\n", todo->streams->n,
                            (unsigned long long)f->term);
        if (todo->want_catalog)
                text_add(out, "load catalogue\n");
        if (todo->keep_piece)
                text_printf(out, "keep piece offset=%llu\n", (unsigned long long)todo->keep_piece->offset);
        if (todo->ask_piece)
                text_printf(out, "ask catalogue offset=%llu\n", (unsigned long long)f->fetched);
        if (todo->catalog_complete)
                text_add(out, "catalogue complete\n");
        if (todo->ready)
                text_add(out, "ready\n");
        if (todo->committed)
                text_printf(out, "committed flush=%llu\n", (unsigned long long)f->number);
        if (todo->may_flush)
                text_add(out, "may flush\n");
}

static void sink_hello(struct feed_sink *s, const struct feed_sink_event *ev, struct feed_sink_todo *todo)
{
        s->state = FEED_SINK_HELLO;
        s->term = 0;
        s->hello++;
        if (ev->clock_us > 0 && (uint64_t)ev->clock_us > s->hello)
                s->hello = (uint64_t)ev->clock_us;
        s->incarnation = s->attempt = 0;
        s->deadline_ms = ev->now_ms + FEED_PATIENCE_MS;
        todo->hello = true;
}

/* A term is opened once for each attempt, and only for an answer to our last hello: an aggregator that is
 * dead, or that we left, opens none any more, whenever its words arrive. One that lives and answers an older
 * hello (they may come late, too) is told the last one. */
static void sink_resume(struct feed_sink *s, const struct feed_sink_event *ev, struct feed_sink_todo *todo)
{
        const struct wire_resume *r = &ev->message->resume;
        if (r->version > s->heard)
                s->heard = r->version;
        if (r->hello != s->hello) {
                if (s->state == FEED_SINK_OPEN)
                        sink_hello(s, ev, todo);
        } else if (r->incarnation != s->incarnation || r->attempt > s->attempt) {
                s->incarnation = r->incarnation;
                s->attempt = r->attempt;
                todo->open_term = true;
        }
}

static void sink_message(struct feed_sink *s, const struct feed_sink_event *ev, struct feed_sink_todo *todo)
{
        const struct wire_message *m = ev->message;
        switch (m->kind) {
        case WIRE_RESUME: sink_resume(s, ev, todo); break;
        case WIRE_FLUSH:
                if (m->flush.heard > s->heard)
                        s->heard = m->flush.heard;
                todo->judge_flush = true;
                break;
        case WIRE_RECALL:
        case WIRE_STREAM_ASK:
        case WIRE_HASH_ASK:
        case WIRE_VERDICTS_ASK:
        case WIRE_CATALOG_ASK:
        case WIRE_GAP: todo->serve = s->state == FEED_SINK_OPEN; break;
        default: break;
        }
}

/* Words of an older connection may have made the aggregator forget this one: it would wait for us, and we for
 * it. One that has forgotten us does not even knock. */
static void sink_hears(struct feed_sink *s, int64_t now_ms)
{
        if (s->state == FEED_SINK_OPEN)
                s->deadline_ms = now_ms + FEED_SILENCE_MS;
}

void feed_sink_step(struct feed_sink *s, const struct feed_sink_event *ev, struct feed_sink_todo *todo)
{
        *todo = (struct feed_sink_todo){0};
        switch (ev->kind) {
        case FEED_SINK_LINK_UP:
        case FEED_SINK_AGAIN: /* marks or catalogue changed under the aggregator: have it begin again */
                sink_hello(s, ev, todo);
                break;
        case FEED_SINK_LINK_DOWN:
                s->state = FEED_SINK_DOWN;
                s->term = 0;
                s->deadline_ms = 0;
                break;
        case FEED_SINK_KNOCK: sink_hears(s, ev->now_ms); break;
        case FEED_SINK_MESSAGE:
                sink_hears(s, ev->now_ms);
                if (s->state != FEED_SINK_DOWN)
                        sink_message(s, ev, todo);
                break;
        case FEED_SINK_TERM_OPENED:
                s->state = FEED_SINK_OPEN;
                s->term = ev->term;
                sink_hears(s, ev->now_ms);
                break;
        case FEED_SINK_TICK:
                if (s->state != FEED_SINK_DOWN && ev->now_ms >= s->deadline_ms)
                        sink_hello(s, ev, todo);
                break;
        }
}

void feed_sink_trace(const struct feed_sink *s, const struct feed_sink_todo *todo, struct text *out)
{
        if (todo->hello)
                text_add(out, "send hello\n");
        if (todo->open_term)
                text_printf(out, "open term above=%llu\n", (unsigned long long)s->term);
        if (todo->judge_flush)
                text_printf(out, s->heard ? "judge flush above=%llu\n" : "judge flush\n",
                            (unsigned long long)s->heard);
        if (todo->serve)
                text_add(out, "serve\n");
}

const char *feed_judge(const struct wire_flush *flush, uint64_t term,
                       bool (*stored)(void *ctx, const struct wire_step *step, uint64_t *seq,
                                      struct hash *hash),
                       void *ctx, bool *fenced)
{
        *fenced = flush->term != term && !PLANTED(NO_FENCE);
        if (*fenced)
                return "the term of this flush is not the store's";
        for (size_t i = 0; i < flush->n_steps; i++) {
                const struct wire_step *step = &flush->steps[i];
                uint64_t seq;
                struct hash hash;
                if (!stored(ctx, step, &seq, &hash))
                        return "a stream of this flush is not in the store";
                if ((seq != step->from_seq || !hash_same(hash, step->from_hash)) && !PLANTED(FLUSH_TWICE))
                        return "a stream of this flush does not start at its stored mark";
                if (step->to_seq < step->from_seq)
                        return "a stream of this flush goes backwards";
        }
        return NULL;
}
