/* keys: the folder of one process (CONTRACT.md, "Set-up": sumu keys init).
 *
 *     curve.key        its CURVE pair, Z85, two lines `public …`, `secret …`, mode 0600 or stricter
 *     sign.key         an office's Ed25519 pair, hex, the same form
 *     http.token       bearer token of its HTTP, mode 0600
 *     aggregator.pub   the aggregator's public half, a line `curve …`
 *     sink.pub         the sink's (aggregator)
 *     CODE.pub         an office's own, `curve …` and `sign …`, to be handed to HQ; the aggregator and the
 * sink keep their own as aggregator.pub and sink.pub, to be handed to offices and to each other
 *     offices/CODE.pub each office's (aggregator, sink); CODE+2.pub is a second key of the same office while
 * keys are changed. To end one key alone, move its file to revoked/ revoked/         what was revoked, for
 * the record; such a key is never enrolled again
 *
 * Secrets live in locked memory and are wiped on close; where the limit of locked memory forbids it, a line
 * in the log says so. (libzmq keeps a copy of its own of a socket's secret key.) A secret that others may
 * read, a folder or a key that others may write, and a file that belongs neither to the user of the process
 * nor to root are refused: E_DENIED, with the command that mends it. So is what is not well formed or does
 * not belong together: E_SYNTAX. */
#ifndef SUMU_LOOP_KEYS_H
#define SUMU_LOOP_KEYS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CURVE_TEXT = 41, SIGN_PUBLIC = 32, SIGN_SECRET = 64, KEY_ID = 8 };

struct office_key {
        char office[33];
        char curve[CURVE_TEXT];
        uint8_t sign[SIGN_PUBLIC];
        uint8_t id[KEY_ID]; /* first bytes of BLAKE2b-256 of `sign`: names the key in messages and store */
};

struct keys {
        char curve_public[CURVE_TEXT];
        char *curve_secret; /* locked memory, Z85 */
        uint8_t sign_public[SIGN_PUBLIC];
        uint8_t *sign_secret; /* locked memory; NULL where there is no sign.key */
        uint8_t sign_id[KEY_ID];
        char aggregator[CURVE_TEXT], sink[CURVE_TEXT]; /* "" where absent */
        char *token;                /* locked memory, without line end; NULL where absent */
        struct office_key *offices; /* by office; no CURVE key twice, no sign key of two offices */
        size_t n_offices;
};

/* Only curve.key must be there. On error nothing is kept. */
int keys_load(const char *dir, struct keys *k, struct err *e);
void keys_close(struct keys *k);
void key_id_of(const uint8_t sign[SIGN_PUBLIC], uint8_t id[KEY_ID]);
const struct office_key *keys_by_curve(const struct keys *k, const char *curve);
const struct office_key *keys_by_id(const struct keys *k, const char *office, const uint8_t id[KEY_ID]);

/* `sumu keys …`. None of them ever overwrites: E_EXISTS. Daemons notice at SIGHUP.
 *
 * keys_init makes the whole set beside `out` and renames it there at the end: `out` is absent or an empty
 * folder before, complete or as it was after, whenever it is stopped. The folder above it must be there. */
int keys_init(const char *out, const char *const *offices, size_t n, struct err *e);

/* Makes out/office-CODE, and enrols it beside it if HQ's folders are there. */
int keys_new_office(const char *out, const char *office, struct err *e);

/* `hq_dir` holds HQ's folders aggregator and sink, or is one of them. */
int keys_enrol(const char *hq_dir, const char *office, const char *pub_file, struct err *e);
int keys_revoke(const char *hq_dir, const char *office, struct err *e); /* all keys of the office */

#endif
