/*
 * A whole decision by latchkeyd, for a process that cannot decide itself: one that has entered a chroot, and no longer
 * sees the configuration, the key sets and the accounts of the host.
 */
#ifndef LATCHKEY_DELEGATE_H
#define LATCHKEY_DELEGATE_H

#include "base/json.h"
#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "ipc/protocol.h"
#include "login/login.h"

/*
 * The host's side: the verdict from latchkeyd's answer. The facts of the verdict and *ret_login are as if it had been
 * decided here; *ret_login means something with REASON_OK only. LATCHKEYD_UNAVAILABLE where the login is not complete
 * and valid, USER_MISMATCH where it is of another user than the one that was asked for.
 */
void delegate_take(struct verdict *verdict, const struct latchkeyd_answer *answer, const struct attempt *attempt,
                   struct login *ret_login);

/* latchkeyd's side: what the answer says of a login, or of a refused one (login NULL) as far as it got. NULL when out
 * of memory. End it with json_free(). */
struct json *delegate_login(const struct verdict *verdict, const struct login *login);

#endif
