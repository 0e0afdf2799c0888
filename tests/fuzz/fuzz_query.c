/* Any target is refused or read; what was read and is printed again reads the same. */
#include "fuzz/fuzz.h"
#include "loop/query.h"

#include <stdlib.h>
#include <string.h>

static void same_again(const struct query *q)
{
        struct text printed = {0};
        struct query again;
        query_print_without(q, "token", &printed);
        int code = query_parse(&again, text_c(&printed));
        MUST(code == 0);
        MUST(strcmp(again.path, q->path) == 0);
        MUST(again.n == q->n - (query_get(q, "token") != NULL));
        for (size_t i = 0; i < again.n; i++)
                MUST(strcmp(query_get(q, again.pair[i].key), again.pair[i].value) == 0);
        query_close(&again);
        text_close(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        char *target = strndup((const char *)bytes, n);
        struct query q;
        if (query_parse(&q, target) == 0)
                same_again(&q);
        query_close(&q);
        free(target);
        return 0;
}
