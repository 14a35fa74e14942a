#include "login/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "token/algorithm.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "token/signature.h"

/* The state of one verification: each step reads what the earlier ones found. */
struct verification {
    const struct config *config;
    const struct verify_request *request;
    struct slice token;
    struct jwt *jwt;                   /* owned */
    const struct tenant *tenant;       /* lent by config */
    const struct algorithm *algorithm; /* static */
    const struct jwk *key;             /* lent by tenant */
    struct slice kid;                  /* of the key, or of the header when the key has none */
    const struct json *payload;        /* lent by jwt; set once the signature holds */
    struct claims claims;
    struct login *login;
};

/* Whether the unverified payload names this tenant. Used only to choose the keys that must verify the token. */
static bool claims_tenant(const struct json *payload, const struct tenant *tenant)
{
    const struct claims_policy *policy = &tenant->claims;
    const char *name = policy->tenant_claim != NULL ? policy->tenant_claim : "iss";
    const char *wanted = policy->tenant_claim != NULL ? policy->tenant_id : policy->issuer;
    struct slice value;

    return wanted != NULL && json_string(json_member(payload, name), &value) && slice_equal_string(value, wanted);
}

static bool choose_tenant(struct verdict *verdict, struct verification *v)
{
    const struct json *payload = jwt_unverified_payload(v->jwt);
    size_t i;

    /* One tenant leaves nothing to choose: nothing is read before the signature holds. */
    if (v->config->tenant_count == 1)
        v->tenant = &v->config->tenants[0];
    else
        for (i = 0; i < v->config->tenant_count; i++) {
            if (!claims_tenant(payload, &v->config->tenants[i]))
                continue;
            if (v->tenant != NULL)
                return verdict_reject(verdict, REASON_TENANT_UNKNOWN, "token matches tenants %s and %s", v->tenant->id,
                                      v->config->tenants[i].id);
            v->tenant = &v->config->tenants[i];
        }
    if (v->tenant == NULL)
        return verdict_reject(verdict, REASON_TENANT_UNKNOWN, "token matches none of %zu tenants",
                              v->config->tenant_count);
    text_copy_printable(verdict->tenant, sizeof verdict->tenant, slice_of(v->tenant->id));
    verdict_detail(verdict, "%s", v->tenant->id);
    return true;
}

/* RFC 7515 §4.1.9: the prefix "application/" may be left out. */
static struct slice without_media_prefix(struct slice type)
{
    static const char prefix[] = "application/";
    const size_t len = sizeof prefix - 1;

    if (type.len > len && slice_equal_nocase((struct slice){ type.bytes, len }, prefix))
        return (struct slice){ type.bytes + len, type.len - len };
    return type;
}

/* RFC 8725 §3.11: a token made for another purpose (an ID token's logout sibling, a security event) is not ours. */
static bool check_type(struct verdict *verdict, const struct verification *v)
{
    const struct jwt_header *header = jwt_header(v->jwt);
    struct slice type = header->typ, bare = without_media_prefix(type);
    const char *wanted = v->tenant->type;

    if (wanted != NULL ? slice_equal_nocase(bare, without_media_prefix(slice_of(wanted)).bytes)
                       : !header->has_typ || slice_equal_nocase(type, "JWT") || slice_equal_nocase(bare, "at+jwt"))
        return true;
    return verdict_reject(verdict, REASON_TYPE_UNSUPPORTED, "typ=%.*s%s%s", SLICE_ARG(type),
                          wanted != NULL ? " wanted " : "", wanted != NULL ? wanted : "");
}

static bool check_algorithm(struct verdict *verdict, struct verification *v)
{
    struct slice alg = jwt_header(v->jwt)->alg;

    v->algorithm = algorithm_find(alg);
    if (v->algorithm == NULL)
        return verdict_reject(verdict, REASON_ALGORITHM_UNSUPPORTED, "alg=%.*s", SLICE_ARG(alg));
    if (!v->tenant->algorithms[algorithm_row(v->algorithm)])
        return verdict_reject(verdict, REASON_ALGORITHM_NOT_ALLOWED, "alg=%s", v->algorithm->name);
    verdict_detail(verdict, "alg=%s", v->algorithm->name);
    return true;
}

/* latchkeyd found that the signature holds by the secret of this tenant. */
static bool is_vouched(const struct verification *v)
{
    return v->request->vouched != NULL && strcmp(v->request->vouched, v->tenant->id) == 0;
}

/* A secret that is there and is kept from this process: latchkeyd may read it. */
static bool is_elsewhere(const struct verification *v)
{
    const struct tenant *tenant = v->tenant;

    if (tenant->jwks != NULL || tenant->secret_path == NULL || tenant->keys_failure.reason != REASON_JWKS_UNAVAILABLE)
        return false;
    return is_vouched(v) || v->request->elsewhere != NULL;
}

static bool find_key(struct verdict *verdict, struct verification *v)
{
    if (is_elsewhere(v)) {
        v->kid = jwt_header(v->jwt)->kid;
        text_copy_printable(verdict->kid, sizeof verdict->kid, v->kid);
        verdict_detail(verdict, "the secret, which latchkeyd reads");
        return true;
    }
    if (!config_check_keys(verdict, v->tenant, v->request->attempt->now)
        || !jwks_find(verdict, v->tenant->jwks, v->algorithm, jwt_header(v->jwt), &v->key))
        return false;
    /* The key's own kid counts: a thief of a key that is revoked now would leave the kid out of the header. */
    v->kid = jwk_kid(v->key).len > 0 ? jwk_kid(v->key) : jwt_header(v->jwt)->kid;
    text_copy_printable(verdict->kid, sizeof verdict->kid, v->kid);
    verdict_detail(verdict, "%s%s", verdict->kid[0] != '\0' ? "kid=" : "the only one that fits", verdict->kid);
    return true;
}

bool verify_has_revocation_list(struct verdict *verdict, const struct config *config)
{
    const struct verdict *failure = &config->revocation_failure;

    if (failure->reason == REASON_UNDECIDED)
        return true;
    return verdict_reject(verdict, failure->reason, "%s", failure->evidence);
}

static bool check_revocation(struct verdict *verdict, struct verification *v)
{
    const struct revocable token = {
        .subject = v->claims.subject,
        .jti = v->claims.jti,
        .kid = v->kid,
        .has_issued_at = v->claims.has_issued_at,
        .issued_at = v->claims.issued_at,
    };

    return verify_has_revocation_list(verdict, v->config) && revocation_check(verdict, v->config->revocation, &token);
}

static bool map_user(struct verdict *verdict, struct verification *v)
{
    if (!identity_map(verdict, &v->config->identity, &v->claims, &v->tenant->claims, v->request->attempt->user,
                      v->request->hint, &v->login->identity))
        return false;
    verdict_detail(verdict, "%s by %s", v->login->identity.user,
                   v->login->identity.user_is_explicit ? "a user block" : "a map");
    return true;
}

/* The sources were measured before: a kid, jti or subject of more than SUBJECT_MAX bytes was refused. */
static void copy_text(char text[SUBJECT_MAX + 1], struct slice value)
{
    if (value.len > 0)
        memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
}

static void fill_login(const struct verification *v)
{
    struct login *login = v->login;

    login->credential = v->request->exchange_subject != NULL ? "api_key" : "jwt";
    snprintf(login->tenant, sizeof login->tenant, "%s", v->tenant->id); /* fits: the configuration measured it */
    copy_text(login->subject, v->claims.subject);
    copy_text(login->jti, v->claims.jti);
    copy_text(login->kid, v->kid);
    login->has_issued_at = v->claims.has_issued_at;
    login->issued_at = v->claims.issued_at;
    login->has_auth_time = v->claims.has_auth_time;
    login->auth_time = v->claims.auth_time;
    login->has_expires = true;
    login->expires = v->claims.expires;
}

static bool check_age(struct verdict *verdict, const struct service_rules *service, const struct login *login,
                      const struct claims_policy *policy, int64_t now)
{
    if (service->max_age == 0)
        return true;
    if (!login->has_issued_at)
        return verdict_reject(verdict, REASON_CLAIM_MISSING, "iat, which max_age needs");
    /* In doubles nothing overflows, whatever the clock and the configuration say. */
    if ((double)now - (double)policy->leeway - (double)service->max_age > login->issued_at)
        return verdict_reject(verdict, REASON_TOKEN_TOO_OLD, "iat=%.15g now=%lld max_age=%lld", login->issued_at,
                              (long long)now, (long long)service->max_age);
    return true;
}

static bool check_required_group(struct verdict *verdict, const struct service_rules *service,
                                 const struct identity *identity)
{
    size_t i;

    if (service->require_group.count == 0)
        return true;
    for (i = 0; i < service->require_group.count; i++)
        if (identity_has_group(identity, service->require_group.items[i]))
            return true;
    return verdict_reject(verdict, REASON_GROUP_MISSING, "service %s requires %s%s", service->name,
                          service->require_group.items[0], service->require_group.count > 1 ? " or another" : "");
}

bool verify_service_rules(struct verdict *verdict, const struct service_rules *service, const struct login *login,
                          const struct claims_policy *policy, int64_t now)
{
    return check_age(verdict, service, login, policy, now) && check_required_group(verdict, service, &login->identity);
}

static bool parse(struct verdict *verdict, struct verification *v)
{
    return jwt_parse(verdict, v->token, &v->jwt);
}

static bool check_header(struct verdict *verdict, struct verification *v)
{
    return check_type(verdict, v) && check_algorithm(verdict, v);
}

static bool check_signature(struct verdict *verdict, struct verification *v)
{
    if (v->key != NULL)
        return signature_verify(verdict, v->jwt, v->algorithm, v->key, &v->payload);
    if (!is_vouched(v)) {
        *v->request->elsewhere = v->tenant;
        return false;
    }
    v->payload = jwt_unverified_payload(v->jwt); /* for which latchkeyd has just vouched */
    return true;
}

static bool read_claims(struct verdict *verdict, struct verification *v)
{
    return claims_read(verdict, v->payload, &v->tenant->claims, &v->claims);
}

/* The token must be of the tenant and the subject that the exchange was asked for. */
static bool check_exchange(struct verdict *verdict, const struct verification *v)
{
    const struct verify_request *request = v->request;

    if (request->exchange_tenant != NULL && request->exchange_tenant != v->tenant)
        return verdict_reject(verdict, REASON_EXCHANGE_MISMATCH, "tenant %s instead of %s", v->tenant->id,
                              request->exchange_tenant->id);
    if (request->exchange_subject != NULL && !slice_equal_string(v->claims.subject, request->exchange_subject))
        return verdict_reject(verdict, REASON_EXCHANGE_MISMATCH, "subject %.*s instead of %s",
                              SLICE_ARG(v->claims.subject), request->exchange_subject);
    return true;
}

static bool check_binding(struct verdict *verdict, struct verification *v)
{
    return claims_check_binding(verdict, &v->claims, &v->tenant->claims) && check_exchange(verdict, v);
}

static bool check_account(struct verdict *verdict, struct verification *v)
{
    return v->request->skip_account || identity_check_account(verdict, &v->login->identity);
}

static bool check_time(struct verdict *verdict, struct verification *v)
{
    return claims_check_time(verdict, &v->claims, &v->tenant->claims, v->request->attempt->now);
}

bool verify_is_directory_name(const struct attempt *attempt, struct slice authzid)
{
    static const char dn[] = "dn:";
    const size_t len = sizeof dn - 1;

    return attempt->is_directory && authzid.len > len && slice_equal_nocase((struct slice){ authzid.bytes, len }, dn);
}

/*
 * What an entry without an authzid allows: every name of an account or a mailbox but root's. Other forms are refused,
 * since the host may read them in its own way. A name of a directory is allowed: slapd has its own rules for it
 * (authzTo).
 */
static bool is_anybody_but_root(const struct attempt *attempt, struct slice authzid)
{
    return verify_is_directory_name(attempt, authzid)
        || (identity_is_valid_name(authzid) && !identity_may_be_root(authzid));
}

/* An entry "user" or "user:authzid" of allow_authzid. */
static bool allows(const char *entry, const char *user, const struct attempt *attempt, struct slice authzid)
{
    struct slice who = slice_of(entry), as;

    if (slice_cut(who, ':', &who, &as))
        return slice_equal_string(who, user) && slice_equal(as, authzid);
    return slice_equal_string(who, user) && is_anybody_but_root(attempt, authzid);
}

/* The name that the user acts as: its own, or one that allow_authzid of the service lists. */
static bool check_authzid(struct verdict *verdict, const struct verification *v, const struct service_rules *service)
{
    const struct string_list *allowed = &service->allow_authzid;
    const char *user = v->login->identity.user;
    struct slice authzid = v->request->authzid.len > 0 ? v->request->authzid : slice_of(user);
    size_t i;

    copy_text(v->login->authzid, authzid);
    if (slice_equal_string(authzid, user))
        return true;
    for (i = 0; i < allowed->count; i++)
        if (allows(allowed->items[i], user, v->request->attempt, authzid))
            return true;
    return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "%s as %s", user, v->login->authzid);
}

static bool check_service(struct verdict *verdict, struct verification *v)
{
    const struct attempt *attempt = v->request->attempt;
    const struct service_rules *service = config_service(v->config, attempt->service);

    fill_login(v);
    return verify_service_rules(verdict, service, v->login, &v->tenant->claims, attempt->now)
        && check_authzid(verdict, v, service);
}

/*
 * The steps of a verification, in their order. The time comes last of what concerns the token: a client that is told
 * "expired" learns that the token was good in all else, and a client whose token was never good learns nothing.
 */
enum extent { EXTENT_SIGNATURE, EXTENT_CLAIMS, EXTENT_LOGIN };

static const struct {
    enum extent extent; /* the least that the step belongs to */
    enum check check;
    bool (*step)(struct verdict *verdict, struct verification *v);
} steps[] = {
    { EXTENT_SIGNATURE, CHECK_FORMAT, parse },
    { EXTENT_SIGNATURE, CHECK_TENANT, choose_tenant },
    { EXTENT_SIGNATURE, CHECK_HEADER, check_header },
    { EXTENT_SIGNATURE, CHECK_KEY, find_key },
    { EXTENT_SIGNATURE, CHECK_SIGNATURE, check_signature },
    { EXTENT_CLAIMS, CHECK_CLAIMS, read_claims },
    { EXTENT_CLAIMS, CHECK_BINDING, check_binding },
    { EXTENT_CLAIMS, CHECK_REVOCATION, check_revocation },
    { EXTENT_LOGIN, CHECK_USER, map_user },
    { EXTENT_LOGIN, CHECK_ACCOUNT, check_account },
    { EXTENT_CLAIMS, CHECK_TIME, check_time },
    { EXTENT_LOGIN, CHECK_SERVICE, check_service },
};

static bool run_steps(struct verdict *verdict, struct verification *v, enum extent extent)
{
    size_t i;

    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].extent > extent)
            continue;
        verdict_check(verdict, steps[i].check);
        if (!steps[i].step(verdict, v))
            return false;
    }
    return true;
}

static void verification_clear(struct verification *v)
{
    jwt_free(&v->jwt);
}

bool verify_signature(struct verdict *verdict, const struct config *config, struct slice token,
                      const struct tenant **ret_tenant)
{
    /* The age of a key set is the host's business, which asks for the signature alone. */
    static const struct attempt attempt = { .service = NULL };
    static const struct verify_request request = { .attempt = &attempt };
    CLEANUP(verification_clear) struct verification v = { .config = config, .request = &request, .token = token };

    if (!run_steps(verdict, &v, EXTENT_SIGNATURE))
        return false;
    *ret_tenant = v.tenant;
    return true;
}

bool verify_exchanged(struct verdict *verdict, const struct config *config, const struct tenant *tenant,
                      const char *subject, struct slice token, int64_t now, double *ret_expires)
{
    const struct attempt attempt = { .now = now };
    const struct verify_request request = {
        .attempt = &attempt,
        .exchange_tenant = tenant,
        .exchange_subject = subject,
    };
    CLEANUP(verification_clear) struct verification v = { .config = config, .request = &request, .token = token };

    if (!run_steps(verdict, &v, EXTENT_CLAIMS))
        return false;
    *ret_expires = v.claims.expires;
    return true;
}

bool verify_token(struct verdict *verdict, const struct config *config, const struct verify_request *request,
                  struct slice token, struct login *ret_login)
{
    CLEANUP(verification_clear)
    struct verification v = { .config = config, .request = request, .token = token, .login = ret_login };

    return run_steps(verdict, &v, EXTENT_LOGIN) && verdict_accept(verdict);
}
