/* The brackets are walked here and jansson reads what is escaped: memory stays at one row whatever the size
 * of the body, and a number can be taken as it is written, which a parser that answers doubles has lost.
 *
 * Keys come in any order, but rows mean something only once the dataset is known. So an object is walked
 * twice: first for its form, remembering where its rows begin, then the rows. */
#include "core/desk.h"

#include <jansson.h>

#include <string.h>

enum { DEPTH_MAX = 32 };

struct cursor {
        const char *start, *at, *end;
        struct err *malformed;
        bool failed; /* a text found no memory */
};

/* Text */

static bool fail(struct cursor *c, const char *what)
{
        if (c->malformed->code)
                return false;
        size_t line = 1, column = 1;
        for (const char *p = c->start; p < c->at; p++) {
                column = *p == '\n' ? 1 : column + 1;
                line += *p == '\n';
        }
        err_set(c->malformed, E_SYNTAX, "line %zu, byte %zu: %s", line, column, what);
        return false;
}

static char peek(struct cursor *c)
{
        while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
                c->at++;
        return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char mark)
{
        if (peek(c) != mark)
                return false;
        c->at++;
        return true;
}

/* The bytes up to the closing quote if they stand for themselves, else NULL; the opening one is at c->at. */
static const char *plain_end(const struct cursor *c)
{
        for (const char *p = c->at + 1; p < c->end && *p != '\\' && (unsigned char)*p >= 0x20; p++)
                if (*p == '"')
                        return p;
        return NULL;
}

static bool take_string(struct cursor *c, struct text *out)
{
        json_error_t end;
        text_clear(out);
        if (peek(c) != '"')
                return fail(c, "a string in double quotes is expected");
        const char *close = plain_end(c);
        if (close) {
                text_bytes(out, c->at + 1, (size_t)(close - c->at - 1));
                c->failed |= text_failed(out);
                c->at = close + 1;
                return true;
        }
        json_t *s =
            json_loadb(c->at, (size_t)(c->end - c->at), JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &end);
        if (!s)
                return fail(c, "not a string of JSON");
        text_bytes(out, json_string_value(s), json_string_length(s));
        c->failed |= text_failed(out);
        c->at += end.position;
        json_decref(s);
        return true;
}

static size_t digits(const struct cursor *c, const char *p)
{
        const char *from = p;
        while (p < c->end && *p >= '0' && *p <= '9')
                p++;
        return (size_t)(p - from);
}

/* A number's letters, or 0 if it is none. */
static size_t number_length(const struct cursor *c)
{
        const char *p = c->at + (c->at < c->end && *c->at == '-');
        size_t whole = digits(c, p);
        if (!whole || (whole > 1 && *p == '0'))
                return 0;
        p += whole;
        if (p < c->end && *p == '.') {
                size_t places = digits(c, p + 1);
                if (!places)
                        return 0;
                p += 1 + places;
        }
        if (p < c->end && (*p == 'e' || *p == 'E')) {
                p++;
                p += p < c->end && (*p == '+' || *p == '-');
                size_t power = digits(c, p);
                if (!power)
                        return 0;
                p += power;
        }
        return (size_t)(p - c->at);
}

static void add_zeros(struct text *out, long n)
{
        while (n-- > 0)
                text_char(out, '0');
}

/* A number as it is written; one with an exponent (1e3, which programs write) in plain digits. Beyond what
 * any figure can be it stays, to be refused as it is. */
static void add_number(struct text *out, const char *p, size_t n)
{
        enum { POWER_MAX = 30, DIGITS_MAX = 40 };
        const char *end = p + n, *e = p;
        char digits[DIGITS_MAX];
        long used = 0, point = 0, power = 0;
        while (e < end && *e != 'e' && *e != 'E')
                e++;
        bool down = end - e > 1 && e[1] == '-';
        for (const char *q = e + 1; q < end && power <= POWER_MAX; q++)
                if (*q >= '0' && *q <= '9')
                        power = power * 10 + (*q - '0');
        if (e == end || e - p > DIGITS_MAX || power > POWER_MAX) {
                text_bytes(out, p, n);
                return;
        }
        if (*p == '-')
                text_char(out, *p++);
        const char *dot = memchr(p, '.', (size_t)(e - p));
        point = (dot ? dot : e) - p + (down ? -power : power);
        for (; p < e; p++)
                if (*p != '.')
                        digits[used++] = *p;
        long whole = point < 0 ? 0 : point < used ? point : used, from = 0;
        while (from + 1 < whole && digits[from] == '0')
                from++;
        text_bytes(out, digits + from, (size_t)(whole - from));
        add_zeros(out, whole ? point - used : 1);
        if (whole == used)
                return;
        text_char(out, '.');
        add_zeros(out, -point);
        text_bytes(out, digits + whole, (size_t)(used - whole));
}

static bool take_word(struct cursor *c, const char *word)
{
        size_t n = strlen(word);
        if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
                return false;
        c->at += n;
        return true;
}

/* A string, number, true, false or null as text; null: nothing. */
static bool take_scalar(struct cursor *c, struct text *out)
{
        char first = peek(c);
        if (first == '"')
                return take_string(c, out);
        text_clear(out);
        if (take_word(c, "null"))
                return true;
        size_t n = number_length(c);
        if (n) {
                add_number(out, c->at, n);
                c->failed |= text_failed(out);
                c->at += n;
                return true;
        }
        bool truth = take_word(c, "true");
        if (!truth && !take_word(c, "false"))
                return fail(c, first == '{' || first == '[' ? "a string, a number or null is expected"
                                                            : "not JSON");
        text_add(out, truth ? "true" : "false");
        c->failed |= text_failed(out);
        return true;
}

/* Steps into the next element of what `open` began; false at its end, or on failure. */
static bool next(struct cursor *c, char close, bool *first)
{
        if (c->malformed->code || take(c, close))
                return false;
        if (!*first && !take(c, ','))
                return fail(c, close == '}' ? "a comma or } is expected" : "a comma or ] is expected");
        if (!*first && peek(c) == close)
                return fail(c, "a comma too many");
        *first = false;
        return true;
}

static bool next_key(struct cursor *c, bool *first, struct text *key)
{
        return next(c, '}', first) && take_string(c, key) && (take(c, ':') || fail(c, "a colon is expected"));
}

static void skip(struct cursor *c, struct text *room, int depth)
{
        bool first = true;
        if (depth == DEPTH_MAX) {
                fail(c, "nested too deeply");
        } else if (take(c, '{')) {
                while (next_key(c, &first, room))
                        skip(c, room, depth + 1);
        } else if (take(c, '[')) {
                while (next(c, ']', &first))
                        skip(c, room, depth + 1);
        } else {
                take_scalar(c, room);
        }
}

/* Objects */

/* Values of the keys that are known; the last is that of none. */
struct values {
        struct text v[COLUMN_COUNT];
        unsigned given;
};

static const char *value_of(const struct values *v, enum column k)
{
        return v->v[k].n ? text_c(&v->v[k]) : NULL;
}

static void values_clear(struct values *v)
{
        v->given = 0;
        for (int k = 0; k < COLUMN_COUNT; k++)
                text_clear(&v->v[k]);
}

static void values_close(struct values *v)
{
        for (int k = 0; k < COLUMN_COUNT; k++)
                text_close(&v->v[k]);
}

static bool key_find(unsigned allowed, const char *key, enum column *k)
{
        for (int i = 0; i < COLUMN_COUNT; i++)
                if (allowed >> i & 1 && strcmp(key, column_word((enum column)i)) == 0) {
                        *k = (enum column)i;
                        return true;
                }
        return false;
}

struct reader {
        struct desk desk;
        struct cursor cursor;
        struct text key, room;
        struct values row;
        uint32_t rows; /* numbered through */
};

static void take_value(struct reader *r, struct values *into, unsigned allowed, uint32_t row)
{
        struct cursor *c = &r->cursor;
        enum column k;
        if (!key_find(allowed, text_c(&r->key), &k)) {
                desk_refuse(&r->desk, REASON_UNKNOWN_COLUMN, row, text_c(&r->key), text_c(&r->key),
                            desk_near_heading(&r->desk, false, NONE, text_c(&r->key)), NULL);
                skip(c, &r->room, 0);
        } else if (into->given >> k & 1) {
                fail(c, "a key is given twice");
        } else {
                into->given |= 1u << k;
                take_scalar(c, &into->v[k]);
        }
}

enum {
        ROW_KEYS = 1u << COLUMN_REGION | 1u << COLUMN_INDICATOR | 1u << COLUMN_VALUE | 1u << COLUMN_NOTE,
        ROW_NEEDED = 1u << COLUMN_REGION | 1u << COLUMN_INDICATOR | 1u << COLUMN_VALUE,
        REPORT_KEYS = 1u << COLUMN_DATASET | 1u << COLUMN_PERIOD | 1u << COLUMN_ACTION | 1u << COLUMN_NOTE,
        REPORT_NEEDED = 1u << COLUMN_DATASET | 1u << COLUMN_PERIOD,
};

static void check_keys(struct desk *d, uint32_t row, unsigned given, unsigned needed)
{
        for (int k = 0; k < COLUMN_COUNT; k++)
                if ((needed & ~given) >> k & 1)
                        desk_missing(d, row, (enum column)k, NULL);
}

static void read_row(struct reader *r)
{
        struct desk *d = &r->desk;
        struct cursor *c = &r->cursor;
        bool first = true;
        uint32_t number = ++r->rows;
        values_clear(&r->row);
        arena_reset(&d->room);
        if (!take(c, '{')) {
                fail(c, "a row is an object");
                return;
        }
        while (next_key(c, &first, &r->key))
                take_value(r, &r->row, ROW_KEYS, number);
        if (c->malformed->code)
                return;
        check_keys(d, number, r->row.given, ROW_NEEDED);

        const char *text[COLUMN_COUNT] = {0};
        text[COLUMN_REGION] = desk_tidy(d, value_of(&r->row, COLUMN_REGION));
        text[COLUMN_NOTE] = desk_tidy(d, value_of(&r->row, COLUMN_NOTE));
        const char *indicator = desk_tidy(d, value_of(&r->row, COLUMN_INDICATOR)),
                   *value = value_of(&r->row, COLUMN_VALUE);
        struct desk_row row;
        desk_row(d, &row, number, mark_of(text[COLUMN_REGION]), text);
        row.region_told |= !(r->row.given >> COLUMN_REGION & 1);
        if (!(r->row.given >> COLUMN_INDICATOR & 1) || (!indicator && !value))
                return;
        int32_t found = desk_indicator(d, &row, indicator ? indicator : "");
        if (found >= 0)
                desk_figure(d, &row, found, 0, value);
}

static void read_rows(struct reader *r)
{
        bool first = true;
        struct cursor *c = &r->cursor;
        if (!take(c, '[')) {
                fail(c, "rows is an array");
                return;
        }
        while (!r->desk.full && next(c, ']', &first) && !r->desk.failed)
                read_row(r);
}

/* What stands in the object beside its rows: opens the report. */
static void open_report(struct reader *r, const struct values *v)
{
        struct desk *d = &r->desk;
        desk_hints(d, (struct intake_hints){value_of(v, COLUMN_DATASET), value_of(v, COLUMN_PERIOD), NULL});
        unsigned given = 0;
        for (int k = 0; k < COLUMN_COUNT; k++)
                given |= (unsigned)(value_of(v, (enum column)k) != NULL) << k;
        check_keys(d, 0, given, REPORT_NEEDED);
        desk_open_report(d, desk_tidy(d, value_of(v, COLUMN_ACTION)), value_of(v, COLUMN_NOTE));
}

static void read_report(struct reader *r)
{
        struct cursor *c = &r->cursor;
        struct values v = {0};
        const char *rows = NULL;
        bool first = true;
        if (!take(c, '{'))
                fail(c, "a report is an object");
        while (!c->malformed->code && next_key(c, &first, &r->key)) {
                if (strcmp(text_c(&r->key), "rows") != 0) {
                        take_value(r, &v, REPORT_KEYS, 0);
                        continue;
                }
                if (rows)
                        fail(c, "a key is given twice");
                peek(c);
                rows = c->at;
                skip(c, &r->room, 0);
        }
        if (!c->malformed->code) {
                const char *after = c->at;
                open_report(r, &v);
                c->at = rows;
                if (rows && !take_word(c, "null"))
                        read_rows(r);
                c->at = after;
        }
        values_close(&v);
}

static void read_body(struct reader *r)
{
        struct cursor *c = &r->cursor;
        bool first = true;
        if (!take(c, '[')) {
                read_report(r);
        } else {
                while (!r->desk.full && next(c, ']', &first) && !r->desk.failed)
                        read_report(r);
        }
        if (!c->malformed->code && !r->desk.failed && !r->desk.full && peek(c) != '\0')
                fail(c, "something follows the end");
}

bool intake_json(struct intake *in, const char *bytes, size_t n, const struct judge *j)
{
        size_t mark = n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        struct reader r = {.cursor = {bytes, bytes + mark, bytes + n, &in->malformed, false}};
        desk_open(&r.desk, in, j);
        r.desk.columns[COLUMN_REGION] = column_word(COLUMN_REGION);
        r.desk.columns[COLUMN_INDICATOR] = column_word(COLUMN_INDICATOR);
        r.desk.columns[COLUMN_VALUE] = column_word(COLUMN_VALUE);
        if (desk_readable(&r.desk, bytes, n)) {
                if (peek(&r.cursor) == '\0' && r.cursor.at == r.cursor.end)
                        desk_refuse(&r.desk, REASON_EMPTY_FILE, 0, NULL, NULL, NULL, NULL);
                else
                        read_body(&r);
        }
        r.desk.failed |= r.cursor.failed;
        text_close(&r.key);
        text_close(&r.room);
        values_close(&r.row);
        if (in->malformed.code)
                reasons_clear(&in->reasons);
        return desk_close(&r.desk);
}
