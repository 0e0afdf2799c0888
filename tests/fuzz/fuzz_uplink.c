/* An office's machine and an HQ that says anything in any order: the input is a play of messages, of our own
 * growth and of the line's ups and downs. Whatever HQ says, a mark is believed only where its hash is ours,
 * what is sent lies in the outbox, verdicts are kept only up to a mark, and each step comes to an end. */
#include "fuzz/fuzz.h"

#include "fuzz/script.h"
#include "session/uplink.h"

#include <string.h>

enum { MOST = 64, MOVES = 256, STEPS = 64 };

static struct collector {
        struct uplink u;
        struct stream_id stream;
        struct point floor, head;
        uint8_t lineage; /* hashes of a stream are made of it */
        int64_t now_ms;
        unsigned steps; /* of one move */
} o;

static struct point point_at(uint64_t seq)
{
        struct point p = {.seq = seq};
        memset(p.hash.b, o.lineage, sizeof p.hash.b);
        memcpy(p.hash.b, &seq, sizeof seq);
        return p;
}

static struct uplink_start start(void)
{
        return (struct uplink_start){.office = "150200",
                                     .stream = o.stream,
                                     .head = o.head,
                                     .floor = o.floor,
                                     .mark = o.floor,
                                     .decided = o.floor.seq};
}

static void step(struct uplink_event ev);

static void look_over(const struct uplink_todo *todo)
{
        const struct uplink *u = &o.u;
        MUST(u->mark.seq >= u->floor.seq && u->mark.seq <= u->head.seq && u->head.seq == o.head.seq);
        MUST(u->sent <= u->head.seq && u->n_under_way <= UPLINK_UNDER_WAY);
        MUST((u->bytes_under_way == 0) == (u->n_under_way == 0));
        if (todo->keep_mark)
                MUST(hash_same(u->mark.hash, point_at(u->mark.seq).hash));
        if (todo->keep_verdicts && stream_same(todo->keep_verdicts->stream, o.stream))
                MUST(todo->keep_verdicts->n &&
                     todo->keep_verdicts->v[todo->keep_verdicts->n - 1].seq <= u->mark.seq);
        if (todo->fork)
                MUST(todo->fork_after >= o.floor.seq && todo->fork_after <= o.head.seq);
        if (todo->send)
                MUST(todo->send_after >= u->mark.seq && todo->send_after < o.head.seq &&
                     todo->send_bytes > 0 && todo->send_bytes <= WIRE_MESSAGE);
        if (todo->log)
                MUST(*todo->log);
}

/* What a collector does, as collector/link.c does it. */
static void perform(const struct uplink_todo *todo)
{
        if (todo->catalog_complete)
                step((struct uplink_event){.kind = UPLINK_CATALOG_KEPT, .catalog = o.u.wanted_catalog});
        if (todo->fork) {
                o.stream.b[0]++;
                o.head.seq -= todo->fork_after;
                o.lineage++;
                o.floor = point_at(0);
                o.head = point_at(o.head.seq);
                struct uplink_start s = start();
                step((struct uplink_event){.kind = UPLINK_STREAM_OPENED, .start = &s});
                return;
        }
        if (todo->look_up) {
                bool held = todo->look_up_seq >= o.floor.seq && todo->look_up_seq <= o.head.seq;
                struct point p =
                    held ? point_at(todo->look_up_seq) : (struct point){.seq = todo->look_up_seq};
                step((struct uplink_event){.kind = UPLINK_LOOKED_UP, .point = p, .known = held});
        }
        if (todo->send)
                step((struct uplink_event){.kind = UPLINK_SENT,
                                           .seq = todo->send_after + 1,
                                           .bytes = todo->send_bytes < 1000 ? todo->send_bytes : 1000});
}

static void step(struct uplink_event ev)
{
        struct uplink_todo todo;
        struct text trace = {0};
        MUST(o.steps++ < STEPS + MOST);
        ev.now_ms = o.now_ms;
        uplink_step(&o.u, &ev, &todo);
        look_over(&todo);
        uplink_trace(&o.u, &todo, &trace);
        text_close(&trace);
        perform(&todo);
}

/* ---- HQ */

static struct stream_id stream_said(uint8_t b)
{
        struct stream_id odd = {{b}};
        return b & 1 ? odd : o.stream;
}

static struct hash hash_said(uint8_t b, uint64_t seq)
{
        struct hash other = {{b}};
        return b & 2 ? other : point_at(seq).hash;
}

static struct wire_mark mark_said(struct script *s, uint8_t b)
{
        uint64_t seq = script_number(s);
        return (struct wire_mark){.stream = stream_said(b),
                                  .seq = seq,
                                  .hash = hash_said(b, seq),
                                  .version = script_number(s),
                                  .clock_us = (int64_t)script_number(s)};
}

static void hear(const struct wire_message *m)
{
        step((struct uplink_event){.kind = UPLINK_MESSAGE, .message = m});
}

static void welcome(struct script *s, uint8_t b)
{
        struct wire_message m = {.kind = WIRE_WELCOME};
        m.welcome.stream = stream_said(b);
        m.welcome.turn = (uint32_t)script_number(s);
        m.welcome.last_turn = (uint32_t)script_number(s);
        m.welcome.window = script_number(s);
        m.welcome.mark = mark_said(s, b);
        m.welcome.catalog[0] = script_byte(s) & 3;
        hear(&m);
}

static void verdicts(struct script *s, uint8_t b)
{
        struct wire_verdict v[8] = {0};
        struct wire_message m = {.kind = WIRE_VERDICTS, .verdicts = {.office = "150200", .v = v}};
        m.verdicts.stream = stream_said(b);
        m.verdicts.more = b & 4;
        for (size_t n = b >> 5; m.verdicts.n < n; m.verdicts.n++)
                v[m.verdicts.n].seq = script_number(s);
        hear(&m);
}

static void piece(struct script *s, uint8_t b)
{
        static const uint8_t bytes[64];
        struct wire_message m = {.kind = WIRE_CATALOG_PIECE};
        m.piece.digest[0] = b >> 6;
        m.piece.size = script_number(s);
        m.piece.offset = b & 1 ? script_number(s) : o.u.fetched;
        m.piece.bytes = (struct wire_bytes){bytes, script_byte(s) % sizeof bytes};
        hear(&m);
}

static void refusal(uint8_t b)
{
        static const char *const codes[] = {"gap", "chain", "signature", "office", "", "streams"};
        struct wire_message m = {
            .kind = WIRE_REFUSAL,
            .refusal = {.stream = stream_said(b), .code = codes[(b >> 2) % 6], .text = "so it is"}};
        hear(&m);
}

static void raw(struct script *s)
{
        size_t n = script_byte(s);
        const uint8_t *p = script_bytes(s, &n);
        struct arena a = {0};
        struct wire_message m;
        if (wire_read(p, n, &a, &m, NULL) == 0)
                hear(&m);
        arena_close(&a);
}

static void hash_is(struct script *s, uint8_t b)
{
        struct wire_message m = {.kind = WIRE_HASH_IS, .hash = {.office = "150200", .known = b & 4}};
        m.hash.stream = stream_said(b);
        m.hash.seq = b & 8           ? script_number(s)
                     : o.u.low_known ? o.u.low + (o.u.high - o.u.low + 1) / 2
                                     : o.u.low;
        m.hash.hash = hash_said(b, m.hash.seq);
        hear(&m);
}

static void move(struct script *s)
{
        uint8_t what = script_byte(s), b = script_byte(s);
        struct wire_message m = {.kind = WIRE_MARK};
        o.steps = 0;
        switch (what & 15) {
        case 0: raw(s); break;
        case 1:
        case 2: welcome(s, b); break;
        case 3:
        case 4:
                m.mark = mark_said(s, b);
                hear(&m);
                break;
        case 5: verdicts(s, b); break;
        case 6: piece(s, b); break;
        case 7: refusal(b); break;
        case 8:
        case 9: hash_is(s, b); break;
        case 10: step((struct uplink_event){.kind = UPLINK_LINK_UP}); break;
        case 11: step((struct uplink_event){.kind = UPLINK_LINK_DOWN}); break;
        case 12:
                o.now_ms += b * 500;
                step((struct uplink_event){.kind = UPLINK_TICK});
                break;
        case 13: /* acknowledged reports are let go */
                o.floor = point_at(o.floor.seq + (o.u.mark.seq - o.floor.seq) * (b & 1));
                step((struct uplink_event){.kind = UPLINK_TRIMMED, .point = o.floor});
                break;
        default:
                if (o.head.seq < MOST)
                        o.head = point_at(o.head.seq + 1 + b % 4);
                step((struct uplink_event){.kind = UPLINK_GREW, .point = o.head});
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct script s = {data, size};
        o = (struct collector){.stream = {{2}}};
        o.floor = o.head = point_at(0);
        struct uplink_start begin = start();
        uplink_init(&o.u, &begin);
        step((struct uplink_event){.kind = UPLINK_LINK_UP});
        for (int i = 0; i < MOVES && s.left; i++)
                move(&s);
        return 0;
}
