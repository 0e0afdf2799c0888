/* health: the reasons why a daemon is degraded or failing, raised and cleared by name, and how /healthz says
 * them.
 *
 * Thread-safe. A reason that appears, changes its grade or goes away is logged once. */
#ifndef SUMU_LOOP_HEALTH_H
#define SUMU_LOOP_HEALTH_H

#include "base/text.h"
#include "loop/http.h"

enum health_grade { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };

struct health;

struct health *health_new(void); /* NULL: memory */
void health_free(struct health *h);

/* Raising a name again replaces grade and sentence; HEALTH_OK clears it. Name and sentence are copied. */
void health_raise(struct health *h, enum health_grade grade, const char *name, const char *sentence);
void health_clear(struct health *h, const char *name);

/* {"status":"degraded","reasons":[{"name","status","message"}]}, worst first; the grade of the whole. */
enum health_grade health_print(struct health *h, struct text *json);
void health_reply(struct health *h, struct http_reply *a); /* 503 when failing, else 200 */

#endif
