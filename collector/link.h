/* link: the collector's connection to HQ. What is said over it is the courier's (courier.h); here are its
 * host, which lends it socket, health, log and inbox, and what the socket tells it. */
#ifndef SUMU_COLLECTOR_LINK_H
#define SUMU_COLLECTOR_LINK_H

#include "collector/courier.h"

struct collector;

/* Starts the courier from what the outbox knows, and the connection. */
int link_open(struct collector *c, struct err *e);

/* A new connection, with the keys as they are now. */
int link_renew(struct collector *c, struct err *e);

struct courier_time link_now(void);

#endif
