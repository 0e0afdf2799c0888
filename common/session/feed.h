/* feed: the conversation between aggregator and sink (DESIGN.md section 4, rules 9 and 10).
 *
 * The aggregator's end, struct feed:
 *
 *              hello                resumed               catalogue held
 *      ALONE ─────────► RESUMING ─────────────► CATALOG ──────────────────► READY ──┐ one flush in flight,
 *        ▲                  ▲                                                │  ▲   │ the next one gathering
 *        │ silence          └──────────────── hello (any state) ─────────────┤  └───┘
 *        └───────────────────────────────────────────────────────────────────┤ refused: the term is not
 * current ▼ FENCED
 *
 * The sink's end, struct feed_sink, says hello when its link comes up, opens a term in the store when the
 * aggregator resumes, and judges flushes: only those of its term whose every starting mark is the stored one
 * are committed; the term and the marks are read in the committing transaction itself.
 *
 * A commit whose answer was lost is asked for, never guessed: silence leads to a new term, and its marks say
 * what was committed. Whatever the aggregator waits for has its patience, so no message that is lost can hold
 * it for ever; what comes twice, late or from a life that is over names another hello, attempt or term and
 * changes nothing. Machines without I/O. */
#ifndef SUMU_SESSION_FEED_H
#define SUMU_SESSION_FEED_H

#include "session/wire.h"

enum feed_state { FEED_ALONE, FEED_RESUMING, FEED_CATALOG, FEED_READY, FEED_FENCED };
const char *feed_state_word(enum feed_state s);

enum {
        FEED_PATIENCE_MS = 10 * 1000,
        FEED_ANSWER_MS = 30 * 1000,  /* for a commit or a recall: a slow disk is not a dead sink */
        FEED_SILENCE_MS = 30 * 1000, /* of an aggregator that knocks every two seconds */
};

struct feed {
        enum feed_state state;
        uint64_t incarnation; /* of this aggregator: random, the caller's */
        uint64_t attempt;     /* to resume: answers to earlier ones speak of terms that are over */
        uint64_t hello;       /* number of the last one heard; 0: none yet */
        uint64_t term, version;
        uint64_t number;       /* of the last flush sent in this term */
        bool in_flight, asked; /* a flush; a recall */
        uint8_t catalog[32];
        uint64_t fetched, fetch_size;
        int64_t deadline_ms;
};

enum feed_event_kind {
        FEED_MESSAGE,      /* from the sink */
        FEED_CATALOG_HELD, /* the catalogue feed.catalog is loaded */
        FEED_FLUSH_SENT,   /* the flush numbered feed.number + 1 is on its way */
        FEED_RECALL_SENT,
        FEED_RECALLED, /* it was answered */
        FEED_LOST,     /* the sink is gone, or something of it was lost */
        FEED_TICK,
};

struct feed_event {
        enum feed_event_kind kind;
        int64_t now_ms;
        const struct wire_message *message;
};

struct feed_todo {
        bool forget;                        /* drop everything gathered, in flight and rolled up */
        bool resume;                        /* send Resume */
        const struct wire_resumed *streams; /* remember these streams and marks */
        bool want_catalog; /* load feed.catalog, from a cache or by asking the sink piece by piece */
        bool ask_piece;    /* at feed.fetched */
        const struct wire_piece *keep_piece;
        bool catalog_complete;
        bool ready;     /* offices may be served */
        bool committed; /* the flush feed.number is safe */
        bool may_flush; /* nothing is in flight */
        const char *log;
};

void feed_init(struct feed *f, uint64_t incarnation);
void feed_step(struct feed *f, const struct feed_event *ev, struct feed_todo *todo);
bool feed_may_flush(const struct feed *f);
void feed_trace(const struct feed *f, const struct feed_todo *todo, struct text *out);

/* The sink's end. */
enum feed_sink_state { FEED_SINK_DOWN, FEED_SINK_HELLO, FEED_SINK_OPEN };

struct feed_sink {
        enum feed_sink_state state;
        uint64_t hello;                /* number of the last one; only what answers it opens a term */
        uint64_t incarnation, attempt; /* that did */
        uint64_t term;                 /* opened for the aggregator we speak with */
        uint64_t heard;                /* highest version heard of: the store goes above it (rule 10) */
        int64_t deadline_ms;
};

enum feed_sink_event_kind {
        FEED_SINK_LINK_UP,
        FEED_SINK_LINK_DOWN,
        FEED_SINK_MESSAGE,
        FEED_SINK_TERM_OPENED,
        FEED_SINK_AGAIN,
        FEED_SINK_KNOCK, /* the aggregator is there, and said nothing */
        FEED_SINK_TICK
};

struct feed_sink_event {
        enum feed_sink_event_kind kind;
        int64_t now_ms, clock_us; /* the clock numbers hellos: they grow from life to life */
        const struct wire_message *message;
        uint64_t term; /* of TERM_OPENED */
};

struct feed_sink_todo {
        bool hello;
        bool open_term;   /* durably, then TERM_OPENED, then answer Resumed with all marks */
        bool judge_flush; /* commit or refuse the flush of the message */
        bool serve;       /* a recall or a question to be answered from the store */
};

void feed_sink_step(struct feed_sink *s, const struct feed_sink_event *ev, struct feed_sink_todo *todo);
void feed_sink_trace(const struct feed_sink *s, const struct feed_sink_todo *todo, struct text *out);

/* May a flush be committed? `stored` answers the store's mark of a step's stream (false: unknown). NULL: yes;
 * else why not, *fenced telling that the term is not current. */
const char *feed_judge(const struct wire_flush *flush, uint64_t term,
                       bool (*stored)(void *ctx, const struct wire_step *step, uint64_t *seq,
                                      struct hash *hash),
                       void *ctx, bool *fenced);

#endif
