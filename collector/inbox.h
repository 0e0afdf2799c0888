/* inbox: a folder from which complete files are taken (CONTRACT.md, "Reports as files"; DESIGN.md section 4,
 * rule 11).
 *
 *     inbox/NAME ──► taken into the outbox ──► inbox/done/NAME       (kept keep_days)
 *            └─────► refused ────────────────► inbox/rejected/NAME   and NAME.errors.csv
 *     inbox/done/NAME ── rejected by HQ later ► inbox/rejected/NAME   and NAME.errors.csv
 *
 * A look is a scan of the whole folder; it is the truth, whatever hints the kernel gives (PITFALLS U2). A
 * file is ripe when size and time of change stood still over two looks at least a second apart, and nobody
 * holds it open for writing. Ripe files are taken one by one, oldest first, between the loop's other work.
 * What keeps a file from being taken for now (no catalogue, a full outbox or disk) leaves it where it is. No
 * clock is read and no handle is held here. */
#ifndef SUMU_COLLECTOR_INBOX_H
#define SUMU_COLLECTOR_INBOX_H

#include "collector/parcel.h"

enum {
        INBOX_LOOK_MS = 5000,  /* between looks */
        INBOX_STILL_MS = 1000, /* how long a file has to stand still */
};

struct inbox;

struct inbox_host {
        void *ctx;
        bool (*book)(void *ctx, struct parcel_book *b); /* false: nothing can be taken now */
        int (*begin)(void *ctx, struct err *e);
        int (*commit)(void *ctx, struct err *e);
        void (*took)(void *ctx, size_t reports, size_t rows); /* after the commit */
        void (*refused)(void *ctx);
        /* A file stays where it is; NULL: all is well again. */
        void (*waits)(void *ctx, const char *sentence);
        enum lang lang; /* of the errors files */
};

/* Makes the folders. */
int inbox_open(struct inbox **in, const char *dir, const struct inbox_host *host, struct err *e);
void inbox_close(struct inbox *in);

/* Scans the folder. Answers in how many milliseconds to look again. */
int inbox_look(struct inbox *in, int64_t now_ms, struct err *e);

/* Takes or refuses one ripe file. true: there are more. */
bool inbox_step(struct inbox *in, int64_t now_us);

/* Moves files whose reports HQ rejected, and says why. */
void inbox_tell(struct inbox *in, struct outbox *o);

/* Removes what has been in done/ for its days. */
void inbox_clean(struct inbox *in, int64_t now_us, int64_t keep_us);

#endif
