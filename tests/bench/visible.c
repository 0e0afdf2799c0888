#include "bench/visible.h"

#include "base/check.h"
#include "bench/process.h"

#include <stdlib.h>

bool visible_open(struct visible *v, const struct plan *p, const struct catalog *c, int64_t start_ns)
{
        *v = (struct visible){.plan = p, .catalog = c, .start_ns = start_ns};
        v->seen = calloc(c->n_offices, sizeof *v->seen);
        v->latency_ns = malloc(c->n_offices * p->reports * sizeof *v->latency_ns);
        POST(v->seen && v->latency_ns);
        return sqlite3_open_v2(p->store, &v->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
               sqlite3_prepare_v2(v->db, "SELECT office, seq FROM mark", -1, &v->marks, NULL) == SQLITE_OK;
}

static void see(struct visible *v, int32_t office, uint64_t seq, int64_t at_ns)
{
        for (; office >= 0 && v->seen[office] < seq && v->seen[office] < v->plan->reports; v->seen[office]++)
                v->latency_ns[v->n++] =
                    at_ns - plan_due_ns(v->plan, (uint32_t)office, v->seen[office]) - v->start_ns;
}

bool visible_look(struct visible *v)
{
        int rc;
        while ((rc = sqlite3_step(v->marks)) == SQLITE_ROW)
                see(v, catalog_office(v->catalog, (const char *)sqlite3_column_text(v->marks, 0)),
                    (uint64_t)sqlite3_column_int64(v->marks, 1), now_ns());
        sqlite3_reset(v->marks);
        return rc == SQLITE_DONE;
}

void visible_close(struct visible *v)
{
        sqlite3_finalize(v->marks);
        sqlite3_close(v->db);
        free(v->seen);
        free(v->latency_ns);
        *v = (struct visible){0};
}
