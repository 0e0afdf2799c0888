#include "world/look.h"

#include "base/check.h"
#include "world/disk.h"
#include "world/store_image.h"

#include <string.h>

static const struct image *image_of(const struct store *s)
{
        const struct disk *d = (const struct disk *)(const void *)s->db.handle; /* as in store_model.c */
        return d->image;
}

static const char *reasons_text(const struct image *m, struct image_run run)
{
        return run.n ? image_bytes(m, run.at) : NULL;
}

void look_reports(struct store *s, void (*each)(void *ctx, const struct look_report *r), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_REPORTS); i++) {
                const struct image_report *r = image_report(m, i);
                const struct image_paper *p = image_paper(m, r->paper);
                struct look_report seen = {.office = image_text(m, p->office),
                                           .dataset = image_text(m, p->dataset),
                                           .period = image_text(m, r->period),
                                           .stream = image_stream(m, r->stream)->id,
                                           .turn = r->turn,
                                           .seq = r->seq,
                                           .hash = r->hash,
                                           .action = (enum action)r->action,
                                           .verdict = (enum verdict)r->verdict,
                                           .revision = r->revision,
                                           .rows = r->rows,
                                           .version = r->version,
                                           .closed = r->closed,
                                           .submitted_at = r->submitted_at,
                                           .received_at = r->received_at,
                                           .reasons = reasons_text(m, r->reasons),
                                           .flags = reasons_text(m, r->flags),
                                           .payload = (const uint8_t *)image_bytes(m, r->payload.at),
                                           .payload_n = r->payload.n};
                memcpy(seen.catalog, r->catalog, sizeof seen.catalog);
                each(ctx, &seen);
        }
}

void look_totals(struct store *s, void (*each)(void *ctx, const struct look_total *t), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_TOTALS); i++) {
                const struct image_total *t = image_total(m, i);
                each(ctx, &(struct look_total){image_text(m, t->indicator), image_text(m, t->region),
                                               t->period, t->cell, t->version});
        }
}

void look_marks(struct store *s, void (*each)(void *ctx, const struct look_mark *mark), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_STREAMS); i++) {
                const struct image_stream *w = image_stream(m, i);
                each(ctx, &(struct look_mark){image_text(m, w->office), w->id, w->turn, w->seq, w->hash});
        }
}

void look_signatures(struct store *s, void (*each)(void *ctx, const struct look_signature *g), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_SIGNATURES); i++) {
                const struct image_signature *g = image_signature(m, i);
                const struct image_stream *w = image_stream(m, g->stream);
                struct look_signature seen = {
                    .office = image_text(m, w->office), .stream = w->id, .seq = g->seq, .hash = g->hash};
                memcpy(seen.signature, g->signature, sizeof seen.signature);
                memcpy(seen.key, g->key, sizeof seen.key);
                each(ctx, &seen);
        }
}

void look_skips(struct store *s, void (*each)(void *ctx, const struct look_skip *k), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_SKIPS); i++) {
                const struct image_skip *k = image_skip(m, i);
                each(ctx, &(struct look_skip){image_text(m, k->office), k->stream, k->from, k->to, k->version,
                                              k->to_hash});
        }
}

void look_facts(struct store *s, void (*each)(void *ctx, const struct look_fact *f), void *ctx)
{
        const struct image *m = image_of(s);
        for (uint32_t i = 0; i < image_count(m, IMAGE_PAPERS); i++) {
                const struct image_paper *paper = image_paper(m, i);
                struct period p = {0};
                if (paper->facts_n)
                        POST(period_parse(image_text(m, paper->facts_period), &p));
                for (uint32_t k = 0; k < paper->facts_n; k++) {
                        const struct image_fact *f = image_fact(m, paper->facts_first + k);
                        each(ctx, &(struct look_fact){.office = image_text(m, paper->office),
                                                      .dataset = image_text(m, paper->dataset),
                                                      .region = image_text(m, f->region),
                                                      .indicator = image_text(m, f->indicator),
                                                      .period = period_id(p),
                                                      .value = f->value,
                                                      .revision = f->revision,
                                                      .qualifier = (enum qualifier)f->qualifier});
                }
        }
}

bool look_catalog(struct store *s, uint8_t digest[32])
{
        const struct image *m = image_of(s);
        const struct image_catalog *c = image_last_catalog(m);
        if (c)
                memcpy(digest, c->digest, sizeof c->digest);
        return c;
}

bool look_total(struct store *s, const char *indicator, const char *region, struct period p,
                struct cell *cell)
{
        const struct image *m = image_of(s);
        uint32_t i = image_find_word(m, indicator), r = image_find_word(m, region);
        uint32_t row = i == NO_ROW || r == NO_ROW ? NO_ROW : image_find_total(m, i, r, period_id(p));
        if (row != NO_ROW)
                *cell = image_total(m, row)->cell;
        return row != NO_ROW;
}
