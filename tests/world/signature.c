/* Signatures of the simulated world. Ed25519 takes a tenth of a millisecond for what here is done hundreds of
 * times a seed; a keyed hash notices the same mistakes (another key, another message), and nobody in the
 * world forges. The real ones are in the laws, the stories and wherever programs run. */
#include "base/check.h"

#include <sodium.h>
#include <string.h>

int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen, const unsigned char *m,
                                unsigned long long n, const unsigned char *secret);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long n,
                                       const unsigned char *public_key);

int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *siglen, const unsigned char *m,
                                unsigned long long n, const unsigned char *secret)
{
        PRE(!siglen);
        return crypto_generichash(sig, crypto_sign_BYTES, m, n, secret + 32, 32); /* its public half */
}

int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, unsigned long long n,
                                       const unsigned char *public_key)
{
        unsigned char again[crypto_sign_BYTES];
        crypto_generichash(again, sizeof again, m, n, public_key, 32);
        return memcmp(again, sig, sizeof again) == 0 ? 0 : -1;
}
