/* A scan reads ids and offices from the index first and opens the payload of those reports only that matter.
 */
#include "sink/reader.h"

#include "base/check.h"
#include "session/payload.h"
#include "sink/schema.h"

#include <string.h>

static const char *const statements[READ_COUNT] = {
#define SQL(name, text) [READ_##name] = text,
#include "sink/reader.def"
#undef SQL
};

int reader_open(struct reader *r, const char *path, struct err *e)
{
        *r = (struct reader){0};
        return db_open_reader(&r->db, path, schema_version, statements, READ_COUNT, e);
}

void reader_close(struct reader *r)
{
        db_close(&r->db);
        arena_close(&r->arena);
        standing_close(&r->standing);
        *r = (struct reader){0};
}

sqlite3_stmt *reader_sql(struct reader *r, enum reader_sql which)
{
        return db_statement(&r->db, which);
}

int reader_begin(struct reader *r, uint64_t as_of, int64_t now_us, struct err *e)
{
        int rc = db_begin(&r->db, e);
        if (rc != 0)
                return rc;
        sqlite3_stmt *q = reader_sql(r, READ_VERSION); /* the first read: the moment seen from here on */
        rc = db_step(&r->db, q, e);
        if (rc >= 0) {
                uint64_t last = rc == 1 ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
                sqlite3_reset(q);
                r->past = as_of < last;
                r->version = r->past ? as_of : last;
                r->now_us = r->past && (int64_t)as_of < now_us ? (int64_t)as_of : now_us;
                return 0;
        }
        db_rollback(&r->db);
        return rc;
}

void reader_end(struct reader *r)
{
        db_rollback(&r->db);
        arena_reset(&r->arena);
        r->catalog = NULL;
}

/* ---- scanning */

struct scanning {
        struct reader *r;
        const struct scan *scan;
        struct err *e;
        bool open; /* a group of reports, those of one office in one base period, is being folded */
        int32_t office;
        char code[CODE_MAX + 1];
        struct period base;
};

static int close_group(struct scanning *g)
{
        if (!g->open)
                return 0;
        g->open = false;
        struct stood s = {g->office, g->base, g->r->standing.facts, g->r->standing.n};
        return g->scan->stood(g->scan->ctx, &s);
}

static bool same_group(const struct scanning *g, int32_t first, const char *code)
{
        return g->open && g->base.first == first && strcmp(g->code, code) == 0;
}

/* Leaves it closed if it is to be passed over. */
static int open_group(struct scanning *g, int32_t first, const char *code)
{
        const struct catalog *c = g->r->catalog;
        g->base = period_of(c->datasets[g->scan->dataset].every, first);
        g->office = catalog_office(c, code);
        if (g->base.first != first || (g->office >= 0 && g->scan->offices && !g->scan->offices[g->office]))
                return 0;
        size_t n = strlen(code);
        if (n > CODE_MAX)
                return err_set(g->e, E_SYNTAX, "a report of an office without a code");
        memcpy(g->code, code, n + 1);
        g->r->standing.n = 0;
        g->open = true;
        return 0;
}

static int read_payload(struct scanning *g, sqlite3_stmt *q, struct report *report)
{
        struct reader *r = g->r;
        struct reasons why = {0};
        const uint8_t *bytes = sqlite3_column_blob(q, 1);
        size_t n = (size_t)sqlite3_column_bytes(q, 1);
        arena_reset(&r->arena);
        enum payload_state state = payload_read(bytes ? bytes : (const uint8_t *)"", n, r->catalog,
                                                g->scan->dataset, &r->arena, report, &why);
        reasons_close(&why);
        char label[PERIOD_TEXT];
        period_print(g->base, label);
        switch (state) {
        case PAYLOAD_READ: return 0;
        case PAYLOAD_MEMORY: return err_set(g->e, E_MEM, "out of memory");
        default:
                return err_set(g->e, E_SYNTAX, "a report of office %s for %s names what the catalogue lacks",
                               g->code, label);
        }
}

static int fold(struct scanning *g, int64_t id)
{
        struct reader *r = g->r;
        struct report report = {0};
        sqlite3_stmt *q = reader_sql(r, READ_BODY);
        db_int(q, 1, id);
        int rc = db_step(&r->db, q, g->e);
        if (rc < 0)
                return rc;
        POST(rc == 1); /* its id was read in this same transaction */
        enum action action = (enum action)sqlite3_column_int64(q, 0);
        rc = read_payload(g, q, &report);
        sqlite3_reset(q);
        if (rc != 0)
                return rc;
        struct scan_report one = {id, action, report.facts, report.n};
        if (g->scan->report && (rc = g->scan->report(g->scan->ctx, &one)) != 0)
                return rc;
        return standing_fold(&r->standing, action, report.facts, report.n)
                   ? 0
                   : err_set(g->e, E_MEM, "out of memory");
}

static int scan_row(struct scanning *g, sqlite3_stmt *q)
{
        int32_t first = (int32_t)sqlite3_column_int64(q, 1);
        const char *code = (const char *)sqlite3_column_text(q, 2);
        if (!code)
                return err_set(g->e, E_MEM, "out of memory");
        if (!same_group(g, first, code)) {
                int rc = close_group(g);
                if (rc == 0)
                        rc = open_group(g, first, code);
                if (rc != 0)
                        return rc;
        }
        if (!g->open)
                return 0;
        return fold(g, sqlite3_column_int64(q, 0));
}

int reader_scan(struct reader *r, const struct scan *s, struct err *e)
{
        struct scanning g = {.r = r, .scan = s, .e = e};
        sqlite3_stmt *q = reader_sql(r, r->past ? READ_SCAN_THEN : READ_SCAN_NOW);
        db_text(q, 1, r->catalog->datasets[s->dataset].code);
        db_int(q, 2, s->first);
        db_int(q, 3, s->last);
        if (r->past)
                db_int(q, 4, (int64_t)r->version);
        int rc;
        while ((rc = db_step(&r->db, q, e)) == 1)
                if ((rc = scan_row(&g, q)) != 0)
                        break;
        sqlite3_reset(q);
        return rc == 0 ? close_group(&g) : rc;
}

bool office_meets(const struct catalog *c, uint32_t office, uint32_t region, bool own)
{
        const struct office *o = &c->offices[office];
        if (own || catalog_in_scope(c, office, region))
                return catalog_in_scope(c, office, region);
        return catalog_is_under(c, o->region, region);
}
