/* A batch is proven from where HQ stands: its reports are hashed one after the other from the hash it names
 * as the one before; that chain must run through the hash at `taken`, and its head must be signed. Then what
 * lies beyond `taken` is new, whatever the message boundaries were when it was sent first. */
#include "session/downlink.h"

#include "base/check.h"
#include "base/planted.h"

#include <string.h>

const char *downlink_state_word(enum downlink_state s)
{
        static const char *const words[] = {"new", "asking", "open", "refused"};
        return words[s];
}

void downlink_init(struct downlink *d, const char *office)
{
        PRE(strlen(office) <= CODE_MAX);
        *d = (struct downlink){0};
        memcpy(d->office, office, strlen(office) + 1);
}

static struct wire_mark mark_of(const struct downlink_event *ev)
{
        const struct point *safe = PLANTED(ACK_BEFORE_COMMIT) ? &ev->stream->taken : &ev->stream->mark;
        return (struct wire_mark){.stream = ev->stream->id,
                                  .seq = safe->seq,
                                  .hash = safe->hash,
                                  .version = ev->version,
                                  .clock_us = ev->clock_us};
}

static void send_mark(const struct downlink_event *ev, struct downlink_todo *todo)
{
        todo->send = true;
        todo->reply = (struct wire_message){.kind = WIRE_MARK, .mark = mark_of(ev)};
}

static void send_welcome(const struct downlink_event *ev, struct downlink_todo *todo)
{
        struct wire_welcome w = {.stream = ev->stream->id,
                                 .turn = ev->stream->turn,
                                 .last_turn = ev->last_turn,
                                 .mark = mark_of(ev),
                                 .window = DOWNLINK_WINDOW,
                                 .life = ev->life};
        memcpy(w.catalog, ev->catalog, sizeof w.catalog);
        todo->send = true;
        todo->reply = (struct wire_message){.kind = WIRE_WELCOME, .welcome = w};
}

static void refuse(struct downlink *d, const char *code, const char *text, uint64_t seq,
                   struct downlink_todo *todo)
{
        d->state = DOWNLINK_REFUSED;
        todo->log = text;
        todo->send = true;
        todo->reply = (struct wire_message){
            .kind = WIRE_REFUSAL, .refusal = {.stream = d->stream, .code = code, .text = text, .seq = seq}};
}

/* The store has spoken of the stream: welcome the office, unless it no longer holds what HQ lacks (rule 6).
 */
static void stream_known(struct downlink *d, const struct downlink_event *ev, struct downlink_todo *todo)
{
        if (d->state == DOWNLINK_NEW || !ev->stream || !stream_same(ev->stream->id, d->stream))
                return;
        d->turn =
            ev->stream->turn; /* told to the office, which will say so of itself to a store that forgot */
        if (ev->stream->mark.seq < d->floor && !PLANTED(GAP_PASSED_OVER)) {
                refuse(d, "gap",
                       "HQ lacks reports that the office no longer holds; `sumu stream skip` lets it go on",
                       ev->stream->mark.seq, todo);
                todo->note_gap = true;
                return;
        }
        d->state = DOWNLINK_OPEN;
        send_welcome(ev, todo);
        todo->ask_verdicts = d->wanted;
        todo->n_ask_verdicts = d->n_wanted;
}

static void greeting(struct downlink *d, const struct wire_greeting *g, const struct downlink_event *ev,
                     struct downlink_todo *todo)
{
        d->stream = g->stream;
        d->turn = g->turn;
        d->floor = g->floor;
        d->floor_hash = g->floor_hash;
        if (strcmp(g->office, d->office) != 0 && !PLANTED(IDENTITY_FROM_GREETING)) {
                refuse(d, "office", "the greeting names an office that this key does not belong to", 0, todo);
                return;
        }
        d->n_wanted = g->n_wanted < DOWNLINK_WANTED ? g->n_wanted : DOWNLINK_WANTED;
        if (d->n_wanted)
                memcpy(d->wanted, g->wanted, d->n_wanted * sizeof *d->wanted);
        d->state = DOWNLINK_ASKING;
        if (ev->stream && stream_same(ev->stream->id, d->stream))
                stream_known(d, ev, todo);
        else if (ev->crowded)
                refuse(d, "streams", "the office has opened too many streams and sent nothing in them", 0,
                       todo);
        else
                todo->ask_stream = true;
}

static void batch(struct downlink *d, const struct wire_batch *b, const struct downlink_event *ev,
                  struct downlink_todo *todo)
{
        if (d->state != DOWNLINK_OPEN || !ev->stream || !stream_same(b->stream, ev->stream->id) || b->n == 0)
                return;
        const struct point *taken = &ev->stream->taken;
        uint64_t last = b->first + b->n - 1;
        if (b->first == 0 || last < b->first)
                return;
        if (b->first > taken->seq + 1) {
                send_welcome(ev, todo); /* something between was lost: the office begins again at the mark */
                return;
        }
        if (last <= taken->seq) {
                send_mark(ev, todo);
                return;
        }
        bool shared = b->first == taken->seq + 1 && hash_same(b->previous, taken->hash);
        struct hash h = b->previous;
        for (size_t i = 0; i < b->n; i++) {
                h = chain_next(d->office, b->stream, b->first + i, h, &b->reports[i]);
                if (ev->hashes)
                        ev->hashes[i] = h;
                if (b->first + i == taken->seq)
                        shared = hash_same(h, taken->hash);
        }
        if (!ev->sign_public ||
            (!chain_verify(d->office, b->stream, last, h, ev->sign_public, b->signature) &&
             !PLANTED(SIGNATURE_UNCHECKED))) {
                refuse(d, "signature", "the signature over the reports does not hold", last, todo);
                return;
        }
        if (!shared && !PLANTED(CHAIN_UNCHECKED)) {
                refuse(d, "chain", "the reports do not follow the ones HQ holds", taken->seq, todo);
                return;
        }
        todo->take = true;
        todo->take_from = taken->seq + 1 - b->first;
        todo->taken_to = (struct point){last, h};
}

static void message(struct downlink *d, const struct downlink_event *ev, struct downlink_todo *todo)
{
        const struct wire_message *m = ev->message;
        switch (m->kind) {
        case WIRE_GREETING: greeting(d, &m->greeting, ev, todo); break;
        case WIRE_BATCH: batch(d, &m->batch, ev, todo); break;
        case WIRE_HASH_ASK:
                if (d->state == DOWNLINK_OPEN && stream_same(m->hash.stream, d->stream)) {
                        todo->ask_hash = true;
                        todo->ask_seq = m->hash.seq;
                }
                break;
        case WIRE_VERDICTS_ASK:
                d->wanted[0] = (struct wire_wanted){m->verdicts_ask.stream, m->verdicts_ask.from};
                d->n_wanted = 1;
                todo->ask_verdicts = d->wanted;
                todo->n_ask_verdicts = d->n_wanted;
                break;
        case WIRE_CATALOG_ASK:
                todo->ask_catalog = true;
                todo->catalog_ask = m->catalog_ask;
                break;
        default: break; /* nothing else is an office's to say */
        }
}

void downlink_step(struct downlink *d, const struct downlink_event *ev, struct downlink_todo *todo)
{
        *todo = (struct downlink_todo){0};
        switch (ev->kind) {
        case DOWNLINK_MESSAGE: message(d, ev, todo); break;
        case DOWNLINK_STREAM: stream_known(d, ev, todo); break;
        case DOWNLINK_TAKEN:
                PRE(ev->taken.seq > ev->stream->taken.seq);
                ev->stream->taken = ev->taken;
                break;
        case DOWNLINK_COMMITTED:
                if (d->state == DOWNLINK_OPEN && stream_same(ev->stream->id, d->stream))
                        send_mark(ev, todo);
                break;
        case DOWNLINK_FORGET:
                if (d->state != DOWNLINK_NEW)
                        d->state = DOWNLINK_ASKING;
                break;
        }
}

static void trace_reply(const struct downlink_todo *todo, struct text *out)
{
        switch (todo->reply.kind) {
        case WIRE_WELCOME:
                text_printf(out, "send welcome turn=%u last=%u mark=%llu\n", todo->reply.welcome.turn,
                            todo->reply.welcome.last_turn, (unsigned long long)todo->reply.welcome.mark.seq);
                break;
        case WIRE_MARK: text_printf(out, "send mark=%llu\n", (unsigned long long)todo->reply.mark.seq); break;
        case WIRE_REFUSAL: text_printf(out, "send refusal %s\n", todo->reply.refusal.code); break;
        default: UNREACHABLE();
        }
}

void downlink_trace(const struct downlink *d, const struct downlink_todo *todo, struct text *out)
{
        if (todo->log)
                text_printf(out, "log %s\n", todo->log);
        if (todo->send)
                trace_reply(todo, out);
        if (todo->ask_stream)
                text_printf(out, d->turn ? "ask stream of %s turn=%u\n" : "ask stream of %s\n", d->office,
                            d->turn);
        for (size_t i = 0; i < todo->n_ask_verdicts; i++)
                text_printf(out, "ask verdicts from=%llu\n", (unsigned long long)todo->ask_verdicts[i].from);
        if (todo->ask_hash)
                text_printf(out, "ask hash seq=%llu\n", (unsigned long long)todo->ask_seq);
        if (todo->ask_catalog)
                text_printf(out, "ask catalogue offset=%llu\n", (unsigned long long)todo->catalog_ask.offset);
        if (todo->take)
                text_printf(out, "take from=%zu to=%llu\n", todo->take_from,
                            (unsigned long long)todo->taken_to.seq);
        if (todo->note_gap)
                text_printf(out, "note gap floor=%llu\n", (unsigned long long)d->floor);
}
