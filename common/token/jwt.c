#include "token/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "token/algorithm.h"

#define RSA_SIGNATURE_MIN_LEN 256 /* bytes: RFC 7518 §3.3 requires keys of 2048 bits or more */

struct jwt {
    struct slice text;          /* borrowed: the token is the caller's */
    struct slice signing_input; /* the beginning of `text` */
    struct slice signature;     /* in decoded, like the texts that the JSON trees were made from */
    struct json *header_json;
    struct json *payload;
    struct jwt_header header;
    size_t decoded_len;
    size_t room; /* bytes of `decoded`, all of which may have been written: a part that is broken fails at its end */
    char decoded[];
};

struct parts {
    struct slice header;
    struct slice payload;
    struct slice signature;
};

/* RFC 7515 §7.1: three parts, and a dot in the third would make it a JWE (RFC 7516) or nothing known. */
static bool split(struct slice token, struct parts *ret)
{
    struct parts parts;
    struct slice rest, ignored_before, ignored_after;

    if (!slice_cut(token, '.', &parts.header, &rest) || !slice_cut(rest, '.', &parts.payload, &parts.signature)
        || slice_cut(parts.signature, '.', &ignored_before, &ignored_after))
        return false;
    if (parts.header.len == 0 || parts.payload.len == 0 || parts.signature.len == 0)
        return false;
    *ret = parts;
    return true;
}

/* Decode to the end of what is decoded already; the buffer is large enough for all parts. */
static bool decode_part(struct jwt *jwt, struct slice part, struct slice *ret)
{
    size_t len;

    if (!base64url_decode(part, jwt->decoded + jwt->decoded_len, &len))
        return false;
    *ret = (struct slice){ jwt->decoded + jwt->decoded_len, len };
    jwt->decoded_len += len;
    return true;
}

static bool is_base64url(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Says where, but for the character itself, which may be anything; a line break is what pasting adds. */
static bool refuse_encoding(struct verdict *verdict, const char *what, struct slice part)
{
    size_t i;

    for (i = 0; i < part.len && is_base64url(part.bytes[i]); i++)
        ;
    if (i == part.len)
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "the %s is not strict base64url: its end", what);
    return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "the %s is not strict base64url: %s at its byte %zu", what,
                          part.bytes[i] == '\n' || part.bytes[i] == '\r' ? "a line break" : "another character", i + 1);
}

static bool decode_object(struct verdict *verdict, struct jwt *jwt, const char *what, struct slice part,
                          struct json **ret)
{
    struct slice text;
    enum json_error error;

    if (!decode_part(jwt, part, &text))
        return refuse_encoding(verdict, what, part);
    if (!json_parse(text, ret, &error))
        return error == JSON_OUT_OF_MEMORY
            ? verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", what)
            : verdict_reject(verdict, REASON_TOKEN_MALFORMED, "the %s is not strict JSON: %s", what,
                             json_error_text(error));
    if (json_type_of(*ret) != JSON_OBJECT)
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "the %s is not a JSON object", what);
    return true;
}

/* A header parameter that must be a string when it is present; the empty slice when it is absent. */
static bool header_string(struct verdict *verdict, const struct json *header, const char *name, struct slice *ret)
{
    const struct json *value = json_member(header, name);

    *ret = (struct slice){ NULL, 0 };
    if (value != NULL && !json_string(value, ret))
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "%s in the header is not a string", name);
    return true;
}

static bool read_header(struct verdict *verdict, struct jwt *jwt)
{
    const struct json *json = jwt->header_json;
    struct jwt_header *header = &jwt->header;
    struct slice content_type;

    if (!header_string(verdict, json, "alg", &header->alg) || !header_string(verdict, json, "typ", &header->typ)
        || !header_string(verdict, json, "cty", &content_type) || !header_string(verdict, json, "kid", &header->kid))
        return false;
    header->has_typ = json_member(json, "typ") != NULL;
    header->has_kid = json_member(json, "kid") != NULL;
    /* A kid goes into log lines and comparisons: NUL and other control bytes have no business there. */
    if (header->kid.len > SUBJECT_MAX || text_has_control(header->kid))
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "kid is too long or holds control characters");
    text_copy_printable(verdict->kid, sizeof verdict->kid, header->kid);
    if (header->alg.len == 0)
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "alg is absent from the header");
    /* RFC 7515 §4.1.11: an extension that is not understood and critical. None is understood, whatever the value. */
    if (json_member(json, "crit") != NULL)
        return verdict_reject(verdict, REASON_HEADER_UNSUPPORTED, "crit");
    /* RFC 7797 §3: b64=false would change what is signed; b64=true must not appear without crit. */
    if (json_member(json, "b64") != NULL)
        return verdict_reject(verdict, REASON_HEADER_UNSUPPORTED, "b64");
    if (slice_equal_nocase(content_type, "JWT") || slice_equal_nocase(content_type, "application/jwt"))
        return verdict_reject(verdict, REASON_HEADER_UNSUPPORTED, "cty: a nested token");
    return true;
}

static bool decode(struct verdict *verdict, struct jwt *jwt, const struct parts *parts)
{
    struct slice jti;

    if (!decode_object(verdict, jwt, "header", parts->header, &jwt->header_json) || !read_header(verdict, jwt)
        || !decode_object(verdict, jwt, "payload", parts->payload, &jwt->payload))
        return false;
    if (json_string(json_member(jwt->payload, "jti"), &jti))
        text_copy_printable(verdict->jti, sizeof verdict->jti, jti);
    if (!decode_part(jwt, parts->signature, &jwt->signature))
        return refuse_encoding(verdict, "signature", parts->signature);
    return true;
}

bool jwt_parse(struct verdict *verdict, struct slice token, struct jwt **ret_jwt)
{
    struct jwt *jwt;
    struct parts parts;

    if (token.len > JWT_MAX_LEN)
        return verdict_reject(verdict, REASON_TOKEN_TOO_LONG, "%zu bytes", token.len);
    if (!split(token, &parts))
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "not three parts with a dot between them");
    jwt = malloc(sizeof *jwt + token.len);
    if (jwt == NULL)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "token");
    *jwt = (struct jwt){
        .text = token,
        .signing_input = { token.bytes, parts.header.len + 1 + parts.payload.len },
        .room = token.len,
    };
    if (!decode(verdict, jwt, &parts)) {
        jwt_free(&jwt);
        return false;
    }
    *ret_jwt = jwt;
    return true;
}

void jwt_free(struct jwt **jwt)
{
    if (jwt == NULL || *jwt == NULL)
        return;
    json_free(&(*jwt)->header_json);
    json_free(&(*jwt)->payload);
    secret_wipe((*jwt)->decoded, (*jwt)->room);
    free(*jwt);
    *jwt = NULL;
}

const struct jwt_header *jwt_header(const struct jwt *jwt)
{
    return &jwt->header;
}

struct slice jwt_text(const struct jwt *jwt)
{
    return jwt->text;
}

struct slice jwt_signing_input(const struct jwt *jwt)
{
    return jwt->signing_input;
}

struct slice jwt_signature(const struct jwt *jwt)
{
    return jwt->signature;
}

const struct json *jwt_unverified_payload(const struct jwt *jwt)
{
    return jwt->payload;
}

/* "{" and what may follow it in JSON, in base64url: the second byte is known from the third character on. */
static bool begins_like_an_object(struct slice text)
{
    char bytes[3];
    size_t len;

    return text.len >= 4 && base64url_decode((struct slice){ text.bytes, 4 }, bytes, &len) && bytes[0] == '{'
        && (bytes[1] == '"' || bytes[1] == '}' || bytes[1] == ' ' || bytes[1] == '\t' || bytes[1] == '\r'
            || bytes[1] == '\n');
}

/* The header alone, as far as it is one; NULL when it is beyond repair. */
static struct jwt *decode_header_part(struct slice header_part)
{
    struct verdict unheard = VERDICT_INIT;
    struct jwt *jwt = malloc(sizeof *jwt + header_part.len);

    if (jwt == NULL)
        return NULL;
    *jwt = (struct jwt){ .room = header_part.len };
    if (!decode_object(&unheard, jwt, "header", header_part, &jwt->header_json) || !read_header(&unheard, jwt))
        jwt_free(&jwt);
    return jwt;
}

/* Three parts without a foreign character, the first of them a header: as a token with a blank before the brace has. */
static bool has_shape_of_token(struct slice text)
{
    CLEANUP(jwt_free) struct jwt *jwt = NULL;
    struct parts parts;

    if (!split(text, &parts))
        return false;
    jwt = decode_header_part(parts.header);
    return jwt != NULL;
}

/* Characters of the third part that the header's algorithm makes; 0 when the header is beyond repair. */
static size_t signature_text_len(struct slice header_part, jwt_rsa_signature_len *rsa_signature_len,
                                 const void *context)
{
    CLEANUP(jwt_free) struct jwt *jwt = decode_header_part(header_part);
    const struct algorithm *algorithm;
    size_t len;

    if (jwt == NULL)
        return 0;
    algorithm = algorithm_find(jwt->header.alg);
    if (algorithm == NULL)
        return 0;
    len = algorithm->signature_len;
    if (len == 0 && rsa_signature_len != NULL)
        len = rsa_signature_len(context, &jwt->header);
    return BASE64URL_ENCODED_LEN(len != 0 ? len : (size_t)RSA_SIGNATURE_MIN_LEN);
}

enum jwt_extent jwt_extent(struct slice text, jwt_rsa_signature_len *rsa_signature_len, const void *context)
{
    struct parts parts;
    struct slice rest;
    size_t dots = 0, i;
    bool is_clean = true;

    for (i = 0; i < text.len; i++) {
        if (text.bytes[i] == '.')
            dots++;
        else if (!is_base64url(text.bytes[i]))
            is_clean = false;
    }
    if (!begins_like_an_object(text))
        return is_clean && has_shape_of_token(text) ? JWT_WHOLE : JWT_NOT;
    if (!is_clean || text.len >= JWT_MAX_LEN || dots > 2)
        return JWT_WHOLE;
    if (!slice_cut(text, '.', &parts.header, &rest) || !slice_cut(rest, '.', &parts.payload, &parts.signature))
        return JWT_PART;
    if (parts.payload.len == 0)
        return JWT_WHOLE;
    /* The text may end with the second dot: an empty signature is a beginning, too. */
    return parts.signature.len < signature_text_len(parts.header, rsa_signature_len, context) ? JWT_PART : JWT_WHOLE;
}

bool jwt_begins(struct slice text)
{
    return begins_like_an_object(text);
}

bool jwt_stands_in(struct slice text)
{
    size_t begin = 0, end;

    while (begin < text.len) {
        for (end = begin; end < text.len && (is_base64url(text.bytes[end]) || text.bytes[end] == '.'); end++)
            ;
        if (end > begin && jwt_extent((struct slice){ text.bytes + begin, end - begin }, NULL, NULL) != JWT_NOT)
            return true;
        begin = end + 1;
    }
    return false;
}
