/* sink: the store behind the aggregator's feed, and the API in front of it.
 *
 * One loop thread owns the only writing connection: it commits flushes, answers the aggregator, expands facts
 * for SQL while nothing waits, and moves the write-ahead log back into the file. HTTP reads on threads of its
 * own (sink/api.h). */
#ifndef SUMU_SINK_SINK_H
#define SUMU_SINK_SINK_H

#include "loop/config.h"

extern const struct config_key sink_keys[];

/* 0, 1 if it could not start, DAEMON_BROKEN if a write could not be made durable: only a new process may go
 * on. */
int sink_run(const struct config *config, bool check_only);

#endif
