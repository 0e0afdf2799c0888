/* listing: a question whose answer holds a list, asked and printed in the format wanted.
 *
 * JSON is printed as it came, a page a line; of a list in pages all are fetched, up to `most` entries. For
 * people, codes of a sink's answer get their names beside them: columns of CELL_PEOPLE are "indicator_name",
 * "region_name", "office_name", "unit". */
#ifndef SUMU_CLI_LISTING_H
#define SUMU_CLI_LISTING_H

#include "cli/client.h"
#include "cli/table.h"

struct listing {
        const char *list; /* where it is in the answer: "totals" */
        const char *next; /* the parameter that takes `next` of the answer; NULL: there is one page */
        const struct table_column *columns;
        size_t n_columns;
        void (*after)(const struct cli *c,
                      const json_t *answer); /* more for people, of the last page; may be NULL */
};

/* `target` is the question; it is added to. Answers the exit status. */
int listing_run(const struct cli *c, const struct listing *l, enum peer peer, struct text *target,
                int64_t most);

#endif
