#include "authenticate.h"

#include <string.h>

#include "jwks.h"
#include "jwt.h"

#define MASKED_MIN 128 /* bytes: hardly a token is shorter, hardly a password as long */

struct slice credential_trim(struct slice text)
{
    if (text.len > 0 && text.bytes[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.bytes[text.len - 1] == '\r')
        text.len--;
    return text;
}

/*
 * How long an RSA signature will be, before it is known whose: that of the longest key that could be meant, so that a
 * prompt asks once too often rather than once too little.
 */
static size_t longest_rsa_signature(const void *context, const struct jwt_header *header)
{
    const struct config *config = context;
    const struct algorithm *algorithm = algorithm_find(header->alg);
    size_t longest = 0, i;

    for (i = 0; i < config->tenant_count; i++) {
        struct verdict unheard = VERDICT_INIT;
        const struct jwk *key;

        if (config->tenants[i].jwks != NULL && jwks_find(&unheard, config->tenants[i].jwks, algorithm, header, &key)
            && jwk_rsa_signature_len(key) > longest)
            longest = jwk_rsa_signature_len(key);
    }
    return longest;
}

bool credential_is_masked(struct slice credential)
{
    return credential.len >= MASKED_MIN && slice_has_control(credential);
}

enum credential_kind credential_kind(const struct config *config, struct slice credential)
{
    if (credential.len == 0)
        return CREDENTIAL_ABSENT;
    if (credential_is_masked(credential))
        return CREDENTIAL_JWT;
    switch (jwt_extent(credential, longest_rsa_signature, config)) {
    case JWT_NOT:
        /* "Bearer " and a token, or one in quotes, is for nobody else: no other module, and no tenant as an API key. */
        return jwt_stands_in(credential) ? CREDENTIAL_JWT : CREDENTIAL_OTHER;
    case JWT_PART:
        return CREDENTIAL_JWT_PART;
    default:
        return CREDENTIAL_JWT;
    }
}

bool credential_holds_token(struct slice text)
{
    return jwt_stands_in(text);
}

static bool check_revocation_list(struct verdict *verdict, const struct config *config)
{
    const struct verdict *failure = &config->revocation_failure;

    return failure->reason == REASON_UNDECIDED || verdict_reject(verdict, failure->reason, "%s", failure->evidence);
}

bool authenticate_is_possible(struct verdict *verdict, const struct config *config, const char *service)
{
    unsigned credentials = config_service(config, service)->credentials;
    const struct verdict *failure = NULL;
    size_t i;

    if (!check_revocation_list(verdict, config))
        return false;
    if (credentials == CREDENTIALS_API_KEY)
        return verdict_reject(verdict, REASON_BROKER_UNAVAILABLE, "the service takes nothing but API keys");
    if ((credentials & CREDENTIALS_JWT) == 0)
        return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "the service takes nothing");
    for (i = 0; i < config->tenant_count; i++) {
        if (config->tenants[i].jwks != NULL)
            return true;
        failure = &config->tenants[i].keys_failure;
    }
    return verdict_reject(verdict, failure != NULL ? failure->reason : REASON_CONFIG_INVALID, "%s",
                          failure != NULL ? failure->evidence : "no tenant");
}

/* Whether the service wants this kind of credential at all. */
static bool check_kind(struct verdict *verdict, const struct service_rules *service, enum credential_kind kind)
{
    switch (kind) {
    case CREDENTIAL_ABSENT:
        return verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "empty");
    case CREDENTIAL_OTHER:
        verdict->credential = "api_key";
        if ((service->credentials & CREDENTIALS_API_KEY) == 0)
            return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                                  "not the beginning of a JWT, and service %s takes no API keys", service->name);
        return verdict_reject(verdict, REASON_BROKER_UNAVAILABLE, "no latchkeyd");
    default:
        verdict->credential = "jwt";
        if ((service->credentials & CREDENTIALS_JWT) == 0)
            return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "service %s takes no JWTs", service->name);
        return true;
    }
}

bool authenticate(struct verdict *verdict, const struct config *config, const struct auth_request *request,
                  struct slice credential, struct login *ret_login)
{
    const struct service_rules *service = config_service(config, request->service);
    const struct verify_request verify = { .service = service, .user = request->user, .now = request->now };

    return verdict_check(verdict, CHECK_CONFIGURATION) && check_revocation_list(verdict, config)
        && verdict_check(verdict, CHECK_CREDENTIAL) && check_kind(verdict, service, credential_kind(config, credential))
        && verify_token(verdict, config, &verify, credential, ret_login);
}

static const struct tenant *find_tenant(const struct config *config, const char *id)
{
    size_t i;

    for (i = 0; i < config->tenant_count; i++)
        if (strcmp(config->tenants[i].id, id) == 0)
            return &config->tenants[i];
    return NULL;
}

/* For the log line, whatever becomes of the login. */
static void set_facts(struct verdict *verdict, const struct login *login)
{
    verdict->credential = "jwt";
    verdict_fact(verdict->tenant, sizeof verdict->tenant, slice_of(login->tenant));
    verdict_fact(verdict->subject, sizeof verdict->subject, slice_of(login->subject));
    verdict_fact(verdict->jti, sizeof verdict->jti, slice_of(login->jti));
    verdict_fact(verdict->kid, sizeof verdict->kid, slice_of(login->kid));
    verdict_fact(verdict->user, sizeof verdict->user, slice_of(login->identity.user));
}

static bool check_login(struct verdict *verdict, const struct config *config, const struct auth_request *request,
                        const struct login *login)
{
    const struct tenant *tenant = find_tenant(config, login->tenant);
    const struct revocable token = {
        .subject = slice_of(login->subject),
        .jti = slice_of(login->jti),
        .kid = slice_of(login->kid),
        .has_issued_at = login->has_issued_at,
        .issued_at = login->issued_at,
    };

    if (request->user == NULL || strcmp(request->user, login->identity.user) != 0)
        return verdict_reject(verdict, REASON_USER_MISMATCH, "the login was for %s", login->identity.user);
    if (tenant == NULL)
        return verdict_reject(verdict, REASON_TENANT_UNKNOWN, "%s is no longer configured", login->tenant);
    return revocation_check(verdict, config->revocation, &token)
        && verify_service_rules(verdict, config_service(config, request->service), login, &tenant->claims,
                                request->now);
}

/*
 * Nobody knows which of the block's people came. Where one of several is shut out the others must not be: it may be
 * root's account, and theirs the last way in.
 */
static bool check_block(struct verdict *verdict, const struct config *config, const char *user)
{
    const struct user_block *block = user != NULL ? identity_user_block(&config->identity, user) : NULL;
    struct verdict revoked = VERDICT_INIT;
    size_t i;

    if (block == NULL || block->subjects.count == 0)
        return true;
    for (i = 0; i < block->subjects.count; i++) {
        revoked = VERDICT_INIT;
        if (revocation_check_subject(&revoked, config->revocation, slice_of(block->subjects.items[i])))
            return true;
    }
    return verdict_reject(verdict, revoked.reason, "%s", revoked.evidence);
}

bool authenticate_account(struct verdict *verdict, const struct config *config, const struct auth_request *request,
                          const struct login *login)
{
    if (login != NULL)
        set_facts(verdict, login);
    return check_revocation_list(verdict, config)
        && (login != NULL ? check_login(verdict, config, request, login) : check_block(verdict, config, request->user))
        && verdict_accept(verdict);
}
