/* daemon: what the three daemons do alike around their own main loop.
 *
 * Command line (--config FILE, --check, --version, --help, --lang), logging as configured, no core dumps
 * (PITFALLS section 7), the signals SIGHUP and SIGTERM/SIGINT on the loop, /healthz and /metrics, the clock. */
#ifndef SUMU_LOOP_DAEMON_H
#define SUMU_LOOP_DAEMON_H

#include "base/text.h"
#include "core/reason.h"
#include "loop/config.h"
#include "loop/http.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Reasons why a daemon is degraded or failing; raised and cleared by name. Thread-safe. */
enum health_grade { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };
struct health;
struct health *health_new(void);
void health_free(struct health *h);
void health_raise(struct health *h, enum health_grade grade, const char *name, const char *sentence);
void health_clear(struct health *h, const char *name);
enum health_grade health_print(struct health *h, struct text *json); /* {"status":…,"reasons":[…]} */
void health_reply(struct health *h, struct http_reply *a);           /* with the status code */

/* Counters and gauges of one daemon: a .def list (METRIC rows: name, type, help) gives the table. Atomic. */
struct metric {
        const char *name, *type, *help; /* "sumu_reports_total", "counter" */
};
void metrics_print(const struct metric *table, const _Atomic int64_t *values, size_t n, struct text *out);

int64_t clock_us(void);        /* wall clock, microseconds since 1970 UTC */
int64_t clock_monotonic_ms(void);
/* Seconds of civil time in a zone ("Asia/Shanghai"), counted from 1970-01-01 00:00 local. Thread-safe. */
int64_t clock_civil_s(int64_t us, const char *zone);
void clock_rfc3339(int64_t us, char out[32]); /* 2023-09-19T08:00:00.000Z */
bool clock_parse(const char *rfc3339, int64_t *us);

struct daemon_options {
        const char *program, *summary_en, *summary_zh;
        const struct config_key *keys;
        const char *const *flags; /* further flags without argument, e.g. "take-over", ended by NULL */
        const char *const *flag_help;
};

struct daemon {
        struct config *config;
        enum lang lang;
        bool check; /* --check: stop after checking */
        uint64_t flags;
};

/* Parses the command line and the configuration, starts the log. Answers -1 to go on, else the exit status. */
int daemon_begin(struct daemon *d, const struct daemon_options *o, int argc, char **argv);
void daemon_end(struct daemon *d);

/* SIGTERM and SIGINT call stop, SIGHUP calls reload; both on the loop. */
struct daemon_signals;
struct daemon_signals *daemon_signals(uv_loop_t *loop, void (*stop)(void *ctx), void (*reload)(void *ctx), void *ctx);
void daemon_signals_close(struct daemon_signals *s);

/* Small files, whole and durable: written beside, synced, renamed, folder synced (PITFALLS U5). */
int file_read(const char *path, size_t most, struct text *out, struct err *e);
int file_write(const char *path, const void *bytes, size_t n, unsigned mode, struct err *e);
int folder_make(const char *path, unsigned mode, struct err *e); /* with parents */

/* The catalogue files of a folder, read for catalog_parse. */
struct catalog;
struct faults;
struct catalog *catalog_load(const char *dir, struct faults *faults, struct err *e);

#endif
