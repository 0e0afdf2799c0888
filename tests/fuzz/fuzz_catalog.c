/* A catalogue from hostile bytes: as a pack, and as six files cut at 0x1e. Whatever is accepted is looked
 * through. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "core/catalog.h"

static void look_through(const struct catalog *c)
{
        bool own;
        for (uint32_t i = 0; i < c->n_regions; i++) {
                const struct region *r = &c->regions[i];
                MUST(r->parent == NONE ? i == 0 : (uint32_t)r->parent < i);
                MUST(catalog_region(c, r->code, NONE, &own) == (int32_t)i && !own);
                catalog_region(c, r->name_zh, c->n_offices ? 0 : NONE, &own);
        }
        for (uint32_t i = 0; i < c->n_indicators; i++)
                MUST(catalog_indicator(c, NONE, c->indicators[i].name) == (int32_t)i);
        catalog_near_region(c, "东河", NONE);
}

static void judge(struct catalog *c, struct faults *faults)
{
        MUST((c == NULL) == (faults->errors > 0));
        if (c) {
                look_through(c);
                struct catalog *again = catalog_unpack(c->pack.v, c->pack.n, faults);
                MUST(again && memcmp(again->digest, c->digest, CATALOG_DIGEST) == 0);
                catalog_free(again);
        }
        catalog_free(c);
        faults_close(faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        static const char *const names[] = {"catalog.yaml",  "regions.csv", "indicators.csv",
                                            "datasets.yaml", "offices.csv", "rules.csv"};
        enum { FILES = sizeof names / sizeof *names };
        struct catalog_file files[FILES] = {0};
        const char *at = (const char *)data, *end = at + n;
        size_t used = 0;
        for (; used < FILES && at <= end; used++) {
                const char *cut = memchr(at, 0x1e, (size_t)(end - at));
                files[used] = (struct catalog_file){names[used], at, (size_t)((cut ? cut : end) - at)};
                at = cut ? cut + 1 : end + 1;
        }
        struct faults faults = {0};
        judge(catalog_parse(files, used, &faults), &faults);
        judge(catalog_unpack(data, n, &faults), &faults);
        return 0;
}
