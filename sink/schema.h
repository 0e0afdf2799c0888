/* schema: the tables and views of the store (CONTRACT.md, "Store").
 *
 * Tables end in an underscore and may change with the schema version; the views total, fact, report and mark
 * keep their names and columns. Migration i brings version i to i + 1; what has been released is never
 * edited, only added to. */
#ifndef SUMU_SINK_SCHEMA_H
#define SUMU_SINK_SCHEMA_H

#include <stddef.h>

extern const char *const schema_migrations[];
extern const size_t schema_version;

#endif
