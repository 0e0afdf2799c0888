/* toy_catalog: catalogues built by hand, for tests of what stands above the catalogue's files.
 *
 * Regions are given in breadth-first order, everything else in any order; codes are short texts, kept. Only
 * the arrays and the map of region codes are filled: look-ups by name are for catalogues that were parsed. */
#ifndef SUMU_TESTS_TOY_CATALOG_H
#define SUMU_TESTS_TOY_CATALOG_H

#include "core/catalog.h"
#include "lib/seed.h"

struct catalog *toy_new(void);
void toy_free(struct catalog *c);

uint32_t toy_region(struct catalog *c, const char *code, int32_t parent, const char *level);
uint32_t toy_dataset(struct catalog *c, const char *code, enum period_kind every);
uint32_t toy_indicator(struct catalog *c, uint32_t dataset, const char *code, enum kind kind); /* no bounds */
uint32_t toy_derived(struct catalog *c, uint32_t dataset, const char *code, const char *formula);
uint32_t toy_office(struct catalog *c, const char *code, uint32_t region, bool self); /* for all datasets */
uint32_t toy_rule(struct catalog *c, uint32_t dataset, const char *code, enum grade grade, const char *check);

/* A random tree of at most `regions` regions, a dataset of every rhythm with each kind of indicator, and
 * offices whose scopes do not overlap. */
struct catalog *toy_random(struct seed *s, uint32_t regions);

#endif
