/* guests: the offices that have spoken to HQ, and what each may take of it.
 *
 * However many connections an office makes with its key, it can only be in its own way: its connections, the
 * bytes that wait, its questions are counted for the office and bounded by the constants below. What only the
 * sink can answer stands in a line of the office's own; the sink is asked little at a time, one office after
 * the other, so no flood of questions stands before another office's, and in the pipe to the sink there is
 * always room for a flush. Pure. */
#ifndef SUMU_SESSION_GUESTS_H
#define SUMU_SESSION_GUESTS_H

#include "session/downlink.h"

enum {
        GUEST_PEERS = 8, /* connections remembered; who comes again leaves an old one behind */
        GUEST_BYTES = 2 * DOWNLINK_WINDOW, /* waiting: twice what an honest office has under way */
        GUEST_ASKS = 24,                   /* questions waiting, or not answered yet */
        GUEST_EMPTY = 16,                  /* streams that carry no report */
        GUESTS_OPEN = 8,                   /* questions of all of them that the sink has not answered */
        GUESTS_ANSWER_MS = 10 * 1000,      /* an answer that took longer is lost */
};

struct guest_question;

struct guest {
        char office[CODE_MAX + 1];
        size_t peers, queued_bytes;          /* the hub's */
        int64_t gap_ms, tell_ms;             /* when a gap may be noted, a refusal told, again */
        struct guest_question *first, **end; /* waiting */
        size_t waiting, asked;               /* not asked yet; not answered yet */
};

struct guests { /* zeroed: nobody */
        struct guest **v;
        size_t n, next;
        size_t open;      /* questions at the sink */
        int64_t asked_ms; /* the last question or answer */
};

void guests_close(struct guests *s);

/* The office, made if it is new; NULL: no memory. */
struct guest *guests_find(struct guests *s, const char *office);

/* Puts a question at the end of the office's line; false: it has too many, or there is no memory. */
bool guest_ask(struct guest *g, const struct wire_message *m);

/* The next question for the sink, given away; false: none waits, or enough are open. */
bool guests_next(struct guests *s, int64_t now_ms, struct text *question);

/* One of the office's was answered. Of an earlier life: nothing. */
void guests_answered(struct guests *s, const char *office, int64_t now_ms);

/* What was not answered for long never will be; who asked asks again. */
void guests_tick(struct guests *s, int64_t now_ms);

/* The sink is another, or begins anew: all questions are off. */
void guests_forget(struct guests *s);

#endif
