/* steppe: the catalogues of the simulated world: twelve offices, each with a league of a few banners, and
 * datasets of three rhythms with flows, stocks and peaks.
 *
 * They live as long as the process. The programs own the catalogues they unpack; here catalog_unpack answers
 * one of these (or a fresh one for other bytes) and catalog_free leaves them alone: the world's programs are
 * linked with --wrap for both. A catalogue that had to be parsed at every restart would be most of a run. */
#ifndef SUMU_TESTS_WORLD_STEPPE_H
#define SUMU_TESTS_WORLD_STEPPE_H

#include "core/catalog.h"

enum { STEPPE_OFFICES = 12, STEPPE_VERSIONS = 3 };

/* Version 0, 1, 2: each adds an indicator to the one before. */
struct catalog *steppe(size_t version);
struct catalog *steppe_by_digest(const uint8_t digest[CATALOG_DIGEST]); /* NULL: none of them */

#endif
