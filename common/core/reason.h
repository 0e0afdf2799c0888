/* reason: why a piece of input is refused, as data.
 *
 * A reason is a code of reasons.def, the place (row: the line on which the record begins, header = 1, in JSON
 * the index from 1; 0: the file as a whole; column: header text or key, may be NULL) and up to three
 * arguments. The sentence is made when it is shown, in the reader's language. For code `rule` argument 1 is
 * "english\nchinese".
 *
 * A list keeps the first REASONS_KEPT and counts the rest. Strings live in the list's arena. Its failure is
 * sticky: where memory ran out, whoever the list is for has to be told that, and not what is left of it. */
#ifndef SUMU_CORE_REASON_H
#define SUMU_CORE_REASON_H

#include "base/arena.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lang { LANG_EN, LANG_ZH };

enum reason_code {
        REASON_NONE,
#define REASON(name, code, en, zh) REASON_##name,
#include "core/reasons.def"
#undef REASON
        REASON_COUNT
};

enum { REASON_ARGS = 3, REASONS_KEPT = 10000 };

struct reason {
        enum reason_code code;
        uint32_t row;
        const char *column;
        const char *arg[REASON_ARGS];
};

struct reasons {
        struct reason *v;
        size_t n;     /* kept */
        size_t total; /* found */
        size_t cap;
        bool failed; /* memory ran out: some are missing, or lack a text */
        struct arena arena;
};

/* Adds one; column and arguments are copied and may be NULL. */
void reasons_add(struct reasons *r, enum reason_code code, uint32_t row, const char *column, const char *a0,
                 const char *a1, const char *a2);
void reasons_copy(struct reasons *r, const struct reason *from);
void reasons_clear(struct reasons *r);
void reasons_close(struct reasons *r);

const char *reason_name(enum reason_code code); /* "unknown_region" */
enum reason_code reason_find(const char *name); /* REASON_NONE if there is none */
void reason_sentence(const struct reason *r, enum lang lang, struct text *out);

/* A template of reasons.def (or faults.def) with its arguments put in; an argument may be "english\nchinese".
 */
void sentence_fill(const char *sentence, const char *const arg[REASON_ARGS], enum lang lang,
                   struct text *out);

/* [{"row":3,"column":"value","code":"not_a_number","message":"…"}], row and column null where there is none.
 */
void reasons_json(const struct reasons *r, enum lang lang, struct text *out);

/* "file:row:column: message (code)\n" each, as on stderr. */
void reasons_lines(const struct reasons *r, const char *file, enum lang lang, struct text *out);

/* The errors file beside a rejected one: header row,column,code,message, UTF-8, in Chinese with BOM. */
void reasons_csv(const struct reasons *r, enum lang lang, struct text *out);

#endif
