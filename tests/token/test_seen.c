#include "tests/support/unit.h"

#include <pthread.h>

#include "base/json.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "token/seen.h"
#include "token/signature.h"
#include "devel/signer.h"
#include "tests/support/verification_count.h"

#define THREADS        4
#define DIGEST_LEN     SEEN_DIGEST_LEN
#define OTHER_CHAR(c)  ((c) == 'A' ? 'B' : 'A')
#define DIGEST(number) digest_of((unsigned)(number))

/* The digests of test texts: equally distributed, and never twice the same. */
static const unsigned char *digest_of(unsigned number)
{
    static unsigned char digest[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(&number, sizeof number, digest, NULL, EVP_sha256(), NULL), 1);
    return digest;
}

static size_t count_seen(struct seen *seen, unsigned first, unsigned end)
{
    size_t count = 0;

    for (; first < end; first++)
        count += seen_has(seen, DIGEST(first));
    return count;
}

static void what_was_added_is_there_and_nothing_else(void **state)
{
    struct seen *seen = seen_new();
    unsigned char digest[DIGEST_LEN], zero[DIGEST_LEN] = { 0 };
    size_t bit;

    (void)state;
    assert_false(seen_has(seen, zero)); /* an empty place is no digest */
    memcpy(digest, DIGEST(1), DIGEST_LEN);
    assert_false(seen_has(seen, digest));
    seen_add(seen, digest);
    assert_true(seen_has(seen, digest));
    assert_false(seen_has(seen, zero));
    for (bit = 0; bit < (size_t)8 * DIGEST_LEN; bit++) {
        digest[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(seen_has(seen, digest));
        digest[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_true(seen_has(seen, digest));
    seen_free(&seen);
    assert_null(seen);
    seen_free(&seen);
    seen_free(NULL);
}

static void it_is_bounded_and_keeps_the_newest(void **state)
{
    struct seen *seen = seen_new();
    unsigned number;

    (void)state;
    for (number = 0; number < 20 * SEEN_MAX; number++) {
        seen_add(seen, DIGEST(number));
        assert_true(seen_has(seen, DIGEST(number)));
    }
    assert_int_equal(count_seen(seen, 0, 20 * SEEN_MAX), SEEN_MAX);
    assert_int_equal(count_seen(seen, 0, 10 * SEEN_MAX), 0);
    seen_free(&seen);
}

static void a_digest_takes_no_second_place(void **state)
{
    struct seen *seen = seen_new();
    unsigned number;
    int again;

    (void)state;
    for (number = 0; number < SEEN_MAX / 4; number++)
        seen_add(seen, DIGEST(number));
    for (again = 0; again < 100; again++)
        seen_add(seen, DIGEST(0));
    assert_int_equal(count_seen(seen, 0, SEEN_MAX / 4), SEEN_MAX / 4);
    seen_free(&seen);
}

/* Tokens */

static struct jwks *set_of(const struct signer *signer)
{
    struct json *set = json_new_object(), *keys = json_new_array();
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;

    assert_true(json_append(keys, signer_jwk(signer, "k", NULL)) && json_add(set, "keys", keys));
    assert_true(jwks_parse(&verdict, slice_of(json_print(set, false)), &jwks));
    json_free(&set);
    return jwks;
}

/* malloc'ed. The header says `header_alg`, the signature is made for `alg`. */
static char *token_signed_as(const struct signer *signer, const char *alg, const char *header_alg, unsigned number)
{
    char header[64], payload[64];
    char *token;

    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"k\"}", header_alg);
    snprintf(payload, sizeof payload, "{\"sub\":\"alice\",\"number\":%u}", number);
    token = signer_token(signer, alg, slice_of(header), slice_of(payload));
    assert_non_null(token);
    return token;
}

static char *token_of(const struct signer *signer, const char *alg, unsigned number)
{
    return token_signed_as(signer, alg, alg, number);
}

/* As a login does it; false also for what is no token at all. */
static bool is_good_as(const struct jwks *jwks, const char *alg, const char *token)
{
    const struct algorithm *algorithm = algorithm_find(slice_of(alg));
    struct verdict verdict = VERDICT_INIT;
    const struct json *payload = NULL;
    const struct jwk *key;
    struct jwt *jwt = NULL;
    const bool ok = jwt_parse(&verdict, slice_of(token), &jwt)
        && jwks_find(&verdict, jwks, algorithm, jwt_header(jwt), &key)
        && signature_verify(&verdict, jwt, algorithm, key, &payload);

    assert_int_equal(ok, payload != NULL);
    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    jwt_free(&jwt);
    return ok;
}

/* The signatures that OpenSSL verifies for one more login with a token that must be good. */
static unsigned cost(const struct jwks *jwks, const char *alg, const char *token)
{
    const unsigned before = atomic_load(&verification_count);

    assert_true(is_good_as(jwks, alg, token));
    return atomic_load(&verification_count) - before;
}

static const char *const public_algs[] = { "RS256", "PS384", "ES256", "EdDSA" };

static void a_signature_is_verified_once(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(public_algs); i++) {
        struct signer *signer = signer_generate(public_algs[i], 2048);
        struct jwks *jwks = set_of(signer);
        char *token = token_of(signer, public_algs[i], 1), *other = token_of(signer, public_algs[i], 2);

        ROW(public_algs[i]);
        assert_int_equal(cost(jwks, public_algs[i], token), 1);
        assert_int_equal(cost(jwks, public_algs[i], token), 0);
        assert_int_equal(cost(jwks, public_algs[i], other), 1);
        assert_int_equal(cost(jwks, public_algs[i], other), 0);
        assert_int_equal(cost(jwks, public_algs[i], token), 0);
        free(token);
        free(other);
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

/* Header, payload, signature, and the dots. */
static void rule_14_a_seen_token_with_one_changed_byte_is_refused(void **state)
{
    size_t i, at;

    (void)state;
    for (i = 0; i < COUNT(public_algs); i++) {
        struct signer *signer = signer_generate(public_algs[i], 2048);
        struct jwks *jwks = set_of(signer);
        char *token = token_of(signer, public_algs[i], 1);

        ROW(public_algs[i]);
        assert_int_equal(cost(jwks, public_algs[i], token), 1);
        for (at = 0; token[at] != '\0'; at++) {
            const char good = token[at];

            token[at] = OTHER_CHAR(good);
            if (is_good_as(jwks, public_algs[i], token))
                fail_msg("byte %zu: '%c' for '%c'", at, token[at], good);
            token[at] = good;
        }
        assert_int_equal(cost(jwks, public_algs[i], token), 0);
        free(token);
        jwks_free(&jwks);
        signer_free(&signer);
    }
}

static void rule_14_a_bad_signature_is_never_remembered(void **state)
{
    struct signer *signer = signer_generate("ES256", 0), *other = signer_generate("ES256", 0);
    struct jwks *jwks = set_of(signer);
    char *token = token_of(other, "ES256", 1);
    unsigned tries;

    (void)state;
    for (tries = 1; tries <= 3; tries++) {
        const unsigned before = atomic_load(&verification_count);

        assert_false(is_good_as(jwks, "ES256", token));
        assert_int_equal(atomic_load(&verification_count) - before, 1);
    }
    free(token);
    jwks_free(&jwks);
    signer_free(&other);
    signer_free(&signer);
}

static void rule_14_what_one_key_has_seen_is_new_to_another(void **state)
{
    struct signer *signer = signer_generate("RS256", 2048), *other = signer_generate("RS256", 2048);
    struct jwks *jwks = set_of(signer), *same_again = set_of(signer), *other_set = set_of(other);
    char *token = token_of(signer, "RS256", 1);

    (void)state;
    assert_int_equal(cost(jwks, "RS256", token), 1);
    assert_int_equal(cost(jwks, "RS256", token), 0);
    assert_false(is_good_as(other_set, "RS256", token)); /* the same kid */
    assert_int_equal(cost(same_again, "RS256", token), 1);
    jwks_free(&jwks);
    jwks = set_of(signer); /* the same key set, read again */
    assert_int_equal(cost(jwks, "RS256", token), 1);
    free(token);
    jwks_free(&other_set);
    jwks_free(&same_again);
    jwks_free(&jwks);
    signer_free(&other);
    signer_free(&signer);
}

/* verify.c takes the algorithm from the header, which is part of the digest. The memory does not rely on it. */
static void rule_07_what_was_seen_with_one_algorithm_is_new_to_another(void **state)
{
    static const char *const others[] = { "RS384", "RS512", "PS256", "PS384", "PS512" };
    struct signer *signer = signer_generate("RS256", 2048);
    struct jwks *jwks = set_of(signer);
    char *token = token_of(signer, "RS256", 1);
    size_t i;

    (void)state;
    assert_int_equal(cost(jwks, "RS256", token), 1);
    for (i = 0; i < COUNT(others); i++) {
        ROW(others[i]);
        assert_false(is_good_as(jwks, others[i], token));
    }
    assert_int_equal(cost(jwks, "RS256", token), 0);
    free(token);
    jwks_free(&jwks);
    signer_free(&signer);
}

static void a_flood_of_good_tokens_costs_only_time(void **state)
{
    struct signer *signer = signer_generate("ES256", 0);
    struct jwks *jwks = set_of(signer);
    char *first = token_of(signer, "ES256", 0);
    unsigned number;

    (void)state;
    assert_int_equal(cost(jwks, "ES256", first), 1);
    for (number = 1; number <= 3 * SEEN_MAX; number++) {
        char *token = token_of(signer, "ES256", number);

        assert_int_equal(cost(jwks, "ES256", token), 1);
        assert_int_equal(cost(jwks, "ES256", token), 0);
        free(token);
    }
    assert_int_equal(cost(jwks, "ES256", first), 1);
    assert_int_equal(cost(jwks, "ES256", first), 0);
    free(first);
    jwks_free(&jwks);
    signer_free(&signer);
}

/* An HMAC costs less than the digest. */
static void an_hmac_is_computed_each_time(void **state)
{
    const struct slice secret = LITERAL("0123456789abcdef0123456789abcdef");
    struct signer *signer = signer_from_secret(secret);
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;
    char *token = token_of(signer, "HS256", 1);
    char *last = token + strlen(token) - 2;

    (void)state;
    assert_true(jwks_from_secret(&verdict, secret, &jwks));
    assert_true(is_good_as(jwks, "HS256", token));
    assert_true(is_good_as(jwks, "HS256", token));
    *last = OTHER_CHAR(*last);
    assert_false(is_good_as(jwks, "HS256", token));
    free(token);
    jwks_free(&jwks);
    signer_free(&signer);
}

/* What the threads below share: more tokens than may be remembered, every fourth with a signature of another key. */
static struct {
    const struct jwks *jwks;
    char *tokens[2 * SEEN_MAX];
    atomic_uint mistakes;
} shared;

static void *log_in_often(void *context)
{
    const size_t start = *(const size_t *)context;
    size_t i;

    for (i = 0; i < COUNT(shared.tokens); i++) {
        const size_t at = (start + i / 2) % COUNT(shared.tokens);

        if (is_good_as(shared.jwks, "ES256", shared.tokens[at]) != (at % 4 != 0))
            atomic_fetch_add(&shared.mistakes, 1);
    }
    return NULL;
}

static void many_threads_bring_the_same_tokens(void **state)
{
    struct signer *signer = signer_generate("ES256", 0), *other = signer_generate("ES256", 0);
    struct jwks *jwks = set_of(signer);
    pthread_t threads[THREADS];
    size_t starts[THREADS], i;

    (void)state;
    shared.jwks = jwks;
    for (i = 0; i < COUNT(shared.tokens); i++)
        shared.tokens[i] = token_of(i % 4 != 0 ? signer : other, "ES256", (unsigned)i);
    for (i = 0; i < THREADS; i++) {
        starts[i] = i / 2; /* two by two at the same token */
        assert_int_equal(pthread_create(&threads[i], NULL, log_in_often, &starts[i]), 0);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.mistakes), 0);
    for (i = 0; i < COUNT(shared.tokens); i++)
        free(shared.tokens[i]);
    jwks_free(&jwks);
    signer_free(&other);
    signer_free(&signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_there_and_nothing_else),
        cmocka_unit_test(it_is_bounded_and_keeps_the_newest),
        cmocka_unit_test(a_digest_takes_no_second_place),
        cmocka_unit_test(a_signature_is_verified_once),
        cmocka_unit_test(rule_14_a_seen_token_with_one_changed_byte_is_refused),
        cmocka_unit_test(rule_14_a_bad_signature_is_never_remembered),
        cmocka_unit_test(rule_14_what_one_key_has_seen_is_new_to_another),
        cmocka_unit_test(rule_07_what_was_seen_with_one_algorithm_is_new_to_another),
        cmocka_unit_test(a_flood_of_good_tokens_costs_only_time),
        cmocka_unit_test(an_hmac_is_computed_each_time),
        cmocka_unit_test(many_threads_bring_the_same_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
