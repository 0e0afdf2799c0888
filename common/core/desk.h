/* desk: where rows on their way to reports are read and gathered. The inner half of intake: the readers of
 * CSV and JSON bring texts row by row, the desk knows what they mean, keeps the figures by report, and at
 * closing compares the total rows, finds what is given twice, checks each report and puts the reasons in
 * order of rows.
 *
 * Memory is in proportion to the figures. Nothing is searched twice for the same wrong name, nor for more
 * than a bounded time in all. */
#ifndef SUMU_CORE_DESK_H
#define SUMU_CORE_DESK_H

#include "core/intake.h"

const char *column_word(enum column k);
bool column_find(const char *heading,
                 enum column *k); /* word in any case, or Chinese name; spaces do not count */

/* What a row is. */
enum mark {
        MARK_FIGURES,
        MARK_SUBTOTAL, /* 小计 */
        MARK_TOTAL,    /* 合计 总计 */
};
enum mark mark_of(const char *text); /* of a region's cell; NULL: MARK_FIGURES */

struct figure {
        struct fact fact; /* region means nothing in a total */
        const char *note;
        uint32_t row;
        uint16_t cell;
        uint8_t mark;
};

struct figures {
        struct figure *v;
        size_t n, cap;
};

/* What is gathered of one report. */
struct pile {
        uint32_t dataset;
        struct period period;
        enum action action;
        bool action_said;  /* by a row */
        bool action_known; /* by a row or a hint */
        bool wanted;       /* a report even without figures, to be refused as such */
        bool has_totals;
        uint32_t row;
        const char *note;
        struct figures figures;
};

enum { DESK_NEAR_MAX = 200, DESK_NEAR_COST = 5000 };

/* A file is read to its end so that all its errors are said, but not beyond what can still be of use: twice
 * the rows a report may have, so many reports, so many errors. Else 64 MiB of five-byte lines would keep the
 * office's collector busy for a minute, and take half a gigabyte. */
enum { DESK_FIGURES_MAX = 2 * REPORT_ROWS, DESK_REPORTS_MAX = 20000, DESK_REASONS_MAX = 1000000 };

struct desk {
        struct intake *in;
        const struct judge *j;
        struct intake_hints hints;
        bool told_dataset, told_period, told_action; /* of the hints: once is enough */
        const char *columns[COLUMN_COUNT];           /* headings as written; NULL: rows do not have it */

        bool full; /* it is refused in any case: nothing more need be read */

        struct pile *piles;
        size_t n, cap;
        struct map places;    /* dataset and period to pile */
        struct figures loose; /* totals over all periods of a file */

        struct map near_names; /* a wrong name to its place in `near` */
        const char *near[DESK_NEAR_MAX];
        size_t near_n, near_left;
        const char *last_note;
        struct arena room; /* of the row being read */
        bool failed;       /* memory */
};

/* The row being read. */
struct desk_row {
        uint32_t row;
        enum mark mark;
        int32_t pile;    /* NONE: it cannot be said of which report */
        int32_t dataset; /* NONE: not known */
        int32_t region;  /* NONE: not known */
        bool own;
        bool region_told; /* what is wrong with the region has been said */
        bool loose;       /* a total of no period */
        const char *note;
};

void desk_open(struct desk *d, struct intake *in, const struct judge *j);
void desk_hints(struct desk *d, struct intake_hints hints); /* copied; a blank one is none */
bool desk_readable(struct desk *d, const char *bytes,
                   size_t n);    /* not too large, UTF-8, no NUL; else the reason is given */
bool desk_close(struct desk *d); /* false: memory */

void desk_refuse(struct desk *d, enum reason_code code, uint32_t row, const char *column, const char *a0,
                 const char *a1, const char *a2);

/* A column or key that has to be there; `advice` may be NULL. */
void desk_missing(struct desk *d, uint32_t row, enum column k, const char *advice);

/* A bilingual argument of a reason, "english\nchinese". */
const char *desk_say(struct desk *d, const char *en, const char *zh);

/* The heading of a column, or its key where there is none. */
const char *desk_heading(const struct desk *d, enum column k);

/* A text without spaces at its ends, NULL if nothing is left. What is copied lives until the next row. */
const char *desk_tidy(struct desk *d, const char *text);

/* Begins a row: finds dataset, period, action and region, gives the reasons. Texts are tidy or NULL. */
void desk_row(struct desk *d, struct desk_row *r, uint32_t row, enum mark mark,
              const char *const text[COLUMN_COUNT]);

/* Opens a report that is there even without rows; the hints name it. Texts are tidy or NULL. */
void desk_open_report(struct desk *d, const char *action, const char *note);

/* The indicator of a row, or NONE with the reason given. */
int32_t desk_indicator(struct desk *d, const struct desk_row *r, const char *text);

/* One figure of the row; `cell` is an index of intake.headings (0 unless wide). A blank says nothing. */
void desk_figure(struct desk *d, struct desk_row *r, int32_t indicator, uint16_t cell, const char *text);

void figures_add(struct desk *d, struct figures *f, struct figure one);

/* The heading above a cell of the wide form, else `otherwise`. */
const char *desk_cell(const struct intake *in, uint16_t cell, const char *otherwise);

/* The nearest name there is, or NULL. For a heading: of columns, and of indicators if `wide`. */
const char *desk_near(struct desk *d, enum column what, int32_t dataset, const char *name);
const char *desk_near_heading(struct desk *d, bool wide, int32_t dataset, const char *name);

int32_t desk_find_dataset(const struct desk *d, const char *text);
int32_t desk_hinted_dataset(struct desk *d); /* tells once what is wrong with it */

/* What report.c finds is asked for with the numbers of the facts, 1 to n, in place of rows, and then told
 * with row and heading of each. The array is the caller's to free; NULL: memory. */
uint32_t *desk_numbers(size_t n);
void desk_place(const struct intake *in, const struct intake_report *r, const struct reasons *found,
                struct reasons *out);

/* In order of rows, none twice. */
void desk_sort_reasons(struct reasons *r);

#endif
