/* verdict_text: the reasons of a verdict as they stand in the store: a JSON array of
 * {"row","column","code","args","message"}, the message in English for readers of the view; the arguments
 * bring the sentence back in any language. */
#ifndef SUMU_SINK_VERDICT_TEXT_H
#define SUMU_SINK_VERDICT_TEXT_H

#include "core/reason.h"

void verdict_text_write(const struct reason *v, size_t n, struct text *out);
bool verdict_text_read(const char *json, struct reasons *out); /* false: not ours */

#endif
