/* uplink: the office's end of the conversation with HQ (DESIGN.md section 4; docs/protocol.md draws it).
 *
 *                 link up            welcome                 same hash
 *        DOWN ─────────────► GREETING ───────► COMPARING ─────────────► OPEN ──┐ reports, marks, verdicts
 *          ▲                   ▲   │ refusal       │ other hash, or    ▲  │ ◄──┘
 *          │ link down         │   ▼               ▼ HQ is beyond us   │  │ refusal
 *       (any state)            │ STOPPED        SEARCHING ── fork ─────┘  ▼
 *                              └── again after patience ◄─────────────── STOPPED
 *
 * A fork leaves older streams behind, whose reports HQ has. Put back to a backup it may have them no longer,
 * so each conversation begins with the oldest stream that still holds reports: a closed one is over when HQ
 * has all of it (`next`), the newest goes on. When a welcome tells that HQ has begun anew meanwhile, so does
 * the office (`review`).
 *
 * A machine without I/O: an event comes in with the time, what to do comes out as plain fields, the collector
 * does it in the order the fields stand in, and tells the result as the next event. What must survive lives
 * in the outbox; the machine is started from it with uplink_init and may be thrown away at any time. */
#ifndef SUMU_SESSION_UPLINK_H
#define SUMU_SESSION_UPLINK_H

#include "session/wire.h"

enum uplink_state {
        UPLINK_DOWN,
        UPLINK_GREETING,
        UPLINK_COMPARING,
        UPLINK_SEARCHING,
        UPLINK_OPEN,
        UPLINK_STOPPED
};
const char *uplink_state_word(enum uplink_state s);

enum {
        UPLINK_PATIENCE_MS = 10 * 1000, /* for an answer to a question */
        UPLINK_PROGRESS_MS = 30 * 1000, /* for the mark to move while reports are under way */
        UPLINK_QUIET_MS = 120 * 1000,   /* without a mark to compare: HQ may have come back from a backup, and
                                         * what it said of it may be lost */
        UPLINK_RETRY_MS = 200,          /* after a send that found the queue full */
        UPLINK_GAP_MS =
            30 * 1000,         /* between greetings while HQ names a gap, or what it holds is another chain */
        UPLINK_UNDER_WAY = 64, /* messages */
};

struct point { /* of a chain */
        uint64_t seq;
        struct hash hash;
};

/* What the outbox knows. */
struct uplink_start {
        const char *office;
        struct stream_id stream;
        uint32_t turn;      /* 0: HQ gave none yet */
        struct point head;  /* last report accepted here; of an empty stream (0, chain_start) */
        struct point floor; /* the outbox holds the reports after this one */
        struct point mark;  /* last mark kept */
        uint64_t decided;   /* verdicts of the reports up to this one are kept */
        bool older_wait;    /* older streams of this outbox wait for verdicts, too */
        bool closed; /* an older stream: it takes no reports, and what HQ has beyond its head is not ours */
        bool older_held; /* streams older than this one hold reports */
        bool has_catalog;
        uint8_t catalog[32];
        uint64_t version; /* highest version of HQ's store heard of */
};

struct uplink {
        enum uplink_state state;
        char office[CODE_MAX + 1];
        struct stream_id stream;
        uint32_t turn, last_turn;
        struct point head, floor, mark;
        struct point asked; /* mark under comparison */
        uint64_t low, high; /* of the search: low is shared, nothing above high is */
        bool low_known;     /* the floor itself was compared */
        bool ours_known, theirs_known;
        struct hash ours, theirs;
        uint64_t version;
        uint64_t sent;
        uint64_t decided;
        int64_t verdicts_deadline_ms; /* for verdicts of what is safe at HQ */
        bool older_wait, closed, older_held;
        int64_t older_deadline_ms; /* for verdicts of older streams */
        uint64_t window;
        uint64_t life; /* of HQ, in which older streams were offered */
        struct {
                uint64_t seq;
                size_t bytes;
        } under_way[UPLINK_UNDER_WAY];
        size_t n_under_way, bytes_under_way;
        int64_t deadline_ms;       /* 0: none */
        int64_t quiet_deadline_ms; /* while open */
        bool send_blocked;         /* a send found the queue full; tried again at the deadline of the send */
        int64_t send_again_ms;
        unsigned chain_refusals;
        bool has_catalog;
        uint8_t catalog[32]; /* ours */
        bool fetching;
        uint8_t wanted_catalog[32];
        uint64_t fetched, fetch_size;
        int64_t fetch_deadline_ms;
        char stop_code[24], stop_text[256];
};

enum uplink_event_kind {
        UPLINK_LINK_UP,
        UPLINK_LINK_DOWN,
        UPLINK_GREW,      /* head: a report was accepted (durably) */
        UPLINK_TRIMMED,   /* floor: acknowledged reports were let go */
        UPLINK_MESSAGE,   /* message: from HQ */
        UPLINK_LOOKED_UP, /* point: our hash at the seq that was asked for; known = false: not held */
        UPLINK_SENT,      /* seq: last report of the message, bytes: its size; seq 0: the queue was full */
        UPLINK_STREAM_OPENED, /* start: after a fork or --take-over, or of the stream that is spoken of now */
        UPLINK_CATALOG_KEPT,  /* catalog: HQ's catalogue is in use now (or was refused: known = false) */
        UPLINK_OLDER_DECIDED, /* no older stream waits for a verdict any more */
        UPLINK_TICK,
};

struct uplink_event {
        enum uplink_event_kind kind;
        int64_t now_ms; /* monotonic */
        const struct wire_message *message;
        struct point point;
        bool known;
        uint64_t seq;
        size_t bytes;
        const struct uplink_start *start;
        const uint8_t *catalog;
};

/* Done in this order. */
struct uplink_todo {
        bool keep_turn;        /* uplink.turn, durably */
        bool keep_mark;        /* uplink.mark is safe at HQ; durably, before anything is trimmed */
        int64_t mark_clock_us; /* HQ's clock in that mark */
        uint64_t mark_version;
        const struct wire_verdicts *keep_verdicts;
        const struct wire_piece *keep_piece;
        bool catalog_complete; /* the pieces kept make the pack whose digest is uplink.wanted_catalog */
        bool fork;             /* open a new stream and queue there, in order, all reports after fork_after */
        uint64_t fork_after;
        bool review; /* speak of the oldest stream that holds reports: UPLINK_STREAM_OPENED */
        bool next;   /* of the one after this: the same */
        bool greet;
        bool look_up; /* our hash at look_up_seq: answer with UPLINK_LOOKED_UP */
        uint64_t look_up_seq;
        bool ask_hash; /* HQ's hash at ask_seq */
        uint64_t ask_seq;
        bool ask_verdicts; /* of the stream and from the report in verdicts_of */
        struct wire_wanted verdicts_of;
        bool ask_older; /* verdicts of all older streams that wait; none does: answer UPLINK_OLDER_DECIDED */
        bool ask_catalog; /* piece of uplink.wanted_catalog at uplink.fetched */
        bool send; /* one message of the reports after send_after, at most send_bytes; answer UPLINK_SENT */
        uint64_t send_after;
        size_t send_bytes;
        const char *log; /* a sentence for the log, NULL: none */
};

void uplink_init(struct uplink *u, const struct uplink_start *start);
void uplink_step(struct uplink *u, const struct uplink_event *ev, struct uplink_todo *todo);

/* May this outbox take new input (rule 8)? True until HQ has told of a later stream than its newest. */
bool uplink_is_last(const struct uplink *u);

/* When a TICK is due at the latest; 0: whenever. */
int64_t uplink_deadline(const struct uplink *u);

/* One line a thing to do, as stories and logs print it. */
void uplink_trace(const struct uplink *u, const struct uplink_todo *todo, struct text *out);

#endif
