/*
 * The entry point of the core: what every door calls.
 */
#ifndef LATCHKEY_AUTHENTICATE_H
#define LATCHKEY_AUTHENTICATE_H

#include <stdbool.h>

#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "login/credential.h"
#include "login/verify.h"

/* Whether any credential at all could be judged now: false with the reason that will refuse every one. Where no tenant
 * has keys, latchkeyd is asked to fetch them, which takes as long as the configuration's timeout allows; where that
 * succeeds, the caller acquires the configuration again. */
bool authenticate_is_possible(struct verdict *verdict, const struct config *config, const char *service);

/*
 * Decide about a credential, and wait for latchkeyd where it must be asked (decision.h). Where the configuration is out
 * of sight (snapshot.h), latchkeyd decides. *ret_login is complete on success, and means nothing otherwise. False with
 * any reason of reason.h.
 */
bool authenticate(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                  const struct credential *credential, struct login *ret_login);

/*
 * Once more before the session begins. With a login of Latchkey: the account is still the one that was logged in, the
 * token is not revoked, and the service's rules hold. Without (login NULL: public key, password): not all subjects of
 * the account's user block are revoked, however the account's name was spelled; an account without a block, or without
 * subjects, passes. NSS is asked only where the list has a subject. False with the reason.
 */
bool authenticate_account(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                          const struct login *login);

#endif
