/* api: the collector's HTTP (CONTRACT.md, "Collector, HTTP"). Handlers run on the loop; their context is the
 * collector. */
#ifndef SUMU_COLLECTOR_API_H
#define SUMU_COLLECTOR_API_H

#include "loop/http.h"

extern const struct http_route api_routes[];

#endif
