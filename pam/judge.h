/*
 * The judgement of one authentication: take what an earlier module has asked for, ask the user for a token in as many
 * parts as it needs, and have the core decide.
 */
#ifndef LATCHKEY_PAM_JUDGE_H
#define LATCHKEY_PAM_JUDGE_H

#include <stdbool.h>

#include "pam/call.h"
#include "pam/prompt.h"

/*
 * The verdict of the call is filled in; on success the login is kept (kept_login.h). *credential is what came from an
 * earlier module and by prompts, which judge_login() begins; the caller wipes it with prompted_clear().
 */
bool judge_login(struct pam_call *call, struct prompted *credential);

#endif
