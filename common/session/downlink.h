/* downlink: HQ's end of the conversation with one office (DESIGN.md section 4; docs/protocol.md draws it).
 *
 *              greeting               the stream is known
 *        NEW ────────────► ASKING ───────────────────────► OPEN ──┐ batches taken, marks and verdicts sent
 *         ▲                  ▲                            │  │ ◄──┘
 *         │ forget           │ greeting                   │  │ chain or signature wrong, gap
 *         └──(any state)     └──────── REFUSED ◄──────────┴──┘
 *
 * One struct downlink a connection; who the office is comes from its key, never from what it says. What HQ
 * knows of a stream is shared by all connections that name it (a copied outbox makes two): struct
 * downlink_stream, whose `mark` is what the store has committed and whose `taken` is how far reports were
 * counted in memory.
 *
 * A machine without I/O. Hashing and verifying a signature are arithmetic and done here. */
#ifndef SUMU_SESSION_DOWNLINK_H
#define SUMU_SESSION_DOWNLINK_H

#include "session/uplink.h"
#include "session/wire.h"

enum downlink_state { DOWNLINK_NEW, DOWNLINK_ASKING, DOWNLINK_OPEN, DOWNLINK_REFUSED };
const char *downlink_state_word(enum downlink_state s);

enum {
        DOWNLINK_WINDOW = 1024 * 1024, /* bytes of reports an office may have under way */
        DOWNLINK_WANTED = 16,          /* streams of which a greeting asks verdicts, at most */
};

struct downlink_stream {
        char office[CODE_MAX + 1];
        struct stream_id id;
        uint32_t turn;
        struct point mark, taken; /* taken >= mark */
};

struct downlink {
        enum downlink_state state;
        char office[CODE_MAX + 1];
        struct stream_id stream;
        uint32_t turn;  /* the one the office says its stream has */
        uint64_t floor; /* of the office's outbox */
        struct hash floor_hash;
        struct wire_wanted
            wanted[DOWNLINK_WANTED]; /* verdicts the greeting asked for, until HQ can look them up */
        size_t n_wanted;
};

enum downlink_event_kind {
        DOWNLINK_MESSAGE, /* from the office */
        DOWNLINK_STREAM, /* stream and last_turn: what the store knows, after ASKING or when HQ has resumed */
        DOWNLINK_TAKEN,  /* what was offered by `take` was counted: stream->taken is moved here */
        DOWNLINK_COMMITTED, /* stream->mark has moved */
        DOWNLINK_FORGET,    /* HQ lost its sink or its term: nothing in memory holds any longer */
};

struct downlink_event {
        enum downlink_event_kind kind;
        const struct wire_message *message;
        const uint8_t *sign_public; /* of the key the batch names, if it is this office's; else NULL */
        struct hash
            *hashes; /* room for one a report of the batch: the chain's, if it is to be taken; or NULL */
        struct downlink_stream *stream; /* the stream this connection speaks of, if the store knows it */
        uint32_t last_turn;             /* the office's highest */
        bool crowded;           /* HQ opens no further stream for this office: too many carry no report */
        struct point taken;     /* of DOWNLINK_TAKEN */
        const uint8_t *catalog; /* digest of the one that counts */
        uint64_t version;       /* of the store's last commit */
        uint64_t life;          /* of what HQ has in memory: another one whenever it begins anew */
        int64_t clock_us;
};

/* Done in this order: an office believes a verdict only after the mark that covers it. */
struct downlink_todo {
        bool send; /* `reply` to the office */
        struct wire_message reply;
        bool ask_stream; /* what does the store know of downlink.stream; it is opened if it is new, with the
                            turn downlink.turn if that is free */
        const struct wire_wanted *ask_verdicts;
        size_t n_ask_verdicts;
        bool ask_hash;
        uint64_t ask_seq;
        bool ask_catalog; /* piece at catalog_ask */
        struct wire_catalog_ask catalog_ask;
        bool take; /* reports take_from … n-1 of the batch are new and proven; taken_to is where they end */
        size_t take_from;
        struct point taken_to;
        bool note_gap; /* tell the store, so that an operator may skip it */
        const char *log;
};

void downlink_init(struct downlink *d, const char *office);
void downlink_step(struct downlink *d, const struct downlink_event *ev, struct downlink_todo *todo);

void downlink_trace(const struct downlink *d, const struct downlink_todo *todo, struct text *out);

#endif
