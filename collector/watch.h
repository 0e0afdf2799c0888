/* watch: what /healthz and /metrics say of the collector (CONTRACT.md, "Configuration"). */
#ifndef SUMU_COLLECTOR_WATCH_H
#define SUMU_COLLECTOR_WATCH_H

struct collector;

/* Brings reasons and gauges up to date. */
void watch_look(struct collector *c);

#endif
