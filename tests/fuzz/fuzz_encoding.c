/* Any bytes are text or not; what comes out is UTF-8, also before a bad byte. */
#include "fuzz/fuzz.h"

#include "loop/encoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct text out = {0};
        struct err e;
        const char *name = NULL;
        int code = encoding_to_utf8(data, size, &out, &name, &e);
        MUST(code == 0 || code == E_SYNTAX);
        MUST(name);
        MUST(text_is_utf8(text_c(&out), out.n));
        text_close(&out);
        return 0;
}
