#include "devel/tenantd/handlers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "devel/tenantd/identifiers.h"
#include "devel/tenantd/members.h"

/* RFC 9110 §5.6.7; the locale is C. */
#define HTTP_DATE "%a, %d %b %Y %H:%M:%S GMT"

#define ETAG_SIZE (DIGEST_SIZE + 2)

/* RFC 9110 §13.1.2: the weak comparison, so `W/` does not count. */
static bool has_etag(struct slice list, const char *etag)
{
    struct slice tag, rest;
    bool is_last;

    do {
        is_last = !slice_cut(list, ',', &tag, &rest);
        if (is_last)
            tag = list;
        list = rest;
        while (tag.len > 0 && tag.bytes[0] == ' ')
            tag = (struct slice){ tag.bytes + 1, tag.len - 1 };
        while (tag.len > 0 && tag.bytes[tag.len - 1] == ' ')
            tag.len--;
        if (tag.len > 2 && memcmp(tag.bytes, "W/", 2) == 0)
            tag = (struct slice){ tag.bytes + 2, tag.len - 2 };
        if (slice_equal_string(tag, etag) || slice_equal_string(tag, "*"))
            return true;
    } while (!is_last);
    return false;
}

static bool is_unmodified_since(int64_t modified, struct slice date)
{
    char text[64];
    struct tm tm = { 0 };
    const char *end;

    if (date.len >= sizeof text)
        return false;
    memcpy(text, date.bytes, date.len);
    text[date.len] = '\0';
    end = strptime(text, HTTP_DATE, &tm);
    return end != NULL && *end == '\0' && modified <= (int64_t)timegm(&tm);
}

/* RFC 9110 §13.1.3: If-Modified-Since counts only without If-None-Match. */
static bool is_known(const struct request *request, const char *etag, int64_t modified)
{
    struct slice value;

    if (fields_header(&request->headers, "If-None-Match", &value))
        return has_etag(value, etag);
    return fields_header(&request->headers, "If-Modified-Since", &value) && is_unmodified_since(modified, value);
}

/* A document that clients may keep and ask about again. Takes the body. */
static void reply_document(const struct request *request, struct reply *reply, struct json *body, int64_t modified,
                           const char *cache_control)
{
    char digest[DIGEST_SIZE], etag[ETAG_SIZE], date[64];
    time_t seconds = (time_t)modified;
    struct tm tm;

    reply_json(reply, 200, body);
    if (reply->status != 200)
        return;
    digest_text((struct slice){ reply->body.bytes, reply->body.len }, digest);
    snprintf(etag, sizeof etag, "\"%s\"", digest);
    strftime(date, sizeof date, HTTP_DATE, gmtime_r(&seconds, &tm));
    if (is_known(request, etag, modified))
        reply_text(reply, 304, NULL, slice_of(NULL));
    reply_header(reply, "ETag", etag);
    reply_header(reply, "Last-Modified", date);
    reply_header(reply, "Cache-Control", cache_control);
}

static bool add_url(struct json *object, const char *name, const char *base, const char *path)
{
    char url[URL_SIZE + 64];

    snprintf(url, sizeof url, "%s%s", base, path);
    return json_add_text(object, name, url);
}

/* An array of the words. */
static bool add_words(struct json *object, const char *name, const char *words)
{
    struct json *array = json_new_array();
    struct slice line = slice_of(words), word;
    bool ok = true;

    while (next_word(&line, &word))
        ok &= json_append(array, json_new_string(word));
    return json_add(object, name, array) && ok;
}

void handle_discovery(struct service *service, const struct request *request, struct reply *reply)
{
    struct json *body = json_new_object();
    bool ok = true;

    ok &= json_add_text(body, "issuer", service->issuer);
    ok &= add_url(body, "jwks_uri", service->base, JWKS_PATH);
    ok &= add_url(body, "authorization_endpoint", service->base, AUTHORIZE_PATH);
    ok &= add_url(body, "token_endpoint", service->base, TOKEN_PATH);
    ok &= add_words(body, "response_types_supported", "code");
    ok &= add_words(body, "grant_types_supported", "authorization_code refresh_token");
    ok &= add_words(body, "code_challenge_methods_supported", "S256");
    ok &= add_words(body, "token_endpoint_auth_methods_supported", "none");
    ok &= add_words(body, "subject_types_supported", "public");
    ok &= add_words(body, "id_token_signing_alg_values_supported", service->state->keyring.current.alg);
    ok &= add_words(body, "scopes_supported", "openid email profile offline_access");
    ok &= add_words(body, "claims_supported",
                    "iss aud sub email name groups iat exp jti " /* and ours */
                    "https://agglestone.com/tenantId");

    if (!ok)
        json_free(&body);
    reply_document(request, reply, body, service->started, "public, max-age=3600");
}

void handle_jwks(struct service *service, const struct request *request, struct reply *reply)
{
    const struct keyring *keyring = &service->state->keyring;

    reply_document(request, reply, keyring_jwks(keyring), keyring->changed, "public, max-age=300");
}
