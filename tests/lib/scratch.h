/* scratch: a folder of a test's own, gone with all that is in it afterwards. */
#ifndef SUMU_TESTS_SCRATCH_H
#define SUMU_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRATCH_PATH = 256 };

void scratch_open(char dir[SCRATCH_PATH]);
void scratch_close(const char *dir);

/* DIR/NAME; the text lives until the call after the next three. */
const char *scratch_path(const char *dir, const char *name);

void scratch_write(const char *path, const void *bytes, size_t n);
char *scratch_read(const char *path); /* NUL-terminated, ours to free; NULL: not there */
bool scratch_has(const char *path);

#endif
