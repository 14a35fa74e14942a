/*
 * Whatever the text, a key set that is accepted has a usable key, and every key answers what the lints ask.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "token/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found for an algorithm is of its type. */
static void find(const struct jwks *jwks, const struct algorithm *algorithm, const struct jwt_header *header)
{
    struct verdict verdict = VERDICT_INIT;
    const struct jwk *key = NULL;

    if (!jwks_find(&verdict, jwks, algorithm, header, &key)) {
        if (key != NULL || verdict.reason == REASON_UNDECIDED)
            abort();
    } else if (jwk_public_key(key) == NULL || (jwk_rsa_signature_len(key) >= 256) != (algorithm->key_type == KEY_RSA)) {
        abort();
    }
}

static size_t usable_keys(const struct jwks *jwks)
{
    size_t usable = 0, i, row;

    for (i = 0; i < jwks_count(jwks); i++) {
        const struct jwt_header header = { .has_kid = true, .kid = jwks_kid(jwks, i) }, bare = { 0 };

        usable += jwks_note(jwks, i) == NULL;
        if (strlen(jwks_type(jwks, i)) == 0 || text_has_control(header.kid))
            abort();
        for (row = 0; row < ALGORITHM_ROWS; row++) {
            find(jwks, algorithm_at(row), &header);
            find(jwks, algorithm_at(row), &bare);
        }
    }
    return usable;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;

    if (!jwks_parse(&verdict, (struct slice){ (const char *)data, size }, &jwks)) {
        if (jwks != NULL || (verdict.reason != REASON_JWKS_INVALID && verdict.reason != REASON_OUT_OF_MEMORY))
            abort();
        return 0;
    }
    if (usable_keys(jwks) == 0)
        abort();
    jwks_free(&jwks);
    return 0;
}
