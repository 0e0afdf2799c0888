#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session/varint.h"

/* Reads the same with nothing behind it and with other bytes behind it: short and long ways agree. */
static void expect(const uint8_t *bytes, size_t n, uint64_t want)
{
        for (size_t behind = 0; behind <= 16; behind += 16) {
                uint8_t room[32];
                memset(room, 0xff, sizeof room);
                memcpy(room, bytes, n);
                const uint8_t *p = room;
                uint64_t got;
                assert_true(varint_get(&p, room + n + behind, &got));
                assert_true(got == want);
                assert_ptr_equal(p, room + n);
        }
}

static void there_and_back(void **state)
{
        (void)state;
        for (unsigned bits = 0; bits < 64; bits++)
                for (int64_t beside = -1; beside <= 1; beside++) {
                        uint64_t v = (UINT64_C(1) << bits) + (uint64_t)beside;
                        uint8_t bytes[VARINT_MAX];
                        size_t n = (size_t)(varint_put(bytes, v) - bytes);
                        assert_int_equal(n, varint_size(v));
                        assert_int_equal(varint_count(bytes, n), 1);
                        expect(bytes, n, v);
                        const uint8_t *p = bytes;
                        assert_false(n > 1 && varint_get(&p, bytes + n - 1, &v));
                        assert_ptr_equal(p, bytes);
                }
}

static void longer_forms(void **state)
{
        (void)state;
        expect((const uint8_t[]){0x81, 0x00}, 2, 1);
        expect((const uint8_t[]){0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 10, 5);
        static const uint8_t eleven[16] = {0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
        static const uint8_t beyond[16] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02};
        const uint8_t *p = eleven;
        uint64_t v;
        assert_false(varint_get(&p, eleven + sizeof eleven, &v));
        p = beyond;
        assert_false(varint_get(&p, beyond + sizeof beyond, &v));
}

static void counted(void **state)
{
        (void)state;
        static const uint8_t bytes[] = {1, 0x80, 1, 2, 3, 0xff, 0xff, 3, 4, 5, 0x80};
        assert_int_equal(varint_count(bytes, 0), 0);
        assert_int_equal(varint_count(bytes, 1), 1);
        assert_int_equal(varint_count(bytes, 5), 4);
        assert_int_equal(varint_count(bytes, 10), 7);
        assert_true(varint_count(bytes, 11) == SIZE_MAX);
}

static void folded(void **state)
{
        (void)state;
        static const int64_t values[] = {0, -1, 1, -2, INT64_MAX, INT64_MIN};
        static const uint64_t wire[] = {0, 1, 2, 3, UINT64_MAX - 1, UINT64_MAX};
        for (size_t i = 0; i < 6; i++) {
                assert_true(varint_fold(values[i]) == wire[i]);
                assert_true(varint_unfold(wire[i]) == values[i]);
        }
}

static void bytes(void **state)
{
        (void)state;
        static const uint8_t field[] = {3, 'a', 'b', 'c', 'd'};
        const uint8_t *p = field, *inside;
        size_t n;
        assert_true(varint_get_bytes(&p, field + 5, &inside, &n));
        assert_true(n == 3 && inside == field + 1 && p == field + 4);
        p = field;
        assert_false(varint_get_bytes(&p, field + 3, &inside, &n));
        assert_ptr_equal(p, field);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(longer_forms),
                                           cmocka_unit_test(counted), cmocka_unit_test(folded),
                                           cmocka_unit_test(bytes)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
