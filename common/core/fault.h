/* fault: what is wrong with a catalogue folder, as data: which file, where, what.
 *
 * Like reasons, but about what an operator wrote: the sentence is made at once, in both languages, because
 * its arguments may be gone when it is shown. A list keeps the first FAULTS_KEPT and counts the errors of
 * all. */
#ifndef SUMU_CORE_FAULT_H
#define SUMU_CORE_FAULT_H

#include "base/arena.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAULTS_KEPT = 1000 };

enum fault_code {
#define FAULT(name, code, grade, en, zh) FAULT_##name,
#include "core/faults.def"
#undef FAULT
        FAULT_COUNT
};

struct fault {
        const char *file, *column; /* column NULL: none to name */
        uint32_t row;     /* line on which the record or the YAML entry begins; 0: the file as a whole */
        const char *code; /* "unknown_region" */
        bool warning;
        const char *en, *zh;
};

struct faults {
        struct fault *v;
        size_t n, cap;
        size_t errors; /* all that are no warnings, kept or not */
        bool failed;   /* memory ran out: some are missing, or lack a text */
        struct arena arena;
};

/* Strings are copied; column and arguments may be NULL. An argument "english\nchinese" speaks both languages.
 */
void faults_add(struct faults *f, enum fault_code code, const char *file, uint32_t row, const char *column,
                const char *a0, const char *a1, const char *a2);
void faults_close(struct faults *f);

/* "dir/file:row:column: message (code)\n" each, as on stderr; `dir` NULL: without. */
void faults_lines(const struct faults *f, const char *dir, enum lang lang, struct text *out);

#endif
