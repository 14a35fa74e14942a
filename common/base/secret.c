#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/fork_lock.h"

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

bool secret_read(int fd, size_t max, struct secret *ret_content)
{
    struct secret content = { malloc(max + 1), 0 };
    ssize_t got = 1;
    int error;

    if (content.bytes == NULL)
        return false;
    while (got != 0 && content.len < max) {
        got = read(fd, content.bytes + content.len, max - content.len);
        if (got > 0)
            content.len += (size_t)got;
        if (got >= 0 || errno == EINTR)
            continue;
        error = errno;
        secret_clear(&content);
        errno = error;
        return false;
    }
    *ret_content = content;
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

void *secret_pages_new(size_t len)
{
    void *pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int before = errno;

    if (pages == MAP_FAILED)
        return NULL;
    (void)!mlock(pages, len);
    (void)!madvise(pages, len, MADV_DONTDUMP);
    errno = before; /* neither is an error */
    return pages;
}

void secret_pages_free(void *pages, size_t len)
{
    if (pages == NULL)
        return;
    secret_wipe(pages, len);
    munmap(pages, len);
}

bool secret_copy_to_pages(struct slice bytes, struct secret *ret)
{
    char *copy = bytes.len > 0 ? secret_pages_new(bytes.len) : NULL;

    if (bytes.len > 0 && copy == NULL)
        return false;
    if (bytes.len > 0)
        memcpy(copy, bytes.bytes, bytes.len);
    *ret = (struct secret){ copy, bytes.len };
    return true;
}

void secret_clear_pages(struct secret *secret)
{
    secret_pages_free(secret->bytes, secret->len);
    *secret = (struct secret){ NULL, 0 };
}

void secret_wipe_registers(void)
{
    static const unsigned char zeros[4096];
    static const volatile size_t sizes[] = {
        16, 32, 64, 128, 256, 512, 1024, 4096
    }; /* each has registers of its own */
    unsigned char sink[4096];
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memcpy(sink, zeros, sizes[i]);
        __asm__ volatile("" : : "r"(sink) : "memory"); /* the copy is made although it is never read */
    }
}

bool secret_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.bytes, b.bytes, a.len) == 0);
}

bool secret_keyed_hash(const unsigned char key[SECRET_HASH_LEN], struct slice bytes,
                       unsigned char ret_hash[SECRET_HASH_LEN])
{
    size_t len = 0;
    bool ok;

    fork_lock_enter();
    ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, SECRET_HASH_LEN, (const unsigned char *)bytes.bytes,
                   bytes.len, ret_hash, SECRET_HASH_LEN, &len)
        != NULL;
    fork_lock_leave();
    return ok && len == SECRET_HASH_LEN;
}
