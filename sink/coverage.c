/* Base period by base period: the rows of one are noted office by office, then every office is judged. */
#include "sink/coverage.h"

#include "base/check.h"
#include "core/cube.h"
#include "loop/clock.h"
#include "sink/call.h"
#include "sink/presence.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

const char *coverage_word(enum coverage_state s)
{
        static const char *const words[COVERAGE_STATE_COUNT] = {
#define STATE(name, word) [COVERAGE_##name] = word,
            COVERAGE_STATES(STATE)
#undef STATE
        };
        return words[s];
}

/* What one office said of one base period. */
struct said {
        bool stands, rejected; /* rejected: its last report was */
        int64_t first_submitted;
        uint32_t revision;
        int64_t submitted_at, received_at;
};

struct covering {
        struct coverage *v;
        const struct catalog *c;
        const struct dataset *dataset;
        int64_t now_civil_s;
        int64_t *first_contact; /* by office, civil seconds; INT64_MIN: never */
        uint32_t *row_of;       /* by office: its place in v->offices + 1 */
        struct said *said;      /* by place */
        struct period base;
        char label[PERIOD_TEXT];
};

static int64_t civil_s(const struct covering *g, int64_t us)
{
        return clock_civil_s(us, g->c->timezone);
}

/* ---- judging */

static bool is_expected(const struct covering *g, const struct office *o)
{
        return catalog_valid(o->valid_from, o->valid_to, g->base) && g->base.first >= g->dataset->since;
}

static enum coverage_state judge(const struct covering *g, uint32_t office, const struct said *said)
{
        int64_t end = ((int64_t)g->base.last + 1) * DAY_S, due = end + g->dataset->due_s;
        if (said->stands && end <= g->first_contact[office])
                return COVERAGE_IMPORTED;
        if (said->stands)
                return civil_s(g, said->first_submitted) <= due ? COVERAGE_ON_TIME : COVERAGE_LATE;
        if (said->rejected)
                return COVERAGE_REJECTED;
        if (!is_expected(g, &g->c->offices[office]))
                return COVERAGE_NOT_EXPECTED;
        return g->now_civil_s <= due ? COVERAGE_WAITING : COVERAGE_MISSING;
}

static void count(struct coverage_count *n, enum coverage_state state, bool expected, bool received)
{
        n->in[state]++;
        n->expected += expected;
        n->received += received;
}

static void judge_all(struct covering *g)
{
        for (size_t i = 0; i < g->v->n; i++) {
                struct coverage_office *o = &g->v->offices[i];
                struct said *said = &g->said[i];
                enum coverage_state state = judge(g, o->office, said);
                bool expected = is_expected(g, &g->c->offices[o->office]);
                count(&o->count, state, expected, said->stands);
                count(&g->v->count, state, expected, said->stands);
                o->state = state < o->state ? state : o->state;
                o->revision = said->revision;
                if (said->submitted_at) {
                        o->submitted_at = said->submitted_at;
                        o->received_at = said->received_at;
                }
                *said = (struct said){0};
        }
}

/* ---- reading */

enum { /* columns of READ_COVERAGE */
       FIRST,
       OFFICE,
       LABEL,
       REVISION,
       ACTION,
       SUBMITTED_AT,
       RECEIVED_AT,
       VERDICT,
       CLOSED,
};

/* Rows come in the order of revisions. What could not be read at all has a label that is none. */
static void note(struct covering *g, sqlite3_stmt *q)
{
        const char *code = (const char *)sqlite3_column_text(q, OFFICE),
                   *label = (const char *)sqlite3_column_text(q, LABEL);
        int32_t office = code ? catalog_office(g->c, code) : NONE;
        if (office < 0 || !g->row_of[office] || !label || strcmp(label, g->label) != 0)
                return;
        struct said *said = &g->said[g->row_of[office] - 1];
        enum verdict verdict = (enum verdict)sqlite3_column_int64(q, VERDICT);
        bool withdraws = sqlite3_column_int64(q, ACTION) == WITHDRAW;
        int64_t submitted = sqlite3_column_int64(q, SUBMITTED_AT);
        bool stands = verdict == ACCEPTED && !withdraws && sqlite3_column_int64(q, CLOSED) == 0;
        said->rejected = verdict == REJECTED;
        if (verdict == ACCEPTED && withdraws)
                said->first_submitted = 0;
        else if (verdict != REJECTED && (!said->first_submitted || submitted < said->first_submitted))
                said->first_submitted = submitted;
        said->stands = said->stands || stands;
        if (stands)
                said->revision = (uint32_t)sqlite3_column_int64(q, REVISION);
        if (stands || !said->stands) {
                said->submitted_at = submitted;
                said->received_at = sqlite3_column_int64(q, RECEIVED_AT);
        }
}

static bool base_next(struct covering *g, struct period held, bool one)
{
        struct period next;
        bool more = period_shift(g->base, 1, &next) && next.last <= held.last && !one &&
                    period_has_ended(next, g->now_civil_s);
        if (more) {
                g->base = next;
                period_print(next, g->label);
        }
        return more;
}

static int read_rows(struct covering *g, struct reader *r, struct period held, bool one, struct err *e)
{
        sqlite3_stmt *q = reader_sql(r, READ_COVERAGE);
        db_text(q, 1, g->dataset->code);
        db_int(q, 2, g->base.first);
        db_int(q, 3, held.last);
        bool more = true;
        int rc;
        while ((rc = db_step(&r->db, q, e)) == 1 && more) {
                int32_t first = (int32_t)sqlite3_column_int64(q, FIRST);
                while (more && g->base.first < first) {
                        judge_all(g);
                        more = base_next(g, held, one);
                }
                if (more && g->base.first == first)
                        note(g, q);
        }
        sqlite3_reset(q);
        while (rc >= 0 && more) {
                judge_all(g);
                more = base_next(g, held, one);
        }
        return rc < 0 ? rc : 0;
}

static int read_contacts(struct covering *g, struct reader *r, struct err *e)
{
        sqlite3_stmt *q = reader_sql(r, READ_FIRST_CONTACT);
        int rc;
        for (uint32_t i = 0; i < g->c->n_offices; i++)
                g->first_contact[i] = INT64_MIN;
        while ((rc = db_step(&r->db, q, e)) == 1) {
                const char *code = (const char *)sqlite3_column_text(q, 0);
                int32_t office = code ? catalog_office(g->c, code) : NONE;
                if (office >= 0)
                        g->first_contact[office] = civil_s(g, sqlite3_column_int64(q, 1));
        }
        sqlite3_reset(q);
        return rc;
}

static void list_offices(struct covering *g, uint32_t dataset)
{
        for (uint32_t o = 0; o < g->c->n_offices; o++)
                if (catalog_answers(g->c, o, dataset)) {
                        g->v->offices[g->v->n++] =
                            (struct coverage_office){.office = o, .state = COVERAGE_NOT_EXPECTED};
                        g->row_of[o] = (uint32_t)g->v->n;
                }
}

int coverage_read(struct coverage *v, struct reader *r, uint32_t dataset, struct period held, struct err *e)
{
        size_t n = r->catalog->n_offices + 1;
        struct covering g = {.v = v, .c = r->catalog, .dataset = &r->catalog->datasets[dataset]};
        bool one = held.kind == g.dataset->every;
        *v = (struct coverage){.offices = calloc(n, sizeof *v->offices)};
        g.now_civil_s = reader_civil_s(r);
        g.first_contact = calloc(n, sizeof *g.first_contact);
        g.row_of = calloc(n, sizeof *g.row_of);
        g.said = calloc(n, sizeof *g.said);
        int rc = v->offices && g.first_contact && g.row_of && g.said ? 0 : err_set(e, E_MEM, "out of memory");
        if (rc == 0)
                rc = read_contacts(&g, r, e);
        if (rc == 0) {
                list_offices(&g, dataset);
                if (period_first_inside(g.dataset->every, held, &g.base, NULL) &&
                    (one || period_has_ended(g.base, g.now_civil_s))) {
                        period_print(g.base, g.label);
                        rc = read_rows(&g, r, held, one, e);
                }
        }
        for (size_t i = 0; !one && i < v->n; i++)
                v->offices[i].revision = 0;
        free(g.first_contact);
        free(g.row_of);
        free(g.said);
        if (rc != 0)
                coverage_close(v);
        return rc;
}

void coverage_close(struct coverage *v)
{
        free(v->offices);
        *v = (struct coverage){0};
}

/* ---- the route */

static void print_count(struct text *t, const struct coverage_count *n)
{
        text_printf(t, ",\"expected\":%llu,\"received\":%llu", (unsigned long long)n->expected,
                    (unsigned long long)n->received);
        for (int s = 0; s < COVERAGE_NOT_EXPECTED; s++)
                text_printf(t, ",\"%s\":%llu", coverage_word((enum coverage_state)s),
                            (unsigned long long)n->in[s]);
}

static void print_moment(struct text *t, const char *name, int64_t us)
{
        text_printf(t, ",\"%s\":", name);
        if (us)
                print_time(t, us);
        else
                text_add(t, "null");
}

static void print_office(struct text *t, const struct catalog *c, const struct coverage_office *o, bool one)
{
        text_add(t, "{\"office\":");
        text_json(t, c->offices[o->office].code);
        text_printf(t, ",\"state\":\"%s\"", coverage_word(o->state));
        if (o->revision)
                text_printf(t, ",\"revision\":%u", o->revision);
        else
                text_add(t, ",\"revision\":null");
        print_moment(t, "submitted_at", o->submitted_at);
        print_moment(t, "received_at", o->received_at);
        if (!one)
                print_count(t, &o->count);
        text_add(t, "}");
}

bool answer_coverage(struct call *k)
{
        uint32_t dataset;
        struct period asked, held;
        struct coverage v;
        if (!call_look(k, UINT64_MAX))
                return false;
        const char *name = call_needed(k, "dataset"), *period = name ? call_needed(k, "period") : NULL;
        if (!period || !call_dataset(k, name, &dataset) || !call_period(k, period, &asked) ||
            !call_held(k, dataset, asked, &held))
                return false;
        int rc = coverage_read(&v, k->r, dataset, held, &k->e);
        if (rc != 0)
                return call_refuse_store(k, rc);
        struct text *t = &k->a->body;
        text_add(t, "{\"dataset\":");
        text_json(t, k->c->datasets[dataset].code);
        text_add(t, ",\"period\":");
        print_period(t, asked);
        print_count(t, &v.count);
        text_add(t, ",\"offices\":[");
        for (size_t i = 0; i < v.n; i++) {
                text_add(t, i ? "," : "");
                print_office(t, k->c, &v.offices[i], held.kind == k->c->datasets[dataset].every);
        }
        text_add(t, "]}");
        coverage_close(&v);
        return true;
}
