#include "session/guests.h"

#include <stdlib.h>
#include <string.h>

struct guest_question {
        struct guest_question *next;
        struct text message;
};

struct guest *guests_find(struct guests *s, const char *office)
{
        for (size_t i = 0; i < s->n; i++)
                if (strcmp(s->v[i]->office, office) == 0)
                        return s->v[i];
        struct guest **v = realloc(s->v, (s->n + 1) * sizeof *v);
        if (!v)
                return NULL;
        s->v = v;
        struct guest *g = calloc(1, sizeof *g);
        if (!g)
                return NULL;
        memcpy(g->office, office, strlen(office) + 1);
        g->end = &g->first;
        return s->v[s->n++] = g;
}

bool guest_ask(struct guest *g, const struct wire_message *m)
{
        struct guest_question *q = g->waiting + g->asked < GUEST_ASKS ? calloc(1, sizeof *q) : NULL;
        if (!q)
                return false;
        wire_write(m, &q->message);
        if (text_failed(&q->message)) {
                text_close(&q->message);
                free(q);
                return false;
        }
        *g->end = q;
        g->end = &q->next;
        g->waiting++;
        return true;
}

/* Out of the line; its text is the caller's. */
static struct text take(struct guest *g)
{
        struct guest_question *q = g->first;
        struct text message = q->message;
        g->first = q->next;
        if (!g->first)
                g->end = &g->first;
        g->waiting--;
        free(q);
        return message;
}

bool guests_next(struct guests *s, int64_t now_ms, struct text *question)
{
        for (size_t i = 0; s->open < GUESTS_OPEN && i < s->n; i++) {
                struct guest *g = s->v[s->next++ % s->n];
                if (!g->first)
                        continue;
                *question = take(g);
                g->asked++;
                s->open++;
                s->asked_ms = now_ms;
                return true;
        }
        return false;
}

void guests_answered(struct guests *s, const char *office, int64_t now_ms)
{
        struct guest *g = guests_find(s, office);
        if (!g || !g->asked || !s->open)
                return;
        g->asked--;
        s->open--;
        s->asked_ms = now_ms;
}

static void none_open(struct guests *s)
{
        s->open = 0;
        for (size_t i = 0; i < s->n; i++)
                s->v[i]->asked = 0;
}

void guests_tick(struct guests *s, int64_t now_ms)
{
        if (s->open && now_ms - s->asked_ms >= GUESTS_ANSWER_MS)
                none_open(s);
}

void guests_forget(struct guests *s)
{
        none_open(s);
        for (size_t i = 0; i < s->n; i++)
                while (s->v[i]->first) {
                        struct text message = take(s->v[i]);
                        text_close(&message);
                }
}

void guests_close(struct guests *s)
{
        guests_forget(s);
        for (size_t i = 0; i < s->n; i++)
                free(s->v[i]);
        free(s->v);
        *s = (struct guests){0};
}
