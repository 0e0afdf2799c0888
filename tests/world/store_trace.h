/* store_trace: what the trace of a store needs to know of the file below it.
 *
 * Two programs are made of store_trace.c: one on sink/store.c and SQLite (store_trace_real.c), one on the
 * model (store_trace_model.c). From one seed both ask their stores the same and print every answer: the two
 * texts have to be the same (store_same.sh). */
#ifndef SUMU_TESTS_WORLD_STORE_TRACE_H
#define SUMU_TESTS_WORLD_STORE_TRACE_H

#include "sink/store.h"

enum fate {
        FATE_KEPT,
        FATE_FULL,   /* refused; the next one may fare better */
        FATE_LOST,   /* the sync failed, and the file lacks it */
        FATE_UNTOLD, /* the file has it, but who asked does not live to hear it */
};

/* The path for store_open. */
const char *trace_begin(void);
void trace_end(void);

/* What becomes of the transactions of a store from here on. */
void trace_fate(struct store *s, enum fate fate);

/* A copy of the file, and the file as it was when the copy was taken. The store is closed. */
void trace_save(void);
void trace_restore(void);

#endif
