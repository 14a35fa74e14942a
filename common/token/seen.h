/*
 * The tokens whose signature one key has already verified with one algorithm. Mail clients bring the same token again
 * and again, and its signature costs most of an exchange.
 *
 * What is kept of a token is the SHA-256 digest of all its bytes as received: header, payload and signature. A digest
 * is no secret: no login can be made with it, and it is not wiped. It needs no key either: another text with the digest
 * of a good token would be a second preimage of SHA-256. A signature that holds for these bytes holds for ever, so
 * nothing here expires; time, claims, revocation and rules are judged at every exchange by others.
 *
 * Only public keys have such a memory. An HMAC costs less than the digest.
 *
 * Used by many threads at once, and never waits: while one thread is at a place, another one finds nothing there.
 * Then, as when a flood of other good tokens has taken the place, the signature is verified once more.
 */
#ifndef LATCHKEY_SEEN_H
#define LATCHKEY_SEEN_H

#include <stdbool.h>

#define SEEN_DIGEST_LEN 32  /* bytes: SHA-256 */
#define SEEN_MAX        256 /* tokens; the oldest of its place goes */

struct seen;

struct seen *seen_new(void);        /* NULL when out of memory */
void seen_free(struct seen **seen); /* accepts NULL and a pointer to NULL; leaves NULL */

/* Whether seen_add() was called with this digest. False also when it was long ago, or while another thread is there. */
bool seen_has(struct seen *seen, const unsigned char digest[SEEN_DIGEST_LEN]);

/* After the signature was verified, and never before. */
void seen_add(struct seen *seen, const unsigned char digest[SEEN_DIGEST_LEN]);

#endif
