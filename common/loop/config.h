/* config: one YAML file per daemon, a table of keys, and the environment over it (CONTRACT.md, "Configuration").
 *
 * The table is a .def file of the daemon (KEY rows: path, type, default, help in two languages) expanded into
 * struct config_key. Values are text as written until the table gives them a type; sizes read 96MiB, 10GiB; every fault is
 * collected with file, line and column, unknown keys with the nearest known one. */
#ifndef SUMU_LOOP_CONFIG_H
#define SUMU_LOOP_CONFIG_H

#include "base/err.h"
#include "base/text.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type { CONFIG_TEXT, CONFIG_PATH, CONFIG_ENDPOINT, CONFIG_ADDRESS, CONFIG_SIZE, CONFIG_COUNT, CONFIG_CHOICE, CONFIG_LIST };

struct config_key {
        const char *path;      /* "outbox.max_bytes" */
        enum config_type type;
        bool required;
        const char *otherwise; /* default as text, NULL: none */
        const char *choices;   /* CONFIG_CHOICE: "debug info warn error" */
        const char *help_en, *help_zh;
};

struct config;

/* Reads file and environment (SUMU_KEY) and checks against the table (ended by a NULL path). NULL when there are faults;
 * they stand in `faults`, a line each, "file:line:column: sentence". `file` NULL: environment and defaults only. */
struct config *config_read(const char *file, const struct config_key *table, enum lang lang, struct text *faults);
void config_free(struct config *c);

const char *config_text(const struct config *c, const char *path); /* NULL: not given and no default */
uint64_t config_number(const struct config *c, const char *path);  /* SIZE in bytes, COUNT */

#endif
