#include "tests/support/unit.h"

#include <openssl/err.h>

#include "base/base64url.h"
#include "token/jwks.h"
#include "token/openssl.h"
#include "tests/support/openssl_double.h"

/* The keys of RFC 7520 §3.4, RFC 7515 appendix A.3, NIST CAVP (P-384), RFC 7515 appendix A.4, RFC 8037 appendix A.2. */
#define N                                                                                                              \
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVw"  \
    "GU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3" \
    "uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gH" \
    "drNP5zw"
#define X256   "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y256   "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define X384   "wrR5RPtd40LQMoWIAXfKX30PL8rXZ4zOQinW4ZMvysEb_Dw-l9lCo8Vr80EjAT2_"
#define Y384   "NyV5BqgiOGbtoHQ8UZYWp2p1iuWK7oHF_TX786hVt3VKNtSgZy35XWxEqBz3Ygwt"
#define X521   "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk"
#define Y521   "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
#define X25519 "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

/* Key sets are written with ' in place of ". */
#define RSA_MEMBERS   "'kty':'RSA','n':'" N "','e':'AQAB'"
#define EC_MEMBERS(c) "'kty':'EC','crv':'P-" #c "','x':'" X##c "','y':'" Y##c "'"
#define OKP_MEMBERS   "'kty':'OKP','crv':'Ed25519','x':'" X25519 "'"
#define OKP_POINT(x)  "'kty':'OKP','crv':'Ed25519','x':'" x "'"
#define SET(members)  "{'keys':[" members "]}"
#define KEY(members)  "{" members "}"
#define GOOD          KEY(OKP_MEMBERS ",'kid':'good'")

/* Modules of 3072 and 4096 bits, told apart by the length of their signatures. */
#define ONES64  "________________________________________________________________"
#define ONES512 ONES64 ONES64 ONES64 ONES64 ONES64 ONES64 ONES64 ONES64
#define RSA3072 "'kty':'RSA','n':'" ONES512 "','e':'AQAB'"
#define RSA6144 "'kty':'RSA','n':'" ONES512 ONES512 "','e':'AQAB'"

/* clang-format off */
#define BYTES(text) { (text), sizeof(text) - 1 }
/* clang-format on */

/* Parse from memory of exactly the text's size, so that a sanitizer sees one byte too many. */
static bool parse(struct verdict *verdict, struct slice text, struct jwks **ret_jwks)
{
    char *copy = malloc(text.len + 1);
    size_t i;
    bool ok;

    assert_non_null(copy);
    for (i = 0; i < text.len; i++)
        copy[1 + i] = text.bytes[i] == '\'' ? '"' : text.bytes[i];
    *verdict = VERDICT_INIT;
    ok = jwks_parse(verdict, (struct slice){ copy + 1, text.len }, ret_jwks);
    free(copy);
    return ok;
}

static struct jwks *parse_good(const char *text)
{
    struct verdict verdict;
    struct jwks *jwks = NULL;

    if (!parse(&verdict, slice_of(text), &jwks))
        fail_msg("%s: %s", reason_name(verdict.reason), verdict.evidence);
    assert_int_equal(verdict.reason, REASON_UNDECIDED);
    return jwks;
}

static void assert_refused(struct slice text, const char *evidence)
{
    struct verdict verdict;
    struct jwks *const untouched = (struct jwks *)&verdict;
    struct jwks *jwks = untouched;

    assert_false(parse(&verdict, text, &jwks));
    assert_ptr_equal(jwks, untouched);
    assert_int_equal(verdict.reason, REASON_JWKS_INVALID);
    assert_string_equal(verdict.evidence, evidence);
}

static void assert_note(const struct jwks *jwks, size_t index, const char *note)
{
    if (note == NULL)
        assert_null(jwks_note(jwks, index));
    else if (jwks_note(jwks, index) == NULL)
        fail_msg("usable, not: %s", note);
    else
        assert_string_equal(jwks_note(jwks, index), note);
}

static void rule_07_and_08_keys_that_are_usable(void **state)
{
    static const struct {
        const char *name, *set, *type, *alg;
    } cases[] = {
        { "RSA with 2048 bits", SET(KEY(RSA_MEMBERS)), "RSA 2048", NULL },
        { "RSA for one algorithm", SET(KEY(RSA_MEMBERS ",'alg':'PS512'")), "RSA 2048", "PS512" },
        { "RSA with 3072 bits", SET(KEY(RSA3072)), "RSA 3072", NULL },
        { "P-256", SET(KEY(EC_MEMBERS(256))), "EC P-256", NULL },
        { "P-384", SET(KEY(EC_MEMBERS(384) ",'alg':'ES384'")), "EC P-384", "ES384" },
        { "P-521", SET(KEY(EC_MEMBERS(521))), "EC P-521", NULL },
        { "Ed25519", SET(KEY(OKP_MEMBERS ",'alg':'EdDSA'")), "OKP Ed25519", "EdDSA" },
        { "Ed25519: y is 3", SET(KEY(OKP_POINT("AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))), "OKP Ed25519", NULL },
        { "Ed25519: y is p-3", SET(KEY(OKP_POINT("6v_______________________________________38"))), "OKP Ed25519",
          NULL },
        { "Ed25519: y is 6 and a sign", SET(KEY(OKP_POINT("BgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"))),
          "OKP Ed25519", NULL },
        { "P-256: x is 0",
          SET("{'kty':'EC','crv':'P-256','x':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','y':'ZkhceA4vg9ckM71dhKBrtlQcKvMdrocXKL-FahdPk_Q'}"),
          "EC P-256", NULL },
        { "use is sig", SET(KEY(RSA_MEMBERS ",'use':'sig'")), "RSA 2048", NULL },
        { "key_ops is verify", SET(KEY(RSA_MEMBERS ",'key_ops':['verify']")), "RSA 2048", NULL },
        { "key_ops holds verify", SET(KEY(RSA_MEMBERS ",'key_ops':['x',1,'verify']")), "RSA 2048", NULL },
        { "what the sets of real issuers carry beside",
          "{'more':1,"
          "'keys':[" KEY(RSA_MEMBERS ",'use':'sig','x5t':'abc','x5c':['MIIB'],'issuer':'https://a'") "]}",
          "RSA 2048", NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct jwks *jwks;

        ROW(cases[i].name);
        jwks = parse_good(cases[i].set);
        assert_int_equal(jwks_count(jwks), 1);
        assert_note(jwks, 0, NULL);
        assert_string_equal(jwks_type(jwks, 0), cases[i].type);
        if (cases[i].alg == NULL)
            assert_null(jwks_alg(jwks, 0));
        else
            assert_string_equal(jwks_alg(jwks, 0), cases[i].alg);
        assert_int_equal(jwks_kid(jwks, 0).len, 0);
        jwks_free(&jwks);
        assert_null(jwks);
    }
}

#define N_OR_E     "n or e is absent, not strict base64url, or too long"
#define X_OR_Y     "x or y is absent, not strict base64url, or not as wide as the curve"
#define OKP_X      "x is not 32 bytes in strict base64url"
#define NOT_ON     "the point is not on its curve"
#define NO_KTY     "kty is not RSA, EC or OKP"
#define NO_CRV     "crv is not P-256, P-384 or P-521"
#define NO_ED25519 "crv is not Ed25519"
#define NO_ALG     "alg is not a known signature algorithm"
#define ALG_MISFIT "alg does not fit kty and crv"
#define NOT_SIG    "use is not sig"
#define NO_VERIFY  "key_ops does not hold verify"
#define EXPONENT   "the RSA exponent is not odd, or not from 3 to 2^32"
#define ED_SMALL   "the point has a small order"
#define ED_CANON   "y of the point is not less than p"
#define ED_OFF     "the point is not on its curve"
#define KID        "kid is not a string of at most 256 bytes without control characters"

/* Each stands beside a good key, which goes on working (RFC 7517 §5), and alone, which leaves no usable key. */
static const struct {
    const char *name, *key, *note;
} unusable[] = {
    { "no object", "1", "not a JSON object" },
    { "null", "null", "not a JSON object" },
    { "an array", "[]", "not a JSON object" },
    { "an empty object", "{}", NO_KTY },
    { "an unknown kty", "{'kty':'XYZ'}", NO_KTY },
    { "kty is case-sensitive", "{'kty':'rsa','n':'" N "','e':'AQAB'}", NO_KTY },
    { "kty is no string", "{'kty':['RSA'],'n':'" N "','e':'AQAB'}", NO_KTY },
    { "kty is cut by no NUL", "{'kty':'RSA\\u0000','n':'" N "','e':'AQAB'}", NO_KTY },
    { "an oct key that hides its k", "{'kty':'oct','kid':'s'}", NO_KTY },

    { "RSA without n", "{'kty':'RSA','e':'AQAB'}", N_OR_E },
    { "RSA without e", "{'kty':'RSA','n':'" N "'}", N_OR_E },
    { "an empty n", "{'kty':'RSA','n':'','e':'AQAB'}", N_OR_E },
    { "an empty e", "{'kty':'RSA','n':'" N "','e':''}", N_OR_E },
    { "n with padding", "{'kty':'RSA','n':'" N "==','e':'AQAB'}", N_OR_E },
    { "n is a number", "{'kty':'RSA','n':65537,'e':'AQAB'}", N_OR_E },
    { "e is a number", "{'kty':'RSA','n':'" N "','e':65537}", N_OR_E },
    { "n in plain base64", "{'kty':'RSA','n':'ab+/','e':'AQAB'}", N_OR_E },
    { "a modulus of a few bits", "{'kty':'RSA','n':'AQAB','e':'AQAB'}", "the RSA modulus is shorter than 2048 bits" },

    { "an even modulus",
      "{'kty':'RSA','n':'" ONES64 ONES64 ONES64 ONES64 ONES64 ONES64 ONES64
      "_______________________________________________________________-','e':'AQAB'}",
      "the RSA modulus is even" },
    { "EC without crv", "{'kty':'EC','x':'" X256 "','y':'" Y256 "'}", NO_CRV },
    { "a curve without a row", "{'kty':'EC','crv':'secp256k1','x':'" X256 "','y':'" Y256 "'}", NO_CRV },
    { "P-256: x and y are 0",
      "{'kty':'EC','crv':'P-256','x':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','y':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}",
      NOT_ON },
    { "P-256: x is p in place of 0",
      "{'kty':'EC','crv':'P-256','x':'_____wAAAAEAAAAAAAAAAAAAAAD_______________8','y':'ZkhceA4vg9ckM71dhKBrtlQcKvMdrocXKL-FahdPk_Q'}",
      NOT_ON },
    { "P-521: x is p in place of 0",
      "{'kty':'EC','crv':'P-521','x':'Af______________________________________________________________________________________','y':'AS3xNgFZSog-8tk15Eu5C_TWYZt05Sr3VS-XdpARwHGetDnPqyqI1A_lmivtH0NVcWmi0KLM0oDGB7krv1H_4LB4'}",
      NOT_ON },
    { "EC without y", "{'kty':'EC','crv':'P-256','x':'" X256 "'}", X_OR_Y },
    { "x of another curve", "{'kty':'EC','crv':'P-256','x':'" X384 "','y':'" Y256 "'}", X_OR_Y },
    { "coordinates of a smaller curve", "{'kty':'EC','crv':'P-384','x':'" X256 "','y':'" Y256 "'}", X_OR_Y },
    { "x and y exchanged", "{'kty':'EC','crv':'P-256','x':'" Y256 "','y':'" X256 "'}", NOT_ON },
    { "one bit of y is wrong",
      "{'kty':'EC','crv':'P-256','x':'" X256 "','y':'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4'}", NOT_ON },
    { "the point (0, 0)",
      "{'kty':'EC','crv':'P-256','x':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',"
      "'y':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}",
      NOT_ON },
    { "coordinates beyond the field",
      "{'kty':'EC','crv':'P-256','x':'__________________________________________8',"
      "'y':'__________________________________________8'}",
      NOT_ON },

    { "OKP without crv", "{'kty':'OKP','x':'" X25519 "'}", NO_ED25519 },
    { "Ed448", "{'kty':'OKP','crv':'Ed448','x':'" X25519 "'}", NO_ED25519 },
    { "X25519 is no signature key", "{'kty':'OKP','crv':'X25519','x':'" X25519 "'}", NO_ED25519 },
    { "Ed25519 with 31 bytes", "{'kty':'OKP','crv':'Ed25519','x':'11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ'}",
      OKP_X },
    { "Ed25519 with 33 bytes", "{'kty':'OKP','crv':'Ed25519','x':'11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURoA'}",
      OKP_X },
    { "Ed25519 with trailing bits", "{'kty':'OKP','crv':'Ed25519','x':'11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp'}",
      OKP_X },
    { "Ed25519 without x", "{'kty':'OKP','crv':'Ed25519'}", OKP_X },
    { "Ed25519: y is 1, the neutral element", KEY(OKP_POINT("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), ED_SMALL },
    { "Ed25519: y is 1 and a sign", KEY(OKP_POINT("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA")), ED_SMALL },
    { "Ed25519: y is p-1, of order 2", KEY(OKP_POINT("7P_______________________________________38")), ED_SMALL },
    { "Ed25519: y is p-1 and a sign", KEY(OKP_POINT("7P________________________________________8")), ED_SMALL },
    { "Ed25519: y is 0, of order 4", KEY(OKP_POINT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), ED_SMALL },
    { "Ed25519: y is 0 and a sign", KEY(OKP_POINT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA")), ED_SMALL },
    { "Ed25519: y is of order 8", KEY(OKP_POINT("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o")), ED_SMALL },
    { "Ed25519: y is of order 8 and a sign", KEY(OKP_POINT("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o")), ED_SMALL },
    { "Ed25519: y is the other of order 8", KEY(OKP_POINT("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU")), ED_SMALL },
    { "Ed25519: y is the other of order 8 and a sign", KEY(OKP_POINT("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU")),
      ED_SMALL },
    { "Ed25519: y is p, which reads as 0", KEY(OKP_POINT("7f_______________________________________38")), ED_CANON },
    { "Ed25519: y is p and a sign", KEY(OKP_POINT("7f________________________________________8")), ED_CANON },
    { "Ed25519: y is p+1", KEY(OKP_POINT("7v_______________________________________38")), ED_CANON },
    { "Ed25519: y is p+3", KEY(OKP_POINT("8P_______________________________________38")), ED_CANON },
    { "Ed25519: y is p+18, the greatest", KEY(OKP_POINT("_________________________________________38")), ED_CANON },
    { "Ed25519: y is p+18 and a sign", KEY(OKP_POINT("__________________________________________8")), ED_CANON },
    { "Ed25519: y is 2, which has no x", KEY(OKP_POINT("AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), ED_OFF },
    { "Ed25519: y is p-2, which has no x", KEY(OKP_POINT("6________________________________________38")), ED_OFF },

    { "use is enc", KEY(RSA_MEMBERS ",'use':'enc'"), NOT_SIG },
    { "use is empty", KEY(RSA_MEMBERS ",'use':''"), NOT_SIG },
    { "use in capitals", KEY(RSA_MEMBERS ",'use':'SIG'"), NOT_SIG },
    { "use is an array", KEY(RSA_MEMBERS ",'use':['sig']"), NOT_SIG },
    { "use is null", KEY(RSA_MEMBERS ",'use':null"), NOT_SIG },
    { "key_ops without verify", KEY(RSA_MEMBERS ",'key_ops':['sign','encrypt']"), NO_VERIFY },
    { "key_ops is empty", KEY(RSA_MEMBERS ",'key_ops':[]"), NO_VERIFY },
    { "key_ops is a string", KEY(RSA_MEMBERS ",'key_ops':'verify'"), NO_VERIFY },
    { "key_ops is null", KEY(RSA_MEMBERS ",'key_ops':null"), NO_VERIFY },

    { "an encryption alg", KEY(RSA_MEMBERS ",'alg':'RSA-OAEP'"), NO_ALG },
    { "alg none", KEY(RSA_MEMBERS ",'alg':'none'"), NO_ALG },
    { "alg in lower case", KEY(RSA_MEMBERS ",'alg':'rs256'"), NO_ALG },
    { "alg is no string", KEY(RSA_MEMBERS ",'alg':256"), NO_ALG },
    { "alg is null", KEY(RSA_MEMBERS ",'alg':null"), NO_ALG },
    { "an RSA key for ES256", KEY(RSA_MEMBERS ",'alg':'ES256'"), ALG_MISFIT },
    { "an RSA key for HS256", KEY(RSA_MEMBERS ",'alg':'HS256'"), ALG_MISFIT },
    { "a P-384 key for ES256", KEY(EC_MEMBERS(384) ",'alg':'ES256'"), ALG_MISFIT },
    { "an Ed25519 key for ES256", KEY(OKP_MEMBERS ",'alg':'ES256'"), ALG_MISFIT },

    { "kid is a number", KEY(RSA_MEMBERS ",'kid':1"), KID },
    { "kid is null", KEY(RSA_MEMBERS ",'kid':null"), KID },
    { "kid with a NUL", KEY(RSA_MEMBERS ",'kid':'a\\u0000b'"), KID },
    { "kid with a line end", KEY(RSA_MEMBERS ",'kid':'a\\nb'"), KID },
    { "kid with DEL", KEY(RSA_MEMBERS ",'kid':'a\\u007f'"), KID },
};

static void rule_20_a_good_key_beside_a_broken_one_still_works(void **state)
{
    const struct jwt_header header = { .has_kid = true, .kid = LITERAL("good") };
    char text[4096];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(unusable); i++) {
        struct verdict verdict = VERDICT_INIT;
        const struct jwk *key;
        struct jwks *jwks;

        ROW(unusable[i].name);
        snprintf(text, sizeof text, "{'keys':[%s," GOOD "]}", unusable[i].key);
        jwks = parse_good(text);
        assert_int_equal(jwks_count(jwks), 2);
        assert_note(jwks, 0, unusable[i].note);
        assert_note(jwks, 1, NULL);
        assert_true(jwks_find(&verdict, jwks, algorithm_find(slice_of("EdDSA")), &header, &key));
        jwks_free(&jwks);
    }
}

static void rule_20_a_set_without_a_usable_key_is_refused(void **state)
{
    char text[4096], evidence[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(unusable); i++) {
        ROW(unusable[i].name);
        snprintf(text, sizeof text, "{'keys':[%s]}", unusable[i].key);
        snprintf(evidence, sizeof evidence, "no usable key; keys[0]: %s", unusable[i].note);
        assert_refused(slice_of(text), evidence);
    }
}

static void rule_20_what_is_no_key_set_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct slice text;
        const char *evidence;
    } cases[] = {
        { "no keys at all", BYTES("{}"), "no array \"keys\"" },
        { "an array at the top", BYTES("[]"), "no array \"keys\"" },
        { "keys is an object", BYTES("{'keys':{}}"), "no array \"keys\"" },
        { "keys is a string", BYTES("{'keys':'x'}"), "no array \"keys\"" },
        { "keys is null", BYTES("{'keys':null}"), "no array \"keys\"" },
        { "keys is empty", BYTES("{'keys':[]}"), "keys is empty" },
        { "a single key is no set", BYTES("{'kty':'OKP','crv':'Ed25519','x':'" X25519 "'}"), "no array \"keys\"" },
    };
    static const struct {
        const char *name;
        struct slice text;
    } not_json[] = {
        { "an empty file", BYTES("") },
        { "no bytes at all", { NULL, 0 } },
        { "a web page", BYTES("<html>not found</html>") },
        { "a cut text", BYTES("{'keys':[{'kty':'OKP','crv':'Ed25519','x'") },
        { "more after the end", BYTES(SET(GOOD) "x") },
        { "keys twice", BYTES("{'keys':[" GOOD "],'keys':[" GOOD "]}") },
        { "a member of a key twice", BYTES("{'keys':[{" OKP_MEMBERS ",'kty':'EC'}]}") },
    };
    struct verdict verdict;
    struct jwks *jwks;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_refused(cases[i].text, cases[i].evidence);
    }
    for (i = 0; i < COUNT(not_json); i++) {
        ROW(not_json[i].name);
        assert_false(parse(&verdict, not_json[i].text, &jwks));
        assert_int_equal(verdict.reason, REASON_JWKS_INVALID);
        assert_memory_equal(verdict.evidence, "not strict JSON: ", 17);
    }
    ROW("only a sound set without a key withdraws the keys");
    assert_true(jwks_is_withdrawal(LITERAL("{\"keys\":[]}")));
    assert_true(jwks_is_withdrawal(LITERAL(" {\"x\":1, \"keys\" : [ ] }\n")));
    assert_false(jwks_is_withdrawal(LITERAL("{\"keys\":[{}]}")));
    assert_false(jwks_is_withdrawal(LITERAL("{\"keys\":{}}")));
    assert_false(jwks_is_withdrawal(LITERAL("{\"keys\":null}")));
    assert_false(jwks_is_withdrawal(LITERAL("{\"keys\":[]}x")));
    assert_false(jwks_is_withdrawal(LITERAL("{\"keys\":[],\"keys\":[]}")));
    assert_false(jwks_is_withdrawal(LITERAL("{}")));
    assert_false(jwks_is_withdrawal(LITERAL("[]")));
    assert_false(jwks_is_withdrawal((struct slice){ NULL, 0 }));
}

static void rule_20_private_members_refuse_the_set(void **state)
{
    static const struct {
        const char *name, *key, *evidence;
    } cases[] = {
        { "d of RSA", KEY(RSA_MEMBERS ",'d':'AQAB'"), "keys[1]: the private member d is in it" },
        { "p", KEY(RSA_MEMBERS ",'p':'AQAB'"), "keys[1]: the private member p is in it" },
        { "q", KEY(RSA_MEMBERS ",'q':'AQAB'"), "keys[1]: the private member q is in it" },
        { "dp", KEY(RSA_MEMBERS ",'dp':'AQAB'"), "keys[1]: the private member dp is in it" },
        { "dq", KEY(RSA_MEMBERS ",'dq':'AQAB'"), "keys[1]: the private member dq is in it" },
        { "qi", KEY(RSA_MEMBERS ",'qi':'AQAB'"), "keys[1]: the private member qi is in it" },
        { "oth", KEY(RSA_MEMBERS ",'oth':[]"), "keys[1]: the private member oth is in it" },
        { "d of EC", KEY(EC_MEMBERS(256) ",'d':'AQAB'"), "keys[1]: the private member d is in it" },
        { "d of OKP", KEY(OKP_MEMBERS ",'d':'AQAB'"), "keys[1]: the private member d is in it" },
        { "k of a symmetric key", "{'kty':'oct','k':'AQAB'}", "keys[1]: the private member k is in it" },
        { "k of a public key", KEY(RSA_MEMBERS ",'k':'AQAB'"), "keys[1]: the private member k is in it" },
        { "of an unknown kty", "{'kty':'XYZ','d':'AQAB'}", "keys[1]: the private member d is in it" },
        { "of a key for encryption", KEY(RSA_MEMBERS ",'use':'enc','d':'AQAB'"),
          "keys[1]: the private member d is in it" },
        { "even when it is null", KEY(RSA_MEMBERS ",'d':null"), "keys[1]: the private member d is in it" },
    };
    char text[4096];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        snprintf(text, sizeof text, "{'keys':[" GOOD ",%s]}", cases[i].key);
        assert_refused(slice_of(text), cases[i].evidence);
    }
}

static void rule_20_duplicate_kids_of_one_algorithm_refuse_the_set(void **state)
{
    static const struct {
        const char *name, *set;
        bool is_refused;
    } cases[] = {
        { "the same key twice", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(RSA_MEMBERS ",'kid':'a'")), true },
        { "two keys of one type", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(RSA3072 ",'kid':'a'")), true },
        { "two keys of one alg",
          SET(KEY(RSA_MEMBERS ",'kid':'a','alg':'RS256'") "," KEY(RSA3072 ",'kid':'a','alg':'RS256'")), true },
        { "one says its alg, the other could do it too",
          SET(KEY(RSA_MEMBERS ",'kid':'a','alg':'RS256'") "," KEY(RSA3072 ",'kid':'a'")), true },
        { "two empty kids", SET(KEY(RSA_MEMBERS ",'kid':''") "," KEY(RSA3072 ",'kid':''")), true },
        { "of two algs", SET(KEY(RSA_MEMBERS ",'kid':'a','alg':'RS256'") "," KEY(RSA3072 ",'kid':'a','alg':'PS256'")),
          false },
        { "of two types", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(OKP_MEMBERS ",'kid':'a'")), false },
        { "of two curves", SET(KEY(EC_MEMBERS(256) ",'kid':'a'") "," KEY(EC_MEMBERS(384) ",'kid':'a'")), false },
        { "one of them cannot be used", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(RSA3072 ",'kid':'a','use':'enc'")),
          false },
        { "no kid is no duplicate", SET(KEY(RSA_MEMBERS) "," KEY(RSA3072)), false },
        { "an empty kid is not an absent one", SET(KEY(RSA_MEMBERS ",'kid':''") "," KEY(RSA3072)), false },
        { "kid is case-sensitive", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(RSA3072 ",'kid':'A'")), false },
        { "a kid that the other begins with", SET(KEY(RSA_MEMBERS ",'kid':'a'") "," KEY(RSA3072 ",'kid':'ab'")),
          false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        if (cases[i].is_refused) {
            assert_refused(slice_of(cases[i].set), "keys[0] and keys[1] have the same kid");
        } else {
            struct jwks *jwks = parse_good(cases[i].set);

            jwks_free(&jwks);
        }
    }
}

/* A key set of one RSA key of so many bits and this exponent, with so many zero octets before the modulus. */
static char *rsa_set(unsigned bits, unsigned leading_zeros, struct slice exponent)
{
    size_t n_len = leading_zeros + (bits + 7) / 8;
    char *n = calloc(1, n_len), *n_text = calloc(1, BASE64URL_ENCODED_LEN(n_len) + 1);
    char e_text[64] = "", *set = malloc(n_len * 2 + 256);

    assert_true(n != NULL && n_text != NULL && set != NULL);
    memset(n + leading_zeros, 0xff, n_len - leading_zeros);
    n[leading_zeros] = (char)(0xff >> (7 - (bits - 1) % 8));
    base64url_encode((struct slice){ n, n_len }, n_text);
    base64url_encode(exponent, e_text);
    sprintf(set, "{'keys':[{'kty':'RSA','n':'%s','e':'%s'}]}", n_text, e_text);
    free(n);
    free(n_text);
    return set;
}

static void rule_08_rsa_keys_have_2048_bits_and_an_odd_exponent(void **state)
{
    static const struct {
        const char *name;
        unsigned bits, leading_zeros;
        struct slice exponent;
        const char *note;
    } cases[] = {
        { "2047 bits", 2047, 0, BYTES("\1\0\1"), "the RSA modulus is shorter than 2048 bits" },
        { "2048 bits", 2048, 0, BYTES("\1\0\1"), NULL },
        { "2049 bits", 2049, 0, BYTES("\1\0\1"), NULL },
        { "1024 bits and 128 zero octets are not 2048 bits", 1024, 128, BYTES("\1\0\1"),
          "the RSA modulus is shorter than 2048 bits" },
        { "2048 bits and a zero octet, as DER would have it", 2048, 1, BYTES("\1\0\1"), NULL },
        { "nothing but zeros", 8, 256, BYTES("\1\0\1"), "the RSA modulus is shorter than 2048 bits" },
        { "8192 bits", 8192, 0, BYTES("\1\0\1"), NULL },
        { "8193 bits", 8193, 0, BYTES("\1\0\1"), "the RSA modulus is longer than 8192 bits" },
        { "16384 bits", 16384, 0, BYTES("\1\0\1"), "the RSA modulus is longer than 8192 bits" },
        { "65536 bits", 65536, 0, BYTES("\1\0\1"), N_OR_E },
        { "exponent 0", 2048, 0, BYTES("\0"), EXPONENT },
        { "exponent 1", 2048, 0, BYTES("\1"), EXPONENT },
        { "exponent 2", 2048, 0, BYTES("\2"), EXPONENT },
        { "exponent 3", 2048, 0, BYTES("\3"), NULL },
        { "exponent 3 after zeros", 2048, 0, BYTES("\0\0\0\3"), NULL },
        { "exponent 1 after zeros", 2048, 0, BYTES("\0\0\0\1"), EXPONENT },
        { "exponent 65536", 2048, 0, BYTES("\1\0\0"), EXPONENT },
        { "exponent 257", 2048, 0, BYTES("\1\1"), NULL },
        { "exponent 2^32 - 1", 2048, 0, BYTES("\377\377\377\377"), NULL },
        { "exponent 2^32 - 1 after zeros", 2048, 0, BYTES("\0\0\377\377\377\377"), NULL },
        { "exponent 2^32", 2048, 0, BYTES("\1\0\0\0\0"), EXPONENT },
        { "exponent 2^32 + 1", 2048, 0, BYTES("\1\0\0\0\1"), EXPONENT },
        { "an exponent of 64 bits", 2048, 0, BYTES("\377\377\377\377\377\377\377\377"), EXPONENT },
        { "an exponent of 17 octets", 2048, 0, BYTES("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"), N_OR_E },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char *set = rsa_set(cases[i].bits, cases[i].leading_zeros, cases[i].exponent), evidence[128];
        struct jwks *jwks;

        ROW(cases[i].name);
        if (cases[i].note == NULL) {
            jwks = parse_good(set);
            snprintf(evidence, sizeof evidence, "RSA %u", cases[i].bits);
            assert_string_equal(jwks_type(jwks, 0), evidence);
            jwks_free(&jwks);
        } else {
            snprintf(evidence, sizeof evidence, "no usable key; keys[0]: %s", cases[i].note);
            assert_refused(slice_of(set), evidence);
        }
        free(set);
    }
}

static void rule_20_a_set_has_limits(void **state)
{
    const char *const begin = "{'keys':[" GOOD, *const more = ",1";
    char *text = malloc(JWKS_MAX_LEN + 2), kid[258];
    struct jwks *jwks;
    size_t len, i;

    (void)state;
    assert_non_null(text);
    ROW("100 keys");
    strcpy(text, begin);
    for (i = 1; i < 100; i++)
        strcat(text, more);
    strcat(text, "]}");
    jwks = parse_good(text);
    assert_int_equal(jwks_count(jwks), 100);
    jwks_free(&jwks);
    ROW("101 keys");
    strcpy(text + strlen(text) - 2, ",1]}");
    assert_refused(slice_of(text), "more than 100 keys");

    ROW("1 MiB");
    len = (size_t)sprintf(text, SET(GOOD));
    memset(text + len, ' ', JWKS_MAX_LEN - len + 1);
    text[JWKS_MAX_LEN] = '\0';
    jwks = parse_good(text);
    jwks_free(&jwks);
    ROW("1 MiB and a byte");
    strcpy(text + JWKS_MAX_LEN, " ");
    assert_refused(slice_of(text), "more than 1048576 bytes");

    ROW("a kid of 256 bytes");
    memset(kid, 'k', 257);
    kid[256] = '\0';
    sprintf(text, "{'keys':[{" OKP_MEMBERS ",'kid':'%s'}]}", kid);
    jwks = parse_good(text);
    assert_true(slice_equal_string(jwks_kid(jwks, 0), kid));
    jwks_free(&jwks);
    ROW("a kid of 257 bytes");
    strcpy(kid + 256, "k");
    sprintf(text, "{'keys':[{" OKP_MEMBERS ",'kid':'%s'}]}", kid);
    assert_refused(slice_of(text), "no usable key; keys[0]: " KID);
    free(text);
}

#define ROTATION                                                                 \
    SET(KEY(RSA_MEMBERS ",'kid':'old'") "," KEY(RSA3072 ",'kid':'new'") "," KEY( \
        RSA6144 ",'kid':'pss','alg':'PS256'") "," KEY(RSA3072 ",'kid':'enc','use':'enc'"))
#define ONE_OF_EACH \
    SET(KEY(RSA_MEMBERS) "," KEY(EC_MEMBERS(256) ",'kid':'ec'") "," KEY(EC_MEMBERS(384)) "," KEY(OKP_MEMBERS))
#define TWO_KINDS                                                                                                   \
    SET(KEY(RSA_MEMBERS ",'kid':'a','alg':'RS256'") "," KEY(RSA3072 ",'kid':'a','alg':'PS256'") "," KEY(OKP_MEMBERS \
                                                                                                        ",'kid':'a'"))

static void rule_12_the_kid_picks_the_key(void **state)
{
    static const struct {
        const char *name, *set, *alg, *kid;
        enum reason want;
        size_t rsa_signature_len;
    } cases[] = {
        { "the key of the kid", ROTATION, "RS256", "old", REASON_UNDECIDED, 256 },
        { "the other key of a rotation", ROTATION, "RS256", "new", REASON_UNDECIDED, 384 },
        { "a kid that no key has", ROTATION, "RS256", "newer", REASON_KEY_UNKNOWN, 0 },
        { "an empty kid that no key has", ROTATION, "RS256", "", REASON_KEY_UNKNOWN, 0 },
        { "a kid in another case", ROTATION, "RS256", "Old", REASON_KEY_UNKNOWN, 0 },
        { "the beginning of a kid", ROTATION, "RS256", "ol", REASON_KEY_UNKNOWN, 0 },
        { "the kid's key is of another type", ROTATION, "ES256", "old", REASON_KEY_UNSUITABLE, 0 },
        { "the kid's key is for another alg", ROTATION, "RS256", "pss", REASON_KEY_UNSUITABLE, 0 },
        { "the kid's key is for this alg", ROTATION, "PS256", "pss", REASON_UNDECIDED, 768 },
        { "the kid's key is for this alg with another hash", ROTATION, "PS384", "pss", REASON_KEY_UNSUITABLE, 0 },
        { "the kid's key is for encryption", ROTATION, "RS256", "enc", REASON_KEY_UNSUITABLE, 0 },
        { "the kid's key is on another curve", ONE_OF_EACH, "ES384", "ec", REASON_KEY_UNSUITABLE, 0 },
        { "HS256 with the kid of a public key", ROTATION, "HS256", "old", REASON_KEY_UNSUITABLE, 0 },
        { "no kid and one that fits", ONE_OF_EACH, "RS512", NULL, REASON_UNDECIDED, 256 },
        { "no kid, though the only one that fits has one", ONE_OF_EACH, "ES256", NULL, REASON_UNDECIDED, 0 },
        { "no kid and the curve decides", ONE_OF_EACH, "ES384", NULL, REASON_UNDECIDED, 0 },
        { "no kid and Ed25519", ONE_OF_EACH, "EdDSA", NULL, REASON_UNDECIDED, 0 },
        { "no kid and none that fits", ONE_OF_EACH, "ES512", NULL, REASON_KEY_UNKNOWN, 0 },
        { "no kid and HS256", ONE_OF_EACH, "HS256", NULL, REASON_KEY_UNKNOWN, 0 },
        { "no kid and two that fit", ROTATION, "RS256", NULL, REASON_KEY_AMBIGUOUS, 0 },
        { "no kid and three that fit", ROTATION, "PS256", NULL, REASON_KEY_AMBIGUOUS, 0 },
        { "one kid, two algorithms: the first", TWO_KINDS, "RS256", "a", REASON_UNDECIDED, 256 },
        { "one kid, two algorithms: the second", TWO_KINDS, "PS256", "a", REASON_UNDECIDED, 384 },
        { "one kid, two algorithms: a third", TWO_KINDS, "RS512", "a", REASON_KEY_UNSUITABLE, 0 },
        { "one kid, two types", TWO_KINDS, "EdDSA", "a", REASON_UNDECIDED, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct jwks *jwks = parse_good(cases[i].set);
        struct jwt_header header = { .has_kid = cases[i].kid != NULL, .kid = slice_of(cases[i].kid) };
        struct verdict verdict = VERDICT_INIT;
        const struct jwk *key = NULL;

        ROW(cases[i].name);
        assert_int_equal(jwks_find(&verdict, jwks, algorithm_find(slice_of(cases[i].alg)), &header, &key),
                         cases[i].want == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, cases[i].want);
        if (cases[i].want == REASON_UNDECIDED) {
            assert_int_equal(jwk_rsa_signature_len(key), cases[i].rsa_signature_len);
            if (cases[i].kid != NULL)
                assert_true(slice_equal_string(jwk_kid(key), cases[i].kid));
            assert_non_null(jwk_public_key(key));
            assert_int_equal(jwk_secret(key).len, 0);
        } else {
            assert_null(key);
            assert_int_not_equal(verdict.evidence[0], '\0');
        }
        jwks_free(&jwks);
    }
}

static void rule_12_the_evidence_says_why_a_key_is_unsuitable(void **state)
{
    static const struct {
        const char *name, *alg;
        struct slice kid;
        const char *evidence;
    } cases[] = {
        { "unknown", "RS256", BYTES("x"), "kid=x is not among 4 keys" },
        { "another type", "ES256", BYTES("old"), "kid=old is RSA 2048, alg=ES256" },
        { "another alg", "RS256", BYTES("pss"), "kid=pss is RSA 6144 for PS256, alg=RS256" },
        { "not usable", "RS256", BYTES("enc"), "kid=enc is RSA 3072: use is not sig, alg=RS256" },
        { "a kid that would write a line of its own", "RS256", BYTES("a\nb"), "kid=a?b is not among 4 keys" },
    };
    struct jwks *jwks = parse_good(ROTATION);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct jwt_header header = { .has_kid = true, .kid = cases[i].kid };
        struct verdict verdict = VERDICT_INIT;
        const struct jwk *key;

        ROW(cases[i].name);
        assert_false(jwks_find(&verdict, jwks, algorithm_find(slice_of(cases[i].alg)), &header, &key));
        assert_string_equal(verdict.evidence, cases[i].evidence);
    }
    jwks_free(&jwks);
}

static void rule_06_a_secret_fits_hs_and_nothing_else(void **state)
{
    static const struct {
        const char *name, *alg, *kid;
        enum reason want;
    } cases[] = {
        { "HS256", "HS256", NULL, REASON_UNDECIDED },  { "HS512", "HS512", NULL, REASON_UNDECIDED },
        { "any kid", "HS256", "x", REASON_UNDECIDED }, { "RS256", "RS256", NULL, REASON_KEY_UNKNOWN },
        { "EdDSA", "EdDSA", "x", REASON_KEY_UNKNOWN },
    };
    const struct slice secret = LITERAL("a secret with a \0 in the middle of it");
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;
    size_t i;

    (void)state;
    assert_true(jwks_from_secret(&verdict, secret, &jwks));
    assert_int_equal(jwks_count(jwks), 1);
    assert_string_equal(jwks_type(jwks, 0), "HMAC 37");
    assert_null(jwks_alg(jwks, 0));
    assert_note(jwks, 0, NULL);
    for (i = 0; i < COUNT(cases); i++) {
        struct jwt_header header = { .has_kid = cases[i].kid != NULL, .kid = slice_of(cases[i].kid) };
        const struct jwk *key = NULL;

        ROW(cases[i].name);
        verdict = VERDICT_INIT;
        assert_int_equal(jwks_find(&verdict, jwks, algorithm_find(slice_of(cases[i].alg)), &header, &key),
                         cases[i].want == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, cases[i].want);
        if (key != NULL) {
            assert_true(slice_equal(jwk_secret(key), secret));
            assert_ptr_not_equal(jwk_secret(key).bytes, secret.bytes);
            assert_null(jwk_public_key(key));
            assert_int_equal(jwk_rsa_signature_len(key), 0);
        }
    }
    jwks_free(&jwks);
}

struct counted {
    struct verify_context context;
    unsigned freed;
};

static void count_free(struct verify_context *context)
{
    ((struct counted *)context)->freed++;
}

static void rule_31_contexts_wait_in_bounds_and_end_with_the_set(void **state)
{
    const struct algorithm *rs256 = algorithm_find(slice_of("RS256")), *ps256 = algorithm_find(slice_of("PS256"));
    const struct jwt_header header = { 0 };
    struct counted contexts[100];
    struct jwks *jwks = parse_good(SET(KEY(RSA_MEMBERS)));
    struct verdict verdict = VERDICT_INIT;
    const struct jwk *key;
    size_t waiting = 0, taken = 0, i;

    (void)state;
    for (i = 0; i < COUNT(contexts); i++)
        contexts[i] = (struct counted){ { count_free }, 0 };
    assert_true(jwks_find(&verdict, jwks, rs256, &header, &key));
    assert_null(jwk_take_context(key, rs256));

    ROW("what was given is taken by the same algorithm only");
    jwk_give_context(key, rs256, &contexts[0].context);
    assert_null(jwk_take_context(key, ps256));
    assert_ptr_equal(jwk_take_context(key, rs256), &contexts[0].context);
    assert_null(jwk_take_context(key, rs256));

    ROW("what is too many is freed at once");
    for (i = 0; i < COUNT(contexts); i++)
        jwk_give_context(key, rs256, &contexts[i].context);
    for (i = 0; i < COUNT(contexts); i++)
        waiting += contexts[i].freed == 0;
    assert_in_range(waiting, 2, 16);

    ROW("no context is given twice");
    for (i = 0; i < waiting; i++) {
        struct counted *one = (struct counted *)jwk_take_context(key, rs256);

        assert_non_null(one);
        assert_int_equal(one->freed, 0);
        one->freed = 77;
    }
    assert_null(jwk_take_context(key, rs256));
    for (i = 0; i < COUNT(contexts); i++)
        taken += contexts[i].freed == 77;
    assert_int_equal(taken, waiting);

    ROW("what waits ends with the set");
    contexts[0].freed = contexts[1].freed = 0;
    jwk_give_context(key, rs256, &contexts[0].context);
    jwk_give_context(key, ps256, &contexts[1].context);
    jwks_free(&jwks);
    assert_int_equal(contexts[0].freed, 1);
    assert_int_equal(contexts[1].freed, 1);
}

static void rule_28_the_error_queue_of_the_host_stays(void **state)
{
    struct verdict verdict;
    struct jwks *jwks;
    unsigned long host;

    (void)state;
    ERR_clear_error();
    ROW("an empty queue stays empty");
    assert_false(
        parse(&verdict, LITERAL("{'keys':[{'kty':'EC','crv':'P-256','x':'" Y256 "','y':'" X256 "'}]}"), &jwks));
    assert_int_equal(ERR_peek_error(), 0);

    ROW("what the host has not read yet is still there");
    ERR_raise(ERR_LIB_USER, 42);
    host = ERR_peek_error();
    assert_int_not_equal(host, 0);
    assert_false(
        parse(&verdict, LITERAL("{'keys':[{'kty':'EC','crv':'P-256','x':'" Y256 "','y':'" X256 "'}]}"), &jwks));
    assert_int_equal(verdict.reason, REASON_JWKS_INVALID);
    assert_int_equal(ERR_get_error(), host);
    assert_int_equal(ERR_get_error(), 0);

    ROW("a short memory of the host is none of ours");
    ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE);
    assert_false(
        parse(&verdict, LITERAL("{'keys':[{'kty':'EC','crv':'P-256','x':'" Y256 "','y':'" X256 "'}]}"), &jwks));
    assert_int_equal(verdict.reason, REASON_JWKS_INVALID);
    ERR_clear_error();
}

/*
 * The first test of all: the first sweep fetches what the keys need, the second has it at hand. The library context is
 * made before: OpenSSL 3.0 leaks when it cannot finish one.
 */
static void rule_32_a_short_memory_refuses_the_set_and_loses_no_key(void **state)
{
    static const struct {
        const char *name, *set;
        bool may_look_wrong; /* OpenSSL calls some points wrong that it could not look at */
    } cases[] = {
        { "RSA", SET(KEY(RSA_MEMBERS)), false },
        { "P-256", SET(KEY(EC_MEMBERS(256))), true },
        { "P-521", SET(KEY(EC_MEMBERS(521))), true },
        { "Ed25519", SET(KEY(OKP_MEMBERS)), false },
    };
    size_t i, sweep;

    (void)state;
    assert_non_null(openssl_context());
    for (i = 0; i < COUNT(cases); i++)
        for (sweep = 0; sweep < 2; sweep++) {
            unsigned refused = 0;
            bool is_met = true;
            int allocations;

            ROW(cases[i].name);
            for (allocations = 0; is_met; allocations++) {
                struct verdict verdict;
                struct jwks *jwks = NULL;
                bool ok;

                allocations_left = allocations;
                ok = parse(&verdict, slice_of(cases[i].set), &jwks);
                is_met = allocations_left < 0; /* or no allocation was left that could fail */
                allocations_left = -1;
                if (ok)
                    assert_note(jwks, 0, NULL);
                else if (!cases[i].may_look_wrong)
                    assert_int_equal(verdict.reason, REASON_OUT_OF_MEMORY);
                assert_true(ok || is_met);
                refused += !ok;
                jwks_free(&jwks);
            }
            assert_true(refused > 1);
        }
}

static void free_accepts_nothing(void **state)
{
    struct jwks *jwks = NULL;

    (void)state;
    jwks_free(NULL);
    jwks_free(&jwks);
    assert_null(jwks);
}

static void rule_28_the_library_context_is_apart_and_made_once(void **state)
{
    (void)state;
    assert_non_null(openssl_context());
    assert_ptr_equal(openssl_context(), openssl_context());
    assert_ptr_not_equal(openssl_context(), OSSL_LIB_CTX_get0_global_default());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_32_a_short_memory_refuses_the_set_and_loses_no_key),
        cmocka_unit_test(rule_07_and_08_keys_that_are_usable),
        cmocka_unit_test(rule_20_a_good_key_beside_a_broken_one_still_works),
        cmocka_unit_test(rule_20_a_set_without_a_usable_key_is_refused),
        cmocka_unit_test(rule_20_what_is_no_key_set_is_refused),
        cmocka_unit_test(rule_20_private_members_refuse_the_set),
        cmocka_unit_test(rule_20_duplicate_kids_of_one_algorithm_refuse_the_set),
        cmocka_unit_test(rule_20_a_set_has_limits),
        cmocka_unit_test(rule_08_rsa_keys_have_2048_bits_and_an_odd_exponent),
        cmocka_unit_test(rule_12_the_kid_picks_the_key),
        cmocka_unit_test(rule_12_the_evidence_says_why_a_key_is_unsuitable),
        cmocka_unit_test(rule_06_a_secret_fits_hs_and_nothing_else),
        cmocka_unit_test(rule_31_contexts_wait_in_bounds_and_end_with_the_set),
        cmocka_unit_test(rule_28_the_error_queue_of_the_host_stays),
        cmocka_unit_test(rule_28_the_library_context_is_apart_and_made_once),
        cmocka_unit_test(free_accepts_nothing),
    };

    if (!openssl_double_install())
        return 1;
    /* What OpenSSL makes once for a process stays broken when out of memory for it: the error queue. */
    ERR_raise(ERR_LIB_USER, 1);
    ERR_clear_error();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
