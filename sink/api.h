/* api: what the sink answers over HTTP (CONTRACT.md, "Sink, HTTP").
 *
 * Handlers run on the server's threads. Each request takes a read-only connection of its own and works inside
 * one read transaction, so an answer is of one version of the store; a read takes at most DB_READ_MS. Nothing
 * is shared with the loop's thread but this object: the catalogue in force (swapped by api_set_catalog, freed
 * when the last request that uses it has been answered), health, metrics, and the one request that writes:
 * POST /api/v1/streams/skip is carried to the loop, and its thread waits for the answer.
 *
 *     struct api *api = api_new(&options, &catalog, &e);
 *     http_start(&http, loop, &(struct http_options){.routes = sink_routes, .ctx = api, .threads = 2}, &e);
 *     api_stop(api);
 *     http_stop(http);
 *     api_free(&api);
 *
 * Routes beside those of CONTRACT.md:
 *
 * - `GET /api/v1/verify[?run=N]` recomputes every total (sink/verify.h) on a thread of its own. 200 with the
 *   result if it is there within half a second, else 202 {"run":N,"state":"running"}: ask again with run=N.
 *   Without `run` the run under way is joined, or a new one begins.
 * - `POST /api/v1/streams/skip?office=O` answers {"office","from","to"}, or 404 no_gap. */
#ifndef SUMU_SINK_API_H
#define SUMU_SINK_API_H

#include "base/err.h"
#include "base/text.h"
#include "core/catalog.h"
#include "loop/http.h"

#include <stdint.h>
#include <uv.h>

struct api;
struct health;

struct api_options {
        const char *path;        /* of the SQLite file; copied */
        uv_loop_t *loop;         /* the one that owns the writer */
        struct health *health;   /* borrowed */
        int64_t (*now_us)(void); /* NULL: clock_us; from any thread */

        /* Appends the Prometheus text; called on HTTP threads. */
        void (*metrics)(void *ctx, struct text *out);

        /* Called on the loop: store_skip. E_MISSING: the office has no gap. */
        int (*skip)(void *ctx, const char *office, uint64_t *from, uint64_t *to, struct err *e);

        /* The public signing key behind a key id, in 32 bytes; called on a thread of verify. NULL: signatures
         * are not checked. */
        bool (*sign_key)(void *ctx, const char *office, const uint8_t id[8], uint8_t key[32]);
        void *ctx;
};

extern const struct http_route sink_routes[]; /* their context is the struct api */

/* Both take the catalogue over and leave NULL. The loop may use api_catalog until it sets the next one
 * itself. NULL: memory, or no wake-up for the loop; the catalogue is then still the caller's. */
struct api *api_new(const struct api_options *o, struct catalog **first, struct err *e);
void api_set_catalog(struct api *a, struct catalog **next);
const struct catalog *api_catalog(const struct api *a);

/* On the loop's thread. api_stop refuses what waits for the loop and ends a verification under way; api_free
 * wants the server stopped, and its memory is given back by the loop's next turn. */
void api_stop(struct api *a);
void api_free(struct api **a);

#endif
