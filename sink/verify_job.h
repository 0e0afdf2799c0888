/* verify_job: one verification at a time, on a thread of its own, asked after by requests. Thread-safe. */
#ifndef SUMU_SINK_VERIFY_JOB_H
#define SUMU_SINK_VERIFY_JOB_H

#include "sink/verify.h"

struct verify_job;

enum verify_job_state {
        VERIFY_JOB_DONE,
        VERIFY_JOB_RUNNING,
        VERIFY_JOB_UNKNOWN, /* no run of that number, or a later one took its place */
};

enum { VERIFY_JOB_WAIT_MS = 500 };

struct verify_job *verify_job_new(void); /* NULL: memory */

/* *run 0: joins the run under way or begins one, and says its number; else asks after that one. Waits a
 * moment, then appends the object to `out`: the result, or how far it is. Negative: it could not begin, or
 * has failed. The catalogue in `ask` is copied. */
int verify_job_ask(struct verify_job *j, const struct verify_ask *ask, uint64_t *run, enum lang lang,
                   struct text *out, struct err *e);

void verify_job_stop(struct verify_job *j); /* the run ends soon, no other begins, nobody waits */
void verify_job_free(struct verify_job *j); /* waits for the thread */

#endif
