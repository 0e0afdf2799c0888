/* planted: mistakes that can be switched on, so that the tests can be tested.
 *
 * A test that has never failed proves little. planted.def lists mistakes by which systems like this one have
 * lost data; each stands in the program where it would be made, inside the expression that it spoils:
 *
 *     *fenced = flush->term != term && !PLANTED(NO_FENCE);
 *
 * Such a line says what it is there for: without it, that happens. PLANTED is the constant false and leaves
 * nothing behind (tests/house/planted.sh looks into the libraries), unless the museum is built: cmake
 * --preset museum, where the environment variable SUMU_PLANTED names the one mistake that is made
 * (tests/museum/switch.c). tests/museum/museum.c runs the test that has to notice it. */
#ifndef SUMU_BASE_PLANTED_H
#define SUMU_BASE_PLANTED_H

#include <stdbool.h>

#ifdef SUMU_MUSEUM

enum planted {
        PLANTED_NOTHING,
#define PLANT(name, program, test, wrong, lesson) PLANTED_##name,
#define WITNESS(name, program, test)
#include "base/planted.def"
#undef WITNESS
#undef PLANT
};

extern enum planted planted; /* set before main, never after */
#define PLANTED(name) (planted == PLANTED_##name)

#else
#define PLANTED(name) false
#endif

#endif
