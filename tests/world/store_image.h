/* store_image: what the store's model keeps on its disk.
 *
 * Rows in flat tables that name one another by number (0, 1, 2 … as they came), and one run of bytes for
 * texts and payloads. Nothing holds an address, so a backup is a dozen copies of memory and no decision can
 * depend on where something lies.
 *
 * A transaction is image_begin, then image_keep or image_undo. Rows are only ever added at the end of a
 * table; one that is there is changed after image_touch. A pointer to a row is good until the next row is
 * added to its table. Memory that runs out stops the process: this is a test. */
#ifndef SUMU_TESTS_WORLD_STORE_IMAGE_H
#define SUMU_TESTS_WORLD_STORE_IMAGE_H

#include "core/cell.h"
#include "session/chain.h"

enum { NO_ROW = UINT32_MAX };

/* TABLE(NAME, name, type): a row is found by image_name(m, i). The first three have an index, and their rows
 * begin with the hash they are found by. */
#define IMAGE_TABLES(TABLE)                                  \
        TABLE(WORDS, word, struct image_word)                \
        TABLE(PAPERS, paper, struct image_paper)             \
        TABLE(TOTALS, total, struct image_total)             \
        TABLE(BYTES, bytes, char)                            \
        TABLE(STREAMS, stream, struct image_stream)          \
        TABLE(REPORTS, report, struct image_report)          \
        TABLE(FACTS, fact, struct image_fact)                \
        TABLE(SIGNATURES, signature, struct image_signature) \
        TABLE(GAPS, gap, struct image_gap)                   \
        TABLE(SKIPS, skip, struct image_skip)                \
        TABLE(CATALOGS, catalog, struct image_catalog)

enum image_table {
#define TABLE(NAME, name, type) IMAGE_##NAME,
        IMAGE_TABLES(TABLE)
#undef TABLE
            IMAGE_COUNT,
        IMAGE_INDEXED = IMAGE_TOTALS + 1,
};

struct image_run { /* of bytes */
        uint32_t at, n;
};

struct image_word { /* a code or a label, kept once */
        uint32_t hash;
        struct image_run text; /* NUL behind it */
};

struct image_paper { /* all revisions of one office, dataset and first day */
        uint32_t hash;
        uint32_t office, dataset; /* words */
        int32_t first;
        uint32_t revision;             /* highest number given */
        uint32_t standing, accepted;   /* the first that stands; the last that was accepted */
        uint32_t facts_period;         /* word: the label they are kept under */
        uint32_t facts_first, facts_n; /* expanded for SQL */
};

struct image_total {
        uint32_t hash;
        uint32_t indicator, region; /* words */
        int64_t period;             /* period_id */
        uint64_t version;
        struct cell cell;
};

struct image_stream {
        uint32_t office; /* word */
        uint32_t turn;
        uint32_t first, last; /* of its reports */
        uint32_t signatures;  /* the last */
        struct stream_id id;
        uint64_t seq;
        struct hash hash;
};

struct image_report {
        uint32_t stream, paper, period; /* period: word */
        uint32_t standing, next;        /* the next that stands of the paper; the next of the stream */
        uint32_t turn, revision, rows;
        uint8_t action, verdict;
        uint64_t seq, version, closed;
        int64_t submitted_at, received_at;
        struct image_run reasons, flags, payload;
        struct hash hash;
        uint8_t catalog[32];
};

struct image_fact {
        uint32_t region, indicator; /* words */
        int64_t value, revision;
        uint8_t qualifier;
};

struct image_signature {
        uint32_t stream, earlier; /* of the stream */
        uint64_t seq;
        struct hash hash;
        uint8_t signature[SIGNATURE], key[8];
};

struct image_gap {
        uint32_t office; /* word */
        bool closed;     /* skipped */
        struct stream_id stream;
        uint64_t mark, floor;
        struct hash floor_hash;
};

struct image_skip {
        uint32_t office; /* word */
        struct stream_id stream;
        uint64_t from, to, version;
        struct hash to_hash;
};

struct image_catalog {
        uint8_t digest[32];
        uint64_t version;
        struct image_run pack;
};

struct image {
        struct image_rows {
                char *v;
                uint32_t n, cap;
        } tables[IMAGE_COUNT];
        struct image_index {
                uint32_t *slots; /* row + 1; 0: free */
                uint32_t cap;    /* a power of two */
        } index[IMAGE_INDEXED];
        struct image_meta {
                uint64_t version, term, expanded;
        } meta;
        bool held; /* a writer has it open; no backup has */

        /* of the transaction under way */
        bool under_way;
        uint32_t were[IMAGE_COUNT]; /* lengths when it began */
        struct image_meta was;
        struct image_tape { /* rows as they were, each followed by where it belongs */
                char *v;
                size_t n, cap;
        } tape;
};

struct image *image_new(void);
void image_free(void *image); /* these two are a disk's struct disk_image */
void *image_copy(const void *image);

void image_begin(struct image *m);
void image_keep(struct image *m);
void image_undo(struct image *m);

/* A new row of zeros at the end; its number. */
uint32_t image_add(struct image *m, enum image_table t);
void image_touch(struct image *m, enum image_table t, uint32_t row);

struct image_run image_put(struct image *m, const void *p, size_t n); /* bytes, and a NUL behind them */

/* Rows by what they are about: NO_ROW if there is none; the second of each pair adds it. */
uint32_t image_find_word(const struct image *m, const char *text);
uint32_t image_need_word(struct image *m, const char *text);
uint32_t image_find_paper(const struct image *m, uint32_t office, uint32_t dataset, int32_t first);
uint32_t image_need_paper(struct image *m, uint32_t office, uint32_t dataset, int32_t first);
uint32_t image_find_total(const struct image *m, uint32_t indicator, uint32_t region, int64_t period);
uint32_t image_need_total(struct image *m, uint32_t indicator, uint32_t region, int64_t period);

#define TABLE(NAME, name, type)                                               \
        static inline type *image_##name(const struct image *m, uint32_t row) \
        {                                                                     \
                return (type *)(void *)m->tables[IMAGE_##NAME].v + row;       \
        }
IMAGE_TABLES(TABLE)
#undef TABLE

/* The one in force; NULL: none. */
const struct image_catalog *image_last_catalog(const struct image *m);

static inline uint32_t image_count(const struct image *m, enum image_table t)
{
        return m->tables[t].n;
}

static inline const char *image_text(const struct image *m, uint32_t word)
{
        return image_bytes(m, image_word(m, word)->text.at);
}

#endif
