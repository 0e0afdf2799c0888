/* libfyaml would print what it finds wrong; it is given a diagnostic object that collects, and every flag
 * that makes it touch a file or resolve an alias stays off. */
#include "core/sheet.h"

#include "base/check.h"
#include "core/csv.h"

#include <libfyaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct entry *sheet_at(const struct sheet *s, size_t row, size_t column)
{
        PRE(row < s->n && column < s->n_columns);
        return &s->v[row * s->n_columns + column];
}

void sheet_close(struct sheet *s)
{
        free(s->v);
        s->v = NULL;
        s->n = s->cap = 0;
}

/* One reading of one sheet. */
struct reading {
        struct sheet *sheet;
        struct arena *arena;
        struct faults *faults;
        bool broken;
        int32_t *columns; /* of a CSV: the sheet's column of each field, NONE_HERE: unknown */
        size_t n_fields;
};

enum { NONE_HERE = -1 };

static void say(struct reading *r, enum fault_code code, uint32_t line, const char *column, const char *a0,
                const char *a1)
{
        r->broken = true;
        faults_add(r->faults, code, r->sheet->file, line, column, a0, a1, NULL);
}

/* A row of empty entries; NULL: the sheet is full or memory is out, which is said. */
static struct entry *row_add(struct reading *r, uint32_t line)
{
        struct sheet *s = r->sheet;
        if (s->n == s->limit) {
                char limit[24];
                snprintf(limit, sizeof limit, "%zu", s->limit);
                say(r, FAULT_TOO_MANY, line, NULL, limit, NULL);
                return NULL;
        }
        if (s->n == s->cap) {
                size_t cap = s->cap ? s->cap * 2 : 64;
                struct entry *v = realloc(s->v, cap * s->n_columns * sizeof *v);
                if (!v) {
                        say(r, FAULT_MEMORY, line, NULL, NULL, NULL);
                        return NULL;
                }
                s->v = v;
                s->cap = cap;
        }
        struct entry *row = &s->v[s->n++ * s->n_columns];
        for (size_t i = 0; i < s->n_columns; i++)
                row[i] = (struct entry){.text = NULL, .line = line};
        return row;
}

static bool entry_set(struct reading *r, struct entry *e, const char *text, size_t n, uint32_t line)
{
        e->line = line;
        e->text = n ? arena_strndup(r->arena, text, n) : "";
        if (!e->text)
                say(r, FAULT_MEMORY, line, NULL, NULL, NULL);
        return e->text;
}

/* The sheet's column of that name, or NONE_HERE, which is said with the nearest. */
static int32_t column_find(struct reading *r, const char *name, uint32_t line)
{
        const struct sheet *s = r->sheet;
        struct text_nearest near = {.want = name};
        for (size_t i = 0; i < s->n_columns; i++) {
                if (strcmp(s->columns[i].name, name) == 0)
                        return (int32_t)i;
                text_nearest_try(&near, s->columns[i].name);
        }
        say(r, FAULT_UNKNOWN_COLUMN, line, name, name, near.best);
        return NONE_HERE;
}

static bool field_seen(const struct reading *r, size_t before, int32_t column)
{
        for (size_t i = 0; i < before; i++)
                if (r->columns[i] == column)
                        return true;
        return false;
}

static bool header_read(struct reading *r, const struct csv_record *record)
{
        r->columns = arena_alloc(r->arena, record->n * sizeof *r->columns);
        if (!r->columns) {
                say(r, FAULT_MEMORY, record->line, NULL, NULL, NULL);
                return false;
        }
        r->n_fields = record->n;
        bool whole = true;
        for (size_t i = 0; i < record->n; i++) {
                r->columns[i] = column_find(r, record->fields[i], record->line);
                if (r->columns[i] != NONE_HERE && field_seen(r, i, r->columns[i])) {
                        say(r, FAULT_DUPLICATE_COLUMN, record->line, record->fields[i], record->fields[i],
                            NULL);
                        whole = false;
                }
        }
        for (size_t i = 0; i < r->sheet->n_columns; i++) {
                const struct sheet_column *column = &r->sheet->columns[i];
                if (column->needed && !field_seen(r, record->n, (int32_t)i)) {
                        say(r, FAULT_MISSING_COLUMN, record->line, column->name, column->name, NULL);
                        whole = false;
                }
        }
        return whole; /* with a column missing or twice there every row would be at fault */
}

static bool record_read(void *reading, const struct csv_record *record)
{
        struct reading *r = reading;
        if (!r->columns)
                return header_read(r, record);
        if (record->n != r->n_fields) {
                char has[24], header[24];
                snprintf(has, sizeof has, "%zu", record->n);
                snprintf(header, sizeof header, "%zu", r->n_fields);
                say(r, FAULT_FIELD_COUNT, record->line, NULL, has, header);
                return true;
        }
        struct entry *row = row_add(r, record->line);
        if (!row)
                return false;
        for (size_t i = 0; i < record->n; i++) {
                int32_t column = r->columns[i];
                const char *text = record->fields[i];
                if (column != NONE_HERE && !entry_set(r, &row[column], text, strlen(text), record->line))
                        return false;
        }
        return true;
}

static void read_csv(struct reading *r, const char *bytes, size_t n)
{
        uint32_t line;
        enum csv_end end = csv_read(bytes, n, record_read, r, &line);
        if (end == CSV_BAD_MEMORY) {
                say(r, FAULT_MEMORY, line, NULL, NULL, NULL);
        } else if (end != CSV_FINE && end != CSV_STOPPED) {
                struct text both = {0};
                text_printf(&both, "%s\n%s", csv_sentence(end, LANG_EN), csv_sentence(end, LANG_ZH));
                r->faults->failed |= text_failed(&both);
                say(r, FAULT_CSV, line, NULL, text_c(&both), NULL);
                text_close(&both);
        } else if (!r->columns && end == CSV_FINE) {
                say(r, FAULT_EMPTY, 0, NULL, NULL, NULL);
        }
}

/* The line of a scalar, counted from 1; 0: unknown. */
static uint32_t node_line(struct fy_node *node)
{
        struct fy_token *token = node && fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;
        const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
        return mark && mark->line >= 0 ? (uint32_t)mark->line + 1 : 0;
}

static void needed_keys(struct reading *r, struct entry *row)
{
        for (size_t i = 0; i < r->sheet->n_columns; i++) {
                bool missing = !row[i].text && r->sheet->columns[i].needed;
                row[i].missing |= missing;
                if (missing)
                        say(r, FAULT_MISSING_COLUMN, row[i].line, NULL, r->sheet->columns[i].name, NULL);
        }
}

static bool pair_read(struct reading *r, struct entry *row, struct fy_node_pair *pair)
{
        struct fy_node *key = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
        uint32_t line = node_line(key);
        size_t n = 0;
        const char *name =
            key && fy_node_is_scalar(key) && !fy_node_is_alias(key) ? fy_node_get_scalar0(key) : NULL;
        if (!name) {
                say(r, FAULT_YAML_SHAPE, line, NULL, "a plain key\n普通的键名", NULL);
                return true;
        }
        int32_t column = column_find(r, name, line);
        if (column == NONE_HERE)
                return true;
        if (value && (!fy_node_is_scalar(value) || fy_node_is_alias(value))) {
                say(r, FAULT_YAML_SHAPE, line, name, "plain text\n普通文字", NULL);
                row[column].text = "";
                row[column].missing = true;
                return true;
        }
        const char *text = value ? fy_node_get_scalar(value, &n) : NULL;
        if (text && !text_is_utf8(text, n)) { /* "\0" and half a surrogate can be written in double quotes */
                say(r, FAULT_NOT_UTF8, line, name, NULL, NULL);
                text = NULL;
        }
        return entry_set(r, &row[column], text, text ? n : 0, line);
}

/* The line of a mapping is that of its first key. */
static bool mapping_read(struct reading *r, struct fy_node *map)
{
        void *at = NULL;
        struct fy_node_pair *pair = fy_node_mapping_iterate(map, &at);
        struct entry *row = row_add(r, pair ? node_line(fy_node_pair_key(pair)) : 0);
        if (!row)
                return false;
        for (; pair; pair = fy_node_mapping_iterate(map, &at))
                if (!pair_read(r, row, pair))
                        return false;
        needed_keys(r, row);
        return true;
}

static void list_read(struct reading *r, struct fy_node *list)
{
        void *at = NULL;
        for (struct fy_node *item; (item = fy_node_sequence_iterate(list, &at));) {
                if (!fy_node_is_mapping(item))
                        say(r, FAULT_YAML_SHAPE, node_line(item), NULL, "keys with values\n键和值", NULL);
                else if (!mapping_read(r, item))
                        return;
        }
}

static void tree_read(struct reading *r, enum sheet_form form, struct fy_node *root)
{
        if (!root)
                say(r, FAULT_EMPTY, 0, NULL, NULL, NULL);
        else if (form == SHEET_YAML_MAP && fy_node_is_mapping(root))
                mapping_read(r, root);
        else if (form == SHEET_YAML_LIST && fy_node_is_sequence(root))
                list_read(r, root);
        else
                say(r, FAULT_YAML_SHAPE, 1, NULL,
                    form == SHEET_YAML_MAP ? "keys with values\n键和值" : "a list\n列表（以 - 开头的各项）",
                    NULL);
}

static void discard(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
        (void)diag;
        (void)user;
        (void)buf;
        (void)len;
}

static void yaml_faults(struct reading *r, struct fy_diag *diag)
{
        void *at = NULL;
        size_t said = 0;
        for (const struct fy_diag_error *e; (e = fy_diag_errors_iterate(diag, &at)); said++)
                say(r, FAULT_YAML, e->line > 0 ? (uint32_t)e->line : 0, NULL, e->msg, NULL);
        if (!said)
                say(r, FAULT_YAML, 0, NULL, "not well formed\n格式有误", NULL);
}

/* The one document of a stream, or NULL with what is wrong said. */
static struct fy_document *load_document(struct reading *r, struct fy_parser *parser, struct fy_diag *diag)
{
        struct fy_document *doc = fy_parse_load_document(parser);
        struct fy_document *second = doc ? fy_parse_load_document(parser) : NULL;
        if (second) {
                fy_parse_document_destroy(parser, second);
                say(r, FAULT_YAML_SHAPE, 0, NULL, "one document, not two\n单个文档", NULL);
        } else if (!doc && !fy_diag_got_error(diag)) {
                say(r, FAULT_EMPTY, 0, NULL, NULL, NULL);
        } else if (fy_diag_got_error(diag)) {
                yaml_faults(r, diag);
        } else {
                return doc;
        }
        fy_parse_document_destroy(parser, doc);
        return NULL;
}

static void read_yaml(struct reading *r, enum sheet_form form, const char *bytes, size_t n)
{
        struct fy_diag_cfg quiet = {
            .output_fn = discard, .level = FYET_ERROR, .module_mask = (1u << FYEM_MAX) - 1};
        struct fy_diag *diag = fy_diag_create(&quiet);
        struct fy_parse_cfg cfg = {
            .search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag};
        struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;
        if (!parser || fy_parser_set_string(parser, bytes, n) != 0) {
                say(r, FAULT_MEMORY, 0, NULL, NULL, NULL);
        } else {
                fy_diag_set_collect_errors(diag, true);
                struct fy_document *doc = load_document(r, parser, diag);
                if (doc)
                        tree_read(r, form, fy_document_root(doc));
                fy_parse_document_destroy(parser, doc);
        }
        fy_parser_destroy(parser);
        fy_diag_destroy(diag);
}

/* What was not given reads as empty from here on. */
static void fill(struct sheet *s)
{
        for (size_t i = 0; i < s->n * s->n_columns; i++)
                if (!s->v[i].text)
                        s->v[i].text = "";
}

void sheet_read(struct sheet *s, enum sheet_form form, const char *bytes, size_t n, struct arena *a,
                struct faults *f)
{
        struct reading r = {.sheet = s, .arena = a, .faults = f};
        if (!text_is_utf8(bytes, n))
                say(&r, FAULT_NOT_UTF8, 0, NULL, NULL, NULL);
        else if (form == SHEET_CSV)
                read_csv(&r, bytes, n);
        else
                read_yaml(&r, form, bytes, n);
        fill(s);
        s->fine = !r.broken;
}
