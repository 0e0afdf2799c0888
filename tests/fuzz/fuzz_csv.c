/* csv over anything: the limits hold, lines only grow, and cutting the input in two changes nothing. The
 * first byte says where to cut. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "core/csv.h"

struct seen {
        uint64_t hash; /* of all fields and lines */
        uint32_t line;
};

static void mix(struct seen *s, const void *p, size_t n)
{
        s->hash = s->hash * 31 + text_hash(p, n);
}

static bool look(void *ctx, const struct csv_record *r)
{
        struct seen *s = ctx;
        MUST(r->line > s->line && r->n >= 1 && r->n <= CSV_COLUMNS);
        s->line = r->line;
        mix(s, &r->line, sizeof r->line);
        for (size_t i = 0; i < r->n; i++) {
                MUST(strlen(r->fields[i]) <= CSV_FIELD);
                mix(s, r->fields[i], strlen(r->fields[i]) + 1);
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct seen whole = {0}, cut = {0};
        size_t at = size ? data[0] : 0;
        at = at < size ? at : size;
        enum csv_end end = csv_read(data, size, look, &whole, NULL);
        struct csv_reader *r = csv_reader_new(look, &cut);
        MUST(r);
        csv_reader_feed(r, data, at);
        csv_reader_feed(r, data + at, size - at);
        MUST(csv_reader_end(r) == end);
        MUST(cut.hash == whole.hash && cut.line == whole.line);
        csv_reader_free(r);
        return 0;
}
