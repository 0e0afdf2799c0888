/* folder: a catalogue from its folder, for tests. Paths are relative to the root of the checkout, where tests
 * run. */
#ifndef SUMU_TESTS_FOLDER_H
#define SUMU_TESTS_FOLDER_H

#include "core/catalog.h"

/* The catalogue of a folder with `faults` filled; NULL if it has errors. */
struct catalog *folder_parse(const char *dir, struct faults *faults);

/* The same for a folder that is known to be fine: anything else stops the test with what is wrong. */
struct catalog *folder_catalog(const char *dir);

#endif
