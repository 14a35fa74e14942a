#include "token/openssl.h"

#include <stdatomic.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

/*
 * libcrypto's first use hangs a handler on the exit() of the process, which tears it down whatever the threads of the
 * host are doing. A module leaves no handlers in the host; where the host initialised OpenSSL first, its choice holds.
 * It is also a tenth of what a login in a fresh process costs.
 *
 * The context has its provider at hand: a context that ran out of memory while loading it would never have one.
 */
static OSSL_LIB_CTX *make_library_context(void)
{
    OSSL_LIB_CTX *context;

    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    context = OSSL_LIB_CTX_new();
    if (context == NULL || OSSL_PROVIDER_load(context, "default") != NULL)
        return context;
    OSSL_LIB_CTX_free(context);
    return NULL;
}

OSSL_LIB_CTX *openssl_context(void)
{
    static _Atomic(OSSL_LIB_CTX *) made;
    OSSL_LIB_CTX *context = atomic_load(&made), *expected = NULL;

    if (context != NULL)
        return context;
    context = make_library_context();
    if (context == NULL || atomic_compare_exchange_strong(&made, &expected, context))
        return context;
    OSSL_LIB_CTX_free(context); /* another thread was first */
    return expected;
}

static const EVP_MD *fetch_once(_Atomic(EVP_MD *) *place, const char *name)
{
    EVP_MD *digest = atomic_load(place), *expected = NULL;

    if (digest != NULL)
        return digest;
    digest = EVP_MD_fetch(openssl_context(), name, NULL);
    if (digest == NULL || atomic_compare_exchange_strong(place, &expected, digest))
        return digest;
    EVP_MD_free(digest);
    return expected;
}

const EVP_MD *openssl_digest(const struct algorithm *algorithm)
{
    static _Atomic(EVP_MD *) fetched[ALGORITHM_ROWS];

    return fetch_once(&fetched[algorithm_row(algorithm)], algorithm->digest);
}

const EVP_MD *openssl_sha256(void)
{
    static _Atomic(EVP_MD *) fetched;

    return fetch_once(&fetched, "SHA256");
}
