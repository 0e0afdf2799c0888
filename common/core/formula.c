/* A formula is kept as steps in the order they are done: operands push a value, operators take two and push
 * one. A function stands before its body and says where that ends, since it has the body done in other
 * periods, mean even several times. Parsing recurses once per bracket and running once per function; both are
 * bounded by FORMULA_DEPTH, and with it the stack of values. Every step comes from at least one character of
 * text, so the text bounds the steps. */
#include "core/formula.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FUNCTION(name, word, least): least value of its second argument, -1 if it has none. */
#define FUNCTIONS(FUNCTION)      \
        FUNCTION(LAG, "lag", 0)  \
        FUNCTION(YOY, "yoy", -1) \
        FUNCTION(MEAN, "mean", 1)

/* RELATION(name, sign, below, same, above): longer signs before those they begin with; whether it holds when
 * the left side is below, the same as, above the right one. */
#define RELATIONS(RELATION)                          \
        RELATION(AT_MOST, "<=", true, true, false)   \
        RELATION(BELOW, "<", true, false, false)     \
        RELATION(NOT_SAME, "!=", true, false, true)  \
        RELATION(SAME, "=", false, true, false)      \
        RELATION(NOT_BELOW, ">=", false, true, true) \
        RELATION(ABOVE, ">", false, false, true)

enum op {
        OP_NUMBER,
        OP_OPERAND,
        OP_ADD,
        OP_SUBTRACT,
        OP_MULTIPLY,
        OP_DIVIDE,
#define FUNCTION(name, word, least) OP_##name,
        FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static const struct {
        enum op op;
        const char *word;
        int least;
} functions[] = {
#define FUNCTION(name, word, least) {OP_##name, word, least},
    FUNCTIONS(FUNCTION)
#undef FUNCTION
};

enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

struct relation {
        const char *sign;
        bool below, same, above;
};

static const struct relation relations[] = {
#define RELATION(name, sign, below, same, above) {sign, below, same, above},
    RELATIONS(RELATION)
#undef RELATION
};

enum { RELATION_COUNT = sizeof relations / sizeof *relations };

struct step {
        enum op op;
        int back;               /* of LAG and MEAN: n */
        uint32_t at;            /* of OPERAND: the indicator; of a function: the step behind its body */
        struct fraction number; /* of NUMBER */
};

struct formula {
        struct step *steps;
        size_t n, room;
        size_t split; /* of a check: the right side begins here */
        const struct relation *relation;
        uint32_t *operands;
        size_t n_operands;
        size_t reads;
        bool looks_back;
};

enum {
        NAME_MAX_BYTES = 80, /* dataset.indicator, both of at most CODE_MAX */
        NUMBER_DIGITS = 18,  /* of a number in a formula */
        STACK = 2 * FORMULA_DEPTH +
                1, /* per bracket one value waits for a + and one for a *; and the last read */
};

/* ---- parsing ---- */

struct parser {
        const char *text, *at;
        struct formula *f;
        struct formula_names names;
        unsigned depth;
        struct err *e;
};

/* Says what is wrong at the character that is next; false. */
__attribute__((format(printf, 3, 4))) static bool fail(struct parser *p, int code, const char *fmt, ...)
{
        char what[256];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(what, sizeof what, fmt, ap);
        va_end(ap);
        size_t character = 1;
        for (const char *c = p->text; c < p->at; c++)
                character += ((unsigned char)*c & 0xc0) != 0x80;
        err_set(p->e, code, "character %zu: %s", character, what);
        return false;
}

#define SPACES " \t\r\n"

static void skip_space(struct parser *p)
{
        p->at += strspn(p->at, SPACES);
}

/* The next character that is no space, if it is one of `set`, else 0. */
static char take_one_of(struct parser *p, const char *set)
{
        skip_space(p);
        return *p->at && strchr(set, *p->at) ? *p->at++ : '\0';
}

static bool expect(struct parser *p, char c)
{
        const char one[] = {c, '\0'};
        return take_one_of(p, one) || fail(p, E_SYNTAX, "\"%c\" is expected", c);
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct step *emit(struct parser *p, enum op op)
{
        PRE(p->f->n < p->f->room);
        struct step *s = &p->f->steps[p->f->n++];
        *s = (struct step){.op = op};
        return s;
}

static bool count_reads(struct parser *p, size_t reads)
{
        p->f->reads = reads;
        return reads <= FORMULA_READS ||
               fail(p, E_LIMIT, "more than %d figures would be read: use shorter means", FORMULA_READS);
}

static bool number(struct parser *p)
{
        int64_t scaled = 0; /* NUMBER_DIGITS fit */
        unsigned digits = 0, decimals = 0;
        bool point = false;
        for (; is_digit(*p->at) || (*p->at == '.' && !point); p->at++) {
                if (*p->at == '.') {
                        point = true;
                        continue;
                }
                if (++digits > NUMBER_DIGITS)
                        return fail(p, E_LIMIT, "a number has at most %d digits", NUMBER_DIGITS);
                scaled = scaled * 10 + (*p->at - '0');
                decimals += point;
        }
        if (point && decimals == 0)
                return fail(p, E_SYNTAX, "a digit is expected behind the decimal point");
        emit(p, OP_NUMBER)->number = fraction_of(scaled, decimals);
        return count_reads(p, p->f->reads + 1);
}

static void operand_remember(struct formula *f, uint32_t indicator)
{
        for (size_t i = 0; i < f->n_operands; i++)
                if (f->operands[i] == indicator)
                        return;
        f->operands[f->n_operands++] = indicator;
}

static bool operand(struct parser *p, const char *name)
{
        const char *near = NULL;
        int indicator = p->names.find(p->names.ctx, name, &near);
        if (indicator < 0 && near)
                return fail(p, E_MISSING, "no indicator is called \"%s\"; did you mean \"%s\"?", name, near);
        if (indicator < 0)
                return fail(p, E_MISSING, "no indicator is called \"%s\"", name);
        emit(p, OP_OPERAND)->at = (uint32_t)indicator;
        operand_remember(p->f, (uint32_t)indicator);
        return count_reads(p, p->f->reads + 1);
}

/* The n of lag and mean. */
static bool whole(struct parser *p, int least, int *n)
{
        skip_space(p);
        *n = 0;
        const char *first = p->at;
        for (; is_digit(*p->at) && *n <= FORMULA_BACK; p->at++)
                *n = *n * 10 + (*p->at - '0');
        if (p->at != first && *p->at != '.' && *n >= least && *n <= FORMULA_BACK)
                return true;
        p->at = first;
        return fail(p, E_SYNTAX, "a whole number from %d to %d is expected", least, FORMULA_BACK);
}

static bool sum(struct parser *p);

/* The brackets of functions[i], whose name has been read. */
static bool function(struct parser *p, int i)
{
        size_t before = p->f->reads;
        struct step *s = emit(p, functions[i].op);
        if (!expect(p, '(') || !sum(p))
                return false;
        s->at = (uint32_t)p->f->n;
        p->f->looks_back = true;
        if (functions[i].least >= 0 && (!expect(p, ',') || !whole(p, functions[i].least, &s->back)))
                return false;
        size_t times = s->op == OP_MEAN ? (size_t)s->back : 1;
        return expect(p, ')') && count_reads(p, before + (p->f->reads - before) * times);
}

static int function_find(const char *name)
{
        for (int i = 0; i < FUNCTION_COUNT; i++)
                if (strcmp(name, functions[i].word) == 0)
                        return i;
        return -1;
}

/* A name: a function if a bracket follows, else an indicator. One that is not known is told where it begins.
 */
static bool named(struct parser *p)
{
        char name[NAME_MAX_BYTES];
        size_t n = 0;
        while (is_letter(p->at[n]) || is_digit(p->at[n]) || p->at[n] == '_' || p->at[n] == '.')
                n++;
        if (n >= sizeof name)
                return fail(p, E_SYNTAX, "a name has fewer than %d characters", NAME_MAX_BYTES);
        memcpy(name, p->at, n);
        name[n] = '\0';
        if (p->at[n + strspn(p->at + n, SPACES)] != '(') {
                bool known = operand(p, name);
                p->at += known ? n : 0;
                return known;
        }
        int i = function_find(name);
        if (i < 0)
                return fail(p, E_SYNTAX, "no function is called \"%s\"; there are lag, yoy and mean", name);
        p->at += n;
        return function(p, i);
}

static bool factor(struct parser *p)
{
        skip_space(p);
        if (is_digit(*p->at))
                return number(p);
        if (is_letter(*p->at))
                return named(p);
        if (take_one_of(p, "("))
                return sum(p) && expect(p, ')');
        return fail(p, E_SYNTAX, "a number, an indicator or a bracket is expected");
}

static bool term(struct parser *p)
{
        bool ok = factor(p);
        for (char c; ok && (c = take_one_of(p, "*/"));) {
                ok = factor(p);
                if (ok)
                        emit(p, c == '*' ? OP_MULTIPLY : OP_DIVIDE);
        }
        return ok;
}

static bool sum(struct parser *p)
{
        if (++p->depth > FORMULA_DEPTH)
                return fail(p, E_LIMIT, "more than %d brackets stand within each other", FORMULA_DEPTH);
        bool ok = term(p);
        for (char c; ok && (c = take_one_of(p, "+-"));) {
                ok = term(p);
                if (ok)
                        emit(p, c == '+' ? OP_ADD : OP_SUBTRACT);
        }
        p->depth--;
        return ok;
}

static bool relation(struct parser *p)
{
        skip_space(p);
        for (int i = 0; i < RELATION_COUNT; i++) {
                size_t n = strlen(relations[i].sign);
                if (strncmp(p->at, relations[i].sign, n) == 0) {
                        p->at += n;
                        p->f->relation = &relations[i];
                        p->f->split = p->f->n;
                        return true;
                }
        }
        return fail(p, E_SYNTAX, "a comparison is expected: < <= = != >= or >");
}

static bool all(struct parser *p, bool check)
{
        if (!sum(p) || (check && (!relation(p) || !sum(p))))
                return false;
        skip_space(p);
        return *p->at == '\0' || fail(p, E_SYNTAX, "an operator or the end is expected");
}

struct formula *formula_parse(const char *text, bool check, struct formula_names names, struct err *e)
{
        size_t n = strlen(text);
        if (n > FORMULA_TEXT) {
                err_set(e, E_LIMIT, "a formula has at most %d bytes", FORMULA_TEXT);
                return NULL;
        }
        struct formula *f = calloc(1, sizeof *f);
        if (f) {
                f->room = n + 1;
                f->steps = calloc(f->room, sizeof *f->steps);
                f->operands = calloc(f->room, sizeof *f->operands);
        }
        if (!f || !f->steps || !f->operands) {
                formula_free(f);
                err_set(e, E_MEM, "%s", err_sentence(E_MEM));
                return NULL;
        }
        struct parser p = {.text = text, .at = text, .f = f, .names = names, .e = e};
        if (!all(&p, check)) {
                formula_free(f);
                return NULL;
        }
        return f;
}

void formula_free(struct formula *f)
{
        if (!f)
                return;
        free(f->steps);
        free(f->operands);
        free(f);
}

size_t formula_operands(const struct formula *f, const uint32_t **out)
{
        *out = f->operands;
        return f->n_operands;
}

bool formula_looks_back(const struct formula *f)
{
        return f->looks_back;
}

size_t formula_reads(const struct formula *f)
{
        return f->reads;
}

/* ---- walking: as running, without values ---- */

struct walk {
        const struct step *steps;
        bool (*name)(void *ctx, uint32_t indicator, struct period p);
        void *ctx;
};

static bool steps_walk(const struct walk *w, size_t from, size_t to, struct period p);

static bool function_walk(const struct walk *w, size_t i, struct period p)
{
        const struct step *s = &w->steps[i];
        struct period then;
        if (s->op == OP_YOY)
                return !period_year_ago(p, &then) || steps_walk(w, i + 1, s->at, then);
        int first = s->op == OP_LAG ? s->back : 0, last = s->op == OP_LAG ? s->back : s->back - 1;
        for (int back = first; back <= last; back++)
                if (period_shift(p, -back, &then) && !steps_walk(w, i + 1, s->at, then))
                        return false;
        return true;
}

static bool steps_walk(const struct walk *w, size_t from, size_t to, struct period p)
{
        bool on = true;
        for (size_t i = from; on && i < to; i++) {
                const struct step *s = &w->steps[i];
                if (s->op == OP_OPERAND) {
                        on = w->name(w->ctx, s->at, p);
                } else if (s->op == OP_LAG || s->op == OP_YOY || s->op == OP_MEAN) {
                        on = function_walk(w, i, p);
                        i = s->at - 1;
                }
        }
        return on;
}

bool formula_walk(const struct formula *f, struct period p,
                  bool (*name)(void *ctx, uint32_t indicator, struct period p), void *ctx)
{
        return steps_walk(&(struct walk){f->steps, name, ctx}, 0, f->n, p);
}

/* ---- running: false means null, and ends it all ---- */

struct run {
        const struct step *steps;
        struct formula_source src;
        enum qualifier q;
        struct fraction stack[STACK];
        size_t n;
};

static void push(struct run *r, struct fraction v)
{
        PRE(r->n < STACK);
        r->stack[r->n++] = v;
}

static struct fraction pop(struct run *r)
{
        PRE(r->n > 0);
        return r->stack[--r->n];
}

static bool steps_run(struct run *r, size_t from, size_t to, struct period p);

static bool read_operand(struct run *r, uint32_t indicator, struct period p)
{
        struct fraction v;
        enum qualifier q;
        if (!r->src.get(r->src.ctx, indicator, p, &v, &q))
                return false;
        if (q != EXACT)
                r->q = ABOUT;
        push(r, v);
        return true;
}

static bool combine(struct run *r, enum op op)
{
        struct fraction b = pop(r), a = pop(r), v = {0, 1};
        bool ok = false;
        switch (op) {
        case OP_ADD: ok = fraction_add(a, b, &v); break;
        case OP_SUBTRACT: ok = fraction_subtract(a, b, &v); break;
        case OP_MULTIPLY: ok = fraction_multiply(a, b, &v); break;
        case OP_DIVIDE: ok = fraction_divide(a, b, &v); break;
        default: UNREACHABLE();
        }
        push(r, v);
        return ok;
}

static bool mean_run(struct run *r, size_t body, struct period p)
{
        const struct step *mean = &r->steps[body - 1];
        struct fraction total = {0, 1};
        for (int i = 0; i < mean->back; i++) {
                struct period then;
                if (!period_shift(p, -i, &then) || !steps_run(r, body, mean->at, then) ||
                    !fraction_add(total, pop(r), &total))
                        return false;
        }
        if (!fraction_divide(total, (struct fraction){mean->back, 1}, &total))
                return false;
        push(r, total);
        return true;
}

static bool function_run(struct run *r, size_t i, struct period p)
{
        const struct step *s = &r->steps[i];
        struct period then;
        switch (s->op) {
        case OP_LAG: return period_shift(p, -s->back, &then) && steps_run(r, i + 1, s->at, then);
        case OP_YOY: return period_year_ago(p, &then) && steps_run(r, i + 1, s->at, then);
        case OP_MEAN: return mean_run(r, i + 1, p);
        default: UNREACHABLE();
        }
}

static bool steps_run(struct run *r, size_t from, size_t to, struct period p)
{
        bool ok = true;
        for (size_t i = from; ok && i < to; i++) {
                const struct step *s = &r->steps[i];
                switch (s->op) {
                case OP_NUMBER: push(r, s->number); break;
                case OP_OPERAND: ok = read_operand(r, s->at, p); break;
                case OP_ADD:
                case OP_SUBTRACT:
                case OP_MULTIPLY:
                case OP_DIVIDE: ok = combine(r, s->op); break;
                case OP_LAG:
                case OP_YOY:
                case OP_MEAN:
                        ok = function_run(r, i, p);
                        i = s->at - 1;
                        break;
                }
        }
        return ok;
}

static bool side_value(const struct formula *f, size_t from, size_t to, struct period p,
                       struct formula_source src, struct fraction *value, enum qualifier *q)
{
        struct run r = {.steps = f->steps, .src = src, .q = EXACT};
        if (!steps_run(&r, from, to, p))
                return false;
        *value = pop(&r);
        POST(r.n == 0);
        *q = r.q;
        return true;
}

bool formula_value(const struct formula *f, struct period p, struct formula_source src,
                   struct fraction *value, enum qualifier *q)
{
        PRE(!f->relation);
        return side_value(f, 0, f->n, p, src, value, q);
}

int formula_check(const struct formula *f, struct period p, struct formula_source src, enum qualifier *q)
{
        PRE(f->relation);
        struct fraction left, right;
        enum qualifier ql, qr;
        if (!side_value(f, 0, f->split, p, src, &left, &ql) ||
            !side_value(f, f->split, f->n, p, src, &right, &qr))
                return -1;
        *q = ql == EXACT && qr == EXACT ? EXACT : ABOUT;
        int order = fraction_compare(left, right);
        return order < 0 ? f->relation->below : order > 0 ? f->relation->above : f->relation->same;
}
