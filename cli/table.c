/* Widths are looked up here rather than by wcwidth, which follows the installed locales: a container has
 * none. */
#include "cli/table.h"

#include "base/check.h"
#include "loop/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- width */

/* Two columns wide: CJK, kana, hangul, full-width forms, their punctuation, and pictures. */
static bool is_wide(uint32_t cp)
{
        static const uint32_t ranges[][2] = {
            {0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
            {0xa000, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
            {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
                if (cp >= ranges[i][0] && cp <= ranges[i][1])
                        return true;
        return false;
}

/* Written over the character before: combining marks, joiners, variation selectors (Mongolian ones too). */
static bool is_mark(uint32_t cp)
{
        static const uint32_t ranges[][2] = {{0x300, 0x36f},   {0x180b, 0x180f}, {0x200b, 0x200f},
                                             {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
                if (cp >= ranges[i][0] && cp <= ranges[i][1])
                        return true;
        return false;
}

size_t text_width(const char *s)
{
        size_t width = 0;
        for (const char *end = s + strlen(s); s < end;) {
                uint32_t cp = 0xfffd;
                size_t used = text_utf8_next(s, end, &cp);
                s += used ? used : 1;
                width += is_wide(cp) ? 2 : is_mark(cp) ? 0 : 1;
        }
        return width;
}

/* ---- filling */

bool table_format_read(const struct cli *c, enum table_format *f)
{
        static const char *const words[] = {
            [FORMAT_TABLE] = "table", [FORMAT_CSV] = "csv", [FORMAT_JSON] = "json"};
        const char *text = c->option[OPTION_FORMAT];
        *f = FORMAT_TABLE;
        for (int i = FORMAT_TABLE; text && i <= FORMAT_JSON; i++)
                if (strcmp(text, words[i]) == 0) {
                        *f = (enum table_format)i;
                        return true;
                }
        if (text)
                cli_misuse(c, "--format is table, csv or json, not \"%s\"",
                           "--format 应为 table、csv 或 json，而不是“%s”", text);
        return !text;
}

void table_cell(struct table *t, const char *text)
{
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 64;
                const char **cells = realloc(t->cells, cap * sizeof *cells);
                if (!cells) {
                        t->failed = true;
                        return;
                }
                t->cells = cells;
                t->cap = cap;
        }
        const char *copy = text ? arena_strdup(&t->arena, text) : NULL;
        t->failed |= text && !copy;
        t->cells[t->n++] = copy;
}

void table_cell_number(struct table *t, int64_t n)
{
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)n);
        table_cell(t, digits);
}

static const json_t *member(const json_t *row, const char *key)
{
        const char *dot = strchr(key, '.');
        char first[32];
        if (!dot)
                return json_object_get(row, key);
        PRE((size_t)(dot - key) < sizeof first);
        snprintf(first, sizeof first, "%.*s", (int)(dot - key), key);
        return member(json_object_get(row, first), dot + 1);
}

static void codes_cell(struct table *t, const json_t *list)
{
        struct text codes = {0};
        for (size_t i = 0; i < json_array_size(list); i++) {
                const char *code = json_string_value(json_object_get(json_array_get(list, i), "code"));
                if (code && !strstr(text_c(&codes), code))
                        text_printf(&codes, "%s%s", codes.n ? ";" : "", code);
        }
        table_cell(t, codes.n ? text_c(&codes) : NULL);
        text_close(&codes);
}

void table_row(struct table *t, const json_t *row, table_name_fn *name, void *ctx)
{
        for (size_t i = 0; i < t->n_columns; i++) {
                const struct table_column *k = &t->columns[i];
                const json_t *v = member(row, k->key);
                if (k->cell == CELL_PEOPLE)
                        table_cell(t, name ? name(ctx, k->key, row) : NULL);
                else if (k->cell == CELL_CODES)
                        codes_cell(t, v);
                else if (json_is_integer(v))
                        table_cell_number(t, json_integer_value(v));
                else if (json_is_boolean(v))
                        table_cell(t, json_is_true(v) ? "true" : "false");
                else
                        table_cell(t, json_string_value(v));
        }
}

void table_close(struct table *t)
{
        free(t->cells);
        arena_close(&t->arena);
        *t = (struct table){0};
}

/* ---- CSV */

static void print_csv_row(const struct table *t, const char *const *cells, struct text *out)
{
        const char *comma = "";
        for (size_t i = 0; i < t->n_columns; i++) {
                if (t->columns[i].cell == CELL_PEOPLE)
                        continue;
                text_add(out, comma);
                comma = ",";
                const char *cell = cells ? cells[i] : strrchr(t->columns[i].key, '.');
                if (!cells)
                        cell = cell ? cell + 1 : t->columns[i].key;
                text_csv(out, cell ? cell : "", cells && t->columns[i].cell != CELL_NUMBER);
        }
        text_add(out, "\r\n");
}

/* ---- JSON */

static void print_json_cell(const struct table_column *k, const char *cell, struct text *out)
{
        text_json(out, k->key);
        text_char(out, ':');
        if (cell && (k->cell == CELL_NUMBER || k->cell == CELL_FLAG))
                text_add(out, cell);
        else
                text_json(out, cell);
}

/* A row, or with NULL what stands before the first. */
static void print_json_row(const struct table *t, const char *const *cells, bool last, struct text *out)
{
        const char *comma = "{";
        if (!cells)
                text_char(out, '[');
        for (size_t i = 0; cells && i < t->n_columns; i++) {
                text_add(out, comma);
                comma = ",";
                print_json_cell(&t->columns[i], cells[i], out);
        }
        text_add(out, !cells ? (last ? "]\n" : "\n") : last ? "}]\n" : "},\n");
}

/* ---- for people */

static void grouped(const char *digits, struct text *out)
{
        size_t whole = strspn(*digits == '-' ? digits + 1 : digits, "0123456789");
        if (*digits == '-')
                text_char(out, *digits++);
        for (size_t i = 0; i < whole; i++) {
                if (i && (whole - i) % 3 == 0)
                        text_char(out, ',');
                text_char(out, digits[i]);
        }
        text_add(out, digits + whole);
}

/* 2023-09-20T01:02:03.004Z as 2023-09-20 09:02:03 where the zone is known. */
static void local_time(const char *rfc3339, const char *zone, struct text *out)
{
        int64_t us;
        char local[CLOCK_TEXT];
        if (!zone || !clock_parse(rfc3339, &us)) {
                cli_plain(out, rfc3339);
                return;
        }
        clock_rfc3339(clock_civil_s(us, zone) * 1000000, local);
        text_printf(out, "%.10s %.8s", local, local + 11);
}

static const char *sign_of(const char *qualifier)
{
        return !qualifier                           ? ""
               : strcmp(qualifier, "at_least") == 0 ? "≥"
               : strcmp(qualifier, "about") == 0    ? "≈"
                                                    : "";
}

static void figure(const struct cli *c, const char *qualifier, const char *digits, struct text *out)
{
        struct text plain = {0};
        cli_plain(&plain, digits); /* where a number should be, there may be anything */
        text_add(out, sign_of(qualifier));
        if (c->terminal)
                grouped(text_c(&plain), out);
        else
                text_add(out, text_c(&plain));
        text_close(&plain);
}

void table_figure(const struct cli *c, const char *qualifier, const json_t *value, struct text *out)
{
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        if (json_is_integer(value))
                figure(c, qualifier, digits, out);
        else if (json_is_string(value))
                figure(c, qualifier, json_string_value(value), out);
        else
                text_char(out, '-');
}

/* Without anything to show in it the column is left out. */
static bool may_vanish(enum cell cell)
{
        return cell == CELL_FLAG || cell == CELL_RARE || cell == CELL_PEOPLE || cell == CELL_CODES;
}

/* The cell as it is seen by people. */
static void show(const struct table *t, const char *const *cells, size_t i, const struct cli *c,
                 struct text *out)
{
        const char *cell = cells[i];
        enum cell kind = t->columns[i].cell;
        text_clear(out);
        if (kind == CELL_FLAG)
                cell = cell && strcmp(cell, "true") == 0 ? cli_say(c, "yes", "是") : NULL;
        if (!cell) {
                text_char(out, may_vanish(kind) ? ' ' : '-');
                return;
        }
        switch (kind) {
        case CELL_NUMBER:
                figure(c,
                       i + 1 < t->n_columns && t->columns[i + 1].cell == CELL_QUALIFIER ? cells[i + 1] : NULL,
                       cell, out);
                break;
        case CELL_TIME: local_time(cell, t->zone, out); break;
        default: cli_plain(out, cell);
        }
}

static void pad(struct text *out, size_t n)
{
        while (n--)
                text_char(out, ' ');
}

static void print_line(const struct table *t, const char *const *cells, const size_t *widths,
                       const struct cli *c, struct text *out)
{
        struct text cell = {0};
        size_t spaces = 0; /* owed before the next cell: none at the end of a line */
        for (size_t i = 0; i < t->n_columns; i++) {
                if (widths[i] == 0)
                        continue;
                if (cells) {
                        show(t, cells, i, c, &cell);
                } else {
                        text_clear(&cell);
                        text_add(&cell, t->columns[i].head[c->lang]);
                }
                size_t left = widths[i] - text_width(text_c(&cell));
                bool right = t->columns[i].cell == CELL_NUMBER;
                pad(out, spaces + (right ? left : 0));
                text_add(out, text_c(&cell));
                spaces = 2 + (right ? 0 : left);
        }
        text_char(out, '\n');
        text_close(&cell);
}

/* The widths of the columns people see, 0 of the others. */
static bool measure(const struct table *t, const struct cli *c, size_t *widths)
{
        struct text cell = {0};
        for (size_t i = 0; i < t->n_columns; i++)
                if (t->columns[i].cell != CELL_QUALIFIER && !may_vanish(t->columns[i].cell))
                        widths[i] = text_width(t->columns[i].head[c->lang]);
        for (size_t k = 0; k < t->n; k++) {
                size_t i = k % t->n_columns;
                if (t->columns[i].cell == CELL_QUALIFIER)
                        continue;
                show(t, t->cells + (k - i), i, c, &cell);
                if (widths[i] == 0 && strcmp(text_c(&cell), " ") != 0)
                        widths[i] = text_width(t->columns[i].head[c->lang]);
                size_t width = text_width(text_c(&cell));
                if (widths[i] && width > widths[i])
                        widths[i] = width;
        }
        bool fine = !text_failed(&cell);
        text_close(&cell);
        return fine;
}

int table_print(const struct table *t, const struct cli *c, enum table_format f)
{
        PRE(t->failed || t->n % t->n_columns == 0);
        size_t *widths = calloc(t->n_columns, sizeof *widths);
        struct text out = {0};
        bool fine = widths && !t->failed;
        if (fine && f == FORMAT_TABLE)
                fine = measure(t, c, widths);
        for (size_t at = 0; fine && at <= t->n; at += t->n_columns) {
                const char *const *cells = at ? t->cells + at - t->n_columns : NULL; /* first the header */
                text_clear(&out);
                if (f == FORMAT_CSV)
                        print_csv_row(t, cells, &out);
                else if (f == FORMAT_JSON)
                        print_json_row(t, cells, at == t->n, &out);
                else
                        print_line(t, cells, widths, c, &out);
                fine = !text_failed(&out);
                fwrite(text_c(&out), 1, out.n, c->out);
        }
        free(widths);
        text_close(&out);
        return fine ? CLI_DONE : cli_fail(c, "out of memory", "内存不足");
}
