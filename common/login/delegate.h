/*
 * The whole of a decision by latchkeyd, for a process that cannot decide itself: one that has entered a chroot, and
 * sees neither configuration nor key sets nor the accounts of the host any more.
 */
#ifndef LATCHKEY_DELEGATE_H
#define LATCHKEY_DELEGATE_H

#include <stdbool.h>

#include "base/json.h"
#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "ipc/protocol.h"
#include "login/verify.h"

/*
 * The verdict on a credential, from latchkeyd's answer. The facts of the verdict and *ret_login are as if it had been
 * decided here (but for jti, kid and iat); *ret_login means something with REASON_OK only.
 */
void delegate_take(struct verdict *verdict, const struct latchkeyd_answer *answer, const struct attempt *attempt,
                   struct login *ret_login);

/* latchkeyd's side of it: what the answer says of a login, or of a refused one (login NULL) as far as it got. NULL when
 * memory is short. End it with json_free(). */
struct json *delegate_login(const struct verdict *verdict, const struct login *login);

#endif
