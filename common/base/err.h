/* err: how the world's refusals travel.
 *
 * A function that can be refused returns 0 or one of the negative codes of errors.def, and writes one
 * sentence into the caller's struct err. On the way up each layer may wrap the sentence with what it was
 * doing. `e` may be NULL. */
#ifndef SUMU_BASE_ERR_H
#define SUMU_BASE_ERR_H

#include "base/check.h"

enum err_code {
#define ERR(name, code, sentence) E_##name = code,
#include "base/errors.def"
#undef ERR
};

struct err {
        int code;
        char text[512];
};

/* err_set(e, code, fmt, ...) sets code and sentence; returns code, so `return err_set(...)` reads well. */
#define err_set(...) err_refusal(err_put(__VA_ARGS__))
int err_put(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A refusal's code is negative. It is said here, in sight of every caller, so that compilers and analyzers
 * know that nothing goes on after it as after a success. */
static inline int err_refusal(int code)
{
        PRE(code < 0);
        return code;
}

/* Puts "fmt: " before the sentence that is there; returns its code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of errors.def for a code. */
const char *err_sentence(int code);

#endif
