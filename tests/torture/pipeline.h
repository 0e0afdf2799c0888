/* pipeline: headquarters and four offices of tests/catalogs/atoll, each a node, with their keys and
 * configurations. */
#ifndef SUMU_TORTURE_PIPELINE_H
#define SUMU_TORTURE_PIPELINE_H

#include "core/catalog.h"
#include "torture/node.h"

enum { PIPELINE_OFFICES = 4, PIPELINE_NODES = 2 + PIPELINE_OFFICES };

struct pipeline {
        const struct catalog *catalog;
        struct node nodes[PIPELINE_NODES];
        struct node *sink, *aggregator, *offices; /* of nodes */
};

/* Where the programs are: BUILD/sink/sumu-sink and so on. */
void pipeline_open(struct pipeline *p, const char *build, const char *catalog_dir, const struct catalog *c);
void pipeline_close(struct pipeline *p); /* disks and all */

void pipeline_tend(struct pipeline *p); /* node_tend each */

#endif
