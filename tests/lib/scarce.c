#include "lib/scarce.h"

#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool scarce, paused, once, refused;
static uint64_t left, total;

void scarce_after(uint64_t n)
{
        scarce = true;
        paused = once = refused = false;
        left = n;
}

void scarce_once(uint64_t n)
{
        scarce_after(n);
        once = true;
}

bool scarce_end(void)
{
        scarce = false;
        return refused;
}

void scarce_pause(void)
{
        paused = true;
}

void scarce_go_on(void)
{
        paused = false;
}

uint64_t scarce_refused(void)
{
        return total;
}

static bool given(void)
{
        if (!scarce || paused || left-- > 0)
                return true;
        left = once ? UINT64_MAX : 0;
        refused = true;
        total++;
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
