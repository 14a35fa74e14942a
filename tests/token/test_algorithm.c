#include "tests/support/unit.h"

#include <openssl/evp.h>

#include "token/algorithm.h"

/* RFC 7518 §3.1: a name is a family and the bits of its hash. What else a row says follows from these two. */
static const struct {
    const char *name;
    enum key_type key_type;
    enum signature_scheme scheme;
} families[] = {
    { "RS", KEY_RSA, SCHEME_PKCS1 }, /* §3.3 */
    { "PS", KEY_RSA, SCHEME_PSS },   /* §3.5 */
    { "ES", KEY_EC, SCHEME_ECDSA },  /* §3.4 */
    { "HS", KEY_OCT, SCHEME_HMAC },  /* §3.2 */
};

static const struct {
    unsigned bits;
    const char *curve; /* §3.4, of ES */
} hashes[] = { { 256, "P-256" }, { 384, "P-384" }, { 512, "P-521" } };

/* R and S are as long as the order of the curve, in whole bytes (§3.4). Asked of OpenSSL. */
static size_t ecdsa_len(const char *curve)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
    int bits;

    assert_non_null(key);
    bits = EVP_PKEY_get_bits(key);
    EVP_PKEY_free(key);
    return 2 * (((size_t)bits + 7) / 8);
}

static size_t signature_len(const struct algorithm *algorithm)
{
    switch (algorithm->scheme) {
    case SCHEME_ECDSA:
        return ecdsa_len(algorithm->curve);
    case SCHEME_HMAC:
        return algorithm->digest_len;
    default: /* as long as the modulus */
        return 0;
    }
}

/* The row of a name, which leads back to it. */
static const struct algorithm *row_of(const char *name)
{
    const struct algorithm *algorithm = algorithm_find(slice_of(name));

    ROW(name);
    assert_non_null(algorithm);
    assert_string_equal(algorithm->name, name);
    assert_ptr_equal(algorithm_at(algorithm_row(algorithm)), algorithm);
    return algorithm;
}

static void rule_05_every_algorithm_of_rfc_7518_has_its_row(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(families); i++)
        for (j = 0; j < COUNT(hashes); j++) {
            const struct algorithm *algorithm;
            char name[8], digest[8];

            snprintf(name, sizeof name, "%s%u", families[i].name, hashes[j].bits);
            snprintf(digest, sizeof digest, "SHA%u", hashes[j].bits);
            algorithm = row_of(name);
            assert_int_equal(algorithm->key_type, families[i].key_type);
            assert_int_equal(algorithm->scheme, families[i].scheme);
            if (algorithm->key_type == KEY_EC)
                assert_string_equal(algorithm->curve, hashes[j].curve);
            else
                assert_null(algorithm->curve);
            assert_string_equal(algorithm->digest, digest);
            assert_int_equal(8 * algorithm->digest_len, hashes[j].bits);
            assert_int_equal(algorithm->digest_len, EVP_MD_get_size(EVP_get_digestbyname(digest)));
            assert_int_equal(algorithm->signature_len, signature_len(algorithm));
        }
}

static void rule_05_eddsa_is_ed25519(void **state) /* RFC 8037 §3.1; RFC 8032 §5.1.6 */
{
    const struct algorithm *algorithm = row_of("EdDSA");
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    (void)state;
    assert_int_equal(algorithm->key_type, KEY_OKP);
    assert_int_equal(algorithm->scheme, SCHEME_EDDSA);
    assert_string_equal(algorithm->curve, "Ed25519");
    assert_null(algorithm->digest);
    assert_int_equal(algorithm->digest_len, 0);
    assert_int_equal(algorithm->signature_len, EVP_PKEY_get_size(key));
    EVP_PKEY_free(key);
}

static void rule_05_there_are_no_other_rows(void **state)
{
    (void)state;
    assert_int_equal(ALGORITHM_ROWS, COUNT(families) * COUNT(hashes) + 1);
}

static void rule_05_what_has_no_row_does_not_exist(void **state)
{
    static const struct {
        const char *name;
        struct slice alg;
    } cases[] = {
        { "none", { "none", 4 } },
        { "none in another case", { "nOnE", 4 } },
        { "the empty name", { "", 0 } },
        { "no bytes at all", { NULL, 0 } },
        { "lower case", { "rs256", 5 } },
        { "mixed case", { "Rs256", 5 } },
        { "EdDSA in capitals", { "EDDSA", 5 } },
        { "the beginning of a name", { "RS25", 4 } },
        { "a name and more", { "RS2560", 6 } },
        { "a name and a blank", { "RS256 ", 6 } },
        { "a name and a NUL", { "RS256\0", 6 } },
        { "a name, a NUL and more", { "RS256\0none", 10 } },
        { "SHA-1", { "RS1", 3 } },
        { "a curve without a row", { "ES256K", 6 } },
        { "Ed448", { "Ed448", 5 } },
        { "an encryption algorithm", { "RSA-OAEP", 8 } },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_null(algorithm_find(cases[i].alg));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_05_every_algorithm_of_rfc_7518_has_its_row),
        cmocka_unit_test(rule_05_eddsa_is_ed25519),
        cmocka_unit_test(rule_05_there_are_no_other_rows),
        cmocka_unit_test(rule_05_what_has_no_row_does_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
