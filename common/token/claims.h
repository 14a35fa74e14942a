/*
 * The claims of a token whose signature holds (RFC 7519 §4), checked against what one tenant demands.
 */
#ifndef LATCHKEY_CLAIMS_H
#define LATCHKEY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/slice.h"
#include "base/string_list.h"
#include "verdict/verdict.h"

#define CLAIMS_GROUPS_MAX 1000 /* members of the groups claim */
#define CLAIMS_LEEWAY_MAX 300  /* s */

/* What a tenant demands of claims. Owned by the configuration; the strings are never NULL unless said. */
struct claims_policy {
    char *tenant_id;
    char *tenant_claim;           /* its value must be tenant_id; NULL: not checked */
    char *issuer;                 /* NULL: waived */
    struct string_list audiences; /* empty: waived */
    struct string_list parties;   /* azp must be one of them; empty: not checked */
    struct string_list scopes;    /* all must be in `scope`; empty: not checked */
    char *subject_claim;          /* "sub" unless configured */
    char *groups_claim;           /* "groups" unless configured */
    int64_t leeway;               /* s, 0 … CLAIMS_LEEWAY_MAX */
};

/* Claims of the right types and ranges. Slices and pointers lent by the payload. */
struct claims {
    const struct json *payload;
    struct slice subject; /* 1 … SUBJECT_MAX bytes without control bytes */
    bool has_jti;
    struct slice jti;
    double expires; /* exp, nbf, iat, auth_time: s since 1970, 0 … 2^53, a fraction allowed (RFC 7519 §2) */
    bool has_not_before;
    double not_before;
    bool has_issued_at;
    double issued_at;
    bool has_auth_time; /* of an OpenID provider (OpenID Connect Core §2; RFC 9068 §2.2.1) */
    double auth_time;
    size_t group_count;
};

/*
 * Read and check the types: exp required; exp, nbf, iat, auth_time numbers in range; subject a string in bounds; groups
 * absent, one string, or an array of at most CLAIMS_GROUPS_MAX strings; jti, when present, a string without control
 * bytes. A token of another kind than a login's is refused first, by the claims that mark it (the table in claims.c):
 * one that is bound to a key (`cnf`), a security event token, a request, a credential, a refresh token, … False with
 * PROOF_REQUIRED, TYPE_UNSUPPORTED, CLAIM_MISSING or CLAIM_INVALID; the evidence names the claim. Sets the facts
 * subject, jti and expiry.
 */
bool claims_read(struct verdict *verdict, const struct json *payload, const struct claims_policy *policy,
                 struct claims *ret_claims);

/*
 * Tenant claim, iss (byte for byte, RFC 3986 §6.2.1), aud (a string or an array of strings, RFC 7519 §4.1.3), azp,
 * scope (space-separated, RFC 8693 §4.2). What is configured is required.
 * False with CLAIM_MISSING, CLAIM_INVALID, TENANT_MISMATCH, ISSUER_UNTRUSTED, AUDIENCE_MISMATCH, PARTY_UNTRUSTED or
 * SCOPE_MISSING.
 */
bool claims_check_binding(struct verdict *verdict, const struct claims *claims, const struct claims_policy *policy);

/*
 * Expired when now − leeway ≥ exp; not yet valid when now + leeway < nbf; iat beyond now + leeway is from the future.
 * `now` is in s since 1970, 0 … 2^53.
 * False with TOKEN_EXPIRED, TOKEN_NOT_YET_VALID or TOKEN_FROM_FUTURE.
 */
bool claims_check_time(struct verdict *verdict, const struct claims *claims, const struct claims_policy *policy,
                       int64_t now);

/* index < claims->group_count. Lent by the payload. */
struct slice claims_group(const struct claims *claims, const struct claims_policy *policy, size_t index);

/*
 * A string claim by name: 1 … SUBJECT_MAX bytes without control bytes. False with CLAIM_MISSING or CLAIM_INVALID.
 */
bool claims_text(struct verdict *verdict, const struct json *payload, const char *name, struct slice *ret_text);

#endif
