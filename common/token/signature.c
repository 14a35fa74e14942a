#include "token/signature.h"

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/fork_lock.h"
#include "base/secret.h"
#include "token/openssl.h"

#define ECDSA_DER_MAX (2 * (66 + 3) + 4) /* bytes: two integers of P-521 with a sign byte each, and the sequence */

/* What one verification needs of OpenSSL, made ready; waits with the key in between (jwks.h). */
struct prepared {
    struct verify_context waiting; /* first: the pool knows only this part */
    EVP_MD_CTX *hash;              /* of the token, and of the signing input */
    EVP_PKEY_CTX *key;             /* RSA and ECDSA: initialised for verifying with this key and algorithm */
    EVP_MD_CTX *eddsa;             /* EdDSA: the whole verification */
};

static void prepared_free(struct verify_context *context)
{
    struct prepared *prepared = (struct prepared *)context;

    EVP_PKEY_CTX_free(prepared->key);
    EVP_MD_CTX_free(prepared->hash);
    EVP_MD_CTX_free(prepared->eddsa);
    free(prepared);
}

/* The functions of a scheme: one prepares, the other verifies with what is prepared. */

static bool prepare_hashed(struct prepared *prepared, const struct jwk *key, const struct algorithm *algorithm)
{
    const EVP_MD *digest = openssl_digest(algorithm);

    prepared->key = EVP_PKEY_CTX_new_from_pkey(openssl_context(), jwk_public_key(key), NULL);
    return digest != NULL && prepared->key != NULL && EVP_PKEY_verify_init(prepared->key) == 1
        && EVP_PKEY_CTX_set_signature_md(prepared->key, digest) == 1;
}

/* RFC 7518 §3.3 */
static bool prepare_pkcs1(struct prepared *prepared, const struct jwk *key, const struct algorithm *algorithm)
{
    return prepare_hashed(prepared, key, algorithm)
        && EVP_PKEY_CTX_set_rsa_padding(prepared->key, RSA_PKCS1_PADDING) == 1;
}

/* RFC 7518 §3.5: a salt as long as the hash, and MGF1 with the same hash. */
static bool prepare_pss(struct prepared *prepared, const struct jwk *key, const struct algorithm *algorithm)
{
    return prepare_hashed(prepared, key, algorithm)
        && EVP_PKEY_CTX_set_rsa_padding(prepared->key, RSA_PKCS1_PSS_PADDING) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(prepared->key, openssl_digest(algorithm)) == 1
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(prepared->key, (int)algorithm->digest_len) == 1;
}

/* RFC 8037 §3.1 */
static bool prepare_eddsa(struct prepared *prepared, const struct jwk *key, const struct algorithm *algorithm)
{
    (void)algorithm;
    prepared->eddsa = EVP_MD_CTX_new();
    return prepared->eddsa != NULL
        && EVP_DigestVerifyInit_ex(prepared->eddsa, NULL, NULL, openssl_context(), NULL, jwk_public_key(key), NULL)
        == 1;
}

static bool hash(struct prepared *prepared, const EVP_MD *digest, struct slice text,
                 unsigned char ret_hash[EVP_MAX_MD_SIZE], unsigned *ret_len)
{
    return digest != NULL && EVP_DigestInit_ex2(prepared->hash, digest, NULL) == 1
        && EVP_DigestUpdate(prepared->hash, text.bytes, text.len) == 1
        && EVP_DigestFinal_ex(prepared->hash, ret_hash, ret_len) == 1;
}

static bool verify_hashed(struct prepared *prepared, const struct algorithm *algorithm, struct slice input,
                          struct slice signature)
{
    unsigned char hashed[EVP_MAX_MD_SIZE];
    unsigned hashed_len;

    return hash(prepared, openssl_digest(algorithm), input, hashed, &hashed_len)
        && EVP_PKEY_verify(prepared->key, (const unsigned char *)signature.bytes, signature.len, hashed, hashed_len)
        == 1;
}

/* RFC 7518 §3.4: R and S side by side; OpenSSL takes them in DER. 0 on failure. */
static size_t rs_to_der(struct slice signature, unsigned char der[ECDSA_DER_MAX])
{
    const unsigned char *rs = (const unsigned char *)signature.bytes;
    int width = (int)(signature.len / 2), len = 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(rs, width, NULL), *s = BN_bin2bn(rs + width, width, NULL);
    unsigned char *out = der;

    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair owns them now */
        len = i2d_ECDSA_SIG(pair, NULL);
        len = len > 0 && len <= ECDSA_DER_MAX ? i2d_ECDSA_SIG(pair, &out) : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

static bool verify_ecdsa(struct prepared *prepared, const struct algorithm *algorithm, struct slice input,
                         struct slice signature)
{
    unsigned char der[ECDSA_DER_MAX];
    size_t len = rs_to_der(signature, der);

    return len > 0 && verify_hashed(prepared, algorithm, input, (struct slice){ (const char *)der, len });
}

/* A context verifies once; initialised again without a key, it keeps the one that prepare_eddsa() gave it. */
static bool verify_eddsa(struct prepared *prepared, const struct algorithm *algorithm, struct slice input,
                         struct slice signature)
{
    (void)algorithm;
    return EVP_DigestVerifyInit_ex(prepared->eddsa, NULL, NULL, NULL, NULL, NULL, NULL) == 1
        && EVP_DigestVerify(prepared->eddsa, (const unsigned char *)signature.bytes, signature.len,
                            (const unsigned char *)input.bytes, input.len)
        == 1;
}

/* What differs between the schemes of public keys. HMAC has no row: it prepares nothing (verify_secret()). */
static const struct {
    bool (*prepare)(struct prepared *prepared, const struct jwk *key, const struct algorithm *algorithm);
    bool (*verify)(struct prepared *prepared, const struct algorithm *algorithm, struct slice input,
                   struct slice signature);
} schemes[] = {
    [SCHEME_PKCS1] = { prepare_pkcs1, verify_hashed },
    [SCHEME_PSS] = { prepare_pss, verify_hashed },
    [SCHEME_ECDSA] = { prepare_hashed, verify_ecdsa },
    [SCHEME_EDDSA] = { prepare_eddsa, verify_eddsa },
};

static struct prepared *prepared_new(const struct jwk *key, const struct algorithm *algorithm)
{
    struct prepared *prepared = calloc(1, sizeof *prepared);

    if (prepared == NULL)
        return NULL;
    prepared->waiting.free = prepared_free;
    prepared->hash = EVP_MD_CTX_new();
    if (prepared->hash != NULL && schemes[algorithm->scheme].prepare(prepared, key, algorithm))
        return prepared;
    prepared_free(&prepared->waiting);
    return NULL;
}

/* Whether the signature holds, or has held before for the very same token. */
static bool holds(struct prepared *prepared, const struct jwt *jwt, const struct algorithm *algorithm,
                  const struct jwk *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool has_digest = hash(prepared, openssl_sha256(), jwt_text(jwt), digest, &len) && len == SEEN_DIGEST_LEN;

    if (has_digest && jwk_has_seen(key, algorithm, digest))
        return true;
    if (!schemes[algorithm->scheme].verify(prepared, algorithm, jwt_signing_input(jwt), jwt_signature(jwt)))
        return false;
    if (has_digest)
        jwk_note_seen(key, algorithm, digest);
    return true;
}

static bool verify_public(struct verdict *verdict, const struct jwt *jwt, const struct algorithm *algorithm,
                          const struct jwk *key)
{
    const size_t len = jwt_signature(jwt).len;
    const size_t needed = algorithm->signature_len != 0 ? algorithm->signature_len : jwk_rsa_signature_len(key);
    struct prepared *prepared;
    bool ok;

    if (len != needed)
        return verdict_reject(verdict, REASON_SIGNATURE_INVALID, "%zu bytes instead of %zu", len, needed);
    prepared = (struct prepared *)jwk_take_context(key, algorithm);
    if (prepared == NULL)
        prepared = prepared_new(key, algorithm);
    if (prepared == NULL)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "OpenSSL cannot prepare %s", algorithm->name);
    ok = holds(prepared, jwt, algorithm, key);
    jwk_give_context(key, algorithm, &prepared->waiting);
    return ok || verdict_reject(verdict, REASON_SIGNATURE_INVALID, "alg=%s", algorithm->name);
}

static bool verify_secret(struct verdict *verdict, const struct jwt *jwt, const struct algorithm *algorithm,
                          const struct jwk *key)
{
    struct slice secret = jwk_secret(key), input = jwt_signing_input(jwt);
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t len = 0;
    bool ok;

    /* RFC 7518 §3.2: a key of the same size as the hash output or larger MUST be used. */
    if (secret.len < algorithm->digest_len)
        return verdict_reject(verdict, REASON_KEY_UNSUITABLE, "the secret has %zu bytes, %s needs %zu", secret.len,
                              algorithm->name, algorithm->digest_len);
    if (EVP_Q_mac(openssl_context(), "HMAC", NULL, algorithm->digest, NULL, secret.bytes, secret.len,
                  (const unsigned char *)input.bytes, input.len, mac, sizeof mac, &len)
        == NULL)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "OpenSSL cannot compute %s", algorithm->name);
    ok = secret_equal(jwt_signature(jwt), (struct slice){ (const char *)mac, len });
    secret_wipe(mac, sizeof mac); /* it would sign the text that was sent */
    return ok || verdict_reject(verdict, REASON_SIGNATURE_INVALID, "alg=%s", algorithm->name);
}

bool signature_verify(struct verdict *verdict, const struct jwt *jwt, const struct algorithm *algorithm,
                      const struct jwk *key, const struct json **ret_payload)
{
    bool ok;

    fork_lock_enter(); /* OpenSSL's locks */
    ERR_set_mark();    /* the error queue belongs to the host */
    ok = algorithm->key_type == KEY_OCT ? verify_secret(verdict, jwt, algorithm, key)
                                        : verify_public(verdict, jwt, algorithm, key);
    ERR_pop_to_mark();
    fork_lock_leave();
    if (ok)
        *ret_payload = jwt_unverified_payload(jwt);
    return ok;
}
