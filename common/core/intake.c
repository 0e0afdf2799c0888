#include "core/intake.h"

#include "core/desk.h"
#include "core/period_read.h"

#include <stdlib.h>
#include <string.h>

/* Cuts what follows the last `mark` off a text; NULL if there is none. */
static char *cut_last(char *text, char mark)
{
        char *at = strrchr(text, mark);
        if (!at)
                return NULL;
        *at = '\0';
        return at + 1;
}

/* Whether it exists is judged later; here it need only be meant as one. */
static bool looks_like_period(const char *text)
{
        struct period p;
        return strspn(text, "0123456789") >= 4 || period_read(text, &p);
}

bool intake_name(const char *file_name, struct intake_hints *hints, char room[256])
{
        static const char ending[] = ".csv";
        const char *name = strrchr(file_name, '/') ? strrchr(file_name, '/') + 1 : file_name;
        size_t n = strlen(name), end = sizeof ending - 1;
        if (n <= end || n >= 256)
                return false;
        for (size_t i = 0; i < end; i++)
                if ((name[n - end + i] | (i ? 0x20 : 0)) != ending[i])
                        return false;
        memcpy(room, name, n - end);
        room[n - end] = '\0';

        enum action action;
        const char *last = cut_last(room, '_'), *action_text = NULL;
        if (last && action_find(last, &action)) {
                action_text = last;
                last = cut_last(room, '_');
        }
        if (!last || !*room || !looks_like_period(last))
                return false;
        *hints = (struct intake_hints){room, last, action_text};
        return true;
}

static bool reports_nil(const struct indicator *i, const struct region *r)
{
        return i->kind == FLOW && (!i->level || strcmp(i->level, r->level) == 0) &&
               (!i->has_min || i->min <= 0) && (!i->has_max || i->max >= 0);
}

bool intake_nil(struct intake *in, struct intake_hints hints, const struct judge *j)
{
        const struct catalog *c = j->catalog;
        const char *none[COLUMN_COUNT] = {0};
        struct desk d;
        struct desk_row row;
        desk_open(&d, in, j);
        desk_hints(&d, hints);
        if (!d.hints.dataset)
                desk_missing(&d, 0, COLUMN_DATASET, NULL);
        if (!d.hints.period)
                desk_missing(&d, 0, COLUMN_PERIOD, NULL);
        desk_row(&d, &row, 0, MARK_FIGURES, none);
        row.region = (int32_t)c->offices[j->office].region;
        row.own = true;
        for (uint32_t i = 0; row.dataset != NONE && i < c->datasets[row.dataset].n_indicators; i++) {
                uint32_t indicator = c->datasets[row.dataset].indicators[i];
                if (reports_nil(&c->indicators[indicator], &c->regions[row.region]))
                        desk_figure(&d, &row, (int32_t)indicator, 0, "0");
        }
        return desk_close(&d);
}

/* Rules speak of rows that may have been refused; everything else found is true of the rows that were read.
 */
static void rules_drop(struct reasons *found)
{
        size_t n = 0;
        for (size_t i = 0; i < found->n; i++)
                if (found->v[i].code != REASON_RULE)
                        found->v[n++] = found->v[i];
        found->total = found->n = n;
}

bool intake_judge(struct intake *in, size_t i, const struct standing *after, const struct judge *j,
                  struct reasons *flags)
{
        const struct intake_report *r = &in->reports[i];
        if (!r->checked)
                return true;
        struct reasons found = {0}, flagged = {0};
        uint32_t *numbers = desk_numbers(r->report.n);
        bool fine =
            numbers && report_judge(&r->report, after, NULL, j, numbers, &found, flags ? &flagged : NULL);
        if (in->reasons.total)
                rules_drop(&found);
        if (fine) {
                desk_place(in, r, &found, &in->reasons);
                desk_sort_reasons(&in->reasons);
        }
        if (fine && flags)
                desk_place(in, r, &flagged, flags);
        fine = fine && !in->reasons.failed && !(flags && flags->failed);
        reasons_close(&found);
        reasons_close(&flagged);
        free(numbers);
        return fine;
}

void intake_close(struct intake *in)
{
        for (size_t i = 0; i < in->n; i++) {
                struct intake_report *r = &in->reports[i];
                free(r->report.facts);
                free(r->report.notes);
                free(r->rows);
                free(r->cells);
        }
        free(in->reports);
        reasons_close(&in->reasons);
        arena_close(&in->arena);
        *in = (struct intake){0};
}
