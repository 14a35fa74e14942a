#include "devel/tenantd/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "verdict/verdict.h"
#include "token/algorithm.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "token/signature.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/keyring.h"
#include "devel/tenantd/members.h"

#define EXPIRED_FOR 3600 /* s */

/* Issuing */

static bool add_groups(struct json *claims, const struct user *user)
{
    struct json *groups = json_new_array();
    bool ok = true;
    size_t i;

    for (i = 0; i < user->group_count; i++)
        ok &= json_append(groups, json_new_string(slice_of(user->groups[i])));
    return json_add(claims, "groups", groups) && ok;
}

struct claims_source {
    const char *issuer, *tenant; /* issuer NULL: left out */
    const char *audience;        /* NULL: left out */
    const struct user *user;
    int64_t issued_at, expires;
    struct slice nonce;
};

static struct json *make_claims(const struct claims_source *source)
{
    struct json *claims = json_new_object();
    char id[UUID_SIZE];
    bool ok = true;

    random_uuid(id);
    if (source->issuer != NULL)
        ok &= json_add_text(claims, "iss", source->issuer);
    if (source->audience != NULL)
        ok &= json_add_text(claims, "aud", source->audience);
    ok &= json_add_text(claims, "sub", source->user->id);
    ok &= json_add_text(claims, "email", source->user->email);
    ok &= json_add_text(claims, "name", source->user->name);
    ok &= add_groups(claims, source->user);
    ok &= json_add_text(claims, TENANT_CLAIM, source->tenant);
    ok &= json_add(claims, "iat", json_new_integer(source->issued_at));
    ok &= json_add(claims, "exp", json_new_integer(source->expires));
    ok &= json_add_text(claims, "jti", id);
    if (source->nonce.len > 0)
        ok &= json_add(claims, "nonce", json_new_string(source->nonce));
    if (!ok)
        json_free(&claims);
    return claims;
}

/* RFC 7519 §6: an unsecured JWT ends with an empty signature. */
static char *unsigned_token(struct json *claims)
{
    const char *payload = json_print(claims, false);
    struct slice header = slice_of("{\"alg\":\"none\",\"typ\":\"JWT\"}");
    size_t header_len = BASE64URL_ENCODED_LEN(header.len), payload_len;
    char *token;

    if (payload == NULL)
        return NULL;
    payload_len = BASE64URL_ENCODED_LEN(strlen(payload));
    token = malloc(header_len + 1 + payload_len + 1 + 1);
    if (token == NULL)
        return NULL;
    base64url_encode(header, token);
    token[header_len] = '.';
    base64url_encode(slice_of(payload), token + header_len + 1);
    memcpy(token + header_len + 1 + payload_len, ".", sizeof ".");
    return token;
}

/* Signed by a new key that is not published, under a kid of its own or that of the current key. */
static char *sign_with_another(const struct signing_key *current, bool under_its_kid, struct json *claims)
{
    struct signing_key other;
    char *token;

    if (!signing_key_make(current->alg, &other))
        return NULL;
    if (under_its_kid)
        memcpy(other.kid, current->kid, sizeof other.kid);
    token = signing_key_sign(&other, claims);
    signing_key_clear(&other);
    return token;
}

static char *sign(const struct signing_key *key, struct json *claims, enum fault_kind spoil)
{
    switch (spoil) {
    case FAULT_UNSIGNED:
        return unsigned_token(claims);
    case FAULT_UNPUBLISHED_KEY:
    case FAULT_FORGED:
        return sign_with_another(key, spoil == FAULT_FORGED, claims);
    default:
        return signing_key_sign(key, claims);
    }
}

static const struct user *somebody_else(const struct state *state, const struct user *user)
{
    return user == &state->users[0] && state->user_count > 1 ? &state->users[1] : &state->users[0];
}

char *token_issue(const struct service *service, const struct user *user, int64_t lifetime, int64_t now,
                  struct slice nonce, enum fault_kind spoil)
{
    const struct state *state = service->state;
    char other_tenant[UUID_SIZE], other_issuer[URL_SIZE + UUID_SIZE];
    struct claims_source source = { service->issuer, state->tenant, state->tenant, user, now, now + lifetime, nonce };
    CLEANUP(json_free) struct json *claims = NULL;

    if (spoil == FAULT_OTHER_USER)
        source.user = somebody_else(state, user);
    if (spoil == FAULT_OTHER_TENANT) {
        size_t before = strlen(service->base) - strlen(state->tenant);

        random_uuid(other_tenant);
        memcpy(other_issuer, service->issuer, sizeof service->issuer);
        memcpy(other_issuer + before, other_tenant, strlen(other_tenant));
        source.issuer = other_issuer;
        source.tenant = source.audience = other_tenant;
    }
    if (spoil == FAULT_EXPIRED) {
        source.issued_at -= EXPIRED_FOR + lifetime;
        source.expires -= EXPIRED_FOR + lifetime;
    }
    if (service->settings.omit_issuer)
        source.issuer = NULL;
    if (service->settings.omit_audience)
        source.audience = NULL;
    claims = make_claims(&source);
    return claims != NULL ? sign(&state->keyring.current, claims, spoil) : NULL;
}

/* Accepting */

/* The keys with which a token of ours can verify. */
static bool own_keys(const struct keyring *keyring, struct verdict *verdict, struct jwks **ret_jwks)
{
    CLEANUP(text_free) char *secret = keyring_hmac_secret(keyring);
    CLEANUP(json_free) struct json *set = NULL;
    char raw[64];
    const char *text;
    size_t len;

    if (secret != NULL)
        return BASE64URL_DECODED_LEN(strlen(secret)) <= sizeof raw && base64url_decode(slice_of(secret), raw, &len)
            && jwks_from_secret(verdict, (struct slice){ raw, len }, ret_jwks);
    set = keyring_jwks(keyring);
    text = json_print(set, false);
    return text != NULL && jwks_parse(verdict, slice_of(text), ret_jwks);
}

/* The claims of a token that one of our keys signed; lent by *ret_jwt. The core's readers do the work, and nothing of
 * its policy: what a tenant accepts is the tenant's own affair. */
static const struct json *verified_claims(const struct service *service, struct slice token, struct jwt **ret_jwt)
{
    CLEANUP(jwks_free) struct jwks *jwks = NULL;
    struct verdict verdict = VERDICT_INIT;
    const struct algorithm *algorithm;
    const struct json *claims = NULL;
    const struct jwk *key;

    if (!own_keys(&service->state->keyring, &verdict, &jwks) || !jwt_parse(&verdict, token, ret_jwt))
        return NULL;
    algorithm = algorithm_find(jwt_header(*ret_jwt)->alg);
    if (algorithm == NULL || !jwks_find(&verdict, jwks, algorithm, jwt_header(*ret_jwt), &key)
        || !signature_verify(&verdict, *ret_jwt, algorithm, key, &claims))
        return NULL;
    return claims;
}

static const struct user *user_of_token(const struct service *service, struct slice token, int64_t now)
{
    CLEANUP(jwt_free) struct jwt *jwt = NULL;
    const struct json *claims = verified_claims(service, token, &jwt);
    struct slice tenant, subject;
    const struct user *user;
    double expires;

    if (claims == NULL || !json_string(json_member(claims, TENANT_CLAIM), &tenant)
        || !slice_equal_string(tenant, service->state->tenant) || !json_string(json_member(claims, "sub"), &subject)
        || !json_number(json_member(claims, "exp"), &expires) || !((double)now < expires))
        return NULL;
    user = state_user(service->state, subject);
    return user != NULL && user->enabled ? user : NULL;
}

static void refuse(struct reply *reply, const char *description)
{
    reply_error(reply, 401, "unauthorized", description);
    reply_header(reply, "WWW-Authenticate", "Bearer");
}

const struct user *authorise_user(const struct service *service, const struct request *request, struct reply *reply)
{
    struct slice value, scheme, token;
    const struct user *user = NULL;

    if (!fields_header(&request->headers, "Authorization", &value) || !slice_cut(value, ' ', &scheme, &token)
        || !slice_equal_nocase(scheme, "Bearer")) {
        refuse(reply, "a bearer token is needed");
        return NULL;
    }
    user = user_of_token(service, token, request->now);
    if (user == NULL)
        refuse(reply, "the token is not good here");
    return user;
}

bool authorise_api_key(const struct service *service, const struct request *request, struct reply *reply)
{
    struct slice key;

    if (fields_header(&request->headers, "X-API-Key", &key) && state_has_api_key(service->state, key))
        return true;
    refuse(reply, "an API key of this tenant is needed");
    return false;
}

bool authorise_management(const struct service *service, const struct request *request, struct reply *reply)
{
    struct slice key;
    const struct user *user;

    if (fields_header(&request->headers, "X-API-Key", &key))
        return authorise_api_key(service, request, reply);
    user = authorise_user(service, request, reply);
    if (user == NULL)
        return false;
    if (user_is_in(user, ADMIN_GROUP))
        return true;
    reply_error(reply, 403, "forbidden", "only administrators may do that");
    return false;
}
