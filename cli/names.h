/* names: what the codes of an answer are called, and the zone of its times, from the catalogue the sink works
 * with.
 *
 * For people only; a table without names is still a table, so a catalogue that cannot be had is no error.
 * Borrowed texts live until names_close. */
#ifndef SUMU_CLI_NAMES_H
#define SUMU_CLI_NAMES_H

#include "base/map.h"
#include "cli/client.h"

/* LIST(name, key): the lists of GET /api/v1/catalog. */
#define NAMES_LISTS(LIST)        \
        LIST(REGIONS, "regions") \
        LIST(INDICATORS, "indicators") LIST(OFFICES, "offices") LIST(DATASETS, "datasets")

enum names_list {
#define LIST(name, key) NAMES_##name,
        NAMES_LISTS(LIST)
#undef LIST
            NAMES_LISTS_COUNT
};

struct names {
        enum lang lang;
        json_t *catalog; /* NULL: none */
        struct map places[NAMES_LISTS_COUNT];
};

/* Asks the client's sink. */
void names_open(struct names *n, struct client *c);
void names_close(struct names *n);

/* The entry of a code (of an indicator: code, full name or names), NULL if there is none. */
const json_t *names_entry(const struct names *n, enum names_list list, const char *code);

/* Its name in the reader's language; its unit. NULL: not known. */
const char *names_name(const struct names *n, enum names_list list, const char *code);
const char *names_unit(const struct names *n, const char *indicator);
const char *names_zone(const struct names *n);

#endif
