#include "world/outbox_trace.h"

static struct disk *disk;

const char *trace_begin(struct disk *d)
{
        disk = d;
        return d->path;
}

void trace_end(void)
{
        disk = NULL;
}

void trace_commit_begins(void)
{
}

void trace_commit_ends(void)
{
}

void *trace_save(void)
{
        return disk_save(disk);
}

void trace_restore(const void *backup)
{
        disk_restore(disk, backup);
}

void trace_discard(void *backup)
{
        disk_discard(backup);
}
