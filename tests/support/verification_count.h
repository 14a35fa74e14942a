/*
 * How many signatures OpenSSL has verified for this process, the plug-ins that it loads included: its two functions
 * that verify are wrapped here.
 */
#ifndef LATCHKEY_VERIFICATION_COUNT_H
#define LATCHKEY_VERIFICATION_COUNT_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

#include <openssl/evp.h>

static atomic_uint verification_count;

/* RSA and ECDSA */
__attribute__((visibility("default"))) int EVP_PKEY_verify(EVP_PKEY_CTX *context, const unsigned char *signature,
                                                           size_t signature_len, const unsigned char *hash,
                                                           size_t hash_len)
{
    int (*real)(EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t) =
        (int (*)(EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t))dlsym(RTLD_NEXT,
                                                                                                     "EVP_PKEY_verify");

    atomic_fetch_add(&verification_count, 1);
    return real(context, signature, signature_len, hash, hash_len);
}

/* EdDSA */
__attribute__((visibility("default"))) int EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature,
                                                            size_t signature_len, const unsigned char *text,
                                                            size_t text_len)
{
    int (*real)(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t) =
        (int (*)(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t))dlsym(RTLD_NEXT,
                                                                                                   "EVP_DigestVerify");

    atomic_fetch_add(&verification_count, 1);
    return real(context, signature, signature_len, text, text_len);
}

#endif
