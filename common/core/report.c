/* Everything here is linear in rows, or rows times the depth of the tree: a report of 20,000 rows is judged
 * in about the time it took to read it. Two properties of the numbering carry that: facts come by (indicator,
 * region), and a region's number is above its parent's and never below that of a region nearer to the root.
 */
#include "core/report.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/cell.h"

#include <stdlib.h>
#include <string.h>

static const char *const action_words[][2] = {
    [REPLACE] = {"replace", "替换"},
    [MERGE] = {"merge", "合并"},
    [WITHDRAW] = {"withdraw", "撤回"},
    [ADD] = {"add", "累加"},
};

const char *action_word(enum action a)
{
        return action_words[a][0];
}

bool action_find(const char *word, enum action *a)
{
        for (int i = REPLACE; i <= ADD; i++)
                if (strcmp(word, action_words[i][0]) == 0 || strcmp(word, action_words[i][1]) == 0) {
                        *a = (enum action)i;
                        return true;
                }
        return false;
}

int place_compare(struct place a, struct place b)
{
        if (a.turn != b.turn && !PLANTED(TURN_IGNORED))
                return a.turn < b.turn ? -1 : 1;
        return (a.seq > b.seq) - (a.seq < b.seq);
}

/* Facts */

/* fact_key, from all that lies beside the value: which is one load and a mask where numbers are little
 * endian. */
static inline uint64_t key_of(const struct fact *f)
{
        uint64_t beside =
            (uint64_t)f->own << 56 | (uint64_t)f->q << 48 | (uint64_t)f->indicator << 32 | f->region;
        return beside & 0xffffffffffff;
}

static int by_key(const void *a, const void *b)
{
        uint64_t x = key_of(a), y = key_of(b);
        return (x > y) - (x < y);
}

void facts_sort(struct fact *facts, size_t n)
{
        for (size_t i = 1; i < n; i++)
                if (key_of(&facts[i - 1]) > key_of(&facts[i])) {
                        qsort(facts, n, sizeof *facts, by_key);
                        return;
                }
}

size_t facts_seek(const struct fact *facts, size_t n, size_t from, uint64_t key)
{
        enum { NEAR = 8 }; /* one by one so far: what is merged lies a few steps apart */
        size_t low = from, near = n - from > NEAR ? from + NEAR : n;
        while (low < near && key_of(&facts[low]) < key)
                low++;
        if (low < near || low == n)
                return low;
        size_t step = NEAR, high = low; /* below `low` all are below the key, from `high` on none are */
        while (high < n && key_of(&facts[high]) < key) {
                low = high + 1;
                high = step < n - high ? high + step : n;
                step *= 2;
        }
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (key_of(&facts[mid]) < key)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

size_t facts_run(const struct fact *facts, size_t n, uint32_t indicator, const struct fact **run)
{
        size_t first = facts_seek(facts, n, 0, fact_key(indicator, 0));
        size_t end = facts_seek(facts, n, first, fact_key(indicator + 1, 0));
        *run = first < end ? &facts[first] : NULL;
        return end - first;
}

/* Standing */

void standing_close(struct standing *s)
{
        free(s->facts);
        *s = (struct standing){0};
}

static bool reserve(struct standing *s, size_t n)
{
        if (n <= s->cap)
                return true;
        struct fact *facts = realloc(s->facts, n * sizeof *facts);
        if (!facts)
                return false;
        s->facts = facts;
        s->cap = n;
        return true;
}

static bool replace(struct standing *s, const struct fact *facts, size_t n)
{
        if (!reserve(s, n))
                return false;
        if (n)
                memcpy(s->facts, facts, n * sizeof *facts);
        s->n = n;
        return true;
}

bool standing_copy(struct standing *s, const struct standing *from)
{
        PRE(!s->n);
        return replace(s, from->facts, from->n);
}

const struct fact *standing_find(const struct standing *s, uint32_t indicator, uint32_t region)
{
        uint64_t key = fact_key(indicator, region);
        size_t i = facts_seek(s->facts, s->n, 0, key);
        return i < s->n && key_of(&s->facts[i]) == key ? &s->facts[i] : NULL;
}

static void fact_set(struct fact *was, const struct fact *given, enum action action)
{
        struct fact now = *given;
        if (action == ADD) {
                if (__builtin_add_overflow(was->value, given->value, &now.value))
                        now.value = given->value < 0 ? INT64_MIN : INT64_MAX;
                if (was->q > now.q)
                        now.q = was->q;
                now.own &= was->own;
        }
        *was = now;
}

/* Where each of the given facts stands, or would; answers how many do not stand yet. */
static size_t find_places(const struct standing *s, const struct fact *facts, size_t n,
                          struct change *changes)
{
        size_t fresh = 0, at = 0;
        for (size_t i = 0; i < n; i++) {
                uint64_t key = key_of(&facts[i]);
                at = facts_seek(s->facts, s->n, at, key);
                bool known = at < s->n && key_of(&s->facts[at]) == key;
                changes[i] = (struct change){.at = (uint32_t)at, .fresh = !known};
                fresh += !known;
        }
        return fresh;
}

/* Puts in what does not stand yet, from the end, so that each fact moves at most once. */
static void insert_fresh(struct standing *s, const struct change *changes, size_t n, size_t fresh)
{
        size_t from = s->n; /* what is before it has not moved */
        s->n += fresh;
        while (fresh > 0) {
                const struct change *c = &changes[--n];
                if (!c->fresh)
                        continue;
                memmove(s->facts + c->at + fresh, s->facts + c->at, (from - c->at) * sizeof *s->facts);
                s->facts[c->at + --fresh] = c->now;
                from = c->at;
        }
}

bool standing_change(struct standing *s, enum action action, const struct fact *facts, size_t n,
                     struct change *changes)
{
        PRE(action == MERGE || action == ADD);
        size_t fresh = find_places(s, facts, n, changes);
        if (!reserve(s, s->n + fresh))
                return false;
        for (size_t i = 0; i < n; i++) {
                struct change *c = &changes[i];
                c->now = facts[i];
                if (c->fresh)
                        continue;
                c->was = s->facts[c->at];
                fact_set(&s->facts[c->at], &facts[i], action);
                c->now = s->facts[c->at];
        }
        insert_fresh(s, changes, n, fresh);
        return true;
}

static bool merge(struct standing *s, enum action action, const struct fact *facts, size_t n)
{
        struct change *changes = malloc((n + 1) * sizeof *changes);
        bool fine = changes && standing_change(s, action, facts, n, changes);
        free(changes);
        return fine;
}

void standing_restore(struct standing *s, const struct change *changes, size_t n)
{
        size_t from = 0, to = 0;
        for (size_t i = 0; i < n; i++) {
                size_t at = facts_seek(s->facts, s->n, from, key_of(&changes[i].now));
                memmove(s->facts + to, s->facts + from, (at - from) * sizeof *s->facts);
                to += at - from;
                from = at + 1;
                if (!changes[i].fresh)
                        s->facts[to++] = changes[i].was;
        }
        memmove(s->facts + to, s->facts + from, (s->n - from) * sizeof *s->facts);
        s->n -= from - to;
}

bool standing_fold(struct standing *s, enum action action, const struct fact *facts, size_t n)
{
        switch (action) {
        case REPLACE: return replace(s, facts, n);
        case WITHDRAW: standing_close(s); return true;
        case MERGE:
        case ADD: return merge(s, action, facts, n);
        }
        UNREACHABLE();
}

/* What the report says by itself */

/* A reason in the making: where it is, and texts that need room. */
struct teller {
        const struct report *r;
        const struct catalog *c;
        const uint32_t *rows;
        struct reasons *out;
        char period[PERIOD_TEXT];
};

static struct teller teller_of(const struct report *r, const struct judge *j, const uint32_t *rows,
                               struct reasons *out)
{
        struct teller t = {.r = r, .c = j->catalog, .rows = rows, .out = out};
        period_print(r->period, t.period);
        return t;
}

static void tell(const struct teller *t, enum reason_code code, uint32_t row, const char *column,
                 const char *a0, const char *a1, const char *a2)
{
        reasons_add(t->out, code, row, column, a0, a1, a2);
}

/* A value out of bounds: the value, the bound (if there is one to name), and whose value it is. */
static void tell_value(const struct teller *t, enum reason_code code, uint32_t row, const struct fact *f,
                       const int64_t *bound)
{
        const struct indicator *in = &t->c->indicators[f->indicator];
        struct text value = {0}, limit = {0}, whose = {0};
        text_scaled(&value, f->value, in->decimals);
        if (bound)
                text_scaled(&limit, *bound, in->decimals);
        text_printf(&whose, "%s, %s", in->code, t->c->regions[f->region].code);
        t->out->failed |= text_failed(&value) || text_failed(&limit) || text_failed(&whose);
        tell(t, code, row, "value", text_c(&value), bound ? text_c(&limit) : NULL,
             bound ? text_c(&whose) : NULL);
        text_close(&value);
        text_close(&limit);
        text_close(&whose);
}

static void check_bounds(const struct teller *t, uint32_t row, const struct fact *f)
{
        const struct indicator *in = &t->c->indicators[f->indicator];
        if (in->has_min && f->value < in->min)
                tell_value(t, REASON_BELOW_MIN, row, f, &in->min);
        if (in->has_max && f->value > in->max)
                tell_value(t, REASON_ABOVE_MAX, row, f, &in->max);
}

static bool is_too_large(int64_t value)
{
        return value > VALUE_MAX || value < -VALUE_MAX;
}

static void check_indicator(const struct teller *t, uint32_t row, const struct indicator *in)
{
        if (in->dataset != t->r->dataset)
                tell(t, REASON_UNKNOWN_INDICATOR, row, "indicator", in->name, NULL, NULL);
        else if (in->kind == DERIVED)
                tell(t, REASON_DERIVED_GIVEN, row, "indicator", in->code, NULL, NULL);
        else if (t->r->action == ADD && in->kind != FLOW)
                tell(t, REASON_ADD_NOT_FLOW, row, "indicator", in->code, NULL, NULL);
}

static void check_region(const struct teller *t, const struct judge *j, uint32_t row, const struct fact *f)
{
        const struct region *region = &t->c->regions[f->region];
        const struct indicator *in = &t->c->indicators[f->indicator];
        if (!catalog_in_scope(t->c, j->office, f->region))
                tell(t, REASON_FOREIGN_REGION, row, "region", region->code, t->c->offices[j->office].code,
                     NULL);
        else if (!catalog_valid(region->valid_from, region->valid_to, t->r->period))
                tell(t, REASON_NOT_VALID_THEN, row, "region", region->code, t->period, NULL);
        if (in->level && strcmp(in->level, region->level) != 0)
                tell(t, REASON_WRONG_LEVEL, row, "region", in->code, in->level, region->code);
}

static void check_rows(const struct teller *t, const struct judge *j)
{
        for (size_t i = 0; i < t->r->n; i++) {
                const struct fact *f = &t->r->facts[i];
                uint32_t row = t->rows ? t->rows[i] : 0;
                check_indicator(t, row, &t->c->indicators[f->indicator]);
                check_region(t, j, row, f);
                if (is_too_large(f->value))
                        tell_value(t, REASON_TOO_LARGE, row, f, NULL);
                else if (t->r->action != ADD)
                        check_bounds(t, row, f);
        }
}

static void check_office(const struct teller *t, const struct judge *j)
{
        const struct office *o = &t->c->offices[j->office];
        if (!catalog_answers(t->c, j->office, t->r->dataset))
                tell(t, REASON_FOREIGN_DATASET, 0, "dataset", t->c->datasets[t->r->dataset].code, o->code,
                     NULL);
        else if (!catalog_valid(o->valid_from, o->valid_to, t->r->period))
                tell(t, REASON_NOT_VALID_THEN, 0, "period", o->code, t->period, NULL);
}

static void check_period(const struct teller *t, const struct judge *j)
{
        const struct dataset *d = &t->c->datasets[t->r->dataset];
        struct period p = t->r->period;
        if (p.kind != d->every) {
                tell(t, REASON_WRONG_PERIOD, 0, "period", t->period, period_kind_word(d->every),
                     period_kind_zh(d->every));
                return;
        }
        if (p.first > j->today + j->future_days)
                tell(t, REASON_FUTURE_PERIOD, 0, "period", t->period, NULL, NULL);
        if (d->lock_s != NONE && j->submitted_civil_s >= ((int64_t)p.last + 1) * 86400 + d->lock_s)
                tell(t, REASON_LOCKED, 0, "period", t->period, NULL, NULL);
}

void report_check(const struct report *r, const struct judge *j, const uint32_t *rows, struct reasons *out)
{
        struct teller t = teller_of(r, j, rows, out);
        check_office(&t, j);
        check_period(&t, j);
        if (r->action == WITHDRAW && r->n)
                tell(&t, REASON_ROWS_WITH_WITHDRAW, 0, "action", NULL, NULL, NULL);
        if (r->action != WITHDRAW && !r->n)
                tell(&t, REASON_NO_ROWS, 0, NULL, NULL, NULL, NULL);
        check_rows(&t, j);
}

/* What would stand: sizes and bounds */

static uint32_t row_of(const struct teller *t, const struct fact *f)
{
        size_t i = facts_seek(t->r->facts, t->r->n, 0, key_of(f));
        return t->rows && i < t->r->n && key_of(&t->r->facts[i]) == key_of(f) ? t->rows[i] : 0;
}

static void judge_size(const struct teller *t, const struct fact *f)
{
        if (is_too_large(f->value))
                tell_value(t, REASON_TOO_LARGE, row_of(t, f), f, NULL);
}

static void judge_sizes(const struct teller *t, const struct standing *after, const struct change *changes)
{
        for (size_t i = 0; changes && i < t->r->n; i++)
                judge_size(t, &changes[i].now);
        for (size_t i = 0; !changes && i < after->n; i++)
                judge_size(t, &after->facts[i]);
}

static void judge_sums(const struct teller *t, const struct standing *after, const struct change *changes)
{
        for (size_t i = 0, at = 0; i < t->r->n; i++) {
                const struct fact *sum = changes ? &changes[i].now : NULL;
                if (!changes) {
                        at = facts_seek(after->facts, after->n, at, key_of(&t->r->facts[i]));
                        if (at < after->n && key_of(&after->facts[at]) == key_of(&t->r->facts[i]))
                                sum = &after->facts[at];
                }
                if (sum)
                        check_bounds(t, t->rows ? t->rows[i] : 0, sum);
        }
}

/* What would stand: overlap. A run's regions come in order of depth, so only its shallowest part, before the
 * first deeper fact, can be above anything; mostly all are equally deep and there is nothing to do. */

static const struct fact *find_above(const struct catalog *c, const struct fact *run, size_t n,
                                     uint32_t region)
{
        for (int32_t up = c->regions[region].parent; up != NONE; up = c->regions[up].parent) {
                size_t at = facts_seek(run, n, 0, fact_key(run->indicator, (uint32_t)up));
                if (at < n && run[at].region == (uint32_t)up && !run[at].own)
                        return &run[at];
        }
        return NULL;
}

static void judge_overlap_of(const struct teller *t, const struct fact *run, size_t n)
{
        const struct region *regions = t->c->regions;
        for (size_t i = n; i-- > 0 && regions[run[i].region].depth > regions[run[0].region].depth;) {
                const struct fact *above = find_above(t->c, run, i, run[i].region);
                if (!above)
                        continue;
                uint32_t row = row_of(t, &run[i]);
                tell(t, REASON_OVERLAP, row ? row : row_of(t, above), "region",
                     t->c->indicators[run->indicator].code, regions[run[i].region].code,
                     regions[above->region].code);
        }
}

static void judge_overlap(const struct teller *t, const struct standing *after)
{
        for (size_t i = 0; i < after->n;) {
                size_t end =
                    facts_seek(after->facts, after->n, i, fact_key(after->facts[i].indicator + 1u, 0));
                judge_overlap_of(t, after->facts + i, end - i);
                i = end;
        }
}

/* What would stand: rules. The regions that matter (of what stands and of the report, and all above them up
 * to the office's) are numbered once in order, so their totals are one short array per indicator, made when
 * first asked for. */

struct assembly {
        const struct catalog *c;
        const struct standing *after;
        struct period period;
        uint32_t dataset, top;
        uint8_t *seen;         /* per region: HELD, JUDGED */
        uint32_t *slot;        /* per region seen: its number here */
        uint32_t *region;      /* per slot */
        size_t n;              /* slots */
        struct cell **columns; /* per indicator: totals per slot */
        size_t at;             /* the slot a rule is evaluated for */
        bool failed;
};

enum { HELD = 1, JUDGED = 2 };

static void see(struct assembly *a, const struct fact *facts, size_t n, uint8_t mark)
{
        for (size_t i = 0; i < n; i++) {
                uint32_t r = facts[i].region;
                while ((a->seen[r] & mark) != mark) {
                        a->n += !a->seen[r];
                        a->seen[r] |= mark;
                        if (r == a->top || a->c->regions[r].parent == NONE)
                                break;
                        r = (uint32_t)a->c->regions[r].parent;
                }
        }
}

static void assembly_close(struct assembly *a)
{
        for (uint32_t i = 0; a->columns && i < a->c->n_indicators; i++)
                free(a->columns[i]);
        free(a->columns);
        free(a->region);
        free(a->slot);
        free(a->seen);
}

static bool assembly_open(struct assembly *a, const struct report *r)
{
        a->seen = calloc(a->c->n_regions, sizeof *a->seen);
        a->slot = malloc(a->c->n_regions * sizeof *a->slot);
        a->columns = calloc(a->c->n_indicators, sizeof *a->columns);
        if (!a->seen || !a->slot || !a->columns)
                return false;
        see(a, a->after->facts, a->after->n, HELD);
        see(a, r->facts, r->n, JUDGED);
        a->region = malloc((a->n + 1) * sizeof *a->region);
        if (!a->region)
                return false;
        size_t slots = 0;
        for (uint32_t i = 0; slots < a->n; i++)
                if (a->seen[i]) {
                        a->slot[i] = (uint32_t)slots;
                        a->region[slots++] = i;
                }
        return true;
}

static void add_up(const struct assembly *a, enum kind kind, struct cell *cells)
{
        for (size_t i = a->n; i-- > 0;) {
                int32_t up = a->c->regions[a->region[i]].parent;
                if (a->region[i] != a->top && up != NONE)
                        cell_over_place(kind, &cells[a->slot[up]], &cells[i]);
        }
}

static struct cell *column_of(struct assembly *a, uint32_t indicator)
{
        struct cell *cells = a->columns[indicator];
        if (cells)
                return cells;
        cells = a->columns[indicator] = calloc(a->n, sizeof *cells);
        if (!cells) {
                a->failed = true;
                return NULL;
        }
        enum kind kind = a->c->indicators[indicator].kind;
        const struct fact *run;
        size_t n = facts_run(a->after->facts, a->after->n, indicator, &run);
        for (size_t i = 0; run && i < n; i++) {
                struct cell one = cell_of(run[i].value, (enum qualifier)run[i].q);
                cell_over_place(kind, &cells[a->slot[run[i].region]], &one);
        }
        add_up(a, kind, cells);
        return cells;
}

/* A rule knows this report only: nothing of other periods or datasets. */
static bool operand(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        struct assembly *a = ctx;
        const struct indicator *in = &a->c->indicators[indicator];
        if (!period_same(p, a->period) || in->dataset != a->dataset)
                return false;
        if (in->kind == DERIVED)
                return formula_value(in->formula, p, (struct formula_source){operand, a}, value, q);
        const struct cell *cells = column_of(a, indicator);
        if (!cells || !cells[a->at].facts)
                return false;
        *value = fraction_of(cells[a->at].sum, in->decimals);
        *q = cell_qualifier(&cells[a->at]);
        return true;
}

/* The first row of the report that gives the region a figure the rule reads; 0: they stand elsewhere. */
static uint32_t rule_row(const struct teller *t, const struct rule *rule, uint32_t region)
{
        const uint32_t *reads;
        size_t n = t->rows ? formula_operands(rule->check, &reads) : 0;
        uint32_t first = 0;
        for (size_t i = 0; i < n; i++) {
                uint64_t key = fact_key(reads[i], region);
                size_t at = facts_seek(t->r->facts, t->r->n, 0, key);
                if (at < t->r->n && key_of(&t->r->facts[at]) == key && (!first || t->rows[at] < first))
                        first = t->rows[at];
        }
        return first;
}

static void judge_rule(const struct teller *t, struct assembly *a, const struct rule *rule,
                       struct reasons *flags)
{
        struct text message = {0};
        text_printf(&message, "%s\n%s", rule->message_en, rule->message_zh);
        t->out->failed |= text_failed(&message);
        for (a->at = 0; a->at < a->n && !a->failed; a->at++) {
                enum qualifier q = EXACT;
                if (!(a->seen[a->region[a->at]] & JUDGED) ||
                    formula_check(rule->check, a->period, (struct formula_source){operand, a}, &q) != 0)
                        continue;
                struct reasons *to = rule->grade == REJECT && q == EXACT ? t->out : flags;
                uint32_t region = a->region[a->at];
                if (to)
                        reasons_add(to, REASON_RULE, rule_row(t, rule, region), NULL, rule->code,
                                    text_c(&message), t->c->regions[region].code);
        }
        text_close(&message);
}

static bool judge_rules(const struct teller *t, const struct judge *j, const struct standing *after,
                        struct reasons *flags)
{
        struct assembly a = {.c = t->c,
                             .after = after,
                             .period = t->r->period,
                             .dataset = t->r->dataset,
                             .top = t->c->offices[j->office].region};
        bool opened = false;
        for (uint32_t i = 0; i < t->c->n_rules && !a.failed; i++) {
                if (t->c->rules[i].dataset != a.dataset)
                        continue;
                if (!opened && !(opened = assembly_open(&a, t->r)))
                        a.failed = true;
                else
                        judge_rule(t, &a, &t->c->rules[i], flags);
        }
        assembly_close(&a);
        return !a.failed;
}

bool report_judge(const struct report *r, const struct standing *after, const struct change *changes,
                  const struct judge *j, const uint32_t *rows, struct reasons *out, struct reasons *flags)
{
        struct teller t = teller_of(r, j, rows, out);
        judge_sizes(&t, after, changes);
        if (r->action == ADD)
                judge_sums(&t, after, changes);
        judge_overlap(&t, after);
        bool fine = !r->n || judge_rules(&t, j, after, flags);
        return fine && !out->failed && !(flags && flags->failed);
}
