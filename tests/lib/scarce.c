#include "lib/scarce.h"

#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool scarce, refused;
static uint64_t left;

void scarce_after(uint64_t n)
{
        scarce = true;
        refused = false;
        left = n;
}

bool scarce_end(void)
{
        scarce = false;
        return refused;
}

static bool given(void)
{
        if (!scarce || left-- > 0)
                return true;
        left = 0;
        refused = true;
        return false;
}

void *__wrap_malloc(size_t n)
{
        return given() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
        return given() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
        return given() ? __real_realloc(p, n) : NULL;
}
