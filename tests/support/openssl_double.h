/*
 * In place of OpenSSL's allocator, for which memory can be short.
 */
#ifndef LATCHKEY_OPENSSL_DOUBLE_H
#define LATCHKEY_OPENSSL_DOUBLE_H

#include <stdbool.h>
#include <stdlib.h>

#include <openssl/crypto.h>

/* The allocation that it counts down to fails. -1: none. */
static int allocations_left = -1;

static inline bool is_short(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

static inline void *allocate(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return is_short() ? NULL : malloc(len);
}

static inline void *reallocate(void *bytes, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return is_short() ? NULL : realloc(bytes, len);
}

static inline void release(void *bytes, const char *file, int line)
{
    (void)file, (void)line;
    free(bytes);
}

/* Before OpenSSL does anything. */
static inline bool openssl_double_install(void)
{
    return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

#endif
