#include "sink/presence.h"

#include "base/check.h"
#include "loop/clock.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

struct days { /* first days, ascending, each once */
        int32_t *v;
        size_t n, cap;
};

struct presence {
        const struct catalog *c;
        uint32_t dataset;
        int64_t civil_s;
        struct days *stands;   /* by office */
        struct period current; /* what `state` is about */
        bool asked;
        struct days bases; /* of the base periods inside it that have ended */
        uint8_t *state;    /* by office */
};

enum { EXPECTED = 1, RECEIVED = 2, COMPLETE = 4 };

int64_t reader_civil_s(const struct reader *r)
{
        return clock_civil_s(r->now_us, r->catalog->timezone);
}

bool period_has_ended(struct period p, int64_t civil_s)
{
        return ((int64_t)p.last + 1) * DAY_S <= civil_s;
}

static bool days_add(struct days *d, int32_t day)
{
        if (d->n && d->v[d->n - 1] == day)
                return true;
        if (d->n == d->cap) {
                size_t cap = d->cap ? d->cap * 2 : 32;
                int32_t *more = realloc(d->v, cap * sizeof *more);
                if (!more)
                        return false;
                d->v = more;
                d->cap = cap;
        }
        d->v[d->n++] = day;
        return true;
}

/* How many lie before `day`. */
static size_t days_before(const struct days *d, int32_t day)
{
        size_t low = 0, high = d->n;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (d->v[mid] < day)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static size_t days_within(const struct days *d, int32_t first, int32_t last)
{
        return first > last ? 0 : days_before(d, last + 1) - days_before(d, first);
}

static int load(struct presence *p, struct reader *r, int32_t first, int32_t last, struct err *e)
{
        sqlite3_stmt *q = reader_sql(r, r->past ? READ_PRESENT_THEN : READ_PRESENT_NOW);
        db_text(q, 1, p->c->datasets[p->dataset].code);
        db_int(q, 2, first);
        db_int(q, 3, last);
        if (r->past)
                db_int(q, 4, (int64_t)r->version);
        int rc;
        while ((rc = db_step(&r->db, q, e)) == 1) {
                const char *code = (const char *)sqlite3_column_text(q, 1);
                int32_t office = code ? catalog_office(p->c, code) : NONE;
                if (office >= 0 && !days_add(&p->stands[office], (int32_t)sqlite3_column_int64(q, 0))) {
                        rc = err_set(e, E_MEM, "out of memory");
                        break;
                }
        }
        sqlite3_reset(q);
        return rc;
}

int presence_new(struct presence **out, struct reader *r, uint32_t dataset, int32_t first, int32_t last,
                 struct err *e)
{
        struct presence *p = *out = calloc(1, sizeof *p);
        if (!p)
                return err_set(e, E_MEM, "out of memory");
        p->c = r->catalog;
        p->dataset = dataset;
        p->civil_s = reader_civil_s(r);
        p->stands = calloc(p->c->n_offices + 1, sizeof *p->stands);
        p->state = calloc(p->c->n_offices + 1, sizeof *p->state);
        int rc = p->stands && p->state ? load(p, r, first, last, e) : err_set(e, E_MEM, "out of memory");
        if (rc == 0)
                return 0;
        presence_free(p);
        *out = NULL;
        return rc;
}

void presence_free(struct presence *p)
{
        if (!p)
                return;
        for (uint32_t i = 0; p->stands && i < p->c->n_offices; i++)
                free(p->stands[i].v);
        free(p->stands);
        free(p->state);
        free(p->bases.v);
        free(p);
}

static uint8_t state_of(const struct presence *p, uint32_t office, struct period held)
{
        const struct office *o = &p->c->offices[office];
        const struct dataset *d = &p->c->datasets[p->dataset];
        struct period base, last_inside;
        if (!catalog_answers(p->c, office, p->dataset))
                return 0;
        uint8_t state = 0;
        if (catalog_valid(o->valid_from, o->valid_to, held) && held.last >= d->since)
                state |= EXPECTED;
        if (period_first_inside(d->every, held, &base, NULL)) {
                last_inside = period_of(d->every, held.last);
                int32_t until = last_inside.last > held.last ? last_inside.first - 1 : held.last;
                if (days_within(&p->stands[office], base.first, until))
                        state |= RECEIVED;
        }
        if (!(state & EXPECTED))
                return state;
        /* the base periods to be complete in are a run of p->bases: those that overlap the office's validity
         */
        int32_t from = o->valid_from > DAY_MIN ? period_of(d->every, o->valid_from).first : DAY_MIN;
        int32_t until = o->valid_to < DAY_MAX ? o->valid_to : DAY_MAX;
        if (from < d->since)
                from = d->since;
        size_t begin = days_before(&p->bases, from), end = days_before(&p->bases, until + 1);
        if (begin >= end ||
            days_within(&p->stands[office], p->bases.v[begin], p->bases.v[end - 1]) == end - begin)
                state |= COMPLETE;
        return state;
}

static void look_at(struct presence *p, struct period held)
{
        enum period_kind every = p->c->datasets[p->dataset].every;
        struct period base;
        p->bases.n = 0;
        bool more = period_first_inside(every, held, &base, NULL);
        while (more && base.last <= held.last && period_has_ended(base, p->civil_s)) {
                bool added = days_add(&p->bases, base.first);
                POST(added); /* some hundred kilobytes at most */
                more = period_shift(base, 1, &base);
        }
        for (uint32_t o = 0; o < p->c->n_offices; o++)
                p->state[o] = state_of(p, o, held);
        p->current = held;
        p->asked = true;
}

struct head_count presence_of(struct presence *p, uint32_t region, bool own, struct period held)
{
        struct head_count n = {0};
        if (!p->asked || !period_same(p->current, held))
                look_at(p, held);
        for (uint32_t o = 0; o < p->c->n_offices; o++) {
                if (!p->state[o] || !office_meets(p->c, o, region, own))
                        continue;
                n.expected += !!(p->state[o] & EXPECTED);
                n.received += !!(p->state[o] & RECEIVED);
                n.complete += !!(p->state[o] & COMPLETE);
        }
        return n;
}
