/* config: one YAML file per daemon, a table of keys, and the environment over it (CONTRACT.md,
 * "Configuration").
 *
 * The table is a .def file of the daemon (KEY rows: path, type, default, help in two languages) expanded into
 * struct config_key. Values are text as written until the table gives them a type; sizes read 96MiB, 10GiB;
 * every fault is collected with file, line and column, unknown keys with the nearest known one. An empty
 * value, in the file or in the environment, is one that is not given. In the environment the elements of a
 * list are separated by commas. */
#ifndef SUMU_LOOP_CONFIG_H
#define SUMU_LOOP_CONFIG_H

#include "base/err.h"
#include "base/text.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
        CONFIG_TEXT,
        CONFIG_PATH,
        CONFIG_ENDPOINT,
        CONFIG_ADDRESS,
        CONFIG_SIZE,
        CONFIG_COUNT,
        CONFIG_CHOICE,
        CONFIG_LIST
};

struct config_key {
        const char *path; /* "outbox.max_bytes" */
        enum config_type type;
        bool required;
        const char *otherwise; /* default as text, NULL: none */
        const char *choices;   /* CONFIG_CHOICE: "debug info warn error" */
        const char *help_en, *help_zh;
};

enum { CONFIG_BYTES = 1024 * 1024 };

struct config;

/* Reads file and environment (SUMU_KEY) and checks against the table (ended by a NULL path). NULL when there
 * are faults; they stand in `faults`, a line each, "file:line:column: sentence". `file` NULL: environment and
 * defaults only. The table is kept. */
struct config *config_read(const char *file, const struct config_key *table, enum lang lang,
                           struct text *faults);

/* The same from bytes; `name` stands for the file in what is said. */
struct config *config_parse(const char *name, const char *bytes, size_t n, const struct config_key *table,
                            enum lang lang, struct text *faults);
void config_free(struct config *c);

/* A path that is not in the table is our own mistake. */
const char *config_text(const struct config *c, const char *path); /* NULL: not given and no default */
uint64_t config_number(const struct config *c, const char *path);  /* SIZE in bytes, COUNT; 0: the same */
const char *const *config_list(const struct config *c, const char *path, size_t *n);

/* "outbox.max_bytes" → "SUMU_OUTBOX_MAX_BYTES". */
void config_variable(const char *path, char *room, size_t n);

#endif
