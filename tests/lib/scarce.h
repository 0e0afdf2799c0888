/* scarce: memory that runs out where a test wants it to.
 *
 * For programs linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc (tests/laws/CMakeLists.txt): what
 * the program itself asks for, not what libraries ask for inside. Between scarce_after or scarce_once and
 * scarce_end the n-th allocation (from 0) is refused; with scarce_after all behind it as well. */
#ifndef SUMU_TESTS_SCARCE_H
#define SUMU_TESTS_SCARCE_H

#include <stdbool.h>
#include <stdint.h>

void scarce_after(uint64_t n);
void scarce_once(uint64_t n);
bool scarce_end(void); /* was any refused? */

/* What the test does in between is neither counted nor refused. Nests not. */
void scarce_pause(void);
void scarce_go_on(void);

uint64_t scarce_refused(void); /* in all, since the program began */

#endif
