/* wire_read over anything: memory stays within the arena's cap, a refusal has a sentence, and what is taken
 * for a message is one: written and read again, it does not change any more. */
#include "fuzz/fuzz.h"

#include "session/wire.h"

#include <string.h>

static void write_again(const uint8_t *bytes, size_t n, struct text *out)
{
        struct arena a = {0};
        struct wire_message m;
        MUST(wire_read(bytes, n, &a, &m, NULL) == 0);
        wire_write(&m, out);
        MUST(!text_failed(out));
        arena_close(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena a = {0};
        struct wire_message m;
        struct err e = {0};
        int rc = wire_read(data, size, &a, &m, &e);
        MUST(a.used <= WIRE_ARENA);
        MUST(rc == 0 || ((rc == E_SYNTAX || rc == E_LIMIT) && e.text[0]));
        if (rc == 0) {
                struct text once = {0}, twice = {0};
                wire_write(&m, &once);
                write_again((const uint8_t *)once.v, once.n, &twice);
                MUST(once.n == twice.n && memcmp(once.v, twice.v, once.n) == 0);
                text_close(&once);
                text_close(&twice);
        }
        arena_close(&a);
        return 0;
}
