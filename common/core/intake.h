/* intake: files and forms as people send them, turned into reports (CONTRACT.md, "Reports as files").
 *
 * Bytes in UTF-8 come in (the caller has recognised the encoding; a byte order mark may be there), reports
 * and reasons come out: all errors at once, in order of rows, each with row and column. A file with several
 * datasets or periods becomes several reports. If there is any reason, or it is malformed, none of the
 * reports is to be taken: they are there so that intake_judge can add what it finds. Otherwise there is at
 * least one.
 *
 * What the contract leaves open is decided here:
 *
 * - The header is the first of the first 100 lines that names a region column and either indicator and value
 * (long) or at least one known indicator (wide); a withdrawal needs no more than an action column. English
 * column names go in any case, spaces in a Chinese heading do not count. A unit in a heading's brackets must
 * be the indicator's own. A field beyond the header's columns, or below an empty heading, is an unknown
 * column "#n": `3,739` without quotes never becomes a 3.
 * - dataset, period and action: a cell that is not blank goes before the hint. Where no row names the action
 * it is the hint's, else replace; a blank action cell says nothing.
 * - Periods: labels, and what period_read.h lists. Datasets: code or name. Regions: those of the office
 * first.
 * - 合计 总计 小计 (in the region's cell or the row's first, spaces do not count): 小计 is compared with the
 * rows since the 小计 before, the others with all rows above, or, standing before the first figure, with
 * those below. A peak is compared with the largest; blank cells and derived columns are not compared. A
 * figure that is not exact is compared as far as it says something: `500余` may stand above a sum of 512, not
 * of 480.
 * - A note is kept with the first figure of its row; where the row has none, nothing is kept.
 * - CSV that cannot be read further (a stray quotation mark, a line of more than 1 MiB) has the code
 * `encoding`.
 * - JSON: the object of the contract, or an array of such objects; rows are numbered through from 1. A number
 * stands as it is written, for a code as well as for a value; 1e3 is 1000. What is no JSON, holds a
 * key twice, or has an object where a value belongs is `malformed`.
 * - No rows and the hint `withdraw` is a withdrawal, also as a file of no bytes.
 * - Reading stops early where the file is refused in any case: at a row beyond twice what a report may have,
 * at the 20,001st report (`file_too_large`), at the millionth error.
 * - Names that are wrong get the nearest right one until 200 of them have been looked for. */
#ifndef SUMU_CORE_INTAKE_H
#define SUMU_CORE_INTAKE_H

#include "base/err.h"
#include "core/report.h"

enum { INTAKE_BYTES = 64 * 1024 * 1024 };

/* COLUMN(name, word, zh): the columns of a file, the keys of a JSON report. */
#define COLUMNS(COLUMN)                        \
        COLUMN(DATASET, "dataset", "数据集")   \
        COLUMN(PERIOD, "period", "时期")       \
        COLUMN(REGION, "region", "地区")       \
        COLUMN(INDICATOR, "indicator", "指标") \
        COLUMN(VALUE, "value", "数值")         \
        COLUMN(NOTE, "note", "备注")           \
        COLUMN(ACTION, "action", "操作")

enum column {
#define COLUMN(name, word, zh) COLUMN_##name,
        COLUMNS(COLUMN)
#undef COLUMN
            COLUMN_COUNT
};

struct intake_report {
        struct report report;
        uint32_t *rows;      /* of each fact */
        uint16_t *cells;     /* of each fact: index of intake.headings, of the wide form only */
        bool action_written; /* the action stood in the file, its name or the request, so withdrawing is meant
                              */
        bool checked;        /* report_check has nothing against it */
        uint32_t row;        /* where the report was first named, 0: by the hints */
};

struct intake {                        /* zeroed is empty; one is filled once */
        struct intake_report *reports; /* in order of first appearance */
        size_t n;
        struct reasons reasons;
        struct err malformed; /* code E_SYNTAX: not JSON of this form (answered with 400); then nothing else
                                 is there */

        const char *columns[COLUMN_COUNT]; /* headings as written; NULL: rows do not have it */
        const char *const *headings;       /* of the wide form, by cell; else NULL */
        struct arena arena;                /* notes, headings */
        size_t cap;
};

struct intake_hints { /* from the command line, the query or the file's name; NULL where not given */
        const char *dataset, *period, *action;
};

/* Splits DATASET_PERIOD[_ACTION].csv; answers false if the name has not that form. The texts go into `room`.
 * A dataset may itself hold `_`; whether dataset and period exist is not asked here. */
bool intake_name(const char *file_name, struct intake_hints *hints, char room[256]);

/* `j` gives catalogue, office, today and submission time for report_check. false: memory. */
bool intake_csv(struct intake *in, const char *bytes, size_t n, struct intake_hints hints,
                const struct judge *j);
bool intake_json(struct intake *in, const char *bytes, size_t n, const struct judge *j);

/* A report of zeros: "nothing happened in my region". One row for each flow of the dataset that the office's
 * region may report, written as the region's own so that a later merge of a part of it is no overlap. */
bool intake_nil(struct intake *in, struct intake_hints hints, const struct judge *j);

/* Judges report i with what would stand after it (report_judge) and adds the reasons with their places. A
 * report that is wrong by itself is not judged; where there are reasons already, rules are left out, for they
 * may speak of rows that could not be read. false: memory. */
bool intake_judge(struct intake *in, size_t i, const struct standing *after, const struct judge *j,
                  struct reasons *flags);

void intake_close(struct intake *in);

#endif
