#include "lib/scratch.h"

#include "base/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_open(char dir[SCRATCH_PATH])
{
        const char *tmp = getenv("TMPDIR");
        snprintf(dir, SCRATCH_PATH, "%s/sumu-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        PRE(mkdtemp(dir));
}

static int gone(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st, (void)kind, (void)at;
        return remove(path);
}

void scratch_close(const char *dir)
{
        PRE(strstr(dir, "/sumu-test-"));
        nftw(dir, gone, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *dir, const char *name)
{
        static char ring[4][2 * SCRATCH_PATH];
        static unsigned at;
        char *room = ring[at++ % 4];
        snprintf(room, sizeof ring[0], "%s/%s", dir, name);
        return room;
}

void scratch_write(const char *path, const void *bytes, size_t n)
{
        FILE *f = fopen(path, "wb");
        PRE(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

char *scratch_read(const char *path)
{
        FILE *f = fopen(path, "rb");
        if (!f)
                return NULL;
        char *bytes = NULL;
        size_t n = 0;
        PRE(getdelim(&bytes, &n, EOF, f) >= -1 && fclose(f) == 0);
        return bytes;
}

bool scratch_has(const char *path)
{
        return access(path, F_OK) == 0;
}
