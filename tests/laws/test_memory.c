/* The law of memory: whichever allocation is refused, once or from then on for ever, the pure rooms say so
 * (false, PAYLOAD_MEMORY, E_MEM, a sticky failure) and the same done again is right, or what came out is
 * right. Nothing crashes, nothing leaks, and nothing comes out that is wrong.
 *
 * A scenario is run once with all the memory there is; what it shows is what must always come out. Then it is
 * run with its n-th allocation refused, for every n until none is refused any more.
 *
 * Some functions may stop the process (base/check.h): the hub, what it gathers a flush with, and the sizes of
 * wire.h. The hub's scenario runs in children, of which one may end by its own word, but not otherwise. */
#include "lib/law.h"

#include "base/map.h"
#include "core/catalog.h"
#include "core/cube.h"
#include "core/formula.h"
#include "core/intake.h"
#include "core/tally.h"
#include "lib/office_catalog.h"
#include "lib/scarce.h"
#include "session/hub.h"
#include "session/payload.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A refusal has changed nothing: what is asked again has memory where only one was refused. */
#define TWICE(expr) ((expr) || (expr))

struct scenario {
        const char *name;
        /* Does everything from the beginning, whatever was done before; false: memory was refused. */
        bool (*act)(struct text *out);
        void (*end)(void); /* closes what act left behind; may be NULL */
};

static struct catalog *c;
static struct judge j;

/* ---- sweeping */

static uint64_t runs, refusals; /* tried; those that were refused and said so */

static bool acts(const struct scenario *s, struct text *out)
{
        text_clear(out);
        return s->act(out);
}

static void sweep(const struct scenario *s, bool once)
{
        struct text want = {0}, have = {0};
        bool refused = true;
        if (!acts(s, &want))
                fail_msg("%s is refused with all the memory there is", s->name);
        for (uint64_t n = 0; refused; n++) {
                (once ? scarce_once : scarce_after)(n);
                bool fine = acts(s, &have);
                refused = scarce_end();
                runs++;
                if (!fine) {
                        refusals++;
                        if (!refused)
                                fail_msg("%s is refused although nothing was", s->name);
                        if (!acts(s, &have))
                                fail_msg("%s, allocation %" PRIu64 ": not fine again", s->name, n);
                }
                if (strcmp(text_c(&have), text_c(&want)) != 0)
                        fail_msg("%s, allocation %" PRIu64 " refused %s: it shows\n%s\nand should show\n%s",
                                 s->name, n, once ? "once" : "for ever", text_c(&have), text_c(&want));
        }
        if (s->end)
                s->end();
        text_close(&want);
        text_close(&have);
}

/* Showing is the test's own business. */
#define SHOW(...)                         \
        do {                              \
                scarce_pause();           \
                text_printf(__VA_ARGS__); \
                scarce_go_on();           \
        } while (0)

static void show_reasons(const struct reasons *r, struct text *out)
{
        scarce_pause();
        text_printf(out, "%zu reasons\n", r->total);
        reasons_json(r, LANG_ZH, out);
        reasons_lines(r, "file", LANG_EN, out);
        scarce_go_on();
}

static void show_facts(const struct fact *f, size_t n, struct text *out)
{
        for (size_t i = 0; i < n; i++)
                SHOW(out, " %u/%u=%lld,%u,%u", f[i].indicator, f[i].region, (long long)f[i].value, f[i].q,
                     f[i].own);
        SHOW(out, "\n");
}

/* ---- base */

static bool act_text(struct text *out)
{
        struct text t = {0};
        for (int i = 0; i < 20; i++) {
                text_printf(&t, "%d ", i);
                text_json(&t, "包头\n\"quoted\"");
                text_csv(&t, "=1,\"2\"", true);
                text_scaled(&t, -1234 * i, 2);
                text_hex(&t, "abc", 3);
                text_char(&t, '\n');
        }
        bool fine = !text_failed(&t);
        if (fine)
                SHOW(out, "%s", text_c(&t));
        text_close(&t);
        return fine;
}

static bool act_map(struct text *out)
{
        enum { KEYS = 60 };
        struct map m = {0};
        bool fine = true;
        for (int64_t i = 0; i < KEYS && fine; i++) {
                char key[16];
                snprintf(key, sizeof key, "%d", (int)(i * 7 % KEYS));
                fine = TWICE(map_set_str(&m, key, i));
                if (!fine && map_get_str(&m, key) != MAP_NONE)
                        fail_msg("a key that could not be set is there");
        }
        for (int i = 0; i < KEYS && fine; i++) {
                char key[16];
                snprintf(key, sizeof key, "%d", i);
                SHOW(out, "%d ", (int)map_get_str(&m, key));
        }
        map_close(&m);
        return fine;
}

static bool act_arena(struct text *out)
{
        struct arena a = {0};
        size_t zero = 0;
        for (size_t n = 1; n < 100000; n *= 3) {
                const unsigned char *p = TWICE(arena_alloc(&a, n)) ? arena_alloc(&a, n) : NULL;
                for (size_t i = 0; p && i < n; i++)
                        zero += p[i];
        }
        const char *kept = arena_strdup(&a, "土默特右旗");
        bool fine = kept && !a.ran_out;
        if (fine)
                SHOW(out, "%s %zu %zu\n", kept, zero, a.used);
        arena_close(&a);
        return fine;
}

/* ---- what people send */

static const char long_csv[] = "数据集,时期,地区,指标,数值,备注\n"
                               "gunexp,2023-09-19,昆都仑区,收缴非法枪支,12,查获\n"
                               "gunexp,2023-09-19,150221,explosives_seized,5万余,\n"
                               "gunexp,2023-09-19,150222,hazards_found,30,说明 \n"
                               "gunexp,2023-09-19,150222,hazards_fixed,约 20,说明\n"
                               "gunexp,2023-09-20,150203,firearms_seized,3,\n"
                               "scipop,2023-09,150200/own,参观人次,\"1,200\",\n"
                               "scipop,2023-09,固阳县,单日最高参观人次,700,\n";

static const char wide_csv[] = "包头市枪爆物品打击整治,,,\n"
                               "地区,收缴非法枪支（支）,收缴 炸药(公斤),发现安全隐患\n"
                               "昆都仑区,12,1.5,3\n"
                               "土默特右旗,,20余,1\n"
                               "固阳县, 4 ,0,\n"
                               "合计,16,21,4\n";

static const char wrong_csv[] = "dataset,period,region,indicator,value,colour\n"
                                "gunexp,2023-09-19,昆都伦区,firearms_seized,3,\n"
                                "gunexp,2023-09-19,新区,firearms_seized,3,\n"
                                "gunexp,2023-09-19,150203,firearms_siezed,3,\n"
                                "gunexp,2023-09-19,150203,firearms_seized,many,\n"
                                "gunexp,2023-09-19,150203,firearms_seized,4,\n"
                                "gunexp,2023-09-19,150203,firearms_seized,5,red\n"
                                "gunexp,2023-13-19,150203,hazards_found,5,\n"
                                "gun,2023-09-19,150203,hazards_found,5,\n"
                                "lawinsp,2023-Q3,150203,teams,5,\n"
                                "lawinsp,2023-Q3,150200,coverage,101.5,\n"
                                "gunexp,2023-09-18,150402,firearms_seized,1,\n"
                                "gunexp,2023-09-18,150222,hazards_found,1,\n"
                                "gunexp,2023-09-18,150222,hazards_fixed,2,\n";

static const char fine_json[] =
    "[{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"note\":\"\\u5305\\u5934\",\"rows\":["
    "{\"region\":\"150203\",\"indicator\":\"firearms_seized\",\"value\":\"1\\u0032\",\"note\":\"a\"},"
    "{\"region\":150221,\"indicator\":\"explosives_seized\",\"value\":1.5e1},"
    "{\"region\":\"150222\",\"indicator\":\"hazards_found\",\"value\":null},"
    "{\"region\":\"150222\",\"indicator\":\"net_change\",\"value\":-7}]},"
    "{\"dataset\":\"scipop\",\"period\":\"2023-09\",\"action\":\"add\",\"rows\":["
    "{\"region\":\"150203\",\"indicator\":\"visitors\",\"value\":\"约1000\"}]}]";

static const char wrong_json[] =
    "{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"colour\":[{\"a\":1}],\"rows\":["
    "{\"region\":\"昆都伦区\",\"indicator\":\"firearms_seized\",\"value\":1},"
    "{\"region\":\"150203\",\"value\":\"a few\",\"indicator\":\"firearms_seized\"},"
    "{\"region\":\"150203\",\"value\":1},{}]}";

static struct intake in;

static void intake_end(void)
{
        intake_close(&in);
}

static void show_intake(struct text *out)
{
        for (size_t i = 0; i < in.n; i++) {
                const struct intake_report *r = &in.reports[i];
                SHOW(out, "%u %d %d row %u note %s:", r->report.dataset, r->report.period.first,
                     r->report.action, r->row, r->report.note ? r->report.note : "-");
                show_facts(r->report.facts, r->report.n, out);
                for (size_t k = 0; k < r->report.n_notes; k++)
                        SHOW(out, "  %u/%u: %s\n", r->report.notes[k].indicator, r->report.notes[k].region,
                             r->report.notes[k].text);
        }
        SHOW(out, "malformed: %s\n", in.malformed.code ? in.malformed.text : "-");
        show_reasons(&in.reasons, out);
}

/* Read, then each report is judged on what stood: a figure of another region. */
static bool read_and_judge(bool read, struct text *out)
{
        struct reasons flags = {0};
        bool fine = read;
        for (size_t i = 0; i < in.n && fine; i++) {
                const struct report *r = &in.reports[i].report;
                struct standing after = {0};
                struct fact before = {.value = 150000,
                                      .region = (uint32_t)catalog_region_code(c, "150291"),
                                      .indicator = (uint16_t)c->datasets[r->dataset].indicators[0]};
                fine = standing_fold(&after, REPLACE, &before, 1) &&
                       TWICE(standing_fold(&after, r->action, r->facts, r->n)) &&
                       intake_judge(&in, i, &after, &j, &flags);
                standing_close(&after);
        }
        if (fine) {
                show_intake(out);
                show_reasons(&flags, out);
        }
        reasons_close(&flags);
        return fine;
}

static bool csv(const char *text, const char *dataset, const char *period, struct text *out)
{
        intake_close(&in);
        return read_and_judge(
            intake_csv(&in, text, strlen(text), (struct intake_hints){dataset, period, NULL}, &j), out);
}

static bool act_long_csv(struct text *out)
{
        return csv(long_csv, NULL, NULL, out);
}

static bool act_wide_csv(struct text *out)
{
        return csv(wide_csv, "gunexp", "2023-09-19", out);
}

static bool act_wrong_csv(struct text *out)
{
        return csv(wrong_csv, NULL, NULL, out);
}

static bool act_no_csv(struct text *out)
{
        return csv("region,indicator,value\n150203,\"a\"b,3\n", "gunexp", "2023-09-19", out);
}

static bool act_fine_json(struct text *out)
{
        intake_close(&in);
        return read_and_judge(intake_json(&in, fine_json, strlen(fine_json), &j), out);
}

static bool act_wrong_json(struct text *out)
{
        intake_close(&in);
        return read_and_judge(intake_json(&in, wrong_json, strlen(wrong_json), &j), out);
}

static bool act_nil(struct text *out)
{
        intake_close(&in);
        return read_and_judge(intake_nil(&in, (struct intake_hints){"gunexp", "2023-09-19", NULL}, &j), out);
}

/* What is shown to people: made from reasons that are there. */
static bool act_sentences(struct text *out)
{
        static struct intake found;
        struct text t = {0};
        scarce_pause();
        if (!found.reasons.n)
                intake_csv(&found, wrong_csv, strlen(wrong_csv), (struct intake_hints){0}, &j);
        scarce_go_on();
        reasons_json(&found.reasons, LANG_EN, &t);
        reasons_lines(&found.reasons, "a.csv", LANG_ZH, &t);
        reasons_csv(&found.reasons, LANG_ZH, &t);
        bool fine = !text_failed(&t);
        if (fine)
                SHOW(out, "%s", text_c(&t));
        text_close(&t);
        scarce_pause();
        intake_close(&found);
        scarce_go_on();
        return fine;
}

/* ---- the catalogue */

static bool says_memory(const struct faults *f)
{
        for (size_t i = 0; i < f->n; i++)
                if (strcmp(f->v[i].code, "memory") == 0)
                        return true;
        return f->failed;
}

static bool unpack(const char *pack, size_t n, struct text *out)
{
        struct faults faults = {0};
        struct catalog *made = catalog_unpack(pack, n, &faults);
        bool fine = made || !says_memory(&faults);
        if (made)
                SHOW(out, "%u %u %u %u %d %d %d\n", made->n_regions, made->n_indicators, made->n_offices,
                     made->n_rules, catalog_region(made, "新区", NONE, NULL),
                     catalog_indicator(made, NONE, "收缴炸药"),
                     memcmp(made->digest, c->digest, CATALOG_DIGEST));
        scarce_pause();
        if (fine) {
                faults_lines(&faults, "d", LANG_EN, out);
                faults_lines(&faults, NULL, LANG_ZH, out);
        }
        scarce_go_on();
        faults_close(&faults);
        catalog_free(made);
        return fine;
}

static bool act_catalog(struct text *out)
{
        return unpack(c->pack.v, c->pack.n, out);
}

/* A parent, a kind, a formula and a rule that are none, in places of the same length. */
static bool act_wrong_catalog(struct text *out)
{
        static const char *const changes[][2] = {{"150203,150200", "150203,159999"},
                                                 {"visitors,scipop,flow", "visitors,scipop,flew"},
                                                 {"100 * hazards_fixed", "100 * hazards_fixes"},
                                                 {"firearms_seized <= 100000", "firearms_seized <= 1000) "},
                                                 {"name_zh: 科学", "nome_zh: 科学"}};
        static char *pack;
        scarce_pause();
        pack = malloc(c->pack.n);
        memcpy(pack, c->pack.v, c->pack.n);
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
                char *at = memmem(pack, c->pack.n, changes[i][0], strlen(changes[i][0]));
                assert_non_null(at);
                memcpy(at, changes[i][1], strlen(changes[i][1]));
        }
        scarce_go_on();
        bool fine = unpack(pack, c->pack.n, out);
        free(pack);
        return fine;
}

static int find_indicator(void *ctx, const char *name, const char **near)
{
        (void)ctx;
        *near = NULL;
        return catalog_indicator(c, NONE, name);
}

static bool three(void *ctx, uint32_t indicator, struct period p, struct fraction *value, enum qualifier *q)
{
        (void)ctx, (void)p;
        *value = fraction_of(3 + indicator, 0);
        *q = EXACT;
        return true;
}

static bool act_formula(struct text *out)
{
        static const char *const texts[] = {
            "100 * hazards_fixed / hazards_found - mean(lag(hazards_found, 2), 3)", "hazards_fixed +",
            "nobody * 2"};
        bool fine = true;
        for (size_t i = 0; i < sizeof texts / sizeof *texts && fine; i++) {
                struct err e = {0};
                struct fraction v;
                enum qualifier q;
                struct formula *f =
                    formula_parse(texts[i], false, (struct formula_names){find_indicator, NULL}, &e);
                fine = f || e.code != E_MEM;
                if (!f && fine)
                        SHOW(out, "%s\n", e.text);
                if (f && formula_value(f, period_of(PERIOD_DAY, j.today),
                                       (struct formula_source){three, NULL}, &v, &q))
                        SHOW(out, "%zu reads, %d\n", formula_reads(f), q);
                formula_free(f);
        }
        return fine;
}

/* ---- figures */

static struct fact fact_of(const char *region, const char *indicator, int64_t value, enum qualifier q)
{
        return (struct fact){.value = value,
                             .region = (uint32_t)catalog_region_code(c, region),
                             .indicator = (uint16_t)catalog_indicator(c, NONE, indicator),
                             .q = (uint8_t)q};
}

static bool act_tally(struct text *out)
{
        uint32_t d = (uint32_t)catalog_dataset(c, "scipop"),
                 visitors = (uint32_t)catalog_indicator(c, NONE, "visitors"),
                 peak = (uint32_t)catalog_indicator(c, NONE, "peak_visitors");
        struct fact facts[] = {fact_of("150203", "scipop.visitors", 5, ABOUT),
                               fact_of("150292", "scipop.visitors", 7, EXACT),
                               fact_of("150203", "scipop.peak_visitors", 3, EXACT)};
        struct tally *t = tally_new(c, d, NULL, 0);
        bool fine = t;
        for (int month = 1; month <= 3 && fine; month++) {
                struct period p = period_of(PERIOD_MONTH, day_of(2023, month, 1));
                fine = tally_add(t, p, facts, month == 1 ? 1 : 3);
        }
        if (fine) {
                tally_settle(t);
                struct cell v = tally_total(t, visitors, 0), m = tally_total(t, peak, 0);
                SHOW(out, "%d of %u, %d of %u\n", (int)v.sum, (unsigned)v.facts, (int)m.sum,
                     (unsigned)m.facts);
        }
        tally_free(t);
        return fine;
}

static void show_total(void *ctx, const struct total *t)
{
        SHOW(ctx, "%u %u %d..%d %d of %u\n", t->indicator, t->region, t->period.first, t->period.last,
             (int)t->cell.sum, (unsigned)t->cell.facts);
}

struct sent {
        const char *office;
        struct place at;
        enum action action;
        int day;
        int64_t value;
};

/* Four revisions stand and are recalled, then five come, one of them late; what was settled is shown. */
static const struct sent recalled[] = {{"150200", {1, 1}, REPLACE, 19, 10},
                                       {"150200", {2, 1}, MERGE, 19, 11},
                                       {"150200", {2, 2}, ADD, 19, 5},
                                       {"150400", {1, 1}, ADD, 20, 3}},
                         taken[] = {{"150200", {1, 2}, ADD, 19, 100},
                                    {"150200", {2, 3}, MERGE, 19, 40},
                                    {"150400", {1, 2}, REPLACE, 20, 9},
                                    {"150200", {2, 4}, REPLACE, 21, 1},
                                    {"150200", {2, 5}, WITHDRAW, 21, 0}};

static struct report report_of(const struct sent *s, struct fact facts[2])
{
        bool baotou = strcmp(s->office, "150200") == 0;
        facts[0] = fact_of(baotou ? "150203" : "150402", "gunexp.firearms_seized", s->value, EXACT);
        facts[1] = fact_of(baotou ? "150222" : "150402", "gunexp.explosives_seized", s->value, AT_LEAST);
        return (struct report){.dataset = (uint32_t)catalog_dataset(c, "gunexp"),
                               .period = period_of(PERIOD_DAY, day_of(2023, 9, s->day)),
                               .action = s->action,
                               .facts = facts,
                               .n = s->action == WITHDRAW ? 0 : 2};
}

static bool recall_all(struct cube *u, const struct recall *r, struct period wanted)
{
        struct fact facts[2];
        bool fine = cube_recall_begin(u, r, wanted);
        for (size_t i = 0; i < sizeof recalled / sizeof *recalled && fine; i++) {
                struct report one = report_of(&recalled[i], facts);
                fine = cube_recalled(u, (uint32_t)catalog_office(c, recalled[i].office), &one, recalled[i].at,
                                     1);
        }
        return cube_recall_end(u) && fine;
}

static bool take_one(struct cube *u, const struct sent *s, struct text *out)
{
        struct fact facts[2];
        struct report r = report_of(s, facts);
        struct judge mine = j;
        struct reasons why = {0}, flags = {0};
        struct recall needs;
        enum verdict v;
        uint32_t revision;
        bool closes, fine = true;
        mine.office = (uint32_t)catalog_office(c, s->office);
        for (enum need need;
             fine && (need = cube_need(u, r.dataset, r.period, mine.office, s->at, &needs));) {
                if (need == NEED_REFOLD)
                        cube_close(u, r.dataset, r.period, mine.office);
                else
                        fine = TWICE(recall_all(u, &needs, r.period));
        }
        for (int tries = 0, done = 0; tries < 2 && fine && !done; tries++) {
                reasons_clear(&why);
                reasons_clear(&flags);
                done = cube_take(u, &r, &mine, s->at, &v, &revision, &closes, &why, &flags);
                fine = done || tries == 0;
        }
        if (fine)
                SHOW(out, "%s %u %d %zu\n", verdict_word(v), revision, closes, why.total);
        reasons_close(&why);
        reasons_close(&flags);
        return fine;
}

static bool act_cube(struct text *out)
{
        struct cube *u = cube_new(c, SIZE_MAX);
        bool fine = u;
        for (size_t i = 0; i < sizeof taken / sizeof *taken && fine; i++)
                fine = take_one(u, &taken[i], out);
        if (fine) {
                cube_settle(u, show_total, out);
                cube_flushed(u, 1);
                cube_committed(u, 1);
        }
        cube_free(u);
        if (!fine)
                text_clear(out);
        return fine;
}

/* ---- messages */

static bool act_payload(struct text *out)
{
        struct fact facts[2];
        struct report r = report_of(&taken[0], facts), back = {0};
        struct note note = {facts[0].region, facts[0].indicator, "查获"};
        struct text bytes = {0};
        struct arena a = {0};
        struct reasons why = {0};
        r.note = "说明";
        r.notes = &note;
        r.n_notes = 1;
        payload_write(c, &r, &bytes);
        enum payload_state state = PAYLOAD_MEMORY;
        if (!text_failed(&bytes))
                state = payload_read((const uint8_t *)bytes.v, bytes.n, c, r.dataset, &a, &back, &why);
        if (state == PAYLOAD_READ) {
                show_facts(back.facts, back.n, out);
                SHOW(out, "%s %s\n", back.note, back.notes[0].text);
        }
        text_close(&bytes);
        arena_close(&a);
        reasons_close(&why);
        assert_true(state == PAYLOAD_READ || state == PAYLOAD_MEMORY);
        return state == PAYLOAD_READ;
}

/* Names that this catalogue lacks: the reasons are the answer. */
static bool act_strange_payload(struct text *out)
{
        static const char bytes[] = "\x0a\x06"
                                    "159999"
                                    "\x0a\x06"
                                    "150203"
                                    "\x12\x05"
                                    "tanks"
                                    "\x1a\x02\x00\x01"
                                    "\x22\x02\x00\x00"
                                    "\x2a\x02\x02\x04";
        struct report r;
        struct arena a = {0};
        struct reasons why = {0};
        enum payload_state state = payload_read((const uint8_t *)bytes, sizeof bytes - 1, c,
                                                (uint32_t)catalog_dataset(c, "gunexp"), &a, &r, &why);
        if (state == PAYLOAD_UNKNOWN)
                show_reasons(&why, out);
        arena_close(&a);
        reasons_close(&why);
        assert_true(state == PAYLOAD_UNKNOWN || state == PAYLOAD_MEMORY);
        return state == PAYLOAD_UNKNOWN;
}

static const struct envelope envelopes[] = {
    {.submitted_at = 1,
     .dataset = "gunexp",
     .period = "2023-09-19",
     .payload = (const uint8_t *)"abc",
     .payload_n = 3},
    {.submitted_at = 2, .dataset = "scipop", .period = "2023-09", .action = ADD}};
static const struct reason why_not[] = {
    {.code = REASON_UNKNOWN_REGION, .row = 3, .column = "region", .arg = {"a", "b"}},
    {.code = REASON_LOCKED, .arg = {"2023"}}};
static const struct wire_verdict verdicts[] = {{1, ACCEPTED, 2, NULL, 0}, {2, REJECTED, 0, why_not, 2}};
static const struct wire_stream streams[] = {{.office = "150200", .turn = 1, .seq = 9}, {.office = "dept"}};
static const struct wire_total totals[] = {{"150000", {.sum = -7, .facts = 2, .about = 1}},
                                           {"150200", {.sum = 9, .facts = 1}}};
static const struct wire_column columns[] = {{"gunexp.firearms_seized", "2023-09", totals, 2},
                                             {"gunexp.firearms_seized", "2023", totals, 1}};
static const struct wire_taken takes[] = {
    {.seq = 4,
     .report = {.dataset = "gunexp", .period = "2023", .payload = (const uint8_t *)"x", .payload_n = 1},
     .verdict = REJECTED,
     .reasons = why_not,
     .n_reasons = 2,
     .flags = why_not,
     .n_flags = 1}};
static const struct wire_message messages[] = {
    {.kind = WIRE_BATCH, .batch = {.first = 1, .reports = envelopes, .n = 2}},
    {.kind = WIRE_VERDICTS, .verdicts = {.office = "150200", .v = verdicts, .n = 2}},
    {.kind = WIRE_RESUMED, .resumed = {.term = 3, .streams = streams, .n = 2}},
    {.kind = WIRE_FLUSH_PART, .flush_part = {takes, 1, columns, 2}},
    {.kind = WIRE_REFUSAL, .refusal = {.code = "chain", .text = "the reports do not follow", .seq = 4}},
    {.kind = WIRE_CATALOG_PIECE, .piece = {.size = 9, .bytes = {(const uint8_t *)"piece", 5}}},
};

/* Written, read, and written again: the same bytes. */
static bool act_wire(struct text *out)
{
        bool fine = true;
        for (size_t i = 0; i < sizeof messages / sizeof *messages && fine; i++) {
                struct text bytes = {0}, again = {0};
                struct arena a = {0};
                struct wire_message m;
                struct err e = {0};
                wire_write(&messages[i], &bytes);
                fine = !text_failed(&bytes);
                if (fine) {
                        int code = wire_read((const uint8_t *)bytes.v, bytes.n, &a, &m, &e);
                        if (code != 0 && code != E_MEM)
                                fail_msg("message %zu: %s", i, e.text);
                        fine = code == 0;
                }
                if (fine)
                        wire_write(&m, &again);
                fine = fine && !text_failed(&again);
                scarce_pause();
                if (fine) {
                        assert_int_equal(again.n, bytes.n);
                        assert_memory_equal(again.v, bytes.v, bytes.n);
                        text_hex(out, bytes.v, bytes.n);
                }
                scarce_go_on();
                text_close(&bytes);
                text_close(&again);
                arena_close(&a);
        }
        if (!fine)
                text_clear(out);
        return fine;
}

/* ---- the hub, a whole conversation */

enum { OFFICE_REPORTS = 4, STORED = 128, ROUNDS = 6 };

struct stored { /* a total, by its name */
        char name[96];
        long long sum;
};

struct conversation {
        struct hub *hub;
        struct text to_hub[16]; /* answers of the sink under way, a frame each */
        size_t n;
        uint64_t mark, told; /* of the sink; of the office */
        struct hash hash;
        struct stored stored[STORED];
        size_t n_stored;
        char verdict[OFFICE_REPORTS + 1];
        struct envelope reports[OFFICE_REPORTS];
        struct hash hashes[OFFICE_REPORTS + 1];
        struct text payloads[OFFICE_REPORTS];
        uint8_t sign_public[32], sign_secret[64];
        int64_t now_ms;
};

static void answer(struct conversation *q, const struct wire_message *m)
{
        assert_true(q->n < sizeof q->to_hub / sizeof *q->to_hub);
        wire_write(m, &q->to_hub[q->n++]);
}

static void store_totals(struct conversation *q, const struct wire_flush_part *p)
{
        for (size_t i = 0; i < p->n_columns; i++)
                for (size_t k = 0; k < p->columns[i].n; k++) {
                        char name[96];
                        size_t at = 0;
                        snprintf(name, sizeof name, "%s %s %s", p->columns[i].indicator, p->columns[i].period,
                                 p->columns[i].totals[k].region);
                        while (at < q->n_stored && strcmp(q->stored[at].name, name) != 0)
                                at++;
                        assert_true(at < STORED);
                        q->n_stored += at == q->n_stored;
                        memcpy(q->stored[at].name, name, sizeof name);
                        q->stored[at].sum = (long long)p->columns[i].totals[k].cell.sum;
                }
        for (size_t i = 0; i < p->n_reports; i++)
                q->verdict[p->reports[i].seq] = verdict_word(p->reports[i].verdict)[0];
}

/* A sink that has all the memory there is, and commits what fits. */
static void commit(struct conversation *q, const struct wire_flush *f, const struct text *frames, size_t n)
{
        assert_int_equal(f->n_steps, 1);
        bool fits = f->steps[0].from_seq == q->mark && f->parts == n - 1;
        for (size_t i = 1; i < n && fits; i++) {
                struct arena a = {0};
                struct wire_message m;
                assert_int_equal(wire_read((const uint8_t *)frames[i].v, frames[i].n, &a, &m, NULL), 0);
                store_totals(q, &m.flush_part);
                arena_close(&a);
        }
        if (fits) {
                q->mark = f->steps[0].to_seq;
                q->hash = f->steps[0].to_hash;
        }
        answer(q,
               &(struct wire_message){.kind = WIRE_COMMITTED,
                                      .committed = {.term = f->term, .number = f->number, .refused = !fits}});
}

static bool to_sink(void *ctx, const struct text *frames, size_t n)
{
        struct conversation *q = ctx;
        struct arena a = {0};
        struct wire_message m, reply = {0};
        struct wire_stream stream = {.office = "150200", .turn = 1, .seq = q->mark, .hash = q->hash};
        scarce_pause();
        assert_int_equal(wire_read((const uint8_t *)frames[0].v, frames[0].n, &a, &m, NULL), 0);
        switch (m.kind) {
        case WIRE_RESUME:
                reply.kind = WIRE_RESUMED;
                reply.resumed = (struct wire_resumed){.term = 1,
                                                      .incarnation = m.resume.incarnation,
                                                      .attempt = m.resume.attempt,
                                                      .streams = &stream,
                                                      .n = 1};
                memcpy(reply.resumed.catalog, c->digest, sizeof reply.resumed.catalog);
                break;
        case WIRE_STREAM_ASK:
                reply.kind = WIRE_STREAM_IS;
                reply.stream = stream;
                break;
        case WIRE_RECALL:
                reply.kind = WIRE_RECALLED;
                reply.recalled.id = m.recall.id;
                break;
        case WIRE_FLUSH: commit(q, &m.flush, frames, n); break;
        default: break;
        }
        if (reply.kind)
                answer(q, &reply);
        arena_close(&a);
        scarce_go_on();
        return true;
}

static bool to_office(void *ctx, const struct hub_peer_name *peer, const struct text *message)
{
        struct conversation *q = ctx;
        struct arena a = {0};
        struct wire_message m;
        (void)peer;
        scarce_pause();
        assert_int_equal(wire_read((const uint8_t *)message->v, message->n, &a, &m, NULL), 0);
        if (m.kind == WIRE_MARK || m.kind == WIRE_WELCOME) {
                q->told = m.kind == WIRE_MARK ? m.mark.seq : m.welcome.mark.seq;
                assert_true(q->told <= q->mark);
        }
        arena_close(&a);
        scarce_go_on();
        return true;
}

static const uint8_t *sign_key(void *ctx, const char *office, const uint8_t *id)
{
        struct conversation *q = ctx;
        (void)office, (void)id;
        return q->sign_public;
}

static int64_t civil_s(void *ctx, int64_t us, const char *zone)
{
        (void)ctx, (void)us, (void)zone;
        return j.submitted_civil_s;
}

static struct catalog *held_catalog(void *ctx, const uint8_t digest[32])
{
        (void)ctx, (void)digest;
        scarce_pause();
        struct catalog *held = office_catalog();
        scarce_go_on();
        return held;
}

static void keep_catalog(void *ctx, const struct catalog *k)
{
        (void)ctx, (void)k;
}

static void hub_says(void *ctx, enum hub_tone tone, const char *sentence, const char *office, uint64_t n)
{
        (void)ctx, (void)tone, (void)sentence, (void)office, (void)n;
}

static void hub_hears(struct conversation *q, const struct wire_message *m, bool office)
{
        struct text t = {0};
        struct hub_time now = {q->now_ms, 1};
        scarce_pause();
        wire_write(m, &t);
        scarce_go_on();
        if (office)
                hub_office(q->hub, now, &(struct hub_peer_name){{1}, 1}, "150200", (const uint8_t *)t.v, t.n);
        else
                hub_sink(q->hub, now, &(struct wire_bytes){(const uint8_t *)t.v, t.n}, 1);
        text_close(&t);
}

static void deliver(struct conversation *q)
{
        while (q->n) {
                struct text t = q->to_hub[0];
                memmove(q->to_hub, q->to_hub + 1, --q->n * sizeof t);
                q->to_hub[q->n] = (struct text){0};
                hub_sink(q->hub, (struct hub_time){q->now_ms, 1},
                         &(struct wire_bytes){(const uint8_t *)t.v, t.n}, 1);
                text_close(&t);
        }
}

static void write_reports(struct conversation *q)
{
        static const struct sent history[OFFICE_REPORTS] = {{"150200", {1, 1}, REPLACE, 19, 10},
                                                            {"150200", {1, 2}, ADD, 19, 5},
                                                            {"150200", {1, 3}, MERGE, 20, -4},
                                                            {"150200", {1, 4}, MERGE, 20, 40}};
        static const char *const days[] = {"2023-09-19", "2023-09-19", "2023-09-20", "2023-09-20"};
        struct fact facts[2];
        q->hashes[0] = q->hash = chain_start("150200", (struct stream_id){{0}});
        for (size_t i = 0; i < OFFICE_REPORTS; i++) {
                struct report r = report_of(&history[i], facts);
                payload_write(c, &r, &q->payloads[i]);
                q->reports[i] = (struct envelope){.dataset = "gunexp",
                                                  .period = days[i],
                                                  .action = r.action,
                                                  .payload = (const uint8_t *)q->payloads[i].v,
                                                  .payload_n = q->payloads[i].n};
                q->hashes[i + 1] =
                    chain_next("150200", (struct stream_id){{0}}, i + 1, q->hashes[i], &q->reports[i]);
        }
}

/* The office tells where it is and sends two messages from there on. */
static void office_round(struct conversation *q)
{
        hub_hears(q,
                  &(struct wire_message){
                      .kind = WIRE_GREETING,
                      .greeting = {.office = "150200", .program = "law", .head = OFFICE_REPORTS}},
                  true);
        deliver(q);
        for (uint64_t at = q->told; at < OFFICE_REPORTS;) {
                uint64_t last = at + 3 < OFFICE_REPORTS ? at + 3 : OFFICE_REPORTS;
                struct wire_message m = {.kind = WIRE_BATCH,
                                         .batch = {.first = at + 1,
                                                   .previous = q->hashes[at],
                                                   .reports = q->reports + at,
                                                   .n = last - at}};
                chain_sign("150200", m.batch.stream, last, q->hashes[last], q->sign_secret,
                           m.batch.signature);
                hub_hears(q, &m, true);
                at = last;
        }
        deliver(q);
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct stored *)a)->name, ((const struct stored *)b)->name);
}

/* true: the office's reports are committed; they and the totals are shown. */
static bool converse(struct text *out)
{
        static const uint8_t seed[32] = {3};
        scarce_pause();
        struct conversation *q = calloc(1, sizeof *q);
        struct hub_host host = {q,       to_office,    to_sink,      sign_key,
                                civil_s, held_catalog, keep_catalog, hub_says};
        assert_non_null(q);
        crypto_sign_seed_keypair(q->sign_public, q->sign_secret, seed);
        write_reports(q);
        scarce_go_on();
        q->hub = hub_new(&host, 1, SIZE_MAX);
        for (int i = 0; i < ROUNDS && q->told < OFFICE_REPORTS; i++) {
                q->now_ms += 60 * 1000; /* everybody's patience has ended */
                hub_tick(q->hub, (struct hub_time){q->now_ms, 1});
                if (hub_state(q->hub) != FEED_READY)
                        hub_hears(
                            q,
                            &(struct wire_message){.kind = WIRE_HELLO,
                                                   .hello = {.number = (uint64_t)i + 1, .program = "law"}},
                            false);
                deliver(q);
                office_round(q);
        }
        bool done = q->told == OFFICE_REPORTS;
        scarce_pause();
        qsort(q->stored, q->n_stored, sizeof *q->stored, by_name);
        text_printf(out, "%s\n", q->verdict + 1);
        for (size_t i = 0; i < q->n_stored; i++)
                text_printf(out, "%s = %lld\n", q->stored[i].name, q->stored[i].sum);
        scarce_go_on();
        hub_free(q->hub);
        for (size_t i = 0; i < OFFICE_REPORTS; i++)
                text_close(&q->payloads[i]);
        while (q->n)
                text_close(&q->to_hub[--q->n]);
        free(q);
        return done;
}

/* How a child ended. A stopped one has said so on stderr and was ended by abort: that is its own word. */
enum { RIGHT, UNFINISHED, WRONG, UNTOUCHED, STOPPED };

static int child_converses(uint64_t n, bool once, const char *want)
{
        int said[2], status = 0;
        assert_int_equal(pipe(said), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct text have = {0};
                dup2(said[1], STDERR_FILENO);
                close(said[0]);
                signal(SIGABRT, SIG_DFL);
                (once ? scarce_once : scarce_after)(n);
                bool done = converse(&have);
                bool refused = scarce_end();
                if (done && strcmp(text_c(&have), want) != 0) {
                        dprintf(said[1], "%s", text_c(&have));
                        _exit(WRONG);
                }
                _exit(!done ? UNFINISHED : refused ? RIGHT : UNTOUCHED);
        }
        close(said[1]);
        char words[4096];
        size_t used = 0;
        for (ssize_t got;
             used < sizeof words - 1 && (got = read(said[0], words + used, sizeof words - 1 - used)) > 0;)
                used += (size_t)got;
        words[used] = '\0';
        close(said[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(words, "level=fatal"))
                return STOPPED;
        if (!WIFEXITED(status) || WEXITSTATUS(status) == WRONG || WEXITSTATUS(status) > UNTOUCHED)
                fail_msg("the hub, allocation %" PRIu64 " refused %s: %s", n, once ? "once" : "for ever",
                         words);
        return WEXITSTATUS(status);
}

/* Refused once, the hub stops or everything comes right by the protocol's own patience; refused for ever, it
 * stops or does not get on. */
static void the_hub_stops_or_is_right(void **state)
{
        (void)state;
        struct text want = {0};
        uint64_t ends[STOPPED + 1] = {0};
        assert_true(converse(&want));
        assert_non_null(strstr(text_c(&want), "gunexp.firearms_seized 2023-09-19 150200 = 15"));
        for (int once = 0; once < 2; once++) {
                int end = RIGHT;
                for (uint64_t n = 0; end != UNTOUCHED; n++) {
                        end = child_converses(n, once, text_c(&want));
                        if (once && end == UNFINISHED)
                                fail_msg("allocation %" PRIu64 " refused once, and the office waits for ever",
                                         n);
                        ends[end]++;
                }
        }
        print_message("the hub: %" PRIu64 " times right, %" PRIu64 " times stopped, %" PRIu64
                      " times it got nowhere\n",
                      ends[RIGHT], ends[STOPPED], ends[UNFINISHED]);
        assert_true(ends[RIGHT] > 0 && ends[STOPPED] > 0);
        text_close(&want);
}

/* ---- the law */

static const struct scenario scenarios[] = {
    {"text", act_text, NULL},
    {"map", act_map, NULL},
    {"arena", act_arena, NULL},
    {"a long file", act_long_csv, intake_end},
    {"a wide file", act_wide_csv, intake_end},
    {"a wrong file", act_wrong_csv, intake_end},
    {"a file that is no CSV", act_no_csv, intake_end},
    {"JSON", act_fine_json, intake_end},
    {"wrong JSON", act_wrong_json, intake_end},
    {"a report of zeros", act_nil, intake_end},
    {"sentences", act_sentences, NULL},
    {"a catalogue", act_catalog, NULL},
    {"a wrong catalogue", act_wrong_catalog, NULL},
    {"formulas", act_formula, NULL},
    {"tally", act_tally, NULL},
    {"cube", act_cube, NULL},
    {"a payload", act_payload, NULL},
    {"a strange payload", act_strange_payload, NULL},
    {"messages", act_wire, NULL},
};

static void refused_or_right(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
                uint64_t runs_before = runs, before = refusals;
                sweep(&scenarios[i], true);
                sweep(&scenarios[i], false);
                print_message("%-22s %6" PRIu64 " runs, %6" PRIu64 " refused\n", scenarios[i].name,
                              runs - runs_before, refusals - before);
        }
        print_message("%" PRIu64 " allocations were refused\n", scarce_refused());
}

int main(void)
{
        if (sodium_init() < 0)
                return 1;
        c = office_catalog();
        j = office_judge(c, "150200");
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(refused_or_right),
            cmocka_unit_test(the_hub_stops_or_is_right),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        catalog_free(c);
        return failed;
}
