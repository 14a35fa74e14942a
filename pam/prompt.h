/*
 * The credential of one attempt: from an earlier module of the stack or by prompt, a long one in parts.
 */
#ifndef LATCHKEY_PAM_PROMPT_H
#define LATCHKEY_PAM_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include <security/pam_modules.h>

#include "authenticate.h"
#include "config.h"
#include "options.h"
#include "verdict.h"

#define PROMPT_PARTS_MAX 64 /* sudo's conversation brings 511 bytes a prompt: a token of 16 KiB takes 33 */

/* Wiped by credential_clear(), which every way out must pass. */
struct credential {
    char bytes[CREDENTIAL_MAX_LEN + 1];
    size_t len;
    bool was_asked; /* somebody was prompted, so somebody reads an answer */
};

void credential_clear(struct credential *credential);

/*
 * use_first_pass takes PAM_AUTHTOK and never asks. try_first_pass takes it when it can be a credential of this service,
 * and asks otherwise. While what has come is only the beginning of a JWT (authenticate.h), further prompts say how much
 * has arrived and ask for the rest; an empty answer ends it. A line end after an answer is dropped.
 * False with CREDENTIAL_ABSENT, CONVERSATION_FAILED, TOKEN_TOO_LONG or SYSTEM_ERROR.
 */
bool credential_get(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                    const struct config *config, const char *service, struct credential *ret_credential);

#endif
