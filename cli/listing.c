#include "cli/listing.h"

#include "cli/names.h"

#include <string.h>

static const char *name_of(void *ctx, const char *key, const json_t *row)
{
        const struct names *n = ctx;
        if (strcmp(key, "unit") == 0)
                return names_unit(n, json_text(row, "indicator"));
        if (strcmp(key, "indicator_name") == 0)
                return names_name(n, NAMES_INDICATORS, json_text(row, "indicator"));
        if (strcmp(key, "region_name") == 0)
                return names_name(n, NAMES_REGIONS, json_text(row, "region"));
        return names_name(n, NAMES_OFFICES, json_text(row, "office"));
}

struct walk { /* over the pages */
        const struct cli *c;
        const struct listing *l;
        struct client client;
        struct names names;
        struct table table;
        enum table_format format;
        int64_t left;
};

static void take(struct walk *w, const struct answer *a, const json_t *page)
{
        const json_t *list = json_object_get(page, w->l->list);
        size_t n = json_array_size(list);
        for (size_t i = 0; i < n && w->left > 0; i++, w->left--)
                if (w->format != FORMAT_JSON)
                        table_row(&w->table, json_array_get(list, i), name_of, &w->names);
        if (w->format == FORMAT_JSON) {
                size_t bytes = a->body.n;
                fwrite(text_c(&a->body), 1, bytes, w->c->out);
                if (bytes && a->body.v[bytes - 1] != '\n')
                        putc('\n', w->c->out);
        }
}

/* The page after this one; false: there is none. */
static bool next_target(const struct walk *w, const char *base, const json_t *page, struct text *target)
{
        const json_t *next = w->l->next ? json_object_get(page, "next") : NULL;
        char digits[24];
        const char *value = json_string_value(next);
        if (json_is_integer(next)) {
                snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(next));
                value = digits;
        }
        if (!value || !*value || w->left <= 0)
                return false;
        target_begin(target, base);
        target_add(target, w->l->next, value);
        return true;
}

static int walk_pages(struct walk *w, struct text *target)
{
        struct answer a = {0};
        struct text here = {0};
        int status;
        bool more = true;
        text_add(&here, text_c(target));
        for (status = 0; status == 0 && more;) {
                json_t *page = NULL;
                status = client_ask(&w->client, text_c(&here), &a, &page);
                if (status == 0 && !json_is_array(json_object_get(page, w->l->list)))
                        status = client_strange(&w->client, &a);
                if (status == 0) {
                        take(w, &a, page);
                        more = next_target(w, text_c(target), page, &here);
                }
                if (status == 0 && !more && w->format != FORMAT_JSON)
                        status = table_print(&w->table, w->c, w->format);
                if (status == 0 && !more && w->format == FORMAT_TABLE && w->l->after)
                        w->l->after(w->c, page);
                json_decref(page);
        }
        text_close(&here);
        answer_close(&a);
        return status;
}

int listing_run(const struct cli *c, const struct listing *l, enum peer peer, struct text *target,
                int64_t most)
{
        struct walk w = {
            .c = c, .l = l, .table = {.columns = l->columns, .n_columns = l->n_columns}, .left = most};
        if (!table_format_read(c, &w.format))
                return CLI_USAGE;
        int status = client_open(&w.client, c, peer, NULL);
        if (status)
                return status;
        if (w.format == FORMAT_TABLE && peer == PEER_SINK) {
                names_open(&w.names, &w.client);
                w.table.zone = names_zone(&w.names);
        }
        status = walk_pages(&w, target);
        table_close(&w.table);
        names_close(&w.names);
        client_close(&w.client);
        return status;
}
