#include "torture/pipeline.h"

#include "torture/torture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DISK_SINK_MIB = 256, DISK_MIB = 96 };

static const char *const office_codes[PIPELINE_OFFICES] = {"north", "south", "gov", "stations"};

static void configure(const struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void configure(const struct node *n, const char *fmt, ...)
{
        va_list list;
        FILE *f = fopen(n->config, "w");
        if (!f)
                fail("%s cannot be written", n->config);
        va_start(list, fmt);
        vfprintf(f, fmt, list);
        va_end(list);
        fprintf(f, "state: %s\nhttp: {listen: '127.0.0.1:%u'}\n", n->home, n->port);
        if (fclose(f) != 0)
                fail("%s cannot be written", n->config);
}

static const char *program(const char *build, const char *name)
{
        static char room[PIPELINE_NODES][NODE_PATH];
        static unsigned at;
        char *path = room[at++ % PIPELINE_NODES];
        snprintf(path, NODE_PATH, "%s/%s/sumu-%s", build, name, name);
        return path;
}

void pipeline_open(struct pipeline *p, const char *build, const char *catalog_dir, const struct catalog *c)
{
        char address[32];
        uint16_t listen = port_free(), feed = port_free();
        *p = (struct pipeline){
            .catalog = c, .sink = &p->nodes[0], .aggregator = &p->nodes[1], .offices = &p->nodes[2]};
        if (node_shell(NULL, "%s/cli/sumu keys init --catalog %s --out %s/keys >/dev/null", build,
                       catalog_dir, ground.dir) != 0)
                fail("no keys");
        node_init(p->aggregator, "aggregator", program(build, "aggregator"), DISK_MIB);
        configure(p->aggregator,
                  "listen: tcp://%s:%u\nfeed: tcp://%s:%u\nkeys: %s/keys/aggregator\n"
                  "memory: 32KiB\n", /* so little that periods are closed and recalled all the time */
                  ground.lines ? "0.0.0.0" : "127.0.0.1", listen, ground.lines ? "0.0.0.0" : "127.0.0.1",
                  feed, ground.dir);
        node_init(p->sink, "sink", program(build, "sink"), DISK_SINK_MIB);
        node_join(p->sink, p->aggregator, 1, address);
        configure(p->sink,
                  "aggregator: tcp://%s:%u\nstore: sqlite:%s/sumu.db\ncatalog: %s\nkeys: %s/keys/sink\n",
                  address, feed, p->sink->home, catalog_dir, ground.dir);
        for (unsigned i = 0; i < PIPELINE_OFFICES; i++) {
                struct node *n = &p->offices[i];
                node_init(n, office_codes[i], program(build, "collector"), DISK_MIB);
                node_join(n, p->aggregator, 2 + i, address);
                configure(n, "office: '%s'\naggregator: tcp://%s:%u\ncatalog: %s\nkeys: %s/keys/office-%s\n",
                          n->name, address, listen, catalog_dir, ground.dir, n->name);
        }
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_start(&p->nodes[i]);
}

void pipeline_close(struct pipeline *p)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_close(&p->nodes[i]);
        node_shell(NULL, "rm -rf %s/keys", ground.dir);
}

void pipeline_tend(struct pipeline *p)
{
        for (unsigned i = 0; i < PIPELINE_NODES; i++)
                node_tend(&p->nodes[i]);
}
