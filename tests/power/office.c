/* The office's scene: what a collector does to its outbox in some weeks, in 80 transactions.
 *
 * The plan is made by a model of arrays and loops: which reports there are, in which stream and state, which
 * requests and files are remembered. It is kept as it stood before every step, and `agree` compares it with
 * what the outbox's verbs say. Random bytes are foreseeable: the stream of a new file has 1 in all its bytes,
 * one that a fork draws in step i has i + 2. */
#include "collector/outbox.h"
#include "lib/law.h"
#include "scene.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 80, REPORTS = 512, STREAMS = 8, FILES = 64, REQUESTS = 64, FORMS = 12, PAYLOAD = 12000 };
enum { NEVER = -1, FIRST_STREAM = 1 };

enum act_kind {
        ADD_ONE,
        ADD_SOME, /* from a file */
        ADD_ASKED /* with an Idempotency-Key */,
        ADD_LARGE,
        SEND,
        MARK,
        MARK_BACK, /* HQ came back from a backup */
        VERDICTS,
        SETTLE,
        TELL,
        CATALOG,
        FORK,
        TRIM,
        TEND,
        TEND_IDLE,
};

struct act {
        enum act_kind kind;
        size_t first, n; /* reports added, in the order of their ids */
        uint64_t seq;
        int form;
        int64_t number; /* place up to which is settled */
};

struct kept { /* a report, as the model has it */
        size_t id;
        struct hash hash;
        int stream;
        uint64_t seq;
        int form;
        bool decided, settled;
        enum verdict verdict;
        int file; /* NEVER: from no file */
};

struct model {
        struct kept reports[REPORTS];
        size_t n;   /* in the order of (stream, seq) */
        size_t ids; /* given so far */
        int n_streams;
        struct stream_id streams[STREAMS];
        struct hash hash[STREAMS]; /* at the head */
        uint64_t head[STREAMS], floor[STREAMS], acked[STREAMS];
        uint64_t mark, sent;
        bool request[REQUESTS], file[FILES], untold[FILES];
        int n_requests, n_files, packs;
        int settled[FORMS]; /* the step that settled it last, 0: never */
};

static struct {
        struct act acts[STEPS];
        struct model models[STEPS + 1];
        bool made;
} plan;

static uint8_t next_name; /* of a stream */

static int newest(const struct model *m)
{
        return m->n_streams - 1;
}

/* ---- the model */

static const int64_t start_us = INT64_C(1695110400) * 1000000, hour_us = INT64_C(3600) * 1000000;

static struct stream_id stream_named(uint8_t name)
{
        struct stream_id s;
        memset(s.b, name, sizeof s.b);
        return s;
}

static void form_names(int form, const char **dataset, char period[PERIOD_TEXT])
{
        static const char *const datasets[] = {"gunexp", "lawinsp", "scipop"};
        *dataset = datasets[form % 3];
        snprintf(period, PERIOD_TEXT, "2023-09-%02d", 1 + form / 3);
}

static size_t payload_of(size_t id, uint8_t out[PAYLOAD])
{
        struct seed s = seed_from(id);
        size_t n = id % 11 == 10 ? PAYLOAD : id % 5 == 4 ? 0 : 20 + id % 300;
        for (size_t i = 0; i < n; i++)
                out[i] = (uint8_t)seed_next(&s);
        return n;
}

static void envelope_of(size_t id, int form, uint8_t payload[PAYLOAD], char period[PERIOD_TEXT],
                        struct envelope *r)
{
        *r = (struct envelope){.submitted_at = start_us + (int64_t)id,
                               .catalog = {(uint8_t)id},
                               .action = (enum action)(id % 3),
                               .payload = payload,
                               .payload_n = payload_of(id, payload),
                               .period = period};
        form_names(form, &r->dataset, period);
}

static void model_queue(struct model *m, struct kept *r)
{
        uint8_t payload[PAYLOAD];
        char period[PERIOD_TEXT];
        struct envelope e;
        int to = newest(m);
        envelope_of(r->id, r->form, payload, period, &e);
        r->stream = to;
        r->seq = ++m->head[to];
        r->hash = m->hash[to] = chain_next("150200", m->streams[to], r->seq, m->hash[to], &e);
}

static void model_stream(struct model *m, struct stream_id id)
{
        m->streams[m->n_streams] = id;
        m->hash[m->n_streams++] = chain_start("150200", id);
}

static void model_add(struct model *m, struct act *a, size_t n, int file)
{
        a->first = m->ids;
        a->n = n;
        for (size_t i = 0; i < n; i++) {
                size_t id = m->ids++;
                struct kept *r = &m->reports[m->n++];
                *r = (struct kept){.id = id, .form = (int)(id * 7 % FORMS), .file = file};
                model_queue(m, r);
        }
}

static enum verdict verdict_of(size_t id)
{
        return id % 7 == 3 ? REJECTED : id % 7 == 5 ? SUPERSEDED : ACCEPTED;
}

static bool is_due(const struct model *m, const struct kept *r)
{
        return !r->decided && (r->stream < newest(m) || r->seq <= m->mark);
}

static void model_verdicts(struct model *m)
{
        for (size_t i = 0; i < m->n; i++) {
                struct kept *r = &m->reports[i];
                if (!is_due(m, r))
                        continue;
                r->decided = true;
                r->verdict = verdict_of(r->id);
                if (r->verdict != ACCEPTED)
                        r->settled = true;
                if (r->verdict == REJECTED && r->file != NEVER)
                        m->untold[r->file] = true;
        }
}

/* Up to the first report of the form that still waits. */
static void model_settle(struct model *m, struct act *a, size_t step)
{
        a->number = INT64_MAX;
        for (size_t i = m->n; i-- > 0;)
                if (m->reports[i].form == a->form && !m->reports[i].decided) {
                        a->number = m->reports[i].stream + 1;
                        a->seq = m->reports[i].seq;
                }
        for (size_t i = 0; i < m->n; i++) {
                struct kept *r = &m->reports[i];
                bool before = r->stream + 1 < a->number || (r->stream + 1 == a->number && r->seq < a->seq);
                if (r->form == a->form && before)
                        r->settled = true;
        }
        m->settled[a->form] = (int)step + 1;
}

/* What was refused is asked anew; what was accepted and settled is counted already. */
static void model_fork(struct model *m, uint64_t after, size_t step)
{
        int from = newest(m);
        struct stream_id next = stream_named((uint8_t)(step + 2));
        for (size_t i = 0; i < m->n; i++)
                if (m->reports[i].stream == from && m->reports[i].seq == after + 1)
                        next = chain_fork("150200", m->streams[from], after, m->reports[i].hash);
        model_stream(m, next);
        for (size_t i = 0; i < m->n; i++) {
                struct kept *r = &m->reports[i];
                if (r->stream != from || r->seq <= after)
                        continue;
                model_queue(m, r);
                r->settled &= !r->decided || r->verdict == ACCEPTED;
                r->decided = false;
        }
        m->head[from] = m->acked[from] = after;
        m->mark = m->sent = 0;
}

static bool file_has_reports(const struct model *m, int file)
{
        for (size_t i = 0; i < m->n; i++)
                if (m->reports[i].file == file)
                        return true;
        return false;
}

static void model_trim(struct model *m)
{
        size_t left = 0;
        bool stopped[STREAMS] = {false};
        for (size_t i = 0; i < m->n; i++) {
                struct kept *r = &m->reports[i];
                if (!stopped[r->stream] && r->seq <= m->acked[r->stream] && r->decided && r->settled) {
                        m->floor[r->stream] = r->seq;
                } else {
                        stopped[r->stream] = true;
                        m->reports[left++] = *r;
                }
        }
        m->n = left;
        memset(m->request, 0, sizeof m->request);
        for (int i = 0; i < m->n_files; i++)
                m->file[i] &= m->untold[i] || file_has_reports(m, i);
}

static void model_mark(struct model *m, uint64_t seq)
{
        m->mark = seq;
        if (seq > m->sent)
                m->sent = seq;
        if (seq > m->floor[newest(m)] || seq < m->acked[newest(m)])
                m->acked[newest(m)] = seq > m->floor[newest(m)] ? seq : 0;
}

static int first_untold(const struct model *m)
{
        for (int i = 0; i < m->n_files; i++)
                if (m->untold[i])
                        return i;
        return NEVER;
}

static enum act_kind kind_of(size_t step)
{
        static const enum act_kind weeks[][20] = {
            {ADD_ONE, ADD_SOME, ADD_ASKED, SEND, MARK, VERDICTS, SETTLE,  ADD_LARGE, ADD_SOME, SEND,
             MARK,    VERDICTS, SETTLE,    TELL, TEND, CATALOG,  ADD_ONE, SEND,      MARK,     TEND_IDLE},
            {ADD_LARGE, ADD_ASKED, ADD_SOME, SEND,      MARK,     MARK_BACK, VERDICTS,
             TRIM,      FORK,      ADD_ONE,  SEND,      MARK,     VERDICTS,  SETTLE,
             SETTLE,    TELL,      TRIM,     TEND_IDLE, ADD_SOME, ADD_ASKED},
        };
        return weeks[step / 20 % 2][step % 20];
}

static void model_step(struct model *m, struct act *a, size_t step)
{
        uint64_t head = m->head[newest(m)], floor = m->floor[newest(m)];
        switch (a->kind) {
        case ADD_ONE: model_add(m, a, 1, NEVER); break;
        case ADD_LARGE: model_add(m, a, 1, NEVER); break;
        case ADD_SOME:
                m->file[m->n_files++] = true;
                model_add(m, a, 4, m->n_files - 1);
                break;
        case ADD_ASKED:
                m->request[m->n_requests++] = true;
                model_add(m, a, 2, NEVER);
                break;
        case SEND: m->sent = head; break;
        case MARK: model_mark(m, a->seq = head > 2 ? head - 1 : head); break;
        case MARK_BACK: model_mark(m, a->seq = m->mark > floor + 2 ? m->mark - 2 : floor); break;
        case VERDICTS: model_verdicts(m); break;
        case SETTLE:
                a->form = (int)(step * 5 % FORMS);
                model_settle(m, a, step);
                break;
        case TELL:
                if (first_untold(m) != NEVER)
                        m->untold[first_untold(m)] = false;
                break;
        case CATALOG: m->packs++; break;
        case FORK: model_fork(m, a->seq = m->mark > floor ? m->mark - 1 : floor, step); break;
        case TRIM: model_trim(m); break;
        case TEND:
        case TEND_IDLE: break;
        }
}

static void make_plan(void)
{
        if (plan.made)
                return;
        plan.made = true;
        model_stream(&plan.models[0], stream_named(FIRST_STREAM));
        for (size_t i = 0; i < STEPS; i++) {
                plan.acts[i].kind = kind_of(i);
                plan.models[i + 1] = plan.models[i];
                model_step(&plan.models[i + 1], &plan.acts[i], i);
        }
}

/* ---- carried out on the outbox */

static int64_t now_at(size_t step)
{
        return start_us + (int64_t)step * hour_us;
}

static int add_reports(struct outbox *o, const struct act *a, int64_t file, struct err *e)
{
        int code = 0;
        for (size_t id = a->first; code == 0 && id < a->first + a->n; id++) {
                uint8_t payload[PAYLOAD];
                char period[PERIOD_TEXT];
                struct envelope r;
                struct outbox_extra x = {.revision = 1, .rows = (uint32_t)id, .file = file};
                envelope_of(id, (int)(id * 7 % FORMS), payload, period, &r);
                code = outbox_add(o, &r, &x, e);
        }
        return code;
}

static void file_of(int i, char name[16], struct outbox_file *f)
{
        snprintf(name, 16, "%d.csv", i);
        *f = (struct outbox_file){.name = name,
                                  .inode = (uint64_t)i + 1,
                                  .size = 10,
                                  .mtime_ns = i,
                                  .digest = {(uint8_t)i},
                                  .at_us = start_us};
}

static int add_file(struct outbox *o, const struct act *a, int i, struct err *e)
{
        char name[16];
        struct outbox_file f;
        int64_t id;
        file_of(i, name, &f);
        int code = outbox_file_take(o, &f, &id, e);
        return code == 0 ? add_reports(o, a, id, e) : code;
}

static int add_asked(struct outbox *o, const struct act *a, int i, struct err *e)
{
        char key[16];
        struct text answer = {0};
        snprintf(key, sizeof key, "key %d", i);
        struct outbox_request q = {.key = key, .digest = {(uint8_t)i}, .at_us = start_us};
        text_printf(&answer, "{\"answer\":%d}", i);
        int code = add_reports(o, a, 0, e);
        if (code == 0)
                code = outbox_request_keep(o, &q, &answer, e);
        text_close(&answer);
        return code;
}

static int keep_mark(struct outbox *o, uint64_t seq, size_t step, struct err *e)
{
        struct point p = {.seq = seq};
        int code = outbox_hash(o, seq, &p.hash, e);
        if (code == 1)
                code = outbox_keep_mark(o, p, 1000 + step, now_at(step), now_at(step), e);
        else if (code == 0)
                code = err_set(e, E_MISSING, "report %llu is not held", (unsigned long long)seq);
        return code;
}

static int keep_verdicts(struct outbox *o, const struct model *before, size_t step, struct err *e)
{
        static const struct reason why = {.code = REASON_LOCKED, .arg = {"2023-09-19"}};
        int code = 1;
        for (size_t i = 0; code == 1 && i < before->n; i++) {
                const struct kept *r = &before->reports[i];
                if (!is_due(before, r))
                        continue;
                bool bad = verdict_of(r->id) == REJECTED;
                struct wire_verdict v = {.seq = r->seq,
                                         .verdict = verdict_of(r->id),
                                         .revision = bad ? 0 : 2,
                                         .reasons = bad ? &why : NULL,
                                         .n_reasons = bad};
                int64_t form;
                code = outbox_keep_verdict(o, before->streams[r->stream], &v, now_at(step), &form, e);
        }
        return code == 1 ? 0 : code == 0 ? err_set(e, E_MISSING, "a report that waits is not held") : code;
}

static int settle(struct outbox *o, const struct act *a, size_t step, struct err *e)
{
        const char *dataset;
        char period[PERIOD_TEXT], what[32];
        int64_t form;
        uint32_t revision;
        form_names(a->form, &dataset, period);
        int n = snprintf(what, sizeof what, "settled in %zu", step + 1);
        struct outbox_part parts[] = {{what, (size_t)n}, {what, 7}};
        int code = outbox_form(o, dataset, period, &form, &revision, e);
        return code == 0 ? outbox_settle(o, form, a->number, a->seq, parts, 2, e) : code;
}

static int tell(struct outbox *o, struct err *e)
{
        int64_t id;
        uint64_t inode;
        struct text name = {0};
        struct reasons reasons = {0};
        int code = outbox_untold(o, &id, &name, &inode, &reasons, e);
        if (code == 1)
                code = outbox_told(o, id, e);
        text_close(&name);
        reasons_close(&reasons);
        return code;
}

static int keep_pack(struct outbox *o, int i, struct err *e)
{
        static uint8_t pack[30000];
        uint8_t digest[OUTBOX_DIGEST] = {(uint8_t)i};
        memset(pack, i, sizeof pack);
        return outbox_catalog_keep(o, digest, pack, sizeof pack, e);
}

static int in_transaction(struct outbox *o, size_t step, struct err *e)
{
        const struct act *a = &plan.acts[step];
        const struct model *before = &plan.models[step];
        switch (a->kind) {
        case ADD_ONE:
        case ADD_LARGE: return add_reports(o, a, 0, e);
        case ADD_SOME: return add_file(o, a, before->n_files, e);
        case ADD_ASKED: return add_asked(o, a, before->n_requests, e);
        case SEND:
                outbox_keep_turn(o, (uint32_t)before->n_streams);
                outbox_note_sent(o, before->head[newest(before)]);
                return 0;
        case MARK:
        case MARK_BACK: return keep_mark(o, a->seq, step, e);
        case VERDICTS: return keep_verdicts(o, before, step, e);
        case SETTLE: return settle(o, a, step, e);
        case TELL: return tell(o, e);
        case CATALOG: return keep_pack(o, before->packs + 1, e);
        case FORK: next_name = (uint8_t)(step + 2); return outbox_fork(o, a->seq, now_at(step), e);
        case TRIM: return outbox_trim(o, now_at(step), 0, e);
        default: UNREACHABLE();
        }
}

static int step_outbox(void *at, size_t step, struct err *e)
{
        struct outbox *o = at;
        enum act_kind kind = plan.acts[step].kind;
        if (kind == TEND || kind == TEND_IDLE)
                return outbox_tend(o, kind == TEND_IDLE, e);
        int code = outbox_begin(o, e);
        if (code < 0)
                return code;
        code = in_transaction(o, step, e);
        if (code == 0)
                return outbox_commit(o, e);
        outbox_abandon(o);
        return code;
}

static void *open_outbox(const char *path, struct err *e)
{
        struct outbox *o = calloc(1, sizeof *o);
        PRE(o);
        next_name = FIRST_STREAM;
        if (outbox_open(o, path, "150200", start_us, e) == 0)
                return o;
        free(o);
        return NULL;
}

static void close_outbox(void *at)
{
        outbox_close(at);
        free(at);
}

static struct db *db_of(void *at)
{
        return &((struct outbox *)at)->db;
}

/* ---- agreeing */

static enum outbox_state state_of(const struct model *m, const struct kept *r)
{
        static const enum outbox_state states[] = {
            [ACCEPTED] = OUTBOX_ACCEPTED, [SUPERSEDED] = OUTBOX_SUPERSEDED, [REJECTED] = OUTBOX_REJECTED};
        if (r->decided)
                return states[r->verdict];
        return r->stream == newest(m) && r->seq > m->sent ? OUTBOX_QUEUED : OUTBOX_SENT;
}

struct comparing {
        const struct model *m;
        size_t left;
};

/* Newest first. */
static bool compare_report(void *ctx, const struct outbox_report *got)
{
        struct comparing *c = ctx;
        assert_true(c->left > 0);
        const struct kept *r = &c->m->reports[--c->left];
        assert_true(stream_same(got->stream, c->m->streams[r->stream]));
        assert_int_equal(got->seq, r->seq);
        assert_int_equal(got->extra.rows, r->id);
        assert_int_equal(got->state, state_of(c->m, r));
        assert_int_equal(got->extra.file != 0, r->file != NEVER);
        return true;
}

static void agree_on_reports(struct outbox *o, const struct model *m)
{
        struct err e;
        struct comparing c = {m, m->n};
        struct outbox_filter all = {.states = (1u << OUTBOX_STATES) - 1, .limit = REPORTS};
        assert_int_equal(outbox_list(o, &all, compare_report, &c, &e), 0);
        assert_int_equal(c.left, 0);
}

/* The newest stream, as HQ would get it: every payload, and the chain ends in the head's hash. */
static void agree_on_stream(struct outbox *o, const struct model *m)
{
        struct arena a = {0};
        struct err e;
        struct wire_batch b;
        struct point head = {0};
        size_t i = 0;
        uint64_t after = m->floor[newest(m)], bytes = 0;
        struct stream_id stream = m->streams[newest(m)];
        while (i < m->n && m->reports[i].stream < newest(m))
                i++;
        do {
                arena_reset(&a);
                assert_int_equal(outbox_batch(o, after, WIRE_MESSAGE, &a, &b, &head, &e), 0);
                struct hash h = b.previous;
                for (size_t k = 0; k < b.n; k++, i++, after++) {
                        uint8_t payload[PAYLOAD];
                        char period[PERIOD_TEXT];
                        struct envelope want;
                        assert_true(i < m->n && m->reports[i].seq == after + 1);
                        envelope_of(m->reports[i].id, m->reports[i].form, payload, period, &want);
                        h = chain_next("150200", stream, after + 1, h, &want);
                        if (after >= m->mark)
                                bytes += want.payload_n + OUTBOX_OVERHEAD;
                        assert_int_equal(b.reports[k].payload_n, want.payload_n);
                        assert_memory_equal(b.reports[k].payload, want.payload, want.payload_n);
                }
                assert_true(b.n == 0 || hash_same(h, head.hash));
        } while (b.n > 0);
        assert_int_equal(i, m->n);
        assert_int_equal(after, m->head[newest(m)]);
        assert_int_equal(outbox_waiting(o), bytes);
        assert_int_equal(o->now.mark.seq, m->mark);
        assert_true(stream_same(o->now.stream, stream));
        arena_close(&a);
}

static void agree_on_memory(struct outbox *o, const struct model *m)
{
        struct err e;
        struct text t = {0};
        uint8_t digest[OUTBOX_DIGEST];
        char name[16];
        for (int i = 0; i < m->n_requests; i++) {
                snprintf(name, sizeof name, "key %d", i);
                assert_int_equal(outbox_request_find(o, name, digest, &t, &e), m->request[i]);
        }
        for (int i = 0; i < m->n_files; i++) {
                struct outbox_file f;
                file_of(i, name, &f);
                assert_int_equal(outbox_file_known(o, &f, &e), m->file[i]);
        }
        assert_int_equal(outbox_catalog(o, digest, &t, &e), m->packs > 0);
        if (m->packs)
                assert_int_equal(digest[0], m->packs);
        text_close(&t);
}

static bool first_part(void *ctx, const uint8_t *bytes, size_t n)
{
        text_bytes(ctx, bytes, n);
        return false;
}

static void agree_on_settled(struct outbox *o, const struct model *m)
{
        for (int i = 0; i < FORMS; i++) {
                const char *dataset;
                char period[PERIOD_TEXT], want[32] = "";
                struct text got = {0};
                struct err e;
                int64_t form;
                uint32_t revision;
                form_names(i, &dataset, period);
                assert_int_equal(outbox_form(o, dataset, period, &form, &revision, &e), 0);
                assert_int_equal(outbox_settled(o, form, first_part, &got, &e), 0);
                if (m->settled[i])
                        snprintf(want, sizeof want, "settled in %d", m->settled[i]);
                assert_string_equal(text_c(&got), want);
                text_close(&got);
        }
}

static void agree(void *at, size_t steps)
{
        const struct model *m = &plan.models[steps];
        agree_on_reports(at, m);
        agree_on_stream(at, m);
        agree_on_memory(at, m);
        agree_on_settled(at, m);
}

/* ---- reading what may be damaged */

static bool pass(void *ctx, const struct outbox_report *r)
{
        (void)ctx, (void)r;
        return true;
}

static bool pass_part(void *ctx, const uint8_t *bytes, size_t n)
{
        (void)ctx, (void)bytes, (void)n;
        return true;
}

/* As HQ would check it: from the hash it holds, over every byte that is sent, to the head that is signed. */
static int read_stream(struct outbox *o, struct err *e)
{
        const struct model *m = &plan.models[STEPS];
        struct arena a = {0};
        struct wire_batch b;
        struct point head = {0};
        uint64_t after = m->mark;
        struct hash h = {{0}};
        int code = 0;
        for (size_t i = 0; i < m->n; i++)
                if (m->reports[i].stream == newest(m) && m->reports[i].seq == after)
                        h = m->reports[i].hash;
        do {
                arena_reset(&a);
                code = outbox_batch(o, after, WIRE_MESSAGE, &a, &b, &head, e);
                for (size_t k = 0; code == 0 && k < b.n; k++)
                        h = chain_next("150200", m->streams[newest(m)], ++after, h, &b.reports[k]);
                if (code == 0 && b.n > 0 && !hash_same(h, head.hash))
                        code = 1;
        } while (code == 0 && b.n > 0);
        arena_close(&a);
        return code == 0 && after != m->head[newest(m)] ? 1 : code;
}

static int read_forms(struct outbox *o, struct err *e)
{
        int code = 0;
        for (int i = 0; code == 0 && i < FORMS; i++) {
                const char *dataset;
                char period[PERIOD_TEXT];
                int64_t form;
                uint32_t revision;
                form_names(i, &dataset, period);
                code = outbox_form(o, dataset, period, &form, &revision, e);
                if (code == 0)
                        code = outbox_settled(o, form, pass_part, NULL, e);
                if (code == 0)
                        code = outbox_unsettled(o, form, 0, 0, pass, NULL, e);
        }
        return code;
}

static int read_memory(struct outbox *o, struct err *e)
{
        struct arena a = {0};
        struct text t = {0};
        struct reasons reasons = {0};
        const struct wire_wanted *wanted;
        uint8_t digest[OUTBOX_DIGEST];
        int64_t id;
        uint64_t inode;
        size_t n;
        int code = outbox_wanted(o, &a, &wanted, &n, e);
        if (code >= 0)
                code = outbox_untold(o, &id, &t, &inode, &reasons, e);
        if (code >= 0)
                code = outbox_catalog(o, digest, &t, e);
        if (code >= 0)
                code = outbox_request_find(o, "key 1", digest, &t, e);
        reasons_close(&reasons);
        text_close(&t);
        arena_close(&a);
        return code < 0 ? code : 0;
}

static int read_outbox(void *at, struct err *e)
{
        struct outbox *o = at;
        struct outbox_filter whole = {.states = (1u << OUTBOX_STATES) - 1, .limit = REPORTS};
        int code = outbox_list(o, &whole, pass, NULL, e);
        if (code == 0)
                code = read_forms(o, e);
        if (code == 0)
                code = read_memory(o, e);
        return code == 0 ? read_stream(o, e) : code;
}

/* What HQ would count: the reports that it has not acknowledged. */
static const char *const sent_figures[] = {
    "SELECT r.seq, r.submitted, r.catalog, r.action, f.dataset, f.period, p.bytes FROM report r"
    " JOIN stream s ON s.number = r.stream JOIN form f ON f.id = r.form JOIN payload p ON p.report = r.id"
    " WHERE r.stream = (SELECT max(number) FROM stream) AND r.seq > s.mark ORDER BY r.seq",
    NULL};

/* ---- names of streams, foreseeable */

static const char *named(void)
{
        return "named";
}

static void same_bytes(void *buf, size_t n)
{
        memset(buf, next_name, n);
}

static uint32_t same_number(void)
{
        return next_name;
}

const struct scene *office_scene(void)
{
        static const struct scene scene = {.name = "outbox",
                                           .steps = STEPS,
                                           .open = open_outbox,
                                           .close = close_outbox,
                                           .step = step_outbox,
                                           .db = db_of,
                                           .read = read_outbox,
                                           .figures = sent_figures,
                                           .agree = agree};
        static randombytes_implementation foreseen = {
            .implementation_name = named, .random = same_number, .buf = same_bytes};
        make_plan();
        randombytes_set_implementation(&foreseen);
        return &scene;
}
