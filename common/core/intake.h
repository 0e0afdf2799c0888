/* intake: files and forms as people send them, turned into reports (CONTRACT.md, "Reports as files").
 *
 * Bytes in UTF-8 come in (the caller has recognised the encoding), reports and reasons come out: all errors at once,
 * each with row and column. Long CSV, wide CSV, and the JSON of POST /api/v1/reports. A file with several datasets or
 * periods becomes several reports; if there is any reason, none of them is to be taken. Checks here are those that need the
 * file alone (and the catalogue); what stands is judged by report_judge.
 *
 * Every report carries the row of each fact, so later reasons can name the place. */
#ifndef SUMU_CORE_INTAKE_H
#define SUMU_CORE_INTAKE_H

#include "core/report.h"

enum { INTAKE_BYTES = 64 * 1024 * 1024 };

struct intake_report {
        struct report report;
        uint32_t *rows;      /* of each fact */
        bool action_written; /* the action stood in the file, its name or the request, so withdrawing is meant */
        size_t capacity;     /* of report.facts and rows */
};

struct intake {
        struct intake_report *reports; /* in order of first appearance */
        size_t n;
        struct reasons reasons;
        struct arena arena; /* notes, names */
        size_t cap;
};

struct intake_hints { /* from the command line, the query or the file's name; NULL where not given */
        const char *dataset, *period, *action;
};

/* Splits DATASET_PERIOD[_ACTION].csv; answers false if the name has not that form. The texts go into `room`. */
bool intake_name(const char *file_name, struct intake_hints *hints, char room[256]);

/* `j` gives catalogue, office, today and submission time for report_check. false: memory. */
bool intake_csv(struct intake *in, const char *bytes, size_t n, struct intake_hints hints, const struct judge *j);
bool intake_json(struct intake *in, const char *bytes, size_t n, const struct judge *j);
bool intake_nil(struct intake *in, struct intake_hints hints, const struct judge *j); /* a report of zeros */
void intake_close(struct intake *in);

#endif
