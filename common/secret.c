#include "secret.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

bool secret_copy(struct slice bytes, struct secret *ret)
{
    char *copy = malloc(bytes.len != 0 ? bytes.len : 1); /* malloc(0) may give NULL, which would read as a failure */

    if (copy == NULL)
        return false;
    if (bytes.len != 0)
        memcpy(copy, bytes.bytes, bytes.len);
    *ret = (struct secret){ copy, bytes.len };
    return true;
}

void secret_clear(struct secret *secret)
{
    secret_wipe(secret->bytes, secret->len);
    free(secret->bytes);
    *secret = (struct secret){ NULL, 0 };
}

void secret_wipe(void *bytes, size_t len)
{
    if (len != 0)
        OPENSSL_cleanse(bytes, len);
}

bool secret_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.bytes, b.bytes, a.len) == 0);
}
