/* How texts become figures. What happens once all rows are there is in desk_close.c. */
#include "core/desk.h"

#include "base/check.h"
#include "core/period_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        CLIP = 120,       /* bytes of a person's text repeated in a reason */
        NAME_LETTERS = 64 /* bytes of the longest word known here, and more */
};

/* Words */

static const char *const column_words[][2] = {
#define COLUMN(name, word, zh) [COLUMN_##name] = {word, zh},
    COLUMNS(COLUMN)
#undef COLUMN
};

const char *column_word(enum column k)
{
        return column_words[k][0];
}

static bool is_space(uint32_t cp)
{
        return (cp >= 0x09 && cp <= 0x0d) || cp == ' ' || cp == 0xa0 || cp == 0x3000 || cp == 0xfeff;
}

/* Without spaces, ASCII in lower case; false: longer than any word known here. */
static bool fold_word(const char *text, char out[NAME_LETTERS])
{
        size_t n = 0;
        for (const char *end = text + strlen(text); text < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(text, end, &cp);
                if (!used || n + used >= NAME_LETTERS)
                        return false;
                if (!is_space(cp)) {
                        memcpy(out + n, text, used);
                        if (cp >= 'A' && cp <= 'Z')
                                out[n] = (char)(cp - 'A' + 'a');
                        n += used;
                }
                text += used;
        }
        out[n] = '\0';
        return true;
}

bool column_find(const char *heading, enum column *k)
{
        char word[NAME_LETTERS];
        if (!fold_word(heading, word))
                return false;
        for (int i = 0; i < COLUMN_COUNT; i++)
                if (strcmp(word, column_words[i][0]) == 0 || strcmp(word, column_words[i][1]) == 0) {
                        *k = (enum column)i;
                        return true;
                }
        return false;
}

enum mark mark_of(const char *text)
{
        char word[NAME_LETTERS];
        if (!text || !fold_word(text, word))
                return MARK_FIGURES;
        if (strcmp(word, "小计") == 0)
                return MARK_SUBTOTAL;
        return strcmp(word, "合计") == 0 || strcmp(word, "总计") == 0 ? MARK_TOTAL : MARK_FIGURES;
}

/* Telling */

/* The text, or its beginning if it is long. */
static const char *clip(const char *text, char room[CLIP + 4])
{
        if (!text || strlen(text) <= CLIP)
                return text;
        size_t n = CLIP;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
                n--;
        memcpy(room, text, n);
        memcpy(room + n, "…", sizeof "…");
        return room;
}

void desk_refuse(struct desk *d, enum reason_code code, uint32_t row, const char *column, const char *a0,
                 const char *a1, const char *a2)
{
        char r0[CLIP + 4], r1[CLIP + 4];
        reasons_add(&d->in->reasons, code, row, clip(column, r0), clip(a0, r1), a1, a2);
        d->full |= d->in->reasons.total >= DESK_REASONS_MAX;
}

void desk_missing(struct desk *d, uint32_t row, enum column k, const char *advice)
{
        desk_refuse(d, REASON_MISSING_COLUMN, row, column_word(k), column_word(k), advice, NULL);
}

const char *desk_say(struct desk *d, const char *en, const char *zh)
{
        struct text both = {0};
        text_printf(&both, "%s\n%s", en, zh);
        const char *kept = arena_strdup(&d->room, text_c(&both));
        d->failed |= text_failed(&both) || !kept;
        text_close(&both);
        return kept;
}

const char *desk_heading(const struct desk *d, enum column k)
{
        return d->columns[k] ? d->columns[k] : column_word(k);
}

/* The place of a text that came from a row or from a hint. */
static uint32_t row_if(const struct desk *d, enum column k, uint32_t row)
{
        return d->columns[k] ? row : 0;
}

const char *desk_tidy(struct desk *d, const char *text)
{
        if (!text)
                return NULL;
        const char *first = NULL, *last = NULL, *end = text + strlen(text);
        for (const char *at = text; at < end;) {
                uint32_t cp;
                size_t used = text_utf8_next(at, end, &cp);
                bool space = used && is_space(cp);
                at += used ? used : 1;
                if (space)
                        continue;
                first = first ? first : at - (used ? used : 1);
                last = at;
        }
        if (!first || last == end)
                return first;
        const char *kept = arena_strndup(&d->room, first, (size_t)(last - first));
        d->failed |= !kept;
        return kept;
}

/* Nearest names: a search goes through all names there are, so it is remembered, and after DESK_NEAR_MAX
 * searches of the usual cost no more are made. */

static size_t near_cost(const struct desk *d, enum column what)
{
        const struct catalog *c = d->j->catalog;
        size_t names = what == COLUMN_REGION ? 6 * (size_t)c->n_regions : 4 * (size_t)c->n_indicators;
        return names > DESK_NEAR_COST ? names : DESK_NEAR_COST;
}

static const char *near_search(const struct desk *d, enum column what, int32_t dataset, const char *name)
{
        const struct catalog *c = d->j->catalog;
        switch (what) {
        case COLUMN_DATASET: return catalog_near_dataset(c, name);
        case COLUMN_REGION: return catalog_near_region(c, name, (int32_t)d->j->office);
        case COLUMN_INDICATOR: return catalog_near_indicator(c, dataset, name);
        default: UNREACHABLE();
        }
}

const char *desk_near(struct desk *d, enum column what, int32_t dataset, const char *name)
{
        if (!*name || strlen(name) > CLIP)
                return NULL;
        struct text key = {0};
        text_printf(&key, "%d %d %s", (int)what, (int)dataset, name);
        d->failed |= text_failed(&key);
        int64_t known = map_get_str(&d->near_names, text_c(&key));
        const char *near = known == MAP_NONE ? NULL : d->near[known];
        size_t cost = near_cost(d, what);
        if (known == MAP_NONE && d->near_left >= cost && d->near_n < DESK_NEAR_MAX) {
                d->near_left -= cost;
                near = near_search(d, what, dataset, name);
                d->near[d->near_n] = near;
                if (map_set_str(&d->near_names, text_c(&key), (int64_t)d->near_n))
                        d->near_n++;
        }
        text_close(&key);
        return near;
}

const char *desk_near_heading(struct desk *d, bool wide, int32_t dataset, const char *name)
{
        struct text_nearest near = {.want = name};
        if (strlen(name) > CLIP)
                return NULL;
        for (int i = 0; i < COLUMN_COUNT; i++) {
                text_nearest_try(&near, column_words[i][0]);
                text_nearest_try(&near, column_words[i][1]);
        }
        const char *indicator = wide ? desk_near(d, COLUMN_INDICATOR, dataset, name) : NULL;
        if (indicator)
                text_nearest_try(&near, indicator);
        return near.best;
}

/* What the texts of a row mean */

int32_t desk_find_dataset(const struct desk *d, const char *text)
{
        const struct catalog *c = d->j->catalog;
        int32_t found = catalog_dataset(c, text);
        for (uint32_t i = 0; i < c->n_datasets && found == NONE; i++)
                if (strcmp(c->datasets[i].name_zh, text) == 0 || strcmp(c->datasets[i].name_en, text) == 0)
                        found = (int32_t)i;
        return found;
}

static int32_t read_dataset(struct desk *d, uint32_t row, const char *text)
{
        int32_t found = desk_find_dataset(d, text);
        if (found == NONE)
                desk_refuse(d, REASON_UNKNOWN_DATASET, row, desk_heading(d, COLUMN_DATASET), text,
                            desk_near(d, COLUMN_DATASET, NONE, text), NULL);
        return found;
}

int32_t desk_hinted_dataset(struct desk *d)
{
        if (!d->hints.dataset || d->told_dataset)
                return NONE;
        int32_t found = read_dataset(d, 0, d->hints.dataset);
        d->told_dataset = found == NONE;
        return found;
}

static int32_t dataset_of(struct desk *d, uint32_t row, const char *text)
{
        if (text)
                return read_dataset(d, row, text);
        if (!d->hints.dataset && d->columns[COLUMN_DATASET])
                return read_dataset(d, row, "");
        return desk_hinted_dataset(d);
}

static bool read_period(struct desk *d, uint32_t row, int32_t dataset, const char *text, struct period *p)
{
        const struct dataset *of = dataset == NONE ? NULL : &d->j->catalog->datasets[dataset];
        if (period_read(text, p) && (!of || p->kind == of->every))
                return true;
        desk_refuse(d, REASON_WRONG_PERIOD, row, desk_heading(d, COLUMN_PERIOD), text,
                    of ? period_kind_word(of->every) : NULL, of ? period_kind_zh(of->every) : NULL);
        return false;
}

static bool period_of_row(struct desk *d, uint32_t row, int32_t dataset, const char *text, struct period *p)
{
        if (text)
                return read_period(d, row, dataset, text, p);
        if (!d->hints.period && d->columns[COLUMN_PERIOD])
                return read_period(d, row, dataset, "", p);
        if (!d->hints.period || d->told_period)
                return false;
        d->told_period = !read_period(d, 0, dataset, d->hints.period, p);
        return !d->told_period;
}

static bool read_action(struct desk *d, uint32_t row, const char *text, enum action *a)
{
        if (action_find(text, a))
                return true;
        desk_refuse(d, REASON_UNKNOWN_ACTION, row, desk_heading(d, COLUMN_ACTION), text, NULL, NULL);
        return false;
}

/* The first row that names it decides; until then a hint holds. */
static void pile_action(struct desk *d, struct pile *p, uint32_t row, const char *text)
{
        enum action a;
        if (!text) {
                if (p->action_known || !d->hints.action || d->told_action)
                        return;
                p->action_known = read_action(d, 0, d->hints.action, &a);
                d->told_action = !p->action_known;
                if (p->action_known)
                        p->action = a;
                return;
        }
        row = row_if(d, COLUMN_ACTION, row);
        if (!read_action(d, row, text, &a))
                return;
        if (p->action_said && p->action != a)
                desk_refuse(d, REASON_MIXED_ACTION, row, desk_heading(d, COLUMN_ACTION), text,
                            action_word(p->action), NULL);
        else
                p->action = a;
        p->action_said = p->action_known = true;
}

static void refuse_reports(struct desk *d, uint32_t row)
{
        char en[32], zh[32];
        snprintf(en, sizeof en, "%d reports", DESK_REPORTS_MAX);
        snprintf(zh, sizeof zh, "%d 份报告", DESK_REPORTS_MAX);
        if (!d->full)
                desk_refuse(d, REASON_FILE_TOO_LARGE, row, NULL, desk_say(d, en, zh), NULL, NULL);
        d->full = true;
}

static int32_t pile_find(struct desk *d, int32_t dataset, struct period period, uint32_t row)
{
        int64_t key[2] = {period_id(period), dataset};
        int64_t known = map_get(&d->places, key, sizeof key);
        if (known != MAP_NONE)
                return (int32_t)known;
        if (d->n == DESK_REPORTS_MAX) {
                refuse_reports(d, row);
                return NONE;
        }
        if (d->n == d->cap) {
                size_t cap = d->cap ? d->cap * 2 : 4;
                struct pile *piles = realloc(d->piles, cap * sizeof *piles);
                if (!piles) {
                        d->failed = true;
                        return NONE;
                }
                d->piles = piles;
                d->cap = cap;
        }
        if (!map_set(&d->places, key, sizeof key, (int64_t)d->n)) {
                d->failed = true;
                return NONE;
        }
        d->piles[d->n] =
            (struct pile){.dataset = (uint32_t)dataset, .period = period, .action = REPLACE, .row = row};
        return (int32_t)d->n++;
}

/* A code of the several that share a name, as an example of what to write; not looked for when nobody will
 * read it. */
static const char *one_region_called(const struct desk *d, const char *name)
{
        const struct catalog *c = d->j->catalog;
        for (uint32_t i = 0; i < c->n_regions && d->in->reasons.n < REASONS_KEPT; i++)
                if (strcmp(c->regions[i].name_zh, name) == 0 || strcmp(c->regions[i].name_en, name) == 0)
                        return c->regions[i].code;
        return NULL;
}

static const char *one_indicator_called(const struct desk *d, int32_t dataset, const char *name)
{
        const struct catalog *c = d->j->catalog;
        for (uint32_t i = 0; i < c->n_indicators && d->in->reasons.n < REASONS_KEPT; i++) {
                const struct indicator *one = &c->indicators[i];
                if ((dataset == NONE || one->dataset == (uint32_t)dataset) &&
                    (strcmp(one->name_zh, name) == 0 || strcmp(one->name_en, name) == 0 ||
                     strcmp(one->code, name) == 0))
                        return one->name;
        }
        return NULL;
}

static void row_region(struct desk *d, struct desk_row *r, const char *text)
{
        int32_t found = catalog_region(d->j->catalog, text, (int32_t)d->j->office, &r->own);
        if (found >= 0) {
                r->region = found;
                return;
        }
        r->region_told = true;
        if (found == AMBIGUOUS)
                desk_refuse(d, REASON_AMBIGUOUS_NAME, r->row, desk_heading(d, COLUMN_REGION), text,
                            one_region_called(d, text), NULL);
        else
                desk_refuse(d, REASON_UNKNOWN_REGION, r->row, desk_heading(d, COLUMN_REGION), text,
                            desk_near(d, COLUMN_REGION, NONE, text), NULL);
}

int32_t desk_indicator(struct desk *d, const struct desk_row *r, const char *text)
{
        int32_t found = catalog_indicator(d->j->catalog, r->dataset, text);
        if (found >= 0)
                return found;
        if (found == AMBIGUOUS && r->dataset != NONE)
                desk_refuse(d, REASON_AMBIGUOUS_NAME, r->row, desk_heading(d, COLUMN_INDICATOR), text,
                            one_indicator_called(d, r->dataset, text), NULL);
        else if (found == NONE)
                desk_refuse(d, REASON_UNKNOWN_INDICATOR, r->row, desk_heading(d, COLUMN_INDICATOR), text,
                            desk_near(d, COLUMN_INDICATOR, r->dataset, text), NULL);
        return NONE;
}

void desk_row(struct desk *d, struct desk_row *r, uint32_t row, enum mark mark,
              const char *const text[COLUMN_COUNT])
{
        struct period period;
        *r = (struct desk_row){
            .row = row, .mark = mark, .pile = NONE, .region = NONE, .note = text[COLUMN_NOTE]};
        bool any_dataset = text[COLUMN_DATASET] || d->hints.dataset,
             any_period = text[COLUMN_PERIOD] || d->hints.period;
        r->loose = mark != MARK_FIGURES && (!any_dataset || !any_period);
        r->dataset = r->loose && !any_dataset ? NONE : dataset_of(d, row, text[COLUMN_DATASET]);
        if (mark == MARK_FIGURES && text[COLUMN_REGION])
                row_region(d, r, text[COLUMN_REGION]);
        if (r->loose || !period_of_row(d, row, r->dataset, text[COLUMN_PERIOD], &period) ||
            r->dataset == NONE)
                return;
        r->pile = pile_find(d, r->dataset, period, row);
        if (r->pile != NONE)
                pile_action(d, &d->piles[r->pile], row, text[COLUMN_ACTION]);
}

void desk_open_report(struct desk *d, const char *action, const char *note)
{
        const char *text[COLUMN_COUNT] = {[COLUMN_ACTION] = action};
        struct desk_row row;
        desk_row(d, &row, 0, MARK_FIGURES, text);
        if (row.pile == NONE)
                return;
        struct pile *p = &d->piles[row.pile];
        p->wanted = true;
        if (note && !p->note)
                d->failed |= !(p->note = arena_strdup(&d->in->arena, note));
}

/* Figures */

/* So many that the report is too large, or gives the same again and again. */
static void refuse_more(struct desk *d, uint32_t row)
{
        char en[2][48], zh[2][48];
        snprintf(en[0], sizeof en[0], "more than %d rows", DESK_FIGURES_MAX);
        snprintf(zh[0], sizeof zh[0], "超过 %d 行", DESK_FIGURES_MAX);
        snprintf(en[1], sizeof en[1], "%d rows", REPORT_ROWS);
        snprintf(zh[1], sizeof zh[1], "%d 行", REPORT_ROWS);
        desk_refuse(d, REASON_REPORT_TOO_LARGE, row, NULL, desk_say(d, en[0], zh[0]),
                    desk_say(d, en[1], zh[1]), NULL);
        d->full = true;
}

static void pile_add(struct desk *d, struct pile *p, struct figure one)
{
        if (p->figures.n < DESK_FIGURES_MAX)
                figures_add(d, &p->figures, one);
        else if (!d->full)
                refuse_more(d, one.row);
}

void figures_add(struct desk *d, struct figures *f, struct figure one)
{
        if (f->n == f->cap) {
                size_t cap = f->cap ? f->cap * 2 : 16;
                struct figure *v = realloc(f->v, cap * sizeof *v);
                if (!v) {
                        d->failed = true;
                        return;
                }
                f->v = v;
                f->cap = cap;
        }
        f->v[f->n++] = one;
}

/* Files repeat their notes row after row: one copy serves. */
static const char *note_keep(struct desk *d, const char *note)
{
        if (!note || (d->last_note && strcmp(note, d->last_note) == 0))
                return note ? d->last_note : NULL;
        d->last_note = arena_strdup(&d->in->arena, note);
        d->failed |= !d->last_note;
        return d->last_note;
}

const char *desk_cell(const struct intake *in, uint16_t cell, const char *otherwise)
{
        return in->headings ? in->headings[cell] : otherwise;
}

static void refuse_number(struct desk *d, uint32_t row, uint16_t cell, const struct indicator *of,
                          const char *text, const struct number *n)
{
        const char *column = desk_cell(d->in, cell, desk_heading(d, COLUMN_VALUE));
        char places[16];
        snprintf(places, sizeof places, "%u", of->decimals);
        bool precise = n->reason == REASON_TOO_PRECISE;
        desk_refuse(d, n->reason, row, column, text, precise ? places : n->advice_en,
                    precise ? NULL : n->advice_zh);
}

void desk_figure(struct desk *d, struct desk_row *r, int32_t indicator, uint16_t cell, const char *text)
{
        const struct indicator *of = &d->j->catalog->indicators[indicator];
        if (!text || (r->mark != MARK_FIGURES && of->kind == DERIVED))
                return;
        struct number n =
            number_read(text, strlen(text), (struct number_form){of->decimals, of->unit_zh, of->unit_en});
        if (n.kind == NUMBER_BLANK)
                return;
        if (r->mark == MARK_FIGURES && r->region == NONE && !r->region_told) {
                r->region_told = true;
                desk_refuse(d, REASON_UNKNOWN_REGION, r->row, desk_heading(d, COLUMN_REGION), "", NULL, NULL);
        }
        if (n.kind == NUMBER_REFUSED) {
                refuse_number(d, r->row, cell, of, text, &n);
                return;
        }
        struct figure one = {
            .fact = {.value = n.value, .indicator = (uint16_t)indicator, .q = (uint8_t)n.q, .own = r->own},
            .row = r->row,
            .cell = cell,
            .mark = (uint8_t)r->mark,
        };
        if (r->mark != MARK_FIGURES) {
                if (r->pile != NONE)
                        d->piles[r->pile].has_totals = true;
                if (r->loose)
                        figures_add(d, &d->loose, one);
                else if (r->pile != NONE)
                        pile_add(d, &d->piles[r->pile], one);
        } else if (r->pile != NONE && r->region != NONE) {
                one.fact.region = (uint32_t)r->region;
                one.note = note_keep(d, r->note);
                r->note = NULL;
                pile_add(d, &d->piles[r->pile], one);
        }
}

/* Opening */

void desk_open(struct desk *d, struct intake *in, const struct judge *j)
{
        PRE(!in->n && !in->reasons.total);
        *d = (struct desk){.in = in, .j = j, .near_left = (size_t)DESK_NEAR_MAX * DESK_NEAR_COST};
}

static const char *hint_keep(struct desk *d, const char *text)
{
        text = desk_tidy(d, text);
        const char *kept = text ? arena_strdup(&d->in->arena, text) : NULL;
        d->failed |= text && !kept;
        return kept;
}

void desk_hints(struct desk *d, struct intake_hints hints)
{
        d->hints = (struct intake_hints){hint_keep(d, hints.dataset), hint_keep(d, hints.period),
                                         hint_keep(d, hints.action)};
        d->told_dataset = d->told_period = d->told_action = false;
}

/* The line of the first byte that is not UTF-8, or of the first NUL. */
static uint32_t bad_line(const char *bytes, size_t n)
{
        uint32_t line = 1, cp;
        for (const char *end = bytes + n; bytes < end;) {
                size_t used = text_utf8_next(bytes, end, &cp);
                if (!used || !cp)
                        break;
                line += cp == '\n';
                bytes += used;
        }
        return line;
}

bool desk_readable(struct desk *d, const char *bytes, size_t n)
{
        if (n > INTAKE_BYTES)
                desk_refuse(d, REASON_FILE_TOO_LARGE, 0, NULL, "64 MiB", NULL, NULL);
        else if (!text_is_utf8(bytes, n))
                desk_refuse(d, REASON_ENCODING, bad_line(bytes, n), NULL, "UTF-8", NULL, NULL);
        else
                return true;
        return false;
}
