/*
 * Bytes that must not outlive their use: tokens, HMAC secrets, typed credentials.
 */
#ifndef LATCHKEY_SECRET_H
#define LATCHKEY_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Owned. Zero-initialise it; free it with secret_clear(). */
struct secret {
    char *bytes;
    size_t len;
};

/* Copy the bytes. False when out of memory; *ret is written on success only. */
bool secret_copy(struct slice bytes, struct secret *ret);

/*
 * Read a descriptor to its end, at most `max` bytes; what comes beyond is left unread, and *ret_content then holds
 * `max` bytes. False with errno. End the content with secret_clear().
 */
bool secret_read(int fd, size_t max, struct secret *ret_content);

/* Wipe by length (a secret may hold NUL bytes), free, and leave the empty secret. Accepts an empty one. */
void secret_clear(struct secret *secret);

/*
 * Memory for secrets that live long: zeroed pages of their own, which the kernel neither swaps (mlock(2)) nor puts into
 * a core file (MADV_DONTDUMP). Where it grants neither, as a limit of a host process may have it, the memory is as good
 * as any other, and that is no error. A forked child has the pages, too; they stay out of its core files, and are no
 * longer locked there. At least a page for each: not for what lives as long as a login. NULL when out of memory.
 */
void *secret_pages_new(size_t len);
void secret_pages_free(void *pages, size_t len); /* wipes; accepts NULL */

/* secret_copy() into such pages, and the function that frees such a secret: no other function may. Of no bytes: no
 * pages. */
bool secret_copy_to_pages(struct slice bytes, struct secret *ret);
void secret_clear_pages(struct secret *secret);

/* The vector registers keep what memcpy(3) moved last, and a core dump shows them: move zeros through them. For a
 * process that goes on living after it handled a secret. */
void secret_wipe_registers(void);

/* Overwrite memory in a way that no optimiser removes. */
void secret_wipe(void *bytes, size_t len);

#define SECRET_HASH_LEN 32 /* bytes */

/* HMAC-SHA-256 under a key of SECRET_HASH_LEN bytes: what may be kept of a secret that must not be. False when OpenSSL
 * fails. */
bool secret_keyed_hash(const unsigned char key[SECRET_HASH_LEN], struct slice bytes,
                       unsigned char ret_hash[SECRET_HASH_LEN]);

/* Constant time in the content; the lengths are not secret. */
bool secret_equal(struct slice a, struct slice b);

#endif
