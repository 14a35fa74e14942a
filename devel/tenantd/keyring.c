#include "devel/tenantd/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "devel/tenantd/members.h"

#define RSA_BITS 2048

static bool is_hmac(const struct signing_key *key)
{
    return strncmp(key->alg, "HS", 2) == 0;
}

bool signing_key_make(const char *alg, struct signing_key *ret_key)
{
    struct signing_key key = { .signer = NULL };

    if (strlen(alg) >= sizeof key.alg || (key.signer = signer_generate(alg, RSA_BITS)) == NULL)
        return false;
    memcpy(key.alg, alg, strlen(alg) + 1);
    random_uuid(key.kid);
    *ret_key = key;
    return true;
}

void signing_key_clear(struct signing_key *key)
{
    signer_free(&key->signer);
    *key = (struct signing_key){ .signer = NULL };
}

char *signing_key_sign(const struct signing_key *key, struct json *claims)
{
    CLEANUP(json_free) struct json *header = json_new_object();
    const char *header_text, *claims_text = json_print(claims, false);

    if (header == NULL || !json_add_text(header, "alg", key->alg) || !json_add_text(header, "typ", "JWT")
        || (!is_hmac(key) && !json_add_text(header, "kid", key->kid)))
        return NULL;
    header_text = json_print(header, false);
    if (header_text == NULL || claims_text == NULL)
        return NULL;
    return signer_token(key->signer, key->alg, slice_of(header_text), slice_of(claims_text));
}

bool keyring_rotate(struct keyring *keyring, const char *alg, bool keep_previous, int64_t now)
{
    struct signing_key key;

    if (!signing_key_make(alg, &key))
        return false;
    signing_key_clear(&keyring->previous);
    if (keep_previous)
        keyring->previous = keyring->current;
    else
        signing_key_clear(&keyring->current);
    keyring->current = key;
    /* Last-Modified counts in seconds: without this, two rotations in one would look like one to If-Modified-Since. */
    keyring->changed = now > keyring->changed ? now : keyring->changed + 1;
    return true;
}

void keyring_clear(struct keyring *keyring)
{
    signing_key_clear(&keyring->current);
    signing_key_clear(&keyring->previous);
}

struct json *keyring_jwks(const struct keyring *keyring)
{
    const struct signing_key *both[] = { &keyring->current, &keyring->previous };
    struct json *set = json_new_object(), *keys = json_new_array();
    bool ok = set != NULL && keys != NULL;
    size_t i;

    for (i = 0; ok && i < 2; i++)
        if (both[i]->signer != NULL && !is_hmac(both[i]))
            ok = json_append(keys, signer_jwk(both[i]->signer, both[i]->kid, both[i]->alg));
    if (!json_add(set, "keys", keys) || !ok)
        json_free(&set);
    return set;
}

/* Base64url of the secret, or PEM. malloc'ed; *ret_len without the NUL. */
static char *private_text(const struct signing_key *key, size_t *ret_len)
{
    struct secret raw = { NULL, 0 };
    char *text;

    raw.bytes = signer_private_text(key->signer, &raw.len);
    if (raw.bytes == NULL || !is_hmac(key)) {
        *ret_len = raw.len;
        return raw.bytes;
    }
    text = malloc(BASE64URL_ENCODED_LEN(raw.len) + 1);
    if (text != NULL) {
        *ret_len = BASE64URL_ENCODED_LEN(raw.len);
        base64url_encode((struct slice){ raw.bytes, raw.len }, text);
        text[*ret_len] = '\0';
    }
    secret_clear(&raw);
    return text;
}

static struct json *key_json(const struct signing_key *key)
{
    struct secret text = { NULL, 0 };
    struct json *object = json_new_object();

    text.bytes = private_text(key, &text.len);
    if (object != NULL
        && (text.bytes == NULL || !json_add_text(object, "kid", key->kid) || !json_add_text(object, "alg", key->alg)
            || !json_add(object, "private", json_new_string((struct slice){ text.bytes, text.len }))))
        json_free(&object);
    secret_clear(&text);
    return object;
}

struct json *keyring_json(const struct keyring *keyring)
{
    struct json *object = json_new_object();

    if (object != NULL
        && (!json_add(object, "changed", json_new_integer(keyring->changed))
            || !json_add(object, "current", key_json(&keyring->current))
            || !json_add(object, "previous",
                         keyring->previous.signer != NULL ? key_json(&keyring->previous) : json_new_null())))
        json_free(&object);
    return object;
}

static struct signer *read_secret(struct slice text)
{
    CLEANUP(secret_clear) struct secret raw = { malloc(text.len + 1), text.len + 1 };
    size_t len;

    if (raw.bytes == NULL) {
        raw.len = 0;
        return NULL;
    }
    return base64url_decode(text, raw.bytes, &len) ? signer_from_secret((struct slice){ raw.bytes, len }) : NULL;
}

static bool key_read(const struct json *object, struct signing_key *key)
{
    struct slice text;

    if (!json_copy_text(object, "kid", key->kid, sizeof key->kid)
        || !json_copy_text(object, "alg", key->alg, sizeof key->alg)
        || !json_string(json_member(object, "private"), &text))
        return false;
    key->signer = is_hmac(key) ? read_secret(text) : signer_from_pem(text);
    return key->signer != NULL;
}

bool keyring_read(struct keyring *keyring, const struct json *object)
{
    const struct json *previous = json_member(object, "previous");

    return json_read_time(object, "changed", &keyring->changed)
        && key_read(json_member(object, "current"), &keyring->current)
        && (json_type_of(previous) == JSON_NULL || key_read(previous, &keyring->previous));
}

char *keyring_hmac_secret(const struct keyring *keyring)
{
    size_t len;

    return is_hmac(&keyring->current) ? private_text(&keyring->current, &len) : NULL;
}
