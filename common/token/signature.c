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
    EVP_PKEY_CTX *key;             /* RSA and ECDSA: initialised for verifying with this key and algorithm */
    EVP_MD_CTX *digest;            /* of the signing input; for EdDSA the whole verification */
};

static void prepared_free(struct verify_context *context)
{
    struct prepared *prepared = (struct prepared *)context;

    EVP_PKEY_CTX_free(prepared->key);
    EVP_MD_CTX_free(prepared->digest);
    free(prepared);
}

/* RFC 7518 §3.3, §3.5: the padding, and for PSS a salt as long as the hash and MGF1 with the same hash. */
static bool set_padding(EVP_PKEY_CTX *key, const struct algorithm *algorithm, const EVP_MD *digest)
{
    switch (algorithm->scheme) {
    case SCHEME_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PADDING) == 1;
    case SCHEME_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1
            && EVP_PKEY_CTX_set_rsa_mgf1_md(key, digest) == 1
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(key, (int)algorithm->digest_len) == 1;
    default:
        return true;
    }
}

static struct prepared *prepare(const struct jwk *key, const struct algorithm *algorithm)
{
    struct prepared *prepared = calloc(1, sizeof *prepared);
    bool ok;

    if (prepared == NULL)
        return NULL;
    prepared->waiting.free = prepared_free;
    prepared->digest = EVP_MD_CTX_new();
    ok = prepared->digest != NULL;
    if (ok && algorithm->scheme == SCHEME_EDDSA) {
        ok = EVP_DigestVerifyInit_ex(prepared->digest, NULL, NULL, openssl_context(), NULL, jwk_public_key(key), NULL)
            == 1;
    } else if (ok) {
        const EVP_MD *digest = openssl_digest(algorithm);

        prepared->key = EVP_PKEY_CTX_new_from_pkey(openssl_context(), jwk_public_key(key), NULL);
        ok = digest != NULL && prepared->key != NULL && EVP_PKEY_verify_init(prepared->key) == 1
            && EVP_PKEY_CTX_set_signature_md(prepared->key, digest) == 1
            && set_padding(prepared->key, algorithm, digest);
    }
    if (ok)
        return prepared;
    prepared_free(&prepared->waiting);
    return NULL;
}

/* RFC 7518 §3.4: R and S side by side; OpenSSL wants them in DER. 0 on failure. */
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

/* A context verifies once; initialised again without a key, it keeps the one that prepare() gave it. */
static bool verify_eddsa(struct prepared *prepared, struct slice input, struct slice signature)
{
    return EVP_DigestVerifyInit_ex(prepared->digest, NULL, NULL, NULL, NULL, NULL, NULL) == 1
        && EVP_DigestVerify(prepared->digest, (const unsigned char *)signature.bytes, signature.len,
                            (const unsigned char *)input.bytes, input.len)
        == 1;
}

static bool verify_hashed(struct prepared *prepared, const struct algorithm *algorithm, struct slice input,
                          struct slice signature)
{
    unsigned char hash[EVP_MAX_MD_SIZE], der[ECDSA_DER_MAX];
    const unsigned char *bytes = (const unsigned char *)signature.bytes;
    size_t len = signature.len;
    unsigned hash_len;

    if (EVP_DigestInit_ex2(prepared->digest, openssl_digest(algorithm), NULL) != 1
        || EVP_DigestUpdate(prepared->digest, input.bytes, input.len) != 1
        || EVP_DigestFinal_ex(prepared->digest, hash, &hash_len) != 1)
        return false;
    if (algorithm->scheme == SCHEME_ECDSA) {
        len = rs_to_der(signature, der);
        bytes = der;
    }
    return len > 0 && EVP_PKEY_verify(prepared->key, bytes, len, hash, hash_len) == 1;
}

static bool verify_public(struct verdict *verdict, const struct algorithm *algorithm, const struct jwk *key,
                          struct slice input, struct slice signature)
{
    size_t wanted = algorithm->signature_len != 0 ? algorithm->signature_len : jwk_rsa_signature_len(key);
    struct prepared *prepared;
    bool ok;

    if (signature.len != wanted)
        return verdict_reject(verdict, REASON_SIGNATURE_INVALID, "%zu bytes instead of %zu", signature.len, wanted);
    prepared = (struct prepared *)jwk_take_context(key, algorithm);
    if (prepared == NULL)
        prepared = prepare(key, algorithm);
    if (prepared == NULL)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "OpenSSL cannot prepare %s", algorithm->name);
    ok = algorithm->scheme == SCHEME_EDDSA ? verify_eddsa(prepared, input, signature)
                                           : verify_hashed(prepared, algorithm, input, signature);
    jwk_give_context(key, algorithm, &prepared->waiting);
    return ok || verdict_reject(verdict, REASON_SIGNATURE_INVALID, "alg=%s", algorithm->name);
}

static bool verify_hmac(struct verdict *verdict, const struct algorithm *algorithm, const struct jwk *key,
                        struct slice input, struct slice signature)
{
    struct slice secret = jwk_secret(key);
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t len = 0;
    bool ok;

    /* RFC 7518 §3.2: a key of the same size as the hash output or larger MUST be used. */
    if (secret.len < algorithm->digest_len)
        return verdict_reject(verdict, REASON_KEY_UNSUITABLE, "the secret has %zu bytes, %s wants %zu", secret.len,
                              algorithm->name, algorithm->digest_len);
    if (EVP_Q_mac(openssl_context(), "HMAC", NULL, algorithm->digest, NULL, secret.bytes, secret.len,
                  (const unsigned char *)input.bytes, input.len, mac, sizeof mac, &len)
        == NULL)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "OpenSSL cannot compute %s", algorithm->name);
    ok = secret_equal(signature, (struct slice){ (const char *)mac, len });
    secret_wipe(mac, sizeof mac); /* a good signature for whatever was sent */
    return ok || verdict_reject(verdict, REASON_SIGNATURE_INVALID, "alg=%s", algorithm->name);
}

bool signature_verify(struct verdict *verdict, const struct jwt *jwt, const struct algorithm *algorithm,
                      const struct jwk *key, const struct json **ret_payload)
{
    struct slice input = jwt_signing_input(jwt), signature = jwt_signature(jwt);
    bool ok;

    fork_lock_enter(); /* OpenSSL's locks */
    ERR_set_mark();    /* the host's error queue is the host's */
    ok = algorithm->scheme == SCHEME_HMAC ? verify_hmac(verdict, algorithm, key, input, signature)
                                          : verify_public(verdict, algorithm, key, input, signature);
    ERR_pop_to_mark();
    fork_lock_leave();
    if (ok)
        *ret_payload = jwt_unverified_payload(jwt);
    return ok;
}
