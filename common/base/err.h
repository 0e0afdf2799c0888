/* err: how the world's refusals travel.
 *
 * A function that can be refused returns 0 or one of the negative codes of errors.def, and writes one
 * sentence into the caller's struct err. On the way up each layer may wrap the sentence with what it was
 * doing. `e` may be NULL. */
#ifndef SUMU_BASE_ERR_H
#define SUMU_BASE_ERR_H

enum err_code {
#define ERR(name, code, sentence) E_##name = code,
#include "base/errors.def"
#undef ERR
};

struct err {
        int code;
        char text[512];
};

/* Sets code and sentence; returns code, so `return err_set(...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the sentence that is there; returns its code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of errors.def for a code. */
const char *err_sentence(int code);

#endif
