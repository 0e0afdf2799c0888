#include "sink/web.h"

#include "loop/http.h"

#include <string.h>

static const char *type_of(const char *name)
{
        static const struct {
                const char *ending, *type;
        } types[] = {
            {".html", "text/html; charset=utf-8"},
            {".css", "text/css; charset=utf-8"},
            {".js", "text/javascript; charset=utf-8"},
        };
        const char *ending = strrchr(name, '.');
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (ending && strcmp(ending, types[i].ending) == 0)
                        return types[i].type;
        return "application/octet-stream";
}

void route_web(void *ctx, const struct http_request *q, struct http_reply *a)
{
        static const char folder[] = "/web/";
        const char *path = http_path(q);
        const char *name =
            strncmp(path, folder, sizeof folder - 1) == 0 ? path + sizeof folder - 1 : "index.html";
        (void)ctx;
        for (const struct web_file *f = web_files; f->name; f++)
                if (strcmp(f->name, name) == 0) {
                        a->type = type_of(name);
                        a->bytes = f->bytes;
                        a->bytes_n = f->n;
                        text_add(&a->headers, "Cache-Control: no-cache\n"); /* a new program has a new page */
                        return;
                }
        http_error(a, 404, "not_found",
                   http_lang(q, LANG_EN) == LANG_ZH ? "此网址没有内容" : "there is nothing at this address");
}
