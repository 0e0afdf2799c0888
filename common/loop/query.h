/* query: the target of a request, decoded strictly.
 *
 * `/path?key=value&key2=value2`: %-escapes everywhere, + is a space after the question mark. What a lenient
 * reader would guess at is refused: a broken escape, NUL, text that is not UTF-8, a key without a name or
 * given twice, a path that does not begin with exactly one slash. A key without `=` has the value "".
 * Everything lives in the struct's own room. */
#ifndef SUMU_LOOP_QUERY_H
#define SUMU_LOOP_QUERY_H

#include "base/text.h"

#include <stddef.h>

enum { QUERY_PAIRS = 64 };

struct query {
        const char *path;
        struct {
                const char *key, *value;
        } pair[QUERY_PAIRS];
        size_t n;
        char *room;
};

/* 0, E_SYNTAX, E_LIMIT (too many keys), E_MEM; refused: *q is empty, path "". */
int query_parse(struct query *q, const char *target);
const char *query_get(const struct query *q, const char *key); /* NULL: absent */

/* The target once more, escaped, without one key: where `?token=` sends the browser. */
void query_print_without(const struct query *q, const char *key, struct text *out);
void query_close(struct query *q);

#endif
