/* The store in memory, on a disk that does as it is told. */
#include "world/store_trace.h"

#include "world/disk.h"

#include <string.h>

static struct disk disk = {.path = "store"};
static enum fate fate;
static void *saved;

struct disk *disk_at(const char *path)
{
        PRE(strcmp(path, disk.path) == 0);
        return &disk;
}

struct disk_answer disk_commit(struct disk *d)
{
        PRE(d == &disk);
        switch (fate) {
        case FATE_KEPT: return (struct disk_answer){.kept = true};
        case FATE_FULL: return (struct disk_answer){.code = E_FULL};
        case FATE_LOST: return (struct disk_answer){.code = E_IO};
        case FATE_UNTOLD: return (struct disk_answer){.code = E_IO, .kept = true};
        }
        UNREACHABLE();
}

const char *trace_begin(void)
{
        return disk.path;
}

static void drop(void **image)
{
        if (*image)
                disk.kind->release(*image);
        *image = NULL;
}

void trace_end(void)
{
        drop(&disk.image);
        drop(&saved);
}

void trace_fate(struct store *s, enum fate f)
{
        (void)s;
        fate = f;
}

void trace_save(void)
{
        drop(&saved);
        saved = disk.kind->copy(disk.image);
}

void trace_restore(void)
{
        drop(&disk.image);
        disk.image = disk.kind->copy(saved);
}
