/*
 * The signature algorithms: one row each. What has no row does not exist; `none` has none.
 */
#ifndef LATCHKEY_ALGORITHM_H
#define LATCHKEY_ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum key_type { KEY_RSA, KEY_EC, KEY_OKP, KEY_OCT };
enum signature_scheme { SCHEME_PKCS1, SCHEME_PSS, SCHEME_ECDSA, SCHEME_EDDSA, SCHEME_HMAC };

struct algorithm {
    const char *name; /* exact, case-sensitive (RFC 7518 §3.1, RFC 8037 §3.1) */
    enum key_type key_type;
    const char *curve; /* JWK "crv" (RFC 7518 §6.2.1.1, RFC 8037 §2); NULL for RSA and HMAC */
    enum signature_scheme scheme;
    const char *digest;   /* OpenSSL's name; NULL for EdDSA, which hashes by itself */
    size_t digest_len;    /* bytes: PSS salt length (RFC 7518 §3.5), least length of an HMAC secret (§3.2) */
    size_t signature_len; /* bytes; 0 for RSA, whose signature is as long as its modulus */
};

#define ALGORITHM_ROWS 13

/* The row of an `alg`, or NULL. Static. */
const struct algorithm *algorithm_find(struct slice name);
/* row < ALGORITHM_ROWS. */
const struct algorithm *algorithm_at(size_t row);
/* The other way round: an index below ALGORITHM_ROWS. `algorithm` is of the table. */
size_t algorithm_row(const struct algorithm *algorithm);

#endif
