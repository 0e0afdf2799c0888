#include "session/chain.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/text.h"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_sign.h>
#include <string.h>

bool stream_same(struct stream_id a, struct stream_id b)
{
        return memcmp(a.b, b.b, STREAM_ID) == 0;
}

bool hash_same(struct hash a, struct hash b)
{
        return memcmp(a.b, b.b, HASH) == 0;
}

void stream_text(struct stream_id s, char out[2 * STREAM_ID + 1])
{
        for (size_t i = 0; i < STREAM_ID; i++) {
                out[2 * i] = "0123456789abcdef"[s.b[i] >> 4];
                out[2 * i + 1] = "0123456789abcdef"[s.b[i] & 15];
        }
        out[2 * STREAM_ID] = '\0';
}

bool stream_read(const char *text, struct stream_id *s)
{
        return text_hex_read(text, s->b, STREAM_ID);
}

static void little(uint64_t v, uint8_t out[8])
{
        for (int i = 0; i < 8; i++)
                out[i] = (uint8_t)(v >> 8 * i);
}

static void take_number(crypto_generichash_state *s, uint64_t v)
{
        uint8_t b[8];
        little(v, b);
        crypto_generichash_update(s, b, sizeof b);
}

static void take_bytes(crypto_generichash_state *s, const void *p, size_t n)
{
        take_number(s, n);
        crypto_generichash_update(s, p, n);
}

static void take_text(crypto_generichash_state *s, const char *text)
{
        take_bytes(s, text, strlen(text));
}

static void begin(crypto_generichash_state *s, const char *label, const char *office, struct stream_id stream)
{
        crypto_generichash_init(s, NULL, 0, HASH);
        take_text(s, label);
        take_text(s, office);
        take_bytes(s, stream.b, STREAM_ID);
}

struct hash chain_start(const char *office, struct stream_id stream)
{
        crypto_generichash_state s;
        struct hash h;
        begin(&s, "sumu stream 1", office, stream);
        crypto_generichash_final(&s, h.b, HASH);
        return h;
}

struct stream_id chain_fork(const char *office, struct stream_id stream, uint64_t after, struct hash first)
{
        crypto_generichash_state s;
        struct hash h;
        struct stream_id id;
        begin(&s, "sumu fork 1", office, stream);
        take_number(&s, after);
        take_bytes(&s, first.b, HASH);
        crypto_generichash_final(&s, h.b, HASH);
        memcpy(id.b, h.b, STREAM_ID);
        return id;
}

struct hash chain_next(const char *office, struct stream_id stream, uint64_t seq, struct hash previous,
                       const struct envelope *r)
{
        PRE(seq > 0);
        crypto_generichash_state s;
        struct hash h;
        begin(&s, "sumu report 1", office, stream);
        take_number(&s, seq);
        take_bytes(&s, previous.b, PLANTED(CHAIN_WITHOUT_LINKS) ? 0 : HASH);
        take_number(&s, (uint64_t)r->submitted_at);
        take_bytes(&s, r->catalog, sizeof r->catalog);
        take_text(&s, r->dataset);
        take_text(&s, r->period);
        take_number(&s, (uint64_t)r->action);
        take_bytes(&s, r->payload, r->payload_n);
        crypto_generichash_final(&s, h.b, HASH);
        return h;
}

/* What is signed: the digest of (label, office, stream, head seq, head hash), 32 bytes whatever the lengths.
 */
static struct hash signed_part(const char *office, struct stream_id stream, uint64_t seq, struct hash head)
{
        crypto_generichash_state s;
        struct hash h;
        begin(&s, "sumu head 1", office, stream);
        take_number(&s, seq);
        take_bytes(&s, head.b, HASH);
        crypto_generichash_final(&s, h.b, HASH);
        return h;
}

void chain_sign(const char *office, struct stream_id stream, uint64_t seq, struct hash head,
                const uint8_t secret[64], uint8_t signature[SIGNATURE])
{
        struct hash h = signed_part(office, stream, seq, head);
        crypto_sign_detached(signature, NULL, h.b, HASH, secret);
}

bool chain_verify(const char *office, struct stream_id stream, uint64_t seq, struct hash head,
                  const uint8_t public_key[32], const uint8_t signature[SIGNATURE])
{
        struct hash h = signed_part(office, stream, seq, head);
        return crypto_sign_verify_detached(signature, h.b, HASH, public_key) == 0;
}
