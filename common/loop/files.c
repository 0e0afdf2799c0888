#include "loop/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refused(const char *path, struct err *e)
{
        switch (errno) {
        case ENOENT:
        case ENOTDIR: return err_set(e, E_MISSING, "%s: no such file", path);
        case EACCES:
        case EPERM:
        case EROFS: return err_set(e, E_DENIED, "%s: %s", path, strerror(errno));
        case ENOSPC:
        case EDQUOT: return err_set(e, E_FULL, "%s: %s", path, strerror(errno));
        default: return err_set(e, E_IO, "%s: %s", path, strerror(errno));
        }
}

/* Opening does not block on a pipe, and what is no regular file is not read. */
static int open_regular(const char *path, struct err *e)
{
        struct stat s;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return refused(path, e);
        if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode))
                return fd;
        close(fd);
        return err_set(e, E_IO, "%s: not a regular file", path);
}

int file_read(const char *path, size_t most, struct text *out, struct err *e)
{
        int code = 0, fd = open_regular(path, e);
        if (fd < 0)
                return fd;
        char piece[16 * 1024];
        for (size_t left = most;;) {
                ssize_t got = read(fd, piece, sizeof piece);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        code = refused(path, e);
                else if ((size_t)got > left)
                        code = err_set(e, E_LIMIT, "%s: larger than %zu bytes", path, most);
                if (got <= 0 || code < 0)
                        break;
                text_bytes(out, piece, (size_t)got);
                left -= (size_t)got;
        }
        close(fd);
        if (code == 0 && text_failed(out))
                code = err_set(e, E_MEM, "%s: out of memory", path);
        return code;
}

int folder_sync(const char *path, struct err *e)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int code = fd < 0 || fsync(fd) != 0 ? refused(path, e) : 0;
        if (fd >= 0)
                close(fd);
        return code;
}

static int sync_folder_of(const char *path, struct err *e)
{
        char copy[PATH_MAX];
        snprintf(copy, sizeof copy, "%s", path);
        return folder_sync(dirname(copy), e);
}

static int write_synced(int fd, const char *name, const char *bytes, size_t n, unsigned mode, struct err *e)
{
        while (n) {
                ssize_t wrote = write(fd, bytes, n);
                if (wrote < 0 && errno == EINTR)
                        continue;
                if (wrote < 0)
                        return refused(name, e);
                bytes += wrote;
                n -= (size_t)wrote;
        }
        return fchmod(fd, mode) != 0 || fdatasync(fd) != 0 ? refused(name, e) : 0;
}

/* The temporary name begins with a dot and ends in .tmp: nobody who watches the folder takes it for a file.
 */
int file_write(const char *path, const void *bytes, size_t n, unsigned mode, struct err *e)
{
        char copy[PATH_MAX], beside[PATH_MAX];
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        snprintf(copy, sizeof copy, "%s", path);
        if (snprintf(beside, sizeof beside, "%s/.%s.XXXXXX.tmp", dirname(copy), name) >= (int)sizeof beside)
                return err_set(e, E_LIMIT, "%s: the path is too long", path);
        int fd = mkostemps(beside, 4, O_CLOEXEC);
        if (fd < 0)
                return refused(path, e);
        int code = write_synced(fd, path, bytes, n, mode, e);
        close(fd);
        if (code == 0 && rename(beside, path) != 0)
                code = refused(path, e);
        if (code < 0) {
                unlink(beside);
                return code;
        }
        return sync_folder_of(path, e);
}

static int make_one(const char *path, unsigned mode, struct err *e)
{
        struct stat s;
        if (mkdir(path, mode) == 0)
                return sync_folder_of(path, e);
        if (errno != EEXIST)
                return refused(path, e);
        return stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? 0 : err_set(e, E_EXISTS, "%s: not a folder", path);
}

int folder_make(const char *path, unsigned mode, struct err *e)
{
        char part[PATH_MAX];
        if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
                return err_set(e, E_LIMIT, "%s: the path is too long", path);
        for (char *p = part + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = '\0';
                int code = make_one(part, mode, e);
                if (code < 0)
                        return code;
                *p = '/';
        }
        return make_one(part, mode, e);
}
