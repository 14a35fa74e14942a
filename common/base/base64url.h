/*
 * base64url without padding (RFC 4648 §5, RFC 7515 §2), strict: no '=', '+', '/', white space, and no non-zero
 * trailing bits (RFC 4648 §3.5), so that one value has exactly one encoding.
 */
#ifndef LATCHKEY_BASE64URL_H
#define LATCHKEY_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Bytes that `encoded_len` characters decode to, and the other way round. */
#define BASE64URL_DECODED_LEN(encoded_len) ((encoded_len) / 4 * 3 + ((encoded_len) % 4) * 3 / 4)
#define BASE64URL_ENCODED_LEN(len)         (((len) / 3) * 4 + ((len) % 3 == 0 ? 0 : (len) % 3 + 1))

/*
 * Decode into `buffer`, which has room for BASE64URL_DECODED_LEN(encoded.len) bytes. The empty text gives no bytes.
 * False when the text is not strict base64url; the buffer's content is then undefined.
 */
bool base64url_decode(struct slice encoded, char *buffer, size_t *ret_len);

/* Encode into `buffer`, which has room for BASE64URL_ENCODED_LEN(bytes.len) characters. No NUL is written. */
void base64url_encode(struct slice bytes, char *buffer);

#endif
