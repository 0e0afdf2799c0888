/* clock: what time it is, here and in a zone of the world, and times as they are written.
 *
 * Instants are microseconds since 1970-01-01 UTC. Zones are read from the system's zone files (TZif, RFC
 * 8536; folder TZDIR, else /usr/share/zoneinfo), once each, and kept; neither TZ nor localtime is touched.
 * All of it is thread-safe. */
#ifndef SUMU_LOOP_CLOCK_H
#define SUMU_LOOP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_TEXT = 32 };

int64_t clock_us(void); /* wall clock */
int64_t clock_monotonic_ms(void);

/* Is there a zone of that name ("Asia/Shanghai")? A program that needs one asks this first and refuses to go
 * on without. */
bool clock_zone_known(const char *zone);

/* Seconds of civil time in the zone, counted from 1970-01-01 00:00 local. An unknown zone reads as UTC. */
int64_t clock_civil_s(int64_t us, const char *zone);

/* 2023-09-19T08:00:00.000Z; years 1 to 9999, others as the nearest. */
void clock_rfc3339(int64_t us, char out[CLOCK_TEXT]);

/* RFC 3339 with any offset and up to nine decimals; years 1900 to 2199. */
bool clock_parse(const char *rfc3339, int64_t *us);

#endif
