/* What a daemon answers, as `sumu` reads and shows it: the first byte chooses how. Whatever the bytes are, a
 * terminal is shown no control character. */
#include "fuzz/fuzz.h"

#include "cli/client.h"
#include "cli/table.h"

#include <string.h>

static const struct table_column columns[] = {
    {"a", {"A", "甲"}, CELL_TEXT},       {"b", {"B", "乙"}, CELL_NUMBER},
    {"q", {NULL, NULL}, CELL_QUALIFIER}, {"t", {"Time", "时间"}, CELL_TIME},
    {"r", {"R", "丙"}, CELL_CODES},      {"f", {"F", "丁"}, CELL_FLAG},
    {"o.x", {"Rare", "少"}, CELL_RARE},  {"n", {"Name", "名"}, CELL_PEOPLE},
};

static const char *name(void *ctx, const char *key, const json_t *row)
{
        (void)ctx;
        return json_text(row, key);
}

/* Lines and, between cells, spaces; nothing that moves a cursor. */
static void is_plain(const char *shown, size_t n)
{
        for (size_t i = 0; i < n; i++)
                MUST(shown[i] == '\n' || (unsigned char)shown[i] >= ' ');
}

static void show(const json_t *rows, uint8_t how)
{
        char *shown = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&shown, &n);
        struct cli c = {.out = out, .err = out, .lang = how & 1 ? LANG_ZH : LANG_EN, .terminal = how & 2};
        struct table t = {.columns = columns,
                          .n_columns = sizeof columns / sizeof *columns,
                          .zone = how & 4 ? "Asia/Shanghai" : NULL};
        enum table_format format = (enum table_format)((how >> 3) % 3);
        for (size_t i = 0; i < json_array_size(rows); i++)
                table_row(&t, json_array_get(rows, i), name, NULL);
        MUST(table_print(&t, &c, format) == CLI_DONE);
        table_close(&t);
        fclose(out);
        if (format == FORMAT_TABLE)
                is_plain(shown, n);
        free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct answer a = {.status = 200};
        if (!size)
                return 0;
        text_bytes(&a.body, data + 1, size - 1);
        json_t *json = answer_json(&a);
        if (json_is_array(json))
                show(json, data[0]);
        json_decref(json);
        answer_close(&a);
        return 0;
}
