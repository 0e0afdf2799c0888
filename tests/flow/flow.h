/* flow: the real programs, started, asked over HTTP, and stopped, by a test.
 *
 * Everything waits for the thing itself and gives up after FLOW_PATIENCE_MS; what goes wrong fails the test.
 */
#ifndef SUMU_TESTS_FLOW_H
#define SUMU_TESTS_FLOW_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FLOW_PATIENCE_MS = 30 * 1000 };

uint16_t flow_port(void); /* a free one on loopback */

struct flow_program {
        pid_t pid; /* 0: not running */
        uint16_t port;
};

/* Starts PROGRAM --config CONFIG [FLAG] and waits until /healthz answers on the port. */
void flow_start(struct flow_program *p, const char *program, const char *config, const char *flag,
                uint16_t port);

/* Sends a signal, waits for the end, answers the exit status (128 + signal if it was killed). */
int flow_end(struct flow_program *p, int signal);
int flow_wait(struct flow_program *p);

/* One request; `headers` are lines ended by \r\n, or "". Answers the status; the body goes into *body (may be
 * NULL), which is cleared first. 0: nobody there. */
int flow_http(const struct flow_program *p, const char *method, const char *path, const char *headers,
              const char *body, struct text *reply);

/* GETs a path until the reply holds a text. */
void flow_await(const struct flow_program *p, const char *path, const char *want);

/* Something to do between two looks, e.g. the turn of a loop; NULL: wait a few milliseconds. */
extern void (*flow_meanwhile)(void);
bool flow_patient(int64_t since_ms); /* one turn of waiting; false: patience has ended */
int64_t flow_now_ms(void);

#endif
