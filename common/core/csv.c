/* libcsv does the grammar; here are lines, limits and lifetimes.
 *
 * libcsv tells neither where a record began nor how much it has gathered, so it is fed in pieces that end
 * with a line and are at most PIECE bytes: between two pieces both are known. A record begins on the line of
 * the first piece that is not blank after the record before it. */
#include "core/csv.h"

#include "base/arena.h"
#include "base/check.h"

#include <csv.h>

#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096, BOM = 3 };

struct csv_reader {
        struct csv_parser parser;
        csv_take *take;
        void *ctx;
        enum csv_end end;
        struct arena arena; /* of the record */
        const char *fields[CSV_COLUMNS];
        size_t n, bytes;
        uint32_t line, begins;
        unsigned bom;  /* bytes of the mark seen, BOM + 1: past it */
        bool fresh;    /* between two records */
        bool after_cr; /* an LF now belongs to the line that has ended */
};

const char *csv_sentence(enum csv_end end, enum lang lang)
{
        switch (end) {
#define CSV_FAULT(name, en, zh) \
        case CSV_BAD_##name: return lang == LANG_ZH ? zh : en;
                CSV_FAULTS(CSV_FAULT)
#undef CSV_FAULT
        case CSV_FINE:
        case CSV_STOPPED: break;
        }
        UNREACHABLE();
}

struct csv_reader *csv_reader_new(csv_take *take, void *ctx)
{
        struct csv_reader *r = calloc(1, sizeof *r);
        if (!r)
                return NULL;
        csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL);
        csv_set_blk_size(&r->parser, PIECE);
        r->take = take;
        r->ctx = ctx;
        r->line = r->begins = 1;
        r->fresh = true;
        return r;
}

void csv_reader_free(struct csv_reader *r)
{
        if (!r)
                return;
        csv_free(&r->parser);
        arena_close(&r->arena);
        free(r);
}

uint32_t csv_reader_line(const struct csv_reader *r)
{
        return r->begins;
}

/* libcsv: a field has ended. What is wrong is remembered; the rest of the piece runs on without effect. */
static void on_field(void *field, size_t n, void *reader)
{
        struct csv_reader *r = reader;
        r->fresh = false;
        if (r->end != CSV_FINE)
                return;
        if (r->n == CSV_COLUMNS)
                r->end = CSV_BAD_COLUMNS;
        else if (n > CSV_FIELD)
                r->end = CSV_BAD_FIELD;
        else if (n > CSV_RECORD - r->bytes)
                r->end = CSV_BAD_RECORD;
        else if (n && memchr(field, '\0', n))
                r->end = CSV_BAD_NUL;
        else if (!(r->fields[r->n] = arena_strndup(&r->arena, field, n)))
                r->end = CSV_BAD_MEMORY;
        if (r->end != CSV_FINE)
                return;
        r->n++;
        r->bytes += n;
}

/* libcsv: a record has ended. */
static void on_record(int terminator, void *reader)
{
        struct csv_reader *r = reader;
        (void)terminator;
        if (r->end == CSV_FINE) {
                struct csv_record record = {.line = r->begins, .n = r->n, .fields = r->fields};
                if (!r->take(r->ctx, &record))
                        r->end = CSV_STOPPED;
        }
        arena_reset(&r->arena);
        r->n = r->bytes = 0;
        r->fresh = true;
}

static enum csv_end end_of(const struct csv_parser *p)
{
        return csv_error((struct csv_parser *)p) == CSV_EPARSE ? CSV_BAD_QUOTE : CSV_BAD_MEMORY;
}

/* The length of the next piece: up to and with the end of the line. */
static size_t piece_length(const char *p, size_t n)
{
        size_t most = n < PIECE ? n : PIECE;
        for (size_t i = 0; i < most; i++)
                if (p[i] == '\n' || p[i] == '\r')
                        return i + 1;
        return most;
}

static bool is_blank(const char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
                        return false;
        return true;
}

static void feed_piece(struct csv_reader *r, const char *p, size_t n)
{
        if (r->fresh) {
                r->begins = r->line;
                r->fresh = is_blank(p, n);
        }
        if (csv_parse(&r->parser, p, n, on_field, on_record, r) != n && r->end == CSV_FINE)
                r->end = end_of(&r->parser);
        if (csv_get_buffer_size(&r->parser) > CSV_FIELD + 2 * PIECE && r->end == CSV_FINE)
                r->end = CSV_BAD_FIELD;
        char last = p[n - 1];
        if (last == '\r' || (last == '\n' && !(r->after_cr && n == 1)))
                r->line++;
        r->after_cr = last == '\r';
}

/* Skips the byte order mark, which may come in pieces too. What only began like one is given back as text. */
static size_t bom_length(struct csv_reader *r, const char *p, size_t n)
{
        static const char mark[] = "\xef\xbb\xbf";
        size_t used = 0;
        while (r->bom < BOM && used < n && p[used] == mark[r->bom]) {
                r->bom++;
                used++;
        }
        if (r->bom == BOM) {
                r->bom = BOM + 1;
        } else if (r->bom < BOM && used < n) {
                unsigned held = r->bom;
                r->bom = BOM + 1;
                if (held)
                        feed_piece(r, mark, held);
        }
        return used;
}

enum csv_end csv_reader_feed(struct csv_reader *r, const void *bytes, size_t n)
{
        const char *p = bytes;
        size_t used = bom_length(r, p, n);
        for (size_t k; used < n && r->end == CSV_FINE; used += k) {
                k = piece_length(p + used, n - used);
                feed_piece(r, p + used, k);
        }
        return r->end;
}

enum csv_end csv_reader_end(struct csv_reader *r)
{
        if (r->end == CSV_FINE && csv_fini(&r->parser, on_field, on_record, r) != 0 && r->end == CSV_FINE)
                r->end = end_of(&r->parser);
        return r->end;
}

enum csv_end csv_read(const void *bytes, size_t n, csv_take *take, void *ctx, uint32_t *line)
{
        struct csv_reader *r = csv_reader_new(take, ctx);
        if (line)
                *line = 0;
        if (!r)
                return CSV_BAD_MEMORY;
        enum csv_end end = csv_reader_feed(r, bytes, n);
        if (end == CSV_FINE)
                end = csv_reader_end(r);
        if (line)
                *line = csv_reader_line(r);
        csv_reader_free(r);
        return end;
}
