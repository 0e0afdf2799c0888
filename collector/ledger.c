/* What is settled is kept as replace reports of at most REPORT_ROWS facts each: a form may hold more than one
 * report can carry. */
#include "collector/ledger.h"

#include "base/check.h"
#include "base/planted.h"
#include "session/payload.h"

#include <stdlib.h>
#include <string.h>

struct fold {
        const struct catalog *catalog;
        uint32_t dataset;
        struct standing *into;
        struct arena arena; /* of one payload */
        struct reasons reasons;
        bool settling;   /* stop at what is not accepted, or cannot be read */
        bool unreadable; /* a settled part could not be read */
        bool waits;      /* settling stopped at a report: */
        int64_t number;  /* its stream */
        uint64_t seq;    /* and number */
        size_t folded, pending;
        enum payload_state worst; /* PAYLOAD_MEMORY: out of memory */
};

static void fold_open(struct fold *f, const struct catalog *c, uint32_t dataset, struct standing *into)
{
        *f = (struct fold){.catalog = c, .dataset = dataset, .into = into, .worst = PAYLOAD_READ};
        arena_init(&f->arena, WIRE_ARENA);
}

static void fold_close(struct fold *f)
{
        arena_close(&f->arena);
        reasons_close(&f->reasons);
}

/* false: it cannot be read, or there is no memory. */
static bool fold_payload(struct fold *f, enum action action, const uint8_t *payload, size_t n)
{
        struct report r = {.dataset = f->dataset, .action = action};
        reasons_clear(&f->reasons);
        arena_reset(&f->arena);
        enum payload_state state =
            payload_read(payload, n, f->catalog, f->dataset, &f->arena, &r, &f->reasons);
        if (state == PAYLOAD_READ && !standing_fold(f->into, action, r.facts, r.n))
                state = PAYLOAD_MEMORY;
        if (state == PAYLOAD_MEMORY)
                f->worst = state;
        return state == PAYLOAD_READ;
}

static bool fold_part(void *ctx, const uint8_t *payload, size_t n)
{
        struct fold *f = ctx;
        if (!fold_payload(f, MERGE, payload, n))
                f->unreadable = true;
        return f->worst != PAYLOAD_MEMORY;
}

static bool fold_report(void *ctx, const struct outbox_report *r)
{
        struct fold *f = ctx;
        if (f->settling && r->state != OUTBOX_ACCEPTED) {
                f->waits = true;
        } else if (fold_payload(f, r->envelope.action, r->envelope.payload, r->envelope.payload_n)) {
                f->folded++;
                f->pending += r->state != OUTBOX_ACCEPTED;
        } else if (f->settling) {
                f->waits = true;
        }
        f->number = r->number;
        f->seq = r->seq;
        return !f->waits && f->worst != PAYLOAD_MEMORY;
}

static int fold_rest(struct fold *f, struct outbox *o, int64_t form, struct err *e)
{
        int code = outbox_unsettled(o, form, f->number, f->seq, fold_report, f, e);
        return code == 0 && f->worst == PAYLOAD_MEMORY ? err_set(e, E_MEM, "out of memory") : code;
}

static int fold_form(struct fold *f, struct outbox *o, int64_t form, struct err *e)
{
        int code = outbox_settled(o, form, fold_part, f, e);
        if (code == 0 && f->settling && f->unreadable)
                return 0;
        return code < 0 ? code : fold_rest(f, o, form, e);
}

/* ---- pages */

static void page_forget(struct ledger_page *p)
{
        standing_close(&p->stands);
        *p = (struct ledger_page){0};
}

void ledger_close(struct ledger *l)
{
        for (size_t i = 0; i < LEDGER_FORMS; i++)
                page_forget(&l->pages[i]);
}

static bool page_holds(const struct ledger_page *p, const struct outbox *o, const struct catalog *c)
{
        return (p->rewritten == o->rewritten || PLANTED(LEDGER_OUT_OF_DATE)) &&
               memcmp(p->catalog, c->digest, CATALOG_DIGEST) == 0;
}

/* The page of a form; else an empty one, in place of the one used longest ago. */
static struct ledger_page *page_of(struct ledger *l, const struct outbox *o, const struct catalog *c,
                                   int64_t form)
{
        struct ledger_page *oldest = &l->pages[0];
        for (size_t i = 0; i < LEDGER_FORMS; i++) {
                struct ledger_page *p = &l->pages[i];
                if (p->form == form && page_holds(p, o, c)) {
                        p->used = ++l->uses;
                        return p;
                }
                if (p->form == form || (oldest->form != form && p->used < oldest->used))
                        oldest = p;
        }
        page_forget(oldest);
        oldest->used = ++l->uses;
        oldest->rewritten = o->rewritten;
        memcpy(oldest->catalog, c->digest, CATALOG_DIGEST);
        return oldest;
}

/* Folds in what came since the page was folded; all of it if the page is empty. */
static int page_fold(struct ledger_page *p, struct outbox *o, const struct catalog *c, uint32_t dataset,
                     int64_t form, struct err *e)
{
        struct fold f;
        fold_open(&f, c, dataset, &p->stands);
        f.number = p->number;
        f.seq = p->seq;
        int code = p->form ? fold_rest(&f, o, form, e) : fold_form(&f, o, form, e);
        p->form = form;
        p->number = f.number;
        p->seq = f.seq;
        p->pending += (uint32_t)f.pending;
        fold_close(&f);
        return code;
}

int ledger_read(struct ledger *l, struct outbox *o, const struct catalog *c, uint32_t dataset,
                struct period p, struct standing *s, uint32_t *revision, struct err *e)
{
        PRE(s->n == 0);
        char period[PERIOD_TEXT];
        int64_t form;
        period_print(p, period);
        int code = outbox_form(o, c->datasets[dataset].code, period, &form, revision, e);
        ++*revision;
        if (code < 0 || form == 0)
                return code;
        struct ledger_page *page = page_of(l, o, c, form);
        code = page_fold(page, o, c, dataset, form, e);
        if (code == 0 && !standing_copy(s, &page->stands))
                code = err_set(e, E_MEM, "out of memory");
        *revision += page->pending;
        if (code < 0)
                page_forget(page);
        return code;
}

/* What stands, cut into reports, each written into its own text. */
static int write_parts(const struct catalog *c, struct report r, const struct standing *s, struct text *texts,
                       struct outbox_part *parts, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                r.facts = s->facts + i * REPORT_ROWS;
                r.n = s->n - i * REPORT_ROWS < REPORT_ROWS ? s->n - i * REPORT_ROWS : REPORT_ROWS;
                payload_write(c, &r, &texts[i]);
                if (text_failed(&texts[i]))
                        return err_set(e, E_MEM, "out of memory");
                parts[i] = (struct outbox_part){texts[i].v, texts[i].n};
        }
        return 0;
}

static int settle_as(struct outbox *o, const struct fold *f, int64_t form, struct period p, struct err *e)
{
        const struct standing *s = f->into;
        size_t n = (s->n + REPORT_ROWS - 1) / REPORT_ROWS;
        struct text *texts = calloc(n + 1, sizeof *texts);
        struct outbox_part *parts = calloc(n + 1, sizeof *parts);
        int code = texts && parts ? 0 : err_set(e, E_MEM, "out of memory");
        struct report r = {.dataset = f->dataset, .period = p, .action = REPLACE};
        if (code == 0)
                code = write_parts(f->catalog, r, s, texts, parts, n, e);
        if (code == 0)
                code = outbox_settle(o, form, f->waits ? f->number : INT64_MAX, f->waits ? f->seq : 0, parts,
                                     n, e);
        for (size_t i = 0; texts && i < n; i++)
                text_close(&texts[i]);
        free(texts);
        free(parts);
        return code;
}

/* 1: something was settled. */
static int settle_form(struct outbox *o, const struct catalog *c, int64_t form, struct err *e)
{
        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        struct period p;
        int code = outbox_form_names(o, form, dataset, period, e);
        int32_t d = code == 1 ? catalog_dataset(c, dataset) : NONE;
        if (d < 0 || !period_parse(period, &p))
                return code < 0 ? code : 0;
        struct standing s = {0};
        struct fold f;
        fold_open(&f, c, (uint32_t)d, &s);
        f.settling = true;
        code = fold_form(&f, o, form, e);
        if (code == 0 && f.folded > 0)
                code = settle_as(o, &f, form, p, e);
        bool done = code == 0 && f.folded > 0;
        fold_close(&f);
        standing_close(&s);
        return code < 0 ? code : done;
}

int ledger_settle(struct outbox *o, const struct catalog *c, int64_t form, struct err *e)
{
        int code = settle_form(o, c, form, e);
        return code < 0 ? code : 0;
}

int ledger_catch_up(struct outbox *o, const struct catalog *c, struct err *e)
{
        char dataset[CODE_MAX + 1], period[PERIOD_TEXT];
        int64_t form;
        int code = outbox_unfolded(o, &form, dataset, period, e);
        return code == 1 ? settle_form(o, c, form, e) : code;
}
