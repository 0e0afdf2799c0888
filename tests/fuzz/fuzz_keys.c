/* A folder of keys in which one file is hostile: the first byte chooses which. Refused with a sentence, or
 * taken, and then what was taken is well formed. For each of the files there is a folder, made once by `sumu
 * keys init`, in which only this file ever changes. */
#include "fuzz/fuzz.h"

#include "lib/scratch.h"
#include "loop/keys.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libsodium locks and guards its memory with system calls, which would be most of an input's time; of plain
 * memory AddressSanitizer sees the same overruns, to the byte. */
void *sodium_malloc(size_t n)
{
        return malloc(n);
}

void sodium_free(void *p)
{
        free(p);
}

int sodium_mlock(void *p, size_t n)
{
        (void)p, (void)n;
        return 0;
}

static const char *const files[] = {"curve.key", "http.token", "sink.pub", "offices/150400.pub", "sign.key"};
enum { FILES = sizeof files / sizeof *files };

static char dir[SCRATCH_PATH];

static struct {
        char path[SCRATCH_PATH + 32];
        int hostile; /* its file, open */
} folders[FILES];

static void sweep(void)
{
        scratch_close(dir);
}

static void folder_open(int i)
{
        static const char *const office[] = {"150200", "150400"};
        struct err e = {0};
        char name[16];
        snprintf(name, sizeof name, "keys%d", i);
        MUST(keys_init(scratch_path(dir, name), office, 2, &e) == 0);
        snprintf(folders[i].path, sizeof folders[i].path, "%s/%s/aggregator", dir, name);
        folders[i].hostile = open(scratch_path(folders[i].path, files[i]), O_WRONLY | O_CREAT, 0600);
        MUST(folders[i].hostile >= 0);
}

static void folders_open(void)
{
        setenv("TMPDIR", "/dev/shm", 0);
        umask(077);
        scratch_open(dir);
        atexit(sweep);
        for (int i = 0; i < FILES; i++)
                folder_open(i);
}

static void put(int fd, const uint8_t *data, size_t size)
{
        MUST(ftruncate(fd, 0) == 0 && (size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size));
}

static void look_through(const struct keys *k)
{
        MUST(strlen(k->curve_public) == CURVE_TEXT - 1 && strlen(k->curve_secret) == CURVE_TEXT - 1);
        MUST(strlen(k->sink) == CURVE_TEXT - 1 && (!k->token || strlen(k->token) >= 16));
        for (size_t i = 0; i < k->n_offices; i++) {
                const struct office_key *o = &k->offices[i];
                MUST(*o->office && keys_by_curve(k, o->curve) && keys_by_id(k, o->office, o->id));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct keys k;
        struct err e = {0};
        if (!*dir)
                folders_open();
        if (!size)
                return 0;
        int i = data[0] % FILES;
        put(folders[i].hostile, data + 1, size - 1);
        int rc = keys_load(folders[i].path, &k, &e);
        if (rc == 0)
                look_through(&k);
        else
                MUST(rc < 0 && e.text[0]);
        keys_close(&k);
        return 0;
}
