/*
 * The whole of a decision by latchkeyd, for a process that cannot decide itself: one that has entered a chroot, and
 * sees neither configuration nor key sets nor the accounts of the host any more.
 */
#ifndef LATCHKEY_DELEGATE_H
#define LATCHKEY_DELEGATE_H

#include <stdbool.h>

#include "base/json.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "ipc/protocol.h"
#include "login/verify.h"

/*
 * Ask latchkeyd for the verdict on a credential. The facts of the verdict and *ret_login are as if it had been decided
 * here (but for jti, kid and iat, which nobody needs after it); *ret_login means something on success only.
 * True with REASON_OK in the verdict. False with any reason of reason.h, LATCHKEYD_UNAVAILABLE when nobody answers.
 */
bool delegate_authenticate(struct verdict *verdict, const struct config *config,
                           const struct latchkeyd_question *question, struct login *ret_login);

/* latchkeyd's side of it: what the answer says of a login, or of a refused one (login NULL) as far as it got. NULL when
 * memory is short. End it with json_free(). */
struct json *delegate_login(const struct verdict *verdict, const struct login *login);

#endif
