#include "cli/input.h"

#include "loop/encoding.h"
#include "loop/files.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool ends_with(const char *s, const char *ending)
{
        size_t n = strlen(s), m = strlen(ending);
        return n >= m && strcasecmp(s + n - m, ending) == 0;
}

static bool is_json(const struct input *in)
{
        const char *p = text_c(&in->bytes);
        if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
                p += 3;
        p += strspn(p, " \t\r\n");
        return ends_with(in->path, ".json") || *p == '{' || (*p == '[' && !ends_with(in->path, ".csv"));
}

static int refuse(const struct cli *c, const char *path, enum reason_code code, const char *arg)
{
        struct reason r = {.code = code, .arg = {arg}};
        struct text sentence = {0};
        reason_sentence(&r, c->lang, &sentence);
        cli_line(c, path, 0, NULL, text_c(&sentence), reason_name(code));
        text_close(&sentence);
        return CLI_FAILED;
}

/* What a shell hands over instead of a file: `-`, /dev/stdin, <(...). */
static int stream_read(const struct cli *c, struct input *in, struct err *e)
{
        bool own = strcmp(in->path, "-") != 0;
        FILE *f = own ? fopen(in->path, "re") : c->in;
        char piece[16 * 1024];
        if (!f)
                return err_set(e, E_IO, "%s: %s", in->path, strerror(errno));
        for (size_t n; in->bytes.n <= INTAKE_BYTES && (n = fread(piece, 1, sizeof piece, f)) > 0;)
                text_bytes(&in->bytes, piece, n);
        int code = in->bytes.n > INTAKE_BYTES ? err_set(e, E_LIMIT, "%s: too large", in->path)
                   : ferror(f)                ? err_set(e, E_IO, "%s: %s", in->path, strerror(errno))
                   : text_failed(&in->bytes)  ? err_set(e, E_MEM, "%s: out of memory", in->path)
                                              : 0;
        if (own)
                fclose(f);
        return code;
}

static bool is_stream(const char *path)
{
        struct stat s;
        return strcmp(path, "-") == 0 || (stat(path, &s) == 0 && (S_ISFIFO(s.st_mode) || S_ISCHR(s.st_mode)));
}

static int read_bytes(const struct cli *c, struct input *in)
{
        struct err e;
        int code =
            is_stream(in->path) ? stream_read(c, in, &e) : file_read(in->path, INTAKE_BYTES, &in->bytes, &e);
        if (code == E_LIMIT)
                return refuse(c, in->path, REASON_FILE_TOO_LARGE, "64 MiB");
        if (code < 0)
                return cli_fail(c, "%s", "%s", e.text);
        return 0;
}

/* ---- hints */

bool input_usage(const struct cli *c)
{
        const char *text = c->option[OPTION_ACTION];
        enum action a;
        if (text && !action_find(text, &a))
                cli_misuse(c, "--action is replace, merge, withdraw or add, not \"%s\"",
                           "--action 应为 replace、merge、withdraw 或 add，而不是“%s”", text);
        return !text || action_find(text, &a);
}

static void find_hints(const struct cli *c, struct input *in)
{
        struct intake_hints named = {0};
        intake_name(in->path, &named, in->room);
        in->hints.dataset = c->option[OPTION_DATASET] ? c->option[OPTION_DATASET] : named.dataset;
        in->hints.period = c->option[OPTION_PERIOD] ? c->option[OPTION_PERIOD] : named.period;
        in->hints.action = c->option[OPTION_ACTION] ? c->option[OPTION_ACTION] : named.action;
}

/* What a JSON report says of itself must not be said otherwise beside it: it would be passed over in silence.
 */
static int check_agreement(const struct cli *c, const struct input *in, const json_t *report)
{
        static const struct {
                enum option_id id;
                const char *key;
        } said[] = {{OPTION_DATASET, "dataset"}, {OPTION_PERIOD, "period"}, {OPTION_ACTION, "action"}};
        for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
                const char *option = c->option[said[i].id];
                const char *own = json_string_value(json_object_get(report, said[i].key));
                if (!option || (own && strcmp(own, option) == 0))
                        continue;
                return cli_fail(c, "%s: --%s says %s, \"%s\" in the file says %s: JSON names it itself",
                                "%s：--%s 为 %s，文件中的“%s”为 %s：JSON 以文件内容为准", in->path,
                                said[i].key, option, said[i].key, own ? own : cli_say(c, "nothing", "空"));
        }
        return 0;
}

static int check_json(const struct cli *c, const struct input *in)
{
        struct text utf8 = {0};
        int status = 0;
        if (!c->option[OPTION_DATASET] && !c->option[OPTION_PERIOD] && !c->option[OPTION_ACTION])
                return 0;
        encoding_to_utf8(in->bytes.v, in->bytes.n, &utf8, NULL, NULL);
        json_t *json =
            json_loadb(text_c(&utf8), utf8.n, 0, NULL); /* what is no JSON is told by who takes it */
        if (json_is_object(json))
                status = check_agreement(c, in, json);
        for (size_t i = 0; status == 0 && i < json_array_size(json); i++)
                status = check_agreement(c, in, json_array_get(json, i));
        json_decref(json);
        text_close(&utf8);
        return status;
}

int input_read(const struct cli *c, const char *path, struct input *in)
{
        *in = (struct input){.path = path};
        int status = read_bytes(c, in);
        in->json = status == 0 && is_json(in);
        if (status == 0 && in->json)
                status = check_json(c, in);
        else if (status == 0)
                find_hints(c, in);
        if (status)
                input_close(in);
        return status;
}

void input_close(struct input *in)
{
        text_close(&in->bytes);
        *in = (struct input){0};
}
