/* A folder of keys in which one file is hostile: the first byte chooses which. Refused with a sentence, or
 * taken, and then what was taken is well formed. The folder is made once, by `sumu keys init`. */
#include "fuzz/fuzz.h"

#include "lib/scratch.h"
#include "loop/keys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_PATH], folder[SCRATCH_PATH + 32];

static void sweep(void)
{
        scratch_close(dir);
}

static void folder_open(void)
{
        static const char *const office[] = {"150200", "150400"};
        struct err e = {0};
        setenv("TMPDIR", "/dev/shm", 0);
        umask(077);
        scratch_open(dir);
        atexit(sweep);
        MUST(keys_init(scratch_path(dir, "keys"), office, 2, &e) == 0);
        snprintf(folder, sizeof folder, "%s/keys/aggregator", dir);
}

static const char *const files[] = {"curve.key", "http.token", "sink.pub", "offices/150400.pub", "sign.key"};

/* Writes the bytes in the file's place; answers what stood there. */
static char *put(const char *path, const uint8_t *data, size_t size)
{
        char *was = scratch_read(path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        MUST(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
        close(fd);
        return was;
}

static void put_back(const char *path, char *was)
{
        if (was)
                free(put(path, (const uint8_t *)was, strlen(was)));
        else
                unlink(path);
        free(was);
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
                folder_open();
        if (!size)
                return 0;
        const char *path = scratch_path(folder, files[data[0] % (sizeof files / sizeof *files)]);
        char *was = put(path, data + 1, size - 1);
        int rc = keys_load(folder, &k, &e);
        if (rc == 0)
                look_through(&k);
        else
                MUST(rc < 0 && e.text[0]);
        keys_close(&k);
        put_back(path, was);
        return 0;
}
