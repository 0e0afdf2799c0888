#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *what, const char *expr, const char *file, int line)
{
        fprintf(stderr, "level=fatal msg=\"%s failed\" expr=\"%s\" at=%s:%d\n", what, expr, file, line);
        abort();
}
