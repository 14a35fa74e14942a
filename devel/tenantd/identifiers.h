/*
 * Ids, secrets and digests as text.
 */
#ifndef LATCHKEY_TENANTD_IDENTIFIERS_H
#define LATCHKEY_TENANTD_IDENTIFIERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define UUID_SIZE   37 /* bytes with the NUL */
#define SECRET_SIZE 48 /* bytes with the NUL: a prefix of at most four characters, and 32 bytes in base64url */
#define DIGEST_SIZE 44 /* bytes with the NUL: SHA-256 in base64url */

/* A random UUID (RFC 9562 §5.4, version 4). */
void random_uuid(char uuid[UUID_SIZE]);
/* The prefix and 256 random bits. */
void random_secret(const char *prefix, char secret[SECRET_SIZE]);

/* The shape of a UUID, in lower case, of any version. */
bool is_uuid(struct slice text);

/* BASE64URL(SHA256(bytes)), as PKCE has it (RFC 7636 §4.2). */
void digest_text(struct slice bytes, char digest[DIGEST_SIZE]);

#endif
