/*
 * A JSON Web Key Set (RFC 7517), or the one HMAC secret of a tenant: the keys that may verify a token. The keys never
 * change once parsed. Many threads use a set at the same time.
 */
#ifndef LATCHKEY_JWKS_H
#define LATCHKEY_JWKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "verdict/verdict.h"
#include "token/algorithm.h"
#include "token/jwt.h"
#include "token/seen.h"

#define JWKS_MAX_LEN      (1U << 20) /* bytes of the text */
#define JWKS_MAX_KEYS     100        /* members of "keys" */
#define JWKS_RSA_MIN_BITS 2048       /* RFC 7518 §3.3 */
#define JWKS_RSA_MAX_BITS 8192       /* with the greatest exponent a verification takes a millisecond or two */

struct jwks;
struct jwk;

/*
 * Read a key set. An unknown or broken key is skipped when another is usable (RFC 7517 §5); jwks_note() says why. The
 * set as a whole is refused when it is not strict JSON with an array "keys" of at most JWKS_MAX_KEYS members, when no
 * key is usable, when any key carries a private member (d, p, q, dp, dq, qi, oth, k), or when two usable keys of the
 * same `kid` could verify the same algorithm. A usable key: kty RSA (JWKS_RSA_MIN_BITS to JWKS_RSA_MAX_BITS, an odd
 * exponent from 3 to 2^32), EC (P-256, P-384, P-521, the point on its curve) or OKP (Ed25519, 32 bytes of a point on
 * its curve, in the one spelling of RFC 8032 §5.1.2, not of small order); `use`, when present, is "sig"; `key_ops`,
 * when present, holds "verify"; `alg`, when present, has a row and fits the type and curve. kid is at most 256 bytes
 * without control bytes. False with JWKS_INVALID or OUT_OF_MEMORY; the evidence names the member: "keys[3]: …". End
 * with jwks_free().
 */
bool jwks_parse(struct verdict *verdict, struct slice text, struct jwks **ret_jwks);

/* Whether a text that jwks_parse() refuses is a sound set with the empty array "keys": so a provider withdraws its
 * keys. False also when out of memory. */
bool jwks_is_withdrawal(struct slice text);

/* The set that holds only an HMAC secret (copied). It has no kid, and fits HS* and nothing else. */
bool jwks_from_secret(struct verdict *verdict, struct slice secret, struct jwks **ret_jwks);

/* Wipes a secret. Accepts NULL and a pointer to NULL; leaves NULL. Not to be called inside the fork lock. */
void jwks_free(struct jwks **jwks);

/*
 * The one key that may verify a token (rule: with `kid` only a key of that kid; without, exactly one must fit). An
 * HMAC secret fits whatever the kid says. Lent by the set.
 * False with KEY_UNKNOWN (no key of that kid, or none that fits), KEY_UNSUITABLE (the kid's key is of another type,
 * curve, alg or use), KEY_AMBIGUOUS.
 */
bool jwks_find(struct verdict *verdict, const struct jwks *jwks, const struct algorithm *algorithm,
               const struct jwt_header *header, const struct jwk **ret_key);

/* For humans and lints: all members of "keys" in their order, unusable ones too. index < jwks_count(). */
size_t jwks_count(const struct jwks *jwks);
struct slice jwks_kid(const struct jwks *jwks, size_t index); /* empty when absent; not always printable; lent */
const char *jwks_type(const struct jwks *jwks, size_t index); /* "RSA 2048", "EC P-256", "HMAC 32", "?"; lent */
const char *jwks_alg(const struct jwks *jwks, size_t index);  /* the key's own alg, or NULL; static */
const char *jwks_note(const struct jwks *jwks, size_t index); /* NULL: usable; else why not; static */

/* For signature.c. */
struct evp_pkey_st;
struct evp_pkey_st *jwk_public_key(const struct jwk *key);  /* lent; NULL for a secret */
struct slice jwk_secret(const struct jwk *key);             /* lent; empty for a public key */
size_t jwk_rsa_signature_len(const struct jwk *key);        /* bytes of the modulus; 0 for other types */
size_t jwks_longest_rsa_signature(const struct jwks *jwks); /* of its usable keys; 0: it has no RSA key */
struct slice jwk_kid(const struct jwk *key);                /* lent; empty when absent */

/*
 * Prepared OpenSSL contexts are kept here between verifications, a few per algorithm of a key, because making one costs
 * as much as a fifth of an RSA verification. jwk_take_context() gives one that no other thread has, or NULL: make one
 * then. jwk_give_context() takes it back, or frees it when enough wait. jwks_free() frees those that wait.
 */
struct verify_context {
    void (*free)(struct verify_context *context);
};
struct verify_context *jwk_take_context(const struct jwk *key, const struct algorithm *algorithm);
void jwk_give_context(const struct jwk *key, const struct algorithm *algorithm, struct verify_context *context);

/*
 * Whether this key has verified the token of this digest with this algorithm, and the note that it has (seen.h). Each
 * key has its own memory for each algorithm. It ends with the key set, so that a withdrawn key is remembered nowhere.
 * Without memory for the note the next login verifies the signature again.
 */
bool jwk_has_seen(const struct jwk *key, const struct algorithm *algorithm,
                  const unsigned char digest[SEEN_DIGEST_LEN]);
void jwk_note_seen(const struct jwk *key, const struct algorithm *algorithm,
                   const unsigned char digest[SEEN_DIGEST_LEN]);

#endif
