#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "session/chain.h"

#include <sodium.h>
#include <string.h>

static const struct stream_id STREAM = {{1, 2, 3, 4, 5, 6, 7, 8}};

static struct envelope example(void)
{
        return (struct envelope){.submitted_at = -2,
                                 .catalog = {0xcc},
                                 .dataset = "gunexp",
                                 .period = "2023-09-19",
                                 .action = ADD,
                                 .payload = (const uint8_t *)"\0rows",
                                 .payload_n = 5};
}

static void expect(struct hash h, const char *hex)
{
        struct text t = {0};
        text_hex(&t, h.b, HASH);
        assert_string_equal(text_c(&t), hex);
        text_close(&t);
}

/* Computed apart from this program (Python's hashlib.blake2b, digest_size 32), as the header words it. */
static void known(void **state)
{
        (void)state;
        struct envelope r = example();
        struct hash start = chain_start("150200", STREAM);
        expect(start, "65e059d8d7e39b5e90ca43a61db63b9d95d38d9fd45795ed6df882173cc23f49");
        expect(chain_next("150200", STREAM, 1, start, &r),
               "2adcbf4d451f6870a57bbf5a69eb38ad998fb31e2590b6c8ddf22f48063ee8e6");
}

/* Nothing that is said can be changed unseen, nor can text move from one field to the next. */
static void everything_counts(void **state)
{
        (void)state;
        struct hash start = chain_start("150200", STREAM), other = {{1}};
        struct envelope r = example();
        struct hash seen[16] = {chain_next("150200", STREAM, 1, start, &r)};
        size_t n = 1;
        seen[n++] = chain_next("150201", STREAM, 1, start, &r);
        seen[n++] = chain_next("150200", (struct stream_id){{1}}, 1, start, &r);
        seen[n++] = chain_next("150200", STREAM, 2, start, &r);
        seen[n++] = chain_next("150200", STREAM, 1, other, &r);
#define CHANGED(change) \
        r = example();  \
        change;         \
        seen[n++] = chain_next("150200", STREAM, 1, start, &r);
        CHANGED(r.submitted_at++)
        CHANGED(r.catalog[31] = 1)
        CHANGED(r.dataset = "gunexq")
        CHANGED(r.dataset = "gunexp2"; r.period = "023-09-19")
        CHANGED(r.period = "2023-09-20")
        CHANGED(r.action = MERGE)
        CHANGED(r.payload_n--)
        CHANGED(r.payload = (const uint8_t *)"\0rowz")
#undef CHANGED
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(hash_same(seen[i], seen[k]));
}

static void signatures(void **state)
{
        (void)state;
        uint8_t seed[32] = {9}, public_key[32], secret[64], signature[SIGNATURE];
        assert_int_equal(crypto_sign_seed_keypair(public_key, secret, seed), 0);
        struct hash head = chain_start("150200", STREAM);
        chain_sign("150200", STREAM, 7, head, secret, signature);
        assert_true(chain_verify("150200", STREAM, 7, head, public_key, signature));
        assert_false(chain_verify("150201", STREAM, 7, head, public_key, signature));
        assert_false(chain_verify("150200", (struct stream_id){{0}}, 7, head, public_key, signature));
        assert_false(chain_verify("150200", STREAM, 8, head, public_key, signature));
        head.b[31] ^= 1;
        assert_false(chain_verify("150200", STREAM, 7, head, public_key, signature));
        head.b[31] ^= 1;
        signature[0] ^= 1;
        assert_false(chain_verify("150200", STREAM, 7, head, public_key, signature));
}

static void stream_as_text(void **state)
{
        (void)state;
        char text[2 * STREAM_ID + 1];
        struct stream_id back;
        stream_text((struct stream_id){{0x0f, 0xa0, 0, 0, 0, 0, 0, 0xff}}, text);
        assert_string_equal(text, "0fa00000000000ff");
        assert_true(stream_read(text, &back));
        assert_true(stream_same(back, (struct stream_id){{0x0f, 0xa0, 0, 0, 0, 0, 0, 0xff}}));
        assert_false(stream_read("0fa00000000000f", &back));
        assert_false(stream_read("0fa00000000000fg", &back));
        assert_false(stream_read("0fa00000000000ff0", &back));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(known), cmocka_unit_test(everything_counts),
                                           cmocka_unit_test(signatures), cmocka_unit_test(stream_as_text)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
