/* encoding: which encoding bytes are in, and the same text in UTF-8.
 *
 * A byte order mark says UTF-8, UTF-16LE or UTF-16BE; without one, bytes that are strictly UTF-8 are UTF-8,
 * all others are read as GB18030 (which holds GBK and GB2312). Nothing is guessed from frequencies. The mark
 * itself is not part of the text.
 *
 * A workbook (a ZIP archive or an OLE file) is no text in any of them; its name is a sentence in both
 * languages, cut by a line end, as reasons have them.
 *
 * GB18030 needs glibc's converter, a file loaded at run time (gconv): an image without it gets E_MISSING and
 * a sentence that says so. */
#ifndef SUMU_LOOP_ENCODING_H
#define SUMU_LOOP_ENCODING_H

#include "base/err.h"
#include "base/text.h"

#include <stddef.h>

/* Replaces what `out` held. *name (may be NULL) becomes "UTF-8", "UTF-16LE", "UTF-16BE" or "GB18030", static.
 *
 * E_SYNTAX: a byte that cannot be read in it, NUL among them. `out` then holds the text before that byte, so
 * the line is one more than its line ends; the sentence gives line and byte. E_MISSING, E_MEM. */
int encoding_to_utf8(const void *bytes, size_t n, struct text *out, const char **name, struct err *e);

#endif
