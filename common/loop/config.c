/* The document is walked once against the table; libfyaml gives positions, the table gives meaning. Duplicate
 * keys are let through by the library and found here, so that they are named in the reader's language and the
 * walk goes on. */
#include "loop/config.h"

#include "base/arena.h"
#include "base/check.h"
#include "loop/files.h"

#include <ctype.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { PATH_ROOM = 256, VARIABLE_ROOM = 128 };

struct slot {
        const char *text;
        const char *const *list;
        size_t n_list;
        uint64_t number;
        bool in_file, given; /* named there; with a value, right or wrong */
};

struct config {
        const struct config_key *table;
        struct slot *slots; /* one for each row of the table */
        size_t n;
        struct arena arena;
};

enum fault_kind {
#define CONFIG_FAULT(name, en, zh) name,
#include "loop/config_faults.def"
#undef CONFIG_FAULT
};

static const char *const sentences[][2] = {
#define CONFIG_FAULT(name, en, zh) [name] = {[LANG_EN] = en, [LANG_ZH] = zh},
#include "loop/config_faults.def"
#undef CONFIG_FAULT
};

/* One reading: what is being built, where its faults go, and which place they are about. */
struct reading {
        struct config *c;
        struct text *faults;
        enum lang lang;
        const char *name; /* of the file; in the environment of the variable */
        int line, column; /* from 1; line 0: the file as a whole */
};

/* {0} {1} {2} stand for the arguments. Numbered conversions of printf will not do: a fortified libc stops the
 * program at a sentence that leaves one out. */
static void fill(const char *sentence, const char *const args[3], struct text *out)
{
        for (const char *p = sentence; *p; p++) {
                bool slot = p[0] == '{' && p[1] >= '0' && p[1] <= '2' && p[2] == '}';
                if (!slot) {
                        text_char(out, *p);
                        continue;
                }
                const char *arg = args[p[1] - '0'];
                text_add(out, arg ? arg : "");
                p += 2;
        }
}

static void fault(struct reading *r, enum fault_kind kind, const char *key, const char *written,
                  const char *advice)
{
        text_add(r->faults, r->name);
        if (r->line)
                text_printf(r->faults, ":%d:%d", r->line, r->column);
        text_add(r->faults, ": ");
        fill(sentences[kind][r->lang], (const char *const[]){key, written, advice}, r->faults);
        text_char(r->faults, '\n');
}

/* Types */

/* Decimal digits from *p on; false if there are none or too many. */
static bool read_digits(const char **p, uint64_t *v)
{
        const char *begin = *p;
        *v = 0;
        for (; isdigit((unsigned char)**p); (*p)++)
                if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, (uint64_t)(**p - '0'), v))
                        return false;
        return *p > begin;
}

static bool is_count(const char *s, uint64_t *v)
{
        return read_digits(&s, v) && *s == '\0' && *v <= INT64_MAX;
}

static bool is_size(const char *s, uint64_t *v)
{
        static const struct {
                const char *unit;
                unsigned shift;
        } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
        if (!read_digits(&s, v))
                return false;
        s += *s == ' ';
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                if (strcmp(s, units[i].unit) == 0)
                        return !__builtin_mul_overflow(*v, (uint64_t)1 << units[i].shift, v) &&
                               *v <= INT64_MAX;
        return false;
}

/* HOST:PORT; `any` allows * for both. */
static bool is_address(const char *s, bool any)
{
        const char *colon = strrchr(s, ':');
        if (!colon || colon == s)
                return false;
        size_t n = (size_t)(colon - s);
        bool brackets = s[0] == '[' && s[n - 1] == ']';
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)s[i]) && !strchr(brackets ? "[]:.%" : any ? ".-_*" : ".-_", s[i]))
                        return false;
        uint64_t port;
        return (any && strcmp(colon, ":*") == 0) || (is_count(colon + 1, &port) && port <= UINT16_MAX);
}

static bool is_endpoint(const char *s)
{
        if (strncmp(s, "ipc://", 6) == 0)
                return s[6] && strlen(s + 6) < sizeof((struct sockaddr_un *)0)->sun_path;
        return strncmp(s, "tcp://", 6) == 0 && is_address(s + 6, true);
}

static bool is_choice(const char *s, const char *choices)
{
        size_t n = strlen(s);
        for (const char *p = choices; *p; p += strcspn(p, " "), p += *p == ' ')
                if (strcspn(p, " ") == n && strncmp(p, s, n) == 0)
                        return true;
        return false;
}

static bool check_type(struct reading *r, const struct config_key *k, struct slot *slot)
{
        static const enum fault_kind kinds[] = {[CONFIG_ENDPOINT] = NOT_AN_ENDPOINT,
                                                [CONFIG_ADDRESS] = NOT_AN_ADDRESS,
                                                [CONFIG_SIZE] = NOT_A_SIZE,
                                                [CONFIG_COUNT] = NOT_A_COUNT,
                                                [CONFIG_CHOICE] = NOT_A_CHOICE};
        bool fits = true;
        switch (k->type) {
        case CONFIG_TEXT:
        case CONFIG_PATH:
        case CONFIG_LIST: break;
        case CONFIG_ENDPOINT: fits = is_endpoint(slot->text); break;
        case CONFIG_ADDRESS: fits = is_address(slot->text, false); break;
        case CONFIG_SIZE: fits = is_size(slot->text, &slot->number); break;
        case CONFIG_COUNT: fits = is_count(slot->text, &slot->number); break;
        case CONFIG_CHOICE: fits = is_choice(slot->text, k->choices); break;
        }
        if (!fits)
                fault(r, kinds[k->type], k->path, slot->text, k->choices);
        return fits;
}

/* The table */

static const struct config_key *find_key(const struct config *c, const char *path)
{
        for (const struct config_key *k = c->table; k->path; k++)
                if (strcmp(k->path, path) == 0)
                        return k;
        return NULL;
}

/* Does `path` stand directly below `group` ("" is the top)? Then the text after the group's dot. */
static const char *below(const char *path, const char *group)
{
        size_t n = strlen(group);
        if (n == 0)
                return path;
        return strncmp(path, group, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

static bool is_group(const struct config *c, const char *path)
{
        for (const struct config_key *k = c->table; k->path; k++)
                if (below(k->path, path))
                        return true;
        return false;
}

static void fault_not_a_group(struct reading *r, const char *group)
{
        struct text keys = {0};
        for (const struct config_key *k = r->c->table; k->path; k++) {
                const char *key = below(k->path, group);
                if (key)
                        text_printf(&keys, "%s%s", keys.n ? ", " : "", key);
        }
        fault(r, NOT_A_GROUP, group, NULL, text_c(&keys));
        text_close(&keys);
}

/* The nearest of the group's keys; else a key of that very name that stands elsewhere. */
static void fault_unknown(struct reading *r, const char *group, const char *path, const char *key)
{
        struct text_nearest near = {.want = key};
        for (const struct config_key *k = r->c->table; k->path; k++) {
                const char *rest = below(k->path, group);
                const char *one = rest ? arena_strndup(&r->c->arena, rest, strcspn(rest, ".")) : NULL;
                if (one)
                        text_nearest_try(&near, one);
        }
        for (const struct config_key *k = r->c->table; k->path && !near.best; k++) {
                const char *dot = strrchr(k->path, '.');
                if (strcmp(dot ? dot + 1 : k->path, key) == 0)
                        near.best = k->path;
        }
        fault(r, near.best ? UNKNOWN_NEAR : UNKNOWN, path, NULL, near.best);
}

static struct slot *slot_of(const struct config *c, const struct config_key *k)
{
        return &c->slots[k - c->table];
}

/* The file */

static void stand_at(struct reading *r, struct fy_node *node)
{
        struct fy_token *token = node ? fy_node_get_scalar_token(node) : NULL;
        const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
        if (mark) {
                r->line = mark->line + 1;
                r->column = mark->column + 1;
        }
}

/* The node's text as written; NULL if it is no scalar. A node that is not there reads as "". */
static const char *scalar(struct reading *r, struct fy_node *node)
{
        size_t n = 0;
        if (!node)
                return "";
        if (!fy_node_is_scalar(node) || fy_node_is_alias(node))
                return NULL;
        const char *s = fy_node_get_scalar(node, &n);
        if (!s)
                return "";
        return memchr(s, '\0', n) ? NULL : arena_strndup(&r->c->arena, s, n);
}

static void take_list(struct reading *r, const struct config_key *k, struct fy_node *node)
{
        void *at = NULL;
        size_t n = 0;
        const char **list =
            arena_alloc(&r->c->arena, (size_t)fy_node_sequence_item_count(node) * sizeof *list);
        for (struct fy_node *item; list && (item = fy_node_sequence_iterate(node, &at));) {
                stand_at(r, item);
                list[n] = scalar(r, item);
                if (list[n])
                        n++;
                else
                        fault(r, NOT_ONE_VALUE, k->path, NULL, NULL);
        }
        slot_of(r->c, k)->list = list;
        slot_of(r->c, k)->n_list = n;
}

static void take_value(struct reading *r, const struct config_key *k, struct fy_node *node)
{
        struct slot *slot = slot_of(r->c, k);
        const char *s = scalar(r, node);
        if (slot->in_file) {
                fault(r, TWICE, k->path, NULL, NULL);
                return;
        }
        slot->in_file = true;
        stand_at(r, node);
        slot->given = !s || *s;
        if (!slot->given)
                return;
        if (node && fy_node_is_alias(node)) {
                fault(r, ALIAS, k->path, NULL, NULL);
        } else if (k->type == CONFIG_LIST) {
                if (node && fy_node_is_sequence(node))
                        take_list(r, k, node);
                else
                        fault(r, NOT_A_LIST, k->path, NULL, NULL);
        } else if (!s) {
                fault(r, NOT_ONE_VALUE, k->path, NULL, NULL);
        } else {
                slot->text = s;
                check_type(r, k, slot);
        }
}

static void walk(struct reading *r, const char *group, struct fy_node *mapping);

static void take_pair(struct reading *r, const char *group, const char *key, struct fy_node *node)
{
        char path[PATH_ROOM];
        snprintf(path, sizeof path, "%s%s%s", group, *group ? "." : "", key);
        const struct config_key *k = strchr(key, '.') ? NULL : find_key(r->c, path);
        if (k) {
                take_value(r, k, node);
        } else if (!is_group(r->c, path)) {
                fault_unknown(r, group, path, key);
        } else if (node && fy_node_is_mapping(node)) {
                walk(r, path, node);
        } else {
                const char *s = scalar(r, node);
                if (!s || *s)
                        fault_not_a_group(r, path);
        }
}

/* As deep as the table is, no deeper. */
static void walk(struct reading *r, const char *group, struct fy_node *mapping)
{
        void *at = NULL;
        for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(mapping, &at));) {
                struct fy_node *name = fy_node_pair_key(pair);
                stand_at(r, name);
                const char *key = scalar(r, name);
                if (key && *key)
                        take_pair(r, group, key, fy_node_pair_value(pair));
                else
                        fault(r, NOT_KEYS, NULL, NULL, NULL);
        }
}

static bool is_text_file(struct reading *r, const char *bytes, size_t n)
{
        const char *p = bytes, *end = bytes + n, *line = bytes;
        uint32_t cp = 0;
        r->line = 1;
        for (size_t used; p < end && (used = text_utf8_next(p, end, &cp)) > 0 && cp != 0; p += used)
                if (cp == '\n') {
                        r->line++;
                        line = p + 1;
                }
        if (p == end)
                return true;
        r->column = (int)(p - line) + 1;
        fault(r, NOT_UTF8, NULL, NULL, NULL);
        return false;
}

static void be_silent(struct fy_diag *diag, void *user, const char *buf, size_t n)
{
        (void)diag, (void)user, (void)buf, (void)n;
}

static void report_syntax(struct reading *r, struct fy_diag *diag)
{
        void *at = NULL;
        for (struct fy_diag_error *one; (one = fy_diag_errors_iterate(diag, &at));) {
                r->line = one->line;
                r->column = one->column;
                fault(r, SYNTAX, NULL, one->msg, NULL);
        }
}

/* A file of nothing but comments is an empty one. */
static bool only_blank(struct reading *r, struct fy_node *root)
{
        const char *s = scalar(r, root);
        return s && !*s;
}

/* Answers whether there was a document, if only an empty one, to be walked. */
static bool read_document(struct reading *r, struct fy_parser *parser, struct fy_diag *diag)
{
        struct fy_document *d = fy_parse_load_document(parser), *next = NULL;
        struct fy_node *root = d ? fy_document_root(d) : NULL;
        size_t before = r->faults->n;
        r->line = r->column = 1;
        if (root && fy_node_is_mapping(root))
                walk(r, "", root);
        else if (!only_blank(r, root))
                fault(r, NOT_KEYS, NULL, NULL, NULL);
        if (d && !fy_parser_get_stream_error(parser))
                next = fy_parse_load_document(parser);
        report_syntax(r, diag);
        r->line = 0;
        if (next)
                fault(r, ANOTHER, NULL, NULL, NULL);
        else if (fy_parser_get_stream_error(parser) && r->faults->n == before)
                fault(r, SYNTAX, NULL, "?", NULL);
        bool walked = d || !fy_parser_get_stream_error(parser);
        fy_parse_document_destroy(parser, next);
        fy_parse_document_destroy(parser, d);
        return walked;
}

static bool read_file(struct reading *r, const char *bytes, size_t n)
{
        bool walked = false;
        if (!is_text_file(r, bytes, n))
                return false;
        struct fy_diag_cfg silent;
        fy_diag_cfg_default(&silent);
        silent.fp = NULL;
        silent.output_fn = be_silent;
        struct fy_diag *diag = fy_diag_create(&silent);
        fy_diag_set_collect_errors(diag, true);
        struct fy_parse_cfg cfg = {.flags = FYPCF_JSON_NONE | FYPCF_ALLOW_DUPLICATE_KEYS, .diag = diag};
        struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;
        if (parser && fy_parser_set_string(parser, bytes, n) == 0)
                walked = read_document(r, parser, diag);
        else
                fault(r, SYNTAX, NULL, "out of memory", NULL);
        if (parser)
                fy_parser_destroy(parser);
        fy_diag_destroy(diag);
        return walked;
}

/* The environment, the defaults and what is missing */

void config_variable(const char *path, char *room, size_t n)
{
        snprintf(room, n, "SUMU_%s", path);
        for (char *p = room; *p; p++)
                *p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
}

static void split_list(struct config *c, struct slot *slot, char *s)
{
        size_t most = 1;
        for (const char *p = s; *p; p++)
                most += *p == ',';
        const char **list = arena_alloc(&c->arena, most * sizeof *list);
        slot->n_list = 0;
        for (char *one; list && s && (one = strsep(&s, ","));)
                if (*one)
                        list[slot->n_list++] = one;
        slot->list = list;
}

static void read_variable(struct reading *r, const struct config_key *k)
{
        char name[VARIABLE_ROOM];
        config_variable(k->path, name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value)
                return;
        struct reading here = *r;
        struct slot *slot = slot_of(r->c, k);
        char *copy = arena_strdup(&r->c->arena, value);
        here.name = name;
        here.line = 0;
        if (!copy)
                return;
        slot->text = copy;
        slot->given = true;
        if (k->type == CONFIG_LIST)
                split_list(r->c, slot, copy);
        else
                check_type(&here, k, slot);
}

/* A default that does not fit its own row is our mistake. */
static void fill_default(struct reading *r, const struct config_key *k)
{
        struct slot *slot = slot_of(r->c, k);
        char name[VARIABLE_ROOM];
        if (slot->given)
                return;
        slot->text = k->otherwise;
        if (slot->text) {
                bool fits = check_type(r, k, slot);
                PRE(fits);
        } else if (k->required) {
                config_variable(k->path, name, sizeof name);
                fault(r, MISSING, k->path, NULL, name);
        }
}

static struct config *config_new(const struct config_key *table)
{
        struct config *c = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        c->table = table;
        while (table[c->n].path)
                c->n++;
        c->slots = calloc(c->n ? c->n : 1, sizeof *c->slots);
        if (c->slots)
                return c;
        free(c);
        return NULL;
}

struct config *config_parse(const char *name, const char *bytes, size_t n, const struct config_key *table,
                            enum lang lang, struct text *faults)
{
        size_t before = faults->n;
        struct config *c = config_new(table);
        if (!c) {
                text_printf(faults, "%s: out of memory\n", name);
                return NULL;
        }
        struct reading r = {.c = c, .faults = faults, .lang = lang, .name = name};
        bool walked = n == 0 || read_file(&r, bytes, n);
        r.line = 0;
        for (const struct config_key *k = table; k->path; k++) {
                read_variable(&r, k);
                if (walked) /* of a file that cannot be read nobody knows what is missing */
                        fill_default(&r, k);
        }
        if (c->arena.ran_out)
                text_printf(faults, "%s: out of memory\n", name);
        if (faults->n == before && !text_failed(faults))
                return c;
        config_free(c);
        return NULL;
}

struct config *config_read(const char *file, const struct config_key *table, enum lang lang,
                           struct text *faults)
{
        struct text bytes = {0};
        struct config *c = NULL;
        struct err e;
        if (file && file_read(file, CONFIG_BYTES, &bytes, &e) < 0)
                text_printf(faults, "%s\n", e.text);
        else
                c = config_parse(file ? file : "--config", text_c(&bytes), bytes.n, table, lang, faults);
        text_close(&bytes);
        return c;
}

void config_free(struct config *c)
{
        if (!c)
                return;
        arena_close(&c->arena);
        free(c->slots);
        free(c);
}

static const struct slot *slot_at(const struct config *c, const char *path)
{
        const struct config_key *k = find_key(c, path);
        PRE(k);
        return slot_of(c, k);
}

const char *config_text(const struct config *c, const char *path)
{
        return slot_at(c, path)->text;
}

uint64_t config_number(const struct config *c, const char *path)
{
        return slot_at(c, path)->number;
}

const char *const *config_list(const struct config *c, const char *path, size_t *n)
{
        *n = slot_at(c, path)->n_list;
        return slot_at(c, path)->list;
}
