/*
 * A JWT → verdict and identity. Offline; the same for every door.
 */
#ifndef LATCHKEY_VERIFY_H
#define LATCHKEY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "login/login.h"

struct verify_request {
    const struct attempt *attempt; /* its authzid is not read: see below */
    struct slice authzid;          /* the name to act as, without a realm; empty: the user itself */
    const char *hint;              /* of several accounts of one subject, the one that is meant; NULL: none */
    bool skip_account;             /* do not ask NSS for the mapped user: for benchmarks and fuzzing */
    /* A tenant's secret that this process may not read, root's or latchkeyd's. The verification stops before the
     * signature, returns false, leaves the verdict undecided, and sets *elsewhere to the tenant, for which latchkeyd
     * must judge the signature; then the token is verified again with the tenant's id as `vouched`. NULL: such a token
     * is refused. */
    const struct tenant **elsewhere;
    const char *vouched; /* NULL: no tenant */
    /* The tenant and the subject that a token of an exchange must have; NULL: any. */
    const struct tenant *exchange_tenant;
    const char *exchange_subject;
};

/* Whether an authzid is a name of the directory ("dn:…", RFC 4513 §5.2.1.8); false where the host is not one. */
bool verify_is_directory_name(const struct attempt *attempt, struct slice authzid);

/* Whether the revocation list of the configuration can be used. False with REVOCATION_UNAVAILABLE. */
bool verify_has_revocation_list(struct verdict *verdict, const struct config *config);

/*
 * The rules of the service that ask for more than a valid token: max_age and require_group.
 * False with CLAIM_MISSING, TOKEN_TOO_OLD or GROUP_MISSING.
 */
bool verify_service_rules(struct verdict *verdict, const struct service_rules *service, const struct login *login,
                          const struct claims_policy *policy, int64_t now);

/* Whether the signature holds: the steps up to the signature, and no other. *ret_tenant is lent by the configuration.
 * False with the reason. */
bool verify_signature(struct verdict *verdict, const struct config *config, struct slice token,
                      const struct tenant **ret_tenant);

/* A token that came for an API key: all steps that concern the token alone, and none that concerns this host's users
 * and services. It must be this subject's of this tenant. *ret_expires, in s since 1970, is set on success only. False
 * with the reason. */
bool verify_exchanged(struct verdict *verdict, const struct config *config, const struct tenant *tenant,
                      const char *subject, struct slice token, int64_t now, double *ret_expires);

/*
 * Decide about one token. *ret_login is complete on success, and means nothing otherwise.
 * False with any reason of reason.h, or undecided (`elsewhere`).
 */
bool verify_token(struct verdict *verdict, const struct config *config, const struct verify_request *request,
                  struct slice token, struct login *ret_login);

#endif
