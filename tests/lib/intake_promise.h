/* intake_promise: what intake.h promises of anything it was given, in one question. */
#ifndef SUMU_TESTS_INTAKE_PROMISE_H
#define SUMU_TESTS_INTAKE_PROMISE_H

#include "core/intake.h"

/* NULL: it keeps its promises; else which one is broken. */
const char *intake_broken(const struct intake *in, const struct judge *j);

#endif
