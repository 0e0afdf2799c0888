#include "loop/query.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* Decodes n bytes to `to`, which ends up NUL-terminated; NULL if they are not well formed, else the byte
 * after the NUL. */
static char *decode(char *to, const char *from, size_t n, bool plus_is_space)
{
        char *begin = to;
        for (const char *end = from + n; from < end; from++) {
                if (*from == '%') {
                        char two[3] = {0};
                        if (end - from < 3)
                                return NULL;
                        memcpy(two, from + 1, 2);
                        if (!text_hex_read(two, to, 1))
                                return NULL;
                        from += 2;
                        to++;
                } else {
                        *to++ = plus_is_space && *from == '+' ? ' ' : *from;
                }
        }
        if (!text_is_utf8(begin, (size_t)(to - begin)))
                return NULL;
        *to = '\0';
        return to + 1;
}

const char *query_get(const struct query *q, const char *key)
{
        for (size_t i = 0; i < q->n; i++)
                if (strcmp(q->pair[i].key, key) == 0)
                        return q->pair[i].value;
        return NULL;
}

static int add_pair(struct query *q, char **room, const char *pair, size_t n)
{
        const char *equals = memchr(pair, '=', n);
        size_t key_n = equals ? (size_t)(equals - pair) : n;
        const char *value = equals ? equals + 1 : pair + n;
        char *key_at = *room;
        char *value_at = decode(key_at, pair, key_n, true);
        if (!value_at || !*key_at || query_get(q, key_at))
                return E_SYNTAX;
        *room = decode(value_at, value, (size_t)(pair + n - value), true);
        if (!*room)
                return E_SYNTAX;
        if (q->n == QUERY_PAIRS)
                return E_LIMIT;
        q->pair[q->n].key = key_at;
        q->pair[q->n++].value = value_at;
        return 0;
}

static int parse(struct query *q, const char *target)
{
        size_t path_n = strcspn(target, "?");
        if (target[0] != '/')
                return E_SYNTAX;
        char *room = q->room;
        q->path = room;
        room = decode(room, target, path_n, false);
        if (!room || q->path[1] == '/') /* %2F is a slash, too: printed again, //host would lead elsewhere */
                return E_SYNTAX;
        int code = 0;
        for (const char *p = target + path_n; code == 0 && *p;) {
                p++; /* ? or & */
                size_t n = strcspn(p, "&");
                if (n)
                        code = add_pair(q, &room, p, n);
                p += n;
        }
        return code;
}

int query_parse(struct query *q, const char *target)
{
        *q = (struct query){.path = ""};
        /* every pair may need one byte more than it has: the NUL of a key without = */
        q->room = malloc(2 * strlen(target) + 2);
        if (!q->room)
                return E_MEM;
        int code = parse(q, target);
        if (code < 0)
                query_close(q);
        return code;
}

static void escape(struct text *out, const char *s, const char *plain)
{
        for (; *s; s++) {
                bool safe = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') ||
                            (*s >= 'a' && *s <= 'z') || strchr(plain, *s);
                if (safe)
                        text_char(out, *s);
                else
                        text_printf(out, "%%%02X", (unsigned char)*s);
        }
}

void query_print_without(const struct query *q, const char *key, struct text *out)
{
        char mark = '?';
        escape(out, q->path, "/-._~");
        for (size_t i = 0; i < q->n; i++) {
                if (strcmp(q->pair[i].key, key) == 0)
                        continue;
                text_char(out, mark);
                escape(out, q->pair[i].key, "-._~");
                text_char(out, '=');
                escape(out, q->pair[i].value, "-._~,:/");
                mark = '&';
        }
}

void query_close(struct query *q)
{
        free(q->room);
        *q = (struct query){.path = ""};
}
