/* sheet: a table with named columns, read from CSV or YAML, each entry with the line it stands on.
 *
 * What a sheet checks is the form: readable, known and complete columns, as many fields as the header has.
 * What the entries mean is the caller's. A YAML file is a list of mappings, or one mapping (a sheet of one
 * row); its scalars are taken as written. Entries live in the arena given. */
#ifndef SUMU_CORE_SHEET_H
#define SUMU_CORE_SHEET_H

#include "base/arena.h"
#include "core/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sheet_column {
        const char *name;
        bool needed;
};

struct entry {
        const char *text; /* "": empty or not given; NULL only while reading */
        uint32_t line;
        bool missing; /* needed and not given, or not as text: which has been said */
};

struct sheet {
        const char *file; /* for the faults */
        const struct sheet_column *columns;
        size_t n_columns;
        size_t limit; /* rows at most */

        bool fine; /* read to its end, nothing wrong with its form */
        size_t n;  /* rows */
        struct entry *v;
        size_t cap;
};

enum sheet_form { SHEET_CSV, SHEET_YAML_LIST, SHEET_YAML_MAP };

/* The caller has set the first four fields. What is wrong becomes faults; the rows that could be read are
 * there. */
void sheet_read(struct sheet *s, enum sheet_form form, const char *bytes, size_t n, struct arena *a,
                struct faults *f);
void sheet_close(struct sheet *s);

const struct entry *sheet_at(const struct sheet *s, size_t row, size_t column);

#endif
