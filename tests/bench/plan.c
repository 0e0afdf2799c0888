#include "bench/plan.h"

#include "core/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_named(const char *word, const char *name, const char **value)
{
        size_t n = strlen(name);
        *value = word + n + 1;
        return strncmp(word, name, n) == 0 && word[n] == '=';
}

static bool read_word(struct plan *p, const char *word)
{
        const char *value;
        char *end;
#define TEXT(name, help)                     \
        if (is_named(word, #name, &value)) { \
                p->name = value;             \
                return *value;               \
        }
#define NUMBER(name, otherwise, help)                \
        if (is_named(word, #name, &value)) {         \
                p->name = strtoull(value, &end, 10); \
                return *value && !*end;              \
        }
#include "bench/plan.def"
#undef TEXT
#undef NUMBER
        return false;
}

static void print_words(void)
{
        fputs("usage: bench_offices NAME=VALUE…\n", stderr);
#define TEXT(name, help) fprintf(stderr, "  %-12s%s\n", #name, help);
#define NUMBER(name, otherwise, help) fprintf(stderr, "  %-12s%s (%d)\n", #name, help, otherwise);
#include "bench/plan.def"
#undef TEXT
#undef NUMBER
}

bool plan_read(struct plan *p, int argc, char **argv)
{
        *p = (struct plan){
#define TEXT(name, help)
#define NUMBER(name, otherwise, help) .name = otherwise,
#include "bench/plan.def"
#undef TEXT
#undef NUMBER
            .first = "2024-04-01"};
        bool fine = true;
        for (int i = 1; fine && i < argc; i++)
                fine = read_word(p, argv[i]);
        fine = fine && day_parse(p->first, &p->first_day);
        if (p->replace)
                p->days = p->reports / 2;
        fine = fine && p->catalog && p->keys && p->state && p->hq && p->sums && p->reports && p->rows &&
               p->rows <= REPORT_ROWS && p->days && p->window;
        if (!fine)
                print_words();
        return fine;
}

uint32_t plan_day(const struct plan *p, uint64_t report)
{
        return (uint32_t)(p->replace ? report % p->days : report * p->days / p->reports);
}

int64_t plan_due_ns(const struct plan *p, uint32_t office, uint64_t report)
{
        double turn = (double)report * (double)p->senders + office;
        return (int64_t)(turn * (double)p->rows * 1e9 / (double)p->rate);
}
