/*
 * Does the signature hold? The one place that turns an unverified payload into claims that may be read.
 */
#ifndef LATCHKEY_SIGNATURE_H
#define LATCHKEY_SIGNATURE_H

#include <stdbool.h>

#include "base/json.h"
#include "verdict/verdict.h"
#include "token/algorithm.h"
#include "token/jwks.h"
#include "token/jwt.h"

/*
 * Verify with one key (RFC 7515 §5.2, RFC 7518 §3, RFC 8037 §3.1). `key` is what jwks_find() gave for `algorithm`.
 * ECDSA signatures are R‖S of the exact width (RFC 7518 §3.4), RSA signatures as long as the modulus, the PSS salt as
 * long as the hash (§3.5), an HMAC secret at least as long as the hash (§3.2).
 * The same key remembers the tokens whose signature held, all bytes of them (seen.h): then it is not computed again.
 *   out  ret_payload  the claims, lent by the jwt; set on success only
 * False with SIGNATURE_INVALID, KEY_UNSUITABLE, OUT_OF_MEMORY or SYSTEM_ERROR. Thread-safe. The host's OpenSSL error
 * queue is left as it was.
 */
bool signature_verify(struct verdict *verdict, const struct jwt *jwt, const struct algorithm *algorithm,
                      const struct jwk *key, const struct json **ret_payload);

#endif
