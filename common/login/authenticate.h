/*
 * The entry point of the core: what every door calls.
 */
#ifndef LATCHKEY_AUTHENTICATE_H
#define LATCHKEY_AUTHENTICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "login/credential.h"
#include "login/verify.h"

/*
 * A name in the server's own form → one of this host. The service lists which realms may stand behind the @, and any
 * may where it lists REALM_ANY; that one realm is dropped, and the name is otherwise compared byte for byte. An @ with
 * nothing behind it names no realm. *ret_name lends from `name`, and may be empty. False with REALM_UNKNOWN: the realm
 * is not listed, or there are two.
 */
bool authenticate_name(struct verdict *verdict, const struct service_rules *service, const char *name,
                       struct slice *ret_name);

/*
 * The first part of authenticate(), for latchkeyd, which must not wait in the middle of it: what is to be verified by
 * verify_token(), and whether the credential must be exchanged before (verify.exchange_subject is not NULL then). The
 * strings are lent by the attempt, the configuration and the plan itself, which therefore stays where it is.
 * False with REVOCATION_UNAVAILABLE, CREDENTIAL_ABSENT, CREDENTIAL_NOT_ALLOWED, TOKEN_MALFORMED (masked),
 * REALM_UNKNOWN or AUTHZID_NOT_ALLOWED.
 */
struct auth_plan {
    struct attempt attempt;       /* the time moves on with every wait */
    struct verify_request verify; /* lends it */
    char hint[USER_MAX + 1];
    int64_t ahead; /* s of the attempt's clock before the host's: 0, but in tests */
};
bool authenticate_plan(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                       const struct credential *credential, struct auth_plan *ret_plan);

/* After a wait: go on at the time it is now. A token that was made meanwhile is not one of the future. */
void authenticate_catch_up(struct auth_plan *plan);

/* The same plan by a newer configuration, which is asked again whether the credential may be, after a wait. It points
 * into the old one and its plan, too. False with CREDENTIAL_NOT_ALLOWED or TENANT_UNKNOWN. */
bool authenticate_replan(struct verdict *verdict, const struct config *newer, const struct attempt *attempt,
                         const struct auth_plan *plan, struct auth_plan *ret_plan);

/* Whether a refusal may be one for want of a newer key set, which latchkeyd then looks for. */
bool authenticate_wants_keys(enum reason reason);

/* Whether any credential at all could be judged now: false with the reason that will refuse every one. Where no tenant
 * has keys, latchkeyd is asked to fetch them, which takes as long as the configuration's timeout allows; where that
 * succeeds, the configuration is to be acquired again. */
bool authenticate_is_possible(struct verdict *verdict, const struct config *config, const char *service);

/* Decide about a credential. Where the configuration is out of sight (config.h), latchkeyd decides. *ret_login is
 * complete on success, and means nothing otherwise. False with any reason of reason.h. */
bool authenticate(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                  const struct credential *credential, struct login *ret_login);

/*
 * Once more before the session begins. With a login of Latchkey: the account is still the one that was logged in, the
 * token is not revoked, and the service's rules hold. Without (login NULL: public key, password): not all subjects of
 * the account's user block are revoked, in whatever spelling the account was named; an account without a block, or
 * without subjects, passes. NSS is asked only where the list names somebody. False with the reason.
 */
bool authenticate_account(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                          const struct login *login);

#endif
