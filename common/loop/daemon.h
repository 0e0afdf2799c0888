/* daemon: what the three daemons do alike around their own main loop.
 *
 * Command line (--config FILE, --check, --version, --help, --lang), logging as configured, no core dumps
 * (PITFALLS section 7), the signals SIGHUP and SIGTERM/SIGINT on the loop; and, by their own headers,
 * /healthz, /metrics, the clock, small files, the catalogue folder. */
#ifndef SUMU_LOOP_DAEMON_H
#define SUMU_LOOP_DAEMON_H

#include "base/text.h"
#include "core/reason.h"
#include "loop/catalog_load.h"
#include "loop/clock.h"
#include "loop/config.h"
#include "loop/files.h"
#include "loop/health.h"
#include "loop/http.h"
#include "loop/metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The exit statuses of CONTRACT.md. DAEMON_BROKEN: storage failed in a way that forbids to go on (PITFALLS
 * Q5); start it again. */
enum { DAEMON_DONE = 0, DAEMON_FAILED = 1, DAEMON_USAGE = 2, DAEMON_BROKEN = 3 };

/* The table of keys must have log.level (debug info warn error) and log.format (text json). */
struct daemon_options {
        const char *program, *summary_en, *summary_zh;
        const struct config_key *keys;
        /* further flags without argument, e.g. "take-over", ended by NULL; may be NULL */
        const char *const *flags;
        const char *const *flag_help, *const *flag_help_zh; /* beside them */
};

struct daemon {
        struct config *config;
        enum lang lang; /* of the person at the terminal: --lang, else LC_ALL, LC_MESSAGES, LANG */
        bool check;     /* --check: the daemon checks what else it needs, prints "ok" and exits */
        uint64_t flags; /* bit i: flags[i] was given */
};

/* Parses the command line and the configuration, starts the log. Answers -1 to go on, else the exit status.
 * Also sets the umask to 027, ignores SIGPIPE and forbids core dumps and tracing by others (not under
 * sanitizers, which trace). */
int daemon_begin(struct daemon *d, const struct daemon_options *o, int argc, char **argv);
void daemon_end(struct daemon *d);

/* The language alone, for programs that are no daemons. */
enum lang daemon_lang(int argc, char **argv);

/* SIGTERM and SIGINT call stop, SIGHUP calls reload; both on the loop. The first stop gives both signals back
 * their usual meaning, so that a second one ends a stop that hangs. NULL: the loop refused. */
struct daemon_signals;
struct daemon_signals *daemon_signals(uv_loop_t *loop, void (*stop)(void *ctx), void (*reload)(void *ctx),
                                      void *ctx);
void daemon_signals_close(struct daemon_signals *s); /* the memory is given back by the loop's next turn */

#endif
