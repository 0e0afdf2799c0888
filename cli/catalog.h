/* catalog: a catalogue folder, read for a command. */
#ifndef SUMU_CLI_CATALOG_H
#define SUMU_CLI_CATALOG_H

#include "cli/cli.h"
#include "core/catalog.h"

/* Every fault is said. NULL: it is not to be used. Warnings are for who keeps the catalogue: `catalog check`
 * says them. */
struct catalog *catalog_open(const struct cli *c, const char *dir);

#endif
