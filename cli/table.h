/* table: rows for a person or for a program.
 *
 * Columns are a list written down by the command; each names the key of its cells in the JSON of a row, so
 * that most tables are filled by one loop over an answer. For people: columns aligned by the width of what is
 * seen (Chinese characters are two wide), numbers to the right, grouped by thousands if asked, the qualifier
 * as ≥ or ≈ before its figure. For programs: CSV by RFC 4180 under the keys as header, numbers plain, text
 * that a spreadsheet would run guarded. */
#ifndef SUMU_CLI_TABLE_H
#define SUMU_CLI_TABLE_H

#include "base/arena.h"
#include "cli/cli.h"

#include <jansson.h>

enum cell {
        CELL_TEXT,
        CELL_NUMBER,
        CELL_QUALIFIER, /* behind a number; people see it as a sign before that number */
        CELL_TIME,      /* RFC 3339; people see it in the table's zone */
        CELL_CODES,     /* of a list of reasons, joined by ; */
        CELL_FLAG,      /* true or false; people see a yes, and the column only if there is one */
        CELL_RARE,      /* text; people see the column only if there is something in it */
        CELL_PEOPLE, /* text for people alone: names, which CSV leaves out; no column where there are none */
};

struct table_column {
        const char *key;     /* of the CSV header and of the JSON: "offices.expected" is one level down */
        const char *head[2]; /* by enum lang; unused for CELL_QUALIFIER */
        enum cell cell;
};

struct table { /* columns given, all else zero is an empty table */
        const struct table_column *columns;
        size_t n_columns;
        const char *zone; /* NULL: times stay in UTC, as they came */
        const char **cells;
        size_t n, cap; /* cells */
        struct arena arena;
        bool failed; /* memory */
};

enum table_format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

/* --format; false: it is none of them, which was said. */
bool table_format_read(const struct cli *c, enum table_format *f);

/* The next cell, copied; NULL: nothing to show. */
void table_cell(struct table *t, const char *text);
void table_cell_number(struct table *t, int64_t n);

/* A row from the members of an object. Columns of CELL_PEOPLE are filled by `name(ctx, key, object)`, which
 * may be NULL. */
typedef const char *table_name_fn(void *ctx, const char *key, const json_t *row);
void table_row(struct table *t, const json_t *row, table_name_fn *name, void *ctx);

/* CLI_DONE, or CLI_FAILED when memory ran out. As JSON it is an array of objects under the keys: for what no
 * server has said; an answer is printed as it came. */
int table_print(const struct table *t, const struct cli *c, enum table_format f);
void table_close(struct table *t);

/* One figure of an answer as a table shows it to people: "≥5,000", "-" if it is null. */
void table_figure(const struct cli *c, const char *qualifier, const json_t *value, struct text *out);

/* Columns a text takes on a terminal. */
size_t text_width(const char *s);

#endif
