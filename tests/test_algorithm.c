#include "unit.h"

#include "algorithm.h"

static const struct {
    const char *name;
    enum key_type key_type;
    const char *curve;
    enum signature_scheme scheme;
    const char *digest;
    size_t digest_len;
    size_t signature_len;
} rows[] = {
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

static void assert_text_equal(const char *text, const char *wanted)
{
    if (wanted == NULL)
        assert_null(text);
    else
        assert_string_equal(text, wanted);
}

static void rule_05_every_algorithm_has_its_row(void **state)
{
    bool is_met[ALGORITHM_ROWS] = { false };
    size_t i;

    (void)state;
    assert_int_equal(COUNT(rows), ALGORITHM_ROWS);
    for (i = 0; i < COUNT(rows); i++) {
        const struct algorithm *algorithm = algorithm_find(slice_of(rows[i].name));

        ROW(rows[i].name);
        assert_non_null(algorithm);
        assert_string_equal(algorithm->name, rows[i].name);
        assert_int_equal(algorithm->key_type, rows[i].key_type);
        assert_text_equal(algorithm->curve, rows[i].curve);
        assert_int_equal(algorithm->scheme, rows[i].scheme);
        assert_text_equal(algorithm->digest, rows[i].digest);
        assert_int_equal(algorithm->digest_len, rows[i].digest_len);
        assert_int_equal(algorithm->signature_len, rows[i].signature_len);
        assert_ptr_equal(algorithm_at(algorithm_row(algorithm)), algorithm);
        assert_false(is_met[algorithm_row(algorithm)]);
        is_met[algorithm_row(algorithm)] = true;
    }
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
        cmocka_unit_test(rule_05_every_algorithm_has_its_row),
        cmocka_unit_test(rule_05_what_has_no_row_does_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
