#include "lib/intake_promise.h"

static const char *report_broken(const struct intake_report *r, const struct judge *j)
{
        const struct report *report = &r->report;
        struct reasons reasons = {0};
        report_check(report, j, NULL, &reasons);
        bool clean = reasons.total == 0;
        reasons_close(&reasons);
        if (r->checked != (clean && report->n <= REPORT_ROWS))
                return "checked says what report_check says";
        for (size_t i = 1; i < report->n; i++)
                if (fact_key(report->facts[i - 1].indicator, report->facts[i - 1].region) >=
                    fact_key(report->facts[i].indicator, report->facts[i].region))
                        return "facts are sorted and hold each pair once";
        if (report->n_notes > report->n)
                return "a note belongs to a fact";
        return NULL;
}

static const char *reasons_broken(const struct reasons *r)
{
        struct text json = {0};
        reasons_json(r, LANG_ZH, &json);
        bool readable = text_is_utf8(text_c(&json), json.n) && !text_failed(&json);
        text_close(&json);
        if (!readable)
                return "reasons are text";
        if (r->n > r->total)
                return "no more reasons are kept than were found";
        for (size_t i = 1; i < r->n; i++)
                if (r->v[i - 1].row > r->v[i].row)
                        return "reasons come in order of rows";
        return NULL;
}

const char *intake_broken(const struct intake *in, const struct judge *j)
{
        if (in->malformed.code)
                return in->n || in->reasons.total ? "nothing else comes with malformed" : NULL;
        if (!in->n && !in->reasons.total)
                return "there are reports or reasons";
        const char *broken = reasons_broken(&in->reasons);
        for (size_t i = 0; i < in->n && !broken; i++) {
                broken = report_broken(&in->reports[i], j);
                if (!broken && !in->reasons.total && !in->reports[i].checked)
                        broken = "a report without reasons is right";
        }
        return broken;
}
