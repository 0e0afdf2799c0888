/* terminal: `sumu` run inside the test, with what it wrote kept.
 *
 *     run("totals", "--indicator", "gunexp.incidents", NULL);
 *     assert_int_equal(terminal.status, 0);
 *     assert_string_equal(terminal.out, "…");
 *
 * Nobody sits there and nothing is a terminal unless the test says so before. */
#ifndef SUMU_TESTS_TERMINAL_H
#define SUMU_TESTS_TERMINAL_H

#include <stdbool.h>

struct terminal {
        bool person, wide; /* to be set: somebody sits there; out is a terminal */
        const char *typed; /* to be set: what that person types */
        int status;
        char *out, *err; /* until the next run */
};
extern struct terminal terminal;

/* The words of the line, ended by NULL. */
void run(const char *word, ...) __attribute__((sentinel));
void terminal_close(void);

#endif
