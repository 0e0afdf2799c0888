/* aggregator: the hub on real sockets.
 *
 * Two ROUTER sockets (offices, sink) and HTTP on one loop; everything that decides is session/hub.h. Nothing
 * durable but a copy of the catalogue, to start without asking for it again. */
#ifndef SUMU_AGGREGATOR_AGGREGATOR_H
#define SUMU_AGGREGATOR_AGGREGATOR_H

#include "base/err.h"
#include "loop/config.h"

extern const struct config_key aggregator_keys[];

/* Runs until SIGTERM. 0, or the exit status with a line in the log. */
int aggregator_run(const struct config *config, bool check_only);

#endif
