#include "world/truth.h"

#include "base/check.h"
#include "session/payload.h"
#include "world/look.h"
#include "world/world.h"

#include <stdlib.h>
#include <string.h>

/* ---- promises */

void truth_begin(struct truth *t)
{
        *t = (struct truth){.v = calloc(TRUTH_REPORTS, sizeof *t->v)};
        PRE(t->v);
}

void truth_end(struct truth *t)
{
        for (size_t i = 0; i < t->n; i++)
                text_close(&t->v[i].payload);
        free(t->v);
        *t = (struct truth){0};
}

int64_t truth_stamp(int64_t clock_us, uint32_t report)
{
        return clock_us / TRUTH_REPORTS * TRUTH_REPORTS + report;
}

uint32_t truth_number(int64_t submitted_at)
{
        return (uint32_t)(submitted_at % TRUTH_REPORTS);
}

static bool has(const struct promise *p, const struct fact *f)
{
        for (size_t i = 0; i < p->n; i++)
                if (p->facts[i].region == f->region && p->facts[i].indicator == f->indicator)
                        return true;
        return false;
}

static void write_facts(struct seed *s, const struct catalog *c, struct promise *p)
{
        const struct dataset *d = &c->datasets[p->dataset];
        const struct region *league = &c->regions[c->offices[p->office].region];
        size_t want = 1 + seed_below(s, TRUTH_FACTS);
        while (p->n < want) {
                uint32_t indicator = d->indicators[seed_below(s, d->n_indicators)];
                struct fact f = {.value = (int64_t)seed_below(s, 100000),
                                 .region = league->first_child + (uint32_t)seed_below(s, league->children),
                                 .indicator = (uint16_t)indicator,
                                 .q = seed_below(s, 8) ? EXACT : (uint8_t)(1 + seed_below(s, 2))};
                if (p->action == ADD && c->indicators[indicator].kind != FLOW)
                        f.indicator = (uint16_t)d->indicators[0]; /* the first of each is a flow */
                if (p->action == ADD && seed_below(s, 3) == 0)
                        f.value = -f.value;
                if (has(p, &f))
                        want--;
                else
                        p->facts[p->n++] = f;
        }
        facts_sort(p->facts, p->n);
}

uint32_t truth_write(struct world *w, const struct branch *b)
{
        struct truth *t = &w->truth;
        struct seed *s = &w->seed;
        const struct catalog *c = steppe(0);
        PRE(t->n < TRUTH_REPORTS);
        struct promise *p = &t->v[t->n];
        *p = (struct promise){.branch = b->at, .office = b->office, .past = b->past};
        p->dataset = (uint32_t)seed_below(s, c->n_datasets);
        p->period = period_of(c->datasets[p->dataset].every,
                              day_of(2020, 6, 28) + (int32_t)seed_below(s, w->options.forms) * 3);
        period_print(p->period, p->label);
        p->action = seed_below(s, 2) ? REPLACE : (enum action)seed_below(s, 4);
        p->poison = world_dice(w, 100, w->options.poison);
        if (p->action != WITHDRAW)
                write_facts(s, c, p);
        struct report r = {
            .dataset = p->dataset, .period = p->period, .action = p->action, .facts = p->facts, .n = p->n};
        payload_write(c, &r, &p->payload);
        if (p->poison)
                text_add(&p->payload, "\xff poison");
        return (uint32_t)t->n++;
}

uint32_t truth_rewrite(struct world *w, const struct branch *b, uint32_t report)
{
        struct truth *t = &w->truth;
        PRE(t->n < TRUTH_REPORTS);
        struct promise *was = &t->v[report], *p = &t->v[t->n];
        was->done = true;
        *p = *was;
        p->asked = p->done = false;
        p->state = TRUTH_TRIED;
        p->past = b->past;
        p->payload = (struct text){0};
        text_bytes(&p->payload, was->payload.v, was->payload.n);
        return (uint32_t)t->n++;
}

/* ---- who is released */

static bool hold_listed(void *ctx, const struct outbox_report *r)
{
        struct truth *t = ctx;
        uint32_t n = truth_number(r->envelope.submitted_at);
        if (n < t->n)
                t->v[n].seen = true;
        return true;
}

static void hold_stored(void *ctx, const struct look_report *r)
{
        struct truth *t = ctx;
        uint32_t n = truth_number(r->submitted_at);
        if (n < t->n)
                t->v[n].seen = true;
}

/* Looks at a disk as it is, whether or not anybody runs on it. */
struct calm {
        struct disk *disk;
        struct disk_odds odds;
        bool full, there;
};

static struct calm calm_begin(struct disk *d, bool alive)
{
        struct calm c = {.disk = d, .odds = d->odds, .full = d->full};
        if (!alive)
                disk_on(d);
        disk_odds(d, (struct disk_odds){0});
        disk_fill(d, false);
        void *image = disk_save(d);
        c.there = image;
        disk_discard(image);
        return c;
}

static void calm_end(const struct calm *c)
{
        disk_odds(c->disk, c->odds);
        disk_fill(c->disk, c->full);
}

static void hold_outbox(struct branch *b)
{
        struct outbox_filter all = {.states = (1u << OUTBOX_STATES) - 1, .limit = TRUTH_REPORTS};
        struct outbox o = {0}, *open = b->alive ? &b->outbox : &o;
        struct calm calm = calm_begin(b->disk, b->alive);
        struct err e;
        if (calm.there) {
                int code = b->alive ? 0 : outbox_open(&o, b->disk->path, b->code, 0, &e);
                if (code == 0)
                        code = outbox_list(open, &all, hold_listed, &b->w->truth, &e);
                if (code != 0)
                        world_fail(b->w, "the outbox of %s cannot be read: %s", b->code, e.text);
                if (!b->alive)
                        outbox_close(&o);
        }
        calm_end(&calm);
}

static void hold_store(struct vault *v)
{
        struct store s = {0}, *open = v->alive ? &v->store : &s;
        struct calm calm = calm_begin(v->disk, v->alive);
        struct err e;
        if (calm.there) {
                if (!v->alive && store_open(&s, v->disk->path, &e) != 0)
                        world_fail(v->w, "the store cannot be read: %s", e.text);
                look_reports(open, hold_stored, &v->w->truth);
                if (!v->alive)
                        store_close(&s);
        }
        calm_end(&calm);
}

void truth_release(struct world *w)
{
        struct truth *t = &w->truth;
        for (size_t i = 0; i < t->n; i++)
                t->v[i].seen = false;
        for (size_t i = 0; i < w->n_branches; i++)
                hold_outbox(&w->branches[i]);
        hold_store(&w->vault);
        for (size_t i = 0; i < t->n; i++)
                if (t->v[i].state == TRUTH_OWED && !t->v[i].seen) {
                        t->v[i].state = TRUTH_RELEASED;
                        world_say(w, "report %zu lies on no disk any more", i);
                }
}

/* ---- what the store holds */

struct found { /* a report in the store */
        const struct promise *p;
        struct place at;
        size_t came; /* in the order of arrival */
        enum verdict verdict;
};

struct looked {
        struct world *w;
        struct found *v;
        size_t n;
};

static void check_report(struct looked *l, const struct look_report *r, uint32_t n, const struct promise *p)
{
        const struct catalog *c = steppe(0);
        struct world *w = l->w;
        if (n >= w->truth.n)
                world_fail(w, "the store holds a report that nobody wrote");
        if (strcmp(r->office, c->offices[p->office].code) != 0)
                world_fail(w, "report %u is there as that of %s", n, r->office);
        if (p->seen)
                world_fail(w, "report %u of %s is in the store twice", n, r->office);
        if (strcmp(r->dataset, c->datasets[p->dataset].code) != 0 || strcmp(r->period, p->label) != 0 ||
            r->action != p->action || r->payload_n != p->payload.n ||
            (r->payload_n && memcmp(r->payload, p->payload.v, r->payload_n) != 0))
                world_fail(w, "report %u of %s is not what was written", n, r->office);
        if ((r->verdict == REJECTED) != p->poison)
                world_fail(w, "report %u of %s is %s: %s", n, r->office, verdict_word(r->verdict),
                           r->reasons ? r->reasons : "");
}

static void look_at(void *ctx, const struct look_report *r)
{
        struct looked *l = ctx;
        uint32_t n = truth_number(r->submitted_at);
        struct promise *p = &l->w->truth.v[n < l->w->truth.n ? n : 0];
        check_report(l, r, n, p);
        p->seen = true;
        p->verdict = r->verdict;
        l->v[l->n] = (struct found){p, {r->turn, r->seq}, l->n, r->verdict};
        l->n++;
}

static int by_form_and_place(const void *a, const void *b)
{
        const struct found *x = a, *y = b;
        if (x->p->office != y->p->office)
                return x->p->office < y->p->office ? -1 : 1;
        if (x->p->dataset != y->p->dataset)
                return x->p->dataset < y->p->dataset ? -1 : 1;
        if (x->p->period.first != y->p->period.first)
                return x->p->period.first < y->p->period.first ? -1 : 1;
        return place_compare(x->at, y->at);
}

static bool same_form(const struct found *a, const struct found *b)
{
        return a->p->office == b->p->office && a->p->dataset == b->p->dataset &&
               a->p->period.first == b->p->period.first;
}

static bool begins_anew(const struct found *f)
{
        return f->verdict == ACCEPTED && (f->p->action == REPLACE || f->p->action == WITHDRAW);
}

/* Superseded is what came when a later replace or withdraw had been accepted already, and nothing else. */
static void check_verdicts(struct world *w, const struct found *v, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                bool late = false;
                for (size_t k = i + 1; k < n; k++)
                        late |= begins_anew(&v[k]) && v[k].came < v[i].came;
                if (v[i].verdict != REJECTED && late != (v[i].verdict == SUPERSEDED))
                        world_fail(w, "report %zu is %s though a later one %s before it",
                                   (size_t)(v[i].p - w->truth.v), verdict_word(v[i].verdict),
                                   late ? "was accepted" : "was not accepted");
        }
}

/* ---- the recount: plain loops, DESIGN.md section 3 */

struct share { /* of one fact in one total */
        uint32_t indicator, region, leaf;
        int64_t period; /* period_id */
        int32_t day;    /* first of the base period */
        uint8_t q;
        int64_t value;
};

struct shares {
        struct share *v;
        size_t n, cap;
};

static void share_in(struct shares *s, const struct catalog *c, const struct fact *f, struct period base)
{
        enum period_kind every = base.kind;
        for (int kind = PERIOD_DAY; kind <= PERIOD_YEAR; kind++) {
                if (kind != (int)every &&
                    (kind < PERIOD_MONTH || !period_rolls_up(every, (enum period_kind)kind)))
                        continue;
                struct period up = kind == (int)every ? base : period_upper(base, (enum period_kind)kind);
                for (int32_t g = c->regions[f->region].parent; g >= 0; g = c->regions[g].parent) {
                        if (s->n == s->cap) {
                                s->cap = s->cap ? s->cap * 2 : 4096;
                                s->v = realloc(s->v, s->cap * sizeof *s->v);
                                PRE(s->v);
                        }
                        s->v[s->n++] = (struct share){.indicator = f->indicator,
                                                      .region = (uint32_t)g,
                                                      .leaf = f->region,
                                                      .period = period_id(up),
                                                      .day = base.first,
                                                      .q = f->q,
                                                      .value = f->value};
                }
        }
}

/* What stands of one form, by hand. */
static void fold(const struct catalog *c, const struct found *v, size_t n, struct shares *s)
{
        struct fact stands[64];
        size_t from = 0, held = 0;
        for (size_t i = 0; i < n; i++)
                if (begins_anew(&v[i]))
                        from = i;
        for (size_t i = from; i < n; i++) {
                if (v[i].verdict != ACCEPTED)
                        continue;
                for (size_t f = 0; f < v[i].p->n; f++) {
                        const struct fact *given = &v[i].p->facts[f];
                        size_t at = 0;
                        while (at < held && (stands[at].indicator != given->indicator ||
                                             stands[at].region != given->region))
                                at++;
                        PRE(at < sizeof stands / sizeof *stands);
                        if (at < held && v[i].p->action == ADD) {
                                stands[at].value += given->value;
                                if (given->q > stands[at].q)
                                        stands[at].q = given->q;
                        } else {
                                stands[at] = *given;
                                held += at == held;
                        }
                }
        }
        for (size_t i = 0; i < held; i++)
                share_in(s, c, &stands[i], v[0].p->period);
}

static int by_total(const struct share *x, const struct share *y)
{
        if (x->indicator != y->indicator)
                return x->indicator < y->indicator ? -1 : 1;
        if (x->period != y->period)
                return x->period < y->period ? -1 : 1;
        return (x->region > y->region) - (x->region < y->region);
}

static int by_total_leaf_and_day(const void *a, const void *b)
{
        const struct share *x = a, *y = b;
        int order = by_total(x, y);
        if (order != 0)
                return order;
        if (x->leaf != y->leaf)
                return x->leaf < y->leaf ? -1 : 1;
        return (x->day > y->day) - (x->day < y->day);
}

struct expected {
        struct share of; /* indicator, period, region */
        struct cell cell;
};

static void take_share(struct cell *cell, enum kind kind, const struct share *s, bool last_of_leaf)
{
        if (kind == STOCK && !last_of_leaf)
                return;
        if (kind != PEAK)
                cell->sum += s->value;
        else if (cell->facts == 0 || s->value > cell->sum)
                cell->sum = s->value;
        cell->facts++;
        cell->about += s->q == ABOUT;
        cell->at_least += s->q == AT_LEAST;
}

static size_t add_up(const struct catalog *c, const struct shares *s, struct expected *out)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++) {
                if (i == 0 || by_total(&s->v[i - 1], &s->v[i]) != 0)
                        out[n++] = (struct expected){.of = s->v[i]};
                bool last = i + 1 == s->n || by_total(&s->v[i], &s->v[i + 1]) != 0 ||
                            s->v[i].leaf != s->v[i + 1].leaf;
                take_share(&out[n - 1].cell, c->indicators[s->v[i].indicator].kind, &s->v[i], last);
        }
        return n;
}

struct compared {
        struct world *w;
        const struct catalog *c;
        const struct expected *v;
        size_t n, met;
};

static int find_total(const void *key, const void *member)
{
        return by_total(&((const struct expected *)key)->of, &((const struct expected *)member)->of);
}

static void compare_total(void *ctx, const struct look_total *t)
{
        struct compared *m = ctx;
        if (t->cell.facts == 0)
                return;
        struct expected key = {.of = {.indicator = (uint32_t)catalog_indicator(m->c, NONE, t->indicator),
                                      .region = (uint32_t)map_get_str(&m->c->region_codes, t->region),
                                      .period = t->period}};
        const struct expected *want = bsearch(&key, m->v, m->n, sizeof *m->v, find_total);
        if (!want || !cell_same(&want->cell, &t->cell))
                world_fail(m->w, "%s of %s in %lld is %lld of %llu facts, should be %lld of %llu",
                           t->indicator, t->region, (long long)t->period, (long long)t->cell.sum,
                           (unsigned long long)t->cell.facts, want ? (long long)want->cell.sum : 0,
                           want ? (unsigned long long)want->cell.facts : 0);
        m->met++;
}

static size_t recount(struct world *w, struct found *v, size_t n)
{
        const struct catalog *c = steppe(STEPPE_VERSIONS - 1);
        struct shares s = {0};
        qsort(v, n, sizeof *v, by_form_and_place);
        for (size_t i = 0, next; i < n; i = next) {
                for (next = i + 1; next < n && same_form(&v[i], &v[next]);)
                        next++;
                check_verdicts(w, v + i, next - i);
                fold(c, v + i, next - i, &s);
        }
        if (s.n)
                qsort(s.v, s.n, sizeof *s.v, by_total_leaf_and_day);
        struct expected *want = calloc(s.n + 1, sizeof *want);
        PRE(want);
        struct compared m = {.w = w, .c = c, .v = want, .n = add_up(c, &s, want)};
        look_totals(&w->vault.store, compare_total, &m);
        if (m.met != m.n)
                world_fail(w, "the store lacks %zu of %zu totals", m.n - m.met, m.n);
        free(want);
        free(s.v);
        return m.n;
}

/* What the office shows its clerks is what HQ says; of a store that was put back it may be what HQ said. */
static bool check_told(void *ctx, const struct outbox_report *r)
{
        static const enum outbox_state states[] = {
            [ACCEPTED] = OUTBOX_ACCEPTED, [SUPERSEDED] = OUTBOX_SUPERSEDED, [REJECTED] = OUTBOX_REJECTED};
        const struct branch *b = ctx;
        struct world *w = b->w;
        uint32_t n = truth_number(r->envelope.submitted_at);
        if (n >= w->truth.n || !w->truth.v[n].seen)
                world_fail(w, "%s holds report %u, which HQ has not", b->code, n);
        if (!w->vault.went_back && r->state != states[w->truth.v[n].verdict])
                world_fail(w, "%s shows report %u as %s, HQ says %s", b->code, n, outbox_state_word(r->state),
                           verdict_word(w->truth.v[n].verdict));
        return true;
}

static void check_offices(struct world *w)
{
        struct outbox_filter all = {.states = (1u << OUTBOX_STATES) - 1, .limit = TRUTH_REPORTS};
        for (size_t i = 0; i < w->n_branches; i++) {
                struct branch *b = &w->branches[i];
                struct err e;
                if (outbox_list(&b->outbox, &all, check_told, b, &e) != 0)
                        world_fail(w, "the outbox of %s cannot be read: %s", b->code, e.text);
        }
}

size_t truth_judge(struct world *w)
{
        struct truth *t = &w->truth;
        struct looked l = {.w = w, .v = calloc(TRUTH_REPORTS + 1, sizeof *l.v)};
        PRE(l.v);
        for (size_t i = 0; i < t->n; i++)
                t->v[i].seen = false;
        look_reports(&w->vault.store, look_at, &l);
        for (size_t i = 0; i < t->n; i++)
                if (t->v[i].state == TRUTH_OWED && !t->v[i].seen)
                        world_fail(w, "report %zu of %s was accepted and is lost", i,
                                   steppe(0)->offices[t->v[i].office].code);
        check_offices(w);
        size_t totals = recount(w, l.v, l.n);
        free(l.v);
        return totals;
}
