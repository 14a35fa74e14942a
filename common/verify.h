/*
 * A JWT → verdict and identity. Offline; the same for every door.
 */
#ifndef LATCHKEY_VERIFY_H
#define LATCHKEY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "identity.h"
#include "slice.h"
#include "verdict.h"

/* A verified token and whose it is, for what follows a login. Owns its strings; copy it freely. */
struct login {
    char tenant[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    char jti[SUBJECT_MAX + 1]; /* empty: none */
    char kid[SUBJECT_MAX + 1]; /* of the key that verified it; empty: none */
    bool has_issued_at;
    double issued_at; /* s since 1970 */
    double expires;   /* s since 1970 */
    struct identity identity;
};

struct verify_request {
    const struct service_rules *service;
    const char *user;  /* the account that the host asks for; NULL: the mapping names it */
    int64_t now;       /* s since 1970 */
    bool skip_account; /* do not ask NSS for the mapped user: for benchmarks and fuzzing */
};

/*
 * The rules of the service that ask for more than a valid token: max_age and require_group.
 * False with CLAIM_MISSING, TOKEN_TOO_OLD or GROUP_MISSING.
 */
bool verify_service_rules(struct verdict *verdict, const struct service_rules *service, const struct login *login,
                          const struct claims_policy *policy, int64_t now);

/*
 * Decide about one token. *ret_login is complete on success, and means nothing otherwise.
 * False with any reason of reason.h.
 */
bool verify_token(struct verdict *verdict, const struct config *config, const struct verify_request *request,
                  struct slice token, struct login *ret_login);

#endif
