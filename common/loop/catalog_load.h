/* catalog_load: a catalogue folder, from disk to struct catalog. */
#ifndef SUMU_LOOP_CATALOG_LOAD_H
#define SUMU_LOOP_CATALOG_LOAD_H

#include "base/err.h"
#include "core/catalog.h"

/* Reads the catalogue files of a folder and parses them (catalog_parse). NULL: *e says which file cannot be
 * read, or, with e->code 0, `faults` says what is wrong in them. rules.csv may be absent. */
struct catalog *catalog_load(const char *dir, struct faults *faults, struct err *e);

#endif
