#include "sink/verdict_text.h"

#include <jansson.h>

void verdict_text_write(const struct reason *v, size_t n, struct text *out)
{
        text_char(out, '[');
        for (size_t i = 0; i < n; i++) {
                struct text message = {0};
                reason_sentence(&v[i], LANG_EN, &message);
                text_add(out, i ? ",{" : "{");
                if (v[i].row)
                        text_printf(out, "\"row\":%u,\"column\":", v[i].row);
                else
                        text_add(out, "\"row\":null,\"column\":");
                text_json(out, v[i].column);
                text_printf(out, ",\"code\":\"%s\",\"args\":[", reason_name(v[i].code));
                for (size_t k = 0; k < REASON_ARGS; k++) {
                        text_add(out, k ? "," : "");
                        text_json(out, v[i].arg[k]);
                }
                text_add(out, "],\"message\":");
                text_json(out, text_c(&message));
                text_char(out, '}');
                out->failed |= text_failed(&message);
                text_close(&message);
        }
        text_char(out, ']');
}

bool verdict_text_read(const char *json, struct reasons *out)
{
        json_t *list = json_loads(json, 0, NULL), *one;
        size_t i;
        bool ok = json_is_array(list);
        json_array_foreach(list, i, one)
        {
                const json_t *args = json_object_get(one, "args");
                const char *code = json_string_value(json_object_get(one, "code"));
                reasons_add(out, code ? reason_find(code) : REASON_NONE,
                            (uint32_t)json_integer_value(json_object_get(one, "row")),
                            json_string_value(json_object_get(one, "column")),
                            json_string_value(json_array_get(args, 0)),
                            json_string_value(json_array_get(args, 1)),
                            json_string_value(json_array_get(args, 2)));
        }
        json_decref(list);
        return ok;
}
