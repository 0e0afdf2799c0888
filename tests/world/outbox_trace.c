/* outbox_trace FIRST LAST STEPS: for each seed, what an outbox answers to whatever may be asked of it. */
#include "world/outbox_trace.h"

#include "base/check.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t start_us = INT64_C(1695110400) * 1000000; /* 2023-09-19 */
static const int64_t minute_us = INT64_C(60) * 1000000, day_us = INT64_C(86400) * 1000000;
static const int64_t keep_us = INT64_C(3) * 86400 * 1000000;
static const char office[] = "150200";

enum { KEYS = 4000, STREAMS_KNOWN = 64, CROWD = 230 /* more than one trim lets go */ };

struct run {
        struct seed seed;
        struct disk *disk;
        const char *path;
        struct outbox o;
        struct err e;
        int64_t now_us, hq_us;
        struct stream_id known[STREAMS_KNOWN]; /* of all lives of the file */
        size_t n_known;
        void *backup;
};

static uint64_t dice(struct run *t, uint64_t n)
{
        return seed_below(&t->seed, n);
}

/* ---- randomness that both programs have */

static struct seed random_source;

static const char *random_name(void)
{
        return "trace";
}

static uint32_t random_word(void)
{
        return (uint32_t)seed_next(&random_source);
}

static void random_bytes(void *to, size_t n)
{
        for (uint8_t *p = to; n-- > 0;)
                *p++ = (uint8_t)seed_next(&random_source);
}

static struct randombytes_implementation seeded = {
    .implementation_name = random_name, .random = random_word, .buf = random_bytes};

/* ---- printing */

static void print_hash(struct hash h)
{
        printf("%02x%02x%02x%02x", h.b[0], h.b[1], h.b[2], h.b[3]);
}

static void print_bytes(const void *p, size_t n)
{
        uint8_t digest[16];
        crypto_generichash(digest, sizeof digest, p ? p : "", n, NULL, 0);
        printf("%zu%s/%02x%02x%02x", n, p ? "" : "-", digest[0], digest[1], digest[2]);
}

static void print_stream(struct stream_id s)
{
        char text[2 * STREAM_ID + 1];
        stream_text(s, text);
        printf("%s", text);
}

static void print_point(const char *name, struct point p)
{
        printf(" %s=%" PRIu64 ":", name, p.seq);
        print_hash(p.hash);
}

static void print_stream_now(const char *which, const struct outbox *o, const struct outbox_now *n)
{
        printf("  %s %" PRId64 " ", which, n->number);
        print_stream(n->stream);
        print_point("head", n->head);
        print_point("floor", n->floor);
        print_point("mark", n->mark);
        printf(" turn=%u passed=%d sent=%" PRIu64 " bytes=%" PRIu64 "/%" PRIu64 "/%" PRIu64
               " version=%" PRIu64 " clock=%" PRId64 " rewritten=%" PRIu64 " waiting=%" PRIu64 " broken=%d\n",
               n->turn, n->passed, n->sent, n->head_bytes, n->floor_bytes, n->mark_bytes, n->version,
               n->clock_us, o->rewritten, outbox_waiting(o), outbox_broken(o));
}

static void print_now(const struct outbox *o)
{
        print_stream_now("now", o, &o->now);
        if (o->older.number)
                print_stream_now("older", o, &o->older);
}

static void print_reason(const struct reason *r)
{
        printf(" why=%s/%u/%s", reason_name(r->code), (unsigned)r->row, r->arg[0] ? r->arg[0] : "");
}

static bool print_report(void *ctx, const struct outbox_report *r)
{
        size_t *most = ctx;
        printf("    %" PRId64 ":%" PRIu64 " ", r->number, r->seq);
        print_stream(r->stream);
        printf(" %s %s %s action=%d at=%" PRId64 " catalog=%02x revision=%u rows=%u-%u file=%" PRId64
               " first=",
               outbox_state_word(r->state), r->envelope.dataset, r->envelope.period, (int)r->envelope.action,
               r->envelope.submitted_at, r->envelope.catalog[0], r->extra.revision, r->extra.rows,
               r->extra.withdrawn, r->extra.file);
        print_stream(r->first_stream);
        printf(":%" PRIu64 " ", r->first_seq);
        print_bytes(r->envelope.payload, r->envelope.payload_n);
        if (r->verdict) {
                printf(" verdict=%d/%u", (int)r->verdict->verdict, r->verdict->revision);
                for (size_t i = 0; i < r->verdict->n_reasons; i++)
                        print_reason(&r->verdict->reasons[i]);
        }
        printf("\n");
        return --*most > 0;
}

static bool print_part(void *ctx, const uint8_t *payload, size_t n)
{
        size_t *most = ctx;
        printf("    part ");
        print_bytes(payload, n);
        printf("\n");
        return --*most > 0;
}

/* ---- names to draw from */

static const char *const datasets[] = {"gunexp", "lawinsp", "scipop"};
static const char *const periods[] = {"2023-09-18", "2023-09-19", "2023-Q3", "2023-08"};

static const char *any_dataset(struct run *t)
{
        return datasets[dice(t, 3)];
}

static const char *any_period(struct run *t)
{
        return periods[dice(t, 4)];
}

static struct stream_id any_stream(struct run *t)
{
        if (dice(t, 10) == 0)
                return (struct stream_id){{9}};
        return dice(t, 2) ? t->o.now.stream : t->known[dice(t, t->n_known)];
}

static void know_stream(struct run *t)
{
        for (size_t i = 0; i < t->n_known; i++)
                if (stream_same(t->known[i], t->o.now.stream))
                        return;
        t->known[t->n_known++ % STREAMS_KNOWN] = t->o.now.stream;
        if (t->n_known > STREAMS_KNOWN)
                t->n_known = STREAMS_KNOWN;
}

static const struct outbox_now *spoken(const struct outbox *o)
{
        return o->older.number ? &o->older : &o->now;
}

/* Mostly one of the stream that is spoken of. */
static uint64_t any_seq(struct run *t)
{
        const struct outbox_now *n = spoken(&t->o);
        return n->floor.seq + dice(t, n->head.seq - n->floor.seq + (dice(t, 8) == 0 ? 3 : 1));
}

static struct outbox_file any_file(struct run *t)
{
        static const char *const names[] = {"a.csv", "b.csv", "c.csv"};
        uint64_t n = dice(t, 12);
        return (struct outbox_file){.name = names[n % 3],
                                    .inode = n,
                                    .size = 5,
                                    .mtime_ns = 7,
                                    .digest = {(uint8_t)n},
                                    .at_us = t->now_us};
}

static void any_key(struct run *t, char key[24])
{
        snprintf(key, 24, "key %" PRIu64, dice(t, KEYS));
}

/* ---- verbs of a transaction */

static int do_add(struct run *t)
{
        char payload[80];
        size_t n = dice(t, sizeof payload);
        for (size_t i = 0; i < n; i++)
                payload[i] = (char)dice(t, 256);
        struct envelope r = {.submitted_at = t->now_us,
                             .catalog = {(uint8_t)dice(t, 3)},
                             .dataset = any_dataset(t),
                             .period = any_period(t),
                             .action = (enum action)dice(t, 4),
                             .payload = dice(t, 20) ? (const uint8_t *)payload : NULL,
                             .payload_n = n};
        if (!r.payload)
                r.payload_n = 0;
        struct outbox_extra x = {.revision = (uint32_t)dice(t, 5),
                                 .rows = (uint32_t)dice(t, 9),
                                 .withdrawn = (uint32_t)dice(t, 3),
                                 .file = dice(t, 2) ? (int64_t)dice(t, 8) : 0};
        return outbox_add(&t->o, &r, &x, &t->e);
}

static int do_request(struct run *t)
{
        char key[24];
        struct outbox_request r = {.key = key, .digest = {(uint8_t)dice(t, 256)}, .at_us = t->now_us};
        struct text answer = {0};
        any_key(t, key);
        text_printf(&answer, "{\"n\":%" PRIu64 "}", dice(t, 1000));
        int code = outbox_request_keep(&t->o, &r, &answer, &t->e);
        text_close(&answer);
        return code;
}

static int do_file(struct run *t)
{
        int64_t id = 0;
        struct outbox_file f = any_file(t);
        int code = outbox_file_take(&t->o, &f, &id, &t->e);
        printf(" id=%" PRId64, id);
        return code;
}

/* So many that trimming needs more than one slice. */
static int do_crowd(struct run *t)
{
        int code = 0;
        for (int i = 0; code == 0 && i < CROWD; i++)
                code = do_add(t);
        for (int i = 0; code == 0 && i < CROWD; i++)
                code = do_file(t);
        for (int i = 0; i < CROWD; i++)
                do_request(t); /* some keys are taken */
        return code;
}

static int do_turn(struct run *t)
{
        outbox_keep_turn(&t->o, (uint32_t)dice(t, 5));
        return 0;
}

static int do_passed(struct run *t)
{
        outbox_keep_passed(&t->o, dice(t, 2));
        return 0;
}

static int do_mark(struct run *t)
{
        struct point p = {.seq = any_seq(t)};
        int code = outbox_hash(&t->o, p.seq, &p.hash, &t->e);
        if (code != 1)
                return code;
        t->hq_us += (int64_t)dice(t, 3) * minute_us;
        return outbox_keep_mark(&t->o, p, dice(t, 50), t->hq_us, t->now_us, &t->e);
}

static int do_verdict(struct run *t)
{
        struct reason why[2] = {{.code = REASON_LOCKED, .row = (uint32_t)dice(t, 9), .arg = {"a"}},
                                {.code = REASON_LOCKED, .arg = {"b"}}};
        struct wire_verdict v = {.seq = any_seq(t),
                                 .verdict = (enum verdict)dice(t, 3),
                                 .revision = (uint32_t)dice(t, 4),
                                 .reasons = why};
        int64_t form = 0;
        v.n_reasons = v.verdict == REJECTED ? dice(t, 3) : 0;
        int code = outbox_keep_verdict(&t->o, any_stream(t), &v, t->now_us, &form, &t->e);
        if (code == 1)
                printf(" form=%" PRId64, form);
        return code;
}

static int do_verdicts(struct run *t)
{
        int code = 0;
        for (uint64_t n = 1 + dice(t, 8); code >= 0 && n > 0; n--)
                code = do_verdict(t);
        return code;
}

static int do_fork(struct run *t)
{
        const struct outbox_now *n = &t->o.now;
        if (t->o.older.number)
                return 0; /* forks are of the newest */
        uint64_t after = n->floor.seq + dice(t, n->head.seq - n->floor.seq + 1);
        int code = outbox_fork(&t->o, after, t->now_us, &t->e);
        printf(" after=%" PRIu64, after);
        return code;
}

static int do_catalog(struct run *t)
{
        uint8_t digest[OUTBOX_DIGEST] = {(uint8_t)(1 + dice(t, 3))};
        char pack[64] = {(char)dice(t, 256)};
        return outbox_catalog_keep(&t->o, digest, pack, dice(t, sizeof pack), &t->e);
}

static bool take_place(void *ctx, const struct outbox_report *r)
{
        struct outbox_report *at = ctx;
        at->number = r->number;
        at->seq = r->seq;
        return at->extra.rows-- > 0;
}

/* Up to one of the first unsettled reports of a form, or all of them. */
static int do_settle(struct run *t)
{
        int64_t form;
        uint32_t revision;
        struct outbox_report at = {.number = INT64_MAX, .extra.rows = (uint32_t)dice(t, 4)};
        int code = outbox_form(&t->o, any_dataset(t), any_period(t), &form, &revision, &t->e);
        if (code < 0 || form == 0)
                return code;
        if (dice(t, 2))
                code = outbox_unsettled(&t->o, form, 0, 0, take_place, &at, &t->e);
        char bytes[3] = {(char)dice(t, 256), (char)dice(t, 256), 'x'};
        struct outbox_part parts[3] = {{bytes, 3}, {bytes + 1, 1}, {bytes, dice(t, 3)}};
        printf(" form=%" PRId64 " before=%" PRId64 ":%" PRIu64, form, at.number, at.seq);
        return code < 0 ? code : outbox_settle(&t->o, form, at.number, at.seq, parts, dice(t, 4), &t->e);
}

static int do_trim(struct run *t)
{
        return outbox_trim(&t->o, t->now_us, dice(t, 3) ? keep_us : 0, &t->e);
}

static int do_told(struct run *t)
{
        return outbox_told(&t->o, (int64_t)dice(t, 8), &t->e);
}

static const struct {
        const char *name;
        int (*fn)(struct run *t);
        unsigned weight;
} verbs[] = {{"add", do_add, 40},        {"request", do_request, 6},   {"file", do_file, 6},
             {"turn", do_turn, 3},       {"passed", do_passed, 2},     {"mark", do_mark, 12},
             {"verdict", do_verdict, 9}, {"verdicts", do_verdicts, 9}, {"fork", do_fork, 3},
             {"catalog", do_catalog, 2}, {"settle", do_settle, 8},     {"trim", do_trim, 7},
             {"told", do_told, 3},       {"crowd", do_crowd, 1}};

static void any_verb(struct run *t)
{
        unsigned all = 0, at = 0;
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
                all += verbs[i].weight;
        unsigned pick = (unsigned)dice(t, all);
        while (pick >= verbs[at].weight)
                pick -= verbs[at++].weight;
        printf("  %s", verbs[at].name);
        int code = verbs[at].fn(t);
        printf(" -> %d\n", code);
}

/* ---- questions */

static void ask_list(struct run *t)
{
        size_t most = 1 + dice(t, 40);
        struct outbox_filter f = {.dataset = dice(t, 3) ? NULL : any_dataset(t),
                                  .period = dice(t, 3) ? NULL : any_period(t),
                                  .states = dice(t, 2) ? (1u << OUTBOX_STATES) - 1
                                                       : (unsigned)dice(t, 1u << OUTBOX_STATES),
                                  .limit = dice(t, 60),
                                  .has_before = dice(t, 3) == 0,
                                  .before_any_stream = dice(t, 2),
                                  .before_seq = any_seq(t)};
        f.before_stream = any_stream(t);
        int code = outbox_list(&t->o, &f, print_report, &most, &t->e);
        printf("  list -> %d\n", code);
}

static void ask_all(struct run *t)
{
        size_t most = SIZE_MAX;
        struct outbox_filter f = {.states = (1u << OUTBOX_STATES) - 1, .limit = 100000};
        int code = outbox_list(&t->o, &f, print_report, &most, &t->e);
        printf("  all -> %d\n", code);
}

static void ask_batch(struct run *t)
{
        struct arena a = {0};
        struct wire_batch b;
        struct point head = {0};
        int code = outbox_batch(&t->o, any_seq(t), dice(t, 2000), &a, &b, &head, &t->e);
        printf("  batch -> %d n=%zu first=%" PRIu64 " previous=", code, b.n, b.first);
        print_hash(b.previous);
        print_point("head", head);
        printf("\n");
        for (size_t i = 0; code == 0 && i < b.n; i++) {
                const struct envelope *r = &b.reports[i];
                printf("    %s %s action=%d at=%" PRId64 " catalog=%02x ", r->dataset, r->period,
                       (int)r->action, r->submitted_at, r->catalog[0]);
                print_bytes(r->payload, r->payload_n);
                printf("\n");
        }
        arena_close(&a);
}

static void ask_hash(struct run *t)
{
        struct hash h = {{0}};
        uint64_t seq = any_seq(t);
        int code = outbox_hash(&t->o, seq, &h, &t->e);
        printf("  hash %" PRIu64 " -> %d ", seq, code);
        print_hash(h);
        printf("\n");
}

static void ask_wanted(struct run *t)
{
        struct arena a = {0};
        const struct wire_wanted *w;
        size_t n = 0;
        int code = outbox_wanted(&t->o, &a, &w, &n, &t->e);
        printf("  wanted -> %d", code);
        for (size_t i = 0; code == 0 && i < n; i++) {
                printf(" ");
                print_stream(w[i].stream);
                printf(":%" PRIu64, w[i].from);
        }
        printf("\n");
        arena_close(&a);
}

static void ask_request(struct run *t)
{
        char key[24];
        uint8_t digest[OUTBOX_DIGEST] = {0};
        struct text answer = {0};
        any_key(t, key);
        int code = outbox_request_find(&t->o, key, digest, &answer, &t->e);
        printf("  request %s -> %d %02x %s\n", key, code, digest[0], text_c(&answer));
        text_close(&answer);
}

static void ask_file(struct run *t)
{
        struct outbox_file f = any_file(t);
        int code = outbox_file_known(&t->o, &f, &t->e);
        printf("  known %" PRIu64 " -> %d\n", f.inode, code);
}

static void ask_catalog(struct run *t)
{
        uint8_t digest[OUTBOX_DIGEST] = {0};
        struct text pack = {0};
        int code = outbox_catalog(&t->o, digest, &pack, &t->e);
        printf("  catalog -> %d %02x ", code, digest[0]);
        print_bytes(text_c(&pack), pack.n);
        printf("\n");
        text_close(&pack);
}

static void ask_form(struct run *t)
{
        int64_t form, number = dice(t, 2) ? t->o.now.number : 0;
        uint32_t revision;
        size_t most = 1 + dice(t, 10), more = 1 + dice(t, 4);
        char dataset[CODE_MAX + 1] = "", period[PERIOD_TEXT] = "";
        int code = outbox_form(&t->o, any_dataset(t), any_period(t), &form, &revision, &t->e);
        printf("  form -> %d %" PRId64 " revision=%u\n", code, form, revision);
        code = outbox_form_names(&t->o, form, dataset, period, &t->e);
        printf("  names -> %d %s %s\n", code, dataset, period);
        code = outbox_settled(&t->o, form, print_part, &more, &t->e);
        printf("  settled -> %d\n", code);
        code = outbox_unsettled(&t->o, form, number, number ? any_seq(t) : 0, print_report, &most, &t->e);
        printf("  unsettled -> %d\n", code);
}

static void ask_unfolded(struct run *t)
{
        int64_t form = 0;
        char dataset[CODE_MAX + 1] = "", period[PERIOD_TEXT] = "";
        int code = outbox_unfolded(&t->o, &form, dataset, period, &t->e);
        printf("  unfolded -> %d %" PRId64 " %s %s\n", code, form, dataset, period);
}

static void ask_untold(struct run *t)
{
        int64_t id = 0;
        uint64_t inode = 0;
        struct text name = {0};
        struct reasons reasons = {0};
        int code = outbox_untold(&t->o, &id, &name, &inode, &reasons, &t->e);
        printf("  untold -> %d %" PRId64 " %s %" PRIu64, code, id, text_c(&name), inode);
        for (size_t i = 0; i < reasons.n; i++)
                print_reason(&reasons.v[i]);
        printf("\n");
        text_close(&name);
        reasons_close(&reasons);
}

/* Turns to an older stream, or back to the newest. */
static void ask_older(struct run *t)
{
        int64_t next = 0, after = (int64_t)dice(t, (uint64_t)t->o.now.number + 1);
        int code = outbox_older(&t->o, after, &next, &t->e);
        printf("  older than %" PRId64 " -> %d %" PRId64, after, code, next);
        if (!t->o.writing) {
                code = outbox_speak_of(&t->o, dice(t, 3) ? next : 0, &t->e);
                printf(" speak -> %d", code);
        }
        printf("\n");
        print_now(&t->o);
}

static void ask_start(struct run *t)
{
        struct uplink_start s = {0};
        outbox_start(&t->o, &s);
        printf("  start %s turn=%u version=%" PRIu64 " closed=%d", s.office, s.turn, s.version, s.closed);
        print_point("head", s.head);
        print_point("floor", s.floor);
        print_point("mark", s.mark);
        printf("\n");
}

static void ask_something(struct run *t)
{
        static void (*const questions[])(struct run * t) = {ask_list,     ask_batch,  ask_hash,    ask_wanted,
                                                            ask_request,  ask_file,   ask_catalog, ask_form,
                                                            ask_unfolded, ask_untold, ask_start,   ask_older};
        questions[dice(t, sizeof questions / sizeof *questions)](t);
}

static void ask_everything(struct run *t)
{
        ask_all(t);
        ask_wanted(t);
        ask_catalog(t);
        ask_unfolded(t);
        ask_untold(t);
        ask_form(t);
        print_now(&t->o);
}

/* ---- steps */

static void open_file(struct run *t, const char *who)
{
        int code = outbox_open(&t->o, t->path, who, t->now_us, &t->e);
        printf(" open %s -> %d\n", who, code);
        if (code == 0)
                know_stream(t);
}

static void end_process(struct run *t)
{
        outbox_close(&t->o);
        disk_on(t->disk);
        t->disk->full = false;
        open_file(t, office);
        POST(t->o.db.handle);
        ask_everything(t);
}

static void try_disk(struct run *t)
{
        trace_commit_begins();
        int code = outbox_try(&t->o, &t->e);
        trace_commit_ends();
        printf(" try -> %d\n", code);
        if (t->disk->off)
                end_process(t);
}

static void transact(struct run *t)
{
        int code = outbox_begin(&t->o, &t->e);
        printf(" begin -> %d\n", code);
        if (code < 0)
                return;
        for (uint64_t n = dice(t, 5); n > 0; n--) {
                any_verb(t);
                if (dice(t, 4) == 0)
                        ask_something(t);
        }
        if (dice(t, 8) == 0) {
                outbox_abandon(&t->o);
                printf(" abandon\n");
        } else {
                trace_commit_begins();
                code = outbox_commit(&t->o, &t->e);
                trace_commit_ends();
                printf(" commit -> %d\n", code);
        }
        know_stream(t);
        print_now(&t->o);
        if (t->disk->off || (outbox_broken(&t->o) && dice(t, 3) == 0))
                end_process(t);
}

/* An untouched file is taken back to an earlier one, or to none. */
static void restore(struct run *t)
{
        outbox_close(&t->o);
        bool gone = dice(t, 5) == 0;
        printf(" restore%s\n", gone ? " nothing" : "");
        if (gone) {
                /* A new file is made without trouble, by one commit that asks the disk. */
                struct disk_odds odds = t->disk->odds;
                t->disk->odds = (struct disk_odds){0};
                trace_restore(NULL);
                end_process(t);
                t->disk->odds = odds;
                return;
        }
        trace_restore(t->backup);
        end_process(t);
}

static void back_up(struct run *t)
{
        outbox_close(&t->o);
        trace_discard(t->backup);
        t->backup = trace_save();
        printf(" backup\n");
        end_process(t);
}

static void stranger(struct run *t)
{
        struct outbox other;
        int code = outbox_open(&other, t->path, office, t->now_us, &t->e);
        printf(" second -> %d\n", code);
        outbox_close(&t->o);
        open_file(t, "150100");
        end_process(t);
}

static void step(struct run *t)
{
        t->now_us += (int64_t)dice(t, 40) * minute_us;
        t->hq_us += (int64_t)dice(t, 40) * minute_us;
        uint64_t what = dice(t, 1000);
        if (what < 700)
                transact(t);
        else if (what < 890)
                ask_something(t);
        else if (what < 930)
                outbox_note_sent(&t->o, any_seq(t));
        else if (what < 940)
                t->disk->full = !t->disk->full;
        else if (what < 945)
                try_disk(t);
        else if (what < 960 && !outbox_broken(&t->o))
                printf(" tend -> %d\n", outbox_tend(&t->o, true, &t->e));
        else if (what < 975)
                end_process(t);
        else if (what < 983)
                back_up(t);
        else if (what < 989 && t->backup)
                restore(t);
        else if (what < 993)
                stranger(t);
        else
                t->now_us += (int64_t)dice(t, 9) * day_us - 2 * day_us; /* clocks jump both ways */
}

static void run(uint64_t seed, uint64_t steps)
{
        struct run t = {.seed = seed_from(seed), .now_us = start_us, .hq_us = start_us};
        random_source = seed_from(~seed);
        t.disk = disk_new("outbox", seed);
        t.path = trace_begin(t.disk);
        printf("seed %" PRIu64 "\n", seed);
        end_process(&t);
        t.disk->odds = (struct disk_odds){.cut = 100, .broken = 100};
        for (uint64_t i = 0; i < steps; i++) {
                printf("step %" PRIu64 "\n", i);
                step(&t);
        }
        ask_everything(&t);
        outbox_close(&t.o);
        trace_discard(t.backup);
        trace_end();
        disk_free(t.disk);
}

int main(int argc, char **argv)
{
        if (argc != 4 || sodium_init() < 0 || randombytes_set_implementation(&seeded) != 0)
                return 2;
        uint64_t last = strtoull(argv[2], NULL, 10), steps = strtoull(argv[3], NULL, 10);
        for (uint64_t seed = strtoull(argv[1], NULL, 10); seed <= last; seed++)
                run(seed, steps);
        return 0;
}
