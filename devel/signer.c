#include "devel/signer.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/secret.h"
#include "token/algorithm.h"

struct signer {
    EVP_PKEY *key; /* NULL with a secret */
    struct secret secret;
};

/* The JWK and the OpenSSL name of each curve. */
static const struct {
    const char *jwk, *openssl;
    size_t coordinate_len; /* bytes */
} curves[] = {
    { "P-256", "prime256v1", 32 },
    { "P-384", "secp384r1", 48 },
    { "P-521", "secp521r1", 66 },
};
#define CURVE_COUNT (sizeof curves / sizeof curves[0])

static struct signer *signer_new(EVP_PKEY *key)
{
    struct signer *signer = key != NULL ? calloc(1, sizeof *signer) : NULL;

    if (signer == NULL)
        EVP_PKEY_free(key);
    else
        signer->key = key;
    return signer;
}

void signer_free(struct signer **signer)
{
    if (signer == NULL || *signer == NULL)
        return;
    EVP_PKEY_free((*signer)->key);
    secret_clear(&(*signer)->secret);
    free(*signer);
    *signer = NULL;
}

struct signer *signer_from_secret(struct slice secret)
{
    struct signer *signer = calloc(1, sizeof *signer);

    if (signer != NULL && !secret_copy(secret, &signer->secret)) {
        free(signer);
        return NULL;
    }
    return signer;
}

static struct signer *generate_secret(size_t len)
{
    unsigned char bytes[64];

    if (len > sizeof bytes || RAND_bytes(bytes, (int)len) != 1)
        return NULL;
    return signer_from_secret((struct slice){ (const char *)bytes, len });
}

struct signer *signer_generate(const char *alg, unsigned rsa_bits)
{
    const struct algorithm *algorithm = algorithm_find(slice_of(alg));

    if (algorithm == NULL)
        return NULL;
    switch (algorithm->key_type) {
    case KEY_RSA:
        return signer_new(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits));
    case KEY_EC:
        return signer_new(EVP_PKEY_Q_keygen(NULL, NULL, "EC", algorithm->curve));
    case KEY_OKP:
        return signer_new(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    default:
        return generate_secret(algorithm->digest_len);
    }
}

struct signer *signer_from_pem(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return signer_new(key);
}

char *signer_private_text(const struct signer *signer, size_t *ret_len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes, *text = NULL;
    long len = 0;

    if (bio == NULL)
        return NULL;
    if (signer->key == NULL)
        BIO_write(bio, signer->secret.bytes, (int)signer->secret.len);
    else
        PEM_write_bio_PKCS8PrivateKey(bio, signer->key, NULL, NULL, 0, NULL, NULL);
    len = BIO_get_mem_data(bio, &bytes);
    text = len > 0 ? malloc((size_t)len + 1) : NULL;
    if (text != NULL) {
        memcpy(text, bytes, (size_t)len);
        text[len] = '\0';
        *ret_len = (size_t)len;
    }
    BIO_free(bio);
    return text;
}

static struct json *base64url_string(const unsigned char *bytes, size_t len)
{
    char text[BASE64URL_ENCODED_LEN(2048)];

    if (len > 2048)
        return NULL;
    base64url_encode((struct slice){ (const char *)bytes, len }, text);
    return json_new_string((struct slice){ text, BASE64URL_ENCODED_LEN(len) });
}

/* A number of the key, big-endian, without leading zeros or padded to `width` bytes. */
static struct json *number_string(const EVP_PKEY *key, const char *parameter, size_t width)
{
    unsigned char bytes[2048];
    BIGNUM *number = NULL;
    struct json *string = NULL;
    int len;

    if (EVP_PKEY_get_bn_param(key, parameter, &number) == 1) {
        len = width > 0 ? (int)width : BN_num_bytes(number);
        if (len <= (int)sizeof bytes && BN_bn2binpad(number, bytes, len) == len)
            string = base64url_string(bytes, (size_t)len);
    }
    BN_free(number);
    return string;
}

static bool add_curve_members(struct json *jwk, const EVP_PKEY *key)
{
    char group[64];
    size_t i;

    if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    for (i = 0; i < CURVE_COUNT; i++)
        if (strcmp(group, curves[i].openssl) == 0 || strcmp(group, curves[i].jwk) == 0)
            return json_add(jwk, "kty", json_new_string(slice_of("EC")))
                && json_add(jwk, "crv", json_new_string(slice_of(curves[i].jwk)))
                && json_add(jwk, "x", number_string(key, OSSL_PKEY_PARAM_EC_PUB_X, curves[i].coordinate_len))
                && json_add(jwk, "y", number_string(key, OSSL_PKEY_PARAM_EC_PUB_Y, curves[i].coordinate_len));
    return false;
}

static bool add_key_members(struct json *jwk, const EVP_PKEY *key)
{
    unsigned char raw[32];
    size_t len = sizeof raw;

    if (EVP_PKEY_is_a(key, "RSA"))
        return json_add(jwk, "kty", json_new_string(slice_of("RSA")))
            && json_add(jwk, "n", number_string(key, OSSL_PKEY_PARAM_RSA_N, 0))
            && json_add(jwk, "e", number_string(key, OSSL_PKEY_PARAM_RSA_E, 0));
    if (EVP_PKEY_is_a(key, "EC"))
        return add_curve_members(jwk, key);
    return EVP_PKEY_get_raw_public_key(key, raw, &len) == 1 && json_add(jwk, "kty", json_new_string(slice_of("OKP")))
        && json_add(jwk, "crv", json_new_string(slice_of("Ed25519"))) && json_add(jwk, "x", base64url_string(raw, len));
}

struct json *signer_jwk(const struct signer *signer, const char *kid, const char *alg)
{
    struct json *jwk = signer->key != NULL ? json_new_object() : NULL;

    if (jwk == NULL)
        return NULL;
    if (!add_key_members(jwk, signer->key) || !json_add(jwk, "use", json_new_string(slice_of("sig")))
        || (kid != NULL && !json_add(jwk, "kid", json_new_string(slice_of(kid))))
        || (alg != NULL && !json_add(jwk, "alg", json_new_string(slice_of(alg)))))
        json_free(&jwk);
    return jwk;
}

/* RFC 7518 §3.4: R and S, each as wide as the order, instead of the DER that OpenSSL makes. */
static bool der_to_rs(const unsigned char *der, size_t der_len, size_t rs_len, char *rs)
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    int width = (int)(rs_len / 2);
    bool ok = signature != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(signature), (unsigned char *)rs, width) == width
        && BN_bn2binpad(ECDSA_SIG_get0_s(signature), (unsigned char *)rs + width, width) == width;

    ECDSA_SIG_free(signature);
    return ok;
}

bool signer_sign(const struct signer *signer, const char *alg, struct slice input, char *signature, size_t *ret_len)
{
    const struct algorithm *algorithm = algorithm_find(slice_of(alg));
    unsigned char raw[SIGNER_SIGNATURE_MAX];
    size_t len = sizeof raw;
    unsigned int hmac_len = sizeof raw;
    EVP_MD_CTX *context;
    EVP_PKEY_CTX *key_context;
    bool ok;

    if (algorithm == NULL || (algorithm->scheme == SCHEME_HMAC) != (signer->key == NULL))
        return false;
    if (algorithm->scheme == SCHEME_HMAC) {
        if (HMAC(EVP_get_digestbyname(algorithm->digest), signer->secret.bytes, (int)signer->secret.len,
                 (const unsigned char *)input.bytes, input.len, raw, &hmac_len)
            == NULL)
            return false;
        memcpy(signature, raw, hmac_len);
        *ret_len = hmac_len;
        return true;
    }
    context = EVP_MD_CTX_new();
    ok = context != NULL
        && EVP_DigestSignInit_ex(context, &key_context, algorithm->digest, NULL, NULL, signer->key, NULL) == 1
        && (algorithm->scheme != SCHEME_PSS
            || (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1))
        && EVP_DigestSign(context, raw, &len, (const unsigned char *)input.bytes, input.len) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        return false;
    if (algorithm->scheme == SCHEME_ECDSA) {
        *ret_len = algorithm->signature_len;
        return der_to_rs(raw, len, algorithm->signature_len, signature);
    }
    memcpy(signature, raw, len);
    *ret_len = len;
    return true;
}

char *signer_token(const struct signer *signer, const char *alg, struct slice header, struct slice payload)
{
    size_t header_len = BASE64URL_ENCODED_LEN(header.len), payload_len = BASE64URL_ENCODED_LEN(payload.len);
    size_t input_len = header_len + 1 + payload_len, signature_len;
    char signature[SIGNER_SIGNATURE_MAX];
    char *token = malloc(input_len + 1 + BASE64URL_ENCODED_LEN(sizeof signature) + 1);

    if (token == NULL)
        return NULL;
    base64url_encode(header, token);
    token[header_len] = '.';
    base64url_encode(payload, token + header_len + 1);
    if (!signer_sign(signer, alg, (struct slice){ token, input_len }, signature, &signature_len)) {
        free(token);
        return NULL;
    }
    token[input_len] = '.';
    base64url_encode((struct slice){ signature, signature_len }, token + input_len + 1);
    token[input_len + 1 + BASE64URL_ENCODED_LEN(signature_len)] = '\0';
    return token;
}
