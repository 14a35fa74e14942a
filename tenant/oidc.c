#include "tenant/oidc.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "token/algorithm.h"
#include "token/jwks.h"

bool oidc_discovery_request(struct verdict *verdict, const struct tenant *tenant, int timeout_ms,
                            struct tenant_request *ret_request)
{
    if (tenant->discovery == NULL)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "tenant %s has neither url nor discovery", tenant->id);
    return tenant_request_begin(verdict, tenant, timeout_ms, ret_request, "%s", tenant->discovery);
}

/* The provider controls the keys in any case. With a plain-text address the network would control them, too. */
static bool is_https(struct slice address)
{
    static const char scheme[] = "https://";
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]%!$&'()*+,;=";
    const size_t len = sizeof scheme - 1;
    size_t i;

    if (address.len <= len || address.len >= HTTP_URL_MAX || memcmp(address.bytes, scheme, len) != 0)
        return false;
    for (i = len; i < address.len; i++)
        if (address.bytes[i] == '\0' || strchr(legal, address.bytes[i]) == NULL)
            return false;
    return true;
}

bool oidc_discovery_read(struct verdict *verdict, const struct tenant *tenant, const struct http_reply *reply,
                         char ret_jwks_uri[HTTP_URL_MAX])
{
    CLEANUP(json_free) struct json *json = NULL;
    const char *wanted = tenant->claims.issuer;
    struct slice issuer, address;

    if (!tenant_reply_read(verdict, reply, &json))
        return false;
    if (wanted != NULL && (!json_string(json_member(json, "issuer"), &issuer) || !slice_equal_string(issuer, wanted)))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the issuer in the metadata is not %s", wanted);
    if (!json_string(json_member(json, "jwks_uri"), &address) || !is_https(address))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the metadata has no jwks_uri with https");
    snprintf(ret_jwks_uri, HTTP_URL_MAX, "%.*s", SLICE_ARG(address));
    return true;
}

bool oidc_keys_request(struct verdict *verdict, const struct tenant *tenant, const char *jwks_uri, const char *etag,
                       const char *last_modified, int timeout_ms, struct tenant_request *ret_request)
{
    if (!tenant_request_begin(verdict, tenant, timeout_ms, ret_request, "%s", jwks_uri))
        return false;
    ret_request->http.etag = etag;
    ret_request->http.last_modified = last_modified;
    ret_request->http.body_max = JWKS_MAX_LEN;
    return true;
}

/* A valid set without a key for the tenant would refuse every login. */
static bool fits_tenant(const struct jwks *jwks, const struct tenant *tenant)
{
    static const struct jwt_header without_kid = { .has_kid = false };
    size_t row;

    for (row = 0; row < ALGORITHM_ROWS; row++) {
        struct verdict found = VERDICT_INIT;
        const struct jwk *key;

        if (tenant->algorithms[row]
            && (jwks_find(&found, jwks, algorithm_at(row), &without_kid, &key) || found.reason == REASON_KEY_AMBIGUOUS))
            return true;
    }
    return false;
}

bool oidc_keys_read(struct verdict *verdict, const struct tenant *tenant, const struct http_reply *reply,
                    struct slice *ret_text, bool *ret_is_withdrawn)
{
    CLEANUP(jwks_free) struct jwks *jwks = NULL;
    struct slice text = { reply->body.bytes, reply->body.len };
    struct verdict found = VERDICT_INIT;

    /* The Content-Type is not checked: some providers serve the key set as a plain file. */
    if (!tenant_reply_check(verdict, reply))
        return false;
    *ret_is_withdrawn = false;
    if (!jwks_parse(&found, text, &jwks)) {
        if (reply->status != 200 || !jwks_is_withdrawal(text))
            return verdict_reject(verdict, found.reason, "%s", found.evidence);
        *ret_is_withdrawn = true;
        *ret_text = text;
        return true;
    }
    if (!fits_tenant(jwks, tenant))
        return verdict_reject(verdict, REASON_JWKS_INVALID, "no key for any of the tenant's algorithms");
    *ret_text = text;
    return true;
}
