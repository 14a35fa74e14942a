/*
 * Makes keys and signs tokens, for devel/ and the tests. No installed program links it.
 */
#ifndef LATCHKEY_SIGNER_H
#define LATCHKEY_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/slice.h"

/* A private key (RSA, EC, Ed25519) or an HMAC secret. */
struct signer;

/* A new key that can sign `alg` (a name of algorithm.h): RSA of rsa_bits, the curve of alg, Ed25519, or for HS* a
 * random secret as long as the hash. NULL on failure. End with signer_free(). */
struct signer *signer_generate(const char *alg, unsigned rsa_bits);
/* A private key in PEM (PKCS#8 or traditional); NULL when the text is not a private key. */
struct signer *signer_from_pem(struct slice pem);
struct signer *signer_from_secret(struct slice secret);
void signer_free(struct signer **signer);

/* PKCS#8 PEM of the private key, or the raw HMAC secret. malloc'ed; *ret_len without the NUL. NULL on failure. */
char *signer_private_text(const struct signer *signer, size_t *ret_len);

/* The public JWK with "use":"sig", and kid and alg unless NULL. NULL on failure and for HMAC. End with json_free(). */
struct json *signer_jwk(const struct signer *signer, const char *kid, const char *alg);

/*
 * The signature over the input, in the form of JWS (ECDSA: R‖S). `alg` may be another algorithm than the one that the
 * key was made for, if the type of the key supports it. False on failure. signature has room for SIGNER_SIGNATURE_MAX
 * bytes.
 */
#define SIGNER_SIGNATURE_MAX 2048
bool signer_sign(const struct signer *signer, const char *alg, struct slice input, char *signature, size_t *ret_len);

/* The token over a header and a payload, byte for byte, valid JSON or not: BASE64URL(header) "."
 * BASE64URL(payload) "." BASE64URL(signature). malloc'ed C string; NULL on failure. */
char *signer_token(const struct signer *signer, const char *alg, struct slice header, struct slice payload);

#endif
