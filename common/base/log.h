/* log: one line per event on stderr, answering a question an operator would ask.
 *
 * logfmt for people, JSON lines by option. Fields come as pairs of key and text after the message, ended by
 * NULL:
 *
 *     log_info("committed", "office", "150200", "mark", "927", NULL);
 *
 * Thread-safe: a line is written with one write(2). */
#ifndef SUMU_BASE_LOG_H
#define SUMU_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* `program` is borrowed for the life of the process. */
void log_init(const char *program, enum log_level least, bool json);
void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)

#endif
