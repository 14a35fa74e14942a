/*
 * What a verification costs beside the raw signature check: the same key, the same token, the same process.
 *
 * raw:  EVP_Digest() with a digest fetched once and EVP_PKEY_verify() on a context made once (Ed25519:
 *       EVP_DigestVerify() on a context made once): the best that libcrypto offers.
 * full: verify_token(), from the bytes of the token to the local user's name, without asking the system for the user.
 *       Each token is a new one, or was seen so long ago that it is forgotten (token/seen.h).
 * seen: the same with a token that was seen just before.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/json.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "token/seen.h"
#include "config/snapshot.h"
#include "login/verify.h"
#include "devel/signer.h"
#include "tests/support/temporary.h"
#include "tests/bench/bench.h"

#define TENANT    "3f40cd7a-16d1-414a-b15d-b97158d31de9"
#define SUBJECT   "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
#define NOW       1800000000
#define TOKEN_LEN 700 /* bytes, as far as the payload decides it */
#define ROUNDS    200
#define TOKENS    (4 * SEEN_MAX + 1) /* the first one is seen again and again, the others are new */

static struct bench_row raw_row, full_row, seen_row;

static void die(const char *what)
{
    fprintf(stderr, "bench_verify: %s\n", what);
    exit(1);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, 0644) != 0)
        die(path);
}

/* A configuration like a real one, in a directory that the caller removes. */
static const struct config *load(const char *directory, const char *alg, const struct signer *signer)
{
    char path[4200], text[8192];
    struct json *set = json_new_object(), *keys = json_new_array();
    struct verdict verdict = VERDICT_INIT;
    const struct config *config;

    if (!json_append(keys, signer_jwk(signer, "bench", alg)) || !json_add(set, "keys", keys))
        die("the key set");
    snprintf(path, sizeof path, "%s/keys.json", directory);
    write_file(path, json_print(set, false));
    json_free(&set);
    snprintf(text, sizeof text,
             "tenant \"" TENANT "\" {\n url = \"https://auth.example.com\"\n keys = \"%s\"\n algorithms = {\"%s\"}\n}\n"
             "user \"alice\" { sub = {\"" SUBJECT "\"} }\n"
             "group \"ops\" { claim = {\"501b38ea-16af-4cd2-9f20-35675d2c001e\"} }\n"
             "service \"sshd\" { require_group = {\"ops\"} max_age = 300 }\n",
             path, alg);
    snprintf(path, sizeof path, "%s/latchkey.conf", directory);
    write_file(path, text);
    if (!config_acquire(&verdict, path, &config))
        die(verdict.evidence);
    return config;
}

/* Tokens that differ in their `jti`, and are as long as `filler` makes them. */
static char *token_of(const char *alg, const struct signer *signer, unsigned number, int filler)
{
    char header[128], payload[2048], *token;

    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"bench\"}", alg);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://auth.example.com/tenant/" TENANT "/v2.0/Auth\",\"aud\":\"" TENANT "\","
             "\"sub\":\"" SUBJECT "\",\"https://agglestone.com/tenantId\":\"" TENANT "\",\"jti\":\"%04u\","
             "\"groups\":[\"501b38ea-16af-4cd2-9f20-35675d2c001e\"],\"name\":\"%0*d\",\"iat\":%d,\"exp\":%d}",
             number, filler, 0, NOW - 10, NOW + 890);
    token = signer_token(signer, alg, slice_of(header), slice_of(payload));
    if (token == NULL)
        die("the token");
    return token;
}

static void make_tokens(const char *alg, const struct signer *signer, char *tokens[TOKENS])
{
    int filler = 1;
    unsigned i;

    tokens[0] = token_of(alg, signer, 0, filler);
    while (strlen(tokens[0]) < TOKEN_LEN) {
        free(tokens[0]);
        tokens[0] = token_of(alg, signer, 0, ++filler);
    }
    for (i = 1; i < TOKENS; i++)
        tokens[i] = token_of(alg, signer, i, filler);
}

/* The raw verifier, prepared once. */
struct raw {
    EVP_PKEY_CTX *key;
    EVP_MD *digest;
    EVP_MD_CTX *eddsa;
    struct slice input;
    unsigned char signature[1024];
    size_t signature_len;
};

static void raw_prepare(struct raw *raw, const struct algorithm *algorithm, EVP_PKEY *pkey, struct slice token)
{
    struct slice header, payload, rest, encoded;

    slice_cut(token, '.', &header, &rest);
    slice_cut(rest, '.', &payload, &encoded);
    *raw = (struct raw){ .input = { token.bytes, header.len + 1 + payload.len } };
    if (!base64url_decode(encoded, (char *)raw->signature, &raw->signature_len))
        die("the signature");
    if (algorithm->scheme == SCHEME_EDDSA) {
        raw->eddsa = EVP_MD_CTX_new();
        if (EVP_DigestVerifyInit_ex(raw->eddsa, NULL, NULL, NULL, NULL, pkey, NULL) != 1)
            die("EVP_DigestVerifyInit_ex");
        return;
    }
    if (algorithm->scheme == SCHEME_ECDSA) {
        ECDSA_SIG *sig = ECDSA_SIG_new();
        unsigned char *der = NULL;
        int width = (int)raw->signature_len / 2;

        ECDSA_SIG_set0(sig, BN_bin2bn(raw->signature, width, NULL), BN_bin2bn(raw->signature + width, width, NULL));
        raw->signature_len = (size_t)i2d_ECDSA_SIG(sig, &der);
        memcpy(raw->signature, der, raw->signature_len);
        OPENSSL_free(der);
        ECDSA_SIG_free(sig);
    }
    raw->digest = EVP_MD_fetch(NULL, algorithm->digest, NULL);
    raw->key = EVP_PKEY_CTX_new(pkey, NULL);
    if (EVP_PKEY_verify_init(raw->key) != 1 || EVP_PKEY_CTX_set_signature_md(raw->key, raw->digest) != 1
        || (algorithm->scheme == SCHEME_PSS
            && (EVP_PKEY_CTX_set_rsa_padding(raw->key, RSA_PKCS1_PSS_PADDING) != 1
                || EVP_PKEY_CTX_set_rsa_pss_saltlen(raw->key, RSA_PSS_SALTLEN_DIGEST) != 1)))
        die("EVP_PKEY_verify_init");
}

static void raw_verify(struct raw *raw)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int hash_len = sizeof hash;

    if (raw->eddsa != NULL) {
        /* A context that verified once must be prepared again; with a NULL key it keeps what it has. */
        if (EVP_DigestVerifyInit_ex(raw->eddsa, NULL, NULL, NULL, NULL, NULL, NULL) != 1
            || EVP_DigestVerify(raw->eddsa, raw->signature, raw->signature_len, (const unsigned char *)raw->input.bytes,
                                raw->input.len)
                != 1)
            die("the raw verification");
    } else if (EVP_Digest(raw->input.bytes, raw->input.len, hash, &hash_len, raw->digest, NULL) != 1
               || EVP_PKEY_verify(raw->key, raw->signature, raw->signature_len, hash, hash_len) != 1) {
        die("the raw verification");
    }
}

static void full_verify(const struct config *config, struct slice token)
{
    const struct attempt attempt = { .service = "sshd", .user = "alice", .now = NOW };
    const struct verify_request request = { .attempt = &attempt, .skip_account = true };
    struct verdict verdict = VERDICT_INIT;
    struct login login;

    if (!verify_token(&verdict, config, &request, token, &login) || strcmp(login.identity.user, "alice") != 0)
        die(reason_name(verdict.reason));
}

static EVP_PKEY *public_key(const struct config *config, struct slice token, const struct algorithm *algorithm)
{
    struct verdict verdict = VERDICT_INIT;
    const struct jwk *key;
    struct jwt *jwt;
    EVP_PKEY *pkey;

    if (!jwt_parse(&verdict, token, &jwt)
        || !jwks_find(&verdict, config->tenants[0].jwks, algorithm, jwt_header(jwt), &key))
        die("the key");
    pkey = jwk_public_key(key);
    jwt_free(&jwt);
    return pkey;
}

static void bench(const char *directory, const char *alg, double limit, double seen_limit, int repeat)
{
    struct signer *signer = signer_generate(alg, 2048);
    const struct config *config = load(directory, alg, signer);
    const struct algorithm *algorithm = algorithm_find(slice_of(alg));
    static char *tokens[TOKENS];
    size_t turn = 0;
    struct slice token;
    struct raw raw;
    int round, i;

    make_tokens(alg, signer, tokens);
    token = slice_of(tokens[0]);
    raw_prepare(&raw, algorithm, public_key(config, token, algorithm), token);
    raw_row.rounds = full_row.rounds = seen_row.rounds = 0;
    for (round = 0; round < ROUNDS; round++) {
        double start = bench_now_us();

        for (i = 0; i < repeat; i++)
            raw_verify(&raw);
        bench_add(&raw_row, (bench_now_us() - start) / repeat);
        start = bench_now_us();
        for (i = 0; i < repeat; i++)
            full_verify(config, slice_of(tokens[1 + turn++ % (TOKENS - 1)]));
        bench_add(&full_row, (bench_now_us() - start) / repeat);
        start = bench_now_us();
        for (i = 0; i < repeat; i++)
            full_verify(config, token);
        bench_add(&seen_row, (bench_now_us() - start) / repeat);
    }
    printf("  %-6s %5zu  %8.2f  %8.2f  %6.2f  at most %.2f  %8.2f  %6.2f  at most %.2f\n", alg, token.len,
           bench_median(&raw_row), bench_median(&full_row), bench_median(&full_row) / bench_median(&raw_row), limit,
           bench_median(&seen_row), bench_median(&seen_row) / bench_median(&full_row), seen_limit);
    EVP_PKEY_CTX_free(raw.key);
    EVP_MD_free(raw.digest);
    EVP_MD_CTX_free(raw.eddsa);
    for (i = 0; i < TOKENS; i++)
        free(tokens[i]);
    config_release(&config);
    signer_free(&signer);
}

int main(void)
{
    char directory[TEMPORARY_SIZE], path[TEMPORARY_SIZE + 32];

    if (!temporary_make(directory, "bench"))
        die("mkdtemp");
    printf("One verification, microseconds (medians of %d interleaved rounds)\n", ROUNDS);
    printf("  alg    bytes       raw      full  to raw  aim               seen  to full  aim\n");
    bench(directory, "RS256", 1.25, 0.75, 100);
    bench(directory, "PS256", 1.25, 0.75, 100);
    bench(directory, "ES256", 1.10, 0.50, 40);
    bench(directory, "EdDSA", 1.10, 0.50, 40);
    snprintf(path, sizeof path, "%s/keys.json", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/latchkey.conf", directory);
    unlink(path);
    rmdir(directory);
    return 0;
}
