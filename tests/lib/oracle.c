#include "lib/oracle.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more; it doubles whenever n is a power of two. */
static void *more(void *array, size_t n, size_t size)
{
        if ((n & (n - 1)) != 0)
                return array;
        void *bigger = realloc(array, (n ? n * 2 : 1) * size);
        PRE(bigger);
        return bigger;
}

static bool same_report(const struct oracle_revision *v, uint32_t office, uint32_t dataset, struct period p)
{
        return v->office == office && v->report.dataset == dataset && v->report.period.first == p.first;
}

static bool is_before(struct place a, struct place b)
{
        return a.turn < b.turn || (a.turn == b.turn && a.seq < b.seq);
}

static bool is_base(const struct oracle_revision *v)
{
        return v->report.action == REPLACE || v->report.action == WITHDRAW;
}

static void forget_stands(struct oracle *o)
{
        for (size_t i = 0; i < o->n_stands; i++)
                free(o->stands[i].facts);
        free(o->stands);
        o->stands = NULL;
        o->n_stands = 0;
}

void oracle_close(struct oracle *o)
{
        forget_stands(o);
        for (size_t i = 0; i < o->n; i++)
                free(o->revisions[i].report.facts);
        free(o->revisions);
        *o = (struct oracle){.c = o->c};
}

void oracle_accept(struct oracle *o, uint32_t office, const struct report *r, struct place at)
{
        o->revisions = more(o->revisions, o->n, sizeof *o->revisions);
        struct oracle_revision *v = &o->revisions[o->n++];
        *v = (struct oracle_revision){.office = office, .at = at, .report = *r};
        v->report.facts = calloc(r->n + 1, sizeof *r->facts);
        PRE(v->report.facts);
        for (size_t i = 0; i < r->n; i++)
                v->report.facts[i] = r->facts[i];
}

bool oracle_is_superseded(const struct oracle *o, uint32_t office, const struct report *r, struct place at)
{
        for (size_t i = 0; i < o->n; i++) {
                const struct oracle_revision *v = &o->revisions[i];
                if (same_report(v, office, r->dataset, r->period) && is_base(v) && is_before(at, v->at))
                        return true;
        }
        return false;
}

static int by_period_office_place(const void *a, const void *b)
{
        const struct oracle_revision *x = *(const struct oracle_revision *const *)a;
        const struct oracle_revision *y = *(const struct oracle_revision *const *)b;
        if (x->report.period.first != y->report.period.first)
                return x->report.period.first < y->report.period.first ? -1 : 1;
        if (x->office != y->office)
                return x->office < y->office ? -1 : 1;
        return is_before(x->at, y->at) ? -1 : is_before(y->at, x->at);
}

size_t oracle_standing(const struct oracle *o, uint32_t dataset, int32_t first, int32_t last,
                       const struct oracle_revision ***out)
{
        size_t n = 0;
        *out = calloc(o->n + 1, sizeof **out);
        PRE(*out);
        for (size_t i = 0; i < o->n; i++) {
                const struct oracle_revision *v = &o->revisions[i];
                if (v->report.dataset == dataset && v->report.period.first >= first &&
                    v->report.period.last <= last && !oracle_is_superseded(o, v->office, &v->report, v->at))
                        (*out)[n++] = v;
        }
        qsort(*out, n, sizeof **out, by_period_office_place);
        return n;
}

static void set_fact(struct oracle_stand *s, const struct fact *f, bool add)
{
        for (size_t i = 0; i < s->n; i++)
                if (s->facts[i].indicator == f->indicator && s->facts[i].region == f->region) {
                        struct fact was = s->facts[i];
                        s->facts[i] = *f;
                        if (add) {
                                s->facts[i].value += was.value;
                                if (was.q == ABOUT || (was.q == AT_LEAST && f->q == EXACT))
                                        s->facts[i].q = was.q;
                        }
                        return;
                }
        s->facts = more(s->facts, s->n, sizeof *s->facts);
        s->facts[s->n++] = *f;
}

static struct oracle_stand *new_stand(struct oracle *o, const struct oracle_revision *v)
{
        o->stands = more(o->stands, o->n_stands, sizeof *o->stands);
        struct oracle_stand *s = &o->stands[o->n_stands++];
        *s = (struct oracle_stand){
            .office = v->office, .dataset = v->report.dataset, .period = v->report.period};
        return s;
}

void oracle_settle(struct oracle *o)
{
        forget_stands(o);
        for (uint32_t d = 0; d < o->c->n_datasets; d++) {
                const struct oracle_revision **v;
                size_t n = oracle_standing(o, d, INT32_MIN, INT32_MAX, &v);
                struct oracle_stand *s = NULL;
                for (size_t i = 0; i < n; i++) {
                        if (!s || !same_report(v[i], s->office, s->dataset, s->period))
                                s = new_stand(o, v[i]);
                        for (size_t k = 0; k < v[i]->report.n; k++)
                                set_fact(s, &v[i]->report.facts[k], v[i]->report.action == ADD);
                }
                free(v);
        }
}

static void count(struct cell *c, const struct fact *f)
{
        c->facts++;
        if (f->q == ABOUT)
                c->about++;
        if (f->q == AT_LEAST)
                c->at_least++;
}

struct cell oracle_own(const struct oracle *o, uint32_t indicator, uint32_t region, struct period p)
{
        enum kind kind = o->c->indicators[indicator].kind;
        struct cell c = {0};
        const struct oracle_stand *latest = NULL;
        for (size_t i = 0; i < o->n_stands; i++) {
                const struct oracle_stand *s = &o->stands[i];
                if (s->dataset != o->c->indicators[indicator].dataset || s->period.first < p.first ||
                    s->period.last > p.last)
                        continue;
                for (size_t k = 0; k < s->n; k++) {
                        const struct fact *f = &s->facts[k];
                        if (f->indicator != indicator || f->region != region)
                                continue;
                        if (kind == STOCK && latest && latest->period.first != s->period.first)
                                c = (struct cell){0};
                        latest = s;
                        if (kind == PEAK)
                                c.sum = c.facts && c.sum > f->value ? c.sum : f->value;
                        else
                                c.sum += f->value;
                        count(&c, f);
                }
        }
        return c;
}

struct cell oracle_total(const struct oracle *o, uint32_t indicator, uint32_t region, struct period p)
{
        struct cell c = oracle_own(o, indicator, region, p);
        for (uint32_t r = 0; r < o->c->n_regions; r++) {
                if (o->c->regions[r].parent != (int32_t)region)
                        continue;
                struct cell child = oracle_total(o, indicator, r, p);
                if (!child.facts)
                        continue;
                if (o->c->indicators[indicator].kind != PEAK)
                        c.sum += child.sum;
                else if (!c.facts || child.sum > c.sum)
                        c.sum = child.sum;
                c.facts += child.facts;
                c.about += child.about;
                c.at_least += child.at_least;
        }
        return c;
}
