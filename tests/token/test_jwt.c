#include "tests/support/fixture.h"

#include <dlfcn.h>

#include "token/jwt.h"

#define HEADER  "{\"alg\":\"ES256\"}"
#define PAYLOAD "{\"sub\":\"alice\"}"
/* BASE64URL of the two, and of a signature of three bytes; made by hand, that is by base64(1). */
#define HEADER_TEXT    "eyJhbGciOiJFUzI1NiJ9"
#define PAYLOAD_TEXT   "eyJzdWIiOiJhbGljZSJ9"
#define SIGNATURE_TEXT "AQID"

#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

struct json_object;

/* In place of json-c's: the one that `objects_left` counts down to fails, as when memory is short. -1: none. */
static int objects_left = -1;

struct json_object *json_object_new_object(void);
struct json_object *json_object_new_object(void)
{
    struct json_object *(*real)(void) = (struct json_object * (*)(void)) dlsym(RTLD_NEXT, "json_object_new_object");

    return objects_left >= 0 && objects_left-- == 0 ? NULL : real();
}

/* In place of libcrypto's: whether what is wiped held this text. */
static const char *secret_text = "";
static bool secret_is_wiped;

void OPENSSL_cleanse(void *bytes, size_t len);
void OPENSSL_cleanse(void *bytes, size_t len)
{
    secret_is_wiped = secret_is_wiped || memmem(bytes, len, secret_text, strlen(secret_text)) != NULL;
    memset(bytes, 0, len);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static enum reason parse_of(struct slice token, struct jwt **ret_jwt)
{
    struct verdict verdict = VERDICT_INIT;
    struct jwt *jwt = NULL;
    bool ok = jwt_parse(&verdict, token, &jwt);

    /* What is refused gives nothing; what is given was not refused, and not accepted either. */
    assert_int_equal(ok, jwt != NULL);
    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    if (ret_jwt != NULL)
        *ret_jwt = jwt;
    else
        jwt_free(&jwt);
    return verdict.reason;
}

static enum reason parse_of_texts(struct slice header, struct slice payload)
{
    char *header_text = encoded(header), *payload_text = encoded(payload), *token;
    enum reason reason;

    assert_true(asprintf(&token, "%s.%s." SIGNATURE_TEXT, header_text, payload_text) > 0);
    reason = parse_of(slice_of(token), NULL);
    free(token);
    free(payload_text);
    free(header_text);
    return reason;
}

/* RFC 7515 appendix A.1: the header with its line end, the payload with its own, the HMAC's first and last bytes. */
static void the_token_of_rfc_7515_a_1_is_read(void **state)
{
    static const char token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct jwt *jwt;
    struct slice text;
    double number;

    (void)state;
    assert_int_equal(parse_of(slice_of(token), &jwt), REASON_UNDECIDED);
    assert_true(slice_equal_string(jwt_header(jwt)->alg, "HS256"));
    assert_true(slice_equal_string(jwt_header(jwt)->typ, "JWT"));
    assert_false(jwt_header(jwt)->has_kid);
    assert_int_equal(jwt_header(jwt)->kid.len, 0);
    assert_true(json_string(json_member(jwt_unverified_payload(jwt), "iss"), &text));
    assert_true(slice_equal_string(text, "joe"));
    assert_true(json_number(json_member(jwt_unverified_payload(jwt), "exp"), &number));
    assert_true(number == 1300819380.0);
    ROW("the signing input is what was received, up to the second dot");
    assert_ptr_equal(jwt_signing_input(jwt).bytes, token);
    assert_int_equal(jwt_signing_input(jwt).len, 40 + 1 + 94);
    ROW("the signature");
    assert_int_equal(jwt_signature(jwt).len, 32);
    assert_int_equal((unsigned char)jwt_signature(jwt).bytes[0], 116);
    assert_int_equal((unsigned char)jwt_signature(jwt).bytes[31], 121);
    jwt_free(&jwt);
    assert_null(jwt);
    ROW("the end is accepted twice");
    jwt_free(&jwt);
    jwt_free(NULL);
}

static const struct {
    const char *name;
    struct slice token;
    enum reason want;
} shapes[] = {
    { "three parts", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT), REASON_UNDECIDED },
    { "nothing", { NULL, 0 }, REASON_TOKEN_MALFORMED },
    { "one part", BYTES(HEADER_TEXT), REASON_TOKEN_MALFORMED },
    { "two parts", BYTES(HEADER_TEXT "." PAYLOAD_TEXT), REASON_TOKEN_MALFORMED },
    { "four parts", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT ".AQID"), REASON_TOKEN_MALFORMED },
    { "five parts, as a JWE has", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT ".AQID.AQID"),
      REASON_TOKEN_MALFORMED },
    { "a dot behind", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT "."), REASON_TOKEN_MALFORMED },
    { "a dot before", BYTES("." HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT), REASON_TOKEN_MALFORMED },
    { "two dots between", BYTES(HEADER_TEXT ".." PAYLOAD_TEXT "." SIGNATURE_TEXT), REASON_TOKEN_MALFORMED },
    { "no header", BYTES("." PAYLOAD_TEXT "." SIGNATURE_TEXT), REASON_TOKEN_MALFORMED },
    { "no payload", BYTES(HEADER_TEXT ".." SIGNATURE_TEXT), REASON_TOKEN_MALFORMED },
    { "no signature", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "."), REASON_TOKEN_MALFORMED },
    { "only dots", BYTES(".."), REASON_TOKEN_MALFORMED },
    { "a line end behind", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT "\n"), REASON_TOKEN_MALFORMED },
    { "a blank before", BYTES(" " HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT), REASON_TOKEN_MALFORMED },
    { "a NUL behind", BYTES(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT "\0"), REASON_TOKEN_MALFORMED },
    { "a JWS in JSON serialization",
      BYTES("{\"protected\":\"" HEADER_TEXT "\",\"payload\":\"" PAYLOAD_TEXT "\",\"signature\":\"AQID\"}"),
      REASON_TOKEN_MALFORMED },
};

static void rule_01_exactly_three_parts(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(shapes); i++) {
        ROW(shapes[i].name);
        assert_int_equal(parse_of(shapes[i].token, NULL), shapes[i].want);
    }
}

/* A token of the length: its payload is an object, and blanks. */
static char *token_of_length(size_t len)
{
    size_t payload_len = len - (20 + 1 + 1 + 4), blanks = payload_len / 4 * 3 + payload_len % 4 * 3 / 4;
    char *payload = malloc(blanks), *text, *token;

    assert_int_not_equal(payload_len % 4, 1); /* no base64url is that long */
    assert_non_null(payload);
    memset(payload, ' ', blanks);
    memcpy(payload, PAYLOAD, sizeof PAYLOAD - 1);
    text = encoded((struct slice){ payload, blanks });
    assert_true(asprintf(&token, HEADER_TEXT ".%s." SIGNATURE_TEXT, text) == (int)len);
    free(text);
    free(payload);
    return token;
}

static void rule_01_at_most_16_kib(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        enum reason want;
    } lengths[] = {
        { "16,384 bytes", 16384, REASON_UNDECIDED },
        { "16,385 bytes", 16385, REASON_TOKEN_TOO_LONG },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(lengths); i++) {
        char *token = token_of_length(lengths[i].len);

        ROW(lengths[i].name);
        assert_int_equal(parse_of(slice_of(token), NULL), lengths[i].want);
        free(token);
    }
}

static const struct {
    const char *name, *token;
} encodings[] = {
    { "padding behind the header", HEADER_TEXT "=." PAYLOAD_TEXT "." SIGNATURE_TEXT },
    { "padding behind the payload", HEADER_TEXT ".eyJhIjoxMX0=." SIGNATURE_TEXT },
    { "padding behind the signature", HEADER_TEXT "." PAYLOAD_TEXT ".AQ==" },
    { "a plus in the signature", HEADER_TEXT "." PAYLOAD_TEXT ".A+ID" },
    { "a slash in the signature", HEADER_TEXT "." PAYLOAD_TEXT ".A/ID" },
    { "a blank in the header", "eyJhbGci OiJFUzI1NiJ9." PAYLOAD_TEXT "." SIGNATURE_TEXT },
    { "a line end in the payload", HEADER_TEXT ".eyJzdWIi\nOiJhbGljZSJ9." SIGNATURE_TEXT },
    { "bits left over in the header", "eyJhbGciOiJFUzI1NiJ9IB." PAYLOAD_TEXT "." SIGNATURE_TEXT },
    { "bits left over in the payload", HEADER_TEXT ".eyJhIjoxMX1." SIGNATURE_TEXT },
    { "bits left over in the signature", HEADER_TEXT "." PAYLOAD_TEXT ".AR" },
    { "a single character over in the signature", HEADER_TEXT "." PAYLOAD_TEXT ".AQIDA" },
};

static void rule_02_base64url_is_strict(void **state)
{
    size_t i;

    (void)state;
    ROW("the same with no bits left over");
    assert_int_equal(parse_of(LITERAL("eyJhbGciOiJFUzI1NiJ9IA." PAYLOAD_TEXT "." SIGNATURE_TEXT), NULL),
                     REASON_UNDECIDED);
    assert_int_equal(parse_of(LITERAL(HEADER_TEXT ".eyJhIjoxMX0." SIGNATURE_TEXT), NULL), REASON_UNDECIDED);
    assert_int_equal(parse_of(LITERAL(HEADER_TEXT "." PAYLOAD_TEXT ".AQ"), NULL), REASON_UNDECIDED);
    for (i = 0; i < COUNT(encodings); i++) {
        ROW(encodings[i].name);
        assert_int_equal(parse_of(slice_of(encodings[i].token), NULL), REASON_TOKEN_MALFORMED);
    }
}

static const struct {
    const char *name;
    struct slice text;
} broken_objects[] = {
    { "an array", BYTES("[{\"alg\":\"ES256\"}]") },
    { "a string", BYTES("\"alg\"") },
    { "null", BYTES("null") },
    { "something behind the closing brace", BYTES("{\"alg\":\"ES256\"}x") },
    { "a second object behind it", BYTES("{\"alg\":\"ES256\"}{}") },
    { "a NUL behind it", BYTES("{\"alg\":\"ES256\"}\0") },
    { "no closing brace", BYTES("{\"alg\":\"ES256\"") },
    { "a byte order mark", BYTES("\xef\xbb\xbf{\"alg\":\"ES256\"}") },
    { "a member name twice", BYTES("{\"alg\":\"ES256\",\"alg\":\"none\"}") },
    { "a member name twice, once escaped", BYTES("{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}") },
    { "a member name twice below", BYTES("{\"alg\":\"ES256\",\"x\":{\"a\":1,\"a\":1}}") },
    { "an overlong form", BYTES("{\"alg\":\"ES256\",\"x\":\"\xc0\xaf\"}") },
    { "a lone surrogate", BYTES("{\"alg\":\"ES256\",\"x\":\"\\ud800\"}") },
    { "UTF-16", BYTES("{\0\"\0a\0\"\0:\0001\0}\0") },
    { "a NUL in a member name", BYTES("{\"alg\":\"ES256\",\"alg\\u0000\":1}") },
    { "17 levels", BYTES("{\"alg\":\"ES256\",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}") },
};

static void rule_03_header_and_payload_are_strict_objects(void **state)
{
    const struct slice header = LITERAL(HEADER);
    size_t i;

    (void)state;
    ROW("16 levels, blanks around");
    assert_int_equal(parse_of_texts(LITERAL(" {\"alg\":\"ES256\",\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}\r\n"), header),
                     REASON_UNDECIDED);
    assert_int_equal(parse_of_texts(header, LITERAL(" {\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}\n")), REASON_UNDECIDED);
    for (i = 0; i < COUNT(broken_objects); i++) {
        ROW(broken_objects[i].name);
        assert_int_equal(parse_of_texts(broken_objects[i].text, header), REASON_TOKEN_MALFORMED);
        assert_int_equal(parse_of_texts(header, broken_objects[i].text), REASON_TOKEN_MALFORMED);
    }
}

static const struct {
    const char *name, *header;
    enum reason want;
} headers[] = {
    { "alg absent", "{}", REASON_TOKEN_MALFORMED },
    { "alg empty", "{\"alg\":\"\"}", REASON_TOKEN_MALFORMED },
    { "alg null", "{\"alg\":null}", REASON_TOKEN_MALFORMED },
    { "alg an array", "{\"alg\":[\"ES256\"]}", REASON_TOKEN_MALFORMED },
    { "any alg is parsed", "{\"alg\":\"x\"}", REASON_UNDECIDED },
    { "typ a number", "{\"alg\":\"ES256\",\"typ\":1}", REASON_TOKEN_MALFORMED },
    { "typ null", "{\"alg\":\"ES256\",\"typ\":null}", REASON_TOKEN_MALFORMED },
    { "kid a number", "{\"alg\":\"ES256\",\"kid\":1}", REASON_TOKEN_MALFORMED },
    { "kid null", "{\"alg\":\"ES256\",\"kid\":null}", REASON_TOKEN_MALFORMED },
    { "kid empty", "{\"alg\":\"ES256\",\"kid\":\"\"}", REASON_UNDECIDED },
    { "a NUL in kid", "{\"alg\":\"ES256\",\"kid\":\"a\\u0000\"}", REASON_TOKEN_MALFORMED },
    { "a line end in kid", "{\"alg\":\"ES256\",\"kid\":\"a\\n\"}", REASON_TOKEN_MALFORMED },
    { "cty a number", "{\"alg\":\"ES256\",\"cty\":1}", REASON_TOKEN_MALFORMED },
};

static void header_parameters_have_their_types(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(headers); i++) {
        ROW(headers[i].name);
        assert_int_equal(parse_of_texts(slice_of(headers[i].header), LITERAL(PAYLOAD)), headers[i].want);
    }
}

static void a_kid_has_at_most_256_bytes(void **state)
{
    char header[512];

    (void)state;
    ROW("256 bytes");
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%0256d\"}", 1);
    assert_int_equal(parse_of_texts(slice_of(header), LITERAL(PAYLOAD)), REASON_UNDECIDED);
    ROW("257 bytes");
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%0257d\"}", 1);
    assert_int_equal(parse_of_texts(slice_of(header), LITERAL(PAYLOAD)), REASON_TOKEN_MALFORMED);
}

static const struct {
    const char *name, *parameter;
    enum reason want;
} demands[] = {
    { "crit", "\"crit\":[\"exp\"]", REASON_HEADER_UNSUPPORTED },
    { "crit empty, which RFC 7515 forbids", "\"crit\":[]", REASON_HEADER_UNSUPPORTED },
    { "crit null", "\"crit\":null", REASON_HEADER_UNSUPPORTED },
    { "crit a string", "\"crit\":\"exp\"", REASON_HEADER_UNSUPPORTED },
    { "crit false", "\"crit\":false", REASON_HEADER_UNSUPPORTED },
    { "b64 false", "\"b64\":false", REASON_HEADER_UNSUPPORTED },
    { "b64 true", "\"b64\":true", REASON_HEADER_UNSUPPORTED },
    { "b64 with crit", "\"b64\":false,\"crit\":[\"b64\"]", REASON_HEADER_UNSUPPORTED },
    { "Crit is another name", "\"Crit\":[\"exp\"]", REASON_UNDECIDED },
    { "an unknown parameter", "\"x\":{\"crit\":[\"exp\"]}", REASON_UNDECIDED },
};

static void rule_10_crit_and_b64_refuse(void **state)
{
    char header[128];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(demands); i++) {
        ROW(demands[i].name);
        snprintf(header, sizeof header, "{\"alg\":\"ES256\",%s}", demands[i].parameter);
        assert_int_equal(parse_of_texts(slice_of(header), LITERAL(PAYLOAD)), demands[i].want);
    }
}

static const struct {
    const char *name, *type;
    enum reason want;
} content_types[] = {
    { "JWT", "JWT", REASON_HEADER_UNSUPPORTED },
    { "jwt, since media types know no case", "jwt", REASON_HEADER_UNSUPPORTED },
    { "the whole media type", "application/JWT", REASON_HEADER_UNSUPPORTED },
    { "another one", "json", REASON_UNDECIDED },
    { "one that begins so", "JWTx", REASON_UNDECIDED },
};

static void rule_13_a_nested_token_is_refused(void **state)
{
    char header[128];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(content_types); i++) {
        ROW(content_types[i].name);
        snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"cty\":\"%s\"}", content_types[i].type);
        assert_int_equal(parse_of_texts(slice_of(header), LITERAL(PAYLOAD)), content_types[i].want);
    }
}

static void rule_11_keys_in_a_header_mean_nothing(void **state)
{
    (void)state;
    ROW("whatever their type");
    assert_int_equal(
        parse_of_texts(LITERAL("{\"alg\":\"ES256\",\"jku\":\"https://evil.example\",\"jwk\":{\"kty\":\"oct\"},"
                               "\"x5u\":1,\"x5c\":[],\"zip\":\"DEF\"}"),
                       LITERAL(PAYLOAD)),
        REASON_UNDECIDED);
}

static void an_empty_typ_is_not_an_absent_one(void **state)
{
    struct jwt *jwt;
    char *header = encoded(LITERAL("{\"alg\":\"ES256\",\"typ\":\"\"}")), *token;

    (void)state;
    assert_true(asprintf(&token, "%s." PAYLOAD_TEXT "." SIGNATURE_TEXT, header) > 0);
    assert_int_equal(parse_of(slice_of(token), &jwt), REASON_UNDECIDED);
    ROW("empty");
    assert_true(jwt_header(jwt)->has_typ);
    assert_int_equal(jwt_header(jwt)->typ.len, 0);
    jwt_free(&jwt);
    ROW("absent");
    assert_int_equal(parse_of(LITERAL(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT), &jwt), REASON_UNDECIDED);
    assert_false(jwt_header(jwt)->has_typ);
    jwt_free(&jwt);
    free(token);
    free(header);
}

static void the_facts_kid_and_jti_are_printable(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    struct jwt *jwt = NULL;
    char *header = encoded(LITERAL("{\"alg\":\"ES256\",\"kid\":\"k\xe2\x80\xae\"}")), *token;
    char *payload = encoded(LITERAL("{\"jti\":\"j\\u0000\\n\"}"));

    (void)state;
    assert_true(asprintf(&token, "%s.%s." SIGNATURE_TEXT, header, payload) > 0);
    assert_true(jwt_parse(&verdict, slice_of(token), &jwt));
    assert_string_equal(verdict.kid, "k???");
    assert_string_equal(verdict.jti, "j??");
    jwt_free(&jwt);
    free(token);
    free(payload);
    free(header);
}

static void rule_32_a_short_memory_is_no_fault_of_the_token(void **state)
{
    static const struct {
        const char *name;
        int objects;
        enum reason want;
    } rows[] = {
        { "for the header", 0, REASON_OUT_OF_MEMORY },
        { "for the payload", 1, REASON_OUT_OF_MEMORY },
        { "behind it", 2, REASON_UNDECIDED },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        objects_left = rows[i].objects;
        assert_int_equal(parse_of(LITERAL(HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT), NULL), rows[i].want);
        objects_left = -1;
    }
}

/* What the algorithm makes, in base64url characters: 64 bytes for ES256. */
#define ES256_SIGNATURE_LEN 86
#define A10                 "AAAAAAAAAA"
#define A80                 A10 A10 A10 A10 A10 A10 A10 A10
#define A340                A80 A80 A80 A80 A10 A10
#define BEGIN               HEADER_TEXT "." PAYLOAD_TEXT "."
#define RS256_BEGIN         "eyJhbGciOiJSUzI1NiJ9." PAYLOAD_TEXT "." /* {"alg":"RS256"} */
#define NONE_BEGIN          "eyJhbGciOiJub25lIn0." PAYLOAD_TEXT "."  /* {"alg":"none"} */
#define CRIT_BEGIN          "eyJhbGciOiJFUzI1NiIsImNyaXQiOltdfQ." PAYLOAD_TEXT "."

static const struct {
    const char *name, *text;
    enum jwt_extent want;
} extents[] = {
    { "nothing", "", JWT_NOT },
    { "three bytes could be anything", "eyJ", JWT_NOT },
    { "the first four", "eyJh", JWT_PART },
    { "a password", "correct horse", JWT_NOT },
    { "an API key", "ak_live_0123456789abcdef", JWT_NOT },
    { "an object whose first member has no name", "eyIi", JWT_PART },
    { "a brace and a letter", "e2FhYWFh", JWT_NOT },
    { "an array", "WyJhIl0", JWT_NOT },
    { "a header with a blank", "eyAiYWxnIjoiRVMyNTYifQ", JWT_PART },
    { "a header with a line end", "ew0KICJhbGciOiJFUzI1NiJ9", JWT_PART },
    { "a header", HEADER_TEXT, JWT_PART },
    { "a header and its dot", HEADER_TEXT ".", JWT_PART },
    { "a header and some of a payload", HEADER_TEXT ".eyJ", JWT_PART },
    { "two parts", HEADER_TEXT "." PAYLOAD_TEXT, JWT_PART },
    { "up to the second dot", BEGIN, JWT_PART },
    { "one character of a signature", BEGIN "A", JWT_PART },
    { "one character less than a signature", BEGIN A80 "AAAAA", JWT_PART },
    { "a whole signature", BEGIN A80 "AAAAAA", JWT_WHOLE },
    { "one character more", BEGIN A80 "AAAAAAA", JWT_WHOLE },
    { "RSA: one less than 2048 bits", RS256_BEGIN A340 "A", JWT_PART },
    { "RSA: 2048 bits", RS256_BEGIN A340 "AA", JWT_WHOLE },
    { "no payload: nothing repairs it", HEADER_TEXT "..", JWT_WHOLE },
    { "no payload, with a signature", HEADER_TEXT "..AAAA", JWT_WHOLE },
    { "an unknown algorithm: nothing more is to come", NONE_BEGIN, JWT_WHOLE },
    { "an unknown algorithm and a signature", NONE_BEGIN "AAAA", JWT_WHOLE },
    { "a header that is refused", CRIT_BEGIN "AAAA", JWT_WHOLE },
    { "a header that is no JSON", "eyJhIjp9.eyJ9.AAAA", JWT_WHOLE },
    { "a third dot", BEGIN "AAAA.", JWT_WHOLE },
    { "a blank in it", HEADER_TEXT " ", JWT_WHOLE },
    { "a line end behind", BEGIN "\n", JWT_WHOLE },
    { "three parts of something else", "aaaa.bbbb.cccc", JWT_NOT },
    { "a password of three words", "correct.horse.battery", JWT_NOT },
    { "three parts, a blank before the brace", "IHsiYWxnIjoiRVMyNTYifQ.e30.AAAA", JWT_WHOLE },
    { "two parts of something else", "aaaa.bbbb", JWT_NOT },
    { "four parts of something else", "aaaa.bbbb.cccc.dddd", JWT_NOT },
    { "three parts, one empty", "aaaa..cccc", JWT_NOT },
    { "three parts with a blank", "aaaa.bb b.cccc", JWT_NOT },
    { "a host name", "www.example.com", JWT_NOT },
};

static void a_token_is_found_wherever_it_stands(void **state)
{
    static const struct {
        const char *name, *text;
        bool want;
    } cases[] = {
        { "nothing", "", false },
        { "a password", "correct horse battery staple", false },
        { "a password of three words", "correct.horse.battery", false },
        { "a token", BEGIN A80 "AAAAAA", true },
        { "its beginning", HEADER_TEXT, true },
        { "behind a word", "Bearer " BEGIN A80 "AAAAAA", true },
        { "behind a blank", " " BEGIN, true },
        { "in quotes", "\"" BEGIN "\"", true },
        { "behind a line end", "x\n" BEGIN, true },
        { "a header alone, behind a word", "Bearer " HEADER_TEXT, true },
        { "a header alone, before a word", HEADER_TEXT " x", true },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const size_t len = strlen(cases[i].text);
        char *exact = malloc(len + 1); /* so that a sanitizer sees one byte too many */

        ROW(cases[i].name);
        memcpy(exact + 1, cases[i].text, len);
        assert_int_equal(jwt_stands_in((struct slice){ exact + 1, len }), cases[i].want);
        free(exact);
    }
}

static void a_text_is_the_beginning_of_a_token_or_not(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(extents); i++) {
        ROW(extents[i].name);
        assert_int_equal(jwt_extent(slice_of(extents[i].text), NULL, NULL), extents[i].want);
    }
}

static size_t told_by_context(const void *context, const struct jwt_header *header)
{
    assert_true(slice_equal_string(header->alg, "RS256"));
    return *(const size_t *)context;
}

static void an_rsa_signature_is_as_long_as_its_key(void **state)
{
    size_t len = 384;

    (void)state;
    ROW("3072 bits: one character less");
    assert_int_equal(jwt_extent(LITERAL(RS256_BEGIN A340 A80 A80 A10 "A"), told_by_context, &len), JWT_PART);
    ROW("3072 bits");
    assert_int_equal(jwt_extent(LITERAL(RS256_BEGIN A340 A80 A80 A10 "AA"), told_by_context, &len), JWT_WHOLE);
    ROW("nobody knows the key: 2048 bits");
    len = 0;
    assert_int_equal(jwt_extent(LITERAL(RS256_BEGIN A340 "A"), told_by_context, &len), JWT_PART);
    assert_int_equal(jwt_extent(LITERAL(RS256_BEGIN A340 "AA"), told_by_context, &len), JWT_WHOLE);
    ROW("an algorithm whose signatures are all alike does not ask");
    assert_int_equal(jwt_extent(LITERAL(BEGIN A80 "AAAAAA"), told_by_context, NULL), JWT_WHOLE);
}

static void nobody_asks_for_more_than_a_token_may_have(void **state)
{
    char *text = malloc(JWT_MAX_LEN);

    (void)state;
    assert_non_null(text);
    memset(text, 'A', JWT_MAX_LEN);
    memcpy(text, "eyJh", 4);
    ROW("one byte less than the longest token");
    assert_int_equal(jwt_extent((struct slice){ text, JWT_MAX_LEN - 1 }, NULL, NULL), JWT_PART);
    ROW("as long as the longest token");
    assert_int_equal(jwt_extent((struct slice){ text, JWT_MAX_LEN }, NULL, NULL), JWT_WHOLE);
    free(text);
}

/* What was decoded before a foreign character came is a part of the credential. */
static void rule_33_what_is_decoded_of_a_broken_token_is_wiped(void **state)
{
    static const struct {
        const char *name, *token, *secret;
    } rows[] = {
        { "a whole one", HEADER_TEXT "." PAYLOAD_TEXT "." SIGNATURE_TEXT, "\"alice\"" },
        { "a payload with a foreign character at its end", HEADER_TEXT "." PAYLOAD_TEXT "AAA=." SIGNATURE_TEXT,
          "\"alice\"" },
        { "a padded signature", HEADER_TEXT "." PAYLOAD_TEXT ".c2lnbmF0dXJlAA==", "signature" },
    };
    struct jwt *jwt;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        jwt = NULL;
        secret_text = rows[i].secret;
        secret_is_wiped = false;
        parse_of(slice_of(rows[i].token), &jwt);
        jwt_free(&jwt);
        assert_true(secret_is_wiped);
    }
}

static void the_evidence_names_the_part_and_the_place(void **state)
{
#define PARTS  "not three parts with a dot between them"
#define STRICT "is not strict base64url: "
    static const struct {
        const char *name, *token, *evidence;
    } rows[] = {
        { "an empty header", "." PAYLOAD_TEXT "." SIGNATURE_TEXT, PARTS },
        { "an empty payload", HEADER_TEXT ".." SIGNATURE_TEXT, PARTS },
        { "an empty signature", HEADER_TEXT "." PAYLOAD_TEXT ".", PARTS },
        { "a header of one character", "A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "its end" },
        { "every letter and digit but one character too many",
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A." PAYLOAD_TEXT "." SIGNATURE_TEXT,
          "the header " STRICT "its end" },
        { "before A", "AA@A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "behind Z", "AZ[A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "before a", "Aa`A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "behind z", "Az{A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "before 0", "A0/A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "behind 9", "A9:A." PAYLOAD_TEXT "." SIGNATURE_TEXT, "the header " STRICT "another character at its byte 3" },
        { "the first character", "=AAA." PAYLOAD_TEXT "." SIGNATURE_TEXT,
          "the header " STRICT "another character at its byte 1" },
        { "a line feed", HEADER_TEXT ".AA\nA." SIGNATURE_TEXT, "the payload " STRICT "a line break at its byte 3" },
        { "a carriage return", HEADER_TEXT ".AAA\r." SIGNATURE_TEXT,
          "the payload " STRICT "a line break at its byte 4" },
        { "another control", HEADER_TEXT ".AA\tA." SIGNATURE_TEXT,
          "the payload " STRICT "another character at its byte 3" },
        { "the signature",
          HEADER_TEXT "." PAYLOAD_TEXT ".AQ=", "the signature " STRICT "another character at its byte 3" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const size_t len = strlen(rows[i].token);
        char *exact = malloc(len); /* so that a sanitizer sees one byte too many */
        struct verdict verdict = VERDICT_INIT;
        struct jwt *jwt = NULL;

        ROW(rows[i].name);
        memcpy(exact, rows[i].token, len);
        assert_false(jwt_parse(&verdict, (struct slice){ exact, len }, &jwt));
        assert_string_equal(verdict.evidence, rows[i].evidence);
        free(exact);
    }
}

/* jwt_begins() of a text of exactly its size. */
static bool begins(struct slice bytes)
{
    char *text = malloc(BASE64URL_ENCODED_LEN(bytes.len) + 1);
    bool answer;

    base64url_encode(bytes, text);
    text = realloc(text, BASE64URL_ENCODED_LEN(bytes.len) + (bytes.len == 0));
    answer = jwt_begins((struct slice){ text, BASE64URL_ENCODED_LEN(bytes.len) });
    free(text);
    return answer;
}

static void a_token_begins_like_an_object(void **state)
{
    static const char may_follow[] = "\"} \t\r\n";
    int first, second;

    (void)state;
    for (first = 0; first < 256; first++)
        for (second = 0; second < 256; second++) {
            const char bytes[] = { (char)first, (char)second, 'x' };
            const bool want = first == '{' && second != 0 && strchr(may_follow, second) != NULL;

            if (begins((struct slice){ bytes, 3 }) != want)
                fail_msg("%02x %02x", (unsigned)first, (unsigned)second);
        }
    ROW("two bytes are too few to tell, and so is nothing");
    assert_false(begins(LITERAL("{\"")));
    assert_false(begins((struct slice){ "", 0 }));
    ROW("a foreign character among the first four");
    assert_false(jwt_begins(LITERAL("eyJ=")));
    assert_false(jwt_begins(LITERAL("eyJ.")));
    ROW("and behind them");
    assert_true(jwt_begins(LITERAL("eyJh=")));
}

/* Of a token's beginning: nothing but its alphabet may follow, or nothing more is to come. */
static void every_byte_goes_on_with_a_token_or_ends_it(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    int byte;

    (void)state;
    for (byte = 0; byte < 256; byte++) {
        const char text[] = { 'e', 'y', 'J', 'h', (char)byte };
        const bool is_of_it = byte != 0 && strchr(alphabet, byte) != NULL;

        if (jwt_extent((struct slice){ text, sizeof text }, NULL, NULL) != (is_of_it ? JWT_PART : JWT_WHOLE))
            fail_msg("%02x", (unsigned)byte);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_of_rfc_7515_a_1_is_read),
        cmocka_unit_test(rule_01_exactly_three_parts),
        cmocka_unit_test(rule_01_at_most_16_kib),
        cmocka_unit_test(rule_02_base64url_is_strict),
        cmocka_unit_test(rule_03_header_and_payload_are_strict_objects),
        cmocka_unit_test(header_parameters_have_their_types),
        cmocka_unit_test(a_kid_has_at_most_256_bytes),
        cmocka_unit_test(rule_10_crit_and_b64_refuse),
        cmocka_unit_test(rule_11_keys_in_a_header_mean_nothing),
        cmocka_unit_test(rule_13_a_nested_token_is_refused),
        cmocka_unit_test(an_empty_typ_is_not_an_absent_one),
        cmocka_unit_test(the_facts_kid_and_jti_are_printable),
        cmocka_unit_test(rule_32_a_short_memory_is_no_fault_of_the_token),
        cmocka_unit_test(a_text_is_the_beginning_of_a_token_or_not),
        cmocka_unit_test(a_token_is_found_wherever_it_stands),
        cmocka_unit_test(an_rsa_signature_is_as_long_as_its_key),
        cmocka_unit_test(nobody_asks_for_more_than_a_token_may_have),
        cmocka_unit_test(the_evidence_names_the_part_and_the_place),
        cmocka_unit_test(a_token_begins_like_an_object),
        cmocka_unit_test(every_byte_goes_on_with_a_token_or_ends_it),
        cmocka_unit_test(rule_33_what_is_decoded_of_a_broken_token_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
