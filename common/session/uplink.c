/* The search for a fork is a bisection over "does HQ have the same hash at seq?", which is true up to some
 * report and false after it. `low` is the last place known to be shared, `high` the last that may be. The
 * floor of an outbox that still holds everything is 0, where all chains of a stream agree. */
#include "session/uplink.h"

#include "base/check.h"
#include "base/planted.h"

#include <stdio.h>
#include <string.h>

const char *uplink_state_word(enum uplink_state s)
{
        static const char *const words[] = {"down", "greeting", "comparing", "searching", "open", "stopped"};
        return words[s];
}

void uplink_init(struct uplink *u, const struct uplink_start *start)
{
        PRE(strlen(start->office) <= CODE_MAX);
        *u = (struct uplink){.stream = start->stream,
                             .turn = start->turn,
                             .head = start->head,
                             .floor = start->floor,
                             .mark = start->mark,
                             .sent = start->mark.seq,
                             .decided = start->decided,
                             .older_wait = start->older_wait,
                             .closed = start->closed,
                             .older_held = start->older_held,
                             .version = start->version,
                             .has_catalog = start->has_catalog};
        memcpy(u->office, start->office, strlen(start->office) + 1);
        memcpy(u->catalog, start->catalog, sizeof u->catalog);
}

bool uplink_is_last(const struct uplink *u)
{
        return u->closed || u->last_turn <= u->turn;
}

static void forget_sent(struct uplink *u, uint64_t from)
{
        u->sent = from;
        u->n_under_way = 0;
        u->bytes_under_way = 0;
        u->send_blocked = false;
}

static void greet(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        u->state = UPLINK_GREETING;
        u->deadline_ms = now_ms + UPLINK_PATIENCE_MS;
        todo->greet = true;
}

static void stop(struct uplink *u, int64_t deadline_ms, const char *code, const char *text,
                 struct uplink_todo *todo)
{
        u->state = UPLINK_STOPPED;
        u->deadline_ms = deadline_ms;
        snprintf(u->stop_code, sizeof u->stop_code, "%s", code);
        snprintf(u->stop_text, sizeof u->stop_text, "%s", text);
        todo->log = u->stop_text;
}

/* One more message, if there is something to send and room for it in HQ's window. */
static void go_on(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->state != UPLINK_OPEN)
                return;
        bool waits = u->sent < u->head.seq;
        if (waits && !u->send_blocked && u->n_under_way < UPLINK_UNDER_WAY &&
            u->bytes_under_way < u->window) {
                size_t room = u->window - u->bytes_under_way;
                todo->send = true;
                todo->send_after = u->sent;
                todo->send_bytes = room < WIRE_MESSAGE ? room : WIRE_MESSAGE;
        }
        if (u->sent == u->mark.seq)
                u->deadline_ms = 0;
        else if (u->deadline_ms == 0)
                u->deadline_ms = now_ms + UPLINK_PROGRESS_MS;
}

static void ask_step(struct uplink *u, int64_t now_ms, struct uplink_todo *todo);

/* Below the floor nothing is held that could be compared, or queued again. */
static void search_from_floor(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        u->low = u->floor.seq;
        u->low_known = u->floor.seq == 0;
        if (u->high < u->low)
                u->high = u->low;
        ask_step(u, now_ms, todo);
}

static void search(struct uplink *u, uint64_t high, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->closed) {
                /* Put back, and then told other reports by a copy of this outbox. Ours cannot follow them. */
                todo->log = "HQ holds other reports under the numbers of an older stream";
                todo->next = true;
                return;
        }
        u->state = UPLINK_SEARCHING;
        u->high = high < u->head.seq ? high : u->head.seq;
        todo->log = "HQ holds other reports under our numbers: this outbox was restored or copied";
        search_from_floor(u, now_ms, todo);
}

static void fork_at(struct uplink *u, uint64_t after, struct uplink_todo *todo)
{
        todo->fork = true;
        todo->fork_after = after;
        u->deadline_ms = 0; /* the answer comes from our own disk */
}

static uint64_t probe(const struct uplink *u)
{
        return u->low_known ? u->low + (u->high - u->low + 1) / 2 : u->low;
}

static void ask_step(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->low_known && u->low == u->high) {
                fork_at(u, u->low, todo);
                return;
        }
        u->ours_known = u->theirs_known = false;
        u->deadline_ms = now_ms + UPLINK_PATIENCE_MS;
        todo->look_up = todo->ask_hash = true;
        todo->look_up_seq = todo->ask_seq = probe(u);
}

static void search_step(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (!u->ours_known || !u->theirs_known)
                return;
        bool shared = hash_same(u->ours, u->theirs);
        if (!u->low_known && !shared) {
                /* What we still hold begins after the fork: all of it is new to HQ. */
                fork_at(u, u->low, todo);
                return;
        }
        if (!u->low_known)
                u->low_known = true;
        else if (shared)
                u->low = probe(u);
        else
                u->high = probe(u) - 1;
        ask_step(u, now_ms, todo);
}

static void agreed(struct uplink *u, int64_t now_ms, struct uplink_todo *todo);

/* HQ says that everything up to m is safe. Ours has to agree before anything follows from it. */
static void compare(struct uplink *u, const struct wire_mark *m, int64_t now_ms, struct uplink_todo *todo)
{
        if (m->version > u->version)
                u->version = m->version;
        todo->mark_clock_us = m->clock_us;
        todo->mark_version = m->version;
        if (u->closed && m->seq >= u->head.seq) {
                u->asked = u->head;
                agreed(u, now_ms, todo);
                return;
        }
        if (m->seq > u->head.seq) {
                search(u, m->seq, now_ms, todo);
                return;
        }
        if (m->seq < u->floor.seq) {
                stop(u, now_ms + UPLINK_GAP_MS, "gap",
                     "HQ lacks reports that this outbox no longer holds: see `sumu stream skip`", todo);
                return;
        }
        u->asked = (struct point){m->seq, m->hash};
        todo->look_up = true;
        todo->look_up_seq = m->seq;
}

static void agreed(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        bool reopened = u->state == UPLINK_COMPARING;
        u->state = UPLINK_OPEN;
        todo->keep_mark = true;
        u->mark = u->asked;
        if (u->decided > u->mark.seq)
                u->decided = u->mark.seq; /* HQ came back from a backup and judges anew */
        if ((reopened && !PLANTED(RESTORED_HQ_IGNORED)) || u->sent < u->mark.seq) {
                forget_sent(u, u->mark.seq);
        } else {
                size_t gone = 0;
                while (gone < u->n_under_way && u->under_way[gone].seq <= u->mark.seq)
                        u->bytes_under_way -= u->under_way[gone++].bytes;
                u->n_under_way -= gone;
                memmove(u->under_way, u->under_way + gone, u->n_under_way * sizeof *u->under_way);
        }
        u->chain_refusals = 0;
        u->deadline_ms = 0; /* the mark moved: patience begins anew */
        u->quiet_deadline_ms = now_ms + UPLINK_QUIET_MS;
        u->stop_code[0] = u->stop_text[0] = '\0';
        todo->next = u->closed && u->mark.seq == u->head.seq;
        go_on(u, now_ms, todo);
}

static void looked_up(struct uplink *u, const struct uplink_event *ev, struct uplink_todo *todo)
{
        if (u->state == UPLINK_SEARCHING && ev->point.seq == probe(u)) {
                u->ours_known = true;
                u->ours = ev->point.hash;
                search_step(u, ev->now_ms, todo);
        } else if ((u->state == UPLINK_COMPARING || u->state == UPLINK_OPEN) &&
                   ev->point.seq == u->asked.seq) {
                if (ev->known && (hash_same(ev->point.hash, u->asked.hash) || PLANTED(FORK_BY_NUMBER)))
                        agreed(u, ev->now_ms, todo);
                else
                        search(u, u->asked.seq, ev->now_ms, todo);
        }
}

static void ask_piece(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        todo->ask_catalog = true;
        u->fetch_deadline_ms = now_ms + UPLINK_PATIENCE_MS;
}

static void welcome(struct uplink *u, const struct wire_welcome *w, int64_t now_ms, struct uplink_todo *todo)
{
        if (!stream_same(w->stream, u->stream) || u->state == UPLINK_DOWN)
                return;
        bool anew = w->life != u->life;
        u->life = w->life;
        if (anew && u->older_held) {
                todo->review = true;
                return;
        }
        u->window = w->window;
        todo->keep_turn = w->turn != u->turn;
        u->turn = w->turn;
        u->last_turn = w->last_turn;
        if (!u->has_catalog || memcmp(u->catalog, w->catalog, sizeof u->catalog) != 0) {
                if (!u->fetching || memcmp(u->wanted_catalog, w->catalog, sizeof u->catalog) != 0)
                        u->fetched = 0;
                u->fetching = true;
                memcpy(u->wanted_catalog, w->catalog, sizeof u->catalog);
                ask_piece(u, now_ms, todo);
        }
        u->state = UPLINK_COMPARING;
        u->deadline_ms = now_ms + UPLINK_PATIENCE_MS;
        compare(u, &w->mark, now_ms, todo);
}

static void marked(struct uplink *u, const struct wire_mark *m, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->state != UPLINK_OPEN || !stream_same(m->stream, u->stream))
                return;
        if (m->seq < u->mark.seq)
                greet(u, now_ms,
                      todo); /* rule 6: HQ came back from a backup; its next welcome tells from where */
        else
                compare(u, m, now_ms, todo);
}

static void piece(struct uplink *u, const struct wire_piece *p, int64_t now_ms, struct uplink_todo *todo)
{
        if (!u->fetching || memcmp(p->digest, u->wanted_catalog, sizeof p->digest) != 0 ||
            p->offset != u->fetched || p->bytes.n == 0 || p->bytes.n > p->size - p->offset)
                return;
        todo->keep_piece = p;
        u->fetched += p->bytes.n;
        u->fetch_size = p->size;
        if (u->fetched < p->size) {
                ask_piece(u, now_ms, todo);
                return;
        }
        u->fetching = false;
        u->fetched = 0;
        todo->catalog_complete = true;
}

static void refused(struct uplink *u, const struct wire_refusal *r, int64_t now_ms, struct uplink_todo *todo)
{
        if (!stream_same(r->stream, u->stream) || u->state == UPLINK_DOWN)
                return;
        if (strcmp(r->code, "gap") == 0) {
                stop(u, now_ms + UPLINK_GAP_MS, r->code, r->text, todo);
        } else if (strcmp(r->code, "chain") == 0 && u->chain_refusals++ == 0) {
                /* A copy of this outbox may have been faster: the next mark tells, and then it is a fork. */
                greet(u, now_ms, todo);
        } else if (strcmp(r->code, "chain") == 0) {
                /* Its reports may lie in a flush that the store has not committed yet: no mark tells of it.
                 */
                stop(u, now_ms + UPLINK_GAP_MS, r->code, r->text, todo);
        } else {
                stop(u, 0, r->code, r->text, todo);
        }
}

static void ask_verdicts(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        todo->ask_verdicts = true;
        todo->verdicts_of = (struct wire_wanted){u->stream, u->decided + 1};
        u->verdicts_deadline_ms = now_ms + UPLINK_PROGRESS_MS;
}

/* Of a stream that takes no reports any more: the greeting asked for them, HQ tells them piece by piece. */
static void older_verdicts(struct uplink *u, const struct wire_verdicts *v, int64_t now_ms,
                           struct uplink_todo *todo)
{
        todo->keep_verdicts = v;
        u->older_deadline_ms = now_ms + UPLINK_PROGRESS_MS;
        if (v->more && v->n > 0) {
                todo->ask_verdicts = true;
                todo->verdicts_of = (struct wire_wanted){v->stream, v->v[v->n - 1].seq + 1};
        }
}

/* Verdicts come in the order of the reports. Where some are missing between, or HQ says that there are more,
 * the rest is asked for; so it is when they are late. Of this stream they are believed only up to a mark
 * whose hash is ours: under the same numbers HQ may hold reports of a copy of this outbox (rule 7). */
static void verdicts(struct uplink *u, const struct wire_verdicts *v, int64_t now_ms,
                     struct uplink_todo *todo)
{
        if (!stream_same(v->stream, u->stream)) {
                if (!u->closed)
                        older_verdicts(u, v, now_ms, todo);
                return;
        }
        bool covered = v->n && (v->v[v->n - 1].seq <= u->mark.seq || PLANTED(VERDICT_BEFORE_MARK));
        if (u->state != UPLINK_OPEN || !covered)
                return;
        todo->keep_verdicts = v;
        uint64_t last = v->v[v->n - 1].seq;
        bool gap = v->v[0].seq > u->decided + 1;
        if (!gap && last > u->decided) {
                u->decided = last;
                u->verdicts_deadline_ms = 0;
        }
        if (gap || v->more)
                ask_verdicts(u, now_ms, todo);
}

/* What is safe at HQ has a verdict there. */
static void mind_verdicts(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->state != UPLINK_OPEN || u->decided >= u->mark.seq)
                u->verdicts_deadline_ms = 0;
        else if (u->verdicts_deadline_ms == 0)
                u->verdicts_deadline_ms = now_ms + UPLINK_PROGRESS_MS;
        else if (now_ms >= u->verdicts_deadline_ms)
                ask_verdicts(u, now_ms, todo);
}

static void mind_older(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->state != UPLINK_OPEN || !u->older_wait) {
                u->older_deadline_ms = 0;
        } else if (u->older_deadline_ms == 0) {
                u->older_deadline_ms = now_ms + UPLINK_PROGRESS_MS;
        } else if (now_ms >= u->older_deadline_ms) {
                u->older_deadline_ms = now_ms + UPLINK_PROGRESS_MS;
                todo->ask_older = true;
        }
}

static void message(struct uplink *u, const struct uplink_event *ev, struct uplink_todo *todo)
{
        const struct wire_message *m = ev->message;
        switch (m->kind) {
        case WIRE_WELCOME: welcome(u, &m->welcome, ev->now_ms, todo); break;
        case WIRE_MARK: marked(u, &m->mark, ev->now_ms, todo); break;
        case WIRE_VERDICTS: verdicts(u, &m->verdicts, ev->now_ms, todo); break;
        case WIRE_HASH_IS:
                if (u->state == UPLINK_SEARCHING && stream_same(m->hash.stream, u->stream) &&
                    m->hash.seq == probe(u)) {
                        u->theirs_known = true;
                        u->theirs = m->hash.known ? m->hash.hash : (struct hash){{0}};
                        search_step(u, ev->now_ms, todo);
                }
                break;
        case WIRE_CATALOG_PIECE: piece(u, &m->piece, ev->now_ms, todo); break;
        case WIRE_REFUSAL: refused(u, &m->refusal, ev->now_ms, todo); break;
        default: break; /* nothing else is HQ's to say to an office */
        }
}

static void sent(struct uplink *u, const struct uplink_event *ev, struct uplink_todo *todo)
{
        if (u->state != UPLINK_OPEN)
                return;
        if (ev->seq == 0) {
                u->send_blocked = true;
                u->send_again_ms = ev->now_ms + UPLINK_RETRY_MS;
                return;
        }
        PRE(ev->seq > u->sent && ev->seq <= u->head.seq && u->n_under_way < UPLINK_UNDER_WAY);
        u->sent = ev->seq;
        u->under_way[u->n_under_way].seq = ev->seq;
        u->under_way[u->n_under_way++].bytes = ev->bytes;
        u->bytes_under_way += ev->bytes;
        go_on(u, ev->now_ms, todo);
}

static void tick(struct uplink *u, int64_t now_ms, struct uplink_todo *todo)
{
        if (u->state == UPLINK_DOWN)
                return;
        if (u->fetching && now_ms >= u->fetch_deadline_ms)
                ask_piece(u, now_ms, todo);
        if (u->send_blocked && now_ms >= u->send_again_ms) {
                u->send_blocked = false;
                go_on(u, now_ms, todo);
        }
        bool quiet = u->state == UPLINK_OPEN && now_ms >= u->quiet_deadline_ms;
        if ((quiet || (u->deadline_ms && now_ms >= u->deadline_ms)) && !PLANTED(NEVER_ASKED_AGAIN))
                greet(u, now_ms, todo);
}

static void stream_opened(struct uplink *u, const struct uplink_start *start, int64_t now_ms,
                          struct uplink_todo *todo)
{
        bool down = u->state == UPLINK_DOWN;
        struct uplink fresh;
        uplink_init(&fresh, start);
        fresh.life = u->life;
        fresh.has_catalog = u->has_catalog; /* a refused one counts as held */
        memcpy(fresh.catalog, u->catalog, sizeof fresh.catalog);
        fresh.fetching = u->fetching;
        fresh.fetched = u->fetched;
        fresh.fetch_size = u->fetch_size;
        fresh.fetch_deadline_ms = u->fetch_deadline_ms;
        memcpy(fresh.wanted_catalog, u->wanted_catalog, sizeof fresh.wanted_catalog);
        *u = fresh;
        if (!down)
                greet(u, now_ms, todo);
}

static void catalog_kept(struct uplink *u, const struct uplink_event *ev)
{
        /* Refused ones count as held too: asking again would bring the same bytes. */
        u->has_catalog = true;
        memcpy(u->catalog, ev->catalog, sizeof u->catalog);
}

void uplink_step(struct uplink *u, const struct uplink_event *ev, struct uplink_todo *todo)
{
        *todo = (struct uplink_todo){0};
        switch (ev->kind) {
        case UPLINK_LINK_UP:
                forget_sent(u, u->mark.seq);
                u->chain_refusals = 0;
                greet(u, ev->now_ms, todo);
                break;
        case UPLINK_LINK_DOWN:
                u->state = UPLINK_DOWN;
                u->deadline_ms = 0;
                u->fetching = false;
                forget_sent(u, u->mark.seq);
                break;
        case UPLINK_GREW:
                PRE(!u->closed && ev->point.seq >= u->head.seq);
                u->head = ev->point;
                go_on(u, ev->now_ms, todo);
                break;
        case UPLINK_TRIMMED:
                PRE(ev->point.seq <= u->mark.seq);
                u->floor = ev->point;
                if (u->state == UPLINK_SEARCHING && u->low < u->floor.seq)
                        search_from_floor(u, ev->now_ms, todo);
                break;
        case UPLINK_MESSAGE: message(u, ev, todo); break;
        case UPLINK_LOOKED_UP: looked_up(u, ev, todo); break;
        case UPLINK_SENT: sent(u, ev, todo); break;
        case UPLINK_STREAM_OPENED: stream_opened(u, ev->start, ev->now_ms, todo); break;
        case UPLINK_CATALOG_KEPT: catalog_kept(u, ev); break;
        case UPLINK_OLDER_DECIDED: u->older_wait = false; break;
        case UPLINK_TICK: tick(u, ev->now_ms, todo); break;
        }
        mind_verdicts(u, ev->now_ms, todo);
        mind_older(u, ev->now_ms, todo);
}

int64_t uplink_deadline(const struct uplink *u)
{
        int64_t least = u->deadline_ms;
        if (u->state == UPLINK_OPEN && (least == 0 || u->quiet_deadline_ms < least))
                least = u->quiet_deadline_ms;
        if (u->fetching && (least == 0 || u->fetch_deadline_ms < least))
                least = u->fetch_deadline_ms;
        if (u->verdicts_deadline_ms && (least == 0 || u->verdicts_deadline_ms < least))
                least = u->verdicts_deadline_ms;
        if (u->older_deadline_ms && (least == 0 || u->older_deadline_ms < least))
                least = u->older_deadline_ms;
        if (u->send_blocked && (least == 0 || u->send_again_ms < least))
                least = u->send_again_ms;
        return least;
}

void uplink_trace(const struct uplink *u, const struct uplink_todo *todo, struct text *out)
{
        if (todo->log)
                text_printf(out, "log %s\n", todo->log);
        if (todo->keep_turn)
                text_printf(out, "keep turn=%u\n", u->turn);
        if (todo->keep_mark)
                text_printf(out, "keep mark=%llu\n", (unsigned long long)u->mark.seq);
        if (todo->keep_verdicts)
                for (size_t i = 0; i < todo->keep_verdicts->n; i++) {
                        const struct wire_verdict *v = &todo->keep_verdicts->v[i];
                        text_printf(out, "keep verdict seq=%llu %s revision=%u\n", (unsigned long long)v->seq,
                                    verdict_word(v->verdict), v->revision);
                }
        if (todo->keep_piece)
                text_printf(out, "keep piece offset=%llu bytes=%zu\n",
                            (unsigned long long)todo->keep_piece->offset, todo->keep_piece->bytes.n);
        if (todo->catalog_complete)
                text_add(out, "catalogue complete\n");
        if (todo->fork)
                text_printf(out, "fork after=%llu\n", (unsigned long long)todo->fork_after);
        if (todo->review)
                text_add(out, "speak of the oldest stream\n");
        if (todo->next)
                text_add(out, "speak of the next stream\n");
        if (todo->greet)
                text_printf(out, "greet turn=%u head=%llu floor=%llu\n", u->turn,
                            (unsigned long long)u->head.seq, (unsigned long long)u->floor.seq);
        if (todo->look_up)
                text_printf(out, "look up seq=%llu\n", (unsigned long long)todo->look_up_seq);
        if (todo->ask_hash)
                text_printf(out, "ask hash seq=%llu\n", (unsigned long long)todo->ask_seq);
        if (todo->ask_verdicts)
                text_printf(out, "ask verdicts %safter=%llu\n",
                            stream_same(todo->verdicts_of.stream, u->stream) ? "" : "of an older stream ",
                            (unsigned long long)todo->verdicts_of.from - 1);
        if (todo->ask_older)
                text_add(out, "ask verdicts of older streams\n");
        if (todo->ask_catalog)
                text_printf(out, "ask catalogue offset=%llu\n", (unsigned long long)u->fetched);
        if (todo->send)
                text_printf(out, "send after=%llu bytes<=%zu\n", (unsigned long long)todo->send_after,
                            todo->send_bytes);
}
