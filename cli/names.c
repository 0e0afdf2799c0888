#include "cli/names.h"

#include "loop/clock.h"

#include <string.h>

static const char *const lists[NAMES_LISTS_COUNT] = {
#define LIST(name, key) [NAMES_##name] = key,
    NAMES_LISTS(LIST)
#undef LIST
};

/* Under everything an entry may be asked for; what comes first keeps the word. */
static void place(struct map *m, const json_t *entry, size_t at)
{
        static const char *const keys[] = {"name", "code", "name_zh", "name_en"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                const char *word = json_text(entry, keys[i]);
                if (word && map_get_str(m, word) == MAP_NONE)
                        map_set_str(m, word, (int64_t)at);
        }
}

void names_open(struct names *n, struct client *c)
{
        struct answer a = {0};
        *n = (struct names){.lang = c->cli->lang};
        if (client_get(c, "/api/v1/catalog", &a) == 0 && a.status == 200)
                n->catalog = answer_json(&a);
        answer_close(&a);
        for (int i = 0; i < NAMES_LISTS_COUNT; i++) {
                const json_t *list = json_object_get(n->catalog, lists[i]);
                for (size_t k = 0; k < json_array_size(list); k++)
                        place(&n->places[i], json_array_get(list, k), k);
        }
}

void names_close(struct names *n)
{
        for (int i = 0; i < NAMES_LISTS_COUNT; i++)
                map_close(&n->places[i]);
        json_decref(n->catalog);
        *n = (struct names){0};
}

const json_t *names_entry(const struct names *n, enum names_list list, const char *code)
{
        int64_t at = code ? map_get_str(&n->places[list], code) : MAP_NONE;
        return at == MAP_NONE ? NULL : json_array_get(json_object_get(n->catalog, lists[list]), (size_t)at);
}

const char *names_name(const struct names *n, enum names_list list, const char *code)
{
        return json_text(names_entry(n, list, code), n->lang == LANG_ZH ? "name_zh" : "name_en");
}

const char *names_unit(const struct names *n, const char *indicator)
{
        return json_text(names_entry(n, NAMES_INDICATORS, indicator),
                         n->lang == LANG_ZH ? "unit_zh" : "unit_en");
}

const char *names_zone(const struct names *n)
{
        const char *zone = json_text(n->catalog, "timezone");
        return zone && clock_zone_known(zone) ? zone : NULL;
}
