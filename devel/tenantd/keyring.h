/*
 * The tenant's signing keys: the current one, and the one before it, which stays published so that tokens it signed
 * still verify.
 */
#ifndef LATCHKEY_TENANTD_KEYRING_H
#define LATCHKEY_TENANTD_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "devel/signer.h"
#include "devel/tenantd/identifiers.h"

#define ALG_SIZE 8 /* bytes with the NUL: the longest is RS256 and its kind */

struct signing_key {
    char kid[UUID_SIZE];
    char alg[ALG_SIZE];
    struct signer *signer; /* NULL: no such key */
};

/* Zero-initialise it; end it with keyring_clear(). */
struct keyring {
    struct signing_key current, previous;
    int64_t changed; /* s since 1970; no two key sets have the same */
};

/* False when there is no such algorithm or when out of memory; *ret_key is then untouched. */
bool signing_key_make(const char *alg, struct signing_key *ret_key);
void signing_key_clear(struct signing_key *key);
/* malloc'ed, wipe it; NULL on failure. The header says the key's alg and kid (HS* keys have none). */
char *signing_key_sign(const struct signing_key *key, struct json *claims);

/* A new current key. The former one is published until the next rotation, or not at all. False as above. */
bool keyring_rotate(struct keyring *keyring, const char *alg, bool keep_previous, int64_t now);
void keyring_clear(struct keyring *keyring);

/* The key set to publish; HMAC secrets are not in it. NULL when out of memory. */
struct json *keyring_jwks(const struct keyring *keyring);

/* With the private keys. NULL when out of memory; false when the object is none of these. */
struct json *keyring_json(const struct keyring *keyring);
bool keyring_read(struct keyring *keyring, const struct json *object);

/* The secret of an HS* tenant in base64url, for its relying parties. malloc'ed, wipe it; NULL without a secret. */
char *keyring_hmac_secret(const struct keyring *keyring);

#endif
