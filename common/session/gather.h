/* gather: one flush in the making: reports taken, with their verdicts and signatures, the totals they
 * changed, and how far each stream has come. Pure: it becomes frames, and is kept until the store has
 * answered. */
#ifndef SUMU_SESSION_GATHER_H
#define SUMU_SESSION_GATHER_H

#include "session/downlink.h"
#include "session/wire.h"

/* Beyond these nothing more is taken until the flush is sent. The bytes are those that reports take here,
 * with all that is said of them: what is refused at length is counted at length. All signatures have to fit
 * the head's frame. */
enum { GATHER_BYTES = 8 * 1024 * 1024, GATHER_SIGNATURES = 1000 };

struct gather_step {
        struct downlink_stream *stream; /* borrowed */
        struct point from, to;
        bool closes;
};

struct gather {
        struct arena arena; /* texts, payloads, reasons */
        struct gather_step *steps;
        struct wire_signature *signatures;
        struct wire_taken *reports;
        struct wire_column *columns;
        size_t n_steps, n_signatures, n_reports, n_columns;
        size_t cap_steps, cap_signatures, cap_reports, cap_columns;
        size_t column_room; /* of the last column, and its period */
        struct period column_period;
        uint64_t heard; /* highest version heard of, for the head */
};

void gather_clear(struct gather *g);
void gather_close(struct gather *g);
bool gather_empty(const struct gather *g);
bool gather_full(const struct gather *g);

/* The step of a stream in this flush, made if it is not there yet. Memory that runs out here and below is our
 * own end: the process stops, and the two durable ends replay. */
uint32_t gather_step(struct gather *g, struct downlink_stream *s);

/* Copies what is given. `t->step` names the step. */
void gather_report(struct gather *g, const struct wire_taken *t);
void gather_signature(struct gather *g, const struct wire_signature *s);

/* Totals come column by column (indicator and period alike one after the other); names are borrowed until the
 * clear. */
void gather_total(struct gather *g, const char *indicator, struct period period, const char *region,
                  const struct cell *cell);

/* The flush as frames, each at most WIRE_MESSAGE. Frames are appended to `frames` (closed by the caller). */
struct gather_frames {
        struct text *v;
        size_t n, cap;
};
void gather_write(const struct gather *g, uint64_t term, uint64_t number, struct gather_frames *out);
void gather_frames_close(struct gather_frames *f);

#endif
