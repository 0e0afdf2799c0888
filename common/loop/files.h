/* files: small files, whole and durable. */
#ifndef SUMU_LOOP_FILES_H
#define SUMU_LOOP_FILES_H

#include "base/err.h"
#include "base/text.h"

#include <stddef.h>

/* Appends a regular file of at most `most` bytes to `out`. E_MISSING, E_DENIED, E_LIMIT, E_IO, E_MEM. */
int file_read(const char *path, size_t most, struct text *out, struct err *e);

/* Written beside, synced, renamed over, folder synced (PITFALLS U5): after a crash the old bytes are there or
 * the new ones. The mode is set as given, whatever the umask. */
int file_write(const char *path, const void *bytes, size_t n, unsigned mode, struct err *e);

/* With parents, each new one synced into its own; a folder that is there is left as it is. */
int folder_make(const char *path, unsigned mode, struct err *e);

/* Makes what was created, renamed or removed in a folder durable. */
int folder_sync(const char *path, struct err *e);

#endif
