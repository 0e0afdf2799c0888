#include "cli/catalog.h"

#include "loop/catalog_load.h"
#include "loop/clock.h"

#include <string.h>

static struct catalog *load(const struct cli *c, const char *dir, bool warnings)
{
        struct faults faults = {0};
        struct text lines = {0};
        struct err e = {0};
        struct catalog *catalog = catalog_load(dir, &faults, &e);
        if (!catalog && e.code)
                cli_fail(c, "%s", "%s", e.text);
        if (catalog && !clock_zone_known(catalog->timezone))
                faults_add(&faults, FAULT_NOT_A_ZONE, "catalog.yaml", 0, "timezone", catalog->timezone, NULL,
                           NULL);
        if (warnings || faults.errors)
                faults_lines(&faults, dir, c->lang, &lines);
        fputs(text_c(&lines), c->err);
        if (faults.errors) {
                catalog_free(catalog);
                catalog = NULL;
        }
        text_close(&lines);
        faults_close(&faults);
        return catalog;
}

struct catalog *catalog_open(const struct cli *c, const char *dir)
{
        return load(c, dir, false);
}

int command_catalog_check(struct cli *c)
{
        const char *dir = c->operands[0];
        struct catalog *catalog = load(c, dir, true);
        if (!catalog)
                return CLI_FAILED;
        struct text digest = {0};
        text_hex(&digest, catalog->digest, sizeof catalog->digest);
        fprintf(
            c->out,
            cli_say(c,
                    "%s: fine: %u regions, %u datasets, %u indicators, %u offices, %u rules; version %s, "
                    "digest %.16s\n",
                    "%s：没有问题：地区 %u，数据集 %u，指标 %u，填报单位 %u，规则 %u；版本 %s，摘要 %.16s\n"),
            dir, catalog->n_regions, catalog->n_datasets, catalog->n_indicators, catalog->n_offices,
            catalog->n_rules, catalog->version, text_c(&digest));
        text_close(&digest);
        catalog_free(catalog);
        return CLI_DONE;
}
