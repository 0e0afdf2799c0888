/* HQ's scene: what a sink does to its store in some weeks of four offices.
 *
 * The aggregator's part is done beforehand, by its own cube and gather: reports of a seed are judged and
 * folded, the totals they change are settled, and each flush is kept as the frames that would travel. The
 * store gets them in terms, with streams opened, facts expanded, questions answered, the log moved into the
 * file, a gap skipped and a catalogue changed in between. `agree` asks for the marks the plan foresees, and
 * at some steps has everything verified. */
#include "base/check.h"
#include "lib/folder.h"
#include "lib/law.h"
#include "scene.h"
#include "session/payload.h"
#include "sink/store.h"
#include "sink/verify.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFFICES = 3, ROUNDS = 6, FLUSHES = 48, STEPS = 160, VERIFIED_EVERY = 40, GAP = 5 };

enum act_kind { CATALOG, TERM, STREAM, FLUSH, EXPAND, ASK, NOTE_GAP, SKIP, TEND };

struct act {
        enum act_kind kind;
        size_t n; /* of the flush, office or catalogue */
};

struct clerk {
        const char *code;
        struct downlink_stream stream;
};

static struct {
        bool made;
        struct catalog *catalogs[2];
        struct act acts[STEPS];
        size_t steps;
        struct gather_frames flushes[FLUSHES];
        size_t n_flushes;
        struct clerk clerks[OFFICES];
        uint64_t marks[STEPS + 1][OFFICES];
        uint64_t term;
        uint8_t sign_public[32], sign_secret[64];
        struct cube *cube;
        struct gather gather;
        struct seed seed;
} plan;

static const int64_t start_us = INT64_C(1719705600) * 1000000; /* 2024-06-30 */
static const uint8_t key_id[WIRE_KEY_ID] = {1, 2, 3, 4, 5, 6, 7, 8};

/* ---- the plan */

static struct act *act(enum act_kind kind, size_t n)
{
        PRE(plan.steps < STEPS);
        struct act *a = &plan.acts[plan.steps++];
        *a = (struct act){kind, n};
        for (size_t i = 0; i < OFFICES; i++)
                plan.marks[plan.steps][i] = plan.clerks[i].stream.mark.seq;
        return a;
}

static void any_report(const struct clerk *k, struct report *r, struct fact *facts)
{
        const struct catalog *c = plan.catalogs[0];
        static const char *const datasets[] = {"catch", "water"};
        static const char *const days[] = {"2024-05-14", "2024-06-11", "2024-06-20"};
        uint32_t office = (uint32_t)catalog_office(c, k->code);
        int32_t day;
        r->dataset = (uint32_t)catalog_dataset(c, datasets[seed_below(&plan.seed, 2)]);
        const struct dataset *set = &c->datasets[r->dataset];
        POST(day_parse(days[seed_below(&plan.seed, 3)], &day));
        r->period = period_of(set->every, day);
        r->action = seed_below(&plan.seed, 5) ? REPLACE : (enum action)seed_below(&plan.seed, 3);
        r->facts = facts;
        r->n = 0;
        for (uint32_t i = 0; r->action != WITHDRAW && i < set->n_indicators; i++)
                for (uint32_t region = 0; region < c->n_regions; region++) {
                        const struct indicator *in = &c->indicators[set->indicators[i]];
                        bool level = !in->level || strcmp(in->level, c->regions[region].level) == 0;
                        if (in->kind == DERIVED || !level || !catalog_in_scope(c, office, region) ||
                            seed_below(&plan.seed, 3) == 0)
                                continue;
                        facts[r->n++] = (struct fact){.value = (int64_t)seed_below(&plan.seed, 9000),
                                                      .region = region,
                                                      .indicator = (uint16_t)set->indicators[i],
                                                      .own = 1};
                }
        facts_sort(facts, r->n);
}

/* As the hub does: what stands there is recalled first (in a cube that is never trimmed: nothing). */
static void fold(struct clerk *k, const struct report *r, struct wire_taken *t, struct reasons *why)
{
        struct recall need;
        const struct catalog *c = plan.catalogs[0];
        uint32_t office = (uint32_t)catalog_office(c, k->code);
        struct place at = {k->stream.turn, t->seq};
        struct reasons flags = {0};
        while (cube_need(plan.cube, r->dataset, r->period, office, at, &need) != NEED_NOTHING) {
                need.dataset = r->dataset;
                bool opened = cube_recall_begin(plan.cube, &need, r->period) && cube_recall_end(plan.cube);
                POST(opened);
        }
        struct judge j = {.catalog = c,
                          .office = office,
                          .today = (int32_t)(start_us / 1000000 / 86400),
                          .future_days = 2,
                          .submitted_civil_s = start_us / 1000000};
        bool taken = cube_take(plan.cube, r, &j, at, &t->verdict, &t->revision, &t->closes, why, &flags);
        POST(taken);
        reasons_close(&flags);
        t->rows = (uint32_t)r->n;
        t->reasons = why->v;
        t->n_reasons = why->n < WIRE_REASONS ? why->n : WIRE_REASONS;
}

static void take_report(struct clerk *k, size_t catalog)
{
        static struct fact facts[512];
        const struct catalog *c = plan.catalogs[catalog];
        struct report r = {0};
        struct reasons why = {0};
        struct text payload = {0};
        char label[PERIOD_TEXT];
        any_report(k, &r, facts);
        payload_write(c, &r, &payload);
        period_print(r.period, label);
        struct wire_taken t = {.step = gather_step(&plan.gather, &k->stream),
                               .seq = k->stream.taken.seq + 1,
                               .report = {.submitted_at = start_us,
                                          .dataset = c->datasets[r.dataset].code,
                                          .period = label,
                                          .action = r.action,
                                          .payload = (const uint8_t *)text_c(&payload),
                                          .payload_n = payload.n},
                               .received_at = start_us};
        memcpy(t.report.catalog, c->digest, sizeof t.report.catalog);
        t.hash = chain_next(k->code, k->stream.id, t.seq, k->stream.taken.hash, &t.report);
        fold(k, &r, &t, &why);
        gather_report(&plan.gather, &t);
        k->stream.taken = (struct point){t.seq, t.hash};
        struct wire_signature s = {.step = t.step, .seq = t.seq, .hash = t.hash};
        chain_sign(k->code, k->stream.id, t.seq, t.hash, plan.sign_secret, s.signature);
        memcpy(s.key, key_id, sizeof s.key);
        gather_signature(&plan.gather, &s);
        reasons_close(&why);
        text_close(&payload);
}

static void emit(void *ctx, const struct total *t)
{
        const struct catalog *c = plan.catalogs[0];
        (void)ctx;
        gather_total(&plan.gather, c->indicators[t->indicator].name, t->period, c->regions[t->region].code,
                     &t->cell);
}

static void flush(size_t catalog)
{
        size_t n = plan.n_flushes++;
        PRE(n < FLUSHES);
        for (size_t i = 0, reports = 1 + seed_below(&plan.seed, 4); i < reports; i++)
                take_report(&plan.clerks[seed_below(&plan.seed, OFFICES)], catalog);
        cube_settle(plan.cube, emit, NULL);
        gather_write(&plan.gather, plan.term, n + 1, &plan.flushes[n]);
        gather_clear(&plan.gather);
        for (size_t i = 0; i < OFFICES; i++)
                plan.clerks[i].stream.mark = plan.clerks[i].stream.taken;
        act(FLUSH, n);
}

static void new_term(void)
{
        plan.term++;
        act(TERM, 0);
}

/* The first office comes back with GAP reports fewer than HQ would need to go on; an operator lets it. */
static void gap(void)
{
        struct clerk *k = &plan.clerks[0];
        struct point floor = {k->stream.mark.seq + GAP, {{0}}};
        memset(floor.hash.b, 7, sizeof floor.hash.b);
        act(NOTE_GAP, 0);
        k->stream.mark = k->stream.taken = floor;
        act(SKIP, 0);
        new_term();
}

static void a_round(size_t round)
{
        size_t catalog = round > ROUNDS / 2;
        for (int i = 0; i < 5; i++) {
                flush(catalog);
                act(i % 2 ? EXPAND : ASK, (size_t)i % OFFICES);
        }
        for (int i = 0; i < 4; i++)
                act(EXPAND, 0);
        act(TEND, 0);
        if (round == 2)
                gap();
        if (round == ROUNDS / 2) {
                act(CATALOG, 1);
                new_term();
        }
}

/* The same regions and indicators under another digest. */
static struct catalog *next_catalog(const struct catalog *c)
{
        struct text pack = {0};
        struct faults faults = {0};
        text_bytes(&pack, c->pack.v, c->pack.n);
        char *version = memmem(pack.v, pack.n, "2024-b", 6);
        PRE(version);
        version[5] = 'c';
        struct catalog *next = catalog_unpack(pack.v, pack.n, &faults);
        PRE(next);
        faults_close(&faults);
        text_close(&pack);
        return next;
}

static void make_plan(void)
{
        static const char *const codes[OFFICES] = {"north", "south", "stations"};
        static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
        if (plan.made)
                return;
        plan.made = true;
        plan.seed = seed_from(7);
        plan.catalogs[0] = folder_catalog("tests/catalogs/atoll");
        plan.catalogs[1] = next_catalog(plan.catalogs[0]);
        plan.cube = cube_new(plan.catalogs[0], SIZE_MAX / 2);
        POST(plan.cube && crypto_sign_seed_keypair(plan.sign_public, plan.sign_secret, seed) == 0);
        act(CATALOG, 0);
        new_term();
        for (size_t i = 0; i < OFFICES; i++) {
                struct downlink_stream *s = &plan.clerks[i].stream;
                plan.clerks[i].code = codes[i];
                s->id.b[0] = (uint8_t)(i + 1);
                s->turn = 1;
                snprintf(s->office, sizeof s->office, "%s", codes[i]);
                s->mark.hash = s->taken.hash = chain_start(codes[i], s->id);
                act(STREAM, i);
        }
        for (size_t round = 0; round < ROUNDS; round++)
                a_round(round);
        act(TEND, 0);
}

static void forget_plan(void)
{
        for (size_t i = 0; i < plan.n_flushes; i++)
                gather_frames_close(&plan.flushes[i]);
        gather_close(&plan.gather);
        cube_free(plan.cube);
        for (size_t i = 0; i < 2; i++)
                catalog_free(plan.catalogs[i]);
        memset(&plan, 0, sizeof plan);
}

/* ---- carried out on the store */

const struct catalog *hq_catalog(size_t step)
{
        size_t n = 0;
        for (size_t i = 0; i < step; i++)
                if (plan.acts[i].kind == CATALOG)
                        n = plan.acts[i].n;
        return plan.catalogs[n];
}

const struct gather_frames *hq_flush(size_t step)
{
        const struct act *a = &plan.acts[step];
        return a->kind == FLUSH ? &plan.flushes[a->n] : NULL;
}

static int take_catalog(struct store *s, size_t n, int64_t now_us, struct err *e)
{
        struct text blocks = {0};
        int code = store_take_catalog(s, n ? plan.catalogs[0] : NULL, plan.catalogs[n], now_us, &blocks, e);
        text_close(&blocks);
        return code;
}

static int commit(struct store *s, size_t n, const struct catalog *c, int64_t now_us, struct err *e)
{
        struct gather_frames *f = &plan.flushes[n];
        struct wire_bytes parts[16];
        struct wire_message m;
        struct wire_committed answer;
        struct arena a = {0};
        PRE(f->n - 1 <= sizeof parts / sizeof *parts);
        for (size_t i = 1; i < f->n; i++)
                parts[i - 1] = (struct wire_bytes){(const uint8_t *)f->v[i].v, f->v[i].n};
        int code = wire_read((const uint8_t *)f->v[0].v, f->v[0].n, &a, &m, e);
        if (code == 0)
                code = store_commit(s, c, &m.flush, parts, f->n - 1, now_us, &answer, e);
        arena_close(&a);
        return code;
}

/* One commit of it, if there is anything to do. */
static int expand(struct store *s, const struct catalog *c, struct err *e)
{
        bool more = true;
        int code = 0, before = sqlite3_total_changes(s->db.handle);
        while (code == 0 && more && sqlite3_total_changes(s->db.handle) == before)
                code = store_expand(s, c, &more, e);
        return code;
}

static int ask(struct store *s, const struct clerk *k, struct err *e)
{
        struct wire_recall recall = {
            .id = 1, .dataset = "water", .first = day_of(2024, 1, 1), .last = day_of(2024, 12, 31)};
        struct wire_verdicts_ask verdicts = {k->code, k->stream.id, 1};
        struct wire_hash hash = {k->code, k->stream.id, 1, false, {{0}}}, is;
        struct wire_verdicts said;
        struct gather_frames frames = {0};
        struct arena a = {0};
        int code = store_recall(s, &recall, &frames, e);
        if (code == 0)
                code = store_verdicts(s, &verdicts, &a, &said, e);
        if (code == 0)
                code = store_hash(s, &hash, &is, e);
        arena_close(&a);
        gather_frames_close(&frames);
        return code;
}

static int note_gap(struct store *s, int64_t now_us, struct err *e)
{
        struct wire_stream w = {0};
        const struct clerk *k = &plan.clerks[0];
        int code = store_stream(s, k->code, k->stream.id, now_us, &w, e);
        struct wire_gap g = {.office = k->code, .stream = k->stream.id, .mark = w.seq, .floor = w.seq + GAP};
        memset(g.floor_hash.b, 7, sizeof g.floor_hash.b);
        return code == 0 ? store_gap(s, &g, now_us, e) : code;
}

static int step_store(void *at, size_t step, struct err *e)
{
        struct store *s = at;
        const struct act *a = &plan.acts[step];
        const struct catalog *c = hq_catalog(step);
        const struct clerk *k = &plan.clerks[a->n < OFFICES ? a->n : 0];
        int64_t now_us = start_us + (int64_t)step * 1000000;
        struct wire_stream w = {0};
        uint64_t from, to;
        switch (a->kind) {
        case CATALOG: return take_catalog(s, a->n, now_us, e);
        case TERM: return store_open_term(s, 0, now_us, e);
        case STREAM: return store_stream(s, k->code, k->stream.id, now_us, &w, e);
        case FLUSH: return commit(s, a->n, c, now_us, e);
        case EXPAND: return expand(s, c, e);
        case ASK: return ask(s, k, e);
        case NOTE_GAP: return note_gap(s, now_us, e);
        case SKIP: return store_skip(s, k->code, now_us, &from, &to, e);
        case TEND: return db_checkpoint(&s->db, true, e);
        }
        UNREACHABLE();
}

static void *open_store(const char *path, struct err *e)
{
        struct store *s = calloc(1, sizeof *s);
        PRE(s);
        if (store_open(s, path, e) == 0)
                return s;
        free(s);
        return NULL;
}

static void close_store(void *at)
{
        store_close(at);
        free(at);
}

static struct db *db_of(void *at)
{
        return &((struct store *)at)->db;
}

/* ---- agreeing */

static bool sign_key(void *ctx, const char *office, const uint8_t id[8], uint8_t key[32])
{
        (void)ctx, (void)office;
        memcpy(key, plan.sign_public, sizeof plan.sign_public);
        return memcmp(id, key_id, sizeof key_id) == 0;
}

int hq_verify(const char *path, struct verify *v, struct err *e)
{
        struct verify_ask ask = {
            .path = path, .catalog = plan.catalogs[0], .now_us = start_us, .sign_key = sign_key};
        return verify_run(v, &ask, e);
}

static void agree_on_everything(struct store *s)
{
        struct verify v = {0};
        struct err e;
        if (hq_verify(sqlite3_db_filename(s->db.handle, "main"), &v, &e) != 0)
                fail_msg("verify: %s", e.text);
        assert_int_equal(v.differing, 0);
        assert_int_equal(v.faulty, 0);
        assert_int_equal(v.signed_well, v.signatures);
        verify_close(&v);
}

static void agree(void *at, size_t steps)
{
        struct store *s = at;
        struct err e;
        struct arena a = {0};
        struct wire_stream *v;
        size_t n;
        assert_int_equal(store_streams(s, &a, &v, &n, &e), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(v[i].seq, plan.marks[steps][i]);
        arena_close(&a);
        if (steps % VERIFIED_EVERY == 0 || steps == plan.steps)
                agree_on_everything(s);
}

/* ---- reading what may be damaged */

static int read_store(void *at, struct err *e)
{
        struct store *s = at;
        struct arena a = {0};
        struct wire_stream *v;
        size_t n;
        struct verify found = {0};
        int code = store_streams(s, &a, &v, &n, e);
        for (size_t i = 0; code == 0 && i < OFFICES; i++)
                code = ask(s, &plan.clerks[i], e);
        struct catalog *c = code == 0 ? store_catalog(s, e) : NULL;
        if (code == 0 && !c)
                code = e->code;
        catalog_free(c);
        if (code == 0)
                code = hq_verify(sqlite3_db_filename(s->db.handle, "main"), &found, e);
        if (code == 0)
                code = found.differing || found.faulty || found.signed_well != found.signatures ||
                       found.signatures == 0;
        verify_close(&found);
        arena_close(&a);
        return code;
}

static const char *const stored_figures[] = {
    "SELECT s.office, s.stream, r.seq, r.hash, r.submitted_at, r.catalog, r.dataset, r.period, r.action, "
    "r.payload FROM report_ r NOT INDEXED JOIN stream_ s ON s.id = r.stream ORDER BY r.id",
    "SELECT i.name, t.period, c.code, t.high, t.low, t.facts, t.about, t.at_least FROM total_ t"
    " CROSS JOIN indicator_ i ON i.id = t.indicator CROSS JOIN region_ c ON c.id = t.region",
    "SELECT seq, hash, signature, key FROM signature_", NULL};

const struct scene *hq_scene(void)
{
        static struct scene scene = {.name = "store",
                                     .open = open_store,
                                     .close = close_store,
                                     .step = step_store,
                                     .db = db_of,
                                     .read = read_store,
                                     .figures = stored_figures,
                                     .agree = agree};
        if (!plan.made) {
                make_plan();
                atexit(forget_plan);
        }
        scene.steps = plan.steps;
        return &scene;
}
