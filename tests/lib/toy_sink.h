/* toy_sink: the sink's API over a toy store, on a real socket with threads of its own, and a client for it.
 */
#ifndef SUMU_TESTS_TOY_SINK_H
#define SUMU_TESTS_TOY_SINK_H

#include "lib/toy_store.h"
#include "loop/health.h"
#include "loop/http.h"
#include "sink/api.h"

#include <jansson.h>
#include <pthread.h>

struct toy_sink {
        struct toy_store store; /* its catalogue is the API's */
        struct api *api;
        struct http *http;
        struct health *health;
        uv_loop_t loop;
        uv_async_t stop;
        pthread_t thread;
        unsigned short port;
};

void toy_sink_now(const char *rfc3339); /* the clock of every toy sink */

/* Takes the catalogue over. The loop runs on a thread of its own. */
void toy_sink_open(struct toy_sink *s, struct catalog *c);
void toy_sink_close(struct toy_sink *s);

/* The reply to a request, body only; ours to free. `lang` may be NULL. */
char *toy_sink_ask(const struct toy_sink *s, const char *method, const char *target, const char *lang,
                   int *status);

#endif
