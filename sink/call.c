#include "sink/call.h"

#include "base/log.h"
#include "loop/clock.h"
#include "sink/figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- refusing */

static const struct {
        int status;
        const char *code, *en, *zh;
} errors[API_ERRORS] = {
#define API_ERROR(name, status, code, en, zh) [API_##name] = {status, code, en, zh},
#include "sink/api_errors.def"
#undef API_ERROR
};

static void fill(const char *sentence, const char *const args[CALL_ARGS], struct text *out)
{
        for (const char *p = sentence; *p; p++) {
                if (p[0] == '{' && p[1] >= '0' && p[1] < '0' + CALL_ARGS && p[2] == '}') {
                        const char *arg = args[p[1] - '0'];
                        text_add(out, arg ? arg : "");
                        p += 2;
                } else {
                        text_char(out, *p);
                }
        }
}

bool call_refuse(struct call *k, enum api_error which, const char *const args[CALL_ARGS])
{
        struct text sentence = {0};
        fill(k->lang == LANG_ZH ? errors[which].zh : errors[which].en, args, &sentence);
        http_error(k->a, errors[which].status, errors[which].code, text_c(&sentence));
        text_close(&sentence);
        return false;
}

bool call_refuse_reason(struct call *k, enum reason_code code, const char *a0, const char *a1)
{
        bool unknown = code == REASON_UNKNOWN_DATASET || code == REASON_UNKNOWN_REGION ||
                       code == REASON_UNKNOWN_INDICATOR;
        struct text sentence = {0};
        reason_sentence(&(struct reason){.code = code, .arg = {a0, a1}}, k->lang, &sentence);
        http_error(k->a, unknown ? 404 : 422, reason_name(code), text_c(&sentence));
        text_close(&sentence);
        return false;
}

bool call_refuse_store(struct call *k, int rc)
{
        char most[24];
        switch (rc) {
        case E_LIMIT: return CALL_REFUSE(k, TOO_SLOW, NULL);
        case E_MEM: return CALL_REFUSE(k, NO_MEMORY, NULL);
        case E_SYNTAX:
                if (k->r && k->r->past)
                        return CALL_REFUSE(k, UNREADABLE_THEN, k->e.text);
                break;
        case E_FULL: snprintf(most, sizeof most, "%d", FIGURES_MOST); return CALL_REFUSE(k, TOO_MUCH, most);
        default: break;
        }
        log_error("a request could not be answered", "path", http_path(k->q), "error", k->e.text, NULL);
        return CALL_REFUSE(k, STORE, k->e.text);
}

/* ---- parameters */

const char *call_needed(struct call *k, const char *key)
{
        const char *text = http_query(k->q, key);
        if (text && *text)
                return text;
        CALL_REFUSE(k, NEEDED, key);
        return NULL;
}

bool call_flag(struct call *k, const char *key)
{
        const char *text = http_query(k->q, key);
        return text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0);
}

bool call_number(struct call *k, const char *key, uint64_t least, uint64_t most, uint64_t otherwise,
                 uint64_t *v)
{
        const char *text = http_query(k->q, key);
        *v = otherwise;
        if (!text)
                return true;
        errno = 0;
        size_t digits = strspn(text, "0123456789");
        *v = digits && !text[digits] ? strtoull(text, NULL, 10) : 0;
        if (digits && !text[digits] && !errno && *v >= least && *v <= most)
                return true;
        char range[48];
        snprintf(range, sizeof range, "%llu … %llu", (unsigned long long)least, (unsigned long long)most);
        return CALL_REFUSE(k, NO_NUMBER, key, text, range);
}

bool call_dataset(struct call *k, const char *text, uint32_t *dataset)
{
        int32_t i = catalog_dataset(k->c, text);
        if (i < 0)
                return call_refuse_reason(k, REASON_UNKNOWN_DATASET, text, catalog_near_dataset(k->c, text));
        *dataset = (uint32_t)i;
        return true;
}

bool call_office(struct call *k, const char *text, uint32_t *office)
{
        int32_t i = catalog_office(k->c, text);
        if (i >= 0) {
                *office = (uint32_t)i;
                return true;
        }
        struct text_nearest near = {.want = text};
        for (uint32_t o = 0; o < k->c->n_offices; o++)
                text_nearest_try(&near, k->c->offices[o].code);
        return near.best ? CALL_REFUSE(k, NEAR_OFFICE, text, near.best)
                         : CALL_REFUSE(k, UNKNOWN_OFFICE, text);
}

bool call_region(struct call *k, const char *text, uint32_t *region, bool *own)
{
        bool written = false;
        int32_t i = catalog_region(k->c, text, NONE, &written);
        if (i == AMBIGUOUS)
                return call_refuse_reason(k, REASON_AMBIGUOUS_NAME, text, NULL);
        if (i < 0)
                return call_refuse_reason(k, REASON_UNKNOWN_REGION, text,
                                          catalog_near_region(k->c, text, NONE));
        *region = (uint32_t)i;
        *own = written;
        return true;
}

bool call_indicator(struct call *k, const char *text, uint32_t *indicator)
{
        int32_t i = catalog_indicator(k->c, NONE, text);
        if (i == AMBIGUOUS)
                return call_refuse_reason(k, REASON_AMBIGUOUS_NAME, text, NULL);
        if (i < 0)
                return call_refuse_reason(k, REASON_UNKNOWN_INDICATOR, text,
                                          catalog_near_indicator(k->c, NONE, text));
        *indicator = (uint32_t)i;
        return true;
}

bool call_period(struct call *k, const char *text, struct period *p)
{
        return period_parse(text, p) || CALL_REFUSE(k, NO_PERIOD, text);
}

bool call_held(struct call *k, uint32_t dataset, struct period asked, struct period *held)
{
        const struct dataset *d = &k->c->datasets[dataset];
        char label[PERIOD_TEXT];
        if (period_held(d->every, asked, held))
                return true;
        period_print(asked, label);
        return CALL_REFUSE(k, NOT_HELD, label, d->code, period_kind_word(d->every), period_kind_zh(d->every));
}

char *call_next(struct call *k, const char **rest)
{
        if (!*rest)
                return NULL;
        size_t n = strcspn(*rest, ",");
        char *part = arena_strndup(&k->arena, *rest, n);
        *rest = (*rest)[n] ? *rest + n + 1 : NULL;
        return part;
}

/* ---- printing */

void print_time(struct text *t, int64_t us)
{
        char time[CLOCK_TEXT];
        clock_rfc3339(us, time);
        text_printf(t, "\"%s\"", time);
}

void print_period(struct text *t, struct period p)
{
        char label[PERIOD_TEXT];
        period_print(p, label);
        text_printf(t, "\"%s\"", label);
}
