/*
 * What all users of OpenSSL in this room share. The caller is inside the fork lock (base/fork_lock.h).
 */
#ifndef LATCHKEY_OPENSSL_H
#define LATCHKEY_OPENSSL_H

#include "token/algorithm.h"

/* The OpenSSL library context of Latchkey: apart from the host's, so that neither's configuration, default
 * properties or providers change the other's. Made once, never freed. NULL when out of memory. */
struct ossl_lib_ctx_st;
struct ossl_lib_ctx_st *openssl_context(void);

/* The algorithm's hash function, fetched once for the process: a fetch costs as much as a tenth of an RSA verification.
 * NULL when out of memory. */
struct evp_md_st;
const struct evp_md_st *openssl_digest(const struct algorithm *algorithm);
const struct evp_md_st *openssl_sha256(void); /* the same for SHA-256, whatever the algorithm */

#endif
