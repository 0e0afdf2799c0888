/* GET /api/v1/reports: newest first. Beside what CONTRACT.md names, each tells its place (turn, seq), its
 * hash, the id of the key that signed it, its notes (`flags`: rules that did not hold but refused nothing)
 * and how many rows it has. */
#include "sink/call.h"

#include "core/cube.h"
#include "sink/verdict_text.h"

#include <string.h>

enum { REPORTS_MOST = 1000, REPORTS_USUAL = 100 };

enum { /* columns of READ_REPORTS */
       ID,
       OFFICE,
       STREAM,
       TURN,
       SEQ,
       DATASET,
       PERIOD,
       REVISION,
       ACTION,
       ROWS,
       SUBMITTED_AT,
       RECEIVED_AT,
       VERSION,
       VERDICT,
       CURRENT,
       REASONS,
       FLAGS,
       HASH_TEXT,
       KEY,
};

struct filter {
        uint32_t office, dataset;
        bool by_office, by_dataset, by_period, by_verdict, by_current;
        struct period period;
        enum verdict verdict;
        bool current;
        uint64_t limit, before;
};

static bool ask_verdict(struct call *k, struct filter *f)
{
        const char *text = http_query(k->q, "verdict");
        text = text ? text : http_query(k->q, "state");
        f->by_verdict = text && *text;
        if (!f->by_verdict)
                return true;
        for (int v = ACCEPTED; v <= REJECTED; v++)
                if (strcmp(text, verdict_word((enum verdict)v)) == 0) {
                        f->verdict = (enum verdict)v;
                        return true;
                }
        return CALL_REFUSE(k, NO_CHOICE, "verdict", text, "accepted superseded rejected");
}

static bool ask(struct call *k, struct filter *f)
{
        const char *office = http_query(k->q, "office"), *dataset = http_query(k->q, "dataset"),
                   *period = http_query(k->q, "period");
        f->by_office = office && *office;
        f->by_dataset = dataset && *dataset;
        f->by_period = period && *period;
        f->by_current = http_query(k->q, "current") != NULL;
        f->current = call_flag(k, "current");
        return (!f->by_office || call_office(k, office, &f->office)) &&
               (!f->by_dataset || call_dataset(k, dataset, &f->dataset)) &&
               (!f->by_period || call_period(k, period, &f->period)) &&
               (!f->by_period || !f->by_dataset || call_held(k, f->dataset, f->period, &f->period)) &&
               ask_verdict(k, f) && call_number(k, "limit", 1, REPORTS_MOST, REPORTS_USUAL, &f->limit) &&
               call_number(k, "before", 1, INT64_MAX, INT64_MAX, &f->before);
}

static sqlite3_stmt *select_reports(struct call *k, const struct filter *f)
{
        sqlite3_stmt *q = reader_sql(k->r, READ_REPORTS);
        db_int(q, 1, (int64_t)f->before);
        if (f->by_office)
                db_text(q, 2, k->c->offices[f->office].code);
        if (f->by_dataset)
                db_text(q, 3, k->c->datasets[f->dataset].code);
        if (f->by_period) {
                db_int(q, 4, f->period.first);
                db_int(q, 5, f->period.last);
        }
        if (f->by_verdict)
                db_int(q, 6, f->verdict);
        if (f->by_current)
                db_int(q, 7, f->current);
        db_int(q, 8, (int64_t)f->limit + 1);
        return q;
}

static const char *column(sqlite3_stmt *q, int at)
{
        return (const char *)sqlite3_column_text(q, at);
}

static void print_field(struct text *t, const char *name, const char *value)
{
        text_printf(t, ",\"%s\":", name);
        text_json(t, value);
}

static void print_number(struct text *t, const char *name, int64_t value)
{
        text_printf(t, ",\"%s\":%lld", name, (long long)value);
}

static void print_moment(struct text *t, const char *name, int64_t us)
{
        text_printf(t, ",\"%s\":", name);
        print_time(t, us);
}

static void print_reasons(struct text *t, const char *name, const char *stored, enum lang lang)
{
        struct reasons why = {0};
        text_printf(t, ",\"%s\":", name);
        if (stored)
                verdict_text_read(stored, &why);
        reasons_json(&why, lang, t);
        reasons_close(&why);
}

static void print_report(struct text *t, sqlite3_stmt *q, enum lang lang)
{
        text_printf(t, "{\"id\":%lld", (long long)sqlite3_column_int64(q, ID));
        print_field(t, "office", column(q, OFFICE));
        print_field(t, "stream", column(q, STREAM));
        print_number(t, "turn", sqlite3_column_int64(q, TURN));
        print_number(t, "seq", sqlite3_column_int64(q, SEQ));
        print_field(t, "dataset", column(q, DATASET));
        print_field(t, "period", column(q, PERIOD));
        print_number(t, "revision", sqlite3_column_int64(q, REVISION));
        print_field(t, "action", action_word((enum action)sqlite3_column_int64(q, ACTION)));
        print_number(t, "rows", sqlite3_column_int64(q, ROWS));
        print_moment(t, "submitted_at", sqlite3_column_int64(q, SUBMITTED_AT));
        print_moment(t, "received_at", sqlite3_column_int64(q, RECEIVED_AT));
        print_number(t, "version", sqlite3_column_int64(q, VERSION));
        print_field(t, "verdict", verdict_word((enum verdict)sqlite3_column_int64(q, VERDICT)));
        text_printf(t, ",\"current\":%s", sqlite3_column_int64(q, CURRENT) ? "true" : "false");
        print_reasons(t, "reasons", column(q, REASONS), lang);
        print_reasons(t, "flags", column(q, FLAGS), lang);
        print_field(t, "hash", column(q, HASH_TEXT));
        print_field(t, "key", column(q, KEY));
        text_add(t, "}");
}

bool answer_reports(struct call *k)
{
        struct filter f = {0};
        if (!call_look(k, UINT64_MAX) || !ask(k, &f))
                return false;
        sqlite3_stmt *q = select_reports(k, &f);
        struct text *t = &k->a->body;
        uint64_t n = 0;
        int64_t last = 0;
        int rc;
        text_add(t, "{\"reports\":[");
        while ((rc = db_step(&k->r->db, q, &k->e)) == 1 && n < f.limit) {
                last = sqlite3_column_int64(q, ID);
                text_add(t, n++ ? "," : "");
                print_report(t, q, k->lang);
        }
        sqlite3_reset(q);
        if (rc < 0)
                return call_refuse_store(k, rc);
        if (rc == 1)
                text_printf(t, "],\"next\":%lld}", (long long)last);
        else
                text_add(t, "],\"next\":null}");
        return true;
}
