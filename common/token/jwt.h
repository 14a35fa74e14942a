/*
 * A JSON Web Token as it came: a JWS in compact serialization (RFC 7515 §7.1), split and decoded, nothing verified.
 */
#ifndef LATCHKEY_JWT_H
#define LATCHKEY_JWT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/slice.h"
#include "verdict/verdict.h"

#define JWT_MAX_LEN 16384 /* bytes: far above real tokens, far below what would hurt a host process */
/* Bytes. Nothing shorter is ever accepted: a header has 20 characters at least ({"alg":"HS256"}), a signature 43
 * (HS256), and exp, a subject and what binds the token to its tenant take 36. Hardly a local password is as long. */
#define JWT_MIN_LEN 100

struct jwt;

/* Untrusted until the signature is verified. Slices lent by the jwt; empty when absent. */
struct jwt_header {
    struct slice alg;
    bool has_typ;
    struct slice typ; /* may be empty though present */
    bool has_kid;
    struct slice kid; /* without control bytes; may be empty though present */
};

/*
 * Split and decode: exactly three non-empty strict base64url parts, header and payload strict JSON objects (json.h).
 * A header that requires an unsupported extension is refused: crit (RFC 7515 §4.1.11), b64 (RFC 7797), cty "JWT"
 * (nested). jku, jwk, x5u and x5c are ignored: never followed, never trusted (RFC 8725 §3.10). zip (RFC 7516) means
 * nothing in a JWS and is ignored. in   token    borrowed as long as the jwt lives out  ret_jwt  set on success only;
 * free it with jwt_free(), which wipes the decoded parts. False with TOKEN_TOO_LONG, TOKEN_MALFORMED,
 * HEADER_UNSUPPORTED or OUT_OF_MEMORY in the verdict. Sets the facts kid and jti (as far as the token got).
 */
bool jwt_parse(struct verdict *verdict, struct slice token, struct jwt **ret_jwt);
void jwt_free(struct jwt **jwt); /* accepts NULL and a pointer to NULL; leaves NULL */

const struct jwt_header *jwt_header(const struct jwt *jwt);
/* All three parts with their dots, as received. */
struct slice jwt_text(const struct jwt *jwt);
/* The text over which the signature was made: header "." payload, as received (RFC 7515 §5.2 step 8). */
struct slice jwt_signing_input(const struct jwt *jwt);
struct slice jwt_signature(const struct jwt *jwt);

/*
 * The payload before anything vouches for it. Only two may ask: the choice of the tenant (verify.c) and
 * signature_verify(), which hands it out after the signature held. tests/check_layers.sh proves it.
 */
const struct json *jwt_unverified_payload(const struct jwt *jwt);

/*
 * How far a text has got towards being a token, for prompts that bring a long one in parts.
 *   JWT_NOT    neither begins like a JSON object in base64url nor is three base64url parts of which the first is a
 *              header: something else, an API key or a password
 *   JWT_PART   the beginning of a token: fewer than three parts, or the third is shorter than its alg makes it
 *   JWT_WHOLE  begins like a token and nothing more is to come: complete, or broken beyond repair
 * A signature's length is that of the algorithm's row. For RSA it depends on the key: rsa_signature_len tells it (the
 * header is passed along), or NULL counts the least allowed modulus, 256 bytes.
 */
enum jwt_extent { JWT_NOT, JWT_PART, JWT_WHOLE };
typedef size_t jwt_rsa_signature_len(const void *context, const struct jwt_header *header);
enum jwt_extent jwt_extent(struct slice text, jwt_rsa_signature_len *rsa_signature_len, const void *context);

/* Whether it begins like a JSON object in base64url: then jwt_extent() is JWT_PART or JWT_WHOLE. Cheaper than that. */
bool jwt_begins(struct slice text);

/* Whether a token, or the beginning of one, is anywhere in the text, as after "Bearer " or in quotes. */
bool jwt_stands_in(struct slice text);

#endif
