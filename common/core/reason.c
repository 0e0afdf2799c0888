/* The sentences are templates: {0} an argument, {?1:…} printed only if argument 1 is there; they nest one
 * deep. */
#include "core/reason.h"

#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name, *en, *zh;
} table[REASON_COUNT] = {
#define REASON(name, code, en, zh) [REASON_##name] = {#code, en, zh},
#include "core/reasons.def"
#undef REASON
};

static const char *keep(struct reasons *r, const char *s)
{
        const char *kept = s ? arena_strdup(&r->arena, s) : NULL;
        r->failed |= s && !kept;
        return kept;
}

void reasons_add(struct reasons *r, enum reason_code code, uint32_t row, const char *column, const char *a0,
                 const char *a1, const char *a2)
{
        struct reason one = {.code = code, .row = row, .column = column, .arg = {a0, a1, a2}};
        reasons_copy(r, &one);
}

void reasons_copy(struct reasons *r, const struct reason *from)
{
        r->total++;
        if (r->n == REASONS_KEPT)
                return;
        if (r->n == r->cap) {
                size_t cap = r->cap ? r->cap * 2 : 16;
                struct reason *v = realloc(r->v, cap * sizeof *v);
                if (!v) {
                        r->failed = true;
                        return;
                }
                r->v = v;
                r->cap = cap;
        }
        struct reason *to = &r->v[r->n++];
        *to = (struct reason){.code = from->code, .row = from->row, .column = keep(r, from->column)};
        for (size_t i = 0; i < REASON_ARGS; i++)
                to->arg[i] = keep(r, from->arg[i]);
}

void reasons_clear(struct reasons *r)
{
        arena_reset(&r->arena);
        r->n = r->total = 0;
        r->failed = false;
}

void reasons_close(struct reasons *r)
{
        arena_close(&r->arena);
        free(r->v);
        *r = (struct reasons){0};
}

const char *reason_name(enum reason_code code)
{
        return code > REASON_NONE && code < REASON_COUNT ? table[code].name : "none";
}

enum reason_code reason_find(const char *name)
{
        for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
                if (strcmp(table[i].name, name) == 0)
                        return (enum reason_code)i;
        return REASON_NONE;
}

/* The argument in the reader's language: a rule's message carries both, "english\nchinese". */
static void argument(const char *arg, enum lang lang, struct text *out)
{
        const char *cut = strchr(arg, '\n');
        if (!cut)
                text_add(out, arg);
        else if (lang == LANG_ZH)
                text_add(out, cut + 1);
        else
                text_bytes(out, arg, (size_t)(cut - arg));
}

static bool is_slot(const char *p)
{
        return p[0] == '{' && p[1] >= '0' && p[1] < '0' + REASON_ARGS && p[2] == '}';
}

static bool is_option(const char *p)
{
        return p[0] == '{' && p[1] == '?' && p[2] >= '0' && p[2] < '0' + REASON_ARGS && p[3] == ':';
}

void sentence_fill(const char *sentence, const char *const arg[REASON_ARGS], enum lang lang, struct text *out)
{
        int depth = 0, skipped = 0;
        for (const char *p = sentence; *p;) {
                if (is_option(p)) {
                        depth++;
                        if (skipped || !arg[p[2] - '0'])
                                skipped++;
                        p += 4;
                } else if (is_slot(p)) {
                        if (!skipped)
                                argument(arg[p[1] - '0'] ? arg[p[1] - '0'] : "", lang, out);
                        p += 3;
                } else if (*p == '}' && depth) {
                        depth--;
                        if (skipped)
                                skipped--;
                        p++;
                } else {
                        size_t run = 1 + strcspn(p + 1, "{}"); /* up to what may mean something */
                        if (!skipped)
                                text_bytes(out, p, run);
                        p += run;
                }
        }
}

void reason_sentence(const struct reason *r, enum lang lang, struct text *out)
{
        if (r->code > REASON_NONE && r->code < REASON_COUNT)
                sentence_fill(lang == LANG_ZH ? table[r->code].zh : table[r->code].en, r->arg, lang, out);
}

void reasons_json(const struct reasons *r, enum lang lang, struct text *out)
{
        text_char(out, '[');
        for (size_t i = 0; i < r->n; i++) {
                struct text message = {0};
                reason_sentence(&r->v[i], lang, &message);
                text_add(out, i ? ",{" : "{");
                if (r->v[i].row)
                        text_printf(out, "\"row\":%u,\"column\":", r->v[i].row);
                else
                        text_add(out, "\"row\":null,\"column\":");
                text_json(out, r->v[i].column);
                text_printf(out, ",\"code\":\"%s\",\"message\":", reason_name(r->v[i].code));
                text_json(out, text_c(&message));
                text_char(out, '}');
                out->failed |= text_failed(&message);
                text_close(&message);
        }
        text_char(out, ']');
}

void reasons_lines(const struct reasons *r, const char *file, enum lang lang, struct text *out)
{
        for (size_t i = 0; i < r->n; i++) {
                text_printf(out, "%s:", file);
                if (r->v[i].row)
                        text_printf(out, "%u:", r->v[i].row);
                if (r->v[i].column)
                        text_printf(out, "%s:", r->v[i].column);
                text_char(out, ' ');
                reason_sentence(&r->v[i], lang, out);
                text_printf(out, " (%s)\n", reason_name(r->v[i].code));
        }
        if (r->total > r->n)
                text_printf(out,
                            lang == LANG_ZH ? "%s: 另有 %zu 处错误未列出\n" : "%s: %zu more are not listed\n",
                            file, r->total - r->n);
}

void reasons_csv(const struct reasons *r, enum lang lang, struct text *out)
{
        if (lang == LANG_ZH) /* spreadsheets would take the characters for another encoding */
                text_add(out, "\xef\xbb\xbf");
        text_add(out, "row,column,code,message\r\n");
        for (size_t i = 0; i < r->n; i++) {
                struct text message = {0};
                reason_sentence(&r->v[i], lang, &message);
                if (r->v[i].row)
                        text_printf(out, "%u", r->v[i].row);
                text_char(out, ',');
                text_csv(out, r->v[i].column ? r->v[i].column : "", true);
                text_printf(out, ",%s,", reason_name(r->v[i].code));
                text_csv(out, text_c(&message), true);
                out->failed |= text_failed(&message);
                text_add(out, "\r\n");
                text_close(&message);
        }
}
