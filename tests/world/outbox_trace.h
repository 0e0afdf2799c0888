/* outbox_trace: what the trace of an outbox needs to know of the file below it.
 *
 * Two programs are made of outbox_trace.c: one on collector/outbox.c and SQLite (outbox_trace_real.c), one on
 * the model (outbox_trace_model.c). From one seed both do the same to their outboxes and print every answer:
 * the two texts have to be the same. What becomes of a commit is asked of a disk of disk_model.c by both. */
#ifndef SUMU_TESTS_WORLD_OUTBOX_TRACE_H
#define SUMU_TESTS_WORLD_OUTBOX_TRACE_H

#include "collector/outbox.h"
#include "world/disk.h"

/* The file, on this disk; it is not there yet. The text lives until the end. */
const char *trace_begin(struct disk *d);
void trace_end(void);

/* A commit that may be refused begins and ends. */
void trace_commit_begins(void);
void trace_commit_ends(void);

/* Backups, while the file is closed. */
void *trace_save(void);
void trace_restore(const void *backup); /* NULL: the file is gone */
void trace_discard(void *backup);

#endif
