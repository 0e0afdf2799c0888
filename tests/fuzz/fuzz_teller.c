/* The sink and an aggregator out of its mind: the input is a play of frames on the real store. Raw bytes,
 * questions about anything, flushes that are right up to the byte that is not. Whatever came, nothing is
 * half-done: each stream's mark is its last report's, by number and hash, and an honest flush still commits.
 *
 * The store lies in memory and serves many plays; each begins with what no play has written. */
#include "fuzz/fuzz.h"

#include "fuzz/script.h"
#include "lib/office_catalog.h"
#include "lib/scratch.h"
#include "sink/teller.h"

#include <sodium.h>
#include <string.h>

enum { MOVES = 12, STREAMS = 3, PARTS = 4, PLAYS = 200 };

static const char *const offices[STREAMS] = {"150200", "150400", "nobody"};

static struct stage {
        struct catalog *c;
        char dir[SCRATCH_PATH];
        struct store store;
        struct teller teller;
        struct teller_time now;
        unsigned plays;
        uint64_t hello, attempt; /* the last hello heard */
        struct wire_committed answer;
} g;

static struct stream_id stream_id(unsigned n)
{
        return (struct stream_id){{(uint8_t)n, 1}};
}

/* ---- what the teller borrows */

static void hear(void *ctx, const struct text *frames, size_t n)
{
        (void)ctx;
        struct arena a = {0};
        for (size_t i = 0; i < n; i++) {
                struct wire_message m;
                MUST(frames[i].n <= WIRE_FRAME);
                MUST(wire_read((const uint8_t *)frames[i].v, frames[i].n, &a, &m, NULL) == 0);
                if (m.kind == WIRE_HELLO)
                        g.hello = m.hello.number;
                if (m.kind == WIRE_COMMITTED)
                        g.answer = m.committed;
        }
        g.answer.text = NULL;
        arena_close(&a);
}

static void refused(void *ctx, const char *doing, const struct err *e)
{
        (void)ctx;
        MUST(*doing && e->code < 0 && !db_broken(&g.store.db));
}

static void note(void *ctx, const char *sentence, const char *about)
{
        (void)ctx;
        MUST(*sentence && about);
}

/* ---- what the aggregator says */

static void say(const struct wire_message *m, const struct wire_bytes *parts, size_t n)
{
        struct text head = {0};
        struct wire_bytes frames[1 + PARTS];
        wire_write(m, &head);
        frames[0] = (struct wire_bytes){(const uint8_t *)head.v, head.n};
        if (n)
                memcpy(frames + 1, parts, n * sizeof *parts);
        teller_message(&g.teller, frames, 1 + n, g.now);
        text_close(&head);
}

static void resume(uint64_t version)
{
        struct wire_message m = {
            .kind = WIRE_RESUME,
            .resume = {.incarnation = g.plays, .attempt = ++g.attempt, .hello = g.hello, .version = version}};
        say(&m, NULL, 0);
}

static bool stream_now(unsigned n, struct wire_stream *w)
{
        struct err e = {0};
        return store_stream(&g.store, offices[n], stream_id(n), g.now.clock_us, w, &e) == 0;
}

static void report(struct script *s, uint8_t lie, struct envelope *e)
{
        static const char *const periods[] = {"2023-09-19", "2023-09", "2023-Q3", "", "none", "2023-09-20"};
        static const char *const datasets[] = {"gunexp", "scipop", "lawinsp", "nothing"};
        uint8_t b = script_byte(s);
        *e = (struct envelope){.dataset = datasets[lie & 16 ? b & 3 : 0],
                               .period = periods[lie & 16 ? (b >> 2) % 6 : 0],
                               .action = (enum action)(b >> 6)};
        if (lie & 32)
                e->submitted_at = (int64_t)script_number(s);
        e->payload_n = script_byte(s) % 32;
        e->payload = script_bytes(s, &e->payload_n);
}

/* A flush of one report of one stream, and of one column of totals; `lie` says where it is wrong. */
static void flush_say(struct script *s, uint8_t b, uint8_t lie)
{
        unsigned n = b % STREAMS;
        struct wire_stream w;
        if (!stream_now(n, &w))
                return;
        struct wire_step step = {
            .office = offices[n], .stream = stream_id(n), .from_seq = w.seq, .from_hash = w.hash};
        struct wire_taken t = {.seq = w.seq + 1, .verdict = (enum verdict)((b >> 2) % 3), .closes = b & 16};
        report(s, lie, &t.report);
        t.hash = chain_next(step.office, step.stream, t.seq, w.hash, &t.report);
        struct wire_total total = {.region = lie & 64 ? "150999" : "150203", .cell = {.facts = 1}};
        struct wire_column column = {.indicator = lie & 64 ? "gunexp.rate" : "gunexp.firearms_seized",
                                     .period = lie & 64 ? "2023-W38" : "2023-09-19",
                                     .totals = &total,
                                     .n = 1};
        if (lie & 128) {
                column.period = "2023-09-19T";
                t.seq = script_number(s);
                t.step = (uint32_t)script_number(s);
                total.cell.sum = (__int128)script_number(s) << (script_byte(s) & 63);
                total.cell.facts = script_number(s);
        }
        step.to_seq = lie & 1 ? script_number(s) : t.seq;
        step.to_hash = t.hash;
        step.to_hash.b[0] ^= lie >> 1 & 1;
        step.from_hash.b[0] ^= lie >> 2 & 1;
        struct wire_signature sig = {
            .seq = t.seq, .hash = t.hash, .step = lie & 8 ? (uint32_t)script_number(s) : 0};
        struct wire_message part = {
            .kind = WIRE_FLUSH_PART,
            .flush_part = {.reports = &t, .n_reports = 1, .columns = &column, .n_columns = 1}};
        struct wire_message m = {.kind = WIRE_FLUSH,
                                 .flush = {.term = g.store.term,
                                           .number = 1,
                                           .steps = &step,
                                           .n_steps = 1,
                                           .signatures = &sig,
                                           .n_signatures = 1,
                                           .parts = 1}};
        if (lie & 8) {
                m.flush.term = script_number(s);
                m.flush.parts = (uint32_t)script_number(s);
        }
        struct text bytes = {0};
        wire_write(&part, &bytes);
        struct wire_bytes frame = {(const uint8_t *)bytes.v, bytes.n};
        if (b & 32)
                frame.p = script_bytes(s, &frame.n);
        say(&m, &frame, 1);
        text_close(&bytes);
}

static void raw(struct script *s, uint8_t b)
{
        struct wire_bytes frames[PARTS];
        size_t n = b % PARTS;
        for (size_t i = 0; i < n; i++) {
                frames[i].n = script_byte(s);
                frames[i].p = script_bytes(s, &frames[i].n);
        }
        teller_message(&g.teller, frames, n, g.now);
}

static void ask(struct script *s, uint8_t what, uint8_t b)
{
        const char *office = offices[b % STREAMS];
        struct stream_id id = stream_id(b >> 2 & 3);
        struct wire_message m = {0};
        switch (what) {
        case 0:
                m.kind = WIRE_STREAM_ASK;
                m.stream = (struct wire_stream){.office = office, .stream = id};
                break;
        case 1:
                m.kind = WIRE_HASH_ASK;
                m.hash = (struct wire_hash){.office = office, .stream = id, .seq = script_number(s)};
                break;
        case 2:
                m.kind = WIRE_VERDICTS_ASK;
                m.verdicts_ask = (struct wire_verdicts_ask){office, id, script_number(s)};
                break;
        case 3:
                m.kind = WIRE_RECALL;
                m.recall = (struct wire_recall){.id = b,
                                                .dataset = b & 1 ? "gunexp" : "nothing",
                                                .first = (int32_t)script_number(s),
                                                .last = (int32_t)script_number(s)};
                m.recall.after.n = script_byte(s);
                m.recall.after.p = script_bytes(s, &m.recall.after.n);
                break;
        case 4:
                m.kind = WIRE_CATALOG_ASK;
                m.catalog_ask.offset = script_number(s);
                memcpy(m.catalog_ask.digest, g.c->digest, sizeof m.catalog_ask.digest);
                break;
        default:
                m.kind = WIRE_GAP;
                m.gap = (struct wire_gap){.office = office, .stream = id};
                m.gap.mark = script_number(s);
                m.gap.floor = script_number(s);
        }
        say(&m, NULL, 0);
}

static void expand(void)
{
        struct err e = {0};
        bool more = true;
        for (int i = 0; i < 8 && more; i++)
                MUST(store_expand(&g.store, g.c, &more, &e) == 0 || e.text[0]);
}

static void move(struct script *s)
{
        uint8_t what = script_byte(s), b = script_byte(s);
        switch (what % 16) {
        case 0: raw(s, b); break;
        case 1: resume(script_number(s) >> 2); break; /* the hub believes no version beyond all clocks */
        case 2: teller_again(&g.teller, g.now); break;
        case 3: teller_link(&g.teller, b & 1, g.now); break;
        case 4:
                g.now.mono_ms += b * 200;
                g.now.clock_us += b * 200000;
                teller_tick(&g.teller, g.now);
                break;
        case 5: expand(); break;
        case 6:
        case 7:
        case 8:
        case 9: flush_say(s, b, script_byte(s)); break;
        default: ask(s, what % 16 - 10, b); break;
        }
}

/* ---- a play */

static void marks_are_right(void)
{
        struct arena a = {0};
        struct wire_stream *v;
        size_t n;
        struct err e = {0};
        MUST(store_streams(&g.store, &a, &v, &n, &e) == 0);
        for (size_t i = 0; i < n; i++) {
                struct wire_hash is;
                struct wire_hash ask = {.office = v[i].office, .stream = v[i].stream, .seq = v[i].seq};
                MUST(store_hash(&g.store, &ask, &is, &e) == 0 && is.known && hash_same(is.hash, v[i].hash));
        }
        arena_close(&a);
}

static void honest_flush(void)
{
        struct script nothing = {0};
        struct wire_stream before, after;
        uint64_t version = g.store.version;
        teller_link(&g.teller, true, g.now);
        resume(0);
        MUST(stream_now(0, &before));
        g.answer = (struct wire_committed){0};
        flush_say(&nothing, 0, 0);
        MUST(g.answer.number == 1 && !g.answer.refused && stream_now(0, &after));
        MUST(after.seq == before.seq + 1 && g.store.version > version && g.store.version < INT64_MAX);
}

static void sweep(void)
{
        store_close(&g.store);
        scratch_close(g.dir);
}

static void stage_open(void)
{
        struct err e = {0};
        struct text blocks = {0};
        if (!g.c) {
                setenv("TMPDIR", "/dev/shm", 0);
                MUST(sodium_init() >= 0);
                g.c = office_catalog();
                atexit(sweep);
        } else {
                sweep();
        }
        scratch_open(g.dir);
        MUST(store_open(&g.store, scratch_path(g.dir, "sumu.db"), &e) == 0);
        MUST(store_take_catalog(&g.store, NULL, g.c, g.now.clock_us, &blocks, &e) == 0);
        text_close(&blocks);
}

static void stage_clear(void)
{
        static const char sql[] = "BEGIN; DELETE FROM stream_; DELETE FROM signature_; DELETE FROM report_; "
                                  "DELETE FROM total_; DELETE FROM fact_; DELETE FROM gap_; "
                                  "UPDATE meta_ SET value = 0 WHERE key = 'expanded'; COMMIT";
        MUST(sqlite3_exec(g.store.db.handle, sql, NULL, NULL, NULL) == SQLITE_OK);
        g.store.expanded = 0;
        g.store.expand.active = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct teller_host host = {NULL, hear, refused, note};
        struct script s = {data, size};
        g.now = (struct teller_time){1000, 1703980800LL * 1000 * 1000};
        if (g.plays++ % PLAYS == 0)
                stage_open();
        else
                stage_clear();
        teller_init(&g.teller, &host, &g.store, g.c);
        teller_link(&g.teller, true, g.now);
        resume(0);
        for (int i = 0; i < MOVES && s.left; i++)
                move(&s);
        marks_are_right();
        honest_flush();
        return 0;
}
