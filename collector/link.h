/* link: the collector's side of the line to HQ. The uplink machine decides (session/uplink.h); here its
 * wishes are carried out in the order it gives them, and it is told what came of each. */
#ifndef SUMU_COLLECTOR_LINK_H
#define SUMU_COLLECTOR_LINK_H

#include "session/uplink.h"

struct collector;

/* Starts the machine from what the outbox knows, and the connection. */
int link_open(struct collector *c, struct err *e);

/* A new connection, with the keys as they are now. */
int link_renew(struct collector *c, struct err *e);

/* Something happened. Its time is filled in here. */
void link_step(struct collector *c, struct uplink_event ev);

/* A new stream after `after` (rules 7 and 8). false: the disk did not let us; it is tried again. */
bool link_open_stream(struct collector *c, uint64_t after);

#endif
