#include "token/jwks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecerr.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "base/fork_lock.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"
#include "token/openssl.h"

#define KID_MAX              SUBJECT_MAX
#define COORDINATE_MAX       66   /* bytes: P-521 */
#define ED25519_KEY_LEN      32   /* bytes, RFC 8032 §5.1.5 */
#define RSA_READ_MAX         2056 /* bytes of a modulus that is reported as too long; a longer one is not decoded */
#define RSA_EXPONENT_MAX_LEN 4    /* bytes: an odd number below 2^32 */
#define WAITING_MAX          4    /* contexts kept per algorithm of a key: so many threads verify without making one */

struct jwk {
    bool has_kid;
    char kid[KID_MAX + 1];
    size_t kid_len;
    enum key_type type;
    const char *curve;           /* static; NULL for RSA and secrets */
    const struct algorithm *alg; /* the only one that the key may verify; NULL: any that fits */
    const char *note;            /* why the key is not usable; NULL: it is */
    bool is_out_of_memory;       /* out of memory: whether the key is usable is unknown */
    char type_text[16];
    EVP_PKEY *pkey;
    size_t rsa_signature_len;
    struct secret secret; /* in pages of its own */
    _Atomic(struct verify_context *) waiting[ALGORITHM_ROWS][WAITING_MAX];
    _Atomic(struct seen *) seen[ALGORITHM_ROWS]; /* NULL until the first token with a good signature */
};

struct jwks {
    bool is_secret;
    size_t count;
    struct jwk keys[];
};

static const struct curve {
    const char *name;    /* JWK "crv" */
    const char *openssl; /* group name */
    size_t coordinate_len;
} curves[] = {
    { "P-256", "prime256v1", 32 },
    { "P-384", "secp384r1", 48 },
    { "P-521", "secp521r1", COORDINATE_MAX },
};

static const char *fail_for_memory(struct jwk *key)
{
    key->is_out_of_memory = true;
    return "out of memory";
}

/* A member in base64url, decoded. False when it is absent, not a string, not strict, empty, or longer than max bytes.
 */
static bool member_bytes(const struct json *member, const char *name, unsigned char *bytes, size_t max, size_t *ret_len)
{
    struct slice text;

    return json_string(json_member(member, name), &text) && BASE64URL_DECODED_LEN(text.len) <= max
        && base64url_decode(text, (char *)bytes, ret_len) && *ret_len > 0;
}

/* Leading zero bytes must not make a short number look long. */
static size_t significant(const unsigned char **bytes, size_t len)
{
    while (len > 0 && **bytes == 0) {
        (*bytes)++;
        len--;
    }
    return len;
}

static unsigned bit_length(const unsigned char *bytes, size_t len)
{
    unsigned bits = (unsigned)len * 8, top = len > 0 ? bytes[0] : 0;

    for (; len > 0 && (top & 0x80) == 0; top <<= 1)
        bits--;
    return bits;
}

static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(openssl_context(), type, NULL);
    EVP_PKEY *pkey = NULL;

    if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1
        || EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pkey;
}

static EVP_PKEY *rsa_pkey(struct slice modulus, struct slice exponent)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.bytes, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.bytes, (int)exponent.len, NULL);
    EVP_PKEY *pkey = NULL;

    if (builder != NULL && n != NULL && e != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        pkey = pkey_from("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* OpenSSL may also fail to take a point because it is out of memory. Most of those failures have other codes. */
static bool point_is_wrong(void)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);

    return ERR_GET_LIB(error) == ERR_LIB_EC
        && (reason == EC_R_POINT_IS_NOT_ON_CURVE || reason == EC_R_INVALID_ENCODING
            || reason == EC_R_COORDINATES_OUT_OF_RANGE);
}

/* The readers below set what the key is and return NULL, or why it is not usable. */

static const char *read_rsa(const struct json *member, struct jwk *key)
{
    unsigned char n_buffer[RSA_READ_MAX], e_buffer[16];
    const unsigned char *n = n_buffer, *e = e_buffer;
    size_t n_len, e_len;
    unsigned bits;

    key->type = KEY_RSA;
    if (!member_bytes(member, "n", n_buffer, sizeof n_buffer, &n_len)
        || !member_bytes(member, "e", e_buffer, sizeof e_buffer, &e_len))
        return "n or e is absent, not strict base64url, or too long";
    n_len = significant(&n, n_len);
    e_len = significant(&e, e_len);
    bits = bit_length(n, n_len);
    snprintf(key->type_text, sizeof key->type_text, "RSA %u", bits);
    if (bits < JWKS_RSA_MIN_BITS)
        return "the RSA modulus is shorter than 2048 bits";
    if (bits > JWKS_RSA_MAX_BITS)
        return "the RSA modulus is longer than 8192 bits";
    if ((n[n_len - 1] & 1) == 0)
        return "the RSA modulus is even"; /* no product of two odd primes; OpenSSL fails on it at each token */
    if (e_len == 0 || e_len > RSA_EXPONENT_MAX_LEN || (e[e_len - 1] & 1) == 0 || (e_len == 1 && e[0] < 3))
        return "the RSA exponent is not odd, or not from 3 to 2^32";
    key->rsa_signature_len = n_len;
    key->pkey = rsa_pkey((struct slice){ (const char *)n, n_len }, (struct slice){ (const char *)e, e_len });
    return key->pkey != NULL ? NULL : fail_for_memory(key);
}

static const struct curve *find_curve(const struct json *member)
{
    struct slice name;
    size_t i;

    for (i = 0; json_string(json_member(member, "crv"), &name) && i < sizeof curves / sizeof curves[0]; i++)
        if (slice_equal_string(name, curves[i].name))
            return &curves[i];
    return NULL;
}

/* RFC 7518 §6.2.1.2: each coordinate has the full width of the curve. OpenSSL refuses a point that is not on the curve.
 */
static const char *read_ec(const struct json *member, struct jwk *key)
{
    unsigned char point[1 + 2 * COORDINATE_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
    const struct curve *curve = find_curve(member);
    OSSL_PARAM_BLD *builder;
    size_t x_len, y_len;

    key->type = KEY_EC;
    if (curve == NULL)
        return "crv is not P-256, P-384 or P-521";
    key->curve = curve->name;
    snprintf(key->type_text, sizeof key->type_text, "EC %s", curve->name);
    if (!member_bytes(member, "x", point + 1, curve->coordinate_len, &x_len) || x_len != curve->coordinate_len
        || !member_bytes(member, "y", point + 1 + curve->coordinate_len, curve->coordinate_len, &y_len)
        || y_len != curve->coordinate_len)
        return "x or y is absent, not strict base64url, or not as wide as the curve";
    builder = OSSL_PARAM_BLD_new();
    if (builder != NULL && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl, 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->coordinate_len)
            == 1)
        key->pkey = pkey_from("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    if (key->pkey == NULL)
        return point_is_wrong() ? "the point is not on its curve" : fail_for_memory(key);
    return NULL;
}

/*
 * RFC 8032 §5.1.2: a point is its y, 255 bits, little-endian, and the lowest bit of its x in the last bit. With a point
 * of small order as the public key, signatures can be made that hold for any text without a private key. RFC 8032 lets
 * it through; libsodium and others refuse it. These are the y of all eight such points; both signs of x are refused,
 * also the one that x = 0 does not have.
 */
static const unsigned char small_orders[][ED25519_KEY_LEN] = {
    /* order 1 */ { 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 },
    /* order 2: p - 1 */ { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    /* order 4 */ { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 },
    /* order 8 */ { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
                    0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
    /* order 8 */ { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
};

/* Without the sign of x. */
static void y_of(const unsigned char point[ED25519_KEY_LEN], unsigned char ret_y[ED25519_KEY_LEN])
{
    memcpy(ret_y, point, ED25519_KEY_LEN);
    ret_y[ED25519_KEY_LEN - 1] &= 0x7f;
}

static bool has_small_order(const unsigned char y[ED25519_KEY_LEN])
{
    size_t i;

    for (i = 0; i < sizeof small_orders / sizeof small_orders[0]; i++)
        if (memcmp(y, small_orders[i], ED25519_KEY_LEN) == 0)
            return true;
    return false;
}

/* p = 2^255 - 19 and the curve's d = -121665/121666, RFC 8032 §5.1 */
#define ED25519_P "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define ED25519_D "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"

struct edwards {
    BN_CTX *context;
    BIGNUM *p, *d, *y, *u, *v; /* of the context but for p and d */
};

static void edwards_clear(struct edwards *edwards)
{
    BN_free(edwards->p);
    BN_free(edwards->d);
    if (edwards->context != NULL)
        BN_CTX_end(edwards->context);
    BN_CTX_free(edwards->context);
}

static bool edwards_start(struct edwards *edwards, const unsigned char y[ED25519_KEY_LEN])
{
    edwards->context = BN_CTX_new_ex(openssl_context());
    if (edwards->context == NULL)
        return false;
    BN_CTX_start(edwards->context);
    edwards->y = BN_CTX_get(edwards->context);
    edwards->u = BN_CTX_get(edwards->context);
    edwards->v = BN_CTX_get(edwards->context);
    return edwards->v != NULL && BN_hex2bn(&edwards->p, ED25519_P) != 0 && BN_hex2bn(&edwards->d, ED25519_D) != 0
        && BN_lebin2bn(y, ED25519_KEY_LEN, edwards->y) != NULL;
}

/* RFC 8032 §5.1.3 steps 2 and 3: x² = u/v with u = y² - 1, v = d y² + 1. u/v is a square where u v is one: 1, or 0 for
 * x = 0; -1: it is none; -2: out of memory. */
static int edwards_square(const struct edwards *edwards)
{
    BIGNUM *u = edwards->u, *v = edwards->v;
    const BIGNUM *p = edwards->p;

    if (BN_mod_sqr(u, edwards->y, p, edwards->context) != 1 || BN_mod_mul(v, u, edwards->d, p, edwards->context) != 1
        || BN_sub_word(u, 1) != 1 || BN_add_word(v, 1) != 1 || BN_mod_mul(u, u, v, p, edwards->context) != 1)
        return -2;
    return BN_kronecker(u, p, edwards->context);
}

/* OpenSSL takes any 32 bytes, and then fails at each token. */
static const char *check_ed25519(struct jwk *key, const unsigned char point[ED25519_KEY_LEN])
{
    CLEANUP(edwards_clear) struct edwards edwards = { .context = NULL };
    unsigned char y[ED25519_KEY_LEN];
    int square;

    y_of(point, y);
    if (!edwards_start(&edwards, y))
        return fail_for_memory(key);
    if (BN_cmp(edwards.y, edwards.p) >= 0) /* RFC 8032 §5.1.3 step 1: another spelling of a y that is less */
        return "y of the point is not less than p";
    if (has_small_order(y))
        return "the point has a small order";
    square = edwards_square(&edwards);
    if (square == -2)
        return fail_for_memory(key);
    return square >= 0 ? NULL : "the point is not on its curve";
}

static const char *read_okp(const struct json *member, struct jwk *key)
{
    unsigned char x[ED25519_KEY_LEN];
    const char *error;
    struct slice curve;
    size_t len;

    key->type = KEY_OKP;
    if (!json_string(json_member(member, "crv"), &curve) || !slice_equal_string(curve, "Ed25519"))
        return "crv is not Ed25519";
    key->curve = "Ed25519";
    snprintf(key->type_text, sizeof key->type_text, "OKP Ed25519");
    if (!member_bytes(member, "x", x, sizeof x, &len) || len != sizeof x)
        return "x is not 32 bytes in strict base64url";
    error = check_ed25519(key, x);
    if (error != NULL)
        return error;
    key->pkey = EVP_PKEY_new_raw_public_key_ex(openssl_context(), "ED25519", NULL, x, len);
    return key->pkey != NULL ? NULL : fail_for_memory(key);
}

static const struct {
    const char *name;
    const char *(*read)(const struct json *member, struct jwk *key);
} key_types[] = {
    { "RSA", read_rsa },
    { "EC", read_ec },
    { "OKP", read_okp },
};

static const char *read_type(const struct json *member, struct jwk *key)
{
    struct slice type;
    size_t i;

    for (i = 0; json_string(json_member(member, "kty"), &type) && i < sizeof key_types / sizeof key_types[0]; i++)
        if (slice_equal_string(type, key_types[i].name))
            return key_types[i].read(member, key);
    return "kty is not RSA, EC or OKP";
}

static const char *read_kid(const struct json *member, struct jwk *key)
{
    const struct json *value = json_member(member, "kid");
    struct slice kid;

    if (value == NULL)
        return NULL;
    if (!json_string(value, &kid) || kid.len > KID_MAX || text_has_control(kid))
        return "kid is not a string of at most 256 bytes without control characters";
    key->has_kid = true;
    key->kid_len = kid.len;
    if (kid.len > 0)
        memcpy(key->kid, kid.bytes, kid.len);
    return NULL;
}

/* RFC 7517 §4.2, §4.3: what the key is for. */
static const char *read_purpose(const struct json *member)
{
    const struct json *use = json_member(member, "use"), *operations = json_member(member, "key_ops");
    struct slice text;
    size_t i;

    if (use != NULL && (!json_string(use, &text) || !slice_equal_string(text, "sig")))
        return "use is not sig";
    if (operations == NULL)
        return NULL;
    for (i = 0; i < json_length(operations); i++)
        if (json_string(json_at(operations, i), &text) && slice_equal_string(text, "verify"))
            return NULL;
    return "key_ops does not hold verify";
}

static bool is_of_type(const struct jwk *key, const struct algorithm *algorithm)
{
    return key->type == algorithm->key_type
        && (algorithm->curve == NULL || (key->curve != NULL && strcmp(key->curve, algorithm->curve) == 0));
}

static const char *read_alg(const struct json *member, struct jwk *key)
{
    const struct json *value = json_member(member, "alg");
    struct slice name;

    if (value == NULL)
        return NULL;
    if (!json_string(value, &name) || (key->alg = algorithm_find(name)) == NULL)
        return "alg is not a known signature algorithm";
    return is_of_type(key, key->alg) ? NULL : "alg does not fit kty and crv";
}

static void read_key(const struct json *member, struct jwk *key)
{
    snprintf(key->type_text, sizeof key->type_text, "?");
    if (json_type_of(member) != JSON_OBJECT)
        key->note = "not a JSON object";
    else if ((key->note = read_kid(member, key)) == NULL && (key->note = read_type(member, key)) == NULL
             && (key->note = read_alg(member, key)) == NULL)
        key->note = read_purpose(member);
}

/* RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2: what only the signer may have. A set that publishes it is compromised.
 */
static const char *private_member(const struct json *member)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_member(member, names[i]) != NULL)
            return names[i];
    return NULL;
}

static bool key_fits(const struct jwk *key, const struct algorithm *algorithm)
{
    return key->note == NULL && is_of_type(key, algorithm) && (key->alg == NULL || key->alg == algorithm);
}

static bool key_has_kid(const struct jwk *key, struct slice kid)
{
    return key->has_kid && slice_equal((struct slice){ key->kid, key->kid_len }, kid);
}

static bool clash(const struct jwk *a, const struct jwk *b)
{
    size_t row;

    if (!b->has_kid || !key_has_kid(a, (struct slice){ b->kid, b->kid_len }))
        return false;
    for (row = 0; row < ALGORITHM_ROWS; row++)
        if (key_fits(a, algorithm_at(row)) && key_fits(b, algorithm_at(row)))
            return true;
    return false;
}

static bool check_set(struct verdict *verdict, const struct jwks *jwks)
{
    size_t usable = 0, i, j;

    for (i = 0; i < jwks->count; i++) {
        usable += jwks->keys[i].note == NULL;
        for (j = 0; j < i; j++)
            if (clash(&jwks->keys[j], &jwks->keys[i]))
                return verdict_reject(verdict, REASON_JWKS_INVALID, "keys[%zu] and keys[%zu] have the same kid", j, i);
    }
    if (usable > 0)
        return true;
    if (jwks->count == 0)
        return verdict_reject(verdict, REASON_JWKS_INVALID, "keys is empty");
    return verdict_reject(verdict, REASON_JWKS_INVALID, "no usable key; keys[0]: %s", jwks->keys[0].note);
}

static bool read_members(struct verdict *verdict, const struct json *members, struct jwks *jwks)
{
    size_t i;

    for (i = 0; i < jwks->count; i++) {
        const struct json *member = json_at(members, i);
        const char *private = private_member(member);

        if (private != NULL)
            return verdict_reject(verdict, REASON_JWKS_INVALID, "keys[%zu]: the private member %s is in it", i,
                                  private);
        /* Key by key: a fork of the host waits for one key, not for the set. */
        fork_lock_enter(); /* OpenSSL's locks */
        ERR_set_mark();    /* the error queue belongs to the host */
        read_key(member, &jwks->keys[i]);
        ERR_pop_to_mark();
        fork_lock_leave();
        /* The snapshot of a set lives long: a key that is skipped for lack of memory would stay unusable. */
        if (jwks->keys[i].is_out_of_memory)
            return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "keys[%zu]", i);
    }
    return check_set(verdict, jwks);
}

static bool read_set(struct verdict *verdict, struct slice text, struct jwks **ret_jwks)
{
    CLEANUP(json_free) struct json *json = NULL;
    CLEANUP(jwks_free) struct jwks *jwks = NULL;
    const struct json *members;
    enum json_error error;

    if (!json_parse(text, &json, &error))
        return error == JSON_OUT_OF_MEMORY
            ? verdict_reject(verdict, REASON_OUT_OF_MEMORY, "key set")
            : verdict_reject(verdict, REASON_JWKS_INVALID, "not strict JSON: %s", json_error_text(error));
    members = json_member(json, "keys");
    if (json_type_of(members) != JSON_ARRAY)
        return verdict_reject(verdict, REASON_JWKS_INVALID, "no array \"keys\"");
    if (json_length(members) > JWKS_MAX_KEYS)
        return verdict_reject(verdict, REASON_JWKS_INVALID, "more than %d keys", JWKS_MAX_KEYS);
    jwks = calloc(1, sizeof *jwks + json_length(members) * sizeof jwks->keys[0]);
    if (jwks == NULL)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "key set");
    jwks->count = json_length(members);
    if (!read_members(verdict, members, jwks))
        return false;
    *ret_jwks = jwks;
    jwks = NULL;
    return true;
}

bool jwks_parse(struct verdict *verdict, struct slice text, struct jwks **ret_jwks)
{
    bool has_context;

    if (text.len > JWKS_MAX_LEN)
        return verdict_reject(verdict, REASON_JWKS_INVALID, "more than %u bytes", JWKS_MAX_LEN);
    fork_lock_enter();
    has_context = openssl_context() != NULL;
    fork_lock_leave();
    return has_context ? read_set(verdict, text, ret_jwks) : verdict_reject(verdict, REASON_OUT_OF_MEMORY, "OpenSSL");
}

bool jwks_is_withdrawal(struct slice text)
{
    CLEANUP(json_free) struct json *json = NULL;
    const struct json *members;
    enum json_error error;

    if (text.len > JWKS_MAX_LEN || !json_parse(text, &json, &error))
        return false;
    members = json_member(json, "keys");
    return json_type_of(members) == JSON_ARRAY && json_length(members) == 0;
}

bool jwks_from_secret(struct verdict *verdict, struct slice secret, struct jwks **ret_jwks)
{
    struct jwks *jwks = calloc(1, sizeof *jwks + sizeof jwks->keys[0]);

    if (jwks == NULL || !secret_copy_to_pages(secret, &jwks->keys[0].secret)) {
        free(jwks);
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "secret");
    }
    jwks->is_secret = true;
    jwks->count = 1;
    jwks->keys[0].type = KEY_OCT;
    snprintf(jwks->keys[0].type_text, sizeof jwks->keys[0].type_text, "HMAC %zu", secret.len);
    *ret_jwks = jwks;
    return true;
}

static void key_clear(struct jwk *key)
{
    struct seen *seen;
    size_t row, slot;

    for (row = 0; row < ALGORITHM_ROWS; row++) {
        for (slot = 0; slot < WAITING_MAX; slot++) {
            struct verify_context *context = atomic_exchange(&key->waiting[row][slot], NULL);

            if (context != NULL)
                context->free(context);
        }
        seen = atomic_exchange(&key->seen[row], NULL);
        seen_free(&seen);
    }
    EVP_PKEY_free(key->pkey);
    secret_clear_pages(&key->secret);
}

void jwks_free(struct jwks **jwks)
{
    size_t i;

    if (jwks == NULL || *jwks == NULL)
        return;
    fork_lock_enter(); /* OpenSSL's locks */
    for (i = 0; i < (*jwks)->count; i++)
        key_clear(&(*jwks)->keys[i]);
    fork_lock_leave();
    free(*jwks);
    *jwks = NULL;
}

static bool find_by_kid(struct verdict *verdict, const struct jwks *jwks, const struct algorithm *algorithm,
                        struct slice kid, const struct jwk **ret_key)
{
    const struct jwk *unfit = NULL;
    size_t i;

    for (i = 0; i < jwks->count; i++) {
        if (!key_has_kid(&jwks->keys[i], kid))
            continue;
        if (key_fits(&jwks->keys[i], algorithm)) {
            *ret_key = &jwks->keys[i]; /* the only one: jwks_parse() refused clashes */
            return true;
        }
        unfit = &jwks->keys[i];
    }
    if (unfit == NULL)
        return verdict_reject(verdict, REASON_KEY_UNKNOWN, "kid=%.*s is not among %zu keys", SLICE_ARG(kid),
                              jwks->count);
    return verdict_reject(verdict, REASON_KEY_UNSUITABLE, "kid=%.*s is %s%s%s%s%s, alg=%s", SLICE_ARG(kid),
                          unfit->type_text, unfit->alg != NULL ? " for " : "",
                          unfit->alg != NULL ? unfit->alg->name : "", unfit->note != NULL ? ": " : "",
                          unfit->note != NULL ? unfit->note : "", algorithm->name);
}

static bool find_only(struct verdict *verdict, const struct jwks *jwks, const struct algorithm *algorithm,
                      const struct jwk **ret_key)
{
    const struct jwk *found = NULL;
    size_t i;

    for (i = 0; i < jwks->count; i++) {
        if (!key_fits(&jwks->keys[i], algorithm))
            continue;
        if (found != NULL)
            return verdict_reject(verdict, REASON_KEY_AMBIGUOUS, "no kid, and several keys fit %s", algorithm->name);
        found = &jwks->keys[i];
    }
    if (found == NULL)
        return verdict_reject(verdict, REASON_KEY_UNKNOWN, "no kid, and none of %zu keys fits %s", jwks->count,
                              algorithm->name);
    *ret_key = found;
    return true;
}

bool jwks_find(struct verdict *verdict, const struct jwks *jwks, const struct algorithm *algorithm,
               const struct jwt_header *header, const struct jwk **ret_key)
{
    if (header->has_kid && !jwks->is_secret)
        return find_by_kid(verdict, jwks, algorithm, header->kid, ret_key);
    return find_only(verdict, jwks, algorithm, ret_key);
}

size_t jwks_count(const struct jwks *jwks)
{
    return jwks->count;
}

struct slice jwk_kid(const struct jwk *key)
{
    return (struct slice){ key->kid, key->kid_len };
}

struct slice jwks_kid(const struct jwks *jwks, size_t index)
{
    return jwk_kid(&jwks->keys[index]);
}

const char *jwks_type(const struct jwks *jwks, size_t index)
{
    return jwks->keys[index].type_text;
}

const char *jwks_alg(const struct jwks *jwks, size_t index)
{
    return jwks->keys[index].alg != NULL ? jwks->keys[index].alg->name : NULL;
}

const char *jwks_note(const struct jwks *jwks, size_t index)
{
    return jwks->keys[index].note;
}

EVP_PKEY *jwk_public_key(const struct jwk *key)
{
    return key->pkey;
}

struct slice jwk_secret(const struct jwk *key)
{
    return (struct slice){ key->secret.bytes, key->secret.len };
}

size_t jwk_rsa_signature_len(const struct jwk *key)
{
    return key->rsa_signature_len;
}

size_t jwks_longest_rsa_signature(const struct jwks *jwks)
{
    size_t longest = 0, i;

    for (i = 0; i < jwks->count; i++)
        if (jwks->keys[i].note == NULL && jwks->keys[i].rsa_signature_len > longest)
            longest = jwks->keys[i].rsa_signature_len;
    return longest;
}

/* The slots, and what was seen, are all that changes in a key set. Each slot changes hands by one atomic exchange. */
static _Atomic(struct verify_context *) *slots(const struct jwk *key, const struct algorithm *algorithm)
{
    return ((struct jwk *)key)->waiting[algorithm_row(algorithm)];
}

struct verify_context *jwk_take_context(const struct jwk *key, const struct algorithm *algorithm)
{
    _Atomic(struct verify_context *) *waiting = slots(key, algorithm);
    size_t slot;

    for (slot = 0; slot < WAITING_MAX; slot++) {
        struct verify_context *context = atomic_load_explicit(&waiting[slot], memory_order_relaxed);

        if (context != NULL && (context = atomic_exchange(&waiting[slot], NULL)) != NULL)
            return context;
    }
    return NULL;
}

void jwk_give_context(const struct jwk *key, const struct algorithm *algorithm, struct verify_context *context)
{
    _Atomic(struct verify_context *) *waiting = slots(key, algorithm);
    size_t slot;

    for (slot = 0; slot < WAITING_MAX && context != NULL; slot++) {
        struct verify_context *expected = NULL;

        if (atomic_compare_exchange_strong(&waiting[slot], &expected, context))
            return;
    }
    if (context != NULL)
        context->free(context);
}

static _Atomic(struct seen *) *seen_of(const struct jwk *key, const struct algorithm *algorithm)
{
    return &((struct jwk *)key)->seen[algorithm_row(algorithm)];
}

bool jwk_has_seen(const struct jwk *key, const struct algorithm *algorithm, const unsigned char digest[SEEN_DIGEST_LEN])
{
    struct seen *seen = atomic_load_explicit(seen_of(key, algorithm), memory_order_acquire);

    return seen != NULL && seen_has(seen, digest);
}

void jwk_note_seen(const struct jwk *key, const struct algorithm *algorithm,
                   const unsigned char digest[SEEN_DIGEST_LEN])
{
    _Atomic(struct seen *) *place = seen_of(key, algorithm);
    struct seen *seen = atomic_load_explicit(place, memory_order_acquire), *made;

    if (seen == NULL) {
        made = seen_new();
        if (made == NULL)
            return;
        if (atomic_compare_exchange_strong(place, &seen, made))
            seen = made;
        else
            seen_free(&made); /* another thread was first: `seen` is its memory */
    }
    seen_add(seen, digest);
}
