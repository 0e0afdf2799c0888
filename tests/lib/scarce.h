/* scarce: memory that runs out where a test wants it to.
 *
 * For programs linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc (tests/laws/CMakeLists.txt).
 * Between scarce_after and scarce_end the n-th allocation (from 0) and all after it are refused. */
#ifndef SUMU_TESTS_SCARCE_H
#define SUMU_TESTS_SCARCE_H

#include <stdbool.h>
#include <stdint.h>

void scarce_after(uint64_t n);
bool scarce_end(void); /* was any refused? */

#endif
