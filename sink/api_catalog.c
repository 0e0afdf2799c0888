/* GET /api/v1/catalog: the catalogue in force, whole, in the words of its files. */
#include "sink/call.h"

static void field(struct text *t, const char *name, const char *value)
{
        text_printf(t, ",\"%s\":", name);
        text_json(t, value);
}

static void number(struct text *t, const char *name, bool given, int64_t value, unsigned decimals)
{
        text_printf(t, ",\"%s\":", name);
        if (given)
                text_scaled(t, value, decimals);
        else
                text_add(t, "null");
}

static void day(struct text *t, const char *name, int32_t day)
{
        text_printf(t, ",\"%s\":", name);
        if (day >= DAY_MIN && day <= DAY_MAX)
                print_period(t, (struct period){PERIOD_DAY, day, day});
        else
                text_add(t, "null");
}

static void names(struct text *t, const char *code, const char *zh, const char *en)
{
        text_add(t, "{\"code\":");
        text_json(t, code);
        field(t, "name_zh", zh);
        field(t, "name_en", en);
}

static void print_region(const struct catalog *c, uint32_t i, struct text *t)
{
        const struct region *r = &c->regions[i];
        names(t, r->code, r->name_zh, r->name_en);
        field(t, "parent", r->parent == NONE ? NULL : c->regions[r->parent].code);
        field(t, "level", r->level);
        day(t, "valid_from", r->valid_from);
        day(t, "valid_to", r->valid_to);
}

static void print_dataset(const struct catalog *c, uint32_t i, struct text *t)
{
        const struct dataset *d = &c->datasets[i];
        names(t, d->code, d->name_zh, d->name_en);
        field(t, "every", period_kind_word(d->every));
        number(t, "due_s", true, d->due_s, 0);
        number(t, "lock_s", d->lock_s != NONE, d->lock_s, 0);
        day(t, "since", d->since);
        text_add(t, ",\"indicators\":[");
        for (uint32_t k = 0; k < d->n_indicators; k++) {
                text_add(t, k ? "," : "");
                text_json(t, c->indicators[d->indicators[k]].name);
        }
        text_add(t, "]");
}

static void print_indicator(const struct catalog *c, uint32_t i, struct text *t)
{
        const struct indicator *in = &c->indicators[i];
        names(t, in->code, in->name_zh, in->name_en);
        field(t, "name", in->name);
        field(t, "dataset", c->datasets[in->dataset].code);
        field(t, "kind", kind_word(in->kind));
        field(t, "unit_zh", in->unit_zh);
        field(t, "unit_en", in->unit_en);
        number(t, "decimals", true, in->decimals, 0);
        number(t, "min", in->has_min, in->min, in->decimals);
        number(t, "max", in->has_max, in->max, in->decimals);
        field(t, "level", in->level);
        field(t, "formula", in->formula_text);
}

static void print_office(const struct catalog *c, uint32_t i, struct text *t)
{
        const struct office *o = &c->offices[i];
        names(t, o->code, o->name_zh, o->name_en);
        field(t, "region", c->regions[o->region].code);
        field(t, "scope", o->self ? "self" : "subtree");
        text_add(t, ",\"datasets\":[");
        const char *before = "";
        for (uint32_t d = 0; d < c->n_datasets; d++)
                if (catalog_answers(c, i, d)) {
                        text_add(t, before);
                        text_json(t, c->datasets[d].code);
                        before = ",";
                }
        text_add(t, "]");
        day(t, "valid_from", o->valid_from);
        day(t, "valid_to", o->valid_to);
}

static void print_rule(const struct catalog *c, uint32_t i, struct text *t)
{
        const struct rule *r = &c->rules[i];
        text_add(t, "{\"code\":");
        text_json(t, r->code);
        field(t, "dataset", c->datasets[r->dataset].code);
        field(t, "grade", r->grade == REJECT ? "reject" : "explain");
        field(t, "check", r->check_text);
        field(t, "message_zh", r->message_zh);
        field(t, "message_en", r->message_en);
}

static void print_list(const struct catalog *c, const char *name, uint32_t n,
                       void (*print)(const struct catalog *c, uint32_t i, struct text *t), struct text *t)
{
        text_printf(t, ",\"%s\":[", name);
        for (uint32_t i = 0; i < n; i++) {
                text_add(t, i ? ",\n" : "\n");
                print(c, i, t);
                text_add(t, "}");
        }
        text_add(t, "]");
}

bool answer_catalog(struct call *k)
{
        if (!call_look(k, UINT64_MAX))
                return false;
        const struct catalog *c = k->c;
        struct text *t = &k->a->body;
        text_add(t, "{\"name_zh\":");
        text_json(t, c->name_zh);
        field(t, "name_en", c->name_en);
        field(t, "version", c->version);
        text_add(t, ",\"digest\":\"");
        text_hex(t, c->digest, sizeof c->digest);
        text_add(t, "\"");
        field(t, "root", c->regions[0].code);
        field(t, "timezone", c->timezone);
        print_list(c, "datasets", c->n_datasets, print_dataset, t);
        print_list(c, "indicators", c->n_indicators, print_indicator, t);
        print_list(c, "offices", c->n_offices, print_office, t);
        print_list(c, "rules", c->n_rules, print_rule, t);
        print_list(c, "regions", c->n_regions, print_region, t);
        text_add(t, "}\n");
        return true;
}
