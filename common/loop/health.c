#include "loop/health.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct reason_of_health {
        struct reason_of_health *next;
        char *name, *sentence;
        enum health_grade grade;
};

struct health {
        pthread_mutex_t lock;
        struct reason_of_health *first; /* in the order they were raised */
};

static const char *const words[] = {
    [HEALTH_OK] = "ok", [HEALTH_DEGRADED] = "degraded", [HEALTH_FAILING] = "failing"};

struct health *health_new(void)
{
        struct health *h = calloc(1, sizeof *h);
        if (h)
                pthread_mutex_init(&h->lock, NULL);
        return h;
}

static void reason_free(struct reason_of_health *r)
{
        free(r->name);
        free(r->sentence);
        free(r);
}

void health_free(struct health *h)
{
        if (!h)
                return;
        for (struct reason_of_health *r = h->first, *next; r; r = next) {
                next = r->next;
                reason_free(r);
        }
        pthread_mutex_destroy(&h->lock);
        free(h);
}

/* Where a reason hangs, or where a new one is to be hung. */
static struct reason_of_health **find(struct health *h, const char *name)
{
        struct reason_of_health **at = &h->first;
        while (*at && strcmp((*at)->name, name) != 0)
                at = &(*at)->next;
        return at;
}

static struct reason_of_health *hang(struct reason_of_health **at, const char *name)
{
        struct reason_of_health *r = calloc(1, sizeof *r);
        if (r && !(r->name = strdup(name))) {
                free(r);
                r = NULL;
        }
        *at = r;
        return r;
}

void health_raise(struct health *h, enum health_grade grade, const char *name, const char *sentence)
{
        if (grade == HEALTH_OK) {
                health_clear(h, name);
                return;
        }
        pthread_mutex_lock(&h->lock);
        struct reason_of_health **at = find(h, name), *r = *at ? *at : hang(at, name);
        bool news = r && r->grade != grade;
        char *copy = strdup(sentence);
        if (r) {
                free(r->sentence);
                r->sentence = copy;
                r->grade = grade;
        } else {
                free(copy);
        }
        pthread_mutex_unlock(&h->lock);
        if (news)
                log_warn(words[grade], "reason", name, "because", sentence, NULL);
}

void health_clear(struct health *h, const char *name)
{
        pthread_mutex_lock(&h->lock);
        struct reason_of_health **at = find(h, name), *gone = *at;
        if (gone)
                *at = gone->next;
        pthread_mutex_unlock(&h->lock);
        if (!gone)
                return;
        log_info("recovered", "reason", name, NULL);
        reason_free(gone);
}

static void print_grade(const struct health *h, enum health_grade grade, const char **comma,
                        struct text *json)
{
        for (const struct reason_of_health *r = h->first; r; r = r->next) {
                if (r->grade != grade)
                        continue;
                text_printf(json, "%s{\"name\":", *comma);
                text_json(json, r->name);
                text_printf(json, ",\"status\":\"%s\",\"message\":", words[grade]);
                text_json(json, r->sentence ? r->sentence : "");
                text_char(json, '}');
                *comma = ",";
        }
}

enum health_grade health_print(struct health *h, struct text *json)
{
        enum health_grade worst = HEALTH_OK;
        const char *comma = "";
        pthread_mutex_lock(&h->lock);
        for (const struct reason_of_health *r = h->first; r; r = r->next)
                if (r->grade > worst)
                        worst = r->grade;
        text_printf(json, "{\"status\":\"%s\",\"reasons\":[", words[worst]);
        print_grade(h, HEALTH_FAILING, &comma, json);
        print_grade(h, HEALTH_DEGRADED, &comma, json);
        text_add(json, "]}\n");
        pthread_mutex_unlock(&h->lock);
        return worst;
}

void health_reply(struct health *h, struct http_reply *a)
{
        a->status = health_print(h, &a->body) == HEALTH_FAILING ? 503 : 200;
}
