/* keys: the folders of keys, made and changed on this machine (loop/keys.h does the work). */
#include "loop/keys.h"
#include "cli/catalog.h"
#include "cli/table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folder_otherwise[] = "keys";

static const char *folder(const struct cli *c, enum option_id id)
{
        return c->option[id] ? c->option[id] : folder_otherwise;
}

static int refused(const struct cli *c, const struct err *e)
{
        return cli_fail(c, "%s", "%s", e->text);
}

int command_keys_init(struct cli *c)
{
        struct err e;
        if (!cli_needs(c, OPTION_CATALOG) || !cli_needs(c, OPTION_OUT))
                return CLI_USAGE;
        struct catalog *catalog = catalog_open(c, c->option[OPTION_CATALOG]);
        const char **offices = catalog ? calloc(catalog->n_offices + 1, sizeof *offices) : NULL;
        if (!offices) {
                catalog_free(catalog);
                return CLI_FAILED;
        }
        for (uint32_t i = 0; i < catalog->n_offices; i++)
                offices[i] = catalog->offices[i].code;
        int status = CLI_DONE;
        if (keys_init(c->option[OPTION_OUT], offices, catalog->n_offices, &e) < 0)
                status = refused(c, &e);
        else
                fprintf(c->out,
                        cli_say(c, "%s: keys of the aggregator, the sink and %u offices\n",
                                "%s：已生成 aggregator、sink 和 %u 个填报单位的密钥\n"),
                        c->option[OPTION_OUT], catalog->n_offices);
        free(offices);
        catalog_free(catalog);
        return status;
}

int command_keys_new(struct cli *c)
{
        const char *office = c->option[OPTION_OFFICE], *out = folder(c, OPTION_OUT);
        struct err e;
        if (!cli_needs(c, OPTION_OFFICE))
                return CLI_USAGE;
        if (keys_new_office(out, office, &e) < 0)
                return refused(c, &e);
        fprintf(c->out,
                cli_say(c, "%s/office-%s: keys of the office; HQ takes %s/office-%s/%s.pub\n",
                        "%s/office-%s：该单位的密钥；交给自治区的是 %s/office-%s/%s.pub\n"),
                out, office, out, office, office);
        return CLI_DONE;
}

int command_keys_enrol(struct cli *c)
{
        struct err e;
        if (!cli_needs(c, OPTION_OFFICE))
                return CLI_USAGE;
        if (keys_enrol(folder(c, OPTION_KEYS), c->option[OPTION_OFFICE], c->operands[0], &e) < 0)
                return refused(c, &e);
        fprintf(c->out,
                cli_say(c, "office %s is enrolled; the aggregator and the sink take it at SIGHUP\n",
                        "填报单位 %s 已登记；aggregator 和 sink 收到 SIGHUP 后生效\n"),
                c->option[OPTION_OFFICE]);
        return CLI_DONE;
}

int command_keys_revoke(struct cli *c)
{
        struct err e;
        if (!cli_needs(c, OPTION_OFFICE))
                return CLI_USAGE;
        if (keys_revoke(folder(c, OPTION_KEYS), c->option[OPTION_OFFICE], &e) < 0)
                return refused(c, &e);
        fprintf(
            c->out,
            cli_say(c,
                    "the keys of office %s are revoked; the aggregator and the sink refuse them at SIGHUP\n",
                    "填报单位 %s 的密钥已吊销；aggregator 和 sink 收到 SIGHUP 后生效\n"),
            c->option[OPTION_OFFICE]);
        return CLI_DONE;
}

/* A process's folder, or the one that holds HQ's. */
static void find_process(const char *dir, char path[PATH_MAX])
{
        static const char *const inside[] = {"/aggregator", "/sink"};
        char key[PATH_MAX + 16];
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
                snprintf(path, PATH_MAX, "%s%s", dir, inside[i]);
                snprintf(key, sizeof key, "%s/curve.key", path);
                if (access(key, F_OK) == 0)
                        return;
        }
        snprintf(path, PATH_MAX, "%s", dir);
}

int command_keys_list(struct cli *c)
{
        static const struct table_column columns[] = {{"office", {"OFFICE", "填报单位"}, CELL_TEXT},
                                                      {"key", {"KEY", "密钥编号"}, CELL_TEXT},
                                                      {"curve", {"CURVE", "CURVE 公钥"}, CELL_PEOPLE},
                                                      {"sign", {"SIGN", "签名公钥"}, CELL_TEXT}};
        struct table t = {.columns = columns, .n_columns = sizeof columns / sizeof *columns};
        char path[PATH_MAX];
        struct keys keys = {0};
        enum table_format f;
        struct err e;
        if (!table_format_read(c, &f))
                return CLI_USAGE;
        find_process(folder(c, OPTION_KEYS), path);
        if (keys_load(path, &keys, &e) < 0)
                return refused(c, &e);
        for (size_t i = 0; i < keys.n_offices; i++) {
                const struct office_key *k = &keys.offices[i];
                struct text id = {0}, sign = {0};
                text_hex(&id, k->id, sizeof k->id);
                text_hex(&sign, k->sign, sizeof k->sign);
                table_cell(&t, k->office);
                table_cell(&t, text_c(&id));
                table_cell(&t, k->curve);
                table_cell(&t, text_c(&sign));
                text_close(&id);
                text_close(&sign);
        }
        int status = table_print(&t, c, f);
        table_close(&t);
        keys_close(&keys);
        return status;
}
