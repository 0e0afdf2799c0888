#include "cli/client.h"

#include "loop/files.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *word, *variable, *url;
        enum option_id option;
} peers[PEER_COUNT] = {
#define PEER(name, word, variable, url) [PEER_##name] = {word, variable, url, OPTION_##name},
    PEERS(PEER)
#undef PEER
};

const char *peer_word(enum peer p)
{
        return peers[p].word;
}

const char *peer_environment(enum peer p)
{
        const char *url = getenv(peers[p].variable);
        return url && *url && strncmp(url, "tcp://", 6) != 0 ? url : NULL;
}

/* ---- opening */

static const char *find_url(const struct cli *cli, enum peer p)
{
        const char *from_environment = peer_environment(p);
        if (cli->option[peers[p].option])
                return cli->option[peers[p].option];
        return from_environment ? from_environment : peers[p].url;
}

/* host:port means http; slashes at the end are cut. */
static char *tidy_url(const char *url)
{
        struct text t = {0};
        if (!strstr(url, "://"))
                text_add(&t, "http://");
        text_add(&t, url);
        while (t.n && t.v[t.n - 1] == '/')
                t.v[--t.n] = '\0';
        if (!text_failed(&t))
                return t.v;
        text_close(&t);
        return NULL;
}

static bool is_http(const char *url)
{
        const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                           : strncmp(url, "https://", 8) == 0 ? url + 8
                                                              : "";
        return *host && *host != '/' && !strpbrk(host, " \t\r\n?#");
}

static bool on_this_machine(const char *url)
{
        const char *host = strstr(url, "://") + 3;
        return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
               strncmp(host, "[::1]", 5) == 0;
}

static int read_token(struct client *c)
{
        const char *path = c->cli->option[OPTION_TOKEN_FILE];
        struct text t = {0};
        struct err e;
        if (!path)
                path = getenv("SUMU_TOKEN_FILE");
        if (!path || !*path)
                return 0;
        if (file_read(path, 4096, &t, &e) < 0) {
                text_close(&t);
                return cli_fail(c->cli, "the token cannot be read: %s", "无法读取令牌：%s", e.text);
        }
        while (t.n && strchr(" \t\r\n", t.v[t.n - 1]))
                t.v[--t.n] = '\0';
        if (t.n == 0 || strpbrk(t.v, " \t\r\n")) {
                text_close(&t);
                return cli_fail(c->cli, "%s holds no token: it is one word on one line",
                                "%s 中没有令牌：应为一行一个词", path);
        }
        c->token = t.v;
        return 0;
}

int client_open(struct client *c, const struct cli *cli, enum peer peer, const char *url)
{
        *c = (struct client){.cli = cli, .peer = peer, .patience_ms = CLIENT_READ_MS};
        c->base = tidy_url(url ? url : find_url(cli, peer));
        c->curl = curl_easy_init();
        int status = 0;
        if (!c->base || !c->curl)
                status = cli_fail(cli, "out of memory", "内存不足");
        else if (!is_http(c->base))
                status = cli_misuse(cli, "\"%s\" is not an address like %s", "“%s”不是形如 %s 的地址",
                                    c->base, peers[peer].url);
        else
                status = read_token(c);
        if (status)
                client_close(c);
        return status;
}

void client_close(struct client *c)
{
        if (c->curl)
                curl_easy_cleanup(c->curl);
        free(c->base);
        free(c->token);
        *c = (struct client){0};
}

void answer_close(struct answer *a)
{
        text_close(&a->body);
        *a = (struct answer){0};
}

/* ---- the target */

static void escape(struct text *t, const char *s)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,:";
        for (; *s; s++) {
                if (strchr(plain, *s))
                        text_char(t, *s);
                else
                        text_printf(t, "%%%02X", (unsigned char)*s);
        }
}

void target_begin(struct text *t, const char *path)
{
        text_clear(t);
        text_add(t, path);
}

void target_add(struct text *t, const char *key, const char *value)
{
        if (!value)
                return;
        text_printf(t, "%c%s=", strchr(text_c(t), '?') ? '&' : '?', key);
        escape(t, value);
}

void target_option(struct text *t, const struct cli *c, enum option_id id, const char *key)
{
        target_add(t, key, c->option[id]);
}

/* ---- a request */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *to)
{
        struct text *t = to;
        if (t->n + size * n <= CLIENT_ANSWER)
                text_bytes(t, bytes, size * n);
        else
                t->failed = true;
        return text_failed(t) ? 0 : size * n;
}

/* Why there was no answer, and what to do about it. */
static int explain(struct client *c, CURLcode code, const char *detail)
{
        const char *word = peers[c->peer].word, *variable = peers[c->peer].variable;
        bool zh = c->cli->lang == LANG_ZH;
        switch (code) {
        case CURLE_COULDNT_CONNECT:
                return err_set(
                    &c->why, E_MISSING,
                    zh ? "%s 没有响应：请先启动 %s，或用 --%s URL（%s）给出它的地址"
                       : "nothing answers at %s: start the %s, or say where it is with --%s URL or %s",
                    c->base, word, word, variable);
        case CURLE_COULDNT_RESOLVE_HOST:
                return err_set(&c->why, E_MISSING,
                               zh ? "找不到 %s 这台机器：请检查 --%s 或 %s 的地址"
                                  : "no machine has the name in %s: look at --%s or %s",
                               c->base, word, variable);
        case CURLE_OPERATION_TIMEDOUT:
                return err_set(&c->why, E_BUSY,
                               zh ? "%s 未在时限内回答：请稍后再试"
                                  : "%s did not answer in time; try again later",
                               c->base);
        case CURLE_WRITE_ERROR:
                return err_set(&c->why, E_LIMIT, zh ? "%s 的回答过大" : "the answer of %s is too large",
                               c->base);
        default:
                return err_set(&c->why, E_IO, "%s: %s", c->base, *detail ? detail : curl_easy_strerror(code));
        }
}

static struct curl_slist *headers_of(const struct client *c, const char *type, const char *key)
{
        struct text line = {0};
        struct curl_slist *list = NULL;
        const char *const pairs[][2] = {
            {"Accept-Language", c->cli->lang == LANG_ZH ? "zh-CN" : "en"},
            {"Content-Type", type},
            {"Idempotency-Key", key},
        };
        list = curl_slist_append(list, "Expect:"); /* no waiting for leave to send */
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
                if (!pairs[i][1])
                        continue;
                text_clear(&line);
                text_printf(&line, "%s: %s", pairs[i][0], pairs[i][1]);
                list = curl_slist_append(list, text_c(&line));
        }
        if (c->token) {
                text_clear(&line);
                text_printf(&line, "Authorization: Bearer %s", c->token);
                list = curl_slist_append(list, text_c(&line));
        }
        text_close(&line);
        return list;
}

/* `type` NULL: GET. */
static int request(struct client *c, const char *target, const char *type, const char *key, const void *bytes,
                   size_t n, struct answer *a)
{
        CURL *h = c->curl;
        char detail[CURL_ERROR_SIZE] = "";
        struct text url = {0};
        struct curl_slist *headers = headers_of(c, type, key);
        text_printf(&url, "%s%s", c->base, target);
        text_clear(&a->body);
        curl_easy_reset(h); /* keeps the connection */
        curl_easy_setopt(h, CURLOPT_URL, text_c(&url));
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_MS);
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(type ? CLIENT_SEND_MS : c->patience_ms));
        curl_easy_setopt(h, CURLOPT_USERAGENT, "sumu/" SUMU_VERSION);
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
        curl_easy_setopt(h, CURLOPT_WRITEDATA, &a->body);
        if (on_this_machine(c->base))
                curl_easy_setopt(h, CURLOPT_PROXY, "");
        if (type) {
                curl_easy_setopt(h, CURLOPT_POSTFIELDS, bytes ? bytes : "");
                curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
        }
        CURLcode code = curl_easy_perform(h);
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a->status);
        curl_slist_free_all(headers);
        text_close(&url);
        return code == CURLE_OK ? 0 : explain(c, code, detail);
}

int client_get(struct client *c, const char *target, struct answer *a)
{
        return request(c, target, NULL, NULL, NULL, 0, a);
}

int client_post(struct client *c, const char *target, const char *type, const char *key, const void *bytes,
                size_t n, struct answer *a)
{
        return request(c, target, type, key, bytes, n, a);
}

/* ---- the JSON of an answer */

/* Copies JSON with every number that is not whole in quotation marks. */
static void quote_fractions(const char *p, struct text *out)
{
        while (*p) {
                size_t n = strcspn(p, "\"-0123456789");
                text_bytes(out, p, n);
                p += n;
                if (*p == '"') {
                        n = 1;
                        while (p[n] && p[n] != '"')
                                n += p[n] == '\\' && p[n + 1] ? 2 : 1;
                        n += p[n] == '"';
                        text_bytes(out, p, n);
                } else {
                        n = strspn(p, "+-.0123456789eE");
                        bool whole = strcspn(p, ".eE") >= n;
                        if (!whole)
                                text_char(out, '"');
                        text_bytes(out, p, n);
                        if (!whole)
                                text_char(out, '"');
                }
                p += n;
        }
}

json_t *answer_json(const struct answer *a)
{
        struct text t = {0};
        quote_fractions(text_c(&a->body), &t);
        json_t *json = text_failed(&t) ? NULL : json_loadb(text_c(&t), t.n, JSON_REJECT_DUPLICATES, NULL);
        text_close(&t);
        return json;
}

const char *json_text(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

int64_t json_number(const json_t *object, const char *key)
{
        return json_integer_value(json_object_get(object, key));
}

/* ---- what is wrong */

int client_no_answer(const struct client *c)
{
        return cli_fail(c->cli, "%s", "%s", c->why.text);
}

int client_strange(const struct client *c, const struct answer *a)
{
        return cli_fail(c->cli, "%s does not answer as the %s of Sumu does (HTTP %ld)",
                        "%s 的回答不像苏木的 %s（HTTP %ld）", c->base, peers[c->peer].word, a->status);
}

/* {"errors":[{"row","column","code","message"}]}, else {"error":{"code","message"}}; false: neither. */
static bool print_errors(const struct client *c, const json_t *json, const char *file)
{
        const json_t *list = json_object_get(json, "errors"), *one = json_object_get(json, "error");
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *e = json_array_get(list, i);
                const char *message = json_text(e, "message"), *code = json_text(e, "code");
                cli_line(c->cli, file, (uint32_t)json_number(e, "row"), json_text(e, "column"),
                         message ? message : "", code ? code : "?");
        }
        if (json_array_size(list))
                return true;
        const char *message = json_text(one, "message"), *code = json_text(one, "code");
        if (message && code)
                cli_line(c->cli, file ? file : "sumu", 0, NULL, message, code);
        return message && code;
}

int client_refused(const struct client *c, const struct answer *a, const char *file)
{
        json_t *json = answer_json(a);
        if (!print_errors(c, json, file))
                client_strange(c, a);
        json_decref(json);
        if (a->status == 401 && !c->token)
                cli_fail(c->cli, "give the token with --token-file FILE or SUMU_TOKEN_FILE",
                         "请用 --token-file FILE 或 SUMU_TOKEN_FILE 给出令牌");
        return CLI_FAILED;
}

int client_ask(struct client *c, const char *target, struct answer *a, json_t **json)
{
        if (client_get(c, target, a) < 0)
                return client_no_answer(c);
        if (a->status < 200 || a->status > 299)
                return client_refused(c, a, NULL);
        json_t *read = answer_json(a);
        if (!json_is_object(read)) {
                json_decref(read);
                return client_strange(c, a);
        }
        if (json)
                *json = read;
        else
                json_decref(read);
        return 0;
}
