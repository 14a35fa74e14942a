/*
 * What no module that verifies with libcrypto can do without: loading it, and one RS256 signature of the token that is
 * typed. No configuration, no claims, no account: it lets in whoever has a token, and is for the benchmark alone.
 *
 *   auth required pam_floor.so FILE        FILE: the modulus of the key in hexadecimal; the exponent is 65537
 */
#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "base/base64url.h"

#define EXPORT      __attribute__((visibility("default")))
#define HEX_MAX     4096
#define ENCODED_MAX 1024 /* characters of a signature */

static EVP_PKEY *read_key(const char *path, OSSL_LIB_CTX *library)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(library, "RSA", NULL);
    BIGNUM *n = NULL, *e = NULL;
    OSSL_PARAM *parameters;
    char hex[HEX_MAX] = "";
    EVP_PKEY *key = NULL;
    FILE *file = fopen(path, "re");

    if (file == NULL || fgets(hex, sizeof hex, file) == NULL || BN_hex2bn(&n, hex) == 0 || BN_dec2bn(&e, "65537") == 0)
        return NULL;
    fclose(file);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
    parameters = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(maker) != 1 || EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        return NULL;
    return key; /* what else was made ends with the process */
}

static bool is_signed(struct slice token, EVP_PKEY *key, OSSL_LIB_CTX *library)
{
    EVP_PKEY_CTX *verifier = EVP_PKEY_CTX_new_from_pkey(library, key, NULL);
    EVP_MD *digest = EVP_MD_fetch(library, "SHA256", NULL);
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct slice header, payload, rest, encoded;
    char signature[ENCODED_MAX];
    unsigned hash_len;
    size_t len;

    return slice_cut(token, '.', &header, &rest) && slice_cut(rest, '.', &payload, &encoded)
        && encoded.len <= sizeof signature && base64url_decode(encoded, signature, &len)
        && EVP_Digest(token.bytes, header.len + 1 + payload.len, hash, &hash_len, digest, NULL) == 1
        && EVP_PKEY_verify_init(verifier) == 1 && EVP_PKEY_CTX_set_signature_md(verifier, digest) == 1
        && EVP_PKEY_verify(verifier, (const unsigned char *)signature, len, hash, hash_len) == 1;
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    OSSL_LIB_CTX *library;
    const char *token;
    EVP_PKEY *key;

    (void)flags;
    if (argc != 1 || pam_get_authtok(pamh, PAM_AUTHTOK, &token, NULL) != PAM_SUCCESS)
        return PAM_AUTH_ERR;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); /* the handler would cost more than it is asked for here */
    library = OSSL_LIB_CTX_new();
    key = read_key(argv[0], library);
    return key != NULL && is_signed(slice_of(token), key, library) ? PAM_SUCCESS : PAM_AUTH_ERR;
}

EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}
