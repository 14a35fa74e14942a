#include "devel/tenantd/identifiers.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "base/base64url.h"
#include "base/secret.h"

#define SECRET_BYTES 32

/* Up to 256 bytes, getrandom(2) neither fails nor gives less. */
static void random_bytes(unsigned char *bytes, size_t len)
{
    while (getrandom(bytes, len, 0) != (ssize_t)len) /* a signal came before the kernel had gathered randomness */
        ;
}

void random_uuid(char uuid[UUID_SIZE])
{
    unsigned char b[16];

    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(uuid, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
             b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void random_secret(const char *prefix, char secret[SECRET_SIZE])
{
    unsigned char bytes[SECRET_BYTES];
    size_t len = strlen(prefix);

    random_bytes(bytes, sizeof bytes);
    memcpy(secret, prefix, len);
    base64url_encode((struct slice){ (const char *)bytes, sizeof bytes }, secret + len);
    secret[len + BASE64URL_ENCODED_LEN(sizeof bytes)] = '\0';
    secret_wipe(bytes, sizeof bytes);
}

bool is_uuid(struct slice text)
{
    static const char shape[] = "00000000-0000-0000-0000-000000000000";
    size_t i;

    if (text.len != sizeof shape - 1)
        return false;
    for (i = 0; i < text.len; i++)
        if (shape[i] == '-' ? text.bytes[i] != '-' : memchr("0123456789abcdef", text.bytes[i], 16) == NULL)
            return false;
    return true;
}

void digest_text(struct slice bytes, char digest[DIGEST_SIZE])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)bytes.bytes, bytes.len, hash);
    base64url_encode((struct slice){ (const char *)hash, sizeof hash }, digest);
    digest[DIGEST_SIZE - 1] = '\0';
}
