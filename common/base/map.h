/* map: text (or any bytes) to a number.
 *
 * Open addressing, grows by doubling, keys are copied. Iteration order is never used to decide anything. A
 * zeroed struct is an empty map. */
#ifndef SUMU_BASE_MAP_H
#define SUMU_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot;

struct map {
        struct map_slot *slots;
        size_t n, cap;
};

enum { MAP_NONE = -1 };

/* The value of a key, or MAP_NONE. Values are >= 0. */
int64_t map_get(const struct map *m, const void *key, size_t n);
int64_t map_get_str(const struct map *m, const char *key);

/* Sets the value of a key; false when memory ran out (the map is then unchanged). */
bool map_set(struct map *m, const void *key, size_t n, int64_t value);
bool map_set_str(struct map *m, const char *key, int64_t value);

void map_close(struct map *m);

#endif
