/* replay: runs a fuzz target over files and over the files of folders, once each, without a fuzzer. The empty
 * input always comes first. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

/* The buffer is exactly as long as the file, so that a sanitizer sees a read beyond it. */
static int replay_file(const char *path, size_t size)
{
        FILE *f = fopen(path, "rb");
        uint8_t *bytes = malloc(size ? size : 1);
        int rc = !f || !bytes || fread(bytes, 1, size, f) != size;
        if (rc)
                perror(path);
        else
                rc = LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
        if (f)
                fclose(f);
        return rc;
}

static int replay(const char *path);

static int replay_folder(const char *path)
{
        DIR *d = opendir(path);
        int rc = !d;
        if (!d)
                perror(path);
        for (struct dirent *entry; d && (entry = readdir(d));) {
                char inside[4096];
                if (entry->d_name[0] == '.')
                        continue;
                int n = snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
                rc |= n < 0 || (size_t)n >= sizeof inside || replay(inside);
        }
        if (d)
                closedir(d);
        return rc;
}

static int replay(const char *path)
{
        struct stat st;
        if (stat(path, &st) != 0) {
                perror(path);
                return 1;
        }
        return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
        static const uint8_t nothing[1] = {0};
        int rc = LLVMFuzzerTestOneInput(nothing, 0);
        for (int i = 1; i < argc; i++)
                rc |= replay(argv[i]);
        return rc ? 1 : 0;
}
