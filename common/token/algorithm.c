#include "token/algorithm.h"

/*
 * RFC 7518 §3.1, RFC 8037 §3.1. RSA signatures are as long as the modulus; ECDSA ones are R‖S (§3.4), which for P-521
 * is twice 66 bytes. HS* rows need a secret (KEY_OCT), so that no key of a key set can ever reach them.
 */
static const struct algorithm algorithms[ALGORITHM_ROWS] = {
    { "RS256", KEY_RSA, NULL, SCHEME_PKCS1, "SHA256", 32, 0 },
    { "RS384", KEY_RSA, NULL, SCHEME_PKCS1, "SHA384", 48, 0 },
    { "RS512", KEY_RSA, NULL, SCHEME_PKCS1, "SHA512", 64, 0 },
    { "PS256", KEY_RSA, NULL, SCHEME_PSS, "SHA256", 32, 0 },
    { "PS384", KEY_RSA, NULL, SCHEME_PSS, "SHA384", 48, 0 },
    { "PS512", KEY_RSA, NULL, SCHEME_PSS, "SHA512", 64, 0 },
    { "ES256", KEY_EC, "P-256", SCHEME_ECDSA, "SHA256", 32, 64 },
    { "ES384", KEY_EC, "P-384", SCHEME_ECDSA, "SHA384", 48, 96 },
    { "ES512", KEY_EC, "P-521", SCHEME_ECDSA, "SHA512", 64, 132 },
    { "EdDSA", KEY_OKP, "Ed25519", SCHEME_EDDSA, NULL, 0, 64 },
    { "HS256", KEY_OCT, NULL, SCHEME_HMAC, "SHA256", 32, 32 },
    { "HS384", KEY_OCT, NULL, SCHEME_HMAC, "SHA384", 48, 48 },
    { "HS512", KEY_OCT, NULL, SCHEME_HMAC, "SHA512", 64, 64 },
};

const struct algorithm *algorithm_find(struct slice name)
{
    size_t row;

    for (row = 0; row < ALGORITHM_ROWS; row++)
        if (slice_equal_string(name, algorithms[row].name))
            return &algorithms[row];
    return NULL;
}

const struct algorithm *algorithm_at(size_t row)
{
    return &algorithms[row];
}

size_t algorithm_row(const struct algorithm *algorithm)
{
    return (size_t)(algorithm - algorithms);
}
