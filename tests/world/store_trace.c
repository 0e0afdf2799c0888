/* Plays the aggregator, an operator and fate, from a seed:
 *
 *     world_store_trace_model FIRST LAST STEPS [loud]      seeds FIRST to LAST
 *
 * One line for each thing that was done and one for each answer to it. Answers are printed as length and hash
 * of their bytes (loud: the bytes too). What the store holds is printed as a hash of all that can be seen of
 * it (loud: all that), every now and then and at the end. */
#include "world/store_trace.h"

#include "base/check.h"
#include "lib/folder.h"
#include "lib/seed.h"
#include "session/gather.h"
#include "session/payload.h"
#include "sink/teller.h"
#include "world/look.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS = 10, LINES = 1 << 16, NOTE = 60 * 1024 };

struct run {
        struct seed seed;
        struct catalog *c, *other;
        struct store store;
        struct teller teller;
        struct gather gather;
        struct downlink_stream streams[STREAMS]; /* as the aggregator believes they are */
        bool open[STREAMS];
        uint64_t term, number, hello, attempt;
        int64_t clock_us;
        const char *path;
        enum fate fate;
        bool bulky, wordy, many; /* payloads, reasons, reports */
        bool loud, saved;
        bool committed, refused; /* what the last message was answered */
        uint8_t next[128];       /* where the last recall said to go on */
        size_t next_n;
};

static bool odds(struct run *w, uint64_t one_in)
{
        return seed_below(&w->seed, one_in) == 0;
}

static struct teller_time now(const struct run *w)
{
        return (struct teller_time){w->clock_us / 1000, w->clock_us};
}

/* Is what happens told to anybody? After a power cut nobody is there to hear it. */
static bool told(const struct run *w)
{
        return w->fate == FATE_KEPT || w->fate == FATE_FULL;
}

/* There is much to be printed and little time: eight bytes at once. */
static uint64_t hash_of(const void *p, size_t n)
{
        uint64_t h = n, word;
        for (; n >= sizeof word; p = (const char *)p + sizeof word, n -= sizeof word) {
                memcpy(&word, p, sizeof word);
                h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                h ^= h >> 29;
        }
        return h ^ text_hash(p, n);
}

static void print_bytes(const struct run *w, const void *p, size_t n)
{
        printf(" %zu:%016" PRIx64, n, hash_of(p, n));
        if (w->loud) {
                struct text t = {0};
                text_hex(&t, p, n);
                printf("[%s]", text_c(&t));
                text_close(&t);
        }
}

/* ---- what the sink says */

static void hear_resumed(struct run *w, const struct wire_resumed *r)
{
        w->term = r->term;
        w->number = 0;
        memset(w->open, 0, sizeof w->open);
        for (size_t i = 0; i < r->n; i++)
                for (size_t k = 0; k < STREAMS; k++)
                        if (strcmp(w->streams[k].office, r->streams[i].office) == 0 &&
                            stream_same(w->streams[k].id, r->streams[i].stream)) {
                                w->open[k] = true;
                                w->streams[k].mark = w->streams[k].taken =
                                    (struct point){r->streams[i].seq, r->streams[i].hash};
                        }
}

static void from_sink(void *ctx, const struct text *frames, size_t n)
{
        struct run *w = ctx;
        struct wire_message m;
        struct arena a = {0};
        struct err e = {0};
        if (!told(w))
                return;
        int rc = wire_read((const uint8_t *)frames[0].v, frames[0].n, &a, &m, &e);
        POST(rc == 0);
        printf("  says %s", wire_kind_word(m.kind));
        for (size_t i = 0; i < n; i++)
                print_bytes(w, frames[i].v, frames[i].n);
        printf("\n");
        if (m.kind == WIRE_HELLO)
                w->hello = m.hello.number;
        if (m.kind == WIRE_RESUMED)
                hear_resumed(w, &m.resumed);
        if (m.kind == WIRE_COMMITTED) {
                w->committed = !m.committed.refused;
                if (m.committed.refused)
                        printf("  because %s\n", m.committed.text);
        }
        if (m.kind == WIRE_RECALLED) {
                PRE(m.recalled.next.n <= sizeof w->next);
                w->next_n = m.recalled.next.n;
                if (w->next_n)
                        memcpy(w->next, m.recalled.next.p, w->next_n);
        }
        arena_close(&a);
}

/* The codes of a refused commit are the disk's own: only that it was refused is the same. */
static void print_refusal(const struct run *w, const char *doing, int code)
{
        if (told(w))
                printf("  refused %s %d\n", doing, w->fate == FATE_KEPT ? code : 0);
}

static void by_the_disk(void *ctx, const char *doing, const struct err *e)
{
        struct run *w = ctx;
        w->refused = true;
        print_refusal(w, doing, e->code);
}

static void noted(void *ctx, const char *sentence, const char *about)
{
        struct run *w = ctx;
        if (told(w))
                printf("  notes %s: %s\n", sentence, about);
}

static void tell(struct run *w, const struct text *frames, size_t n)
{
        struct wire_bytes *v = calloc(n, sizeof *v);
        POST(v);
        for (size_t i = 0; i < n; i++)
                v[i] = (struct wire_bytes){(const uint8_t *)frames[i].v, frames[i].n};
        w->committed = w->refused = false;
        teller_message(&w->teller, v, n, now(w));
        free(v);
}

static void tell_message(struct run *w, const struct wire_message *m)
{
        struct text t = {0};
        printf("%s\n", wire_kind_word(m->kind));
        wire_write(m, &t);
        tell(w, &t, 1);
        text_close(&t);
}

/* ---- lives of the sink and the aggregator */

/* Has the sink say hello once more and answers that; now and then the one before is answered again. */
static void resume(struct run *w, uint64_t heard)
{
        if (!odds(w, 20))
                teller_again(&w->teller, now(w));
        tell_message(
            w,
            &(struct wire_message){
                .kind = WIRE_RESUME,
                .resume = {.incarnation = 7, .attempt = ++w->attempt, .version = heard, .hello = w->hello}});
}

static void open_store(struct run *w)
{
        struct err e = {0};
        struct teller_host host = {w, from_sink, by_the_disk, noted};
        int rc = store_open(&w->store, w->path, &e);
        if (rc != 0)
                fprintf(stderr, "%s\n", e.text);
        POST(rc == 0);
        printf("opened version=%" PRIu64 " term=%" PRIu64 " expanded=%" PRIu64 "\n", w->store.version,
               w->store.term, w->store.expanded);
        teller_init(&w->teller, &host, &w->store, w->c);
        teller_link(&w->teller, true, now(w));
}

static void restart(struct run *w)
{
        printf("restart\n");
        store_close(&w->store);
        open_store(w);
        resume(w, 0);
}

static void back_up(struct run *w)
{
        printf("back up\n");
        store_close(&w->store);
        trace_save();
        w->saved = true;
        open_store(w);
        resume(w, 0);
}

static void restore(struct run *w)
{
        if (!w->saved)
                return;
        printf("restore\n");
        uint64_t version = w->store.version;
        store_close(&w->store);
        trace_restore();
        open_store(w);
        resume(w, odds(w, 2) ? version : 0);
}

/* ---- flushes */

static char note[NOTE + 1];

static void fill_payload(struct run *w, uint32_t dataset, enum action action, struct text *out)
{
        struct fact facts[12];
        const struct dataset *set = &w->c->datasets[dataset];
        struct report r = {.dataset = dataset, .action = action, .facts = facts};
        size_t n = action == WITHDRAW ? 0 : 1 + seed_below(&w->seed, 8);
        for (size_t i = 0; i < n; i++) {
                uint32_t in = set->indicators[seed_below(&w->seed, set->n_indicators)];
                uint32_t region = (uint32_t)seed_below(&w->seed, w->c->n_regions);
                bool twice = w->c->indicators[in].kind == DERIVED;
                for (size_t k = 0; k < r.n; k++)
                        twice |= facts[k].region == region && facts[k].indicator == in;
                if (!twice)
                        facts[r.n++] = (struct fact){.value = seed_between(&w->seed, -50, 5000),
                                                     .region = region,
                                                     .indicator = (uint16_t)in,
                                                     .q = (uint8_t)seed_below(&w->seed, 3)};
        }
        facts_sort(facts, r.n);
        size_t length = w->bulky ? seed_below(&w->seed, NOTE) : 0;
        note[length] = '\0';
        r.note = length ? note : NULL;
        payload_write(w->c, &r, out);
        note[length] = 'x';
}

static const char *some_period(struct run *w, const struct dataset *set, enum verdict verdict)
{
        static const char *const odd[] = {"2023-05-01", "never", "2021-W53",
                                          "",           "2023",  "2023-05-01/2023-04"};
        static char label[PERIOD_TEXT];
        if (verdict == REJECTED && odds(w, 3))
                return odd[seed_below(&w->seed, sizeof odd / sizeof *odd)];
        int32_t day = day_of(2023, 5, 1) + 31 * (int32_t)seed_below(&w->seed, 3);
        period_print(period_of(set->every, day), label);
        return label;
}

/* Reasons whose texts are awkward to write down and to read back. */
static size_t some_reasons(struct run *w, struct reason *v)
{
        static char lengthy[WIRE_REASON_TEXT + 1];
        static const char *const words[] = {NULL, "", "值 \"quoted\" \\ \n\t", "a"};
        memset(lengthy, 'y', WIRE_REASON_TEXT);
        size_t n = 1 + seed_below(&w->seed, w->wordy ? 15 : 3);
        for (size_t i = 0; i < n; i++) {
                v[i] = (struct reason){.code = (enum reason_code)(1 + seed_below(&w->seed, REASON_COUNT - 1)),
                                       .row = (uint32_t)seed_below(&w->seed, 4),
                                       .column = words[seed_below(&w->seed, 4)]};
                for (size_t k = 0; k < REASON_ARGS; k++)
                        v[i].arg[k] = w->wordy && odds(w, 2) ? lengthy : words[seed_below(&w->seed, 4)];
        }
        return n;
}

static void add_report(struct run *w, struct downlink_stream *s)
{
        struct reason reasons[16], flags[16];
        uint32_t dataset = (uint32_t)seed_below(&w->seed, w->c->n_datasets);
        struct text payload = {0};
        struct wire_taken t = {.step = gather_step(&w->gather, s), .received_at = w->clock_us, .rows = 3};
        t.verdict = odds(w, w->wordy ? 2 : 4) ? (enum verdict)(1 + seed_below(&w->seed, 2)) : ACCEPTED;
        t.report.action = odds(w, 2) ? REPLACE : (enum action)seed_below(&w->seed, 4);
        t.report.dataset = w->c->datasets[dataset].code;
        t.report.period = some_period(w, &w->c->datasets[dataset], t.verdict);
        t.report.submitted_at = w->clock_us - 5;
        memcpy(t.report.catalog, w->c->digest, sizeof t.report.catalog);
        fill_payload(w, dataset, t.report.action, &payload);
        t.report.payload = (const uint8_t *)text_c(&payload);
        t.report.payload_n = payload.n;
        if (t.verdict == REJECTED) {
                if (odds(w, 5))
                        t.report.dataset = "no such thing";
                if (odds(w, 5))
                        t.report.payload_n = 0;
                t.reasons = reasons;
                t.n_reasons = some_reasons(w, reasons);
        } else {
                t.revision = (uint32_t)(1 + seed_below(&w->seed, 9));
                t.closes = t.verdict == ACCEPTED &&
                           (w->bulky ? odds(w, 30) : t.report.action == REPLACE || odds(w, 3));
                if (odds(w, 6)) {
                        t.flags = flags;
                        t.n_flags = some_reasons(w, flags);
                }
        }
        t.seq = s->taken.seq + 1;
        t.hash = chain_next(s->office, s->id, t.seq, s->taken.hash, &t.report);
        gather_report(&w->gather, &t);
        s->taken = (struct point){t.seq, t.hash};
        text_close(&payload);
}

static void add_stream(struct run *w, struct downlink_stream *s)
{
        size_t most = w->many ? 90 : 6, n = seed_below(&w->seed, most);
        uint32_t step = gather_step(&w->gather, s);
        for (size_t i = 0; i < n; i++)
                add_report(w, s);
        if (n == 0)
                return;
        struct wire_signature g = {.step = step, .seq = s->taken.seq, .hash = s->taken.hash};
        for (size_t i = 0; i < sizeof g.signature; i++)
                g.signature[i] = (uint8_t)seed_next(&w->seed);
        gather_signature(&w->gather, &g);
}

static void add_column(struct run *w)
{
        const struct indicator *in = &w->c->indicators[seed_below(&w->seed, w->c->n_indicators)];
        enum period_kind every = w->c->datasets[in->dataset].every;
        struct period p = period_of(every, day_of(2023, 5, 1) + (int32_t)seed_below(&w->seed, 60));
        if (odds(w, 3))
                p = period_upper(p, PERIOD_YEAR);
        if (odds(w, 60))
                p = period_of(PERIOD_DAY, p.first); /* may not be held */
        for (uint32_t r = 0; r < w->c->n_regions; r++) {
                if (!odds(w, 3))
                        continue;
                struct cell cell = {.sum = (__int128)(int64_t)seed_next(&w->seed) *
                                           seed_between(&w->seed, -9, 9999999),
                                    .about = seed_below(&w->seed, 3),
                                    .at_least = seed_below(&w->seed, 3)};
                cell.facts = cell.about + cell.at_least + seed_below(&w->seed, 5);
                gather_total(&w->gather, odds(w, 2000) ? "no.such" : in->name, p, w->c->regions[r].code,
                             &cell);
        }
}

/* Changes the head of a flush in a way that a confused or dishonest aggregator might. */
static void spoil_head(struct run *w, struct text *head)
{
        struct wire_message m;
        struct arena a = {0};
        struct err e = {0};
        int rc = wire_read((const uint8_t *)head->v, head->n, &a, &m, &e);
        POST(rc == 0);
        struct wire_flush *f = &m.flush;
        struct wire_step *steps = calloc(f->n_steps + 1, sizeof *steps);
        struct wire_signature *signatures = calloc(f->n_signatures + 1, sizeof *signatures);
        POST(steps && signatures);
        if (f->n_steps)
                memcpy(steps, f->steps, f->n_steps * sizeof *steps);
        if (f->n_signatures)
                memcpy(signatures, f->signatures, f->n_signatures * sizeof *signatures);
        f->steps = steps;
        f->signatures = signatures;
        switch (seed_below(&w->seed, 8)) {
        case 0: f->term++; break;
        case 1: steps[0].to_hash.b[3] ^= 1; break;
        case 2: steps[0].from_hash.b[3] ^= 1; break;
        case 3: steps[0].to_seq = steps[0].from_seq - 1; break;
        case 4: steps[f->n_steps++] = steps[0]; break;
        case 5:
                if (f->n_signatures)
                        signatures[f->n_signatures++] = signatures[0];
                break;
        case 6:
                if (f->n_signatures)
                        signatures[0].step = 77;
                break;
        default: f->parts++; break;
        }
        text_clear(head);
        wire_write(&m, head);
        free(steps);
        free(signatures);
        arena_close(&a);
}

static void spoil_parts(struct run *w, struct gather_frames *f)
{
        struct text *last = &f->v[f->n - 1];
        if (f->n < 2)
                return;
        if (odds(w, 2)) {
                text_close(last);
                f->n--;
        } else {
                last->n -= 1 + seed_below(&w->seed, last->n);
        }
}

static void send_flush(struct run *w, bool spoiled)
{
        struct gather_frames frames = {0};
        gather_write(&w->gather, w->term, ++w->number, &frames);
        if (spoiled && odds(w, 3))
                spoil_parts(w, &frames);
        else if (spoiled)
                spoil_head(w, &frames.v[0]);
        printf("flush steps=%zu reports=%zu parts=%zu%s\n", w->gather.n_steps, w->gather.n_reports,
               frames.n - 1, spoiled ? " spoiled" : "");
        tell(w, frames.v, frames.n);
        gather_frames_close(&frames);
}

/* What was committed is marked; what was not is forgotten, as the aggregator does. */
static void settle(struct run *w)
{
        for (size_t i = 0; i < STREAMS; i++) {
                if (w->committed)
                        w->streams[i].mark = w->streams[i].taken;
                else
                        w->streams[i].taken = w->streams[i].mark;
        }
        gather_clear(&w->gather);
        if (!w->committed && told(w))
                resume(w, 0);
}

static void flush(struct run *w)
{
        size_t tries = 1 + seed_below(&w->seed, 5), columns = seed_below(&w->seed, 6);
        for (size_t i = 0; i < tries; i++) {
                size_t k = seed_below(&w->seed, STREAMS);
                if (w->open[k] || odds(w, 40))
                        add_stream(w, &w->streams[k]);
        }
        if (gather_empty(&w->gather))
                return;
        for (size_t i = 0; i < columns; i++)
                add_column(w);
        bool spoiled = odds(w, 8);
        send_flush(w, spoiled);
        if (told(w) && odds(w, 20)) { /* once more, as it was */
                w->number--;
                send_flush(w, false);
                w->committed = false;
        }
        settle(w);
}

/* ---- questions */

static struct downlink_stream *some_stream(struct run *w)
{
        return &w->streams[seed_below(&w->seed, STREAMS)];
}

static void ask_stream(struct run *w)
{
        static const uint32_t turns[8] = {0, 0, 0, 1, 2, 5, 1000000, 1000001};
        struct downlink_stream *s = some_stream(w);
        tell_message(
            w, &(struct wire_message){
                   .kind = WIRE_STREAM_ASK,
                   .stream = {.office = s->office, .stream = s->id, .turn = turns[seed_below(&w->seed, 8)]}});
        if (told(w) && !w->refused)
                resume(w, 0); /* tells where it stands */
}

static void ask_hash(struct run *w)
{
        struct downlink_stream *s = some_stream(w);
        tell_message(w, &(struct wire_message){.kind = WIRE_HASH_ASK,
                                               .hash = {.office = s->office,
                                                        .stream = s->id,
                                                        .seq = seed_below(&w->seed, s->mark.seq + 3)}});
}

static void ask_verdicts(struct run *w)
{
        struct downlink_stream *s = some_stream(w);
        tell_message(w,
                     &(struct wire_message){
                         .kind = WIRE_VERDICTS_ASK,
                         .verdicts_ask = {.office = s->office,
                                          .stream = s->id,
                                          .from = odds(w, 2) ? 1 : seed_below(&w->seed, s->mark.seq + 2)}});
}

static void recall(struct run *w)
{
        const struct dataset *set = &w->c->datasets[seed_below(&w->seed, w->c->n_datasets)];
        int32_t first = day_of(2023, 1, 1) + (int32_t)seed_below(&w->seed, 200);
        struct wire_recall ask = {.id = seed_below(&w->seed, 9),
                                  .dataset = odds(w, 20) ? "none" : set->code,
                                  .first = first,
                                  .last = first + (int32_t)seed_below(&w->seed, 300)};
        if (odds(w, 20)) /* from a place that is none */
                ask.after = (struct wire_bytes){(const uint8_t *)note, seed_below(&w->seed, 80)};
        do {
                w->next_n = 0;
                tell_message(w, &(struct wire_message){.kind = WIRE_RECALL, .recall = ask});
                ask.after = (struct wire_bytes){w->next, w->next_n};
        } while (w->next_n);
}

static void tell_gap(struct run *w, const struct downlink_stream *s)
{
        uint64_t floor = s->mark.seq + seed_below(&w->seed, 5);
        struct wire_message m = {
            .kind = WIRE_GAP,
            .gap = {.office = s->office, .stream = s->id, .mark = s->mark.seq, .floor = floor}};
        m.gap.floor_hash = chain_start("gap", s->id);
        tell_message(w, &m);
}

static void gap(struct run *w)
{
        tell_gap(w, some_stream(w));
}

/* ---- what an operator does, and what the sink does by itself */

static void skip_of(struct run *w, const char *office)
{
        struct err e = {0};
        uint64_t from = 0, to = 0;
        int rc = store_skip(&w->store, office, w->clock_us, &from, &to, &e);
        printf("skip %s\n", office);
        if (rc != 0) {
                print_refusal(w, "skipping", rc);
        } else if (told(w)) {
                printf("  %" PRIu64 "..%" PRIu64 "\n", from, to);
                teller_again(&w->teller, now(w));
                resume(w, 0);
        }
}

static void skip(struct run *w)
{
        skip_of(w, some_stream(w)->office);
}

static void take(struct run *w)
{
        struct err e = {0};
        struct text blocks = {0};
        bool same = odds(w, 2);
        const struct catalog *next = same ? w->c : w->other;
        int rc = store_take_catalog(&w->store, w->c, next, w->clock_us, &blocks, &e);
        printf("take %s catalogue\n", same ? "the same" : "another");
        if (rc != 0)
                print_refusal(w, "the catalogue", rc);
        if (told(w))
                printf("%s", text_c(&blocks));
        if (rc == 0 && !same && told(w)) { /* nothing stood: the former comes back at once */
                rc = store_take_catalog(&w->store, w->other, w->c, w->clock_us, &blocks, &e);
                printf("  and back %d\n", w->fate == FATE_KEPT ? rc : rc != 0);
        }
        text_close(&blocks);
}

static void print_catalog(struct run *w)
{
        struct err e = {0};
        uint8_t digest[32];
        bool known = look_catalog(&w->store, digest);
        struct catalog *c = store_catalog(&w->store, &e);
        POST(known == (c != NULL));
        printf("catalogue");
        if (c) {
                POST(memcmp(digest, c->digest, sizeof digest) == 0);
                print_bytes(w, c->digest, sizeof c->digest);
        }
        printf("\n");
        catalog_free(c);
}

static void expand(struct run *w)
{
        struct err e = {0};
        bool more = true;
        uint64_t times = told(w) ? 1 + seed_below(&w->seed, 30) : 1; /* who is cut off does nothing more */
        for (uint64_t i = 0; i < times && more; i++) {
                int rc = store_expand(&w->store, w->c, &more, &e);
                if (told(w))
                        printf("expand %s more=%d to=%" PRIu64 "\n", rc == 0 ? "did" : "refused", more,
                               w->store.expanded);
        }
}

/* ---- what it holds */

struct list {
        const struct run *w;
        struct text lines[LINES];
        size_t n;
};

static struct text *line(struct list *l)
{
        PRE(l->n < LINES);
        text_clear(&l->lines[l->n]);
        return &l->lines[l->n++];
}

static void list_hash(struct text *t, const void *p, size_t n)
{
        text_char(t, ' ');
        text_hex(t, p, n);
}

static void list_report(void *ctx, const struct look_report *r)
{
        struct text *t = line(ctx);
        text_printf(t, "report %s %s %s turn=%u seq=%" PRIu64 " %s %s revision=%u rows=%u", r->office,
                    r->dataset, r->period, r->turn, r->seq, action_word(r->action), verdict_word(r->verdict),
                    r->revision, r->rows);
        text_printf(t, " version=%" PRIu64 " closed=%" PRIu64 " at=%" PRId64 ",%" PRId64 " %s %s", r->version,
                    r->closed, r->submitted_at, r->received_at, r->reasons ? r->reasons : "-",
                    r->flags ? r->flags : "-");
        list_hash(t, r->stream.b, STREAM_ID);
        list_hash(t, r->hash.b, HASH);
        list_hash(t, r->catalog, sizeof r->catalog);
        text_printf(t, " payload %zu:%016" PRIx64, r->payload_n,
                    r->payload_n ? hash_of(r->payload, r->payload_n) : 0);
}

/* Found one by one they are the same. */
static void list_total(void *ctx, const struct look_total *v)
{
        struct text *t = line(ctx);
        text_printf(t, "total %s %s %" PRId64 " facts=%" PRIu64 " about=%" PRIu64 " at_least=%" PRIu64,
                    v->indicator, v->region, v->period, v->cell.facts, v->cell.about, v->cell.at_least);
        text_printf(t, " version=%" PRIu64 " high=%" PRId64 " low=%" PRIu64, v->version,
                    (int64_t)(v->cell.sum >> 64), (uint64_t)v->cell.sum);
        const struct run *w = ((struct list *)ctx)->w;
        int32_t i = catalog_indicator(w->c, NONE, v->indicator);
        struct period p = period_from_id(v->period, w->c->datasets[w->c->indicators[i].dataset].every);
        struct cell again;
        bool found = look_total((struct store *)&w->store, v->indicator, v->region, p, &again);
        POST(found && cell_same(&again, &v->cell));
}

static void list_mark(void *ctx, const struct look_mark *m)
{
        struct text *t = line(ctx);
        text_printf(t, "mark %s turn=%u seq=%" PRIu64, m->office, m->turn, m->seq);
        list_hash(t, m->stream.b, STREAM_ID);
        list_hash(t, m->hash.b, HASH);
}

static void list_signature(void *ctx, const struct look_signature *g)
{
        struct text *t = line(ctx);
        text_printf(t, "signature %s seq=%" PRIu64, g->office, g->seq);
        list_hash(t, g->stream.b, STREAM_ID);
        list_hash(t, g->hash.b, HASH);
        list_hash(t, g->signature, SIGNATURE);
        list_hash(t, g->key, WIRE_KEY_ID);
}

static void list_skip(void *ctx, const struct look_skip *k)
{
        struct text *t = line(ctx);
        text_printf(t, "skip %s %" PRIu64 "..%" PRIu64 " version=%" PRIu64, k->office, k->from, k->to,
                    k->version);
        list_hash(t, k->stream.b, STREAM_ID);
        list_hash(t, k->to_hash.b, HASH);
}

static void list_fact(void *ctx, const struct look_fact *f)
{
        text_printf(line(ctx), "fact %s %s %s %s %" PRId64 " value=%" PRId64 " q=%d revision=%" PRId64,
                    f->office, f->dataset, f->region, f->indicator, f->period, f->value, (int)f->qualifier,
                    f->revision);
}

static int by_text(const void *a, const void *b)
{
        return strcmp(text_c(a), text_c(b));
}

static void look(struct run *w)
{
        static struct list l;
        uint64_t hash = 0;
        l.w = w;
        l.n = 0;
        look_reports(&w->store, list_report, &l);
        size_t reports = l.n;
        look_totals(&w->store, list_total, &l);
        size_t totals = l.n - reports;
        look_marks(&w->store, list_mark, &l);
        look_signatures(&w->store, list_signature, &l);
        look_skips(&w->store, list_skip, &l);
        size_t before = l.n;
        look_facts(&w->store, list_fact, &l);
        size_t facts = l.n - before;
        qsort(l.lines + reports, l.n - reports, sizeof *l.lines, by_text); /* reports come in their order */
        for (size_t i = 0; i < l.n; i++) {
                hash = hash * 31 + hash_of(text_c(&l.lines[i]), l.lines[i].n);
                if (w->loud)
                        printf("  holds %s\n", text_c(&l.lines[i]));
        }
        printf("holds reports=%zu totals=%zu facts=%zu all=%zu %016" PRIx64 "\n", reports, totals, facts, l.n,
               hash);
}

/* ---- a run */

static void something(struct run *w)
{
        uint64_t dice = seed_below(&w->seed, 100);
        if (dice < 48)
                flush(w);
        else if (dice < 60)
                recall(w);
        else if (dice < 66)
                ask_stream(w);
        else if (dice < 71)
                ask_hash(w);
        else if (dice < 78)
                ask_verdicts(w);
        else if (dice < 81)
                gap(w);
        else if (dice < 84)
                skip(w);
        else if (dice < 87)
                resume(w, odds(w, 3) ? w->store.version + seed_below(&w->seed, 1000000) : 0);
        else if (dice < 93)
                expand(w);
        else if (dice < 95)
                restart(w);
        else if (dice < 96)
                back_up(w);
        else if (dice < 97)
                restore(w);
        else if (dice < 98)
                take(w);
        else
                look(w);
}

/* Restarts and backups are made by nobody while the power goes. */
static enum fate some_fate(struct run *w)
{
        return odds(w, 12) ? (enum fate)(1 + seed_below(&w->seed, 3)) : FATE_KEPT;
}

static void step(struct run *w, int i)
{
        w->clock_us += (int64_t)seed_below(&w->seed, 2000000);
        if (odds(w, 30))
                w->clock_us -= (int64_t)seed_below(&w->seed, 9000000);
        printf("%d ", i);
        w->fate = some_fate(w);
        if (w->fate != FATE_KEPT) {
                static void (*const fateful[])(struct run *) = {flush, flush,  ask_stream, gap,
                                                                skip,  expand, take};
                printf("%s ", w->fate == FATE_FULL ? "full" : w->fate == FATE_LOST ? "lost" : "untold");
                trace_fate(&w->store, w->fate);
                fateful[seed_below(&w->seed, sizeof fateful / sizeof *fateful)](w);
                trace_fate(&w->store, FATE_KEPT);
                bool dead = !told(w);
                w->fate = FATE_KEPT;
                if (dead)
                        restart(w);
                else
                        resume(w, 0);
                look(w);
                return;
        }
        something(w);
        printf("\n");
}

/* At the end all is asked for that chance may have passed over: long pages, and which gap comes first. */
static void ask_all(struct run *w)
{
        resume(w, 0);
        for (size_t k = 0; k < STREAMS; k++)
                for (uint64_t from = 1; from <= w->streams[k].mark.seq; from += 150)
                        tell_message(w,
                                     &(struct wire_message){.kind = WIRE_VERDICTS_ASK,
                                                            .verdicts_ask = {.office = w->streams[k].office,
                                                                             .stream = w->streams[k].id,
                                                                             .from = from}});
        for (size_t k = 0; k < STREAMS; k++)
                tell_gap(w, &w->streams[k]);
        for (size_t k = 0; k < STREAMS; k++)
                skip_of(w, w->streams[k].office);
}

static void begin(struct run *w)
{
        static const char *const offices[] = {"gov", "north", "south", "south-old"};
        struct err e = {0};
        struct text blocks = {0};
        for (size_t i = 0; i < STREAMS; i++) {
                struct downlink_stream *s = &w->streams[i];
                snprintf(s->office, sizeof s->office, "%s", offices[i % 4]);
                s->id.b[0] = (uint8_t)(i + 1);
                s->mark.hash = s->taken.hash = chain_start(s->office, s->id);
        }
        memset(note, 'x', NOTE);
        w->bulky = odds(w, 4);
        w->wordy = odds(w, 3);
        w->many = odds(w, 6);
        w->path = trace_begin();
        open_store(w);
        print_catalog(w);
        int rc = store_take_catalog(&w->store, NULL, w->c, w->clock_us, &blocks, &e);
        POST(rc == 0);
        resume(w, 0);
}

static void run(struct run *w, uint64_t seed, int steps)
{
        w->seed = seed_from(seed);
        w->clock_us = INT64_C(1684713600000000);
        printf("seed %" PRIu64 "\n", seed);
        begin(w);
        for (int i = 0; i < steps; i++)
                step(w, i);
        ask_all(w);
        print_catalog(w);
        look(w);
        store_close(&w->store);
        gather_close(&w->gather);
        trace_end();
}

int main(int argc, char **argv)
{
        if (argc < 4 || sodium_init() < 0) {
                fprintf(stderr, "usage: %s FIRST LAST STEPS [loud]\n", argv[0]);
                return 2;
        }
        struct catalog *c = folder_catalog("tests/catalogs/atoll");
        struct catalog *other = folder_catalog("tests/flow/contract/catalog");
        uint64_t first = strtoull(argv[1], NULL, 10), last = strtoull(argv[2], NULL, 10);
        for (uint64_t seed = first; seed <= last; seed++) {
                struct run w = {.c = c, .other = other, .loud = argc > 4};
                run(&w, seed, atoi(argv[3]));
        }
        catalog_free(c);
        catalog_free(other);
        return 0;
}
