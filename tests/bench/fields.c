/* bench_fields: what libcsv alone makes of CSV files: it parses them and counts the fields, nothing else.
 *
 *     bench_fields FILE…
 *
 * Prints name=value: records, fields and bytes, seconds of the clock and of the processor. Files are in
 * memory before the clock starts; a file that is no CSV is an error. */
#include "base/check.h"
#include "bench/process.h"

#include <csv.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct count {
        uint64_t records, fields, bytes;
};

_Noreturn static void give_up(const char *file, const char *why)
{
        fprintf(stderr, "bench_fields: %s: %s\n", file, why);
        exit(1);
}

static char *read_file(const char *path, size_t *n)
{
        FILE *f = fopen(path, "r");
        if (!f || fseek(f, 0, SEEK_END) != 0)
                give_up(path, "cannot be read");
        long size = ftell(f);
        POST(size >= 0);
        char *bytes = malloc((size_t)size + 1);
        POST(bytes);
        rewind(f);
        *n = fread(bytes, 1, (size_t)size, f);
        if (*n != (size_t)size)
                give_up(path, "cannot be read");
        fclose(f);
        return bytes;
}

static void on_field(void *field, size_t n, void *ctx)
{
        struct count *c = ctx;
        (void)field, (void)n;
        c->fields++;
}

static void on_record(int end, void *ctx)
{
        struct count *c = ctx;
        (void)end;
        c->records++;
}

/* Strictly, as the office reads. */
static void parse(struct count *c, const char *path, const char *bytes, size_t n)
{
        struct csv_parser p;
        if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI) != 0)
                give_up(path, "no memory");
        if (csv_parse(&p, bytes, n, on_field, on_record, c) != n || csv_fini(&p, on_field, on_record, c) != 0)
                give_up(path, csv_strerror(csv_error(&p)));
        csv_free(&p);
        c->bytes += n;
}

int main(int argc, char **argv)
{
        struct count c = {0};
        int64_t wall_ns = 0;
        double cpu_s = 0;
        if (argc < 2) {
                fputs("usage: bench_fields FILE…\n", stderr);
                return 2;
        }
        for (int i = 1; i < argc; i++) {
                size_t n;
                char *bytes = read_file(argv[i], &n);
                int64_t from_ns = now_ns();
                double from_s = process_cpu_s(getpid());
                parse(&c, argv[i], bytes, n);
                cpu_s += process_cpu_s(getpid()) - from_s;
                wall_ns += now_ns() - from_ns;
                free(bytes);
        }
        printf("records=%" PRIu64 " fields=%" PRIu64 " bytes=%" PRIu64 " wall_s=%.6f cpu_s=%.6f\n", c.records,
               c.fields, c.bytes, (double)wall_ns * 1e-9, cpu_s);
        return 0;
}
