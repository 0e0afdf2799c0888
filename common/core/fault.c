#include "core/fault.h"

#include <stdlib.h>

enum grade_of_fault { ERROR, WARNING };

static const struct {
        const char *code;
        enum grade_of_fault grade;
        const char *en, *zh;
} table[FAULT_COUNT] = {
#define FAULT(name, code, grade, en, zh) [FAULT_##name] = {#code, grade, en, zh},
#include "core/faults.def"
#undef FAULT
};

static const char *keep(struct faults *f, const char *s)
{
        const char *kept = s ? arena_strdup(&f->arena, s) : NULL;
        f->failed |= s && !kept;
        return kept;
}

static const char *sentence(struct faults *f, const char *template, const char *const arg[REASON_ARGS],
                            enum lang lang)
{
        struct text t = {0};
        sentence_fill(template, arg, lang, &t);
        f->failed |= text_failed(&t);
        const char *kept = keep(f, text_c(&t));
        text_close(&t);
        return kept ? kept : template;
}

static bool room(struct faults *f)
{
        if (f->n == FAULTS_KEPT)
                return false;
        if (f->n < f->cap)
                return true;
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct fault *v = realloc(f->v, cap * sizeof *v);
        if (!v) {
                f->failed = true;
                return false;
        }
        f->v = v;
        f->cap = cap;
        return true;
}

void faults_add(struct faults *f, enum fault_code code, const char *file, uint32_t row, const char *column,
                const char *a0, const char *a1, const char *a2)
{
        const char *const arg[REASON_ARGS] = {a0, a1, a2};
        bool warning = table[code].grade == WARNING;
        f->errors += !warning;
        if (!room(f))
                return;
        f->v[f->n++] = (struct fault){.file = keep(f, file),
                                      .column = keep(f, column),
                                      .row = row,
                                      .code = table[code].code,
                                      .warning = warning,
                                      .en = sentence(f, table[code].en, arg, LANG_EN),
                                      .zh = sentence(f, table[code].zh, arg, LANG_ZH)};
}

void faults_close(struct faults *f)
{
        arena_close(&f->arena);
        free(f->v);
        *f = (struct faults){0};
}

void faults_lines(const struct faults *f, const char *dir, enum lang lang, struct text *out)
{
        size_t listed = 0;
        for (size_t i = 0; i < f->n; i++) {
                const struct fault *one = &f->v[i];
                if (dir)
                        text_printf(out, "%s/", dir);
                text_printf(out, "%s:", one->file ? one->file : "");
                if (one->row)
                        text_printf(out, "%u:", one->row);
                if (one->column)
                        text_printf(out, "%s:", one->column);
                if (one->warning)
                        text_add(out, lang == LANG_ZH ? " 提醒：" : " warning:");
                if (!one->warning || lang == LANG_EN)
                        text_char(out, ' ');
                text_printf(out, "%s (%s)\n", lang == LANG_ZH ? one->zh : one->en, one->code);
                listed += !one->warning;
        }
        if (f->errors > listed)
                text_printf(out,
                            lang == LANG_ZH ? "另有 %zu 处错误未列出\n" : "%zu more errors are not listed\n",
                            f->errors - listed);
}
