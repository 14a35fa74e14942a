#include "tests/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/json.h"
#include "token/jwks.h"
#include "token/signature.h"
#include "devel/signer.h"
#include "tests/support/openssl_double.h"

/*
 * In place of jwt.c: most published vectors sign what is not a JSON object, which jwt_parse() rightly refuses.
 */
struct jwt {
    struct slice input;
    struct slice signature;
    uint64_t number; /* stands for the text, and is new each time: here no token was seen before (see test_seen.c) */
};

static uint64_t new_number(void)
{
    static _Atomic uint64_t numbers;

    return ++numbers;
}

struct slice jwt_text(const struct jwt *jwt)
{
    return (struct slice){ (const char *)&jwt->number, sizeof jwt->number };
}

struct slice jwt_signing_input(const struct jwt *jwt)
{
    return jwt->input;
}

struct slice jwt_signature(const struct jwt *jwt)
{
    return jwt->signature;
}

const struct json *jwt_unverified_payload(const struct jwt *jwt)
{
    return (const struct json *)jwt; /* only its address is looked at */
}

static struct slice text_of(const struct json *object, const char *name)
{
    struct slice text = { NULL, 0 };

    json_string(json_member(object, name), &text);
    return text;
}

/* Decoded into memory of exactly its size, so that a sanitizer sees one byte too many. */
static struct slice decoded(struct slice text)
{
    size_t len = BASE64URL_DECODED_LEN(text.len);
    char *bytes = malloc(len + 1);

    assert_true(bytes != NULL && base64url_decode(text, bytes, &len));
    return (struct slice){ bytes, len };
}

static struct slice copy_of(struct slice bytes)
{
    char *copy = malloc(bytes.len + 1);

    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy, bytes.bytes, bytes.len);
    return (struct slice){ copy, bytes.len };
}

static struct jwks *set_of_jwk(const char *jwk)
{
    struct verdict verdict = VERDICT_INIT;
    char *text = malloc(strlen(jwk) + 16);
    struct jwks *jwks = NULL;

    assert_non_null(text);
    sprintf(text, "{\"keys\":[%s]}", jwk);
    if (!jwks_parse(&verdict, slice_of(text), &jwks))
        fail_msg("%s", verdict.evidence);
    free(text);
    return jwks;
}

static struct jwks *set_of_signer(const struct signer *signer, const char *alg)
{
    struct json *jwk = signer_jwk(signer, "k", alg);
    struct jwks *jwks;

    assert_non_null(jwk);
    jwks = set_of_jwk(json_print(jwk, false));
    json_free(&jwk);
    return jwks;
}

static struct jwks *set_of_secret(struct slice secret)
{
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;

    assert_true(jwks_from_secret(&verdict, secret, &jwks));
    return jwks;
}

/* As verify.c does it: find the key by the header, then verify. What came of it, and nothing handed out but on
 * success. */
static enum reason outcome(const struct jwks *jwks, const char *alg, struct slice input, struct slice signature)
{
    const struct algorithm *algorithm = algorithm_find(slice_of(alg));
    const struct jwt_header header = { 0 };
    const struct jwt jwt = { input, signature, new_number() };
    struct verdict verdict = VERDICT_INIT;
    const struct json *payload = NULL;
    const struct jwk *key;
    bool ok = jwks_find(&verdict, jwks, algorithm, &header, &key)
        && signature_verify(&verdict, &jwt, algorithm, key, &payload);

    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    assert_ptr_equal(payload, ok ? (const struct json *)&jwt : NULL);
    return verdict.reason;
}

static struct json *read_vectors(void)
{
    const char *directory = getenv("VECTORS");
    enum json_error error;
    char path[512], *text = malloc(JSON_TEXT_MAX);
    struct json *json;
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/signatures.json", directory != NULL ? directory : "tests/vectors");
    file = fopen(path, "r");
    if (file == NULL || text == NULL)
        fail_msg("%s cannot be read", path);
    len = fread(text, 1, JSON_TEXT_MAX, file);
    fclose(file);
    if (!json_parse((struct slice){ text, len }, &json, &error))
        fail_msg("%s: %s", path, json_error_text(error));
    free(text);
    return json;
}

/* A vector of the file, ready to verify. */
struct vector {
    char source[128];
    char alg[16];
    struct jwks *jwks;
    struct slice input;
    struct slice signature;
};

static struct vector vector_at(const struct json *vectors, size_t index)
{
    const struct json *json = json_at(vectors, index);
    struct vector vector = { .jwks = NULL };

    snprintf(vector.source, sizeof vector.source, "%.*s: %.*s", SLICE_ARG(text_of(json, "alg")),
             SLICE_ARG(text_of(json, "source")));
    snprintf(vector.alg, sizeof vector.alg, "%.*s", SLICE_ARG(text_of(json, "alg")));
    vector.signature = decoded(text_of(json, "signature"));
    vector.input = json_member(json, "input") != NULL ? copy_of(text_of(json, "input"))
                                                      : decoded(text_of(json, "input_base64url"));
    if (json_member(json, "jwk") != NULL) {
        vector.jwks = set_of_jwk(json_print((struct json *)json_member(json, "jwk"), false));
    } else {
        struct slice secret = decoded(text_of(json, "secret"));

        vector.jwks = set_of_secret(secret);
        free((char *)secret.bytes);
    }
    return vector;
}

static void vector_free(struct vector *vector)
{
    jwks_free(&vector->jwks);
    free((char *)vector->input.bytes);
    free((char *)vector->signature.bytes);
}

static enum reason vector_outcome(const struct vector *vector)
{
    return outcome(vector->jwks, vector->alg, vector->input, vector->signature);
}

static void every_algorithm_verifies_a_published_vector(void **state)
{
    struct json *vectors = read_vectors();
    bool is_met[ALGORITHM_ROWS] = { false };
    size_t i;

    (void)state;
    for (i = 0; i < json_length(vectors); i++) {
        struct vector vector = vector_at(vectors, i);

        ROW(vector.source);
        assert_int_equal(vector_outcome(&vector), REASON_UNDECIDED);
        is_met[algorithm_row(algorithm_find(slice_of(vector.alg)))] = true;
        vector_free(&vector);
    }
    for (i = 0; i < ALGORITHM_ROWS; i++) {
        ROW(algorithm_at(i)->name);
        assert_true(is_met[i]);
    }
    json_free(&vectors);
}

static void assert_flip_refuses(const struct vector *vector, struct slice part, size_t at)
{
    char *byte = (char *)part.bytes + at;

    *byte ^= 1;
    assert_int_equal(vector_outcome(vector), REASON_SIGNATURE_INVALID);
    *byte ^= 1;
}

/* Header and payload both lie in the input: their first and last bytes and some between. */
static void rule_14_one_flipped_bit_refuses(void **state)
{
    struct json *vectors = read_vectors();
    size_t i, at;

    (void)state;
    for (i = 0; i < json_length(vectors); i++) {
        struct vector vector = vector_at(vectors, i);

        ROW(vector.source);
        for (at = 0; at < vector.input.len; at += 13)
            assert_flip_refuses(&vector, vector.input, at);
        assert_flip_refuses(&vector, vector.input, vector.input.len - 1);
        for (at = 0; at < vector.signature.len; at += 13)
            assert_flip_refuses(&vector, vector.signature, at);
        assert_flip_refuses(&vector, vector.signature, vector.signature.len - 1);
        assert_int_equal(vector_outcome(&vector), REASON_UNDECIDED);
        vector_free(&vector);
    }
    json_free(&vectors);
}

static void rule_09_a_signature_has_its_exact_length(void **state)
{
    struct json *vectors = read_vectors();
    size_t i;

    (void)state;
    for (i = 0; i < json_length(vectors); i++) {
        struct vector vector = vector_at(vectors, i);
        struct slice whole = vector.signature;
        char longer[1024] = { 0 };

        ROW(vector.source);
        memcpy(longer + 1, whole.bytes, whole.len);
        vector.signature = (struct slice){ NULL, 0 };
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = (struct slice){ whole.bytes, 1 };
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = (struct slice){ whole.bytes, whole.len - 1 };
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = (struct slice){ longer + 1, whole.len + 1 };
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = (struct slice){ longer, whole.len + 1 }; /* the same number with a zero in front */
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = (struct slice){ longer + 1, 2 * whole.len };
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        vector.signature = whole;
        vector_free(&vector);
    }
    json_free(&vectors);
}

static void rule_07_the_algorithm_of_the_key_is_the_algorithm_of_the_token(void **state)
{
    static const struct {
        const char *name, *key_alg, *declared, *token_alg;
        enum reason want;
    } cases[] = {
        { "an RSA key without alg does RS256", "RS256", NULL, "RS256", REASON_UNDECIDED },
        { "an RSA key without alg does PS512", "RS256", NULL, "PS512", REASON_UNDECIDED },
        { "an RSA key for PS256 does not do RS256", "RS256", "PS256", "RS256", REASON_KEY_UNKNOWN },
        { "an RSA key for RS256 does not do RS384", "RS256", "RS256", "RS384", REASON_KEY_UNKNOWN },
        { "a P-384 key does not do ES256", "ES384", NULL, "ES256", REASON_KEY_UNKNOWN },
        { "a P-521 key does not do ES384", "ES512", NULL, "ES384", REASON_KEY_UNKNOWN },
        { "a P-256 key does not do ES512", "ES256", NULL, "ES512", REASON_KEY_UNKNOWN },
    };
    const struct slice input = LITERAL("e30.e30");
    char signature[SIGNER_SIGNATURE_MAX];
    size_t len, i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct signer *signer = signer_generate(cases[i].key_alg, 2048);
        struct jwks *jwks = set_of_signer(signer, cases[i].declared);

        ROW(cases[i].name);
        if (!signer_sign(signer, cases[i].token_alg, input, signature, &len))
            len = 0; /* P-521 numbers do not fit the narrower form */
        assert_int_equal(outcome(jwks, cases[i].token_alg, input, (struct slice){ signature, len }), cases[i].want);
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

static void rule_07_a_signature_of_another_scheme_or_key_is_refused(void **state)
{
    static const struct {
        const char *name, *signed_as, *verified_as;
    } cases[] = {
        { "RS256 as PS256", "RS256", "PS256" },         { "PS256 as RS256", "PS256", "RS256" },
        { "RS256 as RS384", "RS256", "RS384" },         { "PS384 as PS256", "PS384", "PS256" },
        { "HS256 as HS256 of another", NULL, "HS256" }, { "RS256 of another", NULL, "RS256" },
        { "ES256 of another", NULL, "ES256" },          { "EdDSA of another", NULL, "EdDSA" },
    };
    const struct slice input = LITERAL("e30.e30");
    const char secret[] = "0123456789abcdef0123456789abcdef";
    char signature[SIGNER_SIGNATURE_MAX];
    size_t len, i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct signer *signer = signer_generate(cases[i].verified_as, 2048);
        struct signer *other = cases[i].signed_as == NULL ? signer_generate(cases[i].verified_as, 2048) : NULL;
        struct jwks *jwks =
            cases[i].verified_as[0] == 'H' ? set_of_secret(slice_of(secret)) : set_of_signer(signer, NULL);

        ROW(cases[i].name);
        assert_true(signer_sign(other != NULL ? other : signer,
                                cases[i].signed_as != NULL ? cases[i].signed_as : cases[i].verified_as, input,
                                signature, &len));
        assert_int_equal(outcome(jwks, cases[i].verified_as, input, (struct slice){ signature, len }),
                         REASON_SIGNATURE_INVALID);
        jwks_free(&jwks);
        signer_free(&other);
        signer_free(&signer);
    }
}

/* The private key for what the signer refuses to make. */
static EVP_PKEY *private_key(const struct signer *signer)
{
    size_t len;
    char *pem = signer_private_text(signer, &len);
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    free(pem);
    assert_non_null(pkey);
    return pkey;
}

static void rule_09_the_pss_salt_is_as_long_as_the_hash(void **state)
{
    static const struct {
        const char *name;
        int salt_len;
        const char *mgf1;
        enum reason want;
    } cases[] = {
        { "32 bytes", 32, "SHA256", REASON_UNDECIDED },
        { "31 bytes", 31, "SHA256", REASON_SIGNATURE_INVALID },
        { "33 bytes", 33, "SHA256", REASON_SIGNATURE_INVALID },
        { "none", 0, "SHA256", REASON_SIGNATURE_INVALID },
        { "20 bytes, the default of RFC 8017", 20, "SHA256", REASON_SIGNATURE_INVALID },
        { "as long as possible", RSA_PSS_SALTLEN_MAX, "SHA256", REASON_SIGNATURE_INVALID },
        { "MGF1 with another hash", 32, "SHA1", REASON_SIGNATURE_INVALID },
    };
    const struct slice input = LITERAL("e30.e30");
    struct signer *signer = signer_generate("PS256", 2048);
    struct jwks *jwks = set_of_signer(signer, "PS256");
    EVP_PKEY *pkey = private_key(signer);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *parameters;
        unsigned char signature[256];
        size_t len = sizeof signature;

        ROW(cases[i].name);
        assert_int_equal(EVP_DigestSignInit_ex(context, &parameters, "SHA256", NULL, NULL, pkey, NULL), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md_name(parameters, cases[i].mgf1, NULL), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, cases[i].salt_len), 1);
        assert_int_equal(EVP_DigestSign(context, signature, &len, (const unsigned char *)input.bytes, input.len), 1);
        assert_int_equal(outcome(jwks, "PS256", input, (struct slice){ (char *)signature, len }), cases[i].want);
        EVP_MD_CTX_free(context);
    }
    EVP_PKEY_free(pkey);
    jwks_free(&jwks);
    signer_free(&signer);
}

static void rule_09_ecdsa_in_der_is_refused(void **state)
{
    const struct slice input = LITERAL("e30.e30");
    struct signer *signer = signer_generate("ES256", 0);
    struct jwks *jwks = set_of_signer(signer, "ES256");
    EVP_PKEY *pkey = private_key(signer);
    int tries;

    (void)state;
    /* Of about 71 bytes, and cut to the length that R||S has. */
    for (tries = 0; tries < 20; tries++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        unsigned char der[80] = { 0 };
        size_t len = sizeof der;

        assert_int_equal(EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, pkey, NULL), 1);
        assert_int_equal(EVP_DigestSign(context, der, &len, (const unsigned char *)input.bytes, input.len), 1);
        EVP_MD_CTX_free(context);
        assert_int_equal(outcome(jwks, "ES256", input, (struct slice){ (char *)der, len }), REASON_SIGNATURE_INVALID);
        assert_int_equal(outcome(jwks, "ES256", input, (struct slice){ (char *)der, 64 }), REASON_SIGNATURE_INVALID);
    }
    EVP_PKEY_free(pkey);
    jwks_free(&jwks);
    signer_free(&signer);
}

/* The order of P-256 (FIPS 186-4 D.1.2.3). */
#define ORDER256                                                       \
    "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff" \
    "\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51"
#define ZERO256 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ONE256  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"

static void rule_09_ecdsa_numbers_lie_within_the_order(void **state)
{
    static const struct {
        const char *name, *r, *s;
    } cases[] = {
        { "R and S are zero", ZERO256, ZERO256 }, { "R is zero", ZERO256, ONE256 },
        { "S is zero", ONE256, ZERO256 },         { "R is the order", ORDER256, ONE256 },
        { "S is the order", ONE256, ORDER256 },   { "both are the order", ORDER256, ORDER256 },
        { "R and S are one", ONE256, ONE256 },
    };
    struct signer *signer = signer_generate("ES256", 0);
    struct jwks *jwks = set_of_signer(signer, "ES256");
    char signature[64];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        memcpy(signature, cases[i].r, 32);
        memcpy(signature + 32, cases[i].s, 32);
        assert_int_equal(outcome(jwks, "ES256", LITERAL("e30.e30"), (struct slice){ signature, 64 }),
                         REASON_SIGNATURE_INVALID);
    }
    jwks_free(&jwks);
    signer_free(&signer);
}

/* RFC 8032 §5.1.7: S lies below the order L, or one signature would have several forms. */
static void an_ed25519_signature_has_one_form(void **state)
{
    static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                             0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
    struct json *vectors = read_vectors();
    size_t i, at, met = 0;

    (void)state;
    for (i = 0; i < json_length(vectors); i++) {
        struct vector vector = vector_at(vectors, i);
        unsigned char *s = (unsigned char *)vector.signature.bytes + 32;
        unsigned sum = 0;

        if (strcmp(vector.alg, "EdDSA") == 0) {
            for (at = 0; at < sizeof order; at++, sum >>= 8) {
                sum += (unsigned)s[at] + order[at];
                s[at] = (unsigned char)sum;
            }
            assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
            met++;
        }
        vector_free(&vector);
    }
    assert_int_equal(met, 1);
    json_free(&vectors);
}

static void an_rsa_signature_of_a_strange_number_is_refused(void **state)
{
    struct signer *signer = signer_generate("RS256", 2048);
    struct jwks *jwks = set_of_signer(signer, NULL);
    char signature[256];
    size_t i;
    static const char *const algs[] = { "RS256", "PS256" };

    (void)state;
    for (i = 0; i < COUNT(algs); i++) {
        ROW(algs[i]);
        memset(signature, 0, sizeof signature);
        assert_int_equal(outcome(jwks, algs[i], LITERAL("e30.e30"), (struct slice){ signature, 256 }),
                         REASON_SIGNATURE_INVALID);
        signature[255] = 1;
        assert_int_equal(outcome(jwks, algs[i], LITERAL("e30.e30"), (struct slice){ signature, 256 }),
                         REASON_SIGNATURE_INVALID);
        memset(signature, 0xff, sizeof signature); /* beyond the modulus */
        assert_int_equal(outcome(jwks, algs[i], LITERAL("e30.e30"), (struct slice){ signature, 256 }),
                         REASON_SIGNATURE_INVALID);
    }
    jwks_free(&jwks);
    signer_free(&signer);
}

/* RFC 8725 §2.1: an HS256 token made with the public key, which everybody has, as the secret. */
static void rule_06_the_public_key_is_no_hmac_secret(void **state)
{
    const struct algorithm *hs256 = algorithm_find(slice_of("HS256"));
    const struct slice input = LITERAL("e30.e30");
    struct signer *rsa = signer_generate("RS256", 2048);
    struct jwks *jwks = set_of_signer(rsa, NULL);
    struct json *jwk = signer_jwk(rsa, "k", NULL);
    EVP_PKEY *pkey = private_key(rsa);
    BIO *bio = BIO_new(BIO_s_mem());
    struct slice modulus = decoded(text_of(jwk, "n"));
    char *pem;
    size_t pem_len, i;
    (void)state;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    pem_len = (size_t)BIO_get_mem_data(bio, &pem);
    {
        const struct {
            const char *name;
            struct slice secret;
        } cases[] = {
            { "the PEM", { pem, pem_len } },
            { "the PEM without its line end", { pem, pem_len - 1 } },
            { "the JWK", slice_of(json_print(jwk, false)) },
            { "the modulus in base64url", text_of(jwk, "n") },
            { "the modulus", modulus },
        };

        for (i = 0; i < COUNT(cases); i++) {
            struct signer *attacker = signer_from_secret(cases[i].secret);
            const struct jwt_header header = { .has_kid = true, .kid = LITERAL("k") }, bare = { 0 };
            struct verdict verdict = VERDICT_INIT;
            const struct json *payload = NULL;
            char signature[SIGNER_SIGNATURE_MAX];
            const struct jwk *key;
            struct jwt jwt = { input, { signature, 0 }, new_number() };

            ROW(cases[i].name);
            assert_true(signer_sign(attacker, "HS256", input, signature, &jwt.signature.len));
            assert_int_equal(outcome(jwks, "HS256", input, jwt.signature), REASON_KEY_UNKNOWN);
            assert_false(jwks_find(&verdict, jwks, hs256, &header, &key));
            assert_int_equal(verdict.reason, REASON_KEY_UNSUITABLE);
            /* Nor would it verify if the key were handed over all the same. */
            verdict = VERDICT_INIT;
            assert_true(jwks_find(&verdict, jwks, algorithm_find(slice_of("RS256")), &bare, &key));
            assert_false(signature_verify(&verdict, &jwt, hs256, key, &payload));
            assert_int_equal(verdict.reason, REASON_KEY_UNSUITABLE);
            assert_null(payload);
            signer_free(&attacker);
        }
    }
    free((char *)modulus.bytes);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    json_free(&jwk);
    jwks_free(&jwks);
    signer_free(&rsa);
}

static void rule_06_a_secret_is_as_long_as_the_hash(void **state)
{
    static const struct {
        const char *name, *alg;
        size_t secret_len;
        enum reason want;
    } cases[] = {
        { "HS256 with 32 bytes", "HS256", 32, REASON_UNDECIDED },
        { "HS256 with 31 bytes", "HS256", 31, REASON_KEY_UNSUITABLE },
        { "HS256 with none", "HS256", 0, REASON_KEY_UNSUITABLE },
        { "HS256 with 33 bytes", "HS256", 33, REASON_UNDECIDED },
        { "HS256 with more than the hash's block", "HS256", 200, REASON_UNDECIDED },
        { "HS384 with 48 bytes", "HS384", 48, REASON_UNDECIDED },
        { "HS384 with 47 bytes", "HS384", 47, REASON_KEY_UNSUITABLE },
        { "HS512 with 64 bytes", "HS512", 64, REASON_UNDECIDED },
        { "HS512 with 63 bytes", "HS512", 63, REASON_KEY_UNSUITABLE },
    };
    const struct slice input = LITERAL("e30.e30");
    char bytes[200], signature[SIGNER_SIGNATURE_MAX];
    size_t i, len;

    (void)state;
    memset(bytes, 's', sizeof bytes);
    bytes[1] = '\0'; /* a secret goes on after a NUL */
    for (i = 0; i < COUNT(cases); i++) {
        struct slice secret = { bytes, cases[i].secret_len };
        struct signer *signer = signer_from_secret(secret);
        struct jwks *jwks = set_of_secret(secret);

        ROW(cases[i].name);
        assert_true(signer_sign(signer, cases[i].alg, input, signature, &len));
        assert_int_equal(outcome(jwks, cases[i].alg, input, (struct slice){ signature, len }), cases[i].want);
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

static void a_refused_signature_spoils_nothing_for_the_next(void **state)
{
    static const char *const algs[] = { "RS256", "PS256", "ES256", "EdDSA" };
    size_t i, round;

    (void)state;
    for (i = 0; i < COUNT(algs); i++) {
        struct signer *signer = signer_generate(algs[i], 2048);
        struct jwks *jwks = set_of_signer(signer, algs[i]);
        const struct slice inputs[] = { LITERAL("e30.e30"), LITERAL("e30.e31") };
        char signatures[2][SIGNER_SIGNATURE_MAX];
        size_t lens[2];

        ROW(algs[i]);
        assert_true(signer_sign(signer, algs[i], inputs[0], signatures[0], &lens[0]));
        assert_true(signer_sign(signer, algs[i], inputs[1], signatures[1], &lens[1]));
        for (round = 0; round < 12; round++) {
            size_t signed_input = round % 2, sent = round / 2 % 2;

            assert_int_equal(
                outcome(jwks, algs[i], inputs[sent], (struct slice){ signatures[signed_input], lens[signed_input] }),
                signed_input == sent ? REASON_UNDECIDED : REASON_SIGNATURE_INVALID);
        }
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

static void rule_28_the_error_queue_of_the_host_stays(void **state)
{
    struct json *vectors = read_vectors();
    unsigned long host;
    size_t i;

    (void)state;
    ERR_clear_error();
    for (i = 0; i < json_length(vectors); i++) {
        struct vector vector = vector_at(vectors, i);

        ROW(vector.source);
        ((char *)vector.signature.bytes)[0] ^= 1;
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        assert_int_equal(ERR_peek_error(), 0);
        ERR_raise(ERR_LIB_USER, 42);
        host = ERR_peek_error();
        assert_int_not_equal(host, 0);
        assert_int_equal(vector_outcome(&vector), REASON_SIGNATURE_INVALID);
        assert_int_equal(ERR_get_error(), host);
        assert_int_equal(ERR_get_error(), 0);
        vector_free(&vector);
    }
    json_free(&vectors);
}

#define THREADS      6 /* more than contexts wait for one key */
#define THREAD_TURNS 60

struct turn {
    const struct jwks *jwks;
    const char *alg;
    struct slice inputs[2];
    struct slice signature; /* of the first input */
    unsigned wrong;
};

static void *take_turns(void *argument)
{
    struct turn *turn = argument;
    const struct algorithm *algorithm = algorithm_find(slice_of(turn->alg));
    int i;

    /* No cmocka in here: its assertions jump, and belong to the main thread. */
    for (i = 0; i < THREAD_TURNS; i++) {
        const struct jwt jwt = { turn->inputs[i % 3 == 0], turn->signature, new_number() };
        const struct jwt_header header = { 0 };
        struct verdict verdict = VERDICT_INIT;
        const struct json *payload;
        const struct jwk *key;
        bool ok = jwks_find(&verdict, turn->jwks, algorithm, &header, &key)
            && signature_verify(&verdict, &jwt, algorithm, key, &payload);

        turn->wrong += ok == (i % 3 == 0);
    }
    return NULL;
}

static void rule_31_many_threads_share_one_key(void **state)
{
    static const char *const algs[] = { "RS256", "PS384", "ES256", "EdDSA" };
    const struct slice input = LITERAL("e30.e30");
    size_t i, t;

    (void)state;
    for (i = 0; i < COUNT(algs); i++) {
        struct signer *signer = signer_generate(algs[i], 2048);
        struct jwks *jwks = set_of_signer(signer, algs[i]);
        char signature[SIGNER_SIGNATURE_MAX];
        pthread_t threads[THREADS];
        struct turn turns[THREADS];
        size_t len;

        ROW(algs[i]);
        assert_true(signer_sign(signer, algs[i], input, signature, &len));
        for (t = 0; t < THREADS; t++) {
            turns[t] = (struct turn){ jwks, algs[i], { input, LITERAL("e30.e31") }, { signature, len }, 0 };
            assert_int_equal(pthread_create(&threads[t], NULL, take_turns, &turns[t]), 0);
        }
        for (t = 0; t < THREADS; t++) {
            assert_int_equal(pthread_join(threads[t], NULL), 0);
            assert_int_equal(turns[t].wrong, 0);
        }
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

static void rule_32_a_short_memory_refuses(void **state)
{
    static const char *const algs[] = { "RS256", "PS256", "ES256", "ES512", "EdDSA", "HS256" };
    const struct slice input = LITERAL("e30.e30");
    char secret[32] = "0123456789abcdef0123456789abcde", signature[SIGNER_SIGNATURE_MAX];
    size_t i, len;
    int allocations;

    (void)state;
    for (i = 0; i < COUNT(algs); i++) {
        bool is_hmac = algs[i][0] == 'H';
        struct signer *signer =
            is_hmac ? signer_from_secret((struct slice){ secret, sizeof secret }) : signer_generate(algs[i], 2048);
        unsigned refused = 0;
        bool is_met = true;

        ROW(algs[i]);
        assert_true(signer_sign(signer, algs[i], input, signature, &len));
        for (allocations = 0; is_met; allocations++) {
            enum reason reason;
            struct jwks *jwks =
                is_hmac ? set_of_secret((struct slice){ secret, sizeof secret }) : set_of_signer(signer, algs[i]);

            allocations_left = allocations;
            reason = outcome(jwks, algs[i], input, (struct slice){ signature, len });
            is_met = allocations_left < 0; /* or no allocation was left that could fail */
            allocations_left = -1;
            if (reason != REASON_UNDECIDED && reason != REASON_SYSTEM_ERROR)
                assert_int_equal(reason, REASON_SIGNATURE_INVALID);
            refused += reason != REASON_UNDECIDED;
            /* The next one is as good as ever. */
            assert_int_equal(outcome(jwks, algs[i], input, (struct slice){ signature, len }), REASON_UNDECIDED);
            jwks_free(&jwks);
        }
        assert_true(refused > 0);
        signer_free(&signer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_verifies_a_published_vector),
        cmocka_unit_test(rule_14_one_flipped_bit_refuses),
        cmocka_unit_test(rule_09_a_signature_has_its_exact_length),
        cmocka_unit_test(rule_07_the_algorithm_of_the_key_is_the_algorithm_of_the_token),
        cmocka_unit_test(rule_07_a_signature_of_another_scheme_or_key_is_refused),
        cmocka_unit_test(rule_09_the_pss_salt_is_as_long_as_the_hash),
        cmocka_unit_test(rule_09_ecdsa_in_der_is_refused),
        cmocka_unit_test(rule_09_ecdsa_numbers_lie_within_the_order),
        cmocka_unit_test(an_ed25519_signature_has_one_form),
        cmocka_unit_test(an_rsa_signature_of_a_strange_number_is_refused),
        cmocka_unit_test(rule_06_the_public_key_is_no_hmac_secret),
        cmocka_unit_test(rule_06_a_secret_is_as_long_as_the_hash),
        cmocka_unit_test(a_refused_signature_spoils_nothing_for_the_next),
        cmocka_unit_test(rule_28_the_error_queue_of_the_host_stays),
        cmocka_unit_test(rule_31_many_threads_share_one_key),
        cmocka_unit_test(rule_32_a_short_memory_refuses),
    };

    if (!openssl_double_install())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
