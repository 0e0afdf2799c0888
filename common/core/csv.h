/* csv: UTF-8 bytes in, records out, one at a time.
 *
 * RFC 4180 read strictly: a quote inside an unquoted field, text after a closing quote, or a quote never
 * closed is a fault and ends the reading. Lines end with LF, CRLF or CR; a byte order mark at the start is
 * skipped, blank lines are skipped, spaces and tabs around an unquoted field are cut (a quoted one is taken
 * as it is). A record need not have as many fields as the one before: what a row must look like is the
 * caller's business, as is the header.
 *
 * Never more than one record is held. The bytes may come in pieces of any size, cut anywhere. */
#ifndef SUMU_CORE_CSV_H
#define SUMU_CORE_CSV_H

#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        CSV_COLUMNS = 1000,       /* fields of a record */
        CSV_FIELD = 64 * 1024,    /* bytes of a field */
        CSV_RECORD = 1024 * 1024, /* bytes of all fields of a record */
};

struct csv_record {
        uint32_t line; /* on which it begins; the first line of the input is 1 */
        size_t n;
        const char *const *fields; /* NUL-terminated; gone when the callback returns */
};

/* CSV_FAULT(name, en, zh): why reading ended early. */
#define CSV_FAULTS(CSV_FAULT)                                                                       \
        CSV_FAULT(QUOTE, "a quotation mark stands where none may, or one is not closed",            \
                  "引号位置不对或没有成对")                                                         \
        CSV_FAULT(NUL, "there is a NUL byte in it: not a text file", "含有 NUL 字节，不是文本文件") \
        CSV_FAULT(COLUMNS, "more than 1,000 columns", "超过 1000 列")                               \
        CSV_FAULT(FIELD, "a field is larger than 64 KiB", "单个字段超过 64 KiB")                    \
        CSV_FAULT(RECORD, "a record is larger than 1 MiB", "单行记录超过 1 MiB")                    \
        CSV_FAULT(MEMORY, "out of memory", "内存不足")

enum csv_end {
        CSV_FINE,
        CSV_STOPPED, /* the callback wanted no more */
#define CSV_FAULT(name, en, zh) CSV_BAD_##name,
        CSV_FAULTS(CSV_FAULT)
#undef CSV_FAULT
};

/* A sentence without a full stop; of the faults only. */
const char *csv_sentence(enum csv_end end, enum lang lang);

/* Takes a record; false: stop. */
typedef bool csv_take(void *ctx, const struct csv_record *r);

struct csv_reader;

struct csv_reader *csv_reader_new(csv_take *take, void *ctx); /* NULL: memory */
void csv_reader_free(struct csv_reader *r);

/* Once either answers anything but CSV_FINE, it answers the same from then on. */
enum csv_end csv_reader_feed(struct csv_reader *r, const void *bytes, size_t n);
enum csv_end csv_reader_end(struct csv_reader *r);

/* The line on which the record begins that is being read: the place of a fault. */
uint32_t csv_reader_line(const struct csv_reader *r);

/* All of it at once; *line (may be NULL) is the place of a fault. */
enum csv_end csv_read(const void *bytes, size_t n, csv_take *take, void *ctx, uint32_t *line);

#endif
