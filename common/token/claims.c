#include "token/claims.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

#define DATE_MAX 9007199254740992.0 /* 2^53: beyond it a double no longer holds every integer */

bool claims_text(struct verdict *verdict, const struct json *payload, const char *name, struct slice *ret_text)
{
    const struct json *value = json_member(payload, name);
    struct slice text;

    if (value == NULL)
        return verdict_reject(verdict, REASON_CLAIM_MISSING, "%s", name);
    /* Control bytes include NUL: what C takes for the end of a string must not be inside one. */
    if (!json_string(value, &text) || text.len == 0 || text.len > SUBJECT_MAX || text_has_control(text))
        return verdict_reject(verdict, REASON_CLAIM_INVALID,
                              "%s is not a string of 1 to %d bytes without control characters", name, SUBJECT_MAX);
    *ret_text = text;
    return true;
}

/* RFC 7519 §2 NumericDate, when present. *ret_has is set in either case. */
static bool read_date(struct verdict *verdict, const struct json *payload, const char *name, bool *ret_has,
                      double *ret_date)
{
    const struct json *value = json_member(payload, name);

    *ret_has = value != NULL;
    if (value == NULL)
        return true;
    if (!json_number(value, ret_date) || !isfinite(*ret_date) || *ret_date < 0 || *ret_date > DATE_MAX)
        return verdict_reject(verdict, REASON_CLAIM_INVALID, "%s is not a number from 0 to 2^53", name);
    return true;
}

static bool read_dates(struct verdict *verdict, const struct json *payload, struct claims *claims)
{
    bool has_expiry;

    if (!read_date(verdict, payload, "exp", &has_expiry, &claims->expires)
        || !read_date(verdict, payload, "nbf", &claims->has_not_before, &claims->not_before)
        || !read_date(verdict, payload, "iat", &claims->has_issued_at, &claims->issued_at)
        || !read_date(verdict, payload, "auth_time", &claims->has_auth_time, &claims->auth_time))
        return false;
    /* Optional in RFC 7519 §4.1.4, required in RFC 9068 §2.2: absent must not mean "for ever". */
    if (!has_expiry)
        return verdict_reject(verdict, REASON_CLAIM_MISSING, "exp");
    verdict->has_expiry = true;
    verdict->expiry = (int64_t)claims->expires;
    return true;
}

/* One member of the groups claim; the claim itself when it is a string, which counts as one group. */
static const struct json *group_value(const struct json *groups, size_t index)
{
    return json_type_of(groups) == JSON_ARRAY ? json_at(groups, index) : groups;
}

static bool read_groups(struct verdict *verdict, const struct json *payload, const char *name, size_t *ret_count)
{
    const struct json *groups = json_member(payload, name);
    struct slice group;
    size_t count, i;

    *ret_count = 0;
    if (groups == NULL)
        return true;
    if (json_type_of(groups) != JSON_ARRAY && json_type_of(groups) != JSON_STRING)
        return verdict_reject(verdict, REASON_CLAIM_INVALID, "%s is neither a string nor an array", name);
    count = json_type_of(groups) == JSON_ARRAY ? json_length(groups) : 1;
    if (count > CLAIMS_GROUPS_MAX)
        return verdict_reject(verdict, REASON_CLAIM_INVALID, "%s has more than %d members", name, CLAIMS_GROUPS_MAX);
    for (i = 0; i < count; i++)
        if (!json_string(group_value(groups, i), &group) || text_has_control(group))
            return verdict_reject(verdict, REASON_CLAIM_INVALID, "%s[%zu] is not a string without control characters",
                                  name, i);
    *ret_count = count;
    return true;
}

static bool read_jti(struct verdict *verdict, const struct json *payload, struct claims *claims)
{
    claims->has_jti = json_member(payload, "jti") != NULL;
    if (claims->has_jti && !claims_text(verdict, payload, "jti", &claims->jti))
        return false;
    text_copy_printable(verdict->jti, sizeof verdict->jti, claims->jti);
    return true;
}

/*
 * What a tenant signs beside access tokens and ID tokens, with the same keys and perhaps for the same audience. A typ
 * in the header would tell them apart (RFC 8725 §3.11), but many of their standards leave it out. Each row is a claim
 * that the standard gives to the other kind alone, or a value with which a token names its own kind. Every value of the
 * claim counts, null and malformed ones too, where the row names none.
 */
static const struct mark {
    const char *claim;
    const char *value; /* in any case of its letters; NULL: the claim's presence is the mark */
    enum reason reason;
    const char *evidence; /* NULL: the claim says it all */
} marks[] = {
    /* RFC 7800, RFC 8705 §3.1, RFC 9449 §6: the client must prove that it has the key, too. */
    { "cnf", NULL, REASON_PROOF_REQUIRED, NULL },
    /* RFC 8417 §2.2; OpenID Connect Back-Channel Logout §2.4 */
    { "events", NULL, REASON_TYPE_UNSUPPORTED, "a security event token, such as a logout token" },
    { "token_introspection", NULL, REASON_TYPE_UNSUPPORTED, "an answer of token introspection (RFC 9701)" },
    { "htm", NULL, REASON_TYPE_UNSUPPORTED, "a DPoP proof (RFC 9449)" },
    { "htu", NULL, REASON_TYPE_UNSUPPORTED, "a DPoP proof (RFC 9449)" },
    { "response_type", NULL, REASON_TYPE_UNSUPPORTED, "an authorization request (RFC 9101)" },
    { "redirect_uris", NULL, REASON_TYPE_UNSUPPORTED, "a software statement (RFC 7591)" },
    /* OpenID Federation 1.0 §3; also a software statement's. */
    { "jwks", NULL, REASON_TYPE_UNSUPPORTED, "an entity statement" },
    { "authority_hints", NULL, REASON_TYPE_UNSUPPORTED, "an entity statement" },
    { "status_list", NULL, REASON_TYPE_UNSUPPORTED, "a status list" },
    /* W3C Verifiable Credentials Data Model 1.1 §6.3.1, 2.0 §4: the holder would have to prove to be its subject. */
    { "vc", NULL, REASON_TYPE_UNSUPPORTED, "a verifiable credential" },
    { "vp", NULL, REASON_TYPE_UNSUPPORTED, "a verifiable presentation" },
    { "credentialSubject", NULL, REASON_TYPE_UNSUPPORTED, "a verifiable credential" },
    { "verifiableCredential", NULL, REASON_TYPE_UNSUPPORTED, "a verifiable presentation" },
    /* RFC 9901: the issuer's part of an SD-JWT without its disclosures, and the holder's proof. */
    { "_sd", NULL, REASON_TYPE_UNSUPPORTED, "an SD-JWT" },
    { "_sd_alg", NULL, REASON_TYPE_UNSUPPORTED, "an SD-JWT" },
    { "sd_hash", NULL, REASON_TYPE_UNSUPPORTED, "the key binding of an SD-JWT" },
    { "vct", NULL, REASON_TYPE_UNSUPPORTED, "an SD-JWT credential" },
    /* No standard makes a refresh token a JWT (RFC 6749 §1.5); those that are one name it so. */
    { "typ", "Refresh", REASON_TYPE_UNSUPPORTED, "a refresh token" },
    { "typ", "Offline", REASON_TYPE_UNSUPPORTED, "a refresh token" },
    { "token_type", "refresh", REASON_TYPE_UNSUPPORTED, "a refresh token" },
    { "token_use", "refresh", REASON_TYPE_UNSUPPORTED, "a refresh token" },
    { "type", "refresh", REASON_TYPE_UNSUPPORTED, "a refresh token" },
};

static bool has_mark(const struct json *payload, const struct mark *mark)
{
    const struct json *value = json_member(payload, mark->claim);
    struct slice text;

    if (value == NULL || mark->value == NULL)
        return value != NULL;
    return json_string(value, &text) && slice_equal_nocase(text, mark->value);
}

/* The line of such a token names its subject, too, which other kinds than logins may lack. */
static bool refuse_mark(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy,
                        const struct mark *mark)
{
    struct slice subject;

    if (json_string(json_member(payload, policy->subject_claim), &subject))
        text_copy_printable(verdict->subject, sizeof verdict->subject, subject);
    return verdict_reject(verdict, mark->reason, "%s%s%s", mark->claim, mark->evidence != NULL ? ": " : "",
                          mark->evidence != NULL ? mark->evidence : "");
}

static bool check_kind(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    size_t i;

    for (i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (has_mark(payload, &marks[i]))
            return refuse_mark(verdict, payload, policy, &marks[i]);
    return true;
}

bool claims_read(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy,
                 struct claims *ret_claims)
{
    struct claims claims = { .payload = payload };

    /* First: another kind of token may lack what a login needs, and its reason is its kind. */
    if (!check_kind(verdict, payload, policy) || !claims_text(verdict, payload, policy->subject_claim, &claims.subject))
        return false;
    text_copy_printable(verdict->subject, sizeof verdict->subject, claims.subject);
    if (!read_jti(verdict, payload, &claims) || !read_dates(verdict, payload, &claims)
        || !read_groups(verdict, payload, policy->groups_claim, &claims.group_count))
        return false;
    *ret_claims = claims;
    return true;
}

struct slice claims_group(const struct claims *claims, const struct claims_policy *policy, size_t index)
{
    struct slice group = { NULL, 0 };

    json_string(group_value(json_member(claims->payload, policy->groups_claim), index), &group);
    return group;
}

static bool check_tenant(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    struct slice tenant;

    if (policy->tenant_claim == NULL)
        return true;
    if (!claims_text(verdict, payload, policy->tenant_claim, &tenant))
        return false;
    if (!slice_equal_string(tenant, policy->tenant_id))
        return verdict_reject(verdict, REASON_TENANT_MISMATCH, "%s=%.*s", policy->tenant_claim, SLICE_ARG(tenant));
    return true;
}

static bool check_issuer(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    const struct json *value = json_member(payload, "iss");
    struct slice issuer;

    if (value == NULL)
        return policy->issuer == NULL || verdict_reject(verdict, REASON_CLAIM_MISSING, "iss");
    if (!json_string(value, &issuer))
        return verdict_reject(verdict, REASON_CLAIM_INVALID, "iss is not a string");
    if (policy->issuer != NULL && !slice_equal_string(issuer, policy->issuer))
        return verdict_reject(verdict, REASON_ISSUER_UNTRUSTED, "iss=%.*s", SLICE_ARG(issuer));
    return true;
}

static bool check_audience(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    const struct json *value = json_member(payload, "aud");
    bool is_array = json_type_of(value) == JSON_ARRAY, fits = policy->audiences.count == 0;
    size_t count = is_array ? json_length(value) : 1, i;
    struct slice audience = { NULL, 0 };

    if (value == NULL)
        return fits || verdict_reject(verdict, REASON_CLAIM_MISSING, "aud");
    for (i = 0; i < count; i++) {
        if (!json_string(is_array ? json_at(value, i) : value, &audience))
            return verdict_reject(verdict, REASON_CLAIM_INVALID, "aud holds something else than strings");
        fits = fits || string_list_has(&policy->audiences, audience);
    }
    if (!fits)
        return verdict_reject(verdict, REASON_AUDIENCE_MISMATCH, "aud=%.*s%s", SLICE_ARG(audience),
                              count > 1 ? " and others" : "");
    return true;
}

static bool check_party(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    struct slice party;

    if (policy->parties.count == 0)
        return true;
    if (!claims_text(verdict, payload, "azp", &party))
        return false;
    if (!string_list_has(&policy->parties, party))
        return verdict_reject(verdict, REASON_PARTY_UNTRUSTED, "azp=%.*s", SLICE_ARG(party));
    return true;
}

/* RFC 8693 §4.2: scope = scope-token *( SP scope-token ). */
static bool scope_has(struct slice scopes, const char *wanted)
{
    struct slice scope;

    while (slice_cut(scopes, ' ', &scope, &scopes))
        if (slice_equal_string(scope, wanted))
            return true;
    return slice_equal_string(scopes, wanted);
}

static bool check_scope(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy)
{
    const struct json *value = json_member(payload, "scope");
    struct slice scopes;
    size_t i;

    if (policy->scopes.count == 0)
        return true;
    if (value == NULL)
        return verdict_reject(verdict, REASON_CLAIM_MISSING, "scope");
    if (!json_string(value, &scopes))
        return verdict_reject(verdict, REASON_CLAIM_INVALID, "scope is not a string");
    for (i = 0; i < policy->scopes.count; i++)
        if (!scope_has(scopes, policy->scopes.items[i]))
            return verdict_reject(verdict, REASON_SCOPE_MISSING, "%s", policy->scopes.items[i]);
    return true;
}

bool claims_check_binding(struct verdict *verdict, const struct claims *claims, const struct claims_policy *policy)
{
    return check_tenant(verdict, claims->payload, policy) && check_issuer(verdict, claims->payload, policy)
        && check_audience(verdict, claims->payload, policy) && check_party(verdict, claims->payload, policy)
        && check_scope(verdict, claims->payload, policy);
}

bool claims_check_time(struct verdict *verdict, const struct claims *claims, const struct claims_policy *policy,
                       int64_t now)
{
    /* Doubles do not overflow, whatever the clock says, and are exact below 2^53. */
    double earliest = (double)now - (double)policy->leeway, latest = (double)now + (double)policy->leeway;

    if (claims->has_not_before && latest < claims->not_before)
        return verdict_reject(verdict, REASON_TOKEN_NOT_YET_VALID, "nbf=%.15g now=%lld", claims->not_before,
                              (long long)now);
    if (claims->has_issued_at && latest < claims->issued_at)
        return verdict_reject(verdict, REASON_TOKEN_FROM_FUTURE, "iat=%.15g now=%lld", claims->issued_at,
                              (long long)now);
    if (earliest >= claims->expires) {
        verdict->expired_for = now - (int64_t)claims->expires;
        return verdict_reject(verdict, REASON_TOKEN_EXPIRED, "exp=%.15g now=%lld", claims->expires, (long long)now);
    }
    return true;
}
